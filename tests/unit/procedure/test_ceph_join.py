"""The seed's monitors join the original's cluster, each step taken back as a whole, and nothing of the cluster lost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from octane.ceph import monitors
from octane.errors import InvariantBroken, NodeFailed, Refused
from octane.procedure import ceph, ceph_join
from octane.procedure.isolation import SCHEMES
from tests.unit.ceph import samples
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

OLD, NEW = ("node-1", "node-2", "node-3"), ("node-7", "node-8", "node-9")
VERSION = "ceph version 16.2.15 (618f440) pacific (stable)"
CONF = """[global]
fsid = {fsid}
mon_initial_members = node-1 node-2 node-3
mon_host = 192.168.0.3 192.168.0.4 192.168.0.5
"""


class World:
    """A cluster of three monitors, three controllers with an empty one of their own, and what is asked of them."""

    def __init__(self):
        self.addresses = dict(samples.ADDRESSES)
        self.out = set()
        self.running = {name: [["mgr", name], ["mon", name]] for name in NEW}
        self.aside, self.files, self.carried = {}, {}, set()
        self.tunnels = {}
        self.free, self.keyrings = dict.fromkeys(OLD, 40.0), set(OLD)
        self.health = {"status": "HEALTH_OK", "checks": {}}
        self.epoch, self.newest, self.pools = 99, {0: 99, 1: 98}, (("volumes", 3, 2),)
        self.log, self.set, self.settings = [], {}, []

    def cluster(self, minion, login=None):
        return {
            "version": VERSION,
            "health": self.health,
            "status": {"fsid": samples.FSID, "health": self.health, "pgmap": {}},
            "quorum": self.quorum(minion),
            "monitors": samples.mon_dump(self.addresses, new=True),
            "osd_map": samples.osd_dump(new=True, epoch=self.epoch, pools=self.pools),
            "crush": samples.crush_dump(),
            "groups": {"pg_ready": True, "pg_stats": samples.pgs_brief((0, 2, 4))},
            "users": [{"entity": "client.images", "key": "f", "caps": {"mon": "allow r"}}],
            "settings": self.settings,
        }

    def quorum(self, minion):
        members = [rank for rank, name in enumerate(self.addresses) if name not in self.out]
        return samples.quorum_status(members, addresses=self.addresses, new=True)

    def ask(self, minion, *command, login=None):
        assert command == ("quorum_status",)
        return self.quorum(minion)

    def say(self, minion, *command):
        assert minion in OLD
        if command[0] == "config":
            self.set[command[3]] = command[4] if command[1] == "set" else None
            return ""
        assert command[:2] == ("mon", "remove")
        self.log.append(f"remove {command[2]}")
        del self.addresses[command[2]]
        return ""

    def monitors(self, minion):
        return {minion: {"free": self.free[minion], "keyring": minion in self.keyrings, "status": None}}

    def set_aside(self, minion):
        ran = self.aside.setdefault(minion, self.running[minion])
        self.running[minion] = [one for one in self.running[minion] if minion in self.addresses]
        return ran

    def put_back(self, minion):
        self.files.pop(minion, None)
        self.running[minion] = self.aside.pop(minion, self.running[minion])
        return self.running[minion]

    def make(self, minion, name):
        assert minion == name and len(self.tunnels) == 6, "a monitor that cannot reach the others"
        assert "public_addr" in self.files[minion] and minion in self.carried
        self.log.append(f"join {name}")
        self.running[minion] = [["mon", name]]
        self.addresses[name] = f"192.168.1.{name[5:]}"
        return {"made": True}

    def unmake(self, minion, name):
        assert name not in self.addresses, "a monitor's store is gone while the map has it"
        self.running[minion] = []
        return {"removed": True}

    def configuration(self, minion, path="/etc/ceph/ceph.conf"):
        if minion in OLD:
            return CONF.format(fsid=samples.FSID)
        if path == ceph_join.DEPLOYED or minion not in self.files:
            return CONF.format(fsid="of-the-empty-one")
        return self.files[minion]

    def configure(self, minion, text, sources):
        self.files[minion] = text
        return True

    def join_tunnel(self, minion, host, port, certificate, identity, local_port, bind, purpose):
        assert host.startswith("10.20.0.") and purpose == ceph_join.TUNNELS
        self.tunnels[minion, bind, local_port] = host
        return {"port": local_port}

    def tunnels_of(self, minion, purpose):
        return [{"state": "running", "port": port} for node, _, port in self.tunnels if node == minion]

    def end_tunnels(self, minion, purpose):
        self.tunnels = {key: host for key, host in self.tunnels.items() if key[0] != minion}
        return []

    def functions(self):
        sent = {"sha256": "a", "bytes": 1, "seconds": 0.1}
        return {
            "octane_ceph.cluster": self.cluster,
            "octane_ceph.ask": self.ask,
            "octane_ceph.say": self.say,
            "octane_ceph.monitors": self.monitors,
            "octane_ceph.version": lambda minion: VERSION,
            "octane_ceph.configuration": self.configuration,
            "octane_ceph.configure": self.configure,
            "octane_ceph.newest_maps": lambda minion: {str(osd): epoch for osd, epoch in self.newest.items()},
            "octane_ceph_mon.set_aside": self.set_aside,
            "octane_ceph_mon.put_back": self.put_back,
            "octane_ceph_mon.daemons": lambda minion: self.running[minion],
            "octane_ceph_mon.export": lambda minion: "/var/lib/octane-node/ceph-original",
            "octane_ceph_mon.forget": lambda minion: {"was": self.carried.discard(minion)},
            "octane_ceph_mon.take_keys": lambda minion: ["/etc/ceph/ceph.client.admin.keyring"],
            "octane_ceph_mon.make": self.make,
            "octane_ceph_mon.unmake": self.unmake,
            "octane_stream.identity": lambda minion: {"identity": "i", "certificate": "public"},
            "octane_tunnel.serve": lambda minion, *_, **__: {"port": 4000, "certificate": "public"},
            "octane_tunnel.join": self.join_tunnel,
            "octane_tunnel.status": self.tunnels_of,
            "octane_tunnel.end": self.end_tunnels,
            "octane_db.identity": lambda minion: {"identity": "i", "certificate": "public"},
            "octane_db.receive_files": lambda minion, *_, **__: self.carried.add(minion)
            or {"port": 3, "certificate": "public", "ticket": "t"},
            "octane_db.send_files": lambda minion, *_, **__: sent,
            "octane_db.received": lambda minion, ticket, **_: sent,
        }


def scheme_of(number):
    return {
        "roles": {"mgmt/vip": "br-mgmt", "ceph/replication": "br-storage"},
        "endpoints": {
            "br-mgmt": {"IP": [f"192.168.0.{number - 4}/24"]},
            "br-storage": {"IP": [f"192.168.1.{number}/24"]},
        },
    }


@pytest.fixture
def world():
    return World()


@pytest.fixture
def ctx(world, monkeypatch):
    monkeypatch.setattr(ceph_join, "JOIN_TIMEOUT", 0)
    members = [node(int(name[5:]), ORIGINAL, "controller") for name in OLD]
    members += [node(int(name[5:]), SEED, "controller") for name in NEW]
    members += [node(20, ORIGINAL, "compute")]
    made = FakeContext(FakeNodes(world.functions()), None, members)
    attributes = {"storage": {"images_ceph": {"value": True}, "volumes_ceph": {"value": True}}}
    nodes = made.fuel.nodes
    environment = SimpleNamespace(attributes=lambda: attributes)
    made.fuel = SimpleNamespace(nodes=nodes, environment=lambda number: environment)
    made.attributes = attributes
    made.record(SCHEMES, {name: scheme_of(int(name[5:])) for name in NEW})
    return made


STEPS = (
    ceph.ChooseWay,
    ceph_join.SetAside,
    ceph_join.Carry,
    ceph_join.Tunnels,
    ceph_join.Quick,
    ceph_join.Join,
    ceph_join.AsBefore,
)


def go(ctx, *steps):
    for step in steps or STEPS:
        made = step()
        if not made.check_first or made.pending(ctx):
            made.apply(ctx)
        made.verify(ctx)


def test_they_join_one_by_one_and_the_cluster_is_what_it_was(ctx, world):
    assert ceph.CephChecked().verify(ctx)["way"] == monitors.EARLY
    go(ctx)
    assert world.log == ["join node-7", "join node-8", "join node-9"]
    assert list(world.addresses) == [*OLD, *NEW]
    assert ceph_join.StillTheSame().verify(ctx)["epoch"] == 99


def test_each_address_of_an_original_monitor_leads_to_it(ctx, world):
    go(ctx)
    assert {(bind, port): host for (_, bind, port), host in world.tunnels.items()} == {
        (f"192.168.0.{number + 2}", port): f"10.20.0.{128 + number}" for number in (1, 2, 3) for port in (3300, 6789)
    }
    assert all(bind == f"192.168.0.{int(name[5:]) - 4}" for name, bind, _ in world.tunnels)


def test_what_was_done_is_taken_back(ctx, world):
    before = dict(world.running)
    go(ctx)
    for step in reversed(STEPS):
        step().undo(ctx)
    assert list(world.addresses) == list(OLD) and world.running == before
    assert not world.tunnels and not world.files and not world.carried and not ctx.recall(ceph.CHOSEN)


def test_elections_are_quick_only_while_monitors_come_and_go(ctx, world):
    world.settings = [{"section": "mon", "mask": "", "name": "mon_lease", "value": "7"}]
    go(ctx, *STEPS[:5])
    assert world.set == {"mon_lease": "1", "mon_probe_timeout": "1", "mon_election_timeout": "1"}
    go(ctx)
    assert world.set == {"mon_lease": "7", "mon_probe_timeout": None, "mon_election_timeout": None}
    ceph_join.AsBefore().undo(ctx)
    assert world.set["mon_lease"] == "1"
    ceph_join.Quick().undo(ctx)
    assert world.set["mon_lease"] == "7" and not ctx.recall(ceph_join.QUICK)


def test_a_run_that_broke_off_goes_on_with_who_is_missing(ctx, world):
    go(ctx, *STEPS[:5])
    make = world.make

    def breaks(minion, name):
        if name == "node-8":
            raise NodeFailed(minion, "octane_ceph_mon.make", "no room")
        return make(minion, name)

    ctx.nodes.functions["octane_ceph_mon.make"] = breaks
    with pytest.raises(NodeFailed, match="no room"):
        ceph_join.Join().apply(ctx)
    ctx.nodes.functions["octane_ceph_mon.make"] = make
    go(ctx)
    assert world.log == ["join node-7", "join node-8", "join node-9"]


def test_a_monitor_that_does_not_come_into_the_quorum_stops_the_next_one(ctx, world):
    go(ctx, *STEPS[:5])
    world.out.add("node-7")
    with pytest.raises(Exception, match="monitors to be in the quorum, in vain: node-7"):
        ceph_join.Join().apply(ctx)
    assert world.log == ["join node-7"]


def broken(world):
    """What may be wrong before anything is done, and how it is said."""

    def full():
        world.free["node-2"] = 4.0

    def keyless():
        world.keyrings.discard("node-3")

    def inconsistent():
        check = {"severity": "HEALTH_ERR", "summary": {"message": "Possible data damage: 1 pg inconsistent"}}
        world.health = {"status": "HEALTH_ERR", "checks": {"PG_DAMAGED": check}}

    def away():
        world.out.add("node-2")

    return {
        "node-2 (4 %)": full,
        "no keyring of mon.node-3 on node-3": keyless,
        "PG_DAMAGED": inconsistent,
        "not in the quorum: node-2": away,
    }


@pytest.mark.parametrize("said", broken(None))
def test_what_stands_in_the_way_is_refused_by_name_before_anything_stops(ctx, world, said):
    broken(world)[said]()
    with pytest.raises(Refused) as told:
        ceph.CephChecked().verify(ctx)
    assert said in str(told.value) and world.running == World().running


def test_everything_that_stands_in_the_way_is_told_at_once(ctx, world):
    for happens in broken(world).values():
        happens()
    with pytest.raises(Refused) as told:
        ceph.CephChecked().verify(ctx)
    assert [said for said in ("node-2", "PG_DAMAGED", "not in the quorum") if said not in str(told.value)] == []


def test_an_environment_without_ceph_has_nothing_to_do_here(ctx):
    for setting in ctx.attributes["storage"].values():
        setting["value"] = False
    with pytest.raises(Refused, match="keeps nothing in Ceph"):
        ceph.CephChecked().verify(ctx)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda world: setattr(world, "epoch", 20), "epoch of the OSD map was 99, is 20"),
        (lambda world: setattr(world, "pools", ()), "pool volumes"),
        (lambda world: world.newest.update({3: 101}), r"osd.3 \(epoch 101\)"),
        (lambda world: world.addresses.update({"node-1": "192.168.0.33"}), "mon.node-1"),
    ],
)
def test_a_cluster_that_lost_something_is_not_passed(ctx, world, happens, said):
    go(ctx)
    happens(world)
    with pytest.raises(InvariantBroken, match=said):
        ceph_join.StillTheSame().verify(ctx)
