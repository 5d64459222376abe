"""The seed's network before it is deployed: what is configured, and whether its controllers can reach each other."""

import pytest

from octane.errors import Refused
from octane.procedure.isolation import SCHEMES, gateways
from octane.procedure.seed_network import Overlay, network_tasks, overlay_plans
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

TASKS = [
    {"id": "deploy_start", "type": "stage"},
    {"id": "controller", "type": "group", "required_for": ["netconfig"]},
    {"id": "netconfig", "type": "puppet", "requires": ["tools"], "required_for": ["deploy_end"]},
    {"id": "tools", "type": "puppet", "requires": ["globals"]},
    {"id": "globals", "type": "puppet", "requires": ["hiera"]},
    {"id": "hiera", "type": "puppet", "requires": ["deploy_start"]},
    {"id": "fuel_pkgs", "type": "puppet", "requires": ["deploy_start"], "required_for": ["hiera"]},
    {"id": "database", "type": "puppet", "requires": ["netconfig"]},
]


def test_the_network_and_only_what_it_needs_in_order():
    assert network_tasks(TASKS) == ["fuel_pkgs", "hiera", "globals", "tools", "netconfig"]


def test_a_graph_without_a_network_has_no_tasks_for_it():
    assert network_tasks(TASKS[:2]) == []


def test_the_seeds_controllers_get_the_gateways_that_the_isolation_took_and_no_other():
    own = {"br-pub": {"IP": ["172.16.0.4/24"], "gateway": "172.16.0.1"}, "br-fw-admin": {"IP": ["10.20.0.4/24"]}}
    scheme = {"endpoints": {**own, "br-mgmt": {"gateway": "none"}}, "roles": {"admin/pxe": "br-fw-admin"}}
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(5, SEED, "controller")]
    ctx = FakeContext(FakeNodes({}), None, members)
    assert gateways(ctx) == {"plans": {}}, "a seed of before such things were recorded"
    ctx.record(SCHEMES, {"node-4": scheme})
    assert gateways(ctx) == {"plans": {"node-4": {"br-fw-admin": None, "br-pub": "172.16.0.1"}}}


@pytest.mark.parametrize(
    ("reaches", "told"),
    [
        (False, "packets of 1500 bytes, and the administration network drops them from node-5 to 10.20.0.132"),
        (None, "10.20.0.132 does not answer a ping from node-5 over the administration network"),
    ],
    ids=["narrow", "silent"],
)
def test_a_path_that_does_not_carry_the_overlay_is_refused_with_both_ends(reaches, told):
    answers = {"octane_net.mtu_to": lambda minion, remote, size: {"whole": reaches if minion == "node-5" else True}}
    plans = overlay_plans(
        {"node-4": "10.20.0.132", "node-5": "10.20.0.133"},
        {"node-4": {"management": "br-mgmt"}, "node-5": {"management": "br-mgmt"}},
        {"management": 1},
    )
    with pytest.raises(Refused, match=told):
        Overlay()._check_path(FakeContext(FakeNodes(answers), None, []), plans)
