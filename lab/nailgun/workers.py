"""What happens after an operation was accepted: calls of the deployer, and what their results change.

Every function runs in a thread of its own. It reads and writes the state only with the server's lock, and finds rows
by id each time: a request that failed meanwhile may have put other objects in their place. A task that was deleted or
ended meanwhile (stopped, forced away) makes the worker leave things as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.nailgun import addresses, assignment, nodes, notifications, tasks
from lab.nailgun.deployer import Errors
from lab.nailgun.hardware import discovery_message
from lab.nailgun.state import Row, State

if TYPE_CHECKING:
    from lab.nailgun.application import Application

LOG = logging.getLogger("nailgun.workers")
DEPLOYED = "deployed_before"
STOPPED = ("deploy", "provision", "deployment")
NODE_ERRORS = {"provision": "provision", "deployment": "deploy"}
"""Task name -> error_type of a node that failed at it."""

TOO_MANY = "Provision has failed. Too many nodes failed to provision"


@contextmanager
def locked(server: Application) -> Iterator[State]:
    """The state, to be changed and then saved."""
    with server.lock:
        yield server.state
        server.save()


def _running(state: State, number: int) -> Row | None:
    task = state.get("tasks", number)
    return task if task and task["status"] == "running" else None


def provision(server: Application, number: int) -> bool:
    """Install the operating system on the task's nodes. Returns whether all went well."""
    return _perform(server, number, "provisioning", server.deployer.provision, "provisioned")


def deploy(server: Application, number: int) -> bool:
    """Deploy the task's nodes. Returns whether all went well."""
    with server.lock:
        task = _running(server.state, number)
        only = task.get("only") if task else None
    call = server.deployer.deploy
    if only:
        return _perform(
            server,
            number,
            "deploying",
            lambda entries, progress: server.deployer.run_tasks(entries, only, progress),
            "ready",
        )
    return _perform(server, number, "deploying", call, "ready")


def _perform(server: Application, number: int, during: str, call: Callable[..., Errors], after: str) -> bool:
    with locked(server) as state:
        task = _running(state, number)
        if task is None:
            return False
        task["begun"] = True
        entries = task.pop("entries", [])
        uids = list(dict.fromkeys(str(entry.get("uid")) for entry in entries))
        for node in _nodes(state, uids):
            node.update(status=during, progress=0)
    try:
        errors = call(entries, lambda uid, percent: _progress(server, number, uid, percent)) if entries else {}
    except Exception as error:
        errors = dict.fromkeys(uids, str(error))
        with locked(server) as state:
            _conclude(state, number, errors, after)
        raise
    with locked(server) as state:
        return _conclude(state, number, errors, after)


def _nodes(state: State, uids: list[str]) -> list[Row]:
    found = (state.get("nodes", int(uid)) for uid in uids if uid.isdigit())
    return [node for node in found if node is not None]


def _progress(server: Application, number: int, uid: str, percent: int | None) -> None:
    """Show how far a node, the task and its parent are; the task shows null when the deployer tells no percentage.

    Not worth a save: a restart ends running tasks anyway.
    """
    with server.lock:
        state = server.state
        task = _running(state, number)
        if task is None:
            return
        if percent is None:
            task["progress"] = None
        else:
            for node in _nodes(state, [uid]):
                node["progress"] = percent
            members = _nodes(state, [str(identity) for identity in task["nodes"]])
            task["progress"] = sum(node["progress"] for node in members) // max(1, len(members))
        tasks.update_parent(state, task)


def _conclude(state: State, number: int, errors: Errors, after: str) -> bool:
    """Give nodes and task their end; a failure makes the environment's status ``error``."""
    task = _running(state, number)
    if task is None:
        return False
    failed = {uid for uid, error in errors.items() if error}
    for uid in sorted(failed):
        LOG.warning("%s failed on node %s: %s", task["name"], uid, errors[uid])
    for node in _nodes(state, list(errors)):
        if str(node["id"]) in failed:
            node.update(status="error", error_type=NODE_ERRORS[task["name"]], progress=100)
        else:
            node.update(status=after, progress=100)
    cluster = state.row("clusters", task["cluster"])
    if failed or (task["name"] == "deployment" and state.rows("nodes", cluster=cluster["id"], status="error")):
        _fail(state, cluster, task)
        return False
    done = None
    if task["name"] == "deployment":
        done = tasks.done_message(state, cluster)
        notifications.add(state, "done", done, cluster=cluster["id"])
    # As on the real server, the end says nothing of progress: what was not reported is not there.
    tasks.finish(task, "ready", done, progress=task["progress"])
    tasks.update_parent(state, task)
    return True


