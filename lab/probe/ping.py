"""Pings every few milliseconds from one raw socket, and the gaps between the replies."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

ECHO_REQUEST, ECHO_REPLY = 8, 0
HEADER = struct.Struct("!BBHHH")
# Shorter silences are the jitter of a busy machine of two cores, not an outage.
GAP_WORTH_A_LINE = 0.05


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of ``data``, whose length is even."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(identifier: int, sequence: int) -> bytes:
    """An ICMP echo request without a payload."""
    bare = HEADER.pack(ECHO_REQUEST, 0, 0, identifier, sequence)
    return HEADER.pack(ECHO_REQUEST, 0, checksum(bare), identifier, sequence)


def reply_identifier(packet: bytes) -> int | None:
    """The identifier of the echo reply in an IPv4 packet; None when it is something else."""
    offset = (packet[0] & 0x0F) * 4
    if len(packet) < offset + HEADER.size:
        return None
    kind, _code, _sum, identifier, _sequence = HEADER.unpack_from(packet, offset)
    return identifier if kind == ECHO_REPLY else None


@dataclass
class Silence:
    """What is known of one address: the last reply and the longest gap, in seconds of the monotonic clock."""

    last: float
    longest: float = 0.0
    replies: int = 0

    def heard(self, now: float) -> float:
        """Count a reply; returns the gap that it ended."""
        gap = now - self.last
        self.last = now
        self.replies += 1
        if self.replies > 1:
            self.longest = max(self.longest, gap)
        return gap


@dataclass
class Pinger:
    """Pings addresses; ``record`` gets a dictionary for each gap and, by ``finish``, one for each address."""

    addresses: Iterable[str]
    record: Callable[[dict], None]
    identifier: int
    silences: dict[str, Silence] = field(default_factory=dict)

    def open(self) -> None:
        """Open the raw socket. Raises PermissionError without root."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.setblocking(False)
        now = time.monotonic()
        self.silences = {address: Silence(now) for address in self.addresses}

    async def run(self, interval: float) -> None:
        """Send to every address each ``interval`` seconds, and take what has come in."""
        sequence = 0
        next_at = time.monotonic()
        while True:
            sequence = (sequence + 1) & 0xFFFF
            self.send(echo_request(self.identifier, sequence))
            next_at = max(next_at + interval, time.monotonic())
            await asyncio.sleep(next_at - time.monotonic())
            self.receive()

    def send(self, packet: bytes) -> None:
        for address in self.silences:
            try:
                self.socket.sendto(packet, (address, 0))
            except OSError:
                # No route or no neighbour at the moment: that is a missing reply, nothing else.
                continue

    def receive(self) -> None:
        """Take all replies that wait in the socket."""
        while True:
            try:
                packet, (address, _port) = self.socket.recvfrom(256)
            except BlockingIOError:
                return
            if reply_identifier(packet) == self.identifier and address in self.silences:
                self.heard(address)

    def heard(self, address: str) -> None:
        silence = self.silences[address]
        gap = silence.heard(time.monotonic())
        if gap >= GAP_WORTH_A_LINE and silence.replies > 1:
            self.record({"ping": address, "t": time.time() - gap, "gap": round(gap, 4)})

    def finish(self) -> None:
        """Record the totals of each address, and the silence that lasts still."""
        now = time.monotonic()
        for address, silence in self.silences.items():
            self.record(
                {
                    "ping": address,
                    "t": time.time(),
                    "replies": silence.replies,
                    "longest": round(max(silence.longest, now - silence.last if silence.replies else 0.0), 4),
                }
            )
        self.socket.close()
