"""What was written to the seed since the switch, kept before the original comes back without it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from octane.context import Context
from octane.errors import Failed, NodeFailed
from octane.path.identity import NEW, OLD
from octane.procedure import tables, transfer
from octane.procedure.db_verify import read, rows, views
from octane.procedure.isolation import SERVED, SWITCHED
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.verify.identities import changes

SINCE = "control.written_since"
"""{"at": epoch seconds, "logs": {minion id of a seed's controller: {"file", "position"} or None without a log}}."""
TIMEOUT = 3600
FOLDER = "written"


class NoteWrites(LibraryStep):
    """Notes where the seed's logs stand before users write to it. Going back keeps what was written since in files:
    things that users know by name in one on this master, every row on the controller that wrote it and on one of the
    original's, since the former may be installed anew.

    It comes before the switch, so that on the way back it comes after it: what services write to the seed until they
    lose its addresses, long after users may not, is kept as well. Each database is asked on its own node."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(SINCE) else {"note": list(sides(ctx).seeds)}

    def apply(self, ctx: Context) -> Outcome:
        # After a way back that was given up half-way, what was written since the first time counts.
        known = ctx.recall(SINCE) or {"at": round(time.time(), 3), "logs": {}}
        logs = {node: known["logs"].get(node) or _place(ctx, node) for node in sides(ctx).seeds}
        ctx.record(SINCE, {"at": known["at"], "logs": logs})
        without = [node for node, place in logs.items() if not place]
        told = f"; {', '.join(without)} write no log: rows cannot be kept, only what users know" if without else ""
        return Outcome(changes={"noted": list(logs)}, comment=f"noted{told}", evidence={"logs": logs})

    def undo(self, ctx: Context) -> Outcome:
        noted = ctx.recall(SINCE)
        if not noted:
            return Outcome(comment="nothing was noted")
        if not (ctx.recall(SERVED) or ctx.recall(SWITCHED)):
            ctx.record(SINCE, None)
            return Outcome(comment="the seed's controllers never had the addresses: nobody wrote to them")
        if not sides(ctx).seeds:
            return Outcome(
                comment="what was written since the switch is on the disks of the seed's controllers, none of which is "
                f"to be asked: keep them; it begins in their logs at {noted['logs']}",
                evidence={"logs": noted["logs"]},
            )
        objects, written = _objects(ctx), _rows(ctx, noted["logs"])
        path = None
        if objects or any(found["tables"] for found in written.values()):
            when = {"since": _text(noted["at"]), "until": _text(time.time())}
            path = _keep(ctx, {"environment": ctx.seed, **when, "objects": objects, "rows": written})
        ctx.record(SINCE, None)
        ctx.forget(SERVED)
        counted = {what: {act: len(found) for act, found in acts.items()} for what, acts in objects.items()}
        comment = f"what was written since the switch is kept in {path}" if path else "nothing was written since"
        alone = [kept["file"] for kept in written.values() if "not_copied" in kept]
        if alone:
            comment += f"; its rows are in {', '.join(alone)} alone: copy them away before the seed is taken back"
        return Outcome(comment=comment, evidence={"file": path, "objects": counted, "rows": written})


def _place(ctx: Context, node: str) -> dict[str, Any] | None:
    try:
        found = ctx.nodes.call([node], "octane_source.position")[node]
    except NodeFailed as error:
        if "writes no binary log" not in error.message:
            raise
        return None
    return {"file": found["file"], "position": found["position"]}


def _objects(ctx: Context) -> dict[str, Any]:
    """What users know their things by, as the original has it against the seed now."""
    side = sides(ctx)
    nodes = {OLD: side.originals[0], NEW: side.seeds[0]}
    before, after = (read(ctx, nodes[which], which) for which in (OLD, NEW))
    return changes(views(ctx), before, after, lambda which, queries: rows(ctx, nodes[which], queries))


def _rows(ctx: Context, logs: dict[str, Any]) -> dict[str, Any]:
    names, skip = list(tables.databases(ctx)), tables.expendable(ctx)
    found = {}
    for node, place in logs.items():
        if place and node in sides(ctx).seeds:
            kept = ctx.nodes.call([node], "octane_written.export", names, place, skip=skip, timeout=TIMEOUT)[node]
            found[node] = {**_copied(ctx, node, kept), "tables": kept["tables"]}
    return found


def _copied(ctx: Context, node: str, kept: dict[str, Any]) -> dict[str, Any]:
    """Where the rows of a controller of the seed are: {"file"}, and "not_copied", why, where that is there alone.

    That they could not be copied keeps nobody from going back.
    """
    here = f"{node}:{kept['path']}"
    if not kept["tables"]:
        return {"file": here}
    side = sides(ctx)
    try:
        transfer.directories(ctx, transfer.Ends(side, node, side.originals[0]), [os.path.dirname(kept["path"])])
    except Failed as error:
        return {"file": here, "not_copied": str(error)}
    return {"file": f"{side.originals[0]}:{kept['path']}", "first": here}


def _keep(ctx: Context, kept: dict[str, Any]) -> str:
    folder = ctx.journal.directory / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"environment-{ctx.seed}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(kept, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    return str(path)


def _text(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
