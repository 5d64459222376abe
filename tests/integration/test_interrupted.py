"""The small lab, once: every stage is killed in the middle, and the same command run again finishes it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from lab.wait import until
from tests.integration import observe

PROFILE = "small"
SEED = "2"
OLD, NEW, COMPUTE = "node-1", "node-2", "node-3"
STAGE_WITHIN = 1200
WRITES_BACK_WITHIN = 15
"""Seconds from the beginning of the way back until the original takes writes again. Seconds were promised: some eight
orders of Salt (0.6 s each where a whole run of the way back was measured), the start of four services, and twice that
for two busy cores. One wait for a node that does not answer, or a read of every table, would be more."""
ROOT = Path(__file__).parents[2]
HOP = yaml.safe_load((ROOT / "octane/path/hops/antelope-caracal.yaml").read_text())
DATABASES = [name for service in HOP["services"].values() for name in service["databases"]]
EXPENDABLE = {f"{database}.{table}" for database, tables in HOP["expendable"].items() for table in tables}
COMPUTES = "nova.compute_nodes"
"""What every compute writes its free resources to, from the moment the original takes writes again."""
COMPUTE_ROWS = "SELECT id, uuid, host, hypervisor_hostname, created_at, deleted FROM nova.compute_nodes ORDER BY id"


def sentences(orchestration):
    """Of the steps of a stage, in their order."""
    text = (ROOT / f"salt/upgrade/{orchestration}.sls").read_text()
    return re.findall(r"^(\S.*):\n  octane\.step:", text, re.MULTILINE)


STEPS, CONTROL = sentences("db"), sentences("control")
SWITCH = CONTROL[CONTROL.index("Move the addresses") :]
MIGRATION = next(number for number, sentence in enumerate(STEPS) if sentence.startswith("Migrate the schemas"))
"""Sentences of the database stage's steps, and which of them migrates."""

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(STAGE_WITHIN)]


@pytest.fixture(scope="module")
def before(lab, untouched):
    path = lab.state / "before.json"
    lab.lab("compare", "--save", str(path))
    return path


@pytest.fixture(scope="module")
def untouched(lab):
    """The files of the Fuel master before it was prepared."""
    return observe.files(lab, "fuel", *observe.MASTER_FOLDERS)


@contextlib.contextmanager
def running(lab, *stage):
    """A stage under way; its output can be read line by line. It is gone when the block is left."""
    argv = lab.on("fuel", "octane", *stage)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def until_runs(lab, host, pattern):
    """Wait until a process of this command line is seen on a host."""
    seen = lab.on(host, "pgrep", "-f", pattern)
    until(lambda: lab.run(seen, check=False).returncode == 0, 60, f"{pattern} on {host}")


def until_said(process, sentence):
    """Read a stage's output until it tells that the step with SENTENCE is done; fails when the stage ends first."""
    guard = threading.Timer(STAGE_WITHIN / 2, process.kill)
    guard.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if sentence in line:
            guard.cancel()
            return
    raise AssertionError(f"{sentence!r} was not reached:\n" + "".join(said))


def kill_everything(lab):
    """SIGKILL to all of the stage on the master: the command, and the orchestration that it started."""
    lab.run(lab.on("fuel", "pkill", "-KILL", "-f", "bin/octane |salt-run "), check=False)


def kill_after(lab, stage, sentence):
    """Run a stage and kill all of it once it told that the step with SENTENCE is done."""
    with running(lab, stage, SEED) as process:
        until_said(process, sentence)
        kill_everything(lab)


def stage_of(lab, name):
    """What the journal has of a stage."""
    told = json.loads(lab.octane("status", SEED, "-f", "json").stdout)
    return next(one for upgrade in told["upgrades"] for one in upgrade["stages"] if one["stage"] == name)


def finishes(lab, *stage):
    """The same command again ends well, and once more finds nothing to do."""
    lab.octane(*stage, timeout=STAGE_WITHIN)
    assert "nothing to do: all" in lab.octane(*stage).stdout


def answers(lab, host):
    """One controller alone answers for the addresses that both have, and the APIs behind it."""
    other = NEW if host == OLD else OLD
    for address in observe.addresses(lab, host, "br-mgmt"):
        heard = observe.who_has(lab, COMPUTE, "br-mgmt", address)
        mine, theirs = (observe.mac(lab, one, "br-mgmt") for one in (host, other))
        assert mine in heard and theirs not in heard, (address, heard)
    observe.until_reads_are_answered(lab)


def applied(lab, stage):
    """How often each step of a stage was tried to be done, looking whether it still holds apart, by its sentence."""
    return {
        step["sentence"]: sum(attempt["act"] == "apply" for attempt in step["attempts"])
        for step in stage_of(lab, stage)["steps"]
    }


def seconds_until_undone(stage, step):
    """From the beginning of the run that took a stage back last, until that step of it was."""
    (last,) = [one["attempts"][-1] for one in stage["steps"] if one["step"] == step]
    assert (last["act"], last["result"]) == ("undo", "done")
    return last["ended"] - stage["started"]


@pytest.mark.parametrize(
    "after", ["Clone the original", "Give them the original's addresses", "They are isolated, asked from both sides"]
)
def test_upgrade_env_killed(lab, before, after):
    lab.octane("prepare")
    with running(lab, "upgrade-env", "1", "2") as process:
        until_said(process, after)
        kill_everything(lab)
    assert set(observe.environments(lab)) == {1, 2}


