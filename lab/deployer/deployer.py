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
from .files import current
from .network import INTERFACES

Progress = Callable[[str, int], None]
Errors = dict[str, str | None]

EXPECTED = (DeploymentError, CommandFailed, HostError, Timeout, subprocess.TimeoutExpired, OSError)
"""What ends a node's deployment with a sentence."""

WORKERS = 4
"""Nodes that are worked on at once: more only wait for one another on a small machine."""

BOOT_TIMEOUT = 120
ADMIN_STANZA = f"{INTERFACES}/ifcfg-eth0"
ADMIN_BRIDGE_STANZA = f"{INTERFACES}/ifcfg-br-fw-admin"


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
            host.mount()
            gateway = self.lab.definition["networks"]["admin"]["gateway"]
            self._install(host, static_stanza("eth0", admin_address(host), gateway))

        errors = _each({uid: uid for uid in uids}, one)
        failed = "; ".join(error for error in errors.values() if error)
        if failed:
            raise DeploymentError(failed)

    def _host(self, uid: str) -> Host:
        name = f"node-{uid}"
        if name not in self.lab.hosts:
            raise DeploymentError(f"this lab has no host {name}")
        host: Host = self.lab.hosts[name]
        return host

    def _install(self, host: Host, stanza: str) -> None:
        """A new system with the admin address, booted, which the Fuel master may enter."""
        host.reinstall()
        host.write(ADMIN_STANZA, stanza)
        host.write("/root/.ssh/authorized_keys", self._master_key(), mode=0o600)
        host.start()
        host.wait_booted(BOOT_TIMEOUT)

    def _master_key(self) -> str:
        """The public key of the Fuel master's root; empty in a lab without a master."""
        master = self.lab.hosts.get("fuel")
        key = master.root / "root/.ssh/id_rsa.pub" if master else None
        return key.read_text(encoding="utf-8") if key and key.exists() else ""

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
            return static_stanza(name, address, node.get("ks_meta", {}).get("gw"))
    raise UnsupportedFacts(f"{node['name']}: no interface of the provisioning facts has an address")


def static_stanza(name: str, address: str, gateway: str | None) -> str:
    """ifupdown's stanza for an interface with an address ("10.20.0.131/24")."""
    lines = [f"auto {name}", f"iface {name} inet static", f"address {address}"]
    return "\n".join(lines + ([f"gateway {gateway}"] if gateway else [])) + "\n"


def admin_address(host: Any) -> str:
    """The address that a host has in the admin network by its files, deployed or not. Raises DeploymentError."""
    for path in (ADMIN_STANZA, ADMIN_BRIDGE_STANZA):
        for line in (current(host, path) or "").splitlines():
            if line.split()[:1] == ["address"]:
                return line.split()[1]
    raise DeploymentError(f"{host.name}: no file of it has an address of the admin network")


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
