"""
Databases taken into the local server as they come; what was loaded of a broken transfer is dropped again.
"""

import os
import subprocess

from frames import Broken, Reader, refuse, together
from lanes import Group, at_once
from sessions import Session, complaint, execute, quoted
from tables import load_statement, loaded
from tls import accept

TRANSACTION_BYTES = 16 * 1024 * 1024
TRANSACTION_ROWS = 32768
"""
What is committed in one go: Galera replicates a transaction as a whole, and its old releases refuse one of more than
131072 rows (``wsrep_max_ws_rows``).
"""
PIECE = 64 * 1024
"""Bytes between two looks at these: a row has two at least, so that not more than as many rows are added."""


def receive(folder, order, status, server):
    """
    Take the databases that the order names from the sender.

    :param server: socket that listens
    """
    job, group = order["job"], Group()
    wires = group.wires

    def stream():
        wires.append(accept(server, folder, order["peer"]))
        return Reader(wires[-1], status, group.stopped)

    try:
        readers = [stream()]
        streams = begin(job, readers[0], group)
        readers[0].answer()
        readers += [stream() for _ in range(streams - 1)]
        lanes = [
            Lane(job, reader, session, f"{folder}/rows-{number}")
            for number, (reader, session) in enumerate(zip(readers, group.sessions, strict=True))
        ]
        at_once([lane.work for lane in lanes], lambda: end(job, group))
        if job.get("alone"):
            require_alone(group)
    except BaseException as error:
        end(job, group)
        why = f"{error}; {drop(job)}"
        refuse(wires, why)
        raise Broken(why) from error
    finally:
        group.stop()
    digest = together([reader.digest.hexdigest() for reader in readers])
    status.set(state="done", sha256=digest)
    for reader in readers:
        reader.answer(sha256=digest)


def begin(job, first, group):
    """Make room for what the sender announces; how many streams it sends."""
    header = first.header()
    if not header or header["do"] != "begin" or sorted(header["databases"]) != sorted(job["names"]):
        raise Broken("the sender announces other databases than those that are waited for")
    streams = int(header["streams"])
    if not 1 <= streams <= 64:
        raise Broken(f"the sender announces {streams} streams")
    for _ in first.parts():
        raise Broken("the sender announces nothing but data")
    for _ in range(streams):
        group.sessions.append(Session(job["options"]))
    session = group.sessions[0]
    if job.get("alone"):
        tell_nobody(group)
    if session.variable("local_infile") != "ON":
        raise Broken("the database server refuses rows from its clients: SET GLOBAL local_infile = 1 lets them in")
    session.run(dropping(job))
    return streams


def tell_nobody(group):
    """
    Neither Galera nor the binary log takes what is loaded, which is a fifth of the work (measured on MariaDB 10.11). A
    member that comes later is given everything.
    """
    require_alone(group)
    for session in group.sessions:
        session.run(untold(is_galera(session)))


def untold(galera):
    """The statement by which a session keeps to itself what it does."""
    return "SET SESSION sql_log_bin = 0" + (", SESSION wsrep_on = OFF" if galera else "")


def require_alone(group):
    """The server has no other members to tell, and none has come meanwhile."""
    size = group.sessions[0].variable("wsrep_cluster_size", "STATUS")
    if is_galera(group.sessions[0]) and size != "1":
        raise Broken(f"the server is to be alone, and is one of {size} members: they would lack what is loaded")


def is_galera(session):
    """Whether the server is a member of a cluster, whatever the session says."""
    return session.variable("wsrep_on", "GLOBAL VARIABLES") == "ON"


def dropping(job):
    return ";\n".join(f"DROP DATABASE IF EXISTS {quoted(name)}" for name in job["names"])


def end(job, group):
    """End sessions at the server as well: it would finish what a client that is gone has asked for."""
    group.stop()
    execute(job["options"], "".join(f"KILL {session.id};\n" for session in group.sessions))


def drop(job):
    """Drop what was loaded; a sentence about it."""
    why = execute(job["options"], f"SET SESSION lock_wait_timeout = 120;\n{dropping(job)};\n")
    names = ", ".join(job["names"])
    if why:
        return f"what was loaded of {names} could not be dropped: {why}"
    return f"what was loaded of {names} was dropped again"


class Lane:
    """One stream and the session it is loaded in."""

    def __init__(self, job, reader, session, pipe):
        self.job, self.reader, self.session, self.pipe = job, reader, session, pipe
        self.galera = is_galera(session)
        os.mkfifo(pipe, 0o600)

    def work(self):
        """Do what the stream asks for, item by item."""
        kinds = {"statements": self.statements, "rows": self.rows, "script": self.script}
        try:
            while header := self.reader.header():
                kinds[header["do"]](header)
                self.reader.answer()
        finally:
            os.unlink(self.pipe)

    def statements(self, header):
        self.session.run(b"".join(self.reader.parts()))

    def rows(self, header):
        """Rows of one table, some thousand in a transaction."""
        place = f"{quoted(header['database'])}.{quoted(header['table'])}"
        statement = load_statement(place, self.pipe, *loaded(header["columns"]))
        rows = Lines(self.reader.parts())
        if not rows.more():
            return
        if self.galera and header["engine"] != "InnoDB":
            raise Broken(f"{place} is of the engine {header['engine']}, whose rows Galera does not take to other nodes")
        while rows.more():
            sent = 0

            def feed(descriptor):
                nonlocal sent
                sent = rows.pour(descriptor)

            taken, warnings, first = self.session.load(statement, self.pipe, feed)
            if taken != sent or warnings:
                raise Broken(f"{place}: {taken} of {sent} rows were taken, {warnings} warnings: {first}")

    def script(self, header):
        """What mysqldump wrote, by a client that knows its delimiters."""
        command = ["mysql", *self.job["options"], "--default-character-set=utf8mb4"]
        if self.job.get("alone"):
            command.append(f"--init-command={untold(self.galera)}")
        if "database" in header:
            command += ["--", header["database"]]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe) as client:
            try:
                for data in self.reader.parts():
                    client.stdin.write(data)
                client.stdin.close()
            except BrokenPipeError:
                pass  # what it said tells why
            except BaseException:
                client.kill()
                raise
            said = client.stderr.read()
        if client.returncode:
            raise Broken(f"the database server: {complaint(said)}")


class Lines:
    """Rows as they come in frames, poured out a transaction at a time."""

    def __init__(self, parts):
        self._parts, self._held, self._at = parts, b"", 0

    def more(self):
        """Whether there is anything left."""
        if self._at == len(self._held):
            self._held, self._at = next(self._parts, b""), 0
        return self._at < len(self._held)

    def pour(self, descriptor):
        """Write rows until they are enough for a transaction and the last one is whole; how many they are."""
        size = rows = 0
        while self.more():
            start, end, whole = self._at, min(len(self._held), self._at + PIECE), 0
            if size >= TRANSACTION_BYTES or rows >= TRANSACTION_ROWS:
                whole = self._held.rfind(b"\n", start, end) + 1
            self._at = whole or end
            rest = memoryview(self._held)[start : self._at]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            size += self._at - start
            rows += self._held.count(b"\n", start, self._at)
            if whole:
                break
        return rows
