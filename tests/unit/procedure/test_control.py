"""The switch: who leaves and who comes is known before, both move as one, half-way states have a way on and back."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from octane import stage
from octane.errors import BadInput, Failed, InvariantBroken, NodeFailed, Refused, WaitTimeout
from octane.procedure import computes, control
from octane.procedure.control import PORTS, SWITCHED
from octane.procedure.isolation import SERVED
from octane.step import load
from tests.saltfiles import orchestration
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

UPLINKS = {
    f"node-{number}": [
        {"purpose": "management", "serves": "br-mgmt", "bridge": "br-mgmt", "port": "eth2.101"},
        {"purpose": "public", "serves": "br-ex", "bridge": "br-ex", "port": "eth1"},
    ]
    for number in (1, 2, 4, 5)
}
SHIPPED = {definition.step: definition for definition in orchestration("control")}
FENCED = load(SHIPPED["control.fenced"])
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
        self.fenced: set[str] = set()
        self.duplicate = False
        self.handed_over: list[tuple[list[str], list[str]]] = []

    def functions(self):
        return {
            "octane_net.pending": self.pending,
            "octane_net.located": lambda minion, plans: plans[minion],
            "octane_fence.unplanned": lambda minion, plans: [],
            "octane_net.macs": lambda minion: self.devices[minion],
            "octane_handover.run": self.hand_over,
            "octane_net.overlays": self.overlays,
            "octane_net.overlays_prepared": lambda minion, test, plans: self.devices[minion].update(
                {f"oct{plan['key']}": "m" for plan in plans[minion]}
            ),
            "octane_cluster.serving": lambda minion: ["vip__public"],
            "octane_agents.present": lambda minion: {"qrouter-1": ["10.0.0.1"]} if minion == "node-1" else {},
            "octane_cluster.ignore_gateway": lambda minion: [],
            "octane_cluster.wait_serving": lambda minion, resources, timeout: self.serves(minion, resources),
            "octane_net.fence": lambda minion, test, arguments: self.fence(minion, test),
            "octane_net.unfenced": lambda minion, test, arguments: self.unfence(minion, **arguments),
            "octane_cluster.heed_gateway": lambda minion: [],
            "octane_net.mtu_to": lambda minion, address, size: {"whole": True},
            "octane_net.flush_neighbours": lambda minion: True,
            "octane_net.cut_connections": self.cut_connections,
            "octane_net.overlays_absent": self.overlays_absent,
            "octane_nova.compute_queues": lambda minion: self.consumers,
            "octane_nova.services": lambda minion: [
                {
                    "service": "nova",
                    "binary": "nova-compute",
                    "host": "node-7.domain.tld",
                    "up": bool(self.consumers["compute.node-7.domain.tld"]),
                }
            ],
        }

    def only_original(self):
        """Nobody looks before the addresses are back."""
        assert "eth2.101" in self.bridges["node-1"]["br-mgmt"]
        if self.duplicate:
            raise InvariantBroken("node-7 hears node-4")
        return {"node-1": "2 addresses asked"}

    def pending(self, minion, plans):
        for entry in plans[minion]:
            if entry["do"] == "attach" and entry["port"] not in self.devices[minion]:
                raise NodeFailed(minion, "octane_net.pending", f"there is no interface {entry['port']}")
        return [
            entry
            for entry in plans[minion]
            if (entry["port"] in self.bridges[minion][entry["bridge"]]) is not (entry["do"] == "attach")
        ]

    def hand_over(self, minion, leave, take, members, meeting):
        assert meeting.isalnum()
        assert set(members) == set(leave) | set(take) and members.get("node-4", "10.20.0.132") == "10.20.0.132"
        assert not set(leave) & set(take)
        self.handed_over.append((sorted(leave), sorted(take)))
        plan = {**leave, **take}[minion]
        self.move(minion, plan)
        assert self.bridges[minion]["br-mgmt"] or len(leave) == 1, "a controller has no way to the others"
        return {"done": plan, "announced": [], **({"away": 0.02} if minion == min(take) else {})}

    def move(self, minion, plan):
        for entry in plan:
            ports = self.bridges[minion][entry["bridge"]]
            if entry["do"] == "attach" and entry["port"] not in ports:
                assert entry["port"] in self.devices[minion]
                ports.append(entry["port"])
            if entry["do"] == "detach" and entry["port"] in ports:
                ports.remove(entry["port"])
            assert not {"eth2.101", "oct1", "oct3"} <= set(ports), "a loop"

    def overlays(self, minion, test, plans):
        """Only the management's is real here."""
        changed = {}
        for plan in plans[minion]:
            port = f"oct{plan['key']}"
            if plan["bridge"] == "br-mgmt" and port not in self.bridges[minion]["br-mgmt"]:
                changed["br-mgmt"] = port
                if not test:
                    assert "eth2.101" not in self.bridges[minion]["br-mgmt"], "a loop"
                    self.devices[minion][port] = "m"
                    self.bridges[minion]["br-mgmt"].append(port)
        return changed

    def fence(self, minion, test):
        changes = {} if minion in self.fenced else {"fence": "made"}
        if not test:
            self.fenced.add(minion)
        return changes

    def serves(self, minion, resources):
        assert minion not in self.fenced and resources in (["vip__public"], None)
        return True

    def unfence(self, minion, name, ports, resources):
        assert resources == ["vip__public"]
        assert ports is False and ("oct3" in self.bridges[minion]["br-mgmt"] or len(self.fenced) == 1)
        self.fenced.discard(minion)

    def cut_connections(self, minion, port, networks):
        assert (port, networks) == (5673, ["192.168.0.0/24"])
        self.cut.append(minion)
        self.consumers["compute.node-7.domain.tld"] = 1
        return {"before": 3, "after": 0, "how": "ss"}

    def overlays_absent(self, minion, test, plans):
        for entry in plans[minion]:
            self.devices[minion].pop(f"oct{entry['key']}", None)
            ports = self.bridges[minion][entry["bridge"]]
            ports[:] = [port for port in ports if port != f"oct{entry['key']}"]


