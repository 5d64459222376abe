"""``octane-lab fill``: years of use in nova's database, made up from a seed, as much as is asked for."""

from __future__ import annotations

import random
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lab.bench.history import ARCHIVED, ORDER, SEASON, START, YEARS, Place, Server
from lab.command import run
from lab.deployer.galera import literal
from lab.state import LabError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
STATEMENT = 512 * 1024
"""Bytes of rows in one statement, which is one transaction: small for Galera, large enough to be quick."""
BATCH = 100
"""Servers whose rows are written before the next ones are drawn."""
QUERY_TIMEOUT = 300

Told = Callable[[int], None]
"""Is told the bytes written so far."""


def size(text: str) -> int:
    """Bytes that "200M" or "2G" means. Raises LabError."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not found or not int(found[1]):
        raise LabError(f"{text} is no size: a number and K, M or G, as in 200M or 2G")
    return int(found[1]) * UNITS[found[2]]


@dataclass
class Database:
    """A database behind the command that starts a client of its server."""

    client: Sequence[str]
    name: str

    def rows(self, statement: str) -> list[list[str]]:
        """Rows of a statement that reads. Raises CommandFailed."""
        done = run([*self.client, "-NB", self.name], given=statement, timeout=QUERY_TIMEOUT)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def columns(self) -> dict[str, list[str]]:
        """Columns of each table."""
        found: dict[str, list[str]] = {}
        for table, column in self.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
            "ORDER BY table_name, ordinal_position"
        ):
            found.setdefault(table, []).append(column)
        return found

    def highest(self, tables: Iterable[str]) -> dict[str, int]:
        """The highest id of each table."""
        parts = [f"SELECT '{table}', COALESCE(MAX(id), 0) FROM `{table}`" for table in tables]
        return {table: int(number) for table, number in self.rows(" UNION ALL ".join(parts))}


def place(database: Database, draw: random.Random) -> Place:
    """The cloud's own compute hosts, where it has any: nova looks for the host of each server, a deleted one's too."""
    hosts = [
        (row[0], row[1])
        for row in database.rows(
            "SELECT host, hypervisor_hostname FROM compute_nodes WHERE host IS NOT NULL AND deleted = 0 ORDER BY id"
        )
    ]
    names = [f"node-{number}.domain.tld" for number in range(7, 27)]
    projects = [uuid.UUID(int=draw.getrandbits(128)).hex for _ in range(300)]
    users = [uuid.UUID(int=draw.getrandbits(128)).hex for _ in range(900)]
    return Place(hosts or [(name, name) for name in names], projects, users)


@dataclass
class Entry:
    """A row that is to be written: when it was made, its values as SQL, whether it is marked as deleted. ``parent`` is
    the row that it names by its id; its own is given to it when the batch is written."""

    made: datetime
    values: str
    deleted: bool
    parent: Entry | None = None
    id: int = 0

    def __str__(self) -> str:
        # As nova marks what is deleted; actions outlive their server.
        parent = f",{self.parent.id}" if self.parent else ""
        return f"({self.values},{self.id},{self.id if self.deleted else 0}{parent})"


KEYS = len(",1234567,1234567")
"""About as many bytes as a row's keys have, which are given to it last."""


