"""The switch: the original's controllers set aside, their addresses on the seed's, the computes on the new ones.

Everything slow happens before it (services started and warmed behind the isolation) or after it (fencing). What
lies between is one call to the original's controllers, which drop their ports, and one to the seed's, which take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, NodeFailed, WaitTimeout
from octane.procedure import isolation
from octane.procedure.networks import PORTS
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.wait import until

SWITCHED = "control.switched"
AMQP_PORT = 5673
RECONNECT_TIMEOUT = 180
REPORT_TIMEOUT = 180
START_TIMEOUT = 600

Plan = dict[str, list[dict[str, Any]]]
"""{minion id: [{"do": "attach"|"detach", "bridge", "port", and what makes the port}, ...]}, in the order to be done."""

MAKING = ("peer", "tag", "trunks", "bond")
"""What an uplink may say besides, for a port that has to be made first."""


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

    def verify(self, ctx: Context) -> dict[str, Any]:
        """Each port can be plugged in on its node, whether it is in its bridge or out of it."""
        ports = ctx.recall(PORTS)
        plans = {node: [_entry("attach", uplink) for uplink in uplinks] for node, uplinks in ports.items()}
        try:
            ctx.nodes.call(list(ports), "octane_net.pending", plans=plans)
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
    """Moves the addresses: the original's controllers lose their ports, the seed's get them and announce themselves."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        plans = {**_leave(ctx), **_take(ctx)}
        wrong = ctx.nodes.call(list(plans), "octane_net.pending", plans=plans)
        return {node: left for node, left in wrong.items() if left}

    def apply(self, ctx: Context) -> Outcome:
        ctx.progress("the original's controllers leave")
        left = _move(ctx, _leave(ctx))
        ctx.progress("the seed's controllers take the addresses")
        taken = _move(ctx, _take(ctx))
        announced = ctx.nodes.call(list(sides(ctx).seeds), "octane_net.announce")
        if sides(ctx).computes:
            ctx.nodes.call(list(sides(ctx).computes), "octane_net.flush_neighbours")
        ctx.record(SWITCHED, True)
        moved = {
            node: f"{len(done['done'])} ports in {done['seconds']:.3f} s" for node, done in {**left, **taken}.items()
        }
        return Outcome(
            changes={"moved": moved},
            comment=f"addresses moved from {', '.join(left)} to {', '.join(taken)}",
            evidence={"moved": moved, "announced": {node: len(sent["sent"]) for node, sent in announced.items()}},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        wrong = self.pending(ctx)
        if wrong:
            raise InvariantBroken(f"ports are not where the switch puts them: {wrong}")
        return {"ports": "as planned"}

    def undo(self, ctx: Context) -> Outcome:
        back = _move(ctx, _reversed(_take(ctx)))
        forth = _move(ctx, _reversed(_leave(ctx)))
        ctx.nodes.call(list(sides(ctx).originals), "octane_net.announce")
        ctx.record(SWITCHED, None)
        return Outcome(
            changes={"moved back": [*back, *forth]},
            comment="addresses are back on the original's controllers",
            evidence={},
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
    """Cuts the computes' stale connections to the brokers and waits until each compute's queue is consumed again.

    Left alone they take 8 to 35 s to notice, and what is asked of them meanwhile hangs for ever (observed).
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        missing = _unconsumed(ctx)
        return {"reconnect": missing} if missing else {}

    def apply(self, ctx: Context) -> Outcome:
        computes = list(sides(ctx).computes)
        network = isolation.management_network(ctx)
        cut = ctx.nodes.call(computes, "octane_net.cut_connections", AMQP_PORT, [network]) if computes else {}
        until(
            lambda: not _unconsumed(ctx),
            RECONNECT_TIMEOUT,
            "every compute's queue to be consumed on the new brokers",
            0.5,
        )
        return Outcome(
            changes={"reconnected": computes},
            comment=f"{len(computes)} computes consume their queues on the new brokers",
            evidence={"connections_cut": {node: found["before"] for node, found in cut.items()}},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        missing = _unconsumed(ctx)
        if missing:
            raise InvariantBroken(f"nobody consumes the queue of {', '.join(missing)}")
        return {"consumed": list(sides(ctx).computes)}


class ComputesReport(LibraryStep):
    """Waits until the new controllers see every compute up."""

    changes_nothing = True

    def pending(self, ctx: Context) -> dict[str, Any]:
        down = computes_down(ctx)
        return {"wait for": down} if down else {}

    def apply(self, ctx: Context) -> Outcome:
        until(lambda: not computes_down(ctx), REPORT_TIMEOUT, "every compute to be up as the new controllers see it")
        up = list(sides(ctx).computes)
        return Outcome(comment=f"{len(up)} computes are up", evidence={"up": up})

    def verify(self, ctx: Context) -> dict[str, Any]:
        down = computes_down(ctx)
        if down:
            raise InvariantBroken(f"not up as the new controllers see it: {', '.join(down)}")
        return {"up": list(sides(ctx).computes)}


def pin(ctx: Context) -> dict[str, str]:
    """Arguments of ``octane_nova.upgrade_levels``: what the new controllers speak to computes of the old release."""
    return {"compute": ctx.path.compute_pin}


def fence(ctx: Context) -> dict[str, Any]:
    """Arguments of ``octane_net.fence``: which bridges and ports the original's controllers are cut from, and why."""
    ports: Mapping[str, list[dict[str, Any]]] = ctx.recall(PORTS) or {}
    return {
        "plans": {node: _fence_plan(ports.get(node, [])) for node in sides(ctx).originals},
        "reason": f"set aside by octane: environment {ctx.seed} has taken over environment {ctx.original}",
    }


def _fence_plan(uplinks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "bridges": sorted({uplink["serves"] for uplink in uplinks}),
        "ports": [_port(uplink) for uplink in uplinks],
    }


def computes_down(ctx: Context) -> list[str]:
    """Computes that the new controllers do not see up, by minion id."""
    side = sides(ctx)
    first = side.seeds[0]
    services = ctx.nodes.call([first], "octane_nova.services")[first]
    up = {service["host"] for service in services if service["binary"] == "nova-compute" and service["up"]}
    return [node for node in side.computes if not {node, side.fqdn[node]} & up]


def _unconsumed(ctx: Context) -> list[str]:
    """Computes whose queue nobody consumes on the seed's brokers."""
    side = sides(ctx)
    first = side.seeds[0]
    queues = ctx.nodes.call([first], "octane_nova.compute_queues")[first]
    consumed = {name.partition(".")[2] for name, consumers in queues.items() if consumers}
    return [node for node in side.computes if not {node, side.fqdn[node]} & consumed]


def _leave(ctx: Context) -> Plan:
    ports = ctx.recall(PORTS) or {}
    return {node: [_entry("detach", uplink) for uplink in ports.get(node, [])] for node in sides(ctx).originals}


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


def _move(ctx: Context, plan: Plan) -> dict[str, Any]:
    """Every node its own entries, all at once."""
    return dict(ctx.nodes.call(list(plan), "octane_net.switch", plans=plan))
