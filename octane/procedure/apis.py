"""What the APIs' frontends are told of the path, and whether both sides have the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.procedure.checks import Check
from octane.sides import sides
from octane.step import Outcome


def passes(ctx: Context) -> dict[str, list[dict[str, Any]]]:
    """Arguments of ``octane_api.armed`` and ``octane_api.read_only``: writes that go on while others are refused."""
    ports = ctx.path.apis
    return {
        "passes": [
            {"method": one.method, "paths": list(one.paths), "ports": [ports[name] for name in one.apis]}
            for one in ctx.path.passes
        ]
    }


class ServedAlike(Check):
    """What clients of the original reach is there on the seed as well, with TLS or without it as they know it.

    An address that nobody serves on the seed is told and no failure: a service may be left behind knowingly. With TLS
    on one side alone no client of that address would get on.
    """

    check_first = False

    def apply(self, ctx: Context) -> Outcome:
        missing = [f"{name} ({where})" for name, where in _compared(ctx)["missing"]]
        told = f"not served by the seed: {', '.join(missing)}" if missing else "the seed serves what the original does"
        return Outcome(comment=told, evidence={"missing": missing})

    def verify(self, ctx: Context) -> dict[str, Any]:
        found = _compared(ctx)
        if found["unlike"]:
            raise Failed(f"served with TLS on one side alone: {', '.join(found['unlike'])}", node=sides(ctx).seeds[0])
        return {"served": found["served"]}


def _compared(ctx: Context) -> dict[str, Any]:
    """{"missing": [(name of a frontend, "address:port")], "unlike": ["name (address:port)"], "served": how many}."""
    side = sides(ctx)
    found = ctx.once("frontends", lambda: ctx.nodes.call([*side.originals, *side.seeds], "octane_api.frontends"))
    before, now = _binds(found[node] for node in side.originals), _binds(found[node] for node in side.seeds)
    return {
        "missing": sorted((name, where) for where, (name, _) in before.items() if where not in now),
        "unlike": sorted(
            f"{name} ({where})" for where, (name, tls) in before.items() if where in now and now[where][1] is not tls
        ),
        "served": len(before.keys() & now.keys()),
    }


def _binds(frontends: Iterable[list[dict[str, Any]]]) -> dict[str, tuple[str, bool]]:
    """{"address:port": (name of the frontend, whether with TLS)}."""
    return {
        f"{bind['address']}:{bind['port']}": (one["name"], bool(bind["ssl"]))
        for of_node in frontends
        for one in of_node
        for bind in one["binds"]
    }
