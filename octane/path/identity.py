"""What users know their things by: for each kind of thing the rows that must be the same before and after a hop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from octane.errors import BadInput
from octane.path.hop_schema import NAME

IDENTITIES = Path(__file__).parent / "identities"
SHARED = "shared"
"""Of a hop's file: the views that it has in common with others, by the file in the folder of this name."""
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
_VIEW: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["what", "database"],
    "properties": {
        "what": {"type": "string"},
        "database": {"type": "string", "pattern": NAME},
        "documented": {"type": "string"},
        "inner": {"type": "boolean"},
        "living": _SQL,
        **_SIDE,
        OLD: {"type": "object", "additionalProperties": False, "properties": _SIDE},
        NEW: {"type": "object", "additionalProperties": False, "properties": _SIDE},
    },
}
_VIEWS = {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": _VIEW}
_NAMES = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": NAME}}
SCHEMA: dict[str, Any] = {
    **_VIEWS,
    "properties": {
        SHARED: {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": _NAMES},
    },
}


@dataclass(frozen=True)
class Query:
    """How a view is read on one side: ``key`` and ``fields`` are names of the columns of ``sql``, in that order.
    ``living``: the same without what was deleted before."""

    sql: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    living: str


@dataclass(frozen=True)
class View:
    """One kind of thing. Rows that differ are a loss, unless the path's makers know and tell why they do:
    ``documented``. ``inner``: the services' own record, by which no user knows anything."""

    name: str
    what: str
    database: str
    documented: str
    old: Query
    new: Query
    inner: bool = False

    def query(self, side: str) -> Query:
        return self.old if side == OLD else self.new


@cache
def load(hop: str, directory: Path = IDENTITIES) -> tuple[View, ...]:
    """The views of a hop, none for one that has no file of them.

    :raises BadInput: naming the file and what is wrong with it.
    """
    path = directory / f"{hop}.yaml"
    return parse(yaml.safe_load(path.read_text()), path.name, directory / SHARED) if path.exists() else ()


def parse(data: Mapping[str, Any], source: str, shared: Path = IDENTITIES / SHARED) -> tuple[View, ...]:
    """Views from a parsed file, and those of files in SHARED that it names.

    :raises BadInput: naming the file and what is wrong with it.
    """
    _validate(data, SCHEMA, source)
    own = {name: entry for name, entry in data.items() if name != SHARED}
    entries = [*_shared(data.get(SHARED, {}), source, shared), *own.items()]
    twice = sorted(name for name, count in Counter(name for name, _ in entries).items() if count > 1)
    if twice:
        raise BadInput(f"{source}: named twice: {', '.join(twice)}")
    views = tuple(_view(name, entry, source) for name, entry in entries)
    for view in views:
        if (view.old.key, view.old.fields) != (view.new.key, view.new.fields):
            raise BadInput(f"{source}: {view.name}: both sides must have the same columns")
    return views


def living(views: tuple[View, ...]) -> tuple[View, ...]:
    """VIEWS without what was deleted before: rows that pile up for years, and that nobody has any more."""
    return tuple(replace(view, old=_living(view.old), new=_living(view.new)) for view in views)


def _living(query: Query) -> Query:
    return replace(query, sql=query.living)


def _shared(chosen: Mapping[str, list[str]], source: str, directory: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Entries of files in DIRECTORY: of each the CHOSEN names."""
    found = []
    for file, names in chosen.items():
        path = directory / f"{file}.yaml"
        known = yaml.safe_load(path.read_text()) if path.exists() else {}
        _validate(known, _VIEWS, path.name)
        if unknown := sorted(set(names) - set(known)):
            raise BadInput(f"{source}: {path.name} has no {', '.join(unknown)}")
        found += [(name, known[name]) for name in names]
    return found


def _validate(data: Mapping[str, Any], schema: Mapping[str, Any], source: str) -> None:
    try:
        jsonschema.validate(data, schema)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top level"
        raise BadInput(f"{source}: {where}: {error.message}") from error


def _view(name: str, entry: Mapping[str, Any], source: str) -> View:
    old, new = (_query({**entry, **entry.get(side, {})}, f"{source}: {name}") for side in (OLD, NEW))
    return View(
        name, entry["what"], entry["database"], entry.get("documented", ""), old, new, entry.get("inner", False)
    )


def _query(given: Mapping[str, Any], source: str) -> Query:
    missing = [part for part in ("from", "key", "fields") if not given.get(part)]
    if missing:
        raise BadInput(f"{source}: no {', '.join(missing)}")
    key, fields = (dict(_column(entry) for entry in given[part]) for part in ("key", "fields"))
    # Quoted by the server: else nothing and the text NULL would look alike.
    columns = ", ".join(f"QUOTE({expression}) AS `{name}`" for name, expression in (*key.items(), *fields.items()))
    select = f"SELECT {columns} FROM {given['from']}"
    every, living = (_where(given, parts) for parts in (("where",), ("where", "living")))
    return Query(select + every, tuple(key), tuple(fields), select + living)


def _where(given: Mapping[str, Any], parts: tuple[str, ...]) -> str:
    conditions = [given[part] for part in parts if given.get(part)]
    return f" WHERE {' AND '.join(f'({one})' for one in conditions)}" if conditions else ""


def _column(entry: str | Mapping[str, str]) -> tuple[str, str]:
    """(name, expression); a plain name stands for the column of that name."""
    return (entry, f"`{entry}`") if isinstance(entry, str) else next(iter(entry.items()))
