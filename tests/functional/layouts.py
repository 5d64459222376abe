"""
Layouts of networks that real clouds have, as network_schemes, and machines deployed with them as Fuel does it.

``eth0`` is administration; ``eth1`` carries public; ``eth2`` management and storage, VLANs 101 and 102; ``eth4``
tenants, VLAN 1000.
"""

from typing import Any

from octane.fuel import scheme
from octane.fuel.uplinks import ends_of_patch, is_ovs_bond
from tests.functional.booting import Machine

Scheme = dict[str, Any]
ROLES = {"mgmt/vip": "br-mgmt", "public/vip": "br-ex", "ceph/replication": "br-storage", "admin/pxe": "br-fw-admin"}
NETWORKS = {
    "mgmt/vip": "192.168.0.{}/24",
    "public/vip": "172.16.0.{}/24",
    "ceph/replication": "192.168.1.{}/24",
    "admin/pxe": "10.20.0.{}/24",
}


def bridge(name: str, provider: str | None = None) -> dict[str, Any]:
    return {"action": "add-br", "name": name} | ({"provider": provider} if provider else {})


def port(name: str, bridge: str, **keys: Any) -> dict[str, Any]:
    return {"action": "add-port", "name": name, "bridge": bridge, **keys}


def bond(name: str, bridge: str, *interfaces: str, **keys: Any) -> dict[str, Any]:
    return {"action": "add-bond", "name": name, "bridge": bridge, "interfaces": list(interfaces), **keys}


def patch(first: str, second: str, **keys: Any) -> dict[str, Any]:
    return {"action": "add-patch", "bridges": [first, second], **keys}


def made(*transformations: dict[str, Any], roles: dict[str, str] | None = None, **keys: Any) -> Scheme:
    """A scheme with the bridges of administration and, unless TRANSFORMATIONS make it, storage."""
    steps = [bridge("br-fw-admin"), port("eth0", "br-fw-admin"), *transformations]
    if "br-storage" not in {step.get("name") for step in steps}:
        steps += [bridge("br-storage"), port("eth2.102", "br-storage")]
    return {"version": "1.1", "provider": "lnx", "roles": roles or ROLES, "transformations": steps, **keys}


PLAIN_STEPS = (bridge("br-mgmt"), port("eth2.101", "br-mgmt"), bridge("br-ex"), port("eth1", "br-ex"))
PLAIN = made(*PLAIN_STEPS)

BOND = made(
    *(bridge("br-mgmt"), bridge("br-ex"), bridge("br-storage")),
    bond("eth2", "br-ex", "eth3", "eth4"),
    *(port("eth2.101", "br-mgmt"), port("eth2.102", "br-storage")),
)
"""One bond for all, for which ``eth2`` stands: not every kernel makes bonds, and a plan moves no more than a name."""

PATCHED = made(
    *(bridge("br-shared"), bridge("br-mgmt"), bridge("br-storage"), bridge("br-ex")),
    *(patch("br-shared", "br-mgmt"), patch("br-storage", "br-shared")),
    *(port("eth2.101", "br-shared"), port("eth1", "br-ex")),
)

SWITCHED = made(
    *(bridge("br-mgmt", "ovs"), bridge("br-ex", "ovs")),
    *(port("eth2.101", "br-mgmt"), port("eth1", "br-ex", trunks=[0])),
)

SWITCHED_BOND = made(
    *(bridge("br-mgmt"), bridge("br-ex", "ovs")),
    port("eth2.101", "br-mgmt"),
    bond("bond0", "br-ex", "eth1", "eth3", bond_properties={"mode": "active-backup"}),
)

SWITCHED_PATCHES = made(
    *(bridge("br-vlan", "ovs"), bridge("br-mgmt", "ovs"), bridge("br-storage"), bridge("br-ex")),
    *(patch("br-vlan", "br-mgmt"), patch("br-storage", "br-vlan")),
    *(port("eth2.101", "br-vlan"), port("eth1", "br-ex")),
)

MIXED_PATCHES = made(
    *(bridge("br-vlan", "ovs"), bridge("br-mgmt"), bridge("br-ex", "ovs"), bridge("br-aux")),
    *(patch("br-vlan", "br-mgmt"), patch("br-ex", "br-aux")),
    *(port("eth2.101", "br-vlan"), port("eth1", "br-aux")),
)

OLD = made(
    *(bridge(name) for name in ("br-eth1", "br-eth2", "br-mgmt", "br-storage", "br-ex")),
    *(patch("br-eth2", "br-mgmt", tags=[101, 0]), patch("br-eth2", "br-storage", tags=[102, 0])),
    patch("br-eth1", "br-ex", trunks=[0]),
    *(port("eth1", "br-eth1"), port("eth2", "br-eth2")),
    roles={"management": "br-mgmt", "ex": "br-ex", "storage": "br-storage", "fw-admin": "br-fw-admin"},
    version="1.0",
    provider=None,
)

RENAMED = made(
    *(bridge("br-all"), port("eth1", "br-all"), port("eth3", "br-all")),
    roles={**ROLES, "mgmt/vip": "br-all", "public/vip": "br-all"},
)
"""A template that moves both roles to one bridge of another name, which has two ports."""

TENANTS_ROLES = {**ROLES, "neutron/private": "br-prv"}
TENANTS_PATCHED = made(
    *(*PLAIN_STEPS, bridge("br-prv", "ovs"), bridge("br-aux")),
    *(patch("br-prv", "br-aux"), port("eth4", "br-aux")),
    roles=TENANTS_ROLES,
)
TENANTS = made(*PLAIN_STEPS, bridge("br-prv", "ovs"), port("eth4", "br-prv"), roles=TENANTS_ROLES)

