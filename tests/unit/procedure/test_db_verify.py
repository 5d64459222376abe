"""What users know of their things is compared row by row, and a difference stops the stage with its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from octane.errors import BadInput, InvariantBroken, Refused
from octane.journal.values import refuse_secrets
from octane.path import identity, load_hops
from octane.path.identity import View
from octane.procedure import db_verify
from octane.procedure.tables import MIGRATED, REHEARSED
from octane.verify.identities import MOST, changes, compare
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")


def role(number, name):
    return [number, name, "NULL", "NULL", "NULL"]


class Cloud:
    """Roles on both sides, and one row of everything else."""

    def __init__(self) -> None:
        self.roles = {"node-1": [role("r1", "'admin'")], "node-4": [role("r1", "'admin'")]}

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
        ([role("r1", "'other'")], "role r1: name was 'admin', is 'other'"),
        ([], "role r1 is missing on the seed"),
        ([role("r1", "'admin'"), role("r2", "x")], "role r2 is on the seed alone"),
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


def test_the_services_own_records_are_compared_and_are_none_of_what_users_wrote():
    views = views_of(inner=True)
    old, new = [["1", "a", "s"]], [["1", "b", "s"]]
    assert found(views, old, new).lost == ["thing 1: name was a, is b"]
    before, after = ({"things": {"rows": 1, "sums": [number]}} for number in (1, 2))
    rows = {"old": {"things": old}, "new": {"things": new}}
    assert changes(views, before, after, lambda side, queries: rows[side]) == {}
    assert changes(views_of(), before, after, lambda side, queries: rows[side])["thing"]["changed"]


@pytest.mark.parametrize("rehearsed", [True, False])
def test_what_was_deleted_is_left_to_a_rehearsal_that_passed(ctx, rehearsed):
    """Without one the window reads it, and is longer."""
    ctx.record(REHEARSED, {"at": 1.0} if rehearsed else None)
    db_verify.Snapshot().apply(ctx)
    # One that passes later changes nothing: both sides are read alike.
    ctx.record(REHEARSED, None if rehearsed else {"at": 1.0})
    evidence = db_verify.Verify().verify(ctx)
    assert evidence["what_was_deleted_before"] == ("compared by the rehearsal alone" if rehearsed else "compared")
    ctx.path = replace(HOP, name="juno-kilo")
    assert db_verify.views(ctx) == (identity.living if rehearsed else tuple)(db_verify.every_view(ctx))


def test_what_lives_is_read_without_what_was_deleted():
    every, now = (
        {view.name: view.old.sql for view in views}
        for views in (identity.load("juno-kilo"), identity.living(identity.load("juno-kilo")))
    )
    assert every.keys() == now.keys()
    assert now["volumes"] == every["volumes"] + " WHERE (deleted = 0)"
    assert now["flavors"] == every["flavors"]


def test_a_view_of_some_rows_has_both_conditions():
    (view,) = identity.living(views_of(where="a = 1 OR b = 1", living="deleted = 0"))
    assert view.old.sql.endswith(" FROM things WHERE (a = 1 OR b = 1) AND (deleted = 0)")
    assert view.new.sql == view.old.sql


ONE = {"what": "thing", "database": "nova", "from": "things", "key": ["id"], "fields": ["name"]}


def test_a_hop_names_the_views_that_it_has_in_common_with_others(tmp_path):
    (tmp_path / "nova.yaml").write_text(yaml.safe_dump({"one": ONE, "other": ONE}))
    views = identity.parse({"shared": {"nova": ["other"]}, "own": ONE}, "test.yaml", tmp_path)
    assert [view.name for view in views] == ["other", "own"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"shared": {"nova": ["gone"]}}, "nova.yaml has no gone"),
        ({"shared": {"else": ["one"]}}, "else.yaml has no one"),
        ({"shared": {"nova": ["one"]}, "one": ONE}, "named twice: one"),
        ({"shared": {"nova": ["one", "one"]}}, "named twice: one"),
        ({"shared": {"bad": ["one"]}}, "bad.yaml: one: 'what' is a required property"),
    ],
)
def test_views_that_cannot_be_shared_are_refused_by_name(tmp_path, data, said):
    (tmp_path / "nova.yaml").write_text(yaml.safe_dump({"one": ONE}))
    (tmp_path / "bad.yaml").write_text("one: {database: nova}")
    with pytest.raises(BadInput, match=said):
        identity.parse(data, "test.yaml", tmp_path)


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
