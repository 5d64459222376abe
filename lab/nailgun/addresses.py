"""Allocation of addresses: virtual ones of an environment, and those of nodes.

Rows of ``addresses`` belong to a network and either to a node or to a virtual address by name. An address given once is
not given again while its row exists, in whichever environment: networks of two environments may be the same wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netaddr import IPAddress, IPRange

from lab.nailgun import networks, releases
from lab.nailgun.errors import ApiError
from lab.nailgun.state import Row, State

ADMIN = "fuelweb_admin"


@dataclass(frozen=True)
class VirtualAddress:
    """A virtual address that an environment of 7.0 has: its name, network, namespace and network role."""

    name: str
    network: str
    namespace: str
    role: str


SEVEN = (
    VirtualAddress("vrouter_pub", "public", "vrouter", "public/vip"),
    VirtualAddress("public", "public", "haproxy", "public/vip"),
    VirtualAddress("management", "management", "haproxy", "mgmt/vip"),
    VirtualAddress("vrouter", "management", "vrouter", "mgmt/vip"),
)
"""In the order in which 7.0 allocates them (observed: re-allocation gave vrouter_pub the lower address)."""

ALIASES = {
    "management_vip": ("management", "haproxy"),
    "management_vrouter_vip": ("management", "vrouter"),
    "public_vip": ("public", "haproxy"),
    "public_vrouter_vip": ("public", "vrouter"),
}
"""Names used at the top of documents: the network and namespace of the address they stand for."""


def free(state: State, network: Row) -> str:
    """The lowest address of the network's ranges that nobody has; ApiError 400 when none is left."""
    taken = {row["ip"] for row in state.rows("addresses")}
    for address in _candidates(network):
        if address not in taken:
            return address
    raise ApiError(f"Not enough free IP addresses in ranges [{_ranges(network)}] of '{network['name']}' network", 400)


def _candidates(network: Row) -> Iterator[str]:
    for first, last in network["ip_ranges"]:
        for number in range(int(IPAddress(first)), int(IPAddress(last)) + 1):
            address = str(IPAddress(number))
            if address != network["gateway"]:
                yield address


def _ranges(network: Row) -> str:
    return ", ".join(f"{first}-{last}" for first, last in network["ip_ranges"])


def in_ranges(address: str, ranges: list[list[str]]) -> bool:
    """Whether ADDRESS lies in one of the [first, last] pairs."""
    return any(IPAddress(address) in IPRange(first, last) for first, last in ranges)


def of_node(state: State, node: int, network: int) -> str | None:
    """The node's address in that network, or None."""
    rows = state.rows("addresses", node=node, network=network)
    return rows[0]["ip"] if rows else None


def give(state: State, network: int, ip: str, node: int | None = None, vip: str | None = None) -> None:
    """Record that NODE, or the virtual address VIP, has the address IP of the network."""
    state.insert("addresses", {"network": network, "node": node, "ip": ip, "vip": vip})


def drop(state: State, **equal: object) -> None:
    """Forget the address rows whose columns equal the given values."""
    for row in state.rows("addresses", **equal):
        state.delete("addresses", row["id"])


def row_name(release: Row, virtual: VirtualAddress) -> str:
    """The name of its row: by name in 7.0, by namespace in 6.1."""
    return virtual.name if releases.is_seven(release) else virtual.namespace


def ensure_virtual(state: State, cluster: Row) -> None:
    """Allocate those virtual addresses of the environment that have none yet."""
    release = state.row("releases", cluster["release_id"])
    wanted = SEVEN if releases.is_seven(release) else sorted(SEVEN, key=lambda item: item.namespace)
    for virtual in wanted:
        network = networks.by_name(state, cluster, virtual.network)
        name = row_name(release, virtual)
        if network and not state.rows("addresses", network=network["id"], vip=name):
            give(state, network["id"], free(state, network), vip=name)


def virtual(state: State, cluster: Row) -> dict[str, str]:
    """Name in 7.0's words -> address, of those virtual addresses that are allocated."""
    release = state.row("releases", cluster["release_id"])
    found = {}
    for item in SEVEN:
        network = networks.by_name(state, cluster, item.network)
        rows = state.rows("addresses", network=network["id"], vip=row_name(release, item)) if network else []
        if rows:
            found[item.name] = rows[0]["ip"]
    return found


def aliases(state: State, cluster: Row) -> dict[str, str]:
    """management_vip, management_vrouter_vip, public_vip and public_vrouter_vip."""
    found = virtual(state, cluster)
    by_place = {(item.network, item.namespace): found[item.name] for item in SEVEN if item.name in found}
    return {alias: by_place[place] for alias, place in ALIASES.items() if place in by_place}


def described(state: State, cluster: Row) -> dict[str, Row]:
    """The ``vips`` of a 7.0 environment: name -> network_role, namespace, node_roles, ipaddr."""
    found = virtual(state, cluster)
    return {
        item.name: {
            "network_role": item.role,
            "namespace": item.namespace,
            "node_roles": ["controller", "primary-controller"],
            "ipaddr": found[item.name],
        }
        for item in SEVEN
        if item.name in found
    }


def needs_public(state: State, cluster: Row, node: Row) -> bool:
    """Whether the node gets an address of the public network.

    It does by a role that requires one, as all do by setting, and with nova-network, whose guests leave by each node.
    """
    if cluster["net_provider"] == "nova_network":
        return True
    assignment = cluster["attributes"]["editable"].get("public_network_assignment", {})
    if assignment.get("assign_to_all_nodes", {}).get("value"):
        return True
    roles = state.row("releases", cluster["release_id"])["roles_metadata"]
    mine = set(node["roles"]) | set(node["pending_roles"])
    return any(roles.get(role, {}).get("public_ip_required") for role in mine)


def assign(state: State, cluster: Row, nodes: list[Row]) -> None:
    """Give each node an address in every network it needs one in and has none yet."""
    for network in networks.of_cluster(state, cluster):
        if not network["cidr"]:
            continue
        for node in sorted(nodes, key=lambda row: row["id"]):
            wanted = network["name"] != "public" or needs_public(state, cluster, node)
            if wanted and not of_node(state, node["id"], network["id"]):
                give(state, network["id"], _choose(state, network, node), node=node["id"])


def assign_admin(state: State, node: Row) -> None:
    """Give the node an address in the admin network, unless it has one."""
    admin = state.row("networks", networks.ADMIN_ID)
    if not of_node(state, node["id"], admin["id"]):
        give(state, admin["id"], _choose(state, admin, node), node=node["id"])


def _choose(state: State, network: Row, node: Row) -> str:
    """The address the node booted with, in the admin network if it is in the ranges and nobody's; else a free one."""
    booted = network["name"] == ADMIN and node["ip"] and in_ranges(node["ip"], network["ip_ranges"])
    return str(node["ip"]) if booted and not state.rows("addresses", ip=node["ip"]) else free(state, network)
