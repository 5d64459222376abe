"""
Rows as users know them, read by one SELECT for each kind of thing: counted and summed in buckets, so that two sides can
be compared without either's rows going anywhere; of buckets that differ, the rows.

All is read at one moment, in a transaction that can change nothing, and as it comes: no table is ever held in memory.
"""

import hashlib
import re
import secrets
import subprocess
import tempfile
import threading
import zlib

from salt.exceptions import CommandExecutionError

BUCKETS = 64
LONGEST = 200
TIMEOUT = 3600
"""Seconds for all views of a call."""

_SELECT = re.compile(r"SELECT\s(?:(?!\bINTO\b)[^;\\])+", re.IGNORECASE)
# READ ONLY is not known to MySQL 5.5, which skips the comment.
_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT /*!50605 , READ ONLY */"


def sums(views):
    """
    Number of rows of each view and a sum of each of its buckets; equal sums mean equal rows in any order.

    :param views: ``[{"name", "database", "query", "keys"}]``; ``query`` is one SELECT whose first ``keys`` columns name
        a row
    :return: ``{name: {"rows": int, "sums": [int of 64 bits for each bucket]}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_views.sums '[{name: roles, database: keystone, query: "SELECT id, name FROM role", keys: 1}]'
    """
    rows = {view["name"]: 0 for view in views}
    sums = {name: [0] * BUCKETS for name in rows}
    for view, line in _read(views):
        name = view["name"]
        rows[name] += 1
        digest = int.from_bytes(hashlib.sha256(line).digest()[:8], "big")
        number = _number(view, line) % BUCKETS
        sums[name][number] = (sums[name][number] + digest) % 2**64
    return {name: {"rows": rows[name], "sums": sums[name]} for name in rows}


def rows(views):
    """
    The rows of some buckets of views, no value longer than 200 characters.

    :param views: as :func:`sums` takes them, each with ``buckets``: a list of numbers, and ``split``: only every
        so-many-th row by its key, the same ones on every side; ``part`` (0): which of those
    :return: ``{name: [[values, key first]]}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_views.rows '[{name: roles, database: keystone, query: "SELECT id, name FROM role", keys: 1,
            buckets: [3], split: 1}]'
    """
    found = {view["name"]: [] for view in views}
    for view, line in _read(views):
        rest, bucket = divmod(_number(view, line), BUCKETS)
        if bucket in view["buckets"] and rest % view["split"] == view.get("part", 0):
            values = line.decode("utf-8", errors="replace").split("\t")
            found[view["name"]].append([value[:LONGEST] for value in values])
    return found


def _number(view, line):
    """Of the key of a row."""
    return zlib.crc32(b"\t".join(line.split(b"\t", view["keys"])[: view["keys"]]))


def _read(views):
    """(view, line of its result) as they come; values apart by tabs, tabs in them escaped by the client."""
    # A column of this name is in no data: it says which view the lines after it are of.
    mark = f"octane_{secrets.token_hex(8)}"
    statements = ["SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", _SNAPSHOT]
    for number, view in enumerate(views):
        if not _SELECT.fullmatch(view["query"]):
            raise CommandExecutionError(f"{view['name']} is not one SELECT: {view['query'][:80]!r}")
        name = __salt__["octane_mysql.identifier"](view["database"])
        statements += [f"USE {name}", f"SELECT {number} AS {mark}", view["query"]]
    view, header, begun = None, False, False
    for line in _lines(";\n".join(statements)):
        if line == mark.encode():
            begun = True
        elif begun:
            view, header, begun = views[int(line)], True, False
        elif header:
            header = False
        else:
            yield view, line


def _lines(statements):
    """What the client says, a line at a time."""
    command = ["mysql", *__salt__["octane_mysql.options"](), "--batch", "--quick", "--default-character-set=utf8mb4"]
    with tempfile.TemporaryFile() as order:
        order.write(statements.encode())
        order.seek(0)
        with subprocess.Popen(command, stdin=order, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            limit = threading.Timer(TIMEOUT, process.kill)
            limit.start()
            try:
                for line in process.stdout:
                    yield line[:-1]
            except GeneratorExit:
                process.kill()
                raise
            finally:
                limit.cancel()
            said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        why = said[:500] or f"its client ended with {process.returncode} (after {TIMEOUT} s it is ended)"
        raise CommandExecutionError(f"the database of this node: {why}")
