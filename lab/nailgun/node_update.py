"""What agents report about nodes, and what users change of them."""

from __future__ import annotations

from typing import Any

from lab.nailgun import assignment, clusters, disks, notifications, schema
from lab.nailgun import nodes as node_rows
from lab.nailgun.errors import Conflict, Forbidden, InvalidData, Unexpected
from lab.nailgun.hardware import discovery_message
from lab.nailgun.state import Row, State

STATUSES = ["ready", "discover", "provisioning", "provisioned", "deploying", "error", "removing"]
ERRORS = ["deploy", "provision", "deletion"]
NIC = schema.record(
    {
        "ip": schema.nullable(schema.ADDRESS),
        "netmask": schema.NET_ADDRESS,
        "mac": schema.MAC_ADDRESS,
        "state": {"type": "string"},
        "name": {"type": "string"},
        "driver": {"type": "string"},
        "bus_info": {"type": "string"},
        "offloading_modes": {"type": "array"},
        "pxe": {"type": "boolean"},
    }
)
DISK = schema.record(
    {
        "model": schema.NULLABLE_STRING,
        "disk": {"type": "string"},
        "size": {"type": "number"},
        "name": {"type": "string"},
    }
)
META = schema.record(
    {
        "interfaces": {"type": "array", "items": NIC},
        "disks": {"type": "array", "items": DISK},
        "memory": schema.record({"total": {"type": "number"}}),
        "cpu": schema.record({"total": {"type": "integer"}, "real": {"type": "integer"}}),
        "system": {"type": "object"},
    }
)
NODE = schema.record(
    {
        "mac": schema.MAC_ADDRESS,
        "ip": schema.ADDRESS,
        "meta": META,
        "id": {"type": "integer"},
        "status": {"enum": STATUSES},
        "cluster_id": schema.NULLABLE_ID,
        "name": {"type": "string"},
        "manufacturer": schema.NULLABLE_STRING,
        "os_platform": schema.NULLABLE_STRING,
        "is_agent": {"type": "boolean"},
        "platform_name": schema.NULLABLE_STRING,
        "group_id": {"type": "number"},
        "hostname": schema.HOST_NAME,
        "kernel_params": schema.NULLABLE_STRING,
        "progress": {"type": "number"},
        "pending_addition": {"type": "boolean"},
        "pending_deletion": {"type": "boolean"},
        "error_type": {"enum": [*ERRORS, None]},
        "error_msg": {"type": "string"},
        "online": {"type": "boolean"},
        "labels": {"type": "object", "additionalProperties": schema.NULLABLE_STRING},
        "roles": {"type": "array"},
        "pending_roles": {"type": "array"},
        "agent_checksum": {"type": "string"},
    }
)
PLAIN = (
    "name",
    "hostname",
    "status",
    "online",
    "labels",
    "roles",
    "pending_roles",
    "pending_addition",
    "pending_deletion",
    "error_type",
    "progress",
    "kernel_params",
    "manufacturer",
    "platform_name",
    "os_platform",
    "ip",
    "group_id",
)
REPORTED = ("ip", "manufacturer", "platform_name", "os_platform")
KEEP_STATUS = ("provisioning", "error")
"""Statuses that an agent's ``discover`` does not change."""


def create(state: State, data: Any) -> Row:
    """POST /nodes. Returns the new row; InvalidData, Forbidden, Conflict."""
    schema.check_request(data, NODE)
    if data.get("status", "") != "discover":
        raise Forbidden("Only bootstrap nodes are allowed to be registered.")
    if "mac" not in data:
        raise InvalidData("No mac address specified")
    if _by_mac(state, data):
        raise Conflict(f"Node with mac {data['mac']} already exists - doing nothing")
    if "meta" in data and "interfaces" not in data["meta"]:
        raise InvalidData("Failed to discover node: invalid interfaces info")
    row = node_rows.add_discovered(state, {key: value for key, value in data.items() if key != "id"})
    if "disks" in row["meta"] and "memory" in row["meta"]:
        notifications.add(state, "discover", discovery_message(row["meta"]), node=row["id"])
    return row


def _by_mac(state: State, data: dict[str, Any]) -> Row | None:
    """The node with the MAC address on any of its interfaces, or None."""
    reported = [nic.get("mac", "") for nic in data.get("meta", {}).get("interfaces", [])]
    wanted = {mac.lower() for mac in [data["mac"], *reported]}
    for node in state.rows("nodes"):
        if wanted & {node["mac"], *(nic["mac"].lower() for nic in node["interfaces"])}:
            return node
    return None


def _known(state: State, data: dict[str, Any]) -> Row:
    """The node that the data names by MAC or id; InvalidData."""
    if not data.get("mac") and not data.get("id"):
        raise InvalidData("Neither MAC nor ID is specified")
    found = _by_mac(state, data) if "mac" in data else None
    if "mac" in data and found is None:
        raise InvalidData("Invalid MAC is specified")
    if data.get("id"):
        found = state.get("nodes", data["id"])
        if found is None:
            raise InvalidData("Invalid ID specified")
    assert found is not None
    return found


