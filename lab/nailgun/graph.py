"""Deployment tasks: the order of roles and tasks, and which tasks a role runs."""

from __future__ import annotations

from typing import Any

from lab.nailgun import schema
from lab.nailgun.errors import InvalidData
from lab.nailgun.state import Row, State

FIRST = ("primary-controller", "primary-mongo", "mongo", "controller")
"""Roles deployed before all others, one after another."""

RUNNABLE = ("puppet", "shell", "sync", "upload_file", "copy_files", "reboot")


def of_cluster(state: State, cluster: Row) -> list[dict[str, Any]]:
    """The environment's own deployment tasks if it has any, else its release's."""
    if cluster["deployment_tasks"]:
        return list(cluster["deployment_tasks"])
    return list(state.row("releases", cluster["release_id"])["deployment_tasks"] or [])


def priorities(members: list[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """(node, role) -> 100, 200 ...: FIRST roles in turn, then all others; a node's second role a step later."""
    found: dict[tuple[int, str], int] = {}
    step = 0
    for role in FIRST:
        mine = [member for member in members if member[1] == role]
        if mine:
            step += 100
            found.update(dict.fromkeys(mine, step))
    later: dict[int, int] = {}
    for node, role in members:
        if role not in FIRST:
            later[node] = later.get(node, step) + 100
            found[node, role] = later[node]
    return found


def serialized(state: State, cluster: Row, role: str, uid: str) -> list[dict[str, Any]]:
    """Tasks that the role's group runs, in order, as facts carry them: type, uids, parameters and a priority."""
    mine = [
        task
        for task in ordered(of_cluster(state, cluster))
        if role in task.get("groups", []) and task["type"] in RUNNABLE
    ]
    return [
        {
            "type": task["type"],
            "uids": [uid],
            "parameters": {"cwd": "/"} | task["parameters"],
            "priority": 100 * position,
        }
        for position, task in enumerate(mine, start=1)
    ]


def edges(tasks: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Task -> tasks that must be done before it, of ``requires`` and ``required_for``; unknown names count too."""
    before: dict[str, set[str]] = {task["id"]: set() for task in tasks}
    for task in tasks:
        before[task["id"]].update(task.get("requires", []))
        for later in task.get("required_for", []):
            before.setdefault(later, set()).add(task["id"])
    for names in list(before.values()):
        for name in names:
            before.setdefault(name, set())
    return before


def sequence(tasks: list[dict[str, Any]]) -> list[str]:
    """Names of tasks so that each comes after what it requires. Those on a cycle, or after one, are left out."""
    before = {name: set(names) for name, names in edges(tasks).items()}
    done: list[str] = []
    while ready := [name for name, names in before.items() if not names]:
        for name in ready:
            del before[name]
        for names in before.values():
            names.difference_update(ready)
        done += ready
    return done


def has_cycle(tasks: list[dict[str, Any]]) -> bool:
    """Whether the tasks cannot be put into an order."""
    return len(sequence(tasks)) < len(edges(tasks))


def ordered(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks in an order that obeys their requirements."""
    place = {name: position for position, name in enumerate(sequence(tasks))}
    return sorted(tasks, key=lambda task: place.get(task["id"], len(place)))


TYPES = ["puppet", "shell", "sync", "upload_file", "group", "stage", "skipped", "reboot", "copy_files"]
STRATEGY = schema.record(
    {"type": {"enum": ["parallel", "one_by_one"], "type": "string"}, "amount": {"type": "integer"}}, ["type"]
)
TASK = schema.record(
    {
        "id": {"type": "string"},
        "type": {"enum": TYPES, "type": "string"},
        "parameters": schema.record({"strategy": STRATEGY}),
        "required_for": {"type": "array"},
        "requires": {"type": "array"},
    },
    ["type", "id"],
)
TASKS = {"type": "array", "items": TASK}


def check(data: Any, present: list[dict[str, Any]]) -> None:
    """Refuse a list of deployment tasks that is malformed, or that makes no graph together with those PRESENT.

    Tasks of the list stand in the place of present ones of the same name, but what a present one requires still counts:
    Nailgun adds the edges of both.
    """
    schema.check(data, TASKS)
    together = [*present, *data]
    if has_cycle(together):
        raise InvalidData("Tasks can not be processed because it contains cycles in it.")
    known = {task["id"] for task in together}
    unknown = sorted(set(edges(together)) - known)
    if unknown:
        users = sorted({task["id"] for task in together if not set(unknown).isdisjoint(_named(task))})
        raise InvalidData(
            f"Tasks '{', '.join(unknown)}' can't be in requires|required_for|groups|tasks for [{', '.join(users)}] "
            "because they don't exist in the graph"
        )


def _named(task: dict[str, Any]) -> list[str]:
    return [*task.get("requires", []), *task.get("required_for", [])]


def selected(tasks: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    """Tasks after ``start`` and up to ``end``; all of them when neither is asked for. NotFound for an unknown name."""
    start, end = query.get("start"), query.get("end")
    if not start and not end:
        return tasks
    before = edges(tasks)
    for name in (start, end):
        if name and name not in before:
            raise InvalidData(f"Task {name} is not present in graph")
    wanted = _ancestors(before, end) if end else set(before)
    if start:
        wanted &= {name for name in before if start in _ancestors(before, name)}
    included = {name.strip() for name in query.get("include", "").split(",")}
    return [
        task for task in tasks if task["id"] in wanted and (task["type"] not in ("skipped",) or task["id"] in included)
    ]


def _ancestors(before: dict[str, set[str]], name: str) -> set[str]:
    """The task and all that must be done before it."""
    found: set[str] = set()
    open_ends = [name]
    while open_ends:
        current = open_ends.pop()
        if current not in found:
            found.add(current)
            open_ends += before[current]
    return found
