"""Can the databases be moved? Every problem is found before anything is changed, each with what to do about it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import BadInput, Refused
from octane.path import NAME
from octane.procedure import tables
from octane.procedure.checks import Check, Precondition
from octane.procedure.copyable import TIMEOUT, uncopyable
from octane.procedure.db_rows import findings, in_flight
from octane.procedure.schemas import compared, is_at_head, of_another_release
from octane.procedure.tables import COPIED
from octane.procedure.way import REPLICA, REPLICATING, numbers, way
from octane.sides import Sides, sides
from octane.step import Outcome

ROOM = 3
"""Free bytes that a seed's controller needs for each byte that is moved: the copy, the table that a migration rebuilds
beside it, and Galera's cache and the binary log of both."""
LOG_SHARE = 0.5
"""Free bytes that each of the original's controllers needs for a byte that is moved to a replica: its binary log from
the copy until the seed has caught up, and what the copy's snapshot keeps of rows that change meanwhile. To use it up,
users would have to write half of all there is anew in the time of one copy."""
LOG_LEAST = 256 << 20
"""For however little data: an hour of heartbeats of a hundred computes is 180 MB of log (four services of each every
10 to 30 s, two images of a row of 1 to 2 KB)."""


class Preflight(Precondition):
    """The servers of both sides, the room for a copy and for the log meanwhile, the databases nobody asked to move, the
    old schemas' heads, rows that the path knows to break what follows, work in flight that stands still.

    Nothing to find out any more once a copy was made: the seed holds it then, and the original is read-only.
    """

    check_first = False

    def apply(self, ctx: Context) -> Outcome:
        """What is in flight now stands in nobody's way, but the window waits for the like of it."""
        now = [] if ctx.recall(COPIED) else in_flight(ctx, tables.present(ctx))
        comment = f"now in flight, and waited for in the window: {'; '.join(now)}" if now else "checked"
        return Outcome(comment=comment, evidence={"in_flight": now} if now else {})

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(COPIED):
            return {}
        side = sides(ctx)
        present = tables.present(ctx)
        moved = [name for name in ctx.path.databases if name in present]
        sizes = dict(ctx.nodes.call([side.originals[0]], "octane_db.sizes", moved)[side.originals[0]])
        # A replica that an earlier run made takes its room already.
        mark = ctx.recall(REPLICATING) or {}
        free = {} if mark.get("position") else ctx.nodes.call(list(side.seeds), "octane_db.free_space")
        chosen, no_way = _way(ctx) if len(moved) == len(ctx.path.databases) else ({}, [])
        logs = ctx.nodes.call(list(side.originals), "octane_source.free_space") if _is_to_be_made(chosen, mark) else {}
        problems = [
            *_standing(ctx, side, present),
            *too_small(free, sum(sizes.values())),
            *no_way,
            *no_room_for_log(logs, sum(sizes.values())),
            *findings(ctx, moved),
        ]
        if problems:
            raise Refused("; ".join(problems))
        left = sorted(left_behind(ctx, present) & present)
        return {"databases": len(moved), "bytes": sum(sizes.values()), "left": left, "way": chosen["way"]}


class StillChecked(Check):
    """The same right before the window: what was looked for once may have come in the hours that the copy took. Room
    and the way are taken by now; what the old release's commands should have put right is put right."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(COPIED):
            return {}
        problems = [*_standing(ctx, sides(ctx), tables.present(ctx)), *findings(ctx, ctx.path.databases, mended=True)]
        if problems:
            raise Refused("; ".join(problems))
        return {"databases": len(ctx.path.databases)}


def _standing(ctx: Context, side: Sides, present: set[str]) -> list[str]:
    """What stands in the way at any time before the copy is the seed's: of the servers, of what there is on the
    original, and of where the seed's commands lead."""
    moved = [name for name in ctx.path.databases if name in present]
    servers = ctx.nodes.call([*side.originals, *side.seeds], "octane_db.server")
    galera = ctx.nodes.call([*side.originals, *side.seeds], "octane_db.wsrep")
    return [
        *(
            f"the original has no database {name}, which this path moves: its service would start empty"
            for name in ctx.path.databases
            if name not in present
        ),
        *foreign(present, ctx.path.databases, left_behind(ctx, present)),
        *unlike_servers(servers, side),
        *incomplete_clusters(galera, (side.originals, side.seeds)),
        *uncopyable(ctx, moved, galera[side.seeds[0]]["enabled"]),
        *_misdirected(ctx, side.seeds[0], servers[side.seeds[0]]["id"]),
        *_without_stack_domain(ctx, side, present),
        *_behind(ctx, side, moved),
    ]


def left_behind(ctx: Context, present: Collection[str]) -> set[str]:
    """Databases of which the operator said that they are not to be moved; whatever their names are, if they are there.

    :raises BadInput: one is neither there nor has a name as databases do, or is one that the path moves
    """
    given = list(ctx.options.get("leave") or ())
    for name in given:
        if not isinstance(name, str) or (name not in present and not re.fullmatch(NAME, name)):
            raise BadInput(f"leave takes names of databases, and the original has none of the name {name!r}")
        if name in ctx.path.databases:
            raise BadInput(f"the database {name} is one that this path moves: it cannot be left behind")
    return set(given)


def foreign(present: Iterable[str], moved: Iterable[str], leave: Iterable[str]) -> list[str]:
    """Databases that nobody asked to move and nobody said to leave: their service would start empty on the seed."""
    unknown = sorted(set(present) - set(moved) - set(leave))
    return [
        f"the original has a database {name}, which is not moved: say --leave={shlex.quote(name)} if so be it"
        for name in unknown
    ]


