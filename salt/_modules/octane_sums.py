#!/usr/bin/env python3
"""
The program that takes checksums of tables at one point of the log; ``octane_proof`` starts it with its order's folder.

On the source a snapshot is opened and its place in the binary log told at once; on the target the replica is let run
up to that place, a snapshot is opened there too, and the replica goes on. Both then read at leisure what was equal or
not at one moment, while writers and the replica work on.

A table is summed as a whole (``CHECKSUM TABLE``, which reads from the snapshot: observed of MariaDB 10.11), or by the
rows that the log says were changed since an earlier point.
"""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time

from salt.exceptions import CommandExecutionError

if __name__ == "__main__":
    # Salt's loader looks at this file too, where the ones beside it cannot be imported.
    import octane_binlog
    import octane_mysql
    from octane_jobs import write

SMALL = 1024 * 1024
"""Bytes of a table that is read as a whole rather than by rows."""
AT_ONCE = 200
"""Rows of one statement."""
CATCH_UP = 3600
"""Seconds for the replica to come to the point."""
MOMENT = 50
"""Seconds to find a moment between two writes in; who asks for the place waits for a minute."""
_INEXACT = ("float", "double")
_CASCADES = ("CASCADE", "SET NULL", "SET DEFAULT")


def __virtual__():
    return False, "the program that octane_proof starts"


class Client:
    """One session of the server, through its own client program."""

    def __init__(self, options):
        command = ["mysql", *options, "--batch", "--unbuffered", "--default-character-set=utf8"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
        self._count = 0

    def query(self, statement):
        """Rows as ``octane_mysql.parse`` returns them; statements before the last one may return none."""
        self._count += 1
        marker = f"octane-end-{self._count}"
        text = f"{statement};\nSELECT '{marker}' AS '{marker}';\n"
        found = []
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
            while (line := self._process.stdout.readline()) not in (b"", f"{marker}\n".encode()):
                found.append(line)
            ended = not line or not self._process.stdout.readline()
        except BrokenPipeError:
            ended = True
        if ended:
            words = self._process.stderr.read().decode(errors="replace").strip()
            raise CommandExecutionError(f"the database of this node: {words[:500]}")
        return octane_mysql.parse(b"".join(found).decode("utf-8", errors="replace"))

    def close(self):
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()


class Status:
    """``status.json``: where the reading stands; names and numbers alone."""

    def __init__(self, folder):
        self._folder, self._written, self.values = folder, 0.0, {"state": "running", "tables": 0, "of": 0}

    def set(self, **values):
        self.values.update(values)
        self._written = time.monotonic()
        write(f"{self._folder}/status.json", json.dumps(self.values))

    def read(self, count, total):
        self.values.update({"tables": count, "of": total})
        if time.monotonic() - self._written > 0.5:
            self.set()


class Pace:
    """
    Waits after each table until it has taken as long as the order's limit gives to its bytes: a server reads a table
    as fast as it can. Rows that are read by their keys are few.
    """

    def __init__(self, order, session):
        self._limit, self._began = order.get("limit"), 0.0
        found = described(order, session) if self._limit else ()
        self._bytes = {(table["database"], table["table"]): table["bytes"] for table in found}

    def begin(self):
        self._began = time.monotonic()

    def keep(self, database, table):
        if self._limit:
            due = self._began + self._bytes.get((database, table), 0) / self._limit
            time.sleep(max(0, due - time.monotonic()))


def source(order, session, status):
    """A snapshot of the server whose log is followed; its place; what changed up to it; the sums."""
    began = snapshot(order, session)
    status.set(position=began)
    wanted, statements = None, 0
    if order.get("since"):
        wanted, statements = changed(order, session, order["since"], began)
    sums, wanted = summed(order, session, status, wanted)
    return {"position": began, "wanted": wanted, "sums": sums, "statements": statements}


def target(order, session, status):
    """The replica at one place of the source's log, a snapshot of it there, and the sums."""
    replica_at(order, session)
    session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    if not order.get("hold"):
        other = Client(order["options"])
        other.query(f"{order['select']}START SLAVE SQL_THREAD")
        other.close()
    status.set(position=order["at"])
    sums, _ = summed(order, session, status, order.get("wanted"))
    return {"position": order["at"], "sums": sums}


def reader(order, session, status):
    """The sums of another node of the cluster, which has all that any node had committed before."""
    session.query(waiting(session))
    return {"sums": summed(order, session, status, order["wanted"])[0]}


def log(order, session, status):
    """Names of the tables that changed since a place of the log, up to now."""
    now = session.query("SHOW MASTER STATUS")[0]
    until = {"file": now["File"], "position": int(now["Position"])}
    tables = tolerating(order, session, described(order, session))
    found = octane_binlog.read(order["log_reader"], order["options"], tables, order["databases"], order["since"], until)
    found.cascade(references(order, session))
    lasting, expendable = [], []
    for database, table in sorted(found.touched):
        (expendable if skipped(order, database, table) else lasting).append(f"{database}.{table}")
    for (database, table), names in sorted(found.tolerated.items()):
        expendable.append(f"{database}.{table} ({', '.join(sorted(names))})")
    told = {"tables": lasting, "expendable": expendable, "elsewhere": sorted(found.elsewhere)}
    return {"position": until, **told, "statements": found.statements}


def snapshot(order, session):
    """Open it, without a lock; ``{"file", "position"}`` of the first event that it does not hold."""
    if order["family"] == "mariadb":
        session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        found = session.query("SHOW STATUS LIKE 'binlog_snapshot_%'")
        rows = {row["Variable_name"].lower(): row["Value"] for row in found}
        return {"file": rows["binlog_snapshot_file"], "position": int(rows["binlog_snapshot_position"])}
    # MySQL 5.6 keeps no place with a snapshot. A session within a transaction does not wait: another one counts.
    counter = Client(order["options"])
    try:
        counter.query(waiting(counter))
        return between_writes(session, counter)
    finally:
        counter.close()


def between_writes(session, counter):
    """
    A snapshot around which nothing was committed, and its place in the log.

    Each count waits for what any node has committed so far. While it stays, no transaction was in the log and seen by
    nobody yet, nor seen and not in the log.
    """
    deadline = time.monotonic() + MOMENT
    while True:
        before = committed(counter)
        session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        if committed(counter) == before:
            return {"file": before["file"], "position": before["position"]}
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"no moment between two writes was found in {MOMENT} s, and nothing is locked")
        time.sleep(0.01)


