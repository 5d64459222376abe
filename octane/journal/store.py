"""The journal as the library uses it: pairs, runs, steps, records, locks, progress over one database."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from octane.errors import Refused
from octane.journal.database import Database
from octane.journal.locks import Locks
from octane.journal.runs import Runs
from octane.journal.steps import Steps
from octane.journal.values import decode, encode, refuse_secrets
from octane.pair import MASTER_ID, Pair


class Journal:
    """Open it with :meth:`open` (the runs) or :meth:`open_to_read` (whoever looks on), use it as a context manager."""

    def __init__(self, database: Database) -> None:
        self.directory = database.directory
        self._database = database
        self.pairs = Pairs(database)
        self.locks = Locks(database)
        self.runs = Runs(database, self.locks)
        self.steps = Steps(database)
        self.records = Records(database)
        self.progress = Progress(database)

    @classmethod
    def open(cls, directory: Path) -> Journal:
        return cls(Database.open(directory))

    @classmethod
    def open_to_read(cls, directory: Path) -> Journal:
        return cls(Database.open_to_read(directory))

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Pairs:
    """Upgrades, finished ones included."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Pair]:
        """Every pair, oldest first."""
        return [_pair(row) for row in self._database.rows("SELECT * FROM pairs WHERE id != ? ORDER BY id", MASTER_ID)]

    def get(self, pair_id: int) -> Pair | None:
        """The pair of that row; None for the master's own row 0 as well as for none."""
        return next((pair for pair in self.all() if pair.id == pair_id), None)

    def of_seed(self, seed: int) -> Pair | None:
        return next((pair for pair in self.all() if pair.seed == seed), None)

    def of_original(self, original: int) -> Pair | None:
        return next((pair for pair in self.all() if pair.original == original), None)

    def create(self, original: int) -> Pair:
        """The pair of ORIGINAL, made when there is none."""
        with self._database.writing() as connection:
            known = self.of_original(original)
            if known:
                return known
            now = time.time()
            made = connection.execute("INSERT INTO pairs (original, created) VALUES (?, ?)", (original, now)).lastrowid
        assert made is not None
        return Pair(id=made, original=original, created=now)

    def set_seed(self, pair: Pair, seed: int) -> Pair:
        """PAIR with its seed.

        :raises Refused: the pair has another seed, or the seed belongs to another pair.
        """
        with self._database.writing() as connection:
            known = self.of_seed(seed)
            current = self.get(pair.id)
            if known and known.id != pair.id:
                raise Refused(f"environment {seed} is already the seed of environment {known.original}")
            if current and current.seed not in (None, seed):
                raise Refused(f"environment {pair.original} already has the seed {current.seed}, not {seed}")
            connection.execute("UPDATE pairs SET seed = ? WHERE id = ?", (seed, pair.id))
        return replace(pair, seed=seed)

    def clear_seed(self, pair: Pair) -> Pair:
        """PAIR without a seed: it was given up, the original may start again with a new one."""
        with self._database.writing() as connection:
            connection.execute("UPDATE pairs SET seed = NULL WHERE id = ?", (pair.id,))
        return replace(pair, seed=None)


class Records:
    """What steps remember, by pair and key; the value is any JSON that is no secret."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, pair_id: int, key: str, value: Any) -> None:
        """:raises octane.journal.values.SecretRefused: the value looks like a secret."""
        refuse_secrets({key: value}, "record")
        encoded = encode(value)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT (pair_id, key)"
                " DO UPDATE SET value = excluded.value, at = excluded.at",
                (pair_id, key, encoded, time.time()),
            )

    def get(self, pair_id: int, key: str, default: Any = None) -> Any:
        row = self._database.row("SELECT value FROM records WHERE pair_id = ? AND key = ?", pair_id, key)
        return default if row is None else decode(row["value"])

    def drop(self, pair_id: int, key: str) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM records WHERE pair_id = ? AND key = ?", (pair_id, key))

    def all(self, pair_id: int) -> dict[str, Any]:
        rows = self._database.rows("SELECT key, value FROM records WHERE pair_id = ? ORDER BY key", pair_id)
        return {row["key"]: decode(row["value"]) for row in rows}


@dataclass(frozen=True)
class ProgressNote:
    """The latest word of SOURCE (a minion's id or ``master``) about WHAT; ``at`` is in seconds since the epoch."""

    source: str
    what: str
    text: str
    numbers: dict[str, float]
    at: float


class Progress:
    """The latest progress of each source; it may be lost and decides nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, source: str, what: str, text: str, numbers: dict[str, float]) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO progress VALUES (?, ?, ?, ?, ?) ON CONFLICT (source, what)"
                " DO UPDATE SET text = excluded.text, numbers = excluded.numbers, at = excluded.at",
                (source, what, text, encode(numbers), time.time()),
            )

    def since(self, moment: float) -> list[ProgressNote]:
        """What came after MOMENT (epoch seconds), latest last."""
        rows: list[sqlite3.Row] = self._database.rows("SELECT * FROM progress WHERE at >= ? ORDER BY at", moment)
        return [
            ProgressNote(row["source"], row["what"], row["text"], decode(row["numbers"]), row["at"]) for row in rows
        ]


def _pair(row: sqlite3.Row) -> Pair:
    return Pair(row["id"], row["original"], row["seed"], row["created"])
