"""What the seed's controllers are configured with, where that is an id of the copied data and not of their own."""

from __future__ import annotations

import re
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken, Refused
from octane.path import Setting
from octane.procedure import db_rows
from octane.sides import sides
from octane.step import LibraryStep, Outcome

BEFORE = "db.settings"
"""What was said before, to be said again when the stage is taken back: {node: {name of the setting: value}}."""
_ID = re.compile(r"[A-Za-z0-9-]+")


class FollowCopy(LibraryStep):
    """The seed's controllers name by the copy's ids what they named by those that their own deployment had given
    (``nova_admin_tenant_id`` of neutron). Where a controller does not say it, it is told otherwise, and left so."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return self._changes(ctx)

    def apply(self, ctx: Context) -> Outcome:
        changes = self._changes(ctx)
        known = {node: dict(values) for node, values in (ctx.recall(BEFORE) or {}).items()}
        for node, values in changes.items():
            for name, change in values.items():
                known.setdefault(node, {}).setdefault(name, change["old"])
        # Before anything is written: an undo of half of it must know.
        ctx.record(BEFORE, known)
        for one in ctx.path.settings:
            for node in (node for node, values in changes.items() if one.name in values):
                _put(ctx, node, one, changes[node][one.name]["new"])
        return Outcome(changes, f"{len(changes)} controllers follow the copy", changes)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = [
            f"{one.option} in {one.file} on {node} is {change['old']} and not {change['new']}"
            for node, values in self._changes(ctx).items()
            for one in ctx.path.settings
            for change in [values.get(one.name)]
            if change
        ]
        if left:
            raise InvariantBroken("; ".join(left))
        return {one.name: _said(ctx, one) for one in ctx.path.settings}

    def undo(self, ctx: Context) -> Outcome:
        known = ctx.recall(BEFORE) or {}
        settings = {one.name: one for one in ctx.path.settings}
        changes: dict[str, Any] = {}
        for node in sides(ctx).seeds:
            for name, old in known.get(node, {}).items():
                now = _get(ctx, [node], settings[name])[node]
                # What says nothing any more was deployed anew meanwhile.
                if now is not None and now != old:
                    _put(ctx, node, settings[name], old)
                    changes.setdefault(node, {})[name] = {"old": now, "new": old}
        ctx.forget(BEFORE)
        return Outcome(changes, f"{len(changes)} controllers say again what they said")

    def _changes(self, ctx: Context) -> dict[str, dict[str, dict[str, str]]]:
        """{node: {name of a setting: {"old", "new"}}} of those that say something else."""
        changes: dict[str, dict[str, dict[str, str]]] = {}
        wanted = {one.name: _wanted(ctx, one) for one in ctx.path.settings}
        for one in ctx.path.settings:
            for node, said in _said(ctx, one).items():
                if said not in (None, wanted[one.name]):
                    changes.setdefault(node, {})[one.name] = {"old": str(said), "new": wanted[one.name]}
        return changes


def _wanted(ctx: Context, one: Setting) -> str:
    """The id that the copy has.

    :raises Refused: it has none or several, or what is no id.
    """
    seed = sides(ctx).seeds[0]
    query = {"name": one.name, "database": one.database, "query": one.query}
    found = ctx.nodes.call([seed], "octane_rows.matching", [query], timeout=db_rows.TIMEOUT)[seed][one.name]
    if found["count"] != 1 or not _ID.fullmatch(found["first"][0]):
        raise Refused(
            f"{one.option} in {one.file} must follow the copy, where {found['count']} rows of {one.database} tell it: "
            f"{', '.join(found['first']) or 'none'} ({one.query})"
        )
    return str(found["first"][0])


def _said(ctx: Context, one: Setting) -> dict[str, str | None]:
    return _get(ctx, list(sides(ctx).seeds), one)


def _get(ctx: Context, nodes: list[str], one: Setting) -> dict[str, str | None]:
    return dict(ctx.nodes.call(nodes, "octane_options.get", one.file, one.section, one.option))


def _put(ctx: Context, node: str, one: Setting, value: str) -> None:
    ctx.nodes.call([node], "octane_options.put", one.file, one.section, one.option, value)
