"""A daemon that is forked from a loaded program is, to the host and its init, what the unit would have started."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cgroups, definition, image, network, teardown
from lab.deployer import openstack
from lab.deployer.environment import parse
from lab.preloaded import life
from lab.state import Lab
from lab.wait import until
from tests.unit.lab.deployment_facts import facts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts need root")

FUEL_OF_OPENSTACK = {"2023.1": "6.1", "2024.1": "7.0"}
UNIT = "glance-api.service"
STANZA = "auto eth0\niface eth0 inet static\naddress 192.168.0.3/24\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab that serves loaded programs, and of whose hosts only node-1 is made."""
    image.build_all()
    lab = Lab.create(tmp_path_factory.mktemp("lab"), definition.load(definition.PROFILES / "small.yaml"))
    network.create(lab.prefix, lab.definition)
    life.start(lab)
    yield lab
    teardown.take_down(lab.state)
    assert not [group for group in life.groups(lab.prefix) if group.exists()]


@pytest.fixture(scope="module", params=FUEL_OF_OPENSTACK)
def environment(request, lab):
    """The environment of an OpenStack release."""
    return lab.openstack[request.param]


@pytest.fixture(scope="module")
def host(lab, environment):
    """node-1, installed anew, with the unit and the configuration of a controller's glance-api, which runs."""
    host = lab.hosts["node-1"]
    host.reinstall()
    release = next(name for name, path in lab.openstack.items() if path == environment)
    host.write("/etc/network/interfaces.d/ifcfg-eth0", STANZA)
    deployed = parse(facts(FUEL_OF_OPENSTACK[release]))
    for file in openstack.files(deployed, deployed.node("1"), environment):
        if "glance" in file.path or file.path == openstack.START:
            host.write(file.path, file.content, mode=file.mode)
    for folder in ("var/log/glance", "var/lib/glance"):
        (host.root / folder).mkdir(parents=True, exist_ok=True)
    host.start()
    host.wait_booted(60)
    host.run(["systemctl", "start", UNIT])
    wait_running(host)
    return host


def shown(host, *properties):
    """Properties of the unit."""
    lines = host.run(["systemctl", "show", UNIT, *(f"--property={name}" for name in properties)]).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def main_process(host):
    return shown(host, "MainPID")["MainPID"]


def wait_running(host):
    """Wait until the unit's main process is the program itself and answers."""
    question = ["/usr/bin/python3", "-c", "import socket; socket.create_connection(('192.168.0.3', 9292), 2)"]
    until(lambda: host.run(question, check=False).returncode == 0, 60, "glance-api to answer")
    assert ps(host, "comm") == "glance-api"


def ps(host, column):
    """A column of ps for the unit's main process."""
    return host.run(["ps", "-o", f"{column}=", "-p", main_process(host)]).stdout.strip()


@pytest.fixture
def asked(tmp_path):
    """A server of one small program that is kept for a fifth of a second, and a function that asks for the program."""
    script = tmp_path / "small"
    script.write_text("import json\n")
    argv = [sys.executable, "-IB", "-", str(tmp_path / "served"), "asked", "0.2", str(script)]
    (tmp_path / "served").mkdir()
    with life.SERVER.open("rb") as source:
        process = subprocess.Popen(argv, stdin=source, stderr=subprocess.DEVNULL)

    def ask():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(tmp_path / "served/small"))

    until((tmp_path / "served/small").exists, 10, "the program to be served")
    yield process, ask
    process.kill()
    process.wait()


def test_a_program_that_nobody_asks_for_is_no_longer_held_and_loaded_again_by_the_next_who_asks(asked):
    process, ask = asked
    holders = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    seen = []
    for _ in range(2):
        ask()
        until(lambda: holders.read_text() not in ("", *seen), 10, "another process to hold the program")
        seen.append(holders.read_text())
        until(lambda: not holders.read_text(), 10, "the program to be held no longer")
    assert process.poll() is None


