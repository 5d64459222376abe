"""Steps with their attempts and evidence."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from octane.journal.database import Database
from octane.journal.locks import check_token
from octane.journal.runs import Run
from octane.journal.values import decode, encode

BEGUN = "begun"
DONE = "done"
FAILED = "failed"
UNDOING = "undoing"
UNDONE = "undone"


@dataclass(frozen=True)
class StepRecord:
    """A row of ``steps``: how STAGE's step NAME stands, and what is needed to undo it without its orchestration."""

    id: int
    pair_id: int
    stage: str
    name: str
    status: str
    definition: dict[str, Any]
    updated: float


@dataclass(frozen=True)
class Evidence:
    """What was seen of NAME (an invariant, or ``step``) before or after an attempt, and whether it ``held``."""

    name: str
    phase: str
    held: bool
    data: dict[str, Any]
    at: float


@dataclass(frozen=True)
class Attempt:
    """One try of a step in one run: ``act`` is apply, verify or undo; times in epoch seconds."""

    id: int
    step_id: int
    run_id: int
    act: str
    started: float
    ended: float | None
    result: str
    changes: dict[str, Any] | None
    comment: str


class Steps:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, pair_id: int, stage: str, name: str) -> StepRecord | None:
        query = "SELECT * FROM steps WHERE pair_id = ? AND stage = ? AND name = ?"
        row = self._database.row(query, pair_id, stage, name)
        return _step(row) if row else None

    def of_stage(self, pair_id: int, stage: str) -> list[StepRecord]:
        """Steps of STAGE in the order in which they were applied, for the first time since they were last undone: one
        that was converged again later keeps its place."""
        rows = self._database.rows(
            "SELECT steps.* FROM steps LEFT JOIN (SELECT step_id, min(id) AS first FROM attempts WHERE act = 'apply'"
            " AND id > coalesce((SELECT max(undone.id) FROM attempts AS undone WHERE undone.step_id = attempts.step_id"
            " AND undone.act = 'undo' AND undone.result = 'undone'), 0)"
            " GROUP BY step_id) AS applied ON applied.step_id = steps.id WHERE pair_id = ? AND stage = ?"
            " ORDER BY applied.first, steps.id",
            pair_id, stage,
        )  # fmt: skip
        return [_step(row) for row in rows]

    def begin(self, run: Run, name: str, act: str, definition: dict[str, Any]) -> Attempt:
        """Write the intent, before anything is done. ACT is apply, verify or undo; verify leaves the step done.

        :raises LockLost: the run has lost its lock.
        """
        now = time.time()
        status = {"apply": BEGUN, "verify": DONE, "undo": UNDOING}[act]
        with self._database.writing() as connection:
            check_token(connection, run.pair_id, run.token)
            connection.execute(
                "INSERT INTO steps (pair_id, stage, name, status, definition, updated) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (pair_id, stage, name) DO UPDATE SET status = excluded.status,"
                " definition = excluded.definition, updated = excluded.updated",
                (run.pair_id, run.stage, name, status, encode(definition), now),
            )
            made = connection.execute(
                "INSERT INTO attempts (step_id, run_id, act, started, result)"
                " SELECT id, ?, ?, ?, 'running' FROM steps WHERE pair_id = ? AND stage = ? AND name = ?",
                (run.id, act, now, run.pair_id, run.stage, name),
            ).lastrowid
        assert made is not None
        return self._attempt(made)

    def add_evidence(self, run: Run, attempt: Attempt, evidence: Evidence) -> None:
        """:raises octane.journal.values.SecretRefused: it holds what looks like a secret."""
        with self._database.writing() as connection:
            check_token(connection, run.pair_id, run.token)
            connection.execute(
                "INSERT INTO evidence (attempt_id, name, phase, held, data, at) VALUES (?, ?, ?, ?, ?, ?)",
                (attempt.id, evidence.name, evidence.phase, evidence.held, encode(evidence.data), evidence.at),
            )

    def finish(self, run: Run, attempt: Attempt, status: str, changes: dict[str, Any], comment: str) -> None:
        """ATTEMPT went well; STATUS is the step's from now on (done or undone)."""
        self._end(run, attempt, (DONE, encode(changes), comment), status)

    def fail(self, run: Run, attempt: Attempt, comment: str, status: str = FAILED) -> None:
        """ATTEMPT failed; STATUS is the step's from now on."""
        self._end(run, attempt, (FAILED, None, comment), status)

    def _end(self, run: Run, attempt: Attempt, ending: tuple[str, str | None, str], status: str) -> None:
        now = time.time()
        with self._database.writing() as connection:
            check_token(connection, run.pair_id, run.token)
            connection.execute(
                "UPDATE attempts SET ended = ?, result = ?, changes = ?, comment = ? WHERE id = ?",
                (now, *ending, attempt.id),
            )
            connection.execute("UPDATE steps SET status = ?, updated = ? WHERE id = ?", (status, now, attempt.step_id))

    def forget(self, run: Run, stage: str) -> None:
        """STAGE of the run's pair was reversed as a whole by another stage: its steps count as undone."""
        with self._database.writing() as connection:
            check_token(connection, run.pair_id, run.token)
            connection.execute(
                "UPDATE steps SET status = ?, updated = ? WHERE pair_id = ? AND stage = ?",
                (UNDONE, time.time(), run.pair_id, stage),
            )

    def attempts(self, step: StepRecord) -> list[Attempt]:
        """Every attempt of STEP, oldest first."""
        rows = self._database.rows("SELECT * FROM attempts WHERE step_id = ? ORDER BY id", step.id)
        return [_attempt(row) for row in rows]

    def attempts_of_run(self, run_id: int) -> list[tuple[str, Attempt]]:
        """(step's name, attempt) of one run, in order."""
        rows = self._database.rows(
            "SELECT attempts.*, steps.name AS step_name FROM attempts JOIN steps ON steps.id = step_id"
            " WHERE run_id = ? ORDER BY attempts.id",
            run_id,
        )
        return [(row["step_name"], _attempt(row)) for row in rows]

    def evidence(self, attempt: Attempt) -> list[Evidence]:
        rows = self._database.rows("SELECT * FROM evidence WHERE attempt_id = ? ORDER BY id", attempt.id)
        return [Evidence(row["name"], row["phase"], bool(row["held"]), decode(row["data"]), row["at"]) for row in rows]

    def _attempt(self, attempt_id: int) -> Attempt:
        row = self._database.row("SELECT * FROM attempts WHERE id = ?", attempt_id)
        assert row is not None
        return _attempt(row)


def _step(row: sqlite3.Row) -> StepRecord:
    values = dict(row)
    values["definition"] = decode(values["definition"])
    return StepRecord(**values)


def _attempt(row: sqlite3.Row) -> Attempt:
    return Attempt(
        row["id"], row["step_id"], row["run_id"], row["act"], row["started"], row["ended"], row["result"],
        decode(row["changes"]), row["comment"],
    )  # fmt: skip
