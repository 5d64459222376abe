"""
The agent by which Fuel erases a node destroys no data while a node waits to be installed anew.
"""

import re

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

OLD = 'system("dd if=/dev/zero of=#{partition} bs=1M count=10")\n'


@pytest.fixture
def restarts():
    return []


@pytest.fixture
def node(tmp_path, restarts):
    one = Node({"service.restart": restarts.append, "service.status": lambda name: True})
    one.set(AGENTS=(str(tmp_path / "erase_node.rb"),), STATE=str(tmp_path / "kept"))
    return one


def test_the_old_agent_gives_way_and_comes_back_and_is_loaded_each_time(node, tmp_path, restarts):
    path = tmp_path / "erase_node.rb"
    path.write_text(OLD)
    assert node.call("octane_mcollective.status") == {"agent": str(path), "harmless": False}
    assert node.call("octane_mcollective.disarm")["changed"] is True
    assert node.call("octane_mcollective.status")["harmless"] is True
    assert node.call("octane_mcollective.disarm")["changed"] is False
    assert node.call("octane_mcollective.rearm") == {"restored": [str(path)]}
    assert path.read_text() == OLD and restarts == ["mcollective"] * 3


def test_all_that_the_new_one_writes_to_disks_is_446_bytes_of_those_with_a_partition_table(node):
    written = re.findall(r"dd .*", node.modules["octane_mcollective"].HARMLESS)
    assert len(written) == 1 and "bs=446 count=1" in written[0]
    assert "0x55, 0xaa" in node.modules["octane_mcollective"].HARMLESS


def test_a_node_without_the_agent_cannot_be_erased_by_it(node, restarts):
    assert node.call("octane_mcollective.status") == {"agent": "", "harmless": True}
    assert node.call("octane_mcollective.disarm") == {"agent": "", "changed": False} and restarts == []


def test_an_agent_that_is_not_loaded_for_sure_is_not_harmless(node, tmp_path):
    (tmp_path / "erase_node.rb").write_text(OLD)
    node.salt["service.status"] = lambda name: False
    with pytest.raises(CommandExecutionError, match="does not run after its restart"):
        node.call("octane_mcollective.disarm")
    assert node.call("octane_mcollective.status")["harmless"] is False
