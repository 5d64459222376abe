"""The seed's configuration follows the copied data: one option on each controller, and back again."""

from __future__ import annotations

import pytest

from octane.errors import InvariantBroken, NodeFailed, Refused
from octane.path import load_hops
from octane.procedure.settings import BEFORE, FollowCopy
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOPS = {hop.name: hop for hop in load_hops()}
OPTION = ("/etc/neutron/neutron.conf", "DEFAULT", "nova_admin_tenant_id")


class Seed:
    """Two controllers' configurations, and the ids of projects named services in the copy."""

    def __init__(self) -> None:
        self.said = {"node-4": "seeds-own", "node-5": "seeds-own"}
        self.projects = ["of-the-original"]
        self.broken = ""
        members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(5, SEED, "controller")]
        functions = {
            "octane_rows.matching": self.matching,
            "octane_options.get": lambda minion, *asked: self.said[minion] if asked == OPTION else None,
            "octane_options.put": self.put,
        }
        self.ctx = FakeContext(FakeNodes(functions), HOPS["juno-kilo"], members)

    def matching(self, minion, queries):
        assert minion == "node-4", "the copy is the seed's"
        (one,) = queries
        assert one["database"] == "keystone"
        return {one["name"]: {"count": len(self.projects), "first": self.projects[:5]}}

    def put(self, minion, file, section, option, value):
        assert (file, section, option) == OPTION
        assert self.ctx.recall(BEFORE)[minion] == {"service_project": "seeds-own"}, "noted before it is written"
        if minion == self.broken:
            raise NodeFailed(minion, "octane_options.put", "no space left on device")
        self.said[minion] = value


@pytest.fixture
def seed():
    return Seed()


def test_every_controller_of_the_seed_names_the_project_of_the_copy(seed):
    step = FollowCopy()
    assert set(step.pending(seed.ctx)) == {"node-4", "node-5"} and seed.said["node-4"] == "seeds-own"
    changes = step.apply(seed.ctx).changes
    assert changes["node-5"] == {"service_project": {"old": "seeds-own", "new": "of-the-original"}}
    assert seed.said == {"node-4": "of-the-original", "node-5": "of-the-original"}
    assert step.verify(seed.ctx)["service_project"] == seed.said
    assert step.pending(seed.ctx) == {}


def test_it_is_taken_back_to_what_was_said_however_often_it_was_done(seed):
    step = FollowCopy()
    step.apply(seed.ctx)
    step.apply(seed.ctx)
    step.undo(seed.ctx)
    assert seed.said == {"node-4": "seeds-own", "node-5": "seeds-own"}
    assert step.undo(seed.ctx).changes == {}


def test_a_controller_that_failed_is_done_by_the_next_run_and_the_other_taken_back_too(seed):
    step, seed.broken = FollowCopy(), "node-5"
    with pytest.raises(NodeFailed):
        step.apply(seed.ctx)
    assert seed.said == {"node-4": "of-the-original", "node-5": "seeds-own"}
    with pytest.raises(InvariantBroken, match=r"nova_admin_tenant_id in .* on node-5 is seeds-own and not of-the-orig"):
        step.verify(seed.ctx)
    seed.broken = ""
    step.apply(seed.ctx)
    assert step.verify(seed.ctx)
    step.undo(seed.ctx)
    assert set(seed.said.values()) == {"seeds-own"}


def test_a_controller_that_does_not_say_it_is_not_made_to(seed):
    seed.said["node-5"] = None
    FollowCopy().apply(seed.ctx)
    assert seed.said == {"node-4": "of-the-original", "node-5": None}
    assert FollowCopy().verify(seed.ctx)["service_project"]["node-5"] is None


@pytest.mark.parametrize("projects", [[], ["one", "two"], ["'; DROP"]])
def test_a_copy_that_does_not_tell_one_id_is_refused(seed, projects):
    seed.projects = projects
    with pytest.raises(Refused, match=r"nova_admin_tenant_id .* must follow the copy"):
        FollowCopy().apply(seed.ctx)
    assert set(seed.said.values()) == {"seeds-own"}


@pytest.mark.parametrize("hop", [hop for name, hop in HOPS.items() if name != "juno-kilo"], ids=lambda hop: hop.name)
def test_other_releases_are_not_configured_with_it(seed, hop):
    seed.ctx.path = hop
    assert FollowCopy().pending(seed.ctx) == {}
    FollowCopy().undo(seed.ctx)
    assert seed.ctx.nodes.asked == []
