"""
What users know of their things: noted when the original stands still, compared when the copy is migrated.

What was deleted before is left out in the window when a rehearsal has passed: it would cost time by years of use,
nobody has it any more, its rows are proven equal before the migrations like all others, and the rehearsal compared it
after the same migrations.
"""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken, Refused
from octane.path import identity
from octane.path.identity import NEW, OLD, View
from octane.procedure.checks import Check
from octane.procedure.tables import MIGRATED, MIGRATING, REHEARSED
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.verify.identities import Differences, Rows, Sums, asked, compare

IDENTITIES = "db.identities"
"""Of the frozen original: {view: {"rows": int, "sums": [int]}}."""
LIVING = "db.identities_of_living"
"""Whether these are without what was deleted before."""
TIMEOUT = 3600


class Snapshot(LibraryStep):
    """Sums over all rows of each kind of thing that users know, as the original has them at the freeze."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        begun = ctx.recall(MIGRATED) or ctx.recall(MIGRATING)
        return {} if begun and ctx.recall(IDENTITIES) else {"note": [view.name for view in views(ctx)]}

    def apply(self, ctx: Context) -> Outcome:
        ctx.record(LIVING, bool(ctx.recall(REHEARSED)))
        found = read(ctx, sides(ctx).originals[0], OLD)
        ctx.record(IDENTITIES, found)
        counted = counts(found)
        return Outcome(changes={"noted": counted}, comment=f"{sum(counted.values())} rows of {len(counted)} kinds")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"rows": counts(ctx.recall(IDENTITIES) or {})}

    def undo(self, ctx: Context) -> Outcome:
        ctx.record(IDENTITIES, None)
        ctx.record(LIVING, None)
        return Outcome(comment="what was noted is dropped")


class Verify(Check):
    """The migrated copy has every row that was noted at the freeze, and no other; what differs stops the stage."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        before = ctx.recall(IDENTITIES)
        if not before:
            raise Refused("nothing was noted at the freeze that the copy could be compared with")
        side = sides(ctx)
        after = read(ctx, side.seeds[0], NEW)
        nodes = {OLD: side.originals[0], NEW: side.seeds[0]}
        found = compare(views(ctx), before, after, lambda which, queries: rows(ctx, nodes[which], queries))
        refuse_lost(found)
        deleted = "compared by the rehearsal alone" if ctx.recall(LIVING) else "compared"
        return {"rows": counts(after), "documented": found.known, "what_was_deleted_before": deleted}


def views(ctx: Context) -> tuple[View, ...]:
    """Those that are compared with what was noted.

    :raises Refused: the path has none, so that nothing could be verified along it.
    """
    every = every_view(ctx)
    return identity.living(every) if ctx.recall(LIVING) else every


def every_view(ctx: Context) -> tuple[View, ...]:
    """Those of a rehearsal, which has the time to read what was deleted as well.

    :raises Refused: the path has none
    """
    found = identity.load(ctx.path.name)
    if not found:
        raise Refused(f"the path {ctx.path.name} does not say what users know their things by: it cannot be verified")
    return found


def read(ctx: Context, node: str, side: str) -> Sums:
    found: Sums = ctx.nodes.call([node], "octane_views.sums", asked(views(ctx), side), timeout=TIMEOUT)[node]
    return found


def rows(ctx: Context, node: str, queries: list[dict[str, Any]]) -> Rows:
    found: Rows = ctx.nodes.call([node], "octane_views.rows", queries, timeout=TIMEOUT)[node]
    return found


def counts(found: Sums) -> dict[str, int]:
    return {name: one["rows"] for name, one in found.items()}


def refuse_lost(found: Differences) -> None:
    """:raises InvariantBroken: listing what differs, row by row."""
    if found.count:
        more = f" and {found.count - len(found.lost)} more" if found.count > len(found.lost) else ""
        raise InvariantBroken(f"at least {found.count} differences to the original: {'; '.join(found.lost)}{more}")
