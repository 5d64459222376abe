"""Roles of a release, as objects of their own."""

from __future__ import annotations

from typing import Any

from lab.nailgun import disks, releases
from lab.nailgun.errors import NotFound
from lab.nailgun.state import Row

SHARES = {"disks": "full-disk"}
"""How a volume's share is called here, where it is called otherwise."""


def show(release: Row, name: str) -> dict[str, Any]:
    """A role with its metadata and volumes; NotFound."""
    if name not in release["roles_metadata"]:
        raise NotFound("Role is not found for the release")
    table = disks.SEVEN if releases.is_seven(release) else disks.SIX
    volumes = [
        {"id": volume.name, "allocate_size": SHARES.get(volume.share, volume.share)} for volume in table.get(name, [])
    ]
    return {"name": name, "meta": release["roles_metadata"][name], "volumes_roles_mapping": volumes}
