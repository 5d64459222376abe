"""The database stage: the original's data on the seed, equal to the last row, then migrated and proven.

What a step decides is read from the world (checksums of tables, heads of schemas); three marks in the journal say what
the world cannot: ``db.copied`` (both sides were equal), ``db.migrating`` (from here a copy can only be thrown away, since
migrations are neither transactional nor repeatable on MySQL) and ``db.migrated``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, Refused
from octane.path import Service
from octane.sides import Sides, sides
from octane.step import LibraryStep, Outcome
from octane.wait import until

EMPTIED = "db.seed_emptied"
COPIED = "db.copied"
MIGRATING = "db.migrating"
MIGRATED = "db.migrated"
FROZEN = "db.frozen"
SEED_SERVER = "db.seed_server"

STREAM_TIMEOUT = 4 * 3600
MIGRATION_TIMEOUT = 4 * 3600
CHECKSUM_TIMEOUT = 3600
QUIESCE_TIMEOUT = 300


class EmptySeed(LibraryStep):
    """Removes, by id and name, what the deployment put into the seed's own cloud.

    The predecessor deleted everything the address showed it, which with a failed isolation was production: what is to go
    is listed on a seed controller while the seed is proven isolated, recorded, and nothing else is touched. It is done
    once: asked again after the copy, the same addresses would list the original's resources.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(EMPTIED):
            return {}
        listed = _resources(ctx)
        found = {kind: [entry["name"] or entry["id"] for entry in entries] for kind, entries in listed.items() if entries}
        return found or {"list": "what the seed's cloud holds"}

    def apply(self, ctx: Context) -> Outcome:
        listed = _resources(ctx)
        ctx.record("db.seed_resources", listed)
        first = sides(ctx).seeds[0]
        removed: dict[str, list[str]] = {}
        for kind, entries in listed.items():
            for entry in entries:
                ctx.nodes.call([first], "octane_cloud.remove", kind, entry["id"], entry["name"])
                removed.setdefault(kind, []).append(entry["name"] or entry["id"])
        left = [kind for kind, entries in _resources(ctx).items() if entries]
        if left:
            raise Failed(f"the seed's cloud still holds {', '.join(left)}", node=first)
        ctx.record(EMPTIED, removed)
        return Outcome(changes=removed, comment="the seed holds no resource of its own", evidence={"removed": removed})

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"removed": ctx.recall(EMPTIED)}


