"""
How a table travels: its definition in the parts in which it is made, its rows as lines that lose nothing.

A row is a line, tabs part its values; the client writes a backslash before what would part them. A byte 0x01 encloses
the two kinds of text that would be taken for something else: the word NULL, and what begins with that byte. Values are
bytes in their column's own character set on both sides and are converted nowhere.
"""

import re

from frames import Broken
from sessions import quoted

LARGE = 1024 * 1024
"""Bytes of rows from which the indexes of a table are made when its rows are there."""

_PLAIN = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "date", "datetime", "timestamp", "time",
    "year", "uuid", "inet4", "inet6",
}  # fmt: skip
_TEXT = {
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "binary", "varbinary",
    "tinyblob", "blob", "mediumblob", "longblob",
}  # fmt: skip
_BITS = {
    "bit", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
}  # fmt: skip
_MARKED = (
    "IF({0} = X'4E554C4C' OR LEFT({0}, 1) = X'01', CONCAT(X'01', REPLACE({0}, X'01', X'0101'), X'01'), {0})"
)  # fmt: skip
_KEY = re.compile(r"  (?:UNIQUE |FULLTEXT |SPATIAL )?KEY ")
_FOREIGN = re.compile(r"  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY ")
_REFERENCE = re.compile(r" REFERENCES (?:(`(?:[^`]|``)+`)\.)?(`(?:[^`]|``)+`)")


class Table:
    """One table of the source. ``size``: bytes of its rows as the server estimates them."""

    def __init__(self, database, name, engine, size):
        self.database, self.name, self.engine, self.size = database, name, engine, size
        self.place = f"{quoted(database)}.{quoted(name)}"
        self.large = size >= LARGE and engine == "InnoDB"
        self.create, self.keys, self.foreign = "", [], []

    def define(self, create):
        """Take the server's own definition apart; what is not made later stays in it."""
        self.create, keys, self.foreign = split(create)
        if self.large:
            self.keys = keys
        else:
            self.create = join(self.create, keys)

    def references(self):
        """Names, as ``database.table`` quoted, of what its foreign keys lead to."""
        found = [_REFERENCE.search(line) for line in self.foreign]
        return {f"{match[1] or quoted(self.database)}.{match[2]}" for match in found if match}

    def inline(self):
        """Make foreign keys with the table."""
        self.create, self.foreign = join(self.create, self.foreign), []


def split(create):
    """(definition without them, secondary keys, foreign keys), the two as they stand in the definition."""
    kept, keys, foreign = [], [], []
    lines = create.split("\n")
    for line in lines:
        if _FOREIGN.match(line):
            foreign.append(line.strip().rstrip(","))
        elif _KEY.match(line):
            keys.append(line.strip().rstrip(","))
        else:
            kept.append(line)
    # Rows are stored by the primary key, or by the first unique one; a number that counts up needs its key at once.
    if not any(line.startswith("  PRIMARY KEY ") for line in lines) or _counts_by_another(kept):
        return join("\n".join(kept), keys), [], foreign
    return join("\n".join(kept), []), keys, foreign


def _counts_by_another(kept):
    counted = next((line for line in kept if line.startswith("  `") and " AUTO_INCREMENT" in line), None)
    if counted is None:
        return False
    column = re.match(r"  (`(?:[^`]|``)+`)", counted)[1]
    return not any(line.startswith(f"  PRIMARY KEY ({column}") for line in kept)


def join(create, more):
    """A definition with more lines at the end of its list."""
    lines = create.split("\n")
    end = next(index for index in range(len(lines) - 1, -1, -1) if lines[index].startswith(")"))
    body = [line.rstrip(",") for line in lines[1:end]] + [f"  {line}" for line in more]
    return "\n".join([lines[0], ",\n".join(body), *lines[end:]])


def selected(columns):
    """Expressions that return the values of columns: rows of ``SHOW COLUMNS``."""
    return ", ".join(_expression(name, _kind(kind)) for name, kind in _stored(columns))


def loaded(columns):
    """(names or variables that take the values of a line, assignments of the variables)."""
    takers, assignments = [], []
    for number, (name, kind) in enumerate(_stored(columns)):
        base = _kind(kind)
        if base in _BITS or base == "json":
            takers.append(f"@v{number}")
            value = f"UNHEX(@v{number})" if base in _BITS else f"CONVERT(@v{number} USING utf8mb4)"
            assignments.append(f"{quoted(name)} = {value}")
        else:
            takers.append(quoted(name))
    return ", ".join(takers), ", ".join(assignments)


def load_statement(place, pipe, takers, assignments):
    """The statement that reads rows from a named pipe."""
    escaped = pipe.replace("\\", "\\\\").replace("'", "\\'")
    return (
        f"LOAD DATA LOCAL INFILE '{escaped}' INTO TABLE {place} CHARACTER SET binary FIELDS TERMINATED BY '\\t' "
        f"OPTIONALLY ENCLOSED BY X'01' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({takers})"
        + (f" SET {assignments}" if assignments else "")
    )


def _stored(columns):
    """(name, type) of the columns that have values of their own."""
    return [(row[0], row[1]) for row in columns if not re.search("VIRTUAL|STORED|PERSISTENT", row[-1] or "")]


def _kind(kind):
    return re.match("[a-z0-9]*", kind.lower())[0]


def _expression(name, kind):
    column = quoted(name)
    if kind in _PLAIN:
        return column
    if kind in _TEXT:
        return _MARKED.format(column)
    if kind == "float":
        # As it is stored: by itself it is written with six digits.
        return f"{column} + 0E0"
    if kind in _BITS:
        return f"HEX({column})"
    raise Broken(f"the column {name} has the type {kind}, which this copy does not know")
