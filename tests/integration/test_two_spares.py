"""Two spare servers for three controllers: the new cloud has two, which share what was three's, there and back."""

from __future__ import annotations

import pytest

from tests.integration import observe

PROFILE = "reference"
OLD, NEW, COMPUTE = ("node-1", "node-2", "node-3"), ("node-4", "node-5"), "node-7"
SEED = "2"

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def taken(lab):
    """Addresses of the old controllers on the management network, before anything was done."""
    return {host: observe.addresses(lab, host, "br-mgmt") for host in OLD}


def heard_for(lab, address):
    """Controllers of either side that answer for an address of the management network."""
    macs = {observe.mac(lab, host, "br-mgmt"): host for host in (*OLD, *NEW)}
    return {macs.get(mac, mac) for mac in observe.who_has(lab, COMPUTE, "br-mgmt", address)}


def test_two_are_installed_on_the_addresses_of_the_first_two(lab, taken):
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "4", "5")
    for new, old in zip(NEW, OLD, strict=False):
        assert observe.addresses(lab, new, "br-mgmt") == taken[old]
    assert {host: heard_for(lab, address) for host in OLD for address in taken[host]} == {host: {host} for host in OLD}


def test_they_take_over_and_nobody_has_the_third_ones_address(lab, taken, before):
    lab.octane("upgrade-db", SEED)
    lab.octane("upgrade-control", SEED)
    for new, old in zip(NEW, OLD, strict=False):
        assert [heard_for(lab, address) for address in taken[old]] == [{new}]
    assert [heard_for(lab, address) for address in taken[OLD[2]]] == [set()]
    observe.until_reads_are_answered(lab)
    observe.users_own(lab, before)


def test_the_three_are_back_on_theirs(lab, taken, before):
    lab.octane("rollback-control", SEED)
    assert {host: heard_for(lab, address) for host in OLD for address in taken[host]} == {host: {host} for host in OLD}
    observe.until_reads_are_answered(lab)
    observe.users_own(lab, before)


@pytest.fixture
def unlike(lab):
    """An environment that nobody upgrades: with nova-network, of the release that others get to."""
    release = observe.environments(lab)[int(SEED)]["release_id"]
    wanted = {"name": "unlike", "release_id": release, "mode": "ha_compact", "net_provider": "nova_network"}
    made = observe.nailgun(lab, "/api/clusters", "POST", wanted)
    yield made["id"]
    observe.nailgun(lab, f"/api/clusters/{made['id']}", "DELETE")


def test_an_environment_of_another_kind_is_refused_and_left_as_it_is(lab, unlike):
    said = observe.refused(lab, 3, "upgrade-env", str(unlike), "6")
    assert "nova_network" in said and "already" in said
