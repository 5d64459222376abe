"""Disks and interfaces of a seed's controller follow those of its original; ids and MACs stay its own."""

import copy

import pytest

from octane.errors import Refused
from octane.fuel import layout


def nic(name, networks, number):
    nets = [{"id": net_id, "name": net} for net, net_id in networks.items()]
    return {
        "id": number,
        "name": name,
        "mac": f"52:54:00:00:00:{number:02x}",
        "type": "ether",
        "assigned_networks": nets,
    }


ORIGINAL = [
    nic("eth0", {"fuelweb_admin": 1}, 1),
    nic("eth1", {"public": 2}, 2),
    nic("eth2", {"management": 3, "storage": 4}, 3),
    nic("eth3", {"private": 5}, 4),
]
TARGET = [
    nic("eth0", {"fuelweb_admin": 1, "management": 7, "storage": 8, "private": 9}, 21),
    nic("eth1", {"public": 6}, 22),
    nic("eth2", {}, 23),
    nic("eth3", {}, 24),
]
IDS = {"fuelweb_admin": 1, "public": 6, "management": 7, "storage": 8, "private": 9}


BOND = {
    **nic("bond0", {"management": 3, "private": 5}, 9),
    "type": "bond",
    "mode": "802.3ad",
    "slaves": [{"name": "eth2"}, {"name": "eth3"}],
    "bond_properties": {"mode": "802.3ad", "type__": "linux", "lacp_rate": "fast"},
}
BONDED = [*ORIGINAL[:2], nic("eth2", {}, 3), nic("eth3", {}, 4), BOND]


def test_a_bond_is_made_of_the_interfaces_of_the_same_names():
    done = layout.interfaces(BONDED, TARGET, IDS, "node-6")
    assert layout.networks_by_interface(done) == layout.networks_by_interface(BONDED)
    assert [entry["assigned_networks"] for entry in done[2:4]] == [[], []]
    assert "mac" not in done[4] and "id" not in done[4], "its own node's first slave gives it one"
    assert done[4]["bond_properties"] == BOND["bond_properties"]
    again = layout.interfaces(BONDED, done, IDS, "node-6")
    assert again == done, "one that is there already is not made beside itself"


def test_another_bond_is_told_apart_although_its_networks_are_the_same():
    others = ({"mode": "active-backup"}, {"slaves": [{"name": "eth1"}, {"name": "eth3"}]})
    labels = [layout.networks_by_interface([{**BOND, **other}]) for other in ({}, *others)]
    assert len({str(one) for one in labels}) == 3


def test_networks_go_to_the_interface_of_the_same_name_with_the_seed_s_ids():
    done = layout.interfaces(ORIGINAL, TARGET, IDS, "node-6")
    assert layout.networks_by_interface(done) == layout.networks_by_interface(ORIGINAL)
    assert done[2]["assigned_networks"] == [{"id": 7, "name": "management"}, {"id": 8, "name": "storage"}]


def test_ids_and_addresses_stay_the_target_s():
    done = layout.interfaces(ORIGINAL, TARGET, IDS, "node-6")
    assert [(n["id"], n["mac"]) for n in done] == [(n["id"], n["mac"]) for n in TARGET]


@pytest.mark.parametrize(
    ("original", "target", "ids", "named"),
    [
        (BONDED, TARGET[:3], IDS, "eth3"),
        (ORIGINAL, TARGET[:3], IDS, "eth3"),
        (ORIGINAL, TARGET, {key: value for key, value in IDS.items() if key != "storage"}, "storage"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(original, target, ids, named):
    with pytest.raises(Refused, match="node-6") as refused:
        layout.interfaces(original, target, ids, "node-6")
    assert named in str(refused.value)


MINIMUMS = {"os": 23552, "logs": 10240, "image": 5120, "mysql": 20480, "horizon": 11264}


def disk(name, size, **volumes):
    entries = [{"name": volume, "size": mib, "keep_data": False} for volume, mib in volumes.items()]
    return {"id": f"disk/by-path/{name}", "name": name, "size": size, "extra": [name], "volumes": entries}


def total(disks, volume):
    return sum(entry["size"] for d in disks for entry in d["volumes"] if entry["name"] == volume)


def test_what_nailgun_laid_out_well_stays():
    original = [disk("vda", 60812, os=23552, image=37260), disk("vdb", 50572, os=0, image=50572)]
    target = [
        disk("vda", 60620, os=23552, logs=10240, mysql=20480, image=6348),
        disk("vdb", 50380, horizon=11264, image=39116),
    ]
    assert layout.disks(original, target, MINIMUMS, "node-6") == target


def test_volumes_of_the_original_keep_to_their_disks():
    original = [disk("sda", 50000, os=50000, image=0), disk("sdb", 200000, os=0, image=200000)]
    target = [disk("vda", 60000, os=30000, image=30000), disk("vdb", 200000, image=200000)]
    before = copy.deepcopy(target)
    done = layout.disks(original, target, MINIMUMS, "node-6")
    assert target == before
    assert layout.sizes_by_disk(done)["vda"].get("image") is None
    assert layout.sizes_by_disk(done)["vdb"].get("os") is None


def test_every_volume_has_its_minimum_and_no_disk_is_over_full():
    original = [disk("sda", 50000, os=50000, image=0), disk("sdb", 200000, os=0, image=200000)]
    target = [disk("vda", 60000, os=30000, image=30000), disk("vdb", 200000, image=200000)]
    done = layout.disks(original, target, MINIMUMS, "node-6")
    assert all(total(done, volume) >= least for volume, least in MINIMUMS.items())
    assert [sum(entry["size"] for entry in d["volumes"]) for d in done] == [60000, 200000]
    assert [(d["id"], d["extra"]) for d in done] == [(d["id"], d["extra"]) for d in target]


def test_too_small_disks_are_refused_with_what_is_missing():
    original = [disk("sda", 50000, os=30000, image=20000), disk("sdb", 10, image=0)]
    target = [disk("vda", 40000, os=20000), disk("vdb", 100, image=100)]
    with pytest.raises(Refused, match=r"node-6.*mysql"):
        layout.disks(original, target, MINIMUMS, "node-6")
