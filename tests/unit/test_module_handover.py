"""Ports that change hands: all or nobody, the ones after the others, and what becomes of it when somebody fails."""

import os
import socket
import threading
import time

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

LEAVE = {name: [{"do": "detach", "bridge": "br-ex", "port": "eth1"}] for name in ("node-1", "node-2")}
TAKE = {name: [{"do": "attach", "bridge": "br-ex", "port": "eth1"}] for name in ("node-4", "node-5")}
VIP = {"address": "172.16.0.2", "interface": "br-ex", "mac": "m", "netns": None}


class Cloud:
    """Four controllers on one machine; ``moved`` is what they did, in the order in which it happened."""

    def __init__(self):
        self.moved, self.announced, self.broken, self.resting, self.names, self.slow = [], [], {}, set(), {}, {}
        self.firewall: list[str] = []
        self.dead = ""
        self.policies: set[tuple[str, int]] = set()
        self.members = {name: "127.0.0.1" for name in {**LEAVE, **TAKE}}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def _hold_back(self, name, sections):
        assert sections == ["nova"] and not self.moved
        if "rest" in self.broken.get(name, ()):
            raise CommandExecutionError("haproxy is gone")
        self.resting.add(name)

    def _switch(self, name, plan):
        if name in LEAVE and not self.moved:
            assert self.resting == set(LEAVE), "requests are under way"
        if name == self.dead:
            raise SystemExit
        for entry in plan:
            time.sleep(self.slow.pop((name, entry["do"]), 0))
            if entry["do"] in self.broken.get(name, ()):
                raise CommandExecutionError(f"{entry['port']} is in use")
            self.moved.append((name, entry["do"]))
            self.policies.add(("moving", os.sched_getscheduler(0)))

    def _part(self, name, answers):
        node = Node(
            {
                "cmd.run_all": lambda command, **_: self.firewall.append(command[2]) or {"retcode": 0},
                "octane_net.to_announce": lambda: [VIP],
                "octane_net.pending": lambda plan: plan,
                "octane_net.switch": lambda plan: self._switch(name, plan),
                "octane_api.frontends": lambda: [{"name": "nova", "mode": "http"}, {"name": "mysqld", "mode": "tcp"}],
                "octane_haproxy.hold_back": lambda sections: self._hold_back(name, sections),
                "octane_haproxy.let_in": lambda: self.resting.discard(name),
                "octane_net.announce": lambda known: self.announced.append(name) or {"sent": [VIP["address"]]},
            }
        )
        node.opts["id"] = name
        node.set(PORT=self.port, LEAVING=1)
        try:
            given = (LEAVE, TAKE, self.members, self.names.get(name, "m1"))
            answers[name] = node.call("octane_handover.run", *given, patience=1)
        except CommandExecutionError as error:
            answers[name] = str(error)
        except SystemExit:
            answers[name] = "dead"
        self.policies.add(("afterwards", os.sched_getscheduler(0)))

    def hand_over(self, names=(*LEAVE, *TAKE)):
        """What each of them returns, or its error."""
        answers = {}
        parts = [threading.Thread(target=self._part, args=(name, answers)) for name in names]
        for part in parts:
            part.start()
        for part in parts:
            part.join(30)
        assert set(answers) == set(names) and self.resting == set()
        return answers


@pytest.fixture
def cloud():
    return Cloud()


