"""What a run of the probe saw: how long each API refused writes or failed, and the longest silences.

A request counts from the moment it was sent to the moment the next one of its kind was sent, so that every figure is
rounded up to the probe's interval, never down.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

Span = tuple[float, float]


@dataclass
class Kind:
    """Reads or writes of one API: how many, seconds refused and failed (in all, longest), slowest answer."""

    requests: int = 0
    refused_seconds: float = 0.0
    refused_longest: float = 0.0
    failed_seconds: float = 0.0
    failed_longest: float = 0.0
    slowest_ms: float = 0.0
    acknowledged: int = 0


@dataclass
class Summary:
    """A whole run: seconds it took, per API its reads and writes, per address what the pings met."""

    seconds: float
    apis: dict[str, dict[str, Kind]]
    pings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a probe's file; the last line may be cut off where the probe was killed."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)


def outcome(line: dict[str, Any]) -> str:
    """What became of a request: "ok", "refused" or "failed"."""
    if line["ok"]:
        return "ok"
    return "refused" if line.get("refused") else "failed"


def spans(lines: list[dict[str, Any]], wanted: str, end: float) -> list[Span]:
    """When the requests of one series, in the order sent, had the outcome ``wanted``: begin and end of each time."""
    found: list[Span] = []
    begin: float | None = None
    for line in lines:
        if outcome(line) == wanted:
            begin = line["t"] if begin is None else begin
        elif begin is not None:
            found.append((begin, line["t"]))
            begin = None
    if begin is not None:
        found.append((begin, max(end, begin)))
    return found


def merged(all_spans: Iterable[Span]) -> list[Span]:
    """The same times with overlapping ones joined."""
    joined: list[Span] = []
    for begin, end in sorted(all_spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def summarise_kind(lines: list[dict[str, Any]], end: float) -> Kind:
    """Reads or writes of one API, light and full ones together."""
    series = [[line for line in lines if line["full"] is full] for full in (False, True)]
    times = {
        name: [stop - start for start, stop in merged(span for part in series for span in spans(part, name, end))]
        for name in ("refused", "failed")
    }
    return Kind(
        requests=len(lines),
        refused_seconds=round(sum(times["refused"]), 2),
        refused_longest=round(max(times["refused"], default=0.0), 2),
        failed_seconds=round(sum(times["failed"]), 2),
        failed_longest=round(max(times["failed"], default=0.0), 2),
        slowest_ms=max((line["ms"] for line in lines), default=0.0),
        acknowledged=sum("id" in line for line in lines),
    )


def summarise(lines: Iterable[dict[str, Any]]) -> Summary:
    """The summary of a run's lines."""
    all_lines = sorted(lines, key=lambda line: line["t"])
    requests: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in all_lines:
        if "api" in line:
            requests[line["api"], line["kind"]].append(line)
    begin, end = all_lines[0]["t"], all_lines[-1]["t"]
    apis: dict[str, dict[str, Kind]] = defaultdict(dict)
    for (api, kind), of_kind in sorted(requests.items()):
        apis[api][kind] = summarise_kind(of_kind, end)
    return Summary(round(end - begin, 1), dict(apis), summarise_pings(all_lines))


def summarise_pings(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Longest silence of each address that ever answered, by what the address is."""
    addresses: dict[str, str] = next((line["addresses"] for line in lines if line.get("event") == "begin"), {})
    found: dict[str, dict[str, Any]] = {}
    for what, address in addresses.items():
        of_address = [line for line in lines if line.get("ping") == address]
        totals = next((line for line in of_address if "replies" in line), None)
        if totals is None or totals["replies"]:
            longest = max((line.get("longest", line.get("gap", 0.0)) for line in of_address), default=0.0)
            replies = totals["replies"] if totals else None
            found[what] = {"address": address, "replies": replies, "longest_gap_seconds": longest}
    return found


def show(summary: Summary, console: Console) -> None:
    """Print the summary as two tables."""
    title = f"The APIs as clients saw them for {summary.seconds:.0f} s"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    headings = ("API", "writes refused", "writes failed", "reads failed", "longest", "slowest answer", "objects made")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "API" else "right", min_width=7)
    for api, kinds in summary.apis.items():
        reads, writes = kinds.get("read", Kind()), kinds.get("write", Kind())
        table.add_row(
            api,
            f"{writes.refused_seconds:.1f} s",
            f"{writes.failed_seconds:.1f} s",
            f"{reads.failed_seconds:.1f} s",
            f"{reads.failed_longest:.1f} s",
            f"{max(reads.slowest_ms, writes.slowest_ms) / 1000:.1f} s",
            str(writes.acknowledged),
        )
    console.print(table)
    pings = Table(title="The longest silence of each address", title_justify="left", box=SIMPLE)
    for heading in ("what", "address", "replies", "longest"):
        pings.add_column(heading, justify="right" if heading in ("replies", "longest") else "left")
    for what, seen in summary.pings.items():
        pings.add_row(what, seen["address"], str(seen["replies"]), f"{seen['longest_gap_seconds'] * 1000:.0f} ms")
    console.print(pings)
