"""
Ports of Open vSwitch and patches: what is asked of ``ovs-vsctl`` and of ``ip``, what files say, what is refused.
"""

import json

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

UNSET = ["set", []]


def uuids(*numbers):
    found = [["uuid", str(number)] for number in numbers]
    return found[0] if len(found) == 1 else ["set", found]


class Switch:
    """A node with one Linux bridge, and Open vSwitch that answers from rows and keeps what it is told."""

    def __init__(self, root):
        self.commands = []
        self.bridges = [{"name": "br-ex", "ports": uuids(1, 2, 3)}, {"name": "br-aux", "ports": uuids(4)}]
        columns = {"tag": 7, "trunks": ["set", [0, 7]], "other_config": ["map", [["a", "b"]]]}
        self.ports = [
            self.row(1, "br-ex", interfaces=uuids(11)),
            self.row(2, "eth1", interfaces=uuids(12), **columns),
            self.row(3, "br-ex--br-aux", interfaces=uuids(13)),
            self.row(4, "br-aux", interfaces=uuids(14)),
        ]
        peer = ["map", [["peer", "br-aux--br-ex"]]]
        self.interfaces = [
            self.row(11, "br-ex", type="internal"),
            self.row(12, "eth1", type=""),
            self.row(13, "br-ex--br-aux", type="patch", options=peer),
            self.row(14, "br-aux", type="internal"),
        ]
        self.node = Node({"cmd.run_all": self.run})
        (root / "interfaces.d").mkdir()
        (root / "socket").touch()
        self.node.set(INTERFACES=f"{root}/interfaces.d", STATE=f"{root}/kept", KEPT=f"{root}/ports.json")
        self.node.set(SOCKET=f"{root}/socket", FOLDER=f"{root}/scripts")
        self.root = root

    def row(self, number, name, **columns):
        return {"_uuid": ["uuid", str(number)], "name": name, **columns}

    def run(self, command, stdin=None, **_):
        if "list" not in command:
            self.commands.append(stdin.splitlines() if stdin else command[2:])
            return {"retcode": 0, "stdout": "", "stderr": ""}
        tables = (self.bridges, self.ports, self.interfaces)
        return {"retcode": 0, "stdout": "\n".join(map(self.listing, tables)) + "\n", "stderr": ""}

    def listing(self, rows):
        headings = sorted({name for row in rows for name in row})
        return json.dumps({"headings": headings, "data": [[row.get(name, UNSET) for name in headings] for row in rows]})

    def forget(self, name):
        gone = next(row for row in self.ports if row["name"] == name)
        self.bridges[0]["ports"][1].remove(gone["_uuid"])

    def file(self, name, text=None):
        path = self.root / "interfaces.d" / f"ifcfg-{name}"
        if text is not None:
            path.write_text(text)
        return path.read_text()

    def switch(self, do, **entry):
        return self.node.call("octane_net.switch", [{"do": do, "bridge": "br-ex", "port": "eth1", **entry}])["done"]


@pytest.fixture
def switch(tmp_path):
    return Switch(tmp_path)


def test_bridges_have_their_ports_without_their_own(switch):
    assert switch.node.call("octane_net.bridges") == {"br-ex": ["br-ex--br-aux", "eth1"], "br-aux": []}
    assert switch.node.call("octane_net.ports", "br-aux") == []
    assert switch.node.call("octane_ovs.peers") == {"br-ex--br-aux": "br-aux--br-ex"}
    assert switch.node.call("octane_ovs.inner_ports") == ["br-aux", "br-ex", "br-ex--br-aux"]


def test_ports_that_neutrons_agent_has_not_wired_are_told(switch):
    dead = [switch.row(5, "qr-1", tag=4095, interfaces=uuids(15)), switch.row(6, "qg-1", tag=3, interfaces=uuids(16))]
    switch.ports += [*dead, switch.row(7, "tap1", interfaces=uuids(17))]
    switch.bridges.append({"name": "br-int", "ports": uuids(5, 6, 7)})
    assert switch.node.call("octane_ovs.unwired") == ["qr-1", "tap1"]


