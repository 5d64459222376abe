"""Migrations of schemas and data: the old release's last ones, the new release's, and what a copy has wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, Refused
from octane.procedure.schemas import Compared, behind, compared, of_new_release
from octane.procedure.tables import COPIED, MIGRATED, MIGRATING
from octane.sides import sides
from octane.step import LibraryStep, Outcome

MIGRATION_TIMEOUT = 4 * 3600
AT_ONCE = 4
GRACE = 60
"""Seconds that a node gets beyond its own bound, so that its own word about a timeout is heard."""


class FinishOldMigrations(LibraryStep):
    """Runs the data migrations that belong to the OLD release (LP1619311) on the original, before the window; where the
    stage is only tried out, if the operator says so."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.stage.beside and not ctx.options.get("finish_migrations"):
            return {}
        commands = ctx.path.before
        return (
            {} if not commands or ctx.recall("db.old_migrations") else {"run": [" ".join(argv) for _, argv in commands]}
        )

    def apply(self, ctx: Context) -> Outcome:
        groups: dict[str, list[list[str]]] = {}
        for service, argv in ctx.path.before:
            groups.setdefault(service, []).append(list(argv))
        ran = _manage(ctx, sides(ctx).originals[0], groups)
        ctx.record("db.old_migrations", True)
        return Outcome(
            changes={"ran": ran}, comment="the old release's data migrations are complete", evidence={"ran": ran}
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"commands": len(ctx.path.before)}


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
        target = sides(ctx).seeds[0]
        services = ctx.path.services
        ran = _manage(ctx, target, {service.name: argvs(service.migrate) for service in services})
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
    """Puts right what a copy says of the cloud it came from: cells, and the records of daemons that stayed behind."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        stale = _stale(ctx)
        cells = self._cells(ctx)
        changes: dict[str, Any] = {}
        if stale:
            changes["delete"] = [f"{entry['binary']} on {entry['host']}" for entry in stale]
        if cells:
            changes["cells"] = cells
        return changes

    def apply(self, ctx: Context) -> Outcome:
        target = sides(ctx).seeds[0]
        changes = self.pending(ctx)
        if self._cells(ctx):
            ctx.nodes.call([target], "octane_nova.repoint_cells", timeout=300)
        for entry in _stale(ctx):
            ctx.nodes.call(
                [target], "octane_db.delete_stale", entry["database"], entry["table"], entry["id"], entry["host"]
            )
        return Outcome(changes=changes, comment="cells and records of daemons left behind put right", evidence=changes)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise InvariantBroken(f"still to be put right on the seed: {left}")
        return {"stale": 0}

    def _cells(self, ctx: Context) -> list[str]:
        target = sides(ctx).seeds[0]
        return list(ctx.nodes.call([target], "octane_nova.foreign_cells")[target])


class FinishNewMigrations(LibraryStep):
    """Runs the online data migrations of the new release on the copy."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall("db.online"):
            return {}
        commands = {service.name: argvs(service.online) for service in ctx.path.services if service.online}
        return {"run": sorted(commands)} if commands else {}

    def apply(self, ctx: Context) -> Outcome:
        groups = {service.name: argvs(service.online) for service in ctx.path.services if service.online}
        ran = _manage(ctx, sides(ctx).seeds[0], groups)
        ctx.record("db.online", True)
        return Outcome(
            changes={"ran": sorted(groups)}, comment="online data migrations are complete", evidence={"seconds": ran}
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"done": bool(ctx.recall("db.online"))}


def argvs(commands: tuple[tuple[str, ...], ...]) -> list[list[str]]:
    """As a node takes them."""
    return [list(argv) for argv in commands]


def _manage(ctx: Context, node: str, groups: Mapping[str, list[list[str]]]) -> dict[str, float]:
    """Run management commands on NODE, groups side by side; seconds by group."""
    ran = ctx.nodes.call(
        [node], "octane_db.run_manage_all", dict(groups), AT_ONCE, MIGRATION_TIMEOUT, timeout=MIGRATION_TIMEOUT + GRACE
    )[node]
    return seconds_by_group(ran)


def seconds_by_group(ran: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, float]:
    """How long the commands of each group took, of what a node returned."""
    return {name: round(sum(command["seconds"] for command in commands), 1) for name, commands in ran.items()}


def _compared(ctx: Context) -> Compared:
    return compared(ctx, sides(ctx).seeds[0], of_new_release(ctx))


def _behind(ctx: Context, found: Compared) -> list[str]:
    return behind(sides(ctx).seeds[0], found, of_new_release(ctx))


def _stale(ctx: Context) -> list[dict[str, Any]]:
    """Records of daemons of the original's controllers: [{"database", "table", "id", "binary", "host"}]."""
    target = sides(ctx).seeds[0]
    wanted = [
        {
            "database": stale.database,
            "table": stale.table,
            "host": stale.host,
            "where": {k: list(v) for k, v in stale.where.items()},
        }
        for stale in ctx.path.stale
    ]
    return list(ctx.nodes.call([target], "octane_db.stale", wanted, list(sides(ctx).original_hosts))[target])
