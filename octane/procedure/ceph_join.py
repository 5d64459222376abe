"""The seed's monitors join the original's cluster over the storage network, long before the switch.

The seed's controllers hold the original's addresses in the management network, behind their isolation, and a monitor
talks to others at the addresses in the map. So each of the seed's controllers brings the monitor whose address it has
to that very address, through a tunnel over the administration network; the original's reach the seed's by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from octane.ceph import cluster, compare, conf, monitors, releases, seed_conf
from octane.ceph.cluster import Address, MonitorMap, Quorum
from octane.ceph.monitors import Successor
from octane.context import Context
from octane.errors import Failed, InvariantBroken
from octane.procedure import ceph, transfer
from octane.procedure.checks import Check
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.wait import until_none

TUNNELS = "monitors"
"""Purpose of the tunnels, as `octane_tunnel` knows it."""
QUICK = "ceph.quick"
"""[words of the command that puts a setting of the monitors back, ...], recorded before they are changed."""
DEPLOYED = "/var/lib/ceph/.octane/ceph.conf"
"""ceph.conf of the seed's controllers as their deployment wrote it, once `octane_ceph_mon.set_aside` has kept it."""
JOIN_TIMEOUT = 600
"""Seconds for a new monitor to copy what the others have, hundreds of MB in a large cluster, and be in the quorum."""
MAKE_TIMEOUT = 420
ASIDE_TIMEOUT = 300


class SetAside(LibraryStep):
    """Stops the empty cluster that the seed was deployed with, and keeps its stores, keyrings and ceph.conf."""

    check_first = False

    def apply(self, ctx: Context) -> Outcome:
        ran = ctx.nodes.call(list(sides(ctx).seeds), "octane_ceph_mon.set_aside", timeout=ASIDE_TIMEOUT)
        stopped = {node: [f"{kind}.{name}" for kind, name in found] for node, found in ran.items()}
        return Outcome(changes={"set aside": stopped}, comment="the seed's own cluster is set aside", evidence=stopped)

    def verify(self, ctx: Context) -> dict[str, Any]:
        ours = {one.name for one in ceph.successors(ctx)}
        running = ctx.nodes.call(list(sides(ctx).seeds), "octane_ceph_mon.daemons")
        left = [
            f"{kind}.{name} on {node}"
            for node, found in running.items()
            for kind, name in found
            if not (kind == "mon" and name in ours and ctx.recall(ceph.JOINING))
        ]
        if left:
            raise InvariantBroken(f"of the seed's own cluster there runs {', '.join(left)}")
        return {"running": 0}

    def undo(self, ctx: Context) -> Outcome:
        back = ctx.nodes.call(list(sides(ctx).seeds), "octane_ceph_mon.put_back", timeout=ASIDE_TIMEOUT)
        return Outcome(changes={"put back": sorted(back)}, comment="the seed has its own cluster again")


class Carry(LibraryStep):
    """Brings the map, the monitors' key, keyrings and ceph.conf of the original to the seed's controllers, from node to
    node, and gives them what they need of it."""

    check_first = False

    def apply(self, ctx: Context) -> Outcome:
        side = sides(ctx)
        source, seeds = side.originals[0], list(side.seeds)
        folder = ctx.nodes.call([source], "octane_ceph_mon.export", timeout=180)[source]
        for node in seeds:
            transfer.directories(ctx, transfer.Ends(side, source, node), [folder])
        keys = ctx.nodes.call(seeds, "octane_ceph_mon.take_keys")
        changes = {node: _configured(ctx, source, node, folder) for node in seeds}
        told = {node: [*keys[node], *changes[node]] for node in seeds}
        return Outcome(changes=told, comment="the seed has keys and ceph.conf of the original's cluster", evidence=told)

    def verify(self, ctx: Context) -> dict[str, Any]:
        originals, wrong = ceph.before(ctx).monitors, []
        for node in sides(ctx).seeds:
            found = ceph.configuration(ctx, node)
            fsid = found.get(conf.GLOBAL, "fsid")
            if fsid != originals.fsid:
                wrong.append(f"{node} has the fsid {fsid}")
        if wrong:
            raise InvariantBroken(f"ceph.conf is not of the original's cluster: {', '.join(wrong)}")
        return {"fsid": originals.fsid}

    def undo(self, ctx: Context) -> Outcome:
        """Files come back with what was set aside."""
        ctx.nodes.call([sides(ctx).originals[0], *sides(ctx).seeds], "octane_ceph_mon.forget")
        return Outcome(comment="what was carried over is gone")