class Batch:
    """Rows by table, until they are written. ``highest``: the highest id of each table so far, which it raises."""

    def __init__(self, columns: dict[str, list[str]], highest: dict[str, int]) -> None:
        self.columns, self.highest = columns, highest
        self.entries: dict[str, list[Entry]] = {}
        self.heads: dict[str, str] = {}

    def add(self, server: Server, shadow: str) -> int:
        """Take all rows of a server; returns their bytes."""
        action, total = None, 0
        for table, row in server.rows():
            name = shadow + table
            if name not in self.columns:
                continue
            parent = action if table == "instance_actions_events" else None
            if name not in self.heads:
                columns = [*row, "id", "deleted", *(["action_id"] if parent else [])]
                self.heads[name] = f"INSERT INTO `{name}` ({','.join(f'`{column}`' for column in columns)}) VALUES\n"
            text = ",".join([FORMS[type(found)](found) for found in row.values()])
            entry = Entry(row["created_at"], text, bool(row.get("deleted_at")), parent)
            action = entry if table == "instance_actions" else action
            self.entries.setdefault(name, []).append(entry)
            total += len(text) + KEYS
        return total

    def statements(self) -> Iterator[str]:
        """Inserts in an order in which each row finds what it refers to; the batch is empty afterwards."""
        self._number()
        for name in (*ORDER, *(f"shadow_{table}" for table in ORDER)):
            part: list[str] = []
            length = 0
            for entry in self.entries.pop(name, ()):
                part.append(str(entry))
                length += len(part[-1])
                if length >= STATEMENT:
                    yield self.heads[name] + ",\n".join(part) + ";\n"
                    part, length = [], 0
            if part:
                yield self.heads[name] + ",\n".join(part) + ";\n"

    def _number(self) -> None:
        """Put each table's rows in the order in which they were made, those of all servers among each other as in a
        cloud that is used, and number them: with ids that are free in the table and in its shadow, so that archiving
        later meets no row of the same id."""
        for table in ORDER:
            for name in (table, f"shadow_{table}"):
                for entry in sorted(self.entries.get(name, ()), key=lambda entry: entry.made):
                    self.highest[table] += 1
                    entry.id = self.highest[table]
                self.entries.get(name, []).sort(key=lambda entry: entry.id)


FORMS: dict[type, Callable[[Any], str]] = {
    type(None): lambda given: "NULL",
    int: str,
    str: literal,
    datetime: lambda given: f"'{given.isoformat(' ', 'seconds')}'",
}
"""How a value is written in SQL."""


def fill(database: Database, wanted: int, seed: int, told: Told = lambda done: None) -> dict[str, Any]:
    """Write ``wanted`` bytes of rows; the same seed in the same database makes the same rows.

    :return: {"bytes", "servers", "seconds"}
    :raises LabError: the database is not nova's, or its server took no more and what it said
    """
    columns = database.columns()
    missing = [table for table in ORDER if table not in columns]
    if missing:
        raise LabError(f"the database {database.name} is not nova's: it has no table {', '.join(missing)}")
    known = [name for name in columns if name.removeprefix("shadow_") in ORDER]
    found = database.highest(known)
    highest = {table: max(found[table], found.get(f"shadow_{table}", 0)) for table in ORDER}
    began = time.monotonic()
    # Asked for more, it goes on rather than begin again.
    draw = random.Random(f"{seed}:{highest['instances']}")
    batch = Batch({name: columns[name] for name in known}, highest)
    first = highest["instances"]
    written = write(database, servers(batch, draw, place(database, draw), wanted), told)
    count = batch.highest["instances"] - first
    return {"bytes": written, "servers": count, "seconds": round(time.monotonic() - began, 1)}


def servers(batch: Batch, draw: random.Random, where: Place, wanted: int) -> Iterator[tuple[str, int]]:
    """(statements, bytes of rows in them) until there are as many bytes as wanted."""
    done = 0
    while done < wanted:
        before = done
        since = START + timedelta(days=draw.randrange(YEARS * 365 - SEASON))
        for _ in range(BATCH):
            done += batch.add(Server(draw, where, since), "shadow_" if draw.random() < ARCHIVED else "")
            if done >= wanted:
                break
        yield "".join(batch.statements()), done - before


def write(database: Database, parts: Iterable[tuple[str, int]], told: Told) -> int:
    """Give the statements to one client. Raises LabError with what the server said."""
    command = [*database.client, "--max-allowed-packet=64M", "--default-character-set=utf8", database.name]
    total = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as client:
        assert client.stdin and client.stderr
        try:
            for statements, count in parts:
                client.stdin.write(statements.encode())
                total += count
                told(total)
            client.stdin.close()
        except BrokenPipeError:
            pass  # what it said tells why
        said = client.stderr.read().decode(errors="replace").strip()
    if client.returncode:
        raise LabError(f"the server of {database.name} took {total} bytes and then no more: {said[-300:]}")
    return total
