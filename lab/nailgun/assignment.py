"""Giving nodes to an environment and taking them away."""

from __future__ import annotations

from typing import Any

from lab.nailgun import addresses, attributes, disks, interfaces, networks, restrictions, schema
from lab.nailgun.errors import InvalidData, Traceback
from lab.nailgun.state import Row, State

ASSIGNMENT = {
    "type": "array",
    "items": schema.record({"id": schema.ID, "roles": schema.STRINGS}, ["id", "roles"]),
}
UNASSIGNMENT = {"type": "array", "items": schema.record({"id": schema.ID})}


def assign(state: State, cluster: Row, data: list[dict[str, Any]]) -> None:
    """POST assignment: [{id, roles}] of nodes that are in no environment."""
    schema.check(data, ASSIGNMENT)
    wanted = {entry["id"]: entry["roles"] for entry in data}
    members = _existing(state, list(wanted))
    taken = [node for node in members if node["cluster"] is not None]
    if taken:
        raise InvalidData(
            f"Nodes with ids {_printed(taken)} already assigned to environments. "
            "Nodes must be unassigned before they can be assigned again."
        )
    for roles in wanted.values():
        check_roles(state, cluster, roles)
    for node in members:
        join(state, cluster, node, list(wanted[node["id"]]))


def _printed(members: list[Row]) -> str:
    """Nodes as the real server names them in these sentences: it prints the objects of its database library."""
    return ",".join(f"<nailgun.db.sqlalchemy.models.node.Node object at 0x{id(node):x}>" for node in members)


def _existing(state: State, ids: list[int]) -> list[Row]:
    missing = [number for number in ids if state.get("nodes", number) is None]
    if missing:
        raise InvalidData(f"Nodes with ids {','.join(str(number) for number in missing)} were not found.")
    return [state.row("nodes", number) for number in ids]


def check_roles(state: State, cluster: Row, roles: list[str]) -> None:
    """Refuse roles that the release does not know, that exclude each other or that settings do not allow."""
    known = state.row("releases", cluster["release_id"])["roles_metadata"]
    unknown = [role for role in dict.fromkeys(roles) if role not in known]
    if unknown:
        raise InvalidData(f"{', '.join(unknown)} are not valid roles for node in environment {cluster['id']}")
    for role in roles:
        conflicts = known[role].get("conflicts", [])
        others = [other for other in roles if other != role and (conflicts == "*" or other in conflicts)]
        if others:
            raise InvalidData(f'Role "{role}" in conflict with role {", ".join(others)}')
    for role in roles:
        message = restrictions.violated(state, cluster, known[role].get("restrictions", []))
        if message is not None:
            raise InvalidData(f'Role "{role}" restrictions mismatch: {message}')


def join(state: State, cluster: Row, node: Row, roles: list[str]) -> None:
    """Put the node into the environment, to be installed: default networks on its interfaces, default disk layout."""
    node.update(cluster=cluster["id"], group_id=networks.group_ids(state, cluster)[0])
    node.update(pending_roles=roles, pending_addition=True)
    interfaces.assign_defaults(state, node)
    node["disks"] = disks.layout(state, node)
    attributes.add_change(cluster, "disks", node["id"])
    attributes.add_change(cluster, "interfaces", node["id"])


def unassign(state: State, cluster: Row, data: list[dict[str, Any]]) -> None:
    """POST unassignment: [{id}]. A discovered node leaves at once, an installed one with the next deployment."""
    schema.check(data, UNASSIGNMENT)
    if any("id" not in entry for entry in data):
        raise Traceback
    ids = [entry["id"] for entry in data]
    foreign = [
        number
        for number in ids
        if (state.get("nodes", number) or cluster | {"cluster": cluster["id"]})["cluster"] != cluster["id"]
    ]
    if foreign:
        named = ", ".join(str(number) for number in foreign)
        raise InvalidData(f"Nodes [{named}] are not members of environment {cluster['id']}.")
    members = _existing(state, ids)
    doomed = [node for node in members if node["pending_deletion"]]
    if doomed:
        raise InvalidData(f"Can't unassign nodes with ids {_printed(doomed)} if they not assigned.")
    for node in members:
        if node["status"] == "discover":
            leave(state, node)
        else:
            node["pending_deletion"] = True


def leave(state: State, node: Row) -> None:
    """Take the node out of its environment. It stays marked for addition, as the real server leaves it."""
    cluster = state.row("clusters", node["cluster"])
    cluster["changes"] = [change for change in cluster["changes"] if change["node_id"] != node["id"]]
    addresses.drop(state, node=node["id"])
    node.update(cluster=None, group_id=None, roles=[], pending_roles=[], primary_roles=[], disks=[], kernel_params=None)
    node.update(facts=[], provisioning={})
    node["bonds"] = []
    for nic in node["interfaces"]:
        nic["networks"] = []
