"""
Which rows a server's binary log says were changed, read by the vendor's own ``mysqlbinlog``; part of ``octane_sums``.

The text of ``--verbose`` is taken (observed of MariaDB 10.11; MySQL 5.6 writes the same): ``### UPDATE `a`.`b` ``,
``### WHERE``, ``### SET``, then a line ``###   @N=value`` a column. Only names and key columns are kept of it. What a
foreign key cascades to is in no row event (the engine does it by itself on either side), so it is derived.
"""

import re
import subprocess

MAX_KEYS = 5_000
"""Rows known by their key, over all tables; a table beyond that is read as a whole. Both nodes are told of them over
Salt's bus, which cuts what is longer than a mebibyte (``max_event_size``)."""
MAX_LINE = 64 * 1024
_EVENT = re.compile(rb"#\d{6} +\d+:\d\d:\d\d server id \d+ +end_log_pos (\d+) (?:CRC32 0x[0-9a-f]+ *)?\t*(.*)")
_ROTATE = re.compile(rb"Rotate to (\S+) +pos: (\d+)")
_ROWS = re.compile(rb"### (INSERT INTO|UPDATE|DELETE FROM) (.+)\n")
_VALUE = re.compile(rb"###   @(\d+)=(.*)\n")
_HARMLESS = re.compile(rb"\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|XA|FLUSH|START TRANSACTION)\b", re.IGNORECASE)
_FRAME = (b"SET ", b"/*!*/;", b"/*!\\", b"/*M!", b"DELIMITER", b"#", b"\n")
NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
TEXTS = ("char", "varchar")


def __virtual__():
    return False, "part of the program octane_sums"


class Lost(Exception):
    """The log cannot be read from there; the text says why."""


class Changes:
    """
    What a stretch of the log holds.

    ``keys``: ``{(database, table): {key: whether the row is there after it}}``, ``whole``: tables whose rows are not
    known by key, ``gone``: tables that lost a row or changed a key (a cascade may follow), ``statements``: how many
    that are no row events and concern the databases, ``elsewhere``: other databases that were written to (a statement
    that is in none, such as one about accounts, is in ``mysql``), ``tolerated``: ``{(database, table): columns}`` of
    updates that changed nothing else than they may, which are in none of the others.
    """

    def __init__(self):
        self.keys, self.whole, self.gone, self.touched, self.statements = {}, set(), set(), set(), 0
        self.elsewhere, self.tolerated = set(), {}
        self._count = 0

    def row(self, table, key, there):
        """One row; ``key`` is ``None`` when its columns could not be told for sure."""
        name = table["database"], table["table"]
        self.touched.add(name)
        if name in self.whole:
            return
        keys = self.keys.setdefault(name, {})
        if key is None or (key not in keys and self._count >= MAX_KEYS):
            self.whole.add(name)
            self._count -= len(self.keys.pop(name))
            return
        self._count += key not in keys
        keys[key] = there

    def cascade(self, references):
        """Add the tables that foreign keys reach: ``references`` is ``{parent: [(child, also by an update)]}``."""
        waiting = [(name, name in self.gone) for name in self.touched]
        while waiting:
            parent, gone = waiting.pop()
            for child, by_update in references.get(parent, ()):
                if (gone or by_update) and child not in self.whole:
                    self.whole.add(child)
                    self.touched.add(child)
                    self.keys.pop(child, None)
                    waiting.append((child, True))


def order(position):
    """
    Positions in the order of the log.

    CLI Example: none, part of a program.
    """
    return serial(position["file"]), int(position["position"])


def serial(file):
    """
    The number at the end of a log's name.

    CLI Example: none, part of a program.
    """
    return int(file.rpartition(".")[2])


