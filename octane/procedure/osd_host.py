"""A host with OSDs that is installed anew: what must hold before, and what is written down of it.

One host is worked on at a time, and is finished before another begins. What is remembered of it is what its disks and
the cluster said before anything was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octane.ceph import cluster, crush, health, osd_hosts
from octane.ceph.cluster import OsdMap
from octane.ceph.health_checks import OSDS
from octane.ceph.labels import Label, require_own
from octane.ceph.osd_hosts import Storage
from octane.context import Context
from octane.errors import Refused
from octane.fuel import kept
from octane.fuel.nodes import Node
from octane.procedure import ceph, compute_host, joining
from octane.procedure.checks import Precondition, all_said
from octane.procedure.env import seed_nodes
from octane.stage import command_line
from octane.step import LibraryStep, Outcome

HOST = "osd.host"
"""{"node": number, "minion", "bucket": its name in the crush map, "since": time, "addresses": {network: address},
"osds": [{"osd", "fsid", "uuid", "kind", "disk"}], "flags": {volume: keep_data}}: the host that is worked on."""

BEFORE = "osd.before"
"""What `octane_ceph.cluster` returned before anything was done to the host."""

FINISHED = "osd.finished"
"""Minion ids of the hosts that are done."""

LABEL_TIMEOUT = 120


def host(ctx: Context) -> Node:
    """The host that this run is about; on the way back the one that is worked on."""
    noted = ctx.recall(HOST)
    if ctx.options.get("node") is None and noted:
        found: Node = ctx.fuel.node(noted["node"])
        return found
    return joining.joining(ctx)


def noted(ctx: Context) -> dict[str, Any]:
    """What is remembered of it; {} when nothing was begun, or all is done."""
    found: dict[str, Any] = ctx.recall(HOST) or {}
    return found if found and found["node"] == host(ctx).id else {}


def is_finished(ctx: Context) -> bool:
    return not noted(ctx) and host(ctx).minion in (ctx.recall(FINISHED) or ())


def is_home(ctx: Context) -> bool:
    """Whether the host is the original's still: nothing was installed."""
    return host(ctx).environment == ctx.original


def is_begun(ctx: Context) -> bool:
    """Whether anything was done to the host that the end of a failed run does not put back by itself."""
    if not noted(ctx):
        return False
    if not is_home(ctx):
        return True
    running = {one["osd"] for one in told(ctx, "octane_ceph_osd.homes") if one["running"]}
    return not running.issuperset(osds(ctx))


def is_underway(ctx: Context) -> bool:
    """Whether the host is worked on; in a dry run, whether it would be."""
    return bool(noted(ctx)) or (ctx.test and not is_finished(ctx))


def osds(ctx: Context) -> list[int]:
    if ctx.test and is_underway(ctx) and not noted(ctx):
        return [one["osd"] for one in told(ctx, "octane_ceph_osd.homes")]
    return [one["osd"] for one in noted(ctx).get("osds", ())]


def disks(ctx: Context) -> list[str]:
    """Names of the host's disks that Fuel knows and that are there."""
    node = host(ctx)
    known = [disk["name"] for disk in ctx.fuel.layout(node.id).disks()]
    found: list[str] = ctx.nodes.call([node.minion], "octane_disk.known", known)[node.minion]
    return found


def told(ctx: Context, function: str, *arguments: Any, timeout: float = LABEL_TIMEOUT) -> Any:
    """What a function returned on the host."""
    minion = host(ctx).minion
    return ctx.nodes.call([minion], function, *arguments, timeout=timeout)[minion]


def monitor(ctx: Context) -> str:
    """A controller of the seed, by which the cluster is asked.

    :raises Refused: none is in service
    """
    ready = [node.minion for node in seed_nodes(ctx) if node.status == "ready"]
    if not ready:
        raise Refused(f"no controller of environment {ctx.seed} is in service: nobody can be asked about Ceph")
    return ready[0]


def ask(ctx: Context, *command: str) -> Any:
    """What `ceph COMMAND -f json` says."""
    node = monitor(ctx)
    return ctx.nodes.call([node], "octane_ceph.ask", *command)[node]


def say(ctx: Context, *command: str) -> None:
    node = monitor(ctx)
    ctx.nodes.call([node], "octane_ceph.say", *command)


def osd_map(ctx: Context) -> OsdMap:
    return cluster.osd_map(ask(ctx, "osd", "dump"))


def storage(found: Mapping[str, Any]) -> Storage:
    """What decides which OSDs may stop, of what `octane_ceph.cluster` returned."""
    groups = cluster.placement_groups(found["groups"])
    return Storage(cluster.osd_map(found["osd_map"]), crush.read(found["crush"]), groups)


class Ready(Precondition):
    """The host's OSDs may stop, its disks are what the cluster and Fuel say they are: all that is not is told at once.

    Once they are stopped, nothing of that is asked any more.
    """

    def verify(self, ctx: Context) -> dict[str, Any]:
        node = host(ctx)
        _refuse_another(ctx, node)
        if is_finished(ctx) or is_begun(ctx):
            return {"host": node.minion}
        problems = _of_fuel(ctx, node) or all_said(_checks(ctx))
        if problems:
            raise Refused(f"{node.minion} cannot be installed anew: {'; '.join(problems)}", node=node.minion)
        return {"host": node.minion, "osds": [one["osd"] for one in told(ctx, "octane_ceph_osd.homes")]}


def _refuse_another(ctx: Context, node: Node) -> None:
    other = ctx.recall(HOST)
    # One that was not installed is as it was before: it can wait.
    if other and other["node"] != node.id and ctx.fuel.node(other["node"]).environment != ctx.original:
        going_on = command_line(ctx.stage, ctx.pair, {"node": other["node"]})
        raise Refused(f"{other['minion']} is half-way, and comes first", next_command=going_on)


