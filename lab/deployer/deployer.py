"""The lab's Cobbler and Astute: installs hosts and deploys environments by facts, as lab.nailgun asks for it."""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab.command import CommandFailed
from lab.hosts import Host, HostError
from lab.wait import Timeout

from . import configure
from .deployment import Deployment
from .environment import Environment, parse
from .errors import DeploymentError, UnsupportedFacts

Progress = Callable[[str, int], None]
Errors = dict[str, str | None]

EXPECTED = (DeploymentError, CommandFailed, HostError, Timeout, subprocess.TimeoutExpired, OSError)
"""What ends a node's deployment with a sentence."""

WORKERS = 4
"""Nodes that are worked on at once: more only wait for one another on a small machine."""

BOOT_TIMEOUT = 120
BOOTSTRAP_INTERFACE = "/etc/network/interfaces.d/ifcfg-eth0"


class LabDeployer:
    """Deploys on the hosts of ``lab`` (lab.state.Lab); the node with uid N is the host node-N."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab

    def provision(self, nodes: list[dict[str, Any]], progress: Progress) -> Errors:
        """Install the operating system anew on ``nodes`` (entries of the provisioning facts); uid to error or None."""

        def one(node: dict[str, Any]) -> None:
            uid = str(node["uid"])
            self._fail_on_demand(uid, "provision")
            progress(uid, 10)
            self._install(self._host(uid), admin_stanza(node))
            progress(uid, 100)

        return _each({str(node["uid"]): node for node in nodes}, one)

    def deploy(self, facts: list[dict[str, Any]], progress: Progress) -> Errors:
        """Deploy the nodes of ``facts``, one element per node and role; uid to error or None."""
        uids = sorted({str(element["uid"]) for element in facts})
        try:
            environment = parse(facts)
            hosts = {node.uid: self._host(node.uid) for node in environment.nodes if node.name in self.lab.hosts}
        except DeploymentError as error:
            return dict.fromkeys(uids, str(error))
        errors = _each({uid: uid for uid in uids}, lambda uid: self._fail_on_demand(uid, "deploy"))
        deployment = Deployment(environment, hosts, self.lab.openstack, progress, errors)
        return deployment.run()

    def run_tasks(self, facts: list[dict[str, Any]], tasks: list[str], progress: Progress) -> Errors:
        """Run deployment tasks by themselves on the nodes of ``facts``; uid to error or None."""
        unknown = sorted(set(tasks) - configure.KNOWN_TASKS)
        if unknown:
            text = f"deployment tasks that this lab does not run by themselves: {', '.join(unknown)}"
            return {str(element["uid"]): text for element in facts}
        environment = parse(facts)

        def one(uid: str) -> None:
            run_on_node(self._host(uid), environment, uid, tasks)
            progress(uid, 100)

        return _each({uid: uid for uid in environment.facts}, one)

    def erase(self, uids: list[str]) -> None:
        """Back to the bootstrap: an empty system that answers on the admin network."""

        def one(uid: str) -> None:
            host = self._host(uid)
            stanza = host.root / BOOTSTRAP_INTERFACE.lstrip("/")
            self._install(host, stanza.read_text(encoding="utf-8") if stanza.exists() else None)

        _each({uid: uid for uid in uids}, one)

    def _host(self, uid: str) -> Host:
        name = f"node-{uid}"
        if name not in self.lab.hosts:
            raise DeploymentError(f"this lab has no host {name}")
        host: Host = self.lab.hosts[name]
        return host

    def _install(self, host: Host, stanza: str | None) -> None:
        """A new system with the admin address, booted. Who may log in is what the lab gave the host before."""
        keys = host.root / "root/.ssh/authorized_keys"
        authorized = keys.read_text(encoding="utf-8") if keys.exists() else ""
        host.reinstall()
        if stanza:
            host.write(BOOTSTRAP_INTERFACE, stanza)
        host.write("/root/.ssh/authorized_keys", authorized, mode=0o600)
        host.start()
        host.wait_booted(BOOT_TIMEOUT)

    def _fail_on_demand(self, uid: str, what: str) -> None:
        """Raise DeploymentError when a fault was asked for (a file of the lab's state); it happens once."""
        fault = Path(self.lab.state) / "faults" / f"node-{uid}.{what}"
        if fault.exists():
            fault.unlink()
            raise DeploymentError(f"node-{uid}: {what} failed on demand")


def run_on_node(host: Any, environment: Environment, uid: str, tasks: Iterable[str]) -> None:
    """Run the named tasks on one node, in Fuel's order."""
    wanted = set(tasks)
    node = environment.node(uid)
    if wanted & configure.HIERA_TASKS:
        configure.hiera(host, environment, node)
    if wanted & configure.NETWORK_TASKS:
        configure.netconfig_task(host, environment, node)


def admin_stanza(node: dict[str, Any]) -> str:
    """ifupdown's stanza for the interface that a provisioned node boots from. Raises UnsupportedFacts without one."""
    for name, interface in node["interfaces"].items():
        if interface.get("ip_address"):
            address = f"{interface['ip_address']}/{_prefix(interface)}"
            gateway = node.get("ks_meta", {}).get("gw")
            lines = [f"auto {name}", f"iface {name} inet static", f"address {address}"]
            return "\n".join(lines + ([f"gateway {gateway}"] if gateway else [])) + "\n"
    raise UnsupportedFacts(f"{node['name']}: no interface of the provisioning facts has an address")


def _prefix(interface: dict[str, Any]) -> int:
    return sum(bin(int(part)).count("1") for part in interface["netmask"].split("."))


def _each(items: dict[str, Any], action: Callable[[Any], None]) -> Errors:
    """Do ``action`` for each value at once; key to the sentence of its error, or None."""
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = {key: pool.submit(action, value) for key, value in items.items()}
    errors: Errors = {}
    for key, future in futures.items():
        error = future.exception()
        if error is not None and not isinstance(error, EXPECTED):
            traceback.print_exception(error)
        errors[key] = None if error is None else (str(error) or type(error).__name__)
    return errors


__all__: Sequence[str] = ("LabDeployer", "admin_stanza", "run_on_node")
