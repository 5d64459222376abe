"""What guests told on their consoles: who answered their pings, and for how long nobody did.

A line is the seconds since the epoch, as the compute node saw it come, and what the guest said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

ANSWER = re.compile(r"([0-9]+\.[0-9]+) [0-9]+ bytes from ([0-9.]+): seq=[0-9]+ ")


def answers(lines: Iterable[str]) -> dict[str, list[float]]:
    """Address to when it answered, in the order of the log. Lines that two pings wrote at once count for none."""
    found: dict[str, list[float]] = {}
    for line in lines:
        match = ANSWER.match(line)
        if match:
            found.setdefault(match[2], []).append(float(match[1]))
    return found


def longest_gap(times: Sequence[float], since: float, until: float) -> float:
    """Seconds of the longest time without an answer between two moments, these included."""
    within = [since, *(time for time in times if since <= time <= until), until]
    return max(later - earlier for earlier, later in itertools.pairwise(within))
