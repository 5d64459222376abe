"""/clusters/ID/upgrade: the extension cluster_upgrade."""

from __future__ import annotations

from typing import Any

from lab.nailgun import clusters, deployment, schema, upgrade
from lab.nailgun.errors import NotFound
from lab.nailgun.handlers.nodes import task_reply
from lab.nailgun.routing import Call, Reply, route


@route("POST", r"/clusters/(\d+)/upgrade/clone")
def clone(call: Call, number: int) -> Any:
    """Make the seed of an original environment."""
    original = clusters.find(call.state, number)
    return clusters.show(call.state, upgrade.clone(call.state, original, call.json()))


@route("POST", r"/clusters/(\d+)/upgrade/assign")
def assign(call: Call, number: int) -> Reply:
    """Move a node into the environment and install its operating system."""
    seed = clusters.find(call.state, number)
    data = call.json()
    schema.check(data, upgrade.ASSIGN)
    node = call.state.get("nodes", data["node_id"])
    if node is None:
        raise NotFound(f"Node with id {data['node_id']} was not found.")
    upgrade.check_movable(seed, node)
    upgrade.move(call.state, seed, node)
    return task_reply(deployment.provision(call.server, seed, [node]))
