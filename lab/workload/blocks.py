"""The known content of the workload's volume: what a block holds tells which block it is and which write made it."""

from __future__ import annotations

import hashlib
import struct

SIZE = 4096
COUNT = 1024
HEADER = struct.Struct(">8sIQ")
MAGIC = b"workload"


def content(block: int, sequence: int) -> bytes:
    """What write number ``sequence`` puts into a block; 0 is what the volume begins with."""
    header = HEADER.pack(MAGIC, block, sequence)
    return header + hashlib.shake_256(header).digest(SIZE - len(header))


def sequence_of(block: int, data: bytes) -> int | None:
    """Which write made what was read from a block; None when it is nothing that was ever written there whole."""
    if len(data) != SIZE:
        return None
    _, _, sequence = HEADER.unpack_from(data)
    return sequence if data == content(block, sequence) else None
