"""Disk layouts: which volume of a node's roles gets how much of which disk. Sizes are in MiB.

A disk of a node in an environment loses 500 MiB to boot partitions and 64 MiB to each volume group of the node's roles;
what is left is its ``size``. Volumes of a fixed size are placed first, in the order of their definition, and may be
split over disks; those that take whole disks get the ones that are empty then; those that take ``all`` share the rest
equally. (Observed on Nailgun 7.0, but for the whole disks: fuel-web's volume manager.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.nailgun import releases
from lab.nailgun.state import Row, State

MIB = 2**20
BOOT_PARTITIONS = 500
GROUP_METADATA = 64
ROOT = 15360


@dataclass(frozen=True)
class Volume:
    """A volume of a role: ``share`` is min (its ``size``), all (its part of the rest) or disks (whole free disks)."""

    name: str
    label: str
    share: str
    size: int
    mount: str | None = None
    file_system: str = "ext4"
    logical: str = "root"


OS = Volume("os", "Base System", "min", 0)
IMAGE = Volume("image", "Image Storage", "all", 5120, "/var/lib/glance", "xfs", "glance")
LOGS = Volume("logs", "Logs", "min", 10240, "/var/log", "ext4", "log")
MYSQL = Volume("mysql", "Mysql Database", "min", 20480, "/var/lib/mysql", "ext4", "root")
HORIZON = Volume("horizon", "Horizon Temp Storage", "min", 11264, "/var/lib/horizon", "xfs", "horizontmp")
VM = Volume("vm", "Virtual Storage", "all", 5120, "/var/lib/nova", "xfs", "nova")
CINDER = Volume("cinder", "Cinder", "all", 1536, None, "none", "none")
MONGO = Volume("mongo", "Mongo DB", "all", 10240, "/var/lib/mongo", "xfs", "mongodb")
JOURNAL = Volume("cephjournal", "Ceph Journal", "min", 0)
CEPH = Volume("ceph", "Ceph", "disks", 3072)

SHARES = ("min", "disks", "all")

COMMON: dict[str, list[Volume]] = {
    "compute": [OS, VM],
    "cinder": [OS, CINDER],
    "ceph-osd": [OS, JOURNAL, CEPH],
    "mongo": [OS, MONGO],
    "virt": [OS, VM],
    "base-os": [Volume("os", "Base System", "all", 0)],
    "cinder-vmware": [OS],
    "compute-vmware": [OS],
}
SIX = COMMON | {"controller": [OS, IMAGE]}
SEVEN = COMMON | {"controller": [OS, LOGS, IMAGE, MYSQL, HORIZON]}


def swap(meta: dict[str, Any]) -> int:
    """Swap for the node's memory: twice as much up to 2 GiB, as much up to 8, half of it up to 64, then 4 GiB."""
    gib = meta.get("memory", {}).get("total", 0) / 2**30
    if gib <= 2:
        return int(2 * gib * 1024)
    if gib <= 8:
        return int(gib * 1024)
    if gib <= 64:
        return int(gib * 512)
    return 4096


def volumes(state: State, node: Row) -> list[Volume]:
    """Volumes of the node's roles, each once, in the order of definition; the base system's size is the node's own."""
    cluster = state.get("clusters", node["cluster"]) if node["cluster"] else None
    if cluster is None:
        return []
    table = SEVEN if releases.is_seven(state.row("releases", cluster["release_id"])) else SIX
    found: dict[str, Volume] = {}
    for role in [*node["roles"], *node["pending_roles"]]:
        for volume in table.get(role, [OS]):
            found.setdefault(volume.name, volume)
    return list(found.values())


def minimum(node: Row, volume: Volume) -> int:
    """The least size of a volume on this node."""
    return ROOT + swap(node["meta"]) if volume.name == "os" else volume.size


def show_volumes(state: State, node: Row) -> list[dict[str, Any]]:
    """GET /nodes/ID/volumes."""
    return [
        {"name": volume.name, "label": volume.label, "min_size": minimum(node, volume)}
        for volume in volumes(state, node)
    ]


def in_order(wanted: list[Volume]) -> list[Volume]:
    """Volumes as disks list them and as they are placed: of fixed size, then whole disks, then what takes the rest."""
    return sorted(wanted, key=lambda volume: SHARES.index(volume.share))


def layout(state: State, node: Row) -> list[Row]:
    """The default layout: per disk ``id``, ``name``, ``extra``, ``size`` and ``volumes`` [{name, size, keep_data}]."""
    wanted = in_order(volumes(state, node))
    plan = _Plan([_disk(disk, wanted) for disk in node["meta"].get("disks", [])])
    for volume in wanted:
        if volume.share == "min":
            plan.fill(volume.name, minimum(node, volume))
    for volume in wanted:
        if volume.share == "disks":
            plan.fill_empty_disks(volume.name)
    greedy = [volume for volume in wanted if volume.share == "all"]
    for left, volume in zip(range(len(greedy), 0, -1), greedy, strict=True):
        plan.fill(volume.name, plan.free() if left == 1 else plan.free() // left)
    return plan.disks


def _disk(reported: dict[str, Any], wanted: list[Volume]) -> Row:
    size = reported["size"] // MIB - BOOT_PARTITIONS - GROUP_METADATA * len(wanted)
    empty = [{"name": volume.name, "size": 0, "keep_data": False} for volume in wanted]
    return {
        "id": reported["disk"],
        "name": reported["name"],
        "extra": reported["extra"],
        "size": size,
        "volumes": empty,
    }


class _Plan:
    """Disks while volumes are placed on them."""

    def __init__(self, disks: list[Row]) -> None:
        self.disks = disks

    def free(self) -> int:
        return sum(_free(disk) for disk in self.disks)

    def fill(self, name: str, size: int) -> None:
        """Place SIZE MiB of the volume on the first disks that have room."""
        for disk in self.disks:
            part = min(size, _free(disk))
            _volume(disk, name)["size"] += part
            size -= part

    def fill_empty_disks(self, name: str) -> None:
        """Give the volume the disks that hold nothing yet; the rest of the first one when there is no such disk."""
        empty = [disk for disk in self.disks if not any(volume["size"] for volume in disk["volumes"])]
        for disk in empty or self.disks[:1]:
            _volume(disk, name)["size"] = _free(disk)


def _free(disk: Row) -> int:
    return int(disk["size"] - sum(volume["size"] for volume in disk["volumes"]))


def _volume(disk: Row, name: str) -> Row:
    return next(volume for volume in disk["volumes"] if volume["name"] == name)


def show(state: State, node: Row) -> list[Row]:
    """GET /nodes/ID/disks: the stored layout, or the default one of a node that has none yet."""
    return node["disks"] or layout(state, node)


def total(node: Row, name: str) -> int:
    """MiB of the volume on all disks of the node."""
    return sum(v["size"] for disk in node["disks"] for v in disk["volumes"] if v["name"] == name)