def waiting(session):
    """The statement after which a session reads no sooner than it has all that any node has committed."""
    known = session.query("SHOW VARIABLES LIKE 'wsrep_sync_wait'")
    # Up to MySQL 5.6.19 it has another name.
    return f"SET SESSION {'wsrep_sync_wait' if known else 'wsrep_causal_reads'}=1"


def committed(session):
    """How far the server is: Galera's number of its last commit, and the end of its log."""
    found = session.query("SHOW STATUS LIKE 'wsrep_last_committed'")
    number = found[0]["Value"] if found else ""
    if not re.fullmatch(r"[0-9]{1,18}", number):
        raise CommandExecutionError("no Galera counts the commits of this server")
    row = session.query("SHOW MASTER STATUS")[0]
    return {"galera": int(number), "file": row["File"], "position": int(row["Position"])}


def replica_at(order, session):
    """Let the replica run exactly up to a place of the source's log and stand there."""
    at, select = order["at"], order["select"]
    session.query(f"{select}STOP SLAVE SQL_THREAD")
    # Literals alone are taken here; octane_proof.position has checked the name.
    until = f"MASTER_LOG_FILE='{at['file']}', MASTER_LOG_POS={int(at['position'])}"
    session.query(f"{select}START SLAVE SQL_THREAD UNTIL {until}")
    deadline = time.monotonic() + CATCH_UP
    while True:
        row = session.query(f"{select}SHOW SLAVE STATUS")[0]
        place = {"file": row["Relay_Master_Log_File"], "position": int(row["Exec_Master_Log_Pos"])}
        if place["file"] and octane_binlog.order(place) >= octane_binlog.order(at):
            break
        if int(row["Last_SQL_Errno"] or 0):
            raise CommandExecutionError(f"the replica stopped with error {row['Last_SQL_Errno']}")
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"the replica did not come to {at['file']}:{at['position']}")
        time.sleep(0.05)
    session.query(f"{select}STOP SLAVE SQL_THREAD")
    if octane_binlog.order(place) != octane_binlog.order(at):
        raise CommandExecutionError(f"the replica is past {at['file']}:{at['position']} already")


