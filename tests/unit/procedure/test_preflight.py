"""All that stands in the way of an upgrade is told at once, each thing by its name."""

import dataclasses

import pytest

from octane.errors import BadInput
from octane.fuel.tasks import Task
from octane.procedure import preflight
from tests.unit.procedure.nodes import DISK, controller, node


def nics(*names):
    nets = [{"id": 1, "name": "management"}]
    return [{"name": name, "type": "ether", "pxe": name == "eth0", "assigned_networks": nets} for name in names]


@pytest.fixture
def good():
    nodes = [controller(1), controller(2), controller(3), node(4), node(5), node(6)]
    return preflight.Snapshot(
        environment={"id": 1, "name": "prod", "status": "operational", "mode": "ha_compact", "net_provider": "neutron"},
        release={"version": "2014.2.2-6.1", "operating_system": "Ubuntu"},
        target={"id": 4, "version": "2015.1.0-7.0"},
        attributes={
            "common": {"libvirt_type": {"value": "kvm"}, "use_vcenter": {"value": False}},
            "additional_components": {"heat": {"value": True}, "ceilometer": {"value": False}},
        },
        network={"networking_parameters": {"segmentation_type": "vlan", "configuration_template": None}},
        nodes=tuple(nodes),
        spares=(4, 5, 6),
        interfaces={found.id: nics("eth0", "eth1") for found in nodes},
    )


def bond(*slaves):
    return {**nics("bond0")[0], "type": "bond", "slaves": [{"name": name} for name in slaves]}


def told(snapshot, **changes):
    return preflight.problems(dataclasses.replace(snapshot, **changes))


def test_a_cloud_of_the_reference_architecture_passes(good):
    assert preflight.problems(good) == []


def section(good, name, **values):
    return {**good.attributes, name: {**good.attributes.get(name, {}), **{k: {"value": v} for k, v in values.items()}}}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (lambda g: {"environment": {**g.environment, "status": "error"}}, "'error'"),
        (lambda g: {"environment": {**g.environment, "mode": "multinode"}}, "multinode"),
        (lambda g: {"environment": {**g.environment, "net_provider": "nova_network"}}, "nova_network"),
        (lambda g: {"release": {**g.release, "operating_system": "CentOS"}}, "CentOS"),
        (lambda g: {"release": {**g.release, "version": "2015.1.0-7.0"}}, "2015.1.0-7.0 already"),
        (lambda g: {"release": {**g.release, "version": "2014.1.3-5.1"}}, "not one of Fuel 6.x"),
        (lambda g: {"release": {**g.release, "version": "newton-10.0"}}, "already"),
        (lambda g: {"attributes": section(g, "common", libvirt_type="vcenter")}, "neither KVM nor QEMU"),
        (lambda g: {"attributes": section(g, "common", use_vcenter=True)}, "vCenter"),
        (lambda g: {"attributes": section(g, "storage", images_ceph=True, volumes_ceph=False)}, "keeps images in Ceph"),
        (lambda g: {"attributes": section(g, "additional_components", murano=True)}, "leave_behind: [murano]"),
        (
            lambda g: {"attributes": {**g.attributes, "zabbix": {"metadata": {"plugin_id": 1, "enabled": True}}}},
            "zabbix",
        ),
        (lambda g: {"network": {"networking_parameters": {"segmentation_type": "gre"}}}, "gre"),
        (lambda g: {"nodes": (controller(1, online=False), *g.nodes[1:])}, "node-1 is offline"),
        (lambda g: {"nodes": (controller(1, status="error"), *g.nodes[1:])}, "node-1 is 'error'"),
        (lambda g: {"nodes": g.nodes[3:]}, "no controller"),
        (lambda g: {"running": (Task(9, "deploy", "running", 1, 5, None),)}, "deploy (9)"),
        (lambda g: {"clone_ips": False}, "octane prepare"),
        (lambda g: {"spares": ()}, "no free node"),
        (lambda g: {"spares": (4, 5, 6, 7), "nodes": (*g.nodes, node(7))}, "more than the 3"),
        (lambda g: {"spares": (4, 99)}, "no node 99"),
        (lambda g: {"nodes": (*g.nodes[:3], node(4, cluster=7), *g.nodes[4:])}, "belongs to environment 7"),
        (lambda g: {"nodes": (*g.nodes[:3], node(4, online=False), *g.nodes[4:])}, "node-4 is offline"),
        (lambda g: {"nodes": (*g.nodes[:3], node(4, status="error"), *g.nodes[4:])}, "node-4 is 'error'"),
        (lambda g: {"nodes": (controller(1, meta={"disks": [DISK, DISK]}), *g.nodes[1:])}, "node-4 has 1 disks"),
        (lambda g: {"interfaces": {**g.interfaces, 5: nics("eth0")}}, "node-5 has no interface eth1"),
        (lambda g: {"interfaces": {**g.interfaces, 5: nics("eth1")}}, "node-5 is known to boot"),
        (lambda g: {"interfaces": {**g.interfaces, 1: [bond("eth1", "eth7")]}}, "node-4 has no interface eth7"),
    ],
)
def test_each_problem_is_named(good, changes, named):
    assert any(named in problem for problem in told(good, **changes(good))), told(good, **changes(good))


