"""A node's network from its network scheme (version 1.1): devices, and the files that make them survive a reboot.

Transformations are obeyed to the letter: an ``add-port`` that names no bridge, or that is not there, leaves the bridge
without a port. That is how a seed's controllers are isolated.

Bridges of Linux, and of Open vSwitch in user space: not every kernel has its module. Files say what Debian's scripts of
both understand.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import UnsupportedFacts
from .files import File

INTERFACES = "/etc/network/interfaces.d"
SWITCH = "openvswitch-switch"
OVS = "ovs"


@dataclass
class Device:
    """A device of a node. ``ports`` and ``patches`` only for a bridge; a patch is (own end, far end).

    ``switched``: what Open vSwitch makes of it, as its scripts call that ("OVSBridge", "OVSPort", "OVSIntPort"), or
    nothing; ``within``: the bridge of Open vSwitch that it is a port of; ``needs``: what is up before it.
    """

    name: str
    is_bridge: bool = False
    switched: str = ""
    within: str = ""
    needs: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    gateway: str | None = None
    routes: list[tuple[str, str]] = field(default_factory=list)
    hardware: str | None = None
    ports: list[str] = field(default_factory=list)
    patches: list[tuple[str, str]] = field(default_factory=list)

    @property
    def members(self) -> list[str]:
        """Everything that is plugged into the bridge."""
        return self.ports + [own for own, _ in self.patches]

    @property
    def vlan(self) -> tuple[str, int] | None:
        """(physical device, VLAN id) for a name such as eth2.101, None otherwise."""
        nic, dot, identifier = self.name.partition(".")
        return (nic, int(identifier)) if dot else None

    @property
    def path(self) -> str:
        return f"{INTERFACES}/ifcfg-{self.name}"


def devices(scheme: Mapping[str, Any], node: str) -> list[Device]:
    """Devices of ``scheme``, those that others need first.

    Raises UnsupportedFacts, which names ``node``, for a bond, an unknown action or a port of a bridge that nobody adds.
    """
    found: dict[str, Device] = {}
    for transformation in scheme["transformations"]:
        _transform(found, transformation, node)
    for name, endpoint in scheme["endpoints"].items():
        _address(found.setdefault(name, Device(name)), endpoint)
    return sorted(found.values(), key=lambda device: (_turn(device), device.name))


def _turn(device: Device) -> int:
    """Those first that others are made of: cards, VLANs, bridges of Open vSwitch, their ports, bridges of Linux."""
    if device.is_bridge:
        return 2 if device.switched else 4
    if device.within:
        return 3
    return 1 if device.vlan else 0


def _transform(found: dict[str, Device], transformation: Mapping[str, Any], node: str) -> None:
    action = transformation["action"]
    if action == "add-br":
        name = transformation["name"]
        switched = "OVSBridge" if transformation.get("provider") == OVS else ""
        found[name] = Device(name, is_bridge=True, switched=switched, hardware=hardware_address(node, name))
    elif action == "add-port":
        name, bridge = transformation["name"], transformation.get("bridge")
        device = found.setdefault(name, Device(name))
        if bridge:
            _plug(device, _bridge(found, bridge, node, f"port {name}"))
    elif action == "add-patch":
        first, second = transformation["bridges"]
        ends = _bridge(found, first, node, f"patch to {second}"), _bridge(found, second, node, f"patch to {first}")
        _join(found, ends, node)
    elif action == "add-bond":
        raise UnsupportedFacts(f"{node}: bond {transformation['name']}: this lab has no bonding")
    else:
        raise UnsupportedFacts(f"{node}: unknown transformation {action}")


def _bridge(found: Mapping[str, Device], name: str, node: str, what: str) -> Device:
    bridge = found.get(name)
    if bridge is None or not bridge.is_bridge:
        raise UnsupportedFacts(f"{node}: {what} names bridge {name}, which no add-br before it makes")
    return bridge


def _plug(device: Device, bridge: Device) -> None:
    bridge.ports.append(device.name)
    if bridge.switched:
        device.switched, device.within = "OVSPort", bridge.name


def _join(found: dict[str, Device], ends: tuple[Device, Device], node: str) -> None:
    """A patch: a pair of virtual devices between bridges of Linux, and between one of Linux and one of Open vSwitch a
    device that the latter makes and both have, as Fuel does it."""
    own, far = patch_ends(ends[0].name, ends[1].name)
    switches = [bridge for bridge in ends if bridge.switched]
    if len(switches) > 1:
        raise UnsupportedFacts(f"{node}: patch {own}: this lab has none between two bridges of Open vSwitch")
    if switches:
        found[own] = Device(own, switched="OVSIntPort", within=switches[0].name)
        for bridge in ends:
            bridge.ports.append(own)
            # A clean shutdown has taken it away, and a boot reads files by their names.
            bridge.needs += [] if bridge.switched else [switches[0].name, own]
    else:
        ends[0].patches.append((own, far))
        ends[1].patches.append((far, own))


def patch_ends(first: str, second: str) -> tuple[str, str]:
    """Names of the ends of a patch at either bridge, as Fuel 7.0 makes them from the names of both."""
    number = zlib.crc32(f"patch__{'--'.join(sorted((first, second)))}".encode())
    return f"p_{number:08x}-0", f"p_{number:08x}-1"


def _address(device: Device, endpoint: Mapping[str, Any]) -> None:
    given = endpoint.get("IP")
    if given and given != "none":
        device.addresses = [str(address) for address in given]
    if endpoint.get("gateway") not in (None, "", "none"):
        device.gateway = str(endpoint["gateway"])
    device.routes = [(str(route["net"]), str(route["via"])) for route in endpoint.get("routes", [])]


def configuration(device: Device) -> File:
    """The device's stanza for ifupdown, in the file where Fuel keeps it."""
    lines = [f"auto {device.name}", f"iface {device.name} inet {'static' if device.addresses else 'manual'}"]
    if device.vlan:
        lines += [f"vlan-raw-device {device.vlan[0]}", f"pre-up ip link set {device.vlan[0]} up"]
    if device.switched:
        lines += _switched_lines(device)
    elif device.is_bridge:
        lines += _bridge_lines(device)
    lines += [f"address {address}" for address in device.addresses[:1]]
    lines += [f"up ip address add {address} dev {device.name}" for address in device.addresses[1:]]
    if device.gateway:
        lines.append(f"gateway {device.gateway}")
    lines += [f"up ip route add {net} via {via}" for net, via in device.routes]
    return File(device.path, "\n".join(lines) + "\n")