def test_a_port_comes_back_with_all_it_had(switch, monkeypatch):
    modules = switch.node.modules["octane_ports"]
    monkeypatch.setattr(modules, "_exists", lambda name: True)
    assert switch.switch("detach")
    assert switch.commands == [["--", "--if-exists", "del-port", "eth1"]]
    switch.forget("eth1")
    assert switch.switch("attach")
    assert switch.commands[1] == ["link set dev eth1 up"]
    assert switch.commands[2] == [
        *("--", "--may-exist", "add-port", "br-ex", "eth1"),
        *("--", "set", "Port", "eth1", 'other_config={"a"="b"}', "tag=7", "trunks=[0,7]"),
    ]


def test_a_patch_comes_back_with_the_end_it_leads_to(switch):
    switch.switch("detach", port="br-ex--br-aux")
    switch.forget("br-ex--br-aux")
    peer = {"bridge": "br-aux", "port": "br-aux--br-ex", "tag": 101}
    switch.switch("attach", port="br-ex--br-aux", peer=peer)
    assert switch.commands[1] == [
        *("--", "--may-exist", "add-port", "br-aux", "br-aux--br-ex", "--", "set", "Port", "br-aux--br-ex", "tag=101"),
        *("--", "set", "Interface", "br-aux--br-ex", 'options={"peer"="br-ex--br-aux"}', 'type="patch"'),
        *("--", "--may-exist", "add-port", "br-ex", "br-ex--br-aux"),
        *("--", "set", "Interface", "br-ex--br-aux", 'options={"peer"="br-aux--br-ex"}', 'type="patch"'),
    ]


def test_a_bond_that_was_never_there_is_made_of_its_interfaces(switch, monkeypatch):
    monkeypatch.setattr(switch.node.modules["octane_ports"], "_exists", lambda name: True)
    switch.file("br-ex", "auto br-ex\niface br-ex inet static\novs_type OVSBridge\n")
    bond = {"interfaces": ["eth3", "eth4"], "mode": "balance-tcp", "lacp": "active", "lacp_rate": "fast", "miimon": 100}
    switch.switch("attach", port="bond0", bond=bond)
    assert switch.commands[0] == ["link set dev eth3 up", "link set dev eth4 up"]
    assert switch.commands[1] == [
        *("--", "--may-exist", "add-bond", "br-ex", "bond0", "eth3", "eth4", "--", "set", "Port", "bond0"),
        *('bond_mode="balance-tcp"', 'lacp="active"'),
        'other_config={"lacp-time"="fast","bond-detect-mode"="miimon","bond-miimon-interval"="100"}',
    ]
    # A boot has nobody else to bring them up.
    assert "up ip link set dev eth3 up\n" in switch.file("br-ex") and "dev eth4 up\n" in switch.file("br-ex")


BRIDGE = "allow-ovs br-ex\nauto br-ex\niface br-ex inet static\novs_type OVSBridge\novs_ports eth0 eth1 eth2\n"
PORT = "auto eth1\nallow-br-ex eth1\niface eth1 inet manual\nmtu 9000\novs_bridge br-ex\novs_type OVSPort\n"


def test_files_that_plug_a_port_in_do_so_no_more_and_are_given_back_to_the_byte(switch, monkeypatch):
    monkeypatch.setattr(switch.node.modules["octane_ports"], "_exists", lambda name: True)
    switch.file("br-ex", BRIDGE), switch.file("eth1", PORT)
    assert switch.node.call("octane_net.persistent_ports", "br-ex") == ["br-ex--br-aux", "eth0", "eth1", "eth2"]
    switch.switch("detach")
    assert switch.node.call("octane_interfaces.plugs", "br-ex") == ["eth0", "eth2"]
    left = [line for line in switch.file("eth1").splitlines() if not line.startswith("#")]
    assert left == ["auto eth1", "iface eth1 inet manual", "mtu 9000"]
    switch.forget("eth1")
    assert switch.node.call("octane_net.pending", [{"do": "detach", "bridge": "br-ex", "port": "eth1"}]) == []
    switch.switch("attach")
    assert (switch.file("br-ex"), switch.file("eth1")) == (BRIDGE, PORT)