def report(state: State, data: Any) -> dict[str, Any]:
    """PUT /nodes/agent: the node is online; what it reports is taken over unless its checksum did not change."""
    schema.check_request(data, NODE)
    node = _known(state, data)
    if not node["online"]:
        node["online"] = True
        notifications.add(state, "discover", f"Node '{node['name']}' is back online", node=node["id"])
    if "agent_checksum" in data and node["checksum"] == data["agent_checksum"]:
        return {"id": node["id"], "cached": True}
    node["checksum"] = data.get("agent_checksum")
    node.update({key: data[key] for key in REPORTED if key in data})
    if data.get("status") == "discover" and node["status"] not in KEEP_STATUS:
        node["status"] = "discover"
    if "meta" in data:
        _take_meta(state, node, data["meta"])
    return {"id": node["id"]}


def _take_meta(state: State, node: Row, meta: dict[str, Any]) -> None:
    """Hardware as reported: known interfaces keep id and networks, new disks change the default layout."""
    changed = meta.get("disks") is not None and meta.get("disks") != node["meta"].get("disks")
    node["meta"] = node["meta"] | meta
    by_mac = {nic["mac"]: nic for nic in node["interfaces"]}
    for reported in meta.get("interfaces", []):
        nic = by_mac.get(reported.get("mac", "").lower())
        if nic:
            nic.update({key: reported[key] for key in nic if key in reported})
        elif "mac" in reported and "name" in reported:
            node["interfaces"] += node_rows.interfaces_of(state, {"interfaces": [reported]})
    if changed and node["status"] == "discover":
        node["disks"] = disks.layout(state, node) if node["cluster"] else []


def update_many(state: State, data: Any) -> list[Row]:
    """PUT /nodes with a list. Returns the changed rows."""
    if not isinstance(data, list):
        raise InvalidData("Invalid json list")
    rows = []
    for entry in data:
        schema.check(entry, NODE)
        rows.append(_known(state, entry))
    for row, entry in zip(rows, data, strict=True):
        change(state, row, entry)
    return rows


def update(state: State, number: int, data: Any) -> Row:
    """PUT /nodes/ID. The body is checked before the node is looked for. Returns its row."""
    schema.check_request(data, NODE)
    node = node_rows.find(state, number)
    if "mac" in data and _by_mac(state, data) is None:
        raise InvalidData("Invalid MAC is specified")
    if data.get("id") and state.get("nodes", data["id"]) is None:
        raise InvalidData("Invalid ID specified")
    change(state, node, data)
    return node


def change(state: State, node: Row, data: dict[str, Any]) -> None:
    """Check and make a change of a node's columns."""
    if data.get("hostname") is not None:
        _check_hostname(state, node, data["hostname"])
    if "roles" in data and any(not isinstance(role, str) for role in data["roles"]):
        raise InvalidData("Role list must be list of strings")
    if "group_id" in data:
        _check_group(state, node, data["group_id"])
    if "cluster_id" in data:
        _change_cluster(state, node, data)
    node.update(
        {key: data[key] for key in PLAIN if key in data and not (key == "pending_roles" and "cluster_id" in data)}
    )
    if "meta" in data:
        _take_meta(state, node, data["meta"])
    if "pending_roles" in data and node["cluster"] and node["status"] == "discover":
        node["disks"] = disks.layout(state, node)


def _change_cluster(state: State, node: Row, data: dict[str, Any]) -> None:
    wanted = data["cluster_id"]
    if wanted == node["cluster"]:
        return
    if node["cluster"] is not None and wanted is not None:
        # Nailgun refuses this in a place where nobody catches the refusal.
        raise Unexpected
    if node["cluster"] is not None:
        assignment.leave(state, node)
    else:
        roles = list(data["pending_roles"] if "pending_roles" in data else node["pending_roles"])
        assignment.join(state, clusters.find(state, wanted), node, roles)


def _check_hostname(state: State, node: Row, hostname: str) -> None:
    if hostname == node["hostname"]:
        return
    if node["status"] != "discover":
        raise Forbidden("Node hostname may be changed only before provisioning.")
    cluster = state.get("clusters", node["cluster"] or 0)
    endpoint = cluster and cluster["attributes"]["editable"].get("public_ssl", {}).get("hostname", {}).get("value")
    if endpoint and endpoint in (hostname, f"{hostname}.{state.settings['dns_domain']}"):
        raise InvalidData(f"New hostname '{hostname}' conflicts with public TLS endpoint")
    if any(row["hostname"] == hostname for row in state.rows("nodes", cluster=node["cluster"])):
        raise Conflict(f"Duplicate hostname '{hostname}'.")


def _check_group(state: State, node: Row, group_id: int) -> None:
    sentence = f"Cannot assign node group (ID={group_id}) to node {node['id']}. "
    group = state.get("node_groups", group_id)
    if group is None:
        raise InvalidData(f"{sentence}The specified node group does not exist.")
    if not node["cluster"]:
        raise InvalidData(f"{sentence}Node is not allocated to cluster.")
    if node["cluster"] != group["cluster"]:
        raise InvalidData(f"{sentence}Node belongs to other cluster than node group")
