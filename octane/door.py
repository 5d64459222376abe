"""What the states and runners that Salt loads call: opens the journal, builds the context, reports errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from octane import settings, stage_run
from octane import stage as stages
from octane.context import Context, DryRun
from octane.definition import Definition
from octane.errors import OctaneError
from octane.journal import Journal
from octane.journal.holder import Holder
from octane.pair import Pair
from octane.running import Report, StepRunner
from octane.salt_master import EventBus, KeyRing, NodeCaller


@dataclass
class Caller:
    """The Salt side of a call: the master's options, the pillar, whether it is a dry run and what that found so far."""

    options: Mapping[str, Any]
    pillar: Mapping[str, Any]
    test: bool = False
    dry_run: DryRun = field(default_factory=DryRun)

    def journal(self) -> Journal:
        """A dry run writes nothing and must not make a journal either."""
        directory = settings.state_dir(self.options)
        return Journal.open_to_read(directory) if self.test else Journal.open(directory)

    def context(self, journal: Journal, stage_name: str, pair: Pair | None = None) -> Context:
        """The context of STAGE_NAME; of the pillar only what the stage takes is passed on.

        :raises BadInput: there is no such stage.
        """
        stage = stages.get(stage_name)
        return Context(
            journal=journal,
            nodes=NodeCaller(self.options),
            keys=KeyRing(self.options),
            stage=stage,
            pair=pair,
            options={name: self.pillar[name] for name in stage.options if self.pillar.get(name) is not None},
            test=self.test,
            send_event=EventBus(self.options).send,
            dry_run=self.dry_run,
        )


def open_stage(
    caller: Caller, name: str, steps: Iterable[tuple[str, Mapping[str, Any]]], typed: str | None = None
) -> Report:
    """``octane.stage``; STEPS are (sentence, arguments) of all steps that follow, TYPED looks at what was typed."""

    def work() -> Report:
        with caller.journal() as journal:
            ctx = caller.context(journal, name)
            plan = [Definition.from_state(sentence, dict(arguments)) for sentence, arguments in steps]
            return stage_run.open_stage(ctx, plan, typed)

    caller.dry_run.stage = name
    report = _reported(work)
    caller.dry_run.refused = report.result is False
    return report


def run_step(caller: Caller, sentence: str, arguments: Mapping[str, Any]) -> Report:
    """``octane.step``: the step SENTENCE of the stage that is open in this process."""
    with caller.journal() as journal:
        run = None if caller.test else journal.runs.open_of(Holder.current())
        stage_name = caller.dry_run.stage if caller.test else run.stage if run else ""
        if not stage_name:
            return Report(False, "not run: no stage is open (octane.stage was refused or is missing)", exit_code=3)

        def work() -> Report:
            ctx = caller.context(journal, stage_name)
            ctx.pair = journal.pairs.get(run.pair_id) if run else stages.find_pair(journal, ctx.stage, ctx.options)
            return StepRunner(ctx, Definition.from_state(sentence, dict(arguments))).apply()

        report = _reported(work)
        if run and report.result is False and journal.runs.get(run.id).failed_step is None and report.exit_code != 130:
            _stop(journal, run.id, sentence, report)
        return report


def finish_stage(caller: Caller, name: str) -> Report:
    """``octane.finished``."""

    def work() -> Report:
        with caller.journal() as journal:
            ctx = caller.context(journal, name)
            run = None if caller.test else journal.runs.open_of(Holder.current())
            ctx.pair = journal.pairs.get(run.pair_id) if run else None
            return stage_run.finish_stage(ctx)

    return _reported(work)


def undo_stage(caller: Caller, name: str) -> dict[str, dict[str, Any]]:
    """``octane.undo``: what became of each step, by its name, in the order in which they were taken back.

    :raises OctaneError: see :func:`octane.stage_run.undo_stage`.
    """
    with caller.journal() as journal:
        ctx = _naming_pair(caller, journal, name)
        reports = stage_run.undo_stage(ctx)
    return {step: {"result": report.result, "comment": report.comment} for step, report in reports}


def verify_stage(caller: Caller, name: str) -> dict[str, dict[str, Any]]:
    """``octane.verify``: evidence that each step of the stage still stands, by its name; nothing is written.

    :raises OctaneError: the first that does not stand.
    """
    looking = replace(caller, test=True)
    with looking.journal() as journal:
        ctx = _naming_pair(looking, journal, name)
        ctx.pair = stages.find_pair(journal, ctx.stage, ctx.options)
        return stage_run.verify_stage(ctx)


def _naming_pair(caller: Caller, journal: Journal, name: str) -> Context:
    """A context whose options name the upgrade by seed or original, whichever the pillar of CALLER has."""
    ctx = caller.context(journal, name)
    named = {key: caller.pillar[key] for key in stages.BY_PAIR if caller.pillar.get(key) is not None}
    seed = named.get("seed")
    if ctx.stage.takes == "original" and seed is not None:
        by_seed = stages.find_pair(journal, stages.get("upgrade-db"), {"seed": seed})
        named = {"original": by_seed.original} if by_seed else named
    ctx.options = {**ctx.options, **named}
    return ctx


def _stop(journal: Journal, run_id: int, sentence: str, report: Report) -> None:
    """A step that could not even begin stops its stage like one that failed."""
    try:
        journal.runs.fail(journal.runs.get(run_id), sentence, report.comment, report.exit_code or 1)
    except OctaneError:
        # The lock is lost: whoever holds it now decides.
        return


def _reported(work: Callable[[], Report]) -> Report:
    try:
        return work()
    except OctaneError as error:
        return Report(False, str(error), exit_code=error.exit_code)
