"""How long the database stage refuses writes for more and more data, and what of that its migrations take."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.bench import fill, product
from lab.bench.ways import BenchError
from lab.probe import run as probe
from lab.state import Lab

FIRST, LAST = "db.refuse_writes", "db.nothing_lost"
MIGRATIONS = ("db.migrated", "db.rewritten", "db.new_migrations")
"""Steps whose time is what the new release makes of the data: its schemas, what a copy has wrong, its data."""
PROBE_ENDS_WITHIN = 30
CLIENTS = probe.Intervals(light=1.0, full=1.0, ping=0.1)
"""They write something real to every API every second; more would be a load of its own on a machine of two cores."""


def measure(
    lab: Lab, database: fill.Database, sizes: Sequence[int], output: Path, told: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Fill DATABASE up to each of the ascending SIZES (bytes of rows, beside what it had) and run the stage, taken back
    before the next one, while clients write through the APIs.

    :param output: gets what the clients of the last run saw
    :return: [{"bytes", "window", "migrations", "beyond": seconds, "steps": {step: seconds}}]
    :raises BenchError: there is no seed, or the clients failed
    :raises CommandFailed: a run failed
    """
    master = lab.hosts["fuel"]
    seed, filled = product.seed_of(master), 0
    found: list[dict[str, Any]] = []
    for size in sizes:
        if found:
            product.take_back(master, seed)
        told(f"filling up to {size / 1e6:.0f} MB")
        filled += fill.fill(database, size - filled, 1)["bytes"]
        with clients(lab, output):
            steps = product.upgrade_databases(master, seed)
        latest = window(steps)
        found.append({"bytes": size, **latest})
        told(f"{size / 1e6:.0f} MB: no writes for {latest['window']} s, {latest['migrations']} s of it migrations")
    return found


def window(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """From the moment at which writes begin to be refused to the end of the last step that needs it so."""
    whole = steps[LAST]["ended"] - steps[FIRST]["started"]
    migrations = sum(steps[name]["seconds"] for name in MIGRATIONS)
    inside = {
        name: round(step["seconds"], 2)
        for name, step in steps.items()
        if steps[FIRST]["started"] <= step["started"] <= steps[LAST]["started"]
    }
    figures = {"window": whole, "migrations": migrations, "beyond": whole - migrations}
    return {**{name: round(seconds, 1) for name, seconds in figures.items()}, "steps": inside}


@contextlib.contextmanager
def clients(lab: Lab, output: Path, intervals: probe.Intervals = CLIENTS) -> Iterator[None]:
    """The probe's clients, as long as the block lasts. Raises BenchError when they ended before, or badly."""
    command = probe.command(lab, None, output, intervals)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield
        finally:
            early = process.poll() is not None
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PROBE_ENDS_WITHIN)
    if early or process.returncode:
        raise BenchError(f"the clients failed: {said.strip()[-300:]}")
