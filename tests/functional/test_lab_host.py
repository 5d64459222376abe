"""One real host of a lab: its power, its disk, its ports, and that nothing is left of it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab import cgroups, cli, cloud, definition, faults, image, mounts, network, status, teardown
from lab.command import CommandFailed
from lab.deployer import mcollective
from lab.deployer.deployer import BOOTSTRAP, LabDeployer
from lab.hosts import HostError
from lab.preloaded import life
from lab.state import Lab, LabError
from lab.wait import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts need root")

ADDRESS = "10.20.0.131"
STANZA = f"auto eth0\niface eth0 inet static\naddress {ADDRESS}/24\n"
BRIDGE = "auto br-mgmt\niface br-mgmt inet static\naddress 192.168.0.3/24\nbridge_ports eth2.101\nbridge_fd 0\n"


def traces(state):
    """What there is of the lab in ``state`` on this machine, by kind."""
    prefix = cloud.prefix_of(state)
    listed = ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]
    loops = subprocess.run(listed, capture_output=True, text=True)
    return {
        "namespaces": network.namespaces(prefix),
        "mounts": mounts.mounted_below(state),
        "groups": [str(group) for group in (*cgroups.of_lab(prefix), *life.groups(prefix)) if group.exists()],
        "loop devices": [line for line in loops.stdout.splitlines() if line.startswith(f"{state}/")],
        "nspawn": [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{prefix}*")],
        "files": [str(state)] if state.exists() else [],
    }


NOTHING = {kind: [] for kind in traces(Path("/nonexistent"))}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab whose host node-1 is on, with an address; the other hosts are never made."""
    image.build_all()
    state = tmp_path_factory.mktemp("lab")
    lab = Lab.create(state, definition.load(definition.PROFILES / "small.yaml"))
    network.create(lab.prefix, lab.definition)
    yield lab
    teardown.take_down(state)
    assert traces(state) == NOTHING


@pytest.fixture
def host(lab):
    """node-1, installed anew, on and booted."""
    host = lab.hosts["node-1"]
    host.reinstall()
    host.write("/etc/network/interfaces.d/ifcfg-eth0", STANZA)
    host.start()
    host.wait_booted(60)
    return host


def answers(lab, address=ADDRESS):
    """Whether the address answers the lab's gateway."""
    command = ["ip", "netns", "exec", f"{lab.prefix}gateway", "ping", "-c", "1", "-W", "1", address]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_a_host_boots_into_a_whole_system_that_answers(lab, host):
    assert host.run(["systemctl", "is-system-running"]).stdout.strip() == "running"
    assert host.run(["hostname"]).stdout.strip() == "node-1"
    assert host.run(["ps", "-o", "comm=", "-p", "1"]).stdout.strip() == "systemd"
    assert answers(lab)


def test_a_host_sees_its_own_network_and_not_the_switch(host):
    assert set(os.listdir(f"/proc/{host.init()}/root/sys/class/net")) == {"lo", "eth0", "eth1", "eth2", "eth3"}


def test_commands_pass_on_input_output_and_exit_code(lab, host, capfd):
    assert host.run(["cat"], input="hello").stdout == "hello"
    assert host.run(["sh", "-c", "exit 7"], check=False).returncode == 7
    with pytest.raises(CommandFailed, match="node-1"):
        host.run(["false"])
    assert cli.main(["--state", str(lab.state), "exec", "node-1", "--", "sh", "-c", "echo out; exit 7"]) == 7
    assert capfd.readouterr().out == "out\n"


def test_salt_is_there_and_the_minion_is_not_enabled(host):
    assert "3008.3" in host.run(["/opt/salt/bin/salt-minion", "--version"]).stdout
    assert host.run(["systemctl", "is-enabled", "salt-minion"], check=False).stdout.strip() == "disabled"


def test_a_reboot_keeps_files_and_ports_and_makes_a_new_init(lab, host):
    host.write("/root/kept", "yes")
    host.plug_vlan("eth2", 101)
    host.write("/etc/network/interfaces.d/ifcfg-br-mgmt", BRIDGE)
    host.run(["ifup", "br-mgmt"])
    assert answers(lab, "192.168.0.3")
    before = host.init()
    host.run(["systemctl", "reboot"], check=False)
    until(lambda: host.init() not in (None, before), 60, "a new init")
    host.wait_booted(60)
    assert host.run(["cat", "/root/kept"]).stdout == "yes"
    assert answers(lab, "192.168.0.3")