def _switched_lines(device: Device) -> list[str]:
    lines = [f"ovs_type {device.switched}"]
    if device.is_bridge:
        return [*lines, f"ovs_extra set Bridge {device.name} datapath_type=netdev"]
    return [*lines, f"ovs_bridge {device.within}"]


def _bridge_lines(device: Device) -> list[str]:
    """Options of a bridge; whichever bridge comes first makes the pair of a patch."""
    # ifup itself would wait a second between making a bridge and giving it its address.
    make = f"ip link add {device.name} address {device.hardware} type bridge"
    lines = [f"pre-up ip link show {device.name} >/dev/null 2>&1 || {make}"]
    lines += [f"pre-up ifup {name}" for name in device.needs]
    lines += [f"pre-up ip link show {own} >/dev/null 2>&1 || {' '.join(pair(own, far))}" for own, far in device.patches]
    lines += [f"bridge_ports {' '.join(device.members) or 'none'}", f"bridge_hw {device.hardware}"]
    # Without these a port forwards nothing for its first 15 seconds, and ifup waits for that.
    return [*lines, "bridge_stp off", "bridge_fd 0", "bridge_waitport 0", "bridge_maxwait 0"]


def hardware_address(node: str, bridge: str) -> str:
    """A bridge's own address. Else it has the lowest of its ports, another one whenever a VIP comes or goes."""
    digest = hashlib.sha256(f"{node}/{bridge}".encode()).hexdigest()
    return ":".join(["02", *(digest[index : index + 2] for index in range(0, 10, 2))])


def pair(own: str, far: str) -> list[str]:
    """The command that makes both ends of a patch."""
    return ["ip", "link", "add", own, "type", "veth", "peer", "name", far]


def bridge_ports(stanza: str) -> list[str]:
    """The ports that a bridge's stanza names."""
    for line in stanza.splitlines():
        words = line.split()
        if words[:1] == ["bridge_ports"]:
            return [word for word in words[1:] if word != "none"]
    return []


def files(planned: Sequence[Device]) -> list[File]:
    """ifcfg files of all devices."""
    return [configuration(device) for device in planned]
