"""How long the product plans for a cloud of a thousand computes, how much memory that takes, and how good the plan is.

There is no such cloud here: it is made up, with the same amounts and kinds of guests each time.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.bench.ways import BenchError

COMPUTES, GUESTS, ZONES = 1000, 30_000, 4
SORTS = {(96, 393_216, 3000): 5, (128, 524_288, 4000): 3, (192, 786_432, 6000): 2}
"""Virtual processors, MiB and GiB of a compute: how frequent it is."""
FLAVORS = {(1, 2048, 20): 30, (2, 4096, 40): 30, (4, 8192, 80): 22, (8, 16_384, 160): 12, (16, 32_768, 320): 6}
FAST, WITH_FAST, NEED_FAST = "ssd", 0.15, 0.3
"""An aggregate, the share of computes that are in it, and the share of their guests that must be."""
GROUPED, MEMBERS = 0.1, 3
"""The share of guests in a server group that keeps apart, and how many each has."""
NAMES = ("vcpus", "memory_mb", "disk_gb")


def cloud(size: int = COMPUTES, guests: int = GUESTS, seed: int = 1) -> dict[str, Any]:
    """A snapshot of a cloud that is some five sixths full; some computes have thrice as many guests as others."""
    chance = random.Random(seed)
    computes = [_compute(chance, number) for number in range(size)]
    free = {one["name"]: [one[name] for name in NAMES] for one in computes}
    appeal = [chance.uniform(0.3, 1) for _ in computes]
    found: list[dict[str, Any]] = []
    while len(found) < guests:
        host, flavor = _one(chance, computes, appeal), _one(chance, list(FLAVORS), list(FLAVORS.values()))
        left = free[host["name"]]
        if all(need <= have for need, have in zip(flavor, left, strict=True)):
            free[host["name"]] = [have - need for need, have in zip(flavor, left, strict=True)]
            found.append(_guest(chance, len(found), host, flavor))
    return {"computes": computes, "guests": found, "groups": _grouped(chance, found)}


def _one(chance: random.Random, among: Sequence[Any], weights: Sequence[float]) -> Any:
    return chance.choices(among, weights)[0]


def _compute(chance: random.Random, number: int) -> dict[str, Any]:
    traits = [f"zone-{number % ZONES}", *([FAST] if chance.random() < WITH_FAST else [])]
    sort = _one(chance, list(SORTS), list(SORTS.values()))
    return {"name": f"node-{number + 1}", **dict(zip(NAMES, sort, strict=True)), "traits": traits}


def _guest(chance: random.Random, number: int, host: dict[str, Any], flavor: tuple[int, ...]) -> dict[str, Any]:
    fast = FAST in host["traits"] and chance.random() < NEED_FAST
    traits = [host["traits"][0], *([FAST] if fast else [])]
    needs = dict(zip(NAMES, flavor, strict=True))
    return {"id": f"guest-{number + 1}", "host": host["name"], **needs, "traits": traits}


def _grouped(chance: random.Random, guests: list[dict[str, Any]]) -> dict[str, str]:
    """Put some guests that are on different computes into groups; the groups."""
    groups: dict[str, str] = {}
    chosen = chance.sample(guests, int(len(guests) * GROUPED))
    for start in range(0, len(chosen) - MEMBERS + 1, MEMBERS):
        members = chosen[start : start + MEMBERS]
        if len({one["host"] for one in members}) == MEMBERS:
            name = f"group-{len(groups) + 1}"
            groups[name] = "anti-affinity"
            for one in members:
                one["group"] = name
    return groups


def measure(program: str, times: int) -> dict[str, Any]:
    """Plan with the product's command so many times: ``{"computes", "guests", "seconds" (median), "peak_mib" (highest),
    "migrations_per_guest", "makespan_ratio"}``. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as folder:
        snapshot, output = Path(folder, "cloud.json"), Path(folder, "plan.json")
        snapshot.write_text(json.dumps(cloud()), encoding="utf-8")
        runs = [_run([program, "plan", "waves", str(snapshot), "-f", "json"], output) for _ in range(times)]
        told = json.loads(output.read_text(encoding="utf-8"))
    seconds = sorted(took for took, _ in runs)
    return {
        "computes": told["computes"],
        "guests": told["guests"],
        "seconds": round(seconds[len(seconds) // 2], 2),
        "peak_mib": max(peak for _, peak in runs),
        "migrations_per_guest": round(told["migrations"] / told["guests"], 4),
        "makespan_ratio": round(told["seconds"] / told["least"]["seconds"], 4),
    }


def _run(command: list[str], output: Path) -> tuple[float, int]:
    """Seconds that a command took, and the most memory that it had, in MiB."""
    began = time.monotonic()
    with output.open("wb") as stream, subprocess.Popen(command, stdout=stream) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{' '.join(command[:3])} ended with {process.returncode}")
    return time.monotonic() - began, round(used.ru_maxrss / 1024)
