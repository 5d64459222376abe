"""
A copy followed by a replica between two real MariaDB servers, through the tunnel, and both proven equal by the log.
"""

import contextlib
import dataclasses
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
from salt.exceptions import CommandExecutionError

from octane.errors import Failed, InvariantBroken
from octane.procedure import db, replica, standstill, tables, way
from octane.procedure.proof import PROVEN
from octane.procedure.tables import COPIED
from octane.procedure.way import REPLICATING
from tests.functional.mariadb import MISSING, Cutter, clients_of, two_servers, until
from tests.functional.test_database import SCHEMA
from tests.functional.wire import Tap
from tests.memory import LIMIT, largest, watched
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, node

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(
        not any(map(shutil.which, ("mysqlbinlog", "mariadb-binlog"))), reason="needs a reader of binary logs"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
DATABASES = ["glance-2", "nova"]
ACCOUNT = "octane_0123abcd"
# Rows may be as wide as those of a cloud. One value at all times: where the log holds rows that are wider than what the
# server takes now, mysqldump --master-data, which stands for the stream's own part here, dies of a signal (10.11).
LOG = ("--log-bin=mysql-bin", "--binlog-format=ROW", "--server-id=1", "--max-allowed-packet=64M")
MORE = r"""
SET NAMES utf8mb4;
USE nova;
CREATE TABLE ports (id CHAR(36) PRIMARY KEY, name VARCHAR(255)) CHARACTER SET latin1;
CREATE TABLE bindings (id INT PRIMARY KEY AUTO_INCREMENT, port CHAR(36) CHARACTER SET latin1,
  FOREIGN KEY (port) REFERENCES ports (id) ON DELETE CASCADE);
CREATE TABLE heartbeats (host VARCHAR(50) PRIMARY KEY, beat INT);
CREATE TABLE signed_pair (a TINYINT, b VARCHAR(20), c TEXT, PRIMARY KEY (a, b)) CHARACTER SET utf8mb4;
INSERT INTO ports VALUES ('p1', 'Grüße'), ('p2', 'x');
INSERT INTO bindings (port) VALUES ('p1'), ('p2');
INSERT INTO heartbeats VALUES ('node-1', 1);
INSERT INTO signed_pair VALUES (-5, 'it''s', 'a'), (-5, 'b\\s', 'b'), (7, '😀', '😀');
CREATE DATABASE ceilometer;
CREATE TABLE ceilometer.meters (id INT PRIMARY KEY);
"""
# Expendable, as a path says it.
SKIP = {"nova": ["heartbeats"]}
TOLERATED = {"nova": {"floatingips": ["status"], "attributes": ["revision", "updated_at"]}}
REPORTED = """
USE nova;
CREATE TABLE floatingips (id CHAR(36) PRIMARY KEY, address VARCHAR(64), status VARCHAR(16), note MEDIUMTEXT);
CREATE TABLE attributes (id BIGINT PRIMARY KEY, description VARCHAR(255), revision BIGINT, updated_at DATETIME(6));
INSERT INTO floatingips VALUES ('f1', '198.51.100.1', 'DOWN', REPEAT('x', 70000)), ('f2', NULL, NULL, NULL);
INSERT INTO attributes VALUES (1, 'mine', 1, '2024-01-01');
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with two_servers(tmp_path_factory.mktemp("replica"), LOG, ["--server-id=1", LOG[-1]]) as pair:
        yield pair


@pytest.fixture
def old(servers):
    drop = "".join(f"DROP DATABASE IF EXISTS `{name}`;" for name in (*DATABASES, "ceilometer"))
    servers[0].sql(drop + SCHEMA + MORE)
    yield servers[0]
    servers[0].node.call("octane_proof.abandon")
    servers[0].node.call("octane_tunnel.end")
    servers[0].node.call("octane_source.dismiss", ACCOUNT)


@pytest.fixture
def new(servers):
    servers[1].sql("".join(f"DROP DATABASE IF EXISTS `{name}`;" for name in (*DATABASES, "ceilometer")))
    yield servers[1]
    servers[1].node.call("octane_proof.abandon")
    servers[1].node.call("octane_replica.remove")
    servers[1].node.call("octane_tunnel.end")


def copy(old, new):
    """A consistent copy and its place in the log: the stream's own part, done here by the plain tools."""
    dump = [
        "mysqldump",
        *old.node.call("octane_mysql.options"),
        "--single-transaction",
        "--master-data=2",
        "--routines",
    ]
    dump += ["--hex-blob", "--default-character-set=utf8mb4", "--databases", *DATABASES]
    data = subprocess.run(dump, check=True, capture_output=True).stdout
    load = ["mysql", *new.node.call("octane_mysql.options"), "--default-character-set=utf8mb4"]
    subprocess.run(load, input=data, check=True)
    found = re.search(rb"MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)", data)
    return {"file": found[1].decode(), "position": int(found[2])}


def connect(old, new, rate=0):
    """The tunnel and the account; the port that leads to the old server."""
    identity = new.node.call("octane_stream.identity")
    serving = old.node.call("octane_tunnel.serve", "127.0.0.1", identity["certificate"], rate=rate)
    joined = new.node.call(
        "octane_tunnel.join", "127.0.0.1", serving["port"], serving["certificate"], identity["identity"]
    )
    old.node.call("octane_source.admit", ACCOUNT, new.node.call("octane_replica.prepare")["hash"])
    return joined["port"]


def replicate(old, new):
    port = connect(old, new)
    new.node.call("octane_replica.start", ACCOUNT, copy(old, new), port, DATABASES)
    until(lambda: new.node.call("octane_replica.status")["running"], "replication")


def caught_up(old, new):
    return new.node.call("octane_replica.wait_for", old.node.call("octane_source.position"), 30)


def prove(old, new, since=None):
    """One round; the answers of both sides."""
    new.node.call("octane_replica.hold")
    begun = old.node.call("octane_proof.source", DATABASES, SKIP, since)
    ours = old.node.call("octane_proof.finished", begun["ticket"], 60)
    there = new.node.call("octane_proof.target", DATABASES, begun["position"], ours["wanted"], SKIP)
    theirs = new.node.call("octane_proof.finished", there["ticket"], 60)
    return ours, theirs


class Writer(threading.Thread):
    """Writes rows one by one until told to stop, dozens a second; ``acknowledged`` are the ids
    that the server has confirmed."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ending, self.acknowledged = server, threading.Event(), []

    def run(self):
        command = ["mysql", *self.server.node.call("octane_mysql.options"), "--batch", "--unbuffered", "-N"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            while not self.ending.wait(0.01):
                number = 1_000_000 + len(self.acknowledged)
                client.stdin.write(
                    f"INSERT INTO nova.instances (id, name, data) VALUES ({number}, 'row {number}', REPEAT('x', 500));"
                    f"UPDATE nova.instances SET deleted = {number} WHERE id = {number - 3}; SELECT {number};\n"
                )
                client.stdin.flush()
                self.acknowledged.append(int(client.stdout.readline()))
            client.stdin.close()

    def stop(self):
        self.ending.set()
        self.join(30)


def big(server):
    """Rows enough for tables that are compared by rows rather than as a whole."""
    server.sql(
        "INSERT INTO nova.instances (name, data) SELECT UUID(), REPEAT(UUID(), 60) FROM nova.seq_1_to_2000;"
        "INSERT INTO nova.ports SELECT UUID(), REPEAT(UUID(), 7) FROM nova.seq_1_to_6000;"
        "INSERT INTO nova.signed_pair SELECT -9, CONCAT('Ä', seq), REPEAT(UUID(), 20) FROM nova.seq_1_to_3000;"
        "ANALYZE TABLE nova.instances, nova.ports, nova.signed_pair;"
    )


def test_rows_that_changed_are_compared_by_their_keys_and_a_difference_is_found(old, new):
    big(old)
    replicate(old, new)
    ours, theirs = prove(old, new)
    assert ours["sums"] == theirs["sums"]
    since = ours["position"]
    old.sql(
        "SET NAMES utf8mb4; USE nova; UPDATE signed_pair SET c = '😀' WHERE a = -9 AND b = 'Ä7';"
        "INSERT INTO signed_pair VALUES (5, 'it''s', NULL); UPDATE signed_pair SET b = 'Ä0' WHERE b = 'Ä8';"
        "DELETE FROM instances WHERE id = 2; UPDATE instances SET id = 4000000 WHERE id = 3;"
        "UPDATE ports SET name = 'Grüße 2' WHERE id = 'p2'; UPDATE heartbeats SET beat = 2;"
    )
    ours, theirs = prove(old, new, since)
    wanted = ours["wanted"]["nova"]
    assert ours["sums"] == theirs["sums"] and set(wanted) == {"instances", "ports", "signed_pair"}
    assert {name: (len(one["keys"]), one["there"]) for name, one in wanted.items()} == {
        "instances": (3, 1),
        "ports": (1, 1),
        "signed_pair": (4, 3),
    }
    # One value of one of these rows, beside replication.
    new.sql("UPDATE nova.ports SET name = 'Grusse 2' WHERE id = 'p2';")
    ours, theirs = prove(old, new, since)
    assert tables.moved(ours["sums"], theirs["sums"]) == ["nova.ports"]


def test_a_proof_reads_the_original_no_faster_than_it_may_on_the_average(old):
    big(old)
    names = ", ".join(f"'{name}'" for name in DATABASES)
    rows = old.node.call(
        "octane_mysql.query",
        f"SELECT SUM(data_length) AS size FROM information_schema.tables WHERE table_schema IN ({names})",
    )
    size, seconds, sums = int(rows[0]["size"]), {}, {}
    for limit in (size // 3, 0):
        began = time.monotonic()
        sums[limit] = old.node.call("octane_proof.source", DATABASES, SKIP, wait=True, limit=limit)["sums"]
        seconds[limit] = time.monotonic() - began
    # A table that nobody compares is not read, and has a page.
    assert seconds[size // 3] > 2.9 > seconds[0], seconds
    assert sums[size // 3] == sums[0]


def test_what_a_foreign_key_deletes_is_in_no_row_event_and_is_compared(old, new):
    big(old)
    replicate(old, new)
    since = prove(old, new)[0]["position"]
    old.sql("DELETE FROM nova.ports WHERE id = 'p1';")
    ours, theirs = prove(old, new, since)
    assert ours["sums"] == theirs["sums"] and set(ours["wanted"]["nova"]) == {"ports", "bindings"}
    assert old.node.call("octane_proof.changed", DATABASES, since)["tables"] == ["nova.bindings", "nova.ports"]


FLIP = "UPDATE nova.floatingips SET status = 'ACTIVE';"
BUMP = "UPDATE nova.attributes SET revision = revision + 1, updated_at = NOW(6);"


@pytest.mark.parametrize(
    ("statement", "tables", "expendable"),
    [
        ("UPDATE nova.floatingips SET status = 'ERROR' WHERE id = 'f2';", [], ["nova.floatingips (status)"]),
        (BUMP, [], ["nova.attributes (revision, updated_at)"]),
        ("UPDATE nova.attributes SET revision = 9;", [], ["nova.attributes (revision)"]),
        ("UPDATE nova.floatingips SET status = 'ERROR', address = 'a' WHERE id = 'f2';", ["nova.floatingips"], []),
        ("UPDATE nova.floatingips SET address = 'b' WHERE id = 'f2';", ["nova.floatingips"], []),
        ("UPDATE nova.floatingips SET id = 'f3', status = 'ERROR' WHERE id = 'f2';", ["nova.floatingips"], []),
        ("INSERT INTO nova.floatingips (id, status) VALUES ('f4', 'DOWN');", ["nova.floatingips"], []),
        ("DELETE FROM nova.floatingips WHERE id = 'f2';", ["nova.floatingips"], []),
        # What is cut off of a long value could have changed.
        ("UPDATE nova.floatingips SET status = 'ERROR' WHERE id = 'f1';", ["nova.floatingips"], []),
        # Without all columns in the log nobody can tell.
        (f"SET SESSION binlog_row_image = MINIMAL; {BUMP}", ["nova.attributes"], []),
        (
            f"{BUMP} UPDATE nova.attributes SET description = 'other';",
            ["nova.attributes"],
            ["nova.attributes (revision, updated_at)"],
        ),
        ("UPDATE nova.services SET host = 'other';", ["nova.services"], []),
    ],
)
def test_updates_of_columns_that_agents_report_are_told_from_all_other_writes(old, statement, tables, expendable):
    old.sql(REPORTED)
    since = old.node.call("octane_source.position")
    old.sql(statement)
    told = old.node.call("octane_proof.changed", DATABASES, since, SKIP, tolerated=TOLERATED)
    assert (told["tables"], told["expendable"]) == (tables, expendable)
    # Where nothing is said of it, it is a write as any other.
    told = old.node.call("octane_proof.changed", DATABASES, since, SKIP)
    assert told["tables"] and told["expendable"] == []


def test_after_a_change_of_a_schema_everything_is_compared_again(old, new):
    replicate(old, new)
    since = prove(old, new)[0]["position"]
    old.sql("ALTER TABLE nova.services ADD COLUMN topic VARCHAR(20);")
    old.sql("CREATE USER u@localhost; GRANT SELECT ON ceilometer.* TO u@localhost;")
    ours, theirs = prove(old, new, since)
    assert ours["statements"] == 1 and ours["wanted"] is None and ours["sums"] == theirs["sums"]
    rows = new.node.call("octane_mysql.query", "SELECT User FROM mysql.user WHERE User = 'u'")
    old.sql("DROP USER u@localhost;")
    assert rows == [], "accounts are not followed"


def replicating_through(old, new, listen):
    """A replica whose tunnel leads through what LISTEN makes of the original's port; returns that."""
    identity = new.node.call("octane_stream.identity")
    serving = old.node.call("octane_tunnel.serve", "127.0.0.1", identity["certificate"])
    between = listen(serving["port"])
    joined = new.node.call(
        "octane_tunnel.join", "127.0.0.1", between.port, serving["certificate"], identity["identity"]
    )
    old.node.call("octane_source.admit", ACCOUNT, new.node.call("octane_replica.prepare")["hash"])
    new.node.call("octane_replica.start", ACCOUNT, copy(old, new), joined["port"], DATABASES)
    return between


def test_a_replica_that_never_heard_the_source_is_at_its_place_but_does_not_follow(old, new):
    connect(old, new)
    place = copy(old, new)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        new.node.call("octane_replica.start", ACCOUNT, place, nobody.getsockname()[1], DATABASES)
        assert not new.node.call("octane_replica.wait_for", place, 5)["running"]
        with pytest.raises(CommandExecutionError, match="without the source"):
            new.node.call("octane_replica.wait_for", place, 1, connected=True)


def test_a_cut_tunnel_is_mended_by_itself_and_a_killed_one_by_the_next_start(old, new):
    between = replicating_through(old, new, Between)
    until(lambda: new.node.call("octane_replica.status")["running"], "replication")
    assert between.cut() == 1
    old.sql("INSERT INTO nova.instances (name) VALUES ('after the cut');")
    caught_up(old, new)
    assert between.cut() == 1
    between.server.close()
    for one in (old, new):
        one.node.call("octane_tunnel.end")
    old.sql("INSERT INTO nova.instances (name) VALUES ('after the end');")
    until(lambda: not new.node.call("octane_replica.status")["io"], "replication to notice")
    port = connect(old, new)
    new.node.call("octane_replica.start", ACCOUNT, None, port, DATABASES)
    caught_up(old, new)
    rows = new.node.call("octane_mysql.query", "SELECT name FROM nova.instances WHERE name LIKE 'after%'")
    assert [row["name"] for row in rows] == ["after the cut", "after the end"]


def test_no_row_can_be_read_on_the_way_through_a_tunnel(old, new):
    tap = replicating_through(old, new, Tap)
    secret = "a row that nobody on the way may read"
    old.sql(f"INSERT INTO nova.instances (name, data) VALUES ('{secret}', RANDOM_BYTES(1024));")
    caught_up(old, new)
    arrived = new.node.call("octane_mysql.query", f"SELECT COUNT(*) AS c FROM nova.instances WHERE name = '{secret}'")
    new.node.call("octane_replica.remove")
    for one in (new, old):
        one.node.call("octane_tunnel.end")
    assert arrived == [{"c": "1"}] and tap.reveals(secret, ACCOUNT, "instances") == []
    assert tap.encrypted() > 1024


def test_a_stranger_gets_into_no_tunnel(old, new):
    expected, stranger = new.node.call("octane_stream.identity"), new.node.call("octane_stream.identity")
    serving = old.node.call("octane_tunnel.serve", "127.0.0.1", expected["certificate"])
    joined = new.node.call(
        "octane_tunnel.join", "127.0.0.1", serving["port"], serving["certificate"], stranger["identity"]
    )
    greeting = subprocess.run(
        ["mysql", "--no-defaults", "-h127.0.0.1", f"-P{joined['port']}", "-uroot", "-e", "SELECT 1"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert greeting.returncode
    until(lambda: old.node.call("octane_tunnel.status")[0].get("connections") == 0, "the tunnel's count")
    new.node.call("octane_stream.abandon", expected["identity"])


def test_a_tunnel_takes_no_more_than_it_may(old, new):
    port = connect(old, new, rate=200_000)
    word = json.loads((new.root / "replica.json").read_text())["word"]
    (new.root / "account.cnf").write_text(f"[client]\nuser={ACCOUNT}\npassword={word}\n")
    ask = ["mysql", f"--defaults-file={new.root}/account.cnf", "-h127.0.0.1", f"-P{port}", "-N"]
    began = time.monotonic()
    done = subprocess.run([*ask, "-e", "SELECT REPEAT('x', 400000)"], capture_output=True, check=True, timeout=60)
    assert len(done.stdout) > 400_000 and time.monotonic() - began > 1.8
    refused = subprocess.run([*ask, "-e", "SELECT * FROM nova.services"], capture_output=True, check=False, timeout=60)
    assert b"denied" in refused.stderr


def test_no_process_of_a_proof_needs_much_memory_whatever_the_log_holds(old, new):
    """The text of what is changed here is half a gigabyte, of many rows and of few that are wide."""
    big(old)
    old.sql("CREATE TABLE nova.wide (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB);")
    replicate(old, new)
    since = prove(old, new)[0]["position"]
    with watched(clients_of(old, new)) as peaks:
        old.sql(
            "INSERT INTO nova.wide (data) VALUES (REPEAT(X'00', 40000000)), (REPEAT('\\\\', 30000000));"
            "INSERT INTO nova.wide (data) VALUES (REPEAT(X'01', 40000000));"
            "INSERT INTO nova.instances (name, data) SELECT UUID(), REPEAT(UUID(), 20) FROM nova.seq_1_to_60000;"
        )
        ours, theirs = prove(old, new, since)
    assert ours["sums"] == theirs["sums"] and set(ours["wanted"]["nova"]) == {"wide", "instances"}
    found = largest(peaks)
    assert {"octane_sums.py", "octane_channel.py", "mysql"} <= set(found), found
    assert any("binlog" in name for name in found) and max(found.values()) < LIMIT, found


def test_a_tunnel_holds_little_of_what_the_other_end_does_not_take(old, new):
    """Half a gigabyte is asked for and not read: it stays where it is."""
    port, size, count = connect(old, new), 10_000_000, 50
    word = json.loads((new.root / "replica.json").read_text())["word"]
    (new.root / "account.cnf").write_text(f"[client]\nuser={ACCOUNT}\npassword={word}\n")
    ask = ["mysql", f"--defaults-file={new.root}/account.cnf", "-h127.0.0.1", f"-P{port}", "-N", "--quick"]
    # One answer: the next statement would be sent only when the one before it has been read.
    rows = " UNION ALL ".join(["SELECT 1"] * count)
    ask += ["-e", f"SELECT REPEAT('x', {size}) FROM ({rows}) AS several"]

    def standing():
        """What both ends have passed on is the same as a second before."""
        before = [one.node.call("octane_tunnel.status")[0]["bytes"] for one in (old, new)]
        time.sleep(1.5)
        after = [one.node.call("octane_tunnel.status")[0]["bytes"] for one in (old, new)]
        return before == after and min(after) > size

    with (
        watched(clients_of(old, new)) as peaks,
        subprocess.Popen(ask, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as client,
    ):
        until(standing, "the flow to stand still")
        passed = max(one.node.call("octane_tunnel.status")[0]["bytes"] for one in (old, new))
        total = 0
        while data := client.stdout.read(1_000_000):
            total += len(data)
    assert total == (size + 1) * count and passed < total / 5
    found = largest(peaks)
    assert found["octane_channel.py"] < LIMIT, found


def test_the_secret_stays_where_it_is(old, new):
    replicate(old, new)
    assert "word" not in (new.root / "replica.json").read_text().replace('"word": null', "")
    info = (new.root / "data" / "master-octane.info").read_text().split("\n")
    word = next(line for line in info if re.fullmatch(r"[0-9a-f]{32}", line))
    for folder in (old.root, new.root):
        for path in [*folder.glob("streams/*/*"), folder / "replica.json"]:
            assert not path.exists() or word not in path.read_text()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
            assert word not in stream.read()
    grants = old.node.call("octane_mysql.query", f"SHOW GRANTS FOR '{ACCOUNT}'@'localhost'")
    assert len(grants) == 1 and "GRANT REPLICATION SLAVE ON *.* TO" in str(grants)


def test_a_server_that_follows_somebody_else_is_left_alone(old, new):
    new.sql("CHANGE MASTER 'theirs' TO MASTER_HOST='192.0.2.7', MASTER_USER='them';")
    try:
        found = new.node.call("octane_replica.able")
        assert found["reasons"] == ["this node's server replicates from 192.0.2.7 already"]
        with pytest.raises(CommandExecutionError, match=r"192\.0\.2\.7"):
            new.node.call("octane_replica.start", ACCOUNT, {"file": "a.1", "position": 4}, 1, DATABASES)
        new.node.call("octane_replica.remove")
        assert len(new.node.call("octane_mysql.query", "SHOW ALL SLAVES STATUS")) == 1
    finally:
        new.sql("RESET SLAVE 'theirs' ALL;")


class Between:
    """Stands between both ends of a tunnel and can cut all connections; the next ones go through again."""

    def __init__(self, target):
        self.target, self.pairs = target, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.server.accept()
                other = socket.create_connection(("127.0.0.1", self.target))
                self.pairs.append((client, other))
                for ends in ((client, other), (other, client)):
                    threading.Thread(target=Cutter.pump, args=ends, daemon=True).start()

    def cut(self):
        """How many connections there were."""
        count, self.pairs, cut = len(self.pairs), [], self.pairs
        for one in (end for pair in cut for end in pair):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        return count


def test_the_room_for_the_log_is_that_of_its_own_folder(old, new):
    for one in (old, new):
        found = one.node.call("octane_source.free_space")
        assert found["path"].rstrip("/") == str(one.root / "data"), "here the log is kept beside the data"
        assert found["bytes"] > 0


def test_able_and_why_not(old, new):
    found = old.node.call("octane_source.able", DATABASES)
    assert found["able"] and found["whole_log"] and found["family"] == "mariadb"
    assert new.node.call("octane_replica.able")["able"]
    old.sql("CREATE TABLE nova.flat (id INT PRIMARY KEY) ENGINE=MyISAM; SET GLOBAL binlog_format = 'MIXED';")
    try:
        reasons = old.node.call("octane_source.able", DATABASES)["reasons"]
        assert any("nova.flat" in one for one in reasons) and any("MIXED" in one for one in reasons)
    finally:
        old.sql("DROP TABLE nova.flat; SET GLOBAL binlog_format = 'ROW';")
    assert "log_bin" in new.node.call("octane_source.able", [])["reasons"][0]


def test_what_a_writer_was_told_is_on_the_replica_and_no_trace_is_left(old, new):
    writer = Writer(old)
    writer.start()
    until(lambda: len(writer.acknowledged) > 20, "the writer")
    before = {row["User"] for row in old.node.call("octane_mysql.query", "SELECT User FROM mysql.user")}
    replicate(old, new)
    ours, theirs = prove(old, new)
    assert ours["sums"] == theirs["sums"] and ours["wanted"] is None
    assert set(ours["sums"]["nova"]) == set(old.call("tables", "nova")) - {"heartbeats"}
    old.sql("INSERT INTO ceilometer.meters VALUES (1); CREATE TABLE ceilometer.fresh (id INT PRIMARY KEY);")
    count = len(writer.acknowledged)
    until(lambda: len(writer.acknowledged) > count + 20, "more rows")
    writer.stop()
    ours, theirs = prove(old, new, ours["position"])
    assert (
        ours["sums"] == theirs["sums"] and set(ours["sums"]) == {"nova"} and set(ours["sums"]["nova"]) == {"instances"}
    )
    position = caught_up(old, new)["position"]
    old.sql("UPDATE nova.heartbeats SET beat = 8; INSERT INTO ceilometer.meters VALUES (2);")
    told = old.node.call("octane_proof.changed", DATABASES, ours["position"], SKIP)
    assert (told["tables"], told["expendable"], told["elsewhere"]) == ([], ["nova.heartbeats"], ["ceilometer"])
    assert told["committed"] == [None, None], "a server without Galera"
    assert "ceilometer" not in new.call("databases")
    rows = new.node.call("octane_mysql.query", "SELECT id FROM nova.instances WHERE id >= 1000000")
    assert [int(row["id"]) for row in rows] == writer.acknowledged
    assert position["position"] > 4
    compared = new.call("compare", old.call("checksums", DATABASES), new.call("checksums", DATABASES))
    assert compared["equal"], compared
    assert [new.node.call("octane_replica.remove")["was"] for _ in range(2)] == [True, False]
    assert old.node.call("octane_source.dismiss", ACCOUNT) == {"was": True}
    for one in (old, new):
        assert one.node.call("octane_tunnel.end") and not one.node.call("octane_tunnel.status")
        assert not [path for path in (one.root / "streams").iterdir() if (path / "program").exists()]
        assert not (one.root / "replica.json").exists() and not (one.root / "settings.json").exists()
        assert one.node.call("octane_mysql.query", "SHOW ALL SLAVES STATUS") == []
    after = {row["User"] for row in old.node.call("octane_mysql.query", "SELECT User FROM mysql.user")}
    assert after == before and ACCOUNT not in after
    assert new.node.call("octane_mysql.query", "SELECT @@server_id AS id, @@read_only AS ro") == [
        {"id": "1", "ro": "0"}
    ]


class Nodes:
    """What Salt does between the library and two nodes; the copy says its place, which is the stream's own part."""

    def __init__(self, old, new):
        self.nodes, self.asked, self.seconds = {"node-1": old, "node-4": new}, [], {}

    def call(self, targets, fun, *args, timeout=60, **kwargs):
        self.asked.append(fun)
        if fun == "octane_db.receive":
            return {targets[0]: {"port": 1, "certificate": "", "ticket": ""}}
        if fun == "octane_db.received":
            return {targets[0]: {"sha256": ""}}
        if fun == "octane_db.identity":
            return {targets[0]: {"identity": "", "certificate": ""}}
        if fun == "octane_db.send":
            place = copy(*self.nodes.values())
            return {targets[0]: {"position": {**place, "gtid": None}, "bytes": 1, "sha256": "", "seconds": 0.1}}
        return {target: self.nodes[target].node.call(fun, *args, **kwargs) for target in targets}

    def ping(self, targets, timeout=10):
        return set(targets)

    def state(self, targets, fun, *, test=False, timeout=60, **kwargs):
        done = {target: self.nodes[target].node.state(fun, "x", test=test, **kwargs) for target in targets}
        assert all(one["result"] is not False for one in done.values()), done
        return done


@pytest.fixture
def ctx(old, new):
    path = SimpleNamespace(databases=tuple(DATABASES), expendable={"nova": ("heartbeats",)}, tolerated=TOLERATED)
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
    members = [dataclasses.replace(one, admin_address="127.0.0.1") for one in members]
    return FakeContext(Nodes(old, new), path, members)


def run(step, ctx):
    if step.pending(ctx):
        step.apply(ctx)
    assert step.pending(ctx) == {}
    return step.verify(ctx)


def undo_all(ctx):
    for step in (db.Freeze(), replica.ProveEqual(), replica.Replicate(), way.ChooseWay()):
        step.undo(ctx)


def test_the_stage_by_replica_reads_in_the_window_only_what_changed(ctx, old, new):
    big(old)
    writer = Writer(old)
    writer.start()
    until(lambda: len(writer.acknowledged) > 20, "the writer")
    assert run(way.ChooseWay(), ctx)["way"] == "replica"
    run(replica.Replicate(), ctx)
    run(replica.ProveEqual(), ctx)
    assert ctx.recall(PROVEN)["tables"]["nova"]["ports"] and ctx.recall(REPLICATING)["account"].startswith("octane_")
    assert new.node.call("octane_mysql.query", "SELECT @@read_only AS ro") == [{"ro": "1"}]
    writer.stop()
    run(db.Freeze(), ctx)
    done = replica.CatchUp().apply(ctx)
    assert done.evidence["rows"] > 0 and done.evidence["statements"] == 0
    assert run(replica.CatchUp(), ctx)["copied"]["way"] == "replica"
    assert new.node.call("octane_mysql.query", "SHOW ALL SLAVES STATUS") == []
    run(replica.EndReplication(), ctx)
    for one in (old, new):
        assert one.node.call("octane_tunnel.status") == []
    assert old.node.call("octane_mysql.query", "SELECT User FROM mysql.user WHERE User LIKE 'octane%'") == []
    ctx.nodes.asked.clear()
    assert run(db.Copy(), ctx)["copied"]["way"] == "replica"
    assert db.NothingLost().verify(ctx)["moved"] == []
    assert "octane_db.checksums" not in ctx.nodes.asked and "octane_db.send" not in ctx.nodes.asked
    compared = new.call("compare", old.call("checksums", DATABASES), new.call("checksums", DATABASES))
    assert compared["equal"], compared
    rows = new.node.call("octane_mysql.query", "SELECT id FROM nova.instances WHERE name LIKE 'row %'")
    assert [int(row["id"]) for row in rows] == writer.acknowledged
    assert new.node.call("octane_mysql.query", "SELECT @@read_only AS ro") == [{"ro": "0"}]
    old.sql("UPDATE nova.heartbeats SET beat = 9;")
    assert db.NothingLost().verify(ctx)["moved"] == []
    old.sql("UPDATE nova.services SET host = 'late' WHERE id = 1;")
    with pytest.raises(InvariantBroken, match=r"nova\.services"):
        db.NothingLost().verify(ctx)


def test_what_agents_report_in_the_window_fails_no_stage_and_reaches_the_copy_as_long_as_that_follows(ctx, old, new):
    old.sql(REPORTED)
    for step in (way.ChooseWay(), replica.Replicate(), replica.ProveEqual(), db.Freeze()):
        run(step, ctx)
    old.sql(BUMP + "UPDATE nova.floatingips SET status = 'ACTIVE' WHERE id = 'f2';")
    done = replica.CatchUp().apply(ctx)
    assert done.evidence["different"] == [] and done.evidence["tables_read"] == 2
    compared = new.call("compare", old.call("checksums", DATABASES), new.call("checksums", DATABASES))
    assert compared["equal"], compared
    run(replica.EndReplication(), ctx)
    old.sql(BUMP)
    assert db.NothingLost().verify(ctx)["moved"] == []
    seen = db.Freeze().undo(ctx).evidence
    assert seen["moved"] == []
    assert seen["expendable_moved"] == ["nova.attributes (revision, updated_at)", "nova.floatingips (status)"]


def test_a_stage_by_replica_that_is_taken_back_leaves_nothing(ctx, old, new):
    before = old.call("checksums", DATABASES)
    for step in (way.ChooseWay(), replica.Replicate(), replica.ProveEqual(), db.Freeze()):
        run(step, ctx)
    old.sql("UPDATE nova.heartbeats SET beat = 2; UPDATE nova.heartbeats SET beat = 1;")
    began = time.monotonic()
    seen = db.Freeze().undo(ctx).evidence
    assert time.monotonic() - began < standstill.COMPARE_SECONDS
    assert seen["moved"] == [] and seen["expendable_moved"] == ["nova.heartbeats"]
    # Users write again, and the seed still follows.
    old.sql("INSERT INTO nova.instances (name) VALUES ('again'); DELETE FROM nova.instances WHERE name = 'again';")
    undo_all(ctx)
    assert not set(DATABASES) & set(new.call("databases")) and old.call("checksums", DATABASES) == before
    for one in (old, new):
        assert one.node.call("octane_mysql.query", "SHOW ALL SLAVES STATUS") == []
        assert one.node.call("octane_mysql.query", "SELECT User FROM mysql.user WHERE User LIKE 'octane%'") == []
        assert one.node.call("octane_tunnel.status") == []
    assert not any(ctx.records.get(key) for key in (REPLICATING, PROVEN, COPIED, way.WAY, tables.FROZEN_AT))
    undo_all(ctx)


def test_a_replica_that_was_written_to_is_found_and_made_anew(ctx, old, new):
    for step in (way.ChooseWay(), replica.Replicate()):
        run(step, ctx)
    new.sql("UPDATE nova.services SET host = 'elsewhere' WHERE id = 2;")
    with pytest.raises(Failed, match=r"not equal at one point of the log: nova\.services"):
        replica.ProveEqual().apply(ctx)
    assert replica.Replicate().pending(ctx)
    account = ctx.recall(REPLICATING)["account"]
    run(replica.Replicate(), ctx)
    run(replica.ProveEqual(), ctx)
    assert ctx.recall(REPLICATING)["account"] != account
    rows = old.node.call("octane_mysql.query", f"SELECT User FROM mysql.user WHERE User = '{account}'")
    assert rows == []
    undo_all(ctx)


def test_a_dead_tunnel_is_replaced_and_the_replica_goes_on(ctx, old, new):
    for step in (way.ChooseWay(), replica.Replicate(), replica.ProveEqual()):
        run(step, ctx)
    for ticket in old.node.call("octane_jobs.of", "octane_channel"):
        os.kill(int((old.root / "streams" / ticket / "pid").read_text()), 9)
    old.sql("INSERT INTO nova.instances (name) VALUES ('unseen yet');")
    until(lambda: not new.node.call("octane_replica.status")["running"], "replication to notice")
    sent = ctx.nodes.asked.count("octane_db.send")
    run(replica.Replicate(), ctx)
    assert ctx.nodes.asked.count("octane_db.send") == sent, "it was copied again"
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    rows = new.node.call("octane_mysql.query", "SELECT name FROM nova.instances WHERE name = 'unseen yet'")
    assert len(rows) == 1
    run(replica.EndReplication(), ctx)
