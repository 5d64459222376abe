"""The steps of a host with OSDs that is installed anew, up to the point where nothing can be taken back, and after it.

Data stays where it is: on disks that Fuel is told to keep, that no agent erases, and that are their OSDs' again before
anything of Ceph is deployed, since a deployment formats what no OSD has.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from octane.ceph import cluster, compare
from octane.ceph.compare import Difference, Snapshot
from octane.context import Context
from octane.errors import Failed, InvariantBroken, Refused
from octane.fuel import kept
from octane.procedure import ceph, compute_host
from octane.procedure.env import INSTALLED, seed
from octane.procedure.leaving import await_tasks, become_minion, deploy, require_same_addresses, settle
from octane.procedure.osd_host import (
    BEFORE,
    ask,
    disks,
    finish,
    host,
    is_finished,
    is_home,
    is_underway,
    monitor,
    noted,
    osd_map,
    osds,
    renamed,
    say,
    told,
)
from octane.step import LibraryStep, Outcome
from octane.wait import until_none

NOOUT = "noout"
OWNED = "osd.noout"
"""{"was_set": bool}: the flag is ours to take back, unless somebody had set it before."""

STOP_TIMEOUT, START_TIMEOUT = 420, 420
DOWN_TIMEOUT, UP_TIMEOUT = 180, 300
CLEAN_TIMEOUT = 4 * 3600
"""Seconds for what was written meanwhile to be copied to the OSDs that were away."""

LOOK_SECONDS = 1.0


class SetAside(LibraryStep):
    """No guest is on the host and none comes, where it is a compute as well."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        node = host(ctx)
        # A host that is installed is let in again by the step that ends this.
        if not compute_host.is_compute(node) or not is_underway(ctx) or not is_home(ctx):
            return {}
        return {node.minion: "no new guests"} if compute_host.of(ctx, node)["enabled"] else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if compute_host.is_compute(host(ctx)) and is_home(ctx):
            compute_host.set_aside(ctx, host(ctx))
        return Outcome(changes=changes, comment="no guest is on it, and none comes" if changes else "nothing to do")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return compute_host.require_empty(ctx, host(ctx)) if noted(ctx) and is_home(ctx) else {}

    def undo(self, ctx: Context) -> Outcome:
        return Outcome(comment=f"{compute_host.put_back(ctx) or 'nothing'} gets guests again")


class TakeIn(LibraryStep):
    """A compute gets guests again if it did before, whatever became of its reinstallation."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        before = ctx.recall(compute_host.SERVICE)
        return {before["host"]: "as before"} if before and host(ctx).status == "ready" else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if changes:
            compute_host.put_back(ctx)
        return Outcome(changes=changes, comment="as it was before" if changes else "nothing to do")


class Keep(LibraryStep):
    """Fuel keeps the volumes of the OSDs, and formats all others."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if not is_underway(ctx):
            return {}
        found = kept.flags(ctx.fuel.layout(host(ctx).id).disks())
        return {name: "kept" for name in kept.KEPT if name in found and not found[name]}

    def apply(self, ctx: Context) -> Outcome:
        changes, layout = self.pending(ctx), ctx.fuel.layout(host(ctx).id)
        if changes:
            layout.set_disks(kept.flagged(layout.disks()))
        return Outcome(changes=changes, comment=f"{', '.join(changes) or 'nothing more'} is to be kept")

    def verify(self, ctx: Context) -> dict[str, Any]:
        if not noted(ctx):
            return {}
        return {"kept": kept.require_flags(ctx.fuel.layout(host(ctx).id).disks(), host(ctx).minion)}

    def undo(self, ctx: Context) -> Outcome:
        layout, before = ctx.fuel.layout(host(ctx).id), noted(ctx).get("flags", {})
        wanted = {name: flag for name, flag in before.items() if name in kept.KEPT}
        if kept.flags(layout.disks()) != {**kept.flags(layout.disks()), **wanted}:
            layout.set_disks(kept.with_flags(layout.disks(), wanted))
        return Outcome(comment="Fuel keeps what it kept before")