def _of_fuel(ctx: Context, node: Node) -> list[str]:
    said = []
    if node.environment != ctx.original:
        said.append(f"it is in environment {node.environment}, and nobody wrote down what it held before")
    if node.status != "ready":
        said.append(f"Fuel says that it is {node.status}")
    if not node.online:
        said.append("it is offline")
    return said


def _checks(ctx: Context) -> list[Callable[[], object]]:
    found = ceph.asked(ctx, monitor(ctx))
    homes = told(ctx, "octane_ceph_osd.homes")
    numbers = [one["osd"] for one in homes]
    state = storage(found)
    bucket = told(ctx, "octane_ceph_osd.hostname")
    return [
        lambda: health.require(health.read(found["health"]), OSDS),
        lambda: _require_daemons(homes),
        lambda: osd_hosts.require_hosts(state.crush, {bucket: numbers}),
        lambda: osd_hosts.require_may_stop(state, numbers),
        lambda: _require_disks(ctx, homes, state.osd_map),
        lambda: _require_keys(homes, found["users"]),
        lambda: compute_host.require_empty(ctx, host(ctx)),
    ]


def _require_daemons(homes: Sequence[Mapping[str, Any]]) -> None:
    """:raises Refused: there is no OSD, or one does not run or has no disk"""
    if not homes:
        raise Refused("it has no OSD")
    idle = [f"osd.{one['osd']}" for one in homes if not (one["running"] and one["device"])]
    if idle:
        raise Refused(f"{', '.join(idle)} does not run here: start it, or take it out of the cluster for good")


def _require_disks(ctx: Context, homes: Sequence[Mapping[str, Any]], known: OsdMap) -> None:
    """Labels are of the OSDs that run on the disks, and Fuel's metadata is what is on them.

    :raises Refused: naming each disk that is not so
    """
    there = disks(ctx)
    found = told(ctx, "octane_disk.labels", there)
    by_device = {one["real"]: one["device"] for one in found}
    expected = {by_device.get(one["device"], one["device"]): one["osd"] for one in homes}
    require_own([as_label(one) for one in found], expected, known)
    layout = told(ctx, "octane_disk.layout", there)
    problems = kept.problems(ctx.fuel.layout(host(ctx).id).disks(), layout, found)
    if problems:
        raise Refused(f"Fuel's disks are not those of the node: {'; '.join(problems)}")


def as_label(one: Mapping[str, Any]) -> Label:
    """Of what `octane_disk.labels` returned."""
    return Label(one["device"], one["fsid"], one["osd"], one["uuid"], one["key"])


def _require_keys(homes: Sequence[Mapping[str, Any]], users: Sequence[Mapping[str, Any]]) -> None:
    """Each OSD has its key, and the cluster has the same.

    :raises Refused: naming those that do not
    """
    known = {one["entity"]: one["key"] for one in users}
    wrong = []
    for one in homes:
        name = f"osd.{one['osd']}"
        if name not in known:
            wrong.append(f"the cluster has no key of {name}: it could not start again")
        elif not one["key"]:
            wrong.append(f"{one['home']}/keyring is lost: `ceph auth get {name} -o {one['home']}/keyring`")
        elif one["key"] != known[name]:
            wrong.append(f"{one['home']}/keyring has another key than the cluster has for {name}")
    if wrong:
        raise Refused("; ".join(wrong))


class Note(LibraryStep):
    """Writes down what the host holds and what the cluster is, before anything is done to either."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if is_begun(ctx) or is_finished(ctx) else {host(ctx).minion: "to be written down"}

    def apply(self, ctx: Context) -> Outcome:
        node = host(ctx)
        if is_begun(ctx) or is_finished(ctx):
            return Outcome(comment="written down before")
        flags = noted(ctx).get("flags") or kept.flags(ctx.fuel.layout(node.id).disks())
        labels = told(ctx, "octane_disk.labels", disks(ctx))
        names = ("osd", "fsid", "uuid", "kind", "disk")
        ctx.record(BEFORE, ceph.asked(ctx, monitor(ctx)))
        ctx.record(
            HOST,
            {
                "node": node.id,
                "minion": node.minion,
                "bucket": told(ctx, "octane_ceph_osd.hostname"),
                "since": time.time(),
                "addresses": dict(node.addresses),
                "osds": [{name: one[name] for name in names} for one in labels],
                "flags": flags,
            },
        )
        held = {one["disk"]: f"osd.{one['osd']}" for one in labels}
        return Outcome(changes={node.minion: held}, comment=f"{node.minion} holds {', '.join(held.values())}")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"osds": osds(ctx)}

    def undo(self, ctx: Context) -> Outcome:
        for key in (HOST, BEFORE):
            ctx.forget(key)
        return Outcome(comment="forgotten")


def finish(ctx: Context) -> None:
    """The host that is worked on is done."""
    minion = noted(ctx)["minion"]
    ctx.record(FINISHED, sorted({minion, *(ctx.recall(FINISHED) or ())}))
    for key in (HOST, BEFORE):
        ctx.forget(key)


def renamed(found: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """What `octane_ceph.cluster` returned, with another name for one bucket of the crush map, and for what Ceph keeps
    of it for device classes."""
    if old == new:
        return dict(found)
    buckets = [
        {**one, "name": new + one["name"][len(old) :]} if one["name"].split(crush.SHADOW)[0] == old else one
        for one in found["crush"]["buckets"]
    ]
    return {**found, "crush": {**found["crush"], "buckets": buckets}}


