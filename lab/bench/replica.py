"""What a replica costs inside the window, as the product's own journal tells it of whole runs of the database stage."""

from __future__ import annotations

from collections.abc import Callable

from lab.bench import product
from lab.hosts import Host

IN_WINDOW = ("db.frozen", "db.caught_up")
"""Steps of upgrade-db between the last write and the copy that was proven equal; what follows is the same for every
way."""


def windows(master: Host, times: int, told: Callable[[str], None]) -> list[float]:
    """Seconds of each of several runs, all but the last one taken back again.

    :raises BenchError: there is no seed
    :raises CommandFailed: a run failed
    """
    seed = product.seed_of(master)
    found = []
    for turn in range(times):
        if turn:
            product.take_back(master, seed)
        steps = product.upgrade_databases(master, seed)
        found.append(sum(steps[name]["seconds"] for name in IN_WINDOW))
        told(f"replica_window: {found[-1]:.1f} s ({turn + 1} of {times})")
    return found