class Disarm(LibraryStep):
    """Nothing that Fuel may ask of the host's own agent erases data."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if not is_underway(ctx) or not is_home(ctx):
            return {}
        found = told(ctx, "octane_mcollective.status")
        return {} if found["harmless"] else {found["agent"]: "replaced"}

    def apply(self, ctx: Context) -> Outcome:
        if not is_home(ctx):
            return Outcome(comment="its new system has the new release's")
        changes = self.pending(ctx)
        done = told(ctx, "octane_mcollective.disarm")
        return Outcome(changes=changes, comment=f"{done['agent'] or 'no agent'} erases no data")

    def verify(self, ctx: Context) -> dict[str, Any]:
        if self.pending(ctx):
            raise Failed("the agent by which Fuel erases a node would erase data", node=host(ctx).minion)
        return {}

    def undo(self, ctx: Context) -> Outcome:
        if not is_home(ctx):
            return Outcome(comment="it has another system")
        return Outcome(changes={"restored": told(ctx, "octane_mcollective.rearm")["restored"]}, comment="as before")


class SetNoout(LibraryStep):
    """The cluster does not take OSDs that are away for lost: set once for all hosts of a wave, and taken back by the
    step :class:`UnsetNoout`, whatever became of them."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {NOOUT: "set"} if is_underway(ctx) and NOOUT not in osd_map(ctx).flags else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if ctx.recall(OWNED) is None:
            # Before it is set: whoever dies in between has it taken back by the next run.
            ctx.record(OWNED, {"was_set": NOOUT in osd_map(ctx).flags})
        if changes:
            say(ctx, "osd", "set", NOOUT)
        return Outcome(changes=changes, comment="set" if changes else "set by somebody else, and left so")

    def verify(self, ctx: Context) -> dict[str, Any]:
        if self.pending(ctx):
            raise InvariantBroken(f"{NOOUT} is not set")
        return {}

    def undo(self, ctx: Context) -> Outcome:
        return _unset_noout(ctx)


class UnsetNoout(LibraryStep):
    """Nothing of ours is left that keeps the cluster from healing itself. Runs whatever failed before it."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {NOOUT: "taken back"} if ctx.recall(OWNED) else {}

    def apply(self, ctx: Context) -> Outcome:
        return _unset_noout(ctx)

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(OWNED):
            raise InvariantBroken(f"{NOOUT} was not taken back: `ceph osd unset {NOOUT}`")
        return {}


def _unset_noout(ctx: Context) -> Outcome:
    owned = ctx.recall(OWNED)
    if owned is None:
        return Outcome(comment="nothing to take back")
    if not owned["was_set"]:
        say(ctx, "osd", "unset", NOOUT)
        if NOOUT in osd_map(ctx).flags:
            raise InvariantBroken(f"{NOOUT} is set still: `ceph osd unset {NOOUT}`")
    ctx.forget(OWNED)
    if owned["was_set"]:
        return Outcome(comment="somebody had set it before: left so")
    return Outcome(changes={NOOUT: "unset"}, comment="unset")


class Stop(LibraryStep):
    """The host's OSDs are stopped, and the cluster knows: with TERM each says that it goes, and clients wait a second;
    for one that is killed they wait ten (observed on Ceph 16.2.15)."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if not is_underway(ctx) or not is_home(ctx):
            return {}
        return {f"osd.{osd}": "stopped" for osd in _running(ctx)}

    def apply(self, ctx: Context) -> Outcome:
        if not is_home(ctx):
            return Outcome(comment="the host is installed anew already")
        changes = self.pending(ctx)
        stopped = told(ctx, "octane_ceph_osd.stop", osds(ctx), timeout=STOP_TIMEOUT)
        wanted = set(osds(ctx))
        what = f"{_named(wanted)} to be down in the OSD map"
        until_none(lambda: _named_each(_up(ctx) & wanted), DOWN_TIMEOUT, what, LOOK_SECONDS)
        return Outcome(changes=changes, comment=f"{_named(stopped) or 'nothing'} stopped, down in the OSD map")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"runs still: {', '.join(left)}", node=host(ctx).minion)
        return {}

    def undo(self, ctx: Context) -> Outcome:
        return _start_again(ctx)


