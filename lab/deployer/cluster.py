"""The controllers' cluster: corosync on the management network, Pacemaker with Fuel's resources and agents."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.wait import until

from . import network
from .environment import Environment, Node
from .files import File, render

AGENTS = Path(__file__).parent / "ocf"
AGENT_FOLDER = "/usr/lib/ocf/resource.d/fuel"
LIBRARY = "agent.sh"
STAND_INS = (
    "ns_dns",
    "ns_ntp",
    "ns_conntrackd",
    "ocf-neutron-ovs-agent",
    "ocf-neutron-l3-agent",
    "ocf-neutron-dhcp-agent",
    "ocf-neutron-metadata-agent",
)
"""Agents of Fuel whose daemons do not exist here: they keep a state, as a running daemon would."""

NEUTRON_AGENTS = tuple(name for name in STAND_INS if name.startswith("ocf-neutron-"))
"""Those of them that an environment with Neutron's own agents has daemons for."""

RESOURCES = {
    "6.1": {
        "management": ("vip__management", "br-mgmt-hapr", "hapr-m"),
        "public": ("vip__public", "br-ex-hapr", "hapr-p"),
        "vrouter": ("vip__management_vrouter", "br-mgmt-vrouter", "vr-mgmt"),
        "vrouter_pub": ("vip__public_vrouter", "br-ex-vrouter", "vr-ex"),
    },
    "7.0": {
        "management": ("vip__management", "v_management", "b_management"),
        "public": ("vip__public", "v_public", "b_public"),
        "vrouter": ("vip__vrouter", "v_vrouter", "b_vrouter"),
        "vrouter_pub": ("vip__vrouter_pub", "v_vrouter_pub", "b_vrouter_pub"),
    },
}
"""VIP name to Pacemaker's id and the ends of its pair of devices, on the host and in the namespace."""

MONITOR_INTERVAL = {"6.1": "3s", "7.0": "5s"}
"""Seconds between two looks at a VIP; each announces its address."""


@dataclass(frozen=True)
class Vip:
    """A virtual address as its agent takes it."""

    resource: str
    address: str
    prefix: int
    bridge: str
    base_veth: str
    ns_veth: str
    namespace: str
    gateway: str | None
    metric: int
    also_check: Sequence[str]
    masquerade: str | None


def vips(environment: Environment) -> list[Vip]:
    """The four virtual addresses of an environment."""
    return [_vip(environment, name) for name in ("management", "public", "vrouter", "vrouter_pub")]


def _vip(environment: Environment, name: str) -> Vip:
    side = "public" if name in ("public", "vrouter_pub") else "management"
    resource, base_veth, ns_veth = RESOURCES[environment.fuel_release][name]
    return Vip(
        resource=resource,
        address=environment.vips[name],
        prefix=environment.prefix(side),
        bridge=environment.bridge(side),
        base_veth=base_veth,
        ns_veth=ns_veth,
        namespace="vrouter" if name.startswith("vrouter") else "haproxy",
        gateway=environment.gateway("public") if side == "public" else None,
        metric=10 if side == "public" else 20,
        also_check=_ports(environment, environment.bridge(side)),
        masquerade=environment.settings["management_network_range"] if name == "vrouter_pub" else None,
    )


def _ports(environment: Environment, bridge: str) -> list[str]:
    """Physical ports that the facts give to ``bridge``: the VIP goes where they have a carrier."""
    scheme = environment.settings["network_scheme"]
    found = network.devices(scheme, environment.settings["fqdn"])
    return next(device.ports for device in found if device.name == bridge)


def files(environment: Environment) -> list[File]:
    """Configuration of corosync and the agents; the same on all controllers."""
    name = f"environment-{environment.identifier}"
    configuration = render("corosync.conf.j2", {"cluster": name, "nodes": environment.controllers})
    made = [File("/etc/corosync/corosync.conf", configuration)]
    for path in sorted(AGENTS.iterdir()):
        for agent in _named(path.name, environment.agents):
            made.append(File(f"{AGENT_FOLDER}/{agent}", path.read_text(encoding="utf-8"), 0o755))
    return made


