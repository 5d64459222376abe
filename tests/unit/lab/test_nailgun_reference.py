"""The state of the lab's own cloud, and what the lab's Nailgun computes from it."""

from pathlib import Path

import pytest
import yaml

from lab.nailgun import disks, facts, initial, restrictions
from lab.nailgun.state import State
from tests.unit.lab.nailgun_master import Master

PROFILES = Path(__file__).parents[3] / "lab/profiles"


def profile(name):
    return yaml.safe_load((PROFILES / f"{name}.yaml").read_text())


@pytest.fixture
def reference():
    return initial.reference(profile("reference"))


def computed(state):
    cluster = state.row("clusters", 1)
    return {
        (fact["uid"], fact["role"]): fact for fact in facts.computed(state, cluster, state.rows("nodes", cluster=1))
    }


def test_the_reference_cloud(reference):
    cluster = reference.row("clusters", 1)
    assert (cluster["status"], reference.row("releases", cluster["release_id"])["version"]) == (
        "operational",
        "2014.2.2-6.1",
    )
    roles = {node["id"]: node["roles"] for node in reference.rows("nodes")}
    assert {number for number in roles if roles[number] == ["controller"]} == {1, 2, 3}
    assert {number for number in roles if roles[number] == ["compute"]} == {7, 8, 9}
    spare = [node for node in reference.rows("nodes") if node["cluster"] is None]
    assert [(node["id"], node["status"], node["online"]) for node in spare] == [
        (number, "discover", True) for number in (4, 5, 6)
    ]


@pytest.mark.parametrize("name", ["reference", "small"])
def test_each_profile_has_facts_for_its_environment(name):
    state = initial.reference(profile(name))
    by_role = [role for _, role in computed(state)]
    assert by_role.count("primary-controller") == 1


def test_facts_of_6_1_name_virtual_addresses_at_the_top(reference):
    fact = computed(reference)["1", "primary-controller"]
    assert (fact["management_vip"], fact["public_vip"]) == ("192.168.0.1", "172.16.0.2")
    assert "network_metadata" not in fact
    assert (fact["fqdn"], fact["openstack_version"]) == ("node-1.domain.tld", "2014.2.2-6.1")
    assert {node["uid"] for node in fact["nodes"]} == {"1", "2", "3", "7", "8", "9"}


def test_controllers_are_deployed_before_computes_and_the_first_one_alone(reference):
    order = {key: fact["priority"] for key, fact in computed(reference).items()}
    assert order["1", "primary-controller"] < order["2", "controller"] == order["3", "controller"]
    assert order["3", "controller"] < order["7", "compute"] == order["9", "compute"]


def test_only_controllers_have_the_public_bridge(reference):
    found = computed(reference)
    controller, compute = found["2", "controller"], found["7", "compute"]
    assert controller["network_scheme"]["endpoints"]["br-ex"] == {
        "IP": ["172.16.0.5/24"],
        "gateway": "172.16.0.1",
        "vendor_specific": {"phy_interfaces": ["eth1"]},
    }
    assert "br-ex" not in compute["network_scheme"]["endpoints"]
    assert compute["network_scheme"]["endpoints"]["br-fw-admin"]["gateway"] == "10.20.0.1"
    ports = [step for step in compute["network_scheme"]["transformations"] if step["action"] == "add-port"]
    assert {(port["name"], port["bridge"]) for port in ports} == {
        ("eth0", "br-fw-admin"),
        ("eth2.101", "br-mgmt"),
        ("eth2.102", "br-storage"),
        ("eth3", "br-aux"),
    }


def test_facts_of_a_seed_are_of_7_0(reference):
    master = Master(reference)
    seed = master.clone()
    master.send("POST", f"/clusters/{seed}/assignment", [{"id": 4, "roles": ["controller"]}])
    (fact,) = master.get(f"/clusters/{seed}/orchestrator/deployment/defaults")
    assert (fact["uid"], fact["role"], fact["fuel_version"]) == ("4", "primary-controller", "7.0")
    assert fact["network_metadata"]["vips"]["management"]["ipaddr"] == "192.168.0.1"
    assert fact["network_metadata"]["nodes"]["node-4"]["network_roles"]["mgmt/database"] == "192.168.0.9"
    original = computed(reference)["1", "primary-controller"]
    assert fact["mysql"] == original["mysql"]


def test_a_7_0_controller_fits_on_a_spare_host(reference):
    master = Master(reference)
    seed = master.clone()
    master.send("POST", f"/clusters/{seed}/assignment", [{"id": 4, "roles": ["controller"]}])
    layout = master.get("/nodes/4/disks")
    sizes = {volume["name"]: volume["size"] for disk in layout for volume in disk["volumes"]}
    needed = {volume["name"]: volume["min_size"] for volume in master.get("/nodes/4/volumes")}
    assert all(sizes[name] >= size for name, size in needed.items())
    assert master.send("PUT", "/nodes/4/disks", layout) == (200, layout)


def test_ceph_takes_whole_free_disks(reference):
    node = reference.row("nodes", 7)
    node["roles"] = ["ceph-osd"]
    by_disk = {disk["name"]: disk["volumes"] for disk in disks.layout(reference, node)}
    assert {volume["name"]: volume["size"] > 0 for volume in by_disk["sda"]} == {
        "os": True,
        "cephjournal": False,
        "ceph": False,
    }
    assert [volume["size"] > 0 for volume in by_disk["sdb"] if volume["name"] == "ceph"] == [True]


def test_the_state_survives_its_file(reference, tmp_path):
    reference.save(tmp_path / "state.json")
    assert State.load(tmp_path / "state.json").to_json() == reference.to_json()


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("true", True),
        ("settings:storage.volumes_ceph.value == true", False),
        ("settings:storage.volumes_ceph.value == false and settings:storage.volumes_lvm.value == true", True),
        ("not ('experimental' in version:feature_groups)", True),
        ("cluster:net_provider != 'neutron' or networking_parameters:segmentation_type == 'vlan'", True),
        ("(cluster:mode == 'ha_compact') and not (cluster:status == 'operational')", False),
    ],
)
def test_conditions(reference, condition, holds):
    models = restrictions.models(reference, reference.row("clusters", 1))
    assert restrictions.Condition(condition, models).holds() is holds
