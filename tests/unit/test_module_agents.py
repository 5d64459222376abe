"""
What Neutron's agents host, moved from one to another by its API.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

ROUTERS = [f"{number:08x}-0000-0000-0000-00000000000a" for number in range(3)]
NETWORK = "00000000-0000-0000-0000-00000000000b"
AGENTS = {
    "l3-old": ("L3 agent", "node-1", False),
    "l3-a": ("L3 agent", "node-4", True),
    "l3-b": ("L3 agent", "node-5", True),
    "dhcp-old": ("DHCP agent", "node-1", False),
    "dhcp-a": ("DHCP agent", "node-4", True),
    "ovs": ("Open vSwitch agent", "node-7", True),
}


def number(name):
    """An id as Neutron would give it."""
    return f"{list(AGENTS).index(name):08x}-0000-0000-0000-000000000001"


class Api:
    """Neutron's: agents and what they host; legacy routers, hosted by one agent at a time."""

    def __init__(self):
        self.hosted = {number(name): [] for name in AGENTS}
        self.hosted[number("l3-old")] = list(ROUTERS)
        self.hosted[number("dhcp-old")] = [NETWORK]
        self.node = Node()
        self.node.salt["octane_cloud.ask"] = self.ask

    def ask(self, service, requests):
        assert service == "network"
        return [self.answer(**one) for one in requests]

    def answer(self, method, path, body=None):
        words = path.split("/")[2:]
        if words == ["agents"]:
            return {"agents": [self.agent(name) for name in AGENTS]}
        agent, listed = words[1], "routers" if words[2] == "l3-routers" else "networks"
        if method == "GET":
            return {listed: [{"id": one} for one in self.hosted[agent]]}
        if method == "DELETE":
            if words[3] in self.hosted[agent]:
                self.hosted[agent].remove(words[3])
            return None
        (what,) = body.values()
        assert what not in [one for found in self.hosted.values() for one in found], "hosted twice"
        self.hosted[agent].append(what)
        return None

    @staticmethod
    def agent(name):
        kind, host, alive = AGENTS[name]
        known = {"id": number(name), "agent_type": kind, "binary": name, "host": host}
        return {**known, "alive": alive, "admin_state_up": True}

    def move(self, hosts=("node-4", "node-5")):
        was = self.node.call("octane_agents.bindings", ["node-1"])
        return was, self.node.call("octane_agents.rebind", was, list(hosts))


@pytest.fixture
def api():
    return Api()


def test_everything_is_moved_and_spread(api):
    api.move()
    assert not api.hosted[number("l3-old")] and not api.hosted[number("dhcp-old")]
    assert sorted(len(api.hosted[number(name)]) for name in ("l3-a", "l3-b")) == [1, 2]
    assert api.hosted[number("dhcp-a")] == [NETWORK]


def test_moving_again_changes_nothing_and_finishes_what_was_begun(api):
    was, _ = api.move()
    before = {agent: list(found) for agent, found in api.hosted.items()}
    assert api.node.call("octane_agents.rebind", was, ["node-4", "node-5"]) and api.hosted == before
    api.hosted[number("dhcp-a")].clear()
    api.node.call("octane_agents.rebind", was, ["node-4", "node-5"])
    assert api.hosted[number("dhcp-a")] == [NETWORK]


def test_nothing_is_taken_away_when_nobody_can_take_it(api):
    with pytest.raises(CommandExecutionError, match="no L3 agent on node-9 is alive"):
        api.move(hosts=["node-9"])
    assert api.hosted[number("l3-old")] == ROUTERS


def test_agents_that_are_not_there_yet_are_named(api):
    hosts = {"node-4": ["node-4", "node-4.domain.tld"], "node-5": ["node-5"]}
    assert api.node.call("octane_agents.missing_agents", hosts) == ["DHCP agent on node-5"]


def test_only_addresses_of_tenants_that_are_wired_on_this_node_count(api):
    inside = {"qrouter-x": {"lo": ["127.0.0.1"], "qr-1": ["10.0.0.1", "169.254.169.254"], "qg-1": ["172.16.0.130"]}}
    inside |= {"qdhcp-y": {"lo": ["127.0.0.1"]}, "haproxy": {"b_public": ["10.1.1.1"]}}
    api.node.salt["octane_ovs.unwired"] = lambda: ["qg-1", "tap7"]
    api.node.salt["octane_net.namespaces"] = lambda: list(inside)
    api.node.salt["octane_net.inside"] = inside.get
    assert api.node.call("octane_agents.present") == {"qrouter-x": ["10.0.0.1"]}


def test_what_is_no_id_is_not_asked_for(api):
    was = {"L3 agent": {"x/../y": [number("l3-old")]}, "DHCP agent": {}}
    with pytest.raises(CommandExecutionError, match="not an id"):
        api.node.call("octane_agents.rebind", was, ["node-4"])
