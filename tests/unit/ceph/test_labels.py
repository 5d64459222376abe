"""Whose data disks are."""

import pytest

from octane.ceph import cluster, labels
from octane.errors import BadInput, Refused
from tests.unit.ceph import samples

EXPECTED = {"/dev/vdb": 0, "/dev/vdc": 1}
OSD_MAP = cluster.osd_map(samples.osd_dump())


def shown(**changed):
    """{disk: label} of a host with two OSDs; CHANGED is {disk without /dev/: fields}."""
    found = {}
    for disk, osd in EXPECTED.items():
        label = {"ceph_fsid": samples.FSID, "whoami": str(osd), "osd_uuid": f"uuid-{osd}", "description": "main"}
        found[disk] = {**label, **changed.get(disk.removeprefix("/dev/"), {})}
    return found


def refuse(why, document, expected=EXPECTED):
    with pytest.raises(Refused, match=why):
        labels.require_own(labels.bluestore(document), expected, OSD_MAP)


def test_disks_that_are_the_clusters_own():
    labels.require_own(labels.bluestore(shown()), EXPECTED, OSD_MAP)


def test_disks_that_are_not():
    refuse("/dev/vdc is of the cluster other", shown(vdc={"ceph_fsid": "other"}))
    refuse(r"/dev/vdb holds osd\.1 and not osd\.0; /dev/vdc holds osd\.0", swapped())
    refuse("uuid other, the cluster's is uuid-0", shown(vdb={"osd_uuid": "other"}))
    refuse(r"/dev/vdd has no label of osd\.2", shown(), {**EXPECTED, "/dev/vdd": 2})
    refuse(r"/dev/vdc holds osd\.1, and no OSD", shown(), {"/dev/vdb": 0})


def test_an_osd_that_the_cluster_does_not_have():
    refuse("the cluster's is None", shown(vdb={"whoami": "9", "osd_uuid": "uuid-9"}), {**EXPECTED, "/dev/vdb": 9})


def swapped():
    found = shown()
    return {"/dev/vdb": found["/dev/vdc"], "/dev/vdc": found["/dev/vdb"]}


def test_devices_of_a_database_are_no_data_disks():
    document = {**shown(), "/dev/vde": {"description": "bluefs db", "osd_uuid": "uuid-0"}}
    assert [one.disk for one in labels.bluestore(document)] == list(EXPECTED)


def test_no_key_of_a_label_is_told():
    (first, second) = labels.bluestore(shown(vdb={"osd_key": "AQFAKE=="}))
    assert first.key and "AQFAKE" not in repr(first) and not second.key


def test_a_label_that_is_not_whole_is_refused():
    with pytest.raises(BadInput, match="label of /dev/vdb has no whoami"):
        labels.bluestore(shown(vdb={"whoami": ""}))


def test_a_file_system_of_an_old_release_has_its_label_in_files():
    files = {"ceph_fsid": f"{samples.FSID}\n", "whoami": "1\n", "fsid": "uuid-1\n", "magic": "ceph osd volume v026\n"}
    assert labels.filestore("/dev/vdc", files) == labels.bluestore(shown())[1]
    with pytest.raises(BadInput, match="has no fsid"):
        labels.filestore("/dev/vdc", {**files, "fsid": ""})
