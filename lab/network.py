"""The lab's switch and its gateway: bridges in a namespace of their own; the machine's network stays as it is."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.command import run

NAMESPACES = Path("/run/netns")
SWITCH = "switch"
GATEWAY = "gateway"


def namespaces(prefix: str) -> list[str]:
    """Names of the network namespaces that belong to the lab with ``prefix``."""
    if not NAMESPACES.exists():
        return []
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(prefix))


def processes(prefix: str) -> list[int]:
    """Ids of the processes, but for this one, whose network namespace belongs to the lab with ``prefix``."""
    ours = {(NAMESPACES / name).stat().st_ino for name in namespaces(prefix)}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            number = (entry / "ns/net").stat().st_ino
        except OSError:
            continue  # gone meanwhile, or a kernel thread
        if number in ours:
            found.append(int(entry.name))
    return found


def bridge_of(network: dict[str, Any], name: str) -> str:
    """The switch's bridge of a network: its own name, or "trunk.VLAN" where it travels tagged."""
    return f"trunk.{network['vlan']}" if "vlan" in network else name


def create(prefix: str, definition: dict[str, Any]) -> None:
    """Make the switch with a bridge for each network, and the gateway with its addresses. Raises CommandFailed."""
    for name in (SWITCH, GATEWAY):
        run(["ip", "netns", "add", prefix + name])
        run(["ip", "-n", prefix + name, "link", "set", "lo", "up"])
    for bridge in ("trunk", *(bridge_of(network, name) for name, network in definition["networks"].items())):
        add_bridge(prefix, bridge)
    for name, network in definition["networks"].items():
        if "gateway" in network:
            plug_gateway(prefix, name, bridge_of(network, name), interface_address(network))


def interface_address(network: dict[str, Any]) -> str:
    """The gateway's address with the network's prefix length, as in "172.16.0.1/24"."""
    return f"{network['gateway']}/{ipaddress.ip_network(network['cidr']).prefixlen}"


def add_bridge(prefix: str, bridge: str) -> None:
    """Make a bridge of the switch unless it is there. Raises CommandFailed."""
    switch = prefix + SWITCH
    if run(["ip", "-n", switch, "link", "show", bridge], check=False).returncode == 0:
        return
    run(["ip", "-n", switch, "link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])
    run(["ip", "-n", switch, "link", "set", bridge, "addrgenmode", "none"])
    run(["ip", "-n", switch, "link", "set", bridge, "up"])


def plug_gateway(prefix: str, name: str, bridge: str, address: str) -> None:
    """Give the gateway an interface in a network, named as the network, with an address. Raises CommandFailed."""
    gateway, peer = prefix + GATEWAY, f"gw-{name}"
    plug(prefix, gateway, name, peer, bridge)
    run(["ip", "-n", gateway, "address", "add", address, "dev", name])
    run(["ip", "-n", gateway, "link", "set", name, "up"])


def plug(prefix: str, namespace: str, interface: str, peer: str, bridge: str, address: str | None = None) -> None:
    """Connect a namespace to a bridge of the switch; ``address`` is a MAC address. Raises CommandFailed."""
    switch = prefix + SWITCH
    named = ["address", address] if address else []
    ends = [interface, "netns", namespace, *named, "type", "veth", "peer", "name", peer, "netns", switch]
    run(["ip", "link", "add", *ends])
    run(["ip", "-n", switch, "link", "set", peer, "master", bridge])
    run(["ip", "-n", switch, "link", "set", peer, "up"])


def delete(prefix: str) -> None:
    """Delete every namespace of the lab, and with them all that is plugged in. Raises CommandFailed."""
    for name in namespaces(prefix):
        run(["ip", "netns", "delete", name])


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command that runs ``argv`` in a network namespace, seeing the machine's files."""
    return ["nsenter", f"--net={NAMESPACES / namespace}", "--", *argv]
