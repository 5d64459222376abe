"""The lab's Cobbler and Astute: installs hosts and deploys environments by facts, as lab.nailgun asks for it."""

from __future__ import annotations

import contextlib
import subprocess
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.command import CommandFailed
from lab.hosts import Host, HostError
from lab.state import has_agents
from lab.wait import Timeout

from . import configure, mcollective
from .deployment import Deployment
from .environment import Environment, parse
from .errors import DeploymentError, UnsupportedFacts
from .files import current
from .network import INTERFACES

Progress = Callable[[str, int | None], None]
Errors = dict[str, str | None]
Machines = Callable[[], Mapping[str, str]]
"""What Cobbler knows: uid of every node to the MAC address of its machine, at this moment."""


EXPECTED = (DeploymentError, CommandFailed, HostError, Timeout, subprocess.TimeoutExpired, OSError)
"""What ends a node's deployment with a sentence."""

WORKERS = 4
"""Nodes that are worked on at once: more only wait for one another on a small machine."""

BOOT_TIMEOUT = 120
ADMIN_STANZA = f"{INTERFACES}/ifcfg-eth0"
ADMIN_BRIDGE_STANZA = f"{INTERFACES}/ifcfg-br-fw-admin"


BOOTSTRAP = "7.0"
"""The release whose bootstrap the Fuel master boots nodes into that are not installed."""


@dataclass(frozen=True)
class System:
    """What is installed: host name, the stanza of the interface in the admin network, the release of Fuel it is of."""

    name: str
    stanza: str
    fuel_release: str


class LabDeployer:
    """Deploys on the hosts of ``lab`` (lab.state.Lab).

    A node's machine is found by its MAC address, as Cobbler does: a node that was deleted comes back under another
    number, and the host keeps its name.
    """

    def __init__(self, lab: Any, machines: Machines) -> None:
        self.lab = lab
        self.machines = machines

    def provision(self, nodes: list[dict[str, Any]], progress: Progress) -> Errors:
        """Install the operating system anew on ``nodes`` (entries of the provisioning facts); uid to error or None."""

        def one(node: dict[str, Any]) -> None:
            uid = str(node["uid"])
            host = self._host(uid)
            self._fail_on_demand(host, "provision")
            mcollective.erase(host)
            progress(uid, 10)
            release = node.get("ks_meta", {}).get("fuel_version", BOOTSTRAP)
            self._install(host, System(node["name"], admin_stanza(node), release), blanked_disks(node))
            progress(uid, 100)

        return _each({str(node["uid"]): node for node in nodes}, one)

    def deploy(self, facts: list[dict[str, Any]], progress: Progress) -> Errors:
        """Deploy the nodes of ``facts``, one element per node and role; uid to error or None."""
        uids = sorted({str(element["uid"]) for element in facts})
        try:
            environment = parse(facts, self._has_agents())
            known = self._hosts()
            hosts = {node.uid: known[node.uid] for node in environment.nodes if node.uid in known}
        except DeploymentError as error:
            return dict.fromkeys(uids, str(error))
        errors = _each({uid: uid for uid in uids}, lambda uid: self._fail_on_demand(self._host(uid), "deploy"))
        deployment = Deployment(environment, hosts, self.lab.openstack, progress, errors)
        return deployment.run()

    def run_tasks(self, facts: list[dict[str, Any]], tasks: list[str], progress: Progress) -> Errors:
        """Run deployment tasks by themselves on the nodes of ``facts``; uid to error or None."""
        unknown = sorted(set(tasks) - configure.KNOWN_TASKS)
        if unknown:
            text = f"deployment tasks that this lab does not run by themselves: {', '.join(unknown)}"
            return {str(element["uid"]): text for element in facts}
        environment = parse(facts, self._has_agents())

        def one(uid: str) -> None:
            # Astute tells no percentage of tasks by themselves.
            progress(uid, None)
            run_on_node(self._host(uid), environment, uid, tasks)

        return _each({uid: uid for uid in environment.facts}, one)

    def erase(self, uids: list[str]) -> None:
        """Back to the bootstrap: an empty system that answers on the admin network.

        What cannot be asked to erase itself is installed all the same.
        """

        def one(uid: str) -> None:
            host = self._host(uid)
            with contextlib.suppress(DeploymentError):
                mcollective.erase(host)
            host.mount()
            gateway = self.lab.definition["networks"]["admin"]["gateway"]
            self._install(host, System(host.name, static_stanza("eth0", admin_address(host), gateway), BOOTSTRAP))

        errors = _each({uid: uid for uid in uids}, one)
        failed = "; ".join(error for error in errors.values() if error)
        if failed:
            raise DeploymentError(failed)

    def _has_agents(self) -> bool:
        return has_agents(self.lab.definition)

    def _host(self, uid: str) -> Host:
        """The machine of a node. Raises DeploymentError."""
        hosts = self._hosts()
        if uid not in hosts:
            address = self.machines().get(uid, "unknown")
            raise DeploymentError(f"this lab has no host for node {uid}: its MAC address is {address}")
        return hosts[uid]

    def _hosts(self) -> dict[str, Host]:
        """The machines of all nodes that have one here, by uid."""
        by_address = {host.mac: host for host in self.lab.hosts.values()}
        return {uid: by_address[address] for uid, address in self.machines().items() if address in by_address}

    def _install(self, host: Host, system: System, blanked: Iterable[str] = ()) -> None:
        """A new system on a host, booted, which the Fuel master may enter."""
        host.reinstall()
        for disk in blanked:
            host.blank_disk(disk)
        host.write("/etc/hostname", system.name + "\n")
        host.write(ADMIN_STANZA, system.stanza)
        mcollective.install(host, system.fuel_release)
        host.write("/root/.ssh/authorized_keys", self._master_key(), mode=0o600)
        host.start()
        host.wait_booted(BOOT_TIMEOUT)

    def _master_key(self) -> str:
        """The public key of the Fuel master's root; empty in a lab without a master."""
        master = self.lab.hosts.get("fuel")
        key = master.root / "root/.ssh/id_rsa.pub" if master else None
        return key.read_text(encoding="utf-8") if key and key.exists() else ""

    def _fail_on_demand(self, host: Host, what: str) -> None:
        """Raise DeploymentError when a fault was asked for (a file of the lab's state); it happens once."""
        fault = Path(self.lab.state) / "faults" / f"{host.name}.{what}"
        if fault.exists():
            fault.unlink()
            raise DeploymentError(f"{host.name}: {what} failed on demand")


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


def blanked_disks(node: dict[str, Any]) -> list[str]:
    """Disks whose Ceph partitions are made anew when a node is provisioned.

    The provisioning of 7.0 leaves all partitions of a node alone when any volume of it is to be kept, and none else.
    """
    spaces = node.get("ks_meta", {}).get("pm_data", {}).get("ks_spaces", [])
    disks = {space["name"]: space["volumes"] for space in spaces if space["type"] == "disk"}
    if any(volume.get("keep_data") for volumes in disks.values() for volume in volumes):
        return []
    return [name for name, volumes in disks.items() if any(v.get("name") == "ceph" and v["size"] for v in volumes)]


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
