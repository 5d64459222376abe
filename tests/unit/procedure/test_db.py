"""The database stage: nothing lost, nothing of production deleted, and a half-done run is finished by the next one."""

from __future__ import annotations

import copy

import pytest

from octane import wait
from octane.errors import Failed, InvariantBroken, Refused
from octane.path import load_hops
from octane.procedure import db, migration, standstill
from octane.procedure.tables import COPIED, FROZEN, MIGRATED, MIGRATING
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
OLD_HEAD, NEW_HEAD = ["old"], ["new"]


class Clouds:
    """Two database servers as dicts of tables, and what the node modules would do to them."""

    def __init__(self) -> None:
        contents = {name: {"alembic_version": 1, "things": len(name)} for name in HOP.databases}
        contents["heat"]["service"] = 7
        contents["keystone"]["credential"] = 3
        self.servers = {"original": contents, "seed": {}}
        self.identities = {"original": "uuid-original", "seed": "uuid-seed"}
        self.heads = {"original": OLD_HEAD, "seed": OLD_HEAD}
        self.committed = 100
        self.corrupt = False
        self.fail_migration = False
        self.resources: dict[str, list[dict[str, str]]] = {"images": [{"id": "i1", "name": "TestVM"}], "networks": []}
        self.streams: dict[str, list[str]] = {}

    def side(self, minion: str) -> str:
        return "original" if minion in ("node-1", "node-2") else "seed"

    def functions(self):
        return {
            "octane_db.databases": lambda minion: list(self.servers[self.side(minion)]),
            "octane_db.sizes": lambda minion, names: dict.fromkeys(names, 1000),
            "octane_db.server": lambda minion: {"id": self.identities[self.side(minion)]},
            "octane_db.checksums": self.checksums,
            "octane_db.writers": lambda minion: [],
            "octane_db.last_committed": lambda minion: self.committed,
            "octane_replica.able": lambda minion: {"reasons": [], "family": "mariadb"},
            "octane_source.able": lambda minion, names: {
                "able": False,
                "reasons": ["it has no log"],
                "whole_log": True,
                "writes": 0,
                "family": "mariadb",
            },
            "octane_stream.end": lambda minion: [],
            "octane_db.identity": lambda minion: {"identity": "one", "certificate": "public"},
            "octane_db.receive": self.receive,
            "octane_db.send": self.send,
            "octane_db.received": lambda minion, ticket: {"sha256": "abc"},
            "octane_db.run_manage_all": self.manage,
            "octane_nova.repoint_cells": lambda minion: [],
            "octane_rows.matching": lambda minion, queries: {one["name"]: {"count": 0, "first": []} for one in queries},
            "octane_db.compare_schemas": lambda minion, schemas: {
                one["database"]: {
                    "found": {"alembic": self.heads[self.side(minion)], "migrate": {}},
                    "wanted": {"alembic": NEW_HEAD, "migrate": None},
                    "error": "",
                }
                for one in schemas
            },
            "octane_cloud.resources": lambda minion: copy.deepcopy(self.resources),
            "octane_cloud.remove": self.remove,
        }

    def checksums(self, minion, names):
        return copy.deepcopy({name: self.servers[self.side(minion)].get(name, {}) for name in names})

    def receive(self, minion, names, bind, certificate, server, replace, alone):
        assert server == self.identities[self.side(minion)]
        assert bind == "10.20.0.132"
        self.streams["ticket"] = names
        return {"port": 4444, "certificate": "public", "ticket": "ticket"}

    def send(self, minion, names, host, port, certificate, identity):
        copied = copy.deepcopy({name: self.servers["original"][name] for name in names})
        if self.corrupt:
            copied["nova"]["things"] += 1
        self.servers["seed"] = copied
        self.heads["seed"] = OLD_HEAD
        return {"sha256": "abc", "bytes": 9000, "seconds": 1.5}

    def manage(self, minion, groups, at_once, bound, server):
        assert server == {"original": None, "seed": self.identities["seed"]}[self.side(minion)]
        if self.fail_migration:
            self.servers["seed"]["heat"]["things"] = "half migrated"
            raise Failed("heat-manage failed", node=minion)
        self.heads[self.side(minion)] = NEW_HEAD
        return {name: [{"seconds": 1.0}] for name in groups}

    def remove(self, minion, kind, identifier, name):
        self.resources[kind] = [entry for entry in self.resources[kind] if entry["id"] != identifier]
        return True