class StartAgain(LibraryStep):
    """A run that failed before the host was installed leaves no OSD stopped. Runs whatever failed before it."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.test or not noted(ctx) or not is_home(ctx) or host(ctx).status != "ready":
            return {}
        running = set(_running(ctx))
        return {f"osd.{osd}": "started" for osd in osds(ctx) if osd not in running}

    def apply(self, ctx: Context) -> Outcome:
        return _start_again(ctx) if self.pending(ctx) else Outcome(comment="nothing to do")


def _start_again(ctx: Context) -> Outcome:
    """Where they were, in the system that was not installed anew."""
    if not noted(ctx):
        return Outcome(comment="nothing was stopped")
    if not is_home(ctx):
        raise Refused(f"{host(ctx).minion} is in environment {host(ctx).environment}: finish it", node=host(ctx).minion)
    started = told(ctx, "octane_ceph_osd.start", osds(ctx), timeout=START_TIMEOUT)
    _await_up(ctx)
    return Outcome(changes={f"osd.{osd}": "started" for osd in started}, comment="the OSDs run as before")


class Move(LibraryStep):
    """The host is the seed's, with its number, name and addresses, and has the new system; its data was not touched.
    From here on there is only the way forward."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        node = host(ctx)
        if not is_underway(ctx):
            return {}
        if node.environment != ctx.seed:
            return {node.hostname: f"moved to environment {ctx.seed}"}
        return {} if node.status in INSTALLED or node.error == "deploy" else {node.hostname: "installed"}

    def apply(self, ctx: Context) -> Outcome:
        changes, node = self.pending(ctx), host(ctx)
        if changes:
            kept.require_flags(ctx.fuel.layout(node.id).disks(), node.minion)
            if is_home(ctx):
                _require_safe(ctx)
            settle(ctx, seed(ctx), node)
        return Outcome(changes=changes, comment=f"{node.minion} is the seed's, installed anew")

    def verify(self, ctx: Context) -> dict[str, Any]:
        node = host(ctx)
        if node.environment != ctx.seed:
            raise Failed(f"{node.hostname} is no node of environment {ctx.seed}")
        return {"addresses": require_same_addresses(node, noted(ctx).get("addresses", {}))}


def _require_safe(ctx: Context) -> None:
    """What was found and done before holds at the last moment: nobody wiped, swapped or started anything meanwhile.

    :raises Refused: naming what does not hold
    """
    wanted = {(one["disk"], one["osd"], one["fsid"], one["uuid"]) for one in noted(ctx)["osds"]}
    labels = told(ctx, "octane_disk.labels", disks(ctx))
    found = {(one["disk"], one["osd"], one["fsid"], one["uuid"]) for one in labels}
    problems = [f"osd.{osd} was on {disk}" for disk, osd, _, _ in sorted(wanted - found)]
    problems += [f"{disk} holds osd.{osd} (uuid {uuid})" for disk, osd, _, uuid in sorted(found - wanted)]
    problems += [f"osd.{osd} runs" for osd in _running(ctx)]
    if not told(ctx, "octane_mcollective.status")["harmless"]:
        problems.append("Fuel's agent would erase data")
    if problems:
        raise Refused(f"{host(ctx).minion} is not installed anew: {'; '.join(problems)}", node=host(ctx).minion)


class Enrol(LibraryStep):
    """It is a minion: its new key is accepted by the fingerprint that is read on the node itself."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {host(ctx).minion: "enrolled"} if _is_bare(ctx) else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if changes:
            become_minion(ctx, host(ctx))
        return Outcome(changes=changes, comment=f"{host(ctx).minion} answers")


def _is_bare(ctx: Context) -> bool:
    """Whether the host has its new system, and nothing is deployed on it; in a dry run, whether that will be so."""
    if not is_underway(ctx):
        return False
    return ctx.test if is_home(ctx) else host(ctx).status != "ready"


class Claim(LibraryStep):
    """Each disk is its OSD's again, recognised by its label; a host of another name than before has its bucket in the
    crush map renamed, or all its data would move when the first OSD starts."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {f"osd.{osd}": "its disk" for osd in osds(ctx)} if _is_bare(ctx) else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if not changes:
            return Outcome(comment="nothing to do")
        found = told(ctx, "octane_ceph_osd.claim", noted(ctx)["osds"], disks(ctx))
        bucket = _rename_bucket(ctx)
        devices = {f"osd.{one['osd']}": one["device"] for one in found}
        return Outcome(changes=devices, comment=f"below {bucket} in the crush map", evidence={"devices": devices})

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"claimed": told(ctx, "octane_ceph_osd.require_claimed", disks(ctx))}


