"""Migrations of schemas and data: the old release's last ones, the new release's, and what a copy has wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, Refused
from octane.path import Check, Command, Hop, Service
from octane.procedure import db_rows
from octane.procedure.schemas import Compared, behind, compared, of_new_release
from octane.procedure.tables import COPIED, MIGRATED, MIGRATING, seed_server
from octane.sides import sides
from octane.step import LibraryStep, Outcome

MIGRATION_TIMEOUT = 4 * 3600
AT_ONCE = 4
ONLINE = "db.online"
"""The new release's data migrations are complete on this copy."""
OLD_FINISHED = "db.old_migrations"
"""The old release's data migrations were run on the original."""
ROUNDS = 10
"""Runs of the online migrations, each of which must leave less than the one before."""
GRACE = 60
"""Seconds that a node gets beyond its own bound, so that its own word about a timeout is heard."""

Orders = Mapping[str, list[dict[str, Any]]]
"""{service: [what ``octane_manage.run`` is told of one command]}."""
Left = Sequence[tuple[Check, Mapping[str, Any]]]
"""Checks of what online migrations left, and the rows that each found."""


class FinishOldMigrations(LibraryStep):
    """Runs the data migrations that belong to the OLD release (LP1619311) on the original, before the window; where the
    stage is only tried out, if the operator says so."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        commands = ctx.path.before
        if not commands or ctx.recall(OLD_FINISHED) or not self._is_asked_for(ctx):
            return {}
        return {"run": [str(command) for _, command in commands]}

    def apply(self, ctx: Context) -> Outcome:
        if not self._is_asked_for(ctx):
            # A trial that was interrupted here is not asked twice whether it may.
            return Outcome(comment="nothing to do: not asked for")
        services = {service.name: service for service in ctx.path.services}
        groups: dict[str, list[dict[str, Any]]] = {}
        for name, command in ctx.path.before:
            groups.setdefault(name, []).append(_order(services[name], command))
        ran = _manage(ctx, sides(ctx).originals[0], groups)
        ctx.record(OLD_FINISHED, True)
        return Outcome(
            changes={"ran": ran}, comment="the old release's data migrations are complete", evidence={"ran": ran}
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        if not self._is_asked_for(ctx):
            # What they would have put right is found by the trial's own check, among all else.
            return {}
        left = db_rows.unmended(ctx)
        if left:
            raise InvariantBroken("; ".join(left))
        return {"commands": len(ctx.path.before), "left": 0}

    def _is_asked_for(self, ctx: Context) -> bool:
        return not ctx.stage.beside or bool(ctx.options.get("finish_migrations"))


class Migrate(LibraryStep):
    """Migrates every service's schema, services side by side, and proves each by the new release's own scripts."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED) and not _behind(ctx, _compared(ctx)):
            return {}
        return {"migrate": [service.name for service in ctx.path.services]}

    def apply(self, ctx: Context) -> Outcome:
        if not ctx.recall(COPIED):
            raise Refused("nothing was copied to the seed yet, so there is nothing to migrate")
        ctx.record(MIGRATING, True)
        # What was finished was another copy.
        ctx.record(ONLINE, None)
        target = sides(ctx).seeds[0]
        services = ctx.path.services
        # Nova's command migrates the database that the copied record of its cell 0 names, and that is the original's.
        ctx.nodes.call([target], "octane_nova.repoint_cells", timeout=300)
        ran = _manage_seed(ctx, migrations(services))
        left = _behind(ctx, _compared(ctx))
        if left:
            raise Failed(f"not at the new release's head after the migration: {', '.join(left)}", node=target)
        ctx.record(MIGRATED, True)
        ctx.record(MIGRATING, None)
        return Outcome(
            changes={"migrated": [service.name for service in services]},
            comment=f"{len(services)} services' schemas at the new release's heads",
            evidence={"seconds": ran},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        found = _compared(ctx)
        left = _behind(ctx, found)
        if left:
            raise InvariantBroken(f"not at the new release's head: {', '.join(left)}")
        return {"heads": {database: one["found"] for database, one in found.items()}}


class Rewrite(LibraryStep):
    """Puts right what a copy says of the cloud it came from: cells, the records of daemons that stayed behind, and rows
    that the new release's configuration does not fit."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        stale = _stale(ctx)
        cells = self._cells(ctx)
        changes: dict[str, Any] = {}
        if stale:
            changes["delete"] = [f"{entry['binary']} on {entry['host']}" for entry in stale]
        if cells:
            changes["cells"] = cells
        return {**changes, **self._rows(ctx)}

    def apply(self, ctx: Context) -> Outcome:
        target = sides(ctx).seeds[0]
        changes = self.pending(ctx)
        if self._cells(ctx):
            ctx.nodes.call([target], "octane_nova.repoint_cells", timeout=300)
        stale = _stale(ctx)
        if stale:
            ctx.nodes.call([target], "octane_db.delete_stale", stale)
        # All of them, in order: one may make rows that the next finds.
        for one in ctx.path.rewrite if self._rows(ctx) else ():
            server = seed_server(ctx, sides(ctx))
            ctx.nodes.call([target], "octane_rows.rewrite", one.database, one.statement, server, timeout=300)
        return Outcome(changes=changes, comment="what the copy said of its old cloud put right", evidence=changes)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise InvariantBroken(f"still to be put right on the seed: {left}")
        return {"stale": 0}

    def _cells(self, ctx: Context) -> list[str]:
        target = sides(ctx).seeds[0]
        return list(ctx.nodes.call([target], "octane_nova.foreign_cells")[target])

    def _rows(self, ctx: Context) -> dict[str, str]:
        """Rows that the path rewrites: how many, and why, by name."""
        if not ctx.path.rewrite:
            return {}
        target = sides(ctx).seeds[0]
        asked = [{"name": one.name, "database": one.database, "query": one.query} for one in ctx.path.rewrite]
        found = ctx.nodes.call([target], "octane_rows.matching", asked, timeout=db_rows.TIMEOUT)[target]
        return {
            one.name: f"{found[one.name]['count']} rows: {one.reason}"
            for one in ctx.path.rewrite
            if found[one.name]["count"]
        }


class FinishNewMigrations(LibraryStep):
    """Runs the online data migrations of the new release on the copy until the path finds nothing that they left."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        services = sorted(service.name for service in ctx.path.services if service.online)
        return {"run": services} if services and not (ctx.recall(ONLINE) and not self._left(ctx)) else {}

    def apply(self, ctx: Context) -> Outcome:
        ran = finish(ctx.path, lambda groups: _manage_seed(ctx, groups), lambda: self._left(ctx))
        ctx.record(ONLINE, True)
        return Outcome(
            changes={"ran": sorted(ran)}, comment="online data migrations are complete", evidence={"seconds": ran}
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self._left(ctx)
        if left:
            raise InvariantBroken(f"online data migrations left rows: {'; '.join(sentences(left))}")
        return {"done": bool(ctx.recall(ONLINE)), "left": {check.name: 0 for check in ctx.path.unmigrated}}

    def _left(self, ctx: Context) -> Left:
        seed = sides(ctx).seeds[0]

        def matching(questions: list[dict[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
            found: Mapping[str, Mapping[str, Any]]
            found = ctx.nodes.call([seed], "octane_rows.matching", questions, timeout=db_rows.TIMEOUT)[seed]
            return found

        return left_by(ctx.path, matching)


def left_by(path: Hop, matching: Callable[[list[dict[str, Any]]], Mapping[str, Mapping[str, Any]]]) -> Left:
    """What PATH's online migrations have left, as MATCHING (``octane_rows.matching``, wherever it asks) tells it."""
    if not path.unmigrated:
        return []
    found = matching(db_rows.questions(path.unmigrated))
    return [(check, found[check.name]) for check in path.unmigrated if found[check.name]["count"]]


def finish(path: Hop, manage: Callable[[Orders], dict[str, float]], left: Callable[[], Left]) -> dict[str, float]:
    """Run PATH's online migrations with MANAGE, again those of the services that LEFT tells of; seconds by service.

    No exit code says how many rows are left: nova's command ends with 0 at the first batch of which it could fill none,
    and 5,001 of 5,003 rows were filled, and 100 of 152, in two that did.

    :raises Failed: a run left as much as the one before it, or the last of ROUNDS still something: with names
    """
    seconds: dict[str, float] = {}
    services, counted = list(path.services), -1
    for _ in range(ROUNDS):
        for name, took in manage(online_migrations(services)).items():
            seconds[name] = round(seconds.get(name, 0.0) + took, 1)
        rest = left()
        count = sum(found["count"] for _, found in rest)
        if count in (0, counted):
            break
        counted = count
        databases = {check.database for check, _ in rest}
        services = [service for service in path.services if databases.intersection(service.databases)]
    if rest:
        raise Failed(f"online data migrations left rows, and no run leaves fewer: {'; '.join(sentences(rest))}")
    return seconds


def sentences(left: Left) -> list[str]:
    return [db_rows.sentence(check, found) for check, found in left]


def migrations(services: Iterable[Service]) -> Orders:
    """The commands that bring the schemas of SERVICES to the new release."""
    return {service.name: [_order(service, Command(words)) for words in service.migrate] for service in services}


def online_migrations(services: Iterable[Service]) -> Orders:
    """The commands that bring the data of those of SERVICES that have any to the new release."""
    return {
        service.name: [_order(service, command) for command in service.online] for service in services if service.online
    }


def _order(service: Service, command: Command) -> dict[str, Any]:
    """What ``octane_manage.run`` is told of one command."""
    return {
        "command": list(command.words),
        "repeat_until": command.repeat_until,
        "repeat_on": command.repeat_on,
        "configuration": list(service.configuration),
    }


def _manage(ctx: Context, node: str, groups: Orders, server: str | None = None) -> dict[str, float]:
    """Run management commands on NODE, groups side by side; seconds by group."""
    given = (dict(groups), AT_ONCE, MIGRATION_TIMEOUT, server)
    ran = ctx.nodes.call([node], "octane_db.run_manage_all", *given, timeout=MIGRATION_TIMEOUT + GRACE)[node]
    return seconds_by_group(ran)


def _manage_seed(ctx: Context, groups: Orders) -> dict[str, float]:
    """The same on the seed, where no command is run whose database URLs lead to another server than the seed's own."""
    side = sides(ctx)
    return _manage(ctx, side.seeds[0], groups, seed_server(ctx, side))


def seconds_by_group(ran: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, float]:
    """How long the commands of each group took, of what a node returned."""
    return {name: round(sum(command["seconds"] for command in commands), 1) for name, commands in ran.items()}


def _compared(ctx: Context) -> Compared:
    return compared(ctx, sides(ctx).seeds[0], of_new_release(ctx))


def _behind(ctx: Context, found: Compared) -> list[str]:
    return behind(sides(ctx).seeds[0], found, of_new_release(ctx), ctx.path.release_to)


def _stale(ctx: Context) -> list[dict[str, Any]]:
    """Records of daemons of the original's controllers: [{"database", "table", "id", "binary", "host"}]."""
    target = sides(ctx).seeds[0]
    wanted = [stale.question for stale in ctx.path.stale]
    return list(ctx.nodes.call([target], "octane_db.stale", wanted, list(sides(ctx).original_hosts))[target])
