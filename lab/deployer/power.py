"""A deployed cloud as a whole: a clean stop, so that a cold start bootstraps, and waiting until it is all there again.

At boot everything starts by itself: corosync, Pacemaker and OpenStack's units are enabled, the rest is Pacemaker's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import yaml

from lab.state import has_agents
from lab.wait import until

from . import ceph_cluster, cloud, cluster, galera, openstack, rabbitmq
from .environment import Environment, Node, parse

FACTS = "/etc/astute.yaml"
STOP_TIMEOUT = 240


def deployed(lab: Any) -> list[Environment]:
    """The environments whose facts the lab's running hosts hold, by number; ``facts`` has the nodes that run."""
    elements: dict[int, list[dict[str, Any]]] = {}
    for host in lab.hosts.values():
        facts = read_facts(host) if host.is_running() else None
        if facts:
            elements.setdefault(int(facts["deployment_id"]), []).append(facts)
    agents = has_agents(lab.definition)
    return [parse(found, agents) for _, found in sorted(elements.items())]


def read_facts(host: Any) -> dict[str, Any] | None:
    """The facts on a host; None on one that is not deployed."""
    link = host.root / FACTS.lstrip("/")
    if not link.is_symlink():
        return None
    target = host.root / str(link.readlink()).lstrip("/")
    facts: dict[str, Any] = yaml.safe_load(target.read_text(encoding="utf-8"))
    return facts


def stop_cloud(lab: Any) -> None:
    """Stop all environments cleanly: OpenStack, then the controllers' clusters, the primary controller last.

    Galera's last member is then the one that may start the cluster anew. Raises lab.command.CommandFailed.
    """
    for environment in deployed(lab):
        hosts = _hosts(lab, environment)
        cloud.in_parallel(partial(_stop_services, hosts[node.uid], environment, node) for node in _running(environment))
        if environment.has_ceph:
            _stop_ceph(hosts, environment)
        for node in reversed([node for node in environment.controllers if node.uid in environment.facts]):
            hosts[node.uid].run(["systemctl", "stop", "pacemaker", "corosync"], timeout=STOP_TIMEOUT)


def _stop_ceph(hosts: dict[str, Any], environment: Environment) -> None:
    """Everything that needs another part of Ceph to stop goes before that part."""
    for kind in ceph_cluster.STOP_ORDER:
        cloud.in_parallel(partial(ceph_cluster.stop, hosts[node.uid], kind) for node in _running(environment))


def _running(environment: Environment) -> list[Node]:
    return [node for node in environment.nodes if node.uid in environment.facts]


def _hosts(lab: Any, environment: Environment) -> dict[str, Any]:
    """Its hosts by uid: a host is a node by what was deployed on it, the node's name is not the machine's."""
    found: dict[str, Any] = {}
    for host in lab.hosts.values():
        facts = read_facts(host)
        if facts and int(facts["deployment_id"]) == environment.identifier:
            found[str(facts["uid"])] = host
    return found


def _stop_services(host: Any, environment: Environment, node: Node) -> None:
    names = [service.name for service in openstack.services(environment, node) if not service.in_pacemaker]
    if names:
        host.run(["systemctl", "stop", *names], timeout=STOP_TIMEOUT)


def wait_ready(lab: Any, environment: Environment, timeout: float = 600) -> None:
    """Wait until ``environment`` serves: its database, brokers, addresses, every API on every controller, computes.

    ``timeout`` in seconds is for all of it. Raises lab.wait.Timeout or DeploymentError naming what is missing.
    """
    deadline = time.monotonic() + timeout
    hosts = _hosts(lab, environment)
    controllers = [node for node in environment.controllers if node.uid in environment.facts]
    computes = [node for node in environment.computes if node.uid in environment.facts]
    first, count = hosts[controllers[0].uid], len(controllers)

    def left() -> float:
        return max(deadline - time.monotonic(), 1)

    def wait(condition: Callable[[], Any], what: str) -> None:
        until(condition, left(), f"environment {environment.identifier}: {what}", interval=0.5)
        say(environment, f"{timeout - left():.1f} s: {what}")

    wait(lambda: all(galera.is_synced(hosts[node.uid]) for node in controllers), f"database {count}/{count}")
    wait(lambda: len(rabbitmq.running_nodes(first)) == count, f"brokers {count}/{count}")
    if environment.has_ceph:
        ceph_cluster.wait_healthy(first, environment, left())
        say(environment, f"{timeout - left():.1f} s: Ceph")
    for resource, _, _ in cluster.RESOURCES[environment.fuel_release].values():
        wait(partial(_is_started, first, resource), resource)
    cloud.wait_answering(first, cloud.urls_of_backends(controllers), left())
    cloud.wait_answering(first, cloud.urls_of_vip(environment), left())
    cloud.wait_answering(first, cloud.urls_of_objects(environment, controllers), left())
    say(environment, f"{timeout - left():.1f} s: all APIs")
    wait_reporting(first, environment, computes, left())
    cloud.wait_agents(first, environment, [*controllers, *computes], left())
    say(environment, f"{timeout - left():.1f} s: {len(computes)} computes")


def _is_started(host: Any, resource: str) -> bool:
    """Whether ``resource`` runs; what holds it up is not that the cluster has not looked yet."""
    if cluster.started(host, resource):
        return True
    cluster.spread_values(host)
    return False


def wait_reporting(host: Any, environment: Environment, computes: list[Node], timeout: float) -> None:
    """Wait for the compute nodes, where there are any."""
    if computes:
        cloud.wait_computes(host, environment, computes, timeout)


def say(environment: Environment, what: str) -> None:
    """One line of progress."""
    print(f"environment {environment.identifier}: {what}", file=sys.stderr, flush=True)