def _rename_bucket(ctx: Context) -> str:
    """The name of the host's bucket, which is the host's name from now on.

    :raises Failed: the cluster cannot rename one, or another has the name
    """
    old, new = noted(ctx)["bucket"], str(told(ctx, "octane_ceph_osd.hostname"))
    names = {one["name"] for one in ask(ctx, "osd", "crush", "dump")["buckets"]}
    if old != new and old in names:
        say(ctx, "osd", "crush", "rename-bucket", old, new)
        names = {one["name"] for one in ask(ctx, "osd", "crush", "dump")["buckets"]}
    if new not in names or (old != new and old in names):
        raise Failed(
            f"the crush map has no bucket {new} in the place of {old}: rename it in the map "
            "(`ceph osd getcrushmap`, `crushtool -d`) before any OSD of this host starts"
        )
    return new


class Deploy(LibraryStep):
    """The host is deployed alone; no disk that holds an OSD is free for a new one."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {host(ctx).hostname: "deployed"} if _is_bare(ctx) else {}

    def apply(self, ctx: Context) -> Outcome:
        await_tasks(ctx, seed(ctx), host(ctx))
        changes = self.pending(ctx)
        if changes:
            told(ctx, "octane_ceph_osd.require_claimed", disks(ctx))
            deploy(ctx, seed(ctx), host(ctx))
        return Outcome(changes=changes, comment=f"{host(ctx).hostname} is deployed")

    def verify(self, ctx: Context) -> dict[str, Any]:
        node = host(ctx)
        if node.status != "ready":
            raise Failed(f"{node.hostname} is {node.status}, not ready")
        return {"status": node.status, "roles": sorted(node.roles)}


class Start(LibraryStep):
    """The OSDs run again, under the ids and uuids that they had."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if not is_underway(ctx):
            return {}
        away = set(osds(ctx)) if ctx.test and is_home(ctx) else set(osds(ctx)) - _up(ctx)
        return {f"osd.{osd}": "started" for osd in sorted(away)}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        running = set(_running(ctx))
        # A deployment starts what it finds by itself, and a running daemon's folder is not to be touched.
        idle = [osd for osd in osds(ctx) if osd not in running]
        keys = told(ctx, "octane_ceph_osd.prime", idle, timeout=START_TIMEOUT) if idle else {}
        if idle:
            told(ctx, "octane_ceph_osd.start", idle, timeout=START_TIMEOUT)
        _await_up(ctx)
        return Outcome(changes=changes, comment=f"{_named(osds(ctx))} up", evidence={"keys": keys})

    def verify(self, ctx: Context) -> dict[str, Any]:
        wanted = {one["osd"]: one["uuid"] for one in noted(ctx).get("osds", ())}
        known = {one.id: one for one in osd_map(ctx).osds}
        wrong = [f"osd.{osd}" for osd, uuid in wanted.items() if osd not in known or known[osd].uuid != uuid]
        wrong += [f"osd.{osd} (down)" for osd in wanted if osd in known and not known[osd].is_up]
        if wrong:
            raise InvariantBroken(f"not as before: {', '.join(wrong)}", node=host(ctx).minion)
        return {"up": sorted(wanted)}


def _running(ctx: Context) -> list[int]:
    """OSDs whose daemons run on the host."""
    return [one["osd"] for one in told(ctx, "octane_ceph_osd.homes") if one["running"]]


def _up(ctx: Context) -> set[int]:
    """OSDs that the monitors hold to be up."""
    return {one.id for one in osd_map(ctx).osds if one.is_up}


def _await_up(ctx: Context) -> None:
    wanted = set(osds(ctx))
    what = f"{_named(wanted)} to be up in the OSD map"
    until_none(lambda: _named_each(wanted - _up(ctx)), UP_TIMEOUT, what, LOOK_SECONDS)


