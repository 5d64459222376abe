"""Isolation is computed from roles and ports, whatever the layout; what cannot be isolated is refused by name."""

import ast
import copy

import pytest

from octane.errors import Refused
from octane.fuel import uplinks as ways

BRIDGES = ("br-fw-admin", "br-mgmt", "br-storage", "br-ex", "br-aux")


def step(action, **keys):
    return {"action": action, **keys}


@pytest.fixture
def controller():
    """What Nailgun 7.0 computes for a controller with Neutron VLAN segmentation."""
    return {
        "version": "1.1",
        "provider": "lnx",
        "roles": {
            "mgmt/vip": "br-mgmt",
            "management": "br-mgmt",
            "mgmt/database": "br-mgmt",
            "public/vip": "br-ex",
            "ex": "br-ex",
            "storage": "br-storage",
            "admin/pxe": "br-fw-admin",
            "fw-admin": "br-fw-admin",
            "neutron/private": "br-prv",
            "neutron/floating": "br-floating",
        },
        "endpoints": {
            "br-fw-admin": {"IP": ["10.20.0.134/24"]},
            "br-mgmt": {"IP": ["192.168.0.3/24"]},
            "br-storage": {"IP": ["192.168.1.4/24"]},
            "br-ex": {"IP": ["172.16.0.4/24"], "gateway": "172.16.0.1"},
            "br-prv": {"IP": "none"},
        },
        "interfaces": {},
        "transformations": [
            *(step("add-br", name=name) for name in BRIDGES),
            step("add-br", name="br-floating", provider="ovs"),
            step("add-patch", bridges=["br-floating", "br-ex"], provider="ovs", mtu=65000),
            step("add-br", name="br-prv", provider="ovs"),
            step("add-patch", bridges=["br-prv", "br-aux"], provider="ovs", mtu=65000),
            step("add-port", bridge="br-fw-admin", name="eth0"),
            step("add-port", bridge="br-ex", name="eth1"),
            step("add-port", bridge="br-storage", name="eth2.102"),
            step("add-port", bridge="br-mgmt", name="eth2.101"),
            step("add-port", bridge="br-aux", name="eth3"),
        ],
    }


PATCH = "p_e52381cd-0"
PRIVATE = ways.Uplink(
    *("private", "br-prv", "br-aux", PATCH, "lnx", "patch"), {"peer": {"bridge": "br-prv", "port": PATCH}}
)
"""What joins the tenants' bridge, which Open vSwitch makes, to the Linux one with the network card."""


def port(found, name):
    return next(entry for entry in found["transformations"] if entry["action"] == "add-port" and entry["name"] == name)


def test_the_ports_of_management_and_public_join_no_bridge_and_tenants_are_not_reached(controller):
    cut = ways.isolate(controller, "node-4", "10.20.0.1").scheme
    assert "bridge" not in port(cut, "eth1")
    assert "bridge" not in port(cut, "eth2.101")
    patched = [entry["bridges"] for entry in cut["transformations"] if entry["action"] == "add-patch"]
    assert patched == [["br-floating", "br-ex"]]
    assert ways.is_isolated(cut, "node-4")


def test_other_ports_and_all_addresses_stay(controller):
    cut = ways.isolate(controller, "node-4", "10.20.0.1").scheme
    kept = ("eth0", "eth2.102", "eth3")
    assert [port(cut, name)["bridge"] for name in kept] == ["br-fw-admin", "br-storage", "br-aux"]
    assert {b: e["IP"] for b, e in cut["endpoints"].items()} == {b: e["IP"] for b, e in controller["endpoints"].items()}


def test_the_default_route_moves_to_administration(controller):
    endpoints = ways.isolate(controller, "node-4", "10.20.0.1").scheme["endpoints"]
    assert endpoints["br-ex"]["gateway"] == "none"
    assert endpoints["br-fw-admin"]["gateway"] == "10.20.0.1"


def test_what_to_attach_later_is_known(controller):
    found = ways.isolate(controller, "node-4", "10.20.0.1").uplinks
    assert found == (
        ways.Uplink("management", "br-mgmt", "br-mgmt", "eth2.101", "lnx"),
        ways.Uplink("public", "br-ex", "br-ex", "eth1", "lnx"),
        PRIVATE,
    )


