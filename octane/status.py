"""Where an upgrade stands, from the journal alone: as plain data, for listings and for `-f json`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octane import stage as stages
from octane.errors import BadInput
from octane.journal import Journal, runs, steps
from octane.journal.runs import Run
from octane.journal.steps import Attempt, StepRecord
from octane.pair import MASTER_ID, Pair, environment_id

NOT_STARTED = "not started"
DIED = "died"

Data = dict[str, Any]


def overview(journal: Journal, seed: object = None) -> Data:
    """All upgrades, or that of SEED, and what was done to the master itself::

        {"master": {"stages": [STAGE]}, "upgrades": [{"original", "seed", "stages": [STAGE]}]}
        STAGE     {"stage", "state", "runs", "started", "ended", "seconds", "comment",
                   "progress": [NOTE], "steps": [STEP]}
        STEP      {"step", "sentence", "state", "started", "ended", "seconds", "comment", "changes",
                   "attempts": [ATTEMPT], "evidence": [EVIDENCE]}
        ATTEMPT   {"run", "act", "result", "started", "ended", "seconds", "comment"}
        EVIDENCE  {"name", "phase", "held", "data", "at"}
        NOTE      {"source", "what", "text", "numbers", "at"}

    Times are seconds since the epoch, durations are seconds; both are null when there is none yet. A stage's state is
    ``not started``, ``running``, ``undoing``, ``done``, ``failed``, ``interrupted``, ``died`` or ``undone``; a step's
    is ``not started``, ``begun``, ``done``, ``failed``, ``undoing`` or ``undone``.

    :raises BadInput: SEED is no number or no seed.
    """
    if seed is None:
        pairs = [pair for pair in journal.pairs.all() if not _mistyped(journal, pair)]
    else:
        named = stages.find_pair(journal, stages.get("upgrade-db"), {"seed": environment_id(seed, "SEED")})
        pairs = [named] if named else []
    return {
        "master": {"stages": _stages_of(journal, MASTER_ID, of_master=True)},
        "upgrades": [
            {"original": pair.original, "seed": pair.seed, "stages": _stages_of(journal, pair.id, of_master=False)}
            for pair in pairs
        ],
    }


def _mistyped(journal: Journal, pair: Pair) -> bool:
    """Whether PAIR is but the trace of an environment's number that turned out to mean nothing."""
    last = journal.runs.latest(pair.id)
    return pair.seed is None and (last is None or last.exit_code == BadInput.exit_code)


def stage_data(journal: Journal, pair_id: int, name: str) -> Data:
    """STAGE, as :func:`overview` says, of one stage."""
    history = journal.runs.of_pair(pair_id, name)
    last = history[-1] if history else None
    return {
        "stage": name,
        "state": _stage_state(journal, pair_id, name, last),
        "runs": len(history),
        **_times(last.started if last else None, last.ended if last else None),
        "comment": last.comment if last else "",
        "progress": _progress(journal, last),
        "steps": [_step_data(journal, *entry) for entry in _steps_in_order(journal, pair_id, name, history)],
    }


def _stages_of(journal: Journal, pair_id: int, of_master: bool) -> list[Data]:
    named = [stage for stage in stages.STAGES.values() if (stage.takes is None) == of_master]
    found = [(stage, stage_data(journal, pair_id, stage.name)) for stage in named]
    # Nobody has to try anything out: a trial that never ran is not lacking.
    return [data for stage, data in found if data["runs"] or not stage.beside]


def _stage_state(journal: Journal, pair_id: int, name: str, last: Run | None) -> str:
    if last is None:
        return NOT_STARTED
    if last.died:
        return DIED
    if last.ended is None:
        return steps.UNDOING if last.act == "undo" else runs.RUNNING
    if last.act == "undo" and last.result == runs.DONE:
        return steps.UNDONE
    if stages.is_done(journal, pair_id, name):
        return runs.DONE
    return last.result if last.result in (runs.FAILED, runs.INTERRUPTED) else steps.UNDONE


def _steps_in_order(
    journal: Journal, pair_id: int, name: str, history: list[Run]
) -> Iterable[tuple[str, str, StepRecord | None]]:
    """(step, sentence, record) in the order of the newest plan, then steps that only older runs had."""
    records = {record.name: record for record in journal.steps.of_stage(pair_id, name)}
    plans = [run.plan for run in history if run.act == "apply" and run.plan]
    planned = dict(plans[-1]) if plans else {}
    for step, sentence in planned.items():
        yield step, sentence, records.get(step)
    for step, record in records.items():
        if step not in planned:
            yield step, str(record.definition.get("sentence", step)), record


def _step_data(journal: Journal, step: str, sentence: str, record: StepRecord | None) -> Data:
    attempts = journal.steps.attempts(record) if record else []
    last = attempts[-1] if attempts else None
    return {
        "step": step,
        "sentence": sentence,
        "state": record.status if record else NOT_STARTED,
        **_times(last.started if last else None, last.ended if last else None),
        "comment": last.comment if last else "",
        "changes": (last.changes or {}) if last else {},
        "attempts": [_attempt_data(attempt) for attempt in attempts],
        "evidence": [vars(evidence) for evidence in journal.steps.evidence(last)] if last else [],
    }


def _attempt_data(attempt: Attempt) -> Data:
    times = _times(attempt.started, attempt.ended)
    return {"run": attempt.run_id, "act": attempt.act, "result": attempt.result, **times, "comment": attempt.comment}


def _times(started: float | None, ended: float | None) -> Data:
    seconds = round(ended - started, 3) if started is not None and ended is not None else None
    return {"started": started, "ended": ended, "seconds": seconds}


def _progress(journal: Journal, run: Run | None) -> list[Data]:
    """The latest words from nodes and steps while the stage runs; none when it does not."""
    if run is None or run.ended is not None:
        return []
    return [vars(note) for note in journal.progress.since(run.started)]


def shown_numbers(numbers: dict[str, float]) -> str:
    """Numbers of a progress note in words, e.g. ``bytes 1048576``."""
    return ", ".join(f"{name} {value:g}" for name, value in sorted(numbers.items()))
