"""The labels of data disks, compared with what the cluster has: whose is each disk, before anything stops and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from octane.ceph.cluster import OsdMap, fingerprint
from octane.errors import BadInput, Refused

MAIN = "main"
"""What bluestore calls the device with the data, beside those of its database and its log."""


@dataclass(frozen=True)
class Label:
    """``disk`` is the device or the mounted folder; ``key`` a fingerprint of the OSD's key, "" where the label has none
    and ``ceph auth get osd.N`` must give it."""

    disk: str
    fsid: str
    osd: int
    uuid: str
    key: str = ""


def bluestore(document: Mapping[str, Mapping[str, Any]]) -> tuple[Label, ...]:
    """Of ``ceph-bluestore-tool show-label``, {disk: label}; devices of a database or a log are left out.

    :raises BadInput: a label is not whole
    """
    mains = {disk: one for disk, one in document.items() if one.get("description", MAIN) == MAIN}
    return tuple(_bluestore(disk, one) for disk, one in sorted(mains.items()))


def _bluestore(disk: str, one: Mapping[str, Any]) -> Label:
    _require_whole(disk, one, ("ceph_fsid", "whoami", "osd_uuid"))
    key = fingerprint(one["osd_key"].strip()) if "osd_key" in one else ""
    return Label(disk, one["ceph_fsid"], int(one["whoami"]), one["osd_uuid"], key)


def filestore(disk: str, files: Mapping[str, str]) -> Label:
    """Of the files ``ceph_fsid``, ``whoami`` and ``fsid`` (the uuid of the OSD) at the top of a data file system,
    as releases before Luminous have it.

    :raises BadInput: one of them is missing or empty
    """
    said = {name: text.strip() for name, text in files.items()}
    _require_whole(disk, said, ("ceph_fsid", "whoami", "fsid"))
    return Label(disk, said["ceph_fsid"], int(said["whoami"]), said["fsid"])


def _require_whole(disk: str, said: Mapping[str, Any], fields: Iterable[str]) -> None:
    missing = [field for field in fields if not said.get(field)]
    if missing:
        raise BadInput(
            f"the label of {disk} has no {', '.join(missing)}: nobody can tell whose data it is; "
            "find that out before its host is touched"
        )


def require_own(labels: Iterable[Label], expected: Mapping[str, int], osd_map: OsdMap) -> None:
    """The disks of a host hold the OSDs that they should, of this cluster.

    :param expected: {disk: id of the OSD that it held when it was looked at last}, which finds disks that were swapped;
        where that is the first time, of what runs on them
    :raises Refused: naming each disk that is foreign, swapped, unknown or without a label
    """
    found = {label.disk: label for label in labels}
    wrong = [f"{disk} has no label of osd.{osd}" for disk, osd in sorted(expected.items()) if disk not in found]
    for disk, label in sorted(found.items()):
        wrong += _wrong(label, expected.get(disk), osd_map)
    if wrong:
        raise Refused(
            f"data disks are not what the cluster has: {'; '.join(wrong)}; nothing was stopped, find out whose they are"
        )


def _wrong(label: Label, expected: int | None, osd_map: OsdMap) -> list[str]:
    if label.fsid != osd_map.fsid:
        return [f"{label.disk} is of the cluster {label.fsid} and not of {osd_map.fsid}"]
    if expected is None:
        return [f"{label.disk} holds osd.{label.osd}, and no OSD was expected there"]
    if label.osd != expected:
        return [f"{label.disk} holds osd.{label.osd} and not osd.{expected}"]
    uuid = next((one.uuid for one in osd_map.osds if one.id == label.osd), None)
    return (
        []
        if label.uuid == uuid
        else [f"{label.disk} holds an osd.{label.osd} of uuid {label.uuid}, the cluster's is {uuid}"]
    )
