"""Fuel keeps the volumes of OSDs alone, and what it knows of the disks is what is on them."""

import pytest

from octane.errors import Refused
from octane.fuel import kept

MIB = 2**20


def disk(name, **sizes):
    volumes = [{"name": volume, "size": sizes.get(volume, 0), "keep_data": False} for volume in
               ("os", "vm", "cephjournal", "ceph")]  # fmt: skip
    return {"id": name, "name": name, "size": 2000, "volumes": volumes}


DISKS = [disk("sda", os=500, vm=500), disk("sdb", ceph=900, cephjournal=100), disk("sdc", ceph=1000)]
LABELS = [{"disk": "sdb", "osd": 0}, {"disk": "sdc", "osd": 1}]


def part(holds, size):
    return {"holds": holds, "size": size * MIB}


def layout(**parts):
    found = {
        "sda": [part("", 24), part("", 976)],
        "sdb": [part("", 24), part("data", 900), part("journal", 96)],
        "sdc": [part("data", 1001)],
        **parts,
    }
    return {name: {"size": 2000 * MIB, "partitions": there} for name, there in found.items() if there is not None}


def test_every_part_of_a_kept_volume_is_flagged_and_nothing_else():
    """Nailgun refuses a volume that is kept on one disk and not on another."""
    found = kept.flagged(DISKS)
    assert kept.require_flags(found, "node-7") == {"os": False, "vm": False, "cephjournal": True, "ceph": True}
    assert all(one["keep_data"] == (one["name"] in kept.KEPT) for disk in found for one in disk["volumes"])
    assert kept.with_flags(found, kept.flags(DISKS)) == DISKS and not kept.flags(DISKS)["ceph"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"cephjournal": True}, "volume ceph would be formatted"),
        ({"ceph": True}, "volume cephjournal would be formatted"),
        ({"ceph": True, "cephjournal": True, "os": True}, "volume os is to be kept as well"),
    ],
)
def test_flags_that_are_not_exactly_so_are_named(flags, told):
    with pytest.raises(Refused, match=told):
        kept.require_flags(kept.with_flags(DISKS, flags), "node-7")


def test_partitions_of_the_size_of_their_volumes_are_what_fuel_knows():
    assert kept.problems(DISKS, layout(), LABELS) == []


def test_a_disk_that_an_osd_has_for_itself_is_as_good():
    disks = [DISKS[0], disk("sdb", ceph=1900), disk("sdc", ceph=1900)]
    assert kept.problems(disks, layout(sdb=[], sdc=[]), LABELS) == []
    disks[1]["volumes"][0]["size"] = 5
    told = kept.problems(disks, layout(sdb=[], sdc=[]), LABELS)
    assert told == ["osd.0 has all of sdb, where Fuel has os (5 MiB) as well"]
    assert "volume ceph on sdc is of 1900 MiB for Fuel, the disk has 1000" in kept.problems(
        disks, {**layout(sdb=[]), "sdc": {"size": 1000 * MIB, "partitions": []}}, LABELS
    )


@pytest.mark.parametrize(
    ("parts", "labels", "told"),
    [
        ({"sdc": [part("data", 500)]}, LABELS, "volume ceph on sdc is of 1000 MiB for Fuel, its partitions are of 500"),
        ({"sdc": [part("", 1000)]}, LABELS, "its partitions are of 0"),
        ({"sdb": [part("data", 900)]}, LABELS, "volume cephjournal on sdb is of 100 MiB for Fuel"),
        ({"sdc": [part("data", 1000), part("journal", 90)]}, LABELS, "volume cephjournal on sdc is of 0 MiB"),
        ({"sda": [part("data", 900)]}, LABELS, "volume ceph on sda is of 0 MiB"),
        ({"sdc": None}, LABELS[:1], "there is no disk sdc, on which Fuel has ceph"),
        ({}, LABELS[:1], "Fuel has a volume ceph on sdc, where the labels of no OSD are"),
        ({}, [*LABELS, {"disk": "sda", "osd": 9}], "osd.9 is on sda, where Fuel has no volume ceph but os"),
        ({}, [*LABELS, {"disk": "sdx", "osd": 9}], "osd.9 is on sdx, which Fuel does not know"),
    ],
)
def test_what_differs_is_named_with_its_disk(parts, labels, told):
    assert [one for one in kept.problems(DISKS, layout(**parts), labels) if told in one]