@pytest.fixture
def clouds():
    return Clouds()


@pytest.fixture
def ctx(clouds):
    members = [node(1, ORIGINAL, "controller"), node(2, ORIGINAL, "controller")]
    members += [node(4, SEED, "controller"), node(7, ORIGINAL, "compute")]
    return FakeContext(FakeNodes(clouds.functions()), HOP, members)


def run(step, ctx):
    """As octane.step does it: apply what is pending, then verify."""
    if step.pending(ctx):
        step.apply(ctx)
    return step.verify(ctx)


def test_a_copy_is_compared_table_by_table(ctx, clouds):
    assert run(db.Copy(), ctx) == {"different": []}
    assert clouds.servers["seed"] == clouds.servers["original"]
    assert db.Copy().pending(ctx) == {}


def test_a_copy_that_differs_is_a_failure_that_names_the_table(ctx, clouds):
    clouds.corrupt = True
    with pytest.raises(Failed, match=r"nova\.things"):
        run(db.Copy(), ctx)
    assert not ctx.recall(COPIED)


def test_nothing_is_copied_over_the_originals_own_cluster(ctx, clouds):
    clouds.identities["seed"] = clouds.identities["original"]
    with pytest.raises(Refused, match="in the original's database cluster"):
        run(db.Copy(), ctx)
    assert "octane_db.send" not in ctx.nodes.names()


def test_another_server_than_the_recorded_one_is_not_written_to(ctx, clouds):
    run(db.Copy(), ctx)
    clouds.identities["seed"] = "uuid-of-somebody-else"
    with pytest.raises(Refused, match="not the one recorded"):
        db.Copy().apply(ctx)


def test_a_failed_migration_is_thrown_away_and_copied_again(ctx, clouds):
    run(db.Copy(), ctx)
    clouds.fail_migration = True
    with pytest.raises(Failed):
        run(migration.Migrate(), ctx)
    assert ctx.recall(MIGRATING)
    clouds.fail_migration = False
    assert db.Copy().pending(ctx), "a half migrated copy must not be taken for a good one"
    run(db.Copy(), ctx)
    assert clouds.servers["seed"]["heat"]["things"] == clouds.servers["original"]["heat"]["things"]
    run(migration.Migrate(), ctx)
    assert ctx.recall(MIGRATED)


def test_another_copy_gets_its_data_migrated_too(ctx):
    """Observed: taken back and done again, the stage left the new release's data migrations out."""
    steps = (db.Freeze(), db.Copy(), migration.Migrate(), migration.FinishNewMigrations())
    for step in steps:
        run(step, ctx)
    assert migration.FinishNewMigrations().pending(ctx) == {}
    for step in (db.Copy(), db.Freeze()):
        ctx.nodes.functions["octane_db.absent_databases"] = lambda minion, test, databases, server: {}
        step.undo(ctx)
    for step in steps[:-1]:
        run(step, ctx)
    assert migration.FinishNewMigrations().pending(ctx)


class Leaving:
    """A seed on which each run of the online migrations leaves the next number of rows in nova's table."""

    def __init__(self, ctx, left):
        self.left, self.runs, self.ctx = list(left), [], ctx
        ctx.nodes.functions |= {"octane_db.run_manage_all": self.manage, "octane_rows.matching": self.matching}

    def manage(self, minion, groups, *_):
        self.runs.append(sorted(groups))
        if len(self.left) > 1:
            self.left.pop(0)
        return {name: [{"seconds": 1.5}] for name in groups}

    def matching(self, minion, queries):
        assert minion == "node-4"
        count = self.left[0]
        return {
            one["name"]: {"count": count, "first": ["i-1", "i-2"][:count]}
            if one["name"] == "instances_without_compute_id"
            else {"count": 0, "first": []}
            for one in queries
        }


