"""Guests that are machines: which files a cloud with them has, that others have none, and what their consoles tell."""

from pathlib import Path

import pytest

from lab import definition, state
from lab.deployer import cloud, cluster, openstack
from lab.deployer.environment import parse
from lab.guests import command, log
from tests.unit.lab.deployment_facts import facts

VENV = Path("/venv")
CONSOLE = """\
100.000 guest: 10.100.0.101/24 by 10.100.0.2, gateway 10.100.0.1
100.100 64 bytes from 10.100.0.1: seq=0 ttl=64 time=1.2 ms
100.150 64 bytes from 172.16.0.1: seq=0 ttl=63 time=2.0 ms
100.200 64 bytes from 10.100.0.1: seq=1 ttl=64 time=0.9 ms
100.201 64 bytes from 1064 bytes from
100.900 64 bytes from 10.100.0.1: seq=8 ttl=64 time=0.9 ms
"""


def files_of(release, uid, agents):
    environment = parse(facts(release), agents)
    return {file.path: file for file in openstack.files(environment, environment.node(uid), VENV)}


@pytest.mark.parametrize("release", ["6.1", "7.0"])
def test_nodes_have_neutrons_agents_only_where_the_cloud_has_them(release):
    environment = parse(facts(release))
    for node in environment.nodes:
        if node.uid in environment.facts:
            without = files_of(release, node.uid, agents=False)
            assert not [path for path in without if "agent" in path or "guest" in path]
            unit = "/etc/systemd/system/neutron-plugin-openvswitch-agent.service"
            assert unit in files_of(release, node.uid, agents=True)


def test_a_compute_has_the_bridge_of_tenants_alone_and_no_database():
    computes = files_of("6.1", "7", agents=True)
    assert "bridge_mappings = physnet2:br-prv\n" in computes["/etc/neutron/plugins/ml2/openvswitch_agent.ini"].content
    assert "mysql" not in computes["/etc/neutron/neutron.conf"].content
    assert "emulating.EmulatingDriver" in computes["/etc/nova/nova.conf"].content
    assert "/usr/local/sbin/guest" in computes


def test_pacemaker_has_the_same_resources_with_agents_and_with_what_stands_for_them():
    plain, real = parse(facts("6.1")), parse(facts("6.1"), agents=True)
    named = [
        {line.split()[1] for line in cluster.services(each).splitlines() if line.startswith("primitive")}
        for each in (plain, real)
    ]
    assert named[0] == named[1] >= {"p_neutron-l3-agent", "p_neutron-plugin-openvswitch-agent"}
    agents = [{file.path: file.content for file in cluster.files(each)} for each in (plain, real)]
    assert set(agents[0]) == set(agents[1])
    different = {path.rpartition("/")[2] for path in agents[0] if agents[0][path] != agents[1][path]}
    assert different == set(cluster.NEUTRON_AGENTS)


def test_the_network_outside_is_one_that_todays_agents_reach():
    given = facts("6.1")
    networks = {
        "net04": {"L2": {"router_ext": False, "network_type": "vlan", "physnet": "physnet2"}},
        "net04_ext": {"L2": {"router_ext": True, "network_type": "local", "physnet": None}},
    }
    for element in given:
        element["quantum_settings"] = {**element["quantum_settings"], "predefined_networks": networks}
    assert cloud.predefined_networks(parse(given)) == networks
    outside = cloud.predefined_networks(parse(given, agents=True))["net04_ext"]["L2"]
    assert (outside["network_type"], outside["physnet"]) == ("flat", "physnet1")


def test_only_the_profile_for_guests_has_agents():
    clouds = {name: definition.load(definition.PROFILES / f"{name}.yaml") for name in definition.profiles()}
    assert [name for name, cloud in clouds.items() if state.has_agents(cloud)] == ["guests"]


def test_a_gap_is_the_longest_time_without_an_answer_its_ends_included():
    answered = log.answers(CONSOLE.splitlines())
    assert answered["10.100.0.1"] == [100.1, 100.2, 100.9]
    assert log.longest_gap(answered["10.100.0.1"], 100.1, 101) == pytest.approx(0.7)
    assert log.longest_gap(answered["10.100.0.1"], 100.1, 103) == pytest.approx(2.1)
    assert log.longest_gap([], 100, 103) == 3


def test_the_command_tells_each_ping(tmp_path):
    path = tmp_path / "guest.log"
    path.write_text(CONSOLE)
    told = command.of_guest(path, 100.1, 101)
    assert told == [
        {"target": "10.100.0.1", "answers": 3, "gap_ms": 700},
        {"target": "172.16.0.1", "answers": 1, "gap_ms": 850},
    ]
    assert "10.100.0.1" in command.table([{"host": "node-3", "guest": "x", **each} for each in told])
