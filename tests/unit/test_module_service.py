"""
Jobs of a node under upstart and under systemd.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

# The forms that a line of "initctl list" takes on Ubuntu 14.04.
INITCTL = """nova-api start/running, process 2101
nova-compute stop/waiting
cinder-volume start/post-start, process 911
\tpost-start process 912
ceph-mon (ceph/node-1) start/running, process 11255
neutron-server start/running, process 4242
heat-engine start/running, process 77
rsyslog start/running, process 1
"""


class Init:
    """Jobs that run or not, come back at boot or not; ``stuck`` ones ignore what they are told."""

    def __init__(self, running=(), enabled=(), stuck=(), systemd=False):
        self.running, self.enabled, self.stuck = set(running), set(enabled), set(stuck)
        stand_ins = {
            "service.status": lambda name: name in self.running,
            "service.enabled": lambda name: name in self.enabled,
            "service.get_enabled": lambda: [f"{name}.service" for name in self.enabled],
            "service.enable": self.enabled.add,
            "service.disable": self.enabled.discard,
            "service.start": self.running.add,
            "service.stop": lambda name: name in self.stuck or self.running.discard(name),
            "cmd.run_stdout": lambda command, **_: INITCTL,
            "cmd.run_all": self.run,
            "octane_cluster.running": lambda: True,
            "octane_cluster.jobs": lambda: ["heat-engine"],
        }
        if systemd:
            stand_ins["service.get_running"] = lambda: [f"{name}.service" for name in self.running]
        self.node = Node(stand_ins)

    def run(self, command, **_):
        verb, names = command[3], command[4:]
        for name in names:
            if verb == "stop" and name not in self.stuck:
                self.running.discard(name)
            elif verb == "start" and name not in self.stuck:
                self.running.add(name)
        return {"retcode": 0, "stdout": "", "stderr": ""}


@pytest.fixture
def record(tmp_path):
    return str(tmp_path / "services.json")


def test_running_jobs_of_openstack_are_found_under_upstart_without_those_of_the_cluster():
    assert Init().node.call("octane_service.names") == ["cinder-volume", "neutron-server", "nova-api"]


def test_running_jobs_of_openstack_are_found_under_systemd():
    init = Init(running=("nova-api", "heat-engine", "ssh"), systemd=True)
    assert init.node.call("octane_service.names") == ["nova-api"]


def test_a_second_attempt_starts_what_the_first_one_stopped(record):
    init = Init(running=("nova-api", "glance-api"), systemd=True)
    init.node.set(RECORD=record)
    init.running.add("ssh")
    init.node.state("octane_service.stopped", "openstack")
    assert init.running == {"ssh"}
    assert init.node.state("octane_service.stopped", "openstack")["changes"] == {}
    assert set(init.node.state("octane_service.started", "openstack")["changes"]) == {"glance-api", "nova-api"}
    assert init.running == {"ssh", "nova-api", "glance-api"}


def test_test_mode_writes_down_and_stops_nothing(record):
    init = Init(running=("nova-api",), systemd=True)
    init.node.set(RECORD=record)
    result = init.node.state("octane_service.stopped", "openstack", test=True)
    assert result["result"] is None and set(result["changes"]) == {"nova-api"}
    assert init.running == {"nova-api"} and init.node.call("octane_service.recorded") is None


def test_disabled_jobs_do_not_come_back_at_boot():
    init = Init(running=("nova-api",), enabled=("nova-api", "nova-conductor"), systemd=True)
    services = ["nova-api", "nova-conductor"]
    init.node.state("octane_service.stopped", "x", services=services, disable=True)
    assert (init.running, init.enabled) == (set(), set())
    assert init.node.state("octane_service.stopped", "x", services=services, disable=True)["changes"] == {}


@pytest.mark.parametrize("systemd", [True, False])
def test_a_job_that_does_not_stop_is_named(systemd):
    init = Init(running=("nova-api", "glance-api"), stuck=("glance-api",), systemd=systemd)
    result = init.node.state("octane_service.stopped", "x", services=["nova-api", "glance-api"])
    assert result["result"] is False and "did not: glance-api" in result["comment"]


def test_a_name_that_is_an_option_is_refused():
    with pytest.raises(CommandExecutionError, match="cannot stop"):
        Init(systemd=True).node.call("octane_service.act", "stop", ["--force"])
