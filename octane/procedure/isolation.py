"""The seed's controllers hold the original's addresses and must not be heard: facts that isolate, proof that they do.

What is recorded here is the only record of the ports to attach at the switch: the facts of a deployed, isolated
controller do not have them any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, Refused
from octane.fuel import facts, scheme
from octane.fuel.environment import Fact
from octane.fuel.nodes import Node, controllers
from octane.fuel.scheme import Scheme
from octane.fuel.uplinks import is_isolated
from octane.plan import network
from octane.procedure.checks import Check
from octane.procedure.env import WithSeed, original, seed, seed_nodes, vips
from octane.procedure.networks import UPLINKS, computed, members
from octane.sides import fenced, present, sides
from octane.step import Outcome

SCHEMES = "env.schemes"
"""{minion id: network_scheme} of the seed's controllers as Nailgun computed it."""

PLAN = "env.network_plan"
"""{"moves": [the plan of both sides, line by line], "schemes": {minion id: network_scheme it was computed from}}."""

FACTS = "env.facts"
"""{minion id: {path: old value}} of the facts that were changed for the time of the isolation."""

OVERLAYS = "env.overlays"
"""{minion id: [{"bridge", "port", "key"}]} of what joins isolated controllers."""

SWITCHED = "control.switched"
"""Recorded by upgrade-control: from then on the seed is to be heard."""

SERVED = "control.seed_served"
"""Recorded right before the addresses move, and forgotten on the way back when what was written to the seed is kept."""


class IsolateFacts(WithSeed):
    """The facts of the seed's controllers cut them off; the ports to attach later are recorded."""

    records = (UPLINKS, SCHEMES, PLAN, FACTS)

    def pending(self, ctx: Context) -> dict[str, Any]:
        uploaded = self._uploaded(ctx)
        return {
            node.hostname: "isolated"
            for node in seed_nodes(ctx)
            if not all(_is_isolated(fact) for fact in uploaded.get(node.minion, [{}]))
        }

    def _uploaded(self, ctx: Context) -> dict[str, list[Fact]]:
        by_uid = {str(node.id): node.minion for node in seed_nodes(ctx)}
        found: dict[str, list[Fact]] = {}
        for fact in seed(ctx).facts():
            if str(fact.get("uid")) in by_uid:
                found.setdefault(by_uid[str(fact["uid"])], []).append(fact)
        return found

    def apply(self, ctx: Context) -> Outcome:
        nodes = seed_nodes(ctx)
        plan = members(original(ctx)) + members(seed(ctx), network.SEED)
        moves = network.moves(plan)
        default = seed(ctx).default_facts([node.id for node in nodes])
        surroundings = _surroundings(ctx, default)
        by_minion = computed(seed(ctx), nodes)
        ports = network.ports(member for member in plan if member.side == network.SEED)
        ctx.record(UPLINKS, ports)
        ctx.record(SCHEMES, {minion: fact["network_scheme"] for minion, fact in by_minion.items()})
        schemes = {member.node: member.scheme for member in plan}
        ctx.record(PLAN, {"moves": [move.as_dict() for move in moves], "schemes": schemes})
        paths = list(facts.temporary_values(surroundings))
        ctx.record(FACTS, {minion: facts.values(fact, paths) for minion, fact in by_minion.items()})
        _upload(ctx, default, surroundings)
        return Outcome(changes={"isolated": sorted(ports)}, comment="facts isolate the seed", evidence={"ports": ports})

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"the facts of {', '.join(left)} do not isolate")
        return {"uplinks": ctx.recall(UPLINKS)}


def isolate_again(ctx: Context) -> None:
    """Upload the facts that isolate once more, after they were deleted; what is recorded of the ports stays."""
    default = seed(ctx).default_facts([node.id for node in seed_nodes(ctx)])
    _upload(ctx, default, _surroundings(ctx, default))


def _upload(ctx: Context, default: list[Fact], surroundings: facts.Surroundings) -> None:
    seed(ctx).upload_facts([facts.isolated(fact, surroundings) for fact in default])


def _surroundings(ctx: Context, default: list[Fact]) -> facts.Surroundings:
    master = default[0]["master_ip"]
    gateways = [net["gateway"] for net in seed(ctx).network()["networks"] if net["name"] == "fuelweb_admin"]
    return facts.Surroundings(master=master, admin_gateway=next(filter(None, gateways), master))


def _is_isolated(fact: Fact) -> bool:
    if not fact.get("network_scheme") or fact.get("run_ping_checker") is not False:
        return False
    return is_isolated(fact["network_scheme"], facts.node_name(fact))


