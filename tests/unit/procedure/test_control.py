"""The switch: who leaves and who comes is known before, both move as one, half-way states have a way on and back."""

from __future__ import annotations

import pytest

from octane.errors import Failed, InvariantBroken, NodeFailed, WaitTimeout
from octane.procedure import control
from octane.procedure.control import PORTS, SWITCHED
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

UPLINKS = {
    f"node-{number}": [
        {"serves": "br-mgmt", "bridge": "br-mgmt", "port": "eth2.101"},
        {"serves": "br-ex", "bridge": "br-ex", "port": "eth1"},
    ]
    for number in (1, 2, 4, 5)
}
OVERLAYS = {minion: [{"bridge": "br-mgmt", "port": "oct1", "key": 1}] for minion in ("node-4", "node-5")}


class Network:
    """Bridges of every controller, and who consumes the computes' queues."""

    def __init__(self) -> None:
        joined = {"br-mgmt": ["eth2.101"], "br-ex": ["eth1"]}
        self.bridges = {
            name: {bridge: list(ports) for bridge, ports in joined.items()} for name in ("node-1", "node-2")
        }
        self.bridges |= {name: {"br-mgmt": ["oct1"], "br-ex": []} for name in ("node-4", "node-5")}
        self.devices = {name: {"eth1": "m", "eth2.101": "m"} for name in UPLINKS}
        for name in OVERLAYS:
            self.devices[name]["oct1"] = "m"
        self.consumers = {"compute.node-7.domain.tld": 0}
        self.cut: list[str] = []

    def functions(self):
        return {
            "octane_net.pending": self.pending,
            "octane_net.located": lambda minion, plans: plans[minion],
            "octane_net.macs": lambda minion: self.devices[minion],
            "octane_net.switch": self.switch,
            "octane_net.announce": lambda minion: {"sent": ["192.168.0.1"]},
            "octane_net.flush_neighbours": lambda minion: True,
            "octane_net.cut_connections": self.cut_connections,
            "octane_net.overlays_absent": self.overlays_absent,
            "octane_nova.compute_queues": lambda minion: self.consumers,
            "octane_nova.services": lambda minion: [
                {
                    "binary": "nova-compute",
                    "host": "node-7.domain.tld",
                    "up": bool(self.consumers["compute.node-7.domain.tld"]),
                }
            ],
        }

    def pending(self, minion, plans):
        for entry in plans[minion]:
            if entry["do"] == "attach" and entry["port"] not in self.devices[minion]:
                raise NodeFailed(minion, "octane_net.pending", f"there is no interface {entry['port']}")
        return [
            entry
            for entry in plans[minion]
            if (entry["port"] in self.bridges[minion][entry["bridge"]]) is not (entry["do"] == "attach")
        ]

    def switch(self, minion, plans):
        for entry in plans[minion]:
            ports = self.bridges[minion][entry["bridge"]]
            if entry["do"] == "attach" and entry["port"] not in ports:
                ports.append(entry["port"])
            if entry["do"] == "detach" and entry["port"] in ports:
                ports.remove(entry["port"])
        return {"done": plans[minion], "seconds": 0.01}

    def cut_connections(self, minion, port, networks):
        assert (port, networks) == (5673, ["192.168.0.0/24"])
        self.cut.append(minion)
        self.consumers["compute.node-7.domain.tld"] = 1
        return {"before": 3, "after": 0}

    def overlays_absent(self, minion, test, plans):
        assert [entry["bridge"] for entry in plans[minion]] == ["br-mgmt"]
        del self.devices[minion]["oct1"]


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def ctx(network, monkeypatch):
    monkeypatch.setattr(control.isolation, "uplinks_of_both_sides", lambda ctx: UPLINKS)
    monkeypatch.setattr(control.isolation, "overlays", lambda ctx: OVERLAYS)
    monkeypatch.setattr(control.isolation, "management_network", lambda ctx: "192.168.0.0/24")
    members = [node(1, ORIGINAL, "controller"), node(2, ORIGINAL, "controller")]
    members += [node(4, SEED, "controller"), node(5, SEED, "controller"), node(7, ORIGINAL, "compute")]
    context = FakeContext(FakeNodes(network.functions()), None, members)
    context.record(PORTS, UPLINKS)
    return context


