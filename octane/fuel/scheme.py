"""What a node's network_scheme says: which bridge serves which role, what joins the bridges to the outside. Pure.

A network_scheme (version 1.1, Fuel 6.1 and later) holds `roles` {role: bridge}, `endpoints` {bridge: {"IP": [..] or
"none", "gateway": ..}} and `transformations`, a list of {"action": "add-br"|"add-port"|"add-bond"|"add-patch", ...}.
Roles are asked, never names of bridges: a network template may move any role to any bridge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octane.errors import Refused

Scheme = dict[str, Any]
Transformation = dict[str, Any]

# Fuel 7.0's names first, then those of 6.1 and before.
MANAGEMENT = ("mgmt/vip", "management")
PUBLIC = ("public/vip", "ex")
ADMIN = ("admin/pxe", "fw-admin")
STORAGE = ("ceph/replication", "swift/replication", "cinder/iscsi", "storage")
PRIVATE = ("neutron/private", "private")
ISOLATED = {"management": MANAGEMENT, "public": PUBLIC}
"""Networks in which the controllers of both sides hold the same addresses."""

LNX, OVS = "lnx", "ovs"
JOINING = ("add-port", "add-bond")
"""Actions that may plug an interface into a bridge."""


def bridge_of(scheme: Scheme, roles: tuple[str, ...], node: str) -> str:
    """The bridge that serves the first of ROLES which SCHEME knows.

    :raises Refused: when it knows none of them
    """
    found = bridges_of(scheme, roles)
    if not found:
        raise Refused(
            f"{node}: its network_scheme names no bridge for the network role {' or '.join(roles)}", node=node
        )
    return found[0]


def bridges_of(scheme: Scheme, roles: tuple[str, ...]) -> list[str]:
    """The bridges that serve ROLES, each once, in the order of ROLES."""
    known = scheme.get("roles", {})
    return list(dict.fromkeys(known[role] for role in roles if known.get(role)))


def addresses(scheme: Scheme, roles: tuple[str, ...], node: str) -> list[str]:
    """Addresses ("a.b.c.d/len") on the bridge that serves ROLES; [] when it has none."""
    found = scheme.get("endpoints", {}).get(bridge_of(scheme, roles, node), {}).get("IP")
    return found if isinstance(found, list) else []


def steps(scheme: Scheme, *actions: str) -> list[Transformation]:
    """The transformations that are one of ACTIONS, in their order."""
    return [step for step in scheme.get("transformations", []) if step.get("action") in actions]


def is_before_6_1(scheme: Scheme) -> bool:
    """Up to Fuel 6.0 everything was Open vSwitch, and schemes of version 1.0 need not say so."""
    return not scheme.get("provider") or str(scheme.get("version")) == "1.0"


def provider(scheme: Scheme, bridge: str) -> str:
    """"lnx" or "ovs": what BRIDGE is made of."""
    said = [step.get("provider") for step in steps(scheme, "add-br") if step.get("name") == bridge]
    return str(next(filter(None, said), None) or scheme.get("provider") or OVS)


def joining(scheme: Scheme, bridge: str) -> list[Transformation]:
    """The add-port and add-bond that plug something into BRIDGE."""
    return [step for step in steps(scheme, *JOINING) if step.get("bridge") == bridge]


def patches(scheme: Scheme, bridge: str) -> list[Transformation]:
    """The add-patch that join BRIDGE to another one."""
    return [step for step in steps(scheme, "add-patch") if bridge in step.get("bridges", [])]


def far_end(patch: Transformation, bridge: str) -> str:
    """The bridge that PATCH joins to BRIDGE."""
    first, second = patch["bridges"]
    return str(second if first == bridge else first)


def leads_out(scheme: Scheme, bridge: str, avoiding: Iterable[str] = ()) -> bool:
    """Whether a port of BRIDGE, or of one that patches lead to without passing AVOIDING, leaves the node."""
    seen, reached = set(avoiding), {bridge}
    while reached - seen:
        here = (reached - seen).pop()
        if joining(scheme, here):
            return True
        seen.add(here)
        reached.update(far_end(patch, here) for patch in patches(scheme, here))
    return False
