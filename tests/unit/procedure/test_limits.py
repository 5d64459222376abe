"""Limits of one transaction: lifted on every server of the seed, and put back however the stage ends."""

from __future__ import annotations

import pytest

from octane.errors import InvariantBroken
from octane.path import load_hops
from octane.procedure.limits import Lift, Restore
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

FUEL = {"wsrep_max_ws_rows": "131072", "wsrep_max_ws_size": "1073741824"}
MOST = {"wsrep_max_ws_rows": "0", "wsrep_max_ws_size": "2147483647"}


class Seed:
    """Servers of the seed with their limits, and what they were."""

    def __init__(self, limits) -> None:
        self.now = {"node-4": dict(limits), "node-5": dict(limits)}
        self.kept = {"node-4": {}, "node-5": {}}
        members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(5, SEED, "controller")]
        functions = {
            "octane_globals.limits": lambda minion: dict(self.now[minion]),
            "octane_globals.changed": lambda minion: dict(self.kept[minion]),
            "octane_globals.lift_limits": self.lift,
            "octane_globals.restore_limits": self.restore,
        }
        self.ctx = FakeContext(FakeNodes(functions), load_hops()[0], members)

    def lift(self, minion):
        self.kept[minion] = {**self.now[minion], **self.kept[minion]}
        self.now[minion] = dict(MOST)
        return dict(MOST)

    def restore(self, minion):
        back, self.kept[minion] = self.kept[minion], {}
        self.now[minion] |= back
        return back


def test_every_server_of_the_seed_is_lifted_and_is_again_as_it_was():
    seed = Seed(FUEL)
    assert set(Lift().pending(seed.ctx)["lift"]) == {"node-4", "node-5"}
    with pytest.raises(InvariantBroken, match="131072"):
        Lift().verify(seed.ctx)
    assert Lift().apply(seed.ctx).changes["node-5"] == {"old": FUEL, "new": MOST}
    assert Lift().verify(seed.ctx)["limits"]["node-4"] == MOST and Lift().pending(seed.ctx) == {}
    with pytest.raises(InvariantBroken, match=r"node-4.*wsrep_max_ws_rows"):
        Restore().verify(seed.ctx)
    Restore().apply(seed.ctx)
    assert Restore().verify(seed.ctx) == {"lifted": []} and seed.now == {"node-4": FUEL, "node-5": FUEL}
    assert Restore().pending(seed.ctx) == {}


def test_taking_the_step_back_puts_them_back_too_and_a_second_time_nothing():
    seed = Seed(FUEL)
    Lift().apply(seed.ctx)
    assert set(Lift().undo(seed.ctx).changes) == {"node-4", "node-5"}
    assert seed.now["node-4"] == FUEL and Lift().undo(seed.ctx).changes == {}


@pytest.mark.parametrize("limits", [{}, MOST, {**MOST, "wsrep_max_ws_rows": "1048576"}])
def test_a_server_without_galera_or_without_limits_is_left_alone(limits):
    seed = Seed(limits)
    assert Lift().pending(seed.ctx) == {} and Lift().verify(seed.ctx)["limits"]["node-4"] == limits
