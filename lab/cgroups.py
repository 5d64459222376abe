"""The lab's control groups: every process of a host is found by them, and by nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Where control groups are made: systemd's named one and the unified one, or the only one of a newer machine."""
    named = [ROOT / name for name in ("systemd", "unified") if (ROOT / name / "cgroup.procs").exists()]
    return named or [ROOT]


def of_lab(prefix: str) -> list[Path]:
    """The lab's directory in each hierarchy."""
    return [hierarchy / f"{prefix}lab" for hierarchy in hierarchies()]


def of_host(prefix: str, name: str) -> list[Path]:
    """A host's directory in each hierarchy."""
    return [directory / name for directory in of_lab(prefix)]


def processes(directory: Path) -> list[int]:
    """Ids of the processes in a control group and in those below it."""
    found = []
    for current, _, files in os.walk(directory):
        if "cgroup.procs" in files:
            try:
                found += [int(line) for line in (Path(current) / "cgroup.procs").read_text().split()]
            except OSError:
                continue  # removed meanwhile, or of a kind that lists no processes
    return found


def kill(directory: Path) -> int:
    """Kill every process in and below a control group; return how many were there."""
    victims = [pid for pid in processes(directory) if pid not in (0, os.getpid())]
    kill_processes(victims)
    return len(victims)


def kill_processes(victims: Iterable[int]) -> None:
    """Kill processes by their ids; one that is gone already is no error."""
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove(directory: Path) -> bool:
    """Remove a control group and those below it; False when one still holds a process."""
    for current, _, _ in os.walk(directory, topdown=False):
        try:
            os.rmdir(current)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return not directory.exists()


def memory(directory: Path) -> int:
    """Proportional memory, in bytes, of the processes in and below a control group."""
    total = 0
    for pid in processes(directory):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # gone meanwhile
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
