"""What a step is: carried out by the library, or a Salt state on nodes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import Any

from octane.context import Context
from octane.definition import NOTHING, Definition
from octane.errors import BadInput, NodeFailed, Refused
from octane.stage import FENCED


@dataclass
class Outcome:
    """What a step did: ``changes`` in Salt's sense, a sentence, and what it saw."""

    changes: dict[str, Any] = field(default_factory=dict)
    comment: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


class LibraryStep:
    """Base of the steps that are carried out by the library. ``kwargs`` of the orchestration go to the constructor.

    :cvar check_first: ask :meth:`pending` before the first :meth:`apply`; a half-done step is applied without asking.
    :cvar changes_nothing: a mere check; undoing it is no work.
    """

    check_first = True
    changes_nothing = False

    def pending(self, ctx: Context) -> dict[str, Any]:
        """What would change, read from the world; {} says that there is nothing to do. Changes nothing itself."""
        return {}

    def apply(self, ctx: Context) -> Outcome:
        """Do it; also after an earlier one that got half-way."""
        raise Refused(f"{type(self).__name__} has nothing that it could apply")

    def verify(self, ctx: Context) -> dict[str, Any]:
        """Evidence that it is so.

        :raises OctaneError: it is not.
        """
        return {}

    def undo(self, ctx: Context) -> Outcome:
        """Take it back; also after an undo that got half-way, also when :meth:`apply` got half-way."""
        raise Refused(f"step {ctx.step} cannot be undone")

    @property
    def undoable(self) -> bool:
        """Whether :meth:`undo` is worth calling."""
        return self.changes_nothing or type(self).undo is not LibraryStep.undo


class NodeStep(LibraryStep):
    """A step that is a Salt state run on each target; the state itself finds out whether there is anything to do."""

    check_first = False

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.changes_nothing = definition.undo == NOTHING

    def pending(self, ctx: Context) -> dict[str, Any]:
        returns = self._apply(ctx, test=True)
        return {
            node: returned["changes"] or {"would": returned["comment"]}
            for node, returned in returns.items()
            if returned["result"] is None or returned["changes"]
        }

    def apply(self, ctx: Context) -> Outcome:
        return _outcome(self._apply(ctx))

    def undo(self, ctx: Context) -> Outcome:
        definition = self.definition
        if definition.undo is None:
            raise Refused(f"step {definition.step} cannot be undone")
        targets = list(with_targets(ctx, definition).targets)
        # Those that answer are not kept waiting for those that do not; where none does, there is no hurry.
        heard = (definition.undo_first and ctx.nodes.ping(targets)) or set(targets)
        computed = _computed(ctx, definition, definition.undo_kwargs_from)
        there = [node for node in targets if node in heard]
        kwargs = {**definition.undo_kwargs, **computed}
        returns = self._state(ctx, there, definition.undo, kwargs) if there else {}
        silent = [node for node in targets if node not in heard]
        if silent:
            raise NodeFailed(silent[0], definition.undo, f"not asked, since {', '.join(silent)} did not answer a ping")
        return _outcome(returns)

    @property
    def undoable(self) -> bool:
        return self.definition.undo is not None

    def _apply(self, ctx: Context, test: bool = False) -> dict[str, dict[str, Any]]:
        definition = self.definition
        assert definition.apply is not None
        computed = _computed(ctx, definition, definition.kwargs_from)
        targets = list(with_targets(ctx, definition).targets)
        return self._state(ctx, targets, definition.apply, {**definition.kwargs, **computed}, test)

    def _state(
        self, ctx: Context, targets: list[str], fun: str, kwargs: dict[str, Any], test: bool = False
    ) -> dict[str, dict[str, Any]]:
        arguments = {"name": self.definition.step, **kwargs}
        return ctx.nodes.state(targets, fun, test=test, timeout=self.definition.timeout, arguments=arguments)


def load(definition: Definition) -> LibraryStep:
    """The step that DEFINITION means.

    :raises BadInput: its class is missing, is no step or does not take the arguments.
    """
    if definition.library is None:
        return NodeStep(definition)
    found = definition.load(definition.library)
    if not (isinstance(found, type) and issubclass(found, LibraryStep)):
        raise BadInput(f"step {definition.step}: {definition.library} is no LibraryStep")
    try:
        step = found(**definition.kwargs)
    except TypeError as error:
        raise BadInput(f"step {definition.step}: {definition.library} does not take these kwargs: {error}") from error
    step.changes_nothing = step.changes_nothing or definition.undo == NOTHING
    return step


def with_targets(ctx: Context, definition: Definition) -> Definition:
    """DEFINITION with the minion ids that its word for targets means now; one that has them stays as it is.

    :raises Refused: a side of the upgrade has no node.
    """
    if definition.targets or definition.side is None:
        return _of_present(ctx, definition)
    # Asks the Fuel API, whose client is slow to import and needed by no other step.
    sides = importlib.import_module("octane.sides").sides(ctx)
    both = (*sides.originals, *sides.seeds)
    named = {"originals": sides.originals, "seeds": sides.seeds, "controllers": both, "computes": sides.computes}
    targets = tuple(named[definition.side])
    if not targets:
        raise Refused(f"step {definition.step}: this upgrade has no {definition.side}")
    return replace(definition, targets=targets)


def _of_present(ctx: Context, definition: Definition) -> Definition:
    """An undo means the nodes of the step, but for those that were powered off since."""
    gone = ctx.options.get(FENCED) or ()
    targets = tuple(node for node in definition.targets or () if node not in gone)
    return replace(definition, targets=targets) if targets != definition.targets else definition


def _computed(ctx: Context, definition: Definition, source: str | None) -> dict[str, Any]:
    return dict(definition.load(source)(ctx)) if source else {}


def _outcome(returns: dict[str, dict[str, Any]]) -> Outcome:
    changes = {node: returned["changes"] for node, returned in returns.items() if returned["changes"]}
    evidence = {node: returned["comment"] for node, returned in returns.items()}
    comment = f"changed {', '.join(sorted(changes))}" if changes else "nothing to do"
    return Outcome(changes, comment, evidence)