def test_upgrade_env_is_finished_by_another_run(lab):
    finishes(lab, "upgrade-env", "1", "2")
    assert observe.nodes_of(lab, int(SEED)) == {2}
    assert applied(lab, "upgrade-env")["Clone the original"] == 1


def test_a_second_run_at_the_same_time_is_refused_and_the_first_one_killed(lab):
    with running(lab, "upgrade-db", SEED) as process:
        until_said(process, "The seed is still isolated")
        second = lab.octane("upgrade-db", SEED, check=False)
        assert second.returncode == 3, second.stderr
        kill_everything(lab)


def test_upgrade_db_with_the_master_losing_power(lab):
    with running(lab, "upgrade-db", SEED) as process:
        until_said(process, "Copy the databases and let the seed follow the original's log")
        lab.lab("fault", "kill", "fuel")
    lab.lab("fault", "poweron", "fuel")


@pytest.mark.parametrize("after", STEPS[:MIGRATION])
def test_upgrade_db_killed_after_each_step_before_the_migrations(lab, after):
    kill_after(lab, "upgrade-db", after)


def test_upgrade_db_killed_in_the_middle_of_a_migration(lab):
    with running(lab, "upgrade-db", SEED) as process:
        until_said(process, STEPS[MIGRATION - 1])
        until_runs(lab, NEW, "[n]ova-manage")
        kill_everything(lab)


@pytest.mark.parametrize("after", STEPS[MIGRATION:])
def test_upgrade_db_killed_after_each_step_from_the_migrations_on(lab, after):
    kill_after(lab, "upgrade-db", after)


def test_upgrade_db_is_finished_by_another_run(lab):
    finishes(lab, "upgrade-db", SEED)


def test_upgrade_db_can_be_taken_back_and_done_again(lab):
    """The original takes writes and is as it was but for heartbeats, the seed is empty; and nothing is in the way.

    Before anybody could write, nothing was another than at the freeze, as the journal keeps it; what is seen from
    outside is seen when services have begun to write again.
    """
    frozen, computes = observe.checksums(lab, OLD, DATABASES), observe.query(lab, OLD, COMPUTE_ROWS)
    lab.octane("rollback-db", SEED)
    stage = stage_of(lab, "upgrade-db")
    assert seconds_until_undone(stage, "db.refuse_writes") < WRITES_BACK_WITHIN
    (compared,) = [seen["data"] for one in stage["steps"] if one["step"] == "db.frozen" for seen in one["evidence"]]
    assert compared["moved"] == [] and compared["compared"].startswith("by the log of node-1 since "), compared
    assert set(compared["expendable_moved"]) <= EXPENDABLE
    now = observe.checksums(lab, OLD, DATABASES)
    assert set(observe.differing(frozen, now)) <= EXPENDABLE | {COMPUTES}
    assert observe.query(lab, OLD, COMPUTE_ROWS) == computes
    assert observe.checksums(lab, NEW, DATABASES) == {}
    accounts = observe.query(lab, OLD, "SELECT user FROM mysql.user")
    assert [account for account in accounts if "octane" in account] == []
    finishes(lab, "upgrade-db", SEED)


@pytest.mark.parametrize("after", CONTROL)
def test_upgrade_control_killed_after_each_step(lab, after):
    kill_after(lab, "upgrade-control", after)


def test_upgrade_control_is_finished_by_another_run(lab):
    finishes(lab, "upgrade-control", SEED)
    answers(lab, NEW)


@pytest.mark.parametrize(
    "after",
    [
        "Wait for every compute to report",
        "Accept writes again",
        "Move the addresses",
        "Start the seed's services in Pacemaker",
    ],
)
def test_the_way_back_killed(lab, after):
    """Named are steps that are followed by one that takes its time, in which the kill comes."""
    kill_after(lab, "rollback-control", after)


def test_the_way_back_is_finished_by_another_run(lab):
    lab.octane("rollback-control", SEED)
    answers(lab, OLD)
    assert observe.checksums(lab, NEW, DATABASES) == {}
    lab.octane("upgrade-db", SEED)


@pytest.mark.parametrize("after", SWITCH)
def test_a_switch_that_was_killed_is_taken_back(lab, after):
    kill_after(lab, "upgrade-control", after)
    lab.run(lab.on("fuel", "salt-run", "octane.undo", "upgrade-control", f"seed={SEED}"))
    answers(lab, OLD)


def test_and_after_all_that_the_switch_is_done(lab):
    finishes(lab, "upgrade-control", SEED)
    answers(lab, NEW)
    finishes(lab, "cleanup-env", SEED)


def test_users_own_what_they_owned(lab, before):
    compared = lab.lab("compare", "--against", str(before), check=False)
    assert compared.returncode == 0, compared.stdout


def test_cleanup_fuel_gives_every_byte_of_the_master_back(lab, untouched):
    lab.octane("cleanup-fuel")
    assert observe.differing(untouched, observe.files(lab, "fuel", *observe.MASTER_FOLDERS)) == []
    assert "nothing to do: all" in lab.octane("cleanup-fuel").stdout
