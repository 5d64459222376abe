"""Routers and DHCP servers of tenants: ready on the seed before the addresses move, and on the original before they
come back.

The copied database binds them to agents of the original's controllers. Bound to the seed's, behind its isolation, each
has the same hardware and network addresses there, and what is left for the switch is to move ports and to announce.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken, NodeFailed, WaitTimeout
from octane.fuel.nodes import controllers
from octane.procedure.isolation import SWITCHED
from octane.sides import sides
from octane.step import LibraryStep, Outcome
from octane.wait import until

AGENTS_TIMEOUT = 300
"""Seconds for the seed's agents to report after their start."""

HOSTED_TIMEOUT = 600
"""Seconds for the agents to make what they host: a large cloud has hundreds of routers."""

BACK_TIMEOUT = 600
"""Seconds to wait for the original's agents on the way back; a router that does not come keeps nobody from the rest."""

REPORT_INTERVAL = timedelta(seconds=75)
"""Neutron's own time after which an agent that has not reported counts as down."""

HELD = "control.tenants"
"""{"L3 agent": {router: [agent]}, "DHCP agent": {network: [agent]}}: what agents of the original host, by the copy."""

AGENTS = "control.agents"
"""[[binary, host]] of Neutron's agents outside the controllers that reported until the databases were copied."""

PRESENT = "control.tenants_present"
"""{namespace: [address]} of routers and DHCP servers on the original's controllers right before the switch."""

PREFIXES = {"L3 agent": "qrouter-", "DHCP agent": "qdhcp-"}

Held = dict[str, dict[str, list[str]]]
Present = dict[str, list[str]]


class HostTenants(LibraryStep):
    """The seed's agents host what those of the original's controllers do, and have made it."""

    # Its services were started a moment ago: the API is waited for.
    check_first = False

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(SWITCHED):
            return {}
        bound = _bound(ctx)
        held = merged(ctx.recall(HELD) or {}, bound)
        wanted = {kind: len(found) for kind, found in held.items() if found}
        return {"host": wanted} if wanted and (any(bound.values()) or _missing(ctx, held)) else {}

    def apply(self, ctx: Context) -> Outcome:
        if ctx.recall(SWITCHED):
            return Outcome(comment="the addresses have moved")
        first = sides(ctx).seeds[0]
        names = _names_of_seeds(ctx)
        _wait_agents(ctx, first, names)
        # Written down before it is taken away: whoever is interrupted between finds it nowhere else.
        held = merged(ctx.recall(HELD) or {}, _bound(ctx))
        ctx.record(HELD, held)
        if not any(held.values()):
            # Every second here is one in which users' writes are refused.
            return Outcome(comment="no agent of the original hosts anything")
        records = ctx.nodes.call([first], "octane_nova.services")[first]
        ctx.record(AGENTS, alive_at_copy(records, _names_of_controllers(ctx)))
        take = [name for known in names.values() for name in known]
        ctx.nodes.call([first], "octane_agents.rebind", held, take, timeout=HOSTED_TIMEOUT)
        missing: list[str] = []

        def hosted() -> bool:
            missing[:] = _missing(ctx, held)
            return not missing

        try:
            until(hosted, HOSTED_TIMEOUT, "the seed's agents to have made the tenants' routers and DHCP servers", 1)
        except WaitTimeout as error:
            raise InvariantBroken(f"{error.message}; missing: {', '.join(missing[:5])}") from error
        count = {kind: len(found) for kind, found in held.items()}
        comment = f"{sum(count.values())} routers and networks are ready"
        return Outcome(changes={"hosted": count}, comment=comment, evidence={"hosted": count})

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(SWITCHED):
            return {}
        left = [what for found in _bound(ctx).values() for what in found]
        if left:
            raise InvariantBroken(f"still with agents of environment {ctx.original}: {', '.join(left[:5])}")
        held = ctx.recall(HELD) or {}
        missing = _missing(ctx, held)
        if missing:
            raise InvariantBroken(f"the seed's controllers do not have: {', '.join(missing[:5])}")
        return {"hosted": {kind: len(found) for kind, found in held.items()}}

    def undo(self, ctx: Context) -> Outcome:
        """Which agent hosts what is known to the seed's database alone, and another copy is another matter. What the
        agents made goes with them, as soon as they are stopped."""
        for key in (HELD, AGENTS):
            ctx.record(key, None)
        return Outcome(comment="what the seed's agents took over is forgotten")


def note(ctx: Context) -> None:
    """Remember what the original's controllers answer for in tenants' networks."""
    ctx.record(PRESENT, present(ctx, sides(ctx).originals))


