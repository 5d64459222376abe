"""The way back of the database stage as it is shipped: the original first, whatever becomes of the seed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from octane import stage as stages
from octane import stage_run
from octane.errors import Failed, Refused
from octane.journal import runs, steps
from octane.journal.holder import Holder
from octane.journal.runs import NewRun
from octane.path import load_hops
from octane.procedure import tables, way
from octane.procedure.proof import PROVEN
from octane.step import load
from tests.saltfiles import orchestration
from tests.unit.fakes import Bench
from tests.unit.procedure.world import ORIGINAL, SEED, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
PLAN = orchestration("db")
NAMES = [definition.step for definition in PLAN]
ORIGINALS, SEEDS = ["node-1", "node-2"], ["node-4", "node-5"]
FIRST = ["octane_service.started", "octane_api.read_write", "octane_api.absent"]
"""What users wait for, in this order."""
BY_REPLICA = {
    way.WAY: {"way": "replica", "source": "node-2", "whole_log": True, "reasons": []},
    way.REPLICATING: {
        "source": "node-2",
        "target": "node-4",
        "account": "octane_0123abcd",
        "position": {"file": "log.1", "position": 4},
        "foreign": None,
    },
    tables.FROZEN_AT: {"node": "node-2", "position": {"file": "log.1", "position": 9}, "foreign": None},
}
BY_DUMP = {
    way.WAY: {"way": "dump", "source": None, "whole_log": False, "reasons": ["it was asked for"]},
    tables.FROZEN: {"nova": {"instances": 1}},
}
DONE = {
    tables.SEED_SERVER: "uuid-seed",
    tables.COPIED: {"source": "node-2"},
    tables.MIGRATED: True,
}


class World:
    """What is left of the stage on the nodes; everything that was asked is in the nodes' own list."""

    def __init__(self) -> None:
        self.mode = dict.fromkeys(ORIGINALS, "ro")
        self.writers = dict.fromkeys(ORIGINALS, False)
        self.copy = set(HOP.databases)
        self.replicas, self.accounts, self.tunnels = set(SEEDS), {"octane_0123abcd"}, {"node-2", "node-4"}
        self.broken: set[str] = set()
        self.killed_at = ""

    def came_to(self, last: str) -> None:
        """What the steps up to LAST have done to the original."""
        if NAMES.index(last) < NAMES.index("db.refuse_writes"):
            self.mode = dict.fromkeys(ORIGINALS, "rw")
        if NAMES.index(last) < NAMES.index("db.writers_stopped"):
            self.writers = dict.fromkeys(ORIGINALS, True)

    def nodes(self) -> FakeNodes:
        functions = {
            "octane_service.started": lambda minion, **_: self.writers.update({minion: True}),
            "octane_api.read_write": self.accept,
            "octane_api.absent": lambda minion, **_: None,
            "octane_stream.end": lambda minion: [],
            "octane_db.absent_databases": self.drop,
            "octane_db.checksums": lambda minion, names: {"nova": {"instances": 1}},
            "octane_db.last_committed": lambda minion: 100,
            "octane_proof.changed": lambda minion, names, **_: {
                "tables": [],
                "expendable": [],
                "elsewhere": [],
                "statements": 0,
                "position": {"file": "log.1", "position": 9},
                "foreign": None,
                "committed": [100, 100],
            },
            "octane_globals.restore_limits": lambda minion: {},
            "octane_replica.remove": lambda minion: self.replicas.discard(minion),
            "octane_tunnel.end": lambda minion: self.tunnels.discard(minion),
            "octane_proof.abandon": lambda minion: [],
            "octane_source.dismiss": lambda minion, account: self.accounts.discard(account),
        }
        return FakeNodes({name: self._breakable(name, function) for name, function in functions.items()})

    def accept(self, minion, **_):
        assert self.writers[minion], "users' requests would fail while nothing works on them"
        self.mode[minion] = "rw"

    def drop(self, minion, server, databases, **_):
        assert (minion, server) == ("node-4", "uuid-seed")
        assert "rw" in self.mode.values()
        self.copy -= set(databases)

    def _breakable(self, name, function):
        def answer(minion, *args, **kwargs):
            if name == self.killed_at:
                raise KeyboardInterrupt
            if minion in self.broken:
                raise Failed("the database of this node: it is gone", node=minion, command=name)
            return function(minion, *args, **kwargs)

        return answer

    def is_clean(self):
        return not (self.copy or self.replicas or self.accounts or self.tunnels)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def bench(tmp_path, world):
    bench = Bench(tmp_path, world.nodes())
    for stage, original in (("prepare", None), ("upgrade-env", ORIGINAL)):
        pair = bench.journal.pairs.create(original) if original else None
        run = bench.journal.runs.begin(NewRun(pair.id if pair else 0, stage), Holder.current())
        attempt = bench.journal.steps.begin(run, f"{stage}.all", "apply", {})
        bench.journal.steps.finish(run, attempt, steps.DONE, {}, "")
        bench.journal.runs.end(run, runs.DONE, "", 0)
    bench.journal.pairs.set_seed(pair, SEED)
    return bench