def read(program, options, tables, databases, since, until):
    """
    The changes between two positions.

    :param program: the vendor's reader of binary logs
    :param tables: ``[{"database", "table", "key": [{"number", "kind", "unsigned"}] or None}]`` of these databases; with
        ``"numbers"`` (of all its columns) and ``"tolerated": {number: column}``, updates of those columns alone are
        told apart
    :raises Lost: the log does not reach back that far, or the program failed

    CLI Example: none, part of a program.
    """
    if order(since) >= order(until):
        return Changes()
    command = [program, *options, "--read-from-remote-server", "--verbose", "--base64-output=DECODE-ROWS"]
    command += [f"--start-position={int(since['position'])}", "--to-last-log", since["file"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        ended, found = parse(lines(process.stdout), tables, databases, since, until)
        if ended:
            process.kill()
        why = process.stderr.read().decode(errors="replace").strip()
    if not ended:
        raise Lost(f"the binary log ends before {until['file']}:{until['position']}: {why[-300:]}")
    return found


def lines(stream):
    """
    Lines of bounded length; the rest of a longer one (a big value) is dropped.

    CLI Example: none, part of a program.
    """
    while line := stream.readline(MAX_LINE):
        yield line
        while not line.endswith(b"\n") and line:
            line = stream.readline(MAX_LINE)


def parse(text, tables, databases, since, until):
    """
    Whether the end was reached, and the :class:`Changes` up to it.

    CLI Example: none, part of a program.
    """
    known = {}
    for table in tables:
        names = table["database"], table["table"]
        for quoted in (names, [name.replace("`", "``") for name in names]):
            known["`{}`.`{}`".format(*quoted).encode()] = table
    return _Reader(known, [name.encode() for name in databases], until).run(text, since["file"])


class _Reader:
    """Goes through the lines; ``row`` is the one being read, with what its images hold of the key."""

    def __init__(self, known, databases, until):
        self.known, self.databases, self.until = known, databases, order(until)
        self.found, self.row, self.statement, self.current = Changes(), None, False, b""

    def run(self, text, file):
        reached = 0
        for line in text:
            if line.startswith(b"###"):
                self._rows(line)
                continue
            event = _EVENT.match(line) if line.startswith(b"#") else None
            if event:
                self._finish()
                # Where the event before this one ended; the events of a header, sent again, have an old position.
                if (serial(file), reached) >= self.until:
                    return True, self.found
                rotate = _ROTATE.match(event.group(2))
                file = rotate.group(1).decode() if rotate else file
                reached = int(rotate.group(2)) if rotate else max(reached, int(event.group(1)))
                self.statement = event.group(2).startswith(b"Query")
            elif line.startswith(b"use "):
                self.current = line[4:].partition(b"/*!")[0].strip().strip(b"`").replace(b"``", b"`")
            elif self.statement and not line.startswith(_FRAME):
                self._query(line)
        self._finish()
        return (serial(file), reached) >= self.until, self.found

    def _query(self, line):
        """A line of a statement, which counts once."""
        if _HARMLESS.match(line):
            self.statement = False
        elif self.current in self.databases or any(name in line for name in self.databases):
            self.found.statements += 1
            self.statement = False
        else:
            self.found.elsewhere.add(self.current.decode(errors="replace") or "mysql")

    def _rows(self, line):
        value = _VALUE.match(line)
        if value:
            self._value(int(value.group(1)), value.group(2))
        elif line in (b"### SET\n", b"### WHERE\n") and self.row:
            self.row["images"].append({})
            self.row["texts"].append({})
        else:
            self._finish()
            head = _ROWS.match(line)
            if head and head.group(2) in self.known:
                self.row = {"table": self.known[head.group(2)], "verb": head.group(1), "images": [], "texts": []}
            elif head and any(head.group(2).startswith(b"`%s`." % name) for name in self.databases):
                # A table that is not there now: it came or went meanwhile.
                self.found.statements += 1
            elif head:
                name = head.group(2)[1:].partition(b"`.`")[0]
                self.found.elsewhere.add(name.replace(b"``", b"`").decode(errors="replace"))

    def _value(self, number, text):
        if self.row and self.row["images"]:
            if "tolerated" in self.row["table"]:
                self.row["texts"][-1][number] = text
            for column in self.row["table"]["key"] or ():
                if column["number"] == number:
                    self.row["images"][-1][number] = decode(text, column["kind"], column["unsigned"])

    def _finish(self):
        row, self.row = self.row, None
        if not row:
            return
        table, verb = row["table"], row["verb"]
        if columns := tolerable(table, row["texts"]):
            self.found.tolerated.setdefault((table["database"], table["table"]), set()).update(columns)
            return
        keys = [key_of(table, image) for image in row["images"]]
        if verb == b"INSERT INTO":
            self.found.row(table, keys[-1] if keys else None, True)
            return
        self.found.row(table, keys[0] if keys else None, False)
        if verb == b"UPDATE":
            self.found.row(table, keys[-1] if len(keys) == 2 else None, True)
        if verb == b"DELETE FROM" or len(keys) != 2 or None in keys or keys[0] != keys[1]:
            self.found.gone.add((table["database"], table["table"]))


def tolerable(table, images):
    """
    The columns that an update changed, none unless both images are complete and each of these may change.

    CLI Example: none, part of a program.
    """
    if len(images) != 2 or any(set(image) != table.get("numbers") for image in images):
        return []
    before, after = images
    changed = {number for number in before if before[number] != after[number]}
    return [table["tolerated"][number] for number in changed] if changed <= set(table["tolerated"]) else []


def key_of(table, image):
    """
    The values of the key's columns, ``None`` when one is not known for sure.

    CLI Example: none, part of a program.
    """
    wanted = table["key"]
    values = tuple(image.get(column["number"]) for column in wanted or ())
    return values if wanted and None not in values else None


def decode(text, kind, is_unsigned=False):
    """
    A value as the log's text shows it (``-1 (255)`` is 255 in a column without a sign): a number's digits, or the bytes
    of a text as hexadecimal digits; else ``None``.

    MariaDB writes a backslash as it is and MySQL as ``\\x5C``, so that a text with one cannot be told for sure.

    CLI Example: none, part of a program.
    """
    if kind in NUMBERS:
        signed, _, unsigned = text.partition(b" ")
        digits = (unsigned.strip(b"()") or signed) if is_unsigned else signed
        return digits.decode() if re.fullmatch(rb"-?\d+", digits) else None
    if kind in TEXTS and len(text) >= 2 and text[:1] == text[-1:] == b"'" and b"\\" not in text:
        return text[1:-1].hex()
    return None
