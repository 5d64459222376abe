"""Is everything that users know on the seed as it was on the original when that was frozen? Row by row where not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octane.path.identity import NEW, OLD, View

MOST = 100
"""Differences that are told one by one; all are counted."""
FEW, ROWS = 8, 500
"""Buckets of a view whose rows are asked for, and about how many rows of them."""
QUOTE = "'"
SECRET = "digest_of_"
"""Begins the names of fields whose values are told to nobody."""

Sums = Mapping[str, Mapping[str, Any]]
"""{view: {"rows": int, "sums": [int]}}, as ``octane_views.sums`` returns it."""
Rows = Mapping[str, list[list[str]]]
Reader = Callable[[str, list[dict[str, Any]]], Rows]
"""Rows of the buckets that are asked for, of a side: as ``octane_views.rows`` returns them."""


@dataclass
class Differences:
    """Sentences; ``known`` are those that the path's makers documented, ``count`` is of all others."""

    lost: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    count: int = 0


def asked(views: Iterable[View], side: str) -> list[dict[str, Any]]:
    """VIEWS as a node is asked for them."""
    return [
        {"name": view.name, "database": view.database, "query": query.sql, "keys": len(query.key)}
        for view in views
        for query in [view.query(side)]
    ]


def compare(views: Iterable[View], before: Sums, after: Sums, reader: Reader) -> Differences:
    """What differs between two readings of VIEWS; of buckets that do, READER is asked for both sides' rows."""
    chosen = [
        (view, buckets)
        for view in views
        if (buckets := _differing(before[view.name]["sums"], after[view.name]["sums"]))
    ]
    found = Differences()
    if not chosen:
        return found
    sides = {
        side: reader(side, [_asked(view, side, buckets, before) for view, buckets in chosen]) for side in (OLD, NEW)
    }
    for view, buckets in chosen:
        said = list(_rows(view, sides[OLD][view.name], sides[NEW][view.name]))
        # Of very many rows only some are asked for, and what is being written may be gone when they are.
        said = said or [f"{view.what}: {len(buckets)} groups of rows differ"]
        if view.documented:
            found.known += [f"{sentence} ({view.documented})" for sentence in said]
        else:
            found.count += len(said)
            found.lost += said[: MOST - len(found.lost)]
    return found


def _differing(before: list[int], after: list[int]) -> list[int]:
    return [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]


def _asked(view: View, side: str, buckets: list[int], before: Sums) -> dict[str, Any]:
    """VIEW as a node is asked for rows of some of its BUCKETS: no more than can be told, the same on both sides."""
    (one,) = asked([view], side)
    some = buckets[:FEW]
    expected = before[view.name]["rows"] * len(some) // len(before[view.name]["sums"])
    return {**one, "buckets": some, "split": max(1, expected // ROWS)}


def _rows(view: View, old: list[list[str]], new: list[list[str]]) -> Iterable[str]:
    names = view.old.fields
    width = len(view.old.key)
    ours = {tuple(row[:width]): row[width:] for row in old}
    theirs = {tuple(row[:width]): row[width:] for row in new}
    for key in sorted(ours.keys() | theirs.keys()):
        called = f"{view.what} {' '.join(part.strip(QUOTE) for part in key)}"
        if key not in theirs:
            yield f"{called} is missing on the seed"
        elif key not in ours:
            yield f"{called} is on the seed alone"
        else:
            yield from (
                f"{called}: {_said(name, before, after)}"
                for name, before, after in zip(names, ours[key], theirs[key], strict=True)
                if before != after
            )


def _said(name: str, before: str, after: str) -> str:
    if name.startswith(SECRET):
        return f"{name.removeprefix(SECRET)} is another one"
    return f"{name} was {before}, is {after}"
