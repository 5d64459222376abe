"""A host with OSDs moves into the seed: what Nailgun tells the lab's deployer of it, and what that makes of it."""

from __future__ import annotations

import configparser

import pytest

from lab import definition
from lab.deployer import ceph, deployer, deployment, openstack
from lab.deployer.environment import parse
from lab.nailgun import initial
from lab.nailgun.fake import FakeDeployer
from tests.unit.lab.nailgun_master import Master

STORAGE = definition.load(definition.PROFILES / "storage.yaml")
FSID = "0f0f0f0f-0000-4000-8000-000000000001"
HOST = 7


class Recording(FakeDeployer):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__(0.02)
        self.provisioned = {}
        self.deployed = []

    def provision(self, nodes, progress):
        self.provisioned |= {node["uid"]: node for node in nodes}
        return super().provision(nodes, progress)

    def deploy(self, facts, progress):
        self.deployed = facts
        return super().deploy(facts, progress)


@pytest.fixture(scope="module")
def moved():
    """What the deployer is told when the host is moved into a seed with three controllers, its disks to be kept."""
    told = Recording()
    master = Master(initial.reference(STORAGE), told)
    (release,) = [one["id"] for one in master.get("/releases") if one["is_deployable"]]
    _, seed = master.send("POST", "/clusters/1/upgrade/clone", {"name": "seed", "release_id": release})
    environment = f"/clusters/{seed['id']}"
    spares = [{"id": number, "roles": ["controller"]} for number in (4, 5, 6)]
    assert master.send("POST", f"{environment}/assignment", spares)[0] == 200
    # Nailgun refuses to deploy all changes of an environment with fewer OSDs than copies.
    for what in ("provision", "deploy"):
        assert master.done("PUT", f"{environment}/{what}?nodes=4,5,6", {})["status"] == "ready"
    disks = master.get(f"/nodes/{HOST}/disks")
    for disk in disks:
        for volume in disk["volumes"]:
            volume["keep_data"] = volume["name"] == "ceph"
    master.send("PUT", f"/nodes/{HOST}/disks", disks)
    assert master.done("POST", f"{environment}/upgrade/assign", {"node_id": HOST})["status"] == "ready"
    assert master.done("PUT", f"{environment}/deploy?nodes={HOST}", {})["status"] == "ready"
    return told


@pytest.fixture(scope="module")
def environment(moved):
    return parse(moved.deployed)


def test_its_system_is_the_new_release_s_and_its_disks_are_kept(moved):
    entry = moved.provisioned[str(HOST)]
    assert (entry["name"], entry["ks_meta"]["fuel_version"]) == (f"node-{HOST}", "7.0")
    assert deployer.blanked_disks(entry) == []


def test_both_its_roles_are_deployed_and_nothing_else_is(environment):
    assert {element["role"] for element in environment.facts[str(HOST)]} == {"compute", "ceph-osd"}
    assert list(environment.facts) == [str(HOST)]
    assert environment.primary.name == "node-4"
    assert [node.name for node in environment.storage_nodes] == [f"node-{HOST}"]


def test_it_finds_the_seed_s_monitors_and_the_new_release_s_services(environment):
    node = environment.node(str(HOST))
    files = {file.path: file.content for file in ceph.files(environment, node, FSID)}
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(files[ceph.CONFIGURATION])
    assert parser["global"]["mon_host"].split() == [node.management for node in environment.controllers]
    assert "/usr/sbin/ceph-disk" in files
    assert environment.openstack_release == "2024.1"
    assert [service.name for service in openstack.services(environment, node)] == ["nova-compute"]


def test_its_osds_are_there_before_its_compute_service(monkeypatch, environment):
    did = []
    for module, names in {
        deployment.ceph_cluster: ("join_clients", "deploy_osds"),
        deployment.cloud: ("keep_identities", "wait_computes", "discover_computes", "wait_agents"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *given, name=name: did.append(name))
    monkeypatch.setattr(deployment.Deployment, "_configure", lambda self, node: None)
    monkeypatch.setattr(deployment.Deployment, "_start_services", lambda self, nodes: did.append("start"))
    hosts = {node.uid: object() for node in environment.nodes}
    venvs = {environment.openstack_release: None}
    made = deployment.Deployment(environment, hosts, venvs, lambda uid, percent: None, {})
    assert made.run() == {str(HOST): None}
    assert did == [
        "join_clients", "deploy_osds", "join_clients", "keep_identities", "start",
        "wait_computes", "discover_computes", "wait_agents",
    ]
