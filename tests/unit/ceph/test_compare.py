"""A cluster before and after."""

from dataclasses import replace

import pytest

from octane.ceph import cluster
from octane.ceph.compare import Snapshot, compare, moving, require_newest_map, require_same
from octane.errors import InvariantBroken
from tests.unit.ceph import samples
from tests.unit.ceph.recorded import files, load

SETTINGS = ({"section": "osd", "mask": "host:node-4", "name": "osd_memory_target", "value": "1"},)


def snapshot(**changed):
    parts = {
        "status": {"fsid": samples.FSID, "election_epoch": 12, "pgmap": {}},
        "monitors": cluster.monitor_map(samples.mon_dump()),
        "osd_map": cluster.osd_map(samples.osd_dump()),
        "crush": samples.crush_dump(),
        "groups": cluster.placement_groups(samples.pgs_brief()),
        "users": cluster.users(samples.auth_list(**{"mgr.node-1": "AQFAKE9=="})),
        "settings": SETTINGS,
    }
    return Snapshot(**{**parts, **changed})


def broken(**changed):
    return [one.name for one in compare(snapshot(), snapshot(**changed)).broken]


def allowed(**changed):
    found = compare(snapshot(), snapshot(**changed))
    assert not found.broken
    return [one.name for one in found.allowed]


def osd_map(**changed):
    found = cluster.osd_map(samples.osd_dump())
    return replace(found, osds=(replace(found.osds[0], **changed), *found.osds[1:]))


def crush(**changed):
    return {**samples.crush_dump(), **changed}


def test_nothing_changed():
    found = require_same(snapshot(), snapshot())
    assert not found.broken and not found.allowed


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"status": {"fsid": "other", "election_epoch": 12}}, ["fsid of ceph status"]),
        (
            {"monitors": cluster.monitor_map({**samples.mon_dump(), "fsid": "other"})},
            ["fsid of the monitor map"],
        ),
        ({"osd_map": cluster.osd_map(samples.osd_dump(fsid="other"))}, ["fsid of the OSD map"]),
        ({"monitors": cluster.monitor_map(samples.mon_dump({"a": "192.168.0.9"}))}, ["addresses of the monitors"]),
        (
            {"monitors": cluster.monitor_map(samples.mon_dump(new=True))},
            ["addresses of the monitors", "persistent features of the monitor map"],
        ),
        ({"osd_map": cluster.osd_map(samples.osd_dump(flags="noout"))}, ["flags of the OSD map"]),
        ({"osd_map": cluster.osd_map(samples.osd_dump(pools=()))}, ["pool volumes"]),
        ({"osd_map": osd_map(is_up=False)}, ["up of osd.0"]),
        ({"osd_map": osd_map(is_in=False, weight=0.0)}, ["in of osd.0", "weight of osd.0"]),
        ({"osd_map": osd_map(uuid="other")}, ["uuid of osd.0"]),
        ({"crush": crush(tunables={})}, ["tunables of the crush map"]),
        ({"crush": crush(rules=[])}, ["rule rule-0 of the crush map"]),
        (
            {"groups": cluster.placement_groups(samples.pgs_brief((2, 0, 4), (3, 5, 1), (4, 1, 2)))},
            ["acting set of 1.0"],
        ),
        ({"users": ()}, [f"{part} of {name}" for part in ("caps", "key") for name in ("client.images", "osd.0")]),
        ({"settings": ()}, ["setting osd_memory_target of osd/host:node-4"]),
    ],
)
def test_what_must_be_equal(changed, names):
    assert broken(**changed) == names


def test_what_may_change():
    renamed = {f"new-{name}": host for name, host in samples.ADDRESSES.items()}
    assert allowed(monitors=cluster.monitor_map(samples.mon_dump(renamed, epoch=9))) == [
        "epoch of the monitor map",
        "names of the monitors",
    ]
    status = {"fsid": samples.FSID, "election_epoch": 30, "mgrmap": {"active_name": "b"}}
    assert allowed(status=status) == ["active manager", "epoch of the election"]
    assert allowed(osd_map=osd_map(up_from=80)) == ["epoch since which osd.0 is up"]
    assert allowed(users=cluster.users(samples.auth_list(**{"mgr.node-9": "AQFAKE8=="})))


def test_an_epoch_of_the_osd_map_never_goes_back():
    assert allowed(osd_map=cluster.osd_map(samples.osd_dump(epoch=100))) == ["epoch of the OSD map"]
    assert broken(osd_map=cluster.osd_map(samples.osd_dump(epoch=98))) == ["epoch of the OSD map"]


def test_every_difference_is_told_by_name_and_no_key_is():
    other = snapshot(users=cluster.users(samples.auth_list(**{"client.images": "AQFAKE7=="})), settings=())
    with pytest.raises(
        InvariantBroken, match=r"key of client\.images was .*setting osd_memory_target.* is none"
    ) as told:
        require_same(snapshot(), other)
    assert "AQFAKE" not in str(told.value)


def test_a_setting_that_is_a_secret_is_not_told():
    old, new = (({"section": "client.rgw", "name": "rgw_ldap_secret", "value": value},) for value in ("tiger", "lion"))
    (found,) = compare(snapshot(settings=old), snapshot(settings=new)).broken
    assert "tiger" not in str(found) and "lion" not in str(found)


def test_data_that_moves():
    assert moving({"pgmap": {"misplaced_objects": 0, "num_objects": 4}}) == {}
    assert moving({"pgmap": {"misplaced_objects": 14, "unfound_objects": 1}}) == {
        "misplaced_objects": 14,
        "unfound_objects": 1,
    }


def test_an_osd_with_a_newer_map_is_named():
    found = cluster.osd_map(samples.osd_dump(epoch=20))
    require_newest_map({0: 20, 1: 19}, found)
    with pytest.raises(InvariantBroken, match=r"osd\.3 \(epoch 26\).*copied too early"):
        require_newest_map({0: 20, 3: 26}, found)


@pytest.mark.parametrize("path", files("composed/osd_dump_ok.json"))
def test_a_recorded_cluster_is_what_it_was(path):
    def of(name):
        return load(path.with_name(f"{name}.json"))

    whole = Snapshot(
        of("status_ok"),
        cluster.monitor_map(of("mon_dump")),
        cluster.osd_map(of("osd_dump_ok")),
        of("osd_crush_dump"),
        cluster.placement_groups(of("pg_dump_pgs_brief")),
        cluster.users(of("auth_list")),
    )
    assert not compare(whole, whole).broken
    degraded = replace(whole, osd_map=cluster.osd_map(of("osd_dump_noout_1_down_1_out")))
    assert "up of osd.1" in [one.name for one in compare(whole, degraded).broken]
    assert not moving(whole.status)
