"""A cloud with Ceph: what its files say, which disks are made anew, and how Nailgun lays it out."""

from __future__ import annotations

import configparser
import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import definition, layer, state
from lab.deployer import ceph, ceph_cluster, cloud, deployer, haproxy, openstack
from lab.deployer.environment import parse
from lab.hosts import Host, HostPlan
from lab.nailgun import disks, facts, initial, provisioning

VENV = Path("/opt/openstack")
STORAGE = definition.load(definition.PROFILES / "storage.yaml")
FSID = "0f0f0f0f-0000-4000-8000-000000000001"


def described(wanted):
    """Nailgun's state of a lab, its environment, and the facts of all its nodes."""
    nailgun = initial.reference(wanted)
    cluster = nailgun.row("clusters", 1)
    return nailgun, cluster, facts.computed(nailgun, cluster, nailgun.rows("nodes", cluster=1))


@pytest.fixture(scope="module")
def storage():
    return described(STORAGE)


@pytest.fixture(scope="module")
def environment(storage):
    return parse(storage[2])


def configuration(environment, name):
    node = next(node for node in environment.nodes if node.name == name)
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(next(f.content for f in ceph.files(environment, node, FSID) if f.path == ceph.CONFIGURATION))
    return parser


# ---- which clouds


def test_only_the_storage_profile_has_ceph():
    clouds = {name: definition.load(definition.PROFILES / f"{name}.yaml") for name in definition.profiles()}
    assert [name for name, cloud in clouds.items() if state.uses_ceph(cloud)] == ["storage"]
    assert {name: state.layer_of(cloud) for name, cloud in clouds.items()} == {
        "guests": "guests", "node-by-node": None, "reference": None, "small": None, "storage": "ceph",
    }


@pytest.mark.parametrize("kind", list(layer.SOURCES))
def test_the_files_that_a_layer_is_made_of_are_there(kind):
    assert all((layer.HERE / kind / name).is_file() for name in layer.SOURCES[kind])


def changed(change):
    cloud = copy.deepcopy(STORAGE)
    change(cloud)
    return cloud


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda c: c["environment"].pop("storage"), "hosts.node-7: environment.storage puts nothing into Ceph"),
        (lambda c: c["hosts"]["node-7"].pop("disks_gib"), "hosts.node-7: an OSD node needs disks_gib"),
        (lambda c: c["hosts"]["node-7"].update(roles=["compute"]), "hosts: 3 copies need as many hosts"),
        (lambda c: c["networks"]["storage"].pop("gateway"), "networks.storage: gateway is missing"),
        (lambda c: c.update(agents=True), "agents: a cloud with Ceph has no guests"),
    ],
)
def test_what_does_not_go_together_is_refused(change, fault):
    assert any(fault in told for told in definition.faults_of(changed(change)))


# ---- Nailgun


def test_data_disks_are_ceph_alone_and_the_rest_of_the_first_one_is_for_guests(storage):
    nailgun, _, _ = storage
    layout = disks.layout(nailgun, nailgun.row("nodes", 7))
    holding = {disk["name"]: [v["name"] for v in disk["volumes"] if v["size"]] for disk in layout}
    assert holding == {"sda": ["os", "vm"], "sdb": ["ceph"], "sdc": ["ceph"]}


def test_facts_tell_the_storage_settings(environment):
    assert environment.has_ceph and environment.has_objects
    assert environment.settings["storage"]["osd_pool_size"] == "3"
    assert [node.name for node in environment.storage_nodes] == ["node-7", "node-8", "node-9"]


def provisioned(storage, keep):
    nailgun, cluster, _ = storage
    node = copy.deepcopy(nailgun.row("nodes", 7))
    for disk in node["disks"]:
        for volume in disk["volumes"]:
            volume["keep_data"] = volume["name"] in keep
    return provisioning.entry(nailgun, cluster, node, facts.plain_settings(cluster))


@pytest.mark.parametrize(("keep", "blanked"), [((), ["sdb", "sdc"]), (("ceph",), []), (("vm",), [])])
def test_provisioning_spares_the_disks_of_a_node_when_anything_is_kept(storage, keep, blanked):
    assert deployer.blanked_disks(provisioned(storage, keep)) == blanked


def test_disks_without_ceph_are_never_blanked():
    nailgun, cluster, _ = described(definition.load(definition.PROFILES / "reference.yaml"))
    entry = provisioning.entry(nailgun, cluster, nailgun.row("nodes", 7), facts.plain_settings(cluster))
    assert deployer.blanked_disks(entry) == []


def test_a_blank_disk_has_its_size_and_nothing_on_it(tmp_path):
    plan = HostPlan("node-7", tmp_path, "ol-", tmp_path, None, (), (), (1,))
    disk = tmp_path / "data/disks/sdb"
    disk.parent.mkdir(parents=True)
    disk.write_bytes(b"label" * 1000)
    Host(plan).blank_disk("sdb")
    Host(plan).blank_disk("sdc")
    assert disk.read_bytes() == bytes(5000)
    assert [path.name for path in disk.parent.iterdir()] == ["sdb"]


# ---- files


