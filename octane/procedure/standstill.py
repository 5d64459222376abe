"""Nothing writes to the original any more: what has to be seen for that, what is kept of it, what has come since.

A table of users' own must not move, ``wsrep_last_committed`` only for what is known to be of no account (tables that
the path calls expendable, databases that it does not move), and no session may be in the middle of writing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from octane.context import Context
from octane.errors import OctaneError
from octane.procedure import tables
from octane.procedure.tables import FROZEN, FROZEN_AT
from octane.sides import sides
from octane.wait import until_none

TIMEOUT = 300
QUIET_SECONDS = 0.5
"""A stretch of the log without a write that ends the waiting; what is written after it is found before the end."""
COMPARE_SECONDS = 5
"""What users may be kept waiting for on the way back to have the original compared with what it was at the freeze."""
STOOD_STILL = "db.stood_still"
"""What a comparison with the freeze needs besides: {"node", "committed": wsrep_last_committed or None, "seconds": that
reading every table took, or None}."""

Seen = dict[str, Any]
"""Evidence: what was seen until the original stood still."""


def by_log(ctx: Context, at: dict[str, Any]) -> Seen:
    """Wait until the log of AT's node holds no more writes; AT (see :data:`octane.procedure.tables.FROZEN_AT`) is moved
    to where that was.

    :raises Failed: it does not come to that, and why
    """
    rounds: list[Mapping[str, Any]] = []
    sessions = Sessions(ctx)

    def restless() -> list[str]:
        found = tables.quiet(ctx, at, QUIET_SECONDS)
        rounds.append(found)
        at["position"] = found["at"]["position"]
        known = [*found["moved"], *found["expendable"], *found["elsewhere"]]
        return [*_written(found["moved"]), *_unexplained(found["committed"], known), *sessions.look()]

    until_none(restless, TIMEOUT, "the original's log to hold no more writes", 0.1)
    committed = [rounds[0]["committed"][0], rounds[-1]["committed"][1]]
    ctx.record(STOOD_STILL, {"node": at["node"], "committed": committed[1], "seconds": None})
    return {
        "position": at["position"],
        "moved_before": _all(rounds, "moved"),
        "expendable_moved": _all(rounds, "expendable"),
        "elsewhere_moved": _all(rounds, "elsewhere"),
        "wsrep_last_committed": committed,
        "quiet": {"seconds": QUIET_SECONDS, "wsrep_last_committed": rounds[-1]["committed"]},
        **sessions.evidence(),
    }


def by_checksums(ctx: Context) -> tuple[tables.Checksums, Seen]:
    """Read every table until, read again, only expendable ones have moved: the checksums of the others.

    :raises Failed: it does not come to that, and why
    """
    node = sides(ctx).originals[0]
    others = sorted(tables.present(ctx) - set(ctx.path.databases))
    readings, took, sessions = [tables.every_checksum(ctx, node)], 0.0, Sessions(ctx)
    # After the reading, so that what is committed from here on is in the next one.
    committed = [last_committed(ctx, node)]

    def restless() -> list[str]:
        nonlocal took
        began, before = time.monotonic(), committed[-1]
        readings.append(tables.every_checksum(ctx, node))
        took = round(time.monotonic() - began, 1)
        committed.append(last_committed(ctx, node))
        lasting = tables.moved(*(tables.lasting(ctx, one) for one in readings[-2:]))
        # What is written to databases that are not moved can be told by no checksum of those that are.
        known = [*tables.moved(*readings[-2:]), *others]
        return [*_written(lasting), *_unexplained([before, committed[-1]], known), *sessions.look()]

    until_none(restless, TIMEOUT, "the original's tables to stand still")
    ctx.record(STOOD_STILL, {"node": node, "committed": committed[-1], "seconds": took})
    frozen = tables.lasting(ctx, readings[-1])
    return frozen, {
        "tables": sum(map(len, frozen.values())),
        "readings": len(readings),
        "moved": [],
        "expendable_moved": tables.moved(readings[0], readings[-1]),
        "not_read": others,
        "wsrep_last_committed": [committed[0], committed[-1]],
        **sessions.evidence(),
    }


def since_freeze(ctx: Context) -> Seen:
    """The original beside what it was at the freeze, within :data:`COMPARE_SECONDS` or thereabouts: users wait.

    By the log; without one, nothing was committed at all; else every table is read, where that was done in time at the
    freeze. What moved is told and no error: it is on the original, which goes on with it.

    :return: {"compared": by what, or "not_compared": why not, "moved": names, and "wsrep_last_committed": at the freeze
        and now, "expendable_moved", "elsewhere_moved", as far as they were seen}
    """
    frozen, at, known = ctx.recall(FROZEN), ctx.recall(FROZEN_AT), ctx.recall(STOOD_STILL) or {}
    if not frozen and not at:
        return {"not_compared": "nothing was frozen"}
    node = str(at["node"] if at else known.get("node") or sides(ctx).originals[0])
    try:
        heard = ctx.nodes.ping(list(sides(ctx).originals), timeout=COMPARE_SECONDS)
        # Where none answers (the master was just restarted, for one), nobody can be let write meanwhile.
        if heard and node not in heard:
            return {"not_compared": f"{node} does not answer"}
        return _logged_since(ctx, at, known) if at else _read_since(ctx, node, frozen or {}, known)
    except OctaneError as error:
        return {"not_compared": error.sentence}


def _logged_since(ctx: Context, at: Mapping[str, Any], known: Mapping[str, Any]) -> Seen:
    found = tables.logged(ctx, at, COMPARE_SECONDS)
    if _was_restarted(at, known, found):
        # What it has given to the cluster counts from its start: what others gave cannot be told any more.
        found = tables.logged(ctx, {**at, "foreign": None}, COMPARE_SECONDS)
    return {
        "compared": f"by the log of {at['node']} since {at['position']['file']}:{at['position']['position']}",
        "moved": found["moved"],
        "expendable_moved": found["expendable"],
        "elsewhere_moved": found["elsewhere"],
        "wsrep_last_committed": [known.get("committed"), found["committed"][1]],
    }


def _was_restarted(at: Mapping[str, Any], known: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the server has given less to its cluster than it had at the freeze."""
    numbers = known.get("committed"), at["foreign"], found["committed"][1], found["at"]["foreign"]
    if None in numbers:
        return False
    then, foreign_then, now, foreign_now = numbers
    return bool(now - foreign_now < then - foreign_then)


