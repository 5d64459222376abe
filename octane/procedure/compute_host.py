"""A compute that is about to be installed anew: nobody's guest is on it, and none comes.

How guests leave it is not told here: a compute that has any is refused.
"""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.errors import Refused
from octane.fuel.nodes import Node
from octane.procedure.env import seed_nodes
from octane.sides import COMPUTE

SERVICE = "compute.service"
"""{"minion", "host", "enabled": bool, "reason"}: nova's record of the compute as it was before."""

REASON = "octane: it is installed anew"
NAMED = 5
TIMEOUT = 120


def is_compute(node: Node) -> bool:
    return COMPUTE in node.roles


def require_empty(ctx: Context, node: Node) -> dict[str, Any]:
    """No guest of any project is on NODE, whatever its state, by nova's records and by the hypervisor itself; and
    there is another compute for new ones.

    :raises Refused: naming guests and where to look
    """
    if not is_compute(node):
        return {}
    guests = _guests(ctx, node)
    if guests:
        more = f" and {len(guests) - NAMED} others" if len(guests) > NAMED else ""
        raise Refused(
            f"guests are on {node.hostname}: {', '.join(guests[:NAMED])}{more}; "
            f"`nova list --all-tenants --host {node.fqdn}` names them: move them, or delete them"
        )
    others = [one["host"] for one in _services(ctx) if one["enabled"] and one["up"] and one["host"] not in _names(node)]
    if not others:
        raise Refused(f"{node.hostname} is the last compute that is enabled: new guests would have no place")
    return {"guests": 0}


def _guests(ctx: Context, node: Node) -> list[str]:
    first = _controller(ctx)
    recorded = ctx.nodes.call([first], "octane_guests.recorded", _names(node), timeout=TIMEOUT)[first]
    running = ctx.nodes.call([node.minion], "octane_guests.domains", timeout=TIMEOUT)[node.minion]
    return [f"{one['uuid']} ({one['state']})" for one in recorded] + [f"{name} (libvirt)" for name in running]


def _services(ctx: Context) -> list[dict[str, Any]]:
    first = _controller(ctx)
    found: list[dict[str, Any]] = ctx.nodes.call([first], "octane_cloud.compute_services", timeout=TIMEOUT)[first]
    return found


def _schedule(ctx: Context, host: str, enabled: bool, reason: str = "") -> None:
    first = _controller(ctx)
    ctx.nodes.call([first], "octane_cloud.schedule_compute", host, enabled, reason, timeout=TIMEOUT)


def _names(node: Node) -> list[str]:
    """Under which of them nova knows it differs by release."""
    return [node.fqdn, node.hostname]


def _controller(ctx: Context) -> str:
    """:raises Refused: the seed has no controller in service"""
    ready = [one.minion for one in seed_nodes(ctx) if one.status == "ready"]
    if not ready:
        raise Refused(f"no controller of environment {ctx.seed} is in service: nobody can be asked about guests")
    return ready[0]


def of(ctx: Context, node: Node) -> dict[str, Any]:
    """Nova's record of NODE.

    :raises Refused: there is none
    """
    found = next((one for one in _services(ctx) if one["host"] in _names(node)), None)
    if found is None:
        raise Refused(f"nova knows no compute {node.fqdn}")
    return found


def set_aside(ctx: Context, node: Node) -> None:
    """No new guest comes to NODE. How it was is written down first, once.

    :raises Refused: a guest came meanwhile
    """
    found = of(ctx, node)
    if (ctx.recall(SERVICE) or {}).get("minion") != node.minion:
        ctx.record(SERVICE, {"minion": node.minion, **{name: found[name] for name in ("host", "enabled", "reason")}})
    if found["enabled"]:
        _schedule(ctx, found["host"], False, REASON)
    require_empty(ctx, node)


def put_back(ctx: Context) -> str:
    """The compute gets guests again if it did before; its name, "" when nothing was set aside."""
    before = ctx.recall(SERVICE)
    if not before:
        return ""
    # One that somebody had disabled keeps the reason that was given then.
    if before["enabled"]:
        _schedule(ctx, before["host"], True)
    ctx.forget(SERVICE)
    return str(before["host"])