def changed(order, session, since, until):
    """
    What is to be read again: ``{database: {table: None (all of it) or {"key": [column], "keys": [[value]]}}}``; and
    the number of statements that are no row events. After one of those everything is (``None``).
    """
    tables = described(order, session)
    found = octane_binlog.read(order["log_reader"], order["options"], tables, order["databases"], since, until)
    if found.statements:
        return None, found.statements
    found.cascade(references(order, session))
    wanted = {}
    for table in tables:
        name = table["database"], table["table"]
        if name not in found.touched or skipped(order, *name):
            continue
        keys = found.keys.get(name)
        whole = keys is None or name in found.whole or table["bytes"] < SMALL
        rows = None if whole else {"key": table["key"], "keys": sorted(keys), "there": sum(keys.values())}
        wanted.setdefault(table["database"], {})[table["table"]] = rows
    return wanted, 0


def summed(order, session, status, wanted):
    """``{database: {table: checksum, or [rows, number, number]}}``, and ``wanted`` as it turned out."""
    if wanted is not None:
        work = [(database, table, rows) for database, found in wanted.items() for table, rows in found.items()]
    else:
        names = [(table["database"], table["table"]) for table in described(order, session)]
        work = [(*name, None) for name in names if not skipped(order, *name)]
    sums, pace = {}, Pace(order, session)
    for number, (database, table, rows) in enumerate(work):
        pace.begin()
        value = by_rows(session, database, table, rows) if rows else None
        if rows and order["kind"] == "source" and value[0] != rows["there"]:
            # The keys of the log are not found as they were understood: no proof by rows.
            rows = wanted[database][table] = None
        sums.setdefault(database, {})[table] = value if rows else whole(session, database, table)
        status.read(number + 1, len(work))
        if not rows:
            pace.keep(database, table)
    return sums, wanted


def whole(session, database, table):
    """The server's checksum of a table, as a number."""
    name = f"{octane_mysql.identifier(database)}.{octane_mysql.identifier(table)}"
    value = session.query(f"CHECKSUM TABLE {name}")[0]["Checksum"]
    return None if value is None else int(value)


def by_rows(session, database, table, rows):
    """Number of the rows that are there, and two sums over all their columns."""
    columns = session.query(
        "SELECT column_name AS name FROM information_schema.columns WHERE BINARY table_schema = "
        f"{octane_mysql.text(database)} AND BINARY table_name = {octane_mysql.text(table)} ORDER BY ordinal_position"
    )
    parts = [f"IFNULL(MD5(CAST({octane_mysql.identifier(row['name'])} AS BINARY)), '-')" for row in columns]
    name = f"{octane_mysql.identifier(database)}.{octane_mysql.identifier(table)}"
    total = [0, 0, 0]
    for first in range(0, len(rows["keys"]), AT_ONCE):
        where = condition(rows["key"], rows["keys"][first : first + AT_ONCE])
        row = session.query(
            "SELECT COUNT(*) AS c, BIT_XOR(CAST(CONV(LEFT(h, 16), 16, 10) AS UNSIGNED)) AS x, "
            "BIT_XOR(CAST(CONV(RIGHT(h, 16), 16, 10) AS UNSIGNED)) AS y FROM "
            f"(SELECT MD5(CONCAT_WS(',', {', '.join(parts)})) AS h FROM {name} WHERE {where}) AS rows_of"
        )[0]
        total = [total[0] + int(row["c"]), total[1] ^ int(row["x"]), total[2] ^ int(row["y"])]
    return total


def condition(key, keys):
    """Rows by their primary key, in a form for which MySQL 5.6 uses the index (not for a list of tuples)."""
    names = [octane_mysql.identifier(column["name"]) for column in key]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(literal(key[0], one[0]) for one in keys)})"
    rows = (" AND ".join(f"{n} = {literal(c, v)}" for n, c, v in zip(names, key, one, strict=True)) for one in keys)
    return " OR ".join(f"({row})" for row in rows)


def literal(column, value):
    """A key's value: digits, or bytes in the column's own character set."""
    if column["kind"] in octane_binlog.NUMBERS:
        return str(int(value))
    if not column["charset"].isalnum():
        raise CommandExecutionError(f"an unknown character set: {column['charset']!r}")
    return f"_{column['charset']} X'{bytes.fromhex(value).hex()}'"