def _named(file: str, agents: bool) -> Sequence[str]:
    """Names of Fuel's agents that one of the lab's files is."""
    if file == "neutron-agent":
        return NEUTRON_AGENTS if agents else ()
    if file == "stand-in":
        return [name for name in STAND_INS if not (agents and name in NEUTRON_AGENTS)]
    return (file,)


def addresses(environment: Environment) -> str:
    """crm's text for namespaces, haproxy and VIPs."""
    names = {name: ids[0] for name, ids in RESOURCES[environment.fuel_release].items()}
    context = {
        "vips": vips(environment),
        "other_networks": environment.settings["management_network_range"],
        "monitor": MONITOR_INTERVAL[environment.fuel_release],
        "vrouter": names["vrouter"],
        "public_vrouter": names["vrouter_pub"],
        "ping_gateway": environment.gateway("public") if checks_gateway(environment) else None,
    }
    return render("crm-addresses.j2", context)


def checks_gateway(environment: Environment) -> bool:
    """Whether vip__public may only be where the gateway answers. 6.1 has the setting in no facts, and checks."""
    given = environment.settings.get("run_ping_checker", True)
    return str(given).lower() not in ("false", "0", "no")


def services(environment: Environment) -> str:
    """crm's text for what Fuel leaves to Pacemaker."""
    public_vrouter = RESOURCES[environment.fuel_release]["vrouter_pub"][0]
    return render("crm-services.j2", {"public_vrouter": public_vrouter, "agents": environment.agents})


def load(host: Any, text: str) -> None:
    """Merge ``text`` into the cluster's configuration; a text that was loaded before is not loaded again."""
    mark = host.root / f"var/lib/pacemaker/{hashlib.sha256(text.encode()).hexdigest()[:16]}.loaded"
    if mark.exists():
        return
    host.run(["crm", "configure", "load", "update", "-"], input=text, timeout=120)
    mark.touch()


def state(host: Any) -> ElementTree.Element | None:
    """``crm_mon`` of the node as XML, None while the cluster does not answer."""
    answer = host.run(["crm_mon", "-1", "--as-xml"], check=False)
    return ElementTree.fromstring(answer.stdout) if answer.returncode == 0 and answer.stdout.strip() else None


def online(host: Any) -> set[str]:
    """Names of the nodes that the cluster sees online."""
    tree = state(host)
    if tree is None:
        return set()
    return {node.get("name", "") for node in tree.findall("nodes/node") if node.get("online") == "true"}


def started(host: Any, resource: str) -> set[str]:
    """Names of the nodes on which ``resource`` runs, a clone's instances included."""
    tree = state(host)
    if tree is None:
        return set()
    found = [each for each in tree.iter("resource") if (each.get("id") or "").partition(":")[0] == resource]
    running = [each for each in found if each.get("role") in ("Started", "Master", "Slave", "Promoted", "Unpromoted")]
    return {node.get("name", "") for each in running for node in each.findall("node")}


def spread_values(host: Any) -> None:
    """Let the whole cluster know now what its agents measured: the ping to the gateway else waits for half a minute."""
    host.run(["attrd_updater", "--refresh"], check=False)


def wait_online(host: Any, nodes: Iterable[Node]) -> None:
    """Wait until all ``nodes`` are online and one of them decides. Raises lab.wait.Timeout."""
    wanted = {node.fqdn for node in nodes}
    what = f"Pacemaker to see {', '.join(sorted(wanted))}"
    until(lambda: wanted <= online(host) and _has_coordinator(host), 120, what, 0.5)


def _has_coordinator(host: Any) -> bool:
    tree = state(host)
    coordinator = tree.find("summary/current_dc") if tree is not None else None
    return coordinator is not None and coordinator.get("present") == "true"


def wait_started(host: Any, resource: str, nodes: Iterable[Node], timeout: float = 120) -> None:
    """Wait until ``resource`` runs on all ``nodes``. Raises lab.wait.Timeout naming it."""
    wanted = {node.fqdn for node in nodes}
    until(lambda: wanted <= started(host, resource), timeout, f"{resource} on {', '.join(sorted(wanted))}", 0.5)
