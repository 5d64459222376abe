"""
A compute as nova knows it, and its guests as the hypervisor does.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

HOST = "node-7.domain.tld"


class Nova:
    """What answers nova's requests, below the address that Kilo's catalogue has with the project in it."""

    def __init__(self, monkeypatch):
        self.node = Node()
        self.asked = []
        self.disabled = {}
        self.heeds = True
        module = self.node.modules["octane_cloud"]
        monkeypatch.setattr(module, "_settings", dict)
        monkeypatch.setattr(module, "_authenticate", lambda settings: ("token", {"compute": "http://vip:8774/v2/project/"}))
        monkeypatch.setattr(module, "_request", self.request)

    def request(self, method, url, body=None, token=None, raise_http=False):
        self.asked.append((method, url.removeprefix("http://vip:8774/v2/project"), body))
        if method == "PUT" and self.heeds:
            if url.endswith("/enable"):
                self.disabled.pop(body["host"])
            else:
                self.disabled[body["host"]] = body["disabled_reason"]
        states = [{"host": one, "state": "up", "status": "disabled" if one in self.disabled else "enabled",
                   "disabled_reason": self.disabled.get(one)} for one in (HOST, "node-8.domain.tld")]  # fmt: skip
        return {}, {"services": states}


@pytest.fixture
def nova(monkeypatch):
    return Nova(monkeypatch)


def test_a_compute_gets_no_guests_with_a_reason_and_gets_them_again(nova):
    nova.node.call("octane_cloud.schedule_compute", HOST, False, "installed anew")
    given = {"host": HOST, "binary": "nova-compute", "disabled_reason": "installed anew"}
    assert nova.asked[0] == ("PUT", "/os-services/disable-log-reason", given)
    assert nova.node.call("octane_cloud.compute_services")[0] == {
        "host": HOST, "enabled": False, "reason": "installed anew", "up": True
    }  # fmt: skip
    assert nova.node.call("octane_cloud.schedule_compute", HOST, True) == {"host": HOST, "enabled": True}
    assert nova.disabled == {}


def test_nova_is_asked_afterwards_and_not_believed(nova):
    nova.heeds = False
    with pytest.raises(CommandExecutionError, match=f"nova says of {HOST} that it is enabled"):
        nova.node.call("octane_cloud.schedule_compute", HOST, False, "installed anew")


def test_guests_of_the_hypervisor_are_listed_whatever_their_state(monkeypatch):
    listed = {"retcode": 0, "stdout": "instance-2\ninstance-1\n\n", "stderr": ""}
    node = Node({"cmd.run_all": lambda command, **_: listed})
    monkeypatch.setattr(node.modules["octane_guests"].shutil, "which", lambda name: "/usr/bin/virsh")
    assert node.call("octane_guests.domains") == ["instance-1", "instance-2"]
    node.salt["cmd.run_all"] = lambda command, **_: {"retcode": 1, "stdout": "", "stderr": "no connection"}
    with pytest.raises(CommandExecutionError, match="no connection"):
        node.call("octane_guests.domains")


@pytest.mark.parametrize("hosts", [[], ["a'b"], ["node-7", None]])
def test_what_is_no_name_of_a_host_is_refused(hosts):
    with pytest.raises(CommandExecutionError, match="no names"):
        Node().call("octane_guests.recorded", hosts)
