"""Whether clusters are whole is told from what each controller sees by itself."""

import copy

import pytest

from octane.errors import InvariantBroken
from octane.path import load_hops
from octane.procedure import membership
from octane.verify import invariants
from tests.unit.procedure.world import ORIGINAL, FakeContext, FakeNodes, node

WHOLE = {
    "online": ["node-2.domain.tld", "node-3.domain.tld"],
    "quorum": True,
    "votes": {"expected": 2, "total": 2, "quorate": True},
    "database": {"status": "Primary", "state": "Synced", "size": 2},
    "brokers": {"members": ["rabbit@node-2", "rabbit@node-3"], "running": ["rabbit@node-2", "rabbit@node-3"],
                "partitioned": False},
}


def seen(**changes):
    found = copy.deepcopy(WHOLE)
    for name, value in changes.items():
        found[name] = {**found[name], **value} if isinstance(value, dict) else value
    return {"node-2": WHOLE, "node-3": found}


def test_two_that_see_each_other_are_whole():
    assert membership.broken(seen(), 2) == []
    assert membership.broken(seen(), 2, votes=2) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"quorum": False}, "Pacemaker has no quorum"),
        ({"votes": {"quorate": False}}, "Pacemaker has no quorum"),
        ({"online": ["node-3.domain.tld"]}, "Pacemaker has 1 nodes online, not 2"),
        ({"votes": {"expected": 3}}, "corosync expects 3 votes, not 2"),
        ({"database": {"status": "non-Primary"}}, "Galera is non-Primary, Synced"),
        ({"database": {"state": "Donor/Desynced"}}, "Galera is Primary, Donor/Desynced"),
        ({"database": {"size": 1}}, "Galera has 1 members, not 2"),
        ({"brokers": {"partitioned": True}}, "RabbitMQ is partitioned"),
        ({"brokers": {"running": ["rabbit@node-3"]}}, "RabbitMQ has 1 brokers running, not 2"),
    ],
)
def test_what_one_controller_misses_is_told_with_its_name(changes, told):
    assert membership.broken(seen(**changes), 2, votes=2) == [f"node-3: {told}"]


def test_votes_are_not_asked_for_where_the_configuration_still_has_who_left():
    assert membership.broken(seen(votes={"expected": 3}), 2) == []


def test_the_evidence_has_figures_and_no_names_of_users():
    assert membership.evidence(seen())["node-2"]["galera"] == {"size": 2, "status": "Primary", "state": "Synced"}
    assert membership.evidence(seen())["node-3"]["votes"] == {"expected": 2, "total": 2, "quorate": True}


def test_clusters_that_fall_apart_while_something_else_is_waited_for_are_told_once_and_when_they_are_whole(monkeypatch):
    ctx = FakeContext(FakeNodes({}), None, [])
    state = {"now": seen(), "time": 100.0, "asked": 0}

    def look(minion):
        state["asked"] += 1
        return state["now"][minion]

    ctx.nodes.functions["octane_members.seen"] = look
    monkeypatch.setattr(membership.time, "monotonic", lambda: state["time"])
    watch = membership.Watch(ctx, ["node-2", "node-3"])
    for now in (seen(), seen(quorum=False), seen(quorum=False), seen()):
        state["now"] = now
        watch()
        watch()
        state["time"] += membership.LOOK_SECONDS
    assert state["asked"] == 8, "not at every look of the wait"
    assert [text for text, _ in ctx.told] == [
        "clusters are not whole: node-3: Pacemaker has no quorum",
        "the clusters of node-2, node-3 are whole again",
    ]


def test_a_controller_that_does_not_answer_meanwhile_is_told_and_ends_no_wait():
    ctx = FakeContext(FakeNodes({"octane_members.seen": lambda minion: WHOLE}), None, [])
    ctx.nodes.silent = {"node-3"}
    membership.Watch(ctx, ["node-2", "node-3"])()
    assert "node-3" in ctx.told[0][0]


@pytest.fixture
def leaving_one(monkeypatch):
    """What each of the two that stay sees, and the answer of their APIs; both may be changed."""
    found, answers = seen(), {"failed": [], "frontends": {"nova": []}}
    functions = {
        "octane_members.seen": lambda minion: found[minion],
        "octane_api.prove": lambda minion, expect, serving: answers,
    }
    ctx = FakeContext(FakeNodes(functions), None, [])
    ctx.record("path", "antelope-caracal")
    monkeypatch.setattr("octane.procedure.leaving.members", lambda ctx: ["node-2", "node-3"])
    monkeypatch.setattr(membership, "ANSWER_TIMEOUT", 0)
    return ctx, found, answers


def test_quorum_is_kept_where_all_that_stay_are_whole(leaving_one):
    ctx, _, _ = leaving_one
    assert set(invariants.get("quorum_kept").check(ctx)) == {"clusters", "apis"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"votes": {"quorate": False}}, "node-3: Pacemaker has no quorum"),
        ({"database": {"size": 1}}, "node-3: Galera has 1 members, not 2"),
        ({"brokers": {"partitioned": True}}, "node-3: RabbitMQ is partitioned"),
    ],
)
def test_quorum_is_not_kept_where_one_that_stays_misses_another(leaving_one, changes, told):
    ctx, found, _ = leaving_one
    found.update(seen(**changes))
    with pytest.raises(InvariantBroken, match=told):
        invariants.get("quorum_kept").check(ctx)


def test_quorum_is_not_kept_where_an_api_does_not_answer(leaving_one):
    ctx, _, answers = leaving_one
    answers["failed"] = ["nova"]
    with pytest.raises(InvariantBroken, match="nova on node-2"):
        invariants.get("quorum_kept").check(ctx)


class Apis:
    """Controllers whose nova prints VERSION, and what was asked of their frontends."""

    def __init__(self, version):
        self.serving = []
        printed = {"commands": [{"output": f"a warning\n{version}\n"}]}
        functions = {"octane_api.prove": self.prove, "octane_db.run_manage": lambda minion, command: printed}
        self.ctx = FakeContext(FakeNodes(functions), None, [node(1, ORIGINAL, "controller")])

    def prove(self, minion, expect, serving):
        self.serving.append(serving)
        return {"failed": [], "frontends": {"nova": [{"read": {"status": 200}}], "console": [{"read": None}]}}


def test_before_a_path_is_chosen_the_apis_are_those_of_the_release_that_runs():
    apis = Apis("27.5.1")
    assert membership.require_answers(apis.ctx, ["node-1"]) == {"node-1": "1 APIs answer"}
    hop = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
    assert apis.serving == [sorted(set(hop.apis.values()))]


def test_of_the_chosen_path_they_are_taken_from_it():
    apis = Apis("27.5.1")
    apis.ctx.record("path", "juno-kilo")
    membership.require_answers(apis.ctx, ["node-1"])
    assert 8773 in apis.serving[0]


def test_behind_every_frontend_of_a_release_that_no_path_knows_a_service_must_answer():
    apis = Apis("99.0.0")
    membership.require_answers(apis.ctx, ["node-1"])
    assert apis.serving == [None]
