"""What a replica costs inside the window, as the product's own journal tells it of whole runs of the database stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lab.bench.ways import TIMEOUT, BenchError
from lab.hosts import Host

IN_WINDOW = ("db.frozen", "db.caught_up")
"""Steps of upgrade-db between the last write and the copy that was proven equal; what follows is the same for every
way."""


def windows(master: Host, times: int, told: Callable[[str], None]) -> list[float]:
    """Seconds of each of several runs, all but the last one taken back again.

    :raises BenchError: there is no seed, or the stage was not done by a replica
    :raises CommandFailed: a run failed
    """
    seed = _seed(master)
    found = []
    for turn in range(times):
        if turn:
            master.run(["salt-run", "octane.undo", "upgrade-db", f"seed={seed}"], timeout=TIMEOUT)
        master.run(["octane", "upgrade-db", str(seed), "--way", "replica"], timeout=TIMEOUT)
        steps = {step["step"]: step for step in _stage(master, seed)["steps"]}
        found.append(sum(steps[name]["seconds"] for name in IN_WINDOW))
        told(f"replica_window: {found[-1]:.1f} s ({turn + 1} of {times})")
    return found


def _seed(master: Host) -> int:
    upgrades = _status(master)["upgrades"]
    if not upgrades or upgrades[0]["seed"] is None:
        raise BenchError("there is no seed yet: octane prepare and octane upgrade-env make one")
    return int(upgrades[0]["seed"])


def _stage(master: Host, seed: int) -> dict[str, Any]:
    upgrades = _status(master, str(seed))["upgrades"]
    return next(stage for stage in upgrades[0]["stages"] if stage["stage"] == "upgrade-db")


def _status(master: Host, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(master.run(["octane", "status", *arguments, "-f", "json"]).stdout)
    return told