def context(bench, **options):
    members = [node(number, ORIGINAL, "controller") for number in (1, 2)]
    members += [node(number, SEED, "controller") for number in (4, 5)]
    ctx = bench.context("upgrade-db", seed=SEED, **options)
    ctx.fuel = SimpleNamespace(nodes=lambda: members)
    ctx.pair = bench.journal.pairs.of_seed(SEED)
    return ctx


def came_to(bench, last, records=BY_REPLICA):
    """The stage as a run left it that did all up to the step LAST, in which it was killed."""
    ctx = context(bench)
    for key, value in {"path": HOP.name, **records, **DONE}.items():
        ctx.record(key, value)
    run = bench.journal.runs.begin(NewRun(ctx.pair_id, "upgrade-db"), Holder.current())
    for definition in PLAN[: NAMES.index(last) + 1]:
        targets = {"originals": ORIGINALS, "seeds": SEEDS}.get(definition.side or "", ())
        journaled = {**definition.to_dict(), "targets": tuple(targets)}
        journaled["checks_only"] = type(load(definition)).changes_nothing
        attempt = bench.journal.steps.begin(run, definition.step, "apply", journaled)
        if definition.step != last:
            bench.journal.steps.finish(run, attempt, steps.DONE, {}, "")
    bench.journal.runs.end(run, runs.FAILED, "", 1)


def go_back(bench, **options):
    bench.nodes.asked.clear()
    stage_run.undo_stage(context(bench, **options))
    return bench.journal.runs.latest()


def asked(bench):
    """Functions in the order in which they were asked, each once."""
    return list(dict.fromkeys(bench.nodes.names()))


def standing(bench):
    return [step.name for step in stage_run.to_undo(bench.journal, stages.get("upgrade-db"), context(bench).pair)]


@pytest.mark.parametrize("records", [BY_REPLICA, BY_DUMP], ids=["replica", "dump"])
def test_the_original_takes_writes_before_anything_is_asked_of_the_seed(bench, world, records):
    came_to(bench, NAMES[-1], records)
    seen = []
    record = bench.nodes.call

    def call(targets, fun, *args, **kwargs):
        seen.append((fun, set(targets) & set(SEEDS)))
        return record(targets, fun, *args, **kwargs)

    bench.nodes.call = call
    assert go_back(bench).result == runs.DONE
    order = [fun for fun, _ in seen]
    assert [fun for fun in order if fun in FIRST] == FIRST
    assert not any(seeds for _, seeds in seen[: order.index("octane_api.absent") + 1])
    assert set(world.mode.values()) == {"rw"} and not world.copy and standing(bench) == []


@pytest.mark.parametrize("how", ["silent", "broken"])
@pytest.mark.parametrize("records", [BY_REPLICA, BY_DUMP], ids=["replica", "dump"])
def test_with_every_call_to_the_seed_failing_the_original_takes_writes_all_the_same(bench, world, records, how):
    came_to(bench, "db.migrated", records)
    (bench.nodes.silent if how == "silent" else world.broken).update(SEEDS)
    run = go_back(bench)
    assert set(world.mode.values()) == {"rw"} and all(world.writers.values())
    assert run.result == runs.FAILED and run.exit_code == 1
    assert "node-4" in run.comment and "to go on: `octane rollback-db 2`" in run.comment
    assert "left to be taken back: " in run.comment and "db.refuse_writes" not in run.comment
    if records is BY_REPLICA:
        assert "node-5" in run.comment, "every node that may have something left is named"
        assert not world.accounts and world.tunnels == {"node-4"}, "the original's own side is clean"

    bench.nodes.silent.clear()
    world.broken.clear()
    run = go_back(bench)
    assert run.result == runs.DONE and standing(bench) == []
    assert not set(FIRST) & set(asked(bench)), "what was taken back is left alone"
    assert not world.copy and (records is BY_DUMP or world.is_clean())
    assert not any(context(bench).recall(key) for key in {**records, **DONE, PROVEN: 1} if key != tables.SEED_SERVER)


