"""The database stage for practice: a copy on a scratch server of the seed, migrated, proven and thrown away.

The original serves its users meanwhile; nothing but reading is done to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken
from octane.path.identity import NEW, OLD
from octane.procedure import db_rows, db_verify, tables, transfer
from octane.procedure.checks import Check
from octane.procedure.migration import (
    AT_ONCE,
    GRACE,
    MIGRATION_TIMEOUT,
    Orders,
    finish,
    left_by,
    migrations,
    seconds_by_group,
)
from octane.procedure.schemas import TIMEOUT, Compared, as_they_are, asked, behind, of_new_release
from octane.procedure.tables import REHEARSED
from octane.procedure.transfer import Ends
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.verify.identities import Rows, Sums, compare
from octane.verify.identities import asked as asked_views

UNDER_WAY = "db.rehearsal"
"""What is known of the one that runs, in the same shape, and "identities", of the copy before its migration: as
:data:`octane.procedure.db_verify.IDENTITIES`."""

ASK = "octane_rehearsal.ask"
START_TIMEOUT = 300


class Rehearsing(LibraryStep):
    """Base of the steps of a rehearsal: none is done before it was done in this one, since no copy is taken up again
    that a migration may have touched."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {self.what: _seed(ctx)}

    what = ""


class Scratch(Rehearsing):
    """A scratch server on the seed's first controller."""

    what = "start"

    def apply(self, ctx: Context) -> Outcome:
        ctx.record(UNDER_WAY, {"schemas": as_they_are(ctx), "seconds": {}})
        found = ctx.nodes.call([_seed(ctx)], "octane_rehearsal.start", timeout=START_TIMEOUT)[_seed(ctx)]
        return Outcome({"started": found["folder"]}, f"a scratch server on {_seed(ctx)}", found)

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)


class Copy(Rehearsing):
    """The original's databases as they are at one moment, on the scratch server."""

    what = "copy to"

    def apply(self, ctx: Context) -> Outcome:
        side = sides(ctx)
        names = list(tables.databases(ctx))
        server, limit = _ask(ctx, "octane_db.server")["id"], transfer.rate_beside_users(ctx)
        sent = transfer.databases(ctx, Ends(side, side.originals[0], _seed(ctx), ASK), names, server, limit)
        _learn(ctx, bytes=sent["bytes"], limit=limit, identities=_sums(ctx, OLD))
        _learn_seconds(ctx, copy=sent["seconds"])
        return Outcome(
            changes={"copied": names},
            comment=f"{len(names)} databases, {sent['bytes']} bytes in {sent['seconds']} s, {transfer.at_most(limit)}",
            evidence={**{name: sent[name] for name in ("bytes", "sha256", "seconds")}, "limit": limit},
        )

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)


class Migrate(Rehearsing):
    """The real migrations of the new release, services side by side, each proven by the release's own scripts."""

    what = "migrate on"

    def apply(self, ctx: Context) -> Outcome:
        services = ctx.path.services
        ran = _manage(ctx, migrations(services))
        left = behind(_seed(ctx), _compared(ctx), of_new_release(ctx), ctx.path.release_to)
        if left:
            raise Failed(f"not at the new release's head after the migration: {', '.join(left)}", node=_seed(ctx))
        _learn_seconds(ctx, migrate=ran)
        return Outcome(
            changes={"migrated": [service.name for service in services]},
            comment=f"{len(services)} services' schemas at the new release's heads",
            evidence={"seconds": ran},
        )

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)


class Rewrite(Rehearsing):
    """What the copy says of the cloud it came from, put right as in the window: every statement of the path, whether it
    finds rows or not, and the records of daemons that stay behind. A cell leads to the scratch server whatever it
    names, so that none is changed."""

    what = "put right on"

    def apply(self, ctx: Context) -> Outcome:
        stale = self._stale(ctx)
        if stale:
            _ask(ctx, "octane_db.delete_stale", stale)
        server, path = _ask(ctx, "octane_db.server")["id"], ctx.path
        changed = {
            one.name: _ask(ctx, "octane_rows.rewrite", one.database, one.statement, server, timeout=300)["changed"]
            for one in path.rewrite
        }
        left = [f"{one['database']}.{one['table']} {one['id']}" for one in self._stale(ctx)]
        questions = [{"name": one.name, "database": one.database, "query": one.query} for one in path.rewrite]
        found = _matching(ctx)(questions) if questions else {}
        left += [f"{found[one.name]['count']} rows: {one.reason}" for one in path.rewrite if found[one.name]["count"]]
        if left:
            raise Failed(f"still to be put right on the copy: {', '.join(left)}", node=_seed(ctx))
        return Outcome(
            changes={"rewritten": changed, "deleted": len(stale)},
            comment=f"{len(stale)} records of daemons deleted, {sum(changed.values())} rows of the copy put right",
            evidence={"rewritten": changed, "deleted": [f"{one['binary']} on {one['host']}" for one in stale]},
        )

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)

    def _stale(self, ctx: Context) -> list[dict[str, Any]]:
        wanted = [one.question for one in ctx.path.stale]
        return list(_ask(ctx, "octane_db.stale", wanted, list(sides(ctx).original_hosts), timeout=db_rows.TIMEOUT))


class Finish(Rehearsing):
    """The online migrations of the new release, until the path finds nothing that they left."""

    what = "finish the migrations on"

    def apply(self, ctx: Context) -> Outcome:
        ran = finish(ctx.path, lambda groups: _manage(ctx, groups), lambda: left_by(ctx.path, _matching(ctx)))
        _learn_seconds(ctx, online=ran)
        return Outcome({"ran": sorted(ran)}, "online data migrations are complete", {"seconds": ran})

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)