def _fail(state: State, cluster: Row, task: Row) -> None:
    """End the task as failed. A deployment is that too when a node had failed before, as on the real server."""
    names = [f"'{node['name']}'" for node in state.rows("nodes", cluster=cluster["id"], status="error")]
    checked = "\n".join(["Deployment has failed. Check these nodes:", ", ".join(names)])
    message = TOO_MANY if task["name"] == "provision" else checked
    tasks.finish(task, "error", message)
    cluster["status"] = "error"
    notifications.add(state, "error", message, cluster=cluster["id"])


def changes(server: Application, number: int) -> None:
    """The steps of a ``deploy`` task, one after another until one fails; then its own end."""
    steps: dict[str, Callable[[Application, int], bool]] = {
        "node_deletion": delete_nodes,
        "provision": provision,
        "deployment": deploy,
    }
    with server.lock:
        task = _running(server.state, number)
        children = [
            (child["id"], steps[child["name"]])
            for child in tasks.children(server.state, task or {"id": 0})
            if child["name"] in steps
        ]
    for child, step in children:
        if not step(server, child):
            break
    with locked(server) as state:
        _end_changes(state, number)


def _end_changes(state: State, number: int) -> None:
    task = _running(state, number)
    if task is None:
        return
    children = tasks.children(state, task)
    failed = next((child for child in children if child["status"] == "error"), None)
    if failed:
        for child in children:
            if child["status"] == "running":
                tasks.finish(child, "error", failed["message"])
        tasks.finish(task, "error", failed["message"])
        return
    cluster = state.row("clusters", task["cluster"])
    cluster.update(status="operational", changes=[])
    set_deployed(cluster, True)
    messages = [child["message"] for child in children if child["message"]]
    tasks.finish(task, "ready", messages[-1] if messages else None, progress=task["progress"])


def set_deployed(cluster: Row, value: bool) -> None:
    """Note whether the environment was ever deployed, which forbids to stop it. Migrated ones have no such note."""
    if DEPLOYED in cluster["attributes"]["generated"]:
        cluster["attributes"]["generated"][DEPLOYED]["value"] = value


def stop(server: Application, number: int) -> None:
    """End what runs: nodes that were not ready yet are erased, to be installed anew."""
    with locked(server) as state:
        task = _running(state, number)
        if task is None:
            return
        doomed = [row for row in state.rows("tasks", cluster=task["cluster"]) if row["name"] in STOPPED]
        tasks.remove(state, doomed)
        members = state.rows("nodes", cluster=task["cluster"])
        uids = [str(node["id"]) for node in members if node["status"] not in ("ready", "discover")]
    server.deployer.erase(uids)
    with locked(server) as state:
        task = _running(state, number)
        if task is None:
            return
        for node in _nodes(state, uids):
            _back_to_discover(node)
        cluster = state.row("clusters", task["cluster"])
        cluster["status"] = "stopped"
        message = f"Deployment of environment '{cluster['name']}' was successfully stopped. "
        tasks.finish(task, "ready", message)
        for _ in range(2):
            notifications.add(state, "done", message, cluster=cluster["id"])


def _back_to_discover(node: Row) -> None:
    """The node is in the bootstrap again, its roles are pending. Its error_type stays, as on the real server."""
    roles = node["roles"] + [role for role in node["pending_roles"] if role not in node["roles"]]
    node.update(status="discover", pending_addition=True, roles=[], pending_roles=roles, primary_roles=[], progress=0)


def reset(server: Application, number: int) -> None:
    """Erase the environment's nodes; they are offline until an agent reports."""
    with server.lock:
        task = _running(server.state, number)
        members = server.state.rows("nodes", cluster=task["cluster"]) if task else []
        uids = [str(node["id"]) for node in members if node["status"] != "discover"]
    server.deployer.erase(uids)
    with locked(server) as state:
        task = _running(state, number)
        if task is None:
            return
        for node in _nodes(state, uids):
            _back_to_discover(node)
            node["online"] = False
        cluster = state.row("clusters", task["cluster"])
        cluster["status"] = "new"
        message = f"Environment '{cluster['name']}' was successfully reset"
        for row in [task, *tasks.children(state, task)]:
            tasks.finish(row, "ready", message)
        notifications.add(state, "done", message, cluster=cluster["id"])


