"""
Files of bridges, listings of ``ip``, ARP frames and the fence of a controller.
"""

import json
import struct

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node
from tests.unit.test_module_service import Init

IFCFG = "auto br-mgmt\niface br-mgmt inet static\nbridge_ports eth0.101 eth9\naddress 192.168.0.3/24\n"
LINKS = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT \\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
5: eth0.101@eth0: <BROADCAST,UP> mtu 1500 qdisc noqueue master br-mgmt state UP \\    link/ether 52:54:00:00:00:05 brd ff:ff:ff:ff:ff:ff
7: b_management@if8: <BROADCAST,UP> mtu 1500 qdisc noqueue state UP \\    link/ether 52:54:00:00:00:07 brd ff:ff:ff:ff:ff:ff link-netnsid 0
"""  # noqa: E501


@pytest.fixture
def node():
    return Node()


def test_only_the_ports_of_a_bridge_change_in_its_file(node):
    assert node.call("octane_interfaces.parse_ports", IFCFG) == ["eth0.101", "eth9"]
    without = node.call("octane_interfaces.with_ports", IFCFG, [])
    assert without == IFCFG.replace("eth0.101 eth9", "none")
    assert node.call("octane_interfaces.parse_ports", without) == []
    assert node.call("octane_interfaces.with_ports", without, ["eth0.101", "eth9"]) == IFCFG


def test_a_bridge_deployed_without_ports_gets_a_line_for_them(node):
    isolated = IFCFG.replace("bridge_ports eth0.101 eth9\n", "")
    with_port = node.call("octane_interfaces.with_ports", isolated, ["eth2.101"])
    assert node.call("octane_interfaces.parse_ports", with_port) == ["eth2.101"]
    assert sorted(with_port.splitlines()) == sorted([*isolated.splitlines(), "bridge_ports eth2.101"])


def test_interfaces_are_told_by_their_names_without_what_is_behind_them(node):
    found = node.modules["octane_net"]._macs(LINKS)
    assert found["eth0.101"] == "52:54:00:00:00:05" and found["b_management"] == "52:54:00:00:00:07"


@pytest.mark.parametrize("name", ["br-ex; reboot", "", "a" * 16, "-n", "br ex"])
def test_what_is_no_name_of_an_interface_is_refused(node, name):
    with pytest.raises(Exception, match="not the name"):
        node.call("octane_net.ports", name)


def test_replies_alone_tell_who_has_an_address(node):
    def frame(operation):
        head = b"\xff" * 12 + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        return head + bytes.fromhex("525400000007") + bytes([192, 168, 0, 2]) + b"\x00" * 10

    assert node.call("octane_arp.parse_reply", frame(2)) == ("52:54:00:00:00:07", "192.168.0.2")
    assert node.call("octane_arp.parse_reply", frame(1)) == (None, None)
    assert node.call("octane_arp.parse_reply", b"short") == (None, None)


class Controller(Init):
    """A controller with one bridge and its port, jobs, a cluster, and a virtual address that was left behind."""

    def __init__(self, root):
        super().__init__(
            running=("nova-api", "pacemaker", "corosync"),
            enabled=("nova-api", "nova-conductor", "pacemaker", "corosync"),
            systemd=True,
        )
        self.ports, self.vips, self.root = {"br-ex": ["eth1"]}, ["v_public"], root
        self.order = []
        self.node.salt.update(
            {
                "octane_net.ports": lambda bridge: list(self.ports[bridge]),
                "octane_net.persistent_ports": lambda bridge: list(self.ports[bridge]),
                "octane_net.pending": lambda plan: [one for one in plan if self.is_wrong(one)],
                "octane_net.switch": self.switch,
                "octane_interfaces.pristine_ports": lambda bridge: ["eth1"],
                "octane_net.namespaces": list,
                "octane_net.patches": list,
                "octane_net.bridges": lambda: self.ports,
                "octane_net.addresses": dict,
                "octane_fence.leftovers": lambda: list(self.vips),
                "octane_fence.remove_leftovers": self.vips.clear,
                "octane_cluster.leave": lambda timeout: self.leave(),
                "octane_cluster.join": lambda timeout: self.running.update({"pacemaker", "corosync"}),
                "octane_cluster.online": lambda: "pacemaker" in self.running,
                "octane_cluster.ignore_gateway": lambda timeout: self.order.append("gateway ignored"),
                "octane_cluster.wait_serving": lambda resources, timeout: self.order.append("serving"),
            }
        )
        self.node.set(MARKER=str(root / "octane-fenced"), RECORD=str(root / "record.json"))

    def is_wrong(self, one):
        return (one["port"] in self.ports[one["bridge"]]) is not (one["do"] == "attach")

    def switch(self, plan, **_):
        self.order.append("ports")
        for one in plan:
            self.ports[one["bridge"]] = [one["port"]] if one["do"] == "attach" else []

    def leave(self):
        self.order.append("cluster")
        self.running -= {"pacemaker", "corosync"}


def hang(timeout):
    raise CommandExecutionError(f"corosync has not stopped on this node within {timeout} s")


FENCE = {"bridges": ["br-ex"], "reason": "environment 2 took over"}


def test_a_fenced_controller_is_silent_now_and_after_a_boot_and_says_why(tmp_path):
    controller = Controller(tmp_path)
    result = controller.node.state("octane_net.fence", "x", **FENCE)
    assert result["result"] is True and controller.order == ["ports", "cluster"]
    assert controller.ports == {"br-ex": []} and controller.vips == []
    # nova-conductor had been stopped before, but would have come back at the next boot.
    assert (controller.running, controller.enabled) == (set(), set())
    notice = (tmp_path / "octane-fenced").read_text()
    assert "environment 2 took over" in notice and "octane_net.unfenced" in notice
    assert controller.node.state("octane_net.fence", "x", **FENCE)["changes"] == {}


def test_a_controller_taken_back_is_as_it_was(tmp_path):
    controller = Controller(tmp_path)
    before = (set(controller.running), set(controller.enabled), dict(controller.ports))
    controller.node.state("octane_net.fence", "x", **FENCE)
    assert controller.node.state("octane_net.unfenced", "x")["result"] is True
    assert (controller.running, controller.enabled, controller.ports) == before
    assert not (tmp_path / "octane-fenced").exists()
    assert controller.node.state("octane_net.unfenced", "x")["changes"] == {}


def test_a_controller_behind_its_fence_runs_and_stays_silent(tmp_path):
    """It is cut off, so that no gateway would answer it, and its jobs need what the cluster runs."""
    controller = Controller(tmp_path)
    running = set(controller.running)
    controller.node.state("octane_net.fence", "x", **FENCE)
    controller.order.clear()
    assert controller.node.state("octane_net.unfenced", "x", ports=False)["result"] is True
    assert controller.order == ["gateway ignored", "serving"]
    assert controller.running == running and controller.ports == {"br-ex": []}


def test_a_fence_that_was_interrupted_remembers_what_to_give_back(tmp_path):
    controller = Controller(tmp_path)
    leave = controller.node.salt["octane_cluster.leave"]
    controller.node.salt["octane_cluster.leave"] = hang
    result = controller.node.state("octane_net.fence", "x", **FENCE)
    assert result["result"] is False and "corosync has not stopped" in result["comment"]
    assert controller.ports == {"br-ex": []}
    controller.node.salt["octane_cluster.leave"] = leave
    controller.node.state("octane_net.fence", "x", **FENCE)
    assert json.loads((tmp_path / "record.json").read_text())["ports"] == [{"bridge": "br-ex", "port": "eth1"}]
    assert json.loads((tmp_path / "record.json").read_text())["running"] == ["nova-api"]


def test_test_mode_fences_nothing(tmp_path):
    controller = Controller(tmp_path)
    result = controller.node.state("octane_net.fence", "x", test=True, **FENCE)
    assert result["result"] is None and controller.order == [] and not (tmp_path / "octane-fenced").exists()
    assert "eth1 in br-ex" in result["changes"] and "pacemaker" in result["changes"]
