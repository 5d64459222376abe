"""What is checked before PUT changes does anything. Each check returns what is wrong, or None."""

from __future__ import annotations

from lab.nailgun import network_check, network_update
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
    """Nodes are offline, or there is no controller."""
    members = [node for node in state.rows("nodes", cluster=cluster["id"]) if not node["pending_deletion"]]
    offline = [f"{node['name']} (id={node['id']}, mac={node['mac']})" for node in members if not node["online"]]
    if offline:
        return f'Nodes "{",".join(offline)}" are offline. Remove them from environment and try again.'
    if not any("controller" in node["roles"] + node["pending_roles"] for node in members):
        return f"Not enough controllers, {cluster['mode']} mode requires at least 1 controller(s)"
    return None
