"""The Ceph cluster as a stage sees it: asked through nodes of the upgrade, kept in the journal, compared.

What is recorded is what the original's cluster was before anything was done to it, and who takes whose place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from octane.ceph import cluster, compare, conf, health, monitors, seed_conf
from octane.ceph.cluster import Quorum, Version
from octane.ceph.health_checks import MONITORS
from octane.ceph.monitors import Successor, Way
from octane.context import Context
from octane.errors import Refused
from octane.fuel import scheme, settings
from octane.procedure.checks import Precondition, all_said
from octane.procedure.env import original
from octane.procedure.isolation import SCHEMES
from octane.sides import sides
from octane.step import LibraryStep, Outcome

BEFORE = "ceph.before"
"""What `octane_ceph.cluster` returned of the original's cluster before anything was done."""

CHOSEN = "ceph.way"
"""{"name": the way, "reasons": [...], "successors": [{"name", "takes", "storage"}]}"""

JOINING = "ceph.joining"
"""Recorded before the first of the seed's monitors is made."""

Document = Mapping[str, Any]


def is_kept_in_ceph(ctx: Context) -> list[str]:
    """What the original keeps in Ceph, by the names of Fuel's settings: "images", "volumes"..."""
    have = settings.values(original(ctx).attributes()).get("storage", {})
    return sorted(name.removesuffix("_ceph") for name, value in have.items() if name.endswith("_ceph") and value)


def snapshot(found: Document) -> compare.Snapshot:
    """What is compared of what `octane_ceph.cluster` returned."""
    return compare.Snapshot(
        status=found["status"],
        monitors=cluster.monitor_map(found["monitors"]),
        osd_map=cluster.osd_map(found["osd_map"]),
        crush=found["crush"],
        groups=cluster.placement_groups(found["groups"]),
        users=cluster.users(found["users"]),
        settings=found["settings"],
    )


def asked(ctx: Context, node: str, login: list[str] | None = None) -> Document:
    """The cluster as NODE sees it."""
    given = {"login": login} if login else {}
    found: Document = ctx.nodes.call([node], "octane_ceph.cluster", timeout=180, **given)[node]
    return found


def quorum_of(found: Document) -> Quorum:
    return cluster.quorum(found["quorum"])


def successors(ctx: Context) -> list[Successor]:
    """Those that were chosen.

    :raises Refused: none were: the stage has not got so far
    """
    chosen = ctx.recall(CHOSEN)
    if not chosen:
        raise Refused("it is not known yet which of the seed's monitors takes whose place")
    return [Successor(**one) for one in chosen["successors"]]


def is_early(ctx: Context) -> bool:
    """The monitors join before the switch."""
    return bool(ctx.recall(CHOSEN)["name"] == monitors.EARLY)


def host_of(ctx: Context, monitor: str) -> str:
    """The original's controller that has a monitor.

    :raises Refused: none that answers has it
    """
    found = ctx.once("monitors", lambda: ctx.nodes.call(list(sides(ctx).originals), "octane_ceph.monitors"))
    host = next((node for node, there in found.items() if monitor in there), None)
    if host is None:
        raise Refused(f"mon.{monitor} is on no controller of the original that answers")
    return str(host)


def before(ctx: Context) -> compare.Snapshot:
    return snapshot(ctx.recall(BEFORE))


def pairs(ctx: Context, originals: cluster.MonitorMap) -> list[Successor]:
    """Each controller of the seed takes the place of the monitor whose address it has.

    :raises Refused: a monitor's address is no controller's of the seed
    """
    schemes: Mapping[str, scheme.Scheme] = ctx.recall(SCHEMES) or {}
    by_address = {
        address: node for node, found in schemes.items() for address in _plain(found, scheme.MANAGEMENT, node)
    }
    lost = [f"mon.{one.name} ({one.host})" for one in originals.monitors if one.host not in by_address]
    if lost:
        raise Refused(f"no controller of the seed will have the address of {', '.join(lost)}")
    found = [(by_address[one.host], one.name) for one in originals.monitors]
    return [
        Successor(node, name, next(iter(_plain(schemes[node], scheme.STORAGE, node)), None)) for node, name in found
    ]


def _plain(found: scheme.Scheme, roles: tuple[str, ...], node: str) -> list[str]:
    return [address.partition("/")[0] for address in scheme.addresses(found, roles, node)]


