"""What a run of the workload saw, from its lines."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a log; the last one may be half written while the workload runs."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def summarise(lines: Iterable[Line]) -> dict[str, Any]:
    """``operations`` (name to count, failed, p50_ms, p99_ms, longest_ms, longest_gap_ms), ``wrong_reads``, the smallest
    ``quorum`` and what was ``unfinished`` at the end."""
    found = list(lines)
    names = sorted({line["op"] for line in found if "op" in line})
    return {
        "operations": {name: of_operation([line for line in found if line.get("op") == name]) for name in names},
        "wrong_reads": [line for line in found if line.get("op") == "read" and not line["ok"] and "sequence" in line],
        "quorum": min((len(line["members"]) for line in found if "members" in line), default=None),
        "unfinished": [name for line in found if line.get("event") == "end" for name in line["unfinished"]],
    }


def of_operation(lines: list[Line]) -> dict[str, Any]:
    """Figures of one kind of operation. A gap is the time between two that were answered well."""
    took = sorted(line["ms"] for line in lines)
    ended = [line["t"] + line["ms"] / 1000 for line in lines if line["ok"]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(ended)]
    return {
        "count": len(lines),
        "failed": sum(not line["ok"] for line in lines),
        "p50_ms": took[len(took) // 2],
        "p99_ms": took[len(took) * 99 // 100],
        "longest_ms": took[-1],
        "longest_gap_ms": round(max(gaps, default=0.0) * 1000, 1),
    }


def acknowledged(lines: Iterable[Line]) -> dict[int, int]:
    """Block to the number of its last acknowledged write."""
    return {line["block"]: line["sequence"] for line in lines if line.get("op") == "write" and line["ok"]}


def table(seen: dict[str, Any]) -> str:
    """A summary as text."""
    columns = ("count", "failed", "p50_ms", "p99_ms", "longest_ms", "longest_gap_ms")
    lines = [f"{'operation':10}" + "".join(f"{column:>16}" for column in columns)]
    for name, figures in seen["operations"].items():
        lines.append(f"{name:10}" + "".join(f"{figures[column]:>16}" for column in columns))
    lines.append(f"wrong reads: {len(seen['wrong_reads'])}; smallest quorum: {seen['quorum']}")
    lines.append(f"unfinished: {', '.join(seen['unfinished']) or 'none'}")
    return "\n".join(lines)
