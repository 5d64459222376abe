"""
A copy followed by a replica between two real MariaDB servers, through the tunnel, and both proven equal by the log.
"""

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.test_database import MISSING, SCHEMA, Server, until

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(shutil.which("mysqlbinlog") is None, reason="needs mysqlbinlog"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
DATABASES = ["glance-2", "nova"]
ACCOUNT = "octane_0123abcd"
LOG = ("--log-bin=mysql-bin", "--binlog-format=ROW", "--server-id=1")
MORE = r"""
SET NAMES utf8mb4;
USE nova;
CREATE TABLE ports (id CHAR(36) PRIMARY KEY, name VARCHAR(255)) CHARACTER SET latin1;
CREATE TABLE bindings (id INT PRIMARY KEY AUTO_INCREMENT, port CHAR(36) CHARACTER SET latin1,
  FOREIGN KEY (port) REFERENCES ports (id) ON DELETE CASCADE);
CREATE TABLE heartbeats (host VARCHAR(50) PRIMARY KEY, beat INT);
CREATE TABLE signed_pair (a TINYINT, b VARCHAR(20) CHARACTER SET utf8mb4, c TEXT CHARACTER SET utf8mb4, PRIMARY KEY (a, b));
INSERT INTO ports VALUES ('p1', 'Grüße'), ('p2', 'x');
INSERT INTO bindings (port) VALUES ('p1'), ('p2');
INSERT INTO heartbeats VALUES ('node-1', 1);
INSERT INTO signed_pair VALUES (-5, 'it''s', 'a'), (-5, 'b\\s', 'b'), (7, '😀', '😀');
CREATE DATABASE ceilometer;
CREATE TABLE ceilometer.meters (id INT PRIMARY KEY);
"""
# Expendable, as a path says it.
SKIP = {"nova": ["heartbeats"]}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("replica")
    pair = [Server(root / "old", LOG), Server(root / "new", ("--server-id=1",))]
    yield pair
    for one in pair:
        one.stop()


@pytest.fixture
def old(servers):
    drop = "".join(f"DROP DATABASE IF EXISTS `{name}`;" for name in (*DATABASES, "ceilometer"))
    servers[0].sql(drop + SCHEMA + MORE)
    yield servers[0]
    servers[0].node.call("octane_proof.abandon")
    servers[0].node.call("octane_tunnel.end")
    servers[0].node.call("octane_replica.dismiss", ACCOUNT)


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
    old.node.call("octane_replica.admit", ACCOUNT, new.node.call("octane_replica.prepare")["hash"])
    return joined["port"]


def replicate(old, new):
    port = connect(old, new)
    new.node.call("octane_replica.start", ACCOUNT, copy(old, new), port, DATABASES)
    until(lambda: new.node.call("octane_replica.status")["running"], "replication")


def caught_up(old, new):
    return new.node.call("octane_replica.wait_for", old.node.call("octane_replica.master_position"), 30)


def prove(old, new, since=None):
    """One round; the answers of both sides."""
    new.node.call("octane_replica.hold")
    begun = old.node.call("octane_proof.source", DATABASES, SKIP, since)
    ours = old.node.call("octane_proof.finished", begun["ticket"], 60)
    there = new.node.call("octane_proof.target", DATABASES, begun["position"], ours["wanted"], SKIP)
    theirs = new.node.call("octane_proof.finished", there["ticket"], 60)
    return ours, theirs


class Writer(threading.Thread):
    """Writes rows one by one until told to stop; ``acknowledged`` are the ids that the server has confirmed."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ending, self.acknowledged = server, threading.Event(), []

    def run(self):
        command = ["mysql", *self.server.node.call("octane_mysql.options"), "--batch", "--unbuffered", "-N"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            while not self.ending.is_set():
                number = 1000 + len(self.acknowledged)
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


def test_able_and_why_not(old, new):
    found = old.node.call("octane_replica.able", DATABASES, "source")
    assert found["able"] and found["whole_log"] and found["family"] == "mariadb"
    assert new.node.call("octane_replica.able", DATABASES, "target")["able"]
    old.sql("CREATE TABLE nova.flat (id INT PRIMARY KEY) ENGINE=MyISAM; SET GLOBAL binlog_format = 'MIXED';")
    try:
        reasons = old.node.call("octane_replica.able", DATABASES, "source")["reasons"]
        assert any("nova.flat" in one for one in reasons) and any("MIXED" in one for one in reasons)
    finally:
        old.sql("DROP TABLE nova.flat; SET GLOBAL binlog_format = 'ROW';")
    assert "log_bin" in new.node.call("octane_replica.able", [], "source")["reasons"][0]


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
    assert old.node.call("octane_proof.changed", DATABASES, ours["position"], SKIP)["tables"] == []
    assert "ceilometer" not in new.call("databases")
    rows = new.node.call("octane_mysql.query", "SELECT id FROM nova.instances WHERE id >= 1000")
    assert [int(row["id"]) for row in rows] == writer.acknowledged
    assert position["position"] > 4
    compared = new.call("compare", old.call("checksums", DATABASES), new.call("checksums", DATABASES))
    assert compared["equal"], compared
    assert [new.node.call("octane_replica.remove")["was"] for _ in range(2)] == [True, False]
    assert old.node.call("octane_replica.dismiss", ACCOUNT) == {"was": True}
    for one in (old, new):
        assert one.node.call("octane_tunnel.end") and not one.node.call("octane_tunnel.status")
        assert not [path for path in (one.root / "streams").iterdir() if (path / "program").exists()]
        assert not (one.root / "replica.json").exists()
        assert one.node.call("octane_mysql.query", "SHOW ALL SLAVES STATUS") == []
    after = {row["User"] for row in old.node.call("octane_mysql.query", "SELECT User FROM mysql.user")}
    assert after == before and ACCOUNT not in after
    assert new.node.call("octane_mysql.query", "SELECT @@server_id AS id, @@read_only AS ro") == [
        {"id": "1", "ro": "0"}
    ]
