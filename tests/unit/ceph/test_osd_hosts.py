"""Which OSDs may stop, and which hosts together."""

import pytest

from octane.ceph import cluster, crush, osd_hosts
from octane.ceph.osd_hosts import Storage
from octane.errors import BadInput, Refused
from tests.unit.ceph import samples
from tests.unit.ceph.recorded import files, load

HOSTS = samples.HOSTS
TWO_RACKS = {"left": ("node-4", "node-5"), "right": ("node-6", "node-7")}
FOUR = {**HOSTS, "node-7": (6, 7)}


def storage(*acting, pools=(("volumes", 3, 2),), dump=None, crush_dump=None, state="active+clean"):
    groups = samples.pgs_brief(*acting, state=state)
    return Storage(
        cluster.osd_map(dump or samples.osd_dump(pools=pools)),
        crush.read(crush_dump or samples.crush_dump()),
        cluster.placement_groups(groups),
    )


def racks():
    """Four hosts in two racks, and a rule that gives each rack a copy."""
    dump = samples.crush_dump(FOUR, spreads_over="rack")
    ids = {one["name"]: one["id"] for one in dump["buckets"]}
    for number, (name, hosts) in enumerate(TWO_RACKS.items(), 20):
        dump["buckets"].append(samples.bucket(-number, name, "rack", [ids[host] for host in hosts]))
    osds = samples.osd_dump(pools=(("volumes", 2, 1),))
    osds["osds"] += [samples.osd(6), samples.osd(7)]
    return storage((0, 4), (2, 6), dump=osds, crush_dump=dump)


def test_a_host_may_stop_where_enough_copies_are_left():
    for osds in HOSTS.values():
        osd_hosts.require_may_stop(storage(), osds)


def test_two_hosts_may_not_where_one_copy_would_be_left():
    (found,) = osd_hosts.obstacles(storage(), (0, 1, 2, 3))
    assert (found.pool.name, found.groups, found.left) == ("volumes", ("1.0", "1.1", "1.2"), 1)
    with pytest.raises(
        Refused, match=r"osd\.0, osd\.2 may not stop: pool volumes .* 1 copies left of 1 placement groups \(1\.0\)"
    ):
        osd_hosts.require_may_stop(storage(), (2, 0))


@pytest.mark.parametrize(
    ("size", "min_size", "acting", "remedy"),
    [
        (1, 1, (0,), "pool set volumes size 2"),
        (2, 2, (0, 2), "pool set volumes min_size 1"),
        (3, 3, (0, 2, 4), "pool set volumes min_size 2"),
        (3, 2, (0, 2), "wait until"),
        (1, 0, (0,), "size 2"),
    ],
)
def test_a_pool_that_would_stand_still_is_named_with_a_remedy(size, min_size, acting, remedy):
    with pytest.raises(Refused, match=remedy):
        osd_hosts.require_may_stop(storage(acting, pools=(("volumes", size, min_size),)), (0, 1))


def test_two_copies_on_one_host_are_found_by_acting_sets():
    spread_over_osds = samples.crush_dump(spreads_over="osd")
    with pytest.raises(Refused, match=r"1\.0"):
        osd_hosts.require_may_stop(storage((0, 1, 4), crush_dump=spread_over_osds), (0, 1))


def test_an_osd_that_is_down_already_counts():
    dump = samples.osd_dump()
    dump["osds"][2]["up"] = 0
    osd_hosts.require_may_stop(storage((0, 2, 4)), (0, 1))
    with pytest.raises(Refused, match="1 copies left"):
        osd_hosts.require_may_stop(storage((0, 2, 4), dump=dump), (0, 1))


def test_groups_that_would_not_be_touched_are_of_no_matter():
    osd_hosts.require_may_stop(storage((2, 4)), (0, 1))


def test_groups_that_are_not_active_stop_all():
    with pytest.raises(Refused, match=r"not active: 1\.0"):
        osd_hosts.require_may_stop(storage((2, 4), state="peering"), (0,))


