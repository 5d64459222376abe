"""Clients of the cloud's Ceph, each a thread of its own, that do one thing after the other until they are told to stop.

Writes one JSON object a line, ``{"t", "op", "ms", "ok", ...}``: ``t`` (seconds) when it began, ``error`` if it failed:

* ``write``: a block of the volume, acknowledged by all its OSDs: ``block``, ``sequence``;
* ``read``: a block, which must hold the last acknowledged write or one begun since: ``block``, ``sequence``;
* ``connect``: a client that is new to the cluster, as a guest that starts is;
* ``commit``: a change that the monitors must agree upon;
* ``quorum``: what the monitors say of themselves: ``members``;

and ``{"t", "event"}``: begin, end (with ``unfinished``, the operations that nobody has answered yet).
Runs as ``python -m lab.workload.client`` in the tree of the lab's hosts, with their Python and Ceph's modules for it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rados
import rbd

from lab.workload.blocks import COUNT, SIZE, content, sequence_of

POOL = VOLUME_USER = "volumes"
VOLUME = "octane-lab-workload"
OBJECT_ORDER = 16
"""Objects of 64 KiB: the volume is spread over all OSDs."""

COMMIT_KEY = "octane-lab/workload"
CONNECT_TIMEOUT = 300
COMMAND_TIMEOUT = 300
END_TIMEOUT = 5

# What is acknowledged must be on the OSDs, and what is read must come from there.
UNCACHED = {"rbd_cache": "false"}


def main() -> int:
    """Run the clients, or look at what they left behind."""
    known = argparse.ArgumentParser(prog="lab.workload.client")
    known.add_argument("--seconds", type=float)
    known.add_argument("--interval", type=float, default=0.02)
    known.add_argument("--control", type=float, default=0.25)
    known.add_argument("--verify", action="store_true")
    wanted = known.parse_args()
    with connected(VOLUME_USER) as cluster, cluster.open_ioctx(POOL) as pool:
        if wanted.verify:
            return verify(pool)
        make_volume(pool)
        Workload(pool).run(wanted.interval, wanted.control, wanted.seconds)
    return 0


@contextmanager
def connected(user: str) -> Iterator[rados.Rados]:
    """A connection of its own. Raises rados.Error."""
    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name=f"client.{user}", conf=UNCACHED)
    cluster.connect(timeout=CONNECT_TIMEOUT)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def make_volume(pool: rados.Ioctx) -> None:
    """Make the volume with its first content, unless it is there."""
    if VOLUME not in rbd.RBD().list(pool):
        rbd.RBD().create(pool, VOLUME, SIZE * COUNT, OBJECT_ORDER, old_format=False, features=rbd.RBD_FEATURE_LAYERING)
    with rbd.Image(pool, VOLUME) as image:
        for block in range(COUNT):
            if not any(image.read(block * SIZE, SIZE)):
                image.write(content(block, 0), block * SIZE)


def verify(pool: rados.Ioctx) -> int:
    """Compare the volume with the last acknowledged writes (standard input: block to sequence); print what is lost."""
    expected = {int(block): sequence for block, sequence in json.load(sys.stdin).items()}
    lost = []
    with rbd.Image(pool, VOLUME, read_only=True) as image:
        for block, sequence in expected.items():
            found = sequence_of(block, image.read(block * SIZE, SIZE))
            if found is None or found < sequence:
                lost.append({"block": block, "expected": sequence, "found": found})
    print(json.dumps({"checked": len(expected), "lost": lost}))
    return 1 if lost else 0


class Workload:
    """All clients of one run. ``acknowledged`` and ``begun`` have the last write of each block."""

    def __init__(self, pool: rados.Ioctx) -> None:
        self.pool = pool
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.under_way: dict[str, float] = {}
        self.acknowledged: list[int] = []
        self.begun: list[int] = []

    def run(self, interval: float, control: float, seconds: float | None) -> None:
        """Run until SIGTERM, SIGINT or for ``seconds``; what hangs then is left behind, and told."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        self.learn()
        self.record({"t": time.time(), "event": "begin", "blocks": COUNT, "block_size": SIZE})
        loops: list[tuple[Callable[[float], None], float]] = [
            (self.write_all, interval),
            (self.read_all, interval),
            (self.connect_all, control),
            (self.commit_all, control),
            (self.ask_all, control),
        ]
        threads = [threading.Thread(target=self.alone, args=loop, daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        self.stop.wait(seconds)
        self.stop.set()
        deadline = time.monotonic() + END_TIMEOUT
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.record({"t": time.time(), "event": "end", "unfinished": sorted(self.under_way)})
        if any(thread.is_alive() for thread in threads):
            os._exit(0)

    def alone(self, loop: Callable[[float], None], interval: float) -> None:
        """Run one client; one that fails in another way than by its operations ends the workload."""
        try:
            loop(interval)
        except BaseException as error:
            self.record({"t": time.time(), "event": "failed", "error": repr(error)})
            os._exit(1)

    def learn(self) -> None:
        """What the volume holds now. Raises SystemExit when that is nothing of the workload's."""
        with rbd.Image(self.pool, VOLUME, read_only=True) as image:
            found = [sequence_of(block, image.read(block * SIZE, SIZE)) for block in range(COUNT)]
        foreign = [block for block, sequence in enumerate(found) if sequence is None]
        if foreign:
            raise SystemExit(f"workload: blocks {foreign} of {VOLUME} hold what no workload wrote")
        self.acknowledged = [sequence or 0 for sequence in found]
        self.begun = list(self.acknowledged)

    def record(self, line: dict[str, Any]) -> None:
        """One line of the log, at once."""
        with self.lock:
            sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
            sys.stdout.flush()

    def do(self, operation: str, action: Callable[[], dict[str, Any]], **about: Any) -> bool:
        """Do one operation and log it with what is known of it and what it returns; whether it succeeded."""
        began = self.under_way[operation] = time.time()
        clock = time.monotonic()
        try:
            told = {"ok": True, **action()}
        except (rados.Error, rbd.Error, OSError) as error:
            told = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        took = round((time.monotonic() - clock) * 1000, 2)
        del self.under_way[operation]
        self.record({"t": round(began, 4), "op": operation, "ms": took, **about, **told})
        return bool(told["ok"])

    # ---- the clients

    def write_all(self, interval: float) -> None:
        """Every block, one after the other, again and again."""
        with rbd.Image(self.pool, VOLUME) as image:
            block = 0
            while not self.stop.wait(interval):
                self.begun[block] += 1
                self.write(image, block, self.begun[block])
                block = (block + 1) % COUNT

    def write(self, image: rbd.Image, block: int, sequence: int) -> None:
        def action() -> dict[str, Any]:
            image.write(content(block, sequence), block * SIZE)
            return {}

        if self.do("write", action, block=block, sequence=sequence):
            self.acknowledged[block] = sequence

    def read_all(self, interval: float) -> None:
        """Blocks at random."""
        with rbd.Image(self.pool, VOLUME, read_only=True) as image:
            while not self.stop.wait(interval):
                self.read(image, random.randrange(COUNT))

    def read(self, image: rbd.Image, block: int) -> None:
        def action() -> dict[str, Any]:
            least = self.acknowledged[block]
            found = sequence_of(block, image.read(block * SIZE, SIZE))
            if found is None or not least <= found <= self.begun[block]:
                return {"sequence": found, "ok": False, "error": f"neither {least} nor begun since"}
            return {"sequence": found}

        self.do("read", action, block=block)

    def connect_all(self, interval: float) -> None:
        """A new client, each time."""
        def action() -> dict[str, Any]:
            with connected(VOLUME_USER):
                return {}

        while not self.stop.wait(interval):
            self.do("connect", action)

    def commit_all(self, interval: float) -> None:
        """A value in the monitors' database."""
        def action() -> dict[str, Any]:
            self.command(cluster, {"prefix": "config-key set", "key": COMMIT_KEY, "val": str(time.time())})
            return {}

        with connected("admin") as cluster:
            while not self.stop.wait(interval):
                self.do("commit", action)

    def ask_all(self, interval: float) -> None:
        """Who is in the quorum."""
        def action() -> dict[str, Any]:
            told = json.loads(self.command(cluster, {"prefix": "quorum_status", "format": "json"}))
            return {"members": told["quorum_names"]}

        with connected(VOLUME_USER) as cluster:
            while not self.stop.wait(interval):
                self.do("quorum", action)

    def command(self, cluster: rados.Rados, command: dict[str, Any]) -> bytes:
        """What the monitors answer. Raises OSError when they refuse."""
        code, output, said = cluster.mon_command(json.dumps(command), b"", timeout=COMMAND_TIMEOUT)
        if code:
            raise OSError(abs(code), said)
        return bytes(output)


if __name__ == "__main__":
    sys.exit(main())