def test_the_scheme_given_is_not_changed(controller):
    before = copy.deepcopy(controller)
    ways.isolate(controller, "node-4", "10.20.0.1")
    assert controller == before
    assert not ways.is_isolated(controller, "node-4")


def test_roles_are_followed_to_bridges_of_any_name(controller):
    text = repr(controller).replace("br-mgmt", "br-inside").replace("br-ex", "br-outside")
    found = ways.uplinks(ast.literal_eval(text), "node-4")
    assert [uplink.serves for uplink in found] == ["br-inside", "br-outside", "br-prv"]


def test_roles_of_6_1_are_understood(controller):
    controller["roles"] = {"management": "br-mgmt", "ex": "br-ex", "storage": "br-storage", "fw-admin": "br-fw-admin"}
    assert [uplink.port for uplink in ways.uplinks(controller, "node-1")] == ["eth2.101", "eth1"]


def test_one_bridge_for_both_is_cut_once(controller):
    controller["roles"]["public/vip"] = "br-mgmt"
    assert [uplink.port for uplink in ways.uplinks(controller, "node-4")] == ["eth2.101", PRIVATE.port]


def test_two_ports_of_a_bridge_are_both_cut(controller):
    controller["transformations"].append(step("add-port", bridge="br-mgmt", name="eth4"))
    cut = ways.isolate(controller, "node-4", "10.20.0.1")
    assert [uplink.port for uplink in cut.uplinks] == ["eth2.101", "eth4", "eth1", PRIVATE.port]
    assert ways.is_isolated(cut.scheme, "node-4")


def drop(found, name):
    found["transformations"] = [entry for entry in found["transformations"] if entry.get("name") != name]


def made_by_ovs(found, *bridges):
    for name in bridges:
        drop(found, name)
        found["transformations"].insert(0, step("add-br", name=name, provider="ovs"))


def out_through(found, bridge, port, *patched):
    """BRIDGE, made last, holds PORT, and the bridges PATCHED reach the network through it alone."""
    drop(found, port)
    found["transformations"] += [step("add-br", name=bridge), step("add-port", name=port, bridge=bridge)]
    found["transformations"] += [step("add-patch", bridges=[bridge, name]) for name in patched]


def cut_of(found):
    cut = ways.isolate(found, "node-4", "10.20.0.1")
    assert ways.is_isolated(cut.scheme, "node-4")
    return cut


def moved(cut):
    return [(one.serves, one.bridge, one.port, one.provider, one.kind) for one in cut.uplinks]


def test_a_bond_is_taken_out_of_its_bridge_and_goes_on_carrying_what_else_it_carries(controller):
    drop(controller, "eth1"), drop(controller, "eth2.102")
    bond = step("add-bond", name="bond0", bridge="br-ex", interfaces=["eth1", "eth4"], bond_properties={"mode": "1"})
    controller["transformations"] += [bond, step("add-port", name="bond0.102", bridge="br-storage")]
    cut = cut_of(controller)
    assert moved(cut)[1] == ("br-ex", "br-ex", "bond0", "lnx", "bond")
    left = {entry["name"]: entry for entry in cut.scheme["transformations"] if "name" in entry}
    assert "bridge" not in left["bond0"] and left["bond0"]["interfaces"] == ["eth1", "eth4"]
    assert left["bond0.102"]["bridge"] == "br-storage"


