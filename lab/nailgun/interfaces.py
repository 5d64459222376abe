"""Interfaces of nodes: which networks they carry, by default and when set."""

from __future__ import annotations

from typing import Any

from lab.nailgun import attributes, networks
from lab.nailgun.errors import InvalidData
from lab.nailgun.state import Row, State

KINDS = ("ether", "bond")


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
    for given in data:
        nic = by_id[given["id"]]
        nic["networks"] = [network["id"] for network in given["assigned_networks"]]
        nic["interface_properties"] = attributes.merge(
            nic["interface_properties"], given.get("interface_properties", {})
        )
    if node["cluster"]:
        attributes.add_change(state.row("clusters", node["cluster"]), "interfaces", node["id"])
    return node


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
    if "name" not in given:
        raise InvalidData(f"Node '{node_id}': each bond interface must have name")
    if not isinstance(given.get("slaves"), list) or len(given["slaves"]) < 2:
        raise InvalidData(f"Node '{node_id}': each bond interface must have two or more slaves")
    raise InvalidData(f"Node '{node_id}': bond interface '{given['name']}' doesn't have mode")


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
    for given in data:
        if given["id"] not in known:
            raise InvalidData(f"Node '{number}': there is no interface with ID '{given['id']}' in DB")
        names = [network.get("name") for network in given["assigned_networks"]]
        if networks.ADMIN in names and not known[given["id"]]["pxe"]:
            nic = given.get("name")
            raise InvalidData(f"Node '{number}': admin network can not be assigned to non-pxe interface {nic}")
        for network in given["assigned_networks"]:
            if network["id"] not in available:
                raise InvalidData(f"Network '{network['id']}' doesn't exist for node {number}")
            assigned.add(network["id"])
    missing = [identity for identity in available if identity not in assigned]
    if missing:
        named = ",".join(f"'{identity}'" for identity in sorted(missing))
        raise InvalidData(f"Node '{number}': {named} network(s) are left unassigned")


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
