"""One deployment of one environment, step after step: nodes by themselves, then what the controllers do together."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from lab.command import CommandFailed
from lab.hosts import HostError
from lab.wait import Timeout, until

from . import ceph_cluster, cloud, cluster, configure, galera, haproxy, openstack, rabbitmq
from .environment import Environment, Node
from .errors import DeploymentError

WORKERS = 4
START_TIMEOUT = 300
"""Seconds for a unit to start: a database that joins copies the whole of another one first."""

EXPECTED = (DeploymentError, CommandFailed, HostError, Timeout, subprocess.TimeoutExpired, OSError)


class Deployment:
    """Deploys the nodes of ``environment.facts``.

    ``hosts``: uid to lab host, ``venvs``: OpenStack release to its Python environment, ``errors``: uid to what already
    failed; ``run`` returns it completed. Every step finds out by itself what is done already.
    """

    def __init__(
        self,
        environment: Environment,
        hosts: Mapping[str, Any],
        venvs: Mapping[str, Path],
        progress: Callable[[str, int], None],
        errors: dict[str, str | None],
    ) -> None:
        self.environment = environment
        self.hosts = hosts
        self.venv = venvs[environment.openstack_release]
        self.progress = progress
        self.errors = errors
        self.started = time.monotonic()
        self.changed: dict[str, list[str]] = {}

    # ---- the order of things

    def run(self) -> dict[str, str | None]:
        """Deploy; uid to error or None. An error of one controller ends the deployment of all of them."""
        self._on_each(self._configure, 20)
        controllers = self._deployed(self.environment.controllers)
        if controllers:
            self._together(controllers, self._join_controllers if self._is_there() else self._deploy_controllers)
        storage_nodes = self._deployed(self.environment.storage_nodes) if self.environment.has_ceph else []
        if storage_nodes:
            self._together(storage_nodes, self._deploy_storage)
        computes = [node for node in self._deployed(self.environment.computes) if not node.is_controller]
        if computes:
            self._together(computes, self._deploy_computes)
        return self.errors

    def _deploy_controllers(self, controllers: list[Node]) -> None:
        self._check_primary(controllers)
        self._start_infrastructure(controllers)
        self._at(controllers, 35, "database, brokers and cluster started")
        cluster.load(self.primary, cluster.addresses(self.environment))
        cloud.wait_database(self.primary, self.environment)
        self._at(controllers, 45, "database behind the VIP")
        synchronise = partial(cloud.synchronise, self.primary, self.environment, self.venv)
        cloud.in_parallel([synchronise, partial(self._start_monitors, controllers)])
        self._at(controllers, 60, "schemas made")
        self._complete_cluster(controllers)
        self._at(controllers, 75, "database and brokers complete, Keystone filled")
        self._start_services(controllers, without=self._waiting_for_osds())
        cloud.wait_answering(self.primary, cloud.urls_of_vip(self.environment))
        cloud.wait_agents(self.primary, self.environment, controllers)
        self._at(controllers, 90, "all APIs answer")
        cloud.make_resources(self.primary, self.environment, self.venv)
        self._at(controllers, 100, "done")

    def _is_there(self) -> bool:
        """Whether the environment was deployed before, by its primary controller: others join it then."""
        if not self.environment.was_ready(self.environment.primary.uid):
            return False
        return self.primary.is_running() and galera.is_synced(self.primary)

    def _join_controllers(self, controllers: list[Node]) -> None:
        """Controllers join those that serve, and nothing is bootstrapped; who served before learns of the new ones."""
        known = [node for node in controllers if self.environment.was_ready(node.uid)]
        new = [node for node in controllers if node not in known]
        for node in known:
            self._reload_cluster(node)
        cloud.in_parallel([partial(self._start_member, node) for node in new])
        cluster.wait_online(self.primary, self.environment.controllers)
        self._start_monitors(new)
        cloud.copy_keys(self.primary, [self._host(node) for node in new])
        self._at(controllers, 45, f"{len(new)} controllers in the cluster")
        self._await_members(self.environment.controllers)
        self._at(controllers, 60, "database and brokers complete")
        self._start_services(new)
        cloud.wait_answering(self.primary, cloud.urls_of_backends(new))
        self._at(controllers, 80, "services of the new ones answer")
        for node in known:
            self._reload_balancer(node)
        # One after the other, and only now: those who came answer meanwhile.
        for node in known:
            self._start_services([node])
            cloud.wait_answering(self.primary, cloud.urls_of_backends([node]))
        cloud.wait_answering(self.primary, cloud.urls_of_vip(self.environment))
        cloud.wait_agents(self.primary, self.environment, controllers)
        self._at(controllers, 100, "done")

    def _reload_cluster(self, node: Node) -> None:
        """Corosync reads anew who its members are, without a stop."""
        if "/etc/corosync/corosync.conf" in self.changed.get(node.uid, ()):
            self._host(node).run(["corosync-cfgtool", "-R"], timeout=START_TIMEOUT)

    def _reload_balancer(self, node: Node) -> None:
        """HAProxy reads anew who serves, by its agent: it runs where Pacemaker started it, in a namespace."""
        if any(path.startswith(haproxy.FOLDER) for path in self.changed.get(node.uid, ())):
            agent = f"{cluster.AGENT_FOLDER}/ns_haproxy"
            self._host(node).run(["env", "OCF_ROOT=/usr/lib/ocf", agent, "reload"], timeout=START_TIMEOUT)

    def _start_monitors(self, controllers: list[Node]) -> None:
        """Ceph's part of controllers, where the environment has Ceph."""
        if self.environment.has_ceph:
            ceph_cluster.deploy_monitors(self.environment, self.hosts, controllers)

    def _deploy_storage(self, nodes: list[Node]) -> None:
        """OSDs; what goes into the Ceph of a new cloud can be put there only now."""
        ceph_cluster.join_clients(self.environment, self.hosts, nodes)
        ceph_cluster.deploy_osds(self.hosts, nodes)
        self._at(nodes, 80, "OSDs are up")
        if self.environment.primary.uid in self.environment.facts:
            ceph_cluster.wait_healthy(self.primary, self.environment)
            self._start(self.environment.primary, self._waiting_for_osds())
            controllers = self.environment.controllers
            cloud.wait_answering(self.primary, cloud.urls_of_objects(self.environment, controllers))
            cloud.make_image(self.primary, self.environment, self.venv)

    def _waiting_for_osds(self) -> list[str]:
        """Services of the primary controller that begin with what OSDs tell, where these are deployed as well."""
        return ["cinder-volume"] if self.environment.has_ceph and self._deployed(self.environment.storage_nodes) else []

    def _deploy_computes(self, computes: list[Node]) -> None:
        if self.environment.has_ceph:
            ceph_cluster.join_clients(self.environment, self.hosts, computes)
        cloud.keep_identities(self.primary, self.hosts, computes)
        self._start_services(computes)
        self._at(computes, 80, "compute services started")
        cloud.wait_computes(self.primary, self.environment, computes)
        cloud.discover_computes(self.primary)
        cloud.wait_agents(self.primary, self.environment, computes)
        self._at(computes, 100, "done")

    # ---- steps

    @property
    def primary(self) -> Any:
        return self._host(self.environment.primary)

    def _host(self, node: Node) -> Any:
        if node.uid not in self.hosts:
            raise DeploymentError(f"this lab has no host for {node.name}")
        return self.hosts[node.uid]

    def _configure(self, node: Node) -> None:
        """Everything that a node can be given before others matter."""
        host = self._host(node)
        configure.hiera(host, self.environment, node)
        configure.netconfig_task(host, self.environment, node)
        self.changed[node.uid] = configure.services(host, self.environment, node, self.venv)

    def _check_primary(self, controllers: list[Node]) -> None:
        if self.environment.primary not in controllers:
            raise DeploymentError(
                f"environment {self.environment.identifier}: controllers are deployed together with"
                f" {self.environment.primary.name}, the primary one, which is not among the nodes to deploy"
            )

    def _start_infrastructure(self, controllers: list[Node]) -> None:
        """Database on the first node; cache, broker and cluster on all."""
        cloud.in_parallel([self._start_database, *(partial(self._start_member, node) for node in controllers)])
        cluster.wait_online(self.primary, controllers)

    def _start_member(self, node: Node) -> None:
        """Cache, broker and cluster of one controller."""
        host = self._host(node)
        host.run(["systemctl", "enable", "--quiet", "memcached", "clustercheck.socket", "corosync", "pacemaker"])
        host.run(["systemctl", "start", "clustercheck.socket", "corosync", "pacemaker"], timeout=START_TIMEOUT)
        self._restart_if_changed(node, "memcached", "/etc/memcached.conf")
        host.run(["systemctl", "start", "memcached"])
        # Brokers take half a minute and nobody needs them before the services start.
        host.run(["systemctl", "start", "--no-block", "rabbitmq-server"])

    def _start_database(self) -> None:
        """The first node begins a cluster of its own, unless another member has one that it can join."""
        others = [self._host(node) for node in self.environment.controllers[1:] if node.uid in self.hosts]
        if not galera.is_synced(self.primary) and any(galera.is_synced(host) for host in others if host.is_running()):
            self.primary.run(["systemctl", "start", "mariadb"], timeout=START_TIMEOUT)
        galera.bootstrap(self.primary, self.environment)

    def _complete_cluster(self, controllers: list[Node]) -> None:
        """The other database members join under Pacemaker, while Keystone starts everywhere and gets its contents."""
        cloud.copy_keys(self.primary, [self._host(node) for node in controllers[1:]])
        cloud.in_parallel([partial(self._join, controllers), partial(self._fill_keystone, controllers)])

    def _join(self, controllers: list[Node]) -> None:
        cluster.load(self.primary, cluster.services(self.environment))
        self._await_members(controllers)

    def _await_members(self, controllers: list[Node]) -> None:
        """Wait until the database of each of ``controllers`` is synced, and all brokers are in one cluster."""
        for node in controllers:
            what = f"the database of {node.name} to be synced"
            until(partial(galera.is_synced, self._host(node)), START_TIMEOUT, what, 0.5)
        count = len(self.environment.controllers)
        what = f"{count} brokers in one cluster"
        until(lambda: len(rabbitmq.running_nodes(self.primary)) == count, START_TIMEOUT, what, 1)

    def _fill_keystone(self, controllers: list[Node]) -> None:
        cloud.in_parallel([partial(self._start, node, ["keystone"]) for node in controllers])
        cloud.wait_answering(self.primary, [cloud.connection(self.environment)["auth_url"]])
        cloud.make_identity(self.primary, self.environment, self.venv)

    def _start_services(self, nodes: list[Node], without: Collection[str] = ()) -> None:
        def start(node: Node) -> None:
            names = [service.name for service in openstack.services(self.environment, node) if not service.in_pacemaker]
            self._start(node, [name for name in names if name not in without])

        cloud.in_parallel([partial(start, node) for node in nodes])

    def _start(self, node: Node, names: list[str]) -> None:
        host = self._host(node)
        host.run(["systemctl", "enable", "--quiet", openstack.START_UNIT, *names])
        for service in openstack.services(self.environment, node):
            if service.name in names:
                self._restart_if_changed(node, service.name, *openstack.configuration_of(service))
        host.run(["systemctl", "start", *names], timeout=START_TIMEOUT)

    def _restart_if_changed(self, node: Node, unit: str, *paths: str) -> None:
        """A running unit is restarted when this deployment changed what it reads."""
        if set(paths) & set(self.changed.get(node.uid, ())):
            self._host(node).run(["systemctl", "try-restart", unit], timeout=START_TIMEOUT)

    # ---- nodes and their errors

    def _deployed(self, nodes: list[Node]) -> list[Node]:
        """Those of ``nodes`` that are to be deployed and have not failed."""
        return [node for node in nodes if node.uid in self.environment.facts and self.errors.get(node.uid) is None]

    def _on_each(self, step: Callable[[Node], None], percent: int) -> None:
        """Do a step on all nodes at once; a node that fails is out."""
        nodes = self._deployed(list(self.environment.nodes))
        with ThreadPoolExecutor(WORKERS) as pool:
            futures: dict[str, Future[None]] = {node.uid: pool.submit(step, node) for node in nodes}
        for uid, future in futures.items():
            self.errors[uid] = self._sentence(future.exception())
            if self.errors[uid] is None:
                self.progress(uid, percent)

    def _together(self, nodes: list[Node], steps: Callable[[list[Node]], None]) -> None:
        """Do the steps for ``nodes``; an error is one of all of them. A node that failed before is an error too."""
        asked = [node for node in self.environment.nodes if node.uid in self.environment.facts]
        failed = [node for node in asked if self.errors[node.uid] is not None and node.is_controller]
        if failed:
            for node in nodes:
                self.errors[node.uid] = f"{node.name} was not deployed: {failed[0].name} failed"
            return
        error: BaseException | None = None
        try:
            steps(nodes)
        except Exception as raised:
            error = raised
        for node in nodes:
            self.errors[node.uid] = self._sentence(error)

    def _sentence(self, error: BaseException | None) -> str | None:
        if error is None:
            return None
        if not isinstance(error, EXPECTED):
            traceback.print_exception(error)
        return str(error) or type(error).__name__

    def _at(self, nodes: list[Node], percent: int, what: str) -> None:
        seconds = time.monotonic() - self.started
        print(f"environment {self.environment.identifier}: {seconds:.1f} s: {what}", file=sys.stderr, flush=True)
        for node in nodes:
            self.progress(node.uid, percent)
