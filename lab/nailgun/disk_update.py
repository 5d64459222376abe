"""Changing the layout of a node's disks."""

from __future__ import annotations

from typing import Any

from lab.nailgun import attributes, disks, python2, schema
from lab.nailgun.errors import InvalidData, Unexpected
from lab.nailgun.state import Row, State

VOLUME = schema.record(
    {"name": {"type": "string"}, "size": {"type": "integer", "minimum": 0}, "keep_data": {"type": "boolean"}},
    ["size", "name"],
)
DISK = schema.record(
    {"id": {"type": "string"}, "size": {"type": "integer"}, "volumes": {"type": "array", "items": VOLUME}},
    ["id", "size", "volumes"],
)
LAYOUT = {"type": "array", "items": DISK}


def update(state: State, node: Row, data: Any) -> list[Row]:
    """PUT /nodes/ID/disks. Returns the new layout; InvalidData. Disks that are not named stay as they are."""
    schema.check(data, LAYOUT)
    _check(state, node, data)
    known = {disk["id"]: disk for disk in disks.show(state, node)}
    for given in data:
        if given["id"] not in known:
            # Nailgun looks the disk up without asking whether it is there.
            raise Unexpected
        _set_volumes(known[given["id"]], given["volumes"])
    node["disks"] = list(known.values())
    if node["cluster"]:
        attributes.add_change(state.row("clusters", node["cluster"]), "disks", node["id"])
    return node["disks"]


def _set_volumes(disk: Row, volumes: list[dict[str, Any]]) -> None:
    sizes = {volume["name"]: volume for volume in volumes}
    for volume in disk["volumes"]:
        if volume["name"] in sizes:
            given = sizes[volume["name"]]
            volume.update(size=given["size"], keep_data=given.get("keep_data", False))


def _check(state: State, node: Row, data: list[dict[str, Any]]) -> None:
    if not data:
        raise InvalidData("Node seems not to have disks")
    for disk in data:
        if sum(volume["size"] for volume in disk["volumes"]) > disk["size"]:
            raise InvalidData(f"Not enough free space on disk: {python2.text(disk)}")
    _check_kept(data)
    systems = [volume for disk in data for volume in disk["volumes"] if volume["name"] == "os" and volume["size"] > 0]
    if len(systems) > 1 and _on_ubuntu(state, node):
        raise InvalidData("Base system should be allocated on one disk only")


def _check_kept(data: list[dict[str, Any]]) -> None:
    """A volume is kept on all disks of the node or on none, an empty part of it included (Nailgun 7.0's validator)."""
    volumes = [volume for disk in data for volume in disk["volumes"]]
    kept = {volume["name"] for volume in volumes if volume.get("keep_data")}
    torn = {volume["name"] for volume in volumes if volume["name"] in kept and not volume.get("keep_data")}
    if torn:
        raise InvalidData(
            "All volumes with the same name should have the same value for `keep_data` flag, "
            f"incorrect volumes: {', '.join(sorted(torn))}"
        )


def _on_ubuntu(state: State, node: Row) -> bool:
    if node["cluster"] is None:
        return False
    release = state.row("releases", state.row("clusters", node["cluster"])["release_id"])
    return bool(release["operating_system"] == "Ubuntu")
