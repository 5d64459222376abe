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
    """Jobs that run or not, come back at boot or not; ``stuck`` ones ignore what they are told, ``looping``
    ones died a moment ago and are started again soon, ``slow`` ones stop only when they are waited for or killed."""

    def __init__(self, running=(), enabled=(), stuck=(), looping=(), slow=(), systemd=False):
        self.slow, self.killed = set(slow), set()
        self.running, self.enabled, self.stuck, self.looping = set(running), set(enabled), set(stuck), set(looping)
        self.as_observed = not running and not looping
        stand_ins = {
            "service.status": lambda name: name in self.running,
            "service.enabled": lambda name: name in self.enabled,
            "service.get_enabled": lambda: [f"{name}.service" for name in self.enabled],
            "service.enable": self.enabled.add,
            "service.disable": self.enabled.discard,
            "service.start": self.running.add,
            "service.stop": self.stop,
            "cmd.run_stdout": lambda command, **_: self.systemctl_show(command) if systemd else self.initctl_list(),
            "cmd.run_all": self.run,
            "octane_cluster.running": lambda: True,
            "octane_cluster.jobs": lambda: ["heat-engine"],
        }
        if systemd:
            stand_ins["service.get_running"] = lambda: [f"{name}.service" for name in self.running]
        self.stand_ins = stand_ins
        self.node = Node(stand_ins)

    def run(self, command, **_):
        if command[0] == "initctl" or "--no-block" in command:
            verb, names = "stop", [name for name in command[3:] if name not in self.slow]
        elif command[1] == "kill":
            return self.kill(command[3:])
        else:
            verb, names = command[3], command[4:]
        for name in names:
            if verb == "stop":
                self.stop(name)
            elif verb == "start" and name not in self.stuck:
                self.running.add(name)
        return {"retcode": 0, "stdout": "", "stderr": ""}

    def kill(self, names):
        self.killed |= set(names)
        for name in names:
            self.stop(name)
        return {"retcode": 0, "stdout": "", "stderr": ""}

    def stop(self, name):
        if name not in self.stuck:
            self.running.discard(name)
            self.looping.discard(name)

    def systemctl_show(self, command):
        assert command[:3] == ["systemctl", "show", "--property=ActiveState"]
        names = [name.removesuffix(".service") for name in command[3:]]
        states = {**dict.fromkeys(self.running, "active"), **dict.fromkeys(self.looping, "activating")}
        return "\n\n".join(f"ActiveState={states.get(name, 'inactive')}" for name in names)

    def initctl_list(self):
        if self.as_observed:
            return INITCTL
        ours = [f"{name} start/running, process 5" for name in sorted(self.running)]
        return "\n".join([*ours, *(f"{name} start/pre-start, process 6" for name in sorted(self.looping))])


@pytest.fixture
def record(tmp_path):
    return str(tmp_path / "services{}.json")


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


def test_what_did_not_run_before_is_not_started(record):
    """cinder-volume runs on one controller only; observed on three: the undo started it on the other two as well."""
    services = ["nova-conductor", "cinder-volume"]
    init = Init(running=("nova-conductor",), systemd=True)
    init.node.set(RECORD=record)
    for _ in range(2):
        init.node.state("octane_service.stopped", "db.writers_stopped", services=services, remember=True)
    assert init.running == set()
    init.node.state("octane_service.started", "db.writers_stopped", services=services, remember=True)
    assert init.running == {"nova-conductor"}
    assert init.node.call("octane_service.recorded", "db.writers_stopped") is None
    init.running.clear()
    init.node.state("octane_service.stopped", "db.writers_stopped", services=services, remember=True)
    assert init.node.state("octane_service.started", "db.writers_stopped", services=services, remember=True)["result"]
    assert init.running == set()


def test_a_node_that_has_started_them_starts_no_other_when_it_is_asked_again(record):
    """As when another controller had not answered: on the second time nothing is written down any more."""
    services = ["nova-conductor", "cinder-volume"]
    init = Init(running=("nova-conductor",), systemd=True)
    init.node.set(RECORD=record)
    init.node.state("octane_service.stopped", "db.writers_stopped", services=services, remember=True)
    for _ in range(2):
        init.node.state("octane_service.started", "db.writers_stopped", services=services, remember=True)
        assert init.running == {"nova-conductor"}
    init.node.state("octane_service.stopped", "db.writers_stopped", services=services, remember=True)
    init.running.add("nova-conductor")
    init.node.state("octane_service.started", "db.writers_stopped", services=services, remember=True)
    assert init.node.call("octane_service.recorded", "db.writers_stopped") is None, "somebody else started it"


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


@pytest.mark.parametrize("systemd", [True, False])
def test_only_what_does_not_stop_in_time_is_killed(systemd, monkeypatch):
    init = Init(running=("nova-conductor", "nova-scheduler"), slow=("nova-scheduler",), systemd=systemd)
    killed = []
    monkeypatch.setattr("os.getpgid", lambda process: process)
    monkeypatch.setattr("os.killpg", lambda group, signal: killed.append(group))
    services = ["nova-conductor", "nova-scheduler"]
    stopped = init.node.state("octane_service.stopped", "x", services=services, kill_after=0.2)
    assert set(stopped["changes"]) == set(services) and init.running == set()
    assert (init.killed, killed) == (({"nova-scheduler"}, []) if systemd else (set(), [5]))


@pytest.mark.parametrize("systemd", [True, False])
def test_a_job_between_two_starts_of_a_crash_loop_is_stopped_too(systemd):
    """It does not run when it is looked at, and would write again two seconds later."""
    init = Init(running=("nova-api",), looping=("nova-scheduler",), systemd=systemd)
    services = ["nova-api", "nova-scheduler", "nova-conductor"]
    stopped = init.node.state("octane_service.stopped", "x", services=services)
    assert set(stopped["changes"]) == {"nova-api", "nova-scheduler"}
    assert init.looping == set()


def test_jobs_under_upstart_that_are_anything_but_stopped_are_awake():
    text = INITCTL + "glance-api start/pre-start, process 9\nnova-cert stop/killed, process 8\n"
    awake = Init().node.call("octane_service.parse_awake", text)
    assert {"glance-api", "nova-cert", "cinder-volume", "ceph-mon"} <= set(awake) and "nova-compute" not in awake


def test_a_name_that_is_an_option_is_refused():
    with pytest.raises(CommandExecutionError, match="cannot stop"):
        Init(systemd=True).node.call("octane_service.act", "stop", ["--force"])


def test_a_label_cannot_lead_out_of_the_folder():
    with pytest.raises(CommandExecutionError, match="cannot name a record"):
        Init(systemd=True).node.call("octane_service.record", "../../etc/cron.d/x")


@pytest.mark.parametrize("systemd", [True, False])
def test_of_what_is_to_be_restarted_only_what_runs_is(systemd):
    init = Init(running=("nova-compute", "neutron-ovs-cleanup", "heat-engine"), systemd=systemd)
    restarted = []
    run = init.run
    init.node = Node(
        {
            **init.stand_ins,
            "service.restart": restarted.append,
            "cmd.run_all": lambda command, **_: restarted.extend(command[4:]) or run(command),
        }
    )
    wanted = ["nova-compute", "neutron-l3-agent", "heat-engine"]
    assert init.node.call("octane_service.restart_running", wanted) == ["nova-compute"]
    assert restarted == ["nova-compute"], "what did not run is not started, and Pacemaker's is left alone"
    assert init.node.call("octane_service.restart_running", ["neutron-l3-agent"]) == []
