"""A rehearsal: on a scratch server alone, thrown away in the end, and the stage says what is known from it."""

from __future__ import annotations

import pytest

from octane import stage as stages
from octane.errors import Failed, InvariantBroken
from octane.path import load_hops
from octane.procedure import migration, rehearsal
from octane.procedure.tables import REHEARSED
from tests.unit.procedure.test_db_verify import role
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")


def sums(views, lost):
    """Of every view the same, but for one bucket of roles when something was LOST."""
    return {one["name"]: {"rows": 1, "sums": [lost if one["name"] == "roles" else 0, 7]} for one in views}


class Cloud:
    """The original, and the scratch server of the seed's controller: none, empty, copied to or migrated."""

    def __init__(self) -> None:
        self.scratch: str | None = None
        self.heads = {"alembic": ["old"], "migrate": {}}
        self.reached = "migrated"
        self.lost = 0
        self.left = 0
        self.stale = [
            {"database": "nova", "table": "services", "id": "7", "binary": "nova-scheduler", "host": "node-1"}
        ]
        self.wanted: list[dict] = []
        self.limit: int | None = None

    def functions(self):
        return {
            "octane_db.databases": lambda minion: list(HOP.databases),
            "octane_db.sizes": lambda minion, names: dict.fromkeys(names, 1000),
            "octane_db.compare_schemas": lambda minion, schemas: {
                one["database"]: {"found": self.heads, "wanted": None, "error": ""} for one in schemas
            },
            "octane_stream.end": lambda minion: [],
            "octane_db.identity": lambda minion: {"identity": "one", "certificate": "public"},
            "octane_db.send": self.send,
            "octane_db.received": lambda minion, ticket: {"sha256": "abc"},
            "octane_views.rows": lambda minion, views: {one["name"]: [role("r1", "'admin'")] for one in views},
            "octane_rehearsal.start": self.start,
            "octane_rehearsal.stop": self.stop,
            "octane_rehearsal.status": lambda minion: {"folder": self.scratch is not None},
            "octane_rehearsal.ask": self.ask,
            "octane_rehearsal.manage": self.manage,
        }

    def start(self, minion):
        self.scratch = "empty"
        return {"folder": "/var/lib/octane-rehearsal", "free": 1 << 40}

    def send(self, minion, *_, limit=None):
        self.limit = limit
        return {"sha256": "abc", "bytes": 9000, "seconds": 1.5}

    def stop(self, minion):
        there, self.scratch = self.scratch is not None, None
        return {"was": there}

    def ask(self, minion, function, *arguments, **named):
        assert minion == "node-4" and self.scratch
        if function == "octane_db.server":
            return {"id": "scratch"}
        if function == "octane_db.receive":
            assert named["server"] == "scratch", "the order must name the scratch server, not the seed's"
            self.scratch = "copied"
            return {"port": 4444, "certificate": "public", "ticket": "ticket"}
        if function == "octane_views.sums":
            return sums(arguments[0], self.lost if self.scratch == "migrated" else 0)
        if function == "octane_views.rows":
            return {one["name"]: [role("r1", "'other'")] for one in arguments[0]}
        if function == "octane_db.stale":
            assert self.scratch == "migrated"
            self.wanted, hosts = arguments
            return [one for one in self.stale if one["host"] in hosts]
        if function == "octane_db.delete_stale":
            self.stale = [one for one in self.stale if one not in arguments[0]]
            return {"deleted": len(arguments[0])}
        if function == "octane_rows.matching":
            return {one["name"]: {"count": self.left, "first": ["i-1"][: self.left]} for one in arguments[0]}
        assert function == "octane_db.compare_schemas"
        found = {"alembic": ["new" if self.scratch == "migrated" else "old"], "migrate": {}}
        wanted = {"alembic": ["new"], "migrate": None}
        return {one["database"]: {"found": found, "wanted": wanted, "error": ""} for one in arguments[0]}

    def manage(self, minion, groups, at_once, bound):
        assert self.scratch in ("copied", "migrated")
        self.scratch = self.reached
        return {name: [{"seconds": 2.0}] for name in groups}


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def ctx(cloud):
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
    context = FakeContext(FakeNodes(cloud.functions()), HOP, members)
    context.stage = stages.get("rehearse-db")
    return context


STEPS = (
    rehearsal.Scratch,
    rehearsal.Copy,
    rehearsal.Migrate,
    rehearsal.Rewrite,
    rehearsal.Finish,
    rehearsal.Verify,
    rehearsal.Remember,
    rehearsal.ThrowAway,
)


def rehearse(ctx):
    for step in STEPS:
        assert step().pending(ctx)
        step().apply(ctx)
        step().verify(ctx)


