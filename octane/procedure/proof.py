"""Both sides proven equal at one point of the original's log, and again by what the log says has changed since."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.procedure import tables, transfer
from octane.procedure.tables import CHECKSUM_TIMEOUT
from octane.sides import sides

PROVEN = "db.proven"
"""Equal at this place: {"account": of the replication, "position", "tables": {database: {table: checksum}}}; the
checksums are of the first proof, rows that changed since have been compared by their keys."""
GRACE = 60
"""Seconds that a node gets beyond its own bound, so that its own word about it is heard."""


class Different(Failed):
    """Both sides are not equal; the message names the tables."""


@dataclass(frozen=True)
class Round:
    """One proof: ``wanted`` is what was compared (None: every table), ``rows`` how many by their keys, ``sums`` by
    database and table, ``statements`` how many changed a schema since the proof before."""

    position: Mapping[str, Any]
    wanted: Mapping[str, Mapping[str, Any]] | None
    sums: Mapping[str, Mapping[str, Any]]
    statements: int
    seconds: float

    @property
    def rows(self) -> int:
        return sum(len(one["keys"]) for found in (self.wanted or {}).values() for one in found.values() if one)

    @property
    def whole(self) -> int:
        """Tables that were read from their first row to their last."""
        compared = [] if self.wanted is None else [one for found in self.wanted.values() for one in found.values()]
        return compared.count(None) if self.wanted is not None else sum(map(len, self.sums.values()))


def take(ctx: Context, mark: Mapping[str, Any], since: Mapping[str, Any] | None, last: bool = False) -> Round:
    """Compare what changed SINCE a proven place (None: everything) at one point of the log; what changed, on the
    seed's other controllers as well.

    :param mark: of the replication, see :data:`octane.procedure.way.REPLICATING`
    :param last: the replication has done its work: when both sides are equal it is left standing there. Users wait
        for this one, so that it has no limit; the others read of the original no more than the operator lets them
    :raises Different: naming the tables
    """
    target = mark["target"]
    held = ctx.nodes.call([target], "octane_replica.hold")[target]
    try:
        if not held["filtered"]:
            # A restart of the server forgets the filter and goes on without it.
            raise Different("the replica has taken databases that are not this path's", node=target)
        found = _round(ctx, mark, since, 0 if last else transfer.rate_beside_users(ctx))
    except BaseException:
        ctx.nodes.call([target], "octane_replica.resume")
        raise
    if not last:
        ctx.nodes.call([target], "octane_replica.resume")
    return found


def _round(ctx: Context, mark: Mapping[str, Any], since: Mapping[str, Any] | None, limit: int) -> Round:
    """:func:`take`, while the replica is held; LIMIT: bytes a second that may be read of the original, 0: no limit."""
    names, skip, started = list(tables.databases(ctx)), tables.expendable(ctx), time.monotonic()
    source, target = mark["source"], mark["target"]
    # What is to be compared is known soon; when that is everything, both sides read at the same time.
    soon = since is not None
    begun = _call(ctx, source, "octane_proof.source", names, skip, since, soon, limit)
    wanted = begun["wanted"] if soon else None
    there = _call(ctx, target, "octane_proof.target", names, begun["position"], wanted, skip, soon, soon)
    ours = begun if soon else _finished(ctx, source, begun["ticket"])
    theirs = there if soon else _finished(ctx, target, there["ticket"])
    _refuse_differences(ours["sums"], theirs["sums"], target)
    _compare_cluster(ctx, mark, wanted, theirs["sums"])
    seconds = round(time.monotonic() - started, 1)
    return Round(ours["position"], ours["wanted"], ours["sums"], ours["statements"], seconds)


def remember(ctx: Context, mark: Mapping[str, Any], found: Round) -> None:
    """Both sides were equal there."""
    before = ctx.recall(PROVEN) or {}
    # By rows a table has no checksum of its own, and keeps the one it was first proven by.
    sums = found.sums if found.wanted is None else before.get("tables", {})
    position = {name: found.position[name] for name in ("file", "position")}
    ctx.record(PROVEN, {"account": mark["account"], "position": position, "tables": sums})


def proven(ctx: Context, mark: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The proof of this very replication."""
    found = ctx.recall(PROVEN)
    return dict(found) if found and mark and found["account"] == mark["account"] else None


def _finished(ctx: Context, node: str, ticket: str) -> dict[str, Any]:
    return _call(ctx, node, "octane_proof.finished", ticket, transfer.TIMEOUT)


def _call(ctx: Context, node: str, fun: str, *args: Any) -> dict[str, Any]:
    # A comparison within a limit takes as long as the copy did.
    return dict(ctx.nodes.call([node], fun, *args, timeout=transfer.TIMEOUT + GRACE)[node])


def _compare_cluster(
    ctx: Context, mark: Mapping[str, Any], wanted: Mapping[str, Any] | None, sums: Mapping[str, Mapping[str, Any]]
) -> None:
    """What came by replication to one controller of the seed is on the others too."""
    others = [node for node in sides(ctx).seeds if node != mark["target"]]
    if not others or not wanted:
        return
    names, skip = list(tables.databases(ctx)), tables.expendable(ctx)
    answers = ctx.nodes.call(others, "octane_proof.reader", names, wanted, skip, timeout=CHECKSUM_TIMEOUT)
    for node, answer in answers.items():
        _refuse_differences(sums, answer["sums"], node)


def _refuse_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], node: str) -> None:
    different = tables.moved(ours, theirs)
    if different:
        raise Different(f"not equal at one point of the log: {', '.join(different[:10])}", node=node)
