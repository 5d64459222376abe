"""Ways of bringing databases from one server to another, each as the commands that an operator would give.

A way is measured whole, from the first command to the moment the target has everything; what makes the target empty
before it is not.
"""

from __future__ import annotations

import shlex
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.command import run

TIMEOUT = 3600
"""Seconds for one command of a way."""
WAYS = ("old", "dump", "replica_window", "pipe")
MEASURED = 3
"""How often each way is gone; the median counts."""
SYSTEM = ("information_schema", "performance_schema", "mysql", "sys")


class BenchError(Exception):
    """A way failed or did not bring everything; the message says which and what."""


@dataclass(frozen=True)
class Side:
    """A database server.

    ``inside``: makes of a command one that runs beside the server; ``client``: options that every client program of the
    server takes there; ``address``: where another node reaches this one; ``call``: runs the product's Salt function
    there and returns what it returned.
    """

    name: str
    inside: Callable[[Sequence[str]], list[str]]
    client: tuple[str, ...]
    address: str
    call: Callable[..., Any]

    def program(self, name: str, *arguments: str) -> list[str]:
        """The command that runs a client program of the server."""
        return self.inside([name, *self.client, *arguments])

    def rows(self, statement: str) -> list[list[str]]:
        """Rows of one statement. Raises CommandFailed."""
        done = run(self.program("mysql", "-NB"), given=statement, timeout=TIMEOUT)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def checksums(self, databases: Sequence[str]) -> dict[str, str]:
        """The server's checksum of every table."""
        places = [
            f"`{database}`.`{row[0]}`"
            for database in databases
            for row in self.rows(f"SHOW FULL TABLES FROM `{database}` WHERE Table_type = 'BASE TABLE'")
        ]
        return {row[0]: row[1] for row in self.rows(f"CHECKSUM TABLE {', '.join(places)}")} if places else {}

    def empty(self, databases: Sequence[str]) -> None:
        """Without DATABASES, and without the logs of how they came: a few rounds of them fill a disk."""
        self.rows("".join(f"DROP DATABASE IF EXISTS `{database}`;" for database in databases) + "FLUSH BINARY LOGS;")
        for latest in self.rows("SHOW MASTER STATUS"):
            self.rows(f"PURGE BINARY LOGS TO '{latest[0]}'")


@dataclass(frozen=True)
class Task:
    """What is brought where. ``folder``: on the machine, for what a way keeps meanwhile. ``alone``: the target is the
    only controller of its side."""

    source: Side
    target: Side
    databases: tuple[str, ...]
    folder: Path
    alone: bool = False


Way = Callable[[Task], float]
"""Goes one way once; returns the seconds it took."""


def old(task: Task) -> float:
    """The old tool's way: everything locked and dumped to a file, and then the file loaded."""
    kept = task.folder / "dump.sql.gz"
    dump = task.source.program("mysqldump", "--lock-all-tables", "--databases", *task.databases)
    began = time.monotonic()
    pipeline(f"{shlex.join(dump)} | gzip > {shlex.quote(str(kept))}")
    pipeline(f"zcat {shlex.quote(str(kept))} | {shlex.join(task.target.program('mysql'))}")
    return time.monotonic() - began


def dump(task: Task) -> float:
    """Ours: parallel streams of one snapshot, encrypted, from node to node."""
    names = list(task.databases)
    began = time.monotonic()
    server = task.target.call("octane_db.server")["id"]
    identity = task.source.call("octane_db.identity")
    given = {"server": server, "replace": True, "alone": task.alone}
    receiver = task.target.call("octane_db.receive", names, task.target.address, identity["certificate"], **given)
    where = (task.target.address, receiver["port"], receiver["certificate"], identity["identity"])
    sent = task.source.call("octane_db.send", names, *where)
    received = task.target.call("octane_db.received", receiver["ticket"])
    seconds = time.monotonic() - began
    if sent["sha256"] != received["sha256"]:
        raise BenchError("dump: the target received other bytes than the source sent")
    return seconds


def pipe(task: Task) -> float:
    """No database at all: the bytes of the dump through a pipe and on to the disk."""
    plain, copy = task.folder / "dump.sql", task.folder / "copy.sql"
    pipeline(f"zcat {shlex.quote(str(task.folder / 'dump.sql.gz'))} > {shlex.quote(str(plain))}")
    began = time.monotonic()
    pipeline(f"cat {shlex.quote(str(plain))} | dd of={shlex.quote(str(copy))} bs=1M iflag=fullblock conv=fsync")
    seconds = time.monotonic() - began
    copy.unlink()
    plain.unlink()
    return seconds


KNOWN: dict[str, Way] = {"old": old, "dump": dump, "pipe": pipe}
"""Ways that are gone in turn. What a replica costs inside the window is told by the product itself: replica.py."""
BRINGS = ("old", "dump")
"""Ways after which the target must equal the source."""


def pipeline(text: str) -> None:
    """Run a shell's pipeline that fails when any of its parts does. Raises BenchError."""
    command = ["bash", "-o", "pipefail", "-c", text]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise BenchError(f"{text} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def measure(
    task: Task, ways: dict[str, Way], times: int = MEASURED, told: Callable[[str], None] = lambda text: None
) -> dict[str, list[float]]:
    """Seconds of each way, gone in turn so that what else the machine does meets all of them alike.

    :raises BenchError: a way failed, or the target is not equal to the source after the first time
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    wanted = task.source.checksums(task.databases)
    for turn in range(times):
        for name, way in ways.items():
            task.target.empty(task.databases)
            seconds[name].append(way(task))
            told(f"{name}: {seconds[name][-1]:.1f} s ({turn + 1} of {times})")
            if turn == 0 and name in BRINGS:
                require_equal(name, wanted, task.target.checksums(task.databases))
    return seconds


def require_equal(name: str, wanted: dict[str, str], found: dict[str, str]) -> None:
    different = sorted(table for table in wanted.keys() | found.keys() if wanted.get(table) != found.get(table))
    if different:
        raise BenchError(f"{name}: not equal afterwards: {', '.join(different[:10])}")


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float | None]]:
    """Medians and their ratios to the old way: {"seconds": {way: s}, "ratio": {way: r}}; None for what was not gone."""
    medians = {name: round(statistics.median(seconds[name]), 3) if seconds.get(name) else None for name in WAYS}
    first = medians["old"]
    ratios = {name: round(value / first, 4) if value and first else None for name, value in medians.items()}
    return {"seconds": medians, "ratio": {name: ratios[name] for name in WAYS[1:]}}
