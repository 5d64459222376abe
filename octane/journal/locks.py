"""One run at a time: the lock of a pair, its fencing token, and what happens to the lock of a dead process."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from octane.errors import LockLost, Refused
from octane.journal.database import Database
from octane.journal.holder import Holder
from octane.journal.values import decode, encode
from octane.pair import MASTER_ID


@dataclass(frozen=True)
class Lock:
    """A lock that is held. ``token`` only ever grows; a writer with an older one has lost the lock.

    ``taken_over`` is a sentence when the lock was a dead process's, else None.
    """

    pair_id: int
    token: int
    holder: Holder
    stage: str
    since: float
    taken_over: str | None = None


class Locks:
    """Locks of all pairs. That of the master itself (pair 0) excludes every other one, and every other one it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(self, pair_id: int) -> Lock | None:
        """The lock of PAIR_ID, whoever holds it and whether that process lives or not; None when free."""
        row = self._database.row("SELECT * FROM locks WHERE pair_id = ? AND holder IS NOT NULL", pair_id)
        return _lock(row) if row else None

    def refuse_if_held(self, pair_id: int, me: Holder) -> None:
        """:raises Refused: a living process other than ME holds a lock that excludes PAIR_ID's."""
        for lock in self._in_the_way(pair_id):
            if not lock.holder.same_process(me) and not lock.holder.is_dead():
                raise Refused(_held_sentence(lock))

    def acquire(self, pair_id: int, stage: str, me: Holder) -> Lock:
        """Take the lock, with a new token; that of a dead process is taken over.

        :raises Refused: a living process holds it; the sentence says who, since when and where.
        """
        with self._database.writing() as connection:
            self.refuse_if_held(pair_id, me)
            before = self.held(pair_id)
            now = time.time()
            connection.execute(
                "INSERT INTO locks (pair_id, token, holder, stage, since) VALUES (?, 1, ?, ?, ?) ON CONFLICT (pair_id)"
                " DO UPDATE SET token = token + 1, holder = excluded.holder, stage = excluded.stage,"
                " since = excluded.since",
                (pair_id, encode(me.to_dict()), stage, now),
            )
            token = connection.execute("SELECT token FROM locks WHERE pair_id = ?", (pair_id,)).fetchone()[0]
        dead = before is not None and not before.holder.same_process(me)
        return Lock(pair_id, token, me, stage, now, _taken_over_sentence(before) if dead and before else None)

    def release(self, pair_id: int, token: int) -> None:
        """Give the lock back; somebody else's (another token) is left alone."""
        with self._database.writing() as connection:
            connection.execute("UPDATE locks SET holder = NULL WHERE pair_id = ? AND token = ?", (pair_id, token))

    def _in_the_way(self, pair_id: int) -> list[Lock]:
        """Held locks that exclude PAIR_ID's: its own and the master's; for the master all."""
        rows = self._database.rows(
            "SELECT * FROM locks WHERE holder IS NOT NULL AND (pair_id = ? OR pair_id = ? OR ? = ?)",
            pair_id, MASTER_ID, pair_id, MASTER_ID,
        )  # fmt: skip
        return [_lock(row) for row in rows]


def check_token(connection: sqlite3.Connection, pair_id: int, token: int) -> None:
    """Called inside a transaction, before anything is written in a run's name.

    :raises LockLost: the lock was taken over or given up since TOKEN was handed out.
    """
    row = connection.execute("SELECT * FROM locks WHERE pair_id = ?", (pair_id,)).fetchone()
    if row is None or row["token"] != token or row["holder"] is None:
        now_held = f"by {Holder.from_dict(decode(row['holder']))}" if row and row["holder"] else "by nobody"
        raise LockLost(f"this run has lost its lock, which is now held {now_held}: nothing more is done in its name")


def _lock(row: sqlite3.Row) -> Lock:
    return Lock(row["pair_id"], row["token"], Holder.from_dict(decode(row["holder"])), row["stage"], row["since"])


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _held_sentence(lock: Lock) -> str:
    return (
        f"{lock.stage} is being run by {lock.holder} since {_clock(lock.since)}; "
        "wait for its end (`octane status --watch`) and run this command again"
    )


def _taken_over_sentence(lock: Lock) -> str:
    return f"took over the lock of {lock.stage}, held since {_clock(lock.since)} by {lock.holder}, which is dead"
