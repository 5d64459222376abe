"""Which nodes an operation is about."""

from __future__ import annotations

from lab.nailgun.errors import InvalidData, NotFound
from lab.nailgun.state import Row, State


def named(state: State, text: str) -> list[Row]:
    """Nodes of ``1,2,3``; InvalidData when that is no list of numbers, NotFound when one is unknown."""
    try:
        ids = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise InvalidData("Provided id is not integer") from None
    found = [state.get("nodes", number) for number in ids]
    if None in found:
        raise NotFound("NodeCollection not found")
    return [node for node in found if node is not None]


def needs_provision(node: Row) -> bool:
    """Whether the node waits for its operating system: pending addition, or failed at that."""
    failed = node["status"] == "error" and node["error_type"] == "provision"
    return not node["pending_deletion"] and (node["pending_addition"] or failed)


def needs_deploy(node: Row) -> bool:
    """Whether the node has something to be deployed."""
    unfinished = node["status"] in ("error", "provisioned") or bool(node["pending_roles"])
    return not node["pending_deletion"] and (unfinished or needs_provision(node))


def to_provision(state: State, cluster: Row) -> list[Row]:
    """Nodes of the environment that wait for their operating system."""
    return [node for node in state.rows("nodes", cluster=cluster["id"]) if needs_provision(node)]


def to_delete(state: State, cluster: Row) -> list[Row]:
    """Nodes of the environment that were unassigned after they had been deployed."""
    return [node for node in state.rows("nodes", cluster=cluster["id"]) if node["pending_deletion"]]


def to_deploy(state: State, cluster: Row) -> list[Row]:
    """Nodes with something to deploy, nodes of roles that must follow, and all controllers if one is among them."""
    members = [node for node in state.rows("nodes", cluster=cluster["id"]) if not node["pending_deletion"]]
    chosen = [node for node in members if needs_deploy(node)]
    followers = _followers(state, cluster, members, chosen)
    if any("controller" in node["roles"] + node["pending_roles"] for node in chosen):
        followers.add("controller")
    return [node for node in members if node in chosen or followers & set(node["roles"])]


def _followers(state: State, cluster: Row, members: list[Row], chosen: list[Row]) -> set[str]:
    """Roles that must be deployed again because of the pending roles of the chosen nodes."""
    known = state.row("releases", cluster["release_id"])["roles_metadata"]
    deployed = {role for node in members for role in node["roles"]}
    followers: set[str] = set()
    for role in (role for node in chosen for role in node["pending_roles"]):
        followers.update(known.get(role, {}).get("update_required", []))
        if role not in deployed:
            followers.update(known.get(role, {}).get("update_once", []))
    return followers
