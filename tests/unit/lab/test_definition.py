"""Cloud files: those that come with the lab are right, and a wrong one is refused with all its faults named."""

import copy

import pytest
import yaml

from lab import definition
from lab.state import LabError

SMALL = definition.load(definition.PROFILES / "small.yaml")


def changed(*path, to):
    """The small cloud with one value changed; ``to`` None removes it."""
    cloud = copy.deepcopy(SMALL)
    place = cloud
    for name in path[:-1]:
        place = place[name]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return cloud


@pytest.mark.parametrize("name", definition.profiles())
def test_the_clouds_that_come_with_the_lab_are_right(name):
    assert definition.load(definition.PROFILES / f"{name}.yaml")["name"] == name


def test_the_reference_cloud_is_what_the_lab_promises():
    hosts = definition.load(definition.PROFILES / "reference.yaml")["hosts"]
    roles = [tuple(hosts[f"node-{number}"].get("roles", ())) for number in range(1, 10)]
    assert roles == [("controller",)] * 3 + [()] * 3 + [("compute",)] * 3
    assert all(len(hosts[f"node-{number}"]["disks_gib"]) == 2 for number in (7, 8, 9))


@pytest.mark.parametrize(
    ("cloud", "fault"),
    [
        (changed("networks", "storage", to=None), "'storage' is a required property"),
        (changed("hosts", "node-1", to={"roles": ["controler"]}), "hosts.node-1.roles.0: 'controler' is not one of"),
        (changed("hosts", "master", to={}), "'master' does not match"),
        (changed("hosts", "node-1", to={}), "there must be 1, 3 or 5 hosts with the role controller, not 0"),
        (changed("hosts", "node-2", to={"roles": ["controller"]}), "not 2"),
        (changed("hosts", "node-2", to={"kind": "master"}), "hosts.node-2: only fuel is a master"),
        (changed("hosts", "fuel", to={}), "hosts.fuel: must be {kind: master}"),
        (changed("hosts", "node-999", to={}), "hosts.node-999: the highest node is node-200"),
        (changed("networks", "public", "cidr", to="172.16.0.0/33"), "networks.public.cidr"),
        (changed("networks", "public", "cidr", to="10.20.0.0/25"), "networks: admin and public overlap"),
        (changed("networks", "public", "gateway", to="172.17.0.1"), "172.17.0.1 is outside 172.16.0.0/24"),
        (changed("networks", "public", "gateway", to=None), "networks.public: gateway is missing"),
        (changed("networks", "admin", "nic", to="eth1"), "networks.admin: hosts are installed over it"),
        (changed("environment", "release", to="2015.1.0-7.0"), "environment.release"),
        (changed("content", "servers", to=-1), "content.servers"),
        ("a cloud", "is not of type 'object'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_of_its_fault(tmp_path, cloud, fault):
    file = tmp_path / "cloud.yaml"
    file.write_text(yaml.safe_dump(cloud))
    with pytest.raises(LabError) as refused:
        definition.load(file)
    assert fault in str(refused.value)
    assert str(file) in str(refused.value)


def test_all_faults_of_a_file_are_named_at_once():
    cloud = changed("hosts", "fuel", to={})
    cloud["hosts"]["node-1"] = {}
    cloud["networks"]["public"]["cidr"] = "nowhere"
    assert len(definition.faults_of(cloud)) == 3


@pytest.mark.parametrize(("text", "fault"), [("a: [", "is not YAML"), (None, "cannot be read")])
def test_what_is_no_file_of_yaml_is_refused(tmp_path, text, fault):
    file = tmp_path / "cloud.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(LabError, match=fault):
        definition.load(file)