def test_an_osd_that_is_not_there_is_named():
    with pytest.raises(BadInput, match=r"no osd\.17"):
        osd_hosts.require_may_stop(storage(), (0, 17))


def test_three_hosts_of_three_copies_go_one_by_one():
    found = osd_hosts.plan(storage(), HOSTS)
    assert found.waves == (("node-4",), ("node-5",), ("node-6",))
    assert found.limits == ("pool volumes (size 3, min_size 2): 1 of kind host",)


def test_pools_that_may_lose_two_let_two_hosts_go_together():
    found = osd_hosts.plan(storage(pools=(("volumes", 3, 1),)), HOSTS)
    assert found.waves == (("node-4", "node-5"), ("node-6",))
    assert osd_hosts.plan(storage(pools=(("volumes", 3, 1),)), HOSTS, most=1).waves == (
        ("node-4",),
        ("node-5",),
        ("node-6",),
    )


def test_the_pool_that_may_lose_least_decides():
    found = osd_hosts.plan(storage(pools=(("volumes", 3, 1), ("images", 3, 2))), HOSTS)
    assert len(found.waves) == 3 and len(found.limits) == 2


def test_hosts_that_share_no_group_by_chance_do_not_go_together():
    assert len(osd_hosts.plan(storage((0, 4, 5)), {"node-4": (0, 1), "node-5": (2, 3)}).waves) == 2


def test_a_whole_rack_goes_together_where_copies_are_spread_over_racks():
    assert osd_hosts.plan(racks(), FOUR).waves == (("node-4", "node-5"), ("node-6", "node-7"))
    in_turn = {name: FOUR[name] for name in ("node-4", "node-6", "node-5", "node-7")}
    assert osd_hosts.plan(racks(), in_turn).waves == (("node-4", "node-5"), ("node-6", "node-7"))


def test_a_pool_that_does_not_spread_over_hosts_lets_single_hosts_go():
    spread_over_osds = samples.crush_dump(spreads_over="osd")
    assert len(osd_hosts.plan(storage((0, 2, 4), crush_dump=spread_over_osds), HOSTS).waves) == 3


def test_a_host_that_may_not_stop_even_alone_is_refused_before_any_wave():
    with pytest.raises(Refused, match=r"osd\.4, osd\.5 may not stop"):
        osd_hosts.plan(storage((4,)), HOSTS)


def test_no_host_at_once_is_refused():
    with pytest.raises(BadInput, match="0 hosts"):
        osd_hosts.plan(storage(), HOSTS, most=0)


def test_hosts_have_the_osds_of_the_crush_map():
    osd_hosts.require_hosts(crush.read(samples.crush_dump()), HOSTS)
    with pytest.raises(Refused, match=r"node-4 has osd\.0, and osd\.0, osd\.1 in the crush map.*node-9 has osd\.1"):
        osd_hosts.require_hosts(crush.read(samples.crush_dump()), {"node-4": [0], "node-9": [1]})


@pytest.mark.parametrize("path", files("composed/osd_dump_ok.json"))
def test_a_recorded_cluster_has_a_plan(path):
    dump, tree, groups = (
        load(path.with_name(f"{name}.json")) for name in ("osd_dump_ok", "osd_crush_dump", "pg_dump_pgs_brief")
    )
    whole = Storage(cluster.osd_map(dump), crush.read(tree), cluster.placement_groups(groups))
    hosts = whole.crush.domains("host")
    waves = osd_hosts.plan(whole, hosts).waves
    assert sorted(host for wave in waves for host in wave) == sorted(hosts)
    smallest = min(osd_hosts.spare(pool) for pool in whole.osd_map.pools)
    assert all(len(wave) <= smallest for wave in waves)
    assert osd_hosts.obstacles(whole, {osd for osds in hosts.values() for osd in osds})
