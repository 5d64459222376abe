"""The controllers that stay when one of them leaves, asked by themselves."""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.procedure import leaving, membership
from octane.verify.invariants import invariant


@invariant("quorum_kept")
def quorum_kept(ctx: Context) -> dict[str, Any]:
    """Pacemaker, Galera and RabbitMQ of the original's controllers are whole without the one that leaves, as they were
    before with it, and every API answers by each of the others."""
    there = leaving.members(ctx)
    found = membership.require_whole(ctx, there, len(there))
    return {"clusters": found, "apis": membership.await_answers(ctx, there)}
