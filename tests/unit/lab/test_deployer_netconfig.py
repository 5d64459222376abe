"""Applying a node's network: what others plugged into a bridge stays."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from lab.deployer import netconfig, network
from tests.unit.lab.deployment_facts import facts


class FakeHost:
    """A host that remembers what was run; its devices are those it was given and those that were made."""

    def __init__(self, root, links):
        self.root = root
        self.links = set(links)
        self.commands = []

    def run(self, argv, check=True):
        self.commands.append(argv)
        if argv[:4] == ["ip", "-j", "link", "show"]:
            return SimpleNamespace(stdout=json.dumps([{"ifname": name} for name in sorted(self.links)]), returncode=0)
        if argv[0] == "ifup":
            self.links.add(argv[-1])
        if argv[0] == "ifdown":
            self.links.discard(argv[-1])
        return SimpleNamespace(stdout="", returncode=0)

    def write(self, path, text, mode=0o644, owner=None):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def plug_vlan(self, nic, vlan):
        self.links.add(f"{nic}.{vlan}")
        return f"{nic}.{vlan}"

    def ran(self, *words):
        return [argv for argv in self.commands if argv[: len(words)] == list(words)]


@pytest.fixture
def scheme():
    return facts("7.0")[0]["network_scheme"]


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path, {"lo", "eth0", "eth1", "eth2", "eth3"})


def apply(host, scheme):
    return netconfig.apply(host, network.devices(scheme, "node-1"))


def isolate(scheme):
    for transformation in scheme["transformations"]:
        if transformation.get("bridge") in ("br-mgmt", "br-ex"):
            del transformation["bridge"]


def test_a_bare_node_gets_its_bridges_and_tagged_interfaces(host, scheme):
    apply(host, scheme)
    assert {"br-mgmt", "br-ex", "br-storage", "eth2.101"} <= host.links
    assert host.ran("ip", "address", "flush", "dev", "eth0")


def test_a_second_time_takes_nothing_down(host, scheme):
    apply(host, scheme)
    host.commands.clear()
    assert apply(host, scheme) == []
    assert not host.ran("ifup") and not host.ran("ifdown")
    assert not [argv for argv in host.commands if "nomaster" in argv]


def test_an_overlay_in_an_isolated_bridge_survives_the_deployment(host, scheme):
    isolate(scheme)
    apply(host, scheme)
    host.links.add("vxlan-101")
    host.commands.clear()
    apply(host, scheme)
    assert not [argv for argv in host.commands if "vxlan-101" in argv]
    assert not host.ran("ifdown")


def test_ports_given_back_are_plugged_in_without_taking_the_bridge_down(host, scheme):
    isolated = facts("7.0")[0]["network_scheme"]
    isolate(isolated)
    apply(host, isolated)
    host.commands.clear()
    apply(host, scheme)
    assert host.ran("ip", "link", "set", "eth2.101", "master", "br-mgmt")
    assert not host.ran("ifdown") and not host.ran("ifup", "--force", "br-mgmt")


def test_ports_taken_away_are_unplugged(host, scheme):
    apply(host, scheme)
    isolate(scheme)
    host.commands.clear()
    apply(host, scheme)
    assert host.ran("ip", "link", "set", "eth1", "nomaster")
    assert host.ran("ip", "link", "set", "eth2.101", "nomaster")


def test_devices_that_the_scheme_no_longer_has_are_removed(host, scheme):
    apply(host, scheme)
    for transformation in list(scheme["transformations"]):
        if "br-storage" in (transformation.get("name", ""), transformation.get("bridge")):
            scheme["transformations"].remove(transformation)
    del scheme["endpoints"]["br-storage"]
    apply(host, scheme)
    assert not (host.root / "etc/network/interfaces.d/ifcfg-br-storage").exists()
    assert host.ran("ifdown", "--force", "br-storage")
