"""
Every layout of networks through an upgrade, by packets: isolated by facts, joined, switched, rebooted, and back.

Two controllers of the original, two of the seed on the same addresses, and a compute that asks who has them.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from octane.errors import NodeFailed
from octane.fuel.uplinks import isolate
from octane.plan import network
from octane.procedure import computes, control, isolation, seed_network
from tests.functional import layouts
from tests.functional.booting import Machine, Switched
from tests.functional.network_hosts import NEEDED, REPOSITORY
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, node

SWITCH_TOOLS = [tool for tool in ("ethtool", "ovs-vsctl", "ovs-vswitchd", "ovsdb-server") if shutil.which(tool) is None]
pytestmark = [*NEEDED, pytest.mark.skipif(bool(SWITCH_TOOLS), reason=f"needs {', '.join(SWITCH_TOOLS)}")]

ORIGINALS, SEEDS, COMPUTE = {"node-1": 1, "node-2": 2}, {"node-4": 1, "node-5": 2}, "node-7"
MANAGEMENT, PUBLIC = ("192.168.0.1", "192.168.0.2"), ("172.16.0.1", "172.16.0.2")
TENANTS = ("10.9.0.1", "10.9.0.2")
"""Of a router on each controller, which tenants reach over VLAN 1000."""

CARDS = ("eth0", "eth1", "eth2", "eth2.101", "eth2.102", "eth3", "eth4")
LARGEST = 1450 - 28
"""Payload of a ping that just fits the overlay."""

ONE_PORT = layouts.made(layouts.bridge("br-all"), layouts.port("eth1", "br-all"), roles=layouts.RENAMED["roles"])
LAYOUTS = {
    "NIC and VLAN": (layouts.PLAIN,) * 3,
    "bond shared with storage": (layouts.BOND, layouts.BOND, layouts.PLAIN),
    "patched Linux bridges": (layouts.PATCHED,) * 3,
    "Open vSwitch": (layouts.SWITCHED, layouts.SWITCHED, layouts.PLAIN),
    "bond of Open vSwitch": (layouts.SWITCHED_BOND, layouts.SWITCHED_BOND, layouts.PLAIN),
    "patched in Open vSwitch": (layouts.SWITCHED_PATCHES, layouts.SWITCHED_PATCHES, layouts.PATCHED),
    "patched to Open vSwitch": (layouts.MIXED_PATCHES, layouts.MIXED_PATCHES, layouts.PLAIN),
    "before 6.1": (layouts.OLD, layouts.PLAIN, layouts.PLAIN),
    "template, two ports": (layouts.RENAMED, layouts.RENAMED, ONE_PORT),
    "tenants": (layouts.TENANTS_PATCHED, layouts.TENANTS, layouts.TENANTS),
    "tenants behind a patch": (layouts.TENANTS_PATCHED,) * 3,
}
"""Layouts of the original's controllers, of the seed's, and of the compute."""


CLUSTER = {"octane_cluster.serving": [], "octane_cluster.ignore_gateway": [], "octane_cluster.heed_gateway": []}
CLUSTER |= {"octane_cluster.wait_serving": None, "octane_nova.compute_queues": {}}
"""What the clusters and brokers, which these machines have not, would answer."""


class RealNodes:
    """Functions and states on machines, all asked at once, as Salt would."""

    def __init__(self, machines: dict[str, Machine]) -> None:
        self.machines = machines

    def call(self, targets: list[str], fun: str, *args: Any, timeout: float = 60, **kwargs: Any) -> dict[str, Any]:
        if fun in CLUSTER:
            return dict.fromkeys(targets, CLUSTER[fun])
        return self._all(targets, fun, lambda machine: machine.call(fun, *args, **kwargs))

    def state(self, targets: list[str], fun: str, *, test: bool = False, timeout: float = 60, **kwargs: Any) -> Any:
        done = self._all(targets, fun, lambda machine: machine.state(fun, test=test, **kwargs))
        for name, one in done.items():
            if one["result"] is False:
                raise NodeFailed(name, fun, one["comment"])
        return done

    def ping(self, targets: list[str], timeout: float = 10) -> set[str]:
        return set(targets)

    def _all(self, targets, fun, ask):
        with ThreadPoolExecutor(len(targets)) as pool:
            found = dict(zip(targets, pool.map(lambda name: ask(self.machines[name]), targets), strict=True))
        for name, answer in found.items():
            if isinstance(answer, dict) and "error" in answer:
                raise NodeFailed(name, fun, answer["error"])
        return found


class Cloud:
    """Both sides and a compute on one switch, deployed; the seed by the facts that isolate it."""

    def __init__(self, root, original, seed, compute) -> None:
        self.outside = Switched("outside", root / "outside")
        self.machines: dict[str, Machine] = {}
        self.owners: dict[str, str] = {}
        try:
            self._make(root, original, seed, compute)
        except BaseException:
            self.stop()
            raise

    def _make(self, root, original, seed, compute):
        self.outside.start_switch()
        self.outside.vsctl("add-br", "lan", "--", "set", "Bridge", "lan", "datapath_type=netdev")
        # Not in user space too: the checksums of UDP, which virtual cards leave out, would be missed on the overlay.
        self.outside.run("ip", "link", "add", "admin", "type", "bridge")
        self.outside.run("ip", "link", "set", "admin", "up")
        named = {step.get("name") for step in original["transformations"]}
        self.has_tenants = "br-prv" in named
        unused = {card for card, user in (("eth3", "bond0"), ("eth4", "br-prv")) if user not in named}
        self.schemes = {}
        for name, number in {**ORIGINALS, **SEEDS, COMPUTE: 7}.items():
            self._add(root, name, [card for card in CARDS if card not in {"eth0", *unused}])
            layout = seed if name in SEEDS else original if name in ORIGINALS else compute
            self.schemes[name] = layouts.numbered(layout, number, own=int(name[-1]))
        self.everybody(self._deploy)
        if self.has_tenants:
            self._guest()
        self.nodes = RealNodes(self.machines)
        self.compute = self.machines[COMPUTE]

    def _add(self, root, name, on_lan):
        machine = self.machines[name] = Machine(name, root / name, CARDS)
        for card in machine.cards:
            self.outside_end(name, card)
        self.outside.run("ip", "link", "set", f"{name}-eth0", "master", "admin")
        machine.sum_up("eth0")
        ports = [self._port_of(name, card) for card in on_lan]
        self.outside.vsctl(*(word for port in ports for word in port))

    def outside_end(self, name, card):
        machine, end = self.machines[name], f"{name}-{card}"
        given = ["type", "veth", "peer", "name", card, "netns", str(machine.process.pid)]
        self.outside.run("ip", "link", "add", end, *given)
        self.outside.run("ip", "link", "set", end, "up")

    def _port_of(self, name, card):
        vlan = card.partition(".")[2]
        return ["--", "add-port", "lan", f"{name}-{card}", *([f"tag={vlan}"] if vlan else [])]

    def _deploy(self, name):
        wanted = self.schemes[name]
        if name in SEEDS:
            wanted = isolate(wanted, name, "10.20.0.1").scheme
            # Before anything has an address: its ports are up and must not tell them.
            assert "error" not in self.machines[name].state("octane_net.strict_arp")
        if self.has_tenants:
            self.machines[name].is_shut_down_cleanly = True
            self.machines[name].agent_of_tenants = lambda: self._tenants(name)
        layouts.deploy(self.machines[name], wanted)

    def _tenants(self, name):
        """A controller's router as Neutron's agents make it again after each boot; a guest, on the compute."""
        machine, end = self.machines[name], "guest" if name == COMPUTE else "qr-1"
        internal = ["--", "set", "Interface", end, "type=internal"]
        machine.vsctl("--may-exist", "add-port", "br-prv", end, "tag=1000", *internal)
        machine.sum_up(end)
        within = []
        if name != COMPUTE:
            within = ["ip", "netns", "exec", "qrouter-1"]
            machine.run("ip", "netns", "add", "qrouter-1")
            machine.run("ip", "link", "set", end, "netns", "qrouter-1")
        number = {**ORIGINALS, **SEEDS}.get(name, 7)
        machine.run(*within, "ip", "addr", "add", f"10.9.0.{number}/24", "dev", end)
        machine.run(*within, "ip", "link", "set", end, "address", f"fa:16:3e:00:00:0{name[-1]}", "up")

    def _guest(self):
        """Somebody in the tenants' network whom no tool of an upgrade reaches."""
        named = ["--", "set", "Interface", "guest", "type=internal"]
        self.outside.vsctl("add-port", "lan", "guest", "tag=1000", *named)
        self.outside.sum_up("guest")
        self.outside.run("ip", "addr", "add", "10.9.0.9/24", "dev", "guest")
        self.outside.run("ip", "link", "set", "guest", "up")

    def unreached_by_guest(self):
        return [one for one in TENANTS if self.has_tenants and not self.outside.reaches(one)]

    def addresses(self, name):
        """Those that both sides hold and NAME may hear of."""
        return (*MANAGEMENT, *PUBLIC, *(TENANTS if self.has_tenants and name == COMPUTE else ()))

    def everybody(self, act, names=None):
        chosen = list(names or self.machines)
        with ThreadPoolExecutor(len(chosen)) as pool:
            return dict(zip(chosen, pool.map(act, chosen), strict=True))

    def reboot(self, *names):
        self.everybody(lambda name: self.machines[name].boot(), names)

    def members(self):
        sides = {**dict.fromkeys(ORIGINALS, network.ORIGINAL), **dict.fromkeys(SEEDS, network.SEED)}
        return [network.Member(name, side, self.schemes[name]) for name, side in sides.items()]

    def bridges(self, name):
        return isolation.role_bridges({name: self.schemes[name]})[name]

    def asked(self, name):
        bridges = self.bridges(name)
        through = {MANAGEMENT: bridges["management"], PUBLIC: bridges["public"], TENANTS: "guest"}
        known = {address: interface for addresses, interface in through.items() for address in addresses}
        return [{"address": address, "interface": known[address]} for address in self.addresses(name)]

    def answering(self, name, timeout=0.4):
        """{address: names of the machines that answer for it} as NAME hears them."""
        macs = self.nodes.call(list(self.machines), "octane_net.macs")
        self.owners |= {mac: owner for owner, found in macs.items() for mac in found.values()}
        heard = self.machines[name].call("octane_net.hears", self.asked(name), timeout=timeout)
        return {address: {self.owners.get(mac, mac) for mac in macs} for address, macs in heard.items()}

    def stop(self):
        self.everybody(lambda name: self.machines[name].stop())
        self.outside.stop()


