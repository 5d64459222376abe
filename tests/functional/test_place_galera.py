"""
A snapshot of a node that is written to, and its place in the log, found without a lock: as MySQL 5.6 with Galera has to
be asked, which keeps no place with a snapshot. MariaDB keeps one, with which what is found is compared.
"""

import contextlib
import subprocess
import threading

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.mariadb import NEEDED, until
from tests.functional.test_dump_galera import PROVIDER, node
from tests.saltfiles import program

pytestmark = [*NEEDED, pytest.mark.skipif(PROVIDER is None, reason="needs galera-4, or the lab's image")]
SCHEMA = """
DROP DATABASE IF EXISTS nova;
CREATE DATABASE nova;
CREATE TABLE nova.instances (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50));
"""
WRITE = "INSERT INTO nova.instances (name) VALUES ('written'); SELECT 1;\n"
TIMES = 20
WRITERS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # A commit that waits for the disk is in the log for a while before anybody sees it.
    options = ("--log-bin=mysql-bin", "--log-slave-updates", "--server-id=1", "--sync-binlog=1")
    made = node(tmp_path_factory.mktemp("place") / "old", *options)
    made.node.salt["octane_db.server"] = lambda: {"family": "mysql", "version": "5.6.16"}
    yield made
    made.stop()


class Writing(threading.Thread):
    """One transaction after the other, a hundred or two a second, until the block is left."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.command = ["mysql", *server.node.call("octane_mysql.options"), "--unbuffered", "-N"]
        self.ending, self.done = threading.Event(), 0

    def run(self):
        with subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            while not self.ending.wait(0.005):
                client.stdin.write(WRITE)
                client.stdin.flush()
                client.stdout.readline()
                self.done += 1
            client.stdin.close()

    def __enter__(self):
        self.start()
        until(lambda: self.done, "the first row")
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(30)


@pytest.fixture
def busy(server):
    server.sql(SCHEMA)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Writing(server)) for _ in range(WRITERS)]


def locks(server):
    """How often anybody stopped writers of the whole server, or of a table."""
    rows = server.node.call("octane_mysql.query", "SHOW GLOBAL STATUS LIKE 'Com_%'")
    wanted = ("Com_flush", "Com_lock_tables", "Com_backup", "Com_backup_lock")
    return {row["Variable_name"]: row["Value"] for row in rows if row["Variable_name"] in wanted}


def kept(rows):
    """The place that MariaDB keeps with a session's snapshot."""
    found = {name.lower(): value for name, value in rows}
    return found["binlog_snapshot_file"], int(found["binlog_snapshot_position"])


def found_by_a_proof(server):
    sums = server.node.modules["octane_sums"]
    sums.octane_mysql = server.node.modules["octane_mysql"]
    order = {"family": "mysql", "options": server.node.call("octane_mysql.options")}
    session = sums.Client(order["options"])
    try:
        place = sums.snapshot(order, session)
        rows = session.query("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")
        return (place["file"], place["position"]), kept([(row["Variable_name"], row["Value"]) for row in rows])
    finally:
        session.close()


def found_by_a_copy(server, monkeypatch):
    dump, group = program("dump"), program("lanes").Group()
    with monkeypatch.context() as patch:
        patch.setattr(dump, "seen", lambda session: None)
        place = dump.snapshot(server.node.call("octane_mysql.options"), 2, group)
    try:
        views = {kept(session.run("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")) for session in group.sessions}
        assert len(views) == 1
        return (place["file"], place["position"]), views.pop()
    finally:
        group.stop()


def test_the_place_that_a_proof_finds_is_that_of_its_snapshot_and_nobody_is_locked(server, busy):
    before, written = locks(server), busy[0].done
    places = [found_by_a_proof(server) for _ in range(TIMES)]
    assert [place for place, _ in places] == [view for _, view in places]
    assert len({place for place, _ in places}) == TIMES and busy[0].done > written + TIMES
    assert locks(server) == before


def test_the_place_that_a_copy_finds_is_that_of_all_its_sessions_and_nobody_is_locked(server, busy, monkeypatch):
    before = locks(server)
    places = [found_by_a_copy(server, monkeypatch) for _ in range(TIMES)]
    assert [place for place, _ in places] == [view for _, view in places]
    assert len({place for place, _ in places}) == TIMES and locks(server) == before


def test_the_sums_of_a_proof_are_those_of_its_place_while_writers_go_on(server, busy):
    before = locks(server)
    first = server.node.call("octane_proof.source", ["nova"], wait=True)
    second = server.node.call("octane_proof.source", ["nova"], since=first["position"], wait=True)
    for one in busy:
        one.__exit__()
    assert first["sums"] != second["sums"] and second["wanted"] == {"nova": {"instances": None}}
    assert locks(server) == before
    # Nobody writes now, so that both are of the last moment.
    third = server.node.call("octane_proof.source", ["nova"], wait=True)
    rows = server.node.call("octane_mysql.query", "CHECKSUM TABLE nova.instances")
    assert third["sums"] == {"nova": {"instances": int(rows[0]["Checksum"])}}


def test_a_transaction_that_is_committed_the_whole_time_is_no_moment(server, monkeypatch):
    """Nobody is stopped for it: it is told."""
    server.sql(SCHEMA)
    monkeypatch.setattr(server.node.modules["octane_sums"], "MOMENT", 0.2)
    sums = server.node.modules["octane_sums"]
    numbers = iter(range(10_000))
    monkeypatch.setattr(sums, "committed", lambda counter: {"galera": next(numbers), "file": "a.1", "position": 4})
    before = locks(server)
    with pytest.raises(CommandExecutionError, match="no moment between two writes"):
        found_by_a_proof(server)
    assert locks(server) == before
