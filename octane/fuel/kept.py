"""Volumes of a storage node that outlive its reinstallation: how Fuel is told, and whether what it knows of the disks
is what is on them. Pure.

Fuel's installer skips partitioning on a node as soon as one volume is kept, and trusts its own metadata from then on
(fuel-agent 7.0): where they differ it makes file systems where data is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from octane.errors import Refused
from octane.fuel.layout import Disks

OSD, JOURNAL = "ceph", "cephjournal"
KEPT = (OSD, JOURNAL)
"""Names of the volumes with OSDs and with their journals."""

TOLERANCE_MIB = 32
"""By which a partition may differ from its volume: alignment."""

MIB = 2**20


def flagged(disks: Disks) -> Disks:
    """DISKS with every part of the volumes of OSDs to be kept, empty parts included: Nailgun refuses a volume that is
    kept on one disk and not on another."""
    changed = copy.deepcopy(disks)
    for volume in _volumes(changed):
        if volume["name"] in KEPT:
            volume["keep_data"] = True
    return changed


def flags(disks: Disks) -> dict[str, bool]:
    """{volume: whether any part of it is kept}."""
    found: dict[str, bool] = {}
    for volume in _volumes(disks):
        found[volume["name"]] = found.get(volume["name"], False) or bool(volume.get("keep_data"))
    return found


def with_flags(disks: Disks, wanted: Mapping[str, bool]) -> Disks:
    """DISKS with the flags that WANTED names, as :func:`flags` returns them."""
    changed = copy.deepcopy(disks)
    for volume in _volumes(changed):
        if volume["name"] in wanted:
            volume["keep_data"] = wanted[volume["name"]]
    return changed


def require_flags(disks: Disks, node: str) -> dict[str, bool]:
    """Exactly the volumes of OSDs are kept.

    :raises Refused: naming NODE and each volume that is or is not
    """
    found = flags(disks)
    wrong = [f"volume {name} would be formatted" for name in KEPT if name in found and not found[name]]
    wrong += [_superfluous(name) for name, kept in sorted(found.items()) if kept and name not in KEPT]
    if OSD not in found:
        wrong.append(f"Fuel has no volume {OSD} on it")
    if wrong:
        raise Refused(f"{node}: {'; '.join(wrong)}", node=node)
    return found


def _superfluous(name: str) -> str:
    return f"volume {name} is to be kept as well (keep_data), and only {' and '.join(KEPT)} may be"


def problems(
    disks: Disks, layout: Mapping[str, Mapping[str, Any]], labels: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Where Fuel's metadata and the disks differ, a sentence each.

    :param layout: what ``octane_disk.layout`` returned, of the disks that are there
    :param labels: what ``octane_disk.labels`` returned
    """
    held = [(one["disk"], f"osd.{one['osd']}") for one in labels]
    known = {disk["name"] for disk in disks}
    told = [f"{osd} is on {name}, which Fuel does not know" for name, osd in held if name not in known]
    for disk in disks:
        there = [osd for name, osd in held if name == disk["name"]]
        told += _disk_problems(disk, layout.get(disk["name"]), there)
    return told


def _disk_problems(disk: Mapping[str, Any], found: Mapping[str, Any] | None, osds: list[str]) -> Iterator[str]:
    name, wanted = disk["name"], _sizes(disk)
    if found is None:
        if any(wanted.get(one) for one in KEPT):
            yield f"there is no disk {name}, on which Fuel has {_named(wanted)}"
        return
    if wanted.get(OSD) and len(osds) != 1:
        yield f"Fuel has a volume {OSD} on {name}, where the labels of {', '.join(osds) or 'no OSD'} are"
    if osds and not wanted.get(OSD):
        yield f"{', '.join(osds)} is on {name}, where Fuel has no volume {OSD} but {_named(wanted) or 'nothing'}"
    yield from _whole(name, wanted, found, osds) if not found["partitions"] else _parted(name, wanted, found)


def _whole(name: str, wanted: Mapping[str, int], found: Mapping[str, Any], osds: list[str]) -> Iterator[str]:
    """Of a disk without partitions, which an OSD has for itself."""
    others = {volume: size for volume, size in wanted.items() if volume != OSD}
    if osds and others:
        yield f"{', '.join(osds)} has all of {name}, where Fuel has {_named(others)} as well"
    if osds and wanted.get(OSD, 0) * MIB > found["size"]:
        yield f"volume {OSD} on {name} is of {wanted[OSD]} MiB for Fuel, the disk has {found['size'] // MIB}"


def _parted(name: str, wanted: Mapping[str, int], found: Mapping[str, Any]) -> Iterator[str]:
    data, journals = (_held(found, kinds) for kinds in (("data", "block"), ("journal",)))
    expected, room = wanted.get(OSD, 0), wanted.get(JOURNAL, 0)
    if abs(data - expected) > TOLERANCE_MIB:
        yield f"volume {OSD} on {name} is of {expected} MiB for Fuel, its partitions are of {data}"
    # Journals take what they need of their volume: a part for each OSD, of 10 GiB at most.
    if journals > room + TOLERANCE_MIB or (room and not journals):
        yield f"volume {JOURNAL} on {name} is of {room} MiB for Fuel, its partitions are of {journals}"


def _held(found: Mapping[str, Any], kinds: tuple[str, ...]) -> int:
    """MiB of the partitions of some kinds."""
    return sum(int(one["size"]) for one in found["partitions"] if one["holds"] in kinds) // MIB


def _sizes(disk: Mapping[str, Any]) -> dict[str, int]:
    return {volume["name"]: volume["size"] for volume in disk["volumes"] if volume["size"]}


def _named(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({size} MiB)" for name, size in sorted(sizes.items()))


def _volumes(disks: Disks) -> Iterator[dict[str, Any]]:
    for disk in disks:
        yield from disk["volumes"]
