from octane.procedure.isolation import SCHEMES, gateways
from octane.procedure.seed_network import network_tasks
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
