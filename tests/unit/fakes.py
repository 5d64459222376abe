"""Stand-ins for what the core of the library talks to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from octane import stage as stages
from octane.context import Context, DryRun
from octane.errors import NodeFailed
from octane.journal import Journal
from octane.journal.holder import Holder

DEAD_PROCESS = 2**22 + 1
"""More than the kernel ever hands out (proc(5), pid_max)."""


class FakeNodes:
    """States with scripted returns: ``returns[function]`` is what every target answers, or a function of the target.

    An answer of None is silence, False a failed state. ``asked`` has (function, targets, test, arguments) of each call.
    """

    def __init__(self, **returns: Any) -> None:
        self.returns = {name.replace("__", "."): value for name, value in returns.items()}
        self.asked: list[tuple[str, list[str], bool, dict[str, Any]]] = []

    def call(self, targets: list[str], fun: str, *args: Any, timeout: float = 60, **kwargs: Any) -> dict[str, Any]:
        self.asked.append((fun, targets, False, kwargs))
        return {target: self._answer(target, fun) for target in targets}

    def state(
        self,
        targets: list[str],
        fun: str,
        *,
        test: bool = False,
        timeout: float = 60,
        arguments: Any = None,
        **kwargs: Any,
    ) -> dict[str, dict[str, Any]]:
        self.asked.append((fun, targets, test, {**kwargs, **(arguments or {})}))
        returned = {}
        for target in targets:
            changes = self._answer(target, fun)
            result = None if test and changes else True
            returned[target] = {"changes": changes, "comment": "changed" if changes else "as it was", "result": result}
        return returned

    def ping(self, targets: list[str], timeout: float = 20) -> set[str]:
        return set(targets)

    def answering(self, targets: list[str], timeout: float) -> set[str]:
        return self.ping(targets)

    def sync(self) -> None:
        """Nothing to synchronise."""

    def sync_nodes(self, targets: list[str], timeout: float = 120) -> None:
        """Nothing to synchronise."""

    def _answer(self, target: str, fun: str) -> Any:
        answer = self.returns.get(fun, {})
        answer = answer(target) if callable(answer) else answer
        if answer is None:
            raise NodeFailed(target, fun, "no answer within 60 s")
        if answer is False:
            raise NodeFailed(target, fun, "it failed")
        return answer


class FakeKeys:
    """A master without a single key."""

    def list(self) -> dict[str, dict[str, str]]:
        return {}

    def accept(self, minion_id: str) -> None:
        raise AssertionError("nothing to accept")

    def delete(self, minion_id: str) -> None:
        """No key, nothing to delete."""

    def master_fingerprint(self) -> str:
        return "00:11"


class Bench:
    """A journal in a directory, and contexts on it as the door would build them; every event is kept in ``events``."""

    def __init__(self, directory: Path, nodes: FakeNodes | None = None) -> None:
        self.directory = directory
        self.journal = Journal.open(directory)
        self.nodes = nodes or FakeNodes()
        self.events: list[tuple[str, dict[str, Any]]] = []

    def context(
        self, stage: str = "prepare", test: bool = False, dry_run: DryRun | None = None, **options: Any
    ) -> Context:
        return Context(
            journal=self.journal,
            nodes=self.nodes,
            keys=FakeKeys(),
            stage=stages.get(stage),
            options=options,
            test=test,
            send_event=lambda tag, data: self.events.append((tag, data)),
            dry_run=dry_run or DryRun(),
        )

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.events]


def holder(pid: int = DEAD_PROCESS, **values: Any) -> Holder:
    """A process like this one, but for what is given; a dead one by default."""
    mine = Holder.current().to_dict()
    return Holder(**{**mine, "pid": pid, "ticks": 1, **values})


Hook = Callable[[Context], None]
