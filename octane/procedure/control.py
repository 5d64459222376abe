"""The switch: the original's controllers set aside, their addresses on the seed's, the computes on the new ones.

Everything slow happens before it (services started and warmed behind the isolation) or after it (fencing). What
lies between is one call to both sides: the original's controllers drop their ports, and the seed's take them. The way
back is the same with the sides changed: the original's cluster comes up behind its fence while the seed still serves.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, NodeFailed, Refused, WaitTimeout
from octane.fuel.nodes import controllers
from octane.procedure import computes, isolation, tenants
from octane.procedure.checks import Check
from octane.procedure.env import original
from octane.procedure.isolation import SERVED, SWITCHED
from octane.procedure.networks import PORTS
from octane.procedure.seed_network import Overlay, OverlayPlans, overlay_plans, overlay_ports
from octane.sides import fenced, present, sides
from octane.stage import FENCED, command_line
from octane.step import LibraryStep, Outcome
from octane.wait import until, until_none

REPORT_TIMEOUT = 180
START_TIMEOUT = 600
ANSWER_TIMEOUT = 60
HANDOVER_TIMEOUT = 180
RAN = "control.ran"
"""Resources of the original's cluster that ran before the switch."""
BACK = "control.back_overlays"
"""{minion id: [{"bridge", "port", "key"}]} of what joins the original's controllers while they are behind the fence."""
BACK_KEYS = {"management": 3, "public": 4}
"""Numbers of those, others than of the seed's."""

Plan = dict[str, list[dict[str, Any]]]
"""{minion id: [{"do": "attach"|"detach", "bridge", "port", and what makes the port}, ...]}, in the order to be done."""

MAKING = ("peer", "tag", "trunks", "bond", "by_hand")
"""What an uplink may say besides, for a port that has to be made first."""


class Answering(Check):
    """Every node answers, but for those that were stated to be powered off. A controller that only does not answer may
    have the addresses still when others take them; a compute cannot be told where they are."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        side, gone = sides(ctx), sorted(fenced(ctx))
        if not side.seeds:
            raise Refused(f"every controller of environment {ctx.seed} was stated to be powered off: nobody is left")
        wanted = [*side.originals, *side.seeds, *side.clients]
        silent = sorted(set(wanted) - ctx.nodes.answering(wanted, ANSWER_TIMEOUT))
        if silent:
            said = {**ctx.options, FENCED: [*gone, *silent]}
            raise Refused(
                f"no answer from {', '.join(silent)}: start it, or state that it is powered off and stays so",
                node=silent[0],
                next_command=command_line(ctx.stage, ctx.pair, said),
            )
        alive = sorted(ctx.nodes.ping(gone)) if gone else []
        if alive:
            raise Refused(f"{', '.join(alive)} was stated to be powered off, and answers", node=alive[0])
        return {"answer": wanted, "powered off": gone}


class PlanPorts(LibraryStep):
    """Computes which port of which bridge leaves and comes, on every controller, before anything is done.

    The predecessor looked a port up after it had killed the original's cluster, and found none.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(PORTS) else {"plan": [*sides(ctx).originals, *sides(ctx).seeds]}

    def apply(self, ctx: Context) -> Outcome:
        ports = isolation.uplinks_of_both_sides(ctx)
        missing = [node for node, uplinks in ports.items() if not uplinks]
        if missing:
            raise Failed(f"no port of a bridge to move is known for {', '.join(missing)}")
        ports |= self._located(ctx, ports)
        ports |= self._with_unplanned(ctx, ports)
        ctx.record(PORTS, ports)
        return Outcome(
            changes={"planned": ports}, comment=f"ports of {len(ports)} controllers known", evidence={"ports": ports}
        )

    def _located(self, ctx: Context, ports: dict[str, Any]) -> dict[str, Any]:
        """The original's ports where they are: what Fuel computes and a node does not have must not pass for cut."""
        originals = list(sides(ctx).originals)
        plans = {node: [_entry("detach", uplink) for uplink in ports[node]] for node in originals}
        found = ctx.nodes.call(originals, "octane_net.located", plans=plans)
        return {
            node: [{**uplink, **_port(entry)} for uplink, entry in zip(ports[node], found[node], strict=True)]
            for node in originals
        }

    def _with_unplanned(self, ctx: Context, ports: dict[str, Any]) -> dict[str, Any]:
        """The original's ports, and those that somebody plugged into the same bridges: they must leave as well."""
        originals = list(sides(ctx).originals)
        plans = {node: _fence_plan(ports[node]) for node in originals}
        found = ctx.nodes.call(originals, "octane_fence.unplanned", plans=plans)
        return {node: ports[node] + [_beside(port, ports[node]) for port in found[node]] for node in originals}

    def undo(self, ctx: Context) -> Outcome:
        ctx.record(PORTS, None)
        return Outcome(comment="the plan is forgotten: another switch makes its own")

    def verify(self, ctx: Context) -> dict[str, Any]:
        """Each port can be plugged in on its node, whether it is in its bridge or out of it."""
        side, ports = sides(ctx), ctx.recall(PORTS)
        nodes = (*side.originals, *side.seeds)
        unknown = [node for node in nodes if not ports.get(node)]
        if unknown:
            raise InvariantBroken(f"no port that moves is known of {', '.join(unknown)}", node=unknown[0])
        plans = {node: [_entry("attach", uplink) for uplink in ports[node]] for node in nodes}
        try:
            ctx.nodes.call(list(plans), "octane_net.pending", plans=plans)
        except NodeFailed as error:
            raise InvariantBroken(f"a port that is to move cannot: {error.message}", node=error.node) from error
        return {"ports": ports}