def test_online_migrations_are_run_until_nothing_is_left_those_again_that_left_something(ctx):
    seed = Leaving(ctx, [9, 5, 2, 0])
    outcome = migration.FinishNewMigrations().apply(ctx)
    assert seed.runs == [["cinder", "nova"], ["nova"], ["nova"]]
    assert outcome.evidence["seconds"] == {"cinder": 1.5, "nova": 4.5}
    assert migration.FinishNewMigrations().verify(ctx)["left"] == {
        "instances_without_compute_id": 0,
        "volumes_with_temporary_metadata": 0,
    }


@pytest.mark.parametrize(("left", "runs"), [([9, 2, 2, 2], 2), ([99, *range(30, 10, -1)], migration.ROUNDS)])
def test_rows_that_no_run_leaves_fewer_of_fail_the_step_by_their_names(ctx, left, runs):
    """5,001 of 5,003 rows were filled once and 100 of 152 another time, with exit code 0 (observed on 2024.1)."""
    seed = Leaving(ctx, left)
    with pytest.raises(Failed, match=r"nova: \d+ instances .*: i-1, i-2.*: archive deleted instances"):
        migration.FinishNewMigrations().apply(ctx)
    assert len(seed.runs) == runs
    assert migration.FinishNewMigrations().pending(ctx) and not ctx.recall(migration.ONLINE)


def test_rows_that_are_there_although_the_migrations_were_finished_are_found_and_finished(ctx):
    seed = Leaving(ctx, [1, 0])
    ctx.record(migration.ONLINE, True)
    with pytest.raises(InvariantBroken, match="nova: 1 instances"):
        migration.FinishNewMigrations().verify(ctx)
    run(migration.FinishNewMigrations(), ctx)
    assert len(seed.runs) == 1 and migration.FinishNewMigrations().pending(ctx) == {}


def test_a_finished_stage_has_nothing_left_to_do(ctx):
    for step in (db.EmptySeed(), db.Freeze(), db.Copy(), migration.Migrate()):
        run(step, ctx)
    for step in (db.EmptySeed(), db.Freeze(), db.Copy(), migration.Migrate()):
        assert step.pending(ctx) == {}
        step.verify(ctx)


def test_a_migration_is_proven_by_the_heads_not_by_its_exit(ctx, clouds):
    run(db.Copy(), ctx)
    functions = ctx.nodes.functions
    functions["octane_db.run_manage_all"] = lambda minion, groups, *_: {name: [] for name in groups}
    with pytest.raises(Failed, match=r"not at the new release's head.*keystone"):
        run(migration.Migrate(), ctx)
    assert not ctx.recall(MIGRATED)


def test_cells_lead_to_the_seed_before_a_command_follows_them(ctx):
    run(db.Copy(), ctx)
    run(migration.Migrate(), ctx)
    asked = [name for name in ctx.nodes.names() if name in ("octane_nova.repoint_cells", "octane_db.run_manage_all")]
    assert asked == ["octane_nova.repoint_cells", "octane_db.run_manage_all"]


def test_a_repository_beside_the_proven_one_that_stayed_behind_is_found(ctx):
    """Extensions of keystone have numbers of their own, which its own scripts of migration are not compared with."""
    ctx.path = next(hop for hop in load_hops() if hop.name == "juno-kilo")
    numbers = {"keystone": 67, "revoke": 2, "federation": 8, "oauth1": 5, "endpoint_filter": 2, "endpoint_policy": 0}

    def compared(minion, schemas):
        complete = {
            one["database"]: {"found": {"alembic": ["x"], "migrate": {}}, "wanted": {"alembic": ["x"]}, "error": ""}
            for one in schemas
        }
        for schema in (schema for service in ctx.path.services for schema in service.schemas if schema.new.repository):
            complete[schema.database] = {
                "found": {"alembic": ["x"], "migrate": {schema.new.repository: 1}},
                "wanted": {"alembic": [], "migrate": 1},
                "error": "",
            }
        keystone = {"found": {"alembic": [], "migrate": numbers}, "wanted": {"alembic": [], "migrate": 67}, "error": ""}
        return {**complete, "keystone": keystone}

    ctx.nodes.functions["octane_db.compare_schemas"] = compared
    ctx.record(COPIED, {"source": "node-1"})
    with pytest.raises(Failed, match=r"not at the new release's head after the migration: keystone$"):
        migration.Migrate().apply(ctx)