class Watch:
    """Asks for every address without end, once at a time; two machines that answer one question are a duplicate."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        asked = [f"{one['interface']}={one['address']}" for one in cloud.asked(COMPUTE)]
        command = cloud.compute.inside(sys.executable, "-m", "tests.functional.arp_watch", *asked)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": REPOSITORY}
        self.process = subprocess.Popen(command, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        text, _ = self.process.communicate(timeout=30)
        self.rounds = [json.loads(line) for line in text.splitlines()]

    def owners(self):
        """For each question that was answered, who did; an interface that nobody was seen to have is somebody else."""
        known = self.cloud.owners
        return [{known.get(mac, mac) for mac in macs} for heard in self.rounds for macs in heard.values() if macs]


@pytest.fixture(params=list(LAYOUTS))
def cloud(request, tmp_path):
    made = Cloud(tmp_path, *LAYOUTS[request.param])
    yield made
    made.stop()


@pytest.fixture
def ctx(cloud, monkeypatch):
    known = [(name, ORIGINAL) for name in ORIGINALS] + [(name, SEED) for name in SEEDS]
    nodes = [node(int(name[-1]), side, "controller") for name, side in known] + [node(7, ORIGINAL, "compute")]
    nodes = [dataclasses.replace(one, admin_address=f"10.20.0.{one.id}") for one in nodes]
    made = FakeContext(cloud.nodes, None, nodes)
    ports = network.ports(cloud.members())
    monkeypatch.setattr(isolation, "uplinks_of_both_sides", lambda ctx: ports)
    monkeypatch.setattr(seed_network, "seed_nodes", lambda ctx: [one for one in nodes if one.environment == SEED])
    # There are no brokers, and no Nailgun to tell whose addresses are to be asked for: that is done here.
    monkeypatch.setattr(computes, "note_idle", lambda ctx: "")
    monkeypatch.setattr(computes, "reconnect", lambda ctx, brokers: {})
    monkeypatch.setattr(isolation, "Hearing", lambda ctx: SimpleNamespace(only_original=dict))
    of_original = SimpleNamespace(nodes=lambda: [one for one in nodes if one.environment == ORIGINAL], network=dict)
    monkeypatch.setattr(control, "original", lambda ctx: of_original)
    monkeypatch.setattr(isolation, "original", lambda ctx: of_original)
    made.record(isolation.UPLINKS, {name: ports[name] for name in SEEDS})
    return made


def holder(side, address):
    return next(name for name, number in side.items() if address.endswith(f".{number}"))


def assert_held_by(cloud, side, asker=COMPUTE):
    """Every address answers from its controller of SIDE and from nobody else, and its packets come back."""
    heard = cloud.answering(asker)
    assert heard == {one: {holder(side, one)} for one in cloud.addresses(asker)}
    cloud.compute.call("octane_net.flush_neighbours")
    assert [one for one in cloud.addresses(asker) if not cloud.compute.reaches(one)] == []


def assert_others_stay_connected(cloud):
    for name in (*ORIGINALS, *SEEDS):
        for one in (f"10.20.0.{name[-1]}", f"192.168.1.{name[-1]}"):
            assert cloud.compute.reaches(one), f"{name} is cut off: {one}"


def assert_isolated(cloud):
    """From the compute the original alone is heard, and from the seed the seed alone; nothing leaves other ports."""
    assert_held_by(cloud, ORIGINALS)
    for name in SEEDS:
        own = {one for one in (*MANAGEMENT, *PUBLIC) if holder(SEEDS, one) == name}
        heard = cloud.answering(name)
        assert {one: heard[one] for one in heard if one not in own} == {
            one: {holder(SEEDS, one)} for one in (*MANAGEMENT, *PUBLIC) if one not in own
        }
        assert [heard[one] for one in own] == [set() for _ in own]
        end = [{"address": one, "interface": f"{name}-eth3"} for one in (*MANAGEMENT, *PUBLIC)]
        assert not set(map(len, cloud.outside.call("octane_arp.hears", end, timeout=0.4).values())) - {0, *_lan(cloud)}
    assert_others_stay_connected(cloud)


def _lan(cloud):
    """Where the fourth card is on the switch as well, the original answers there, once."""
    return {1} if "node-4-eth3" in cloud.outside.vsctl("list-ports", "lan").stdout else set()


def assert_joined(cloud):
    for address in ("192.168.0.2", "172.16.0.2"):
        whole = ("-M", "do", "-s", str(LARGEST))
        assert cloud.machines["node-4"].reaches(address, *whole)
        assert not cloud.machines["node-4"].reaches(address, "-M", "do", "-s", str(LARGEST + 1))


def files(cloud, names):
    found = {name: cloud.machines[name].root.glob("interfaces.d/*") for name in names}
    return {name: {path.name: path.read_text() for path in paths} for name, paths in found.items()}


def definitions(cloud):
    """What Open vSwitch has on the original, but for what it numbers anew each time."""
    found = cloud.nodes.call(list(ORIGINALS), "octane_net.bridges")
    return {
        name: {
            port: cloud.machines[name].call("octane_ovs.definition", port)
            for ports in bridges.values()
            for port in ports
        }
        for name, bridges in found.items()
    }


def left_to_fence(cloud, ctx):
    """What a fence would still take from the networks, without the services that these machines have not."""
    given, left = control.fence(ctx), {}
    for name, plan in given["plans"].items():
        machine = cloud.machines[name]
        taken = machine.call("octane_fence.plan", plan["bridges"], given["reason"], [], ports=plan["ports"])
        cut = [{**one, "do": "detach"} for one in taken["ports"]]
        left[name] = [(one["bridge"], one["port"]) for one in machine.call("octane_net.pending", cut)]
    return left


def test_a_layout_is_isolated_joined_switched_rebooted_and_taken_back(cloud, ctx):
    with Watch(cloud) as watch:
        seed_network.Overlay().apply(ctx)
        assert seed_network.Overlay().pending(ctx) == {}
        assert_isolated(cloud)
        assert_joined(cloud)
        before, made = files(cloud, ORIGINALS), definitions(cloud)
        plan = control.PlanPorts()
        plan.apply(ctx)
        plan.verify(ctx)
        planned = ctx.recall(control.PORTS)
        assert left_to_fence(cloud, ctx) == {
            name: [(port["bridge"], port["port"]) for port in planned[name]] for name in ORIGINALS
        }
        ctx.nodes.state(list(ORIGINALS), "octane_net.strict_arp")

        cloud.reboot(*ORIGINALS, *SEEDS)
        assert_isolated(cloud)
        assert_joined(cloud)

        assert cloud.unreached_by_guest() == []
        control.Switch().apply(ctx)
        # Nobody made it forget where the routers were.
        assert cloud.unreached_by_guest() == []
        control.Switch().verify(ctx)
        assert_held_by(cloud, SEEDS)
        assert left_to_fence(cloud, ctx) == {name: [] for name in ORIGINALS}
        cloud.reboot(*ORIGINALS, *SEEDS)
        control.Switch().verify(ctx)
        assert_held_by(cloud, SEEDS)
        assert_others_stay_connected(cloud)

        assert cloud.unreached_by_guest() == []
        control.Switch().undo(ctx)
        assert cloud.unreached_by_guest() == []
        assert (files(cloud, ORIGINALS), definitions(cloud)) == (before, made)
        assert_isolated(cloud)
        cloud.reboot(*ORIGINALS, *SEEDS)
        assert_isolated(cloud)
        assert_joined(cloud)

        control.Switch().apply(ctx)
        control.DropOverlay().apply(ctx)
        plan.verify(ctx)
        cloud.reboot(*ORIGINALS, *SEEDS)
        control.DropOverlay().verify(ctx)
        control.Switch().verify(ctx)
        assert_held_by(cloud, SEEDS)
        assert_others_stay_connected(cloud)
    answered = watch.owners()
    assert {name for owners in answered for name in owners} == {*ORIGINALS, *SEEDS}
    assert [owners for owners in answered if len(owners) > 1] == []
