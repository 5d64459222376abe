"""Rows of the original that would break its successor's migrations or start, and work that is in flight there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import NodeFailed, NodeSilent
from octane.path import Check
from octane.sides import sides

TIMEOUT = 600
STANDING_STILL = 3600
"""Seconds without a change after which work in flight is not waited for: whoever was at it is gone."""


def findings(ctx: Context, databases: Iterable[str], mended: bool = False) -> list[str]:
    """What stands in the way in DATABASES, a sentence each, with its remedy: known-breaking rows, and work in flight
    that stands still.

    What the commands before the window put right is left out where they come next: in the real stage, until MENDED.
    """
    wanted = set(databases)
    told = mended or bool(ctx.stage.beside)
    breaking = [check for check in ctx.path.breaking if check.database in wanted and (told or not check.mended_before)]
    still = [check for check in ctx.path.in_flight if check.database in wanted]
    return _found(ctx, breaking, still)


def unmended(ctx: Context) -> list[str]:
    """Known-breaking rows that the commands before the window should have put right, a sentence each."""
    return _found(ctx, [check for check in ctx.path.breaking if check.mended_before])


def in_flight(ctx: Context, databases: Iterable[str]) -> list[str]:
    """Everything that the original's services are in the middle of at this moment, a sentence each."""
    wanted = set(databases)
    return _found(ctx, [check for check in ctx.path.in_flight if check.database in wanted])


def questions(checks: Iterable[Check], aged: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """CHECKS as ``octane_rows.matching`` takes them; AGED: least seconds without a change, by name."""
    ages = aged or {}
    return [
        {"name": one.name, "database": one.database, "query": one.query, "older_than": ages.get(one.name, 0)}
        for one in checks
    ]


def sentence(check: Check, found: Mapping[str, Any], stands_still: bool = False) -> str:
    """What FOUND says of CHECK: how many rows, some of their ids, the remedy."""
    age = f" that have not changed for {STANDING_STILL // 60} minutes" if stands_still else ""
    more = ", ..." if found["count"] > len(found["first"]) else ""
    ids = ", ".join(found["first"])
    return f"{check.database}: {found['count']} {check.finding}{age}: {ids}{more}: {check.remedy}"


def _found(ctx: Context, checks: Iterable[Check], standing_still: Collection[Check] = ()) -> list[str]:
    """A sentence for each of CHECKS that finds something, and for each of STANDING_STILL that finds something that old;
    asked in one call, of one moment. In a schema that is not as it should be, each is asked by itself, and one that
    cannot be answered is told like a finding: it must hide no other."""
    aged = {check.name: STANDING_STILL for check in standing_still}
    asked = [*checks, *standing_still]
    if not asked:
        return []
    try:
        return _told(ctx, asked, aged)
    except NodeSilent:
        raise
    except NodeFailed:
        return [found for check in asked for found in _told_alone(ctx, check, aged)]


def _told(ctx: Context, asked: list[Check], aged: Mapping[str, int]) -> list[str]:
    node = sides(ctx).originals[0]
    answers = ctx.nodes.call([node], "octane_rows.matching", questions(asked, aged), timeout=TIMEOUT)[node]
    return [sentence(one, answers[one.name], one.name in aged) for one in asked if answers[one.name]["count"]]


def _told_alone(ctx: Context, check: Check, aged: Mapping[str, int]) -> list[str]:
    try:
        return _told(ctx, [check], aged)
    except NodeSilent:
        raise
    except NodeFailed as error:
        why = f"{check.database}: {check.finding} cannot be looked for: {error.message}"
        return [f"{why}: see what became of that schema on {error.node}"]