def test_nothing_is_migrated_that_was_not_copied(ctx):
    with pytest.raises(Refused, match="nothing was copied"):
        migration.Migrate().apply(ctx)


def test_work_in_flight_is_waited_for(ctx, clouds, monkeypatch):
    monkeypatch.setattr(wait.time, "sleep", lambda seconds: None)
    answers = iter([{"count": 1, "first": ["s1"]}, {"count": 0, "first": []}])
    nothing = {"count": 0, "first": []}
    ctx.nodes.functions["octane_rows.matching"] = lambda minion, queries: {
        one["name"]: next(answers) if one["name"] == "stacks_in_progress" else nothing for one in queries
    }
    (waited_for,) = db.WorkEnds().apply(ctx).evidence["waited_for"]
    assert "stacks" in waited_for and "s1" in waited_for


def test_work_that_does_not_end_stops_the_stage_and_is_named(ctx, clouds, monkeypatch):
    monkeypatch.setattr(db, "QUIESCE_TIMEOUT", 0)
    found = {"count": 1, "first": ["i1"]}
    ctx.nodes.functions["octane_rows.matching"] = lambda minion, queries: {one["name"]: found for one in queries}
    with pytest.raises(Failed, match=r"Waited 0 s for work in flight to end, in vain: nova: 1 instances .* i1"):
        db.WorkEnds().apply(ctx)


def test_a_row_written_after_the_freeze_is_found(ctx, clouds):
    run(db.Freeze(), ctx)
    clouds.servers["original"]["cinder"]["things"] += 1
    with pytest.raises(InvariantBroken, match=r"cinder\.things"):
        db.NothingLost().verify(ctx)


@pytest.mark.parametrize("half_done", [False, True])
def test_a_row_written_after_the_migration_leaves_the_way_back_alone(ctx, clouds, half_done):
    """A freeze anew would pass, and the row be on the original alone."""
    for step in (db.Freeze(), db.Copy(), migration.Migrate()):
        run(step, ctx)
    frozen = copy.deepcopy(ctx.recall(FROZEN))
    clouds.servers["original"]["cinder"]["things"] += 1
    again = db.Freeze().apply if half_done else db.Freeze().verify
    for look in (again, db.NothingLost().verify):
        with pytest.raises(InvariantBroken, match=r"cinder\.things.*next: `octane rollback-db 2`"):
            look(ctx)
    assert ctx.recall(FROZEN) == frozen


def test_the_proof_of_the_freeze_says_what_was_written_meanwhile(ctx, clouds):
    """A heartbeat comes between the two readings; a table of users' own would not have let it settle."""
    reading = clouds.checksums

    def beating(minion, names):
        found = reading(minion, names)
        clouds.servers["original"]["heat"]["service"] += 1
        clouds.committed += 1
        return found

    ctx.nodes.functions["octane_db.checksums"] = beating
    seen = db.Freeze().apply(ctx).evidence
    assert (seen["moved"], seen["expendable_moved"]) == ([], ["heat.service"])
    assert seen["wsrep_last_committed"] == [101, 102] and seen["writing_sessions"] == []


def test_a_write_in_no_table_that_was_read_is_not_taken_for_silence(ctx, clouds, monkeypatch):
    reading = clouds.checksums

    def committing(minion, names):
        clouds.committed += 1
        return reading(minion, names)

    ctx.nodes.functions["octane_db.checksums"] = committing
    monkeypatch.setattr(standstill, "TIMEOUT", 0)
    with pytest.raises(Failed, match="wsrep_last_committed went from 101 to 102, and nothing tells what was written"):
        db.Freeze().apply(ctx)
    clouds.servers["original"]["ceilometer"] = {}
    assert db.Freeze().apply(ctx).evidence["not_read"] == ["ceilometer"], "it may have been written to there"


