"""Interfaces of nodes: which networks they carry, by default and when set."""

from __future__ import annotations

from typing import Any

from lab.nailgun import attributes, networks
from lab.nailgun.errors import InvalidData
from lab.nailgun.state import Row, State

KINDS = ("ether", "bond")
MODES = (
    "active-backup",
    "balance-slb",
    "lacp-balance-tcp",
    "balance-rr",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
)
"""Modes of bonds, those of Open vSwitch and of Linux (fuel-web, from memory)."""
PROPERTIES = ("mode", "xmit_hash_policy", "lacp_rate", "type__")


def assign_defaults(state: State, node: Row) -> None:
    """Give the node's interfaces the networks of its environment as ``default_networks`` says."""
    for nic, ids in default_networks(state, node):
        nic["networks"] = ids


def default_networks(state: State, node: Row) -> list[tuple[Row, list[int]]]:
    """Interface and network ids, by default.

    The admin network goes to the interface that booted over PXE, each other network to the first one where it does not
    meet another untagged network.
    """
    plan = [(nic, list[int]()) for nic in node["interfaces"]]
    untagged: set[int] = set()
    available = networks.of_node(state, node)
    admin = [row for row in available if row["name"] == networks.ADMIN]
    boot = next((index for index, (nic, _) in enumerate(plan) if nic["pxe"]), 0)
    if plan and admin:
        plan[boot][1].append(admin[0]["id"])
        untagged.add(boot)
    for network in (row for row in available if row["name"] != networks.ADMIN):
        alone = network["vlan_start"] is None and not network["meta"].get("neutron_vlan_range")
        index = next((number for number in range(len(plan)) if not (alone and number in untagged)), 0)
        if plan:
            plan[index][1].append(network["id"])
        if alone:
            untagged.add(index)
    return plan


def is_locked(node: Row) -> bool:
    """Whether disks and interfaces of the node stay as they are: it is, or is being, provisioned or deployed."""
    return node["status"] not in ("discover", "error")


def update(state: State, node_id: int, data: Any) -> Row:
    """PUT /nodes/ID/interfaces. Returns the node; InvalidData."""
    _check_structure(node_id, data)
    node = state.get("nodes", node_id)
    if node is None:
        raise InvalidData(f"There is no node with ID '{node_id}' in DB")
    _check(state, node, data)
    by_id = {nic["id"]: nic for nic in node["interfaces"]}
    node["bonds"] = [_bond(node, given) for given in data if given["type"] == "bond"]
    for given in (entry for entry in data if entry["type"] == "ether"):
        nic = by_id[given["id"]]
        nic["networks"] = [network["id"] for network in given["assigned_networks"]]
        nic["interface_properties"] = attributes.merge(
            nic["interface_properties"], given.get("interface_properties", {})
        )
    if node["cluster"]:
        attributes.add_change(state.row("clusters", node["cluster"]), "interfaces", node["id"])
    return node


def _bond(node: Row, given: dict[str, Any]) -> Row:
    """The row of a bond. The lab's deployer makes none: it refuses facts that have one."""
    slaves = [nic for slave in given["slaves"] for nic in node["interfaces"] if nic["name"] == slave["name"]]
    return {
        "name": given["name"],
        "type": "bond",
        "mode": _mode(given),
        "mac": given.get("mac") or slaves[0]["mac"],
        "state": given.get("state"),
        "slaves": [{"name": nic["name"]} for nic in slaves],
        "bond_properties": given.get("bond_properties", {}),
        "interface_properties": given.get("interface_properties", {"disable_offloading": False, "mtu": None}),
        "offloading_modes": given.get("offloading_modes", []),
        "networks": [network["id"] for network in given["assigned_networks"]],
    }


def _mode(given: dict[str, Any]) -> Any:
    """The bond's mode, by itself (as before 6.0) or among its properties."""
    properties = given.get("bond_properties")
    return given.get("mode") or (properties.get("mode") if isinstance(properties, dict) else None)


def _check_structure(node_id: int, data: Any) -> None:
    if not isinstance(data, list):
        raise InvalidData(f"Node '{node_id}': there is no 'interfaces' list")
    seen: set[int] = set()
    for given in data:
        _check_interface(node_id, given)
        for network in given["assigned_networks"]:
            _check_assigned(node_id, given, network, seen)


def _check_interface(node_id: int, given: Any) -> None:
    if not isinstance(given, dict):
        raise InvalidData(f"Node '{node_id}': each interface should be a dict (got '{given}')")
    if "type" not in given:
        raise InvalidData(f"Node '{node_id}': each interface must have a type")
    if given["type"] not in KINDS:
        raise InvalidData(f"Node '{node_id}': unknown interface type")
    if given["type"] == "ether" and "id" not in given:
        raise InvalidData(f"Node '{node_id}': each HW interface must have ID")
    if given["type"] == "bond":
        _check_bond(node_id, given)
    if not isinstance(given.get("assigned_networks"), list):
        name = given.get("id") or given.get("name")
        raise InvalidData(f"Node '{node_id}', interface '{name}': there is no 'assigned_networks' list")


