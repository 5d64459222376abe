"""Maps, users and space, the same whichever release tells of them."""

import pytest

from octane.ceph import answers, cluster
from octane.errors import BadInput, Refused
from tests.unit.ceph import samples
from tests.unit.ceph.recorded import files, load


def test_addresses_of_old_monitors_are_of_protocol_v1():
    monmap = cluster.monitor_map(samples.mon_dump())
    assert [str(one.addresses[0]) for one in monmap.monitors][:2] == ["v1:192.168.0.3:6789", "v1:192.168.0.4:6789"]
    assert all(one.speaks_v1_alone for one in monmap.monitors) and monmap.features == ()


def test_addresses_of_new_monitors_are_a_vector():
    monmap = cluster.monitor_map(samples.mon_dump(new=True))
    assert list(map(str, monmap.monitors[0].addresses)) == ["v2:192.168.0.3:3300", "v1:192.168.0.3:6789"]
    assert not monmap.monitors[0].speaks_v1_alone and monmap.monitors[0].host == "192.168.0.3"
    assert monmap.features == ("kraken", "nautilus")


def test_a_new_monitor_may_speak_v1_alone():
    dump = samples.mon_dump(new=True)
    del dump["mons"][0]["public_addrs"]["addrvec"][0]
    assert cluster.monitor_map(dump).monitors[0].speaks_v1_alone


def test_an_address_of_ipv6():
    found = cluster.address("v1", "[fd00::3]:6789")
    assert (found.host, found.port, str(found)) == ("fd00::3", 6789, "v1:[fd00::3]:6789")


PRINTED = """\
monmaptool: monmap file /tmp/map
epoch 7
fsid 5e0f7a10-0000-4000-8000-000000000001
last_changed 2026-12-01T02:15:41.594009+0000
min_mon_release 16 (pacific)
election_strategy: 1
0: v1:10.0.0.1:6789/0 mon.a
1: [v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0] mon.node-2.domain.tld
2: 10.0.0.3:6789/0 mon.c
"""


def test_a_map_that_is_printed():
    found = cluster.printed_monitor_map(PRINTED)
    assert (found.fsid, found.epoch) == (samples.FSID, 7)
    assert [(one.name, one.rank, list(map(str, one.addresses))) for one in found.monitors] == [
        ("a", 0, ["v1:10.0.0.1:6789"]),
        ("node-2.domain.tld", 1, ["v2:[fd00::1]:3300", "v1:[fd00::1]:6789"]),
        ("c", 2, ["v1:10.0.0.3:6789"]),
    ]
    with pytest.raises(BadInput, match="monmaptool"):
        cluster.printed_monitor_map("monmaptool: can't open /tmp/map")


def test_a_quorum_knows_who_is_missing():
    found = cluster.quorum(samples.quorum_status((0, 2)))
    assert (found.leader, found.members, found.missing) == ("node-1", ("node-1", "node-3"), ("node-2",))


def test_a_daemon_tells_its_quorum_by_ranks():
    status = {"name": "node-3", "state": "peon", "election_epoch": 8, "quorum": [1, 2], "monmap": samples.mon_dump()}
    assert cluster.quorum(status).leader == "node-2"
    assert cluster.quorum({**status, "quorum": []}).members == ()


@pytest.mark.parametrize("new", [False, True])
def test_osds_and_pools(new):
    found = cluster.osd_map(samples.osd_dump(new, flags="noout,sortbitwise"))
    assert found.osds[0] == cluster.Osd(0, "uuid-0", True, True, 1.0, 7) and len(found.osds) == 6
    assert found.pools == (cluster.Pool(1, "volumes", 3, 2, 0, False, 8),)
    assert found.flags == {"noout", "sortbitwise"}


def test_an_id_that_is_free_is_no_osd():
    dump = samples.osd_dump()
    dump["osds"][5]["state"] = ["autoout", "new"]
    assert [one.id for one in cluster.osds(dump)] == [0, 1, 2, 3, 4]


def test_placement_groups_of_old_and_new_releases_are_the_same():
    brief = samples.pgs_brief((0, 2, cluster.NO_OSD), state="active+undersized+degraded")
    (found,) = cluster.placement_groups(brief)
    assert (found.acting, found.pool) == ((0, 2), 1)
    assert found.states == {"active", "undersized", "degraded"}
    for document in ({"pg_ready": True, "pg_stats": brief}, {"pg_ready": True, "pg_map": {"pg_stats": brief}}):
        assert cluster.placement_groups(document) == (found,)


def test_placement_groups_that_the_manager_does_not_know_yet():
    with pytest.raises(Refused, match="pg_ready"):
        cluster.placement_groups({"pg_ready": False, "pg_stats": []})


def test_a_placement_group_that_is_scrubbed_is_clean():
    brief = samples.pgs_brief((0, 2), state="active+clean+scrubbing+deep") + samples.pgs_brief((1, 3), state="peering")
    assert [one.acting for one in cluster.not_clean(cluster.placement_groups(brief))] == [(1, 3)]


def test_space_is_bytes():
    old = {"stats": {"total_space": 10, "total_used": 4, "total_avail": 6}}
    new = {"stats": {"total_bytes": 10240, "total_used_bytes": 4096, "total_avail_bytes": 6144}}
    assert cluster.space(old) == cluster.space(new) == cluster.Space(10240, 4096, 6144)


