"""Bringing a node's network to what its scheme says, without touching what the scheme does not know.

A bridge that exists is never taken down: ports, VIP ends and overlays that others plugged into it stay.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from . import network
from .files import current, write
from .network import Device

KEPT = {"ifcfg-lo"}


def apply(host: Any, planned: Sequence[Device]) -> list[str]:
    """Make the devices of ``planned`` and their files; return the paths of the files that changed.

    ``host`` is a running lab host. Raises lab.command.CommandFailed when a device cannot be made.
    """
    if any(device.switched for device in planned):
        # From the next boot on before all bridges, which have devices of its making.
        host.run(["systemctl", "enable", "--now", network.SWITCH])
    before = {device.path: current(host, device.path) or "" for device in planned}
    _remove_obsolete(host, planned)
    changed = write(host, network.files(planned))
    there = _links(host)
    for device in planned:
        if device.is_bridge and not device.switched and device.name in there:
            _adjust_bridge(host, device, before[device.path])
        elif device.name not in there or device.path in changed:
            _bring_up(host, device, exists=device.name in there)
    return changed


def _links(host: Any) -> set[str]:
    links = json.loads(host.run(["ip", "-j", "link", "show"]).stdout)
    return {link["ifname"] for link in links}


def _remove_obsolete(host: Any, planned: Sequence[Device]) -> None:
    """Take down devices with an ifcfg file that the scheme no longer has."""
    wanted = {device.path.rpartition("/")[2] for device in planned}
    folder = host.root / network.INTERFACES.lstrip("/")
    for path in sorted(folder.glob("ifcfg-*")):
        if path.name not in wanted | KEPT:
            host.run(["ifdown", "--force", path.name.removeprefix("ifcfg-")], check=False)
            path.unlink()


def _bring_up(host: Any, device: Device, exists: bool) -> None:
    """Make the device by its file. A physical one loses the address that it had before its bridge existed."""
    if device.vlan and not exists:
        host.plug_vlan(*device.vlan)
    if exists:
        host.run(["ip", "address", "flush", "dev", device.name])
    host.run(["ifup", "--force", device.name])


def _adjust_bridge(host: Any, device: Device, before: str) -> None:
    """Ports and addresses of a bridge that is there. ``before`` is the stanza it was made from."""
    links = _links(host)
    for own, far in device.patches:
        if own not in links:
            host.run(network.pair(own, far))
    for port in network.bridge_ports(before):
        if port not in device.members:
            host.run(["ip", "link", "set", port, "nomaster"])
    for port in device.members:
        host.run(["ip", "link", "set", port, "master", device.name, "up"])
    host.run(["ip", "link", "set", device.name, "up"])
    for address in device.addresses:
        host.run(["ip", "address", "replace", address, "dev", device.name])
    if device.gateway:
        host.run(["ip", "route", "replace", "default", "via", device.gateway])