def test_all_problems_are_told_at_once(good):
    found = told(good, environment={**good.environment, "status": "error", "mode": "multinode"}, spares=(99,))
    assert len(found) == 3


def test_what_is_knowingly_left_behind_is_no_problem(good):
    assert told(good, attributes=section(good, "additional_components", murano=True), leave_behind=("murano",)) == []


def test_nodes_that_are_in_the_seed_already_are_no_problem(good):
    nodes = (*good.nodes[:3], controller(4, environment=2, status="provisioning"), *good.nodes[4:])
    assert told(good, nodes=nodes, seed=2) == []
    assert told(good, nodes=nodes, seed=5) != []


def test_free_nodes_of_lowest_id_are_chosen_one_for_each_controller():
    nodes = [node(9), node(8), node(7, online=False), node(6, cluster=1), node(5, status="error"), node(10)]
    assert preflight.choose_spares(nodes, 2) == [8, 9]
    assert preflight.choose_spares([node(number) for number in range(20, 30)], 5) == [20, 21, 22]


@pytest.mark.parametrize("values", [["x"], [0], [-1], ["4", 4], [True], ["٤"], ["4 5"]])
def test_what_is_no_list_of_nodes_is_bad_input(values):
    with pytest.raises(BadInput):
        preflight.check_ids(values)


def test_ids_may_come_as_text():
    assert preflight.check_ids(["4", 5]) == [4, 5]


@pytest.fixture
def node_by_node(good):
    """Three controllers of which the first is to move; there is no spare server."""
    return dataclasses.replace(good, nodes=good.nodes[:3], spares=(1,), node_by_node=True)


def test_three_controllers_need_no_spare_server(node_by_node):
    assert preflight.problems(node_by_node) == []


def test_it_is_no_problem_when_it_has_moved_already(node_by_node):
    nodes = (controller(1, environment=2, status="provisioning"), *node_by_node.nodes[1:])
    assert told(node_by_node, nodes=nodes, seed=2) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (lambda g: {"nodes": g.nodes[:1]}, "one controller, and nobody would serve"),
        (lambda g: {"nodes": g.nodes[:2]}, "one vote of two: that is no quorum"),
        (lambda g: {"nodes": (controller(1, environment=2), g.nodes[1])}, "one vote of two"),
        (lambda g: {"nodes": (controller(1, pending_roles=["cinder"]), *g.nodes[1:])}, "node-1 is cinder as well"),
        (lambda g: {"interfaces": {**g.interfaces, 1: nics("eth1")}}, "node-1 is known to boot"),
        (lambda g: {"nodes": (*g.nodes[:2], controller(3, online=False))}, "node-3 is offline"),
    ],
)
def test_what_stands_in_the_way_of_moving_a_controller_is_named(node_by_node, changes, named):
    found = told(node_by_node, **changes(node_by_node))
    assert len(found) == 1 and named in found[0], found


def test_who_is_refused_is_told_the_other_way(node_by_node):
    assert "`octane upgrade-env 1`" in told(node_by_node, nodes=node_by_node.nodes[:1])[0]
