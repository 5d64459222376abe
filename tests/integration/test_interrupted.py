"""The small lab, once: every stage is killed in the middle, and the same command run again finishes it."""

from __future__ import annotations

import re

import pytest

from tests.integration import observe
from tests.integration.killing import (
    DATABASES,
    NEW,
    OLD,
    ROOT,
    SEED,
    STAGE_WITHIN,
    answers,
    applied,
    finishes,
    kill_after,
    kill_everything,
    running,
    stage_of,
    taken_back_as_it_was,
    until_runs,
    until_said,
)

PROFILE = "small"
WRITES_BACK_WITHIN = 15
"""Seconds from the beginning of the way back until the original takes writes again. Seconds were promised: some eight
orders of Salt (0.6 s each where a whole run of the way back was measured), the start of four services, and twice that
for two busy cores. One wait for a node that does not answer, or a read of every table, would be more."""


def sentences(orchestration):
    """Of the steps of a stage, in their order."""
    text = (ROOT / f"salt/upgrade/{orchestration}.sls").read_text()
    return re.findall(r"^(\S.*):\n  octane\.step:", text, re.MULTILINE)


STEPS, CONTROL = sentences("db"), sentences("control")
MIGRATION = next(number for number, sentence in enumerate(STEPS) if sentence.startswith("Migrate the schemas"))
"""Sentences of the database stage's steps, and which of them migrates."""

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(STAGE_WITHIN)]


def seconds_until_undone(stage, step):
    """From the beginning of the run that took a stage back last, until that step of it was."""
    (last,) = [one["attempts"][-1] for one in stage["steps"] if one["step"] == step]
    assert (last["act"], last["result"]) == ("undo", "done")
    return last["ended"] - stage["started"]


@pytest.mark.parametrize(
    "after", ["Clone the original", "Give them the original's addresses", "They are isolated, asked from both sides"]
)
def test_upgrade_env_killed(lab, before, untouched, after):
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
    """The original takes writes and is as it was but for heartbeats, the seed is empty; and nothing is in the way."""
    with taken_back_as_it_was(lab):
        lab.octane("rollback-db", SEED)
        assert seconds_until_undone(stage_of(lab, "upgrade-db"), "db.refuse_writes") < WRITES_BACK_WITHIN
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


@pytest.mark.parametrize("after", CONTROL)
def test_a_switch_that_was_killed_is_taken_back(lab, after):
    kill_after(lab, "upgrade-control", after)
    lab.run(lab.on("fuel", "salt-run", "octane.undo", "upgrade-control", f"seed={SEED}"))
    answers(lab, OLD)


def test_and_after_all_that_the_switch_is_done(lab):
    finishes(lab, "upgrade-control", SEED)
    answers(lab, NEW)
    finishes(lab, "cleanup-env", SEED)


def test_users_own_what_they_owned(lab, before):
    observe.users_own(lab, before)


def test_cleanup_fuel_gives_every_byte_of_the_master_back(lab, untouched):
    lab.octane("cleanup-fuel")
    assert observe.differing(untouched, observe.files(lab, "fuel", *observe.MASTER_FOLDERS)) == []
    assert "nothing to do, and nothing was done" in lab.octane("cleanup-fuel").stdout
