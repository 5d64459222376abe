"""/nodes: nodes, agents, and which nodes an environment has."""

from __future__ import annotations

from typing import Any

from lab.nailgun import assignment, clusters, constraints, deployment, node_update, nodes, selection, tasks
from lab.nailgun.errors import InvalidData, Unexpected
from lab.nailgun.routing import Call, Reply, route


@route("GET", "/nodes")
def listing(call: Call) -> Any:
    """All nodes, those of an environment (cluster_id=1), or those of none (cluster_id=)."""
    return [nodes.show(call.state, row) for row in constraints.of_cluster(call.state, "nodes", call.query)]


@route("POST", "/nodes")
def create(call: Call) -> Reply:
    """An agent reports a machine that booted into the bootstrap."""
    return Reply(nodes.show(call.state, node_update.create(call.state, call.json())), 201)


@route("PUT", "/nodes")
def put_many(call: Call) -> Any:
    """Change several nodes."""
    rows = node_update.update_many(call.state, call.json())
    return [nodes.show(call.state, row) for row in rows]


@route("DELETE", "/nodes")
def delete_many(call: Call) -> Reply:
    """Delete the nodes of ids=1,2."""
    return task_reply(deployment.delete_nodes(call.server, _listed(call)))


def _listed(call: Call) -> list[dict[str, Any]]:
    try:
        return selection.named(call.state, call.query.get("ids", ""))
    except InvalidData:
        raise InvalidData("Comma-separated number list expected") from None


@route("GET", r"/nodes/(\d+)")
def get(call: Call, number: int) -> Any:
    """One node."""
    return nodes.show(call.state, nodes.find(call.state, number))


@route("PUT", r"/nodes/(\d+)")
def put(call: Call, number: int) -> Any:
    """Change a node."""
    return nodes.show(call.state, node_update.update(call.state, number, call.json()))


@route("DELETE", r"/nodes/(\d+)")
def delete(call: Call, number: int) -> Reply:
    """Delete a node."""
    return task_reply(deployment.delete_nodes(call.server, [nodes.find(call.state, number)]))


@route("GET", r"/nodes/(\d+)/vms_conf")
def get_machines(call: Call, number: int) -> Any:
    """Virtual machines that the node is to have."""
    return {"vms_conf": nodes.find(call.state, number).get("vms_conf", [])}


@route("PUT", r"/nodes/(\d+)/vms_conf")
def put_machines(call: Call, number: int) -> Any:
    """Tell which virtual machines the node is to have. Nothing checks them, and nothing in the lab makes them."""
    row = nodes.find(call.state, number)
    data = call.json()
    if not isinstance(data, dict):
        raise Unexpected
    row["vms_conf"] = data.get("vms_conf")
    return {"vms_conf": row["vms_conf"]}


@route("PUT", "/nodes/agent")
def agent(call: Call) -> Any:
    """An agent reports again."""
    return node_update.report(call.state, call.json())


@route("GET", "/nodes/allocation/stats")
def allocation(call: Call) -> Any:
    """How many nodes there are, and how many are in no environment."""
    rows = call.state.rows("nodes")
    return {"total": len(rows), "unallocated": sum(1 for row in rows if row["cluster"] is None)}


@route("POST", r"/clusters/(\d+)/assignment")
def assign(call: Call, number: int) -> Any:
    """Give nodes to an environment."""
    assignment.assign(call.state, clusters.find(call.state, number), call.json())


@route("POST", r"/clusters/(\d+)/unassignment")
def unassign(call: Call, number: int) -> Any:
    """Take nodes away from an environment."""
    assignment.unassign(call.state, clusters.find(call.state, number), call.json())


def task_reply(task: dict[str, Any]) -> Reply:
    """A task as an answer: 202 while it runs, 200 when it has ended already."""
    return Reply(tasks.show(task), 202 if task["status"] == "running" else 200)