def test_versions_by_kind_of_daemon():
    old = {"osd.0": {"version": "ceph version 0.80.9 (b5a6)"}, "osd.1": {"version": "ceph version 0.80.9 (b5a6)"}}
    assert cluster.versions({**old, "mon.a": "ceph version 0.94.6 (e832)"}) == {
        "osd": {cluster.Version((0, 80, 9), "b5a6"): 2},
        "mon": {cluster.Version((0, 94, 6), "e832"): 1},
    }
    said = "ceph version 16.2.15 (618f) pacific (stable)"
    assert cluster.versions({"mon": {said: 3}, "overall": {said: 3}}) == {
        "mon": {cluster.Version((16, 2, 15), "618f"): 3}
    }


def test_versions_compare_by_number():
    assert cluster.version("ceph version 0.80.11 (b)") > cluster.version("ceph version 0.80.9 (c)")
    assert str(cluster.version("ceph version 10.2.0-1-gabc (a)")) == "10.2.0"
    with pytest.raises(BadInput, match="no version"):
        cluster.version("Error EINVAL")


def test_no_key_is_told():
    found = cluster.users(samples.auth_list())
    assert found[0].name == "client.images" and found[0].caps == (("mon", "allow r"), ("osd", "allow *"))
    assert "AQFAKE" not in repr(found)
    other = cluster.users(samples.auth_list(**{"client.images": "AQFAKE3=="}))
    assert other[0].fingerprint != found[0].fingerprint and other[1] == found[1]
    assert cluster.users(samples.auth_list()["auth_dump"]) == found


@pytest.mark.parametrize(
    "read",
    [cluster.quorum, cluster.monitor_map, cluster.osd_map, cluster.placement_groups, cluster.space, cluster.users],
)
def test_the_answer_of_another_command_is_refused(read):
    with pytest.raises(BadInput, match="no answer of `ceph"):
        read({"health": "HEALTH_OK"})


@pytest.mark.parametrize("path", files("mon_dump.json"))
def test_recorded_monitor_maps(path):
    found = cluster.monitor_map(load(path))
    assert len(found.monitors) == len(load(path)["mons"]) and all(one.speaks_v1_alone for one in found.monitors)


@pytest.mark.parametrize("path", files("quorum_status*.json", "mon_status*.json", "status*.json"))
def test_recorded_quorums(path):
    found = cluster.quorum(load(path))
    assert found.leader in found.members and len(found.members) == len(load(path)["quorum"])


@pytest.mark.parametrize("path", files("osd_dump*.json"))
def test_recorded_osd_maps(path):
    document = load(path)
    assert isinstance(cluster.flags(document), frozenset)
    if "pools" in document:
        assert len(cluster.pools(document)) == len(document["pools"])
    if "weight" in document["osds"][0]:
        assert [one.id for one in cluster.osds(document)] == sorted(one["osd"] for one in document["osds"])
    else:
        # Whoever recorded it moved the weights into the tree.
        with pytest.raises(BadInput, match="weight"):
            cluster.osds(document)


@pytest.mark.parametrize("path", files("pg_dump*.json", "0.80-firefly/composed/pg_stat.json"))
def test_recorded_placement_groups(path):
    assert all(one.acting and "active" in one.states for one in cluster.placement_groups(load(path)))


@pytest.mark.parametrize("path", files("df*.json"))
def test_recorded_space(path):
    found = cluster.space(load(path))
    assert found.total > 2**30 and abs(found.total - found.used - found.free) < found.total * 0.1


@pytest.mark.parametrize("path", files("auth_list.json"))
def test_recorded_users(path):
    found = cluster.users(load(path))
    assert "client.admin" in [one.name for one in found] and "AQFAKE" not in repr(found)


@pytest.mark.parametrize("path", files("tell_*.txt"))
def test_recorded_versions(path):
    (kind,) = cluster.versions(answers.each(path.read_text())).values()
    assert list(kind) in (
        [cluster.version("ceph version 0.80.9 (b5a67f0e1d15385bc0d60a6da6e7fc810bde6047)")],
        [cluster.version("ceph version 0.94.6 (e832001feaf8c176593e0325c8298e3f16dfb403)")],
    )


@pytest.mark.parametrize("path", files("version.json"))
def test_a_recorded_version(path):
    assert cluster.version(load(path)["version"]).number[0] == 0


WHOLE = [one for one in files("status*.json") if "clock_detail" not in str(one.id)]
"""Of one only a part was recorded."""


@pytest.mark.parametrize("path", WHOLE)
def test_what_is_not_clean_is_counted_of_every_release(path):
    status = load(path)
    left = cluster.unclean(status)
    assert all("clean" not in state.split("+") or "active" not in state or len(state.split("+")) > 2 for state in left)
    if "status_ok" in path.name or "health_ok" in path.name:
        assert left == {}
    if "degraded" in path.name or "no_osds" in path.name:
        assert sum(left.values()) > 0


def test_groups_of_which_nobody_has_told_yet_are_not_clean():
    status = {"pgmap": {"num_pgs": 9, "pgs_by_state": [{"state_name": "active+clean+scrubbing+deep", "count": 7}]}}
    assert cluster.unclean(status) == {"unknown": 2}
    with pytest.raises(BadInput, match="ceph status"):
        cluster.unclean({})
