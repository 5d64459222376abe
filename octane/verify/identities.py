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


def changes(
    views: Iterable[View], before: Sums, after: Sums, reader: Reader
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """All that differs between two readings, by kind of thing: {what: {"created": [row], "deleted": [row], "changed":
    [{field of the key: value, "before": {field: value}, "after": {...}}]}}; a row is {field: value as SQL text}, and
    what is told to nobody is left out. What the path's makers documented is no change, nor are the services' own
    records."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for view in views:
        if view.documented or view.inner:
            continue
        buckets = _differing(before[view.name]["sums"], after[view.name]["sums"])
        for question in _questions(view, buckets, before, after):
            old, new = (reader(side, [{**asked([view], side)[0], **question}])[view.name] for side in (OLD, NEW))
            for act, row in _changed(view, old, new):
                found.setdefault(view.what, {}).setdefault(act, []).append(row)
    return found


def _questions(view: View, buckets: list[int], before: Sums, after: Sums) -> Iterable[dict[str, Any]]:
    """Every row of BUCKETS once, about ROWS of them a question."""
    rows = max(before[view.name]["rows"], after[view.name]["rows"]) // len(before[view.name]["sums"])
    at_once = max(1, ROWS // max(1, rows))
    split = max(1, rows // ROWS)
    for first in range(0, len(buckets), at_once):
        for part in range(split):
            yield {"buckets": buckets[first : first + at_once], "split": split, "part": part}


def _changed(view: View, old: list[list[str]], new: list[list[str]]) -> Iterable[tuple[str, dict[str, Any]]]:
    query, width = view.new, len(view.new.key)
    ours, theirs = ({tuple(row[:width]): row[width:] for row in rows} for rows in (old, new))

    def named(values: Iterable[str]) -> dict[str, str]:
        shown = zip(query.fields, values, strict=True)
        return {name: value for name, value in shown if not name.startswith(SECRET)}

    for key in sorted(ours.keys() | theirs.keys()):
        called = dict(zip(query.key, key, strict=True))
        if key not in theirs:
            yield "deleted", {**called, **named(ours[key])}
        elif key not in ours:
            yield "created", {**called, **named(theirs[key])}
        elif ours[key] != theirs[key]:
            yield "changed", {**called, "before": named(ours[key]), "after": named(theirs[key])}


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
