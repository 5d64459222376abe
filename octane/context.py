"""What a step gets to work with: the pair, the journal, the nodes, Fuel, the path, its options."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from octane.errors import Refused
from octane.journal import Journal
from octane.pair import MASTER_ID, UNSAVED_ID, Pair
from octane.stage import Stage

if TYPE_CHECKING:
    from octane.fuel import Fuel
    from octane.path import Hop

Answer = TypeVar("Answer")

EventSender = Callable[[str, dict[str, Any]], None]
"""Fires an event of (tag, data) on the master's bus."""


class Nodes(Protocol):
    """Functions and states on nodes, asked by name; :class:`octane.salt_master.NodeCaller` is the real one."""

    def call(self, targets: list[str], fun: str, *args: Any, timeout: float = 60, **kwargs: Any) -> dict[str, Any]: ...

    def state(
        self,
        targets: list[str],
        fun: str,
        *,
        test: bool = False,
        timeout: float = 60,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, dict[str, Any]]: ...

    def ping(self, targets: list[str], timeout: float = 20) -> set[str]: ...

    def answering(self, targets: list[str], timeout: float) -> set[str]: ...

    def sync(self) -> None: ...

    def sync_nodes(self, targets: list[str], timeout: float = 120) -> None: ...


class Keys(Protocol):
    """Keys of minions on this master; :class:`octane.salt_master.KeyRing` is the real one."""

    def list(self) -> dict[str, dict[str, str]]: ...

    def accept(self, minion_id: str) -> None: ...

    def delete(self, minion_id: str) -> None: ...

    def master_fingerprint(self) -> str: ...


@dataclass
class DryRun:
    """What a dry run found so far: its ``stage`` was ``refused`` or is ``passed``, an earlier step ``would_change``
    something."""

    stage: str = ""
    refused: bool = False
    passed: bool = False
    would_change: bool = False


@dataclass
class Context:
    """One per step. ``options`` is the orchestration's pillar, ``test`` says that nothing may be changed.

    ``before`` holds what the step's invariants saw before it acted, by invariant, for those that compare.
    ``dry_run`` is shared by all steps of one dry run.
    """

    journal: Journal
    nodes: Nodes
    keys: Keys
    stage: Stage
    pair: Pair | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    test: bool = False
    send_event: EventSender = lambda tag, data: None
    step: str = ""
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    dry_run: DryRun = field(default_factory=DryRun)
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int | None:
        """Fuel's id of the seed; None before there is one."""
        return self.pair.seed if self.pair else None

    @property
    def original(self) -> int | None:
        """Fuel's id of the original; None for stages of the master itself."""
        return self.pair.original if self.pair else None

    @property
    def pair_id(self) -> int:
        """The row of the journal that this step's records belong to."""
        return self.pair.id if self.pair else MASTER_ID

    @property
    def subject(self) -> str:
        """The second part of an event's tag: the seed's id, ``env-<original>`` before there is one, else ``master``."""
        return self.pair.subject if self.pair else "master"

    @cached_property
    def fuel(self) -> Fuel:
        """The Fuel API of this master."""
        fuel: Fuel = importlib.import_module("octane.fuel").connect()
        return fuel

    @cached_property
    def path(self) -> Hop:
        """The path from the original's release to the seed's."""
        path: Hop = importlib.import_module("octane.path").for_pair(self)
        return path

    def once(self, question: str, ask: Callable[[], Answer]) -> Answer:
        """What ASK returns, asked at most once in this step: for what the step cannot change."""
        if question not in self.asked:
            self.asked[question] = ask()
        found: Answer = self.asked[question]
        return found

    def record(self, key: str, value: Any) -> None:
        """Remember VALUE (JSON, no secret) in the journal for the steps and stages that follow.

        :raises Refused: in a dry run, which writes nothing.
        """
        self._refuse_in_test(f"record {key!r}")
        self.journal.records.put(self.pair_id, key, value)

    def recall(self, key: str, default: Any = None) -> Any:
        """What :meth:`record` remembered under KEY for this pair."""
        return default if self.pair_id == UNSAVED_ID else self.journal.records.get(self.pair_id, key, default)

    def forget(self, key: str) -> None:
        """Drop what is remembered under KEY."""
        self._refuse_in_test(f"forget {key!r}")
        self.journal.records.drop(self.pair_id, key)

    def bind_seed(self, seed: int) -> None:
        """The original was cloned: from now on the pair is known by its SEED. Binding it again changes nothing.

        :raises Refused: the pair has another one, or SEED belongs to another pair.
        """
        self._refuse_in_test("bind the seed")
        if self.pair is None:
            raise Refused(f"{self.stage.name} belongs to no environment and can have no seed")
        self.pair = self.journal.pairs.set_seed(self.pair, seed)

    def unbind_seed(self) -> None:
        """The seed was given up and deleted: the original may start again."""
        self._refuse_in_test("unbind the seed")
        if self.pair:
            self.pair = self.journal.pairs.clear_seed(self.pair)

    def progress(self, text: str, **numbers: float) -> None:
        """Say how far the step is; the latest word is shown by `octane status --watch`. Nothing in a dry run."""
        if self.test:
            return
        self.journal.progress.put("master", f"{self.stage.name}/{self.step}", text, numbers)
        self.event("progress", {"text": text, "numbers": numbers})

    def event(self, what: str, data: dict[str, Any]) -> None:
        """Fire ``octane/<subject>/<stage>/<step>/<what>``, without the step for what happens to the stage."""
        tag = "/".join(part for part in ("octane", self.subject, self.stage.name, self.step, what) if part)
        whose = {"original": self.original, "seed": self.seed, "stage": self.stage.name, "step": self.step}
        self.send_event(tag, {**whose, **data})

    def _refuse_in_test(self, what: str) -> None:
        if self.test:
            raise Refused(f"a dry run does not {what}")