def unlike_servers(servers: Mapping[str, Mapping[str, Any]], side: Sides) -> list[str]:
    """Why checksums of one side's tables would say nothing about the other's, or a copy could not be loaded: of the
    newest of the original's servers and the oldest of the seed's, by node."""
    newest = max(side.originals, key=lambda node: numbers(servers[node]["version"]))
    oldest = min(side.seeds, key=lambda node: numbers(servers[node]["version"]))
    original, seed = servers[newest], servers[oldest]
    families = {servers[node]["family"] for node in (*side.originals, *side.seeds)}
    if len(families) > 1:
        return [
            f"the original's database server is {original['family']} {original['version']} and the seed's "
            f"{seed['family']} {seed['version']}: their tables cannot be compared; deploy the seed with the same family"
        ]
    if numbers(original["version"]) > numbers(seed["version"]):
        return [
            f"{oldest}: its database server {seed['version']} is older than {original['version']} of {newest}, whose "
            "tables it might not read: deploy the seed with one that is not"
        ]
    return []


def incomplete_clusters(galera: Mapping[str, Mapping[str, Any]], clusters: Iterable[tuple[str, ...]]) -> list[str]:
    """Controllers whose database is not a synced member of a cluster of all of its side."""
    return [
        f"{node}: its database is {found['state'] or 'not running'} in a {found['status'] or 'missing'} cluster of "
        f"{found['size']}, not synced in one of {len(nodes)}: see `crm_mon -1` there"
        for nodes in clusters
        for node in nodes
        if (found := galera[node])["enabled"] and not _is_whole(found, len(nodes))
    ]


def too_small(free: Mapping[str, Mapping[str, Any]], size: int) -> list[str]:
    """Controllers of the seed without room for SIZE bytes of data."""
    return [
        f"{node}: {found['bytes'] >> 20} MiB are free in {found['path']}, {size * ROOM >> 20} MiB are needed "
        f"({ROOM} times the {size >> 20} MiB to be moved): make room there"
        for node, found in sorted(free.items())
        if found["bytes"] < size * ROOM
    ]


def no_room_for_log(free: Mapping[str, Mapping[str, Any]], size: int) -> list[str]:
    """Controllers of the original without room for the log of what is written while SIZE bytes of data are copied."""
    needed = max(int(size * LOG_SHARE), LOG_LEAST)
    return [
        f"{node}: {found['bytes'] >> 20} MiB are free in {found['path']}, {needed >> 20} MiB are needed there for the "
        f"binary log until the seed has caught up ({LOG_SHARE:g} of the {size >> 20} MiB to be moved, at least "
        f"{LOG_LEAST >> 20}): make room there, or say --way dump, which needs none"
        for node, found in sorted(free.items())
        if found["bytes"] < needed
    ]


def _way(ctx: Context) -> tuple[Mapping[str, Any], list[str]]:
    """How the databases will come to the seed, and why not so if that was asked for."""
    try:
        return way(ctx), []
    except Refused as error:
        return {}, [f"{error.message}: say --way dump, or neither"]


def _misdirected(ctx: Context, seed: str, server: str) -> list[str]:
    """Services whose migration commands would not be run on the seed, in whose window that would be known too late."""
    files = {service.name: list(service.configuration) for service in ctx.path.services}
    found = ctx.nodes.call([seed], "octane_manage.misdirected", files, server, timeout=TIMEOUT)[seed]
    return [
        f"{seed}: the migration of {name} would be refused: {why}: set the database URL in its configuration there"
        for name, why in sorted(found.items())
    ]


def _without_stack_domain(ctx: Context, side: Sides, present: Collection[str]) -> list[str]:
    """What heat on the seed will look for in Keystone, where only what the original has will be: Fuel 6.1 tells it an
    id, 7.0 the name that its own deployment made."""
    if not {"heat", "keystone"} <= set(ctx.path.databases) & set(present):
        return []
    seed, original = side.seeds[0], side.originals[0]
    wanted = ctx.nodes.call([seed], "octane_heat.stack_domain")[seed]
    missing = ctx.nodes.call([original], "octane_heat.unknown", wanted)[original]
    return [
        f"{seed}: heat's configuration there asks for what will not be: {why} on the original; set stack_user_domain_* "
        "and stack_domain_admin in /etc/heat/heat.conf there to what the original's heat uses"
        for why in missing
    ]


def _is_to_be_made(chosen: Mapping[str, Any], mark: Mapping[str, Any]) -> bool:
    return chosen.get("way") == REPLICA and not mark.get("position")


def _is_whole(found: Mapping[str, Any], size: int) -> bool:
    return bool(found["state"] == "Synced" and found["status"] == "Primary" and found["size"] == size)


def _behind(ctx: Context, side: Sides, present: Iterable[str]) -> list[str]:
    """Schemas of the original that are not at the head of its own release, where the new one's migrations start."""
    node = side.originals[0]
    places = [
        (schema, service.migrate[0][0])
        for service in ctx.path.services
        for schema in service.schemas
        if schema.database in present
    ]
    found = compared(ctx, node, [(schema, schema.old) for schema, _ in places])
    problems = of_another_release(found, ctx.path.release_from)
    for schema, tool in places:
        one = found[schema.database]
        if one["error"]:
            problems.append(f"{node}: the release of the schema {schema.database} cannot be told: {one['error']}")
        elif not is_at_head(one, schema.old):
            problems.append(
                f"the schema {schema.database} is not at the head of the original's own release: finish its "
                f"migration on {node} ({tool}) first"
            )
    return problems
