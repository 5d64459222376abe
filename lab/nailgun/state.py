"""Everything the server knows: tables of rows, kept in one JSON file.

Tables and what a row of them holds:

==============  ======================================================================================================
releases        id, name, version, operating_system, state, is_deployable, ``*_metadata``, deployment_tasks, description
clusters        id, name, status, mode, net_provider, release_id, pending_release_id, is_customized, ui_settings,
                changes, attributes {editable, generated, vmware}, parameters (networking parameters), facts (uploaded
                deployment facts), provisioning (uploaded provisioning facts), deployment_tasks or None
node_groups     id, cluster, name
networks        id, name, cidr, gateway, vlan_start, group_id, release, meta, ip_ranges [[first, last]]
addresses       id, network, node or None, ip, vip (name of the virtual address) or None
nodes           what GET /nodes shows, and cluster, interfaces, bonds, disks, primary_roles, checksum
tasks           id, uuid, name, cluster, status, progress, message, result, parent (id) or None, nodes
notifications   id, topic, message, status, cluster, node_id, task_id, time
relations       id, orig, seed: pairs of an upgrade
==============  ======================================================================================================
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

Row = dict[str, Any]

TABLES = (
    "releases",
    "clusters",
    "node_groups",
    "networks",
    "addresses",
    "nodes",
    "tasks",
    "notifications",
    "relations",
)


def write_private(path: Path, document: Any) -> None:
    """Write a JSON document to PATH, mode 0600, so that a reader or a crash meets the old or the new contents."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


class State:
    """The tables, and the settings of the master (``settings``: master_ip, dns_domain ...)."""

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.settings: dict[str, Any] = settings or {}
        self.tables: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.last_ids: dict[str, int] = dict.fromkeys(TABLES, 0)

    def insert(self, table: str, row: Row) -> Row:
        """Add ROW under its ``id``, or under the next one never used before. Returns the row itself."""
        number = row.get("id") or self.last_ids[table] + 1
        row["id"] = number
        self.last_ids[table] = max(self.last_ids[table], number)
        self.tables[table][number] = row
        return row

    def next_id(self, counter: str) -> int:
        """The next number of a counter that is no table's (ids of interfaces)."""
        self.last_ids[counter] = self.last_ids.get(counter, 0) + 1
        return self.last_ids[counter]

    def get(self, table: str, number: int) -> Row | None:
        """The row of that id, or None."""
        return self.tables[table].get(number)

    def row(self, table: str, number: int) -> Row:
        """The row of that id, which must exist (KeyError otherwise)."""
        return self.tables[table][number]

    def rows(self, table: str, **equal: Any) -> list[Row]:
        """Rows whose named columns equal the given values, by id."""
        rows = (self.tables[table][number] for number in sorted(self.tables[table]))
        return [row for row in rows if all(row[column] == value for column, value in equal.items())]

    def delete(self, table: str, number: int) -> None:
        """Forget the row of that id, if there is one."""
        self.tables[table].pop(number, None)

    def snapshot(self) -> bytes:
        """All of the contents, for ``restore``."""
        return pickle.dumps((self.settings, self.tables, self.last_ids))

    def restore(self, snapshot: bytes) -> None:
        """Back to what ``snapshot`` returned."""
        self.settings, self.tables, self.last_ids = pickle.loads(snapshot)

    def to_json(self) -> dict[str, Any]:
        """The whole state as JSON can hold it: a table is the list of its rows."""
        tables = {name: self.rows(name) for name in TABLES}
        return {"settings": self.settings, "last_ids": self.last_ids, "tables": tables}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> State:
        """The reverse of ``to_json``."""
        state = cls(document["settings"])
        for name, rows in document["tables"].items():
            state.tables[name] = {row["id"]: row for row in rows}
        state.last_ids.update(document["last_ids"])
        return state

    def save(self, path: Path) -> None:
        """Write the tables to PATH, for its owner alone: passwords are inside."""
        write_private(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> State:
        """The state saved in PATH (OSError, ValueError when it cannot be read)."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
