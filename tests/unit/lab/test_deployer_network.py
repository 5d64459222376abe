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
    assert ports(scheme, "br-ex") == ["eth1", "p_br-floating-0"]


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


def test_both_bridges_of_a_patch_have_one_end_each_and_either_makes_the_pair(scheme):
    assert ports(scheme, "br-prv") == ["p_br-prv-1"]
    assert ports(scheme, "br-aux") == ["eth3", "p_br-prv-0"]
    for bridge in ("br-prv", "br-aux"):
        assert "ip link add p_br-prv-" in stanzas(scheme)[bridge]


def test_a_bridge_is_there_with_its_address_before_ifup_would_make_it_and_wait(scheme):
    lines = stanzas(scheme)["br-ex"].splitlines()
    address = next(line.split()[1] for line in lines if line.startswith("bridge_hw "))
    made = f"pre-up ip link show br-ex >/dev/null 2>&1 || ip link add br-ex address {address} type bridge"
    assert lines.index(made) < lines.index("bridge_hw " + address)


def test_names_of_patches_fit_the_kernel():
    for bridge in ("br-prv", "br-floating", "br-a-very-long-one"):
        assert all(len(name) <= network.NAME_LIMIT for name in network.patch_ends(bridge))


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
