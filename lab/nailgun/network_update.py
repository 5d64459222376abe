"""Changing the network configuration of an environment.

PUT answers with a task that has ended already: ``ready`` when the change was made, ``error`` with the reason otherwise.
On an environment that is not locked, every network of the body whose notation is set loses all its addresses, those of
nodes and the virtual ones; the latter are allocated anew at the next reading.
"""

from __future__ import annotations

from typing import Any

from netaddr import AddrFormatError, IPNetwork

from lab.nailgun import addresses, attributes, clusters, constraints, network_check, networks, schema, tasks
from lab.nailgun.errors import ApiError, Forbidden, InvalidData
from lab.nailgun.state import Row, State

ADDRESSES = {"type": "array", "minItems": 2, "maxItems": 2, "items": schema.ADDRESS}
NETWORK = schema.record(
    {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "group_id": schema.nullable({"type": "integer"}),
        "cidr": schema.nullable(schema.NET_ADDRESS),
        "gateway": schema.nullable(schema.ADDRESS),
        "vlan_start": schema.NUMBER_OR_NULL,
        "ip_ranges": {"type": "array", "items": ADDRESSES},
        "meta": {"type": "object"},
    },
    ["id"],
)
RANGE = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
PARAMETERS = schema.record(
    {
        "base_mac": schema.MAC_ADDRESS,
        "dns_nameservers": {"type": "array", "items": schema.ADDRESS},
        "floating_ranges": {"type": "array", "items": ADDRESSES},
        "gre_id_range": RANGE,
        "vlan_range": RANGE,
        "internal_cidr": schema.nullable(schema.NET_ADDRESS),
        "internal_gateway": schema.nullable(schema.ADDRESS),
        "net_l23_provider": {"type": "string", "enum": ["ovs", "nsx"]},
        "segmentation_type": {"type": "string", "enum": list(constraints.SEGMENTATION)},
        "fixed_network_size": {"type": "integer"},
        "fixed_networks_amount": {"type": "integer"},
        "fixed_networks_cidr": schema.NET_ADDRESS,
        "fixed_networks_vlan_start": schema.nullable({"type": "integer"}),
        "net_manager": {"type": "string", "enum": ["FlatDHCPManager", "VlanManager"]},
    }
)
"""Networking parameters of Neutron and of nova-network (fuel-web's schemas, from memory)."""
CONFIGURATION = schema.record({"networks": {"type": "array", "items": NETWORK}, "networking_parameters": PARAMETERS})
FIXED = ("segmentation_type", "net_l23_provider")
COLUMNS = ("name", "cidr", "gateway", "vlan_start", "ip_ranges")


def put(state: State, cluster: Row, read: Any) -> Row:
    """PUT network_configuration. READ gives the body or raises. Returns the task; Forbidden during a deployment."""
    if clusters.is_busy(cluster):
        raise Forbidden("Network configuration cannot be changed during deployment and after upgrade.")
    tasks.remove(state, state.rows("tasks", name="check_networks", cluster=cluster["id"], parent=None))
    task = tasks.add(state, "check_networks", cluster["id"])
    try:
        data = read()
        validate(state, cluster, data)
        check(state, cluster, data)
        apply(state, cluster, data)
        tasks.finish(task, "ready")
    except ApiError as error:
        tasks.finish(task, "error", error.message)
    except network_check.CheckFailed as error:
        tasks.finish(task, "error", error.message)
        task["result"] = error.result
    except AddrFormatError as error:
        tasks.finish(task, "error", str(error))
    return task


def validate(state: State, cluster: Row, data: Any) -> None:
    """Refuse what is malformed, unknown or fixed."""
    schema.check(data, CONFIGURATION)
    ids = [network["id"] for network in data.get("networks", [])]
    missing = sorted({number for number in ids if state.get("networks", number) is None})
    if missing:
        raise InvalidData(f"Networks with ID's [{', '.join(map(str, missing))}] are not present in the database")
    for network in data.get("networks", []):
        validate_network(state, cluster, network)
    for key in FIXED:
        parameters = data.get("networking_parameters", {})
        if key in parameters and parameters[key] != cluster["parameters"].get(key, parameters[key]):
            raise InvalidData(f"Change of '{key}' is prohibited")


