"""
Databases sent in several streams of one snapshot between real servers: nothing lost, bounded in every way.
"""

import os
import signal
import subprocess
import threading
import time

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.mariadb import NEEDED, Server, clients_of, move, two_servers, until
from tests.memory import LIMIT, largest, processes, watched

pytestmark = NEEDED
ODD = r"""
CREATE DATABASE nova CHARACTER SET latin1;
USE nova;
SET NAMES utf8mb4;
CREATE TABLE hosts (id INT PRIMARY KEY, uuid CHAR(36) UNIQUE);
CREATE TABLE odd (
  id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, code INT, words VARCHAR(200), old VARCHAR(200) CHARACTER SET latin1,
  raw LONGBLOB, size FLOAT, exact DOUBLE, price DECIMAL(20, 6), flags BIT(10), kind ENUM('NULL', 'a''b', ''),
  seen TIMESTAMP NULL, born DATETIME(6), spot POINT, twice INT AS (code * 2) PERSISTENT,
  host CHAR(36) CHARACTER SET latin1, `ta``b;le` TEXT,
  four VARCHAR(50) CHARACTER SET utf8mb4, KEY words (words(20)), UNIQUE KEY one (four), KEY host (host),
  CONSTRAINT to_host FOREIGN KEY (host) REFERENCES hosts (uuid) ON DELETE CASCADE
) DEFAULT CHARSET=utf8mb3 COMMENT='it''s
 odd';
INSERT INTO hosts VALUES (1, 'h-1');
INSERT INTO odd (words, old, raw, size, exact, price, flags, kind, seen, born, spot, host, `ta``b;le`, four) VALUES
  ('NULL', 'NULL', 'NULL', 0.1, 0.1, 1.5, b'1000000001', 'NULL', '2014-10-26 00:30:00', '2014-10-26 02:30:00.123456',
   POINT(1, 2), 'h-1', 'NULL', '😀'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  ('', '', '', 3.4e38, 1e-300, -0.000001, b'0', '', '2014-10-26 01:30:00', '0000-00-00', NULL, NULL, '\\N', '\\'),
  ('tab\there', 'Grüße', X'00010A0D1A5C275C4E09', -1.17549e-38, 1.7976931348623157e308, 0, NULL, 'a''b', NULL, NULL,
   NULL, NULL, X'01', X'01');
UPDATE odd SET raw = CONCAT(X'01', raw, X'0101'), words = CONCAT(X'01', 'NULL', X'01') WHERE id = 4;
CREATE TABLE plain (one VARCHAR(10)) ENGINE=MyISAM;
INSERT INTO plain VALUES (''), (NULL), ('');
CREATE TABLE many (id INT PRIMARY KEY AUTO_INCREMENT, host CHAR(36), words VARCHAR(255), size FLOAT, KEY words (words),
  KEY host (host), CONSTRAINT many_host FOREIGN KEY (host) REFERENCES hosts (uuid));
INSERT INTO many (host, words, size) SELECT 'h-1', CONCAT(UUID(), REPEAT(MD5(seq), 3)), RAND(seq) FROM seq_1_to_80000;
CREATE TABLE unkeyed (a INT, b VARCHAR(255), UNIQUE KEY (a));
INSERT INTO unkeyed SELECT seq, REPEAT(SHA1(seq), 4) FROM seq_1_to_20000;
CREATE DEFINER=`who`@`1.2.3.%` VIEW live AS SELECT id FROM odd;
DELIMITER //
CREATE DEFINER=`who`@`%` TRIGGER named BEFORE INSERT ON odd FOR EACH ROW SET NEW.words = COALESCE(NEW.words, 'ü;')//
CREATE PROCEDURE counted() SELECT COUNT(*) FROM odd//
CREATE EVENT sometimes ON SCHEDULE EVERY 1 YEAR DO DELETE FROM plain//
DELIMITER ;
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("mariadb")
    options = ["--log-bin=binlog", "--server-id=1", "--max-allowed-packet=64M", "--sql-mode=NO_ENGINE_SUBSTITUTION"]
    options += ["--innodb-flush-log-at-trx-commit=2"]
    with two_servers(root, options, options[2:]) as pair:
        yield pair


@pytest.fixture
def old(servers):
    servers[0].sql("DROP DATABASE IF EXISTS nova;")
    return servers[0]


@pytest.fixture
def new(servers):
    servers[1].sql("DROP DATABASE IF EXISTS nova;")
    return servers[1]


def rows(server, statement):
    return server.node.call("octane_mysql.query", statement)


def fill(server, megabytes):
    """Tables of several sizes, so many MB in all."""
    server.sql(
        "CREATE DATABASE nova; USE nova;"
        + "".join(
            f"CREATE TABLE t{number} (id INT PRIMARY KEY AUTO_INCREMENT, a CHAR(36), b TEXT, KEY (a));"
            f"INSERT INTO t{number} (a, b) SELECT UUID(), REPEAT(SHA2(seq, 512), 7) "
            f"FROM seq_1_to_{megabytes * share * 100};"
            for number, share in enumerate((4, 3, 2, 1))
        )
    )


def test_all_that_a_table_can_hold_arrives_as_it_was(old, new):
    old.sql(ODD)
    sent, received = move(old, new, ["nova"])
    assert sent["sha256"] == received["sha256"]
    ours, theirs = (one.call("checksums", ["nova"]) for one in (old, new))
    assert old.call("compare", ours, theirs)["equal"] and len(ours["nova"]) == 5
    for kind in ("TABLE hosts", "TABLE odd", "TABLE plain", "TABLE many", "TABLE unkeyed", "VIEW live", "TRIGGER named",
                 "PROCEDURE counted", "EVENT sometimes"):  # fmt: skip
        kind, name = kind.split()
        made = [rows(one, f"SHOW CREATE {kind} nova.{name}")[0] for one in (old, new)]
        # When a trigger was made is no part of it.
        for one in made:
            one.pop("Created", None)
        assert made[0] == made[1] and "nova" not in made[0].get("Create Table", "")
    assert rows(old, "SHOW CREATE DATABASE nova") == rows(new, "SHOW CREATE DATABASE nova")
    assert rows(new, "SELECT words FROM nova.odd WHERE id = 2") == [{"words": None}]


def test_the_snapshot_is_one_while_a_writer_writes_and_its_place_in_the_log_is_told(old, new):
    fill(old, 20)
    old.sql("CREATE TABLE nova.a (id INT PRIMARY KEY); CREATE TABLE nova.z (id INT PRIMARY KEY, filler TEXT)")
    ended, done = threading.Event(), []
    first = int(rows(old, "SELECT @@gtid_binlog_pos AS gtid")[0]["gtid"].split("-")[2])

    def write():
        options = old.node.call("octane_mysql.options")
        with subprocess.Popen(["mysql", *options, "nova", "-n"], stdin=subprocess.PIPE, text=True) as client:
            while not ended.is_set():
                number = len(done)
                client.stdin.write(f"BEGIN; INSERT INTO a VALUES ({number});")
                client.stdin.write(f"INSERT INTO z VALUES ({number}, REPEAT('x', 5000)); COMMIT;\n")
                client.stdin.flush()
                done.append(number)
                ended.wait(0.005)
            client.stdin.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: len(done) > 50, "the first rows")
        sent, _ = move(old, new, ["nova"], streams=4)
    finally:
        ended.set()
        writer.join()
    counted = new.call("row_counts", ["nova"])["nova"]
    assert counted["a"] == counted["z"] and 0 < counted["a"] < len(done)
    place = sent["position"]
    assert place["file"].startswith("binlog.") and place["position"] > 4
    # Each transaction of the writer has one number, and nothing else was written.
    assert int(place["gtid"].split("-")[2]) - first == counted["a"]


def test_several_sessions_are_used_and_without_a_log_only_one(old, new):
    fill(old, 1)
    counts = {}
    for source, target in ((old, new), (new, old)):
        before = int(rows(source, "SHOW GLOBAL STATUS LIKE 'Com_begin'")[0]["Value"])
        sent, _ = move(source, target, ["nova"], streams=3, replace=True)
        counts[source] = int(rows(source, "SHOW GLOBAL STATUS LIKE 'Com_begin'")[0]["Value"]) - before
        assert (sent["position"] is None) == (source is new)
    assert counts[old] == 3 and counts[new] >= 1


@pytest.mark.parametrize("rate", [1_000_000, 4_000_000])
def test_a_limit_holds(old, new, rate):
    fill(old, rate * 12 // 1_000_000)
    sent, _ = move(old, new, ["nova"], limit=rate, streams=3)
    expected = sent["bytes"] / rate
    assert expected * 0.8 < sent["seconds"] < expected * 1.2


class Transfer(threading.Thread):
    """A slow transfer under way, and what each side says in the end."""

    def __init__(self, old, new, **options):
        super().__init__(daemon=True)
        identity = old.call("identity")
        receiver = new.call("receive", ["nova"], "127.0.0.1", identity["certificate"], server=new.identifier())
        self.ends = {"sender": old.root / "streams" / identity["identity"], "receiver": None}
        self.ends["receiver"] = new.root / "streams" / receiver["ticket"]
        self.arguments = (["nova"], "127.0.0.1", receiver["port"], receiver["certificate"], identity["identity"])
        self.old, self.new, self.ticket, self.options, self.errors = old, new, receiver["ticket"], options, {}

    def run(self):
        for name, call in (
            ("sender", lambda: self.old.call("send", *self.arguments, timeout=120, **self.options)),
            ("receiver", lambda: self.new.call("received", self.ticket, timeout=60)),
        ):
            try:
                call()
            except CommandExecutionError as error:
                self.errors[name] = str(error)

    def pid(self, end):
        return int((self.ends[end] / "pid").read_text())

    def ended(self):
        self.join(60)
        assert not self.is_alive()


def loading(new):
    """Whether rows have arrived."""
    return "nova" in new.call("databases") and "t0" in new.call("tables", "nova")


@pytest.mark.parametrize("end", ["sender", "receiver"])
def test_a_killed_end_fails_both_and_a_repeated_run_works(old, new, end):
    fill(old, 8)
    transfer = Transfer(old, new, limit=1_000_000)
    transfer.start()
    until(lambda: loading(new), "the first table")
    began = time.monotonic()
    os.kill(transfer.pid(end), signal.SIGKILL)
    transfer.ended()
    assert time.monotonic() - began < 40
    assert set(transfer.errors) == {"sender", "receiver"}
    assert "gone" in transfer.errors[end] and "ended" in transfer.errors[{"sender": "receiver"}.get(end, "sender")]
    assert not [path for path in (new.root / "streams").glob("*/rows-*") if path.parent != transfer.ends[end]]
    until(lambda: not clients(old) and not clients(new), "the clients to end")
    move(old, new, ["nova"], replace=True)
    assert old.call("compare", old.call("checksums", ["nova"]), new.call("checksums", ["nova"]))["equal"]


def clients(server):
    """Processes of clients of this server."""
    socket = str(server.root / "socket")
    return [pid for pid, words in processes() if words[0] == "mysql" and any(socket in word for word in words)]


def test_a_full_disk_fails_both_and_leaves_nothing(old, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256M", "tmpfs", str(disk)], check=True)
    try:
        full = Server(tmp_path / "full", "--innodb-log-file-size=4M", data=disk / "data")
        try:
            fill(old, 60)
            found = os.statvfs(disk)
            with open(disk / "ballast", "wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, found.f_bavail * found.f_frsize - 30_000_000)
            with pytest.raises(CommandExecutionError, match=r"did not take it: .*(full|space|28).*dropped again"):
                move(old, full, ["nova"])
            assert "nova" not in full.call("databases")
            old.sql("DROP TABLE nova.t0, nova.t1, nova.t2")
            move(old, full, ["nova"])
        finally:
            full.stop()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_process_needs_much_memory_whatever_the_rows(old, new):
    old.sql(
        "CREATE DATABASE nova; CREATE TABLE nova.wide (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB);"
        + "INSERT INTO nova.wide (data) VALUES (REPEAT(X'00', 40000000)), (REPEAT('\\\\', 30000000));"
        + "INSERT INTO nova.wide (data) SELECT REPEAT(SHA1(seq), 50000) FROM nova.seq_1_to_20;"
    )
    with watched(clients_of(old, new)) as peaks:
        move(old, new, ["nova"])
    assert old.call("compare", old.call("checksums", ["nova"]), new.call("checksums", ["nova"]))["equal"]
    assert {"octane_wire", "mysql"} <= set(largest(peaks)) and max(peaks.values()) < LIMIT, peaks


def test_a_server_that_lets_no_rows_in_is_refused_before_anything_is_dropped(old, new):
    fill(old, 1)
    new.sql("CREATE DATABASE nova; CREATE TABLE nova.precious (id INT); SET GLOBAL local_infile = 0;")
    try:
        with pytest.raises(CommandExecutionError, match="local_infile = 1"):
            move(old, new, ["nova"], replace=True)
    finally:
        new.sql("SET GLOBAL local_infile = 1")
