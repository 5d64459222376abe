"""How a stage is opened, closed and taken back; what lies between are its steps."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from octane import stage as stages
from octane.context import Context
from octane.definition import Definition, load_name
from octane.errors import BadInput, Failed, Refused
from octane.journal import Journal, runs, steps
from octane.journal.holder import Holder
from octane.journal.runs import NewRun, Run
from octane.journal.steps import Attempt, StepRecord
from octane.journal.values import SecretRefused, refuse_secrets
from octane.pair import MASTER_ID, UNSAVED_ID, Pair
from octane.running import Report, StepRunner, not_undoable
from octane.stage import Stage
from octane.step import load
from octane.verify import invariants

REQUEST_VARIABLE = "OCTANE_REQUEST"
"""Environment variable in which the command line gives the run that it starts a name."""


def open_stage(ctx: Context, plan: list[Definition], typed: str | None = None) -> Report:
    """Check that the stage may run now, take its lock and open its run. PLAN is every step that will follow.

    :param typed: ``module:function`` that looks at the options, and at Fuel, before anything is written
    :raises BadInput: the options or a step of PLAN are wrong.
    :raises Refused: an earlier stage is missing, somebody else runs this one, or a stage of this process is still open.
    """
    ctx.step = ""
    _check_plan(ctx, plan)
    ctx.pair = stages.check(ctx.journal, ctx.stage, ctx.options)
    if typed:
        load_name(typed, ctx.stage.name)(ctx)
    passed = _passed(ctx)
    if ctx.test:
        ctx.dry_run.passed = bool(passed)
        return Report(True, passed or f"{ctx.stage.name} may run")
    me = Holder.current()
    still_open = ctx.journal.runs.open_of(me)
    if still_open:
        raise Refused(f"{still_open.stage} is still open in this process: its orchestration lacks octane.finished")
    if ctx.pair and ctx.pair.id == UNSAVED_ID:
        ctx.journal.locks.refuse_if_held(UNSAVED_ID, me)
        ctx.pair = ctx.journal.pairs.create(ctx.pair.original)
    anew = ctx.stage.beside and stages.is_done(ctx.journal, ctx.pair_id, ctx.stage.name)
    run = ctx.journal.runs.begin(_new_run(ctx, plan, passed), me)
    if anew:
        ctx.journal.steps.forget(run, ctx.stage.name)
    ctx.event("begin", {"run": run.id})
    return Report(True, run.note or f"{ctx.stage.name} begins")


def finish_stage(ctx: Context) -> Report:
    """Close the open run with its verdict and give the lock back; done only when every step of the plan is done."""
    ctx.step = ""
    if ctx.test:
        return _finish_dry_run(ctx)
    run = ctx.journal.runs.open_of(Holder.current())
    if run is None or run.stage != ctx.stage.name:
        return Report(False, f"{ctx.stage.name} was not opened", exit_code=1)
    result, comment, exit_code = _verdict(ctx, run)
    if result == runs.DONE and ctx.stage.reverses:
        ctx.journal.steps.forget(run, ctx.stage.reverses)
    ctx.journal.runs.end(run, result, comment, exit_code)
    ctx.event("done" if exit_code == 0 else "failed", {"run": run.id, "comment": comment})
    return Report(exit_code == 0, comment, exit_code=exit_code)


def undo_stage(ctx: Context) -> list[tuple[str, Report]]:
    """Take back every standing step of the stage, in a run of its own; (step, what became of it).

    Of those with ``undo_first`` each is tried. Else it stops at the first failure, unless that is of a step with
    ``undo_alone``; the same call goes on from there.

    :raises BadInput: see :func:`octane.stage.find_to_undo`.
    :raises Refused: a later stage has begun, a step has no way back, or somebody else runs a stage.
    """
    ctx.pair = stages.find_to_undo(ctx.journal, ctx.stage, ctx.options)
    standing = to_undo(ctx.journal, ctx.stage, ctx.pair)
    if ctx.test or not standing:
        return [(record.name, Report(None, "would be undone")) for record in standing]
    return _undo_all(ctx, standing)


def to_undo(journal: Journal, stage: Stage, pair: Pair | None) -> list[StepRecord]:
    """Steps of STAGE that stand and are to be taken back: those with ``undo_first``, then the others; of both the last
    one first.

    :raises Refused: a later stage has begun, or a step has no way back.
    """
    pair_id = pair.id if pair else MASTER_ID
    later = stages.later_begun(journal, pair_id, stage) if pair else None
    if later:
        _refuse_no_way_back(journal, stage, stages.get(later), pair_id)
        way = stages.undo_command(stages.get(later), pair)
        raise Refused(f"{later} has begun after {stage.name} and is to be taken back first", next_command=way)
    stuck = not_undoable(journal, pair_id, stage.name)
    if stuck:
        raise Refused(f"{stage.name} cannot be undone: there is no way back from {', '.join(stuck)}")
    standing = [one for one in reversed(journal.steps.of_stage(pair_id, stage.name)) if one.status != steps.UNDONE]
    return sorted(standing, key=lambda one: not one.definition.get("undo_first"))


def _refuse_no_way_back(journal: Journal, stage: Stage, later: Stage, pair_id: int) -> None:
    """What was done since is final: say why, instead of naming a command that would be refused too."""
    stuck = not_undoable(journal, pair_id, later.name) if later.no_way_back else []
    if stuck:
        raise Refused(f"{stage.name} cannot be taken back any more: {later.no_way_back} ({', '.join(stuck)})")


def verify_stage(ctx: Context) -> dict[str, dict[str, Any]]:
    """Evidence that every done step of the stage still stands, by its name; changes nothing and journals nothing.

    :raises Refused: a later stage has begun, so that this one's steps need not stand any more.
    :raises OctaneError: a step or an invariant does not stand; the error names it.
    """
    later = stages.later_begun(ctx.journal, ctx.pair_id, ctx.stage) if ctx.pair else None
    if later:
        raise Refused(f"{later} has begun since {ctx.stage.name}: verify {later}")
    records = ctx.journal.steps.of_stage(ctx.pair_id, ctx.stage.name)
    done = {record.name for record in records if record.status == steps.DONE}
    plan = [Definition.from_dict(record.definition) for record in records if record.name in done]
    return {definition.step: _stands(ctx, definition) for definition in plan if definition.until not in done}


def _stands(ctx: Context, definition: Definition) -> dict[str, Any]:
    ctx.step = definition.step
    step = load(definition)
    pending = step.pending(ctx)
    if pending:
        raise Failed(f"step {definition.step} does not stand any more: {', '.join(sorted(pending))}")
    held = {name: invariants.get(name).check(ctx) for name in definition.holds}
    return {"step": step.verify(ctx), **held}


def _check_plan(ctx: Context, plan: list[Definition]) -> None:
    """:raises BadInput: a step is there twice, cannot be loaded, or promises an invariant that does not exist."""
    names = [definition.step for definition in plan]
    for definition in plan:
        if names.count(definition.step) > 1:
            raise BadInput(f"step {definition.step} is there twice in {ctx.stage.name}")
        if definition.until and definition.until not in names:
            raise BadInput(
                f"step {definition.step} lasts until {definition.until}, which is no step of {ctx.stage.name}"
            )
        load(definition)
        for name in definition.holds:
            invariants.get(name)
    try:
        refuse_secrets(dict(ctx.options), "pillar")
    except SecretRefused as error:
        raise BadInput(str(error)) from error


def _passed(ctx: Context) -> str:
    """Why this stage has nothing to do or to look at any more; empty when it has."""
    if ctx.pair is None or ctx.stage.repeats or not stages.is_done(ctx.journal, ctx.pair_id, ctx.stage.name):
        return ""
    later = stages.later_begun(ctx.journal, ctx.pair_id, ctx.stage)
    last = ctx.journal.runs.last_done(ctx.pair_id, ctx.stage.name)
    if later is None or last is None or last.ended is None:
        return ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last.ended))
    return f"nothing to do: {ctx.stage.name} was finished on {when}, and {later} has begun since"


def _new_run(ctx: Context, plan: list[Definition], passed: str) -> NewRun:
    return NewRun(
        pair_id=ctx.pair_id,
        stage=ctx.stage.name,
        request=os.environ.get(REQUEST_VARIABLE),
        options=dict(ctx.options),
        plan=tuple((definition.step, definition.sentence) for definition in plan),
        result=runs.PASSED if passed else runs.RUNNING,
        note=passed,
    )


def _finish_dry_run(ctx: Context) -> Report:
    if ctx.dry_run.refused:
        return Report(False, f"{ctx.stage.name} was refused", exit_code=3)
    if ctx.dry_run.would_change:
        return Report(None, f"{ctx.stage.name} would be run")
    return Report(True, "nothing to do")


def _verdict(ctx: Context, run: Run) -> tuple[str, str, int]:
    """Result, comment and exit code of RUN, from what its steps left in the journal."""
    if run.result == runs.PASSED:
        return runs.PASSED, run.note, 0
    if run.failed_step:
        return runs.FAILED, run.comment, run.exit_code or 1
    records = {record.name: record for record in ctx.journal.steps.of_stage(run.pair_id, run.stage)}
    missing = [name for name, _ in run.plan if name not in records or records[name].status != steps.DONE]
    command = stages.command_line(ctx.stage, ctx.pair, ctx.options)
    if missing and run.stop_requested:
        return runs.INTERRUPTED, f"stopped before {missing[0]} as asked; to go on: `{command}`", 130
    if missing:
        return runs.FAILED, f"not run: {', '.join(missing)}; to go on: `{command}`", 1
    summary = _summary(ctx.journal.steps.attempts_of_run(run.id), len(run.plan))
    left = stages.left_to_do(ctx.stage, ctx.pair, ctx.options)
    return runs.DONE, f"{summary}; {left}" if left else summary, 0


def _summary(attempts: list[tuple[str, Attempt]], planned: int) -> str:
    applied = [attempt for _, attempt in attempts if attempt.act == "apply"]
    if not applied:
        return f"nothing to do: all {planned} steps were done before and still hold"
    changed = sum(1 for attempt in applied if attempt.changes)
    return f"all {planned} steps done, {changed} of them changed something"


def _undo_all(ctx: Context, standing: list[StepRecord]) -> list[tuple[str, Report]]:
    plan = [Definition.from_dict(record.definition) for record in standing]
    run = ctx.journal.runs.begin(replace(_new_run(ctx, plan, ""), act="undo"), Holder.current())
    reports: list[tuple[str, Report]] = []
    stuck = False
    for definition in plan:
        if stuck and not definition.undo_first:
            break
        stopped = ctx.journal.runs.get(run.id).stop_requested
        report = _stopped_undo(ctx, definition) if stopped else StepRunner(ctx, definition).undo()
        reports.append((definition.step, report))
        stuck = stuck or (report.result is False and not definition.undo_alone)
        if stopped:
            break
    _end_undo(ctx, run, plan, reports)
    return reports


def _failed(reports: list[tuple[str, Report]]) -> list[Report]:
    return [report for _, report in reports if report.result is False]


def _stopped_undo(ctx: Context, definition: Definition) -> Report:
    way = stages.undo_command(ctx.stage, ctx.pair, ctx.options)
    return Report(False, f"stopped before {definition.step} as asked; to go on: `{way}`", exit_code=130)


def _end_undo(ctx: Context, run: Run, plan: list[Definition], reports: list[tuple[str, Report]]) -> None:
    """The verdict: all that failed, and the steps that are left; those that change nothing are nobody's business."""
    ctx.step = ""
    failed = _failed(reports)
    undone = {step for step, report in reports if report.result is not False}
    left = [one.step for one in plan if one.step not in undone and not load(one).changes_nothing]
    comment = f"{len(plan)} steps undone"
    if failed:
        comment = "; ".join(dict.fromkeys(report.comment for report in failed))
        comment += f"; left to be taken back: {', '.join(left)}" if left else ""
    # A stop that was asked for comes last.
    exit_code = reports[-1][1].exit_code or (failed[0].exit_code if failed else 0)
    result = runs.INTERRUPTED if exit_code == 130 else runs.FAILED
    ctx.journal.runs.end(run, result if failed else runs.DONE, comment, exit_code)
    data: dict[str, Any] = {"run": run.id, "comment": comment}
    ctx.event("failed" if failed else "undone", data)
