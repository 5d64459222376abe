"""What users know of their things is compared row by row, and a difference stops the stage with its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from octane.errors import InvariantBroken, Refused
from octane.journal.values import refuse_secrets
from octane.path import identity, load_hops
from octane.path.identity import View
from octane.procedure import db_verify
from octane.procedure.tables import MIGRATED
from octane.verify.identities import MOST, compare
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")


class Cloud:
    """Roles on both sides, and one row of everything else."""

    def __init__(self) -> None:
        self.roles = {"node-1": [["r1", "'admin'", "NULL"]], "node-4": [["r1", "'admin'", "NULL"]]}

    def functions(self):
        return {"octane_views.sums": self.sums, "octane_views.rows": self.rows}

    def sums(self, minion, views):
        buckets = [hash(str(self.roles[minion])), 0]
        return {one["name"]: {"rows": 1, "sums": buckets if one["name"] == "roles" else [1, 2]} for one in views}

    def rows(self, minion, views):
        assert [(one["name"], one["buckets"]) for one in views] == [("roles", [0])]
        return {"roles": self.roles[minion]}


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def ctx(cloud):
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
    return FakeContext(FakeNodes(cloud.functions()), HOP, members)


def test_equal_sides_are_told_apart_by_sums_alone(ctx):
    db_verify.Snapshot().apply(ctx)
    assert db_verify.Verify().verify(ctx)["rows"]["roles"] == 1
    assert "octane_views.rows" not in ctx.nodes.names()


@pytest.mark.parametrize(
    ("seed", "sentence"),
    [
        ([["r1", "'other'", "NULL"]], "role r1: name was 'admin', is 'other'"),
        ([], "role r1 is missing on the seed"),
        ([["r1", "'admin'", "NULL"], ["r2", "x", "NULL"]], "role r2 is on the seed alone"),
    ],
)
def test_a_difference_is_named(ctx, cloud, seed, sentence):
    db_verify.Snapshot().apply(ctx)
    cloud.roles["node-4"] = seed
    with pytest.raises(InvariantBroken, match=sentence):
        db_verify.Verify().verify(ctx)


def test_nothing_is_called_equal_that_was_never_noted(ctx):
    with pytest.raises(Refused, match="nothing was noted"):
        db_verify.Verify().verify(ctx)


def test_a_path_without_views_is_refused(ctx):
    ctx.path = replace(HOP, name="one-that-has-none")
    with pytest.raises(Refused, match="cannot be verified"):
        db_verify.Snapshot().apply(ctx)


def test_what_was_noted_stays_once_a_migration_has_begun(ctx):
    db_verify.Snapshot().apply(ctx)
    assert db_verify.Snapshot().pending(ctx)
    ctx.record(MIGRATED, True)
    assert db_verify.Snapshot().pending(ctx) == {}


def views_of(**more) -> tuple[View, ...]:
    one = {
        "what": "thing",
        "database": "nova",
        "from": "things",
        "key": ["id"],
        "fields": ["name", {"digest_of_it": "x"}],
    }
    return identity.parse({"things": {**one, **more}}, "test.yaml")


def found(views, old, new):
    rows = {"old": {"things": old}, "new": {"things": new}}
    before, after = ({"things": {"rows": 1, "sums": [number]}} for number in (1, 2))
    return compare(views, before, after, lambda side, queries: rows[side])


def test_a_secret_is_compared_but_not_told():
    told = found(views_of(), [["1", "a", "s3"]], [["1", "a", "s4"]])
    assert told.lost == ["thing 1: it is another one"]


def test_a_documented_difference_is_told_with_its_reason_and_stops_nothing():
    told = found(views_of(documented="it is lost"), [["1", "'a'", "s"]], [["1", "'b'", "s"]])
    assert (told.count, told.known) == (0, ["thing 1: name was 'a', is 'b' (it is lost)"])


def test_all_differences_are_counted_and_the_first_ones_told():
    many = [[str(number), "a", "s"] for number in range(MOST + 5)]
    told = found(views_of(), many, [])
    assert (told.count, len(told.lost)) == (MOST + 5, MOST)


def test_sums_that_differ_without_a_row_that_does_are_still_a_difference():
    assert found(views_of(), [], []).count == 1


@pytest.mark.parametrize("hop", [hop.name for hop in load_hops()])
def test_every_hop_that_is_offered_compares_what_the_issue_of_users_is(hop):
    names = {view.name for view in identity.load(hop)}
    refuse_secrets({name: {"rows": 1, "sums": [2**63]} for name in names}, "record")
    assert names >= {
        "projects", "users", "role_assignments", "images", "volumes", "snapshots", "volume_attachments", "networks",
        "subnets", "routers", "ports", "floating_addresses", "security_groups", "security_group_rules", "flavors",
        "keypairs", "servers", "stacks",
    }  # fmt: skip
