"""Starting what takes time: provisioning, deployment, stopping, reset, deletion.

Each function answers with a task; workers (``workers``) do the rest after the request was committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.nailgun import checks, facts, graph, provisioning, schema, selection, tasks, workers
from lab.nailgun.errors import Conflict, InvalidData, Unexpected
from lab.nailgun.state import Row, State

if TYPE_CHECKING:
    from lab.nailgun.application import Application


def provision(server: Application, cluster: Row, chosen: list[Row]) -> Row:
    """PUT provision, and the end of upgrade/assign. Refuses nothing but a release that is unavailable."""
    _check_available(server.state, cluster)
    task = _begin_provision(server, cluster, chosen, None)
    server.after(lambda: workers.provision(server, task["id"]))
    return task


def _check_available(state: State, cluster: Row) -> None:
    release = state.row("releases", cluster["release_id"])
    if release["state"] == "unavailable":
        raise InvalidData(f"Release '{release['name']} {release['version']}' is unavailable!")


def _check_graph(state: State, cluster: Row) -> None:
    """Refuse to deploy an environment that nobody gave deployment tasks to: neither itself, nor its release."""
    if not graph.of_cluster(state, cluster):
        name = state.row("releases", cluster["release_id"])["name"]
        raise InvalidData(
            f"Deployment tasks not found for '{name}' release in the database. Please upload them. "
            "If you're operating from Fuel Master node, please check '/etc/puppet' directory."
        )


def _begin_provision(server: Application, cluster: Row, chosen: list[Row], parent: int | None) -> Row:
    task = tasks.add(server.state, "provision", cluster["id"], parent=parent, nodes=[node["id"] for node in chosen])
    task["entries"] = _provisioning_entries(server.state, cluster, chosen)
    for node in chosen:
        node.update(status="provisioning", pending_addition=False, progress=0)
    return task


def _provisioning_entries(state: State, cluster: Row, chosen: list[Row]) -> list[dict[str, Any]]:
    """Provisioning facts of the nodes: those uploaded for a node win over computed ones."""
    computed = provisioning.computed(state, cluster, chosen)["nodes"] if chosen else []
    uploaded = {str(node["id"]): node["provisioning"] for node in chosen if node["provisioning"]}
    return [uploaded.get(entry["uid"], entry) for entry in computed]


def deploy(server: Application, cluster: Row, chosen: list[Row]) -> Row:
    """PUT deploy: a task ``deployment`` for the chosen nodes, which must be provisioned."""
    _check_provisioned(chosen)
    _check_graph(server.state, cluster)
    task = _begin_deployment(server, cluster, chosen, None)
    _mark_deploying(chosen)
    server.after(lambda: workers.deploy(server, task["id"]))
    return task


def deploy_tasks(server: Application, cluster: Row, chosen: list[Row], names: list[str]) -> Row:
    """PUT deploy_tasks: run only the named deployment tasks, which ``check_tasks`` accepted."""
    _check_provisioned(chosen)
    task = _begin_deployment(server, cluster, chosen, None)
    _mark_deploying(chosen)
    task["only"] = names
    server.after(lambda: workers.deploy(server, task["id"]))
    return task


def _mark_deploying(chosen: list[Row]) -> None:
    """At once, and a node without roles too: nobody will report about that one, and it stays so."""
    for node in chosen:
        node.update(status="deploying", progress=0)


def check_tasks(state: State, cluster: Row, names: Any) -> None:
    """Refuse anything but a list of known deployment tasks."""
    if not names:
        raise InvalidData("Tasks list must be specified.")
    schema.check(names, schema.STRINGS)
    known = {task["id"] for task in graph.of_cluster(state, cluster)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidData(f"Tasks {','.join(unknown)} are not present in deployment graph")


def _check_provisioned(chosen: list[Row]) -> None:
    waiting = [node["id"] for node in chosen if selection.needs_provision(node) or node["status"] == "provisioning"]
    doomed = [node["id"] for node in chosen if node["pending_deletion"]]
    sentences = [f"Nodes with uids {waiting} are not provisioned yet. "] if waiting else []
    if doomed:
        sentences.append(f"Nodes with uids {doomed} marked for deletion. Please remove them and restart deployment.")
    if sentences:
        raise InvalidData(f"Deployment operation cannot be started. {''.join(sentences)}")


def _begin_deployment(server: Application, cluster: Row, chosen: list[Row], parent: int | None) -> Row:
    """A task ``deployment``. Pending roles become the nodes' roles now. A node without any is left behind."""
    state = server.state
    task = tasks.add(state, "deployment", cluster["id"], parent=parent, nodes=[node["id"] for node in chosen])
    task["entries"] = effective_facts(state, cluster, chosen)
    for node in chosen:
        node["roles"] = node["roles"] + [role for role in node["pending_roles"] if role not in node["roles"]]
        node["pending_roles"] = []
    return task


def effective_facts(state: State, cluster: Row, chosen: list[Row]) -> list[dict[str, Any]]:
    """Facts to deploy by: those uploaded for a node win over computed ones."""
    computed = facts.computed(state, cluster, [node for node in chosen if not node["facts"]])
    return computed + [fact for node in chosen for fact in node["facts"]]


