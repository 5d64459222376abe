"""Networks and node groups as objects of their own."""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from lab.nailgun import addresses, attributes, networks, schema
from lab.nailgun.errors import Conflict, InvalidData, NotFound
from lab.nailgun.network_update import change, validate_network
from lab.nailgun.state import Row, State

NETWORK = schema.record(
    {
        "id": {"type": "number"},
        "name": {"type": "string"},
        "release": {"type": "number"},
        "vlan_start": schema.nullable({"type": "number"}),
        "cidr": schema.nullable(schema.NET_ADDRESS),
        "gateway": schema.nullable(schema.ADDRESS),
        "group_id": {"type": "number"},
        "meta": schema.record(
            {
                "notation": {"enum": ["cidr", "ip_ranges", None]},
                "ip_range": {"type": "array", "minItems": 2, "maxItems": 2},
            }
        ),
    }
)

GROUP = schema.record({"name": {"type": "string"}})
"""Of a node group no more than that it is an object, and its name a string: the words are jsonschema's."""


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


def _check_place(state: State, data: dict[str, Any], own: int | None = None) -> Row:
    """Refuse a network of an unknown node group, or with a name taken there. Returns the group."""
    group = state.get("node_groups", data.get("group_id") or 0)
    if group is None:
        raise InvalidData(f"Node group with ID {data.get('group_id')} does not exist")
    same = [row for row in state.rows("networks", name=data.get("name"), group_id=group["id"]) if row["id"] != own]
    if same:
        raise Conflict(f"Network with name {data['name']} already exists in node group {group['name']}")
    return group


def create_network(state: State, data: Any) -> Row:
    """POST /networks. The new network is carried by no interface."""
    schema.check_request(data, NETWORK)
    group = _check_place(state, data)
    meta = data.get("meta", {})
    row = {key: data.get(key) for key in ("name", "cidr", "gateway", "vlan_start", "release")}
    row.update(group_id=group["id"], meta=meta, ip_ranges=[])
    if meta.get("notation"):
        row["ip_ranges"] = [_first_range(row)]
    return state.insert("networks", row)


def _first_range(row: Row) -> list[str]:
    """The range of a new network: that of its ``meta``, or of its CIDR all but the first address."""
    meta = row["meta"]
    if meta["notation"] == "ip_ranges" and meta.get("ip_range"):
        return list(meta["ip_range"])
    if meta["notation"] == "cidr" and row["cidr"]:
        cidr = IPNetwork(row["cidr"])
        return [str(cidr[2]), str(cidr[-2])]
    raise InvalidData(
        f"IPAddrRange object cannot be created for network '{row['name']}' with notation='{meta['notation']}', "
        f"ip_range='{meta.get('ip_range')}'"
    )


def update_network(state: State, row: Row, data: Any) -> Row:
    """PUT /networks/ID: the same as by the network configuration, the loss of addresses included."""
    if row["group_id"] is None:
        raise InvalidData("Default Admin-pxe network cannot be changed")
    schema.check_request(data, NETWORK)
    _check_place(state, {key: data.get(key, row[key]) for key in ("name", "group_id")}, row["id"])
    cluster = state.row("clusters", state.row("node_groups", row["group_id"])["cluster"])
    validate_network(state, cluster, data | {"id": row["id"]})
    change(state, cluster, row, data)
    row.update({key: data[key] for key in ("group_id", "release") if key in data})
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
        for nic in networks.carriers(node):
            nic["networks"] = [number for number in nic["networks"] if number != row["id"]]
    state.delete("networks", row["id"])


def create_group(state: State, data: Any) -> Row:
    """POST /nodegroups {name, cluster_id}: a group with networks of its own."""
    schema.check(data, GROUP)
    cluster = state.get("clusters", data.get("cluster_id") or data.get("cluster") or 0)
    if cluster is None:
        raise InvalidData(f"Cluster with ID {data.get('cluster_id')} does not exist")
    name = data.get("name")
    if state.rows("node_groups", cluster=cluster["id"], name=name):
        raise Conflict(f"Node group '{name}' already exists in environment {cluster['id']}.")
    group = state.insert("node_groups", {"cluster": cluster["id"], "name": name})
    networks.add_defaults(state, group["id"], cluster["release_id"], cluster["parameters"]["segmentation_type"])
    return group


def rename_group(row: Row, data: Any) -> Row:
    """PUT /nodegroups/ID {name}."""
    schema.check(data, GROUP)
    row["name"] = data.get("name", row["name"])
    return row


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