def _named_each(numbers: set[int]) -> list[str]:
    return [f"osd.{osd}" for osd in sorted(numbers)]


def _named(numbers: Any) -> str:
    return ", ".join(_named_each(set(numbers)))


@dataclass
class _Watch:
    """What is seen while placement groups become clean: the most of what moved."""

    ctx: Context
    moved: dict[str, int] = field(default_factory=dict)

    def look(self) -> list[str]:
        status = ask(self.ctx, "status")
        for name, count in compare.moving(status).items():
            self.moved[name] = max(count, self.moved.get(name, 0))
        left = cluster.unclean(status)
        if left:
            groups = sum(left.values())
            self.ctx.progress(f"{groups} placement groups are not clean yet", groups=groups)
        return [f"{count} are {state}" for state, count in sorted(left.items())]


class Clean(LibraryStep):
    """Every placement group is active and clean, where it was; nothing moved."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if not noted(ctx):
            return {}
        left = cluster.unclean(ask(ctx, "status"))
        return {"clean": f"{sum(left.values())} placement groups"} if left else {}

    def apply(self, ctx: Context) -> Outcome:
        changes, watch = self.pending(ctx), _Watch(ctx)
        until_none(watch.look, CLEAN_TIMEOUT, "every placement group to be active+clean", LOOK_SECONDS)
        seconds = round(time.time() - noted(ctx)["since"], 1) if noted(ctx) else 0.0
        moved = {name: watch.moved.get(name, 0) for name in ("misplaced_objects", "unfound_objects")}
        return Outcome(
            changes=changes,
            comment=f"clean {seconds:.0f} s after it was begun, {moved['misplaced_objects']} objects misplaced at most",
            evidence={"seconds": seconds, **moved},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        moving = compare.moving(ask(ctx, "status")) if noted(ctx) else {}
        if moving:
            raise InvariantBroken(f"data moves: {moving}")
        return {"moving": 0}


class Same(LibraryStep):
    """What the cluster has of this host is what it had, and every placement group is where it was: then it is done."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {host(ctx).minion: "compared"} if is_underway(ctx) else {}

    def apply(self, ctx: Context) -> Outcome:
        if not noted(ctx):
            return Outcome(comment="compared before")
        found = self._compared(ctx)
        minion = noted(ctx)["minion"]
        finish(ctx)
        return Outcome(changes={minion: "done"}, comment=f"{minion} has what it had", evidence=found)

    def _compared(self, ctx: Context) -> dict[str, Any]:
        """:raises InvariantBroken: naming each difference that concerns the host or its data"""
        bucket = str(told(ctx, "octane_ceph_osd.hostname"))
        before = renamed(ctx.recall(BEFORE), noted(ctx)["bucket"], bucket)
        compared = compare.compare(_snapshot(before), _snapshot(ceph.asked(ctx, monitor(ctx))))
        own = {f"osd.{osd}" for osd in osds(ctx)} | {bucket}
        broken = [one for one in compared.broken if _concerns(one, own)]
        if broken:
            raise InvariantBroken(f"not as before: {'; '.join(map(str, broken))}", node=host(ctx).minion)
        # Nobody is kept from making a pool or a user meanwhile.
        others = [str(one) for one in compared.broken]
        return {"changed by others": others, "acting sets": len(ceph.snapshot(before).groups)}

    def verify(self, ctx: Context) -> dict[str, Any]:
        if not is_finished(ctx):
            raise Failed(f"{host(ctx).minion} is not finished")
        return {"finished": host(ctx).minion}


def _snapshot(found: Any) -> Snapshot:
    """What is compared; of the flag that the procedure sets its owner sees to it."""
    whole = ceph.snapshot(found)
    return replace(whole, osd_map=replace(whole.osd_map, flags=whole.osd_map.flags - {NOOUT}))


def _concerns(one: Difference, own: set[str]) -> bool:
    """Whether a thing that is compared is the host's, an OSD's of it, or where data is. Placement groups come with new
    pools, and go with those that are deleted."""
    if one.name.startswith("acting set of"):
        return compare.ABSENT not in (one.before, one.after)
    return one.name.startswith(("fsid", "flags")) or bool(own & set(one.name.split()))