class Warm(LibraryStep):
    """Asks every API of the seed once on every controller: a cold one answers its first request seconds late."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.recall(SWITCHED) else {"warm": list(sides(ctx).seeds)}

    def apply(self, ctx: Context) -> Outcome:
        asked: dict[str, Any] = {}
        trouble: list[str] = []

        def answered() -> bool:
            try:
                asked.update(ctx.nodes.call(list(sides(ctx).seeds), "octane_nova.warm", timeout=120))
            except NodeFailed as error:
                # Keystone itself is not there yet.
                trouble.append(str(error))
                return False
            return not any(found["failed"] for found in asked.values())

        try:
            until(answered, START_TIMEOUT, "every API of every seed controller to answer")
        except WaitTimeout as error:
            failed = {node: found["failed"] for node, found in asked.items() if found["failed"]}
            raise Failed(f"{error.message}; last: {failed or trouble[-1]}") from error
        slowest = max(found["slowest"] for found in asked.values())
        return Outcome(
            changes={"warmed": sorted(asked)},
            comment=f"every API answers, the slowest in {slowest:.2f} s",
            evidence=asked,
        )


class Switch(LibraryStep):
    """Moves the addresses: the original's controllers lose their ports, the seed's get them and announce themselves.

    The original's are joined by overlays in the same moment, as the seed's were before: their cluster stays one, until
    it is stopped cleanly or gets its ports back.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        return _pending(ctx, {**_leave(ctx), **_take(ctx)})

    def apply(self, ctx: Context) -> Outcome:
        side, told = sides(ctx), ""
        if ctx.recall(RAN) is None:
            first = side.originals[0]
            ctx.record(RAN, ctx.nodes.call([first], "octane_cluster.serving")[first])
            tenants.note(ctx)
            told = computes.note_idle(ctx)
        plans = _overlays_behind(ctx)
        if plans:
            ctx.nodes.state(list(plans), "octane_net.overlays_prepared", plans=plans)
        ctx.record(BACK, overlay_ports(plans))
        ctx.record(SERVED, True)
        evidence = _hand_over(ctx, _leave(ctx), _take(ctx))
        ctx.record(SWITCHED, True)
        evidence |= {"not told": computes.forget_neighbours(ctx), "idle before": computes.idle(ctx)}
        return Outcome(
            changes={"moved": [*side.originals, *side.seeds]},
            comment="; ".join(filter(None, (f"addresses were with nobody for {evidence['away']} s", told))),
            evidence=evidence,
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        wrong = self.pending(ctx)
        if wrong:
            raise InvariantBroken(f"ports are not where the switch puts them: {wrong}")
        return {"ports": "as planned"}

    def undo(self, ctx: Context) -> Outcome:
        """The overlays of either side are never in a bridge together with its ports: that would be a loop."""
        originals = list(sides(ctx).originals)
        # As soon as they leave the seed's controllers are joined again, or their cluster would fall apart.
        overlay = Overlay()
        joined = overlay.prepare(ctx)
        ctx.nodes.call(originals, "octane_cluster.ignore_gateway")
        timeout = START_TIMEOUT
        ctx.nodes.call(originals[:1], "octane_cluster.wait_serving", ctx.recall(RAN), timeout, timeout=timeout + 30)
        _await_brokers(ctx, originals)
        not_back = tenants.await_back(ctx)
        computes.note_idle_on_seed(ctx)
        leave, take = _reversed(_take(ctx)), _reversed(_leave(ctx))
        if not joined:
            leave = {node: [entry for entry in plan if entry["do"] == "detach"] for node, plan in leave.items()}
        evidence = _hand_over(ctx, leave, take)
        wrong = _pending(ctx, {**leave, **take})
        if wrong:
            raise InvariantBroken(f"ports are not where the way back puts them: {wrong}")
        ctx.record(SWITCHED, None)
        evidence["not told"] = computes.forget_neighbours(ctx)
        if overlay.pending(ctx):
            overlay.apply(ctx)
        back = {node: mine for node, mine in (ctx.recall(BACK) or {}).items() if node in originals}
        if back:
            ctx.nodes.state(list(back), "octane_net.overlays_absent", plans=back)
        ctx.record(BACK, None)
        ctx.nodes.call(originals, "octane_cluster.heed_gateway")
        ctx.record(RAN, None)
        if not_back:
            evidence["not back"] = not_back
        evidence |= computes.reconnect(ctx, sides(ctx).originals)
        evidence |= {"heard": isolation.Hearing(ctx).only_original(), "idle before": computes.idle(ctx)}
        ctx.forget(computes.IDLE)
        return Outcome(
            changes={"moved back": [*originals, *sides(ctx).seeds]},
            comment=f"the original's controllers have their addresses; they were with nobody for {evidence['away']} s",
            evidence=evidence,
        )


class DropOverlay(LibraryStep):
    """Removes what joined the seed's controllers while they were isolated; beside the real ports it would be a loop."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        ports = ctx.nodes.call(list(sides(ctx).seeds), "octane_net.macs")
        left = {
            node: [overlay["port"] for overlay in overlays if overlay["port"] in ports[node]]
            for node, overlays in isolation.overlays(ctx).items()
        }
        return {node: names for node, names in left.items() if names}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        overlays = isolation.overlays(ctx)
        if overlays:
            ctx.nodes.state(list(overlays), "octane_net.overlays_absent", plans=overlays)
        return Outcome(changes=changes, comment="the overlay between the seed's controllers is gone", evidence=changes)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise InvariantBroken(f"the overlay is still there: {left}")
        return {"overlays": 0}


class Reconnect(LibraryStep):
    """Cuts the computes' stale connections to the brokers and waits until each compute's queue is consumed again, of
    those that were before.

    Left alone they take 8 to 35 s to notice, and what is asked of them meanwhile hangs for ever (observed).
    """

    # Stale connections may be there where nobody is waited for.
    check_first = False

    def pending(self, ctx: Context) -> dict[str, Any]:
        missing = computes.unconsumed(ctx, sides(ctx).seeds)
        return {"reconnect": missing} if missing else {}

    def apply(self, ctx: Context) -> Outcome:
        done = computes.reconnect(ctx, sides(ctx).seeds)
        there = computes.awaited(ctx)
        return Outcome(
            changes={"reconnected": there},
            comment=f"{len(there)} computes consume their queues on the new brokers",
            evidence=done,
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        missing = computes.unconsumed(ctx, sides(ctx).seeds)
        if missing:
            raise InvariantBroken(f"nobody consumes the queue of {', '.join(missing)}")
        return {"consumed": computes.awaited(ctx), "idle before": computes.idle(ctx)}


class ComputesReport(LibraryStep):
    """Waits until the new controllers see every compute up that took orders before the switch, and of the computes'
    agents of Neutron those that were up before."""

    changes_nothing = True

    def pending(self, ctx: Context) -> dict[str, Any]:
        down = computes.down(ctx)
        return {"wait for": down} if down else {}

    def apply(self, ctx: Context) -> Outcome:
        what = "every compute to be up as the new controllers see it"
        until_none(lambda: computes.down(ctx), REPORT_TIMEOUT, what)
        up = computes.awaited(ctx)
        return Outcome(comment=f"{len(up)} computes are up", evidence={"up": up})

    def verify(self, ctx: Context) -> dict[str, Any]:
        down = computes.down(ctx)
        if down:
            raise InvariantBroken(f"not up as the new controllers see it: {', '.join(down)}")
        return {"up": computes.awaited(ctx)}


def pin(ctx: Context) -> dict[str, str]:
    """Arguments of ``octane_nova.upgrade_levels``: what the new controllers speak to computes of the old release."""
    return {"compute": ctx.path.compute_pin}


def fence(ctx: Context) -> dict[str, Any]:
    """Arguments of ``octane_net.fence``: which bridges and ports the original's controllers are cut from, why, and the
    addresses at which they reach each other until their cluster is stopped."""
    ports: Mapping[str, list[dict[str, Any]]] = ctx.recall(PORTS) or {}
    joined = present(ctx, controllers(original(ctx).nodes()))
    held = isolation.held_addresses(ctx, joined)
    return {
        "peers": sorted({address for addresses in held.values() for address in addresses}),
        "plans": {node.minion: _fence_plan(ports.get(node.minion, [])) for node in joined},
        "reason": f"set aside by octane: environment {ctx.seed} has taken over environment {ctx.original}",
    }


def behind_the_fence(ctx: Context) -> dict[str, Any]:
    """Arguments of ``octane_net.unfenced``: the original's controllers come back to life where their ports are plugged
    in later, in the moment in which those of the seed leave."""
    return {"ports": False, "resources": ctx.recall(RAN)}


def _fence_plan(uplinks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "bridges": sorted({uplink["serves"] for uplink in uplinks}),
        "ports": [_port(uplink) for uplink in uplinks],
    }


def _await_brokers(ctx: Context, brokers: list[str]) -> None:
    """A broker is there for Pacemaker before it takes connections: half a minute in the lab."""
    trouble: list[str] = []

    def answer() -> bool:
        try:
            ctx.nodes.call(brokers, "octane_nova.compute_queues")
        except NodeFailed as error:
            trouble.append(str(error))
            return False
        return True

    try:
        until(answer, START_TIMEOUT, f"the brokers of {', '.join(brokers)} to answer")
    except WaitTimeout as error:
        raise Failed(f"{error.message}; last: {trouble[-1]}") from error


def _beside(port: Mapping[str, Any], uplinks: list[dict[str, Any]]) -> dict[str, Any]:
    """A port that was found in the bridge of one of UPLINKS, as an uplink."""
    purpose = next(one["purpose"] for one in uplinks if one["serves"] == port["bridge"])
    return {"purpose": purpose, "serves": port["bridge"], **port}


def _pending(ctx: Context, plans: Plan) -> dict[str, Any]:
    """Entries that are not true yet, by the nodes that have any."""
    found = ctx.nodes.call(list(plans), "octane_net.pending", plans=plans)
    return {node: left for node, left in found.items() if left}


def _overlays_behind(ctx: Context) -> OverlayPlans:
    """What joins the original's controllers while they are cut off."""
    side, ports = sides(ctx), ctx.recall(PORTS) or {}
    bridges = {node: {one["purpose"]: one["serves"] for one in ports[node]} for node in side.originals}
    return overlay_plans({node: side.admin[node] for node in side.originals}, bridges, BACK_KEYS)


def _leave(ctx: Context) -> Plan:
    ports, behind = ctx.recall(PORTS) or {}, ctx.recall(BACK) or {}
    return {
        node: [_entry("detach", uplink) for uplink in ports.get(node, [])]
        + [_entry("attach", overlay) for overlay in behind.get(node, [])]
        for node in sides(ctx).originals
    }


def _take(ctx: Context) -> Plan:
    ports = ctx.recall(PORTS) or {}
    overlays = isolation.overlays(ctx)
    return {
        node: [_entry("detach", overlay) for overlay in overlays.get(node, [])]
        + [_entry("attach", uplink) for uplink in ports.get(node, [])]
        for node in sides(ctx).seeds
    }


def _entry(act: str, port: Mapping[str, Any]) -> dict[str, Any]:
    return {"do": act, **_port(port)}


def _port(port: Mapping[str, Any]) -> dict[str, Any]:
    return {name: port[name] for name in ("bridge", "port", *MAKING) if name in port}


def _reversed(plan: Plan) -> Plan:
    """What takes PLAN back, in the opposite order."""
    other = {"attach": "detach", "detach": "attach"}
    return {
        node: [{**entry, "do": other[entry["do"]]} for entry in reversed(entries)] for node, entries in plan.items()
    }


def _hand_over(ctx: Context, leave: Plan, take: Plan) -> dict[str, Any]:
    """Ports move from those that LEAVE to those that TAKE; ``away`` is for how many seconds nobody had them."""
    side = sides(ctx)
    ctx.progress(f"{', '.join(leave)} leave, {', '.join(take)} take")
    # Who takes first: when several fail, the host of the meeting knows why.
    members = {node: side.admin[node] for node in (*sorted(take), *leave)}
    given = {"leave": leave, "take": take, "members": members, "meeting": f"m{secrets.token_hex(8)}"}
    done = ctx.nodes.call(list(members), "octane_handover.run", timeout=HANDOVER_TIMEOUT, **given)
    return {
        "away": next(found["away"] for found in done.values() if "away" in found),
        "moved": {node: len(found["done"]) for node, found in done.items()},
        "announced": {node: len(found["announced"]) for node, found in done.items() if found["announced"]},
    }
