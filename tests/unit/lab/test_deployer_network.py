"""A node's network from its facts: what the scheme says, to the letter."""

from __future__ import annotations

import pytest

from lab.deployer import network
from lab.deployer.errors import UnsupportedFacts
from tests.unit.lab.deployment_facts import facts


def stanzas(scheme):
    files = network.files(network.devices(scheme, "node-1"))
    return {file.path.rpartition("ifcfg-")[2]: file.content for file in files}


def ports(scheme, bridge):
    return network.bridge_ports(stanzas(scheme)[bridge])


@pytest.fixture
def scheme():
    return facts("7.0")[0]["network_scheme"]


def port_of(scheme, bridge):
    return next(t for t in scheme["transformations"] if t["action"] == "add-port" and t.get("bridge") == bridge)


def test_an_ordinary_controller_has_its_ports_in_its_bridges(scheme):
    assert ports(scheme, "br-mgmt") == ["eth2.101"]
    assert ports(scheme, "br-fw-admin") == ["eth0"]
    assert sorted(ports(scheme, "br-ex")) == ["eth1", "p_ff798dba-0"]


def test_a_port_without_a_bridge_leaves_the_bridge_without_it_but_stays_a_device(scheme):
    del port_of(scheme, "br-mgmt")["bridge"]
    assert ports(scheme, "br-mgmt") == []
    assert "bridge_ports none" in stanzas(scheme)["br-mgmt"]
    assert "address 192.168.0.3/24" in stanzas(scheme)["br-mgmt"]
    assert "iface eth2.101 inet manual" in stanzas(scheme)["eth2.101"]


def test_a_port_that_is_left_out_is_no_device_at_all(scheme):
    scheme["transformations"].remove(port_of(scheme, "br-mgmt"))
    assert ports(scheme, "br-mgmt") == []
    assert "eth2.101" not in stanzas(scheme)


def test_a_gateway_of_none_is_no_gateway(scheme):
    assert "gateway 172.16.0.1" in stanzas(scheme)["br-ex"]
    scheme["endpoints"]["br-ex"]["gateway"] = "none"
    assert "gateway" not in stanzas(scheme)["br-ex"]


def test_a_patch_of_two_kinds_of_bridges_is_a_device_that_both_have(scheme):
    """As Fuel 7.0 has p_ff798dba-0 in br-floating and in br-ex."""
    stanza = stanzas(scheme)["p_ff798dba-0"].splitlines()
    assert stanza[2:] == ["ovs_type OVSIntPort", "ovs_bridge br-floating"]
    lines = stanzas(scheme)["br-ex"].splitlines()
    assert lines.index("pre-up ifup br-floating") < lines.index("pre-up ifup p_ff798dba-0")
    order = [device.name for device in network.devices(scheme, "node-1")]
    assert order.index("br-floating") < order.index("p_ff798dba-0") < order.index("br-ex")


def test_a_bridge_of_open_vswitch_is_made_by_its_scripts(scheme):
    assert "ovs_type OVSBridge" in stanzas(scheme)["br-prv"]
    assert "bridge_ports" not in stanzas(scheme)["br-prv"]
    del port_of(scheme, "br-aux")["bridge"]
    scheme["transformations"].append({"action": "add-port", "name": "eth3", "bridge": "br-prv"})
    assert stanzas(scheme)["eth3"].splitlines()[2:] == ["ovs_type OVSPort", "ovs_bridge br-prv"]


def test_both_linux_bridges_of_a_patch_have_one_end_each_and_either_makes_the_pair(scheme):
    scheme["transformations"].append({"action": "add-patch", "bridges": ["br-storage", "br-mgmt"]})
    one, other = network.patch_ends("br-storage", "br-mgmt")
    assert ports(scheme, "br-storage") == ["eth2.102", one]
    assert ports(scheme, "br-mgmt") == ["eth2.101", other]
    for bridge in ("br-storage", "br-mgmt"):
        assert f"ip link add {one if bridge == 'br-storage' else other}" in stanzas(scheme)[bridge]


def test_two_bridges_of_open_vswitch_are_not_joined_here(scheme):
    scheme["transformations"].append({"action": "add-patch", "bridges": ["br-prv", "br-floating"]})
    with pytest.raises(UnsupportedFacts, match=r"node-1.*Open vSwitch"):
        network.devices(scheme, "node-1")


def test_a_bridge_is_there_with_its_address_before_ifup_would_make_it_and_wait(scheme):
    lines = stanzas(scheme)["br-ex"].splitlines()
    address = next(line.split()[1] for line in lines if line.startswith("bridge_hw "))
    made = f"pre-up ip link show br-ex >/dev/null 2>&1 || ip link add br-ex address {address} type bridge"
    assert lines.index(made) < lines.index("bridge_hw " + address)


def test_a_bridge_without_an_address_is_brought_up_without_one(scheme):
    assert "iface br-prv inet manual" in stanzas(scheme)["br-prv"]


def test_a_bond_is_refused_by_name(scheme):
    scheme["transformations"].append({"action": "add-bond", "name": "bond0", "interfaces": ["eth4", "eth5"]})
    with pytest.raises(UnsupportedFacts, match=r"node-1.*bond0"):
        network.devices(scheme, "node-1")


def test_a_port_of_a_bridge_that_nobody_adds_is_refused(scheme):
    scheme["transformations"].append({"action": "add-port", "name": "eth9", "bridge": "br-gone"})
    with pytest.raises(UnsupportedFacts, match=r"eth9.*br-gone"):
        network.devices(scheme, "node-1")


def test_ports_come_before_the_bridges_that_take_them(scheme):
    order = [device.name for device in network.devices(scheme, "node-1")]
    assert order.index("eth2.101") < order.index("br-mgmt")
    assert order.index("eth0") < order.index("br-fw-admin")
