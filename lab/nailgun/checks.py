"""What is checked before PUT changes does anything. Each check returns what is wrong, or None."""

from __future__ import annotations

from lab.nailgun import network_check, network_update, selection
from lab.nailgun.state import Row, State


def networks(state: State, cluster: Row) -> str | None:
    """The network configuration contradicts itself."""
    try:
        network_update.check(state, cluster, {})
        network_check.check_interfaces(state, cluster, network_update.merged_networks(state, cluster, {}))
    except network_check.CheckFailed as failure:
        return failure.message
    return None


def environment(state: State, cluster: Row) -> str | None:
    """Nodes that have something to be done to are offline, there is no controller, or there are too few for Ceph."""
    members = [node for node in state.rows("nodes", cluster=cluster["id"]) if not node["pending_deletion"]]
    idle = [node["id"] for node in members if node["status"] == "ready"]
    busy = [node["id"] for node in selection.to_deploy(state, cluster)]
    missing = [node for node in members if not node["online"] and (node["id"] not in idle or node["id"] in busy)]
    if missing:
        named = ",".join(f"{node['name']} (id={node['id']}, mac={node['mac']})" for node in missing)
        return f'Nodes "{named}" are offline. Remove them from environment and try again.'
    if not any("controller" in node["roles"] + node["pending_roles"] for node in members):
        return f"Not enough controllers, {cluster['mode']} mode requires at least 1 controller(s)"
    return _ceph(cluster, members)


def _ceph(cluster: Row, members: list[Row]) -> str | None:
    """Ceph is to hold something, in more copies than there are nodes for its OSDs."""
    storage = cluster["attributes"]["editable"].get("storage", {})
    if not any("_ceph" in name and setting.get("value") is True for name, setting in storage.items()):
        return None
    count = sum(1 for node in members if "ceph-osd" in node["roles"] + node["pending_roles"])
    copies = int(storage["osd_pool_size"]["value"])
    if count >= copies:
        return None
    return (
        f"Number of OSD nodes ({count}) cannot be less than the Ceph object replication factor ({copies}). Please "
        "either assign ceph-osd role to more nodes, or reduce Ceph replication factor in the Settings tab."
    )
