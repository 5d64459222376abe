"""/tasks."""

from __future__ import annotations

from typing import Any

from lab.nailgun import tasks
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
    """All tasks, or those of an environment (cluster_id=1)."""
    wanted = call.query.get("cluster_id")
    return [tasks.show(row) for row in call.state.rows("tasks") if wanted in (None, "", str(row["cluster"]))]


@route("GET", r"/tasks/(\d+)")
def get(call: Call, number: int) -> Any:
    """One task."""
    return tasks.show(_find(call, number))


@route("DELETE", r"/tasks/(\d+)")
def delete(call: Call, number: int) -> Reply:
    """Forget a task; a running one only with force=1."""
    row = _find(call, number)
    if row["status"] == "running" and call.query.get("force") not in ("1", "true", "True"):
        raise InvalidData("You cannot delete running task manually")
    tasks.remove(call.state, [row])
    return Reply(status=204)
