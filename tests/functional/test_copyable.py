"""
What a copy of databases would lose, or could not be loaded: told by name on real servers before anything is copied, and
copied it is lost or fails indeed.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.mariadb import NEEDED, move, two_servers

pytestmark = NEEDED
CLEAN = r"""
CREATE DATABASE nova CHARACTER SET latin1;
CREATE DATABASE glance;
USE nova;
CREATE TABLE hosts (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE `it's; "odd", a.b -- ``c``` (id INT PRIMARY KEY, `x y;``z` INT, twice INT AS (id * 2) PERSISTENT,
  thrice INT AS (id * 3) VIRTUAL, words VARCHAR(20) CHARACTER SET latin1);
INSERT INTO hosts VALUES (1, 'from `other`.`table`');
INSERT INTO `it's; "odd", a.b -- ``c``` (id, words) VALUES (1, 'Grüße');
CREATE VIEW live AS SELECT h.id, 'from `x`.`y`' AS said FROM hosts h JOIN `it's; "odd", a.b -- ``c``` o ON o.id = h.id;
CREATE DEFINER=nobody@nowhere SQL SECURITY INVOKER VIEW asked AS SELECT id FROM hosts;
CREATE TRIGGER named BEFORE INSERT ON hosts FOR EACH ROW SET NEW.name = COALESCE(NEW.name, 'unnamed');
CREATE PROCEDURE counted() SELECT COUNT(*) FROM hosts;
CREATE EVENT sometimes ON SCHEDULE EVERY 1 YEAR DISABLE DO DELETE FROM hosts;
CREATE TABLE glance.images (id INT PRIMARY KEY, host INT, FOREIGN KEY (host) REFERENCES nova.hosts (id));
CREATE VIEW glance.where_they_are AS SELECT i.id FROM glance.images i, nova.hosts h WHERE i.host = h.id;
"""
NAMES = ["nova", "glance"]
OTHERS = ("elsewhere", *NAMES)

FOUND = {
    "names": (
        "CREATE TABLE `a/b` (id INT); CREATE TABLE `-x` (id INT); CREATE TABLE `NULL` (id INT); "
        "CREATE TABLE `a\\b` (id INT); CREATE TABLE t (id INT, `line\nend` INT, `NULL` INT);",
        ["nova.a/b", "nova.-x", "nova.NULL", "nova.a\\b", "nova.t.line\nend", "nova.t.NULL"],
    ),
    "special": (
        "CREATE SEQUENCE s; CREATE TABLE history (id INT) WITH SYSTEM VERSIONING;",
        ["nova.history (SYSTEM VERSIONED)", "nova.s (SEQUENCE)"],
    ),
    "beyond": (
        "CREATE DATABASE elsewhere; CREATE TABLE elsewhere.t (id INT PRIMARY KEY);"
        "CREATE TABLE child (id INT, FOREIGN KEY (id) REFERENCES elsewhere.t (id));"
        "CREATE VIEW far AS SELECT t.id FROM (hosts JOIN elsewhere.t ON hosts.id = t.id);"
        "CREATE VIEW on_a_view AS SELECT id FROM glance.where_they_are;",
        [
            "a foreign key of nova.child to elsewhere",
            "the view nova.far to elsewhere.t",
            "the view nova.on_a_view to glance.where_they_are",
        ],
    ),
    "events": ("CREATE EVENT often ON SCHEDULE EVERY 1 DAY DO DELETE FROM hosts;", ["nova.often"]),
}


@pytest.fixture(scope="module")
def servers(in_memory):
    with two_servers(in_memory, ["--log-bin=binlog", "--server-id=1"]) as pair:
        yield pair


@pytest.fixture
def old(servers):
    empty(servers[0])
    servers[0].sql(f"SET NAMES utf8mb4; {CLEAN}")
    yield servers[0]
    empty(servers[0])


@pytest.fixture
def new(servers):
    empty(servers[1])
    return servers[1]


def empty(server):
    drops = (f"DROP DATABASE IF EXISTS {name};" for name in OTHERS)
    server.sql(f"SET foreign_key_checks = 0; {''.join(drops)} DROP USER IF EXISTS who@'%';")


def found(server):
    """Kinds of which there is something, and their names."""
    return {kind: names for kind, names in server.node.call("octane_copyable.source", NAMES)["found"].items() if names}


def plant(server, sql):
    server.sql(f"USE nova; {sql}")


def equal(old, new):
    return old.call("compare", old.call("checksums", NAMES), new.call("checksums", NAMES))["equal"]


def test_odd_names_generated_columns_views_and_programs_are_copied_and_no_finding(old, new):
    looked = old.node.call("octane_copyable.source", NAMES)
    assert found(old) == {} and set(looked["engines"]) == {"InnoDB"} and len(looked["engines"]["InnoDB"]) == 3
    assert set(looked["definers"]) == {"root@localhost"}
    assert looked["definers"]["root@localhost"] == [
        "event nova.sometimes",
        "routine nova.counted",
        "trigger nova.named",
        "view glance.where_they_are",
        "view nova.live",
    ]
    takes = new.node.call("octane_copyable.target", list(looked["definers"]))
    assert takes["missing"] == [] and {"InnoDB", "MyISAM"} <= set(takes["engines"])
    assert takes["settings"] == looked["settings"] and len(takes["settings"]) == 4
    move(old, new, NAMES)
    assert equal(old, new)
    assert found(new) == {}, "nothing of it is made on the way"


@pytest.mark.parametrize("kind", FOUND)
def test_what_cannot_be_copied_is_told_by_its_name(old, kind):
    sql, names = FOUND[kind]
    plant(old, sql)
    assert {kind: sorted(told) for kind, told in found(old).items()} == {kind: sorted(names)}


@pytest.mark.parametrize("kind", ["names", "special", "beyond"])
def test_and_copied_it_fails_or_something_of_it_is_lost(old, new, kind):
    plant(old, FOUND[kind][0])
    plant(old, "" if kind != "special" else "INSERT INTO history VALUES (1); UPDATE history SET id = 2;")
    with pytest.raises((CommandExecutionError, AssertionError, TypeError)):
        move(old, new, NAMES)
        assert equal(old, new)
        query = "SELECT COUNT(*) AS c FROM nova.history FOR SYSTEM_TIME ALL"
        ours, theirs = (one.node.call("octane_mysql.query", query) for one in (old, new))
        assert ours == theirs


@pytest.mark.parametrize(
    ("sql", "name", "words"),
    [
        ("CREATE TABLE gone (id INT); CREATE VIEW v AS SELECT id FROM gone; DROP TABLE gone;", "nova.v", "1356"),
        (
            "CREATE TABLE less (id INT, a INT); CREATE VIEW v AS SELECT a FROM less; ALTER TABLE less DROP a;",
            "nova.v",
            "1356",
        ),
        ("CREATE DEFINER=who@`%` VIEW v AS SELECT id FROM hosts;", "nova.v", "1449"),
    ],
)
def test_a_view_that_cannot_be_read_is_told_with_the_servers_words(old, sql, name, words):
    plant(old, sql)
    (told,) = found(old)["views"]
    assert told.startswith(f"{name} ({words}")


def test_a_table_that_the_server_cannot_open_is_told(old, servers):
    plant(old, "CREATE TABLE broken (id INT) ENGINE=MyISAM; FLUSH TABLES;")
    (servers[0].root / "data" / "nova" / "broken.MYI").unlink()
    assert found(old) == {"unopened": ["nova.broken"]}


def test_tables_are_told_by_their_engine(old):
    plant(old, "CREATE TABLE flat (id INT) ENGINE=MyISAM; CREATE TABLE lost (id INT) ENGINE=MEMORY;")
    engines = old.node.call("octane_copyable.source", NAMES)["engines"]
    assert (engines["MyISAM"], engines["MEMORY"]) == (["nova.flat"], ["nova.lost"])


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        (
            "CREATE DEFINER=who@`%` TRIGGER t BEFORE INSERT ON hosts FOR EACH ROW SET NEW.id = NEW.id;",
            ["trigger nova.t"],
        ),
        ("CREATE DEFINER=who@`%` PROCEDURE p() SELECT 1;", ["routine nova.p"]),
        ("CREATE DEFINER=who@`%` EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1;", ["event nova.e"]),
        ("CREATE DEFINER=who@`%` VIEW v AS SELECT id FROM hosts;", ["view nova.v"]),
    ],
)
def test_what_runs_as_an_account_that_the_seed_does_not_have_is_told(old, new, sql, names):
    old.sql("CREATE USER who@'%';")
    plant(old, sql)
    looked = old.node.call("octane_copyable.source", NAMES)
    assert looked["definers"]["who@%"] == names
    asked = sorted(looked["definers"])
    assert new.node.call("octane_copyable.target", asked)["missing"] == ["who@%"]
    new.sql("CREATE USER who@localhost;")
    assert new.node.call("octane_copyable.target", asked)["missing"] == ["who@%"], "which is another account"
    new.sql("DROP USER who@localhost; CREATE USER who@'%';")
    assert new.node.call("octane_copyable.target", asked)["missing"] == []


def test_a_trigger_of_an_account_that_is_missing_lets_nobody_write(old, new):
    """Nothing of the copy itself fails by it, but what writes to the table afterwards does: a migration, a service."""
    old.sql("CREATE USER who@'%';")
    trigger = "CREATE DEFINER=who@`%` TRIGGER t BEFORE INSERT ON images FOR EACH ROW SET NEW.id = NEW.id + 1;"
    old.sql(f"USE glance; {trigger}")
    move(old, new, NAMES)
    assert equal(old, new)
    with pytest.raises(CommandExecutionError, match="definer"):
        new.node.call("octane_mysql.execute", "INSERT INTO glance.images (id) VALUES (1)")


def test_a_server_that_takes_no_rows_says_so(new):
    new.sql("SET GLOBAL local_infile = 0;")
    try:
        assert new.node.call("octane_copyable.target", [])["settings"]["local_infile"] == "OFF"
    finally:
        new.sql("SET GLOBAL local_infile = 1;")


def test_without_the_program_that_copies_them_views_and_programs_are_told(old, monkeypatch):
    real = old.node.modules["octane_copyable"].shutil.which
    monkeypatch.setattr(
        old.node.modules["octane_copyable"].shutil,
        "which",
        lambda name, *given, **options: None if name == "mysqldump" else real(name, *given, **options),
    )
    (told,) = found(old).values()
    views = ["view glance.where_they_are", "view nova.asked", "view nova.live"]
    assert told == ["event nova.sometimes", "routine nova.counted", "trigger nova.named", *views]


def test_nothing_is_changed_by_a_look(old):
    before = old.node.call("octane_source.position")
    old.node.call("octane_copyable.source", NAMES)
    old.node.call("octane_copyable.target", ["root@localhost"])
    assert old.node.call("octane_source.position") == before
