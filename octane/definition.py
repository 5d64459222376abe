"""What an orchestration says about one step, checked before anything is done with it."""

from __future__ import annotations

import importlib
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from octane.errors import BadInput
from octane.journal.values import SecretRefused, refuse_secrets

STEP_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
STATE_FUNCTION = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
MINION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

NOTHING = "nothing"
"""Said for ``undo`` by a step that leaves nothing to take back."""

SIDES = ("originals", "seeds", "controllers", "computes")
"""Words for the nodes of an upgrade, as :mod:`octane.sides` knows them; ``controllers`` are those of both sides."""


@dataclass(frozen=True)
class Definition:
    """One ``octane.step``: either ``library`` (``module:Class``) or ``apply`` (a state) on ``targets`` (minion ids).

    ``kwargs`` go to the state or to the class; ``kwargs_from`` and ``undo_kwargs_from`` name functions
    (``module:function``) that compute more of them from the context. ``side`` is a word for targets that are looked up
    when the step runs. ``timeout`` is seconds for all targets together; ``holds`` are names of invariants. The effect
    of a step with ``until`` lasts until that later step of its stage is done, and is not asked for after that. An
    ``always`` step puts things back and runs although an earlier one failed. Steps with ``undo_first`` are taken back
    before all others, each whatever became of the one before, on the nodes that answer. The undo of one with
    ``undo_alone`` concerns no other step: when it fails the others are taken back all the same.
    """

    step: str
    sentence: str
    library: str | None = None
    targets: tuple[str, ...] = ()
    side: str | None = None
    apply: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    kwargs_from: str | None = None
    undo: str | None = None
    undo_kwargs: dict[str, Any] = field(default_factory=dict)
    undo_kwargs_from: str | None = None
    until: str | None = None
    holds: tuple[str, ...] = ()
    timeout: float = 300
    always: bool = False
    undo_first: bool = False
    undo_alone: bool = False

    def __post_init__(self) -> None:
        """:raises BadInput: the sentence names the step and what is wrong with it."""
        self._require(STEP_NAME.fullmatch(self.step), f"{self.step!r} is no name of a step")
        self._require(bool(self.library) != bool(self.apply), "give either library or apply")
        for name in (self.library, self.kwargs_from, self.undo_kwargs_from):
            self._require(name is None or OBJECT.fullmatch(name), f"{name!r} is not module:name")
        for function in (self.apply, None if self.undo == NOTHING else self.undo):
            self._require(function is None or STATE_FUNCTION.fullmatch(function), f"{function!r} is no state function")
        self._require(not self.library or self.undo in (None, NOTHING), "a library step brings its own undo")
        self._require(not self.apply or self.targets or self.side, "tgt names no node")
        self._require(not self.library or not (self.targets or self.side), "a library step takes no tgt")
        for target in self.targets:
            self._require(MINION_ID.fullmatch(target), f"tgt {target!r} is no minion's id (patterns are not taken)")
        self._require(0 < self.timeout <= 86400, f"timeout {self.timeout!r} is not between 0 and 86400 seconds")
        try:
            refuse_secrets({"kwargs": self.kwargs, "undo_kwargs": self.undo_kwargs}, "octane.step")
        except SecretRefused as error:
            raise BadInput(f"step {self.step}: {error}") from error

    @classmethod
    def from_state(cls, sentence: str, arguments: dict[str, Any]) -> Definition:
        """What ``octane.step`` was given; ``tgt`` is an id, a list of ids or one of :data:`SIDES`.

        :raises BadInput: an argument is unknown, missing or wrong.
        """
        known = dict(arguments)
        step = known.pop("step", None)
        if not isinstance(step, str):
            raise BadInput(f"{sentence}: octane.step needs the name of the step")
        target = known.pop("tgt", ())
        if isinstance(target, str) and target in SIDES:
            known["side"] = target
        else:
            known["targets"] = (target,) if isinstance(target, str) else tuple(target)
        unknown = sorted(set(known) - {name for name in cls.__dataclass_fields__ if name not in ("step", "sentence")})
        if unknown:
            raise BadInput(f"{sentence}: octane.step does not take {', '.join(unknown)}")
        return cls(step=step, sentence=sentence, **{**known, "holds": tuple(known.get("holds") or ())})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Definition:
        """What :meth:`to_dict` made of it; what the journal keeps beside it is left out."""
        known = {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
        return cls(**{**known, "targets": tuple(values["targets"]), "holds": tuple(values["holds"])})

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for the journal."""
        return asdict(self)

    def load(self, name: str) -> Any:
        """The object that NAME (``module:name``) means.

        :raises BadInput: it cannot be imported or is not there.
        """
        return load_name(name, f"step {self.step}")

    def _require(self, holds: object, complaint: str) -> None:
        if not holds:
            raise BadInput(f"step {self.step}: {complaint}")


def load_name(name: str, whose: str) -> Any:
    """The object that NAME (``module:name``) means; WHOSE begins the sentence of an error.

    :raises BadInput: it cannot be imported or is not there.
    """
    module_name, _, object_name = name.partition(":")
    try:
        return getattr(importlib.import_module(module_name), object_name)
    except (ImportError, AttributeError) as error:
        raise BadInput(f"{whose}: {name} cannot be loaded: {error}") from error
