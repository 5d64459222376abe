"""The plan of a recorded cloud's networks, word for word, and what it refuses as a whole."""

from pathlib import Path

import pytest

from octane.errors import Refused
from octane.plan import network
from octane.plan.network import ORIGINAL, SEED, Member
from tests.functional import layouts

GOLDEN = Path(__file__).parent / "golden"
COMPUTE = layouts.made(
    *(layouts.bridge("br-mgmt"), layouts.port("eth2.101", "br-mgmt")),
    roles={name: bridge for name, bridge in layouts.ROLES.items() if name != "public/vip"},
)
CLOUDS = {
    "bonds-to-template": (layouts.BOND, layouts.RENAMED, 3),
    "before-6.1-to-open-vswitch": (layouts.OLD, layouts.SWITCHED_PATCHES, 2),
    "linux-to-mixed": (layouts.PATCHED, layouts.MIXED_PATCHES, 2),
    "linux-to-linux-alone": (layouts.PATCHED, layouts.PLAIN, 1),
    "tenants": (layouts.TENANTS_PATCHED, layouts.TENANTS, 2),
    "before-the-seed": (layouts.SWITCHED_BOND, layouts.PLAIN, 0),
}


def cloud(original, seed, seeds):
    originals = [Member(f"node-{number}", ORIGINAL, original) for number in (1, 2, 3)]
    computes = [Member("node-7", ORIGINAL, COMPUTE, is_controller=False)]
    return originals + computes + [Member(f"node-{number}", SEED, seed) for number in range(4, 4 + seeds)]


def text(moves):
    lines = [[getattr(move, column) or "-" for column in network.COLUMNS] for move in moves]
    return "".join(" ".join(line) + "\n" for line in [list(network.COLUMNS), *lines])


@pytest.mark.parametrize("name", CLOUDS)
def test_the_plan_of_a_cloud(name):
    assert text(network.moves(cloud(*CLOUDS[name]))) == (GOLDEN / f"network-{name}.txt").read_text()


@pytest.mark.parametrize("name", CLOUDS)
def test_what_leaves_in_isolation_is_what_comes_at_the_switch(name):
    moves = network.moves(cloud(*CLOUDS[name]))

    def moved(*wanted):
        found = [move for move in moves if (move.side, move.does, move.when) == wanted]
        return [(move.node, move.bridge, move.port) for move in found]

    assert moved(SEED, "leaves", network.ISOLATION) == moved(SEED, "comes", network.SWITCH)
    assert moved(SEED, "comes", network.ISOLATION) == moved(SEED, "leaves", network.SWITCH)
    assert {node for node, _, _ in moved(ORIGINAL, "leaves", network.SWITCH)} == {"node-1", "node-2", "node-3"}


def test_the_ports_are_those_of_the_plan():
    members = cloud(*CLOUDS["bonds-to-template"])
    ports = network.ports(members)
    assert set(ports) == {f"node-{number}" for number in range(1, 7)}
    planned = [(move.bridge, move.port) for move in network.moves(members) if move.node == "node-1"]
    assert [(port["bridge"], port["port"]) for port in ports["node-1"]] == planned


def test_what_was_recorded_of_a_node_counts_and_not_what_is_computed_now():
    members = [Member("node-4", SEED, layouts.PLAIN)]
    recorded = network.ports([Member("node-4", SEED, layouts.BOND)])
    assert {move.port for move in network.moves(members, recorded)} == {"eth2.101", "eth2"}


def test_one_node_that_cannot_be_planned_refuses_the_whole_and_every_such_node_is_named():
    lost = layouts.made(layouts.bridge("br-mgmt"), layouts.bridge("br-ex"), layouts.port("eth1", "br-ex"))
    shared = {**layouts.PLAIN, "roles": {**layouts.ROLES, "mgmt/vip": "br-storage"}}
    members = [*cloud(*CLOUDS["before-the-seed"]), Member("node-8", ORIGINAL, lost), Member("node-9", SEED, shared)]
    for compute in (network.moves, network.ports):
        with pytest.raises(Refused) as refused:
            compute(members)
        told = str(refused.value)
        assert "node-8: no port in its network_scheme joins br-mgmt" in told
        assert "node-9: cutting management and public off would cut off storage on bridge br-storage" in told
        assert "node-1" not in told


def test_a_compute_that_has_no_management_network_is_refused_too():
    with pytest.raises(Refused, match="node-7: its network_scheme names no bridge"):
        network.moves([Member("node-7", ORIGINAL, {"roles": {}}, is_controller=False)])
