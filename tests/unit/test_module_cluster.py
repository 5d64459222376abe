"""
What Pacemaker's XML says, old and new, and stopping and starting resources of a cluster that obeys.
"""

import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

RESOURCES = """
<resources>
  <clone id="clone_p_haproxy"><primitive id="p_haproxy" class="ocf" provider="fuel" type="ns_haproxy"/></clone>
  <primitive id="vip__management" class="ocf" provider="fuel" type="ns_IPaddr2">
    <instance_attributes id="a"><nvpair id="1" name="bridge" value="br-mgmt"/>
      <nvpair id="2" name="ns_veth" value="b_management"/><nvpair id="3" name="ip" value="192.168.0.2"/>
      <nvpair id="4" name="ns" value="haproxy"/></instance_attributes>
  </primitive>
  <master id="master_p_rabbitmq-server"><primitive id="p_rabbitmq-server" class="ocf" type="rabbitmq-server"/></master>
  <clone id="clone_p_heat-engine">
    <primitive id="p_heat-engine" class="systemd" type="heat-engine"/>
  </clone>
  <clone id="clone_p_neutron-l3-agent">
    <meta_attributes id="m"/>
    <primitive id="p_neutron-l3-agent" class="ocf" provider="fuel" type="ocf-neutron-l3-agent">
      <meta_attributes id="n"><nvpair id="5" name="target-role" value="stopped"/></meta_attributes>
    </primitive>
  </clone>
  <primitive id="p_ceilometer-agent-central" class="ocf" provider="fuel" type="ceilometer-agent-central"/>
  <primitive id="p_zabbix" class="ocf" provider="site" type="zabbix"/>
  <clone id="clone_ping_vip__public"><primitive id="ping_vip__public" class="ocf" provider="pacemaker" type="ping">
    <instance_attributes id="g"><nvpair id="6" name="multiplier" value="1000"/></instance_attributes>
  </primitive></clone>
</resources>
"""
# 1.1: no <pacemaker-result>, blanks before the slash, an instance that stopped has no node.
OLD_MONITOR = """<?xml version="1.0"?>
<crm_mon version="1.1.12">
  <summary><current_dc present="true" version="1.1.12" name="node-1.domain.tld" with_quorum="true" /></summary>
  <nodes>
    <node name="node-1.domain.tld" id="1" online="true" standby="false" unclean="false" is_dc="true" />
    <node name="node-2.domain.tld" id="2" online="false" standby="true" unclean="true" is_dc="false" />
  </nodes>
  <resources>
    <resource id="vip__management" role="Started" active="true" managed="true" failed="false" nodes_running_on="1" >
      <node name="node-1.domain.tld" id="1" cached="false"/>
    </resource>
    <clone id="clone_p_heat-engine" multi_state="false" unique="false" managed="true" failed="false" >
      <resource id="p_heat-engine" role="Started" active="true" managed="false" failed="true" >
        <node name="node-1.domain.tld" id="1" cached="false"/>
      </resource>
      <resource id="p_heat-engine" role="Stopped" active="false" managed="true" failed="false" nodes_running_on="0" />
    </clone>
    <resource id="p_zabbix" role="Started" active="false" managed="true" failed="false" nodes_running_on="0" />
  </resources>
</crm_mon>
"""
NEW_MONITOR = """<?xml version="1.0"?>
<pacemaker-result api-version="2.25" request="crm_mon -1 --output-as=xml">
  <summary><current_dc present="true" version="2.1.5" name="node-1.domain.tld" with_quorum="false"/>
  </summary>
  <nodes><node name="node-1.domain.tld" id="1" online="true" standby="false" standby_onfail="true" maintenance="false"
    unclean="false" health="green" is_dc="true" resources_running="1" type="member"/></nodes>
  <resources>
    <clone id="clone_p_heat-engine" multi_state="false" unique="false" managed="true" disabled="false" failed="false">
      <resource id="p_heat-engine" role="Started" active="true" orphaned="false" managed="true" failed="false">
        <node name="node-1.domain.tld" id="1" cached="true"/>
      </resource>
    </clone>
  </resources>
</pacemaker-result>
"""


