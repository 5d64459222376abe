"""The database stage: the original's data on the seed, equal to the last row.

What a step decides is read from the world (checksums of tables, heads of schemas); marks in the journal say what the
world cannot: both sides were equal, a migration has begun, all are done (:mod:`octane.procedure.tables`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, Refused
from octane.procedure import standstill, tables, transfer
from octane.procedure.checks import Check
from octane.procedure.db_rows import in_flight
from octane.procedure.reach import Reach
from octane.procedure.standstill import STOOD_STILL
from octane.procedure.tables import COPIED, FROZEN, FROZEN_AT, MIGRATED, MIGRATING
from octane.procedure.together import together
from octane.procedure.transfer import Ends
from octane.procedure.way import REPLICATING, is_replica, release
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.wait import until_none

EMPTIED = "db.seed_emptied"
SEED_RESOURCES = "db.seed_resources"
"""What was found in the seed's own cloud and is removed: {kind: [{"id", "name"}]}; recorded before the removal."""
QUIESCE_TIMEOUT = 300


class EmptySeed(LibraryStep):
    """Removes, by id and name, what the deployment put into the seed's own cloud.

    The predecessor deleted everything the address showed it, which with a failed isolation was production: what is to
    go is listed on a seed controller while the seed is proven isolated, recorded, and nothing else is touched. It is
    done once: asked again after the copy, the same addresses would list the original's resources.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        # Nothing removed is an answer too: an interrupted run may have left nothing to the one that records it.
        if ctx.recall(EMPTIED) is not None:
            return {}
        return _names(_resources(ctx)) or {"list": "what the seed's cloud holds"}

    def apply(self, ctx: Context) -> Outcome:
        listed = _resources(ctx)
        known = _together(ctx.recall(SEED_RESOURCES) or {}, listed)
        ctx.record(SEED_RESOURCES, known)
        first = sides(ctx).seeds[0]
        for kind, entries in listed.items():
            for entry in entries:
                ctx.nodes.call([first], "octane_cloud.remove", kind, entry["id"], entry["name"])
        left = [kind for kind, entries in _resources(ctx).items() if entries]
        if left:
            raise Failed(f"the seed's cloud still holds {', '.join(left)}", node=first)
        removed = _names(known)
        ctx.record(EMPTIED, removed)
        return Outcome(changes=removed, comment="the seed holds no resource of its own", evidence={"removed": removed})

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"removed": ctx.recall(EMPTIED)}


class WorkEnds(LibraryStep):
    """Waits for what the original's services are in the middle of: nothing new comes any more, and what is cut off
    half-way would stay so on the seed."""

    check_first = False
    changes_nothing = True

    def apply(self, ctx: Context) -> Outcome:
        def unfinished() -> list[str]:
            found = in_flight(ctx, ctx.path.databases)
            if found:
                ctx.progress(f"waiting for {'; '.join(found)}")
            return found

        seen = until_none(unfinished, QUIESCE_TIMEOUT, "work in flight to end")
        return Outcome(comment="no work is in flight", evidence={"waited_for": seen[0]})


class Freeze(LibraryStep):
    """Takes the checksum of every table the moment writes are refused: what everything later is compared with.

    With a replica the log tells what was written, and no table is read. What has to be seen before the original counts
    as frozen, and is kept: :mod:`octane.procedure.standstill`.
    """

    _watched = False

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(MIGRATED) or tables.still(ctx) else {"freeze": "checksum every table of the original"}

    def apply(self, ctx: Context) -> Outcome:
        if ctx.recall(MIGRATED):
            # What is written from another freeze on would be missing on the copy, and nothing would tell.
            return Outcome(comment="the original is as it was when it was copied", evidence=tables.unmoved(ctx))
        if is_replica(ctx):
            return self._by_log(ctx)
        frozen, seen = standstill.by_checksums(ctx)
        ctx.record(FROZEN, frozen)
        return Outcome(
            changes={"frozen": f"{seen['tables']} tables"},
            comment=f"nothing writes to the original; {seen['tables']} tables counted in",
            evidence=seen,
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        # A moment ago the log was watched for as long as it takes.
        return {} if self._watched else tables.unmoved(ctx)

    def undo(self, ctx: Context) -> Outcome:
        try:
            found = standstill.since_freeze(ctx)
        finally:
            # Before the original is written to: from then on the seed's copy is of a moment that passed.
            for mark in (COPIED, MIGRATING, MIGRATED, FROZEN, FROZEN_AT, STOOD_STILL):
                ctx.record(mark, None)
        return Outcome(comment=f"{_since_freeze(found)}; the seed's copy counts as none", evidence=found)

    def _by_log(self, ctx: Context) -> Outcome:
        mark = ctx.recall(REPLICATING)
        if not mark:
            raise Refused("nothing follows the original's log, so nothing tells what is written to it")
        at: dict[str, Any] = {"node": mark["source"], "foreign": mark["foreign"]}
        release(ctx, mark["source"])
        seen = standstill.by_log(ctx, at)
        # What was caught up at an earlier freeze, after which something was written, is not all.
        ctx.record(COPIED, None)
        ctx.record(FROZEN_AT, at)
        self._watched = True
        return Outcome(
            changes={"frozen": f"the log of {mark['source']}"},
            comment="nothing writes to the original, as its log says",
            evidence=seen,
        )


class Copy(LibraryStep):
    """Streams the databases from one original controller to one seed controller, and compares every table.

    With a replica there is nothing to do, but for a migration that failed: its copy is thrown away and made anew.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED) or _follows_up(ctx):
            return {}
        if ctx.recall(COPIED) and not ctx.recall(MIGRATING) and not tables.differences(ctx):
            return {}
        return {"copy": list(tables.databases(ctx))}

    def apply(self, ctx: Context) -> Outcome:
        if _follows_up(ctx):
            # A run that was killed at the beginning of this step left it half-done.
            return Outcome(comment="nothing to do")
        side = sides(ctx)
        source, target = side.originals[0], side.seeds[0]
        databases = list(tables.databases(ctx))
        server = tables.seed_server(ctx, side)
        ctx.record(COPIED, None)
        sent = transfer.databases(ctx, Ends(side, source, target), databases, server, transfer.rate(ctx))
        different = tables.differences(ctx)
        if different:
            raise Failed(f"not equal after the copy: {', '.join(different[:10])}", node=target)
        members = together(ctx)
        ctx.record(MIGRATING, None)
        ctx.record(COPIED, {"source": source, "target": target, "bytes": sent["bytes"], "sha256": sent["sha256"]})
        return Outcome(
            changes={"copied": databases},
            comment=f"{len(databases)} databases, {sent['bytes']} bytes in {sent['seconds']} s, every table equal",
            evidence={**{name: sent[name] for name in ("bytes", "sha256", "seconds")}, "different": [], **members},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED) or (ctx.recall(COPIED) or {}).get("way") == "replica":
            return {"copied": ctx.recall(COPIED)}
        different = tables.differences(ctx)
        if different:
            raise InvariantBroken(f"the sides differ in {', '.join(different[:10])}")
        return {"different": []}

    def undo(self, ctx: Context) -> Outcome:
        # A replica's goes with the replication, which writes to it.
        if not is_replica(ctx):
            reach = Reach(ctx)
            tables.drop_copy(ctx, reach)
            reach.require_all()
        for mark in (COPIED, MIGRATING, MIGRATED):
            ctx.record(mark, None)
        return Outcome(changes={"dropped": list(ctx.path.databases)}, comment="the seed's copy counts as none")


