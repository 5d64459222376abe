"""What the APIs' frontends are told of the path."""

from __future__ import annotations

from typing import Any

from octane.context import Context


def passes(ctx: Context) -> dict[str, list[dict[str, Any]]]:
    """Arguments of ``octane_api.armed`` and ``octane_api.read_only``: writes that go on while others are refused."""
    ports = ctx.path.apis
    return {
        "passes": [
            {"method": one.method, "paths": list(one.paths), "ports": [ports[name] for name in one.apis]}
            for one in ctx.path.passes
        ]
    }