def validate_network(state: State, cluster: Row, given: dict[str, Any]) -> None:
    """Refuse what would leave a network without what its notation needs, or allocated addresses outside of it."""
    row = state.row("networks", given["id"])
    if given.get("release", row["release"]) != row["release"]:
        raise InvalidData("Network release could not be changed.")
    merged = row | {key: given[key] for key in COLUMNS if key in given}
    meta = row["meta"] | given.get("meta", {})
    if meta.get("use_gateway") and not merged["gateway"]:
        raise InvalidData("Flag 'use_gateway' cannot be provided without gateway")
    if meta.get("notation") == "ip_ranges" and not merged["ip_ranges"]:
        raise InvalidData(f"No IP ranges were specified for network {given['id']}")
    if meta.get("notation") and not merged["cidr"]:
        raise InvalidData(f"No CIDR was specified for network {given['id']}")
    if attributes.is_locked(state, cluster) and row["name"] != networks.ADMIN and _strands(state, row, merged, meta):
        raise InvalidData(f"New IP ranges for network '{merged['name']}' conflict with already allocated IPs.")


def _strands(state: State, row: Row, merged: Row, meta: dict[str, Any]) -> bool:
    """Whether an allocated address would lie outside of the new ranges."""
    ranges = merged["ip_ranges"] if meta.get("notation") == "ip_ranges" else []
    if meta.get("notation") == "cidr":
        cidr = IPNetwork(merged["cidr"])
        ranges = [[str(cidr[2 if meta.get("use_gateway") else 1]), str(cidr[-1])]]
    allocated = state.rows("addresses", network=row["id"])
    return bool(meta.get("notation")) and not all(addresses.in_ranges(entry["ip"], ranges) for entry in allocated)


def merged_networks(state: State, cluster: Row, data: dict[str, Any]) -> list[Row]:
    """The environment's networks as they would be, the admin network first."""
    given = {network["id"]: network for network in data.get("networks", [])}
    *own, admin = networks.of_cluster(state, cluster)
    return [row | {key: given.get(row["id"], {}).get(key, row[key]) for key in COLUMNS} for row in [admin, *own]]


def check(state: State, cluster: Row, data: dict[str, Any]) -> None:
    """Refuse a configuration that contradicts itself (CheckFailed)."""
    parameters = cluster["parameters"] | data.get("networking_parameters", {})
    network_check.check(merged_networks(state, cluster, data), parameters)


def apply(state: State, cluster: Row, data: dict[str, Any]) -> None:
    """Write the change down, and take away addresses where the real server does."""
    locked = attributes.is_locked(state, cluster)
    for given in data.get("networks", []):
        row = state.row("networks", given["id"])
        if row["name"] != networks.ADMIN:
            change(state, cluster, row, given)
    if not locked:
        known = {
            key: value for key, value in data.get("networking_parameters", {}).items() if key in cluster["parameters"]
        }
        cluster["parameters"].update(known)
    attributes.add_change(cluster, "networks")


def change(state: State, cluster: Row, row: Row, given: dict[str, Any]) -> None:
    """Change one network of the environment. While it is not locked, all addresses in a network with a notation go."""
    if row["meta"].get("notation") and not attributes.is_locked(state, cluster):
        addresses.drop(state, network=row["id"])
    row.update({key: given[key] for key in COLUMNS if key in given and key != "ip_ranges"})
    row["meta"] = row["meta"] | given.get("meta", {})
    row["ip_ranges"] = _ranges(row, given)


def _ranges(row: Row, given: dict[str, Any]) -> list[list[str]]:
    """Made anew at each change, locked or not: of a network by CIDR whatever ranges are given, of one by ranges only
    where some are."""
    if row["meta"].get("notation") == "cidr":
        return networks.whole_range(row["cidr"], row["meta"])
    return list(given.get("ip_ranges") or row["ip_ranges"])
