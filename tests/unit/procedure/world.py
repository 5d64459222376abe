"""A small world for steps: two clouds whose tables, services and ports are data, and nodes that answer from it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from octane import stage as stages
from octane.errors import NodeFailed, OctaneError
from octane.fuel.nodes import Node

ORIGINAL, SEED = 1, 2


def node(number: int, environment: int, role: str) -> Node:
    return Node(
        id=number,
        hostname=f"node-{number}",
        fqdn=f"node-{number}.domain.tld",
        environment=environment,
        status="ready",
        error=None,
        online=True,
        admin_address=f"10.20.0.{128 + number}",
        deployed=frozenset({role}),
        pending=frozenset(),
        pending_addition=False,
        pending_deletion=False,
        addresses={},
        disks=(),
    )


class FakeNodes:
    """Answers ``call`` and ``state`` from functions given by name; every call is kept in ``asked``."""

    def __init__(self, functions: dict[str, Callable[..., Any]]) -> None:
        self.functions = functions
        self.silent: set[str] = set()
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def call(self, targets: list[str], fun: str, *args: Any, timeout: float = 60, **kwargs: Any) -> dict[str, Any]:
        self.asked.append((fun, tuple(targets)))
        if fun not in self.functions:
            raise NodeFailed(targets[0], fun, "there is no such function")
        answers: dict[str, Any] = {}
        failed: dict[str, OctaneError] = {}
        for target in targets:
            try:
                if target in self.silent:
                    raise NodeFailed(target, fun, "no answer within 60 s")
                answers[target] = self.functions[fun](target, *args, **kwargs)
                if answers[target] is False:
                    raise NodeFailed(target, fun, "returned False")
            except OctaneError as error:
                failed[target] = error
        if failed:
            first, *others = failed
            failed[first].message += f" (and {', '.join(others)})" if others else ""
            raise failed[first]
        return answers

    def state(
        self, targets: list[str], fun: str, *, test: bool = False, timeout: float = 60, **kwargs: Any
    ) -> dict[str, Any]:
        done = self.call(targets, fun, test=test, **kwargs)
        return {target: {"changes": change or {}, "result": True, "comment": ""} for target, change in done.items()}

    def ping(self, targets: list[str], timeout: float = 20) -> set[str]:
        return set(targets) - self.silent

    def answering(self, targets: list[str], timeout: float) -> set[str]:
        return self.ping(targets)

    def names(self) -> list[str]:
        return [fun for fun, _ in self.asked]


class FakeContext:
    """What steps use of a context, with records in a dict."""

    def __init__(self, nodes: FakeNodes, path: Any, members: list[Node]) -> None:
        self.nodes = nodes
        self.path = path
        self.pair = SimpleNamespace(original=ORIGINAL, seed=SEED)
        self.original, self.seed = ORIGINAL, SEED
        self.stage = stages.get("upgrade-db")
        self.options: dict[str, Any] = {}
        self.fuel = SimpleNamespace(nodes=lambda: members)
        self.test = False
        self.records: dict[str, Any] = {}
        self.told: list[tuple[str, dict[str, float]]] = []

    def once(self, question: str, ask: Callable[[], Any]) -> Any:
        # Not kept: here one context serves several steps, between which the world may change.
        return ask()

    def record(self, key: str, value: Any) -> None:
        self.records[key] = value

    def recall(self, key: str, default: Any = None) -> Any:
        return self.records.get(key, default)

    def forget(self, key: str) -> None:
        self.records.pop(key, None)

    def progress(self, text: str, **numbers: float) -> None:
        self.told.append((text, numbers))