def test_what_is_installed_may_have_another_name_than_the_machine(lab, host, capfd):
    host.write("/etc/hostname", "node-10\n")
    host.reboot()
    host.wait_booted(60)
    assert host.run(["hostname"]).stdout.strip() == "node-10"
    (found,) = [one for one in status.of_lab(lab)["hosts"] if one["host"] == "node-1"]
    assert found["node"] == "node-10"
    assert cli.main(["--state", str(lab.state), "exec", "node-1", "--", "hostname"]) == 0
    assert capfd.readouterr().out == "node-10\n"
    assert cli.main(["--state", str(lab.state), "exec", "node-10", "--", "hostname"]) == 2
    assert "node-10 is what runs on node-1" in capfd.readouterr().err


def test_a_machine_is_installed_and_erased_by_its_address_whatever_nailgun_calls_the_node(lab, host):
    mcollective.install(host, BOOTSTRAP)
    host.reboot()
    host.wait_booted(60)
    made = LabDeployer(lab, lambda: {"10": host.mac})
    interfaces = {"eth0": {"ip_address": "10.20.0.140", "netmask": "255.255.255.0"}}
    node = {"uid": "10", "name": "node-10", "interfaces": interfaces, "ks_meta": {"gw": "10.20.0.1"}}
    assert made.provision([node], lambda uid, percent: None) == {"10": None}
    assert host.run(["hostname"]).stdout.strip() == "node-10"
    assert answers(lab, "10.20.0.140") and not answers(lab)
    made.erase(["10"])
    assert host.run(["hostname"]).stdout.strip() == "node-1"
    assert answers(lab, "10.20.0.140"), "the address it booted with is kept"


@pytest.mark.parametrize("how", ["kill", "poweroff"])
def test_a_host_without_power_answers_on_no_address_and_comes_back_whole(lab, host, how):
    host.write("/root/kept", "yes")
    faults.ACTIONS[how][1](lab, host)
    assert not host.is_running()
    assert not answers(lab)
    assert host.namespace not in network.namespaces(lab.prefix)
    with pytest.raises(HostError, match="node-1 is off"):
        host.run(["true"])
    host.start()
    host.wait_booted(60)
    assert host.run(["cat", "/root/kept"]).stdout == "yes"


def test_a_host_that_powers_itself_off_leaves_nothing_running(lab, host):
    host.run(["systemctl", "poweroff"], check=False)
    until(lambda: not host.is_supervised(), 60, "the host to be off")
    assert not answers(lab)


def test_a_reinstallation_loses_the_system_and_keeps_the_data(host):
    host.write("/root/lost", "yes")
    host.run(["sh", "-c", "echo kept > /srv/data/file"])
    identity = host.run(["cat", "/etc/machine-id"]).stdout
    host.reinstall()
    host.start()
    host.wait_booted(60)
    assert host.run(["test", "-e", "/root/lost"], check=False).returncode == 1
    assert host.run(["cat", "/srv/data/file"]).stdout == "kept\n"
    assert host.run(["cat", "/etc/machine-id"]).stdout != identity


def test_an_unplugged_host_is_silent_and_runs_on_until_it_is_plugged_in(lab, host):
    host.set_partitioned(True)
    assert not answers(lab)
    host.reboot()
    host.wait_booted(60)
    assert not answers(lab), "the cables were put back by a reboot"
    faults.heal(lab, host)
    assert answers(lab)


def test_a_full_disk_refuses_writes_and_takes_nothing_of_the_machine(lab, host):
    free = os.statvfs(lab.state)
    assert faults.fill_disk(host) > 2**30
    assert host.run(["sh", "-c", "head -c 1000000 /dev/zero > /root/file"], check=False).returncode != 0
    now = os.statvfs(lab.state)
    assert (free.f_bavail - now.f_bavail) * now.f_frsize < 2**28
    faults.heal(lab, host)
    host.run(["sh", "-c", "head -c 1000000 /dev/zero > /root/file"])


def test_the_companion_lives_in_the_hosts_network_as_long_as_the_host(lab, host):
    host.stop()
    host.set_companion(["socat", "TCP-LISTEN:8000,fork,reuseaddr", "EXEC:cat"])
    host.start()
    host.wait_booted(60)
    echo = ["sh", "-c", "echo hello | socat -t 2 - TCP:127.0.0.1:8000"]
    until(lambda: host.run(echo, check=False).stdout == "hello\n", 20, "the companion to answer")
    host.kill()
    (host.directory / "companion").unlink()
    assert not [pid for group in host.groups() for pid in cgroups.processes(group)]