def test_a_rehearsal_leaves_nothing_but_what_it_learned(ctx, cloud):
    rehearse(ctx)
    assert cloud.scratch is None
    learned = ctx.recall(REHEARSED)
    assert learned["bytes"] == 9000
    assert learned["seconds"]["copy"] == 1.5
    assert set(learned["seconds"]["migrate"]) == {service.name for service in HOP.services}


@pytest.mark.parametrize(
    ("options", "limit", "words"),
    [
        ({}, 50 << 20, "at most 50 MiB/s"),
        ({"rate": 20_000}, 20_000, "at most 0.0191 MiB/s"),
        ({"rate": 0}, None, "without a limit"),
    ],
)
def test_the_sender_takes_no_more_than_is_told(ctx, cloud, options, limit, words):
    ctx.options = options
    rehearsal.Scratch().apply(ctx)
    done = rehearsal.Copy().apply(ctx)
    assert cloud.limit == limit and done.evidence["limit"] == (limit or 0)
    assert done.comment.endswith(words)


def test_a_migration_that_does_not_reach_the_heads_fails_it(ctx, cloud):
    cloud.reached = "copied"
    rehearsal.Scratch().apply(ctx)
    rehearsal.Copy().apply(ctx)
    with pytest.raises(Failed, match="keystone"):
        rehearsal.Migrate().apply(ctx)
    assert ctx.recall(REHEARSED) is None


def test_rows_that_the_online_migrations_leave_fail_it(ctx, cloud):
    cloud.left = 1
    for step in STEPS[:4]:
        step().apply(ctx)
    with pytest.raises(Failed, match=r"nova: 1 instances that do not say which compute node they are on .*: i-1"):
        rehearsal.Finish().apply(ctx)
    assert ctx.recall(REHEARSED) is None


def test_a_row_that_the_migration_changes_fails_it_and_is_named(ctx, cloud):
    cloud.lost = 1
    for step in STEPS[:5]:
        step().apply(ctx)
    with pytest.raises(InvariantBroken, match=r"role r1: name was .admin., is .other."):
        rehearsal.Verify().apply(ctx)
    assert ctx.recall(REHEARSED) is None


def test_records_of_daemons_are_deleted_from_the_copy_as_in_the_window(ctx, cloud):
    for step in STEPS[:3]:
        step().apply(ctx)
    done = rehearsal.Rewrite().apply(ctx)
    assert cloud.stale == [] and done.evidence["deleted"] == ["nova-scheduler on node-1"]
    assert cloud.wanted[0]["where"] == {"binary": ["nova-conductor", "nova-scheduler"]}


def test_records_of_daemons_that_stay_fail_it(ctx, cloud):
    for step in STEPS[:3]:
        step().apply(ctx)
    kept = cloud.ask
    ctx.nodes.functions["octane_rehearsal.ask"] = lambda minion, function, *arguments: (
        {"deleted": 0} if function == "octane_db.delete_stale" else kept(minion, function, *arguments)
    )
    with pytest.raises(Failed, match=r"still to be put right on the copy: nova\.services 7"):
        rehearsal.Rewrite().apply(ctx)
    assert ctx.recall(REHEARSED) is None


@pytest.mark.parametrize("step", [*STEPS[:4], rehearsal.Finish, rehearsal.ThrowAway])
def test_every_step_of_it_can_be_taken_back(ctx, cloud, step):
    rehearsal.Scratch().apply(ctx)
    step().undo(ctx)
    assert cloud.scratch is None


def test_what_is_left_of_it_is_named(ctx, cloud):
    rehearsal.Scratch().apply(ctx)
    with pytest.raises(InvariantBroken, match="folder"):
        rehearsal.ThrowAway().verify(ctx)


def test_the_stage_warns_without_a_rehearsal(ctx):
    assert "octane upgrade-db 2 --rehearse" in rehearsal.Estimate().apply(ctx).comment


def test_the_stage_warns_when_the_schemas_have_changed_since(ctx, cloud):
    rehearse(ctx)
    assert "copy 1.5 s, migrations 4 s (the copy at most 50 MiB/s)" in rehearsal.Estimate().apply(ctx).comment
    cloud.heads = {"alembic": ["another"], "migrate": {}}
    assert "have changed since" in rehearsal.Estimate().apply(ctx).comment


def test_the_old_releases_migrations_are_run_for_a_trial_only_if_the_operator_says_so(ctx):
    """However often it is tried: after one that was interrupted, a step is applied without being asked."""
    step = migration.FinishOldMigrations()
    assert step.pending(ctx) == {} and step.apply(ctx).changes == {} and step.verify(ctx) == {}
    assert "octane_db.run_manage_all" not in ctx.nodes.names()
    ctx.options = {"finish_migrations": True}
    assert step.pending(ctx)
