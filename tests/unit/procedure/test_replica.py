"""The way the databases take, and a replica's proof and end: what is decided, in which order, and what is kept."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace

import pytest

from octane.errors import BadInput, Failed, Refused
from octane.journal.values import refuse_secrets
from octane.procedure import db, proof, replica, standstill, tables, way
from octane.procedure.proof import PROVEN
from octane.procedure.tables import COPIED, FROZEN_AT, MIGRATING
from octane.procedure.way import REPLICATING, WAY
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

PATH = SimpleNamespace(databases=("keystone", "nova"), expendable={"nova": ("services",)}, tolerated={})
ABLE = {"able": True, "reasons": [], "whole_log": True, "writes": 0, "version": "5.6.16", "family": "mysql"}

WHOLE = {"state": "Synced", "status": "Primary", "size": 2, "uuid": "new", "last_committed": 100}


class Servers:
    """Two clusters: tables with checksums, a log that is a list of what was written, a replica that follows it."""

    def __init__(self) -> None:
        self.able = {minion: dict(ABLE) for minion in ("node-1", "node-2", "node-4", "node-5")}
        self.original = {"keystone": {"token": 1, "user": 2}, "nova": {"instances": 3, "services": 4}}
        self.seeds: dict[str, dict] = {"node-4": {}, "node-5": {}}
        self.log: list[str] = []
        self.foreign = 7
        self.accounts: set[str] = set()
        self.status = {"configured": False}
        self.guarded: set[str] = set()
        self.wanted: list = []
        self.late: list[str] = []
        self.unlogged = 0
        self.limits: list[int | None] = []
        self.proven_within: list[int] = []
        self.writing: list[dict] = []
        self.active = "node-1"
        self.sessions: dict[str, list[int]] = {"node-1": [], "node-2": []}

    def functions(self):
        return {
            "octane_source.able": lambda minion, names: self.able[minion],
            "octane_replica.able": lambda minion: self.able[minion],
            "octane_source.foreign_writes": lambda minion, seconds=1: self.foreign,
            "octane_source.position": lambda minion: self.end(),
            "octane_replica.prepare": lambda minion: {"hash": "*AB"},
            "octane_source.admit": lambda minion, account, word: self.accounts.add(account) or {},
            "octane_source.dismiss": lambda minion, account: self.accounts.discard(account) or {"was": True},
            "octane_replica.start": self.start,
            "octane_replica.status": lambda minion, names, master=None: copy.deepcopy(self.status),
            "octane_replica.wait_for": self.wait_for,
            "octane_replica.hold": lambda minion: copy.deepcopy(self.status),
            "octane_replica.resume": lambda minion: {},
            "octane_replica.guard": lambda minion: self.guarded.add(minion) or {"read_only": True},
            "octane_replica.remove": self.remove,
            "octane_tunnel.end": lambda minion: [],
            "octane_tunnel.serve": lambda minion, bind, certificate, rate: {"port": 1, "certificate": "public"},
            "octane_tunnel.join": lambda minion, host, port, certificate, identity: {"port": 2},
            "octane_stream.identity": lambda minion: {"identity": "i", "certificate": "public"},
            "octane_proof.abandon": lambda minion: [],
            "octane_sessions.sessions": lambda minion, names: [{"id": one} for one in self.sessions[minion]],
            "octane_sessions.release": self.release,
            "octane_proof.source": self.source,
            "octane_proof.target": self.target,
            "octane_proof.reader": lambda minion, names, wanted, skip: {"sums": self.sums(minion, wanted)},
            "octane_proof.finished": lambda minion, ticket, bound: json.loads(ticket),
            "octane_proof.changed": self.changed,
            "octane_db.databases": lambda minion: list(PATH.databases),
            "octane_db.sizes": lambda minion, names: dict.fromkeys(names, 1),
            "octane_db.server": lambda minion: {"id": "old" if minion in ("node-1", "node-2") else "new"},
            "octane_db.wsrep": lambda minion: {"enabled": True, **WHOLE},
            "octane_db.writers": lambda minion: [self.writing.pop()] if minion == "node-1" and self.writing else [],
            "octane_stream.end": lambda minion: [],
            "octane_db.identity": lambda minion: {"identity": "i", "certificate": "public"},
            "octane_db.receive": lambda minion, names, bind, certificate, server, replace, alone: {
                "port": 3,
                "certificate": "public",
                "ticket": "t",
            },
            "octane_db.send": self.send,
            "octane_db.received": lambda minion, ticket: {"sha256": "a"},
            "octane_db.absent_databases": lambda minion, test, databases, server: self.seeds["node-4"].clear(),
        }

    def release(self, minion, names):
        """Who is sent away connects anew, to ``active``."""
        ended = self.sessions[minion]
        self.sessions[minion] = []
        self.sessions[self.active] = [*self.sessions[self.active], *(100 + one for one in ended)]
        return {"ended": len(ended), "left": 0}

    def end(self):
        return {"file": "log.1", "position": len(self.log), "gtid": None}

    def changed(self, minion, names, since, skip, watch=0, tolerated=None):
        place, committed = since or self.end(), [100 + len(self.log)]
        if watch and self.late:
            self.write(*self.late.pop().split("."))
        if watch and self.unlogged:
            self.unlogged -= 1
            committed[0] -= 1
        written = sorted(set(self.log[place["position"] :]))
        skipped = [name for name in written if name.partition(".")[2] in skip.get(name.partition(".")[0], ())]
        elsewhere = [name for name in written if name.startswith("ceilometer.")]
        return {
            "tables": [name for name in written if name not in skipped + elsewhere],
            "expendable": skipped,
            "elsewhere": ["ceilometer"] if elsewhere else [],
            "statements": 0,
            "position": self.end(),
            "foreign": self.foreign,
            "committed": [*committed, 100 + len(self.log)],
        }

    def write(self, database, table):
        if database in self.original:
            self.original[database][table] += 1
        self.log.append(f"{database}.{table}")

    def send(self, minion, *rest, limit=None):
        self.copy()
        self.limits.append(limit)
        return {"position": self.end(), "bytes": 9, "sha256": "a", "seconds": 1.0}

    def copy(self):
        self.seeds = {name: copy.deepcopy(self.original) for name in self.seeds}

    def start(self, minion, account, position, port, names):
        assert account in self.accounts
        good = {"configured": True, "running": True, "filtered": True, "broken": False, "lag_seconds": 0, "behind": 0}
        self.status = {**good, "error": ""}
        return self.status

    def wait_for(self, minion, position, bound, connected=False):
        assert position == self.end()
        self.status.update(lag_seconds=0, behind=0)
        return copy.deepcopy(self.status)

    def remove(self, minion):
        self.guarded.discard(minion)
        if minion == "node-4":
            self.status = {"configured": False}
        return {"was": True}

    def source(self, minion, names, skip, since, wait, limit):
        self.proven_within.append(limit)
        wanted = None
        if since is not None:
            wanted = {}
            for name in set(self.log[since["position"] :]) - {"nova.services"}:
                wanted.setdefault(name.split(".")[0], {})[name.split(".")[1]] = None
        self.wanted.append(wanted)
        sums = self.sums("original", wanted)
        answer = {"position": self.end(), "wanted": wanted, "sums": sums, "statements": 0}
        return answer if wait else {"ticket": json.dumps(answer), "position": self.end()}

    def target(self, minion, names, at, wanted, skip, hold, wait):
        answer = {"sums": self.sums(minion, wanted)}
        return answer if wait else {"ticket": json.dumps(answer)}

    def sums(self, whose, wanted):
        there = self.original if whose == "original" else self.seeds[whose]
        return {
            database: {
                table: value
                for table, value in found.items()
                if table != "services" and (wanted is None or table in wanted[database])
            }
            for database, found in there.items()
            if wanted is None or database in wanted
        }


@pytest.fixture
def servers():
    return Servers()


@pytest.fixture
def ctx(servers):
    members = [node(1, ORIGINAL, "controller"), node(2, ORIGINAL, "controller")]
    members += [node(4, SEED, "controller"), node(5, SEED, "controller")]
    return FakeContext(FakeNodes(servers.functions()), PATH, members)


def run(step, ctx):
    if step.pending(ctx):
        step.apply(ctx)
    assert step.pending(ctx) == {}
    return step.verify(ctx)


def before_the_window(ctx):
    for step in (way.ChooseWay(), replica.Replicate(), replica.ProveEqual()):
        run(step, ctx)


def test_without_a_log_it_is_a_dump_and_the_reasons_are_kept(ctx, servers):
    for minion in ("node-1", "node-2"):
        servers.able[minion] = {**ABLE, "able": False, "reasons": ["the server writes no binary log"]}
    assert run(way.ChooseWay(), ctx)["reasons"][0] == "node-1: the server writes no binary log"
    for step in (replica.Replicate(), replica.ProveEqual(), replica.CatchUp()):
        assert step.pending(ctx) == {} and step.verify(ctx) == {}
    assert db.Copy().pending(ctx)


@pytest.mark.parametrize(
    ("originals", "seed", "chosen"),
    [
        (("5.6.16", "5.6.16"), "5.6.23", "replica"),
        (("5.6.16", "5.6.16"), "5.7.44", "replica"),
        (("5.5.40", "5.6.16"), "5.7.44", "dump"),
        (("5.6.16", "5.6.16"), "8.0.40", "dump"),
        (("5.7.44", "5.7.44"), "5.6.23", "dump"),
    ],
)
def test_a_server_too_far_from_the_originals_gets_a_dump_and_the_reason_is_kept(ctx, servers, originals, seed, chosen):
    for minion, version in zip(("node-1", "node-2"), originals, strict=True):
        servers.able[minion] = {**ABLE, "version": version}
    servers.able["node-4"] = {**ABLE, "version": seed}
    run(way.ChooseWay(), ctx)
    found = ctx.recall(WAY)
    assert found["way"] == chosen
    if chosen == "dump":
        assert f"node-4: MySQL {seed} follows none of {originals[0]} (node-1)" in found["reasons"][0]


def test_any_older_mariadb_can_be_followed(ctx, servers):
    for minion, version in (("node-1", "10.1.48"), ("node-2", "10.1.48"), ("node-4", "10.11.8")):
        servers.able[minion] = {**ABLE, "version": version, "family": "mariadb"}
    assert run(way.ChooseWay(), ctx)["way"] == "replica"


def test_a_replica_that_cannot_be_is_refused_when_it_was_asked_for(ctx, servers):
    ctx.options["way"] = "replica"
    servers.able["node-4"] = {**ABLE, "able": False, "reasons": ["it follows somebody else"]}
    with pytest.raises(Refused, match="node-4: it follows somebody else"):
        way.ChooseWay().pending(ctx)
    ctx.options["way"] = "magic"
    with pytest.raises(BadInput, match="magic"):
        way.ChooseWay().pending(ctx)
    ctx.options["way"] = "dump"
    assert run(way.ChooseWay(), ctx)["way"] == "dump"


def test_the_way_does_not_change_while_the_databases_are_on_it(ctx):
    before_the_window(ctx)
    ctx.options["way"] = "dump"
    with pytest.raises(Refused, match="after an undo only"):
        way.ChooseWay().pending(ctx)


def test_a_node_whose_log_holds_everything_is_followed_else_the_one_that_writes(ctx, servers):
    servers.able["node-1"].update(whole_log=False, writes=10)
    assert way.choose(ctx)["source"] == "node-2"
    servers.able["node-2"].update(whole_log=False, writes=20)
    assert way.choose(ctx) == {"way": "replica", "source": "node-2", "whole_log": False, "reasons": []}


@pytest.mark.parametrize("most", ["node-1", "node-2"])
def test_clients_that_a_failover_left_elsewhere_are_sent_to_the_node_that_is_followed(ctx, servers, monkeypatch, most):
    """node-1 has written most since it started, and HAProxy sends everybody to node-2 now."""
    monkeypatch.setattr(way, "RECONNECT_SECONDS", 0)
    for minion, writes in (("node-1", 20), ("node-2", 10)):
        servers.able[minion].update(whole_log=False, writes=writes)
    servers.active = "node-2"
    servers.sessions = {"node-1": [1], "node-2": [2], most: [1, 2, 3]}
    run(way.ChooseWay(), ctx)
    assert ctx.recall(WAY)["source"] == "node-2" and servers.sessions["node-1"] == []


def test_where_all_clients_are_on_one_node_nobody_is_sent_away(ctx, servers):
    for minion, writes in (("node-1", 20), ("node-2", 10)):
        servers.able[minion].update(whole_log=False, writes=writes)
    servers.sessions = {"node-1": [], "node-2": [2, 3]}
    run(way.ChooseWay(), ctx)
    assert ctx.recall(WAY)["source"] == "node-2" and servers.sessions["node-2"] == [2, 3]


@pytest.mark.parametrize(
    ("options", "before", "inside", "words"),
    [
        ({}, 50 << 20, None, "at most 50 MiB/s"),
        ({"rate": 7 << 20}, 7 << 20, 7 << 20, "at most 7 MiB/s"),
        ({"rate": 0}, None, None, "without a limit"),
    ],
)
def test_a_copy_takes_less_while_users_work_than_while_they_wait(ctx, servers, options, before, inside, words):
    ctx.options = options
    of = {"node-1": "original", "node-4": "node-4"}
    ctx.nodes.functions["octane_db.checksums"] = lambda minion, names: servers.sums(of[minion], None)
    run(way.ChooseWay(), ctx)
    seeded = replica.Replicate().apply(ctx)
    assert seeded.comment.endswith(f"0 s behind; 9 bytes copied in 1.0 s, {words}")
    assert seeded.evidence["limit"] == (before or 0)
    ctx.record(WAY, {**ctx.recall(WAY), "way": "dump"})
    db.Copy().apply(ctx)
    assert servers.limits == [before, inside]


@pytest.mark.parametrize(("options", "limit"), [({}, 50 << 20), ({"rate": 7 << 20}, 7 << 20), ({"rate": 0}, 0)])
def test_the_original_is_read_within_the_limit_until_users_wait_for_it(ctx, servers, options, limit):
    ctx.options = options
    for step in (way.ChooseWay(), replica.Replicate(), replica.ProveEqual(), db.Freeze()):
        run(step, ctx)
    before, servers.proven_within = servers.proven_within, []
    run(replica.CatchUp(), ctx)
    assert len(before) > 1 and set(before) == {limit} and servers.proven_within == [0]


def test_the_account_is_written_down_before_it_exists_and_nothing_secret_is(ctx, servers):
    run(way.ChooseWay(), ctx)

    def admit(minion, account, word):
        assert ctx.recall(REPLICATING)["account"] == account
        servers.accounts.add(account)
        return {}

    ctx.nodes.functions["octane_source.admit"] = admit
    run(replica.Replicate(), ctx)
    run(replica.ProveEqual(), ctx)
    assert servers.guarded == {"node-4", "node-5"}
    refuse_secrets(ctx.records)
    assert "*AB" not in json.dumps(ctx.records)


def test_the_window_reads_what_changed_and_nothing_else(ctx, servers):
    before_the_window(ctx)
    servers.write("nova", "instances")
    servers.write("nova", "services")
    servers.copy()
    run(db.Freeze(), ctx)
    servers.wanted.clear()
    run(replica.CatchUp(), ctx)
    assert servers.wanted == [{"nova": {"instances": None}}]
    assert ctx.recall(COPIED)["way"] == "replica"
    assert not servers.guarded and not servers.status["configured"]
    assert ctx.recall(PROVEN)["tables"]["nova"] == {"instances": 3}
    names = len(ctx.nodes.asked)
    run(db.Copy(), ctx)
    run(db.NothingLost(), ctx)
    assert "octane_db.checksums" not in ctx.nodes.names()[names:]
    assert servers.accounts, "what can wait for the end of the window does"
    run(replica.EndReplication(), ctx)
    assert not servers.accounts and not ctx.recall(REPLICATING)


def test_how_far_the_replica_is_behind_is_told_and_waited_for_before_the_window_by_each_run(ctx, servers):
    before_the_window(ctx)
    for _ in range(2):
        ctx.told.clear()
        servers.status.update(lag_seconds=42, behind=9000)
        assert replica.ProveEqual().pending(ctx) == {}
        seen = replica.ProveEqual().verify(ctx)
        assert ctx.told == [
            ("node-4 follows node-1", {"lag_seconds": 42, "behind": 9000}),
            ("node-4 follows node-1", {"lag_seconds": 0, "behind": 0}),
        ]
        assert (seen["lag_seconds"], seen["waited_for"]) == (0, {"lag_seconds": 42, "behind": 9000})
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    ctx.told.clear()
    assert replica.ProveEqual().verify(ctx)["position"] and ctx.told == [], "nothing follows any more"


def test_a_late_write_is_waited_for(ctx, servers):
    before_the_window(ctx)
    servers.late = ["nova.instances", "keystone.user"]
    run(db.Freeze(), ctx)
    assert ctx.recall(FROZEN_AT)["position"]["position"] == 2
    assert tables.unmoved(ctx)["moved"] == []


def test_the_freeze_keeps_what_was_written_until_then_and_that_nothing_was_in_the_end(ctx, servers):
    before_the_window(ctx)
    servers.late = ["nova.services", "ceilometer.meters", "keystone.user"]
    seen = db.Freeze().apply(ctx).evidence
    assert seen["moved_before"] == ["keystone.user"], "waited for"
    assert seen["wsrep_last_committed"] == [100, 102] and seen["elsewhere_moved"] == ["ceilometer"]
    assert seen["quiet"] == {"seconds": 0.5, "wsrep_last_committed": [101, 102]}
    assert seen["writing_sessions"] == []
    servers.late = ["nova.services"]
    seen = db.Freeze().apply(ctx).evidence
    assert (seen["moved_before"], seen["expendable_moved"]) == ([], ["nova.services"])
    assert seen["wsrep_last_committed"] == [102, 103]


def test_a_write_that_nothing_explains_is_waited_for_and_else_stops_the_stage(ctx, servers, monkeypatch):
    before_the_window(ctx)
    servers.unlogged = 1
    assert db.Freeze().apply(ctx).evidence["wsrep_last_committed"] == [99, 100]
    assert servers.unlogged == 0
    monkeypatch.setattr(standstill, "TIMEOUT", 0)
    servers.unlogged = 9
    with pytest.raises(Failed, match="wsrep_last_committed went from 99 to 100, and nothing tells what was written"):
        db.Freeze().apply(ctx)


def session(database, command="Query"):
    return {"user": "nova", "host": "192.168.0.3", "command": command, "database": database}


@pytest.mark.parametrize("database", ["nova", ""])
def test_a_session_that_is_in_the_middle_of_writing_is_waited_for_and_else_stops_the_stage(
    ctx, servers, monkeypatch, database
):
    """What it has changed is in no log before it commits, and that may be after the freeze."""
    before_the_window(ctx)
    servers.writing = [session(database, "Sleep")]
    seen = db.Freeze().apply(ctx).evidence
    assert seen["writing_sessions"] == []
    assert seen["sessions_waited_for"] == [f"node-1: nova@192.168.0.3 Sleep in {database or 'no database'}"]
    monkeypatch.setattr(standstill, "TIMEOUT", 0)
    servers.writing = [session(database)] * 9
    with pytest.raises(Failed, match=r"in the middle of writing: node-1: nova@192\.168\.0\.3 Query in"):
        db.Freeze().apply(ctx)


def test_a_session_that_writes_to_what_is_not_moved_is_told_and_in_nobodys_way(ctx, servers):
    before_the_window(ctx)
    servers.writing = [session("ceilometer")] * 2
    seen = db.Freeze().apply(ctx).evidence
    assert seen["sessions_elsewhere"] == ["node-1: nova@192.168.0.3 Query in ceilometer"]
    assert seen["sessions_waited_for"] == [] and len(servers.writing) == 1


@pytest.mark.parametrize("written", ["nova.services", "nova.instances"])
def test_on_the_way_back_the_log_tells_what_was_written_since_the_freeze(ctx, servers, written):
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    servers.write(*written.split("."))
    seen = db.Freeze().undo(ctx).evidence
    assert seen["compared"] == "by the log of node-1 since log.1:0"
    assert seen["moved"] == [name for name in [written] if name != "nova.services"]
    assert seen["expendable_moved"] == [name for name in [written] if name == "nova.services"]
    assert seen["wsrep_last_committed"] == [100, 101]


@pytest.mark.parametrize(
    ("foreign", "moved"), [(99, []), (8, ["1 writes by other nodes of the cluster, which are not in its log"])]
)
def test_a_server_that_was_restarted_since_has_not_been_written_to_by_others(ctx, servers, foreign, moved):
    """As by the way back of the switch: it counts what it gives to the cluster from its start."""
    for minion in ("node-1", "node-2"):
        servers.able[minion]["whole_log"] = False
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    servers.foreign = foreign
    servers.write("nova", "services")
    assert db.Freeze().undo(ctx).evidence["moved"] == moved


def test_what_was_caught_up_before_a_write_is_no_copy(ctx, servers):
    """A run that was killed after the catch-up, and a service that nobody stopped: its row is on the original alone."""
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    servers.write("nova", "instances")
    run(db.Freeze(), ctx)
    assert not ctx.recall(COPIED)
    with pytest.raises(Failed):
        replica.CatchUp().apply(ctx)
    for step in (replica.Replicate(), replica.ProveEqual(), db.Freeze(), replica.CatchUp()):
        run(step, ctx)
    assert servers.seeds["node-4"]["nova"]["instances"] == servers.original["nova"]["instances"]


def test_a_run_killed_as_the_copy_had_nothing_to_do_copies_nothing(ctx):
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    caught_up = ctx.recall(COPIED)
    names = len(ctx.nodes.asked)
    assert db.Copy().apply(ctx).changes == {}
    assert ctx.recall(COPIED) == caught_up and "octane_db.receive" not in ctx.nodes.names()[names:]


def test_a_run_killed_while_a_spoiled_copy_is_made_anew_is_finished(ctx, servers, monkeypatch):
    """The replica is gone by then, and nothing is to be caught up."""
    of = {"node-1": "original", "node-4": "node-4"}
    ctx.nodes.functions["octane_db.checksums"] = lambda minion, names: servers.sums(of[minion], None)
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    ctx.record(MIGRATING, True)
    with monkeypatch.context() as patch:
        patch.setattr(db.transfer, "databases", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            db.Copy().apply(ctx)
    assert replica.CatchUp().pending(ctx) == {}
    replica.CatchUp().apply(ctx)
    run(db.Copy(), ctx)
    assert ctx.recall(COPIED) and not ctx.recall(MIGRATING)


def test_a_write_while_the_window_is_proven_is_no_success(ctx, servers):
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    servers.write("keystone", "user")
    servers.copy()
    with pytest.raises(Failed, match=r"keystone\.user"):
        replica.CatchUp().apply(ctx)
    assert not ctx.recall(COPIED) and ctx.recall(REPLICATING)


def test_a_write_that_is_not_in_the_log_is_noticed(ctx, servers):
    for minion in ("node-1", "node-2"):
        servers.able[minion]["whole_log"] = False
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    assert ctx.recall(FROZEN_AT)["foreign"] == 7
    servers.foreign = 9
    with pytest.raises(Failed, match="2 writes by other nodes"):
        replica.CatchUp().apply(ctx)


def test_a_difference_is_named_and_the_replica_made_anew(ctx, servers):
    run(way.ChooseWay(), ctx)
    run(replica.Replicate(), ctx)
    first = ctx.recall(REPLICATING)["account"]
    servers.seeds["node-4"]["keystone"]["token"] = 99
    with pytest.raises(proof.Different, match=r"keystone\.token"):
        replica.ProveEqual().apply(ctx)
    run(replica.Replicate(), ctx)
    run(replica.ProveEqual(), ctx)
    assert servers.accounts == {ctx.recall(REPLICATING)["account"]} != {first}


def test_a_replica_that_lost_its_filter_is_made_anew(ctx, servers):
    before_the_window(ctx)
    servers.status["filtered"] = False
    with pytest.raises(proof.Different, match="not this path's"):
        replica.CatchUp().apply(ctx)
    assert replica.Replicate().pending(ctx)


def test_another_controller_of_the_seed_without_the_writes_is_found(ctx, servers):
    before_the_window(ctx)
    servers.write("nova", "instances")
    servers.seeds["node-4"] = copy.deepcopy(servers.original)
    run(db.Freeze(), ctx)
    with pytest.raises(Failed, match=r"node-5.*nova\.instances"):
        replica.CatchUp().apply(ctx)


def test_after_a_failure_between_proof_and_end_only_the_end_is_left(ctx, servers):
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    functions = ctx.nodes.functions
    good, functions["octane_replica.remove"] = functions["octane_replica.remove"], lambda minion: 1 / 0
    with pytest.raises(ZeroDivisionError):
        replica.CatchUp().apply(ctx)
    functions["octane_replica.remove"] = good
    servers.wanted.clear()
    assert replica.CatchUp().pending(ctx) == {"stop": "the replication"}
    run(replica.CatchUp(), ctx)
    assert servers.wanted == [] and not servers.status["configured"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_run_killed_at_the_end_of_the_replication_is_finished(ctx, servers, gone):
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    if gone:
        replica.take_away(ctx)
    replica.EndReplication().apply(ctx)
    assert replica.EndReplication().pending(ctx) == {} and not servers.accounts


def test_a_migration_that_failed_gets_a_dump(ctx):
    before_the_window(ctx)
    run(db.Freeze(), ctx)
    run(replica.CatchUp(), ctx)
    assert db.Copy().pending(ctx) == {}
    ctx.record(MIGRATING, True)
    assert db.Copy().pending(ctx) == {"copy": ["keystone", "nova"]}


def test_an_undo_takes_all_away_from_any_point(ctx, servers):
    before_the_window(ctx)
    for _ in range(2):
        end = (replica.EndReplication(), replica.CatchUp(), db.Freeze())
        for step in (*end, replica.ProveEqual(), replica.Replicate(), way.ChooseWay()):
            step.undo(ctx)
        assert not servers.accounts and not servers.guarded and not servers.seeds["node-4"]
        assert not any(ctx.records.get(key) for key in (REPLICATING, PROVEN, COPIED, WAY, FROZEN_AT))


def test_a_copy_that_does_not_say_its_place_is_refused(ctx, servers):
    run(way.ChooseWay(), ctx)
    ctx.nodes.functions["octane_db.send"] = lambda minion, *rest, limit: {"bytes": 1, "sha256": "a", "seconds": 1}
    with pytest.raises(Failed, match="does not say where in the log"):
        replica.Replicate().apply(ctx)
    assert tables.databases(ctx) and replica.Replicate().pending(ctx)
