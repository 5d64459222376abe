"""What users know their things by: for each kind of thing the rows that must be the same before and after a hop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from octane.errors import BadInput
from octane.path.hop_schema import NAME

IDENTITIES = Path(__file__).parent / "identities"
OLD, NEW = "old", "new"
"""Schemas of the release that a hop leads from, and of the one that it leads to."""

_SQL = {"type": "string", "pattern": r"^[^;\\]+$"}
_FIELD = {
    "oneOf": [
        {"type": "string", "pattern": r"^[a-z_0-9]+$"},
        {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": _SQL},
    ]
}
_COLUMNS = {"type": "array", "minItems": 1, "items": _FIELD}
_SIDE = {"from": _SQL, "where": _SQL, "key": _COLUMNS, "fields": _COLUMNS}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": NAME},
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["what", "database"],
        "properties": {
            "what": {"type": "string"},
            "database": {"type": "string", "pattern": NAME},
            "documented": {"type": "string"},
            **_SIDE,
            OLD: {"type": "object", "additionalProperties": False, "properties": _SIDE},
            NEW: {"type": "object", "additionalProperties": False, "properties": _SIDE},
        },
    },
}


@dataclass(frozen=True)
class Query:
    """How a view is read on one side: ``key`` and ``fields`` are names of the columns of ``sql``, in that order."""

    sql: str
    key: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """One kind of thing. Rows that differ are a loss, unless the path's makers know and tell why they do:
    ``documented``."""

    name: str
    what: str
    database: str
    documented: str
    old: Query
    new: Query

    def query(self, side: str) -> Query:
        return self.old if side == OLD else self.new


@cache
def load(hop: str, directory: Path = IDENTITIES) -> tuple[View, ...]:
    """The views of a hop, none for one that has no file of them.

    :raises BadInput: naming the file and what is wrong with it.
    """
    path = directory / f"{hop}.yaml"
    return parse(yaml.safe_load(path.read_text()), path.name) if path.exists() else ()


def parse(data: Mapping[str, Any], source: str) -> tuple[View, ...]:
    """Views from a parsed file.

    :raises BadInput: naming the file and what is wrong with it.
    """
    try:
        jsonschema.validate(data, SCHEMA)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top level"
        raise BadInput(f"{source}: {where}: {error.message}") from error
    views = tuple(_view(name, entry, source) for name, entry in data.items())
    for view in views:
        if (view.old.key, view.old.fields) != (view.new.key, view.new.fields):
            raise BadInput(f"{source}: {view.name}: both sides must have the same columns")
    return views


def _view(name: str, entry: Mapping[str, Any], source: str) -> View:
    old, new = (_query({**entry, **entry.get(side, {})}, f"{source}: {name}") for side in (OLD, NEW))
    return View(name, entry["what"], entry["database"], entry.get("documented", ""), old, new)


def _query(given: Mapping[str, Any], source: str) -> Query:
    missing = [part for part in ("from", "key", "fields") if not given.get(part)]
    if missing:
        raise BadInput(f"{source}: no {', '.join(missing)}")
    key, fields = (dict(_column(entry) for entry in given[part]) for part in ("key", "fields"))
    # Quoted by the server: else nothing and the text NULL would look alike.
    columns = ", ".join(f"QUOTE({expression}) AS `{name}`" for name, expression in (*key.items(), *fields.items()))
    where = f" WHERE {given['where']}" if given.get("where") else ""
    return Query(f"SELECT {columns} FROM {given['from']}{where}", tuple(key), tuple(fields))


def _column(entry: str | Mapping[str, str]) -> tuple[str, str]:
    """(name, expression); a plain name stands for the column of that name."""
    return (entry, f"`{entry}`") if isinstance(entry, str) else next(iter(entry.items()))