class Verify(Rehearsing):
    """Everything that users know is on the migrated copy as it was before; what differs is told beside what the
    original says now."""

    what = "compare"

    def apply(self, ctx: Context) -> Outcome:
        before = (ctx.recall(UNDER_WAY) or {})["identities"]
        after = _sums(ctx, NEW)

        def rows(which: str, queries: list[dict[str, Any]]) -> Rows:
            if which == NEW:
                return dict(_ask(ctx, "octane_views.rows", queries, timeout=db_verify.TIMEOUT))
            return db_verify.rows(ctx, sides(ctx).originals[0], queries)

        found = compare(db_verify.every_view(ctx), before, after, rows)
        db_verify.refuse_lost(found)
        counted = db_verify.counts(after)
        return Outcome(
            changes={"compared": counted},
            comment=f"{sum(counted.values())} rows of {len(counted)} kinds are as they were",
            evidence={"rows": counted, "documented": found.known},
        )

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)


class ThrowAway(Rehearsing):
    """The scratch server and its data are gone, whatever became of the rehearsal."""

    what = "throw away on"

    def apply(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = [name for name, there in _status(ctx).items() if there]
        if left:
            raise InvariantBroken(f"of the rehearsal {_seed(ctx)} still has: {', '.join(left)}")
        return {"left": []}

    def undo(self, ctx: Context) -> Outcome:
        return _thrown_away(ctx)


class Remember(LibraryStep):
    """What this rehearsal showed, for estimates and for the stage, which warns without one."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {"remember": "how long it took"}

    def apply(self, ctx: Context) -> Outcome:
        known = {name: value for name, value in (ctx.recall(UNDER_WAY) or {}).items() if name != "identities"}
        ctx.record(REHEARSED, {**known, "at": time.time()})
        comment = in_words(known["seconds"])
        return Outcome({"passed": comment}, comment, {"seconds": known["seconds"]})

    def undo(self, ctx: Context) -> Outcome:
        ctx.forget(REHEARSED)
        return Outcome({}, "the rehearsal is forgotten")


class Estimate(Check):
    """What the last rehearsal says of the window to come, or a warning that there is none to go by."""

    check_first = False

    def apply(self, ctx: Context) -> Outcome:
        rehearsed = ctx.recall(REHEARSED)
        command = f"octane upgrade-db {ctx.seed} --rehearse"
        if not rehearsed:
            return Outcome(comment=f"nobody rehearsed it, how long it takes is not known: `{command}`")
        if rehearsed["schemas"] != as_they_are(ctx):
            return Outcome(comment=f"the original's schemas have changed since the last rehearsal: `{command}`")
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(rehearsed["at"]))
        rate = f" (the copy {transfer.at_most(rehearsed['limit'])})" if "limit" in rehearsed else ""
        return Outcome(comment=f"in the rehearsal of {when}: {in_words(rehearsed['seconds'])}{rate}")


def in_words(seconds: Mapping[str, Any]) -> str:
    """What a rehearsal took; services migrate side by side."""
    both = [max(seconds[name].values(), default=0.0) for name in ("migrate", "online")]
    return f"copy {seconds['copy']:g} s, migrations {sum(both):g} s"


def _seed(ctx: Context) -> str:
    return sides(ctx).seeds[0]


def _ask(ctx: Context, function: str, *arguments: Any, timeout: float = 60) -> Any:
    """FUNCTION of the databases, asked on the scratch server."""
    return ctx.nodes.call([_seed(ctx)], ASK, function, *arguments, timeout=timeout)[_seed(ctx)]


def _sums(ctx: Context, side: str) -> Sums:
    views = asked_views(db_verify.every_view(ctx), side)
    found: Sums = _ask(ctx, "octane_views.sums", views, timeout=db_verify.TIMEOUT)
    return found


def _compared(ctx: Context) -> Compared:
    found: Compared = _ask(ctx, "octane_db.compare_schemas", asked(of_new_release(ctx)), timeout=TIMEOUT)
    return found


def _matching(ctx: Context) -> Callable[[list[dict[str, Any]]], Mapping[str, Mapping[str, Any]]]:
    return lambda questions: dict(_ask(ctx, "octane_rows.matching", questions, timeout=db_rows.TIMEOUT))


def _manage(ctx: Context, groups: Orders) -> dict[str, float]:
    bounds = (AT_ONCE, MIGRATION_TIMEOUT)
    node = _seed(ctx)
    ran = ctx.nodes.call([node], "octane_rehearsal.manage", dict(groups), *bounds, timeout=MIGRATION_TIMEOUT + GRACE)
    return seconds_by_group(ran[node])


def _status(ctx: Context) -> dict[str, bool]:
    return dict(ctx.nodes.call([_seed(ctx)], "octane_rehearsal.status")[_seed(ctx)])


def _thrown_away(ctx: Context) -> Outcome:
    node = _seed(ctx)
    there = ctx.nodes.call([node], "octane_rehearsal.stop", timeout=START_TIMEOUT)[node]["was"]
    return Outcome({"removed": "the scratch server"} if there else {}, f"{node} holds nothing of the rehearsal")


def _learn(ctx: Context, **found: Any) -> None:
    ctx.record(UNDER_WAY, {**(ctx.recall(UNDER_WAY) or {}), **found})


def _learn_seconds(ctx: Context, **found: Any) -> None:
    known = ctx.recall(UNDER_WAY) or {}
    _learn(ctx, seconds={**known.get("seconds", {}), **found})
