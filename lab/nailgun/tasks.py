"""Tasks: rows, how they are shown and ended."""

from __future__ import annotations

import uuid
from typing import Any

from lab.nailgun import addresses, releases
from lab.nailgun.state import Row, State

KEPT = ("check_networks", "provision", "deployment")
"""Children of a deploy task that stay when it has ended."""

SHOWN = ("id", "uuid", "name", "cluster", "status", "progress", "message", "result")


def add(state: State, name: str, cluster: int | None, parent: int | None = None, nodes: list[int] | None = None) -> Row:
    """A running task; CHILDREN of another name it as parent; ``nodes`` are those it works on."""
    row: Row = {
        "uuid": str(uuid.uuid4()),
        "name": name,
        "cluster": cluster,
        "status": "running",
        "progress": 0,
        "message": None,
        "result": {},
        "parent": parent,
        "nodes": nodes or [],
    }
    return state.insert("tasks", row)


def finish(task: Row, status: str, message: str | None = None, progress: int | None = 100) -> None:
    """End a task with status ready or error."""
    task.update(status=status, progress=progress, message=message)


def update_parent(state: State, task: Row) -> None:
    """The progress of the task's parent: the mean of those children that have begun so far.

    It falls when the next child begins. Observed on Nailgun 7.0: a ``deploy`` showed 0, 100, 58, 67 ... 100.
    """
    parent = state.get("tasks", task["parent"]) if task["parent"] else None
    if parent is None:
        return
    begun = [child for child in children(state, parent) if child.get("begun") or child["status"] != "running"]
    parent["progress"] = sum(child["progress"] or 0 for child in begun) // max(1, len(begun))


def show(task: Row) -> dict[str, Any]:
    """A task as the API shows it."""
    return {key: task[key] for key in SHOWN}


def done_message(state: State, cluster: Row) -> str:
    """What a good deployment says. The address of the dashboard is known only for environments before 7.0."""
    text = f"Deployment of environment '{cluster['name']}' is done. "
    if releases.is_seven(state.row("releases", cluster["release_id"])):
        return text
    public = addresses.aliases(state, cluster).get("public_vip")
    return f"{text}Access the OpenStack dashboard (Horizon) at http://{public}/" if public else text


def children(state: State, task: Row) -> list[Row]:
    """Tasks that name this one as parent."""
    return state.rows("tasks", parent=task["id"])


def remove(state: State, doomed: list[Row]) -> None:
    """Delete tasks with their children."""
    for task in doomed:
        for child in children(state, task):
            state.delete("tasks", child["id"])
        state.delete("tasks", task["id"])


def running(state: State, cluster_id: int, *names: str) -> list[Row]:
    """Running tasks of an environment with one of the names."""
    return [row for row in state.rows("tasks", cluster=cluster_id, status="running") if row["name"] in names]
