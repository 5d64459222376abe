"""Which OSDs fall together."""

import pytest

from octane.ceph import cluster, crush
from octane.errors import BadInput
from tests.unit.ceph import samples
from tests.unit.ceph.recorded import files, load

TREE = {
    "nodes": [
        {"id": -1, "name": "default", "type": "root", "children": [-3, -2]},
        {"id": -2, "name": "node-4", "type": "host", "children": [1, 0]},
        {"id": -3, "name": "node-5", "type": "host", "children": [2]},
        {"id": 0, "name": "osd.0", "type": "osd"},
        {"id": 1, "name": "osd.1", "type": "osd"},
        {"id": 2, "name": "osd.2", "type": "osd"},
    ],
    "stray": [],
}


def test_domains_are_the_same_of_the_dump_and_of_the_tree():
    dump = samples.crush_dump({"node-4": (0, 1), "node-5": (2,)})
    for document in (dump, TREE):
        found = crush.read(document)
        assert found.domains("host") == {"node-4": {0, 1}, "node-5": {2}}
        assert found.domains("root") == {"default": {0, 1, 2}}
        assert found.domains("osd")["osd.2"] == {2}


def test_buckets_of_a_device_class_are_left_out():
    dump = samples.crush_dump()
    dump["buckets"].append(samples.bucket(-9, "node-4~hdd", "host", [0]))
    assert set(crush.read(dump).domains("host")) == set(samples.HOSTS)


def pool(size=3, rule=0, kind=1):
    return cluster.pools({"pools": [samples.pool(1, "volumes", size, 2, rule, kind=kind)]})[0]


@pytest.mark.parametrize("kind", ["host", "osd", "rack"])
def test_what_a_pool_spreads_over(kind):
    assert crush.read(samples.crush_dump(spreads_over=kind)).rule_of(pool()).spreads_over == kind


def test_the_last_choice_of_a_rule_decides():
    dump = samples.crush_dump()
    dump["rules"][0]["steps"].insert(1, {"op": "choose_firstn", "num": 2, "type": "rack"})
    assert crush.read(dump).rule_of(pool()).spreads_over == "host"


@pytest.mark.parametrize("other", [pool(rule=1), pool(kind=3), pool(size=11)])
def test_a_pool_without_a_rule_is_named(other):
    with pytest.raises(BadInput, match="pool volumes has crush rule"):
        crush.read(samples.crush_dump()).rule_of(other)


def test_another_commands_answer_is_refused():
    with pytest.raises(BadInput, match="ceph osd tree"):
        crush.read({"health": "HEALTH_OK"})


@pytest.mark.parametrize("path", files("osd_crush_dump*.json", "osd_tree*.json"))
def test_recorded_maps(path):
    document = load(path)
    found = crush.read(document)
    hosts = found.domains("host")
    # A host may have lost its last OSD, and is in the map all the same.
    assert any(hosts.values())
    assert frozenset().union(*hosts.values()) == found.osds
    assert all(rule.spreads_over in ("host", "osd") for rule in found.rules)


@pytest.mark.parametrize("path", files("osd_dump_*_osds.json"))
def test_recorded_pools_have_their_rules(path):
    found = crush.read(load(path.with_name(path.name.replace("dump", "crush_dump"))))
    for one in cluster.pools(load(path)):
        assert found.rule_of(one).sizes
