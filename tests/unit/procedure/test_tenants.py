"""Tenants' routers and DHCP servers stand ready on the side that is about to take the addresses."""

from __future__ import annotations

import pytest

from octane.errors import InvariantBroken, NodeFailed
from octane.procedure import computes, tenants
from octane.procedure.isolation import SWITCHED
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

ROUTER, NETWORK = "r1", "n1"


class Neutron:
    """The seed's database, and what each controller's namespaces answer for."""

    def __init__(self) -> None:
        self.bound = {"L3 agent": {ROUTER: ["l3-old"]}, "DHCP agent": {NETWORK: ["dhcp-old"]}}
        self.there = {
            "node-1": {"qrouter-r1": ["10.0.0.1", "172.16.0.130"], "qdhcp-n1": ["10.0.0.2"]},
            "node-4": {},
        }
        # Of a router that was deleted: early agents leave the namespace behind.
        self.there["node-1"]["qrouter-stale"] = ["10.9.0.1"]
        self.waiting = 2
        self.works = True
        self.breaks_off = False
        members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(7, ORIGINAL, "compute")]
        self.ctx = FakeContext(FakeNodes(self.functions()), None, members)

    def functions(self):
        return {
            "octane_agents.bindings": lambda minion, hosts: self.bound if "node-1.domain.tld" in hosts else {},
            "octane_agents.missing_agents": self.missing_agents,
            "octane_agents.rebind": self.rebind,
            "octane_agents.present": lambda minion: self.there[minion],
            "octane_nova.services": lambda minion: [],
        }

    def missing_agents(self, minion, hosts):
        assert hosts == {"node-4": ["node-4", "node-4.domain.tld"]}
        self.waiting = max(0, self.waiting - 1)
        if self.waiting == 1:
            raise NodeFailed(minion, "octane_agents.missing_agents", "connection refused")
        return []

    def rebind(self, minion, was, take):
        self.bound = {kind: {} for kind in self.bound}
        if self.breaks_off:
            raise InvariantBroken("the master was killed")
        assert take == ["node-4", "node-4.domain.tld"]
        if self.works:
            held = {tenants.PREFIXES[kind] + what for kind, found in was.items() for what in found}
            self.there["node-4"] = {name: self.there["node-1"][name] for name in held}


@pytest.fixture
def neutron(monkeypatch):
    monkeypatch.setattr("octane.procedure.tenants.until", patient)
    return Neutron()


def patient(condition, timeout, what, interval=1.0):
    """As octane.wait.until, without the waiting."""
    if not any(condition() for _ in range(3)):
        raise tenants.WaitTimeout(f"waited {timeout} s for {what}")


def test_what_the_original_answers_for_is_ready_on_the_seed(neutron):
    step = tenants.HostTenants()
    assert step.pending(neutron.ctx) == {"host": {"L3 agent": 1, "DHCP agent": 1}}
    step.apply(neutron.ctx)
    assert step.pending(neutron.ctx) == {} and step.verify(neutron.ctx)
    assert set(neutron.there["node-4"]) == {"qrouter-r1", "qdhcp-n1"}


def test_a_cloud_without_agents_has_nothing_to_move(neutron):
    neutron.bound = {"L3 agent": {}, "DHCP agent": {}}
    assert tenants.HostTenants().pending(neutron.ctx) == {}
    assert tenants.HostTenants().verify(neutron.ctx) == {"hosted": {}}
    assert not tenants.HostTenants().apply(neutron.ctx).changes
    assert "octane_agents.rebind" not in neutron.ctx.nodes.names()


def test_what_an_interrupted_attempt_took_away_is_not_forgotten(neutron):
    neutron.breaks_off = True
    with pytest.raises(InvariantBroken, match="killed"):
        tenants.HostTenants().apply(neutron.ctx)
    neutron.breaks_off = False
    assert tenants.HostTenants().pending(neutron.ctx)
    tenants.HostTenants().apply(neutron.ctx)
    assert tenants.HostTenants().verify(neutron.ctx)["hosted"] == {"L3 agent": 1, "DHCP agent": 1}


def test_a_router_that_does_not_come_stops_the_stage_before_the_switch(neutron):
    neutron.works = False
    with pytest.raises(InvariantBroken, match=r"qrouter-r1 10\.0\.0\.1 172\.16\.0\.130"):
        tenants.HostTenants().apply(neutron.ctx)
    neutron.there["node-4"] = {"qrouter-r1": ["10.0.0.1"], "qdhcp-n1": ["10.0.0.2"]}
    with pytest.raises(InvariantBroken, match=r"do not have: qrouter-r1 172\.16\.0\.130$"):
        tenants.HostTenants().verify(neutron.ctx)


def test_another_copy_may_bind_other_things(neutron):
    step = tenants.HostTenants()
    step.apply(neutron.ctx)
    step.undo(neutron.ctx)
    neutron.bound = {"L3 agent": {}, "DHCP agent": {NETWORK: ["dhcp-old"]}}
    neutron.there = {"node-1": {"qdhcp-n1": ["10.0.0.2"]}, "node-4": {}}
    step.apply(neutron.ctx)
    assert set(neutron.there["node-4"]) == {"qdhcp-n1"}


def test_after_the_switch_there_is_nothing_left_to_prepare(neutron):
    neutron.ctx.record(SWITCHED, True)
    assert tenants.HostTenants().pending(neutron.ctx) == {} and tenants.HostTenants().verify(neutron.ctx) == {}


def test_the_way_back_waits_for_the_original_but_not_for_ever(neutron):
    tenants.note(neutron.ctx)
    assert tenants.await_back(neutron.ctx) == []
    lost = neutron.there["node-1"].pop("qrouter-r1")
    assert tenants.await_back(neutron.ctx) == [f"qrouter-r1 {' '.join(lost)}"]


def record(binary, host, updated, up=False):
    return {"service": "neutron", "binary": binary, "host": host, "updated": updated, "up": up}


def test_agents_that_were_down_before_are_not_waited_for(neutron):
    copied = [
        record("neutron-openvswitch-agent", "node-7.domain.tld", "2026-01-01 10:00:00"),
        record("neutron-openvswitch-agent", "node-8.domain.tld", "2026-01-01 09:00:00"),
        record("neutron-l3-agent", "node-1.domain.tld", "2026-01-01 10:00:10"),
        {**record("nova-compute", "node-7.domain.tld", "2026-01-01 10:00:00"), "service": "nova"},
    ]
    known = tenants.alive_at_copy(copied, ["node-1.domain.tld"])
    assert known == [["neutron-openvswitch-agent", "node-7.domain.tld"]]
    neutron.ctx.record(tenants.AGENTS, known)
    assert tenants.agents_down(neutron.ctx, copied) == ["neutron-openvswitch-agent on node-7.domain.tld"]
    up = [record("neutron-openvswitch-agent", "node-7.domain.tld", "2026-01-01 11:00:00", up=True)]
    neutron.ctx.nodes.functions["octane_nova.services"] = lambda minion: [
        *up, {"service": "nova", "binary": "nova-compute", "host": "node-7.domain.tld", "up": True}
    ]
    assert computes.down(neutron.ctx) == []
