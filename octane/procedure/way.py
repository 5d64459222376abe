"""How the seed gets the databases: a replica that is made before the window, or a dump inside it."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from octane.context import Context
from octane.errors import BadInput, Refused, WaitTimeout
from octane.procedure import tables
from octane.procedure.tables import COPIED
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.wait import until

RECONNECT_SECONDS = 20
"""Services connect when they have something to tell, every 10 s."""
WAY = "db.way"
"""What was chosen: {"way", "source": node or None, "whole_log": bool, "reasons": why it is no replica}."""
REPLICATING = "db.replicating"
"""A replication that exists or was begun: {"source", "target", "account", "position", "foreign"}; without a position
it is to be made anew; with ``"stopped"`` only its account and tunnel are left. ``foreign`` as in
:data:`octane.procedure.tables.FROZEN_AT`."""
REPLICA, DUMP = "replica", "dump"
SERIES = ((5, 5), (5, 6), (5, 7), (8, 0))
"""Of MySQL, in their order; MariaDB's follow whatever is older."""


class ChooseWay(LibraryStep):
    """Settles the way, once: the one asked for (option ``way``), else a replica where both sides allow it."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        recorded, asked = ctx.recall(WAY), ctx.options.get("way")
        if recorded and asked in (None, recorded["way"]):
            return {}
        if recorded and (ctx.recall(REPLICATING) or ctx.recall(COPIED)):
            raise Refused(f"the databases are on their way by {recorded['way']}; the way changes after an undo only")
        return {"way": choose(ctx)["way"]}

    def apply(self, ctx: Context) -> Outcome:
        chosen = choose(ctx)
        if chosen["way"] == REPLICA and not chosen["whole_log"]:
            chosen = {**chosen, "source": _node_of_writers(ctx) or chosen["source"]}
            release(ctx, chosen["source"])
        ctx.record(WAY, chosen)
        why = f": {'; '.join(chosen['reasons'])}" if chosen["reasons"] else ""
        return Outcome(changes={"way": chosen["way"]}, comment=f"by {chosen['way']}{why}", evidence=chosen)

    def verify(self, ctx: Context) -> dict[str, Any]:
        return dict(ctx.recall(WAY) or {})

    def undo(self, ctx: Context) -> Outcome:
        ctx.record(WAY, None)
        return Outcome(comment="no way is chosen")


def way(ctx: Context) -> dict[str, Any]:
    """What was chosen, or in a dry run would be; an upgrade that has its copy already got it by a dump."""
    return dict(ctx.recall(WAY) or (_dump(["it was before there was a choice"]) if ctx.recall(COPIED) else choose(ctx)))


def is_replica(ctx: Context) -> bool:
    return bool(way(ctx)["way"] == REPLICA)


def choose(ctx: Context) -> dict[str, Any]:
    """As :data:`WAY`, from what the servers of both sides say of themselves.

    :raises Refused: a replica was asked for, and why there can be none
    """
    asked = ctx.options.get("way")
    if asked not in (None, REPLICA, DUMP):
        raise BadInput(f"the databases come by {REPLICA} or by {DUMP}, not by {asked!r}")
    if asked == DUMP:
        return _dump(["it was asked for"])
    side, names = sides(ctx), list(tables.databases(ctx))
    sources = ctx.nodes.call(list(side.originals), "octane_source.able", names)
    target = ctx.nodes.call([side.seeds[0]], "octane_replica.able")[side.seeds[0]]
    reasons = [f"{side.seeds[0]}: {reason}" for reason in target["reasons"]]
    good = [node for node in side.originals if sources[node]["able"]]
    if not good:
        reasons += [f"{node}: {reason}" for node in side.originals for reason in sources[node]["reasons"]]
    if len({sources[node]["family"] for node in side.originals} | {target["family"]}) > 1:
        reasons.append("both sides' servers are of different families, and their checksums do not compare")
    elif target["family"] == "mysql":
        reasons += [
            f"{side.seeds[0]}: MySQL {target['version']} follows none of {sources[node]['version']} ({node}), which is "
            "not of its series or the one before"
            for node in good
            if not _is_next(numbers(sources[node]["version"]), numbers(target["version"]))
        ]
    if reasons and asked == REPLICA:
        raise Refused(f"there can be no replica: {'; '.join(reasons)}")
    if reasons:
        return _dump(reasons)
    # Where no log holds the whole cluster's writes, the one of the node that HAProxy sends all writers to does.
    whole = [node for node in good if sources[node]["whole_log"]]
    source = whole[0] if whole else max(good, key=lambda node: sources[node]["writes"])
    return {"way": REPLICA, "source": source, "whole_log": bool(whole), "reasons": []}


def numbers(version: str) -> tuple[int, ...]:
    """The first two parts of a server's version: patch levels of one series read each other's files."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _is_next(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether MySQL lets a server of the series TARGET follow one of SOURCE."""
    if source not in SERIES or target not in SERIES:
        return source == target
    return SERIES.index(target) - SERIES.index(source) in (0, 1)


def release(ctx: Context, source: str) -> None:
    """Let no client stay connected to another of the original's servers than SOURCE: what it writes there is not in
    the log that is followed. After a failover of HAProxy some do, for as long as their connections last."""
    others = [node for node in sides(ctx).originals if node != source]
    if others:
        ctx.nodes.call(others, "octane_sessions.release", list(tables.databases(ctx)))


def _node_of_writers(ctx: Context) -> str | None:
    """The node to which HAProxy sends those who connect anew; None when it cannot be told. Mostly all are on one."""
    before = _sessions(ctx)
    used = sorted(before, key=lambda node: len(before[node]), reverse=True)
    if len(before) < 2 or not before[used[1]]:
        return used[0] if before[used[0]] else None
    release(ctx, used[0])
    found: dict[str, int] = {}

    def connected() -> bool:
        found.update({node: len(now - before[node]) for node, now in _sessions(ctx).items()})
        return any(found.values())

    with contextlib.suppress(WaitTimeout):
        until(connected, RECONNECT_SECONDS, "services to connect to the original's database again", 1)
    return max(used, key=lambda node: found[node])


def _sessions(ctx: Context) -> dict[str, set[int]]:
    """Ids of the client sessions on each of the original's servers."""
    found = ctx.nodes.call(list(sides(ctx).originals), "octane_sessions.sessions", list(tables.databases(ctx)))
    return {node: {one["id"] for one in there} for node, there in found.items()}


def _dump(reasons: list[str]) -> dict[str, Any]:
    return {"way": DUMP, "source": None, "whole_log": False, "reasons": reasons}
