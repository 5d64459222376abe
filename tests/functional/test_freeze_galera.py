"""
The freeze of a real Galera node: what its log, its numbers and its sessions tell of who still writes.
"""

import subprocess
import threading
from types import SimpleNamespace

import pytest

from octane.errors import Failed
from octane.procedure import db, standstill, way
from octane.procedure.standstill import STOOD_STILL
from octane.wait import until
from tests.functional.mariadb import NEEDED
from tests.functional.test_dump_galera import PROVIDER, node
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext
from tests.unit.procedure.world import node as member

pytestmark = [*NEEDED, pytest.mark.skipif(PROVIDER is None, reason="needs galera-4, or the lab's image")]
SCHEMA = """
DROP DATABASE IF EXISTS nova;
DROP DATABASE IF EXISTS ceilometer;
CREATE DATABASE nova;
CREATE DATABASE ceilometer;
CREATE TABLE nova.instances (id INT PRIMARY KEY, name VARCHAR(50));
CREATE TABLE nova.services (host VARCHAR(50) PRIMARY KEY, beat INT);
CREATE TABLE ceilometer.meters (id INT PRIMARY KEY AUTO_INCREMENT);
INSERT INTO nova.instances VALUES (1, 'one');
INSERT INTO nova.services VALUES ('node-1', 1);
"""
BEAT = "UPDATE nova.services SET beat = beat + 1;"
METER = "INSERT INTO ceilometer.meters VALUES (NULL);"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = node(
        tmp_path_factory.mktemp("freeze") / "old", "--log-bin=mysql-bin", "--log-slave-updates", "--server-id=1"
    )
    yield made
    made.stop()


class Nodes:
    """What Salt does between the library and the one node."""

    def __init__(self, server):
        self.server = server

    def call(self, targets, fun, *args, timeout=60, **kwargs):
        return {target: self.server.node.call(fun, *args, **kwargs) for target in targets}

    def ping(self, targets, timeout=10):
        return set(targets)


@pytest.fixture
def ctx(server):
    server.sql(SCHEMA)
    path = SimpleNamespace(databases=("nova",), expendable={"nova": ("services",)}, tolerated={})
    ctx = FakeContext(Nodes(server), path, [member(1, ORIGINAL, "controller"), member(4, SEED, "controller")])
    ctx.record(way.REPLICATING, {"source": "node-1", "target": "node-4", "foreign": None})
    return ctx


@pytest.fixture(params=["replica", "dump"])
def either(ctx, request):
    """The context of a stage that goes one of the ways."""
    ctx.record(way.WAY, {"way": request.param})
    return ctx


class Repeated(threading.Thread):
    """A statement again and again, until the block is left."""

    def __init__(self, server, statement):
        super().__init__(daemon=True)
        self.server, self.statement, self.ending, self.done = server, statement, threading.Event(), 0

    def run(self):
        while not self.ending.wait(0.05):
            self.server.sql(self.statement)
            self.done += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(30)


def test_in_silence_nothing_is_committed_and_the_way_back_says_so(either):
    seen = db.Freeze().apply(either).evidence
    before, after = seen["wsrep_last_committed"]
    assert before == after and seen["writing_sessions"] == [] and seen["expendable_moved"] == []
    back = db.Freeze().undo(either).evidence
    assert back["moved"] == [] and back["wsrep_last_committed"] == [after, after]


def test_heartbeats_are_told_by_name_with_what_they_committed(either, server):
    server.sql("DROP DATABASE ceilometer;")
    with Repeated(server, BEAT) as beats:
        until(lambda: beats.done, 30, "a heartbeat", 0.05)
        seen = db.Freeze().apply(either).evidence
    before, after = seen["wsrep_last_committed"]
    # The log is watched for half a second; tables as small as these are read between two heartbeats.
    assert after > before or way.way(either)["way"] == "dump"
    assert seen["expendable_moved"] == ["nova.services"] or after == before
    server.sql(BEAT)
    back = db.Freeze().undo(either).evidence
    assert back["moved"] == [] and back["wsrep_last_committed"][1] > back["wsrep_last_committed"][0]


def test_what_users_write_after_the_freeze_is_found_on_the_way_back(either, server):
    db.Freeze().apply(either)
    server.sql("UPDATE nova.instances SET name = 'late';")
    assert db.Freeze().undo(either).evidence["moved"] == ["nova.instances"]


def test_a_database_that_is_not_moved_may_be_written_to_and_is_told(ctx, server):
    ctx.record(way.WAY, {"way": "replica"})
    with Repeated(server, METER) as meters:
        until(lambda: meters.done, 30, "a row", 0.05)
        seen = db.Freeze().apply(ctx).evidence
    assert seen["elsewhere_moved"] == ["ceilometer"] and seen["moved_before"] == []
    assert ctx.recall(STOOD_STILL)["committed"] == seen["wsrep_last_committed"][1]


def test_a_transaction_that_is_open_is_waited_for_and_what_it_wrote_is_counted_in(either, server, monkeypatch):
    """Nothing tells of it but its session: it is in no log, and no reader sees its row."""
    command = ["mysql", *server.node.call("octane_mysql.options"), "--unbuffered", "-N", "nova"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        client.stdin.write("BEGIN; INSERT INTO instances VALUES (2, 'two'); SELECT 'open';\n")
        client.stdin.flush()
        assert client.stdout.readline() == "open\n"
        with (
            monkeypatch.context() as patch,
            pytest.raises(Failed, match=r"in the middle of writing: node-1: .* in nova"),
        ):
            patch.setattr(standstill, "TIMEOUT", 0)
            db.Freeze().apply(either)
        thread = threading.Timer(3, lambda: client.communicate("COMMIT;\n"))
        thread.start()
        seen = db.Freeze().apply(either).evidence
        thread.join(30)
    assert seen["writing_sessions"] == [] and len(seen["sessions_waited_for"]) == 1
    server.sql("DELETE FROM nova.instances WHERE id = 2;")
    assert db.Freeze().undo(either).evidence["moved"] == ["nova.instances"], "it was counted in"
