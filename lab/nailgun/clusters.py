"""Environments: creation, reading, renaming, deletion."""

from __future__ import annotations

from typing import Any

from lab.nailgun import assignment, attributes, networks, releases, schema
from lab.nailgun.errors import Conflict, Forbidden, InvalidData, NotFound
from lab.nailgun.state import Row, State

SHOWN = (
    "id",
    "name",
    "status",
    "mode",
    "net_provider",
    "release_id",
    "pending_release_id",
    "is_customized",
    "ui_settings",
    "changes",
)

UI_SETTINGS = {
    "view_mode": "standard",
    "filter": {},
    "sort": [{"roles": "asc"}],
    "filter_by_labels": {},
    "sort_by_labels": [],
    "search": "",
}


MODES = ["multinode", "ha_full", "ha_compact"]
STATUSES = ["new", "deployment", "stopped", "operational", "error", "remove", "update", "update_error"]
PROVIDERS = ["nova_network", "neutron"]
CLUSTER = schema.record(
    {
        "id": {"type": "number"},
        "name": {"type": "string"},
        "mode": {"type": "string", "enum": MODES},
        "status": {"type": "string", "enum": STATUSES},
        "net_provider": {"type": "string", "enum": PROVIDERS},
        "ui_settings": {"type": "object"},
        "release_id": {"type": "number"},
        "pending_release_id": schema.NULLABLE_ID,
        "replaced_deployment_info": {"type": "object"},
        "replaced_provisioning_info": {"type": "object"},
        "is_customized": {"type": "boolean"},
        "fuel_version": {"type": "string"},
    }
)
CHANGEABLE = ("name", "mode", "status", "ui_settings", "is_customized", "release_id", "pending_release_id")


def is_busy(cluster: Row) -> bool:
    """Whether networks stay as they are for now: in any status that does not last."""
    return cluster["status"] not in ("new", "stopped", "operational", "error")


def find(state: State, number: int) -> Row:
    """The environment's row; NotFound."""
    row = state.get("clusters", number)
    if row is None:
        raise NotFound("Cluster not found")
    return row


def release_of(state: State, cluster: Row) -> Row:
    """The release the environment is of."""
    return state.row("releases", cluster["release_id"])


def show(state: State, cluster: Row) -> dict[str, Any]:
    """An environment as the API shows it."""
    shown = {key: cluster[key] for key in SHOWN}
    return shown | {"fuel_version": releases.fuel_version(release_of(state, cluster))}


def insert(state: State, name: str | None, release: Row, mode: str = "ha_compact", segmentation: str = "vlan") -> Row:
    """A new environment with Neutron: its row, default node group, networks and settings."""
    cluster: Row = {
        "name": name,
        "status": "new",
        "mode": mode,
        "net_provider": "neutron",
        "release_id": release["id"],
        "pending_release_id": None,
        "is_customized": False,
        "ui_settings": dict(UI_SETTINGS),
        "changes": [],
        "facts": [],
        "provisioning": {},
        "deployment_tasks": None,
        "parameters": dict(networks.PARAMETERS, segmentation_type=segmentation),
    }
    state.insert("clusters", cluster)
    group = state.insert("node_groups", {"cluster": cluster["id"], "name": "default"})
    networks.add_defaults(state, group["id"], release["id"], segmentation)
    cluster["attributes"] = attributes.for_cluster(state, cluster)
    for change in ("attributes", "networks", "vmware_attributes"):
        attributes.add_change(cluster, change)
    return cluster


def create(state: State, data: Any) -> Row:
    """POST /clusters; InvalidData, Forbidden, Conflict."""
    schema.check_request(data, CLUSTER)
    release = _check_release(state, data)
    if release is None:
        raise InvalidData("Release ID is required")
    _check_name(state, data, None)
    row = insert(state, data.get("name"), release, data.get("mode", "ha_compact"), data.get("net_segment_type", "vlan"))
    if data.get("net_provider") != "neutron":
        networks.make_nova_network(state, row)
    if "nodes" in data:
        _change_nodes(state, row, data["nodes"])
    return row


def update(state: State, number: int, data: Any) -> Row:
    """PUT /clusters/ID. The body is checked before the environment is looked for. Returns its row."""
    schema.check_request(data, CLUSTER)
    row = find(state, number)
    _check_release(state, data)
    _check_name(state, data, row["id"])
    if data.get("net_provider", row["net_provider"]) != row["net_provider"]:
        raise InvalidData("Changing 'net_provider' for environment is prohibited")
    row.update({key: data[key] for key in CHANGEABLE if key in data})
    if "nodes" in data:
        _change_nodes(state, row, data["nodes"])
    return row


def _change_nodes(state: State, row: Row, numbers: list[int]) -> None:
    """Let the environment have just these nodes. Unknown ids name none (fuel-web, from memory: it selects by ids)."""
    schema.check(numbers, schema.IDS)
    wanted = {number for number in numbers if state.get("nodes", number)}
    present = {node["id"] for node in state.rows("nodes", cluster=row["id"])}
    for number in sorted(present - wanted):
        assignment.leave(state, state.row("nodes", number))
    for number in sorted(wanted - present):
        assignment.join(state, row, state.row("nodes", number), [])


def _check_release(state: State, data: dict[str, Any]) -> Row | None:
    """The release that the request names, if it does; it must exist, be deployable and know the mode."""
    number = data.get("release", data.get("release_id"))
    if not number:
        return None
    release = state.get("releases", number)
    if release is None:
        raise InvalidData("Invalid release ID")
    if not release["is_deployable"]:
        raise Forbidden(f"Release with ID '{number}' is not deployable.")
    modes = list(release["modes_metadata"])
    if data.get("mode") and data["mode"] not in modes:
        raise InvalidData(
            f"Cannot deploy in {data['mode']} mode in current release. Need to be one of: {', '.join(modes)}"
        )
    return release


def _check_name(state: State, data: dict[str, Any], own: int | None) -> None:
    """Refuse a name that is taken. A body without one is not checked (the database refuses to keep such a row)."""
    if "name" in data and any(row["id"] != own for row in state.rows("clusters", name=data["name"])):
        raise Conflict("Environment with this name already exists")