CLOUD = SimpleNamespace(
    nodes=lambda: [
        replace(node(number, ORIGINAL, role), addresses={"management": f"192.168.0.{10 + number}/24"})
        for number, role in ((1, "controller"), (2, "controller"), (7, "compute"))
    ],
    network=lambda: {"management_vip": "192.168.0.2"},
)


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def ctx(network, monkeypatch):
    plans = control.overlay_plans(
        {"node-4": "10.20.0.132", "node-5": "10.20.0.133"},
        {name: {"management": "br-mgmt", "public": "br-ex"} for name in OVERLAYS},
        {"management": 1, "public": 2},
    )
    monkeypatch.setattr(control.Overlay, "_plans", lambda self, ctx: {} if ctx.options.get("fenced") else plans)
    monkeypatch.setattr(control.isolation, "uplinks_of_both_sides", lambda ctx: dict(UPLINKS))
    monkeypatch.setattr(control.isolation, "management_network", lambda ctx: "192.168.0.0/24")
    monkeypatch.setattr(control, "original", lambda ctx: CLOUD)
    monkeypatch.setattr(control.isolation, "original", lambda ctx: CLOUD)
    monkeypatch.setattr(control.isolation, "Hearing", lambda ctx: SimpleNamespace(only_original=network.only_original))
    members = [node(1, ORIGINAL, "controller"), node(2, ORIGINAL, "controller")]
    members += [node(4, SEED, "controller"), node(5, SEED, "controller"), node(7, ORIGINAL, "compute")]
    context = FakeContext(FakeNodes(network.functions()), None, members)
    context.record(PORTS, UPLINKS)
    context.record(control.isolation.OVERLAYS, OVERLAYS)
    return context


