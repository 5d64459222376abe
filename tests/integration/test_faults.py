"""The reference lab: what can break under the copy of the databases does, and the same command run again ends well.

After each the stage is taken back, and the original is as it was.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from lab.wait import until
from tests.integration import observe
from tests.integration.killing import COMPUTES, DATABASES, EXPENDABLE, finishes, until_runs

PROFILE = "reference"
OLD, NEW = ("node-1", "node-2", "node-3"), ("node-4", "node-5", "node-6")
TARGET = NEW[0]
SEED = "2"
FILLED = "300M"
"""So much that the copy takes as long as it takes to break something under it."""
ENDS_WITHIN = 600

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def original(lab):
    """Checksums of the original's tables before any of it, with a seed ready beside it."""
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "4", "5", "6")
    lab.lab("fill", FILLED, timeout=600)
    return observe.checksums(lab, OLD[0], DATABASES)


def copied(lab):
    """The old controller whose database server is copied and followed, as the journal tells it."""
    stages = json.loads(lab.octane("status", SEED, "-f", "json").stdout)["upgrades"][0]["stages"]
    steps = {step["step"]: step for stage in stages for step in stage["steps"] if stage["stage"] == "upgrade-db"}
    return next(one["data"]["source"] for one in steps["db.way_chosen"]["evidence"] if "source" in one["data"])


def another_old(lab):
    return next(host for host in OLD[1:] if host != copied(lab))


def broken(lab, fault, host):
    """Run the stage and let FAULT happen to a host, or to the one HOST returns, in the middle of the copy."""
    argv = lab.on("fuel", "octane", "upgrade-db", SEED)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        until_runs(lab, TARGET, "[o]ctane_wire")
        name = host if isinstance(host, str) else host(lab)
        lab.lab("fault", fault, name)
        said, _ = process.communicate(timeout=ENDS_WITHIN)
    return name, process.returncode, said.decode()


def whole_again(lab, hosts):
    """Wait until the database of each host is a synced member of a cluster of all of them."""
    statement = (
        "SELECT CONCAT_WS(' ', (SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
        "'wsrep_local_state_comment'), (SELECT variable_value FROM information_schema.global_status WHERE "
        "variable_name = 'wsrep_cluster_size'))"
    )

    def synced(host):
        done = lab.run(lab.on(host, "mysql", "--batch", "--skip-column-names", "-e", statement), check=False)
        return done.stdout.strip() == f"Synced {len(hosts)}"

    until(lambda: all(synced(host) for host in hosts), 300, f"the databases of {', '.join(hosts)} to be one cluster")


@pytest.mark.parametrize(
    ("fault", "victim", "mending", "side"),
    [
        pytest.param("kill", another_old, "poweron", OLD, id="an old controller loses power"),
        pytest.param("kill", copied, "poweron", OLD, id="the old controller that is copied loses power"),
        pytest.param("kill", NEW[2], "poweron", NEW, id="a new controller loses power"),
        pytest.param("partition", TARGET, "heal", NEW, id="the network is cut"),
        pytest.param("fill-disk", TARGET, "heal", NEW, id="the disk is full"),
    ],
)
def test_what_breaks_during_the_copy_is_named_and_the_same_command_ends_well(
    lab, original, fault, victim, mending, side
):
    name, code, said = broken(lab, fault, victim)
    assert code == 1 and name in said and "to go on" in said, said
    lab.lab("fault", mending, name)
    whole_again(lab, side)
    finishes(lab, "upgrade-db", SEED)
    lab.octane("rollback-db", SEED)
    now = observe.checksums(lab, OLD[0], DATABASES)
    assert set(observe.differing(original, now)) <= EXPENDABLE | {COMPUTES}
    assert observe.checksums(lab, TARGET, DATABASES) == {}