def _check_bond(node_id: int, given: dict[str, Any]) -> None:
    """Refuse a bond that is not described in full."""
    if "name" not in given:
        raise InvalidData(f"Node '{node_id}': each bond interface must have name")
    if not isinstance(given.get("slaves"), list) or len(given["slaves"]) < 2:
        raise InvalidData(f"Node '{node_id}': each bond interface must have two or more slaves")
    place = f"Node '{node_id}', interface '{given['name']}'"
    if any(not isinstance(slave, dict) or "name" not in slave for slave in given["slaves"]):
        raise InvalidData(f"{place}: each bond slave must have name")
    for name in given.get("bond_properties", {}):
        if name not in PROPERTIES:
            raise InvalidData(f"{place}: unknown bond property '{name}'")
    if not _mode(given):
        raise InvalidData(f"Node '{node_id}': bond interface '{given['name']}' doesn't have mode")
    if _mode(given) not in MODES:
        raise InvalidData(f"Node '{node_id}': bond interface '{given['name']}' has unknown mode '{_mode(given)}'")


def _check_assigned(node_id: int, given: dict[str, Any], network: Any, seen: set[int]) -> None:
    name = given.get("id") or given.get("name")
    if not isinstance(network, dict):
        raise InvalidData(f"Node '{node_id}', interface '{name}': each assigned network should be a dict")
    if "id" not in network:
        raise InvalidData(f"Node '{node_id}', interface '{name}': each assigned network should have ID")
    if network["id"] in seen:
        raise InvalidData(
            f"Node '{node_id}': there is a duplicated network '{network['id']}' in assigned networks "
            f"(second occurrence is in interface '{name}')"
        )
    seen.add(network["id"])


def _check(state: State, node: Row, data: list[dict[str, Any]]) -> None:
    number = node["id"]
    if is_locked(node):
        raise InvalidData(f"Node '{number}': Interfaces configuration can't be changed after or during deployment.")
    known = {nic["id"]: nic for nic in node["interfaces"]}
    available = {row["id"]: row for row in networks.of_node(state, node)} if node["cluster"] else {}
    assigned: set[int] = set()
    bonded = _bonded(node, data)
    for given in data:
        if given["type"] == "ether":
            _check_ether(number, given, known, bonded)
        for network in given["assigned_networks"]:
            if network["id"] not in available:
                raise InvalidData(f"Network '{network['id']}' doesn't exist for node {number}")
            assigned.add(network["id"])
    missing = [identity for identity in available if identity not in assigned]
    if missing:
        named = ",".join(f"'{identity}'" for identity in sorted(missing))
        raise InvalidData(f"Node '{number}': {named} network(s) are left unassigned")


def _check_ether(number: int, given: dict[str, Any], known: dict[Any, Row], bonded: set[str]) -> None:
    if given["id"] not in known:
        raise InvalidData(f"Node '{number}': there is no interface with ID '{given['id']}' in DB")
    names = [network.get("name") for network in given["assigned_networks"]]
    if networks.ADMIN in names and not known[given["id"]]["pxe"]:
        nic = given.get("name")
        raise InvalidData(f"Node '{number}': admin network can not be assigned to non-pxe interface {nic}")
    if names and known[given["id"]]["name"] in bonded:
        raise InvalidData(
            f"Node '{number}': interface '{given['id']}' cannot have assigned networks as it is used in bond"
        )


def _bonded(node: Row, data: list[dict[str, Any]]) -> set[str]:
    """Names of the interfaces that are in a bond, each in one; InvalidData."""
    known = {nic["name"]: nic["id"] for nic in node["interfaces"]}
    found: set[str] = set()
    for given in (entry for entry in data if entry["type"] == "bond"):
        for name in (slave["name"] for slave in given["slaves"]):
            if name not in known:
                raise InvalidData(
                    f"Node '{node['id']}': there is no interface '{name}' found for bond '{given['name']}' in DB"
                )
            if name in found:
                raise InvalidData(f"Node '{node['id']}': interface '{known[name]}' is used in bonds more than once")
            found.add(name)
    return found


def update_many(state: State, data: Any) -> list[Row]:
    """PUT /nodes/interfaces: [{id, interfaces}]. Returns the nodes."""
    if not isinstance(data, list):
        raise InvalidData("Data should be list of nodes")
    for entry in data:
        if not isinstance(entry, dict):
            raise InvalidData("Each node should be dict")
        if "id" not in entry:
            raise InvalidData("Each node should have ID")
    return [update(state, entry["id"], entry.get("interfaces")) for entry in data]
