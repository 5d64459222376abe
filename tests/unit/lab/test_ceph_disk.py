"""The lab's ceph-disk: what it says of disks, and that it refuses to make a new OSD of one that is in use."""

from __future__ import annotations

import pytest

from lab.deployer.node_scripts import ceph_disk

LABELS = {"/dev/sdb": {"whoami": "3"}, "/dev/sdc": {"whoami": "4"}, "/dev/sdd": None}
ACTIVE = {"/dev/sdb"}


@pytest.fixture(autouse=True)
def _node(monkeypatch):
    monkeypatch.setattr(ceph_disk, "disks", lambda: sorted(LABELS))
    monkeypatch.setattr(ceph_disk, "label", LABELS.get)
    monkeypatch.setattr(ceph_disk, "is_active", lambda disk: disk in ACTIVE)


def called(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["ceph-disk", *words])
    ceph_disk.main()


def test_it_lists_disks_as_firefly_does(monkeypatch, capsys):
    called(monkeypatch, "list")
    assert capsys.readouterr().out.splitlines() == [
        "/dev/sdb ceph data, active, cluster ceph, osd.3",
        "/dev/sdc ceph data, prepared, cluster ceph, osd.4",
        "/dev/sdd other, unknown",
    ]


def test_it_activates_what_has_a_label_and_is_not_active(monkeypatch):
    activated = []
    monkeypatch.setattr(ceph_disk, "activate", activated.append)
    called(monkeypatch, "activate-all")
    assert activated == ["/dev/sdc"]


def test_a_disk_that_is_in_use_is_not_prepared(monkeypatch):
    with pytest.raises(SystemExit, match="active"):
        called(monkeypatch, "prepare", "/dev/sdb")


def test_one_that_runs_is_not_started_again(monkeypatch):
    monkeypatch.setattr(ceph_disk, "is_running", {"3"}.__contains__)
    monkeypatch.setattr(ceph_disk, "made_home", lambda number, disk: pytest.fail(f"{disk} of osd.{number} is touched"))
    called(monkeypatch, "activate", "/dev/sdb")


def test_a_home_makes_its_disk_active_also_while_its_daemon_does_not_run(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr(ceph_disk, "OSDS", str(tmp_path))
    (tmp_path / "ceph-3").mkdir()
    (tmp_path / "ceph-3/block").symlink_to(tmp_path / "sdb")
    assert ceph_disk.is_active(str(tmp_path / "sdb")) and not ceph_disk.is_active(str(tmp_path / "sdc"))


def test_a_disk_without_a_label_is_not_activated(monkeypatch):
    with pytest.raises(SystemExit, match="no label"):
        called(monkeypatch, "activate", "/dev/sdd")