class CephChecked(Precondition):
    """Health, quorum, versions, disks and ceph.conf: everything that stands in the way of a move of the monitors is
    told at once, and nothing is asked any more once that has begun."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(CHOSEN):
            return {}
        if not is_kept_in_ceph(ctx):
            raise Refused(f"environment {ctx.original} keeps nothing in Ceph: this stage has nothing to do")
        found = asked(ctx, sides(ctx).originals[0])
        problems = all_said(_checks(ctx, found))
        if problems:
            raise Refused("; ".join(problems))
        way = _way(ctx, found)
        return {"way": way.name, "because": list(way.reasons), "fsid": found["monitors"]["fsid"]}


def _checks(ctx: Context, found: Document) -> Iterator[Callable[[], object]]:
    side = sides(ctx)
    yield lambda: health.require(health.read(found["health"]), MONITORS)
    yield lambda: _way(ctx, found)
    yield lambda: _require_stores(ctx, quorum_of(found).map)
    yield lambda: seed_conf.require_of(configuration(ctx, side.originals[0]), quorum_of(found).map)


def _require_stores(ctx: Context, originals: cluster.MonitorMap) -> None:
    """Every monitor's store is on a controller of the original, with its key, on a disk with room.

    :raises Refused: naming what is not
    """
    side = sides(ctx)
    found = ctx.nodes.call(list(side.originals), "octane_ceph.monitors")
    there = {name: (node, one) for node, stores in found.items() for name, one in stores.items()}
    lost = [f"mon.{one.name}" for one in originals.monitors if one.name not in there]
    keyless = [f"mon.{name} on {node}" for name, (node, one) in there.items() if not one["keyring"]]
    if lost:
        raise Refused(f"on no controller of the original that answers: {', '.join(lost)}")
    if keyless:
        raise Refused(f"no keyring of {', '.join(keyless)}: write it, `ceph auth get mon. -o` its place")
    monitors.require_disks({node: one["free"] for node, one in there.values()})


def configuration(ctx: Context, node: str, *path: str) -> conf.Conf:
    """ceph.conf of NODE, or what is at PATH there, without its secrets."""
    return conf.parse(ctx.nodes.call([node], "octane_ceph.configuration", *path)[node])


def _way(ctx: Context, found: Document) -> Way:
    quorum = quorum_of(found)
    new = ctx.nodes.call(list(sides(ctx).seeds), "octane_ceph.version")
    versions = {cluster.version(text) for text in new.values()}
    if len(versions) > 1:
        raise Refused(f"the seed's controllers have several releases of Ceph: {', '.join(map(str, sorted(versions)))}")
    return monitors.choose(quorum, pairs(ctx, quorum.map), running(found), versions.pop())


def running(found: Document) -> Version:
    """What the cluster's monitors run, as the one that answered said."""
    return cluster.version(found["version"])


class ChooseWay(LibraryStep):
    """Decides how the monitors go and writes down what the cluster is, before anything is done to it."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(CHOSEN) else {"way": "to be chosen"}

    def apply(self, ctx: Context) -> Outcome:
        found = asked(ctx, sides(ctx).originals[0])
        way = _way(ctx, found)
        originals = quorum_of(found).map
        chosen = [{"name": one.name, "takes": one.takes, "storage": one.storage} for one in pairs(ctx, originals)]
        ctx.record(BEFORE, found)
        ctx.record(CHOSEN, {"name": way.name, "reasons": list(way.reasons), "successors": chosen})
        because = f": {'; '.join(way.reasons)}" if way.reasons else ""
        return Outcome(
            changes={"way": way.name},
            comment=f"the monitors go {way.name}{because}",
            evidence={"successors": chosen, "version": str(running(found)), "epoch": found["osd_map"]["epoch"]},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"way": ctx.recall(CHOSEN)["name"], "successors": len(successors(ctx))}

    def undo(self, ctx: Context) -> Outcome:
        for key in (CHOSEN, BEFORE):
            ctx.record(key, None)
        return Outcome(comment="forgotten: another run chooses again")


def require_like_before(ctx: Context, found: Document) -> dict[str, Any]:
    """The cluster is what it was, but for its monitors' names and places; evidence of it.

    :raises InvariantBroken: naming each difference that must not be
    """
    old, new = before(ctx), snapshot(found)
    compared = compare.require_same(old, replace(new, monitors=old.monitors))
    return {"changed": [str(one) for one in compared.allowed], "epoch": new.osd_map.epoch}
