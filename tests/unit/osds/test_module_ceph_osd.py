"""
OSDs of a node: found, stopped, given their disks back in a new system, started.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node
from tests.unit.osds.disks import FSID, UUID, disk, label

OSDS = [{"osd": osd, "fsid": FSID, "uuid": UUID.format(osd)} for osd in (0, 1)]


class Host:
    """A host with two disks, whose daemons are files below a folder that stands for /proc."""

    def __init__(self, tmp_path, monkeypatch):
        self.root = tmp_path
        self.asked: list[str] = []
        self.deaf = False
        for name in ("dev", "homes", "proc", "systemd"):
            (tmp_path / name).mkdir()
        (tmp_path / "mounts").write_text("")
        services = {f"service.{verb}": self._service(verb) for verb in ("start", "stop", "enable")}
        self.node = Node(services)
        self.node.set(
            DEVICES=str(tmp_path / "dev"),
            MOUNTS=str(tmp_path / "mounts"),
            HOMES=str(tmp_path / "homes"),
            PROCESSES=str(tmp_path / "proc"),
            SYSTEMD=str(tmp_path / "systemd"),
        )
        module = self.node.modules["octane_ceph_osd"]
        monkeypatch.setattr(module, "_give", lambda path: None)
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
        for osd, name in enumerate(("sdb", "sdc")):
            disk(tmp_path / "dev", name, label(osd))

    def _service(self, verb):
        def act(unit):
            self.asked.append(f"{verb} {unit}")
            osd = int(unit.rpartition("@")[2])
            if verb == "start":
                self.run(osd)
            elif verb == "stop" and not self.deaf:
                (self.root / "proc" / str(100 + osd) / "cmdline").unlink()
            return True

        return act

    def run(self, osd, words=("/usr/bin/ceph-osd", "-f", "--cluster", "ceph", "--id")):
        folder = self.root / "proc" / str(100 + osd)
        folder.mkdir(exist_ok=True)
        (folder / "cmdline").write_bytes("\0".join([*words, str(osd), ""]).encode())

    def claim(self):
        return self.node.call("octane_ceph_osd.claim", OSDS, ["sdb", "sdc"])

    def block(self, osd):
        return (self.root / "homes" / f"ceph-{osd}" / "block").resolve().name


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_disks_are_their_osds_again_wherever_they_are_now(host):
    (host.root / "dev" / "sdb").rename(host.root / "dev" / "sdd")
    found = host.node.call("octane_ceph_osd.claim", OSDS, ["sdc", "sdd"])
    assert [(one["osd"], one["device"].rpartition("/")[2]) for one in found] == [(0, "sdd"), (1, "sdc")]
    assert (host.block(0), host.block(1)) == ("sdd", "sdc")
    assert host.node.call("octane_ceph_osd.claim", OSDS, ["sdc", "sdd"]) == found
    assert host.asked == [], "nothing starts before Ceph is deployed"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"no disk has the label of osd\.1"),
        (label(1, fsid="00000000-0000-4000-8000-00000000000f"), r"sdc holds osd\.1 of the cluster 0{8}"),
        (label(1, identity=UUID.format(7)), r"no disk has the label of osd\.1 .*sdc holds osd\.1"),
        (label(0), r"no disk has the label of osd\.1"),
    ],
    ids=["no label", "foreign", "another uuid", "twice"],
)
def test_a_disk_that_is_not_what_it_was_stops_all_before_anything_is_changed(host, content, told):
    disk(host.root / "dev", "sdc", content)
    with pytest.raises(CommandExecutionError, match=told):
        host.claim()
    assert list((host.root / "homes").iterdir()) == []


def test_a_folder_that_leads_to_another_disk_is_refused(host):
    home = host.root / "homes" / "ceph-1"
    home.mkdir()
    (home / "block").symlink_to(host.root / "dev" / "sdb")
    with pytest.raises(CommandExecutionError, match=r"the folder of osd\.1 leads to .*sdb"):
        host.claim()
    assert not (host.root / "homes" / "ceph-0").exists()


def test_a_deployment_is_not_begun_while_a_disk_with_an_osd_is_nobodys(host):
    with pytest.raises(CommandExecutionError, match=rf"sdb holds osd\.0 of the cluster {FSID}.*would format"):
        host.node.call("octane_ceph_osd.require_claimed", ["sdb", "sdc"])
    host.claim()
    assert [one["osd"] for one in host.node.call("octane_ceph_osd.require_claimed", ["sdb", "sdc"])] == [0, 1]


def test_osds_stop_by_their_services_and_those_that_do_not_are_named(host):
    host.run(0)
    host.run(1, ("/usr/bin/ceph-osd", "--cluster=ceph", "-i"))
    host.run(9, ("/usr/bin/vim", "-i"))
    assert host.node.call("octane_ceph_osd.stop", [0, 1]) == [0, 1]
    assert host.asked == ["stop ceph-osd@0", "stop ceph-osd@1"]
    assert host.node.call("octane_ceph_osd.stop", [0, 1]) == []
    host.run(0)
    host.deaf = True
    with pytest.raises(CommandExecutionError, match=r"osd\.0 to stop, in vain"):
        host.node.call("octane_ceph_osd.stop", [0], timeout=0)


def test_osds_start_under_their_ids_also_at_boot_and_those_that_run_are_left_alone(host):
    host.run(1)
    assert host.node.call("octane_ceph_osd.start", [0, 1]) == [0]
    assert host.asked == ["enable ceph-osd@0", "start ceph-osd@0"]


def test_where_upstart_runs_the_node_each_osd_is_an_instance_of_its_job(host, monkeypatch):
    (host.root / "systemd").rmdir()
    ran = []

    def run(argv):
        ran.append(argv)
        host.run(0)

    monkeypatch.setattr(host.node.modules["octane_ceph_osd"], "_run", run)
    (host.root / "homes" / "ceph-0").mkdir()
    host.node.call("octane_ceph_osd.start", [0])
    assert ran == [["initctl", "start", "ceph-osd", "cluster=ceph", "id=0"]]
    assert (host.root / "homes" / "ceph-0" / "upstart").exists()


def test_a_key_that_the_disk_does_not_have_comes_from_the_cluster_into_a_file_for_root_alone(host, monkeypatch):
    host.claim()
    modes = []

    def run(argv):
        if argv[0] == "ceph":
            path = argv[-1]
            with open(path, "w") as stream:
                stream.write("[osd.0]\n\tkey = AQSECRET==\n")
            modes.append(host.root.joinpath(path).stat().st_mode & 0o777)

    monkeypatch.setattr(host.node.modules["octane_ceph_osd"], "_run", run)
    wanted = host.node.call("octane_ceph.fingerprint", "AQSECRET==")
    assert host.node.call("octane_ceph_osd.prime", [0]) == {"0": wanted}
    assert modes == [0o600]
    first = host.node.call("octane_ceph_osd.homes")[0]
    assert first["key"] and "AQSECRET" not in str(first)


def test_an_osd_that_has_no_disk_or_no_key_anywhere_is_named(host, monkeypatch):
    monkeypatch.setattr(host.node.modules["octane_ceph_osd"], "_run", lambda argv: None)
    with pytest.raises(CommandExecutionError, match=r"osd\.0: no disk was given back"):
        host.node.call("octane_ceph_osd.prime", [0])
    host.claim()
    with pytest.raises(CommandExecutionError, match=r"osd\.0 has no key"):
        host.node.call("octane_ceph_osd.prime", [0])


def test_a_mounted_data_partition_is_the_home_of_its_osd(host):
    home = host.root / "homes" / "ceph-4"
    home.mkdir()
    (home / "keyring").write_text("[osd.4]\n\tkey = AQSECRET==\n")
    (host.root / "mounts").write_text(f"{host.root}/dev/sdb {home} xfs rw 0 0\n")
    (found,) = host.node.call("octane_ceph_osd.homes")
    assert (found["osd"], found["kind"], found["device"], found["running"]) == (
        4, "filestore", f"{host.root}/dev/sdb", False
    )  # fmt: skip


@pytest.mark.parametrize("osds", [["1"], [-1], [True], [None]])
def test_what_is_no_id_is_refused(host, osds):
    with pytest.raises(CommandExecutionError, match="no ids"):
        host.node.call("octane_ceph_osd.stop", osds)