def gateways(ctx: Context) -> dict[str, dict[str, dict[str, str | None]]]:
    """Arguments of ``octane_net.default_route``: the gateways of the seed's controllers without the isolation, which
    had sent them through the administration network."""
    schemes: Mapping[str, Scheme] = ctx.recall(SCHEMES) or {}
    return {"plans": {node: _gateways(schemes[node], node) for node in sides(ctx).seeds if node in schemes}}


def _gateways(found: Scheme, node: str) -> dict[str, str | None]:
    given = {
        bridge: endpoint["gateway"]
        for bridge, endpoint in found.get("endpoints", {}).items()
        if endpoint.get("gateway") not in (None, "", "none")
    }
    return {scheme.bridge_of(found, scheme.ADMIN, node): None, **given}


def isolated_bridges(ctx: Context, minion: str) -> dict[str, str]:
    """{purpose: bridge} of a seed's controller, one bridge once."""
    return {uplink["purpose"]: uplink["serves"] for uplink in ctx.recall(UPLINKS)[minion]}


class Isolated(Check):
    """Proof from both sides: the seed hears no address of the original, the original no controller of the seed.

    Nothing to prove any more once the addresses have changed hands.
    """

    def verify(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(SWITCHED):
            return {}
        return Hearing(ctx).isolated()


class Hearing:
    """Who answers for the addresses that both sides hold, by the MAC addresses of the answers."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        everybody = controllers(original(ctx).nodes())
        self.originals = present(ctx, everybody)
        self.seeds = present(ctx, seed_nodes(ctx))
        self.macs: dict[str, set[str]] = {}
        # Those of a controller that was stated to be powered off as well: nobody may answer for them. And those that
        # one took along which moved from the original to the seed.
        self.addresses = held_addresses(ctx, [*everybody, *seed_nodes(ctx)])

    def _learn_macs(self) -> None:
        """MAC addresses of both sides' controllers, added to those known."""
        known = self.ctx.nodes.call([node.minion for node in [*self.originals, *self.seeds]], "octane_net.macs")
        for minion, found in known.items():
            self.macs.setdefault(minion, set()).update(mac.lower() for mac in found.values())

    def isolated(self) -> dict[str, Any]:
        """On the seed's isolated bridges only its own controllers answer, on the original's networks none of them does.

        :raises InvariantBroken: naming who is heard, by whom, for which address
        """
        seeds = self._bridges_of_seed()
        originals = self._bridges_of(self.originals)
        heard = self._ask({**seeds, **originals}, lambda minion, mac: (mac in self._ours()) is (minion in seeds))
        return {"from the seed": _counted(heard, seeds), "from the original": _counted(heard, originals)}

    def only_seed(self) -> dict[str, Any]:
        """After the switch computes and the seed's controllers hear the seed alone, and computes its management VIP.

        :raises InvariantBroken: naming who else is heard, or who does not hear the VIP
        """
        computes = self._bridges_of(self._computes())
        heard = self._ask({**self._bridges_of_seed(), **computes}, lambda minion, mac: mac in self._ours())
        self._require_vip(heard, computes)
        return _counted(heard, heard)

    def only_original(self) -> dict[str, Any]:
        """After the way back computes and the original's controllers hear the original alone, computes its management
        VIP, and the seed's controllers hear only each other.

        :raises InvariantBroken: naming who else is heard, or who does not hear the VIP
        """
        seeds, computes = self._bridges_of_seed(), self._bridges_of(self._computes())
        bridges = {**seeds, **computes, **self._bridges_of(self.originals)}
        heard = self._ask(bridges, lambda minion, mac: mac in (self._ours() if minion in seeds else self._theirs()))
        self._require_vip(heard, computes)
        return _counted(heard, heard)

    def _computes(self) -> list[Node]:
        """Those that answer: one that does not must keep nobody else from the cloud."""
        known = present(self.ctx, original(self.ctx).nodes())
        ready = {node.minion: node for node in known if "compute" in node.roles and node.status == "ready"}
        return [ready[minion] for minion in sorted(self.ctx.nodes.ping(list(ready)))] if ready else []

    def _require_vip(self, heard: dict[str, Any], computes: dict[str, dict[str, str]]) -> None:
        """Whoever did not hear it is asked once more: an answer may get lost."""
        vip = vips(original(self.ctx))["management_vip"]
        deaf = {minion: bridges for minion, bridges in computes.items() if not heard[minion].get(vip)}
        if deaf:
            again = self._hear(deaf)
            deaf = {minion: bridges for minion, bridges in deaf.items() if not again[minion].get(vip)}
        if deaf:
            raise InvariantBroken(f"{', '.join(deaf)} do not hear the management VIP {vip}")

    def _bridges_of_seed(self) -> dict[str, dict[str, str]]:
        schemes = self.ctx.recall(SCHEMES)
        return role_bridges({node.minion: schemes[node.minion] for node in self.seeds})

    def _bridges_of(self, nodes: list[Node]) -> dict[str, dict[str, str]]:
        return role_bridges(_schemes(computed(original(self.ctx), nodes)))

    def _ours(self) -> set[str]:
        return {mac for node in self.seeds for mac in self.macs[node.minion]}

    def _theirs(self) -> set[str]:
        return {mac for node in self.originals for mac in self.macs[node.minion]}

    def _ask(self, bridges: dict[str, dict[str, str]], fits: Callable[[str, str], bool]) -> dict[str, Any]:
        """What each minion of BRIDGES hears, if every answer fits: ``fits(minion, mac)``.

        Whoever does not is asked for again, and must be heard again: an address that is just coming up answers from an
        interface that a moment later is known, or gone (an interrupted run leaves a deployment behind that goes on).
        """
        heard = self._hear(bridges)
        wrong = _answers(heard, fits)
        if wrong:
            wrong &= _answers(self._hear({minion: bridges[minion] for minion, _, _ in wrong}), fits)
        if wrong:
            told = [f"{minion} hears {self._name(mac)} answer for {address}" for minion, address, mac in sorted(wrong)]
            raise InvariantBroken(f"heard who must not be: {'; '.join(told)}")
        return heard

    def _hear(self, bridges: dict[str, dict[str, str]]) -> dict[str, dict[str, list[str]]]:
        """{minion id: {address: [mac]}}; all ask at the same time."""
        asked = {
            minion: [
                {"address": address, "interface": bridge}
                for purpose, bridge in names.items()
                for address in self.addresses[purpose]
            ]
            for minion, names in bridges.items()
        }
        self._learn_macs()
        heard: dict[str, dict[str, list[str]]] = self.ctx.nodes.call(list(asked), "octane_net.hears", asked=asked)
        self._learn_macs()
        return heard

    def _name(self, mac: str) -> str:
        for minion, macs in self.macs.items():
            if mac in macs:
                return f"{minion} ({mac})"
        return mac


def _answers(heard: dict[str, dict[str, list[str]]], fits: Callable[[str, str], bool]) -> set[tuple[str, str, str]]:
    """(minion, address, mac) of the answers that do not fit."""
    return {
        (minion, address, mac.lower())
        for minion, answers in heard.items()
        for address, macs in answers.items()
        for mac in macs
        if not fits(minion, mac.lower())
    }


def _counted(heard: dict[str, dict[str, list[str]]], minions: Iterable[str]) -> dict[str, str]:
    return {minion: f"{len(heard[minion])} addresses asked" for minion in minions}


def held_addresses(ctx: Context, nodes: list[Node]) -> dict[str, list[str]]:
    """{"management": [...], "public": [...]}: addresses of NODES, controllers of either side, and the VIPs."""
    found = {
        purpose: {node.addresses[purpose].partition("/")[0] for node in nodes if purpose in node.addresses}
        for purpose in scheme.ISOLATED
    }
    for name, address in vips(original(ctx)).items():
        found[name.partition("_")[0]].add(address)
    return {purpose: sorted(addresses) for purpose, addresses in found.items()}


def _schemes(computed_facts: dict[str, Fact]) -> dict[str, scheme.Scheme]:
    return {minion: fact["network_scheme"] for minion, fact in computed_facts.items()}


def role_bridges(schemes: dict[str, scheme.Scheme]) -> dict[str, dict[str, str]]:
    """{minion id: {"management": bridge, "public": bridge}}; a role that a node does not have is left out."""
    return {
        minion: {
            purpose: scheme.bridges_of(found, names)[0]
            for purpose, names in scheme.ISOLATED.items()
            if scheme.bridges_of(found, names)
        }
        for minion, found in schemes.items()
    }


def uplinks_of_both_sides(ctx: Context) -> network.Ports:
    """The uplinks of the controllers of both sides.

    The original's come from what Nailgun computes, the seed's from what was recorded before it was isolated.

    :raises Refused: naming the nodes whose ports cannot be computed or were not recorded
    """
    found = network.ports(members(original(ctx)))
    recorded = ctx.recall(UPLINKS) or {}
    for node in seed_nodes(ctx):
        if node.minion not in recorded:
            raise Refused(f"{node.minion}: its ports were not recorded when it was isolated", node=node.minion)
        found[node.minion] = recorded[node.minion]
    return found


def overlays(ctx: Context) -> dict[str, list[dict[str, Any]]]:
    """{minion id: [{"bridge", "port", "key"}]} of what joins the seed's controllers, but for those that were stated to
    be powered off; {} for one alone."""
    return {node: ports for node, ports in (ctx.recall(OVERLAYS) or {}).items() if node not in fenced(ctx)}


def management_network(ctx: Context) -> str:
    """The management network of the original, "a.b.c.d/len"."""
    return next(net["cidr"] for net in original(ctx).network()["networks"] if net["name"] == "management")
