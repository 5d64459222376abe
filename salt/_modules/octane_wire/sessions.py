"""
Sessions of the local MySQL or MariaDB server, each held by a client program of the server's own.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import subprocess
import time

from frames import CHUNK, Broken

CLIENT = (
    "mysql",
    "--batch",
    "--skip-column-names",
    "--unbuffered",
    "--quick",
    # The client must neither convert values nor take bytes of theirs for characters.
    "--default-character-set=binary",
    "--max-allowed-packet=1G",
    "--local-infile=1",
    # A session that is lost is lost with its snapshot.
    "--skip-reconnect",
)
PATIENCE = 86400
"""Seconds that the server waits for a session that is busy elsewhere; the transfer's own timeout is what ends it."""
SETTINGS = (
    "SET NAMES utf8mb4, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', "
    "time_zone = '+00:00', foreign_key_checks = 0, sql_quote_show_create = 1, innodb_strict_mode = 0, "
    f"SESSION wait_timeout = {PATIENCE}, net_read_timeout = {PATIENCE}, net_write_timeout = {PATIENCE}"
)
"""
No check of foreign keys, since tables come in any order. Those of unique keys stay: without both, MariaDB 10.11 sorts
rows before it stores them, which for rows in the order of their key took 2.7 times as long.
"""
OPEN_TIMEOUT = 600
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


class Session:
    """One session; statements of its own making alone reach it."""

    def __init__(self, options):
        command, pipe = [CLIENT[0], *options, *CLIENT[1:]], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, CHUNK)
        self._mark = b""
        try:
            self.run(SETTINGS)
            self.id = int(self.one("SELECT CONNECTION_ID()"))
        except BaseException:
            self.kill()
            raise

    def run(self, statements):
        """Run them; the rows they return, as lists of text or ``None``."""
        self.ask(statements)
        return self.rows()

    def one(self, statement):
        """The only value of the only row, ``None`` when there is none."""
        rows = self.run(statement)
        return rows[0][0] if rows else None

    def variable(self, name, kind="VARIABLES"):
        """A variable (or a status variable) of the server as this session sees it, ``None`` when there is none."""
        rows = self.run(f"SHOW {kind} LIKE '{name}'")
        return rows[0][1] if rows else None

    def ask(self, statements):
        """Send statements whose answer is read later."""
        # Nobody can have put into a value what is drawn after the snapshot was taken.
        self._mark = secrets.token_hex(16).encode()
        text = statements.encode() if isinstance(statements, str) else statements
        self._say(text + b";\nSELECT '" + self._mark + b"';\n")

    def rows(self):
        """The answer to what was asked last."""
        text = b"".join(self.stream())
        return [[_plain(value) for value in line.split(b"\t")] for line in text.split(b"\n") if line]

    def stream(self):
        """The same as it comes: bytes in which each line is a row and tabs part its values."""
        end, held = self._mark + b"\n", bytearray()
        while not held.endswith(end):
            # The client writes little at a time: gathered, since each part costs its way through the transfer.
            if len(held) >= CHUNK:
                yield bytes(held[: -len(end)])
                del held[: -len(end)]
            data = os.read(self._process.stdout.fileno(), CHUNK)
            if not data:
                raise self._ended()
            held += data
        if len(held) > len(end):
            yield bytes(held[: -len(end)])

    def load(self, statement, pipe, feed):
        """Run one ``LOAD DATA LOCAL INFILE`` that reads the named pipe, which ``feed`` is called to write to."""
        self.ask(f"{statement};\nSELECT ROW_COUNT(), @@warning_count;\nSHOW WARNINGS LIMIT 1")
        descriptor = self._open(pipe)
        try:
            feed(descriptor)
        except BrokenPipeError:
            raise self._ended() from None
        finally:
            os.close(descriptor)
        counts, *warnings = self.rows()
        return int(counts[0]), int(counts[1]), warnings[0][2] if warnings else ""

    def _open(self, pipe):
        """The named pipe, once the server has asked the client for it."""
        deadline = time.monotonic() + OPEN_TIMEOUT
        while True:
            try:
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                os.set_blocking(descriptor, True)
                return descriptor
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            if self._process.poll() is not None:
                raise self._ended()
            if time.monotonic() > deadline:
                raise Broken(f"the server has not asked for rows after {OPEN_TIMEOUT} s")
            time.sleep(0.001)

    def _say(self, text):
        try:
            rest = memoryview(text)
            while rest:
                rest = rest[self._process.stdin.write(rest) :]
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self):
        """Why the client is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        return Broken(f"the database server: {complaint(self._process.stderr.read())}")

    def kill(self):
        """End the client. Not by closing its input: then it would run what it has of a statement."""
        self._process.kill()
        self._process.wait()


def complaint(said):
    """The server's own words in what a client wrote, without the statement that MariaDB's repeats."""
    lines = said.decode(errors="replace").strip().splitlines()
    found = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["its client ended without a word"]
    return found[-1][-300:]


def execute(options, statements):
    """Run statements in a session of their own, going on after one that fails; what the server said of those."""
    command = ["mysql", *options, "--default-character-set=utf8mb4", "--force"]
    done = subprocess.run(command, input=statements.encode(), capture_output=True, check=False, timeout=600)
    return complaint(done.stderr) if done.stderr else ""


def quoted(name):
    """A name in a statement."""
    return "`" + name.replace("`", "``") + "`"


def _plain(value):
    if value == b"NULL":
        return None
    return re.sub(rb"\\([nt0\\])", lambda match: _ESCAPES[match[1]], value).decode(errors="replace")
