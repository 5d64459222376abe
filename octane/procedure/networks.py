"""What the plan of the networks is computed from: what Nailgun says of the nodes, and what the journal recorded."""

from __future__ import annotations

from collections.abc import Iterable

from octane.errors import Refused
from octane.fuel import Fuel
from octane.fuel.environment import Environment, Fact
from octane.fuel.nodes import Node, controllers
from octane.journal import Journal
from octane.pair import Pair
from octane.plan import network

UPLINKS = "env.uplinks"
"""{minion id: [uplink]} of the seed's controllers: what joins management, public and private unless isolated."""

PORTS = "control.ports"
"""{minion id: [uplink]} of the controllers of both sides, as they were found on the nodes right before the switch."""


def computed(environment: Environment, nodes: Iterable[Node]) -> dict[str, Fact]:
    """{minion id: facts as Nailgun computes them} of NODES; of a node with several roles, one element."""
    by_uid = {str(node.id): node.minion for node in nodes}
    found = environment.default_facts([int(uid) for uid in by_uid]) if by_uid else []
    return {by_uid[str(fact["uid"])]: fact for fact in found if str(fact["uid"]) in by_uid}


def members(environment: Environment, side: str = network.ORIGINAL) -> list[network.Member]:
    """ENVIRONMENT's nodes by ascending id, as Nailgun computes them.

    :raises Refused: a node has no network_scheme: the environment does not use Neutron
    """
    nodes = environment.nodes()
    of_controllers = {node.id for node in controllers(nodes)}
    found = computed(environment, nodes)
    without = [minion for minion, fact in found.items() if not fact.get("network_scheme")]
    if without:
        raise Refused(f"{', '.join(without)}: no network_scheme in the facts; the environment does not use Neutron")
    return [
        network.Member(node.minion, side, found[node.minion]["network_scheme"], node.id in of_controllers)
        for node in nodes
        if node.minion in found
    ]


def plan_of(environment_id: int, fuel: Fuel, journal: Journal) -> list[network.Move]:
    """The plan of the upgrade that ENVIRONMENT_ID is the original or the seed of; of a single one, its own part.

    :raises BadInput: there is no such environment
    :raises Refused: naming every node for which it cannot be computed, and why
    """
    pair = journal.pairs.of_seed(environment_id) or journal.pairs.of_original(environment_id)
    original = fuel.environment(pair.original if pair else environment_id)
    original.data()
    everybody = members(original)
    if pair and pair.seed is not None:
        everybody += members(fuel.environment(pair.seed), network.SEED)
    return network.moves(everybody, _recorded(journal, pair))


def _recorded(journal: Journal, pair: Pair | None) -> network.Ports:
    """Ports that were recorded: of an isolated node, the only truth."""
    found: network.Ports = {}
    if pair:
        for key in (UPLINKS, PORTS):
            found |= journal.records.get(pair.id, key) or {}
    return found