class Cluster:
    """A cluster that does at once what its configuration says; ``stubborn`` resources go on running and failing."""

    def __init__(self, stubborn: tuple[str, ...] = ()) -> None:
        self.root, self.stubborn = ElementTree.fromstring(RESOURCES), stubborn
        self.commands: list[list[str]] = []
        self.node = Node({"cmd.run_all": self.run, "service.status": lambda name: bool(stubborn)})
        # The commands are those of this class, wherever the tests run.
        self.node.modules["octane_cluster"].shutil = SimpleNamespace(which=lambda name: f"/usr/sbin/{name}")

    def run(self, command, **_):
        self.commands.append(command)
        if command[0] == "crm_resource":
            self.set_meta(command)
            return {"retcode": 0, "stdout": "", "stderr": ""}
        if command[0] == "timeout":
            return {"retcode": 124 if self.stubborn else 0, "stdout": "", "stderr": ""}
        if command[0] == "attrd_updater":
            assert "clone_ping_vip__public" in self.told_to_stop(), "the agent would set it too"
            return {"retcode": 0, "stdout": "", "stderr": ""}
        if command[0] == "crm_mon" and "--output-as=xml" in command:
            return {"retcode": 1, "stdout": "", "stderr": "unknown option"}
        answers = {"cibadmin": ElementTree.tostring(self.root, encoding="unicode"), "crm_mon": self.monitor()}
        return {"retcode": 0, "stdout": answers[command[0]], "stderr": ""}

    def set_meta(self, command):
        identifier, name = command[2], command[5]
        element = next(one for one in self.root.iter() if one.get("id") == identifier)
        meta = element.find("meta_attributes")
        if meta is None:
            meta = ElementTree.SubElement(element, "meta_attributes", id=f"{identifier}-meta")
        for pair in meta.findall(f"nvpair[@name='{name}']"):
            meta.remove(pair)
        if "--set-parameter" in command:
            ElementTree.SubElement(meta, "nvpair", id=f"{identifier}-{name}", name=name, value=command[7])

    def monitor(self):
        answer = ElementTree.Element("crm_mon", version="1.1.12")
        nodes = ElementTree.SubElement(answer, "nodes")
        ElementTree.SubElement(nodes, "node", name="node-1", online="true", standby="false")
        resources = ElementTree.SubElement(answer, "resources")
        for outer in self.root:
            text = ElementTree.tostring(outer, encoding="unicode").lower()
            stopped = 'value="stopped"' in text and outer.get("id") not in self.stubborn
            failed = "true" if outer.get("id") in self.stubborn else "false"
            live = {"active": "false" if stopped else "true", "managed": "true", "failed": failed}
            one = ElementTree.SubElement(resources, "resource", id=outer.get("id", ""), **live)
            if not stopped:
                ElementTree.SubElement(one, "node", name="node-1")
        return ElementTree.tostring(answer, encoding="unicode")

    def told_to_stop(self):
        found = self.node.call("octane_pacemaker.resources", ElementTree.tostring(self.root, encoding="unicode"))
        return {name for name, one in found.items() if one["target_role"] == "Stopped"}


@pytest.fixture
def cluster():
    return Cluster()


def test_old_and_new_listings_are_read_alike():
    node = Node()
    old = node.call("octane_pacemaker.instances", OLD_MONITOR)
    new = node.call("octane_pacemaker.instances", NEW_MONITOR)
    assert old["vip__management"] == {"managed": True, "failed": False, "running_on": ["node-1.domain.tld"]}
    assert old["clone_p_heat-engine"] == {"managed": False, "failed": True, "running_on": ["node-1.domain.tld"]}
    assert old["p_zabbix"]["running_on"] == []
    assert new["clone_p_heat-engine"] == {"managed": True, "failed": False, "running_on": ["node-1.domain.tld"]}
    assert node.call("octane_pacemaker.has_quorum", OLD_MONITOR) is True
    assert node.call("octane_pacemaker.has_quorum", NEW_MONITOR) is False
    nodes = node.call("octane_pacemaker.nodes", OLD_MONITOR)
    assert nodes["node-2.domain.tld"] == {
        "online": False, "standby": True, "maintenance": False, "unclean": True, "dc": False
    }  # fmt: skip
    assert node.call("octane_pacemaker.nodes", NEW_MONITOR)["node-1.domain.tld"]["standby"] is True


def test_the_cloud_is_told_from_what_carries_it(cluster):
    openstack = ["clone_p_heat-engine", "clone_p_neutron-l3-agent", "p_ceilometer-agent-central"]
    assert cluster.node.call("octane_cluster.openstack") == openstack
    carrying = ["clone_p_haproxy", "clone_ping_vip__public", "master_p_rabbitmq-server", "vip__management"]
    assert cluster.node.call("octane_cluster.infrastructure") == carrying
    assert "heat-engine" in cluster.node.call("octane_cluster.jobs")
    assert cluster.node.call("octane_cluster.addresses") == [
        {"resource": "vip__management", "address": "192.168.0.2", "bridge": "br-mgmt", "netns": "haproxy",
         "interface": "b_management"}
    ]  # fmt: skip


