"""Isolation is computed from roles and ports; what cannot be isolated is refused, never passed over."""

import ast
import copy

import pytest

from octane.errors import Refused
from octane.fuel import scheme

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


def port(found, name):
    return next(entry for entry in found["transformations"] if entry["action"] == "add-port" and entry["name"] == name)


def test_the_ports_of_management_and_public_join_no_bridge(controller):
    cut = scheme.isolate(controller, "node-4", "10.20.0.1").scheme
    assert "bridge" not in port(cut, "eth1")
    assert "bridge" not in port(cut, "eth2.101")
    assert scheme.is_isolated(cut, "node-4")


def test_other_ports_and_all_addresses_stay(controller):
    cut = scheme.isolate(controller, "node-4", "10.20.0.1").scheme
    kept = ("eth0", "eth2.102", "eth3")
    assert [port(cut, name)["bridge"] for name in kept] == ["br-fw-admin", "br-storage", "br-aux"]
    assert {b: e["IP"] for b, e in cut["endpoints"].items()} == {b: e["IP"] for b, e in controller["endpoints"].items()}


def test_the_default_route_moves_to_administration(controller):
    endpoints = scheme.isolate(controller, "node-4", "10.20.0.1").scheme["endpoints"]
    assert endpoints["br-ex"]["gateway"] == "none"
    assert endpoints["br-fw-admin"]["gateway"] == "10.20.0.1"


def test_what_to_attach_later_is_known(controller):
    found = scheme.isolate(controller, "node-4", "10.20.0.1").uplinks
    assert found == (
        scheme.Uplink("management", "br-mgmt", "eth2.101", "lnx"),
        scheme.Uplink("public", "br-ex", "eth1", "lnx"),
    )


def test_the_scheme_given_is_not_changed(controller):
    before = copy.deepcopy(controller)
    scheme.isolate(controller, "node-4", "10.20.0.1")
    assert controller == before
    assert not scheme.is_isolated(controller, "node-4")


def test_roles_are_followed_to_bridges_of_any_name(controller):
    text = repr(controller).replace("br-mgmt", "br-inside").replace("br-ex", "br-outside")
    found = scheme.uplinks(ast.literal_eval(text), "node-4")
    assert [uplink.bridge for uplink in found] == ["br-inside", "br-outside"]


def test_roles_of_6_1_are_understood(controller):
    controller["roles"] = {"management": "br-mgmt", "ex": "br-ex", "storage": "br-storage", "fw-admin": "br-fw-admin"}
    assert [uplink.port for uplink in scheme.uplinks(controller, "node-1")] == ["eth2.101", "eth1"]


def test_one_bridge_for_both_is_cut_once(controller):
    controller["roles"]["public/vip"] = "br-mgmt"
    assert [uplink.port for uplink in scheme.uplinks(controller, "node-4")] == ["eth2.101"]


def test_two_ports_of_a_bridge_are_both_cut(controller):
    controller["transformations"].append(step("add-port", bridge="br-mgmt", name="eth4"))
    cut = scheme.isolate(controller, "node-4", "10.20.0.1")
    assert [uplink.port for uplink in cut.uplinks] == ["eth2.101", "eth4", "eth1"]
    assert scheme.is_isolated(cut.scheme, "node-4")


def bond(found):
    found["transformations"] = [entry for entry in found["transformations"] if entry.get("name") != "eth1"]
    found["transformations"].append(step("add-bond", name="bond0", bridge="br-ex", interfaces=["eth1", "eth4"]))


def patch_out(found):
    found["transformations"].append(step("add-port", bridge="br-floating", name="eth4"))


def no_port(found):
    found["transformations"] = [entry for entry in found["transformations"] if entry.get("name") != "eth2.101"]


def shared_with_administration(found):
    found["roles"]["mgmt/vip"] = "br-fw-admin"


def no_role(found):
    del found["roles"]["public/vip"], found["roles"]["ex"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (bond, "bond0"),
        (patch_out, "br-floating with port eth4"),
        (no_port, "br-mgmt"),
        (shared_with_administration, "br-fw-admin"),
        (no_role, "public/vip"),
    ],
)
def test_what_cannot_be_isolated_is_refused_by_name(controller, spoil, named):
    spoil(controller)
    with pytest.raises(Refused, match="node-4") as refused:
        scheme.isolate(controller, "node-4", "10.20.0.1")
    assert named in str(refused.value)
    assert refused.value.node == "node-4"
