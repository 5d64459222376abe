"""A cloud stopped so that its cold start works, and found again by what lies on its hosts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml

from lab.deployer import power
from tests.unit.lab.deployment_facts import facts


class FakeHost:
    """A running host with, maybe, facts on it; commands go to a record that all hosts share."""

    def __init__(self, name, root, record, element=None):
        self.name = name
        self.root = root / name
        self.record = record
        (self.root / "etc").mkdir(parents=True)
        if element:
            (self.root / f"etc/{element['role']}.yaml").write_text(yaml.safe_dump(element))
            (self.root / "etc/astute.yaml").symlink_to(f"/etc/{element['role']}.yaml")

    def is_running(self):
        return True

    def run(self, argv, timeout=60):
        self.record.append((self.name, argv))


@pytest.fixture
def lab(tmp_path):
    record = []
    elements = {f"node-{element['uid']}": element for element in facts("6.1")}
    hosts = {name: FakeHost(name, tmp_path, record, element) for name, element in elements.items()}
    hosts["node-4"] = FakeHost("node-4", tmp_path, record)
    return SimpleNamespace(hosts=hosts, record=record, definition={})


def test_environments_are_found_by_the_facts_on_the_hosts(lab):
    (environment,) = power.deployed(lab)
    assert environment.identifier == 1 and set(environment.facts) == {"1", "2", "3", "7"}


def test_openstack_stops_first_and_the_primary_controllers_cluster_last(lab):
    power.stop_cloud(lab)
    clusters = [name for name, argv in lab.record if "pacemaker" in argv]
    assert clusters == ["node-3", "node-2", "node-1"]
    first_cluster = next(index for index, (_, argv) in enumerate(lab.record) if "pacemaker" in argv)
    assert {name for name, argv in lab.record[:first_cluster]} == {"node-1", "node-2", "node-3", "node-7"}
    assert not [argv for _, argv in lab.record[first_cluster:] if "pacemaker" not in argv]


def test_ceph_stops_after_its_clients_and_its_monitors_last(tmp_path):
    record = []
    elements = facts("6.1")
    for element in elements:
        element["storage"] = {"images_ceph": True}
    hosts = {f"node-{one['uid']}": FakeHost(f"node-{one['uid']}", tmp_path, record, one) for one in elements}
    power.stop_cloud(SimpleNamespace(hosts=hosts, definition={}))
    words = [argv[2] for _, argv in record]
    order = [words.index(what) for what in ("ceph-radosgw@*", "ceph-osd@*", "ceph-mgr@*", "ceph-mon@*", "pacemaker")]
    assert order == sorted(order)
    assert max(index for index, (_, argv) in enumerate(record) if "glance-api" in argv) < order[0]


def test_a_node_is_found_on_its_machine_whatever_its_number_is(tmp_path):
    record = []
    elements = facts("6.1")
    machines = [f"node-{element['uid']}" for element in elements]
    for element in elements:
        element["uid"] = str(int(element["uid"]) + 9)
    for node in elements[0]["nodes"]:
        node.update(uid=str(int(node["uid"]) + 9), name=f"node-{int(node['uid']) + 9}")
    hosts = {
        name: FakeHost(name, tmp_path, record, element) for name, element in zip(machines, elements, strict=True)
    }
    power.stop_cloud(SimpleNamespace(hosts=hosts, definition={}))
    assert [name for name, argv in record if "pacemaker" in argv] == ["node-3", "node-2", "node-1"]


def test_what_pacemaker_runs_is_left_to_it(lab):
    power.stop_cloud(lab)
    assert not [argv for _, argv in lab.record if "heat-engine" in argv or "mariadb" in argv]


def test_a_spare_host_is_not_touched(lab):
    power.stop_cloud(lab)
    assert "node-4" not in {name for name, _ in lab.record}
