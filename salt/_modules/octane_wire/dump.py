"""
Databases read as one snapshot over several sessions, and sent table by table, the largest first.
"""

import collections
import re
import subprocess
import threading

from frames import CHUNK, Broken, Limit, Writer, together
from lanes import Group, at_once
from sessions import Session, quoted
from tables import Table, selected
from tls import connect, hush, leave

TRIES = 40
"""How often sessions are opened anew until nothing was written between the first and the last of them."""
TABLES = ("BASE TABLE", "SYSTEM VERSIONED")
TOGETHER = 25
"""Definitions that are made in one go."""


def send(folder, order, status):
    """
    Send databases over as many streams as asked for; done when the receiver has all of them.

    :return: ``{"sha256", "position"}``; ``position``: ``{"file", "position", "gtid"}`` of the snapshot in the server's
        binary log, ``None`` when it has none
    """
    job, group, limit = order["job"], Group(), Limit(order.get("limit"))
    wires = group.wires

    def stream():
        wires.append(connect(folder, order))
        return Writer(wires[-1], status, limit)

    def stop():
        group.stop()
        hush(wires)

    try:
        position = snapshot(job["options"], order["streams"], group)
        found = [table for name in job["names"] for table in definitions(group.sessions[0], name)]
        writers = [stream()]
        writers[0].item({"do": "begin", "streams": len(group.sessions), "databases": job["names"]}, ())
        writers += [stream() for _ in group.sessions[1:]]
        Copy(job, list(zip(group.sessions, writers, strict=True)), found, stop).run()
    except BaseException:
        group.stop()
        leave(wires)
        raise
    finally:
        group.stop()
    return {"sha256": together([one.digest.hexdigest() for one in writers]), "position": position}


def snapshot(options, streams, group):
    """
    Sessions that all see the databases at one moment, without any lock, and that moment in the binary log.

    Nothing was committed between the first session's view and the last one's when the position in the binary log that
    MariaDB and Percona keep with each view is the same, and Galera's number of the last commit has not moved: read
    after waiting for whatever any node has committed, so that none is visible and not yet counted. Where neither
    counts, or something always is being written, one session alone reads.
    """
    sessions, counter = group.sessions, Session(options)
    try:
        for number in [streams] * TRIES + [1] * TRIES:
            before, views, after = viewed(options, sessions, counter, number)
            if one_moment(before, views, after):
                break
            if not views[0] and before["galera"] is None:
                narrow(sessions)
                break
    finally:
        counter.kill()
    # A server that keeps no position with a view tells one only if it did not move meanwhile.
    return place(sessions[0], views[0], before["log"] if before == after else None)


def viewed(options, sessions, counter, number):
    """
    Open a view in so many sessions: how far the server was before, each view's position, how far it was after.

    :param counter: a session in no transaction, since within one there is no waiting for what others have committed
    """
    narrow(sessions, number)
    sessions += [Session(options) for _ in range(number - len(sessions))]
    before = committed(counter)
    for session in sessions:
        session.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    for session in sessions:
        session.rows()
    after = committed(counter)
    return before, [seen(session) for session in sessions], after


def narrow(sessions, number=1):
    """End all sessions but the first ones."""
    for session in sessions[number:]:
        session.kill()
    del sessions[number:]


def one_moment(before, views, after):
    """Whether all views are of one moment, and its place in the log is known."""
    if views[0]:
        return len(views) == 1 or (before["galera"] == after["galera"] and all(view == views[0] for view in views))
    return before["galera"] is not None and before == after


def committed(session):
    """How far the server is: ``{"galera": its last commit, "log": row of its binary log}``, each ``None`` without."""
    galera = None
    if session.variable("wsrep_on") == "ON":
        # Up to MySQL 5.6.19 it has another name.
        wait = "wsrep_causal_reads" if session.variable("wsrep_sync_wait") is None else "wsrep_sync_wait"
        session.run(f"SET SESSION {wait} = 1")
        galera = session.variable("wsrep_last_committed", "STATUS")
        session.run(f"SET SESSION {wait} = 0")
    rows = session.run("SHOW MASTER STATUS")
    return {"galera": galera, "log": rows[0] if rows else None}


def seen(session):
    """The position that the server keeps with the session's view: ``(file, position)``, ``None`` when it keeps none."""
    found = dict(session.run("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'"))
    names = {name.lower(): value for name, value in found.items()}
    if not names.get("binlog_snapshot_file"):
        return None
    return names["binlog_snapshot_file"], int(names["binlog_snapshot_position"])


def place(session, view, log):
    """The snapshot's place in the binary log, as :func:`send` returns it."""
    if view is None:
        return log and {"file": log[0], "position": int(log[1]), "gtid": (log[4] if len(log) > 4 else None) or None}
    file, position = view
    if not re.fullmatch(r"[\w./-]+", file):
        raise Broken(f"the binary log has an odd name: {file}")
    # Percona's server keeps the same variables and knows no such function.
    maria = "mariadb" in session.variable("version").lower()
    gtid = session.one(f"SELECT BINLOG_GTID_POS('{file}', {position})") if maria else None
    return {"file": file, "position": position, "gtid": gtid or None}


def definitions(session, database):
    """Tables of a database, each with its definition; what is no table is not among them."""
    found = []
    for row in session.run(f"SHOW TABLE STATUS FROM {quoted(database)}"):
        # Of a view the engine is NULL, of a sequence the comment or the type tells.
        if row[1] is not None:
            found.append(Table(database, row[0], row[1], int(row[6] or 0)))
    kinds = dict(row[:2] for row in session.run(f"SHOW FULL TABLES FROM {quoted(database)}"))
    found = [table for table in found if kinds.get(table.name) in TABLES]
    for table in found:
        table.define(session.run(f"SHOW CREATE TABLE {table.place}")[0][1])
    return found