def test_nobody_takes_before_all_have_left(cloud):
    answers = cloud.hand_over()
    assert sorted(cloud.moved[:2]) == [("node-1", "detach"), ("node-2", "detach")]
    assert sorted(cloud.moved[2:]) == [("node-4", "attach"), ("node-5", "attach")]
    assert sorted(cloud.announced) == ["node-4", "node-5"]
    assert answers["node-1"] == {"done": LEAVE["node-1"], "announced": []}
    assert answers["node-5"] == {"done": TAKE["node-5"], "announced": ["172.16.0.2"]}
    assert answers["node-4"]["away"] is not None and "away" not in answers["node-5"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root, as minions are, gets a processor before others")
def test_a_busy_node_moves_its_ports_before_all_else_and_is_as_before_afterwards(cloud):
    cloud.hand_over()
    assert cloud.policies == {("moving", os.SCHED_RR), ("afterwards", os.SCHED_OTHER)}


def test_a_system_that_lets_nobody_go_first_does_not_keep_ports_from_moving(cloud, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    cloud.hand_over()
    assert len(cloud.moved) == 4


@pytest.mark.parametrize("absent", ["node-2", "node-5"])
def test_nothing_is_moved_unless_all_are_there(cloud, absent):
    answers = cloud.hand_over([name for name in (*LEAVE, *TAKE) if name != absent])
    assert cloud.moved == []
    assert set(answers.values()) == {f"nothing was moved: {absent} was not ready within 1 s"}


def test_without_the_host_nothing_is_moved(cloud):
    answers = cloud.hand_over(["node-1", "node-2", "node-5"])
    assert cloud.moved == [] and set(answers.values()) == {"nobody hosts the meeting on 127.0.0.1 within 1 s"}


def test_one_that_cannot_rest_keeps_all_where_they_are(cloud):
    cloud.broken["node-1"] = ["rest"]
    answers = cloud.hand_over()
    assert cloud.moved == [] and answers["node-5"] == "nothing was moved: node-1: haproxy is gone"


def test_one_that_cannot_leave_calls_the_others_back_and_nobody_takes(cloud):
    cloud.broken["node-2"] = ["detach"]
    answers = cloud.hand_over()
    assert sorted(cloud.moved) == [("node-1", "attach"), ("node-1", "detach"), ("node-2", "attach")]
    assert "node-1" in cloud.announced and not {"node-4", "node-5"} & set(cloud.announced)
    assert answers["node-2"] == "eth1 is in use"
    assert answers["node-1"] == answers["node-4"] == "all went back: node-2: eth1 is in use"


def test_when_one_cannot_take_all_give_it_up_before_the_others_come_back(cloud):
    cloud.broken["node-5"] = ["attach"]
    answers = cloud.hand_over()
    assert sorted(cloud.moved[2:5]) == [("node-4", "attach"), ("node-4", "detach"), ("node-5", "detach")]
    assert sorted(cloud.moved[5:]) == [("node-1", "attach"), ("node-2", "attach")]
    assert answers["node-1"] == "all went back: node-5: eth1 is in use"


def test_when_one_may_have_taken_nobody_comes_back(cloud):
    cloud.broken["node-5"] = ["detach", "attach"]
    cloud.broken["node-4"] = ["detach"]
    answers = cloud.hand_over()
    assert {name for name, what in cloud.moved if what == "attach"} == {"node-4"}
    assert answers["node-1"] == "both sides may be unplugged: node-5: eth1 is in use"


def test_a_job_that_comes_late_from_another_meeting_joins_none(cloud):
    cloud.names["node-2"] = "m0"
    answers = cloud.hand_over()
    assert cloud.moved == [] and answers["node-4"] == "nothing was moved: node-2 was not ready within 1 s"


def test_a_late_answer_is_not_taken_for_that_to_a_later_word(cloud):
    """Those that take need longer than they are waited for, and give up again: only then do the others come back."""
    cloud.slow = {(name, "attach"): 1.5 for name in TAKE}
    cloud.hand_over()
    back = [cloud.moved.index((name, "attach")) for name in LEAVE if (name, "attach") in cloud.moved]
    assert all(index > cloud.moved.index((name, "detach")) for index in back for name in TAKE)


def test_when_one_that_takes_dies_the_others_keep_the_addresses(cloud):
    """It lost its power, and the operator may be asleep: nobody would have them."""
    cloud.dead = "node-5"
    answers = cloud.hand_over()
    assert [name for name, what in cloud.moved if what == "attach"] == ["node-4"]
    assert ("node-4", "detach") not in cloud.moved and "node-4" in cloud.announced
    assert answers["node-1"] == answers["node-4"] == "the others have taken over: node-5: the connection was closed"


def test_when_one_that_leaves_dies_the_others_come_back_and_it_is_named(cloud):
    cloud.dead = "node-2"
    answers = cloud.hand_over()
    assert [name for name, what in cloud.moved if what == "attach"] == ["node-1"]
    assert answers["node-4"].startswith("the others went back: node-2: the connection was closed; not back: node-2: ")


def test_the_port_of_the_meeting_is_open_to_its_members_as_long_as_it_lasts(cloud):
    cloud.hand_over()
    assert sorted(cloud.firewall) == ["-D", "-I"]


def test_strangers_are_not_listened_to(cloud):
    cloud.members["node-5"] = "127.0.0.2"
    answers = cloud.hand_over()
    assert cloud.moved == []
    assert answers["node-1"] == "nothing was moved: node-5 was not ready within 1 s"
