"""The reference lab: controllers that lose power as the addresses move, and all of them at once afterwards.

Nobody ever hears two controllers for one address, and the same command again, or the way back, ends well.
"""

from __future__ import annotations

import pytest

from lab.wait import until
from tests.integration import observe
from tests.integration.killing import running, until_said

PROFILE = "reference"
OLD, NEW, COMPUTES = ("node-1", "node-2", "node-3"), ("node-4", "node-5", "node-6"), ("node-7", "node-8", "node-9")
SEED = "2"
LAST_BEFORE_THE_SWITCH = "A port without a bridge must not tell"
WHOLE_WITHIN = 300

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", autouse=True)
def ready(lab):
    """A seed that has the databases."""
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "4", "5", "6")
    lab.octane("upgrade-db", SEED)


def killed_at_the_switch(lab, host):
    """Pull a controller's plug at the moment of the switch; what the stage says."""
    with running(lab, "upgrade-control", SEED) as process:
        until_said(process, LAST_BEFORE_THE_SWITCH)
        lab.lab("fault", "kill", host)
        process.communicate(timeout=600)
    again = lab.octane("upgrade-control", SEED, check=False)
    assert again.returncode == 3 and host in again.stderr, again.stderr
    assert f"octane upgrade-control {SEED} --fenced={host}" in again.stderr
    heard_alone(lab)


def heard_alone(lab):
    """Of each address that both sides have, at most one controller is heard; how many are."""
    macs = {host: observe.mac(lab, host, "br-mgmt") for host in (*OLD, *NEW) if host in alive(lab)}
    addresses = set().union(*(observe.addresses(lab, host, "br-mgmt") for host in macs))
    heard = {address: observe.who_has(lab, COMPUTES[0], "br-mgmt", address) for address in addresses}
    assert {address: found for address, found in heard.items() if len(found) > 1} == {}
    return {host for host, mac in macs.items() if any(mac in found for found in heard.values())}


def alive(lab):
    return {host["host"] for host in observe.hosts(lab) if host["power"] == "on"}


def test_an_old_controller_that_loses_power_is_stated_to_be_off_and_the_switch_goes_on(lab):
    killed_at_the_switch(lab, OLD[1])
    lab.octane("upgrade-control", SEED, "--fenced", OLD[1])
    assert heard_alone(lab) == set(NEW)
    observe.until_reads_are_answered(lab)


def test_and_the_way_back_goes_without_it_too(lab):
    lab.octane("rollback-control", SEED, "--fenced", OLD[1])
    assert heard_alone(lab) == {OLD[0], OLD[2]}
    lab.lab("fault", "poweron", OLD[1])
    until(lambda: heard_alone(lab) == set(OLD), WHOLE_WITHIN, "the old controllers to be whole again", 5)
    observe.until_reads_are_answered(lab)


def test_a_new_controller_that_loses_power_is_left_out_on_the_way_back(lab):
    lab.octane("upgrade-db", SEED)
    killed_at_the_switch(lab, NEW[1])
    lab.octane("rollback-control", SEED, "--fenced", NEW[1])
    assert heard_alone(lab) == set(OLD)
    lab.lab("fault", "poweron", NEW[1])
    observe.until_reads_are_answered(lab)
    assert heard_alone(lab) == set(OLD)


def test_after_a_reboot_of_everything_the_new_controllers_have_the_addresses_alone(lab):
    lab.octane("upgrade-db", SEED)
    lab.octane("upgrade-control", SEED)
    for host in (*OLD, *NEW, *COMPUTES):
        lab.lab("fault", "kill", host)
    for host in (*NEW, *OLD, *COMPUTES):
        lab.lab("fault", "poweron", host)
    until(lambda: heard_alone(lab) == set(NEW), WHOLE_WITHIN, "the new controllers to be heard alone", 5)
    observe.until_reads_are_answered(lab)
    assert heard_alone(lab) == set(NEW)