def test_a_host_whose_supervisor_crashed_can_be_started_again(host):
    os.kill(int((host.directory / "supervisor.pid").read_text()), signal.SIGKILL)
    host.kill()
    host.start()
    host.wait_booted(60)
    assert host.run(["hostname"]).stdout.strip() == "node-1"


def test_two_labs_with_the_same_addresses_do_not_meet(lab, host, tmp_path):
    other = Lab.create(tmp_path / "other", lab.definition)
    try:
        network.create(other.prefix, other.definition)
        twin = other.hosts["node-1"]
        twin.prepare()
        twin.start()
        twin.wait_booted(60)
        assert answers(lab) and not answers(other)
    finally:
        cloud.down(other.state)
    assert traces(other.state) == NOTHING
    assert answers(lab), "taking one lab down has touched another"


def test_down_leaves_nothing_of_a_lab_whose_supervisor_was_killed(tmp_path, lab):
    state = tmp_path / "crashed"
    crashed = Lab.create(state, lab.definition)
    network.create(crashed.prefix, crashed.definition)
    host = crashed.hosts["node-2"]
    host.prepare()
    host.start()
    os.kill(int((host.directory / "supervisor.pid").read_text()), signal.SIGKILL)
    client = subprocess.Popen(["ip", "netns", "exec", f"{crashed.prefix}gateway", "sleep", "600"])
    assert cli.main(["--state", str(state), "down"]) == 0
    assert traces(state) == NOTHING
    assert client.wait(10) == -signal.SIGKILL


def test_where_no_lab_ever_was_nothing_is_left(tmp_path):
    state = tmp_path / "never"
    for words, code in ((["down"], 0), (["reset"], 2), (["status"], 2), (["exec", "node-1", "--", "true"], 2)):
        assert cli.main(["--state", str(state), *words]) == code
        assert traces(state) == NOTHING, words


@pytest.mark.parametrize("names", [(".lock",), (".lock", "lab.json.new"), ("lab.json.new",)])
def test_down_takes_away_what_a_command_left_that_died_before_it_had_made_a_lab(tmp_path, names):
    state = tmp_path / "barely"
    state.mkdir()
    for name in names:
        (state / name).touch()
    cloud.refuse_foreign(state)
    assert cli.main(["--state", str(state), "down"]) == 0
    assert traces(state) == NOTHING


def test_down_releases_a_loop_device_whose_maker_died_before_it_was_mounted(tmp_path):
    state = tmp_path / "died"
    died = Lab.create(state, definition.load(definition.PROFILES / "small.yaml"))
    disk = died.hosts["node-2"].disk_file
    disk.parent.mkdir(parents=True)
    mounts.make_disk(disk)
    subprocess.run(["losetup", "--find", str(disk)], check=True)
    assert traces(state)["loop devices"] == [str(disk)]
    assert cli.main(["--state", str(state), "down"]) == 0
    assert traces(state) == NOTHING


def test_a_loop_device_of_another_directory_is_none_of_the_lab_s(tmp_path):
    theirs = tmp_path / "lab-of-another" / "disk"
    theirs.parent.mkdir()
    mounts.make_disk(theirs)
    device = subprocess.run(["losetup", "--find", "--show", str(theirs)], check=True, capture_output=True, text=True)
    try:
        mounts.detach_below(tmp_path / "lab")
        assert str(theirs) in subprocess.run(["losetup", "--list"], capture_output=True, text=True).stdout
    finally:
        subprocess.run(["losetup", "--detach", device.stdout.strip()], check=True)


def test_down_leaves_a_directory_alone_that_is_no_labs(tmp_path):
    for name in (".lock", "mine"):
        (tmp_path / name).write_text("precious")
        assert cli.main(["--state", str(tmp_path), "down"]) == 0
        with pytest.raises(LabError, match="holds no lab"):
            cloud.refuse_foreign(tmp_path)
        assert (tmp_path / name).read_text() == "precious"


def test_a_second_lab_in_the_same_place_is_refused(lab, capsys):
    assert cli.main(["--state", str(lab.state), "up", "--profile", "small"]) == 2
    assert "there is a lab in" in capsys.readouterr().err
