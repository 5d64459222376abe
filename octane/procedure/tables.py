"""Tables of both sides, told equal or not by their checksums, and the marks that the stage leaves in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken, Refused
from octane.procedure.reach import Reach
from octane.procedure.transfer import END_TIMEOUT
from octane.sides import Sides, sides
from octane.stage import undo_command

REHEARSED = "db.rehearsed"
"""The last rehearsal that passed: {"at": epoch seconds, "bytes": int, "limit": bytes per second, "seconds": {"copy":
float, "migrate": {service: float}, "online": {service: float}}, "schemas": what the original's schemas said}."""
COPIED = "db.copied"
"""Both sides were equal: {"source", "target", "bytes", "sha256"}."""
MIGRATING = "db.migrating"
"""From here the copy can only be thrown away: migrations are neither transactional nor repeatable on MySQL."""
MIGRATED = "db.migrated"
FROZEN = "db.frozen"
"""Checksums of the original's tables when writes were refused: {database: {table: checksum}}."""
FROZEN_AT = "db.frozen_at"
"""With a replica, the place of the log where the original stood still: {"node", "position", "foreign"}; what was
written since is told by the log, without reading a table. ``foreign`` is None where the log holds everything."""
SEED_SERVER = "db.seed_server"

CHECKSUM_TIMEOUT = 3600

Checksums = dict[str, dict[str, Any]]
"""{database: {table: checksum}}."""


def databases(ctx: Context) -> tuple[str, ...]:
    """The hop's databases that the original has; another's absence is an error, since its service would start empty."""
    found = present(ctx)
    missing = [name for name in ctx.path.databases if name not in found]
    if missing:
        node = sides(ctx).originals[0]
        raise Refused(f"the original has no database {', '.join(missing)}, which this path moves", node=node)
    return ctx.path.databases


def present(ctx: Context) -> set[str]:
    """Databases that the original has, whether this path moves them or not."""
    first = sides(ctx).originals[0]
    return ctx.once("present", lambda: set(ctx.nodes.call([first], "octane_db.databases")[first]))


def original_checksums(ctx: Context) -> Checksums:
    return checksums(ctx, sides(ctx).originals[0])


def checksums(ctx: Context, node: str) -> Checksums:
    """Checksums of every table that is not expendable: {database: {table: checksum}}."""
    return lasting(ctx, every_checksum(ctx, node))


def every_checksum(ctx: Context, node: str, timeout: float = CHECKSUM_TIMEOUT) -> Checksums:
    """Checksums of all tables of the path's databases: {database: {table: checksum}}."""
    found = ctx.nodes.call([node], "octane_db.checksums", list(databases(ctx)), timeout=timeout)[node]
    return {database: {table: _number(value) for table, value in tables.items()} for database, tables in found.items()}


def lasting(ctx: Context, reading: Checksums) -> Checksums:
    """READING without the tables that the path calls expendable."""
    expendable = ctx.path.expendable
    return {
        database: {table: value for table, value in tables.items() if table not in expendable.get(database, ())}
        for database, tables in reading.items()
    }


def _number(checksum: str | int | None) -> int | None:
    """As a number, which the journal takes under any table's name; None for what has no rows to sum (a view)."""
    return None if checksum is None else int(checksum)


def moved(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """``database.table`` of what differs between two readings, tables that came or went included."""
    names = {
        (database, table) for reading in (before, after) for database, tables in reading.items() for table in tables
    }
    return sorted(
        f"{database}.{table}"
        for database, table in names
        if before.get(database, {}).get(table) != after.get(database, {}).get(table)
    )


def unmoved(ctx: Context) -> dict[str, Any]:
    """:raises InvariantBroken: naming the tables of the original that moved since the freeze; a copy that is migrated
    will not get them any more, so that then the only way on is back."""
    frozen, at = ctx.recall(FROZEN) or {}, ctx.recall(FROZEN_AT)
    since = logged(ctx, at)["moved"] if at else moved(frozen, original_checksums(ctx))
    if since:
        back = undo_command(ctx.stage, ctx.pair, ctx.options) if ctx.recall(MIGRATED) else None
        raise InvariantBroken(f"written to on the original since the freeze: {', '.join(since)}", next_command=back)
    return {"log": at["position"], "moved": []} if at else {"tables": sum(map(len, frozen.values())), "moved": []}


def still(ctx: Context) -> bool:
    frozen, at = ctx.recall(FROZEN), ctx.recall(FROZEN_AT)
    if at:
        return not logged(ctx, at)["moved"]
    return bool(frozen) and not moved(frozen, original_checksums(ctx))


def logged(ctx: Context, at: Mapping[str, Any], timeout: float = CHECKSUM_TIMEOUT) -> dict[str, Any]:
    """What the log of AT's node says was written since AT: {"moved": names, "expendable": tables that the path calls
    so, "elsewhere": databases that it does not move, "committed": wsrep_last_committed before and after the reading
    (None without Galera), "at": up to where it was read, in AT's form}."""
    return _told(at, _log_of(ctx, at["node"], timeout, since=at["position"]))


def quiet(ctx: Context, at: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """As :func:`logged`, of the SECONDS from now on."""
    return _told(at, _log_of(ctx, at["node"], CHECKSUM_TIMEOUT, since=None, watch=seconds))


def _log_of(ctx: Context, node: str, timeout: float, **since: Any) -> Mapping[str, Any]:
    given = {"skip": expendable(ctx), "tolerated": ctx.path.tolerated, **since}
    found = ctx.nodes.call([node], "octane_proof.changed", list(ctx.path.databases), timeout=timeout, **given)
    return dict(found[node])


def _told(at: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    names = list(found["tables"])
    if found["statements"]:
        names.append(f"{found['statements']} statements that change a schema")
    foreign = None if at["foreign"] is None else found["foreign"]
    if foreign is not None and foreign > at["foreign"]:
        names.append(f"{foreign - at['foreign']} writes by other nodes of the cluster, which are not in its log")
    told = {name: list(found[name]) for name in ("expendable", "elsewhere", "committed")}
    return {"moved": names, **told, "at": {"node": at["node"], "position": found["position"], "foreign": foreign}}


def expendable(ctx: Context) -> dict[str, list[str]]:
    """Tables that may differ, by database."""
    return {database: list(names) for database, names in ctx.path.expendable.items()}


def writing_sessions(ctx: Context) -> tuple[list[str], list[str]]:
    """Sessions that any original controller sees writing, each as ``node: user@host command in database``: to databases
    of the path or none that is told, and to others."""
    ours: list[str] = []
    others: list[str] = []
    for node, sessions in ctx.nodes.call(list(sides(ctx).originals), "octane_db.writers").items():
        for one in sessions:
            within = ours if one["database"] in ("", *ctx.path.databases) else others
            where = one["database"] or "no database"
            within.append(f"{node}: {one['user']}@{one['host']} {one['command']} in {where}")
    return ours, others


def differences(ctx: Context) -> list[str]:
    side = sides(ctx)
    return moved(checksums(ctx, side.originals[0]), checksums(ctx, side.seeds[0]))


def drop_copy(ctx: Context, reach: Reach) -> None:
    """The databases of the path are not on the seed. Its server was recorded before anything came there, and none but
    that one obeys: the original need not answer."""
    side = sides(ctx)
    there = reach.heard(side.seeds[:1])

    def end() -> None:
        # A receiver that outlived the run it belongs to would go on loading.
        ctx.nodes.call(there, "octane_stream.end", timeout=END_TIMEOUT)

    def drop() -> None:
        server, names = ctx.recall(SEED_SERVER) or seed_server(ctx, side), list(ctx.path.databases)
        ctx.nodes.state(there, "octane_db.absent_databases", databases=names, server=server, timeout=CHECKSUM_TIMEOUT)

    if there:
        reach.attempt(end)
        reach.attempt(drop)


def seed_server(ctx: Context, side: Sides) -> str:
    """Identity of the seed's database server, recorded at the first look; never the original's.

    :raises Refused: when both sides answer with one identity: the seed is not isolated then, and its databases are
        production.
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