def test_both_sides_are_asked_at_once_to_hand_over(ctx, network):
    outcome = control.Switch().apply(ctx)
    asked = [targets for fun, targets in ctx.nodes.asked if fun == "octane_handover.run"]
    assert asked == [("node-4", "node-5", "node-1", "node-2")]
    assert network.handed_over[0] == (["node-1", "node-2"], ["node-4", "node-5"])
    assert network.bridges["node-1"] == {"br-mgmt": ["oct3"], "br-ex": ["oct4"]}
    assert network.bridges["node-4"] == {"br-mgmt": ["eth2.101"], "br-ex": ["eth1"]}
    assert ctx.recall(SWITCHED) and outcome.evidence["away"] == 0.02


def test_right_before_the_addresses_move_the_seed_is_isolated_still():
    """Between the two nothing is done but what takes a moment, and nothing that starts or waits."""
    names = list(SHIPPED)
    last = names.index("control.isolated_still")
    assert names[last : names.index("control.switched")] == ["control.isolated_still", "control.original_strict_arp"]
    assert SHIPPED["control.isolated_still"].library == SHIPPED["control.isolated"].library


def test_a_deployment_cannot_cut_off_the_seed_once_it_serves_nor_plug_it_in_once_it_does_not():
    """The facts that isolate go when users have been served for long, and come first on the way back."""
    names = [name for name, definition in SHIPPED.items() if definition.undo != "nothing"]
    at = names.index("control.facts_deleted")
    assert at > names.index("control.accept_writes") and names[at + 1 :] == ["control.computes_report"]


def test_the_overlay_is_out_of_the_bridge_when_the_port_comes(network, ctx):
    plan = control._take(ctx)["node-4"]
    assert [entry["port"] for entry in plan] == ["oct1", "eth2.101", "eth1"]
    assert plan[0]["do"] == "detach"


def test_a_switch_that_stopped_half_way_is_finished(ctx, network):
    network.move("node-1", control._leave(ctx)["node-1"])
    assert set(control.Switch().pending(ctx)) == {"node-2", "node-4", "node-5"}
    control.Switch().apply(ctx)
    assert control.Switch().pending(ctx) == {}


def test_a_switch_taken_back_leaves_everything_as_it_was(ctx, network):
    before = {
        minion: {bridge: sorted(ports) for bridge, ports in found.items()} for minion, found in network.bridges.items()
    }
    network.consumers["compute.node-7.domain.tld"] = 1
    control.Switch().apply(ctx)
    control.Switch().undo(ctx)
    after = {
        minion: {bridge: sorted(ports) for bridge, ports in found.items()} for minion, found in network.bridges.items()
    }
    assert after == before
    assert not ctx.recall(SWITCHED)
    assert ctx.recall(SERVED), "what was written meanwhile is to be kept yet"


def test_the_way_back_looks_who_is_heard_and_can_be_run_again_when_it_is_the_wrong_one(ctx, network):
    control.Switch().apply(ctx)
    network.duplicate = True
    with pytest.raises(InvariantBroken, match="node-7 hears node-4"):
        control.Switch().undo(ctx)
    network.duplicate = False
    assert control.Switch().undo(ctx).evidence["heard"]


def test_the_way_back_goes_by_the_fence_and_never_joins_an_overlay_and_a_port(ctx, network):
    """Forth and back twice; the original's controllers are joined while they wait, and then no more."""
    for _ in range(2):
        control.Switch().apply(ctx)
        control.DropOverlay().apply(ctx)
        FENCED.apply(ctx)
        assert network.fenced == {"node-1", "node-2"} and FENCED.pending(ctx) == {}
        FENCED.undo(ctx)
        assert network.fenced == set() and network.bridges["node-1"]["br-mgmt"] == ["oct3"]
        control.Switch().undo(ctx)
        assert network.handed_over[-1] == (["node-4", "node-5"], ["node-1", "node-2"])
        assert network.bridges["node-1"] == {"br-mgmt": ["eth2.101"], "br-ex": ["eth1"]}
        assert network.bridges["node-5"] == {"br-mgmt": ["oct1"], "br-ex": []}
        assert "oct3" not in network.devices["node-1"] and not ctx.recall(control.BACK)
        assert network.cut[-1] == "node-7"


