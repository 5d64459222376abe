"""The guests lab: machines in a tenant's network ping one another, their gateway and the outside through the switch and
back, and never are without an answer for a second."""

from __future__ import annotations

import json
import time

import pytest

from lab.wait import until
from tests.integration import observe

PROFILE = "guests"
OLD, NEW = "node-1", "node-2"
SEED = "2"
LONGEST_MS = 1000

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(2400)]


def pings(lab, since):
    """What each ping of each guest met since a moment."""
    return json.loads(lab.lab("guests", "--since", str(since), "-f", "json").stdout)


def assert_unbroken(lab, since):
    """Every guest was answered all the time by the other one, by the gateway and by what is outside."""
    found = pings(lab, since)
    assert len(found) == 6 and {entry["host"] for entry in found} == {"node-3", "node-4"}, found
    broken = [entry for entry in found if entry["gap_ms"] > LONGEST_MS]
    assert not broken, found


def agents(lab, host):
    """{(type, host): alive} of Neutron's agents as the API of a controller tells them."""
    script = (
        "import json, openstack; c = openstack.connect();"
        "print(json.dumps([[a.agent_type, a.host, a.is_alive] for a in c.network.agents()]))"
    )
    python = "$(dirname $(readlink -f /usr/bin/neutron-server))/python"
    told = lab.run(lab.on(host, "bash", "-c", f'. /root/openrc; exec {python} -c "{script}"')).stdout
    return {(kind, name): alive for kind, name, alive in json.loads(told)}


def until_alive(lab, host):
    """Wait until a controller sees all agents of its own and of the computes."""
    switch = "Open vSwitch agent"
    wanted = {(switch, f"{name}.domain.tld") for name in ("node-3", "node-4", host)}
    wanted |= {(kind, f"{host}.domain.tld") for kind in ("L3 agent", "DHCP agent", "Metadata agent")}

    def alive():
        return wanted <= {who for who, is_alive in agents(lab, host).items() if is_alive}

    until(alive, 120, "all agents to be alive", 2)


def tenants(lab, host):
    """Namespaces of routers and DHCP servers on a host."""
    listed = lab.run(lab.on(host, "ip", "netns", "list")).stdout.split()
    return {name for name in listed if name.startswith(("qrouter-", "qdhcp-"))}


@pytest.fixture(scope="module")
def moments():
    """When what began, in seconds since the epoch."""
    return {}


def test_guests_are_answered_before_anything_happens(lab, moments):
    since = time.time()
    until(lambda: len([one for one in pings(lab, since) if one["answers"] > 20]) == 6, 300, "every ping's answers", 2)
    until_alive(lab, OLD)
    moments["steady"] = time.time()
    moments["tenants"] = tenants(lab, OLD)
    assert moments["tenants"]


def test_guests_notice_nothing_until_the_switch(lab, moments):
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "2")
    lab.octane("upgrade-db", SEED)
    assert_unbroken(lab, moments["steady"])


def test_guests_are_never_without_an_answer_for_a_second_through_the_switch(lab, moments):
    since = time.time()
    lab.octane("upgrade-control", SEED)
    assert_unbroken(lab, since)
    assert tenants(lab, NEW) == moments["tenants"] and not tenants(lab, OLD)


def test_the_new_controllers_see_every_agent(lab):
    since = time.time()
    until_alive(lab, NEW)
    assert_unbroken(lab, since)


def test_the_way_back_is_as_quiet(lab, moments):
    since = time.time()
    lab.octane("rollback-control", SEED)
    assert_unbroken(lab, since)
    assert tenants(lab, OLD) == moments["tenants"] and not tenants(lab, NEW)
    until_alive(lab, OLD)


def test_and_forth_again(lab, moments):
    since = time.time()
    lab.octane("upgrade-db", SEED)
    lab.octane("upgrade-control", SEED)
    assert_unbroken(lab, since)
    until_alive(lab, NEW)
    observe.until_reads_are_answered(lab)
