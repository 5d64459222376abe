"""An overlay is made by the script that was written for it; without it, or with another one, the node is told why."""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node


@pytest.fixture
def ran():
    return []


@pytest.fixture
def node(tmp_path, ran):
    def run(command, **_):
        ran.append(command)
        return {"retcode": 0, "stdout": "", "stderr": ""}

    node = Node({"cmd.run_all": run})
    node.set(FOLDER=str(tmp_path))
    return node


def test_the_script_is_run_for_the_bridge_that_it_names(node, ran, tmp_path):
    script = tmp_path / "octane-overlay-1"
    script.write_text('#!/bin/sh\n[ "$IFACE" = br-mgmt ] || exit 0\n')
    node.modules["octane_overlay"].make("oct1")
    assert ran == [["env", "IFACE=br-mgmt", "sh", str(script), "unplugged"]]


@pytest.mark.parametrize("text", [None, "#!/bin/sh\nexit 0\n"], ids=["none", "another"])
def test_a_script_that_is_not_what_was_written_is_named_and_not_run(node, ran, tmp_path, text):
    if text is not None:
        (tmp_path / "octane-overlay-1").write_text(text)
    with pytest.raises(CommandExecutionError, match="octane-overlay-1 names no bridge that oct1 belongs to"):
        node.modules["octane_overlay"].make("oct1")
    assert ran == []


@pytest.mark.parametrize("act", ["apply", "prepare"])
@pytest.mark.parametrize(
    ("reaches", "told"),
    [
        (False, "packets of 1500 bytes do not reach 10.20.0.135 from 10.20.0.134"),
        (None, "10.20.0.135 does not answer a ping from 10.20.0.134"),
    ],
    ids=["narrow", "silent"],
)
def test_an_overlay_to_a_peer_that_it_would_not_reach_is_not_written_down(tmp_path, act, reaches, told):
    node = Node({"octane_net.mtu_to": lambda address, size: {"whole": reaches}, "octane_net.bridges": dict})
    node.set(FOLDER=str(tmp_path))
    with pytest.raises(CommandExecutionError, match=told):
        node.call(f"octane_overlay.{act}", "br-mgmt", 1, "10.20.0.134", ["10.20.0.135"])
    assert list(tmp_path.iterdir()) == []
