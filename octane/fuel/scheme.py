"""Which port carries what in a node's network_scheme, and how a node is cut off by facts alone. Pure.

A network_scheme (version 1.1, Fuel 6.1 and later) holds `roles` {role: bridge}, `endpoints` {bridge: {"IP": [..] or
"none", "gateway": ..}} and `transformations`, a list of {"action": "add-br"|"add-port"|"add-bond"|"add-patch", ...}.
Roles are asked, never names of bridges: a network template may move any role to any bridge.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

from octane.errors import Refused

Scheme = dict[str, Any]

# Fuel 7.0's names first, then those of 6.1 and before.
MANAGEMENT = ("mgmt/vip", "management")
PUBLIC = ("public/vip", "ex")
ADMIN = ("admin/pxe", "fw-admin")
ISOLATED = {"management": MANAGEMENT, "public": PUBLIC}


@dataclass(frozen=True)
class Uplink:
    """A port that joins a node's bridge to the network outside: `purpose` is "management" or "public"."""

    purpose: str
    bridge: str
    port: str
    provider: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Isolation:
    """A scheme without its uplinks, and the uplinks to attach again later."""

    scheme: Scheme
    uplinks: tuple[Uplink, ...]


def bridge_of(scheme: Scheme, roles: tuple[str, ...], node: str) -> str:
    """The bridge that serves the first of ROLES which SCHEME knows.

    :raises Refused: when it knows none of them
    """
    for role in roles:
        bridge = scheme.get("roles", {}).get(role)
        if bridge:
            return bridge
    raise Refused(f"{node}: its network_scheme names no bridge for the network role {' or '.join(roles)}", node=node)


def addresses(scheme: Scheme, roles: tuple[str, ...], node: str) -> list[str]:
    """Addresses ("a.b.c.d/len") on the bridge that serves ROLES; [] when it has none."""
    found = scheme.get("endpoints", {}).get(bridge_of(scheme, roles, node), {}).get("IP")
    return found if isinstance(found, list) else []


def uplinks(scheme: Scheme, node: str) -> tuple[Uplink, ...]:
    """The uplinks of the management and public roles, in that order; one port that serves both is named once.

    :raises Refused: naming NODE, where cutting the ports would not cut the networks (bonds, patches to other uplinks,
        a network shared with administration)
    """
    found: list[Uplink] = []
    for purpose, roles in ISOLATED.items():
        bridge = bridge_of(scheme, roles, node)
        if bridge not in {uplink.bridge for uplink in found}:
            found.extend(_uplinks_of(scheme, purpose, bridge, node))
    return tuple(found)


def _uplinks_of(scheme: Scheme, purpose: str, bridge: str, node: str) -> list[Uplink]:
    if bridge == bridge_of(scheme, ADMIN, node):
        raise Refused(f"{node}: bridge {bridge} carries {purpose} and administration; it cannot be isolated", node=node)
    # Before 6.1 everything was Open vSwitch and no scheme said so.
    provider = str(scheme.get("provider") or "ovs")
    ports = [
        Uplink(purpose, bridge, step["name"], step.get("provider", provider))
        for step in _steps(scheme, "add-port")
        if step.get("bridge") == bridge
    ]
    _refuse_bonds(scheme, purpose, bridge, node)
    _refuse_other_ways_out(scheme, purpose, bridge, node)
    if not ports:
        raise Refused(f"{node}: no port in its network_scheme joins {bridge}, which carries {purpose}", node=node)
    return ports


def _steps(scheme: Scheme, action: str) -> list[dict[str, Any]]:
    return [step for step in scheme.get("transformations", []) if step.get("action") == action]


def _refuse_bonds(scheme: Scheme, purpose: str, bridge: str, node: str) -> None:
    bonds = [step["name"] for step in _steps(scheme, "add-bond") if step.get("bridge") == bridge]
    if bonds:
        raise Refused(
            f"{node}: bridge {bridge} carries {purpose} over bond {bonds[0]}, which cannot be isolated yet", node=node
        )


def _refuse_other_ways_out(scheme: Scheme, purpose: str, bridge: str, node: str) -> None:
    """A bridge patched to BRIDGE that has ports of its own would keep the network reachable."""
    joining = [*_steps(scheme, "add-port"), *_steps(scheme, "add-bond")]
    carriers = {step.get("bridge"): step["name"] for step in joining}
    for other in sorted(_patched(scheme, bridge) - {bridge}):
        if other in carriers:
            raise Refused(
                f"{node}: bridge {bridge}, which carries {purpose}, is patched to {other} with port {carriers[other]}; "
                "it cannot be isolated yet",
                node=node,
            )


def _patched(scheme: Scheme, bridge: str) -> set[str]:
    """BRIDGE and every bridge reached from it over patches."""
    reached = {bridge}
    seen: set[str] = set()
    while reached - seen:
        here = (reached - seen).pop()
        seen.add(here)
        for step in _steps(scheme, "add-patch"):
            if here in step.get("bridges", []):
                reached.update(step["bridges"])
    return reached


def isolate(scheme: Scheme, node: str, admin_gateway: str) -> Isolation:
    """SCHEME with management and public cut off, as a new object.

    The ports are still made (a VLAN's subinterface too) and only join no bridge, so that attaching them later is one
    operation. The default route moves to the administration network, since public leads nowhere.

    :param admin_gateway: address for the default route
    :raises Refused: see `uplinks`
    """
    found = uplinks(scheme, node)
    cut = copy.deepcopy(scheme)
    names = {(uplink.bridge, uplink.port) for uplink in found}
    for step in _steps(cut, "add-port"):
        if (step.get("bridge"), step["name"]) in names:
            del step["bridge"]
    endpoints = cut.setdefault("endpoints", {})
    for bridge in {uplink.bridge for uplink in found}:
        if endpoints.get(bridge, {}).get("gateway"):
            endpoints[bridge]["gateway"] = "none"
    endpoints.setdefault(bridge_of(cut, ADMIN, node), {})["gateway"] = admin_gateway
    return Isolation(cut, found)


def is_isolated(scheme: Scheme, node: str) -> bool:
    """True when no port joins the bridges that carry management and public."""
    bridges = {bridge_of(scheme, roles, node) for roles in ISOLATED.values()}
    joined = {step.get("bridge") for action in ("add-port", "add-bond") for step in _steps(scheme, action)}
    return not bridges & joined
