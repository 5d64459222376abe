"""
How a table's definition is taken apart and its columns are read and stored.
"""

import pytest

from tests.saltfiles import Node, program

tables = program("tables")

HEAD = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a,\\n  KEY ` text DEFAULT NULL,\n"
END = ") ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8\n PARTITION BY HASH (`id`)\nPARTITIONS 2"
KEYS = ["UNIQUE KEY `u``u` (`id`,`b`)", "KEY `k` (`b`(20)) COMMENT 'x,'"]
FOREIGN = "CONSTRAINT `f` FOREIGN KEY (`b`) REFERENCES `other`.`p ``q` (`id`) ON DELETE CASCADE"
CHECK = "CONSTRAINT `c` CHECK (`b` in (0,1))"


def definition(*lines):
    return HEAD + ",\n".join(f"  {line}" for line in lines) + "\n" + END


def test_keys_and_references_are_made_later_and_all_else_at_once():
    text = definition("PRIMARY KEY (`id`)", *KEYS, FOREIGN, CHECK)
    kept, keys, foreign = tables.split(text)
    assert (kept, keys, foreign) == (definition("PRIMARY KEY (`id`)", CHECK), KEYS, [FOREIGN])
    assert tables.join(kept, [*keys, *foreign]) == definition("PRIMARY KEY (`id`)", CHECK, *KEYS, FOREIGN)


@pytest.mark.parametrize("first", ["PRIMARY KEY (`b`)", "KEY `only` (`b`)"])
def test_rows_keep_the_order_they_are_stored_in_and_numbers_their_key(first):
    kept, keys, foreign = tables.split(definition(first, *KEYS, FOREIGN))
    assert keys == [] and foreign == [FOREIGN]
    assert all(f"  {key}" in kept for key in KEYS) and "FOREIGN KEY" not in kept


def test_what_a_table_refers_to_is_known_by_database_and_name():
    table = tables.Table("nova", "t", "InnoDB", 0)
    table.define(definition("PRIMARY KEY (`id`)", FOREIGN, FOREIGN.replace("`other`.", "")))
    assert table.references() == {"`other`.`p ``q`", "`nova`.`p ``q`"}
    table.inline()
    assert table.create.count("FOREIGN KEY") == 2 and table.foreign == []


def test_values_are_read_so_that_nothing_is_lost():
    columns = [["i", "int(11)", "YES", "", None, ""], ["f", "float unsigned", "YES", "", None, ""],
               ["b", "bit(3)", "YES", "", None, ""], ["t`x", "varchar(9)", "YES", "", None, ""],
               ["g", "int(11)", "YES", "", None, "STORED GENERATED"]]  # fmt: skip
    read = tables.selected(columns)
    assert read.startswith("`i`, `f` + 0E0, HEX(`b`), IF(`t``x` = ") and "`g`" not in read
    assert tables.loaded(columns) == ("`i`, `f`, @v2, `t``x`", "`b` = UNHEX(@v2)")
    with pytest.raises(tables.Broken, match="the column c has the type vector"):
        tables.selected([["c", "vector(3)", "YES", "", None, ""]])


class Collected:
    """A pipe's end that keeps what is written to it."""

    def __init__(self, monkeypatch, module):
        self.data = b""
        monkeypatch.setattr(module.os, "write", self.write)

    def write(self, _, data):
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_transaction_ends_at_the_end_of_a_row(monkeypatch, size):
    load = program("load")
    monkeypatch.setattr(load, "TRANSACTION_ROWS", 4)
    monkeypatch.setattr(load, "PIECE", 8)
    text = b"".join(b"row %d\n" % number for number in range(50)) + b"long " * 20 + b"\n"
    lines = load.Lines(iter([text[start : start + size] for start in range(0, len(text), size)]))
    written = []
    while lines.more():
        with monkeypatch.context() as patch:
            pipe = Collected(patch, load)
            count = lines.pour(0)
        assert pipe.data.endswith(b"\n") and pipe.data.count(b"\n") == count <= 8
        written.append(pipe.data)
    assert b"".join(written) == text and len(written) > 5


def test_a_look_before_the_copy_knows_the_types_that_the_copy_knows():
    kinds = Node().modules["octane_copyable"].KINDS
    assert kinds == {"float"} | tables._PLAIN | tables._TEXT | tables._BITS
    assert all(tables.selected([["c", kind, "YES", "", None, ""]]) for kind in kinds)
    with pytest.raises(tables.Broken, match="the column c has the type vector"):
        tables.selected([["c", "vector(3)", "YES", "", None, ""]])