def test_the_way_back_waits_for_brokers_that_are_still_starting_before_anything_moves(ctx, network, monkeypatch):
    control.Switch().apply(ctx)
    answers = [NodeFailed("node-1", "octane_nova.compute_queues", "start it with start_app"), network.consumers]
    forth, moved_before = len(network.handed_over), []

    def queues(minion):
        moved_before.append(len(network.handed_over) == forth)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, NodeFailed):
            raise answer
        return answer

    ctx.nodes.functions["octane_nova.compute_queues"] = queues
    monkeypatch.setattr("octane.wait.time.sleep", lambda seconds: None)
    control.Switch().undo(ctx)
    assert moved_before[:3] == [True, True, True] and len(network.handed_over) == 2 * forth


def test_a_port_that_is_not_there_stops_the_stage_before_anything_moves(ctx, network):
    del network.devices["node-5"]["eth1"]
    with pytest.raises(InvariantBroken, match="node-5: a port that is to move cannot: there is no interface eth1"):
        control.PlanPorts().verify(ctx)


def test_a_node_without_ports_cannot_be_planned(ctx, monkeypatch):
    ctx.record(PORTS, None)
    monkeypatch.setattr(control.isolation, "uplinks_of_both_sides", lambda ctx: {**UPLINKS, "node-2": []})
    with pytest.raises(Failed, match="node-2"):
        control.PlanPorts().apply(ctx)


def test_one_that_is_on_again_after_the_switch_is_cut_off_and_fenced_by_another_run(ctx, network):
    """Fuel knew its ports when the others' were planned."""
    ctx.record(PORTS, None)
    ctx.options["fenced"] = ["node-2"]
    for step in (control.PlanPorts(), control.Switch(), control.DropOverlay(), FENCED):
        step.apply(ctx)
    assert network.fenced == {"node-1"} and network.bridges["node-2"]["br-ex"] == ["eth1"]
    del ctx.options["fenced"]
    control.PlanPorts().verify(ctx)
    for step in (control.Switch(), FENCED):
        assert step.pending(ctx)
        step.apply(ctx)
        step.verify(ctx)
        assert step.pending(ctx) == {}
    assert "eth1" not in network.bridges["node-2"]["br-ex"] and network.fenced == {"node-1", "node-2"}


def test_a_port_that_somebody_plugged_in_by_hand_leaves_with_the_others_and_is_not_given_to_the_seed(ctx, monkeypatch):
    ctx.record(PORTS, None)
    monkeypatch.setattr(control.isolation, "uplinks_of_both_sides", lambda ctx: dict(UPLINKS))
    ctx.nodes.functions["octane_fence.unplanned"] = lambda minion, plans: (
        [{"bridge": "br-ex", "port": "eth9", "by_hand": True}] if minion == "node-2" else []
    )
    control.PlanPorts().apply(ctx)
    more = {"purpose": "public", "serves": "br-ex", "bridge": "br-ex", "port": "eth9", "by_hand": True}
    assert ctx.recall(PORTS) == {**UPLINKS, "node-2": [*UPLINKS["node-2"], more]}


def test_computes_are_cut_from_the_old_brokers_and_awaited(ctx, network):
    step = control.Reconnect()
    assert step.pending(ctx) == {"reconnect": ["node-7"]}
    step.apply(ctx)
    assert network.cut == ["node-7"]
    assert step.verify(ctx)["consumed"] == ["node-7"]


def test_a_compute_that_never_comes_back_is_named(ctx, network, monkeypatch):
    monkeypatch.setattr(computes, "RECONNECT_TIMEOUT", 0)
    ctx.nodes.functions["octane_net.cut_connections"] = lambda *_: {"before": 0, "after": 0, "how": "ss"}
    with pytest.raises(WaitTimeout, match=r"every compute's queue .*, in vain: node-7"):
        control.Reconnect().apply(ctx)