def test_tables_are_read_again_after_a_session_was_seen_writing(ctx, clouds, monkeypatch):
    monkeypatch.setattr(wait.time, "sleep", lambda seconds: None)
    seen = [[{"user": "nova", "host": "10.0.0.1", "command": "Sleep", "database": "nova"}]]
    ctx.nodes.functions["octane_db.writers"] = lambda minion: seen.pop() if minion == "node-2" and seen else []
    found = db.Freeze().apply(ctx).evidence
    assert found["readings"] == 3 and found["writing_sessions"] == []
    assert found["sessions_waited_for"] == ["node-2: nova@10.0.0.1 Sleep in nova"]


def test_on_the_way_back_the_original_is_compared_with_the_freeze_without_a_table_being_read(ctx, clouds):
    run(db.Freeze(), ctx)
    names = len(ctx.nodes.asked)
    back = db.Freeze().undo(ctx)
    assert back.evidence == {
        "compared": "by wsrep_last_committed of node-1",
        "moved": [],
        "wsrep_last_committed": [100, 100],
    }
    assert back.comment.startswith("the original is as it was at the freeze, by wsrep_last_committed of node-1")
    assert "octane_db.checksums" not in ctx.nodes.names()[names:]
    assert db.Freeze().undo(ctx).evidence == {"not_compared": "nothing was frozen"}


@pytest.mark.parametrize(("table", "moved"), [("things", ["heat.things"]), ("service", [])])
def test_where_something_was_committed_since_every_table_is_read_on_the_way_back(ctx, clouds, table, moved):
    run(db.Freeze(), ctx)
    clouds.servers["original"]["heat"][table] += 1
    clouds.committed += 1
    back = db.Freeze().undo(ctx)
    assert back.evidence["compared"] == "by the checksum of every table" and back.evidence["moved"] == moved
    assert back.evidence["wsrep_last_committed"] == [100, 101]
    assert ("written to since the freeze: heat.things" in back.comment) is bool(moved)


def test_users_are_not_kept_waiting_while_large_tables_are_read(ctx, clouds):
    run(db.Freeze(), ctx)
    ctx.record(standstill.STOOD_STILL, {**ctx.recall(standstill.STOOD_STILL), "seconds": 41.5})
    clouds.committed += 1
    names = len(ctx.nodes.asked)
    back = db.Freeze().undo(ctx)
    assert back.evidence["not_compared"] == "reading every table takes 41.5 s"
    assert "was not compared with the freeze" in back.comment
    assert "octane_db.checksums" not in ctx.nodes.names()[names:]


def test_a_server_that_does_not_answer_is_not_waited_for_while_another_could_let_users_write(ctx, clouds):
    run(db.Freeze(), ctx)
    names = len(ctx.nodes.asked)
    ctx.nodes.silent = {"node-1"}
    assert db.Freeze().undo(ctx).evidence == {"not_compared": "node-1 does not answer"}
    assert ctx.nodes.names()[names:] == []


def test_a_comparison_that_fails_keeps_nobody_from_going_back(ctx, clouds):
    run(db.Freeze(), ctx)
    ctx.record(MIGRATED, True)

    def gone(minion):
        raise Failed("the database of this node: it is gone", node=minion)

    ctx.nodes.functions["octane_db.last_committed"] = gone
    assert db.Freeze().undo(ctx).evidence == {"not_compared": "node-1: the database of this node: it is gone"}
    assert not ctx.recall(MIGRATED) and not ctx.recall(FROZEN)


def test_heartbeats_that_the_path_names_may_go_on(ctx, clouds):
    run(db.Freeze(), ctx)
    clouds.servers["original"]["heat"]["service"] += 1
    assert db.NothingLost().verify(ctx)["moved"] == []
    assert "service" not in ctx.recall(FROZEN)["heat"]


def test_the_seeds_own_resources_go_by_name_and_only_once(ctx, clouds):
    run(db.EmptySeed(), ctx)
    assert clouds.resources["images"] == []
    clouds.resources["images"] = [{"id": "p1", "name": "production"}]
    assert db.EmptySeed().pending(ctx) == {}
    assert clouds.resources["images"]


