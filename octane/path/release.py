"""Releases and where their schemas stand: one YAML file a release, under ``releases/``; told from what a database says.

Numbered scripts (sqlalchemy-migrate) have an order, so that a number between two releases tells a migration that ended
half-way. Revisions of alembic have none without their scripts: there, only those that a release is known by tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from octane.errors import BadInput

RELEASES = Path(__file__).parent / "releases"
_REVISIONS = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"^\w+$"}}
_NUMBER = {"type": "integer", "minimum": 0}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "title", "version", "schemas"],
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z]+$"},
        "title": {"type": "string"},
        "version": {"type": "string", "pattern": r"^\d{4}\.\d$"},
        "schemas": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {
                    "revisions": _REVISIONS,
                    "on_the_way": _REVISIONS,
                    "repositories": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["head"],
                            "properties": {
                                "head": _NUMBER,
                                "placeholders": {"type": "array", "minItems": 2, "maxItems": 2, "items": _NUMBER},
                                "optional": {"type": "boolean"},
                            },
                        },
                    },
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Numbers:
    """Versions of one repository of sqlalchemy-migrate that a release's schema may have: its head, and the numbers
    beside it that were reserved for backports and change nothing."""

    head: int
    lowest: int
    highest: int
    optional: bool


@dataclass(frozen=True)
class Heads:
    """What one database of a release says of itself: rows of ``alembic_version``, or numbers by repository.
    ``on_the_way`` are revisions of the release that a finished migration leaves no row of."""

    revisions: frozenset[str]
    on_the_way: frozenset[str]
    numbers: Mapping[str, Numbers]

    def __str__(self) -> str:
        needed = {name: one.head for name, one in self.numbers.items() if not one.optional}
        return ", ".join([*sorted(self.revisions), *(f"{name} {head}" for name, head in needed.items())])


@dataclass(frozen=True)
class Release:
    """One release of OpenStack; ``version`` orders them."""

    name: str
    title: str
    version: tuple[int, ...]
    schemas: Mapping[str, Heads]


@dataclass(frozen=True)
class Standing:
    """Where a schema stands: the ``releases`` that it is of, oldest first (several where nothing changed between them),
    or the two that it is ``between``, None at an open end; neither when nothing tells."""

    releases: tuple[str, ...] = ()
    between: tuple[str | None, str | None] | None = None

    def __str__(self) -> str:
        if self.releases:
            return f"of {' or '.join(self.releases)}"
        if self.between is None:
            return "of no known release"
        older, newer = self.between
        if older is None:
            return f"older than {newer}'s"
        return f"half-way between {older} and {newer}" if newer else f"newer than {older}'s"


UNKNOWN = Standing()


def parse_release(data: Mapping[str, Any], source: str) -> Release:
    """Build a release from a parsed file.

    :raises BadInput: naming the file and what is wrong with it.
    """
    try:
        jsonschema.validate(data, SCHEMA)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top level"
        raise BadInput(f"{source}: {where}: {error.message}") from error
    return Release(
        name=data["name"],
        title=data["title"],
        version=tuple(int(part) for part in data["version"].split(".")),
        schemas={database: _heads(entry) for database, entry in data["schemas"].items()},
    )


def _heads(data: Mapping[str, Any]) -> Heads:
    return Heads(
        revisions=frozenset(data.get("revisions", ())),
        on_the_way=frozenset(data.get("on_the_way", ())),
        numbers={name: _numbers(entry) for name, entry in data.get("repositories", {}).items()},
    )


def _numbers(data: Mapping[str, Any]) -> Numbers:
    head = data["head"]
    first, last = data.get("placeholders", (head + 1, head))
    return Numbers(head, min(head, first - 1), max(head, last), data.get("optional", False))


@cache
def load_releases(directory: Path = RELEASES) -> tuple[Release, ...]:
    """Every release of a directory, oldest first.

    :raises BadInput: naming the first file that cannot be used.
    """
    found = (parse_release(yaml.safe_load(path.read_text()), path.name) for path in directory.glob("*.yaml"))
    return tuple(sorted(found, key=lambda release: release.version))


def standing(database: str, heads: Mapping[str, Any], releases: Iterable[Release] | None = None) -> Standing:
    """The release of one schema.

    :param heads: ``{"alembic": [revision], "migrate": {repository: number}}``, as ``octane_schema.heads`` returns it
    """
    known = [one for one in (load_releases() if releases is None else releases) if database in one.schemas]
    # A schema that took up alembic keeps the table of its last number.
    if heads["alembic"]:
        known = [one for one in known if one.schemas[database].revisions]
        positions = _by_revisions([one.schemas[database] for one in known], frozenset(heads["alembic"]))
    else:
        known = [one for one in known if one.schemas[database].numbers]
        positions = _by_numbers([one.schemas[database].numbers for one in known], heads["migrate"])
    return _named([one.name for one in known], positions)


# A position counts half steps: 0 is the first release, 1 what lies between it and the second, 2 the second; each row of
# a version table leaves some of them possible.


def _by_revisions(known: Sequence[Heads], found: frozenset[str]) -> list[set[int]]:
    equal = {2 * index for index, heads in enumerate(known) if heads.revisions == found}
    if equal:
        return [equal]
    having = [
        {2 * index for index, heads in enumerate(known) if revision in heads.revisions | heads.on_the_way}
        for revision in found
    ]
    told = [positions for positions in having if positions]
    # Not all rows of a release are there: it comes from the one before.
    if told and len(set.union(*told)) == 1:
        return [{position - 1 for position in told[0]}]
    # Each row belongs to one release more than the other rows do: somewhere between the outermost.
    return [{position} for position in set.union(*told)] if told else []


def _by_numbers(known: Sequence[Mapping[str, Numbers]], found: Mapping[str, int]) -> list[set[int]]:
    repositories = {name for numbers in known for name in numbers}
    if not found or set(found) - repositories:
        return []
    return [_positions([numbers.get(name) for numbers in known], found.get(name)) for name in repositories]


def _positions(known: Sequence[Numbers | None], number: int | None) -> set[int]:
    """Where NUMBER leaves a schema to stand; None is a repository that the database does not have."""
    if number is None:
        fitting = [index for index, one in enumerate(known) if one is None or one.optional]
    else:
        fitting = [index for index, one in enumerate(known) if one and one.lowest <= number <= one.highest]
    if fitting:
        return {2 * index for index in fitting} | {2 * index + 1 for index in fitting if index + 1 in fitting}
    number = -1 if number is None else number
    below = max((index for index, one in enumerate(known) if one and one.highest < number), default=-1)
    above = min((index for index, one in enumerate(known) if one and one.lowest > number), default=len(known))
    return set(range(2 * below + 1, 2 * above))


def _named(names: Sequence[str], positions: Sequence[set[int]]) -> Standing:
    if not positions:
        return UNKNOWN
    possible = set.intersection(*positions)
    whole = sorted(position for position in possible if position % 2 == 0)
    if whole:
        return Standing(releases=tuple(names[position // 2] for position in whole))
    if possible:
        lowest, highest = min(possible), max(possible)
    else:
        lowest, highest = min(map(max, positions)), max(map(min, positions))
    older, newer = lowest // 2, (highest + 1) // 2
    return Standing(between=(names[older] if older >= 0 else None, names[newer] if newer < len(names) else None))
