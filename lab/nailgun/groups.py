"""Networks and node groups as objects of their own."""

from __future__ import annotations

from typing import Any

from lab.nailgun import addresses, attributes, networks, schema
from lab.nailgun.errors import Conflict, InvalidData, NotFound
from lab.nailgun.network_update import COLUMNS
from lab.nailgun.state import Row, State

NETWORK = schema.record(
    {
        "id": {"type": "number"},
        "name": {"type": "string"},
        "release": {"type": "number"},
        "vlan_start": schema.nullable({"type": "number"}),
        "cidr": schema.nullable({"type": "string"}),
        "gateway": schema.nullable({"type": "string"}),
        "group_id": {"type": "number"},
        "meta": {"type": "object"},
    }
)


def find_network(state: State, number: int) -> Row:
    """The network's row; NotFound."""
    row = state.get("networks", number)
    if row is None:
        raise NotFound("NetworkGroup not found")
    return row


def find_group(state: State, number: int) -> Row:
    """The node group's row; NotFound."""
    row = state.get("node_groups", number)
    if row is None:
        raise NotFound("NodeGroup not found")
    return row


def show_group(row: Row) -> dict[str, Any]:
    """A node group as the API shows it."""
    return {key: row[key] for key in ("id", "cluster", "name")}


def _check(state: State, data: Any, own: int | None = None) -> Row:
    """Refuse a network of an unknown node group, or with a name taken there. Returns the group."""
    schema.check(data, NETWORK)
    group = state.get("node_groups", data.get("group_id") or 0)
    if group is None:
        raise InvalidData(f"Node group with ID {data.get('group_id')} does not exist")
    same = [row for row in state.rows("networks", name=data.get("name"), group_id=group["id"]) if row["id"] != own]
    if same:
        raise Conflict(f"Network with name {data['name']} already exists in node group {group['name']}")
    return group


def create_network(state: State, data: Any) -> Row:
    """POST /networks. The new network is carried by no interface."""
    group = _check(state, data)
    meta = data.get("meta", {})
    row = {key: data.get(key) for key in ("name", "cidr", "gateway", "vlan_start", "release")}
    row.update(group_id=group["id"], meta=meta, ip_ranges=[])
    if meta.get("notation") and data.get("cidr"):
        row["ip_ranges"] = [meta["ip_range"]] if "ip_range" in meta else networks.whole_range(data["cidr"], meta)
    return state.insert("networks", row)


def update_network(state: State, row: Row, data: Any) -> Row:
    """PUT /networks/ID."""
    if row["group_id"] is None:
        raise InvalidData("Default Admin-pxe network cannot be changed")
    schema.check(data, NETWORK)
    if "name" in data and "group_id" in data:
        _check(state, data, row["id"])
    row.update({key: data[key] for key in COLUMNS if key in data})
    row["meta"] = row["meta"] | data.get("meta", {})
    return row


def delete_network(state: State, row: Row) -> None:
    """DELETE /networks/ID: with its addresses, and off all interfaces."""
    if row["group_id"] is None:
        raise InvalidData("Default Admin-pxe network cannot be deleted")
    cluster = state.row("clusters", state.row("node_groups", row["group_id"])["cluster"])
    if attributes.is_locked(state, cluster):
        raise InvalidData("Network configuration cannot be changed after deployment.")
    addresses.drop(state, network=row["id"])
    for node in state.rows("nodes"):
        for nic in node["interfaces"]:
            nic["networks"] = [number for number in nic["networks"] if number != row["id"]]
    state.delete("networks", row["id"])


def create_group(state: State, data: Any) -> Row:
    """POST /nodegroups {name, cluster_id}: a group with networks of its own."""
    cluster = state.get("clusters", data.get("cluster_id") or data.get("cluster") or 0)
    if cluster is None:
        raise InvalidData(f"Cluster with ID {data.get('cluster_id')} does not exist")
    if state.rows("node_groups", cluster=cluster["id"], name=data.get("name")):
        raise Conflict(f"Node group '{data['name']}' already exists in environment {cluster['id']}.")
    group = state.insert("node_groups", {"cluster": cluster["id"], "name": data["name"]})
    networks.add_defaults(state, group["id"], cluster["release_id"], cluster["parameters"]["segmentation_type"])
    return group


def delete_group(state: State, row: Row) -> None:
    """DELETE /nodegroups/ID: its networks go, its nodes fall back to the default group's networks."""
    if row["name"] == "default":
        raise InvalidData("Default node group cannot be deleted.")
    for network in state.rows("networks", group_id=row["id"]):
        addresses.drop(state, network=network["id"])
        state.delete("networks", network["id"])
    for node in state.rows("nodes", group_id=row["id"]):
        node["group_id"] = None
    state.delete("node_groups", row["id"])
