"""What came to the seed's first database server is on all of them before it counts as there."""

from __future__ import annotations

import pytest

from octane import wait
from octane.errors import InvariantBroken
from octane.path import load_hops
from octane.procedure import db, together
from octane.procedure.tables import COPIED
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
SEEDS = ("node-4", "node-5", "node-6")


class Members:
    """Three servers of one cluster; each look at one takes the next of what it ``says``, the last one for good."""

    def __init__(self):
        whole = {"enabled": True, "state": "Synced", "status": "Primary", "size": 3, "uuid": "u", "last_committed": 9}
        self.says = {name: [dict(whole)] for name in SEEDS}

    def then(self, name, **changed):
        """What NAME says from its next look on."""
        self.says[name].append({**self.says[name][-1], **changed})

    def wsrep(self, minion):
        return self.says[minion].pop(0) if len(self.says[minion]) > 1 else self.says[minion][0]


@pytest.fixture
def members():
    return Members()


@pytest.fixture
def ctx(members, monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 0)
    sums = {name: {"things": 1} for name in HOP.databases}
    sent = {"sha256": "a", "bytes": 9, "seconds": 1.0}
    functions = {
        "octane_db.wsrep": members.wsrep,
        "octane_db.databases": lambda minion: list(HOP.databases),
        "octane_db.sizes": lambda minion, names: dict.fromkeys(names, 1),
        "octane_db.server": lambda minion: {"id": "old" if minion == "node-1" else "new"},
        "octane_db.checksums": lambda minion, names: sums,
        "octane_stream.end": lambda minion: [],
        "octane_db.identity": lambda minion: {"identity": "i", "certificate": "public"},
        "octane_db.receive": lambda minion, *_, **__: {"port": 3, "certificate": "public", "ticket": "t"},
        "octane_db.send": lambda minion, *_, **__: sent,
        "octane_db.received": lambda minion, ticket: sent,
    }
    everybody = [node(1, ORIGINAL, "controller"), *(node(int(name[5:]), SEED, "controller") for name in SEEDS)]
    made = FakeContext(FakeNodes(functions), HOP, everybody)
    made.options = {"way": "dump"}
    return made


def test_members_that_have_the_same_are_told_by_their_last_commit(ctx):
    assert together.SeedTogether().verify(ctx) == {"committed": dict.fromkeys(SEEDS, 9)}
    assert db.Copy().apply(ctx).evidence["committed"] == dict.fromkeys(SEEDS, 9)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"last_committed": 8}, r"state u:8 and not u:9"),
        ({"state": "Joined"}, "node-5 is Joined in a Primary cluster of 3"),
        (
            {"state": "", "status": "", "size": 0, "uuid": "", "last_committed": -1},
            "node-5 is not running in a missing",
        ),
        ({"uuid": "another"}, "state another:9 and not u:9"),
        ({"size": 2}, "node-5 is Synced in a Primary cluster of 2"),
    ],
)
def test_a_member_that_has_not_what_the_first_has_keeps_the_copy_from_counting(ctx, members, found, words):
    members.says["node-5"][0].update(found)
    with pytest.raises(InvariantBroken, match=rf"{words}.*crm_mon") as broken:
        db.Copy().apply(ctx)
    assert "node-4" not in str(broken.value) and not ctx.recall(COPIED)


def test_a_member_that_is_behind_is_waited_for(ctx, members, monkeypatch):
    monkeypatch.setattr(together, "PATIENCE", 60)
    monkeypatch.setattr(wait.time, "sleep", lambda seconds: None)
    members.says["node-6"][0].update(last_committed=7)
    for committed in (8, 9):
        members.then("node-6", last_committed=committed)
    assert together.together(ctx)["committed"] == dict.fromkeys(SEEDS, 9)


def test_a_first_that_goes_on_committing_keeps_nobody_waiting(ctx, members):
    members.then("node-4", last_committed=12)
    assert together.together(ctx)["committed"] == {"node-4": 12, "node-5": 9, "node-6": 9}


def test_where_there_is_no_cluster_nobody_is_waited_for(ctx, members):
    for name in SEEDS:
        members.says[name][0].update(enabled=False)
    assert together.together(ctx) == {}
