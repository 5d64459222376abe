"""Verification of networks: first as a change would be checked, then by the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.nailgun import network_check, network_update, tasks, workers
from lab.nailgun.errors import InvalidData
from lab.nailgun.state import Row, State

if TYPE_CHECKING:
    from lab.nailgun.application import Application

NAMES = ("check_networks", "verify_networks", "check_dhcp")
TOO_FEW = "At least two online nodes are required to be in the environment for network verification."


def verify(server: Application, cluster: Row, data: Any) -> Row:
    """PUT verify. The task is named check_networks when it failed before nodes were asked, else verify_networks."""
    state = server.state
    network_update.validate(state, cluster, data)
    if tasks.running(state, cluster["id"], "verify_networks"):
        raise InvalidData("You cannot delete running task manually")
    old = [row for name in NAMES for row in state.rows("tasks", cluster=cluster["id"], name=name, parent=None)]
    tasks.remove(state, old)
    task = tasks.add(state, "check_networks", cluster["id"])
    problem = _problem(state, cluster)
    if problem:
        tasks.finish(task, "error", problem)
        return task
    try:
        network_update.check(state, cluster, data)
        network_check.check_interfaces(state, cluster, network_update.merged_networks(state, cluster, data))
    except network_check.CheckFailed as error:
        tasks.finish(task, "error", error.message)
        task["result"] = error.result
        return task
    task["name"] = "verify_networks"
    server.after(lambda: workers.verify_networks(server, task["id"]))
    return task


def _problem(state: State, cluster: Row) -> str | None:
    """Why the environment cannot be verified now, or None."""
    online = [node for node in state.rows("nodes", cluster=cluster["id"]) if node["online"]]
    if len(online) < 2:
        return TOO_FEW
    if cluster["status"] in ("deployment", "update"):
        return f'Environment is not ready to run network verification because it is in "{cluster["status"]}" state.'
    return None