def test_several_ports_leave_and_come_back_in_any_order(switch):
    def call(function, port):
        switch.node.call(f"octane_interfaces.{function}", "br-ex", port)
        return switch.node.call("octane_interfaces.plugs", "br-ex")

    switch.file("br-ex", BRIDGE)
    assert call("unplug", "eth1") == ["eth0", "eth2"]
    assert call("unplug", "eth0") == ["eth2"]
    assert call("unplug", "eth2") == []
    assert call("plug", "eth1") == ["eth1"]
    assert call("plug", "eth2") == ["eth1", "eth2"]
    assert call("plug", "eth0") == ["eth0", "eth1", "eth2"]
    assert switch.file("br-ex") == BRIDGE


def test_a_port_that_was_an_ordinary_interface_is_brought_up_in_its_bridge(switch, monkeypatch):
    monkeypatch.setattr(switch.node.modules["octane_ports"], "_exists", lambda name: True)
    switch.file("eth4", "auto eth4\niface eth4 inet manual\nmtu 9000\n")
    switch.switch("attach", port="eth4")
    assert switch.file("eth4").splitlines() == [
        *("auto eth4", "allow-br-ex eth4", "iface eth4 inet manual"),
        *("ovs_type OVSPort", "ovs_bridge br-ex", "mtu 9000"),
    ]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"bridge": "br-no"}, "br-no is no bridge"),
        ({"port": "eth9"}, "there is no interface eth9"),
        ({"port": "x;reboot"}, "not the name of a port"),
        ({"port": 7}, "not the name of a port"),
        ({"bridge": "br-ex\n"}, "not the name of an interface"),
        ({"bridge": "br-aux"}, "eth1 is plugged into br-ex"),
        ({"port": "p-0", "peer": {"bridge": "br-aux", "port": "-x"}}, "not the name of a port"),
        ({"port": "p-0", "peer": {"bridge": "br-no", "port": "p-1"}}, "br-no is no bridge"),
        ({"extra": 1}, "not an entry of a plan"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is(switch, entry, said):
    with pytest.raises(CommandExecutionError, match=said):
        switch.switch("attach", **entry)
    assert switch.commands == []


@pytest.mark.parametrize(
    "given",
    [
        {"tag": "1 -- del-br br-ex"},
        {"tag": 5000},
        {"trunks": [True]},
        {"bond": {"interfaces": ["eth3"], "mode": "x=y"}},
        {"bond": {"interfaces": ["eth3; reboot"]}},
        {"bond": {"interfaces": ["eth3"], "miimon": "often"}},
    ],
)
def test_what_is_no_port_of_open_vswitch_is_refused(switch, given):
    with pytest.raises(CommandExecutionError, match="not "):
        switch.node.call("octane_ovs.described", "eth3", **given)


def test_open_vswitch_that_does_not_answer_is_no_open_vswitch_without_ports(switch):
    switch.node.salt["cmd.run_all"] = lambda *_, **__: {"retcode": 1, "stdout": "", "stderr": "connection refused"}
    with pytest.raises(CommandExecutionError, match="connection refused"):
        switch.node.call("octane_net.pending", [{"do": "detach", "bridge": "br-ex", "port": "eth1"}])


def test_a_patch_is_found_by_what_it_joins_when_it_is_called_otherwise(switch):
    switch.bridges[1]["ports"] = uuids(4, 5)
    switch.ports.append(switch.row(5, "br-aux--br-ex", interfaces=uuids(15)))
    back = ["map", [["peer", "br-ex--br-aux"]]]
    switch.interfaces.append(switch.row(15, "br-aux--br-ex", type="patch", options=back))
    peer = {"bridge": "br-aux", "port": "p_0-1", "tag": 3}
    entry = {"do": "detach", "bridge": "br-ex", "port": "p_0-0", "peer": peer}
    assert switch.node.call("octane_net.located", [entry]) == [
        {**entry, "port": "br-ex--br-aux", "peer": {"bridge": "br-aux", "port": "br-aux--br-ex", "tag": 3}}
    ]


def test_a_port_that_its_bridge_does_not_have_is_named(switch):
    with pytest.raises(CommandExecutionError, match="br-ex has no port eth5"):
        switch.node.call("octane_net.located", [{"do": "detach", "bridge": "br-ex", "port": "eth5"}])
    entry = {"do": "detach", "bridge": "br-ex", "port": "p-0", "peer": {"bridge": "br-aux", "port": "p-1"}}
    with pytest.raises(CommandExecutionError, match="nothing joins br-ex to br-aux"):
        switch.node.call("octane_net.located", [entry])
