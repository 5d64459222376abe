"""
Who belongs to a controller's clusters: what the tools of old and new releases say, and taking one out.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

# corosync-quorumtool -s of 2.3.4 and 3.1.7 differ in what is around these lines.
QUORATE = """Quorum information
------------------
Date:             Mon Nov 30 05:54:57 2026
Quorum provider:  corosync_votequorum
Nodes:            3
Node ID:          2
Ring ID:          1.c
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      2
Quorum:           2
Flags:            Quorate
"""
TERMS = """[{nodes,[{disc,['rabbit@node-1','rabbit@node-2',
                'rabbit@node-3']}]},
 {running_nodes,['rabbit@node-3','rabbit@node-2']},
 {cluster_name,<<"rabbit@node-1.domain.tld">>},
 {partitions,[]}]
"""
JSON = """{"disk_nodes": ["rabbit@node-1", "rabbit@node-2"], "ram_nodes": ["rabbit@node-3"],
 "running_nodes": ["rabbit@node-3", "rabbit@node-2"], "partitions": {}}"""
BROKERS = {
    "members": ["rabbit@node-1", "rabbit@node-2", "rabbit@node-3"],
    "running": ["rabbit@node-2", "rabbit@node-3"],
    "partitioned": False,
}
CONFIGURATION = """totem {
  version: 2
  transport: udpu
}

nodelist {
  node {
    ring0_addr: 192.168.0.3
    nodeid: 1
  }
  node {
    ring0_addr: 192.168.0.4
    nodeid: 2
  }
  node {
    ring0_addr: 192.168.0.30
    nodeid: 3
  }
}

quorum {
  provider: corosync_votequorum
  expected_votes: 3
}
"""
NAMES = ["node-1", "node-1.domain.tld", "192.168.0.3"]


class Controller:
    """A node of three, of which the first has stopped; every command it is given is noted."""

    def __init__(self, tmp_path):
        self.file = tmp_path / "corosync.conf"
        self.file.write_text(CONFIGURATION)
        self.commands = []
        self.known = {"node-1.domain.tld": False, "node-2.domain.tld": True, "node-3.domain.tld": True}
        self.brokers = list(BROKERS["members"])
        self.node = Node({"cmd.run_all": self.run, "octane_cluster.nodes": self.nodes})
        self.node.set(COROSYNC=str(self.file), STATE=str(tmp_path / "kept"))
        self.node.modules["octane_members"].shutil = type("shutil", (), {"which": staticmethod(lambda name: name)})

    def nodes(self):
        return {name: {"online": online} for name, online in self.known.items()}

    def run(self, command, **kwargs):
        self.commands.append(command)
        if command[0] == "crm_node":
            self.known.pop(command[-1])
        if "forget_cluster_node" in command:
            self.brokers.remove(command[-1])
        names = ",".join(f"'{one}'" for one in self.brokers)
        said = f"[{{nodes,[{{disc,[{names}]}}]}},{{running_nodes,['rabbit@node-2']}},{{partitions,[]}}]"
        # 3.3 to 3.7 refuse the option that chooses JSON.
        return {"retcode": int("--formatter" in command), "stdout": said, "stderr": ""}


@pytest.fixture
def controller(tmp_path):
    return Controller(tmp_path)


def test_votes_are_read_from_what_corosync_says(controller):
    assert controller.node.call("octane_members.parse_votes", QUORATE) == {"expected": 3, "total": 2, "quorate": True}


def test_without_corosync_there_is_no_quorum(controller):
    assert controller.node.call("octane_members.parse_votes", "")["quorate"] is False


@pytest.mark.parametrize("text", [TERMS, JSON])
def test_brokers_are_read_from_old_and_new_releases(controller, text):
    assert controller.node.call("octane_members.parse_brokers", text) == BROKERS


@pytest.mark.parametrize(
    "text",
    [
        TERMS.replace("{partitions,[]}", "{partitions,[{'rabbit@node-3',['rabbit@node-2']}]}"),
        JSON.replace('"partitions": {}', '"partitions": {"rabbit@node-3": ["rabbit@node-2"]}'),
    ],
)
def test_a_partition_is_seen(controller, text):
    assert controller.node.call("octane_members.parse_brokers", text)["partitioned"] is True


def test_what_is_no_status_is_an_error(controller):
    with pytest.raises(CommandExecutionError, match="something else"):
        controller.node.call("octane_members.parse_brokers", "nodedown")


def test_the_one_that_left_is_taken_out_with_its_vote_and_nobody_else(controller):
    assert controller.node.call("octane_members.drop", NAMES) == {"changed": True}
    text = controller.file.read_text()
    assert "192.168.0.3\n" not in text and "192.168.0.30\n" in text and "expected_votes: 2" in text
    assert controller.commands == [["corosync-cfgtool", "-R"], ["crm_node", "--force", "-R", "node-1.domain.tld"]]


def test_a_second_time_there_is_nothing_to_do(controller):
    controller.node.call("octane_members.drop", NAMES)
    controller.commands.clear()
    assert controller.node.call("octane_members.drop", NAMES) == {"changed": False} and controller.commands == []


def test_a_look_changes_nothing(controller):
    assert controller.node.call("octane_members.drop", NAMES, True) == {"changed": True}
    assert controller.file.read_text() == CONFIGURATION and controller.commands == []


def test_it_is_readmitted_to_the_byte(controller):
    controller.node.call("octane_members.drop", NAMES)
    assert controller.node.call("octane_members.readmit") == {"changed": True}
    assert controller.file.read_text() == CONFIGURATION
    assert controller.node.call("octane_members.readmit") == {"changed": False}


def test_the_last_one_is_not_taken_out(controller):
    with pytest.raises(CommandExecutionError, match="nobody but"):
        controller.node.call("octane_members.without", "node {\n  ring0_addr: 192.168.0.3\n}\n", NAMES)


def test_its_broker_is_forgotten_once(controller):
    assert controller.node.call("octane_members.forget_broker", "node-1") == {"was": True}
    assert controller.node.call("octane_members.forget_broker", "node-1") == {"was": False}
    assert ["rabbitmqctl", "-q", "forget_cluster_node", "rabbit@node-1"] in controller.commands