@pytest.mark.parametrize("records", [BY_REPLICA, BY_DUMP], ids=["replica", "dump"])
def test_of_a_seed_that_was_stated_to_be_powered_off_nothing_is_asked(bench, world, records):
    came_to(bench, NAMES[-1], records)
    bench.nodes.silent.update(SEEDS)
    run = go_back(bench, fenced=SEEDS)
    assert run.result == runs.DONE and standing(bench) == []
    assert set(world.mode.values()) == {"rw"} and not (records is BY_REPLICA and world.accounts)
    assert not any(set(targets) & set(SEEDS) for _, targets in bench.nodes.asked)


@pytest.mark.parametrize("last", NAMES)
def test_there_is_a_way_back_from_every_step(bench, world, last):
    came_to(bench, last)
    world.came_to(last)
    assert go_back(bench).result == runs.DONE
    assert standing(bench) == []
    assert set(world.mode.values()) == {"rw"} and all(world.writers.values())
    if NAMES.index(last) >= NAMES.index("db.replicated"):
        assert world.is_clean()


@pytest.mark.parametrize("function", [*FIRST, "octane_replica.remove", "octane_db.absent_databases"])
def test_a_way_back_that_was_killed_is_finished_by_the_same_command(bench, world, function):
    came_to(bench, NAMES[-1])
    world.killed_at = function
    with pytest.raises(KeyboardInterrupt):
        go_back(bench)
    bench.journal.runs.end(bench.journal.runs.open_of(Holder.current()), runs.FAILED, "", 1)
    world.killed_at = ""
    assert go_back(bench).result == runs.DONE
    assert set(world.mode.values()) == {"rw"} and world.is_clean() and standing(bench) == []


def test_one_controller_of_the_seed_that_is_dead_keeps_no_other_from_being_emptied(bench, world):
    came_to(bench, NAMES[-1])
    bench.nodes.silent.add("node-5")
    run = go_back(bench)
    assert "node-5 does not answer" in run.comment
    assert not world.copy and world.replicas == {"node-5"} and not world.accounts


def test_one_controller_of_the_original_that_is_dead_keeps_no_other_from_taking_writes(bench, world):
    came_to(bench, NAMES[-1])
    bench.nodes.silent.add("node-2")
    run = go_back(bench)
    assert world.mode == {"node-1": "rw", "node-2": "ro"} and world.writers["node-1"]
    assert run.result == runs.FAILED and "node-2" in run.comment
    assert world.copy, "nothing of the seed goes before all of the original is back"
    bench.nodes.silent.clear()
    assert go_back(bench).result == runs.DONE and world.mode["node-2"] == "rw" and world.is_clean()


def test_the_original_is_compared_with_the_freeze_before_anybody_writes(bench, world):
    came_to(bench, NAMES[-1])
    run = go_back(bench)
    order = asked(bench)
    assert order.index("octane_proof.changed") < order.index("octane_service.started")
    attempt = dict(bench.journal.steps.attempts_of_run(run.id))["db.frozen"]
    (evidence,) = bench.journal.steps.evidence(attempt)
    assert evidence.data["moved"] == [] and evidence.data["compared"].startswith("by the log of node-2")


def test_where_no_node_answers_yet_each_is_given_its_time(bench, world):
    """A master that was just restarted: minions come back to it one by one, and calls wait for them."""
    came_to(bench, NAMES[-1])
    bench.nodes.ping = lambda targets, timeout=10: set(targets) - set(ORIGINALS)
    assert go_back(bench).result == runs.FAILED, "the end of the account is not waited for"
    assert set(world.mode.values()) == {"rw"} and "octane_proof.changed" in asked(bench)


def test_a_copy_is_none_as_soon_as_the_original_takes_writes(bench, world):
    """Taken for current, it would lose what users write from then on."""
    came_to(bench, NAMES[-1])
    ctx, nodes = context(bench), bench.nodes
    accept = nodes.functions["octane_service.started"]

    def start(minion, **given):
        assert not any(ctx.recall(key) for key in (tables.COPIED, tables.MIGRATED, tables.MIGRATING))
        return accept(minion, **given)

    nodes.functions["octane_service.started"] = start
    bench.nodes.silent.update(SEEDS)
    go_back(bench)
    assert all(world.writers.values()) and not stages.is_done(bench.journal, ctx.pair_id, "upgrade-db")
    with pytest.raises(Refused, match=r"upgrade-db is half taken back.*next: `octane rollback-db 2`"):
        stages.check(bench.journal, stages.get("upgrade-db"), {"seed": SEED})
    bench.nodes.silent.clear()
    go_back(bench)
    assert stages.check(bench.journal, stages.get("upgrade-db"), {"seed": SEED})