def described(order, session):
    """
    The tables of the databases.

    :return: ``[{"database", "table", "bytes": int, "key": [{"name", "number", "kind", "unsigned", "charset"}] or
        None}]``; no key: there is none, or one of other columns than whole numbers and texts
    """
    found = {}
    for row in session.query(
        "SELECT table_schema AS d, table_name AS t, COALESCE(data_length, 0) AS b FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND table_schema IN ({listed(order)}) ORDER BY 1, 2"
    ):
        if row["d"] in order["databases"]:
            found[row["d"], row["t"]] = {"database": row["d"], "table": row["t"], "bytes": int(row["b"]), "key": []}
    odd = set()
    for name, column in columns(order, session):
        readable = column["kind"] in octane_binlog.NUMBERS + octane_binlog.TEXTS
        if column["computed"] or (column["primary"] and not readable):
            odd.add(name)
        elif column["primary"] and name in found:
            found[name]["key"].append({key: column[key] for key in ("name", "number", "kind", "unsigned", "charset")})
    for name, table in found.items():
        table["key"] = None if name in odd or not table["key"] else table["key"]
    return list(found.values())


def tolerating(order, session, tables):
    """
    TABLES, those with columns that may change with what ``octane_binlog`` needs to know of them: not where a column is
    in no row image, or where the log's text of a value may hide a difference.
    """
    if not order["tolerated"]:
        return tables
    known = {}
    for name, column in columns(order, session):
        known.setdefault(name, []).append(column)
    for table in tables:
        wanted, found = tolerated(order, table), known.get((table["database"], table["table"]), [])
        if wanted and not any(one["computed"] or one["kind"] in _INEXACT for one in found):
            table["numbers"] = {one["number"] for one in found}
            table["tolerated"] = {one["number"]: one["name"] for one in found if one["name"] in wanted}
    return tables


def columns(order, session):
    """Columns of all tables: ``(database, table)`` and what of a column decides about reading rows by their key."""
    for row in session.query(
        "SELECT table_schema AS d, table_name AS t, column_name AS name, ordinal_position AS number, "
        "data_type AS kind, column_type AS declared, character_set_name AS charset, column_key = 'PRI' AS is_primary, "
        "extra "
        f"FROM information_schema.columns WHERE table_schema IN ({listed(order)}) ORDER BY 1, 2, 4"
    ):
        yield (
            (row["d"], row["t"]),
            {
                "name": row["name"],
                "number": int(row["number"]),
                "kind": row["kind"],
                "unsigned": "unsigned" in row["declared"],
                "charset": row["charset"] or "",
                "primary": row["is_primary"] == "1",
                # It is in no row image, so that the columns after it have other numbers there.
                "computed": "VIRTUAL" in (row["extra"] or "").upper(),
            },
        )


def references(order, session):
    """``{(database, parent): [((database, child), whether an update of the parent reaches it)]}``."""
    found = {}
    for row in session.query(
        "SELECT unique_constraint_schema AS pd, referenced_table_name AS p, constraint_schema AS d, table_name AS t, "
        "delete_rule AS gone, update_rule AS moved FROM information_schema.referential_constraints "
        f"WHERE constraint_schema IN ({listed(order)})"
    ):
        if row["gone"] in _CASCADES or row["moved"] in _CASCADES:
            # Which columns are referred to is not asked: an update of any counts.
            found.setdefault((row["pd"], row["p"]), []).append(((row["d"], row["t"]), row["moved"] in _CASCADES))
    return found


def listed(order):
    return ", ".join(octane_mysql.text(name) for name in order["databases"])


def skipped(order, database, table):
    return table in order["skip"].get(database, ())


def tolerated(order, table):
    return order["tolerated"].get(table["database"], {}).get(table["table"], ())


def end(number, frame):
    raise CommandExecutionError("the reading was ended")


def main(folder):
    """Do what ``order.json`` says; ``result.json`` is the answer."""
    with open(f"{folder}/order.json", encoding="utf-8") as stream:
        order = json.load(stream)
    status, session = Status(folder), None
    signal.signal(signal.SIGTERM, end)
    try:
        session = Client(order["options"])
        work = {"source": source, "target": target, "reader": reader, "log": log}[order["kind"]]
        write(f"{folder}/result.json", json.dumps(work(order, session, status)))
        status.set(state="done")
    except (CommandExecutionError, octane_binlog.Lost, OSError, ValueError, KeyError, IndexError) as error:
        status.set(state="failed", error=str(error) or type(error).__name__)
    finally:
        if session:
            session.close()


if __name__ == "__main__":
    main(sys.argv[1])
