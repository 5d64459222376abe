"""What this machine is doing at the moment, in lines: why something had no answer in time is often seen there alone."""

import contextlib
import os
import time
from pathlib import Path

import psutil

BUSIEST = 12
SECONDS = 1.0
WORDS_LENGTH = 120
GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


def report() -> list[str]:
    """Load, memory, pressure, and the processes that took most of the processors during one second from now."""
    memory = psutil.virtual_memory()
    return [
        f"load average {' '.join(f'{load:.1f}' for load in os.getloadavg())}, {os.cpu_count()} processors, "
        f"{memory.available >> 20} of {memory.total >> 20} MiB available",
        *pressure(),
        *(f"{percent:5.0f} %  {pid:7}  {words}" for percent, pid, words in busiest()),
    ]


def pressure() -> list[str]:
    """How long something waited for a processor, the disk or memory; nothing where the kernel does not count it."""
    lines = []
    for path in sorted(Path("/proc/pressure").glob("*")):
        with contextlib.suppress(OSError):
            lines += [f"{path.name}: {line}" for line in path.read_text().splitlines()]
    return lines


def busiest(seconds: float = SECONDS) -> list[tuple[float, int, str]]:
    """(percent of one processor, id, words) of this machine's processes, those in namespaces too, busiest first."""
    before = times()
    time.sleep(seconds)
    found = []
    for process, taken in times().items():
        used = taken - before.get(process, taken)
        if used > 0:
            with contextlib.suppress(*GONE):
                words = " ".join(process.cmdline()) or process.name()
                found.append((100 * used / seconds, process.pid, words[:WORDS_LENGTH]))
    return sorted(found, reverse=True)[:BUSIEST]


def times() -> dict[psutil.Process, float]:
    """Seconds of a processor that each process has taken."""
    taken = {}
    for process in psutil.process_iter():
        with contextlib.suppress(*GONE):
            used = process.cpu_times()
            taken[process] = used.user + used.system
    return taken
