"""Galera's limits of one transaction, out of the way of migrations on the seed.

Migrations fill whole tables in single statements (heat 056, neutron 14be42f3d0a5 and 35a0f3365720 on the way to Kilo);
with more rows than ``wsrep_max_ws_rows`` such a statement fails, and a failed migration cannot be run again. Nothing
else writes to the seed then, so that the limits protect nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken
from octane.sides import sides
from octane.step import LibraryStep, Outcome

ROWS, BYTES = "wsrep_max_ws_rows", "wsrep_max_ws_size"
NONE, MOST = "0", 1048576
"""No limit of rows, and the most that a server has whose limit cannot be taken away."""
LARGE = 2**31 - 1
"""Bytes of the largest transaction that Galera takes at all."""


class Lift(LibraryStep):
    """Every database server of the seed takes transactions as large as Galera can: which of them the services' commands
    reach is HAProxy's affair."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        limited = _limited(ctx)
        return {"lift": limited} if limited else {}

    def apply(self, ctx: Context) -> Outcome:
        before = _limited(ctx)
        lifted = ctx.nodes.call(list(sides(ctx).seeds), "octane_globals.lift_limits")
        return Outcome(
            changes={node: {"old": before[node], "new": lifted[node]} for node in before},
            comment=f"{len(before)} servers take larger transactions",
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        limited = _limited(ctx)
        if limited:
            raise InvariantBroken(f"transactions of migrations are limited: {limited}")
        return {"limits": _limits(ctx)}

    def undo(self, ctx: Context) -> Outcome:
        return _restored(ctx)


class Restore(LibraryStep):
    """The limits are again what they were."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        lifted = _lifted(ctx)
        return {"restore": lifted} if lifted else {}

    def apply(self, ctx: Context) -> Outcome:
        return _restored(ctx)

    def verify(self, ctx: Context) -> dict[str, Any]:
        lifted = _lifted(ctx)
        if lifted:
            raise InvariantBroken(f"limits of transactions are still lifted: {lifted}")
        return {"lifted": []}


def _limits(ctx: Context) -> dict[str, Mapping[str, str]]:
    return dict(ctx.nodes.call(list(sides(ctx).seeds), "octane_globals.limits"))


def _limited(ctx: Context) -> dict[str, Mapping[str, str]]:
    """Limits by node, of those that a migration could run into."""
    return {
        node: found
        for node, found in _limits(ctx).items()
        if found and (found[ROWS] not in (NONE, str(MOST)) or int(found[BYTES]) < LARGE)
    }


def _lifted(ctx: Context) -> dict[str, list[str]]:
    """Names of the limits that a node has noted to put back."""
    noted = ctx.nodes.call(list(sides(ctx).seeds), "octane_globals.changed")
    return {node: found for node, kept in noted.items() if (found := sorted({ROWS, BYTES} & set(kept)))}


def _restored(ctx: Context) -> Outcome:
    seeds = list(sides(ctx).seeds)
    done = ctx.nodes.call(seeds, "octane_globals.restore_limits") if seeds else {}
    changes = {node: back for node, back in done.items() if back}
    return Outcome(changes, f"{len(changes)} servers limit transactions as before")