def test_the_original_leaves_before_the_seed_comes(ctx, network):
    control.Switch().apply(ctx)
    moves = [targets for fun, targets in ctx.nodes.asked if fun == "octane_net.switch"]
    assert moves == [("node-1", "node-2"), ("node-4", "node-5")]
    assert network.bridges["node-1"] == {"br-mgmt": [], "br-ex": []}
    assert network.bridges["node-4"] == {"br-mgmt": ["eth2.101"], "br-ex": ["eth1"]}
    assert ctx.recall(SWITCHED)


def test_the_overlay_is_out_of_the_bridge_when_the_port_comes(network, ctx):
    plan = control._take(ctx)["node-4"]
    assert [entry["port"] for entry in plan] == ["oct1", "eth2.101", "eth1"]
    assert plan[0]["do"] == "detach"


def test_a_switch_that_stopped_half_way_is_finished(ctx, network):
    network.switch("node-1", control._leave(ctx))
    assert set(control.Switch().pending(ctx)) == {"node-2", "node-4", "node-5"}
    control.Switch().apply(ctx)
    assert control.Switch().pending(ctx) == {}


def test_a_switch_taken_back_leaves_everything_as_it_was(ctx, network):
    before = {
        minion: {bridge: sorted(ports) for bridge, ports in found.items()} for minion, found in network.bridges.items()
    }
    control.Switch().apply(ctx)
    control.Switch().undo(ctx)
    after = {
        minion: {bridge: sorted(ports) for bridge, ports in found.items()} for minion, found in network.bridges.items()
    }
    assert after == before
    assert not ctx.recall(SWITCHED)


def test_a_port_that_is_not_there_stops_the_stage_before_anything_moves(ctx, network):
    del network.devices["node-5"]["eth1"]
    with pytest.raises(InvariantBroken, match="node-5: a port that is to move cannot: there is no interface eth1"):
        control.PlanPorts().verify(ctx)


def test_a_node_without_ports_cannot_be_planned(ctx, monkeypatch):
    ctx.record(PORTS, None)
    monkeypatch.setattr(control.isolation, "uplinks_of_both_sides", lambda ctx: {**UPLINKS, "node-2": []})
    with pytest.raises(Failed, match="node-2"):
        control.PlanPorts().apply(ctx)


def test_computes_are_cut_from_the_old_brokers_and_awaited(ctx, network):
    step = control.Reconnect()
    assert step.pending(ctx) == {"reconnect": ["node-7"]}
    step.apply(ctx)
    assert network.cut == ["node-7"]
    assert step.verify(ctx) == {"consumed": ["node-7"]}


def test_a_compute_that_never_comes_back_is_named_by_what_was_waited_for(ctx, network, monkeypatch):
    monkeypatch.setattr(control, "RECONNECT_TIMEOUT", 0)
    network.functions()
    ctx.nodes.functions["octane_net.cut_connections"] = lambda *_: {"before": 0, "after": 0}
    with pytest.raises(WaitTimeout, match="every compute's queue"):
        control.Reconnect().apply(ctx)


def test_the_overlay_is_removed_once_and_only_where_it_is(ctx, network):
    assert control.DropOverlay().pending(ctx) == {"node-4": ["oct1"], "node-5": ["oct1"]}
    control.DropOverlay().apply(ctx)
    assert control.DropOverlay().verify(ctx) == {"overlays": 0}
    assert control.DropOverlay().pending(ctx) == {}


def test_what_is_fenced_is_what_was_planned(ctx):
    planned = control.fence(ctx)["plans"]
    assert set(planned) == {"node-1", "node-2"}
    assert planned["node-1"] == {
        "bridges": ["br-ex", "br-mgmt"],
        "ports": [{"bridge": "br-mgmt", "port": "eth2.101"}, {"bridge": "br-ex", "port": "eth1"}],
    }


def test_computes_that_the_new_controllers_do_not_see_up_are_named(ctx, network):
    assert control.computes_down(ctx) == ["node-7"]
    network.consumers["compute.node-7.domain.tld"] = 1
    assert control.computes_down(ctx) == []
