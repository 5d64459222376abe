from octane.procedure.seed_network import network_tasks

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