def _configured(ctx: Context, source: str, node: str, folder: str) -> tuple[str, ...]:
    """Write ceph.conf of a seed's controller; what differs from the one that its deployment wrote."""
    original, deployed = ceph.configuration(ctx, source), ceph.configuration(ctx, node, DEPLOYED)
    made = seed_conf.make(original, deployed, ceph.successors(ctx))
    for one in ceph.successors(ctx) if ceph.is_early(ctx) else ():
        # Where it listens until it has its final address; a monitor that is in the map does not look here.
        made = made.put(f"mon.{one.name}", {"public_addr": one.storage})
    sources = [f"{folder}/ceph.conf", DEPLOYED]
    ctx.nodes.call([node], "octane_ceph.configure", conf.render(made), sources)
    return seed_conf.changes(deployed, made)


class Tunnels(LibraryStep):
    """Each address of an original monitor leads to it from the seed's controller that has the same address."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        wanted = _ports(ctx)
        found = ctx.nodes.call(list(sides(ctx).seeds), "octane_tunnel.status", purpose=TUNNELS)
        running = {node: {one["port"] for one in told if one["state"] == "running"} for node, told in found.items()}
        return {node: sorted(ports - running[node]) for node, ports in wanted.items() if ports - running[node]}

    def apply(self, ctx: Context) -> Outcome:
        _end_tunnels(ctx)
        made = {one.name: [_tunnel(ctx, one, address) for address in _addresses(ctx, one)] for one in _early(ctx)}
        return Outcome(changes={"tunnels": made}, comment=f"{sum(map(len, made.values()))} tunnels", evidence=made)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise InvariantBroken(f"no tunnel at {left}")
        return {"tunnels": sum(map(len, _ports(ctx).values()))}

    def undo(self, ctx: Context) -> Outcome:
        _end_tunnels(ctx)
        return Outcome(comment="the tunnels are gone")


def _early(ctx: Context) -> list[Successor]:
    return ceph.successors(ctx) if ceph.is_early(ctx) else []


def _addresses(ctx: Context, successor: Successor) -> tuple[Address, ...]:
    return next(one.addresses for one in ceph.before(ctx).monitors.monitors if one.name == successor.takes)


def _ports(ctx: Context) -> dict[str, set[int]]:
    return {one.name: {address.port for address in _addresses(ctx, one)} for one in _early(ctx)}


def _end_tunnels(ctx: Context) -> None:
    side = sides(ctx)
    ctx.nodes.call([*side.originals, *side.seeds], "octane_tunnel.end", purpose=TUNNELS)


def _tunnel(ctx: Context, successor: Successor, address: Address) -> str:
    """From the seed's controller that has the address to the original's, the same address there."""
    side = sides(ctx)
    near, far = successor.name, ceph.host_of(ctx, successor.takes)
    identity = ctx.nodes.call([near], "octane_stream.identity")[near]
    given: dict[str, Any] = {"purpose": TUNNELS, "to": [address.host, address.port]}
    serving = ctx.nodes.call([far], "octane_tunnel.serve", side.admin[far], identity["certificate"], **given)[far]
    there = (side.admin[far], serving["port"], serving["certificate"], identity["identity"], address.port)
    ctx.nodes.call([near], "octane_tunnel.join", *there, bind=address.host, purpose=TUNNELS)
    return str(address)


class Quick(LibraryStep):
    """An election takes a second while monitors come and go, and not five; what was set before comes back."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(QUICK) or not ceph.is_early(ctx) else {"quick": "elections"}

    def apply(self, ctx: Context) -> Outcome:
        tuning = _tuning(ctx)
        ctx.record(QUICK, [list(back) for _, back in tuning])
        for quick, _ in tuning:
            _tell(ctx, quick)
        return Outcome(changes={"quick": len(tuning)}, comment="elections are quick")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"to be put back": len(ctx.recall(QUICK) or [])}

    def undo(self, ctx: Context) -> Outcome:
        for back in reversed(ctx.recall(QUICK) or []):
            _tell(ctx, back)
        ctx.record(QUICK, None)
        return Outcome(comment="elections are as they were")


class AsBefore(LibraryStep):
    """Takes back what :class:`Quick` set; undone, elections are quick again for the monitors that leave."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {"as before": "elections"} if ctx.recall(QUICK) else {}

    def apply(self, ctx: Context) -> Outcome:
        return Quick().undo(ctx)

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(QUICK):
            raise InvariantBroken("the monitors' elections are still as for the move")
        return {"quick": False}

    def undo(self, ctx: Context) -> Outcome:
        return Quick().apply(ctx) if Quick().pending(ctx) else Outcome(comment="elections are quick")


def _tuning(ctx: Context) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What makes elections quick, each with what takes it back; what the operator had set is set again."""
    found = ctx.recall(ceph.BEFORE)
    version = ceph.running(found)
    had = {one["name"]: one["value"] for one in found["settings"] if one["section"] == "mon" and not one.get("mask")}
    now = {} if releases.has_settings(version) else _settings_of(ctx)
    tuning = monitors.tuning(version, now)
    return [
        (quick, ("config", "set", "mon", quick[3], had[quick[3]]) if _is_set(quick, had) else back)
        for quick, back in tuning
    ]


