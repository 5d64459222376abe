"""Disks as files: the label of a real OSD of BlueStore, tables of partitions, data partitions of old releases."""

from __future__ import annotations

import base64
import struct
import uuid
import zlib
from pathlib import Path

REAL = zlib.decompress(
    base64.b64decode(
        "eNrtkL2O1DAQx3PH9xZXcBSHEJILJO6KXdmO83XSSWwBDc0hqGgsx56wVjbJKs7ltFS8BE9AwWviyWWRaBAdjX+SxzOe8djzL7c3"
        "4IauB1JuO10TA6PVsKCKTiwnI9Dkh3AmXhwfvT6OokWEvIm+TXt0bwo8p9cn9fcf8uV97zfKtifRXW1ZNXJ6yz30EU85E+LpH+dy"
        "B72sYY+tGM9PD8n9AHe5qQz7Clqkj+e0s18B+zOaxZlgORfYv/TzVe4Iz594o2G3kZWz5pUPEqBVptjfhmTPD5dG6J3tWnm7gVbq"
        "HtQA5npOkjlJWLriK5aQ85TllRA0L7hfBWc6hkIIVRSMcW6MFgJSmrD0guyUtpXV5NwNqtzCBY4wt5dqeIESUZ4uGV9S9omKS8Eu"
        "k2zF4jTh2WcsrkdZKl1Dax75qEcBTflgEv2L1c8OX+ycIWO3vWmAjL4hitHUlZOmawGF3oPD+74MpV96d/3h3fr9239Y66urBT7o"
        "f232vx1U/3bTqcai+vFZ+/FnFAgEAoFAIBAIBAKB/8UvZLGV+g=="
    )
)
"""The first 4096 bytes of a disk that `ceph-osd --mkfs` of Ceph 16.2.15 made; its key is no key."""

FSID = "5e0f7a10-0000-4000-8000-000000000001"
UUID = "0a000000-0000-4000-8000-00000000000{}"
MAGIC = b"bluestore block device\n"
SYSTEM = "0fc63daf-8483-4772-8e79-3d69d8477de4"
SECTOR = 512


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode()


def label(osd: int, fsid: str = FSID, identity: str | None = None, key: str = "AQFAKE==", **more: str) -> bytes:
    """A label as BlueStore encodes it."""
    identity = identity or UUID.format(osd)
    facts = {"ceph_fsid": fsid, "whoami": str(osd), **({"osd_key": key} if key else {}), **more}
    described = facts.pop("description", "main")
    body = uuid.UUID(identity).bytes + struct.pack("<QII", 2**32, 0, 0) + text(described)
    body += struct.pack("<I", len(facts)) + b"".join(text(name) + text(value) for name, value in facts.items())
    head = MAGIC + identity.encode() + b"\n" + struct.pack("<BBI", 2, 1, len(body)) + body
    return head.ljust(4096, b"\0")


def disk(folder: Path, name: str, content: bytes = b"", size: int = 2**20) -> Path:
    """A disk of the folder that stands for /dev."""
    path = folder / name
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(size)
    return path


def table(*partitions: tuple[str, int, int], sector: int = SECTOR) -> bytes:
    """The first sectors of a disk with (type, first sector, last sector) of each partition."""
    entries = b"".join(
        struct.pack("<16s16sQQQ72s", uuid.UUID(kind).bytes_le, uuid.uuid4().bytes_le, first, last, 0, b"")
        for kind, first, last in partitions
    )
    entries = entries.ljust(128 * 128, b"\0")
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 0, 34, 0, b"", 2, 128, 128, 0)
    return bytes(sector) + header.ljust(sector, b"\0") + entries
