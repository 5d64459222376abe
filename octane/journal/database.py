"""The SQLite file behind the journal: durable, safe for many readers, one transaction a write."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octane.journal import schema

FILE_NAME = "journal.sqlite"
BUSY_SECONDS = 30.0


class Database:
    """One connection; its methods may be called from several threads."""

    def __init__(self, connection: sqlite3.Connection, directory: Path) -> None:
        self.directory = directory
        self._connection = connection
        self._connection.row_factory = sqlite3.Row
        self._turn = threading.RLock()

    @classmethod
    def open(cls, directory: Path) -> Database:
        """The journal of DIRECTORY to read and write; both are made when missing, for their owner's eyes only."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        file = directory / FILE_NAME
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        file.chmod(0o600)
        connection = _connect(str(file))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        schema.migrate(connection)
        return cls(connection, directory)

    @classmethod
    def open_to_read(cls, directory: Path) -> Database:
        """The journal of DIRECTORY, to look at only; an empty one when there is none, and none is made."""
        file = directory / FILE_NAME
        exists = file.exists()
        connection = _connect(str(file) if exists else ":memory:")
        schema.migrate(connection)
        connection.execute("PRAGMA query_only = ON")
        return cls(connection, directory)

    def close(self) -> None:
        self._connection.close()

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._turn:
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        with self._turn:
            found: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return found

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start, so that what it reads stays true until it ends."""
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()


def _connect(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
