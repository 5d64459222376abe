"""
What was written to this node's databases since a place of its binary log, kept for whoever goes back to before it.

The vendor's own ``mysqlbinlog`` reads the log (its text as ``octane_binlog`` describes it). The rows are readable by
root alone: there are digests of passwords among them.
"""

import os
import re
import subprocess
import tempfile
import time

from salt.exceptions import CommandExecutionError

FOLDER = "/var/lib/octane-node/written"
PIECE = 64 * 1024
_ROWS = re.compile(rb"### (INSERT INTO|UPDATE|DELETE FROM) `((?:[^`]|``)+)`\.`((?:[^`]|``)+)`\n")
_TIME = re.compile(rb"#(\d{2})(\d{2})(\d{2}) +(\d+:\d\d:\d\d) server id")
_VERBS = {b"INSERT INTO": "inserted", b"UPDATE": "updated", b"DELETE FROM": "deleted"}


def export(databases, since, skip=None):
    """
    Write the rows that were written since a place of the log, as pseudo-SQL with their values before and after.

    :param since: ``{"file", "position"}``
    :param skip: ``{database: [table]}`` that nobody would miss
    :return: ``{"path": str, "tables": {"database.table": {"inserted" | "updated" | "deleted": rows}}}``; the file is
        alone in its directory, whose name no other node and no other time has
    :raises CommandExecutionError: the log does not reach back that far

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_written.export '[nova]' '{file: mysql-bin.000002, position: 1234}'
    """
    place = __salt__["octane_proof.position"](since)
    reader = __salt__["octane_source.log_reader"]()
    if reader is None:
        raise CommandExecutionError("this node has no mysqlbinlog")
    command = [reader, *__salt__["octane_mysql.options"](), "--read-from-remote-server", "--verbose"]
    command += ["--base64-output=DECODE-ROWS", f"--start-position={place['position']}", "--to-last-log", place["file"]]
    directory = os.path.join(FOLDER, f"{__opts__['id']}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, "since-the-switch.sql")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as kept, tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
            counts = sift(process.stdout, kept, set(databases), skip or {})
        kept.flush()
        os.fsync(kept.fileno())
        if process.returncode:
            errors.seek(0)
            raise CommandExecutionError(f"the binary log cannot be read: {errors.read(300).decode(errors='replace')}")
    return {"path": path, "tables": counts}


def sift(text, kept, databases, skip):
    """
    Copy to ``kept`` what ``text`` says of rows of the databases, with the time of each; how many, by table and verb.

    :param text: binary stream of ``mysqlbinlog --verbose``

    CLI Example: none, takes streams.
    """
    counts, wanted, when, begins = {}, False, b"", True
    while piece := text.readline(PIECE):
        # A value may be longer than a piece: what follows in the same line goes where its beginning went.
        if begins:
            head = _ROWS.match(piece)
            time_of = _TIME.match(piece)
            if time_of:
                when, wanted = b"# 20%s-%s-%s %s\n" % time_of.groups(), False
            elif head:
                verb, database, table = (one.replace(b"``", b"`").decode() for one in head.groups())
                wanted = database in databases and table not in skip.get(database, ())
                if wanted:
                    kept.write(when)
                    of_table = counts.setdefault(f"{database}.{table}", {})
                    name = _VERBS[verb.encode()]
                    of_table[name] = of_table.get(name, 0) + 1
            elif not piece.startswith(b"###"):
                wanted = False
        if wanted:
            kept.write(piece)
        begins = piece.endswith(b"\n")
    return counts
