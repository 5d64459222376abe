"""How a step is run: journaled, verified and undone.

The intent is in the journal before anything is done, so that whatever dies, the next run finds it: a step found done is
verified again, one found begun is converged. A failed step stops everything after it except what puts things back.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from octane.context import Context
from octane.definition import Definition
from octane.errors import BadInput, Failed, InvariantBroken, LockLost, NodeSilent, OctaneError, Refused
from octane.journal import Journal, runs, steps
from octane.journal.holder import Holder
from octane.journal.runs import Run
from octane.journal.steps import Attempt, Evidence
from octane.stage import FENCED, command_line, has_begun, undo_command
from octane.step import Outcome, load, with_targets
from octane.verify import invariants

log = logging.getLogger(__name__)

Told = TypeVar("Told")


@dataclass(frozen=True)
class Report:
    """What became of a step or a stage, in Salt's words; ``result`` is None for a dry run that would change it."""

    result: bool | None
    comment: str
    changes: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0


class StepRunner:
    """Carries one step out, or takes it back, in the open run of this process."""

    def __init__(self, ctx: Context, definition: Definition) -> None:
        self.ctx = ctx
        self.definition = definition
        ctx.step = definition.step
        ctx.before = {}
        self._silence = ""

    def apply(self) -> Report:
        """Do the step, or verify it when it was done before. Never raises what the operator should read: it reports."""
        if self.ctx.test:
            return self._dry_run()
        run = self.ctx.journal.runs.open_of(Holder.current())
        kept_out = self._kept_out(run)
        if run is None or kept_out is not None:
            return kept_out or _not_run("no stage is open")
        if self._outlived():
            return Report(True, f"nothing to do: lasted until {self.definition.until}, which is done")
        status = self._status(self.definition.step)
        self._look_up_targets()
        if status == steps.DONE:
            return self._verify_again(run)
        half_done = status not in (None, steps.UNDONE)
        return self._attempt(run, "apply", lambda attempt: self._converge(run, attempt, half_done))

    def undo(self) -> Report:
        """Take the step back; one that is not done or half-done is left alone."""
        run = self.ctx.journal.runs.open_of(Holder.current())
        if run is None:
            return _not_run("no run is open")
        if self._status(self.definition.step) in (None, steps.UNDONE):
            return Report(True, "nothing to undo")
        return self._attempt(run, "undo", lambda attempt: self._take_back(run, attempt))

    def _status(self, name: str) -> str | None:
        record = self.ctx.journal.steps.get(self.ctx.pair_id, self.ctx.stage.name, name)
        return record.status if record else None

    def _journaled(self) -> dict[str, Any]:
        """The definition as the journal keeps it: what an undo needs, and whether the step is a mere check."""
        try:
            checks_only = type(load(self.definition)).changes_nothing
        except BadInput:
            checks_only = False
        return {**self.definition.to_dict(), "checks_only": checks_only}

    def _outlived(self) -> bool:
        return bool(self.definition.until and self._status(self.definition.until) == steps.DONE)

    def _look_up_targets(self) -> None:
        """So that the intent names the nodes, and an undo means the same; a failure shows when the step is tried."""
        with contextlib.suppress(OctaneError):
            self.definition = with_targets(self.ctx, self.definition)

    def _kept_out(self, run: Run | None) -> Report | None:
        """Why this step is not to be run now, None when it is."""
        if run is None or run.stage != self.ctx.stage.name:
            return _not_run(f"the stage {self.ctx.stage.name} was not opened")
        if run.result == runs.PASSED:
            return Report(True, run.note)
        if self.definition.always:
            return None
        if run.failed_step:
            return _not_run(f"{run.failed_step} failed before it")
        if run.stop_requested:
            return _not_run("a stop was asked for", exit_code=130)
        return None

    def _dry_run(self) -> Report:
        """What would change, from the world as it is; what depends on changes not made yet cannot be told."""
        dry_run = self.ctx.dry_run
        if dry_run.refused:
            return _not_run(f"the stage {self.ctx.stage.name} was refused")
        if dry_run.passed or self._outlived():
            return Report(True, "nothing to do")
        try:
            pending = load(self.definition).pending(self.ctx)
        except OctaneError as error:
            if dry_run.would_change and not isinstance(error, BadInput):
                return Report(None, f"cannot be told before the steps above are done: {error.sentence}")
            return Report(False, str(error), exit_code=error.exit_code)
        if not pending:
            return Report(True, "nothing to do")
        dry_run.would_change = True
        return Report(None, "would be done", pending)

    def _verify_again(self, run: Run) -> Report:
        """A step found done: look whether it still is, converge it when it is not."""
        pending: dict[str, Any] = {}

        def look(attempt: Attempt) -> Report:
            step = load(self.definition)
            pending.update(self._heard(step.pending))
            if pending:
                changed = Outcome(comment=f"was done, has changed since: {_names(pending)}")
                return self._finish(run, attempt, steps.DONE, changed)
            evidence = self._heard(step.verify)
            self._add_evidence(run, attempt, Evidence("step", "after", True, evidence, time.time()))
            self._hold(run, attempt)
            return self._finish(run, attempt, steps.DONE, Outcome(comment="nothing to do"))

        report = self._attempt(run, "verify", look)
        if not pending or report.result is False:
            return report
        return self._attempt(run, "apply", lambda attempt: self._converge(run, attempt, True, f"{report.comment}; "))

    def _converge(self, run: Run, attempt: Attempt, half_done: bool, note: str = "") -> Report:
        step = load(self.definition)
        self._look_before(run, attempt)
        needed = half_done or not step.check_first or bool(self._heard(step.pending))
        outcome = self._heard(step.apply) if needed else Outcome(comment="nothing to do")
        evidence = {**outcome.evidence, **self._heard(step.verify)}
        self._add_evidence(run, attempt, Evidence("step", "after", True, evidence, time.time()))
        self._hold(run, attempt)
        outcome.comment = note + (outcome.comment or "done")
        return self._finish(run, attempt, steps.DONE, outcome)

    def _heard(self, act: Callable[[Context], Told]) -> Told:
        """What ACT returns; it is done once more when a node was silent.

        An order lost on the way, or a node too busy for a minute, is no reason to stop a stage in its window, and every
        act goes on from one that got half-way. The way back waits for nobody twice.
        """
        try:
            return act(self.ctx)
        except NodeSilent as silent:
            self.ctx.progress(f"trying once more, since there was silence: {silent.sentence}")
            self._silence = f" (at the second try, after {silent.sentence})"
            return act(self.ctx)

    def _take_back(self, run: Run, attempt: Attempt) -> Report:
        step = load(self.definition)
        outcome = Outcome(comment="nothing to undo") if step.changes_nothing else step.undo(self.ctx)
        self._add_evidence(run, attempt, Evidence("step", "after", True, outcome.evidence, time.time()))
        outcome.comment = outcome.comment or "undone"
        return self._finish(run, attempt, steps.UNDONE, outcome)

    def _attempt(self, run: Run, act: str, work: Callable[[Attempt], Report]) -> Report:
        """Write the intent, then WORK(attempt); whatever it raises becomes a failed attempt."""
        self._silence = ""
        try:
            attempt = self.ctx.journal.steps.begin(run, self.definition.step, act, self._journaled())
            self.ctx.event("begin", {"act": act, "attempt": attempt.id, "sentence": self.definition.sentence})
            try:
                return work(attempt)
            except LockLost:
                raise
            except OctaneError as error:
                return self._fail(run, attempt, error)
            except Exception as error:
                log.exception("step %s failed unexpectedly", self.definition.step)
                return self._fail(run, attempt, Failed(f"{type(error).__name__}: {error}"))
        except LockLost as error:
            return Report(False, str(error), exit_code=error.exit_code)

    def _finish(self, run: Run, attempt: Attempt, status: str, outcome: Outcome) -> Report:
        comment = f"{outcome.comment}{self._silence}"
        self.ctx.journal.steps.finish(run, attempt, status, outcome.changes, comment)
        seconds = round(time.time() - attempt.started, 3)
        told = {"act": attempt.act, "attempt": attempt.id, "seconds": seconds, "comment": comment}
        self.ctx.event(status, told)
        return Report(True, comment, outcome.changes)

    def _fail(self, run: Run, attempt: Attempt, error: OctaneError) -> Report:
        """Journal the failure, stop what comes after, tell the operator how to go on."""
        ctx = self.ctx
        go_on = error.next_command or self._command(run)
        comment = f"{self.definition.step}: {error.sentence}{self._ways(run, error, go_on)}"
        ctx.journal.steps.fail(run, attempt, comment, _status_after(attempt, error))
        ctx.journal.runs.fail(run, self.definition.step, comment, error.exit_code)
        where = {"node": error.node, "command": error.command, "next": go_on}
        ctx.event("failed", {"act": attempt.act, "comment": comment, **where})
        return Report(False, comment, exit_code=error.exit_code)

    def _command(self, run: Run) -> str:
        if run.act == "undo":
            return undo_command(self.ctx.stage, self.ctx.pair, self.ctx.options)
        return command_line(self.ctx.stage, self.ctx.pair, self.ctx.options)

    def _ways(self, run: Run, error: OctaneError, go_on: str) -> str:
        """How to go on, and how to go back instead when something stands that can be undone; input that was wrong is
        not to be repeated."""
        if isinstance(error, BadInput) and not error.next_command:
            return ""
        stands = has_begun(self.ctx.journal, run.pair_id, run.stage)
        back = undo_command(self.ctx.stage, self.ctx.pair, self.ctx.options)
        if run.act != "undo" and go_on == back:
            return f"; to go back, which is the only way on: `{back}`"
        if run.act == "undo" or not stands or not_undoable(self.ctx.journal, run.pair_id, run.stage):
            return f"; to go on: `{go_on}`{self._without(run, error)}"
        return f"; to go on: `{go_on}`, to go back: `{back}`"

    def _without(self, run: Run, error: OctaneError) -> str:
        """What to say of a node that does not answer because it is powered off, where a way back can do without it."""
        if run.act != "undo" or not isinstance(error, NodeSilent) or error.node is None:
            return ""
        options = {**self.ctx.options, FENCED: [*(self.ctx.options.get(FENCED) or ()), error.node]}
        command = undo_command(self.ctx.stage, self.ctx.pair, options)
        if FENCED not in command:
            return ""
        return f"; if {error.node} is powered off and stays so: `{command}`"

    def _look_before(self, run: Run, attempt: Attempt) -> None:
        """What the invariants say before the step acts; one that does not hold yet is no failure."""
        for name in self.definition.holds:
            invariant = invariants.get(name)
            if invariant.before:
                evidence = self._ask(name, "before", invariant.check)
                self.ctx.before[name] = evidence.data
                self._add_evidence(run, attempt, evidence)

    def _hold(self, run: Run, attempt: Attempt) -> None:
        """:raises InvariantBroken: one of the step's invariants does not hold; its evidence is journaled as well."""
        for name in self.definition.holds:
            evidence = self._ask(name, "after", invariants.get(name).check)
            self._add_evidence(run, attempt, evidence)
            if not evidence.held:
                raise InvariantBroken(f"{name} does not hold: {evidence.data['broken']}")

    def _ask(self, name: str, phase: str, check: invariants.Check) -> Evidence:
        try:
            return Evidence(name, phase, True, self._heard(check), time.time())
        except InvariantBroken as error:
            return Evidence(name, phase, False, {"broken": error.sentence}, time.time())

    def _add_evidence(self, run: Run, attempt: Attempt, evidence: Evidence) -> None:
        if evidence.data:
            self.ctx.journal.steps.add_evidence(run, attempt, evidence)


def _names(things: dict[str, Any]) -> str:
    return ", ".join(sorted(things))


def _status_after(attempt: Attempt, error: OctaneError) -> str:
    """A done step stays done when a second look at it is refused, as with other options than it was done with."""
    refused = isinstance(error, (BadInput, Refused))
    return steps.DONE if attempt.act == "verify" and refused else steps.FAILED


def not_undoable(journal: Journal, pair_id: int, stage: str) -> list[str]:
    """Names of STAGE's steps that stand and have no way back."""
    standing = (record for record in journal.steps.of_stage(pair_id, stage) if record.status != steps.UNDONE)
    return [record.name for record in standing if not load(Definition.from_dict(record.definition)).undoable]


def _not_run(reason: str, exit_code: int = 1) -> Report:
    return Report(False, f"not run: {reason}", exit_code=exit_code)
