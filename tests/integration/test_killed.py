"""The small lab, once: each stage is killed at its worst moment, and the same command run again finishes it.

After every step of every stage they are killed by `./run soak`. Here are also the lab's own commands that such tests
rest on: failures that are ordered, and the way back to the freshly deployed cloud.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.wait import until
from tests.integration import observe
from tests.integration.killing import (
    COMPUTE,
    DATABASES,
    NEW,
    OLD,
    SEED,
    STAGE_WITHIN,
    answers,
    applied,
    kill_after,
    kill_everything,
    running,
    taken_back_as_it_was,
    until_runs,
    until_said,
    writes_are_taken,
)

PROFILE = "small"
pytestmark = [pytest.mark.procedure, pytest.mark.timeout(STAGE_WITHIN)]


def as_it_is(lab):
    """Whatever a stage may change of the master, of Fuel's records and of the nodes, by name."""
    seen = {f"fuel:{path}": digest for path, digest in observe.files(lab, "fuel", *observe.MASTER_FOLDERS).items()}
    seen |= {f"environment {number}": str(found) for number, found in observe.environments(lab).items()}
    seen |= {f"node {node['id']}": f"{node['cluster']} {node['status']}" for node in observe.nailgun(lab, "/api/nodes")}
    with ThreadPoolExecutor() as pool:
        for found in pool.map(lambda host: observe.what_stages_change(lab, host), (OLD, NEW, COMPUTE)):
            seen |= found
    return seen


def changes_nothing(lab, *stage, says="nothing to do: all"):
    """A finished stage run again SAYS so, and changes nothing anywhere."""
    before = as_it_is(lab)
    said = lab.octane(*stage).stdout
    assert says in said, said
    assert observe.differing(before, as_it_is(lab)) == []


@pytest.fixture(scope="module")
def deployed(lab):
    """Fuel's records of the freshly deployed old cloud: its environments, and where each node belongs."""
    return fuel_knows(lab)


def fuel_knows(lab):
    nodes = observe.nailgun(lab, "/api/nodes")
    belongs = {node["id"]: (node["cluster"], node["status"], node["roles"]) for node in nodes}
    return observe.environments(lab), belongs


def test_a_second_prepare_changes_nothing(lab, deployed, before, untouched):
    lab.octane("prepare")
    changes_nothing(lab, "prepare")


@pytest.mark.parametrize(
    ("fault", "reason", "error"),
    [
        ("fail-provision", "Provision has failed. Too many nodes failed to provision", "provision"),
        ("fail-deploy", "Deployment has failed. Check these nodes:", "deploy"),
    ],
)
def test_an_installation_that_fails_is_told_with_fuels_reason(lab, fault, reason, error):
    lab.lab("fault", fault, NEW)
    done = lab.octane("upgrade-env", "1", "2", check=False)
    assert done.returncode == 1, done.stdout
    assert reason in done.stderr and f"{NEW} ({error})" in done.stderr, done.stderr
    assert "to go on: `octane upgrade-env 1" in done.stderr, done.stderr


def test_upgrade_env_killed_in_the_middle_of_the_deployment_is_finished_by_the_same_command(lab):
    with running(lab, "upgrade-env", "1", "2") as process:
        until_said(process, "They are isolated, asked from both sides")
        until(lambda: is_deploying(lab), 60, "Fuel to deploy the seed")
        kill_everything(lab)
    lab.octane("upgrade-env", "1", "2", timeout=STAGE_WITHIN)
    assert observe.nodes_of(lab, int(SEED)) == {2}
    assert observe.environments(lab)[int(SEED)]["status"] == "operational"
    assert applied(lab, "upgrade-env")["Clone the original"] == 1


def is_deploying(lab):
    tasks = observe.nailgun(lab, "/api/tasks")
    return any(task["status"] == "running" and task["cluster"] == int(SEED) for task in tasks)


def test_upgrade_env_again_changes_nothing(lab):
    changes_nothing(lab, "upgrade-env", "1", "2")


def test_upgrade_db_killed_in_its_window_is_taken_back(lab):
    kill_after(lab, "upgrade-db", "Note what users know of their things")
    with taken_back_as_it_was(lab):
        lab.octane("rollback-db", SEED)
    writes_are_taken(lab)


def test_upgrade_db_killed_in_the_middle_of_a_migration_is_finished_by_the_same_command(lab):
    with running(lab, "upgrade-db", SEED) as process:
        until_said(process, "The original has no other keys than before the window")
        until_runs(lab, NEW, "[n]ova-manage")
        kill_everything(lab)
    lab.octane("upgrade-db", SEED, timeout=STAGE_WITHIN)


def test_upgrade_db_again_changes_nothing(lab):
    rows = observe.checksums(lab, NEW, DATABASES)
    changes_nothing(lab, "upgrade-db", SEED)
    assert rows and observe.differing(rows, observe.checksums(lab, NEW, DATABASES)) == []


def test_upgrade_control_killed_as_the_addresses_move_is_finished_by_the_same_command(lab):
    ports = ports_of(lab, OLD)
    with running(lab, "upgrade-control", SEED) as process:
        until_said(process, "A port without a bridge must not tell")
        until(lambda: ports_of(lab, OLD) != ports, 60, f"{OLD}'s ports to leave their bridges")
        kill_everything(lab)
    lab.octane("upgrade-control", SEED, timeout=STAGE_WITHIN)
    answers(lab, NEW)


def ports_of(lab, host):
    return lab.run(lab.on(host, "ip", "-o", "link", "show", "master", "br-mgmt")).stdout


def test_upgrade_control_again_changes_nothing(lab):
    changes_nothing(lab, "upgrade-control", SEED)


def test_cleanup_env_again_changes_nothing(lab):
    lab.octane("cleanup-env", SEED)
    changes_nothing(lab, "cleanup-env", SEED)


def test_users_own_what_they_owned(lab, before):
    observe.users_own(lab, before)


def test_cleanup_fuel_gives_every_byte_of_the_master_back(lab, untouched):
    assert observe.differing(untouched, observe.files(lab, "fuel", *observe.MASTER_FOLDERS)) != []
    lab.octane("cleanup-fuel")
    assert observe.differing(untouched, observe.files(lab, "fuel", *observe.MASTER_FOLDERS)) == []
    changes_nothing(lab, "cleanup-fuel", says="nothing to do, and nothing was done")


def test_reset_brings_the_freshly_deployed_old_cloud_back(lab, deployed, before, tmp_path):
    """Fuel knows of one environment, the master of no upgrade, and users find all they had where they had it."""
    assert has_journal(lab) and fuel_knows(lab) != deployed
    kept = shutil.copy(before, tmp_path)  # what is in the lab's directory is the cloud's, and goes with it
    lab.lab("reset")
    assert fuel_knows(lab) == deployed
    assert not has_journal(lab)
    observe.users_own(lab, kept)
    writes_are_taken(lab)
    assert observe.services(lab, OLD) and not observe.services(lab, NEW)


def has_journal(lab):
    return lab.run(lab.on("fuel", "test", "-e", "/var/lib/octane"), check=False).returncode == 0
