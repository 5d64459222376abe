"""
Which disks hold an OSD is told from the disks alone, and what holds one is not formatted.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node
from tests.unit.osds import disks
from tests.unit.osds.disks import FSID, REAL, UUID, disk, label, table


@pytest.fixture
def node(tmp_path):
    (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
    one = Node()
    one.set(DEVICES=str(tmp_path), MOUNTS=str(tmp_path / "mounts"))
    return one


def partitioned(node, tmp_path, osd=3):
    """A disk as ceph-disk of Firefly leaves it: a data partition that is mounted, and a journal."""
    data = node.modules["octane_disk"].DATA
    journal = node.modules["octane_disk"].JOURNAL
    disk(tmp_path, "sdb", table((disks.SYSTEM, 34, 99), (data, 100, 1099), (journal, 1100, 1199)))
    for number in (1, 2, 3):
        disk(tmp_path, f"sdb{number}")
    home = tmp_path / f"ceph-{osd}"
    home.mkdir()
    for name, value in {"ceph_fsid": FSID, "whoami": str(osd), "fsid": UUID.format(osd)}.items():
        (home / name).write_text(value + "\n")
    (tmp_path / "mounts").write_text(f"{tmp_path}/sdb2 {home} xfs rw 0 0\n")
    return home


def test_the_label_that_a_real_ceph_wrote_is_read_without_ceph(node, tmp_path):
    disk(tmp_path, "sdb", REAL)
    (found,) = node.call("octane_disk.labels", ["sdb"])
    assert (found["kind"], found["fsid"], found["osd"], found["uuid"]) == ("bluestore", FSID, 3, UUID.format(3))
    whole = node.call("octane_disk.bluestore", str(tmp_path / "sdb"))
    assert whole["size"] == 2**30 and whole["facts"]["ceph_version_when_created"].startswith("ceph version 16.2.15")


def test_keys_are_told_as_fingerprints_alone(node, tmp_path):
    disk(tmp_path, "sdb", label(1, key="AQSECRET=="))
    (found,) = node.call("octane_disk.labels", ["sdb"])
    whole = node.call("octane_disk.bluestore", str(tmp_path / "sdb"))
    assert found["key"] == node.call("octane_ceph.fingerprint", "AQSECRET==")
    assert "AQSECRET" not in f"{found}{whole}"


def test_an_empty_disk_and_a_device_of_a_database_hold_no_osd(node, tmp_path):
    disk(tmp_path, "sdb")
    disk(tmp_path, "sdc", label(1, description="bluefs db"))
    assert node.call("octane_disk.labels", ["sdb", "sdc"]) == []
    with pytest.raises(CommandExecutionError, match="sdc is bluefs db of BlueStore"):
        node.call("octane_disk.require_free", ["sdb", "sdc"])


@pytest.mark.parametrize(
    "content",
    [
        REAL[:70],
        REAL[:62] + b"\xff" * 100,
        label(1).replace(b"\x09\0\0\0ceph_fsid", b"\xff\xff\0\0ceph_fsid"),
        label(1, fsid="nonsense"),
        label(1, identity=UUID.format(1)).replace(b"whoami", b"who-am"),
    ],
    ids=["cut", "too long", "text too long", "no cluster", "no id"],
)
def test_a_label_that_nobody_can_read_is_an_error_and_no_empty_disk(node, tmp_path, content):
    disk(tmp_path, "sdb", content)
    with pytest.raises(CommandExecutionError, match="sdb"):
        node.call("octane_disk.labels", ["sdb"])


def test_data_partitions_of_old_releases_are_read_where_they_are_mounted(node, tmp_path):
    partitioned(node, tmp_path)
    found = node.call("octane_disk.labels", ["sdb"])
    assert [(one["kind"], one["device"], one["osd"], one["uuid"], one["key"]) for one in found] == [
        ("filestore", f"{tmp_path}/sdb2", 3, UUID.format(3), "")
    ]
    parts = node.call("octane_disk.layout", ["sdb"])["sdb"]["partitions"]
    assert [(one["number"], one["holds"], one["size"]) for one in parts] == [
        (1, "", 66 * 512), (2, "data", 1000 * 512), (3, "journal", 100 * 512)
    ]  # fmt: skip


def test_a_partition_of_data_without_files_of_a_label_is_an_error(node, tmp_path):
    home = partitioned(node, tmp_path)
    (home / "whoami").unlink()
    with pytest.raises(CommandExecutionError, match=r"label of .*sdb2 is not whole"):
        node.call("octane_disk.labels", ["sdb"])


def test_disks_with_sectors_of_4096_bytes_have_tables_too(node, tmp_path):
    disk(tmp_path, "sdb", table((disks.SYSTEM, 6, 9), sector=4096), size=2**21)
    (part,) = node.call("octane_disk.layout", ["sdb"])["sdb"]["partitions"]
    assert part["size"] == 4 * 4096


def test_what_holds_an_osd_or_a_journal_is_not_to_be_formatted_and_the_label_says_why(node, tmp_path):
    partitioned(node, tmp_path)
    disk(tmp_path, "sdc", label(5))
    disk(tmp_path, "sdd")
    assert node.call("octane_disk.require_free", ["sdd", "sdb1"]) == ["sdd", "sdb1"]
    for name, told in {
        "sdc": rf"holds osd\.5 of the cluster {FSID} \(uuid {UUID.format(5)}\): not to be formatted",
        "sdb": r"sdb2 holds osd\.3 .*sdb3 is a journal",
        "sdb3": "sdb3 is a journal of Ceph",
    }.items():
        with pytest.raises(CommandExecutionError, match=told):
            node.call("octane_disk.require_free", [name])


@pytest.mark.parametrize("name", ["sdz", "../sdb", "", "sdb; rm"])
def test_what_is_no_disk_is_refused(node, tmp_path, name):
    disk(tmp_path, "sdb")
    with pytest.raises(CommandExecutionError, match="disk"):
        node.call("octane_disk.layout", [name])
    assert node.call("octane_disk.known", [name, "sdb"]) == ["sdb"]


def test_a_disk_of_whose_name_a_number_is_part_has_partitions_with_a_p(node, tmp_path):
    disk(tmp_path, "nvme0n1", table((node.modules["octane_disk"].JOURNAL, 100, 199)))
    disk(tmp_path, "nvme0n1p1")
    with pytest.raises(CommandExecutionError, match="nvme0n1p1 is a journal"):
        node.call("octane_disk.require_free", ["nvme0n1p1"])