def changes(server: Application, cluster: Row) -> Row:
    """PUT changes: delete, provision and deploy what the environment's nodes need. Task ``deploy``."""
    state = server.state
    _check_graph(state, cluster)
    _check_available(state, cluster)
    if tasks.running(state, cluster["id"], "deploy"):
        raise Unexpected
    ended = [
        row
        for name in ("deploy", "stop_deployment", "reset_environment")
        for row in state.rows("tasks", cluster=cluster["id"], name=name)
    ]
    tasks.remove(state, ended)
    doomed = selection.to_delete(state, cluster)
    to_provision = selection.to_provision(state, cluster)
    to_deploy = selection.to_deploy(state, cluster)
    if not (doomed or to_provision or to_deploy):
        raise InvalidData("No changes to deploy")
    task = tasks.add(state, "deploy", cluster["id"], nodes=[node["id"] for node in to_deploy])
    if not _passes_checks(state, cluster, task):
        return task
    if doomed:
        tasks.add(state, "node_deletion", cluster["id"], task["id"], [node["id"] for node in doomed])
        _mark_doomed(doomed)
    if to_provision:
        _begin_provision(server, cluster, to_provision, task["id"])
    if to_deploy:
        _begin_deployment(server, cluster, to_deploy, task["id"])
    cluster["status"] = "deployment"
    server.after(lambda: workers.changes(server, task["id"]))
    return task


def _passes_checks(state: State, cluster: Row, task: Row) -> bool:
    """Check the environment unless facts were uploaded; a failure ends the task, which stays the answer."""
    if any(node["facts"] or node["provisioning"] for node in state.rows("nodes", cluster=cluster["id"])):
        return True
    for name, check in (("check_networks", checks.networks), ("check_before_deployment", checks.environment)):
        child = tasks.add(state, name, cluster["id"], parent=task["id"])
        message = check(state, cluster)
        tasks.finish(child, "error" if message else "ready", message)
        if message:
            tasks.finish(task, "error", message)
            return False
        if name not in tasks.KEPT:
            state.delete("tasks", child["id"])
    return True


def stop(server: Application, cluster: Row) -> Row:
    """PUT stop_deployment."""
    state = server.state
    if cluster["attributes"]["generated"].get("deployed_before", {}).get("value"):
        raise InvalidData("Stop action is forbidden for the cluster")
    if tasks.running(state, cluster["id"], "stop_deployment"):
        raise Conflict("Stopping deployment task is already launched")
    tasks.remove(state, state.rows("tasks", cluster=cluster["id"], name="stop_deployment"))
    if not any(row["name"] in ("deployment", "provision") for row in state.rows("tasks", cluster=cluster["id"])):
        raise InvalidData(f"Nothing to stop - deployment is not running on environment '{cluster['id']}'")
    task = tasks.add(state, "stop_deployment", cluster["id"])
    server.after(lambda: workers.stop(server, task["id"]))
    return task


def reset(server: Application, cluster: Row) -> Row:
    """PUT reset."""
    state = server.state
    if tasks.running(state, cluster["id"], "deploy", "stop_deployment"):
        raise Unexpected
    workers.set_deployed(cluster, False)
    ended = [
        row
        for name in ("deploy", "deployment", "stop_deployment")
        for row in state.rows("tasks", cluster=cluster["id"], name=name)
    ]
    tasks.remove(state, ended)
    task = tasks.add(state, "reset_environment", cluster["id"])
    tasks.add(state, "reset_environment", cluster["id"], parent=task["id"])
    server.after(lambda: workers.reset(server, task["id"]))
    return task


def delete_nodes(server: Application, doomed: list[Row]) -> Row:
    """DELETE nodes: those never installed go at once, the others by a running task."""
    state = server.state
    cluster = doomed[0]["cluster"]
    if any(node["cluster"] != cluster for node in doomed):
        # Nailgun refuses this in a place where nobody catches the refusal.
        raise Unexpected
    installed = [node for node in doomed if node["cluster"] is not None and node["status"] != "discover"]
    task = tasks.add(state, "node_deletion", cluster, nodes=[node["id"] for node in doomed])
    if installed:
        _mark_doomed(doomed)
        server.after(lambda: workers.delete_nodes(server, task["id"]))
        return task
    for node in doomed:
        workers.forget(state, node)
    tasks.finish(task, "ready", None if cluster is None else "No nodes were removed. No errors occurred")
    return task


def _mark_doomed(doomed: list[Row]) -> None:
    for node in doomed:
        node.update(status="removing", pending_deletion=True)


def delete_cluster(server: Application, cluster: Row) -> None:
    """DELETE clusters/ID: its nodes are erased and come back as new ones, its relation is forgotten."""
    if tasks.running(server.state, cluster["id"], "cluster_deletion"):
        raise InvalidData("Environment removal already started")
    cluster["status"] = "remove"
    for node in server.state.rows("nodes", cluster=cluster["id"]):
        node["pending_deletion"] = True
    task = tasks.add(server.state, "cluster_deletion", cluster["id"])
    server.after(lambda: workers.delete_cluster(server, task["id"]))
