"""A cloud after the switch with three hosts of two OSDs each, which the steps of upgrade-node work on.

What destroys data in the real world does so here: an old agent of Fuel, volumes that are not kept, disks that nobody
has when Ceph is deployed.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from octane.errors import Failed, NodeFailed
from octane.fuel.nodes import Node
from octane.procedure import osd_steps
from tests.unit.ceph import samples
from tests.unit.ceph.samples import FSID, HOSTS
from tests.unit.procedure.world import ORIGINAL, SEED, FakeNodes, node

HOST_NUMBERS = (4, 5, 6)
DISKS = ("sdb", "sdc")
MIB = 2**20


class Killed(BaseException):
    """The process is gone: no handler of the library sees this."""


class World:
    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {one: node(one, SEED, "controller") for one in (1, 2, 3)}
        for number in HOST_NUMBERS:
            roles = frozenset({"compute", "ceph-osd"})
            self.nodes[number] = replace(node(number, ORIGINAL, "compute"), deployed=roles)
        self.names = {number: f"node-{number}" for number in HOST_NUMBERS}
        self.disks = {name: self._labelled(osds) for name, osds in HOSTS.items()}
        self.homes = {name: dict(zip(osds, DISKS, strict=True)) for name, osds in HOSTS.items()}
        self.running = {name: set(osds) for name, osds in HOSTS.items()}
        self.keys = {osd: f"key-{osd}" for osds in HOSTS.values() for osd in osds}
        self.layouts = {number: self._layout() for number in HOST_NUMBERS}
        self.agents = dict.fromkeys(HOSTS, "old")
        self.hosts = {name: set(osds) for name, osds in HOSTS.items()}
        self.flags: set[str] = set()
        self.guests: dict[str, list[str]] = {name: [] for name in HOSTS}
        self.disabled: dict[str, str] = {}
        self.health: dict[str, Any] = {"status": "HEALTH_OK", "checks": {}}
        self.pools: tuple[Any, ...] = (("volumes", 3, 2),)
        self.moved = 0
        self.heard: list[str] = []
        self.effects: list[str] = []
        self.killed_after: str | None = None
        self.fails: dict[str, Exception] = {}
        self.fake = FakeNodes(self._functions())
        self.fuel = SimpleNamespace(
            node=lambda number: self.nodes[number],
            nodes=lambda: list(self.nodes.values()),
            environment=self._environment,
            layout=self._layout_of,
            tasks=SimpleNamespace(running=lambda *names: []),
        )

    # ---- what is there

    def _labelled(self, osds):
        return {
            disk: {"fsid": FSID, "osd": osd, "uuid": f"uuid-{osd}", "kind": "bluestore", "key": f"key-{osd}"}
            for disk, osd in zip(DISKS, osds, strict=True)
        }

    def _layout(self):
        names = ("os", "vm", "cephjournal", "ceph")
        sizes = {"sda": {"os": 100, "vm": 900}, "sdb": {"ceph": 900}, "sdc": {"ceph": 900}}
        return [
            {
                "id": disk,
                "name": disk,
                "size": 1000,
                "extra": [],
                "volumes": [{"name": name, "size": found.get(name, 0), "keep_data": False} for name in names],
            }
            for disk, found in sizes.items()
        ]

    def _environment(self, number):
        nodes = self.nodes
        return SimpleNamespace(
            id=number, nodes=lambda: [one for one in nodes.values() if one.environment == number]
        )

    def _layout_of(self, number):
        def put(disks):
            self.layouts[number] = copy.deepcopy(disks)
            self.effect("keep_data")

        return SimpleNamespace(disks=lambda: copy.deepcopy(self.layouts[number]), set_disks=put)

    def effect(self, name: str) -> None:
        """Something changed in the world; a process that is to die dies right after it."""
        self.effects.append(name)
        if self.killed_after == name:
            self.killed_after = None
            raise Killed(name)

    def begin(self, name: str) -> None:
        if name in self.fails:
            raise self.fails[name]

    def up(self):
        return {osd for osds in self.running.values() for osd in osds}

    # ---- what nodes answer

    def _functions(self):
        named = {
            "octane_ceph": ("cluster", "ask", "say"),
            "octane_disk": ("known", "labels", "layout"),
            "octane_ceph_osd": ("homes", "hostname", "stop", "start", "claim", "prime", "require_claimed"),
            "octane_mcollective": ("status", "disarm", "rearm"),
            "octane_guests": ("recorded", "domains"),
            "octane_cloud": ("compute_services", "schedule_compute"),
        }
        every = [(module, name) for module, names in named.items() for name in names]
        return {f"{module}.{name}": getattr(self, f"{module}_{name}") for module, name in every}

    def _osd_dump(self):
        found = samples.osd_dump(new=True, pools=self.pools, flags=",".join(sorted(self.flags)))
        for one in found["osds"]:
            one["up"] = int(one["osd"] in self.up())
        return found

    def _groups(self):
        found = [
            group
            for number, _ in enumerate(self.pools, 1)
            for group in samples.pgs_brief((0, 2, 4), (3, 5, 1), (4, 1, 2), pool=number)
        ]
        for one in found:
            if not set(one["acting"]) <= self.up():
                one["state"] = "active+undersized+degraded"
        return found

    def _status(self):
        states = Counter(one["state"] for one in self._groups())
        told = [{"state_name": state, "count": count} for state, count in states.items()]
        counted = {"num_pgs": states.total(), "pgs_by_state": told, "misplaced_objects": self.moved}
        return {"fsid": FSID, "pgmap": counted}

    def _crush(self):
        return samples.crush_dump({name: tuple(sorted(osds)) for name, osds in self.hosts.items()})

    def octane_ceph_cluster(self, minion):
        return {
            "status": self.octane_ceph_ask(minion, "status"),
            "health": self.health,
            "monitors": samples.mon_dump(new=True),
            "osd_map": self._osd_dump(),
            "crush": self._crush(),
            "groups": self._groups(),
            "users": [{"entity": f"osd.{osd}", "caps": {}, "key": key} for osd, key in self.keys.items()],
            "settings": [],
        }

    def octane_ceph_ask(self, minion, *command):
        told = {
            ("osd", "dump"): self._osd_dump,
            ("osd", "crush", "dump"): self._crush,
            ("status",): self._status,
        }
        return told[command]()

    def octane_ceph_say(self, minion, *command):
        self.begin(" ".join(command[:3]))
        if command[:2] == ("osd", "set"):
            self.flags.add(command[2])
        elif command[:2] == ("osd", "unset"):
            self.flags.discard(command[2])
        else:
            assert command[:3] == ("osd", "crush", "rename-bucket")
            _, _, _, old, new = command
            self.hosts = {new if name == old else name: osds for name, osds in self.hosts.items()}
        self.effect(" ".join(command[:3]))
        return ""

    def octane_disk_known(self, minion, names):
        return [name for name in names if name in self.disks[minion]]

    def octane_disk_labels(self, minion, names):
        return [
            {"disk": disk, "device": f"/dev/{disk}", "real": f"/dev/{disk}", **self.disks[minion][disk]}
            for disk in names
            if self.disks[minion][disk]
        ]

    def octane_disk_layout(self, minion, names):
        return {name: {"size": 1000 * MIB, "partitions": []} for name in names}

    def octane_ceph_osd_homes(self, minion):
        return [
            {
                "osd": osd,
                "home": f"/var/lib/ceph/osd/ceph-{osd}",
                "device": f"/dev/{disk}",
                "kind": "bluestore",
                "running": osd in self.running[minion],
                "key": self.keys.get(osd, ""),
            }
            for osd, disk in self.homes[minion].items()
        ]

    def octane_ceph_osd_hostname(self, minion):
        return self.names[int(minion.partition("-")[2])]

    def octane_ceph_osd_stop(self, minion, osds):
        self.begin("stop")
        assert "noout" in self.flags, "the cluster would take them for lost"
        stopped = sorted(self.running[minion] & set(osds))
        self.running[minion] -= set(osds)
        self.effect("stop")
        return stopped

    def octane_ceph_osd_start(self, minion, osds):
        assert set(osds) <= set(self.homes[minion])
        self.begin("start")
        started = sorted(set(osds) - self.running[minion])
        bucket = self.octane_ceph_osd_hostname(minion)
        assert self.hosts.get(bucket, set()) >= set(osds), "data would move to a host of another name"
        self.running[minion] |= set(osds)
        self.effect("start")
        return started

    def octane_ceph_osd_claim(self, minion, osds, disks):
        self.begin("claim")
        labels = {one["osd"]: one for one in self.octane_disk_labels(minion, disks)}
        for one in osds:
            if labels.get(one["osd"], {}).get("uuid") != one["uuid"]:
                raise NodeFailed(minion, "octane_ceph_osd.claim", f"no disk has the label of osd.{one['osd']}")
        self.homes[minion] = {one["osd"]: labels[one["osd"]]["disk"] for one in osds}
        self.effect("claim")
        return [{"osd": osd, "device": f"/dev/{disk}", "home": ""} for osd, disk in self.homes[minion].items()]

    def octane_ceph_osd_prime(self, minion, osds):
        return {str(osd): self.keys[osd] for osd in osds}

    def octane_ceph_osd_require_claimed(self, minion, disks):
        free = [disk for disk in disks if self.disks[minion][disk] and disk not in self.homes[minion].values()]
        if free:
            raise NodeFailed(minion, "octane_ceph_osd.require_claimed", f"{free} would be formatted")
        return [{"osd": osd, "device": f"/dev/{disk}"} for osd, disk in self.homes[minion].items()]

    def octane_mcollective_status(self, minion):
        return {"agent": "/erase_node.rb", "harmless": self.agents[minion] == "ours"}

    def octane_mcollective_disarm(self, minion):
        changed, self.agents[minion] = self.agents[minion] != "ours", "ours"
        self.effect("disarm")
        return {"agent": "/erase_node.rb", "changed": changed}

    def octane_mcollective_rearm(self, minion):
        self.agents[minion] = "old"
        return {"restored": ["/erase_node.rb"]}

    def octane_guests_recorded(self, minion, names):
        return [{"uuid": one, "state": "stopped", "host": names[0]} for one in self.guests[names[1]]]

    def octane_guests_domains(self, minion):
        return []

    def octane_cloud_compute_services(self, minion):
        return [
            {
                "host": f"node-{number}.domain.tld",
                "enabled": f"node-{number}.domain.tld" not in self.disabled,
                "reason": self.disabled.get(f"node-{number}.domain.tld", ""),
                "up": True,
            }
            for number in HOST_NUMBERS
        ]

    def octane_cloud_schedule_compute(self, minion, host, enabled, reason):
        if enabled:
            self.disabled.pop(host, None)
        else:
            self.disabled[host] = reason
        self.effect("enable" if enabled else "disable")
        return {"host": host, "enabled": enabled}

    # ---- what Fuel does

    def install(self, ctx, home, host):
        """A node moves to the seed and gets a new system; Fuel's agent erases it as it likes before."""
        self.begin("install")
        number, minion = host.id, host.minion
        assert not self.running[minion] and self.flags >= {"noout"}
        kept = {volume["name"] for disk in self.layouts[number] for volume in disk["volumes"] if volume["keep_data"]}
        if self.agents[minion] == "old" or "ceph" not in kept:
            self.disks[minion] = dict.fromkeys(DISKS)
        self.homes[minion] = {}
        self.agents[minion] = "new"
        self.nodes[number] = replace(host, environment=home.id, status="provisioned")
        self.effect("install")

    def enrol(self, ctx, host):
        self.heard.append(host.minion)
        self.effect("enrol")

    def deploy(self, ctx, home, host):
        """Ceph is deployed as Fuel does it: a disk that no OSD has is made a new one."""
        self.begin("deploy")
        minion = host.minion
        assert minion in self.heard
        for disk in DISKS:
            if disk not in self.homes[minion].values():
                self.disks[minion][disk] = None
        self.nodes[host.id] = replace(self.nodes[host.id], status="ready")
        self.effect("deploy")


def made(monkeypatch: Any) -> World:
    """A world whose Fuel is used by the steps."""
    world = World()
    monkeypatch.setattr(osd_steps, "settle", world.install)
    monkeypatch.setattr(osd_steps, "become_minion", world.enrol)
    monkeypatch.setattr(osd_steps, "deploy", world.deploy)
    monkeypatch.setattr("octane.wait.time.sleep", lambda seconds: None)
    return world


def refused(what: str) -> Exception:
    return Failed(f"{what} failed")