def with_one_in_maintenance(ctx, network):
    """A second compute that answers and whose nova-compute is stopped, before the switch and after it."""
    ctx.fuel.nodes().append(node(8, ORIGINAL, "compute"))
    network.consumers["compute.node-7.domain.tld"] = 1
    network.consumers["compute.node-8.domain.tld"] = 0


def test_a_compute_without_nova_before_the_switch_is_told_and_waited_for_by_nobody_there_and_back(ctx, network):
    with_one_in_maintenance(ctx, network)
    outcome = control.Switch().apply(ctx)
    assert "nobody consumed the queue of node-8 before, so it is not waited for" in outcome.comment
    assert outcome.evidence["idle before"] == ["node-8"]
    network.consumers["compute.node-7.domain.tld"] = 0
    assert control.Reconnect().pending(ctx) == {"reconnect": ["node-7"]}
    assert "1 computes consume" in control.Reconnect().apply(ctx).comment
    assert network.cut == ["node-7", "node-8"], "what it may have of old connections is cut as well"
    assert control.Reconnect().verify(ctx) == {"consumed": ["node-7"], "idle before": ["node-8"]}
    assert computes.down(ctx) == []
    control.ComputesReport().verify(ctx)
    control.Switch().undo(ctx)
    assert not ctx.recall(computes.IDLE), "another switch looks for itself"


def test_a_storage_node_is_a_client_of_the_controllers_too_and_no_compute_to_wait_for(ctx, network):
    ctx.fuel.nodes().append(node(8, ORIGINAL, "cinder"))
    ctx.fuel.nodes().append(replace(node(9, ORIGINAL, "cinder"), deployed=frozenset(), pending=frozenset({"cinder"})))
    network.consumers["compute.node-7.domain.tld"] = 1
    control.Switch().apply(ctx)
    flushed = [targets for fun, targets in ctx.nodes.asked if fun == "octane_net.flush_neighbours"]
    assert flushed == [("node-7", "node-8")]
    control.Reconnect().apply(ctx)
    assert network.cut == ["node-7", "node-8"]
    assert control.Reconnect().verify(ctx)["consumed"] == ["node-7"]
    ctx.nodes.silent = {"node-8"}
    with pytest.raises(Refused, match="no answer from node-8"):
        control.Answering().verify(ctx)


def test_where_the_kernel_cannot_cut_connections_their_clients_are_restarted_there_and_nowhere_else(ctx, network):
    ctx.fuel.nodes().append(node(8, ORIGINAL, "compute"))
    network.consumers |= {"compute.node-7.domain.tld": 1, "compute.node-8.domain.tld": 1}
    told = {"node-7": {"before": 3, "after": 3, "how": "unsupported"}, "node-8": {"before": 3, "after": 0, "how": "ss"}}
    ctx.nodes.functions["octane_net.cut_connections"] = lambda minion, *_: told[minion]
    restarted = []

    def restart(minion, services):
        restarted.append((minion, services))
        network.consumers["compute.node-7.domain.tld"] = 1
        return ["nova-compute"]

    ctx.nodes.functions["octane_service.restart_running"] = restart
    control.Switch().apply(ctx)
    network.consumers["compute.node-7.domain.tld"] = 0
    outcome = control.Reconnect().apply(ctx)
    assert [minion for minion, _ in restarted] == ["node-7"]
    assert "nova-compute" in restarted[0][1]
    assert not [name for name in restarted[0][1] if "openvswitch" in name or "cleanup" in name], "guests go on"
    assert outcome.evidence["restarted"] == {"node-7": ["nova-compute"]}
    assert outcome.evidence["connections_cut"] == {"node-7": 3, "node-8": 3}
    control.Switch().undo(ctx)
    assert [minion for minion, _ in restarted] == ["node-7"] * 2


def test_a_compute_that_was_stopped_since_the_switch_keeps_nobody_from_the_way_back(ctx, network):
    with_one_in_maintenance(ctx, network)
    network.consumers["compute.node-8.domain.tld"] = 1
    control.Switch().apply(ctx)
    network.consumers["compute.node-8.domain.tld"] = 0
    assert control.Switch().undo(ctx).evidence["idle before"] == ["node-8"]