def test_a_bond_of_open_vswitch_is_made_again_from_its_interfaces(controller):
    drop(controller, "eth1")
    made_by_ovs(controller, "br-ex")
    properties = {"mode": "balance-slb", "xmit_hash_policy": "layer2", "lacp_rate": "fast"}
    bond = step("add-bond", name="bond0", bridge="br-ex", interfaces=["eth1", "eth4"], bond_properties=properties)
    controller["transformations"].append(bond)
    cut = cut_of(controller)
    assert cut.uplinks[1].as_dict()["bond"] == {
        "interfaces": ["eth1", "eth4"],
        "mode": "balance-slb",
        "lacp_rate": "fast",
    }
    assert bond not in cut.scheme["transformations"]


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ({"bond_properties": {"mode": "lacp-balance-tcp"}}, {"mode": "balance-tcp", "lacp": "active"}),
        ({"properties": ["lacp=active", "bond_mode=balance-tcp"]}, {"mode": "balance-tcp", "lacp": "active"}),
        ({}, {}),
    ],
)
def test_properties_of_a_bond_are_understood_as_each_release_says_them(controller, said, understood):
    drop(controller, "eth1")
    made_by_ovs(controller, "br-ex")
    bond = step("add-bond", name="bond0", bridge="br-ex", interfaces=["eth1", "eth4"], **said)
    controller["transformations"].append(bond)
    assert cut_of(controller).uplinks[1].making["bond"] == {"interfaces": ["eth1", "eth4"], **understood}


def test_a_port_of_open_vswitch_is_an_ordinary_interface_while_it_is_cut_off(controller):
    made_by_ovs(controller, "br-ex")
    port(controller, "eth1")["vlan_id"] = 7
    cut = cut_of(controller)
    assert cut.uplinks[1].as_dict() == {
        "purpose": "public",
        "serves": "br-ex",
        "bridge": "br-ex",
        "port": "eth1",
        "provider": "ovs",
        "kind": "port",
        "tag": 7,
    }
    assert port(cut.scheme, "eth1")["provider"] == "lnx"


def test_of_a_shared_bridge_only_the_patch_is_cut(controller):
    drop(controller, "eth2.101"), drop(controller, "eth2.102")
    out_through(controller, "br-bond", "bond0", "br-mgmt", "br-storage")
    cut = cut_of(controller)
    number = "p_e2a6754e"
    assert moved(cut)[0] == ("br-mgmt", "br-mgmt", f"{number}-1", "lnx", "patch")
    assert cut.uplinks[0].making == {"peer": {"bridge": "br-bond", "port": f"{number}-0"}}
    assert step("add-patch", bridges=["br-bond", "br-storage"]) in cut.scheme["transformations"]
    assert port(cut.scheme, "bond0")["bridge"] == "br-bond"


def test_between_two_kinds_of_bridges_the_linux_one_gives_up_the_port(controller):
    """As `ovs-vsctl show` and `brctl show` of Fuel 7.0 have p_ff798dba-0 in br-floating and in br-ex."""
    drop(controller, "eth1")
    controller["transformations"].append(step("add-port", name="eth1", bridge="br-floating"))
    expected = ("br-ex", "br-ex", "p_ff798dba-0", "lnx", "patch")
    assert moved(cut_of(controller))[1] == expected
    made_by_ovs(controller, "br-mgmt")
    out_through(controller, "br-vlan", "eth2.101", "br-mgmt")
    own = cut_of(controller).uplinks[0]
    assert (own.serves, own.bridge, own.provider, own.making["peer"]["bridge"]) == (
        "br-mgmt",
        "br-vlan",
        "lnx",
        "br-mgmt",
    )
    assert own.port == own.making["peer"]["port"]


def test_between_bridges_of_open_vswitch_one_end_of_the_patch_leaves(controller):
    made_by_ovs(controller, "br-mgmt")
    out_through(controller, "br-vlan", "eth2.101", "br-mgmt")
    made_by_ovs(controller, "br-vlan")
    controller["transformations"][-1]["vlan_ids"] = [101, 0]
    own = cut_of(controller).uplinks[0]
    assert own.port.endswith("-0") and (own.bridge, own.provider) == ("br-mgmt", "ovs")
    assert own.making == {"peer": {"bridge": "br-vlan", "port": f"{own.port[:-1]}1", "tag": 101}}


