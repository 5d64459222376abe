"""Runs: one execution of one stage, from the moment its lock is taken to its verdict."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from octane.journal.database import Database
from octane.journal.holder import Holder
from octane.journal.locks import Locks, check_token
from octane.journal.values import decode, encode

RUNNING = "running"
DONE = "done"
FAILED = "failed"
INTERRUPTED = "interrupted"
PASSED = "passed"
"""The stage had been finished and a later one had begun: nothing was looked at, nothing done."""


@dataclass(frozen=True)
class NewRun:
    """What is known of a run before it begins. ``plan`` is (step, sentence) in order; ``act`` is apply or undo;
    ``result`` is ``passed`` when it is known from the start that nothing will be done."""

    pair_id: int
    stage: str
    act: str = "apply"
    request: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    plan: tuple[tuple[str, str], ...] = ()
    result: str = RUNNING
    note: str = ""


@dataclass(frozen=True)
class Run:
    """A row of ``runs``. ``failed_step`` is set once a step fails, ``ended`` and ``result`` when the run is over."""

    id: int
    pair_id: int
    stage: str
    act: str
    token: int
    request: str | None
    holder: Holder
    options: dict[str, Any]
    plan: tuple[tuple[str, str], ...]
    started: float
    ended: float | None
    result: str
    note: str
    comment: str
    failed_step: str | None
    exit_code: int | None
    stop_requested: float | None

    @property
    def died(self) -> bool:
        """Whether its process is gone although the run has no end."""
        return self.ended is None and self.holder.is_dead()


class Runs:
    def __init__(self, database: Database, locks: Locks) -> None:
        self._database = database
        self._locks = locks

    def begin(self, new: NewRun, me: Holder) -> Run:
        """Take the pair's lock and open a run; its note begins with that when the lock was a dead process's.

        :raises Refused: a living process holds the lock.
        """
        lock = self._locks.acquire(new.pair_id, new.stage, me)
        note = "; ".join(part for part in (lock.taken_over, new.note) if part)
        with self._database.writing() as connection:
            check_token(connection, new.pair_id, lock.token)
            made = connection.execute(
                "INSERT INTO runs (pair_id, stage, act, token, request, holder, options, plan, started, result,"
                " note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (new.pair_id, new.stage, new.act, lock.token, new.request, encode(me.to_dict()), encode(new.options),
                 encode(new.plan), time.time(), new.result, note),
            ).lastrowid  # fmt: skip
        assert made is not None
        return self.get(made)

    def get(self, run_id: int) -> Run:
        """:raises KeyError: there is none."""
        row = self._database.row("SELECT * FROM runs WHERE id = ?", run_id)
        if row is None:
            raise KeyError(run_id)
        return _run(row)

    def open_of(self, me: Holder) -> Run | None:
        """The run that this process has begun and not ended."""
        rows = self._database.rows("SELECT * FROM runs WHERE ended IS NULL ORDER BY id DESC")
        return next((run for run in map(_run, rows) if run.holder.same_process(me)), None)

    def of_request(self, request: str) -> Run | None:
        """The run that the command line started under the name REQUEST."""
        row = self._database.row("SELECT * FROM runs WHERE request = ? ORDER BY id DESC LIMIT 1", request)
        return _run(row) if row else None

    def latest(self, pair_id: int | None = None) -> Run | None:
        """The run that began last, of one pair only when given."""
        row = self._database.row(
            "SELECT * FROM runs WHERE ? IS NULL OR pair_id = ? ORDER BY id DESC LIMIT 1", pair_id, pair_id
        )
        return _run(row) if row else None

    def of_pair(self, pair_id: int, stage: str | None = None) -> list[Run]:
        """Runs of a pair, and of one STAGE only when given, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM runs WHERE pair_id = ? AND (? IS NULL OR stage = ?) ORDER BY id", pair_id, stage, stage
        )
        return [_run(row) for row in rows]

    def last_done(self, pair_id: int, stage: str) -> Run | None:
        """The latest run of STAGE that ended well, an undo included."""
        rows = self._database.rows(
            "SELECT * FROM runs WHERE pair_id = ? AND stage = ? AND result = ? ORDER BY id DESC LIMIT 1",
            pair_id, stage, DONE,
        )  # fmt: skip
        return _run(rows[0]) if rows else None

    def fail(self, run: Run, step: str, comment: str, exit_code: int) -> None:
        """A step failed: from now on nothing of this run acts, except what puts things back. The first one counts."""
        with self._database.writing() as connection:
            check_token(connection, run.pair_id, run.token)
            connection.execute(
                "UPDATE runs SET failed_step = ?, comment = ?, exit_code = ? WHERE id = ? AND failed_step IS NULL",
                (step, comment, exit_code, run.id),
            )

    def request_stop(self, run: Run) -> None:
        """Ask RUN to stop after the step it is in; anyone may, without the lock."""
        with self._database.writing() as connection:
            connection.execute("UPDATE runs SET stop_requested = ? WHERE id = ?", (time.time(), run.id))

    def end(self, run: Run, result: str, comment: str, exit_code: int) -> None:
        """The verdict; the lock is given back."""
        with self._database.writing() as connection:
            check_token(connection, run.pair_id, run.token)
            connection.execute(
                "UPDATE runs SET ended = ?, result = ?, comment = ?, exit_code = ? WHERE id = ?",
                (time.time(), result, comment, exit_code, run.id),
            )
        self._locks.release(run.pair_id, run.token)


def _run(row: sqlite3.Row) -> Run:
    values = dict(row)
    values["holder"] = Holder.from_dict(decode(values["holder"]))
    values["options"] = decode(values["options"])
    values["plan"] = tuple((step, sentence) for step, sentence in decode(values["plan"]))
    return Run(**values)