def test_the_daemon_is_a_child_of_init_in_the_units_group_with_the_units_settings(environment, host):
    assert ps(host, "ppid") == "1"
    assert ps(host, "ni") == "5"
    program = environment / "bin/glance-api"
    assert ps(host, "args") == f"{program.parent}/python {program}"
    group = host.run(["cat", f"/proc/{main_process(host)}/cgroup"]).stdout
    assert f":/system.slice/{UNIT}\n" in group
    listed = host.run(["systemctl", "status", UNIT]).stdout
    assert "active (running)" in listed and f"Main PID: {main_process(host)} (glance-api)" in listed
    for space in ("mnt", "uts", "ipc", "net", "pid", "cgroup"):
        assert host.run(["readlink", f"/proc/{main_process(host)}/ns/{space}"]).stdout == host.run(
            ["readlink", f"/proc/1/ns/{space}"]
        ).stdout


def test_the_daemon_has_nothing_open_of_the_process_that_it_was_forked_from(lab, host):
    files = host.run(["ls", "-l", f"/proc/{main_process(host)}/fd"]).stdout
    assert "/dev/null" in files and "/var/log/glance/glance-api.out" in files
    assert str(lab.preloaded) not in files
    logs = {path.name for path in (host.root / "var/log/glance").iterdir()}
    assert logs == {"glance-api.log", "glance-api.out"}, "a log is named after the program"


def test_every_program_of_a_node_can_be_loaded_and_started(lab, environment, host):
    programs = life.programs(environment)
    for program in programs:
        run = ["systemd-run", "--quiet", "--wait", "--property=NotifyAccess=all", openstack.START, str(program)]
        host.run([*run, "--version"], timeout=120)
    assert {path.name for path in (lab.preloaded / environment.name).iterdir()} == {path.name for path in programs}
    logs = "".join(log.read_text() for log in lab.preloaded.glob("*.log"))
    assert "Traceback" not in logs


def test_a_killed_daemon_is_started_again(host):
    before, count = main_process(host), int(shown(host, "NRestarts")["NRestarts"])
    host.run(["kill", "-KILL", before])
    until(lambda: main_process(host) not in (before, "0"), 20, "another main process")
    wait_running(host)
    assert int(shown(host, "NRestarts")["NRestarts"]) == count + 1


def test_a_stop_ends_the_daemon_and_is_no_failure(host):
    host.run(["systemctl", "stop", UNIT])
    assert shown(host, "ActiveState", "Result", "MainPID") == {
        "ActiveState": "inactive", "Result": "success", "MainPID": "0",
    }  # fmt: skip
    assert host.run(["pgrep", "-f", "bin/glance-api"], check=False).returncode == 1
    host.run(["systemctl", "start", UNIT])
    wait_running(host)


def test_a_daemon_that_ends_at_once_is_a_failure_with_its_exit_code(host):
    host.run(["systemctl", "stop", UNIT])
    drop_in = f"/etc/systemd/system/{UNIT}.d/broken.conf"
    command = shown(host, "ExecStart")["ExecStart"].split("argv[]=")[1].split(" ;")[0]
    host.write(drop_in, f"[Service]\nRestart=no\nExecStart=\nExecStart={command} --config-file /nowhere\n")
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "start", UNIT], check=False)
    until(lambda: shown(host, "ActiveState")["ActiveState"] == "failed", 20, "the unit to have failed")
    assert shown(host, "Result", "ExecMainStatus") == {"Result": "exit-code", "ExecMainStatus": "99"}
    (host.root / drop_in.lstrip("/")).unlink()
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "start", UNIT])
    wait_running(host)


def test_without_loaded_programs_the_unit_starts_the_ordinary_one(lab, host):
    life.stop(lab.prefix)
    assert not [group for group in life.groups(lab.prefix) if group.exists()]
    host.run(["systemctl", "restart", UNIT])
    wait_running(host)
    assert ps(host, "args").endswith("/bin/glance-api")
    assert ps(host, "ppid") == "1"
    life.start(lab)


def test_a_loaded_program_that_was_killed_is_missed_by_nobody(lab, host):
    host.run(["systemctl", "restart", UNIT])
    wait_running(host)
    holders = {pid for group in life.groups(lab.prefix) for pid in cgroups.processes(group)}
    for pid in holders:
        if Path(f"/proc/{pid}/comm").read_text() == "glance-api\n":
            os.kill(pid, signal.SIGKILL)
    host.run(["systemctl", "restart", UNIT])
    wait_running(host)
    life.stop(lab.prefix)
    life.start(lab)
