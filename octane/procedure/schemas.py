"""Schemas of databases beside the heads of the scripts of a release, which alone prove a migration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.path import UNKNOWN, Schema, Scripts, Standing, standing
from octane.sides import sides

TIMEOUT = 300

Place = dict[str, str]
"""{"database", "package", "directory"}, as ``octane_db.compare_schemas`` takes it."""

Compared = Mapping[str, Mapping[str, Any]]
"""{database: {"found", "wanted", "error"}}, as ``octane_db.compare_schemas`` returns it."""


def compared(ctx: Context, node: str, places: Iterable[tuple[Schema, Scripts]]) -> Compared:
    """The schemas of PLACES as NODE has them, beside the scripts of the release that NODE runs."""
    found: Compared = ctx.nodes.call([node], "octane_db.compare_schemas", asked(places), timeout=TIMEOUT)[node]
    return found


def asked(places: Iterable[tuple[Schema, Scripts]]) -> list[Place]:
    """PLACES as a node is asked for them."""
    return [
        {"database": schema.database, "package": schema.package, "directory": scripts.directory}
        for schema, scripts in places
    ]


def of_new_release(ctx: Context) -> list[tuple[Schema, Scripts]]:
    """Every schema of the path with the scripts of its new release."""
    return [(schema, schema.new) for service in ctx.path.services for schema in service.schemas]


def behind(node: str, found: Compared, places: Iterable[tuple[Schema, Scripts]], release: str) -> list[str]:
    """Databases among PLACES that are not at the head of their scripts, by what NODE FOUND, or have repositories beside
    that one which are not at the RELEASE's (keystone's extensions).

    :raises Failed: the head of one is not known
    """
    unknown = [f"{database}: {one['error']}" for database, one in found.items() if one["error"]]
    if unknown:
        raise Failed(f"the new release's heads are not known: {'; '.join(unknown)}", node=node)
    stray = strays(found, release)
    return [
        schema.database
        for schema, scripts in places
        if schema.database in stray or not is_at_head(found[schema.database], scripts)
    ]


def as_they_are(ctx: Context) -> dict[str, Any]:
    """What the original's schemas say of themselves: {database: as ``octane_db.schema_heads`` returns it}."""
    places = [(schema, schema.old) for service in ctx.path.services for schema in service.schemas]
    return {name: one["found"] for name, one in compared(ctx, sides(ctx).originals[0], places).items()}


def is_at_head(one: Mapping[str, Any], scripts: Scripts) -> bool:
    """Whether ONE of what :func:`compared` returned says what its SCRIPTS lead to."""
    found, wanted = one["found"], one["wanted"]
    if scripts.repository is not None:
        return bool(found["migrate"].get(scripts.repository) == wanted["migrate"])
    return bool(sorted(found["alembic"]) == sorted(wanted["alembic"]))


def strays(found: Compared, release: str) -> dict[str, Standing]:
    """Schemas among FOUND that are known not to be RELEASE's, all their repositories considered. One that no release
    explains is none of them: a vendor's packages may carry scripts of their own, which those scripts judge."""
    where = {database: standing(database, one["found"]) for database, one in found.items()}
    return {database: one for database, one in where.items() if one != UNKNOWN and release not in one.releases}


def of_another_release(found: Compared, release: str) -> list[str]:
    """A sentence for each of :func:`strays`, with what to do about it."""
    problems = []
    for database, where in strays(found, release).items():
        if where.between and None not in where.between:
            remedy = "a migration ended there, and none can be run again: restore the database from before it"
        else:
            remedy = f"upgrade along the path of its release, or restore the database that {release} ran on"
        problems.append(f"the schema {database} is {where} and not of {release}: {remedy}")
    return problems
