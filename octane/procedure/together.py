"""What comes to one of the seed's database servers is on all of them: they are one cluster, and none is behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken, WaitTimeout
from octane.procedure.checks import Check
from octane.sides import sides
from octane.wait import until

PATIENCE = 120
"""Seconds in which a member has applied what it was sent; flow control holds the sender when it has a lot to do."""


class SeedTogether(Check):
    """Every controller of the seed has what was copied and migrated, as a member of one cluster."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        return together(ctx)


def together(ctx: Context) -> dict[str, Any]:
    """Wait until each of the seed's servers is synced, in one cluster of all, and has committed what the first had when
    it was asked; {} where the seed has no cluster.

    :return: {"committed": {node: number}}
    :raises InvariantBroken: naming those that are not, and how they stand
    """
    seeds = list(sides(ctx).seeds)
    if len(seeds) == 1:
        return {}
    first = ctx.nodes.call(seeds[:1], "octane_db.wsrep")[seeds[0]]
    if not first["enabled"]:
        return {}
    found: dict[str, Mapping[str, Any]] = {}

    def there() -> bool:
        found.update(ctx.nodes.call(seeds, "octane_db.wsrep"))
        return not _apart(found, first)

    try:
        until(there, PATIENCE, "the seed's database servers to have the same")
    except WaitTimeout as error:
        told = "; ".join(_apart(found, first))
        raise InvariantBroken(f"{error.sentence}: {told}: see `crm_mon -1` there, and the server's log") from error
    return {"committed": {node: one["last_committed"] for node, one in found.items()}}


def _apart(found: Mapping[str, Mapping[str, Any]], first: Mapping[str, Any]) -> list[str]:
    """Members that are not where the FIRST was, a sentence each."""
    return [
        f"{node} is {one['state'] or 'not running'} in a {one['status'] or 'missing'} cluster of {one['size']}, "
        f"state {one['uuid'] or 'none'}:{one['last_committed']} and not {first['uuid']}:{first['last_committed']}"
        for node, one in found.items()
        if (one["state"], one["status"], one["size"]) != ("Synced", "Primary", len(found))
        or one["uuid"] != first["uuid"]
        or one["last_committed"] < first["last_committed"]
    ]
