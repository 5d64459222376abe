"""Who caches hardware addresses has those of the new controllers: computes, whose caches can be read, and the gateway
of the public network, which can only be asked to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken
from octane.procedure.computes import forget_neighbours, reachable
from octane.procedure.isolation import gateways
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.wait import until_none

TIMEOUT = 15
"""Seconds in which addresses are announced again to those that still look for them elsewhere."""

Known = Mapping[str, list[dict[str, Any]]]
"""{minion id: what ``octane_net.announceable`` returns}."""


class PeersKnow(LibraryStep):
    """Nobody looks for an address of the new controllers where it was before: it is announced until that is so.

    A switch or a router that does not heed gratuitous ARP keeps what it knows for minutes or hours.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}
        """What was seen last: it takes seconds, and need not be seen twice."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        stale = self._look(ctx)
        return {"announce again": stale} if stale else {}

    def apply(self, ctx: Context) -> Outcome:
        def unknown() -> list[str]:
            stale = self._look(ctx)
            if stale:
                ctx.nodes.call(list(sides(ctx).seeds), "octane_net.announce")
                forget_neighbours(ctx)
            return stale

        rounds = until_none(unknown, TIMEOUT, "everybody to know where the addresses are")
        return Outcome(changes={"announced": rounds[0]}, evidence={"rounds": len(rounds)})

    def verify(self, ctx: Context) -> dict[str, Any]:
        if not self._seen:
            self._look(ctx)
        if self._seen["stale"]:
            raise InvariantBroken("; ".join(self._seen["stale"]))
        return self._seen

    def _look(self, ctx: Context) -> list[str]:
        self._seen = _seen_by_peers(ctx)
        return list(self._seen["stale"])


def _seen_by_peers(ctx: Context) -> dict[str, Any]:
    """{"stale": sentences, "computes": {minion id: how many of the addresses it knows}, "gateway": {address of a
    gateway: how many addresses it answered, or None if none}}."""
    known: Known = ctx.nodes.call(list(sides(ctx).seeds), "octane_net.announceable")
    stale, counted = _on_computes(ctx, known)
    deaf, answered = _at_gateways(ctx, known)
    return {"stale": stale + deaf, "computes": counted, "gateway": answered}


def _on_computes(ctx: Context, known: Known) -> tuple[list[str], dict[str, int]]:
    computes = reachable(ctx)
    macs = {one["address"]: one["mac"].lower() for found in known.values() for one in found if not one["netns"]}
    if not computes:
        return [], {}
    cached = ctx.nodes.call(computes, "octane_net.neighbours", sorted(macs))
    stale = [
        f"{node} looks for {address} at {mac} and not at {macs[address]}"
        for node, found in sorted(cached.items())
        for address, mac in sorted(found.items())
        if mac.lower() != macs[address]
    ]
    return stale, {node: len(found) for node, found in cached.items()}


def _at_gateways(ctx: Context, known: Known) -> tuple[list[str], dict[str, int | None]]:
    """Of a gateway that answers to some of the addresses behind it, those that it does not answer to. One that answers
    to none is no router, or answers no ping."""
    answers: dict[str, dict[str, bool]] = {}
    for node, bridges in gateways(ctx)["plans"].items():
        for bridge, gateway in bridges.items():
            behind = [one["address"] for one in known[node] if one["interface"] == bridge and not one["netns"]]
            if gateway and behind:
                asked = ctx.nodes.call([node], "octane_net.reaches_from", behind, gateway)[node]
                answers.setdefault(gateway, {}).update(asked)
    heard = {gateway: sum(found.values()) for gateway, found in answers.items()}
    deaf = [
        f"the gateway {gateway} does not answer to {address}"
        for gateway, found in answers.items()
        for address, answered in sorted(found.items())
        if heard[gateway] and not answered
    ]
    return deaf, {gateway: number or None for gateway, number in heard.items()}
