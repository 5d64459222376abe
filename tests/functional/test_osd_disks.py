"""The disk of an OSD that a real Ceph made: its label is read without Ceph, and Ceph accepts what is made of it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from lab.cache import CACHE
from tests.saltfiles import Node
from tests.unit.osds.disks import FSID, UUID

KEY = "AQAFAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE=="
CONF = f"[global]\nfsid = {FSID}\nbluestore_block_size = 1073741824\nbluestore_cache_autotune = false\n"
OSD = {"osd": 3, "fsid": FSID, "uuid": UUID.format(3)}


class Ceph:
    """Ceph's programs as the lab has them in its cache, without a cluster."""

    def __init__(self) -> None:
        layers = [path.parents[2] for path in sorted(CACHE.glob("layer-*/upper/usr/bin/ceph-bluestore-tool"))]
        images = sorted(path for path in CACHE.glob("image-*") if path.is_dir())
        if not layers or not images:
            pytest.skip("the lab has not installed Ceph here yet")
        self.programs = layers[-1] / "usr/bin"
        library = "usr/lib/x86_64-linux-gnu"
        self.plugins = layers[-1] / library / "ceph"
        self.libraries = ":".join(map(str, (layers[-1] / library, self.plugins, images[-1] / library)))

    def run(self, *argv: str) -> str:
        env = {**os.environ, "LD_LIBRARY_PATH": self.libraries}
        command = [f"{self.programs}/{argv[0]}", *argv[1:]]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout

    def wrapper(self, folder: Path) -> None:
        """A program of that name that can be found on a path."""
        path = folder / "ceph-bluestore-tool"
        path.write_text(
            f'#!/bin/sh\nLD_LIBRARY_PATH={self.libraries} exec {self.programs}/ceph-bluestore-tool "$@"\n'
        )
        path.chmod(0o755)


@pytest.fixture(scope="module")
def ceph():
    return Ceph()


@pytest.fixture
def host(ceph, tmp_path, monkeypatch):
    """A host with one disk on which `ceph-osd --mkfs` has made osd.3, and nothing else."""
    for name in ("dev", "osd", "homes", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "ceph.conf").write_text(CONF + f"plugin_dir = {ceph.plugins}\n")
    (tmp_path / "key").write_text(KEY)
    disk = tmp_path / "dev" / "sdb"
    with disk.open("wb") as stream:
        stream.truncate(2**30)
    (tmp_path / "osd" / "block").symlink_to(disk)
    given = ["--osd-data", f"{tmp_path}/osd", "--osd-uuid", OSD["uuid"], "--keyfile", f"{tmp_path}/key"]
    kind = ["--osd-objectstore", "bluestore", "--no-mon-config", "--log-file", f"{tmp_path}/log"]
    ceph.run("ceph-osd", "-c", f"{tmp_path}/ceph.conf", "-i", "3", "--mkfs", *given, *kind)
    ceph.wrapper(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    node = Node()
    node.set(DEVICES=f"{tmp_path}/dev", HOMES=f"{tmp_path}/homes")
    monkeypatch.setattr(node.modules["octane_ceph_osd"], "_give", lambda path: None)
    return node


def test_what_is_read_of_a_label_is_what_cephs_own_tool_shows(ceph, host, tmp_path):
    disk = f"{tmp_path}/dev/sdb"
    shown = json.loads(ceph.run("ceph-bluestore-tool", "show-label", "--dev", disk))[disk]
    read = host.call("octane_disk.bluestore", disk)
    assert (read["uuid"], read["size"], read["description"]) == (shown["osd_uuid"], shown["size"], "main")
    facts = {name: value for name, value in shown.items() if name not in ("osd_uuid", "size", "btime", "description")}
    assert set(read["facts"]) == set(facts)
    assert {name: value for name, value in read["facts"].items() if "key" not in name} == {
        name: value for name, value in facts.items() if "key" not in name
    }
    assert KEY not in str(read)


def test_the_disk_is_protected_claimed_and_primed(host, tmp_path):
    for guard in (("octane_ceph_osd.require_claimed", ["sdb"]), ("octane_disk.require_free", ["sdb"])):
        with pytest.raises(CommandExecutionError, match=rf"sdb holds osd\.3 of the cluster {FSID}"):
            host.call(*guard)
    host.call("octane_ceph_osd.claim", [OSD], ["sdb"])
    assert host.call("octane_ceph_osd.require_claimed", ["sdb"]) == [{"osd": 3, "device": f"{tmp_path}/dev/sdb"}]
    for _ in range(2):
        assert host.call("octane_ceph_osd.prime", [3]) == {"3": host.call("octane_ceph.fingerprint", KEY)}
    home = tmp_path / "homes" / "ceph-3"
    said = {name: (home / name).read_text().strip() for name in ("whoami", "fsid", "ceph_fsid", "type")}
    assert said == {"whoami": "3", "fsid": OSD["uuid"], "ceph_fsid": FSID, "type": "bluestore"}
    assert (home / "keyring").stat().st_mode & 0o777 == 0o600
