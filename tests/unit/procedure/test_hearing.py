"""Who answers for the addresses that both sides hold: an answer too many, or one too few, stops the procedure."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from octane.errors import InvariantBroken
from octane.fuel import scheme
from octane.procedure import isolation
from octane.procedure.isolation import SCHEMES, Hearing
from octane.verify import invariants
from tests.saltfiles import orchestration
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

VIP = "192.168.0.10"
HELD = {"management": ["192.168.0.3", VIP], "public": ["172.16.0.3"]}
BRIDGES = {"controller": {"management": "br-mgmt", "public": "br-ex"}, "compute": {"management": "br-mgmt"}}


class Lan:
    """Each node has one hardware address; ``answers`` says whose come to the question of whom, for every address."""

    def __init__(self) -> None:
        self.members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(7, ORIGINAL, "compute")]
        self.answers = {"node-1": [], "node-4": [], "node-7": []}
        self.questions = 0

    def hears(self, minion, asked):
        self.questions += minion == "node-7"
        return {one["address"]: [mac(name) for name in self.answers[minion]] for one in asked[minion]}

    def switched(self):
        self.answers = {"node-1": [], "node-4": ["node-4"], "node-7": ["node-4"]}

    def taken_back(self):
        self.answers = {"node-1": ["node-1"], "node-4": [], "node-7": ["node-1"]}


def mac(name):
    return f"52:54:00:00:00:0{name[-1]}"


@pytest.fixture
def lan():
    return Lan()


@pytest.fixture
def ctx(lan, monkeypatch):
    macs = {"octane_net.macs": lambda minion: {"br-mgmt": mac(minion).upper()}}
    nodes = FakeNodes({**macs, "octane_net.hears": lan.hears})

    def of(environment):
        return SimpleNamespace(nodes=lambda: [one for one in lan.members if one.environment == environment])

    monkeypatch.setattr(isolation, "original", lambda ctx: of(ORIGINAL))
    monkeypatch.setattr(isolation, "seed_nodes", lambda ctx: of(SEED).nodes())
    monkeypatch.setattr(isolation, "vips", lambda environment: {"management_vip": VIP})
    monkeypatch.setattr(isolation, "held_addresses", lambda ctx, nodes: HELD)
    computed = {one.minion: {"network_scheme": next(iter(one.roles))} for one in lan.members}
    monkeypatch.setattr(isolation, "computed", lambda of, nodes: {one.minion: computed[one.minion] for one in nodes})
    monkeypatch.setattr(scheme, "bridges_of", lambda role, name: [BRIDGES[role][name]] if name in BRIDGES[role] else [])
    monkeypatch.setattr(scheme, "ISOLATED", {purpose: purpose for purpose in HELD})
    found = FakeContext(nodes, None, lan.members)
    found.record(SCHEMES, {"node-4": "controller"})
    return found


def test_after_the_switch_the_seed_alone_is_heard(ctx, lan):
    lan.switched()
    assert set(Hearing(ctx).only_seed()) == {"node-4", "node-7"}


@pytest.mark.parametrize("asker", ["node-4", "node-7"])
@pytest.mark.parametrize(("other", "named"), [("node-1", r"node-1 \(52:"), ("node-9", "52:54:00:00:00:09")])
def test_an_answer_of_anybody_else_after_the_switch_is_told_with_who_heard_it(ctx, lan, asker, other, named):
    lan.switched()
    lan.answers[asker] = ["node-4", other]
    with pytest.raises(InvariantBroken, match=f"{asker} hears {named}.*answer for 192.168.0.3"):
        Hearing(ctx).only_seed()


def test_a_compute_that_does_not_hear_the_management_address_after_the_switch_is_told(ctx, lan):
    lan.switched()
    lan.answers["node-7"] = []
    with pytest.raises(InvariantBroken, match=f"node-7 do not hear the management VIP {VIP}"):
        Hearing(ctx).only_seed()
    assert lan.questions == 2, "one lost answer is no alarm"


def test_a_compute_that_does_not_answer_or_is_stated_to_be_off_keeps_nobody_from_the_switch(ctx, lan):
    lan.switched()
    ctx.nodes.silent = {"node-7"}
    assert set(Hearing(ctx).only_seed()) == {"node-4"}
    ctx.nodes.silent, ctx.options["fenced"] = set(), ["node-7"]
    assert set(Hearing(ctx).only_seed()) == {"node-4"}


def test_an_original_that_is_still_heard_breaks_what_the_switch_promises_before_writes_are_accepted(ctx, lan):
    steps = [definition.step for definition in orchestration("control")]
    (promise,) = [one.holds for one in orchestration("control") if one.step == "control.switched"]
    assert promise == ("original_silent",) and steps.index("control.switched") < steps.index("control.accept_writes")
    lan.switched()
    invariants.get("original_silent").check(ctx)
    lan.answers["node-7"].append("node-1")
    with pytest.raises(InvariantBroken, match="node-7 hears node-1"):
        invariants.get("original_silent").check(ctx)


def test_after_the_way_back_the_original_alone_is_heard(ctx, lan):
    lan.taken_back()
    assert set(Hearing(ctx).only_original()) == {"node-1", "node-4", "node-7"}


@pytest.mark.parametrize("asker", ["node-1", "node-7"])
@pytest.mark.parametrize("other", ["node-4", "node-9"])
def test_a_seed_that_is_still_heard_after_the_way_back_is_told(ctx, lan, asker, other):
    lan.taken_back()
    lan.answers[asker] = ["node-1", other]
    with pytest.raises(InvariantBroken, match=f"{asker} hears .*{mac(other)}"):
        Hearing(ctx).only_original()


def test_a_seed_that_hears_the_original_after_the_way_back_is_told(ctx, lan):
    lan.taken_back()
    lan.answers["node-4"] = ["node-1"]
    with pytest.raises(InvariantBroken, match="node-4 hears node-1"):
        Hearing(ctx).only_original()


def test_the_way_back_is_looked_at_without_a_seed_too(ctx, lan):
    lan.taken_back()
    ctx.options["fenced"] = ["node-4"]
    Hearing(ctx).only_original()
    lan.answers["node-7"].append("node-4")
    with pytest.raises(InvariantBroken, match=f"node-7 hears {mac('node-4')}"):
        Hearing(ctx).only_original()


@pytest.mark.parametrize(("asker", "other"), [("node-1", "node-4"), ("node-4", "node-1")])
def test_who_hears_the_other_side_is_not_isolated(ctx, lan, asker, other):
    lan.answers["node-4"] = ["node-4"]
    assert set(Hearing(ctx).isolated()) == {"from the seed", "from the original"}
    lan.answers[asker] = [other]
    with pytest.raises(InvariantBroken, match=f"{asker} hears {other}"):
        Hearing(ctx).isolated()
