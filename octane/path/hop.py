"""One hop: services, databases, tools and their order, read from a file and checked before anything uses it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from octane.errors import BadInput, Refused
from octane.path.check import Check, chosen, of_dropped
from octane.path.hop_schema import SCHEMA

HOPS = Path(__file__).parent / "hops"


@dataclass(frozen=True)
class Scripts:
    """Where a release keeps the migration scripts of one database, below its package; ``repository`` is the name of the
    schema in ``migrate_version``, for scripts of sqlalchemy-migrate."""

    directory: str
    repository: str | None = None


@dataclass(frozen=True)
class Schema:
    """Migration scripts of one database in both releases."""

    database: str
    package: str
    new: Scripts
    old: Scripts


@dataclass(frozen=True)
class Command:
    """A command that migrates data; with ``repeat_until``, it is run again until it says that, with ``repeat_on``, as
    long as it exits with that code, which is no failure then."""

    words: tuple[str, ...]
    repeat_until: str | None = None
    repeat_on: int | None = None

    def __str__(self) -> str:
        again = f" (again until it says {self.repeat_until!r})" if self.repeat_until else ""
        again += f" (again as long as it exits with {self.repeat_on})" if self.repeat_on else ""
        return " ".join(self.words) + again


@dataclass(frozen=True)
class Service:
    """One service of the hop: its databases and the commands that migrate them, in order: schemas, once, with
    ``migrate``, data with ``online``. ``configuration``: files its commands read, where these must be told them."""

    name: str
    databases: tuple[str, ...]
    migrate: tuple[tuple[str, ...], ...]
    online: tuple[Command, ...]
    schemas: tuple[Schema, ...]
    configuration: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stale:
    """Rows of daemons that may have stayed behind; ``where`` maps a column to the values it may have."""

    database: str
    table: str
    host: str
    where: Mapping[str, tuple[str, ...]]

    @property
    def question(self) -> dict[str, Any]:
        """As ``octane_rows.stale`` takes it."""
        where = {column: list(values) for column, values in self.where.items()}
        return {"database": self.database, "table": self.table, "host": self.host, "where": where}


@dataclass(frozen=True)
class Rewrite:
    """Rows of a migrated copy that do not fit the new release's configuration: ``query`` finds their ids until
    ``statement`` has put them right."""

    name: str
    database: str
    query: str
    statement: str
    reason: str


@dataclass(frozen=True)
class Pass:
    """Writes that pass while everything else is refused, on the ports of ``apis``; ``*`` in one of ``paths`` stands for
    one part of it. ``writes``: tables that they may write, by database."""

    method: str
    paths: tuple[str, ...]
    apis: tuple[str, ...]
    writes: Mapping[str, tuple[str, ...]]
    reason: str


@dataclass(frozen=True)
class Setting:
    """What a file of the seed's controllers must say of the copied data: the one ``id`` that ``query`` finds there, as
    OPTION of SECTION, if that is set at all."""

    name: str
    file: str
    section: str
    option: str
    database: str
    query: str
    reason: str


@dataclass(frozen=True)
class Hop:
    """One release to the next, by the names of :mod:`octane.path.release`, and the versions of Fuel that deploy these,
    where one does. ``tolerated``: by database and table, columns that agents may change while writes are refused; what
    comes too late for the copy they report to the new release again. ``unmigrated``: rows of the copy that the
    services' ``online`` commands must not leave; what these rightly leave, their queries do not find."""

    name: str
    title: str
    release_from: str
    release_to: str
    nova_from: int
    nova_to: int
    compute_pin: str
    apis: Mapping[str, int]
    passes: tuple[Pass, ...]
    writers: tuple[str, ...]
    expendable: Mapping[str, tuple[str, ...]]
    files: tuple[str, ...]
    before: tuple[tuple[str, Command], ...]
    services: tuple[Service, ...]
    stale: tuple[Stale, ...]
    breaking: tuple[Check, ...]
    in_flight: tuple[Check, ...]
    rewrite: tuple[Rewrite, ...]
    tolerated: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    unmigrated: tuple[Check, ...] = ()
    settings: tuple[Setting, ...] = ()
    fuel_from: tuple[str, ...] = ()
    fuel_to: str = ""

    @property
    def databases(self) -> tuple[str, ...]:
        """Every database the hop moves, in the order of its services."""
        return tuple(name for service in self.services for name in service.databases)


def parse(data: Mapping[str, Any], source: str) -> Hop:
    """Build a hop from a parsed file.

    :raises BadInput: naming the file and what is wrong with it.
    """
    try:
        jsonschema.validate(data, SCHEMA)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top level"
        raise BadInput(f"{source}: {where}: {error.message}") from error
    dropped = [of_dropped(database, tables) for database, tables in data.get("dropped", {}).items()]
    hop = Hop(
        name=data["name"],
        title=data["title"],
        release_from=data["from"],
        release_to=data["to"],
        nova_from=data["nova"]["from"],
        nova_to=data["nova"]["to"],
        compute_pin=data["compute_pin"],
        apis={name: api["port"] for name, api in data["apis"].items()},
        passes=tuple(_pass(entry) for entry in data["passes"]),
        writers=tuple(data["writers"]),
        expendable={database: tuple(tables) for database, tables in data["expendable"].items()},
        files=tuple(data["files"]),
        before=tuple((entry["service"], _command(entry)) for entry in data["before"]),
        services=tuple(_service(name, entry) for name, entry in data["services"].items()),
        stale=tuple(_stale(entry) for entry in data["stale"]),
        breaking=(*chosen(data["breaking"], source), *dropped),
        in_flight=chosen(data["in_flight"], source),
        rewrite=tuple(Rewrite(**entry) for entry in data.get("rewrite", [])),
        tolerated=data.get("tolerated", {}),
        unmigrated=chosen(data.get("unmigrated", []), source),
        settings=tuple(Setting(**entry) for entry in data.get("settings", [])),
        fuel_from=tuple(data.get("fuel", {}).get("from", ())),
        fuel_to=data.get("fuel", {}).get("to", ""),
    )
    _check_consistency(hop, source)
    return hop