def _is_set(quick: tuple[str, ...], had: Mapping[str, str]) -> bool:
    return quick[:2] == ("config", "set") and quick[3] in had


def _settings_of(ctx: Context) -> dict[str, str]:
    """What a monitor of a release that keeps no settings has, by its admin socket."""
    name = ceph.before(ctx).monitors.monitors[0].name
    host = ceph.host_of(ctx, name)
    told: dict[str, str] = ctx.nodes.call([host], "octane_ceph.daemon", "mon", name, "config", "show")[host] or {}
    return told


def _tell(ctx: Context, words: Iterable[str]) -> None:
    ctx.nodes.call([sides(ctx).originals[0]], "octane_ceph.say", *words)


class Join(LibraryStep):
    """The seed's monitors join one after the other, each in the quorum before the next."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        acts = _joins(ctx)
        return {"join": [act.monitor for act in acts]} if acts else {}

    def apply(self, ctx: Context) -> Outcome:
        ctx.record(ceph.JOINING, True)
        acts = _joins(ctx)
        for act in acts:
            ctx.progress(f"mon.{act.monitor} joins")
            ctx.nodes.call([act.monitor], "octane_ceph_mon.make", act.monitor, timeout=MAKE_TIMEOUT)
            await_members(ctx, act.members)
        joined = [act.monitor for act in acts]
        return Outcome(changes={"joined": joined}, comment=f"{len(joined)} monitors joined, each in the quorum")

    def verify(self, ctx: Context) -> dict[str, Any]:
        quorum = quorum_now(ctx)
        lost = [one.name for one in _early(ctx) if one.name not in quorum.members]
        if lost or quorum.missing:
            raise InvariantBroken(f"not in the quorum: {', '.join(dict.fromkeys((*lost, *quorum.missing)))}")
        return {"quorum": list(quorum.members), "leader": quorum.leader}

    def undo(self, ctx: Context) -> Outcome:
        names = [one.name for one in ceph.successors(ctx)]
        removed = []
        for name in names:
            if any(one.name == name for one in quorum_now(ctx).map.monitors):
                _tell(ctx, ("mon", "remove", name))
                removed.append(name)
                await_members(ctx, [one.name for one in quorum_now(ctx).map.monitors])
            ctx.nodes.call([name], "octane_ceph_mon.unmake", name, timeout=ASIDE_TIMEOUT)
        ctx.record(ceph.JOINING, None)
        return Outcome(changes={"removed": removed}, comment=f"{len(removed)} monitors left the map")


def _joins(ctx: Context) -> tuple[monitors.Act, ...]:
    early = _early(ctx)
    return monitors.joins(quorum_now(ctx).map, ceph.before(ctx).monitors, early) if early else ()


def quorum_now(ctx: Context) -> Quorum:
    """As the first of the original's controllers is told by the cluster."""
    node = sides(ctx).originals[0]
    return cluster.quorum(ctx.nodes.call([node], "octane_ceph.ask", "quorum_status")[node])


def await_members(ctx: Context, names: Iterable[str]) -> None:
    """Wait until these monitors are in the quorum.

    :raises WaitTimeout: naming those that are not
    """
    wanted = list(names)

    def missing() -> list[str]:
        members = quorum_now(ctx).members
        return [name for name in wanted if name not in members]

    until_none(missing, JOIN_TIMEOUT, "monitors to be in the quorum", interval=0.5)


class StillTheSame(Check):
    """The cluster is what it was: pools, users, settings, OSDs, acting sets; no OSD knows a newer map."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        found = ceph.asked(ctx, sides(ctx).originals[0])
        evidence = ceph.require_like_before(ctx, found)
        compare.require_newest_map(newest_maps(ctx), cluster.osd_map(found["osd_map"]))
        _require_originals(ceph.before(ctx).monitors, cluster.monitor_map(found["monitors"]))
        return evidence


def newest_maps(ctx: Context) -> dict[int, int]:
    """{id of an OSD: epoch of the newest map it has}.

    :raises Failed: no node has any
    """
    told: Mapping[str, Mapping[str, int]] = ctx.nodes.call(list(sides(ctx).clients), "octane_ceph.newest_maps")
    found = {int(name): epoch for maps in told.values() for name, epoch in maps.items()}
    if not found:
        raise Failed("no node of the original has an OSD that runs")
    return found


def _require_originals(before: MonitorMap, now: MonitorMap) -> None:
    there = {one.name: one.addresses for one in now.monitors}
    moved = [one.name for one in before.monitors if there.get(one.name) != one.addresses]
    if moved:
        raise InvariantBroken(f"not at the address where it was: {', '.join(f'mon.{name}' for name in moved)}")
