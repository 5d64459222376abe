"""A replica of the original's databases on the seed: made and proven before the window, caught up inside it.

What the window costs depends on what was written since the last proof, never on how much data there is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.procedure import proof, tables, transfer
from octane.procedure.proof import PROVEN
from octane.procedure.reach import Reach
from octane.procedure.tables import COPIED, MIGRATED, MIGRATING
from octane.procedure.together import together
from octane.procedure.transfer import Ends, rate
from octane.procedure.way import REPLICA, REPLICATING, is_replica, way
from octane.sides import Sides, sides
from octane.step import LibraryStep, Outcome

ROUNDS = 5
QUICK = 3.0
"""Seconds of a proof that is worth no further one before the window."""


class Replicate(LibraryStep):
    """Copies the databases to the seed and follows the original's log from the place of the copy on.

    The account has a name of its own, in the journal before it exists; its password never leaves the seed's node. A
    replication that is there and sound goes on through a new tunnel; any other is taken away and made anew.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        if _is_over(ctx):
            return {}
        mark = ctx.recall(REPLICATING)
        status = _status(ctx, mark)
        if status and status["running"]:
            return {}
        chosen = way(ctx)
        return {"replicate": list(tables.databases(ctx)), "from": chosen["source"], "to": sides(ctx).seeds[0]}

    def apply(self, ctx: Context) -> Outcome:
        side, mark = sides(ctx), ctx.recall(REPLICATING)
        server = tables.seed_server(ctx, side)
        copied: dict[str, Any] = {}
        if _status(ctx, mark):
            assert mark is not None
            port = _connect(ctx, side, mark)
            _start(ctx, mark, None, port)
        else:
            mark, copied = _seed(ctx, side, server)
        ctx.nodes.call(list(side.seeds), "octane_replica.guard")
        status = _follow(ctx, mark)
        names = list(tables.databases(ctx))
        return Outcome(
            changes={"replicated": names},
            comment=f"{mark['target']} follows {mark['source']}, {status['lag_seconds'] or 0} s behind{_copy(copied)}",
            evidence={"databases": names, "account": mark["account"], "lag_seconds": status["lag_seconds"], **copied},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        if _is_over(ctx):
            return {}
        status = _status(ctx, ctx.recall(REPLICATING))
        if not status:
            raise Failed("the seed does not follow the original", node=sides(ctx).seeds[0])
        return {name: status[name] for name in ("running", "filtered", "lag_seconds", "behind")}

    def undo(self, ctx: Context) -> Outcome:
        """Until here the seed may follow the original, which takes writes again: its copy counts as none by then."""
        if not is_replica(ctx) and not ctx.recall(REPLICATING):
            return Outcome(comment="there was no replica")
        reach, names = Reach(ctx), list(ctx.path.databases)
        _take_away(ctx, reach)
        tables.drop_copy(ctx, reach)
        reach.require_all()
        for key in (REPLICATING, PROVEN, COPIED, MIGRATING, MIGRATED):
            ctx.record(key, None)
        return Outcome(changes={"dropped": names}, comment="no replica, no account, no tunnel and no copy is left")


class ProveEqual(LibraryStep):
    """Compares every table of both sides at one point of the log, then what changed meanwhile, until that is little.

    It is the last look at the replica before writes are refused: each run tells how far it is behind, and waits for it.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        if _is_over(ctx) or proof.proven(ctx, ctx.recall(REPLICATING)):
            return {}
        return {"prove": "every table of both sides, at one point of the log"}

    def apply(self, ctx: Context) -> Outcome:
        mark = _mark(ctx)
        known = proof.proven(ctx, mark)
        since, rounds, first = known["position"] if known else None, 0, 0
        while True:
            found = _proof(ctx, mark, since)
            rounds, first = rounds + 1, first or (found.whole if since is None else 0)
            proof.remember(ctx, mark, found)
            ctx.progress(f"equal at {found.position['file']}:{found.position['position']}", seconds=found.seconds)
            if since is not None and (found.seconds < QUICK or rounds >= ROUNDS):
                break
            since = found.position
        evidence = {"tables": first, "rounds": rounds, "last_seconds": found.seconds, "last_rows": found.rows}
        evidence |= together(ctx)
        comment = f"{first} tables equal at one point of the log, the last of {rounds} proofs took {found.seconds} s"
        return Outcome(changes={"proven": f"{first} tables"}, comment=comment, evidence=evidence)

    def verify(self, ctx: Context) -> dict[str, Any]:
        mark = ctx.recall(REPLICATING)
        known = proof.proven(ctx, mark)
        if not mark or not known or _is_over(ctx):
            return {"position": known["position"]} if known else {}
        before = _tell_lag(ctx, mark)
        _follow(ctx, mark)
        return {**_tell_lag(ctx, mark), "waited_for": before, "position": known["position"]}

    def undo(self, ctx: Context) -> Outcome:
        ctx.record(PROVEN, None)
        return Outcome(comment="the record of the proof is dropped")


class CatchUp(LibraryStep):
    """In the window: what changed since the last proof is compared at the log's end, then the replication stops.

    What was proven before and has not changed is not read again.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED) or not is_replica(ctx):
            return {}
        mark = ctx.recall(REPLICATING)
        follows = bool(mark) and not mark.get("stopped")
        if ctx.recall(COPIED):
            return {"stop": "the replication"} if follows else {}
        # What a migration that failed has left is thrown away and copied anew by the next step.
        return {} if ctx.recall(MIGRATING) and not follows else {"catch up": list(tables.databases(ctx))}

    def apply(self, ctx: Context) -> Outcome:
        evidence: dict[str, Any] = {}
        if "catch up" in self.pending(ctx):
            evidence = self._prove(ctx)
        mark = ctx.recall(REPLICATING)
        if mark:
            ctx.nodes.call(list(sides(ctx).seeds), "octane_replica.remove")
            ctx.record(REPLICATING, {**mark, "stopped": True})
        return Outcome(
            changes={"caught up": list(tables.databases(ctx))},
            comment=f"equal to the last row, {evidence.get('seconds', 0)} s; the seed follows no more",
            evidence=evidence,
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(MIGRATED) or not is_replica(ctx) else {"copied": ctx.recall(COPIED)}

    def undo(self, ctx: Context) -> Outcome:
        if is_replica(ctx):
            ctx.record(COPIED, None)
        return Outcome(comment="the copy counts as none")

    def _prove(self, ctx: Context) -> dict[str, Any]:
        mark = _mark(ctx)
        known = proof.proven(ctx, mark)
        found = _proof(ctx, mark, known["position"] if known else None, last=True)
        tables.unmoved(ctx)
        proof.remember(ctx, mark, found)
        ctx.record(MIGRATING, None)
        ctx.record(
            COPIED,
            {"way": REPLICA, "source": mark["source"], "target": mark["target"], "position": dict(found.position)},
        )
        numbers = {"rows": found.rows, "tables_read": found.whole, "statements": found.statements}
        return {**numbers, "seconds": found.seconds, "position": dict(found.position), "different": []}


class EndReplication(LibraryStep):
    """What the replication leaves behind when it has stopped, its tunnel and its account, can go at leisure.

    What is left of them on the way back goes with the copy (:meth:`Replicate.undo`).
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        mark = ctx.recall(REPLICATING)
        return {"remove": mark["account"]} if mark and ctx.recall(COPIED) else {}

    def apply(self, ctx: Context) -> Outcome:
        mark = ctx.recall(REPLICATING)
        if mark:
            take_away(ctx)
        removed = {"removed": mark["account"]} if mark else {}
        return Outcome(changes=removed, comment="no account and no tunnel is left")

    def undo(self, ctx: Context) -> Outcome:
        return Outcome(comment="nothing to put back")


def take_away(ctx: Context) -> None:
    """No replica, account, tunnel or changed setting is left on any node; what is looked for by name is in the mark.

    :raises Failed: naming the nodes where something may be left; all others were asked.
    """
    reach = Reach(ctx, patient=True)
    _take_away(ctx, reach)
    reach.require_all()
    ctx.record(REPLICATING, None)


def _take_away(ctx: Context, reach: Reach) -> None:
    side, mark = sides(ctx), ctx.recall(REPLICATING)
    ends = [mark["source"], mark["target"]] if mark else [way(ctx)["source"], *side.seeds[:1]]
    reach.call(side.seeds, "octane_replica.remove")
    for function in ("octane_tunnel.end", "octane_proof.abandon"):
        reach.call(filter(None, ends), function)
    if mark:
        reach.call([mark["source"]], "octane_source.dismiss", mark["account"])


def _copy(copied: Mapping[str, Any]) -> str:
    if not copied:
        return ""
    return f"; {copied['bytes']} bytes copied in {copied['seconds']} s, {transfer.at_most(copied['limit'])}"


def _is_over(ctx: Context) -> bool:
    """The part before the window has nothing to do: it is another way, or the window has its copy."""
    return bool(ctx.recall(MIGRATED) or ctx.recall(COPIED) or not is_replica(ctx))


def _mark(ctx: Context) -> dict[str, Any]:
    mark = ctx.recall(REPLICATING)
    if not mark or not mark.get("position") or mark.get("stopped"):
        raise Failed("the seed does not follow the original")
    return dict(mark)


def _status(ctx: Context, mark: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How the replication stands, None when it is none that could be trusted to go on."""
    if not mark or not mark.get("position"):
        return None
    status = ctx.nodes.call([mark["target"]], "octane_replica.status", list(tables.databases(ctx)))[mark["target"]]
    return dict(status) if status["configured"] and status["filtered"] and not status["broken"] else None


def _seed(ctx: Context, side: Sides, server: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A copy and a replication from its place on; the mark, and what the copy was."""
    take_away(ctx)
    for key in (PROVEN, COPIED):
        ctx.record(key, None)
    chosen = way(ctx)
    mark: dict[str, Any] = {"source": chosen["source"], "target": side.seeds[0], "position": None, "foreign": None}
    mark["account"] = f"octane_{secrets.token_hex(4)}"
    ctx.record(REPLICATING, mark)
    if not chosen["whole_log"]:
        mark["foreign"] = ctx.nodes.call([mark["source"]], "octane_source.foreign_writes")[mark["source"]]
    port = _connect(ctx, side, mark)
    ends, limit = Ends(side, mark["source"], mark["target"]), transfer.rate_beside_users(ctx)
    copied = transfer.databases(ctx, ends, list(tables.databases(ctx)), server, limit)
    if not copied.get("position"):
        raise Failed("the copy does not say where in the log it stands", node=mark["source"])
    position = {name: copied["position"][name] for name in ("file", "position")}
    _start(ctx, mark, position, port)
    mark["position"] = position
    ctx.record(REPLICATING, mark)
    return mark, {"bytes": copied["bytes"], "seconds": copied["seconds"], "limit": limit}


def _connect(ctx: Context, side: Sides, mark: Mapping[str, Any]) -> int:
    """A tunnel, and an account with a new password; the port of the target's loopback that leads to the source."""
    source, target = mark["source"], mark["target"]
    ctx.nodes.call([source, target], "octane_tunnel.end")
    identity = ctx.nodes.call([target], "octane_stream.identity")[target]
    serving = ctx.nodes.call(
        [source], "octane_tunnel.serve", side.admin[source], identity["certificate"], rate=rate(ctx)
    )[source]
    joined = ctx.nodes.call(
        [target],
        "octane_tunnel.join",
        side.admin[source],
        serving["port"],
        serving["certificate"],
        identity["identity"],
    )[target]
    prepared = ctx.nodes.call([target], "octane_replica.prepare")[target]
    ctx.nodes.call([source], "octane_source.admit", mark["account"], prepared["hash"])
    return int(joined["port"])


def _start(ctx: Context, mark: Mapping[str, Any], position: Mapping[str, Any] | None, port: int) -> None:
    names = list(tables.databases(ctx))
    ctx.nodes.call([mark["target"]], "octane_replica.start", mark["account"], position, port, names, timeout=300)


def _follow(ctx: Context, mark: Mapping[str, Any]) -> dict[str, Any]:
    """Wait until the replica hears the source and is where its log ends now."""
    now = ctx.nodes.call([mark["source"]], "octane_source.position")[mark["source"]]
    given = (now, transfer.TIMEOUT, True)
    found = ctx.nodes.call([mark["target"]], "octane_replica.wait_for", *given, timeout=transfer.TIMEOUT + proof.GRACE)
    return dict(found[mark["target"]])


def _tell_lag(ctx: Context, mark: Mapping[str, Any]) -> dict[str, Any]:
    """How far the replica is behind the end of the source's log, as progress: {"lag_seconds", "behind": bytes}."""
    source, target = mark["source"], mark["target"]
    now = ctx.nodes.call([source], "octane_source.position")[source]
    found = ctx.nodes.call([target], "octane_replica.status", list(tables.databases(ctx)), now)[target]
    lag = {"lag_seconds": found["lag_seconds"] or 0, "behind": found["behind"]}
    ctx.progress(f"{target} follows {source}", **lag)
    return lag


def _proof(ctx: Context, mark: Mapping[str, Any], since: Mapping[str, Any] | None, last: bool = False) -> proof.Round:
    """A round; a replica that was found different is trusted no more, and is made anew by the next run."""
    try:
        return proof.take(ctx, mark, since, last)
    except proof.Different:
        ctx.record(PROVEN, None)
        ctx.record(REPLICATING, {**mark, "position": None})
        raise