def test_ceph_conf_names_all_monitors_as_fuel_does(environment):
    given = configuration(environment, "node-2")["global"]
    assert given["fsid"] == FSID
    assert given["mon_initial_members"] == "node-1 node-2 node-3"
    assert given["mon_host"] == " ".join(node.management for node in environment.controllers)
    assert (given["public_network"], given["cluster_network"]) == ("192.168.0.0/24", "192.168.1.0/24")
    assert (given["osd_pool_default_size"], given["osd_pool_default_min_size"]) == ("3", "1")


def test_only_controllers_have_an_object_gateway(environment):
    assert configuration(environment, "node-1")["client.radosgw.gateway"]["host"] == "node-1"
    assert "client.radosgw.gateway" not in configuration(environment, "node-7")


def test_only_storage_nodes_have_the_program_for_disks(environment):
    having = [
        node.name
        for node in environment.nodes
        if "/usr/sbin/ceph-disk" in {file.path for file in ceph.files(environment, node, FSID)}
    ]
    assert having == ["node-7", "node-8", "node-9"]


@pytest.mark.parametrize(
    ("text", "fsid"), [(None, None), ("[global]\n", None), (f"[global]\nfsid = {FSID}\nmon_host = a b\n", FSID)]
)
def test_the_cluster_that_a_configuration_names(text, fsid):
    assert ceph.fsid_of(text) == fsid


def test_keyrings_follow_the_roles(environment):
    users = {node.name: ceph.users_of(node) for node in environment.nodes}
    assert users["node-1"] == ["images", "volumes", "backups"]
    assert users["node-9"] == ["compute"]


def test_images_and_volumes_go_into_ceph(environment):
    files = {file.path: file.content for file in openstack.files(environment, environment.primary, VENV)}
    assert "rbd_store_pool = images" in files["/etc/glance/glance-api.conf"]
    assert "rbd_pool = volumes" in files["/etc/cinder/cinder.conf"]
    modules = "Environment=PYTHONPATH=/usr/lib/lab-ceph"
    having = [path for path, content in files.items() if modules in content]
    assert sorted(Path(path).stem for path in having) == ["cinder-volume", "glance-api"]


def test_a_cloud_without_ceph_has_none_of_it():
    environment = parse(described(definition.load(definition.PROFILES / "reference.yaml"))[2])
    assert not environment.has_ceph and not environment.has_objects
    assert "130-radosgw" not in "".join(file.path for file in haproxy.files(environment))
    assert not cloud.urls_of_objects(environment, environment.controllers)
    assert not any("ceph" in file.content for file in openstack.files(environment, environment.primary, VENV))


def test_objects_are_served_behind_the_virtual_addresses(environment):
    listened = {file.path: file.content for file in haproxy.files(environment)}
    assert ":8080" in listened["/etc/haproxy/conf.d/130-radosgw.cfg"]
    assert ":6780" in listened["/etc/haproxy/conf.d/130-radosgw.cfg"]


# ---- OSDs


class FakeHost:
    """A node whose ceph-disk lists what it is told; commands are kept."""

    def __init__(self, *listed):
        self.listed = listed
        self.asked = []

    def run(self, argv, **options):
        self.asked.append(argv[1:])
        return SimpleNamespace(stdout="".join(f"{line}\n" for line in self.listed))


def test_a_disk_is_made_an_osd_unless_it_is_the_home_of_one_and_then_started_as_fuel_does():
    host = FakeHost(
        "/dev/sdb ceph data, active, cluster ceph, osd.1",
        "/dev/sdc ceph data, prepared, cluster ceph, osd.2",
        "/dev/sdd other, unknown",
    )
    ceph_cluster.deploy_osds({"7": host}, [SimpleNamespace(uid="7")])
    assert host.asked == [
        ["list"],
        ["activate", "/dev/sdb"],
        ["prepare", "/dev/sdc"], ["activate", "/dev/sdc"],
        ["prepare", "/dev/sdd"], ["activate", "/dev/sdd"],
    ]


# ---- health


WHOLE = {
    "health": {"status": "HEALTH_OK"},
    "quorum": [0, 1, 2],
    "osdmap": {"num_osds": 6, "num_up_osds": 6},
    "pgmap": {"num_pgs": 64, "pgs_by_state": [{"state_name": "active+clean", "count": 64}]},
}


@pytest.mark.parametrize(
    "different",
    [
        {"health": {"status": "HEALTH_WARN"}},
        {"quorum": [0, 1]},
        {"osdmap": {"num_osds": 6, "num_up_osds": 5}},
        {"osdmap": {"num_osds": 0, "num_up_osds": 0}},
        {"pgmap": {"num_pgs": 64, "pgs_by_state": [{"state_name": "active+undersized", "count": 64}]}},
    ],
)
def test_a_cluster_that_is_not_whole(different):
    scrubbed = [{"state_name": "active+clean", "count": 63}, {"state_name": "active+clean+scrubbing", "count": 1}]
    assert ceph_cluster.is_healthy(WHOLE | {"pgmap": {"num_pgs": 64, "pgs_by_state": scrubbed}}, 3)
    assert ceph_cluster.is_healthy(WHOLE, 3)
    assert not ceph_cluster.is_healthy(WHOLE | different, 3)
    assert not ceph_cluster.is_healthy({}, 3)
