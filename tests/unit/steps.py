"""A library step whose world is a dict, for tests of how steps are run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken
from octane.step import LibraryStep, Outcome
from octane.verify.invariants import invariant

WORLD: dict[str, Any] = {}
CALLS: list[str] = []
HOOKS: dict[str, Callable[[Context], None]] = {}
"""What happens inside a step before it acts, by ``<method>.<key>``."""


def reset() -> None:
    for kept in (WORLD, HOOKS):
        kept.clear()
    CALLS.clear()


class Set(LibraryStep):
    """Sets a key of the world."""

    def __init__(self, key: str = "key") -> None:
        self.key = key

    def pending(self, ctx: Context) -> dict[str, Any]:
        self._happens("pending", ctx)
        return {} if WORLD.get(self.key) == "set" else {self.key: "to be set"}

    def apply(self, ctx: Context) -> Outcome:
        self._happens("apply", ctx)
        WORLD[self.key] = "set"
        return Outcome({self.key: "set"}, "set", {"seen": WORLD[self.key]})

    def verify(self, ctx: Context) -> dict[str, Any]:
        self._happens("verify", ctx)
        return {"value": WORLD.get(self.key)}

    def undo(self, ctx: Context) -> Outcome:
        self._happens("undo", ctx)
        WORLD.pop(self.key, None)
        return Outcome({self.key: "removed"}, "removed")

    def _happens(self, method: str, ctx: Context) -> None:
        CALLS.append(f"{method} {self.key}")
        HOOKS.get(f"{method}.{self.key}", lambda ctx: None)(ctx)


class OneWay(LibraryStep):
    """Cannot be undone."""

    def apply(self, ctx: Context) -> Outcome:
        return Outcome()


class Check(LibraryStep):
    """Only looks."""

    changes_nothing = True

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {}


@invariant("unit_key_set")
def key_is_set(ctx: Context) -> dict[str, Any]:
    """The world has its key."""
    if WORLD.get("key") != "set":
        raise InvariantBroken("the key is not set")
    return {"before": ctx.before.get("unit_key_set"), "value": "set"}


@invariant("unit_never", before=False)
def never(ctx: Context) -> dict[str, Any]:
    """Never holds."""
    raise InvariantBroken("it never does", node="node-9")
