"""The ports by which a controller's networks leave it that two sides must not share, and what makes them again. Pure.

Those are management, public, and the private one: routers and DHCP servers of both sides would answer tenants with the
same addresses.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from octane.errors import Refused
from octane.fuel import scheme
from octane.fuel.scheme import LNX, OVS, Scheme, Transformation

PROTECTED = {"administration": scheme.ADMIN, "storage": scheme.STORAGE}
"""Networks that stay connected."""

PRIVATE = "private"

BOND_PROPERTIES = ("mode", "lacp", "lacp_rate", "miimon", "updelay", "downdelay")
"""Those that Open vSwitch knows too."""

LACP_MODE = "lacp-balance-tcp"
"""What Fuel calls two settings of Open vSwitch at once."""

JACK = "p_{:08x}-{}"
"""How Fuel 7.0 calls the ends of a patch, with a checksum of the bridges' names; a node that calls them otherwise says
so itself (`octane_net.located`)."""


@dataclass(frozen=True)
class Uplink:
    """What is unplugged to cut a network off and plugged in to connect it.

    `purpose` is "management", "public" or "private"; `serves` the bridge that serves the network; `port` of `bridge`,
    which `provider` ("lnx" or "ovs") makes, is what moves. `kind` is "port", "bond" or "patch". `making` is what a node
    needs besides to make a port that is not there: {"peer": {"bridge", "port", "tag"}, "tag", "trunks", "bond"}, each
    only where it has one.
    """

    purpose: str
    serves: str
    bridge: str
    port: str
    provider: str
    kind: str = "port"
    making: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All fields, those of `making` beside the others."""
        plain = {name: getattr(self, name) for name in ("purpose", "serves", "bridge", "port", "provider", "kind")}
        return {**plain, **self.making}


def uplinks(found: Scheme, node: str) -> tuple[Uplink, ...]:
    """The uplinks of the management, public and private roles, in that order; a bridge that serves two is named once.

    The private network has none where it leaves through one of the others, as Nailgun lays it out where both share an
    interface, or not at all.

    :raises Refused: naming NODE and the bridge that cannot be cut off, or not without administration or storage
    """
    told: list[Uplink] = []
    for purpose, roles in scheme.ISOLATED.items():
        bridge = scheme.bridge_of(found, roles, node)
        if bridge not in {uplink.serves for uplink in told}:
            told.extend(_needed(_uplinks_of(found, purpose, bridge, node), purpose, bridge, node))
    for bridge in scheme.bridges_of(found, scheme.PRIVATE):
        told.extend(_uplinks_of(without(found, told), PRIVATE, bridge, node))
    _refuse_others_cut(found, told, node)
    return tuple(told)


def _needed(told: list[Uplink], purpose: str, bridge: str, node: str) -> list[Uplink]:
    if not told:
        raise Refused(f"{node}: no port in its network_scheme joins {bridge}, which carries {purpose}", node=node)
    return told


def _uplinks_of(found: Scheme, purpose: str, bridge: str, node: str) -> list[Uplink]:
    if bridge == scheme.bridge_of(found, scheme.ADMIN, node):
        raise Refused(f"{node}: bridge {bridge} carries {purpose} and administration; it cannot be isolated", node=node)
    told = [_port(found, purpose, step) for step in scheme.joining(found, bridge)]
    for step in scheme.patches(found, bridge):
        if scheme.leads_out(found, scheme.far_end(step, bridge), avoiding=[bridge]):
            told.append(_patch(found, purpose, bridge, step))
    return told


def _port(found: Scheme, purpose: str, step: Transformation) -> Uplink:
    bridge = step["bridge"]
    provider = scheme.provider(found, bridge)
    making = _vlan(step) if provider == OVS else {}
    kind = "port"
    if step["action"] == "add-bond":
        kind = "bond"
        if is_ovs_bond(found, step):
            making["bond"] = _bond(step)
    return Uplink(purpose, bridge, bridge, step["name"], provider, kind, making)


def is_ovs_bond(found: Scheme, step: Transformation) -> bool:
    """Open vSwitch's own bonds are ports of a bridge and nothing else; the kernel's are interfaces."""
    return (step.get("provider") or scheme.provider(found, step["bridge"])) == OVS


def _bond(step: Transformation) -> dict[str, Any]:
    given = step.get("bond_properties") or step.get("properties") or {}
    # Before 6.1 a list of what ovs-vsctl would be told.
    properties = dict(given) if isinstance(given, dict) else dict(word.split("=", 1) for word in given if "=" in word)
    properties.setdefault("mode", properties.pop("bond_mode", None))
    if properties["mode"] == LACP_MODE:
        properties.update(mode="balance-tcp", lacp="active")
    known = _said({name: properties.get(name) for name in BOND_PROPERTIES})
    return {"interfaces": list(step.get("interfaces", [])), **known}


