"""Programs that are loaded once: which these are, where they are asked for, and that a unit never depends on it."""

from __future__ import annotations

import importlib.util
import os
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from lab import definition, state
from lab.deployer import openstack
from lab.preloaded import life, server

ENVIRONMENT = Path("/var/cache/octane-lab/openstack-2023.1-0123456789ab")
PROGRAM = str(ENVIRONMENT / "bin/nova-conductor")
ARGV = [PROGRAM, "--config-file", "/etc/nova/nova.conf"]


@pytest.fixture
def start():
    """node_scripts/start.py, as a module of its own."""
    found = importlib.util.spec_from_file_location("start", openstack.START_SCRIPT)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def sockets():
    """A folder with a short name: pytest's own are too long for the address of a socket."""
    with tempfile.TemporaryDirectory(prefix="octane-") as folder:
        yield Path(folder)


@pytest.fixture
def node(start, sockets, monkeypatch):
    """A unit's surroundings: a folder of sockets, init's socket, and what is run in the end instead of an exec."""
    monkeypatch.setattr(start, "SOCKETS", str(sockets))
    monkeypatch.setenv("NOTIFY_SOCKET", str(sockets / "notify"))
    executed = []
    monkeypatch.setattr(os, "execv", lambda path, argv: executed.append((path, argv, dict(os.environ))))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as init:
        init.bind(str(sockets / "notify"))
        init.setblocking(False)
        yield init, executed


def answer(start, answers):
    """Serve one who asks with ``answers``, then close; returns the thread."""
    address = Path(start.address_of(PROGRAM))
    address.parent.mkdir()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(address))
    listener.listen()

    def serve():
        with listener, listener.accept()[0] as connection:
            server.receive(connection)
            for text in answers:
                connection.send(text)
                connection.recv(16)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_script_is_loaded_by_what_it_imports():
    script = "import re\nimport sys\nfrom nova.cmd.conductor import main\nif __name__ == '__main__':\n    main()\n"
    assert server.modules_of(script) == ["re", "sys", "nova.cmd.conductor"]


@pytest.mark.parametrize(
    "listed",
    [
        "9:name=systemd:/ol12-lab/node-1/system.slice/a.service\n4:memory:/x\n0::/ol12-lab/node-1/system.slice/a.service\n"
    ],
)
def test_a_daemon_enters_the_groups_of_its_unit_and_no_limits_of_the_machine(listed):
    path = "ol12-lab/node-1/system.slice/a.service"
    assert server.groups_of(listed) == [("name=systemd", path), ("", path)]


def test_all_programs_of_nodes_are_served_but_those_inside_uwsgi():
    names = {path.name for path in life.programs(ENVIRONMENT)}
    assert {"nova-api-os-compute", "nova-compute", "neutron-server", "heat-engine", "glance-api"} < names
    assert "uwsgi" not in names


def test_a_program_that_is_served_can_be_withdrawn(sockets):
    program = server.Program(sockets, f"{PROGRAM}:amqp,pymysql")
    assert (program.script, program.more) == (Path(PROGRAM), ["amqp", "pymysql"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as unit:
        unit.connect(str(sockets / "nova-conductor"))
        program.withdraw()
        with pytest.raises(ConnectionResetError):
            unit.recv(1)
    assert list(sockets.iterdir()) == []


def test_a_program_is_asked_for_where_the_lab_serves_it(start):
    assert start.SOCKETS == state.SOCKETS
    assert start.address_of(PROGRAM) == f"{state.SOCKETS}/{ENVIRONMENT.name}/nova-conductor"


def test_a_daemon_that_was_forked_is_the_units_main_process_before_it_may_begin(start, node):
    init, executed = node
    thread = answer(start, [b"4711"])
    assert start.main(ARGV) == 0
    thread.join()
    assert (init.recv(100), executed) == (b"MAINPID=4711", [])


@pytest.mark.parametrize("answers", [None, []])
def test_a_program_that_nobody_has_loaded_is_started_as_ever(start, node, answers):
    init, executed = node
    thread = answer(start, answers) if answers is not None else None
    start.main(ARGV)
    if thread:
        thread.join()
    with pytest.raises(BlockingIOError):
        init.recv(100)
    ((path, argv, environment),) = executed
    assert (path, argv) == (PROGRAM, ARGV)
    assert "NOTIFY_SOCKET" not in environment


@pytest.mark.parametrize(("profile", "shared"), [("reference", True), ("small", False)])
def test_programs_stay_loaded_for_good_where_several_controllers_share_them(profile, shared):
    assert life.is_shared(definition.load(definition.PROFILES / f"{profile}.yaml")) is shared
