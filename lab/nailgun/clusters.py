"""Environments: creation, reading, renaming, deletion."""

from __future__ import annotations

from typing import Any

from lab.nailgun import attributes, networks, releases
from lab.nailgun.errors import NotFound
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


def insert(state: State, name: str, release: Row, mode: str = "ha_compact", segmentation: str = "vlan") -> Row:
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
        "deployed_once": False,
        "parameters": dict(networks.PARAMETERS, segmentation_type=segmentation),
    }
    state.insert("clusters", cluster)
    group = state.insert("node_groups", {"cluster": cluster["id"], "name": "default"})
    networks.add_defaults(state, group["id"], release["id"], segmentation)
    cluster["attributes"] = attributes.for_cluster(state, cluster)
    for change in ("attributes", "networks", "vmware_attributes"):
        attributes.add_change(cluster, change)
    return cluster
