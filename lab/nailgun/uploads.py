"""Facts that were uploaded: they are kept with the nodes they name. Nothing checks them."""

from __future__ import annotations

from typing import Any

from lab.nailgun.errors import Unexpected
from lab.nailgun.state import Row, State


def facts(state: State, cluster: Row) -> list[dict[str, Any]]:
    """Uploaded deployment facts of the environment's nodes."""
    return [fact for node in state.rows("nodes", cluster=cluster["id"]) for fact in node["facts"]] + cluster["facts"]


def put_facts(state: State, cluster: Row, data: Any) -> Any:
    """Replace them. Returns what was sent; elements that name no node of the environment are used by nobody."""
    members = state.rows("nodes", cluster=cluster["id"])
    cluster["is_customized"] = True
    if not isinstance(data, list) or not all(isinstance(fact, dict) for fact in data):
        if members:
            raise Unexpected
        return data
    names = {str(node["id"]) for node in members}
    for node in members:
        node["facts"] = [fact for fact in data if fact.get("uid") == str(node["id"])]
    cluster["facts"] = [fact for fact in data if fact.get("uid") not in names]
    return data


def provisioning(state: State, cluster: Row) -> dict[str, Any]:
    """Uploaded provisioning facts: what concerns all, and ``nodes``; {} when there are none."""
    shared: dict[str, Any] = dict(cluster["provisioning"])
    if shared:
        members = state.rows("nodes", cluster=cluster["id"])
        shared["nodes"] = [node["provisioning"] for node in members if node["provisioning"]]
    return shared


def put_provisioning(state: State, cluster: Row, data: Any) -> Any:
    """Replace them. Returns what was sent."""
    if not isinstance(data, dict):
        raise Unexpected
    cluster["is_customized"] = True
    cluster["provisioning"] = {key: value for key, value in data.items() if key != "nodes"}
    by_uid = {entry.get("uid"): entry for entry in data.get("nodes", [])}
    for node in state.rows("nodes", cluster=cluster["id"]):
        node["provisioning"] = by_uid.get(str(node["id"]), {})
    return data
