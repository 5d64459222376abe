"""Files of nodes over SSH: what is absent is told from what could not be asked."""

import pytest

from octane import machine
from octane.errors import Failed, NodeFailed


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """An `ssh` that answers as its file says: lines "COMMAND EXIT-CODE", each with what it prints."""
    answers = tmp_path / "answers"
    program = tmp_path / "ssh"
    program.write_text(
        "#!/bin/sh\n"
        "for last; do :; done\n"
        f'code=$(sed -n "s/^${{last%% *}} //p" {answers})\n'
        'echo "said by ${last%% *}"\n'
        'exit "${code:-255}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return answers


@pytest.fixture
def node(tmp_path):
    return machine.node("node-1", "10.20.0.3", tmp_path / "known_hosts")


def test_a_file_is_read_in_one_command(ssh, node):
    ssh.write_text("cat 0\n")
    assert node.read("/etc/salt/minion") == b"said by cat\n"


def test_an_absent_file_is_none(ssh, node):
    ssh.write_text("cat 1\ntest 1\n")
    assert node.read("/etc/salt/minion") is None


def test_a_file_that_is_there_and_cannot_be_read_is_a_failure(ssh, node):
    ssh.write_text("cat 1\ntest 0\n")
    with pytest.raises(NodeFailed, match="node-1"):
        node.read("/etc/salt/minion")


def test_a_node_that_cannot_be_entered_is_not_one_without_the_file(ssh, node):
    ssh.write_text("")
    with pytest.raises(Failed, match="node-1"):
        node.read("/etc/salt/minion")
    assert not node.answers()


def test_an_address_is_checked_before_it_meets_a_command_line(tmp_path):
    with pytest.raises(machine.BadInput, match="node-1"):
        machine.node("node-1", "10.20.0.3 -oProxyCommand=x", tmp_path)