KEYS_KEPT = "db.keys_kept"
"""Directories that were replaced on the seed's controllers, where the former ones are kept beside them."""


def _follows_up(ctx: Context) -> bool:
    """Whether the copy is the replica's, which was caught up and not migrated yet."""
    return is_replica(ctx) and not ctx.recall(MIGRATING)


class CopyKeys(LibraryStep):
    """Copies key repositories (fernet, credential): without them no token and no stored credential is readable.

    Before the window, and again in it where the original has got new keys meanwhile.
    """

    def __init__(self) -> None:
        self._seen: Mapping[str, str] = {}
        """What :meth:`pending` saw, as long as nothing was copied since."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        files = list(ctx.path.files)
        if not files or ctx.recall(MIGRATED):
            return {}
        digests = self._seen = self._digests(ctx, files)
        behind = [node for node in sides(ctx).seeds if digests[node] != digests[sides(ctx).originals[0]]]
        return {"copy": files, "to": behind} if behind else {}

    def apply(self, ctx: Context) -> Outcome:
        side = sides(ctx)
        files = list(ctx.path.files)
        source, self._seen = side.originals[0], {}
        # Before the first is replaced: what was there is kept on the node until cleanup-env.
        ctx.record(KEYS_KEPT, sorted({*(ctx.recall(KEYS_KEPT) or ()), *files}))
        for target in side.seeds:
            transfer.directories(ctx, Ends(side, source, target), files)
        return Outcome(
            changes={"copied": files},
            comment=f"{len(files)} key repositories copied",
            evidence={"to": list(side.seeds)},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        files = list(ctx.path.files)
        digests = self._seen or self._digests(ctx, files)
        if len(set(digests.values())) > 1:
            raise InvariantBroken("key repositories differ between the controllers of both sides")
        return {"files": files, "equal_on": sorted(digests)}

    def _digests(self, ctx: Context, files: list[str]) -> Mapping[str, str]:
        side = sides(ctx)
        return ctx.nodes.call([side.originals[0], *side.seeds], "octane_db.files_digest", files)


class NothingLost(Check):
    """Reads every table of the original once more: whatever moved since the freeze was acknowledged to somebody."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        return tables.unmoved(ctx)


def writers(ctx: Context) -> dict[str, list[str]]:
    """Arguments of ``octane_service.stopped``: the original's jobs that write without being asked."""
    return {"services": list(ctx.path.writers)}


def _since_freeze(found: Mapping[str, Any]) -> str:
    """What :func:`standstill.since_freeze` says, in words."""
    if "not_compared" in found:
        return f"the original was not compared with the freeze: {found['not_compared']}"
    if found["moved"]:
        return f"the original has been written to since the freeze: {', '.join(found['moved'][:10])}"
    return f"the original is as it was at the freeze, {found['compared']}"


def _resources(ctx: Context) -> dict[str, list[dict[str, str]]]:
    first = sides(ctx).seeds[0]
    return dict(ctx.nodes.call([first], "octane_cloud.resources")[first])


def _together(
    before: Mapping[str, list[dict[str, str]]], listed: Mapping[str, list[dict[str, str]]]
) -> dict[str, list[dict[str, str]]]:
    """What an interrupted run listed and has perhaps removed, and what is there now; each thing once."""
    return {
        kind: list({entry["id"]: entry for entry in (*listed.get(kind, ()), *before.get(kind, ()))}.values())
        for kind in {**before, **listed}
    }


def _names(listed: Mapping[str, list[dict[str, str]]]) -> dict[str, list[str]]:
    """How people know what is listed: {kind: names, ids of those without one}; no kind without any."""
    return {kind: [entry["name"] or entry["id"] for entry in entries] for kind, entries in listed.items() if entries}