class Copy:
    """The work of one transfer: lists of tasks, each list done side by side and before the next one."""

    def __init__(self, job, lanes, tables, stop):
        self.job, self.lanes, self.tables, self.stop = job, lanes, tables, stop
        large = {table.place for table in tables if table.large}
        for table in tables:
            if not table.large and not table.references() & large:
                table.inline()

    def run(self):
        """Make databases and tables, fill them, then add what would have slowed that down, or would have run in it."""
        self.side_by_side([lambda session, writer: self.databases(session, writer)])
        self.side_by_side([self.made(part) for part in parts(self.tables, TOGETHER)])
        self.side_by_side([self.filled(table) for table in sorted(self.tables, key=lambda one: -one.size)])
        late = [table for table in self.tables if table.foreign]
        self.side_by_side([self.altered(table, table.foreign) for table in late])
        self.side_by_side([lambda session, writer: self.others(session, writer)])
        at_once([writer.finish for _, writer in self.lanes], self.stop)

    def side_by_side(self, tasks):
        """Each lane takes the next task as soon as it has done one."""
        queue, lock = collections.deque(tasks), threading.Lock()

        def work(session, writer):
            while True:
                with lock:
                    if not queue:
                        return
                    task = queue.popleft()
                task(session, writer)

        at_once([lambda lane=lane: work(*lane) for lane in self.lanes], self.stop)

    def databases(self, session, writer):
        made = [session.run(f"SHOW CREATE DATABASE {quoted(name)}")[0][1] for name in self.job["names"]]
        writer.item({"do": "statements"}, [";\n".join(made).encode()])

    @staticmethod
    def made(tables):
        text = ";\n".join(f"USE {quoted(table.database)};\n{table.create}" for table in tables)
        return lambda session, writer: writer.item({"do": "statements"}, [text.encode()])

    def filled(self, table):
        def work(session, writer):
            columns = session.run(f"SHOW COLUMNS FROM {table.place}")
            session.run("SET SESSION character_set_results = NULL")
            session.ask(f"SELECT {selected(columns)} FROM {table.place};\nSHOW COUNT(*) WARNINGS")
            header = {"do": "rows", "database": table.database, "table": table.name, "engine": table.engine}
            rows = Rows(session, table)
            writer.item({**header, "columns": columns}, rows)
            session.run("SET SESSION character_set_results = utf8mb4")
            if table.keys:
                self.altered(table, table.keys)(session, writer)

        return work

    @staticmethod
    def altered(table, lines):
        text = f"USE {quoted(table.database)};\nALTER TABLE {table.place} " + ", ".join(f"ADD {line}" for line in lines)
        return lambda session, writer: writer.item({"do": "statements"}, [text.encode()])

    def others(self, session, writer):
        """Routines, triggers and events, and then views, by mysqldump, which knows how those are written down."""
        for name in self.job["names"]:
            if has_programs(session, name):
                options = ["--no-data", "--no-create-info", "--no-create-db", "--routines", "--triggers", "--events"]
                writer.item({"do": "script"}, mysqldump(self.job["options"], [*options, "--databases", name]))
        for name in self.job["names"]:
            rows = session.run(f"SHOW FULL TABLES FROM {quoted(name)}")
            others = [row[0] for row in rows if row[1] not in TABLES]
            if others:
                script = mysqldump(self.job["options"], ["--no-data", "--skip-triggers", "--", name, *others])
                writer.item({"do": "script", "database": name}, script)


class Rows:
    """Rows of a table as they come; the count of warnings behind them is taken off and must be none."""

    def __init__(self, session, table):
        self._session, self._table = session, table

    def __iter__(self):
        held = b""
        for data in self._session.stream():
            held += data
            if len(held) > 64:
                yield held[:-64]
                held = held[-64:]
        rows, _, count = held.rstrip(b"\n").rpartition(b"\n")
        if count != b"0":
            raise Broken(f"the server could not write {count.decode()} values of {self._table.place}")
        if rows or held.startswith(b"\n"):
            yield rows + b"\n"


def parts(found, size):
    """A list in lists of at most so many."""
    return [found[start : start + size] for start in range(0, len(found), size)]


def has_programs(session, database):
    """Whether a database has routines, triggers or events."""
    text = f"CONVERT(X'{database.encode().hex()}' USING utf8)"
    counts = [
        f"(SELECT COUNT(*) FROM information_schema.{kind}s WHERE BINARY {kind}_schema = {text})"
        for kind in ("routine", "trigger", "event")
    ]
    return session.one(f"SELECT {' + '.join(counts)}") != "0"


def mysqldump(options, arguments):
    """What mysqldump writes, as it comes."""
    command = ["mysqldump", *options, "--default-character-set=utf8mb4", "--skip-lock-tables", *arguments]
    # MySQL 5.6 would write the positions of its own binary log into the dump; MariaDB does not know the option.
    if b"set-gtid-purged" in subprocess.run(["mysqldump", "--help"], capture_output=True, check=False).stdout:
        command.insert(len(options) + 1, "--set-gtid-purged=OFF")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            while data := process.stdout.read(CHUNK):
                yield data
        except BaseException:
            process.kill()
            raise
        message = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise Broken(f"mysqldump failed: {message[-300:]}")
