"""How monitors go to the seed."""

from dataclasses import replace
from itertools import pairwise

import pytest

from octane.ceph import cluster, monitors
from octane.ceph.monitors import Act, Successor
from octane.errors import BadInput, InvariantBroken, Refused
from tests.unit.ceph import samples
from tests.unit.ceph.recorded import files, load

FIREFLY, HAMMER, JEWEL, PACIFIC = (
    cluster.version(f"ceph version {number} (abc)") for number in ("0.80.9", "0.94.6", "10.2.2", "16.2.15")
)
SEED = tuple(Successor(f"node-{number}", f"node-{number - 6}", f"192.168.1.{number}") for number in (7, 8, 9))


def quorum(addresses=samples.ADDRESSES, members=(0, 1, 2), leader=None, new=False):
    found = cluster.quorum(samples.quorum_status(members, addresses=addresses, new=new))
    return replace(found, leader=leader) if leader else found


def joined(**more):
    addresses = {**samples.ADDRESSES, **{one.name: one.storage for one in SEED}}
    return quorum(addresses, range(6), **more)


def short(acts):
    return [f"{act.does} {act.monitor}".strip() for act in acts]


@pytest.mark.parametrize(
    ("running", "new"), [(FIREFLY, FIREFLY), (FIREFLY, HAMMER), (HAMMER, JEWEL), (PACIFIC, PACIFIC)]
)
def test_monitors_join_early_where_they_can(running, new):
    assert monitors.choose(quorum(), SEED, running, new) == monitors.Way(monitors.EARLY)


def test_without_a_shared_network_all_go_at_once():
    way = monitors.choose(quorum(), (replace(SEED[0], storage=None), *SEED[1:]), FIREFLY, HAMMER)
    assert way.name == monitors.AT_ONCE and "both sides share: node-7" in way.reasons[0]


def test_few_monitors_go_at_once():
    way = monitors.choose(quorum({"node-1": "192.168.0.3"}, (0,)), SEED[:1], PACIFIC, PACIFIC)
    assert way.name == monitors.AT_ONCE and "1 monitors" in way.reasons[0]


def test_a_monitor_that_is_missing_stops_both_ways():
    with pytest.raises(Refused, match="not in the quorum: node-2"):
        monitors.choose(quorum(members=(0, 2)), SEED, FIREFLY, HAMMER)


@pytest.mark.parametrize(("running", "new", "why"), [(FIREFLY, JEWEL, "between them"), (JEWEL, HAMMER, "older")])
def test_a_release_that_does_not_follow_is_refused(running, new, why):
    with pytest.raises(Refused, match=why):
        monitors.choose(quorum(), SEED, running, new)


def test_a_release_nobody_knows_is_refused():
    with pytest.raises(BadInput, match=r"0\.71"):
        monitors.choose(quorum(), SEED, cluster.version("ceph version 0.71"), HAMMER)


@pytest.mark.parametrize("others", [SEED[:2], (*SEED[:2], SEED[1]), (*SEED[:2], replace(SEED[2], name="node-1"))])
def test_every_monitor_has_one_successor_of_another_name(others):
    with pytest.raises(BadInput, match="give"):
        monitors.choose(quorum(), others, FIREFLY, HAMMER)


def test_joins_are_at_the_storage_network_with_the_original_protocols():
    originals = quorum(new=True).map
    acts = monitors.joins(originals, originals, SEED)
    assert short(acts) == ["join node-7", "join node-8", "join node-9"]
    assert list(map(str, acts[0].addresses)) == ["v2:192.168.1.7:3300", "v1:192.168.1.7:6789"]
    assert acts[-1].members == ("node-1", "node-2", "node-3", "node-7", "node-8", "node-9")


def test_who_has_joined_is_not_let_join_again():
    now = quorum({**samples.ADDRESSES, "node-7": "192.168.1.7"}).map
    assert short(monitors.joins(now, quorum().map, SEED)) == ["join node-8", "join node-9"]


def test_moves_keep_a_majority_and_an_original_address():
    originals = quorum().map
    acts = monitors.moves(joined(leader="node-2"), originals, SEED)
    assert short(acts) == [
        "remove node-2",
        "remove node-1",
        "switch",
        "remove node-3",
        "move node-7",
        "move node-8",
        "move node-9",
    ]
    assert acts[2].members == acts[3].members == ("node-7", "node-8", "node-9")
    assert acts[4] == Act("move", "node-7", originals.monitors[0].addresses, ("node-7", "node-8", "node-9"))
    sizes = [6, *(len(act.members) for act in acts)]
    assert all(after * 2 > before for before, after in pairwise(sizes))