ROLE_NAMES = {"management": "mgmt/vip", "ex": "public/vip", "storage": "ceph/replication", "fw-admin": "admin/pxe"}


def numbered(layout: Scheme, number: int, own: int) -> Scheme:
    """LAYOUT with addresses: management and public of controller NUMBER, administration and storage of its OWN."""
    endpoints: dict[str, dict[str, Any]] = {}
    for role, name in layout["roles"].items():
        role = ROLE_NAMES.get(role, role)
        if role not in NETWORKS:
            continue
        address = NETWORKS[role].format(number if role in ("mgmt/vip", "public/vip") else own)
        endpoints.setdefault(name, {"IP": []})["IP"].append(address)
    return {**layout, "endpoints": endpoints}


def deploy(machine: Machine, wanted: Scheme) -> None:
    """Files and database of MACHINE as l23network leaves them, and a boot."""
    names = [step["name"] for step in scheme.steps(wanted, "add-br")]
    kinds = {name: scheme.provider(wanted, name) for name in names}
    machine.has_switch = "ovs" in kinds.values()
    for name in names:
        _bridge_file(machine, wanted, name)
    for step in scheme.steps(wanted, *scheme.JOINING):
        _port_file(machine, wanted, step)
    for step in scheme.steps(wanted, "add-patch"):
        if {kinds[name] for name in step["bridges"]} == {"ovs", "lnx"}:
            _inner_file(machine, wanted, step, kinds)
    machine.boot()
    for step in scheme.steps(wanted, "add-patch"):
        if {kinds[name] for name in step["bridges"]} == {"ovs"}:
            _switched_patch(machine, wanted, step)


def _bridge_file(machine: Machine, wanted: Scheme, name: str) -> None:
    addresses = wanted["endpoints"].get(name, {}).get("IP", [])
    lines = [f"auto {name}", f"iface {name} inet {'static' if addresses else 'manual'}"]
    ports = [step["name"] for step in scheme.joining(wanted, name)]
    if scheme.provider(wanted, name) == "ovs":
        lines.insert(0, f"allow-ovs {name}")
        lines += ["ovs_type OVSBridge", *([f"ovs_ports {' '.join(ports)}"] if ports else [])]
    else:
        pairs = [(step, ends_of_patch(wanted, step)) for step in scheme.patches(wanted, name)]
        for step, ends in pairs:
            one, other = (ends[end] for end in step["bridges"])
            if one != other:
                make = f"ip link add {one} type veth peer name {other}"
                lines.append(f"pre-up ip link show {one} >/dev/null 2>&1 || {make}")
        lines.append(f"bridge_ports {' '.join([*ports, *(ends[name] for _, ends in pairs)]) or 'none'}")
    machine.write(name, *lines, *(f"address {address}" for address in addresses))


def _port_file(machine: Machine, wanted: Scheme, step: dict[str, Any]) -> None:
    name, bridge = step["name"], step.get("bridge")
    lines = [f"auto {name}", f"iface {name} inet manual"]
    card, dot, _ = name.partition(".")
    lines += [f"vlan-raw-device {card}"] if dot else []
    if bridge and scheme.provider(wanted, bridge) == "ovs":
        lines.insert(1, f"allow-{bridge} {name}")
        lines.append(f"ovs_bridge {bridge}")
        if step["action"] == "add-bond" and is_ovs_bond(wanted, step):
            # Its bridge brings it up, by whatever order the files are read in.
            lines = [*lines[1:], "ovs_type OVSBond", f"ovs_bonds {' '.join(step['interfaces'])}"]
            lines += ["ovs_options bond_mode=active-backup"]
        else:
            lines += ["ovs_type OVSPort", *(["ovs_options trunks=0"] if step.get("trunks") else [])]
    machine.write(name, *lines)


def _inner_file(machine: Machine, wanted: Scheme, step: dict[str, Any], kinds: dict[str, str]) -> None:
    """The internal port of Open vSwitch that the Linux bridge has too. It must be there before that bridge."""
    bridge = next(name for name in step["bridges"] if kinds[name] == "ovs")
    other = next(name for name in step["bridges"] if kinds[name] == "lnx")
    name = ends_of_patch(wanted, step)[bridge]
    said = [f"auto {name}", f"allow-{bridge} {name}", f"iface {name} inet manual"]
    machine.write(name, *said, "ovs_type OVSIntPort", f"ovs_bridge {bridge}")
    command = f"ovs-vsctl --timeout=10 --may-exist add-br {bridge} -- set Bridge {bridge} datapath_type=netdev"
    command += f" -- --may-exist add-port {bridge} {name} -- set Interface {name} type=internal"
    lines = machine.file(other).splitlines()
    machine.write(other, *lines[:2], f"pre-up {command}", *lines[2:])


def _switched_patch(machine: Machine, wanted: Scheme, step: dict[str, Any]) -> None:
    """A pair of ports that only the database remembers."""
    ends = ends_of_patch(wanted, step)
    tags = step.get("vlan_ids") or step.get("tags") or (0, 0)
    words: list[str] = []
    for (name, own), tag in zip(ends.items(), tags, strict=True):
        far = next(end for end in ends.values() if end != own)
        words += ["--", "--may-exist", "add-port", name, own]
        words += ["--", "set", "Interface", own, "type=patch", f'options={{peer="{far}"}}']
        columns = ([f"tag={tag}"] if tag else []) + (["trunks=0"] if step.get("trunks") else [])
        words += ["--", "set", "Port", own, *columns] if columns else []
    machine.vsctl(*words)
