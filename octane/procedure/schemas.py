"""Schemas of databases beside the heads of the scripts of a release, which alone prove a migration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.path import Schema, Scripts
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


def behind(node: str, found: Compared, places: Iterable[tuple[Schema, Scripts]]) -> list[str]:
    """Databases among PLACES that are not at the head of their scripts, by what NODE FOUND.

    :raises Failed: the head of one is not known
    """
    unknown = [f"{database}: {one['error']}" for database, one in found.items() if one["error"]]
    if unknown:
        raise Failed(f"the new release's heads are not known: {'; '.join(unknown)}", node=node)
    return [schema.database for schema, scripts in places if not is_at_head(found[schema.database], scripts)]


def as_they_are(ctx: Context) -> dict[str, Any]:
    """What the original's schemas say of themselves: {database: as ``octane_db.schema_heads`` returns it}."""
    node = sides(ctx).originals[0]
    return {name: ctx.nodes.call([node], "octane_db.schema_heads", name)[node] for name in ctx.path.databases}


def is_at_head(one: Mapping[str, Any], scripts: Scripts) -> bool:
    """Whether ONE of what :func:`compared` returned says what its SCRIPTS lead to."""
    found, wanted = one["found"], one["wanted"]
    if scripts.repository is not None:
        return bool(found["migrate"].get(scripts.repository) == wanted["migrate"])
    return bool(sorted(found["alembic"]) == sorted(wanted["alembic"]))
