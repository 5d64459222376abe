"""Tasks of the Fuel master and bounded waits for them.

Only `status` ends a wait: progress falls and rises, and may be null (observed on Nailgun 7.0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octane.errors import BadInput, Failed
from octane.fuel.client import Connection
from octane.fuel.environment import Environment
from octane.fuel.errors import NotFound, Unreachable
from octane.fuel.nodes import Node
from octane.wait import until

RUNNING = ("running", "pending")
INTERVAL = 1.0
"""Seconds between two looks at a task."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """One task as `GET tasks` shows it; `message` is what Nailgun tells its users, and None until the end."""

    id: int
    name: str
    status: str
    environment: int | None
    progress: int | None
    message: str | None

    @classmethod
    def from_api(cls, data: dict[str, Any]) -> Task:
        return cls(
            id=data["id"],
            name=data["name"],
            status=data["status"],
            environment=data.get("cluster"),
            progress=data.get("progress"),
            message=(data.get("message") or "").strip() or None,
        )

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING


class Tasks:
    """The tasks of the master behind CONNECTION."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, task_id: int) -> Task | None:
        """The task, or None when it is gone: Nailgun deletes finished ones when the next deployment starts."""
        try:
            return Task.from_api(self._connection.get_request(f"tasks/{task_id}/"))
        except NotFound:
            return None

    def of(self, environment_id: int) -> list[Task]:
        """Tasks of one environment."""
        found = self._connection.get_request("tasks/", params={"cluster_id": environment_id})
        return [Task.from_api(data) for data in found]

    def running(self, environment_id: int, *names: str) -> list[Task]:
        """Tasks of one environment that run now, by ascending id; only those called NAMES when names are given."""
        found = [task for task in self.of(environment_id) if task.is_running and (not names or task.name in names)]
        return sorted(found, key=lambda task: task.id)


@dataclass(frozen=True)
class Wait:
    """What a wait needs to know: the environment, which of its nodes, how long, and who is told.

    `timeout` is in seconds. `watch` is called at every look: what else is to be seen meanwhile.
    """

    environment: Environment
    tasks: Tasks
    node_ids: tuple[int, ...]
    timeout: float
    progress: Progress
    watch: Callable[[], None] = lambda: None

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """What CONDITION returns once it holds.

        :raises WaitTimeout: naming WHAT was waited for
        """

        def look() -> Any:
            self.watch()
            return condition()

        return until(look, self.timeout, what, interval=INTERVAL)


def wait_for_task(wait: Wait, task_id: int, what: str) -> None:
    """Wait until task TASK_ID is over: `ready`, or deleted by Nailgun; its nodes are judged by the caller.

    :raises Failed: when it ends in any other status, with Nailgun's message and the nodes that are in error
    :raises WaitTimeout: when it is still running after the time given
    """
    told: list[str] = []

    def ended() -> bool:
        try:
            task = wait.tasks.get(task_id)
        except Unreachable as error:
            # The API is restarted now and then; the wait is bounded anyway.
            wait.progress(str(error))
            return False
        if task is None:
            return True
        if task.is_running:
            _tell(wait, task, told)
            return False
        if task.status != "ready":
            raise Failed(f"{what} failed: {task.message or task.status}{_in_error(wait)}")
        return True

    wait.until(ended, f"{what} (task {task_id})")


def _tell(wait: Wait, task: Task, told: list[str]) -> None:
    text = f"{task.name} {task.progress}%" if task.progress is not None else task.name
    if told[-1:] != [text]:
        told.append(text)
        wait.progress(text)


def _in_error(wait: Wait) -> str:
    names = [f"{node.hostname} ({node.error})" for node in _nodes(wait) if node.status == "error"]
    return f"; in error: {', '.join(names)}" if names else ""


def _nodes(wait: Wait) -> list[Node]:
    return [node for node in wait.environment.nodes() if node.id in wait.node_ids]


def wait_for_nodes(wait: Wait, statuses: tuple[str, ...], what: str) -> list[Node]:
    """Wait until all nodes are online and in one of STATUSES; returns them.

    Judged by status alone: `error_type` of an earlier failure stays on a node that was installed again since.

    :raises Failed: when a node is in error, or left the environment
    """

    def there() -> list[Node]:
        nodes = _nodes(wait)
        missing = set(wait.node_ids) - {node.id for node in nodes}
        if missing:
            raise Failed(f"{what}: nodes {sorted(missing)} are not in environment {wait.environment.id} any more")
        if any(node.status == "error" for node in nodes):
            raise Failed(f"{what} failed{_in_error(wait)}")
        return nodes if all(node.online and node.status in statuses for node in nodes) else []

    if not wait.node_ids:
        return []
    names = ", ".join(f"node-{node_id}" for node_id in wait.node_ids)
    found: list[Node] = wait.until(there, f"{what}: {names} online and {' or '.join(statuses)}")
    return found


def wait_for_environment(wait: Wait, what: str) -> None:
    """Wait until the environment is operational; `error`, `stopped` and `remove` are ends, not something to wait for.

    :raises Failed: when the environment ends otherwise
    """

    def operational() -> bool:
        status = wait.environment.data()["status"]
        if status in ("error", "stopped", "remove", "update_error"):
            raise Failed(f"{what} failed: environment {wait.environment.id} is {status!r}{_in_error(wait)}")
        return status == "operational"

    wait.until(operational, f"{what}: environment {wait.environment.id} operational")


def wait_for_deletion(wait: Wait) -> None:
    """Wait until the environment, whose deletion was asked for, is gone.

    It is `remove` from the request on. Nailgun 7.0 makes it `error` again when nodes could not be erased, and then
    nothing happens any more.

    :raises Failed: when Nailgun gave up, with its reason
    """

    def gone() -> bool:
        try:
            status = wait.environment.data()["status"]
        except BadInput:
            return True
        except Unreachable as error:
            wait.progress(str(error))
            return False
        if status == "error":
            raise Failed(f"environment {wait.environment.id} was not deleted: {_why_kept(wait)}")
        return False

    until(gone, wait.timeout, f"environment {wait.environment.id} to be deleted", interval=INTERVAL)


def _why_kept(wait: Wait) -> str:
    deletions = [task for task in wait.tasks.of(wait.environment.id) if task.name == "cluster_deletion"]
    last = max(deletions, key=lambda task: task.id, default=None)
    return " ".join((last.message if last and last.message else "Nailgun does not say why").split())
