"""Computes and the brokers they take orders from: who is waited for when the addresses move, and how they come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octane.context import Context
from octane.errors import NodeFailed
from octane.procedure import isolation, tenants
from octane.procedure.isolation import SWITCHED
from octane.sides import sides
from octane.wait import until_none

AMQP_PORT = 5673
RECONNECT_TIMEOUT = 180
RESTART_TIMEOUT = 120
CLIENTS = ("nova-compute", "cinder-volume", "neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent")
"""Clients of brokers that are restarted where the kernel (before 4.9) cannot cut their connections. What wires ports
is not among them: up to Kilo it cuts guests off while it starts, and it finds out by itself when it next reports."""
IDLE = "control.idle_computes"
"""[minion id] of computes whose queues nobody consumed on the original's brokers right before the switch."""


def note_idle(ctx: Context) -> str:
    """Remember the computes that take no orders now (nova-compute is stopped there, for maintenance): no switch brings
    it back, and waiting for them afterwards would keep users' writes refused. What is to be said of it, or nothing."""
    every = list(sides(ctx).computes)
    try:
        found = _unconsumed_by_any(ctx, sides(ctx).originals)
    except NodeFailed as error:
        ctx.record(IDLE, [])
        return f"none of the original's brokers told who takes orders: every compute is waited for ({error.sentence})"
    ctx.record(IDLE, found)
    if found and found == every:
        return "nobody consumed the queue of any compute before: look at the original's brokers; none is waited for"
    return f"nobody consumed the queue of {', '.join(found)} before, so it is not waited for" if found else ""


def note_idle_on_seed(ctx: Context) -> None:
    """The same on the way back, added to those: as long as the seed is to be heard, and if its brokers tell of anybody.
    They may be why it is gone back."""
    try:
        found = _unconsumed_by_any(ctx, sides(ctx).seeds) if ctx.recall(SWITCHED) and sides(ctx).seeds else []
    except NodeFailed:
        return
    if set(found) != set(sides(ctx).computes):
        ctx.record(IDLE, sorted({*idle(ctx), *found}))


def idle(ctx: Context) -> list[str]:
    """Those that are remembered."""
    return list(ctx.recall(IDLE) or ())


def awaited(ctx: Context) -> list[str]:
    """Computes that are to be there after the switch: those that were before."""
    return [node for node in sides(ctx).computes if node not in idle(ctx)]


def unconsumed(ctx: Context, brokers: tuple[str, ...]) -> list[str]:
    """Of the computes that are to be there, those whose queue nobody consumes on BROKERS."""
    missing = _without_consumer(ctx, brokers[0])
    return [node for node in awaited(ctx) if node in missing]


def reachable(ctx: Context) -> list[str]:
    """Computes, and storage nodes beside them, that answer: one that does not must keep nobody else from the cloud once
    the addresses have moved."""
    every = list(sides(ctx).clients)
    return sorted(ctx.nodes.ping(every)) if every else []


def forget_neighbours(ctx: Context) -> list[str]:
    """Let them ask anew who has the addresses; those that did not answer."""
    there = reachable(ctx)
    if there:
        ctx.nodes.call(there, "octane_net.flush_neighbours")
    return [node for node in sides(ctx).clients if node not in there]


def reconnect(ctx: Context, brokers: tuple[str, ...]) -> dict[str, Any]:
    """Cut the computes' connections to brokers and wait until BROKERS have them.

    :return: {"connections_cut": {minion id: number}, "restarted": {minion id: [service]}}
    """
    there = reachable(ctx)
    if not there:
        return {}
    network = isolation.management_network(ctx)
    cut = ctx.nodes.call(there, "octane_net.cut_connections", AMQP_PORT, [network])
    restarted = _restart_clients(ctx, [node for node, found in cut.items() if found["how"] == "unsupported"])
    what = f"every compute's queue to be consumed on the brokers of {', '.join(brokers)}"
    until_none(lambda: [node for node in unconsumed(ctx, brokers) if node in there], RECONNECT_TIMEOUT, what, 0.5)
    return {"connections_cut": {node: found["before"] for node, found in cut.items()}, "restarted": restarted}


def down(ctx: Context) -> list[str]:
    """Computes that the new controllers do not see up, by minion id, and agents of theirs, by name and host."""
    side = sides(ctx)
    first = side.seeds[0]
    services = ctx.nodes.call([first], "octane_nova.services")[first]
    up = {service["host"] for service in services if service["binary"] == "nova-compute" and service["up"]}
    missing = [node for node in awaited(ctx) if not {node, side.fqdn[node]} & up]
    return missing + tenants.agents_down(ctx, services)


def _restart_clients(ctx: Context, nodes: list[str]) -> dict[str, Any]:
    if not nodes:
        return {}
    return ctx.nodes.call(nodes, "octane_service.restart_running", list(CLIENTS), timeout=RESTART_TIMEOUT)


def _unconsumed_by_any(ctx: Context, brokers: Iterable[str]) -> list[str]:
    """What the first of BROKERS that answers says; each of a cluster knows the queues of all.

    :raises NodeFailed: none does
    """
    trouble: list[NodeFailed] = []
    for broker in brokers:
        try:
            return _without_consumer(ctx, broker)
        except NodeFailed as error:
            trouble.append(error)
    raise trouble[-1]


def _without_consumer(ctx: Context, broker: str) -> list[str]:
    side = sides(ctx)
    queues = ctx.nodes.call([broker], "octane_nova.compute_queues")[broker]
    consumed = {name.partition(".")[2] for name, consumers in queues.items() if consumers}
    return [node for node in side.computes if not {node, side.fqdn[node]} & consumed]