def _vlan(step: Transformation) -> dict[str, Any]:
    tag = step.get("vlan_id") or step.get("tag")
    return _said({"tag": tag, "trunks": step.get("trunks")})


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _patch(found: Scheme, purpose: str, bridge: str, step: Transformation) -> Uplink:
    """The end of a patch that is unplugged: that of BRIDGE, but of two kinds of bridges the Linux one's, since Open
    vSwitch would delete the port that the other has as well."""
    other = scheme.far_end(step, bridge)
    kinds = {name: scheme.provider(found, name) for name in (bridge, other)}
    ends = ends_of_patch(found, step)
    near, far = (other, bridge) if kinds[bridge] == OVS and kinds[other] == LNX else (bridge, other)
    tags = dict(zip(step["bridges"], step.get("vlan_ids") or step.get("tags") or (0, 0), strict=False))
    peer = {"bridge": far, "port": ends[far], **_said({"tag": tags.get(far), "trunks": step.get("trunks")})}
    own = _said({"tag": tags.get(near), "trunks": step.get("trunks")}) if kinds[near] == OVS else {}
    return Uplink(purpose, bridge, near, ends[near], kinds[near], "patch", {"peer": peer, **own})


def ends_of_patch(found: Scheme, step: Transformation) -> dict[str, str]:
    """{bridge: its port} of a patch as Fuel's l23network calls them.

    A pair of virtual interfaces between Linux bridges, a pair of patch ports between those of Open vSwitch; between
    the two kinds one internal port of Open vSwitch's, which the Linux bridge has as well.
    """
    first, second = step["bridges"]
    if scheme.is_before_6_1(found):
        return {first: f"{first}--{second}", second: f"{second}--{first}"}
    kinds = [scheme.provider(found, bridge) for bridge in (first, second)]
    ordered = sorted([first, second])
    number = zlib.crc32(f"patch__{'--'.join(ordered)}".encode())
    if kinds[0] != kinds[1]:
        return dict.fromkeys(ordered, JACK.format(number, 0))
    if kinds[0] == OVS:
        first, second = ordered
    return {first: JACK.format(number, 0), second: JACK.format(number, 1)}


def without(found: Scheme, cut: list[Uplink]) -> Scheme:
    """FOUND with the uplinks CUT, as a new object: what is made stays made where that is possible, and joins nothing.

    A port is an ordinary interface then (a VLAN's subinterface too), so that attaching it later is one operation. A
    patch or a bond of Open vSwitch has no life outside its bridges.
    """
    ports = {(uplink.bridge, uplink.port) for uplink in cut if uplink.kind != "patch"}
    patches = [{uplink.bridge, uplink.making["peer"]["bridge"]} for uplink in cut if uplink.kind == "patch"]
    kept = []
    for step in found.get("transformations", []):
        if step.get("action") in scheme.JOINING and (step.get("bridge"), step.get("name")) in ports:
            kept.extend(_alone(found, step))
        elif step.get("action") != "add-patch" or set(step["bridges"]) not in patches:
            kept.append(step)
    return {**found, "transformations": kept}


def _alone(found: Scheme, step: Transformation) -> list[Transformation]:
    if step["action"] == "add-bond" and is_ovs_bond(found, step):
        return []
    alone = {name: value for name, value in step.items() if name != "bridge"}
    if scheme.provider(found, step["bridge"]) == OVS:
        alone["provider"] = LNX
    return [alone]


def _refuse_others_cut(found: Scheme, told: list[Uplink], node: str) -> None:
    cut = without(found, told)
    meant = " and ".join(dict.fromkeys(uplink.purpose for uplink in told))
    for what, roles in PROTECTED.items():
        for bridge in scheme.bridges_of(found, roles):
            if scheme.leads_out(found, bridge) and not scheme.leads_out(cut, bridge):
                raise Refused(
                    f"{node}: cutting {meant} off would cut off {what} on bridge {bridge} as well, which reaches the "
                    "network through the same port; it cannot be isolated",
                    node=node,
                )


def is_isolated(found: Scheme, node: str) -> bool:
    """True when nothing leads from the bridges of management, public and private out of the node."""
    bridges = {scheme.bridge_of(found, roles, node) for roles in scheme.ISOLATED.values()}
    bridges.update(scheme.bridges_of(found, scheme.PRIVATE))
    return not any(scheme.leads_out(found, bridge) for bridge in bridges)


@dataclass(frozen=True)
class Isolation:
    """A scheme without its uplinks, and the uplinks to attach again later."""

    scheme: Scheme
    uplinks: tuple[Uplink, ...]


def isolate(found: Scheme, node: str, admin_gateway: str) -> Isolation:
    """FOUND with management, public and private cut off, as a new object.

    The default route moves to the administration network, since public leads nowhere.

    :param admin_gateway: address for the default route
    :raises Refused: see `uplinks`, and when something would still lead out
    """
    known = uplinks(found, node)
    cut = without(found, list(known))
    if not is_isolated(cut, node):
        raise Refused(f"{node}: a way out of its management, public or private network would be left", node=node)
    endpoints = {bridge: dict(endpoint) for bridge, endpoint in cut.get("endpoints", {}).items()}
    for bridge in {uplink.serves for uplink in known}:
        if endpoints.get(bridge, {}).get("gateway"):
            endpoints[bridge]["gateway"] = "none"
    endpoints.setdefault(scheme.bridge_of(cut, scheme.ADMIN, node), {})["gateway"] = admin_gateway
    return Isolation({**cut, "endpoints": endpoints}, known)