def test_what_an_operator_had_stopped_stays_stopped_in_the_end(cluster):
    done = cluster.node.state("octane_cluster.stopped", "openstack")
    assert set(done["changes"]) == {"clone_p_heat-engine", "p_ceilometer-agent-central"}
    assert cluster.told_to_stop() == {"clone_p_heat-engine", "p_ceilometer-agent-central"}
    assert cluster.node.state("octane_cluster.stopped", "openstack")["changes"] == {}
    started = cluster.node.state("octane_cluster.started", "openstack")
    assert set(started["changes"]) == {"clone_p_heat-engine", "p_ceilometer-agent-central"}
    assert cluster.told_to_stop() == set()
    assert cluster.node.call("octane_cluster.resources")["clone_p_neutron-l3-agent"]["running_on"] == []
    assert cluster.node.state("octane_cluster.started", "openstack")["changes"] == {}


def test_a_resource_named_is_started_although_it_was_stopped_inside_its_clone(cluster):
    cluster.node.state("octane_cluster.started", "l3", resources=["clone_p_neutron-l3-agent"])
    assert cluster.node.call("octane_cluster.resources")["clone_p_neutron-l3-agent"]["running_on"] == ["node-1"]


def test_a_start_that_was_interrupted_is_repeated(cluster):
    cluster.node.state("octane_cluster.stopped", "openstack")
    cluster.node.call("octane_cluster.start", None)
    assert cluster.node.state("octane_cluster.started", "openstack")["changes"]


def test_a_node_that_is_cut_off_holds_addresses_without_their_gateway_until_it_is_heeded_again(cluster):
    assert cluster.node.call("octane_cluster.ignore_gateway") == ["clone_ping_vip__public"]
    assert ["attrd_updater", "--name", "pingd", "--update", "1000"] in cluster.commands
    assert cluster.told_to_stop() == {"clone_ping_vip__public"}
    assert cluster.node.call("octane_cluster.ignore_gateway") == ["clone_ping_vip__public"], "by another node, too"
    assert cluster.node.call("octane_cluster.heed_gateway") == ["clone_ping_vip__public"]
    assert cluster.told_to_stop() == set() and cluster.node.call("octane_cluster.heed_gateway") == []


def test_a_cluster_that_checks_no_gateway_is_left_alone(cluster):
    cluster.root.remove(cluster.root.find("clone[@id='clone_ping_vip__public']"))
    assert cluster.node.call("octane_cluster.ignore_gateway") == []
    assert not [one for one in cluster.commands if one[0] in ("crm_resource", "attrd_updater")]


def test_test_mode_tells_the_cluster_nothing(cluster):
    result = cluster.node.state("octane_cluster.stopped", "openstack", test=True)
    assert result["result"] is None and result["changes"]
    assert not [one for one in cluster.commands if one[0] == "crm_resource"]


def test_a_resource_that_does_not_stop_is_named():
    cluster = Cluster(stubborn=("clone_p_heat-engine",))
    result = cluster.node.state("octane_cluster.stopped", "openstack", timeout=0)
    assert result["result"] is False and "still running after 0 s: clone_p_heat-engine" in result["comment"]


def test_what_keeps_a_cluster_from_stopping_is_named_with_the_next_command():
    told = r"pacemaker has not stopped on this node within 1 s; vip__management failed, .*--cleanup --resource vip__man"
    with pytest.raises(CommandExecutionError, match=told):
        Cluster(stubborn=("vip__management",)).node.call("octane_cluster.leave", timeout=1)
    Cluster().node.call("octane_cluster.leave")


def test_an_unknown_resource_is_refused_before_anything_is_told(cluster):
    with pytest.raises(CommandExecutionError, match="no resource p_nothing"):
        cluster.node.call("octane_cluster.stop", ["clone_p_heat-engine", "p_nothing"])
    assert cluster.told_to_stop() == set()


def test_a_node_without_a_cluster_runs_none_and_says_so():
    node = Node()
    node.modules["octane_cluster"].shutil = SimpleNamespace(which=lambda name: None)
    assert node.call("octane_cluster.running") is False and node.call("octane_cluster.online") is False
    with pytest.raises(CommandExecutionError, match="no cibadmin"):
        node.call("octane_cluster.resources")
