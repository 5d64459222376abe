"""The product as the benchmarks drive it: by the commands of an operator on the Fuel master."""

from __future__ import annotations

import json
from typing import Any

from lab.bench.ways import TIMEOUT, BenchError
from lab.hosts import Host

STAGE = "upgrade-db"


def seed_of(master: Host) -> int:
    """The seed of the first upgrade. Raises BenchError when there is none yet, CommandFailed."""
    upgrades = _status(master)["upgrades"]
    if not upgrades or upgrades[0]["seed"] is None:
        raise BenchError("there is no seed yet: octane prepare and octane upgrade-env make one")
    return int(upgrades[0]["seed"])


def upgrade_databases(master: Host, seed: int) -> dict[str, dict[str, Any]]:
    """Run the database stage by a replica; its steps by name, as ``octane status`` tells them. Raises CommandFailed."""
    master.run(["octane", STAGE, str(seed), "--way", "replica"], timeout=TIMEOUT)
    stages = _status(master, str(seed))["upgrades"][0]["stages"]
    stage = next(stage for stage in stages if stage["stage"] == STAGE)
    return {step["step"]: step for step in stage["steps"]}


def take_back(master: Host, seed: int) -> None:
    """Undo the database stage. Raises CommandFailed."""
    run(master, "rollback-db", seed)


def run(master: Host, stage: str, seed: int) -> None:
    """Run a command for the seed to its end. Raises CommandFailed."""
    master.run(["octane", stage, str(seed)], timeout=TIMEOUT)


def _status(master: Host, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(master.run(["octane", "status", *arguments, "-f", "json"]).stdout)
    return told
