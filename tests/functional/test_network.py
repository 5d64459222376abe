"""
Ports, overlays, ARP and severed connections between network namespaces that stand for hosts.
"""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.wait import until
from tests.functional.network_hosts import NEEDED, Host

pytestmark = NEEDED


class Network:
    """Two hosts on a switch by ``eth1`` (br-mgmt) and joined directly by ``eth0`` (admin)."""

    def __init__(self, root: Path) -> None:
        self.switch, self.one, self.two = (Host(name, root / name) for name in ("switch", "node-1", "node-2"))
        self.switch.run("ip", "link", "add", "sw", "type", "bridge")
        self.switch.run("ip", "link", "set", "sw", "up")
        for host in (self.one, self.two):
            port = f"to-{host.name}"
            pid = str(host.process.pid)
            self.switch.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth1", "netns", pid)
            self.switch.run("ip", "link", "set", port, "master", "sw", "up")
            host.run("ip", "link", "set", "eth1", "up")
        pid = str(self.two.process.pid)
        self.one.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", pid)
        for number, host in ((1, self.one), (2, self.two)):
            host.run("ip", "addr", "add", f"10.20.0.{number}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
            host.bridge("br-mgmt", f"192.168.0.{number}/24", "eth1")

    def stop(self) -> None:
        for host in (self.one, self.two, self.switch):
            host.stop()


@pytest.fixture
def network(tmp_path):
    one = Network(tmp_path)
    yield one
    one.stop()


PORT = {"bridge": "br-mgmt", "port": "eth1"}


def test_a_detached_port_is_out_now_and_after_a_boot_and_comes_back_the_same(network):
    before = network.one.file("br-mgmt")
    assert network.two.reaches("192.168.0.1")
    planned = network.one.state("octane_net.detached", test=True, **PORT)
    assert planned["result"] is None and network.two.reaches("192.168.0.1")
    done = network.one.state("octane_net.detached", **PORT)
    assert done["result"] is True and done["changes"] == planned["changes"] != {}
    assert not network.two.reaches("192.168.0.1")
    assert network.one.call("octane_net.ports", "br-mgmt") == []
    assert "bridge_ports none\n" in network.one.file("br-mgmt")
    assert network.one.state("octane_net.detached", **PORT)["changes"] == {}
    network.one.state("octane_net.attached", **PORT)
    assert network.two.reaches("192.168.0.1")
    assert network.one.file("br-mgmt") == before


def test_a_fence_takes_what_leads_out_of_the_node_and_leaves_its_inner_links(network):
    one = network.one
    one.virtual_address("192.168.0.50/24", "br-mgmt")
    one.run("ip", "link", "add", "p_a", "type", "veth", "peer", "name", "p_b")
    one.run("ip", "link", "set", "p_a", "master", "br-mgmt")
    assert one.call("octane_fence.physical_ports", "br-mgmt") == ["eth1"]
    one.state("octane_net.detached", **PORT)
    assert one.call("octane_fence.physical_ports", "br-mgmt") == ["eth1"]
    assert one.call("octane_fence.leftovers") == ["v_vip"]
    one.call("octane_fence.remove_leftovers")
    assert one.call("octane_fence.leftovers") == [] and one.call("octane_net.ports", "br-mgmt") == ["p_a"]


def test_a_fence_leaves_no_router_and_no_dhcp_server_of_a_tenant_alive(network):
    one = network.one
    for name in ("qrouter-1", "qdhcp-1", "another"):
        one.run("ip", "netns", "add", name)
    inside = subprocess.Popen(one.inside("ip", "netns", "exec", "qdhcp-1", "sleep", "600"))
    until(lambda: one.run("ip", "netns", "pids", "qdhcp-1").stdout, 10, "a process in the namespace")
    assert one.call("octane_fence.leftovers") == ["qdhcp-1", "qrouter-1"]
    one.call("octane_fence.remove_leftovers")
    assert inside.wait(10) == -signal.SIGKILL
    assert one.call("octane_fence.leftovers") == [] and one.call("octane_net.namespaces") == ["another"]


def test_a_port_that_was_plugged_in_by_hand_leaves_too_and_comes_back_and_no_file_ever_has_it(network):
    one, before = network.one, network.one.file("br-mgmt")
    pid = str(one.process.pid)
    network.switch.run("ip", "link", "add", "by-hand", "type", "veth", "peer", "name", "eth9", "netns", pid)
    one.run("ip", "link", "set", "eth9", "master", "br-mgmt")
    known = {"node-1": {"bridges": ["br-mgmt"], "ports": [PORT]}}
    found = one.call("octane_fence.unplanned", known)
    assert found == [{"bridge": "br-mgmt", "port": "eth9", "by_hand": True}]
    away = [{"do": "detach", **found[0]}]
    one.call("octane_net.switch", away)
    assert one.call("octane_net.ports", "br-mgmt") == ["eth1"] and one.call("octane_net.pending", away) == []
    assert one.call("octane_fence.unplanned", known) == []
    one.call("octane_net.switch", [{"do": "attach", **found[0]}])
    assert one.call("octane_net.ports", "br-mgmt") == ["eth1", "eth9"] and one.file("br-mgmt") == before


def test_a_half_done_change_is_finished(network):
    network.one.run("ip", "link", "set", "eth1", "nomaster")
    assert network.one.state("octane_net.detached", **PORT)["changes"]
    assert "bridge_ports none\n" in network.one.file("br-mgmt")


def test_a_file_that_puppet_wrote_again_is_no_obstacle(network):
    network.one.state("octane_net.detached", **PORT)
    path = network.one.root / "interfaces.d" / "ifcfg-br-mgmt"
    path.write_text("# written again\nauto br-mgmt\niface br-mgmt inet static\naddress 192.168.0.1/24\n")
    assert network.one.state("octane_net.attached", **PORT)["result"] is True
    assert network.one.call("octane_net.persistent_ports", "br-mgmt") == ["eth1"]
    assert "# written again" in network.one.file("br-mgmt")


def test_each_node_takes_its_own_part_of_a_switch(network):
    plans = {"node-1": [{"do": "detach", **PORT}], "node-2": [{"do": "attach", **PORT}]}
    assert network.one.call("octane_net.switch", plans=plans)["done"] == plans["node-1"]
    assert network.two.call("octane_net.switch", plans=plans)["done"] == []


def test_moved_ports_are_announced_at_once_although_the_bridge_changes_its_own_address(network):
    network.one.run("ip", "link", "set", "eth1", "nomaster")
    network.one.run("ip", "link", "add", "spare", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "end")
    network.one.run("ip", "link", "set", "spare", "master", "br-mgmt")
    wrong = ["lladdr", "02:00:00:00:00:01", "dev", "br-mgmt", "nud", "stale"]
    network.two.run("ip", "neigh", "replace", "192.168.0.1", *wrong)
    plan = [{"do": "attach", **PORT}, {"do": "detach", "bridge": "br-mgmt", "port": "spare"}]
    assert network.one.call("octane_net.switch", plan, announce=True)["announced"] == ["192.168.0.1"]
    mac = network.one.call("octane_net.macs")["br-mgmt"]
    assert mac != wrong[1] and f"lladdr {mac}" in network.two.run("ip", "neigh", "show", "192.168.0.1").stdout


def test_a_plan_with_one_impossible_entry_does_nothing(network):
    plan = [{"do": "detach", **PORT}, {"do": "attach", "bridge": "br-mgmt", "port": "eth9"}]
    assert "eth9" in network.one.call("octane_net.switch", plan)["error"]
    assert network.one.call("octane_net.ports", "br-mgmt") == ["eth1"]


def test_an_overlay_joins_isolated_bridges_and_goes_without_trace(network):
    before = network.one.file("br-mgmt")
    ends = {network.one: ("10.20.0.1", "10.20.0.2"), network.two: ("10.20.0.2", "10.20.0.1")}
    for host in ends:
        host.state("octane_net.detached", **PORT)
    assert not network.two.reaches("192.168.0.1")
    for host, (local, remote) in ends.items():
        given = {"bridge": "br-mgmt", "key": 7, "local": local, "remotes": [remote]}
        assert host.state("octane_net.overlay", **given)["result"] is True
        assert host.state("octane_net.overlay", **given)["changes"] == {}
        others = {"node-1": [given], "node-2": [given]} | {host.name: [given]}
        assert host.state("octane_net.overlays", plans=others)["changes"] == {}
    assert network.two.reaches("192.168.0.1")
    # What ``ifup`` of the bridge runs after a reboot, although Puppet has written the bridge's own file again.
    network.one.run("ip", "link", "delete", "oct7")
    scripts = network.one.root / "network"
    for interface, back in (("br-ex", False), ("br-mgmt", True)):
        network.one.run("env", f"IFACE={interface}", "run-parts", "--exit-on-error", str(scripts))
        assert network.two.reaches("192.168.0.1") is back
    for host in ends:
        assert host.state("octane_net.overlay_absent", bridge="br-mgmt", key=7)["changes"]
        assert host.state("octane_net.overlay_absent", bridge="br-mgmt", key=7)["changes"] == {}
        assert (
            host.state("octane_net.overlays_absent", plans={host.name: [{"bridge": "br-mgmt", "key": 7}]})["changes"]
            == {}
        )
        host.state("octane_net.attached", **PORT)
    assert network.one.file("br-mgmt") == before and not list(scripts.iterdir())


def test_an_overlay_wider_than_the_path_is_refused(network):
    for host in (network.one, network.two):
        host.run("ip", "link", "set", "eth0", "mtu", "1400")
    given = {"bridge": "br-mgmt", "key": 7, "local": "10.20.0.1", "remotes": ["10.20.0.2"]}
    refused = network.one.state("octane_net.overlay", **given)
    assert refused["result"] is False and "1500 bytes" in refused["comment"]
    assert network.one.state("octane_net.overlay", mtu=1350, **given)["result"] is True


def test_others_are_heard_and_the_node_itself_is_not(network):
    network.two.virtual_address("192.168.0.50/24", "br-mgmt")
    two = network.two.call("octane_net.macs")
    asked = [{"address": f"192.168.0.{n}", "interface": "br-mgmt"} for n in (1, 2, 50, 99)]
    heard = network.one.call("octane_net.hears", asked, timeout=1)
    assert heard == {
        "192.168.0.1": [],
        "192.168.0.2": [two["br-mgmt"]],
        "192.168.0.50": [two["haproxy/b_vip"]],
        "192.168.0.99": [],
    }
    assert network.two.call("octane_net.hears", asked, timeout=1)["192.168.0.50"] == []


def test_hearing_teaches_nobody_an_address(network):
    network.two.run("ip", "neigh", "flush", "all")
    network.one.call("octane_net.hears", [{"address": "192.168.0.2", "interface": "br-mgmt"}], timeout=1)
    assert "192.168.0.1" not in network.two.run("ip", "neigh").stdout


def test_announcing_corrects_what_neighbours_believe_of_addresses_and_virtual_addresses(network):
    network.one.virtual_address("192.168.0.50/24", "br-mgmt")
    one = network.one.call("octane_net.macs")
    for address in ("192.168.0.1", "192.168.0.50"):
        wrong = ["lladdr", "02:00:00:00:00:99", "dev", "br-mgmt", "nud", "stale"]
        network.two.run("ip", "neigh", "replace", address, *wrong)
    sent = network.one.call("octane_net.announce", repeat=2)["sent"]
    assert sorted(sent) == ["192.168.0.1", "192.168.0.50"]
    known = network.two.run("ip", "neigh").stdout
    assert f"192.168.0.1 dev br-mgmt lladdr {one['br-mgmt']}" in known
    assert f"192.168.0.50 dev br-mgmt lladdr {one['haproxy/b_vip']}" in known


def test_addresses_change_hands_and_come_back(network):
    """Two hosts with the same address, one of them unplugged; a third asks who has it."""
    network.switch.run("ip", "addr", "add", "192.168.0.9/24", "dev", "sw")
    for host in (network.one, network.two):
        host.virtual_address("192.168.0.50/24", "br-mgmt")
    network.two.call("octane_net.switch", [{"do": "detach", **PORT}])
    macs = {host.name: host.call("octane_net.macs")["haproxy/b_vip"] for host in (network.one, network.two)}
    members = {"node-1": "10.20.0.1", "node-2": "10.20.0.2"}

    def hand_over(leaves, takes):
        leave, take = {leaves.name: [{"do": "detach", **PORT}]}, {takes.name: [{"do": "attach", **PORT}]}
        with ThreadPoolExecutor() as pool:
            given = ("octane_handover.run", leave, take, members, "m1")
            parts = [pool.submit(host.call, *given) for host in (leaves, takes)]
        left, taken = (part.result() for part in parts)
        assert left["announced"] == [] and "192.168.0.50" in taken["announced"] and taken["away"] is not None
        assert f"lladdr {macs[takes.name]}" in network.switch.run("ip", "neigh", "show", "192.168.0.50").stdout
        who = network.switch.run("arping", "-c", "2", "-I", "sw", "192.168.0.50").stdout
        assert macs[takes.name].upper() in who and macs[leaves.name].upper() not in who
        assert network.switch.reaches("192.168.0.50")
        assert "bridge_ports none" in leaves.file("br-mgmt") and "bridge_ports eth1" in takes.file("br-mgmt")

    assert network.switch.reaches("192.168.0.50")
    hand_over(network.one, network.two)
    hand_over(network.two, network.one)


def test_an_overlay_comes_as_the_port_leaves_and_is_never_beside_it(network):
    """Both in one bridge, on two hosts, would be a loop."""
    network.one.call("octane_overlay.prepare", "br-mgmt", 1, "10.20.0.1", ["10.20.0.2"])
    assert "oct1" not in network.one.run("ip", "-o", "link").stdout
    watch = ["nsenter", "-t", str(network.one.process.pid), "-n", "stdbuf", "-oL", "ip", "-o", "monitor", "link"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as monitor:
        try:
            network.one.run("ip", "link", "set", "lo", "mtu", "65000")
            assert monitor.stdout.readline()
            plan = [{"do": "detach", **PORT}, {"do": "attach", "bridge": "br-mgmt", "port": "oct1"}]
            network.one.call("octane_net.switch", plan)
            network.one.run("ip", "link", "set", "lo", "mtu", "64000")
            said = _until(monitor.stdout, "mtu 64000")
        finally:
            monitor.kill()
    members = {"eth1"}
    for line in said:
        for port in ("eth1", "oct1"):
            if f" {port}" in line.split(":", 2)[1]:
                gone = "master br-mgmt" not in line or line.startswith("Deleted")
                members = members - {port} if gone else members | {port}
                assert members != {"eth1", "oct1"}, line
    assert members == {"oct1"} and network.one.call("octane_net.ports", "br-mgmt") == ["oct1"]


def _until(stream, last):
    said = []
    while last not in (line := stream.readline()):
        said.append(line)
    return said


SERVER = """
import socket
with socket.create_server(("192.168.0.50", 8774)) as server:
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        connection.sendall(b"answer")
        connection.recv(1)
        connection.sendall(b"later")
        connection.close()
"""
CLIENT = """
import socket, sys
connection = socket.create_connection(("192.168.0.50", 8774), timeout=float(sys.argv[1]))
print(connection.recv(6).decode(), flush=True)
sys.stdin.readline()
connection.sendall(b".")
print(connection.recv(6).decode(), flush=True)
"""


def test_who_is_being_answered_gets_the_answer_and_nobody_new_is_let_in(network):
    network.one.virtual_address("192.168.0.50/24", "br-mgmt")
    inside = ["nsenter", "-t", str(network.one.process.pid), "-m", "-n", "ip", "netns", "exec", "haproxy"]
    outside = ["nsenter", "-t", str(network.two.process.pid), "-n", sys.executable, "-c", CLIENT]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([*inside, sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            with subprocess.Popen([*outside, "5"], **pipes) as early:
                assert early.stdout.readline() == "answer\n"
                assert network.one.call("octane_haproxy.hold_back", []) is None
                late = subprocess.run([*outside, "0.3"], capture_output=True, text=True, timeout=10)
                assert "TimeoutError" in late.stderr
                assert early.communicate("\n")[0] == "later\n"
            network.one.call("octane_haproxy.let_in")
            then = subprocess.run([*outside, "5"], input="\n", capture_output=True, text=True, timeout=10)
            assert then.stdout == "answer\nlater\n"
        finally:
            server.kill()
    rules = network.one.run("ip", "netns", "exec", "haproxy", "iptables", "-S").stdout
    assert "DROP" not in rules


COME_AND_GO = """
number=0
while :; do
    number=$((number + 1)) space=qdhcp-$number
    ip netns add $space && ip link add v_tap type veth peer name b_tap netns $space
    ip link set v_tap master br-mgmt up
    ip link delete v_tap
    ip netns delete $space
done
"""


def test_interfaces_and_namespaces_that_come_and_go_meanwhile_are_no_obstacle(network):
    network.one.virtual_address("192.168.0.50/24", "br-mgmt")
    agent = subprocess.Popen(["nsenter", "-t", str(network.one.process.pid), "-m", "-n", "sh", "-c", COME_AND_GO])
    try:
        for _ in range(10):
            assert "haproxy/b_vip" in network.one.call("octane_net.macs")
            known = [one["address"] for one in network.one.call("octane_net.announceable")]
            assert sorted(known) == ["192.168.0.1", "192.168.0.50"]
    finally:
        agent.kill()
        agent.wait()


def test_connections_to_a_broker_are_cut_and_others_live_on(network):
    listener = (
        "import socket,time\n"
        "for port in (5673, 3306):\n"
        "    globals()[f's{port}'] = socket.create_server(('192.168.0.2', port))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    client = (
        "import socket,time\n"
        "kept = [socket.create_connection(('192.168.0.2', port)) for port in (5673, 5673, 3306)]\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    processes = []
    for host, code in ((network.two, listener), (network.one, client)):
        command = ["nsenter", "-t", str(host.process.pid), "-n", sys.executable, "-c", code]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout.readline() == "ready\n"
    try:
        cut = network.one.call("octane_net.cut_connections", 5673, ["192.168.0.0/24"])
        assert cut == {"before": 2, "after": 0, "how": "ss"}
        assert network.one.call("octane_net.cut_connections", 5673, ["192.168.0.0/24"])["before"] == 0
        assert network.one.run("ss", "-t", "-n", "state", "established").stdout.count(":3306") == 1
        # Who is cut off together with it is one cluster with it still.
        assert network.one.call("octane_fence.sever", ["br-mgmt"], ["192.168.0.3", "192.168.0.2"]) == ["192.168.0.1"]
        assert network.one.run("ss", "-t", "-n", "state", "established").stdout.count(":3306") == 1
        assert network.one.call("octane_fence.sever", ["br-mgmt"], ["192.168.0.3"]) == ["192.168.0.1"]
        assert network.one.run("ss", "-t", "-n", "state", "established").stdout.count(":3306") == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()


class TestDefaultRoute:
    """A seed's controller that came up isolated, its public network plugged in again since."""

    OWN = {"node-1": {"br-mgmt": "192.168.0.254", "br-fw-admin": None}}

    @pytest.fixture
    def host(self, network):
        host = network.one
        host.run("ip", "link", "add", "br-fw-admin", "type", "bridge")
        host.run("ip", "link", "set", "br-fw-admin", "up")
        host.run("ip", "addr", "add", "10.30.0.1/24", "dev", "br-fw-admin")
        text = "auto br-fw-admin\niface br-fw-admin inet static\naddress 10.30.0.1/24\ngateway 10.30.0.254\n"
        host.ifcfg("br-fw-admin").write_text(text)
        host.run("ip", "route", "add", "default", "via", "10.30.0.254", "dev", "br-fw-admin")
        return host

    def routes(self, host):
        return host.run("ip", "route", "show", "default").stdout.split("\n")[:-1]

    def test_it_leads_through_the_nodes_own_gateway_now_and_after_a_boot_and_back(self, host):
        before = {name: host.file(name) for name in ("br-mgmt", "br-fw-admin")}
        planned = host.state("octane_net.default_route", test=True, plans=self.OWN)
        assert planned["result"] is None and "10.30.0.254" in self.routes(host)[0]
        done = host.state("octane_net.default_route", plans=self.OWN)
        assert done["result"] is True and done["changes"] == planned["changes"]
        assert done["changes"]["route"] == {
            "old": ["10.30.0.254", "br-fw-admin"],
            "new": ["192.168.0.254", "br-mgmt"],
        }
        (route,) = self.routes(host)
        assert "via 192.168.0.254 dev br-mgmt" in route
        assert "gateway 192.168.0.254\n" in host.file("br-mgmt") and "gateway" not in host.file("br-fw-admin")
        assert host.state("octane_net.default_route", plans=self.OWN)["changes"] == {}
        host.state("octane_net.default_route_as_before")
        assert "via 10.30.0.254 dev br-fw-admin" in self.routes(host)[0]
        assert sorted(host.file("br-fw-admin").splitlines()) == sorted(before["br-fw-admin"].splitlines())
        assert host.file("br-mgmt") == before["br-mgmt"]
        assert host.state("octane_net.default_route_as_before")["changes"] == {}

    def test_one_with_another_metric_does_not_stay_beside_it(self, host):
        host.run("ip", "route", "del", "default")
        host.run("ip", "route", "add", "default", "via", "10.30.0.254", "dev", "br-fw-admin", "metric", "5")
        host.state("octane_net.default_route", plans=self.OWN)
        (route,) = self.routes(host)
        assert "via 192.168.0.254" in route

    def test_a_node_that_is_told_of_no_gateway_keeps_what_it_has(self, host):
        for plans in ({}, {"node-1": {"br-mgmt": None, "br-fw-admin": None}}):
            assert host.state("octane_net.default_route", plans=plans)["changes"] == {}
        assert "10.30.0.254" in self.routes(host)[0]

    @pytest.mark.parametrize("wrong", [{"br-mgmt": "1.1.1.1; reboot"}, {"br-mgmt": "1.1.1.1", "br-ex": "1.1.1.2"}])
    def test_what_is_no_gateway_gets_nowhere(self, host, wrong):
        assert host.state("octane_net.default_route", plans={"node-1": wrong})["result"] is False
        assert "10.30.0.254" in self.routes(host)[0]


def test_where_an_address_is_looked_for_is_told_of_those_that_are_known(network):
    assert network.two.call("octane_net.neighbours", ["192.168.0.1"]) == {}
    assert network.two.reaches("192.168.0.1")
    mac = network.one.call("octane_net.macs")["br-mgmt"]
    assert network.two.call("octane_net.neighbours", ["192.168.0.1", "192.168.0.99"]) == {"192.168.0.1": mac}


def test_a_neighbour_that_looks_for_an_address_elsewhere_answers_to_the_others(network):
    network.one.virtual_address("192.168.0.50/24", "br-mgmt")
    network.two.run("ip", "neigh", "replace", "192.168.0.50", "lladdr", "02:00:00:00:00:01", "dev", "br-mgmt",
                    "nud", "permanent")  # fmt: skip
    asked = ["192.168.0.1", "192.168.0.50", "192.168.0.77"]
    answers = network.one.call("octane_net.reaches_from", asked, "192.168.0.2")
    assert answers == {"192.168.0.1": True, "192.168.0.50": False, "192.168.0.77": False}
    network.two.run("ip", "neigh", "del", "192.168.0.50", "dev", "br-mgmt")
    assert network.one.call("octane_net.reaches_from", asked[:2], "192.168.0.2") == dict.fromkeys(asked[:2], True)