def forget(state: State, node: Row) -> dict[str, Any]:
    """Remove the node's row and all that names it. Returns what its agent will report."""
    if node["cluster"] is not None:
        assignment.leave(state, node)
    addresses.drop(state, node=node["id"])
    state.delete("nodes", node["id"])
    keys = ("mac", "ip", "meta", "name", "manufacturer", "platform_name", "os_platform")
    return {key: node[key] for key in keys}


def return_discovered(state: State, reports: list[dict[str, Any]]) -> None:
    """Erased machines boot again and report: they are new nodes, with new ids."""
    for report in reports:
        node = nodes.add_discovered(state, report)
        notifications.add(state, "discover", discovery_message(node["meta"]), node=node["id"])


def delete_nodes(server: Application, number: int) -> bool:
    """Erase the task's nodes and forget them. Returns whether that was done."""
    with server.lock:
        task = _running(server.state, number)
        uids = [str(identity) for identity in task["nodes"]] if task else []
    server.deployer.erase(uids)
    with locked(server) as state:
        task = _running(state, number)
        if task is None:
            return False
        reports = [forget(state, node) for node in _nodes(state, uids)]
        message = f"Successfully removed {len(reports)} node(s). No errors occurred"
        tasks.finish(task, "ready", message)
        notifications.add(state, "done", f"Successfully removed {len(reports)} node(s)")
        return_discovered(state, reports)
        return True


def delete_cluster(server: Application, number: int) -> None:
    """Erase the environment's nodes, whatever their status, then forget them and all that belongs to it.

    Nodes that cannot be erased leave the environment there, in error, as 7.0's receiver of the result does.
    """
    with server.lock:
        task = _running(server.state, number)
        members = server.state.rows("nodes", cluster=task["cluster"]) if task else []
        uids = [str(node["id"]) for node in members]
    try:
        server.deployer.erase(uids)
    except Exception as error:
        with locked(server) as state:
            _fail_deletion(state, number, uids, str(error))
        raise
    with locked(server) as state:
        task = _running(state, number)
        if task is None:
            return
        cluster = state.row("clusters", task["cluster"])
        reports = [forget(state, node) for node in _nodes(state, uids)]
        _forget_cluster(state, cluster)
        return_discovered(state, reports)
        notifications.add(state, "done", f"Environment '{cluster['name']}' and all its nodes are deleted")


def _fail_deletion(state: State, number: int, uids: list[str], reason: str) -> None:
    task = _running(state, number)
    if task is None:
        return
    for node in _nodes(state, uids):
        node.update(status="error", error_type="deletion", pending_deletion=False)
    message = f"Failed to delete nodes:\n{reason}"
    tasks.finish(task, "error", message)
    state.row("clusters", task["cluster"])["status"] = "error"
    notifications.add(state, "error", message, cluster=task["cluster"])


def _forget_cluster(state: State, cluster: Row) -> None:
    for group in state.rows("node_groups", cluster=cluster["id"]):
        for network in state.rows("networks", group_id=group["id"]):
            addresses.drop(state, network=network["id"])
            state.delete("networks", network["id"])
        state.delete("node_groups", group["id"])
    for relation in state.rows("relations"):
        if cluster["id"] in (relation["orig"], relation["seed"]):
            state.delete("relations", relation["id"])
    for table in ("tasks", "notifications"):
        for row in state.rows(table, cluster=cluster["id"]):
            state.delete(table, row["id"])
    state.delete("clusters", cluster["id"])


def verify_networks(server: Application, number: int) -> None:
    """All nodes reach each other: the lab has no deployer that could find otherwise."""
    with locked(server) as state:
        task = _running(state, number)
        if task:
            tasks.finish(task, "ready")


INTERRUPTED = {"provisioning": "provision", "deploying": "deploy", "removing": "deletion"}
"""Status of a node that something was being done to -> its error_type when that will not end any more."""


def end_interrupted(state: State) -> None:
    """Give an end to what ran when the server stopped: nothing works on it any more."""
    for task in state.rows("tasks", status="running"):
        task.pop("entries", None)
        tasks.finish(task, "error", "The server was stopped while the task was running.")
        cluster = state.get("clusters", task["cluster"] or 0)
        if cluster and cluster["status"] in ("deployment", "remove"):
            cluster["status"] = "error"
    for node in state.rows("nodes"):
        if node["status"] in INTERRUPTED:
            node.update(error_type=INTERRUPTED[node["status"]], status="error")
