"""After the switch nobody looks for an address where it was: computes by their caches, the gateway by its answers."""

from __future__ import annotations

import pytest

from octane.errors import WaitTimeout
from octane.procedure import neighbours
from octane.procedure.isolation import SCHEMES
from octane.procedure.neighbours import PeersKnow
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

OWN, VIP, GATEWAY = "172.16.0.4", "172.16.0.3", "172.16.0.1"
SCHEME = {
    "endpoints": {"br-ex": {"gateway": GATEWAY}, "br-fw-admin": {}},
    "roles": {"admin/pxe": "br-fw-admin"},
}


class Cloud:
    def __init__(self) -> None:
        self.cached = {"192.168.0.2": "new"}
        self.answers = {OWN: True, VIP: True}
        self.heeds = True
        self.announced = 0

    def functions(self):
        def known(minion):
            places = {"192.168.0.2": "br-mgmt", OWN: "br-ex", VIP: "br-ex"}
            found = [{"address": one, "interface": name, "netns": None, "mac": "NEW"} for one, name in places.items()]
            return [*found, {"address": "10.0.0.1", "interface": "qr-1", "netns": "qrouter-1", "mac": "tenant"}]

        return {
            "octane_net.announceable": known,
            "octane_net.neighbours": lambda minion, addresses: self.cached,
            "octane_net.reaches_from": lambda minion, sources, target: {one: self.answers[one] for one in sources},
            "octane_net.announce": self.announce,
            "octane_net.flush_neighbours": lambda minion: self.cached.clear() or True,
        }

    def announce(self, minion):
        self.announced += 1
        if self.heeds and self.announced > 1:
            self.answers = dict.fromkeys(self.answers, True)


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setattr("octane.wait.time.sleep", lambda seconds: None)
    return Cloud()


@pytest.fixture
def ctx(cloud):
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(7, ORIGINAL, "compute")]
    context = FakeContext(FakeNodes(cloud.functions()), None, members)
    context.record(SCHEMES, {"node-4": SCHEME})
    return context


def test_where_all_know_nothing_is_announced_again(ctx, cloud):
    assert PeersKnow().pending(ctx) == {} and cloud.announced == 0
    assert PeersKnow().verify(ctx) == {"stale": [], "computes": {"node-7": 1}, "gateway": {GATEWAY: 2}}


def test_a_compute_that_looks_for_an_address_at_an_old_controller_forgets_it(ctx, cloud):
    cloud.cached = {"192.168.0.2": "old"}
    assert PeersKnow().pending(ctx)["announce again"] == ["node-7 looks for 192.168.0.2 at old and not at new"]
    PeersKnow().apply(ctx)
    assert cloud.cached == {} and PeersKnow().verify(ctx)["stale"] == []


def test_to_a_gateway_that_does_not_answer_to_the_virtual_address_it_is_announced_until_it_does(ctx, cloud):
    cloud.answers[VIP] = False
    assert PeersKnow().pending(ctx)["announce again"] == [f"the gateway {GATEWAY} does not answer to {VIP}"]
    assert PeersKnow().apply(ctx).evidence == {"rounds": 3}


def test_a_gateway_that_goes_on_looking_elsewhere_is_named(ctx, cloud, monkeypatch):
    monkeypatch.setattr(neighbours, "TIMEOUT", 0)
    cloud.answers[VIP], cloud.heeds = False, False
    with pytest.raises(WaitTimeout, match=f"gateway {GATEWAY} does not answer to {VIP}"):
        PeersKnow().apply(ctx)


def test_one_that_answers_nobody_tells_nothing(ctx, cloud):
    cloud.answers = dict.fromkeys(cloud.answers, False)
    assert PeersKnow().verify(ctx)["gateway"] == {GATEWAY: None}
