"""The small lab whose databases come by a dump inside the window, as where no log can be followed: killed in the middle
of its copy it is taken back, and run again to its end.
"""

from __future__ import annotations

import json

import pytest

from lab.wait import until
from tests.integration import observe
from tests.integration.killing import (
    DATABASES,
    NEW,
    OLD,
    SEED,
    STAGE_WITHIN,
    WITHOUT_LOG,
    answers,
    finishes,
    kill_everything,
    running,
    stage_of,
    taken_back_as_it_was,
    until_said,
    writes_are_taken,
)

PROFILE = "small"
STAGE = ("upgrade-db", SEED, "--way", "dump")
SLOWLY = ("--rate", "300K")
"""Of the copy that is killed: it takes many times as long as to look at it and to kill it."""
PROGRAM = "[o]ctane_wire"
TRANSFERS = "for file in /var/lib/octane-node/streams/*/status.json; do [ ! -e $file ] || cat $file; echo; done"

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(1800)]


def attempts(lab, step):
    """Of a step of the stage, as the journal has them."""
    (found,) = [one["attempts"] for one in stage_of(lab, "upgrade-db")["steps"] if one["step"] == step]
    return found


def arrived(lab):
    """Bytes that the seed has taken of the copy that is under way."""
    told = lab.run(lab.on(NEW, "sh", "-c", TRANSFERS)).stdout
    statuses = [json.loads(line) for line in told.splitlines() if line]
    return sum(one["bytes"] for one in statuses if one["state"] == "running")


def runs(lab, host, pattern):
    return lab.run(lab.on(host, "pgrep", "-f", pattern), check=False).returncode == 0


def test_a_copy_in_the_window_is_killed_in_its_middle(lab, before):
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "2")
    with running(lab, *STAGE, *SLOWLY) as process:
        until_said(process, "Note what users know of their things")
        until(lambda: arrived(lab), 120, f"the copy to arrive at {NEW}")
        kill_everything(lab)
    assert runs(lab, NEW, PROGRAM), "the copy was over before it was killed"
    assert attempts(lab, "db.copied")[-1]["result"] != "done"
    # As it was asked for, though this cloud's log could be followed.
    assert observe.query(lab, NEW, "SHOW ALL SLAVES STATUS") == []
    accounts = observe.query(lab, OLD, "SELECT user FROM mysql.user")
    assert accounts and [account for account in accounts if "octane" in account] == []


def test_it_is_taken_back_and_the_original_takes_writes_as_it_was(lab):
    with taken_back_as_it_was(lab, WITHOUT_LOG):
        lab.octane("rollback-db", SEED, timeout=STAGE_WITHIN)
    writes_are_taken(lab)


def test_what_was_killed_does_not_go_on_filling_the_seed(lab):
    for host in (OLD, NEW):
        until(lambda host=host: not runs(lab, host, PROGRAM), 60, f"the killed copy to end on {host}")
    assert observe.checksums(lab, NEW, DATABASES) == {}


def test_run_again_it_comes_to_its_end(lab):
    finishes(lab, *STAGE)
    assert attempts(lab, "db.copied")[-1]["result"] == "done"
    assert observe.query(lab, NEW, "SHOW ALL SLAVES STATUS") == []


def test_the_seed_takes_over_and_users_own_what_they_owned(lab, before):
    lab.octane("upgrade-control", SEED, timeout=STAGE_WITHIN)
    answers(lab, NEW)
    observe.users_own(lab, before)
    writes_are_taken(lab)
