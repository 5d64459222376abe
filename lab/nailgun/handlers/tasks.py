"""/tasks."""

from __future__ import annotations

from typing import Any

from lab.nailgun import constraints, tasks
from lab.nailgun.errors import InvalidData, NotFound
from lab.nailgun.routing import Call, Reply, route
from lab.nailgun.state import Row


def _find(call: Call, number: int) -> Row:
    row = call.state.get("tasks", number)
    if row is None:
        raise NotFound("Task not found")
    return row


@route("GET", "/tasks")
def listing(call: Call) -> Any:
    """All tasks, those of an environment (cluster_id=1), or those of none (cluster_id=)."""
    return [tasks.show(row) for row in constraints.of_cluster(call.state, "tasks", call.query)]


@route("GET", r"/tasks/(\d+)")
def get(call: Call, number: int) -> Any:
    """One task."""
    return tasks.show(_find(call, number))


@route("DELETE", r"/tasks/(\d+)")
def delete(call: Call, number: int) -> Reply:
    """Forget a task; a running one only with force=1, or anything but 0."""
    row = _find(call, number)
    if row["status"] == "running" and call.query.get("force", "") in ("", "0"):
        raise InvalidData("You cannot delete running task manually")
    tasks.remove(call.state, [row])
    return Reply(status=204)