def test_moves_that_broke_off_go_on():
    addresses = {"node-7": "192.168.0.3", "node-8": "192.168.1.8", "node-9": "192.168.1.9"}
    now = quorum(addresses, leader="node-9")
    assert short(monitors.moves(now, quorum().map, SEED)) == ["move node-9", "move node-8"]


def test_nobody_leaves_before_all_have_joined():
    with pytest.raises(Refused, match="node-7, node-8, node-9; let them join"):
        monitors.moves(quorum(), quorum().map, SEED)


def test_at_once_nothing_is_copied_before_the_last_has_stopped():
    acts = monitors.at_once(quorum(leader="node-2"), SEED)
    assert short(acts) == [
        "stop node-3",
        "stop node-1",
        "stop node-2",
        "switch",
        "copy node-2",
        "start node-7",
        "start node-8",
        "start node-9",
    ]
    assert [act.members for act in acts[:-1]] == [()] * 7 and acts[-1].members == ("node-7", "node-8", "node-9")


def test_the_map_that_is_injected_has_the_original_addresses_and_protocols():
    removed, added = monitors.map_changes(quorum(new=True).map, SEED, PACIFIC)
    assert removed == ("--rm", "node-1", "--rm", "node-2", "--rm", "node-3")
    assert added[:3] == ("--addv", "node-7", "[v2:192.168.0.3:3300,v1:192.168.0.3:6789]")
    assert monitors.map_changes(quorum().map, SEED, PACIFIC)[1][:3] == ("--addv", "node-7", "[v1:192.168.0.3:6789]")
    assert monitors.map_changes(quorum().map, SEED, HAMMER)[1][:3] == ("--add", "node-7", "192.168.0.3:6789")


def renamed(new=True, **changed):
    addresses = dict(zip((one.name for one in SEED), samples.ADDRESSES.values(), strict=True))
    return replace(quorum({**addresses, **changed}, new=new).map)


def test_the_map_that_was_made_is_looked_at():
    originals = quorum(new=True).map
    monitors.require_map(renamed(), originals, SEED)
    with pytest.raises(InvariantBroken, match=f"fsid is other and not {samples.FSID}"):
        monitors.require_map(replace(renamed(), fsid="other"), originals, SEED)
    with pytest.raises(InvariantBroken, match=r"node-7 is at v1:192\.168\.0\.3:6789 and belongs at v2:192"):
        monitors.require_map(renamed(new=False), originals, SEED)
    with pytest.raises(InvariantBroken, match=r"node-1 is at .* and belongs at no address"):
        monitors.require_map(renamed(**{"node-1": "192.168.0.9"}), originals, SEED)
    with pytest.raises(InvariantBroken, match="node-9 is at no address"):
        monitors.require_map(replace(renamed(), monitors=renamed().monitors[:2]), originals, SEED)


def test_a_disk_that_is_nearly_full_is_named():
    monitors.require_disks({"node-1": 6, "node-7": 50.5})
    with pytest.raises(Refused, match=r"node-1 \(4 %\), node-7 \(5 %\)"):
        monitors.require_disks({"node-7": 5.0, "node-1": 4, "node-2": 30})


def test_settings_are_quick_while_monitors_move():
    assert monitors.tuning(PACIFIC, {})[0] == (
        ("config", "set", "mon", "mon_lease", "1"),
        ("config", "rm", "mon", "mon_lease"),
    )
    names = ("mon_lease", "mon_probe_timeout", "mon_lease_renew_interval", "mon_lease_ack_timeout")
    before = {name: "5" for name in names}
    assert (
        ("tell", "mon.*", "injectargs", "--mon_lease 1"),
        ("tell", "mon.*", "injectargs", "--mon_lease 5"),
    ) in monitors.tuning(FIREFLY, before)
    assert any("--mon_lease_renew_interval 0.6" in act for act, _ in monitors.tuning(FIREFLY, before))
    with pytest.raises(BadInput, match="config get mon_lease_renew_interval"):
        monitors.tuning(FIREFLY, {})


@pytest.mark.parametrize("path", files("quorum_status*.json", "mon_status*.json", "status*.json"))
def test_recorded_quorums_have_a_way(path):
    now = cluster.quorum(load(path))
    seed = [Successor(f"new-{one.name}", one.name, f"192.168.9.{one.rank}") for one in now.map.monitors]
    if now.missing:
        with pytest.raises(Refused, match=now.missing[0]):
            monitors.choose(now, seed, FIREFLY, HAMMER)
    else:
        way = monitors.choose(now, seed, FIREFLY, HAMMER)
        assert (way.name == monitors.EARLY) == (len(seed) >= 3)
        assert len(monitors.joins(now.map, now.map, seed)) == len(seed)
        assert len(monitors.at_once(now, seed)) == 2 * len(seed) + 2