def test_a_run_that_was_killed_before_it_noted_the_removal_leaves_no_second_one(ctx, clouds, monkeypatch):
    """The next run finds nothing left to remove, and the one after it must not ask again."""
    there = copy.deepcopy(clouds.resources)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        record = type(ctx).record

        def killed(self, key, value):
            if key == db.EMPTIED:
                raise KeyboardInterrupt
            record(self, key, value)

        patch.setattr(type(ctx), "record", killed)
        db.EmptySeed().apply(ctx)
    assert clouds.resources["images"] == []
    run(db.EmptySeed(), ctx)
    clouds.resources["images"] = [{"id": "p1", "name": "production"}]
    assert db.EmptySeed().pending(ctx) == {}
    names = [entry["name"] or entry["id"] for entry in there["images"]]
    assert db.EmptySeed().verify(ctx)["removed"]["images"] == names


def test_a_seed_that_holds_nothing_is_asked_once(ctx, clouds):
    for entries in clouds.resources.values():
        entries.clear()
    run(db.EmptySeed(), ctx)
    clouds.resources["images"] = [{"id": "p1", "name": "production"}]
    assert db.EmptySeed().pending(ctx) == {}


def test_a_database_that_the_path_moves_must_be_there(ctx, clouds):
    del clouds.servers["original"]["glance"]
    with pytest.raises(Refused, match="glance"):
        run(db.Copy(), ctx)


def test_rows_that_the_old_releases_migrations_left_stop_the_stage_before_the_window(ctx):
    left = {"volumes_without_use_quota": {"count": 2, "first": ["volumes v1", "volumes v2"]}}
    ctx.nodes.functions["octane_rows.matching"] = lambda minion, queries: {
        one["name"]: left.get(one["name"], {"count": 0, "first": []}) for one in queries
    }
    with pytest.raises(InvariantBroken, match=r"cinder: 2 volumes and .*: volumes v1, volumes v2: run `cinder"):
        run(migration.FinishOldMigrations(), ctx)
    left.clear()
    assert run(migration.FinishOldMigrations(), ctx) == {"commands": 2, "left": 0}


def test_rows_that_a_configuration_does_not_fit_are_put_right_in_order_on_the_seed_alone(ctx, clouds):
    ctx.path = next(hop for hop in load_hops() if hop.name == "kilo-liberty")
    left = ["external_networks_not_flat"]
    written = []

    def rewrite(minion, database, statement, server):
        assert (minion, database, server) == ("node-4", "neutron", "uuid-seed")
        written.append(statement.split()[:3])
        left.clear()

    ctx.nodes.functions |= {
        "octane_db.stale": lambda minion, wanted, hosts: [],
        "octane_nova.foreign_cells": lambda minion: [],
        "octane_rows.matching": lambda minion, queries: {
            one["name"]: {"count": int(one["name"] in left), "first": []} for one in queries
        },
        "octane_rows.rewrite": rewrite,
    }
    assert list(migration.Rewrite().pending(ctx)) == ["external_networks_not_flat"]
    run(migration.Rewrite(), ctx)
    # The allocation of a network that was made flat is found only after it was.
    assert [words[-1] for words in written] == ["networksecuritybindings", "s", "ml2_flat_allocations"]


def test_a_command_is_told_what_ends_its_repetition_and_what_it_reads(ctx):
    ctx.path = next(hop for hop in load_hops() if hop.name == "kilo-liberty")
    asked = {}
    ctx.nodes.functions |= {
        "octane_db.run_manage_all": lambda minion, groups, *_: asked.update(groups) or {},
        "octane_rows.matching": lambda minion, queries: {one["name"]: {"count": 0, "first": []} for one in queries},
    }
    run(migration.FinishOldMigrations(), ctx)
    assert asked == {
        "nova": [
            {
                "command": ["nova-manage", "db", "migrate_flavor_data", "--max-number", "500"],
                "repeat_until": ", 0 completed",
                "repeat_on": None,
                "configuration": ["/etc/nova/nova.conf"],
            }
        ]
    }