def test_brokers_of_the_seed_that_tell_nothing_of_use_let_everybody_be_waited_for_on_the_way_back(ctx, network):
    """They may be why one goes back."""
    with_one_in_maintenance(ctx, network)
    network.consumers["compute.node-8.domain.tld"] = 1
    control.Switch().apply(ctx)
    network.consumers = dict.fromkeys(network.consumers, 0)
    ctx.nodes.functions["octane_net.cut_connections"] = lambda minion, *_: (
        network.consumers.update({f"compute.{minion}.domain.tld": 1}) or {"before": 1, "after": 0, "how": "ss"}
    )
    assert control.Switch().undo(ctx).evidence["idle before"] == []


def test_computes_that_are_not_up_in_time_are_named(ctx, network, monkeypatch):
    monkeypatch.setattr(control, "REPORT_TIMEOUT", 0)
    with pytest.raises(WaitTimeout, match=r"every compute to be up .*, in vain: node-7"):
        control.ComputesReport().apply(ctx)


def test_who_was_idle_is_noted_once_however_often_the_switch_is_run(ctx, network):
    with_one_in_maintenance(ctx, network)
    control.Switch().apply(ctx)
    network.consumers = {"compute.node-7.domain.tld": 0, "compute.node-8.domain.tld": 0}
    assert control.Switch().apply(ctx).evidence["idle before"] == ["node-8"]


def test_no_queue_consumed_at_all_is_said_to_be_a_strange_thing_and_keeps_nobody_from_the_switch(ctx, network):
    comment = control.Switch().apply(ctx).comment
    assert "nobody consumed the queue of any compute before: look at the original's brokers" in comment
    control.Reconnect().apply(ctx)
    assert network.cut == ["node-7"]


def test_who_was_idle_is_asked_of_the_next_broker_where_one_is_down(ctx, network):
    with_one_in_maintenance(ctx, network)

    def queues(minion):
        if minion == "node-1":
            raise NodeFailed(minion, "octane_nova.compute_queues", "no such node")
        return network.consumers

    ctx.nodes.functions["octane_nova.compute_queues"] = queues
    assert control.Switch().apply(ctx).evidence["idle before"] == ["node-8"]


def test_where_no_broker_tells_every_compute_is_waited_for(ctx, network):
    def queues(minion):
        raise NodeFailed(minion, "octane_nova.compute_queues", "no such node")

    ctx.nodes.functions["octane_nova.compute_queues"] = queues
    outcome = control.Switch().apply(ctx)
    assert outcome.evidence["idle before"] == [] and "none of the original's brokers told" in outcome.comment


def test_the_overlay_is_removed_once_and_only_where_it_is(ctx, network):
    assert control.DropOverlay().pending(ctx) == {"node-4": ["oct1"], "node-5": ["oct1"]}
    control.DropOverlay().apply(ctx)
    assert control.DropOverlay().verify(ctx) == {"overlays": 0}
    assert control.DropOverlay().pending(ctx) == {}


def test_what_is_fenced_is_what_was_planned_and_the_fenced_stay_one_cluster(ctx):
    given = control.fence(ctx)
    planned = given["plans"]
    assert given["peers"] == ["192.168.0.11", "192.168.0.12", "192.168.0.2"]
    ctx.options["fenced"] = ["node-2"]
    assert control.fence(ctx)["peers"] == ["192.168.0.11", "192.168.0.2"]
    assert set(planned) == {"node-1", "node-2"}
    assert planned["node-1"] == {
        "bridges": ["br-ex", "br-mgmt"],
        "ports": [{"bridge": "br-mgmt", "port": "eth2.101"}, {"bridge": "br-ex", "port": "eth1"}],
    }


