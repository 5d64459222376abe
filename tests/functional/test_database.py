"""
Two real MariaDB servers: what is read of them, and databases moved between them through the encrypted stream.
"""

import subprocess
import threading

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.mariadb import NEEDED, Cutter, move, two_servers, until
from tests.functional.wire import Tap

pytestmark = NEEDED
SCHEMA = r"""
CREATE DATABASE nova CHARACTER SET utf8;
USE nova;
CREATE TABLE instances (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(255), data LONGBLOB, deleted INT DEFAULT 0);
CREATE TABLE `odd ``name` (id INT PRIMARY KEY);
CREATE TABLE services (id INT PRIMARY KEY, `binary` VARCHAR(50), host VARCHAR(255), deleted INT DEFAULT 0);
CREATE TABLE alembic_version (version_num VARCHAR(32));
CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INT);
CREATE VIEW live AS SELECT id FROM instances WHERE deleted = 0;
INSERT INTO instances (name, data) VALUES ('tab\there', X'00FF0A27225C'), ('Grüße', NULL), ('''quote''', '\\');
INSERT INTO `odd ``name` VALUES (1);
INSERT INTO services VALUES (1, 'nova-conductor', 'node-1.domain.tld', 0), (2, 'nova-compute', 'node-7.domain.tld', 0),
  (3, 'nova-scheduler', 'node-1.domain.tld', 3);
INSERT INTO alembic_version VALUES ('13863f4e1612');
INSERT INTO migrate_version VALUES ('nova', '/somewhere', 280);
DELIMITER //
CREATE TRIGGER named BEFORE INSERT ON instances FOR EACH ROW SET NEW.name = COALESCE(NEW.name, 'unnamed')//
CREATE PROCEDURE counted() SELECT COUNT(*) FROM instances//
DELIMITER ;
CREATE DATABASE `glance-2`;
CREATE TABLE `glance-2`.images (id CHAR(36) PRIMARY KEY);
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with two_servers(tmp_path_factory.mktemp("mariadb")) as pair:
        yield pair


@pytest.fixture
def old(servers):
    servers[0].sql("DROP DATABASE IF EXISTS nova; DROP DATABASE IF EXISTS `glance-2`;" + SCHEMA)
    return servers[0]


@pytest.fixture
def new(servers):
    servers[1].sql("DROP DATABASE IF EXISTS nova; DROP DATABASE IF EXISTS `glance-2`; DROP DATABASE IF EXISTS mine;")
    return servers[1]


def test_what_a_database_holds_is_read(old):
    assert old.call("databases") == ["glance-2", "nova"]
    assert "odd `name" in old.call("tables", "nova") and "live" not in old.call("tables", "nova")
    heads = {"alembic": ["13863f4e1612"], "migrate": {"nova": 280}}
    assert old.call("schema_heads", "nova") == heads
    compared = old.call("compare_schemas", [{"database": "nova", "package": "nova", "directory": "db/migrations"}])
    error = "no command of nova is installed on this node"
    assert compared == {"nova": {"found": heads, "wanted": None, "error": error}}
    assert old.call("sizes")["nova"] > 0 and old.call("free_space")["bytes"] > 0
    assert old.call("wsrep")["enabled"] is False and old.call("last_committed") is None


def test_names_that_would_end_a_statement_are_refused(old):
    for name in ("nova`; DROP DATABASE nova; -- ", "-e", "a/b", ""):
        with pytest.raises(CommandExecutionError):
            old.call("schema_heads", name)
    assert "nova" in old.call("databases")


def test_copies_are_equal_down_to_every_table(old, new):
    sent, received = move(old, new, ["nova", "glance-2"])
    assert (sent["bytes"], sent["sha256"]) == (received["bytes"], received["sha256"]) and sent["bytes"] > 1000
    for question in ("checksums", "row_counts"):
        ours, theirs = (one.call(question, ["nova", "glance-2"]) for one in (old, new))
        assert old.call("compare", ours, theirs)["equal"] and ours["nova"]["instances"]
    assert new.call("row_counts", ["nova"])["nova"] == {**old.call("row_counts", ["nova"])["nova"]}
    new.sql("INSERT INTO nova.instances (name) VALUES (NULL); CALL nova.counted();")
    rows = new.node.call("octane_mysql.query", "SELECT name FROM nova.instances ORDER BY id")
    assert [row["name"] for row in rows] == ["tab\there", "Grüße", "'quote'", "unnamed"]


def test_a_difference_is_named(old, new):
    move(old, new, ["nova"])
    new.sql("UPDATE nova.instances SET name = 'other' WHERE id = 1; DROP TABLE nova.services;")
    found = new.call("compare", old.call("checksums", ["nova"]), new.call("checksums", ["nova"]))
    assert found == {"equal": False, "missing": ["nova.services"], "extra": [], "different": ["nova.instances"]}


def test_no_key_and_no_data_stay_behind(old, new):
    move(old, new, ["nova"])
    assert not list((old.root / "streams").iterdir())
    left = [path.name for folder in (new.root / "streams").iterdir() for path in folder.iterdir()]
    assert "key.pem" not in left and "order.json" not in left
    for path in (new.root / "streams").glob("*/*"):
        assert "instances" not in path.read_text()
    assert (new.root / "streams").stat().st_mode & 0o777 == 0o700


def test_progress_is_told_with_numbers_alone(old, new):
    old.events.clear()
    move(old, new, ["nova"])
    assert old.events and set(old.events[0]) == {"tag", "kind", "bytes", "expected", "seconds"}


def test_databases_that_are_there_are_replaced_only_when_that_was_said(old, new):
    new.sql("CREATE DATABASE nova; CREATE TABLE nova.precious (id INT);")
    certificate = old.call("identity")["certificate"]
    with pytest.raises(CommandExecutionError, match="nova already"):
        new.call("receive", ["nova"], "127.0.0.1", certificate, server=new.identifier())
    with pytest.raises(CommandExecutionError, match="meant for"):
        new.call("receive", ["nova"], "127.0.0.1", certificate, server=old.identifier(), replace=True)
    assert new.call("tables", "nova") == ["precious"]
    move(old, new, ["nova"], replace=True)
    assert "precious" not in new.call("tables", "nova")


def test_a_sender_with_another_certificate_gets_nowhere_and_the_right_one_still_does(old, new):
    expected, other = old.call("identity"), old.call("identity")
    receiver = new.call("receive", ["nova"], "127.0.0.1", expected["certificate"], server=new.identifier())
    address = ("127.0.0.1", receiver["port"], receiver["certificate"])
    with pytest.raises(CommandExecutionError, match="sending nova"):
        old.call("send", ["nova"], *address, other["identity"], timeout=20)
    assert "nova" not in new.call("databases")
    old.call("send", ["nova"], *address, expected["identity"], timeout=60)
    assert "nova" in new.call("databases")


def test_a_receiver_with_another_certificate_gets_no_data(old, new):
    identity, stranger = old.call("identity"), old.call("identity")
    receiver = new.call("receive", ["nova"], "127.0.0.1", identity["certificate"], server=new.identifier())
    port = receiver["port"]
    with pytest.raises(CommandExecutionError, match="certificate"):
        old.call("send", ["nova"], "127.0.0.1", port, stranger["certificate"], identity["identity"], timeout=20)
    new.call("abandon", receiver["ticket"])
    assert "nova" not in new.call("databases")


def test_a_stream_cut_in_the_middle_fails_on_both_sides_and_leaves_no_half_database(old, new):
    old.sql("INSERT INTO nova.instances (data) SELECT REPEAT(UUID(), 50000) FROM nova.seq_1_to_10;")
    identity = old.call("identity")
    receiver = new.call("receive", ["nova"], "127.0.0.1", identity["certificate"], server=new.identifier())
    cutter = Cutter(receiver["port"], 1_000_000)
    cutter.start()
    with pytest.raises(CommandExecutionError, match="sending nova"):
        old.call("send", ["nova"], "127.0.0.1", cutter.port, receiver["certificate"], identity["identity"], timeout=60)
    with pytest.raises(CommandExecutionError, match="dropped again"):
        new.call("received", receiver["ticket"])
    assert "nova" not in new.call("databases")


SECRET = "a row that nobody on the way may read"


def test_no_row_can_be_read_on_the_way(old, new):
    # Of random bytes, so that their number tells whether all that went through was looked at.
    old.sql(
        f"INSERT INTO nova.instances (name, data) VALUES ('{SECRET}', RANDOM_BYTES(1024));"
        "INSERT INTO nova.instances (name, data) SELECT UUID(), RANDOM_BYTES(1024) FROM nova.seq_1_to_1000;"
    )
    identity = old.call("identity")
    receiver = new.call("receive", ["nova"], "127.0.0.1", identity["certificate"], server=new.identifier())
    tap = Tap(receiver["port"])
    old.call("send", ["nova"], "127.0.0.1", tap.port, receiver["certificate"], identity["identity"], timeout=60)
    new.call("received", receiver["ticket"])
    arrived = new.node.call("octane_mysql.query", f"SELECT COUNT(*) AS c FROM nova.instances WHERE name = '{SECRET}'")
    assert arrived == [{"c": "1"}]
    assert tap.reveals(SECRET, "instances") == [] and tap.encrypted() > 1_000_000


def test_a_dump_that_fails_is_no_success_of_anybody(old, new):
    old.sql("CREATE VIEW nova.broken AS SELECT id FROM nova.services; DROP TABLE nova.services;")
    with pytest.raises(CommandExecutionError, match="mysqldump failed"):
        move(old, new, ["nova"])
    assert "nova" not in new.call("databases")


def test_a_writer_is_seen_and_a_reader_is_not(old):
    options = old.node.call("octane_mysql.options")
    with subprocess.Popen(["mysql", *options, "nova"], stdin=subprocess.PIPE, text=True) as client:
        assert client.stdin
        client.stdin.write("SELECT id FROM instances;\n")
        client.stdin.flush()
        until(lambda: old.call("sessions", ["nova"]), "the session")
        assert old.call("writers") == []
        client.stdin.write("BEGIN; UPDATE instances SET name = 'secret words' WHERE id = 1;\n")
        client.stdin.flush()
        until(lambda: old.call("writers"), "the open transaction")
        found = old.call("writers")
        assert [one["database"] for one in found] == ["nova"] and "secret words" not in str(found)
        client.stdin.write("COMMIT;\n")
        client.stdin.flush()
        until(lambda: not old.call("writers"), "the end of the transaction")
        client.stdin.close()


def test_rows_of_hosts_that_are_gone_are_found_and_deleted_by_name(old):
    wanted = [{"database": "nova", "table": "services", "host": "host", "where": {"binary": ["nova-conductor"]}}]
    found = old.call("stale", wanted, ["node-1.domain.tld"])
    row = {"database": "nova", "table": "services", "id": "1", "binary": "nova-conductor", "host": "node-1.domain.tld"}
    assert found == [row]
    assert old.call("delete_stale", [{**row, "host": "node-9.domain.tld"}]) == {"deleted": 0}
    assert old.call("delete_stale", [row]) == {"deleted": 1}
    assert old.call("stale", wanted, ["node-1.domain.tld"]) == []


def test_databases_are_dropped_on_the_server_that_is_meant_and_nowhere_else(old, new):
    result = old.node.state("octane_db.absent_databases", "x", databases=["nova"], server=new.identifier())
    assert result["result"] is False and "meant for" in result["comment"]
    result = old.node.state("octane_db.absent_databases", "x", databases=["nova"], server=old.identifier(), test=True)
    assert result["result"] is None and "nova" in old.call("databases")
    old.node.state("octane_db.absent_databases", "x", databases=["nova"], server=old.identifier())
    assert old.call("databases") == ["glance-2"]


def test_only_idle_clients_of_the_databases_are_sent_away(old):
    options = old.node.call("octane_mysql.options")
    with (
        subprocess.Popen(["mysql", *options, "nova"], stdin=subprocess.PIPE, text=True) as busy,
        subprocess.Popen(["mysql", *options, "nova"], stdin=subprocess.PIPE, text=True) as idle,
    ):
        busy.stdin.write("BEGIN; UPDATE instances SET name = 'x' WHERE id = 1;\n")
        busy.stdin.flush()
        idle.stdin.write("SELECT id FROM instances;\n")
        idle.stdin.flush()
        until(lambda: old.call("writers") and len(old.call("sessions", ["nova"])) == 2, "both sessions")
        assert old.node.call("octane_sessions.release", ["nova"]) == {"ended": 1, "left": 1}
        until(lambda: len(old.call("sessions", ["nova"])) == 1, "the idle session to end")
        assert old.call("writers") and old.node.call("octane_sessions.release", ["keystone"])["ended"] == 0
        busy.stdin.close()
        idle.stdin.close()


def test_a_receiver_that_outlived_its_run_takes_back_what_it_had_loaded_before_another_begins(old, new):
    old.sql("INSERT INTO nova.instances (data) SELECT REPEAT(UUID(), 50000) FROM nova.seq_1_to_10;")
    identity = old.call("identity")
    receiver = new.call("receive", ["nova"], "127.0.0.1", identity["certificate"], server=new.identifier())
    where = ("127.0.0.1", receiver["port"], receiver["certificate"], identity["identity"])
    sending = threading.Thread(target=_send_in_vain, args=(old, where))
    sending.start()
    until(lambda: "nova" in new.call("databases"), "the copy to arrive")
    assert new.node.call("octane_stream.end") == [receiver["ticket"]]
    assert "nova" not in new.call("databases")
    sending.join(60)
    assert new.call("drop", ["nova"], new.identifier()) == []


def _send_in_vain(old, where):
    with pytest.raises(CommandExecutionError, match="sending nova"):
        old.call("send", ["nova"], *where, timeout=60, limit=200_000)