class FinishOldMigrations(LibraryStep):
    """Runs the data migrations that belong to the OLD release (LP1619311), on the original, before anything is refused."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        commands = ctx.path.before
        return {} if not commands or ctx.recall("db.old_migrations") else {"run": [" ".join(argv) for _, argv in commands]}

    def apply(self, ctx: Context) -> Outcome:
        groups: dict[str, list[list[str]]] = {}
        for service, argv in ctx.path.before:
            groups.setdefault(service, []).append(list(argv))
        ran = _manage(ctx, sides(ctx).originals[0], groups)
        ctx.record("db.old_migrations", True)
        return Outcome(changes={"ran": ran}, comment="the old release's data migrations are complete", evidence={"ran": ran})

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"commands": len(ctx.path.before)}


class Freeze(LibraryStep):
    """Takes the checksum of every table the moment writes are refused: what everything later is compared with.

    The proof that nothing writes any more is that, read again, only rows the path calls expendable have moved.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(MIGRATED) or _still(ctx) else {"freeze": "checksum every table of the original"}

    def apply(self, ctx: Context) -> Outcome:
        readings = [_original_checksums(ctx)]

        def settled() -> bool:
            readings.append(_original_checksums(ctx))
            return not _moved(readings[-2], readings[-1])

        until(settled, QUIESCE_TIMEOUT, "the original's tables to stand still")
        writers = _writers(ctx)
        ctx.record(FROZEN, readings[-1])
        tables = sum(len(found) for found in readings[-1].values())
        return Outcome(
            changes={"frozen": f"{tables} tables"},
            comment=f"nothing writes to the original; {tables} tables counted in",
            evidence={"tables": tables, "readings": len(readings), "moved": [], "heartbeats_seen": writers},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        return _unmoved(ctx)

    def undo(self, ctx: Context) -> Outcome:
        ctx.record(FROZEN, None)
        return Outcome(changes={}, comment="the record of the freeze is dropped", evidence={})


class Copy(LibraryStep):
    """Streams the databases from one original controller to one seed controller, and compares every table."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED):
            return {}
        if ctx.recall(COPIED) and not ctx.recall(MIGRATING) and not _differences(ctx):
            return {}
        return {"copy": list(_databases(ctx))}

    def apply(self, ctx: Context) -> Outcome:
        side = sides(ctx)
        source, target = side.originals[0], side.seeds[0]
        databases = list(_databases(ctx))
        server = _seed_server(ctx, side)
        ctx.record(COPIED, None)
        expected = sum(ctx.nodes.call([source], "octane_db.sizes", databases)[source].values())
        ctx.progress(f"streaming {len(databases)} databases from {source} to {target}", bytes=expected)
        identity = ctx.nodes.call([source], "octane_db.identity")[source]
        receiver = ctx.nodes.call(
            [target],
            "octane_db.receive",
            databases,
            side.admin[target],
            identity["certificate"],
            server=server,
            replace=True,
        )[target]
        sent = _send(ctx, side, "octane_db.send", databases, receiver, identity)
        received = ctx.nodes.call([target], "octane_db.received", receiver["ticket"], timeout=STREAM_TIMEOUT)[target]
        if sent["sha256"] != received["sha256"]:
            raise Failed(f"{target} received other bytes than {source} sent", node=target)
        different = _differences(ctx)
        if different:
            raise Failed(f"not equal after the copy: {', '.join(different[:10])}", node=target)
        ctx.record(MIGRATING, None)
        ctx.record(COPIED, {"source": source, "target": target, "bytes": sent["bytes"], "sha256": sent["sha256"]})
        return Outcome(
            changes={"copied": databases},
            comment=f"{len(databases)} databases, {sent['bytes']} bytes in {sent['seconds']} s, every table equal",
            evidence={"bytes": sent["bytes"], "sha256": sent["sha256"], "seconds": sent["seconds"], "different": []},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED):
            return {"copied": ctx.recall(COPIED)}
        different = _differences(ctx)
        if different:
            raise InvariantBroken(f"the sides differ in {', '.join(different[:10])}")
        return {"different": []}

    def undo(self, ctx: Context) -> Outcome:
        side = sides(ctx)
        server = _seed_server(ctx, side)
        ctx.nodes.state(
            [side.seeds[0]],
            "octane_db.absent_databases",
            databases=list(_databases(ctx)),
            server=server,
            timeout=CHECKSUM_TIMEOUT,
        )
        for mark in (COPIED, MIGRATING, MIGRATED):
            ctx.record(mark, None)
        return Outcome(changes={"dropped": list(_databases(ctx))}, comment="the seed holds no copy", evidence={})


class CopyKeys(LibraryStep):
    """Copies key repositories (fernet, credential): without them no token and no stored credential is readable."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        files = list(ctx.path.files)
        if not files or ctx.recall(MIGRATED):
            return {}
        digests = self._digests(ctx, files)
        behind = [node for node in sides(ctx).seeds if digests[node] != digests[sides(ctx).originals[0]]]
        return {"copy": files, "to": behind} if behind else {}

    def apply(self, ctx: Context) -> Outcome:
        side = sides(ctx)
        files = list(ctx.path.files)
        source = side.originals[0]
        for target in side.seeds:
            identity = ctx.nodes.call([source], "octane_db.identity")[source]
            receiver = ctx.nodes.call(
                [target], "octane_db.receive_files", files, side.admin[target], identity["certificate"]
            )[target]
            _send(ctx, side, "octane_db.send_files", files, receiver, identity, target)
            ctx.nodes.call([target], "octane_db.received", receiver["ticket"], timeout=300)
        return Outcome(changes={"copied": files}, comment=f"{len(files)} key repositories copied", evidence={"to": list(side.seeds)})

    def verify(self, ctx: Context) -> dict[str, Any]:
        files = list(ctx.path.files)
        digests = self._digests(ctx, files)
        if len(set(digests.values())) > 1:
            raise InvariantBroken("key repositories differ between the controllers of both sides")
        return {"files": files, "equal_on": sorted(digests)}

    def _digests(self, ctx: Context, files: list[str]) -> Mapping[str, str]:
        side = sides(ctx)
        return ctx.nodes.call([side.originals[0], *side.seeds], "octane_db.files_digest", files)


class Migrate(LibraryStep):
    """Migrates every service's schema, services side by side, and proves each by the new release's own scripts."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(MIGRATED) and not _behind(ctx):
            return {}
        return {"migrate": [service.name for service in ctx.path.services]}

    def apply(self, ctx: Context) -> Outcome:
        if not ctx.recall(COPIED):
            raise Refused("nothing was copied to the seed yet, so there is nothing to migrate")
        ctx.record(MIGRATING, True)
        target = sides(ctx).seeds[0]
        services = ctx.path.services
        ran = _manage(ctx, target, {service.name: _argvs(service.migrate) for service in services})
        behind = _behind(ctx)
        if behind:
            raise Failed(f"not at the new release's head after the migration: {', '.join(behind)}", node=target)
        ctx.record(MIGRATED, True)
        ctx.record(MIGRATING, None)
        return Outcome(
            changes={"migrated": [service.name for service in services]},
            comment=f"{len(services)} services' schemas at the new release's heads",
            evidence={"seconds": ran, "heads": _heads(ctx)},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        behind = _behind(ctx)
        if behind:
            raise InvariantBroken(f"not at the new release's head: {', '.join(behind)}")
        return {"heads": _heads(ctx)}


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
            ctx.nodes.call([target], "octane_db.delete_stale", entry["database"], entry["table"], entry["id"], entry["host"])
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
        commands = {service.name: _argvs(service.online) for service in ctx.path.services if service.online}
        return {"run": sorted(commands)} if commands else {}

    def apply(self, ctx: Context) -> Outcome:
        groups = {service.name: _argvs(service.online) for service in ctx.path.services if service.online}
        ran = _manage(ctx, sides(ctx).seeds[0], groups)
        ctx.record("db.online", True)
        return Outcome(changes={"ran": sorted(groups)}, comment="online data migrations are complete", evidence={"seconds": ran})

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"done": bool(ctx.recall("db.online"))}


class NothingLost(LibraryStep):
    """Reads every table of the original once more: whatever moved since the freeze was acknowledged to somebody."""

    changes_nothing = True

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {}

    def verify(self, ctx: Context) -> dict[str, Any]:
        return _unmoved(ctx)


def writers(ctx: Context) -> dict[str, list[str]]:
    """Arguments of ``octane_service.stopped``: the original's jobs that write without being asked."""
    return {"services": list(ctx.path.writers)}


def _argvs(commands: tuple[tuple[str, ...], ...]) -> list[list[str]]:
    return [list(argv) for argv in commands]


def _manage(ctx: Context, node: str, groups: Mapping[str, list[list[str]]]) -> dict[str, float]:
    """Run management commands on NODE, groups side by side; seconds by group."""
    ran = ctx.nodes.call(
        [node], "octane_db.run_manage_all", groups=dict(groups), at_once=4, timeout=MIGRATION_TIMEOUT
    )[node]
    return {name: round(sum(command["seconds"] for command in commands["commands"]), 1) for name, commands in ran.items()}


def _resources(ctx: Context) -> dict[str, list[dict[str, str]]]:
    first = sides(ctx).seeds[0]
    return dict(ctx.nodes.call([first], "octane_cloud.resources")[first])


def _databases(ctx: Context) -> tuple[str, ...]:
    """The hop's databases that the original has; another's absence is an error, since its service would start empty."""
    source = sides(ctx).originals[0]
    present = set(ctx.nodes.call([source], "octane_db.databases")[source])
    missing = [name for name in ctx.path.databases if name not in present]
    if missing:
        raise Refused(f"the original has no database {', '.join(missing)}, which this path moves", node=source)
    return ctx.path.databases


def _original_checksums(ctx: Context) -> dict[str, dict[str, Any]]:
    return _checksums(ctx, sides(ctx).originals[0])


def _checksums(ctx: Context, node: str) -> dict[str, dict[str, Any]]:
    """Checksums of every table that is not expendable: {database: {table: checksum}}."""
    expendable = ctx.path.expendable
    found = ctx.nodes.call([node], "octane_db.checksums", list(_databases(ctx)), timeout=CHECKSUM_TIMEOUT)[node]
    return {
        database: {table: value for table, value in tables.items() if table not in expendable.get(database, ())}
        for database, tables in found.items()
    }


def _moved(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """``database.table`` of what differs between two readings, tables that came or went included."""
    names = {(database, table) for reading in (before, after) for database, tables in reading.items() for table in tables}
    return sorted(
        f"{database}.{table}"
        for database, table in names
        if before.get(database, {}).get(table) != after.get(database, {}).get(table)
    )


def _unmoved(ctx: Context) -> dict[str, Any]:
    """:raises InvariantBroken: naming the tables of the original that moved since the freeze."""
    frozen = ctx.recall(FROZEN) or {}
    moved = _moved(frozen, _original_checksums(ctx))
    if moved:
        raise InvariantBroken(f"written to on the original since the freeze: {', '.join(moved)}")
    return {"tables": sum(len(found) for found in frozen.values()), "moved": []}


def _still(ctx: Context) -> bool:
    frozen = ctx.recall(FROZEN)
    return bool(frozen) and not _moved(frozen, _original_checksums(ctx))


def _writers(ctx: Context) -> list[str]:
    """Sessions seen writing on any original controller, each as ``node: user@host command``; heartbeats show here."""
    found = ctx.nodes.call(list(sides(ctx).originals), "octane_db.writers")
    return [
        f"{node}: {session['user']}@{session['host']} {session['command']}"
        for node, sessions in found.items()
        for session in sessions
    ]


def _differences(ctx: Context) -> list[str]:
    side = sides(ctx)
    return _moved(_checksums(ctx, side.originals[0]), _checksums(ctx, side.seeds[0]))


def _seed_server(ctx: Context, side: Sides) -> str:
    """Identity of the seed's database server, recorded at the first look; never the original's.

    :raises Refused: when both sides answer with one identity: the seed is then not isolated, and its databases are production.
    """
    found = ctx.nodes.call([side.originals[0], side.seeds[0]], "octane_db.server")
    original, seed = found[side.originals[0]]["id"], found[side.seeds[0]]["id"]
    if original == seed:
        raise Refused(f"{side.seeds[0]} is in the original's database cluster: nothing is copied over it")
    recorded = ctx.recall(SEED_SERVER)
    if recorded is None:
        ctx.record(SEED_SERVER, seed)
    elif recorded != seed:
        raise Refused(f"{side.seeds[0]}'s database server is not the one recorded for this seed")
    return str(seed)


def _send(
    ctx: Context,
    side: Sides,
    function: str,
    what: list[str],
    receiver: Mapping[str, Any],
    identity: Mapping[str, Any],
    target: str | None = None,
) -> dict[str, Any]:
    source = side.originals[0]
    return dict(
        ctx.nodes.call(
            [source],
            function,
            what,
            side.admin[target or side.seeds[0]],
            receiver["port"],
            receiver["certificate"],
            identity["identity"],
            timeout=STREAM_TIMEOUT,
        )[source]
    )


def _heads(ctx: Context) -> dict[str, Any]:
    target = sides(ctx).seeds[0]
    return {
        schema.database: ctx.nodes.call([target], "octane_db.schema_heads", schema.database)[target]
        for service in ctx.path.services
        for schema in service.schemas
    }


def _behind(ctx: Context) -> list[str]:
    """Databases whose recorded head is not the one of the new release's scripts."""
    target = sides(ctx).seeds[0]
    heads = _heads(ctx)
    behind = []
    for service in ctx.path.services:
        behind += [database for database in service.databases if not _at_head(ctx, target, service, database, heads)]
    return behind


def _at_head(ctx: Context, target: str, service: Service, database: str, heads: Mapping[str, Any]) -> bool:
    schema = next(found for found in service.schemas if found.database == database)
    wanted = ctx.nodes.call([target], "octane_db.package_heads", schema.package, schema.directory)[target]
    found = heads[database]
    if schema.repository is not None:
        return bool(found["migrate"].get(schema.repository) == wanted["migrate"])
    return bool(sorted(found["alembic"]) == sorted(wanted["alembic"]))


def _stale(ctx: Context) -> list[dict[str, Any]]:
    """Records of daemons whose host is in the original's controllers and not among the seed's: [{database, table, id, binary, host}]."""
    target = sides(ctx).seeds[0]
    wanted = [
        {"database": stale.database, "table": stale.table, "host": stale.host, "where": {k: list(v) for k, v in stale.where.items()}}
        for stale in ctx.path.stale
    ]
    return list(ctx.nodes.call([target], "octane_db.stale", wanted, list(sides(ctx).original_hosts))[target])
