"""Bulk data from one node to another: encrypted between the two, never through the master, and the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.sides import Sides, fenced
from octane.stage import DEFAULT_RATE

TIMEOUT = 4 * 3600
END_TIMEOUT = 300
"""Seconds for a transfer to end and to take back what it had loaded."""

Sent = dict[str, Any]
"""{"bytes": int, "sha256": str, "seconds": float}, of databases with "position", as ``octane_db.send`` returns it."""


@dataclass(frozen=True)
class Ends:
    """From which node to which; ``through`` is the function of the target that asks a scratch server there instead of
    the real one."""

    side: Sides
    source: str
    target: str
    through: str | None = None


def rate(ctx: Context) -> int:
    """Bytes per second that bulk data may take while users wait, option ``rate``; 0: no limit."""
    return int(ctx.options.get("rate") or 0)


def rate_beside_users(ctx: Context) -> int:
    """Bytes per second that a copy may take while users work, option ``rate``; 0: no limit."""
    given = ctx.options.get("rate")
    return DEFAULT_RATE if given is None else int(given)


def at_most(limit: int) -> str:
    """LIMIT in words."""
    return f"at most {limit / 2**20:.3g} MiB/s" if limit else "without a limit"


def databases(ctx: Context, ends: Ends, names: list[str], server: str, limit: int) -> Sent:
    """Databases NAMES of the source on the target, whose database server is SERVER; those it had are replaced.

    :param limit: bytes per second over all streams; 0: none
    :raises Failed: other bytes arrived than were sent.
    """
    # One that outlived its run would take back what it loaded in the end: this copy.
    ctx.nodes.call([ends.source, ends.target], "octane_stream.end", timeout=END_TIMEOUT)
    expected = sum(ctx.nodes.call([ends.source], "octane_db.sizes", names)[ends.source].values())
    where = f"from {ends.source} to {ends.target}, {at_most(limit)}"
    ctx.progress(f"streaming {len(names)} databases {where}", bytes=expected)
    given = {"limit": limit} if limit else {}
    alone = len(ends.side.seeds) == 1 and not ends.through and not fenced(ctx)
    return _transferred(ctx, ends, "", names, given, server=server, replace=True, alone=alone)


def directories(ctx: Context, ends: Ends, names: list[str]) -> Sent:
    """Whole directories NAMES of the source on the target, in the place of those it had.

    :raises Failed: other bytes arrived than were sent.
    """
    return _transferred(ctx, ends, "_files", names, {})


def _transferred(ctx: Context, ends: Ends, kind: str, names: list[str], limit: Mapping[str, int], **given: Any) -> Sent:
    identity = ctx.nodes.call([ends.source], "octane_db.identity")[ends.source]
    receive = (f"octane_db.receive{kind}", names, ends.side.admin[ends.target], identity["certificate"])
    words = (ends.through, *receive) if ends.through else receive
    receiver: Mapping[str, Any] = ctx.nodes.call([ends.target], *words, **given)[ends.target]
    to = (ends.side.admin[ends.target], receiver["port"], receiver["certificate"], identity["identity"])
    sent: Sent = ctx.nodes.call([ends.source], f"octane_db.send{kind}", names, *to, timeout=TIMEOUT, **limit)[
        ends.source
    ]
    received = ctx.nodes.call([ends.target], "octane_db.received", receiver["ticket"], timeout=TIMEOUT)[ends.target]
    if sent["sha256"] != received["sha256"]:
        raise Failed(f"{ends.target} received other bytes than {ends.source} sent", node=ends.target)
    return sent