def test_before_6_1_patches_of_open_vswitch_are_called_by_their_bridges(controller):
    del controller["provider"]
    drop(controller, "eth2.101")
    out_through(controller, "br-eth2", "eth2", "br-mgmt", "br-storage")
    controller["transformations"][-2].update(tags=[101, 0], trunks=[0])
    cut = cut_of(controller)
    assert moved(cut) == [
        ("br-mgmt", "br-mgmt", "br-mgmt--br-eth2", "ovs", "patch"),
        ("br-ex", "br-ex", "eth1", "ovs", "port"),
        ("br-prv", "br-prv", "br-prv--br-aux", "ovs", "patch"),
    ]
    assert cut.uplinks[0].making == {
        "peer": {"bridge": "br-eth2", "port": "br-eth2--br-mgmt", "tag": 101, "trunks": [0]},
        "trunks": [0],
    }


def test_a_bridge_of_tenants_goes_with_the_public_one_it_leaves_through(controller):
    drop(controller, "br-aux"), drop(controller, "eth3")
    controller["transformations"].append(step("add-patch", bridges=["br-prv", "br-ex"]))
    assert moved(cut_of(controller))[1:] == [("br-ex", "br-ex", "eth1", "lnx", "port")]


def test_a_bridge_of_tenants_with_cards_of_its_own_gives_them_up(controller):
    drop(controller, "eth3"), drop(controller, "br-aux")
    controller["transformations"][:] = [one for one in controller["transformations"] if "br-aux" not in str(one)]
    controller["transformations"].append(step("add-port", name="eth3", bridge="br-prv"))
    cut = cut_of(controller)
    assert moved(cut)[2:] == [("br-prv", "br-prv", "eth3", "ovs", "port")]
    assert port(cut.scheme, "eth3")["provider"] == "lnx"


def test_tenants_behind_the_card_of_administration_lose_their_patch_alone(controller):
    drop(controller, "br-aux"), drop(controller, "eth3")
    controller["transformations"][:] = [one for one in controller["transformations"] if "br-aux" not in str(one)]
    controller["transformations"].append(step("add-patch", bridges=["br-prv", "br-fw-admin"], provider="ovs"))
    cut = cut_of(controller)
    assert [(one.bridge, one.kind) for one in cut.uplinks[2:]] == [("br-fw-admin", "patch")]
    assert port(cut.scheme, "eth0")["bridge"] == "br-fw-admin"


def test_a_bridge_with_a_port_and_a_patch_to_another_way_out_loses_both(controller):
    controller["transformations"].append(step("add-port", bridge="br-floating", name="eth4"))
    assert [one[2] for one in moved(cut_of(controller))[1:]] == ["eth1", "p_ff798dba-0", PRIVATE.port]


def test_bridges_in_a_row_are_cut_where_the_network_s_own_ends(controller):
    drop(controller, "eth2.101")
    out_through(controller, "br-far", "eth2.101", "br-between")
    controller["transformations"] += [step("add-br", name="br-between")]
    controller["transformations"] += [step("add-patch", bridges=["br-between", "br-mgmt"])]
    (own,) = [one for one in cut_of(controller).uplinks if one.serves == "br-mgmt"]
    assert (own.bridge, own.making["peer"]["bridge"]) == ("br-mgmt", "br-between")


def no_port(found):
    drop(found, "eth2.101")


def shared_with_administration(found):
    found["roles"]["mgmt/vip"] = "br-fw-admin"


def no_role(found):
    del found["roles"]["public/vip"], found["roles"]["ex"]


def storage_behind_public(found):
    drop(found, "eth2.102")
    found["transformations"].append(step("add-patch", bridges=["br-storage", "br-ex"]))


def tenants_on_the_storage_bridge(found):
    found["roles"]["neutron/private"] = "br-storage"


def storage_on_management(found):
    found["roles"]["storage"] = "br-mgmt"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (storage_behind_public, "storage on bridge br-storage"),
        (storage_on_management, "storage on bridge br-mgmt"),
        (tenants_on_the_storage_bridge, "private off would cut off storage on bridge br-storage"),
        (no_port, "br-mgmt"),
        (shared_with_administration, "br-fw-admin"),
        (no_role, "public/vip"),
    ],
)
def test_what_cannot_be_isolated_is_refused_by_name(controller, spoil, named):
    spoil(controller)
    with pytest.raises(Refused, match="node-4") as refused:
        ways.isolate(controller, "node-4", "10.20.0.1")
    assert named in str(refused.value)
    assert refused.value.node == "node-4"
