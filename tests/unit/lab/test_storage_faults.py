"""What is made to go wrong with Ceph on a host is seen there, and healing takes all of it back."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import pytest

from lab import faults, storage_faults
from lab.hosts import Host, HostPlan
from lab.state import LabError

FSID = "0f0f0f0f-0000-4000-8000-000000000001"


class Node(Host):
    """A host whose commands of Ceph are answered from here."""

    def __init__(self, folder):
        super().__init__(HostPlan("node-7", folder / "node-7", "ol-", folder, None, (), (), (1, 1)))
        self.label = FSID
        self.injected = self.damaged = False
        self.asked = []
        for name in ("sdb", "sdc"):
            disk = self.data / "disks" / name
            disk.parent.mkdir(parents=True, exist_ok=True)
            disk.write_text(f"osd of {name}")

    def give(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True)
        file.write_text(text)

    def write(self, path, text, mode=0o644, owner=None):
        (self.root / path.lstrip("/")).write_text(text)

    def mount(self):
        (self.directory / "disk").mkdir(exist_ok=True)

    def run(self, argv, **options):
        self.asked.append(argv)
        return subprocess.CompletedProcess(argv, 0, stdout=json.dumps(self.answer(argv)))

    def answer(self, argv):
        words = [word for word in argv if word != "--connect-timeout"]
        if "show-label" in words:
            return {"/dev/sdb": {"ceph_fsid": self.label, "whoami": "1"}}
        if "set-label-key" in words:
            self.label = words[-1]
        if "map" in words:
            return {"pgid": "4.7", "acting": [5, 3, 1]}
        if "injectdataerr" in words:
            self.injected = True
        if "deep-scrub" in words:
            self.damaged = self.injected
        if "repair" in words:
            self.damaged = False
        return {"checks": {"PG_DAMAGED": {}} if self.damaged else {}}

    @property
    def disks_now(self):
        return {name: (self.data / "disks" / name).read_text() for name in self.disks()}


@pytest.fixture
def lab(tmp_path):
    return SimpleNamespace(state=tmp_path)


@pytest.fixture
def host(tmp_path):
    return Node(tmp_path)


def test_swapped_disks_have_each_others_content_until_they_are_swapped_again(lab, host):
    before = host.disks_now
    storage_faults.swap_disks(lab, host)
    assert host.disks_now == {"sdb": before["sdc"], "sdc": before["sdb"]}
    storage_faults.heal(lab, host)
    assert host.disks_now == before
    storage_faults.swap_disks(lab, host)
    storage_faults.swap_disks(lab, host)
    storage_faults.heal(lab, host)
    assert host.disks_now == before


def test_a_host_with_one_disk_has_none_to_swap(lab, host):
    (host.data / "disks/sdc").unlink()
    with pytest.raises(LabError, match="node-7 has no two data disks"):
        storage_faults.swap_disks(lab, host)


def test_a_foreign_label_is_another_cluster_s_and_made_once(lab, host):
    storage_faults.label_foreign(lab, host)
    foreign = host.label
    assert foreign != FSID
    storage_faults.label_foreign(lab, host)
    assert host.label == foreign
    storage_faults.heal(lab, host)
    assert host.label == FSID


@pytest.mark.parametrize("path", ["var/lib/ceph/osd/ceph-1/keyring", "var/lib/ceph/mon/ceph-node-7/keyring"])
def test_a_lost_keyring_is_kept_from_others_and_comes_back(lab, host, path):
    host.give(path, "secret")
    storage_faults.lose_keyring(lab, host)
    storage_faults.lose_keyring(lab, host)
    assert not (host.root / path).exists()
    assert (lab.state / "faults/node-7.lose-keyring").stat().st_mode & 0o777 == 0o600
    storage_faults.heal(lab, host)
    assert (host.root / path).read_text() == "secret"
    assert not any((lab.state / "faults").iterdir())


def test_the_keyring_of_what_was_installed_anew_is_not_given_back(lab, host):
    host.give("var/lib/ceph/osd/ceph-1/keyring", "secret")
    storage_faults.lose_keyring(lab, host)
    (host.root / "var/lib/ceph/osd/ceph-1").rmdir()
    storage_faults.heal(lab, host)
    assert not (host.root / "var/lib/ceph/osd/ceph-1").exists()


def test_a_host_without_ceph_has_no_keyring_to_lose(lab, host):
    with pytest.raises(LabError, match="no keyring"):
        storage_faults.lose_keyring(lab, host)


def test_the_host_s_own_osd_finds_a_group_inconsistent_until_it_is_repaired(lab, host):
    (host.root / "var/lib/ceph/osd/ceph-3").mkdir(parents=True)
    storage_faults.make_inconsistent(lab, host)
    assert host.damaged
    assert all("osd.3" in argv for argv in host.asked if "daemon" in argv)
    storage_faults.heal(lab, host)
    assert not host.damaged


def test_a_host_without_osds_has_no_group_to_break(lab, host):
    with pytest.raises(LabError, match="no OSD"):
        storage_faults.make_inconsistent(lab, host)


@pytest.mark.parametrize(("left_percent", "blocks"), [(0, 900), (faults.LOW_PERCENT, 860), (95, 0)])
def test_of_a_disk_no_more_is_taken_than_is_to_be_taken(monkeypatch, host, left_percent, blocks):
    """As on a file system whose file of 900 blocks needs two of them for its own map."""
    taken = []

    def fallocate(descriptor, position, size):
        assert position == sum(taken)
        if position + size > 898 * 4096:
            raise OSError("no space left")
        taken.append(size)

    monkeypatch.setattr(faults.os, "statvfs", lambda path: SimpleNamespace(f_bavail=900, f_frsize=4096, f_blocks=1000))
    monkeypatch.setattr(faults.os, "posix_fallocate", fallocate)
    host.mount()
    assert faults.fill_disk(host, left_percent) == sum(taken)
    wanted = min(blocks, 898) * 4096
    assert wanted - 2 * 4096 < sum(taken) <= wanted
