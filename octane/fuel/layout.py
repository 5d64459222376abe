"""Disks and interfaces of a seed's controller, laid out like those of the original's controller it stands for. Pure.

Ids, MAC addresses and `extra` of a disk stay the node's own; networks are matched by name, disks by their order. Bonds
are the original's, made of the node's own interfaces of the same names.
"""

from __future__ import annotations

import copy
from typing import Any

from octane.errors import Refused

Disks = list[dict[str, Any]]
Interfaces = list[dict[str, Any]]


def interfaces(original: Interfaces, target: Interfaces, network_ids: dict[str, int], node: str) -> Interfaces:
    """TARGET's interfaces with the networks that those of the same name have on ORIGINAL, and its bonds; a new list.

    :param network_ids: {network name: id} in the target's environment
    :raises Refused: naming NODE, when an interface or a network is missing
    """
    own = [nic for nic in target if not _is_bond(nic)]
    names = {nic["name"]: [net["name"] for net in nic["assigned_networks"]] for nic in original}
    properties = {nic["name"]: nic.get("interface_properties") for nic in original}
    missing = sorted(used(original) - {nic["name"] for nic in own})
    if missing:
        raise Refused(f"{node} has no interface {', '.join(missing)}, which its original uses", node=node)
    unknown = sorted({net for nets in names.values() for net in nets} - set(network_ids))
    if unknown:
        raise Refused(f"{node}: the seed has no network {', '.join(unknown)}", node=node)
    changed = copy.deepcopy(own) + [_without_identity(nic) for nic in original if _is_bond(nic)]
    for nic in changed:
        nic["assigned_networks"] = [{"id": network_ids[net], "name": net} for net in names.get(nic["name"], [])]
        if properties.get(nic["name"]):
            nic["interface_properties"] = copy.deepcopy(properties[nic["name"]])
    return changed


def used(found: Interfaces) -> set[str]:
    """Names of the interfaces that carry a network, by themselves or as part of a bond."""
    slaves = {slave["name"] for nic in found if _is_bond(nic) for slave in nic["slaves"]}
    return slaves | {nic["name"] for nic in found if nic["assigned_networks"] and not _is_bond(nic)}


def networks_by_interface(found: Interfaces) -> dict[str, list[str]]:
    """{interface: sorted names of its networks}, to compare layouts by; a bond with what it is made of."""
    return {_label(nic): sorted(net["name"] for net in nic["assigned_networks"]) for nic in found}


def _label(nic: dict[str, Any]) -> str:
    if not _is_bond(nic):
        return str(nic["name"])
    return f"{nic['name']} ({nic['mode']} of {', '.join(sorted(slave['name'] for slave in nic['slaves']))})"


def _is_bond(nic: dict[str, Any]) -> bool:
    return bool(nic.get("type") == "bond")


def _without_identity(bond: dict[str, Any]) -> dict[str, Any]:
    """The bond as another node can have it: Nailgun gives it the MAC address of its first slave there."""
    return {name: copy.deepcopy(value) for name, value in bond.items() if name not in ("id", "mac", "state")}


def disks(original: Disks, target: Disks, minimums: dict[str, int], node: str) -> Disks:
    """TARGET's disks with volumes where ORIGINAL has them; a new list.

    What Nailgun laid out itself stays when it already is like that. Volumes that the new release brings go where there
    is room. Each volume gets its minimum first; what is left of a disk goes to the volume that is largest there on the
    original.

    :param minimums: {volume name: least size in MiB}, of the target's release, in the order to be placed
    :raises Refused: naming NODE, when the minimums do not fit
    """
    if _is_like(original, target):
        return copy.deepcopy(target)
    sizes: list[dict[str, int]] = [dict.fromkeys(minimums, 0) for _ in target]
    free = [disk["size"] for disk in target]
    for volume in minimums:
        _place(volume, minimums[volume], _allowed(original, volume, len(target)), (sizes, free), node)
    for index, room in enumerate(free):
        volume = _filler(original, index, minimums)
        sizes[index][volume] += room
    return [_with_volumes(disk, sizes[index]) for index, disk in enumerate(target)]


def _is_like(original: Disks, target: Disks) -> bool:
    """Do the volumes of TARGET lie on disks only that hold them on ORIGINAL?"""
    return all(
        index in _allowed(original, entry["name"], len(target))
        for index, disk in enumerate(target)
        for entry in disk["volumes"]
        if entry["size"]
    )


def _allowed(original: Disks, volume: str, count: int) -> list[int]:
    """Positions of disks that hold VOLUME on the original; all of them for a volume that it does not have."""
    found = [i for i, disk in enumerate(original[:count]) if _size_of(disk, volume) > 0]
    return found or list(range(count))


def _size_of(disk: dict[str, Any], volume: str) -> int:
    return sum(entry["size"] for entry in disk["volumes"] if entry["name"] == volume)


def _place(
    volume: str, minimum: int, allowed: list[int], room: tuple[list[dict[str, int]], list[int]], node: str
) -> None:
    """Put MINIMUM MiB of VOLUME on the ALLOWED disks, the first ones first; volumes span disks, as Fuel's do."""
    sizes, free = room
    left = minimum
    for index in allowed:
        part = min(left, free[index])
        sizes[index][volume] += part
        free[index] -= part
        left -= part
    if left:
        raise Refused(f"{node}: its disks lack {left} MiB for volume {volume} ({minimum} MiB)", node=node)


def _filler(original: Disks, index: int, known: dict[str, int]) -> str:
    """The volume that gets what is left of disk INDEX."""
    here = original[index]["volumes"] if index < len(original) else []
    largest = max((entry for entry in here if entry["name"] in known), key=lambda entry: entry["size"], default=None)
    if largest is not None and largest["size"] > 0:
        return str(largest["name"])
    return list(known)[-1]


def _with_volumes(disk: dict[str, Any], sizes: dict[str, int]) -> dict[str, Any]:
    changed = copy.deepcopy(disk)
    known = {entry["name"]: entry for entry in disk["volumes"]}
    changed["volumes"] = [
        {**known.get(volume, {"name": volume, "keep_data": False}), "size": size} for volume, size in sizes.items()
    ]
    return changed


def sizes_by_disk(found: Disks) -> dict[str, dict[str, int]]:
    """{disk name: {volume: MiB}} without empty volumes, to compare layouts by."""
    return {
        disk["name"]: {entry["name"]: entry["size"] for entry in disk["volumes"] if entry["size"]} for disk in found
    }