def test_computes_that_the_new_controllers_do_not_see_up_are_named(ctx, network):
    assert computes.down(ctx) == ["node-7"]
    network.consumers["compute.node-7.domain.tld"] = 1
    assert computes.down(ctx) == []


def test_a_controller_that_does_not_answer_is_named_with_what_to_state(ctx):
    ctx.stage = stage.get("upgrade-control")
    ctx.nodes.ping = lambda nodes: set(nodes) - {"node-2"}
    with pytest.raises(Refused, match=r"no answer from node-2: start it, .* `octane upgrade-control 2 --fenced"):
        control.Answering().verify(ctx)
    ctx.options["fenced"] = ["node-2"]
    assert control.Answering().verify(ctx)["powered off"] == ["node-2"]


def test_one_that_was_stated_to_be_powered_off_must_be(ctx):
    ctx.options["fenced"] = ["node-2"]
    ctx.nodes.ping = lambda nodes: set(nodes)
    with pytest.raises(Refused, match="node-2 was stated to be powered off, and answers"):
        control.Answering().verify(ctx)


def test_one_that_is_powered_off_is_asked_nothing(ctx, network):
    ctx.options["fenced"] = ["node-2"]
    control.Switch().apply(ctx)
    control.DropOverlay().apply(ctx)
    FENCED.apply(ctx)
    asked = {target for _, targets in ctx.nodes.asked for target in targets}
    assert "node-2" not in asked and network.bridges["node-1"] == {"br-mgmt": [], "br-ex": []}
    assert not ctx.recall(control.BACK), "one alone is joined with nobody"
    ctx.options["fenced"] = ["node-2", "node-5", "node-7"]
    for step in (control.Switch(), control.DropOverlay(), FENCED):
        step.apply(ctx)
        assert step.pending(ctx) == {}
    for step in (FENCED, control.Switch()):
        step.undo(ctx)
    asked = {target for _, targets in ctx.nodes.asked[len(asked) :] for target in targets}
    assert network.bridges["node-1"] == {"br-mgmt": ["eth2.101"], "br-ex": ["eth1"]}


def test_the_way_back_needs_no_controller_of_the_seed(ctx, network):
    """A seed of which nothing is left: the original's controllers get their ports and their computes all the same."""
    for step in (control.Switch(), control.DropOverlay(), FENCED):
        step.apply(ctx)
    ctx.options["fenced"] = ["node-4", "node-5"]
    already = len(ctx.nodes.asked)
    named = ("control.resources_started", "control.pinned")
    of_seed = [replace(SHIPPED[name], targets=("node-4", "node-5")) for name in named]
    for step in (FENCED, control.Switch(), *map(load, of_seed)):
        step.undo(ctx)
    assert network.bridges["node-1"] == {"br-mgmt": ["eth2.101"], "br-ex": ["eth1"]}
    assert not ctx.recall(SWITCHED) and network.cut[-1] == "node-7"
    asked = {target for _, targets in ctx.nodes.asked[already:] for target in targets}
    assert asked == {"node-1", "node-2", "node-7"}


def test_forth_it_needs_one(ctx):
    ctx.options["fenced"] = ["node-4", "node-5"]
    with pytest.raises(Refused, match=f"every controller of environment {SEED} was stated to be powered off"):
        control.Answering().verify(ctx)


def test_a_compute_that_died_keeps_nobody_from_the_cloud(ctx, network):
    ctx.nodes.ping = lambda nodes: set(nodes) - {"node-7"}
    outcome = control.Switch().apply(ctx)
    assert ctx.recall(SWITCHED) and outcome.evidence["not told"] == ["node-7"]
    assert control.Switch().undo(ctx).evidence["not told"] == ["node-7"]


@pytest.mark.parametrize(("given", "sentence"), [(["node-9"], "node-9: no node of"), ("node-2", "list of nodes")])
def test_only_nodes_of_the_two_sides_can_be_stated_to_be_powered_off(ctx, given, sentence):
    ctx.options["fenced"] = given
    with pytest.raises(BadInput, match=sentence):
        control.Switch().pending(ctx)