def await_back(ctx: Context) -> list[str]:
    """Wait until the original's controllers answer again for what they did before the switch, as far as tenants are
    concerned; what they still do not after a while. Nothing is heard of them yet."""
    wanted: Present = ctx.recall(PRESENT) or {}
    originals = sides(ctx).originals
    missing: list[str] = []

    def back() -> bool:
        missing[:] = lacking(wanted, present(ctx, originals)) if wanted else []
        return not missing

    try:
        until(back, BACK_TIMEOUT, "the original's agents to have made the tenants' routers and DHCP servers", 1)
    except WaitTimeout:
        return missing
    return []


def agents_down(ctx: Context, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Agents of Neutron that were up when the databases were copied and are not by RECORDS (octane_nova.services)."""
    up = {(one["binary"], one["host"]) for one in records if one["service"] == "neutron" and one["up"]}
    known = [(binary, host) for binary, host in ctx.recall(AGENTS) or ()]
    return [f"{binary} on {host}" for binary, host in known if (binary, host) not in up]


def alive_at_copy(records: Iterable[Mapping[str, Any]], controllers: Iterable[str]) -> list[list[str]]:
    """[[binary, host]] of Neutron's agents on none of CONTROLLERS that had reported when the last of them did.

    RECORDS are copied ones: how long ago that was does not matter.
    """
    left_out = set(controllers)
    theirs = [one for one in records if one["service"] == "neutron" and one["host"] not in left_out and one["updated"]]
    reported = [(_time(one["updated"]), one) for one in theirs]
    last = max((moment for moment, _ in reported), default=None)
    alive = [one for moment, one in reported if last is not None and last - moment < REPORT_INTERVAL]
    return sorted([one["binary"], one["host"]] for one in alive)


def merged(before: Held, now: Held) -> Held:
    """What was held by either account: an attempt that was interrupted has taken away what only BEFORE knows."""
    return {
        kind: {
            what: sorted({*before.get(kind, {}).get(what, []), *now.get(kind, {}).get(what, [])})
            for what in {**before.get(kind, {}), **now.get(kind, {})}
        }
        for kind in {**before, **now}
    }


def lacking(wanted: Present, there: Present) -> list[str]:
    """Namespaces of WANTED, each with the addresses that are not THERE."""
    left = {name: sorted(set(addresses) - set(there.get(name, []))) for name, addresses in wanted.items()}
    return [f"{name} {' '.join(addresses)}" for name, addresses in sorted(left.items()) if addresses]


def present(ctx: Context, nodes: Iterable[str]) -> Present:
    """What NODES answer for together."""
    found: dict[str, set[str]] = {}
    for there in ctx.nodes.call(list(nodes), "octane_agents.present", timeout=120).values():
        for name, addresses in there.items():
            found.setdefault(name, set()).update(addresses)
    return {name: sorted(addresses) for name, addresses in found.items()}


def _missing(ctx: Context, held: Held) -> list[str]:
    """Of what is HELD, all that the original's controllers answer for and the seed's do not."""
    ours = {PREFIXES[kind] + what for kind, found in held.items() for what in found}
    if not ours:
        return []
    side = sides(ctx)
    wanted = {name: addresses for name, addresses in present(ctx, side.originals).items() if name in ours}
    return lacking(wanted, present(ctx, side.seeds))


def _bound(ctx: Context) -> Held:
    """What the seed's database binds to agents of the original's controllers, powered off or not."""
    first = sides(ctx).seeds[0]
    bound: Held = ctx.nodes.call([first], "octane_agents.bindings", _names_of_controllers(ctx), timeout=120)[first]
    return bound


def _names_of_controllers(ctx: Context) -> list[str]:
    """Names under which agents of the original's controllers may have registered, see octane.sides."""
    theirs = controllers(node for node in ctx.fuel.nodes() if node.environment == ctx.original)
    return sorted(name for node in theirs for name in (node.hostname, node.fqdn))


def _names_of_seeds(ctx: Context) -> dict[str, list[str]]:
    side = sides(ctx)
    return {node: [node, side.fqdn[node]] for node in side.seeds}


def _wait_agents(ctx: Context, first: str, names: dict[str, list[str]]) -> None:
    """:raises InvariantBroken: naming the agents that Neutron does not see alive, or why it does not tell."""
    missing: list[str] = []

    def alive() -> bool:
        try:
            missing[:] = ctx.nodes.call([first], "octane_agents.missing_agents", names, timeout=120)[first]
        except NodeFailed as error:
            missing[:] = [str(error)]
        return not missing

    try:
        until(alive, AGENTS_TIMEOUT, "the seed's agents to report", 1)
    except WaitTimeout as error:
        raise InvariantBroken(f"{error.message}; not alive: {', '.join(missing)}") from error


def _time(text: str) -> datetime:
    return datetime.fromisoformat(str(text))
