"""Tables of the journal and how an older journal becomes a newer one."""

from __future__ import annotations

import sqlite3

from octane.errors import Refused

VERSION_1 = """
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY,
    original INTEGER UNIQUE,        -- Fuel's id; NULL in row 0, which stands for the master itself
    seed INTEGER UNIQUE,            -- Fuel's id; NULL until the environment is cloned, and after the seed was given up
    created REAL NOT NULL
);
CREATE TABLE runs (                 -- one execution of one stage
    id INTEGER PRIMARY KEY,
    pair_id INTEGER NOT NULL REFERENCES pairs (id),
    stage TEXT NOT NULL,
    act TEXT NOT NULL,              -- apply or undo
    token INTEGER NOT NULL,         -- the lock's fencing token that this run writes under
    request TEXT,                   -- what the command line calls this run, to find it again
    holder TEXT NOT NULL,           -- JSON: host, boot, pid, ticks, who
    options TEXT NOT NULL,          -- JSON: the pillar it was started with
    plan TEXT NOT NULL,             -- JSON: [[step, sentence], ...] in order
    started REAL NOT NULL,
    ended REAL,
    result TEXT NOT NULL,           -- running, done, failed, interrupted, passed
    note TEXT NOT NULL,             -- what is to be said at its begin: a lock taken over, nothing to do
    comment TEXT NOT NULL DEFAULT '',
    failed_step TEXT,               -- set as soon as a step fails: nothing after it acts
    exit_code INTEGER,
    stop_requested REAL
);
CREATE INDEX runs_by_stage ON runs (pair_id, stage);
CREATE TABLE steps (
    id INTEGER PRIMARY KEY,
    pair_id INTEGER NOT NULL REFERENCES pairs (id),
    stage TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,           -- begun, done, failed, undoing, undone
    definition TEXT NOT NULL,       -- JSON: what is needed to undo it without the orchestration
    updated REAL NOT NULL,
    UNIQUE (pair_id, stage, name)
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    step_id INTEGER NOT NULL REFERENCES steps (id),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    act TEXT NOT NULL,              -- apply, verify or undo
    started REAL NOT NULL,
    ended REAL,
    result TEXT NOT NULL,           -- running, done, failed
    changes TEXT,                   -- JSON
    comment TEXT NOT NULL DEFAULT ''
);
CREATE INDEX attempts_by_step ON attempts (step_id);
CREATE INDEX attempts_by_run ON attempts (run_id);
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    attempt_id INTEGER NOT NULL REFERENCES attempts (id),
    name TEXT NOT NULL,             -- an invariant, or 'step' for what the step itself found
    phase TEXT NOT NULL,            -- before or after
    held INTEGER NOT NULL,
    data TEXT NOT NULL,             -- JSON
    at REAL NOT NULL
);
CREATE INDEX evidence_by_attempt ON evidence (attempt_id);
CREATE TABLE records (              -- what steps remember: plans, old values
    pair_id INTEGER NOT NULL REFERENCES pairs (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,            -- JSON
    at REAL NOT NULL,
    PRIMARY KEY (pair_id, key)
);
CREATE TABLE locks (
    pair_id INTEGER PRIMARY KEY REFERENCES pairs (id),
    token INTEGER NOT NULL,         -- only ever grows
    holder TEXT,                    -- JSON as in runs; NULL when free
    stage TEXT,
    since REAL
);
CREATE TABLE progress (             -- the latest of each, may be lost, decides nothing
    source TEXT NOT NULL,           -- minion id, or 'master'
    what TEXT NOT NULL,
    text TEXT NOT NULL,
    numbers TEXT NOT NULL,          -- JSON: name to number
    at REAL NOT NULL,
    PRIMARY KEY (source, what)
);
INSERT INTO pairs (id, created) VALUES (0, 0);
"""

MIGRATIONS = (VERSION_1,)
"""Script N brings a journal from version N to N + 1; a published one is never edited."""


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> int:
    """Bring the journal behind CONNECTION to the newest version and return it; safe when two processes do it at once.

    :raises Refused: the journal was written by a newer octane.
    """
    newest = len(migrations)
    if _version(connection) == newest:
        return newest
    connection.execute("BEGIN EXCLUSIVE")
    try:
        version = _version(connection)
        if version > newest:
            raise Refused(f"the journal is of version {version}, this octane knows {newest}: use the newer octane")
        for script in migrations[version:]:
            _execute_all(connection, script)
        connection.execute(f"PRAGMA user_version = {newest}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    return newest


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _execute_all(connection: sqlite3.Connection, script: str) -> None:
    """Each statement of SCRIPT inside the open transaction (``executescript`` would commit it first)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
