"""What is understood of mysqlbinlog's text; the lines are those of a MariaDB 10.11, shortened."""

import pytest

from tests.saltfiles import Node

LOG = rb"""/*!50530 SET @@SESSION.PSEUDO_SLAVE_MODE=1*/;
#700101  0:00:00 server id 1  end_log_pos 0 	Rotate to bin.000001  pos: 2048
# at 2048
#261127 13:30:21 server id 1  end_log_pos 256 CRC32 0x2fd2a6c7 	Start: binlog v 4, server v 10.11.18-MariaDB-log created
# at 2048
#261127 13:30:35 server id 1  end_log_pos 2159 CRC32 0x5c63bbbe 	Annotate_rows:
#Q> insert into nova.instances (name) values ('x')
#261127 13:30:35 server id 1  end_log_pos 2220 CRC32 0x9c6537b1 	Table_map: `nova`.`instances` mapped to number 18
# at 2220
#261127 13:30:35 server id 1  end_log_pos 2265 CRC32 0xc4ee7723 	Write_rows: table id 18 flags: STMT_END_F
### INSERT INTO `nova`.`instances`
### SET
###   @1=-1 (4294967295)
###   @2='x'
### INSERT INTO `nova`.`odd ``name`
### SET
###   @1='Mull'
###   @2=-5 (4294967291)
# at 2265
#261127 13:30:35 server id 1  end_log_pos 2296 CRC32 0xcd45781d 	Xid = 19
COMMIT/*!*/;
# at 2296
#261127 13:30:35 server id 1  end_log_pos 2596 CRC32 0x75d97f23 	Update_rows: table id 18 flags: STMT_END_F
### UPDATE `nova`.`instances`
### WHERE
###   @1=2
###   @2='b'
### SET
###   @1=77
###   @2='b'
### UPDATE `nova`.`instances`
### WHERE
###   @1=9
### SET
###   @1=9
# at 2596
#261127 13:30:35 server id 1  end_log_pos 2627 CRC32 0xc04154f4 	Xid = 20
COMMIT/*!*/;
# at 2627
#261127 13:30:35 server id 1  end_log_pos 2940 CRC32 0x21de3ffd 	Delete_rows: table id 18 flags: STMT_END_F
### DELETE FROM `nova`.`instances`
### WHERE
###   @1=3
### DELETE FROM `ceilometer`.`meters`
### WHERE
###   @1=1
# at 2940
#261127 13:30:35 server id 1  end_log_pos 3000 CRC32 0x00000001 	Rotate to bin.000002  pos: 4
"""
NEXT = rb"""# at 4
#261127 13:30:35 server id 1  end_log_pos 256 CRC32 0x2fd2a6c7 	Start: binlog v 4, server v 10.11.18-MariaDB-log created
# at 256
#261127 13:30:35 server id 1  end_log_pos 383 CRC32 0x4393cafd 	Query	thread_id=8	exec_time=0	error_code=0	xid=25
SET TIMESTAMP=1795786235/*!*/;
/*!\C utf8mb4 *//*!*/;
%s
/*!*/;
# at 383
#261127 13:30:35 server id 1  end_log_pos 400 CRC32 0x4393cafd 	Xid = 21
"""


def column(number, kind, unsigned=False):
    return {"number": number, "kind": kind, "unsigned": unsigned}


TABLES = [
    {"database": "nova", "table": "instances", "key": [column(1, "int", True)]},
    {"database": "nova", "table": "odd `name", "key": [column(1, "varchar"), column(2, "int")]},
]
SINCE = {"file": "bin.000001", "position": 2048}


@pytest.fixture
def binlog():
    return Node().modules["octane_binlog"]


def parse(binlog, text, until=("bin.000002", 4), tables=TABLES):
    lines = text.splitlines(keepends=True)
    return binlog.parse(lines, tables, ["nova"], SINCE, {"file": until[0], "position": until[1]})


def test_rows_are_known_by_their_keys_and_whether_they_are_there(binlog):
    ended, found = parse(binlog, LOG + NEXT % b"BEGIN")
    assert ended and not found.statements and not found.whole
    keys = {("4294967295",): True, ("2",): False, ("77",): True, ("9",): True, ("3",): False}
    assert found.keys["nova", "instances"] == keys
    assert found.keys["nova", "odd `name"] == {("4d756c6c", "-5"): True}
    assert found.gone == {("nova", "instances")} and len(found.touched) == 2


