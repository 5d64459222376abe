"""/clusters/ID/orchestrator, deployment tasks, and starting what takes time."""

from __future__ import annotations

from typing import Any

from lab.nailgun import clusters, deployment, facts, graph, provisioning, selection, uploads
from lab.nailgun.handlers.nodes import task_reply
from lab.nailgun.routing import Call, Reply, route
from lab.nailgun.state import Row

ORCHESTRATOR = r"/clusters/(\d+)/orchestrator"


def _chosen(call: Call, default: list[Row]) -> list[Row]:
    """Nodes of nodes=1,2; without or with an empty list the default ones."""
    text = call.query.get("nodes")
    return selection.named(call.state, text) if text else default


@route("GET", f"{ORCHESTRATOR}/deployment/defaults")
def default_facts(call: Call, number: int) -> Any:
    """Computed deployment facts; by default of nodes that have something to deploy."""
    cluster = clusters.find(call.state, number)
    chosen = _chosen(call, selection.to_deploy(call.state, cluster))
    return facts.computed(call.state, cluster, chosen) if chosen else []


@route("GET", f"{ORCHESTRATOR}/deployment")
def get_facts(call: Call, number: int) -> Any:
    """Uploaded deployment facts."""
    return uploads.facts(call.state, clusters.find(call.state, number))


@route("PUT", f"{ORCHESTRATOR}/deployment")
def put_facts(call: Call, number: int) -> Any:
    """Upload deployment facts: they win over computed ones. Hardly checked."""
    return uploads.put_facts(call.state, clusters.find(call.state, number), call.json())


@route("DELETE", f"{ORCHESTRATOR}/deployment")
def delete_facts(call: Call, number: int) -> Reply:
    """Forget uploaded deployment facts."""
    uploads.put_facts(call.state, clusters.find(call.state, number), [])
    return Reply({}, 202)


@route("GET", f"{ORCHESTRATOR}/provisioning/defaults")
def default_provisioning(call: Call, number: int) -> Any:
    """Computed provisioning facts; by default of nodes that wait for their operating system."""
    cluster = clusters.find(call.state, number)
    return provisioning.computed(call.state, cluster, _chosen(call, selection.to_provision(call.state, cluster)))


@route("GET", f"{ORCHESTRATOR}/provisioning")
def get_provisioning(call: Call, number: int) -> Any:
    """Uploaded provisioning facts."""
    return uploads.provisioning(call.state, clusters.find(call.state, number))


@route("PUT", f"{ORCHESTRATOR}/provisioning")
def put_provisioning(call: Call, number: int) -> Any:
    """Upload provisioning facts."""
    return uploads.put_provisioning(call.state, clusters.find(call.state, number), call.json())


@route("DELETE", f"{ORCHESTRATOR}/provisioning")
def delete_provisioning(call: Call, number: int) -> Reply:
    """Forget uploaded provisioning facts."""
    uploads.put_provisioning(call.state, clusters.find(call.state, number), {})
    return Reply({}, 202)


@route("GET", r"/clusters/(\d+)/deployment_tasks")
def get_tasks(call: Call, number: int) -> Any:
    """Deployment tasks of the environment (its own, or its release's), all or those between start and end."""
    cluster = clusters.find(call.state, number)
    return graph.selected(graph.of_cluster(call.state, cluster), call.query)


@route("PUT", r"/clusters/(\d+)/deployment_tasks")
def put_tasks(call: Call, number: int) -> Any:
    """Give the environment deployment tasks of its own."""
    cluster = clusters.find(call.state, number)
    data = call.json()
    graph.check(data, graph.of_cluster(call.state, cluster))
    cluster["deployment_tasks"] = data
    return graph.of_cluster(call.state, cluster)


@route("PUT", r"/clusters/(\d+)/provision")
def provision(call: Call, number: int) -> Reply:
    """Install the operating system on nodes."""
    cluster = clusters.find(call.state, number)
    chosen = _chosen(call, selection.to_provision(call.state, cluster))
    return task_reply(deployment.provision(call.server, cluster, chosen))


@route("PUT", r"/clusters/(\d+)/deploy")
def deploy(call: Call, number: int) -> Reply:
    """Deploy provisioned nodes."""
    cluster = clusters.find(call.state, number)
    chosen = _chosen(call, selection.to_deploy(call.state, cluster))
    return task_reply(deployment.deploy(call.server, cluster, chosen))


@route("PUT", r"/clusters/(\d+)/deploy_tasks")
def deploy_tasks(call: Call, number: int) -> Reply:
    """Run some deployment tasks on nodes."""
    cluster = clusters.find(call.state, number)
    names = call.json()
    deployment.check_tasks(call.state, cluster, names)
    chosen = _chosen(call, selection.to_deploy(call.state, cluster))
    return task_reply(deployment.deploy_tasks(call.server, cluster, chosen, names))


@route("PUT", r"/clusters/(\d+)/changes")
def changes(call: Call, number: int) -> Reply:
    """Do all that the environment's nodes need."""
    return task_reply(deployment.changes(call.server, clusters.find(call.state, number)))


@route("PUT", r"/clusters/(\d+)/stop_deployment")
def stop(call: Call, number: int) -> Reply:
    """Stop what runs."""
    return task_reply(deployment.stop(call.server, clusters.find(call.state, number)))


@route("PUT", r"/clusters/(\d+)/reset")
def reset(call: Call, number: int) -> Reply:
    """Erase the environment's nodes; it stays, as a new one."""
    return task_reply(deployment.reset(call.server, clusters.find(call.state, number)))
