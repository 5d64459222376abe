"""Nodes: how discovery makes their rows and how the API shows them."""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from lab.nailgun import addresses, networks
from lab.nailgun.errors import NotFound
from lab.nailgun.state import Row, State

SHOWN = (
    "id",
    "name",
    "hostname",
    "mac",
    "ip",
    "status",
    "error_type",
    "progress",
    "online",
    "meta",
    "manufacturer",
    "platform_name",
    "os_platform",
    "roles",
    "pending_roles",
    "pending_addition",
    "pending_deletion",
    "cluster",
    "group_id",
    "labels",
    "kernel_params",
)

NEW: Row = {
    "status": "discover",
    "error_type": None,
    "progress": 0,
    "online": True,
    "roles": [],
    "pending_roles": [],
    "primary_roles": [],
    "pending_addition": False,
    "pending_deletion": False,
    "cluster": None,
    "group_id": None,
    "labels": {},
    "kernel_params": None,
    "os_platform": None,
    "disks": [],
    "facts": [],
    "provisioning": {},
    "checksum": None,
}
"""Columns of a node nobody has given a part yet."""


def find(state: State, number: int) -> Row:
    """The node's row; NotFound."""
    row = state.get("nodes", number)
    if row is None:
        raise NotFound("Node not found")
    return row


def fqdn(state: State, node: Row) -> str:
    """Host name and domain of the node."""
    return f"{node['hostname']}.{state.settings['dns_domain']}"


def interfaces_of(state: State, meta: dict[str, Any]) -> list[Row]:
    """New interface rows for the interfaces an agent reported, with ids never used before and no network assigned."""
    return [_interface(state, reported) for reported in meta.get("interfaces", [])]


def _interface(state: State, reported: dict[str, Any]) -> Row:
    return {
        "id": state.next_id("interfaces"),
        "name": reported["name"],
        "mac": reported["mac"],
        "type": "ether",
        "driver": reported.get("driver"),
        "bus_info": reported.get("bus_info"),
        "state": reported.get("state"),
        "max_speed": reported.get("max_speed"),
        "current_speed": reported.get("current_speed"),
        "pxe": bool(reported.get("pxe")),
        "offloading_modes": reported.get("offloading_modes", []),
        "interface_properties": {"disable_offloading": False, "mtu": None},
        "networks": [],
    }


def add_discovered(state: State, reported: dict[str, Any]) -> Row:
    """The row of a node that an agent reported for the first time (mac, ip, meta, name or hostname ...)."""
    meta = reported.get("meta", {})
    row: Row = {key: (value.copy() if isinstance(value, list | dict) else value) for key, value in NEW.items()}
    row.update(mac=reported["mac"].lower(), ip=reported.get("ip"), meta=meta, id=reported.get("id"))
    row.update(manufacturer=reported.get("manufacturer"), platform_name=reported.get("platform_name"))
    row.update({key: reported[key] for key in ("os_platform", "status", "labels") if key in reported})
    row["name"] = reported.get("name") or f"Untitled ({row['mac'][-5:]})"
    row["interfaces"] = interfaces_of(state, meta)
    state.insert("nodes", row)
    row["hostname"] = f"node-{row['id']}"
    return row


def show(state: State, node: Row) -> dict[str, Any]:
    """A node as the API shows it."""
    shown = {key: node[key] for key in SHOWN}
    return shown | {"fqdn": fqdn(state, node), "network_data": network_data(state, node)}


def carrier(node: Row, network: Row) -> Row | None:
    """The node's interface that carries the network, or None."""
    return next((nic for nic in networks.carriers(node) if network["id"] in nic["networks"]), None)


def network_data(state: State, node: Row) -> list[dict[str, Any]]:
    """Per network that a node in an environment carries, the admin network last: the interface, the VLAN and, where it
    has one, the address ``a.b.c.d/len``.

    Networks without an address have neither ``ip`` nor what goes with it, but the admin network, whose ``ip`` is null.
    """
    if node["cluster"] is None:
        return []
    available = {row["id"]: row for row in networks.of_node(state, node)}
    carried = [
        available[number] for nic in networks.carriers(node) for number in nic["networks"] if number in available
    ]
    own = [network for network in carried if network["name"] != networks.ADMIN]
    return [_network_entry(state, node, network) for network in [*own, available[networks.ADMIN_ID]]]


def _network_entry(state: State, node: Row, network: Row) -> dict[str, Any]:
    nic = carrier(node, network)
    entry = {
        "name": network["name"],
        "cidr": network["cidr"],
        "vlan": network["vlan_start"],
        "dev": nic and nic["name"],
    }
    ip = addresses.of_node(state, node["id"], network["id"])
    if ip is None and network["name"] != networks.ADMIN:
        return entry
    cidr = IPNetwork(network["cidr"])
    entry.update(ip=f"{ip}/{cidr.prefixlen}" if ip else None, netmask=str(cidr.netmask), brd=str(cidr.broadcast))
    return entry | {"gateway": network["gateway"]}


def show_interfaces(state: State, node: Row) -> list[dict[str, Any]]:
    """GET /nodes/ID/interfaces."""
    return [show_interface(state, nic) for nic in networks.carriers(node)]


def show_interface(state: State, nic: Row) -> dict[str, Any]:
    """One interface with the networks assigned to it, by id and name."""
    shown = {key: value for key, value in nic.items() if key != "networks"}
    assigned = [{"id": number, "name": state.row("networks", number)["name"]} for number in nic["networks"]]
    return shown | {"assigned_networks": assigned}
