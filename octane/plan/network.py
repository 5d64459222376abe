"""The plan of the networks: which port of which bridge leaves and comes, on every node of both sides, and when. Pure.

`members` are given as data, so that the plan of a cloud can be computed before there is a seed, and tested without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any

from octane.errors import Refused
from octane.fuel import scheme
from octane.fuel.scheme import Scheme
from octane.fuel.uplinks import PRIVATE, uplinks

ORIGINAL, SEED = "original", "seed"
ISOLATION, SWITCH = "upgrade-env", "upgrade-control"
"""The stages that move ports; each is taken back by the rollback command of its name."""

MOVED = {**scheme.ISOLATED, PRIVATE: scheme.PRIVATE}
"""Networks whose ports move, and the roles that they serve."""

OVERLAY_KEYS = {"management": 1, "public": 2}
"""Number of the overlay of each network that joins isolated controllers; tenants have nothing there yet."""

Ports = dict[str, list[dict[str, Any]]]
"""{minion id: [what `Uplink.as_dict` returns]}"""


@dataclass(frozen=True)
class Member:
    """A node of one side: its minion id, ORIGINAL or SEED, its network_scheme, whether it is a controller."""

    node: str
    side: str
    scheme: Scheme
    is_controller: bool = True


@dataclass(frozen=True)
class Move:
    """One line of the plan: PORT of BRIDGE `leaves`, `comes` or `stays` WHEN a stage runs ("" for what stays).

    `purpose` is "management", "public", "private" or, of a bridge that serves several, those joined by commas; `kind`
    is "port", "bond", "patch" or "overlay".
    """

    side: str
    node: str
    purpose: str
    bridge: str
    provider: str
    port: str
    kind: str
    does: str
    when: str

    def as_dict(self) -> dict[str, str]:
        return dict(zip(COLUMNS, astuple(self), strict=True))


COLUMNS = tuple(field.name for field in fields(Move))


def ports(members: Iterable[Member]) -> Ports:
    """What is unplugged to cut the controllers among MEMBERS off, and plugged in to connect them.

    :raises Refused: naming every node for which it cannot be computed, and why
    """
    return _all(
        [member for member in members if member.is_controller],
        lambda member: [uplink.as_dict() for uplink in uplinks(member.scheme, member.node)],
    )


def moves(members: Iterable[Member], known: Ports | None = None) -> list[Move]:
    """The whole plan, node by node, in the order of time.

    :param known: ports of controllers that were recorded, where what Nailgun computes now does not count any more
    :raises Refused: naming every node for which it cannot be computed, and why
    """
    everybody = list(members)
    seeds = [member for member in everybody if member.side == SEED and member.is_controller]

    def lines(member: Member) -> list[Move]:
        if not member.is_controller:
            return _staying(member)
        recorded = (known or {}).get(member.node)
        found = recorded or [uplink.as_dict() for uplink in uplinks(member.scheme, member.node)]
        return _moving(member, found, with_overlay=len(seeds) > 1)

    told = _all(everybody, lines)
    return [move for member in everybody for move in told[member.node]]


def _all(members: list[Member], compute: Callable[[Member], list[Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    refused: list[Refused] = []
    for member in members:
        try:
            found[member.node] = compute(member)
        except Refused as error:
            refused.append(error)
    if refused:
        node = refused[0].node if len(refused) == 1 else None
        told = "; ".join(_with_node(error) for error in refused)
        raise Refused(f"the networks cannot be planned: {told}", node=node)
    return found


def _with_node(error: Refused) -> str:
    return error.message if error.node is None or error.node in error.message else f"{error.node}: {error.message}"


def _moving(member: Member, found: list[dict[str, Any]], with_overlay: bool) -> list[Move]:
    if member.side == ORIGINAL:
        return [_move(member, port, "leaves", SWITCH) for port in found]
    overlays = [_overlay(member, port) for port in _joined(found)] if with_overlay else []
    return [
        *(_move(member, port, "leaves", ISOLATION) for port in found),
        *(_move(member, port, "comes", ISOLATION) for port in overlays),
        *(_move(member, port, "leaves", SWITCH) for port in overlays),
        *(_move(member, port, "comes", SWITCH) for port in found),
    ]


def _joined(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One port of each bridge that gets an overlay."""
    return list({port["serves"]: port for port in reversed(found) if port["purpose"] in OVERLAY_KEYS}.values())[::-1]


def _overlay(member: Member, port: dict[str, Any]) -> dict[str, Any]:
    bridge, name = port["serves"], f"oct{OVERLAY_KEYS[port['purpose']]}"
    provider = scheme.provider(member.scheme, bridge)
    return {**port, "bridge": bridge, "provider": provider, "port": name, "kind": "overlay"}


def _move(member: Member, port: dict[str, Any], does: str, when: str) -> Move:
    plugged = {name: port[name] for name in ("bridge", "provider", "port", "kind")}
    served = [purpose for purpose, roles in MOVED.items() if _serves(member, port, roles)]
    purpose = ",".join(served) or port["purpose"]
    return Move(side=member.side, node=member.node, purpose=purpose, does=does, when=when, **plugged)


def _serves(member: Member, port: dict[str, Any], roles: tuple[str, ...]) -> bool:
    return scheme.bridges_of(member.scheme, roles)[:1] == [port["serves"]]


def _staying(member: Member) -> list[Move]:
    """The ports of a node that is no controller, and keeps them all; of the public role only where it has one.

    :raises Refused: when its scheme knows no management bridge
    """
    told = []
    scheme.bridge_of(member.scheme, scheme.MANAGEMENT, member.node)
    for purpose, roles in MOVED.items():
        for bridge in scheme.bridges_of(member.scheme, roles)[:1]:
            provider = scheme.provider(member.scheme, bridge)
            names = [step["name"] for step in scheme.joining(member.scheme, bridge)] or ["-"]
            told += [
                Move(member.side, member.node, purpose, bridge, provider, name, "port", "stays", "") for name in names
            ]
    return told
