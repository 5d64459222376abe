"""Rows of the original that would break its successor's migrations or start, and work that is in flight there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octane.context import Context
from octane.path import Check
from octane.sides import sides

TIMEOUT = 600
STANDING_STILL = 3600
"""Seconds without a change after which work in flight is not waited for: whoever was at it is gone."""


def findings(ctx: Context, databases: Iterable[str]) -> list[str]:
    """What stands in the way in DATABASES, a sentence each, with its remedy: known-breaking rows, and work in flight
    that stands still.

    What the commands before the window put right is left out where they come next: in the real stage.
    """
    wanted = set(databases)
    trial = bool(ctx.stage.beside)
    breaking = [check for check in ctx.path.breaking if check.database in wanted and (trial or not check.mended_before)]
    in_flight = [check for check in ctx.path.in_flight if check.database in wanted]
    return [
        *_found(ctx, breaking),
        *_found(ctx, in_flight, STANDING_STILL, f" that have not changed for {STANDING_STILL // 60} minutes"),
    ]


def unmended(ctx: Context) -> list[str]:
    """Known-breaking rows that the commands before the window should have put right, a sentence each."""
    return _found(ctx, [check for check in ctx.path.breaking if check.mended_before])


def in_flight(ctx: Context) -> list[str]:
    """Everything that the original's services are in the middle of at this moment, a sentence each."""
    return _found(ctx, ctx.path.in_flight)


def sentence(check: Check, found: dict[str, Any], which: str = "") -> str:
    """What CHECK FOUND ({"count", "first"}), the ids of the first few, and the remedy."""
    more = ", ..." if found["count"] > len(found["first"]) else ""
    return (
        f"{check.database}: {found['count']} {check.finding}{which}: {', '.join(found['first'])}{more}: {check.remedy}"
    )


def _found(ctx: Context, checks: Iterable[Check], older_than: int = 0, which: str = "") -> list[str]:
    asked = list(checks)
    if not asked:
        return []
    node = sides(ctx).originals[0]
    queries = [{"name": check.name, "database": check.database, "query": check.query} for check in asked]
    answers = ctx.nodes.call([node], "octane_rows.matching", queries, older_than, timeout=TIMEOUT)[node]
    return [sentence(check, answers[check.name], which) for check in asked if answers[check.name]["count"]]