def _pass(data: Mapping[str, Any]) -> Pass:
    writes = {database: tuple(tables) for database, tables in data["writes"].items()}
    return Pass(data["method"], tuple(data["paths"]), tuple(data["apis"]), writes, data["reason"])


def _service(name: str, data: Mapping[str, Any]) -> Service:
    return Service(
        name=name,
        databases=tuple(data["databases"]),
        migrate=tuple(tuple(command) for command in data["migrate"]),
        online=tuple(_command(entry) for entry in data.get("online", [])),
        schemas=tuple(_schema(database, where) for database, where in data["scripts"].items()),
        configuration=tuple(data.get("configuration", ())),
    )


def _command(data: Mapping[str, Any] | list[str]) -> Command:
    if isinstance(data, list):
        return Command(tuple(data))
    return Command(tuple(data["command"]), data.get("repeat_until"), data.get("repeat_on"))


def _schema(database: str, data: Mapping[str, Any]) -> Schema:
    new = Scripts(data["directory"], data.get("repository"))
    return Schema(database, data["package"], new, Scripts(**data["old"]) if "old" in data else new)


def _stale(data: Mapping[str, Any]) -> Stale:
    where = {column: tuple(values) for column, values in data["where"].items()}
    return Stale(data["database"], data["table"], data["host"], where)


def _check_consistency(hop: Hop, source: str) -> None:
    """A service once had its data moved and its migration forgotten (lessons of the predecessor): every database of a
    hop has scripts to prove its head with, every table named elsewhere is in a database that moves, and what migrates
    data without a version of it is proven by rows."""
    for service in hop.services:
        unproven = set(service.databases) ^ {schema.database for schema in service.schemas}
        if unproven:
            raise BadInput(f"{source}: {service.name}: databases and scripts differ: {', '.join(sorted(unproven))}")
        if not service.migrate:
            raise BadInput(f"{source}: {service.name} moves its databases but names no migration")
        if service.online and not any(check.database in service.databases for check in hop.unmigrated):
            raise BadInput(f"{source}: nothing tells what the online migrations of {service.name} leave")
    _check_passes(hop, source)
    checks = (*hop.breaking, *hop.in_flight, *hop.unmigrated)
    named = {one.database for several in (hop.stale, checks, hop.rewrite, hop.settings) for one in several}
    foreign = (set(hop.expendable) | set(hop.tolerated) | named) - set(hop.databases)
    if foreign:
        raise BadInput(f"{source}: tables of databases that do not move: {', '.join(sorted(foreign))}")
    others = (*(one.name for one in hop.rewrite), *(one.name for one in hop.settings))
    names = Counter([*(check.name for check in checks), *others])
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise BadInput(f"{source}: named twice: {', '.join(twice)}")


def _check_passes(hop: Hop, source: str) -> None:
    for one in hop.passes:
        unknown = sorted(set(one.apis) - set(hop.apis))
        if unknown:
            raise BadInput(f"{source}: {one.method} {one.paths[0]} passes on what is no API: {', '.join(unknown)}")
        kept = sorted(
            f"{database}.{table}"
            for database, tables in one.writes.items()
            for table in set(tables) - set(hop.expendable.get(database, ()))
        )
        if kept:
            raise BadInput(f"{source}: {one.method} {one.paths[0]} writes what is not expendable: {', '.join(kept)}")


@cache
def load_hops(directory: Path = HOPS) -> tuple[Hop, ...]:
    """Every hop of a directory.

    :raises BadInput: naming the first file that cannot be used.
    """
    return tuple(parse(yaml.safe_load(path.read_text()), path.name) for path in sorted(directory.glob("*.yaml")))


def nova_major(version: str) -> int:
    """``27`` of ``27.5.1``, ``2014`` of ``2014.2.4``: the last line of ``nova-manage --version``.

    :raises Refused: when that is no version.
    """
    match = re.fullmatch(r"(\d+)\.\d+(\.\d+)*\S*", version.strip())
    if not match:
        raise Refused(f"nova's version reads {version.strip()[:60]!r}, which is no version")
    return int(match.group(1))


def choose(original: str, seed: str, hops: Iterable[Hop] | None = None) -> Hop:
    """The hop between two versions of nova as ``nova-manage --version`` prints them on a controller of each side.

    :raises Refused: when no hop leads from one to the other.
    """
    majors = (nova_major(original), nova_major(seed))
    known = tuple(hops) if hops is not None else load_hops()
    for hop in known:
        if (hop.nova_from, hop.nova_to) == majors:
            return hop
    listed = ", ".join(f"{hop.nova_from} to {hop.nova_to}" for hop in known)
    raise Refused(f"no upgrade path leads from nova {original.strip()} to nova {seed.strip()} (known: {listed})")