def test_an_update_of_columns_that_may_change_alone_is_told_apart(binlog):
    table = {**TABLES[0], "numbers": {1, 2}, "tolerated": {2: "status"}}
    changed = LOG.replace(b"###   @2='b'\n### UPDATE", b"###   @2='c'\n### UPDATE", 1)
    for text, tolerated in (
        (changed.replace(b"@1=77", b"@1=2"), {("nova", "instances"): {"status"}}),
        (changed, {}),
        (LOG, {}),
    ):
        _, found = parse(binlog, text, ("bin.000001", 2627), [table, TABLES[1]])
        assert found.tolerated == tolerated and (("2",) not in found.keys["nova", "instances"]) == bool(tolerated)
        # Its rows are not complete.
        assert found.keys["nova", "instances"]["9",] is True


def test_what_comes_after_the_end_is_left_alone(binlog):
    ended, found = parse(binlog, LOG, ("bin.000001", 2296))
    assert ended and found.keys["nova", "instances"] == {("4294967295",): True}
    ended, _ = parse(binlog, LOG, ("bin.000002", 400))
    assert not ended, "a log that ends early proves nothing"


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        (b"ALTER TABLE nova.instances ADD x INT", 1),
        (b"/* by hand */\nALTER TABLE\n  `nova`.instances ADD x INT", 1),
        (b"use `nova`/*!*/;\nDROP TABLE other.x, y", 1),
        (b"/*!50001 CREATE VIEW nova.v AS SELECT 1 */", 1),
        (b"CREATE USER octane_0123abcd@localhost", 0),
        (b"use `nova`/*!*/;\nCOMMIT", 0),
        (b"use `glance`/*!*/;\nALTER TABLE images ADD x INT", 0),
    ],
)
def test_statements_that_concern_the_databases_are_counted_once(binlog, statement, count):
    _, found = parse(binlog, LOG + NEXT % statement, ("bin.000002", 400))
    assert found.statements == count


def test_other_databases_that_were_written_to_are_named(binlog):
    _, found = parse(binlog, LOG + NEXT % b"CREATE USER octane_0123abcd@localhost", ("bin.000002", 400))
    assert found.elsewhere == {"ceilometer", "mysql"}
    _, found = parse(binlog, LOG + NEXT % b"use `glance`/*!*/;\nALTER TABLE images ADD x INT", ("bin.000002", 400))
    assert found.elsewhere == {"ceilometer", "glance"}


def test_a_table_that_is_not_there_now_came_or_went(binlog):
    _, found = parse(binlog, LOG, tables=TABLES[:1])
    assert found.statements == 1


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (b"'it's'", "varchar", b"it's".hex()),
        (b"'back\\slash'", "varchar", None),
        (b"NULL", "varchar", None),
        (b"-5 (251)", "tinyint", "-5"),
        (b"2015-01-01 00:00:00", "timestamp", None),
        (b"1.5", "decimal", None),
    ],
)
def test_a_value_that_cannot_be_told_for_sure_is_none(binlog, text, kind, value):
    assert binlog.decode(text, kind) == value


def test_a_table_with_too_many_rows_or_an_unknown_key_is_taken_as_a_whole(binlog):
    changes = binlog.Changes()
    for number in range(binlog.MAX_KEYS):
        changes.row(TABLES[0], (str(number),), True)
    changes.row(TABLES[1], ("61", "1"), True)
    assert changes.whole == {("nova", "odd `name")}, "the first come stays known"
    changes.row(TABLES[0], None, True)
    assert len(changes.whole) == 2 and not changes.keys


def test_cascades_reach_children_and_theirs(binlog):
    ports, bindings, levels = ("neutron", "ports"), ("neutron", "bindings"), ("neutron", "levels")
    references = {ports: [(bindings, False)], bindings: [(levels, False)]}
    for gone, reached in ((set(), set()), ({ports}, {bindings, levels})):
        changes = binlog.Changes()
        changes.touched, changes.gone = {ports}, gone
        changes.cascade(references)
        assert changes.whole == reached


def test_a_long_value_takes_no_memory(binlog):
    class Stream:
        parts = iter([b"### x" + b"y" * 100, b"z" * 100, b"z\n", b"last\n", b""])

        def readline(self, size):
            assert size == binlog.MAX_LINE
            return next(self.parts)

    assert [line[:5] for line in binlog.lines(Stream())] == [b"### x", b"last\n"]