def _read_since(ctx: Context, node: str, frozen: tables.Checksums, known: Mapping[str, Any]) -> Seen:
    committed = [known.get("committed"), last_committed(ctx, node)]
    seen: Seen = {"wsrep_last_committed": committed}
    if committed[0] is not None and committed[0] == committed[1]:
        return {"compared": f"by wsrep_last_committed of {node}", "moved": [], **seen}
    seconds = known.get("seconds")
    if seconds is None or seconds > COMPARE_SECONDS:
        took = "an unknown time" if seconds is None else f"{seconds} s"
        return {"not_compared": f"reading every table takes {took}", **seen}
    now = tables.every_checksum(ctx, node, 3 * COMPARE_SECONDS)
    moved = tables.moved(frozen, tables.lasting(ctx, now))
    return {"compared": "by the checksum of every table", "moved": moved, **seen}


class Sessions:
    """Who is in the middle of writing to the path's databases: nobody may be in the end."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._last: list[str] = []
        self._waited_for: set[str] = set()
        self._elsewhere: set[str] = set()

    def look(self) -> list[str]:
        """Why the original does not stand still."""
        self._last, elsewhere = tables.writing_sessions(self._ctx)
        self._waited_for.update(self._last)
        self._elsewhere.update(elsewhere)
        return [f"in the middle of writing: {', '.join(self._last)}"] if self._last else []

    def evidence(self) -> Seen:
        return {
            "writing_sessions": self._last,
            "sessions_waited_for": sorted(self._waited_for),
            "sessions_elsewhere": sorted(self._elsewhere),
        }


def last_committed(ctx: Context, node: str) -> int | None:
    """Galera's number of the last write that NODE has; None without Galera."""
    return cast("int | None", ctx.nodes.call([node], "octane_db.last_committed")[node])


def _written(moved: list[str]) -> list[str]:
    return [f"written meanwhile: {', '.join(moved)}"] if moved else []


def _unexplained(committed: list[int | None], known: list[str]) -> list[str]:
    """A write that is in nothing that is known to have been written to."""
    before, after = committed
    if before == after or known:
        return []
    return [f"wsrep_last_committed went from {before} to {after}, and nothing tells what was written"]


def _all(rounds: list[Mapping[str, Any]], what: str) -> list[str]:
    return sorted({name for found in rounds for name in found[what]})
