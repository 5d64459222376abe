"""The small lab, once: every stage is killed in the middle, and the same command run again finishes it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading

import pytest

from tests.integration import observe

PROFILE = "small"
SEED = "2"
STAGE_WITHIN = 1200

pytestmark = [pytest.mark.procedure, pytest.mark.timeout(STAGE_WITHIN)]


@pytest.fixture(scope="module")
def before(lab):
    path = lab.state / "before.json"
    lab.lab("compare", "--save", str(path))
    return path


@contextlib.contextmanager
def running(lab, *stage):
    """A stage under way; its output can be read line by line. It is gone when the block is left."""
    argv = lab.on("fuel", "octane", *stage)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def until_step(process, step):
    """Read a stage's output until it tells of STEP; fails when the stage ends first."""
    guard = threading.Timer(STAGE_WITHIN / 2, process.kill)
    guard.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if step in line:
            guard.cancel()
            return
    raise AssertionError(f"{step} was not reached:\n" + "".join(said))


def kill_orchestration(lab):
    """SIGKILL to everything of the stage on the master: the command, and the orchestration below it."""
    lab.run(lab.on("fuel", "pkill", "-KILL", "-f", "bin/octane |bin/salt-run "), check=False)


def finishes(lab, *stage):
    """The same command again ends well, and once more finds nothing to do."""
    lab.octane(*stage, timeout=STAGE_WITHIN)
    assert "nothing to do" in lab.octane(*stage).stdout.lower()


def test_prepare_is_finished_by_a_second_run(lab, before):
    with running(lab, "prepare") as process:
        until_step(process, "prepare.clone_ips")
        kill_orchestration(lab)
    finishes(lab, "prepare")


@pytest.mark.parametrize("step", ["env.cloned", "env.provisioned", "env.isolated"])
def test_upgrade_env_killed(lab, step):
    with running(lab, "upgrade-env", "1", "2") as process:
        until_step(process, step)
        kill_orchestration(lab)
    assert set(observe.environments(lab)) <= {1, 2}


def test_upgrade_env_is_finished_by_another_run(lab):
    finishes(lab, "upgrade-env", "1", "2")
    assert observe.nodes_of(lab, int(SEED)) == {2}


def test_a_second_run_at_the_same_time_is_refused(lab):
    with running(lab, "upgrade-db", SEED) as process:
        until_step(process, "db.")
        second = lab.octane("upgrade-db", SEED, check=False)
        assert second.returncode == 3, second.stderr
        until_step(process, "db.frozen")
        kill_orchestration(lab)


def test_upgrade_db_with_the_master_losing_power(lab):
    with running(lab, "upgrade-db", SEED) as process:
        until_step(process, "db.copied")
        lab.lab("fault", "reboot", "fuel")
    finishes(lab, "upgrade-db", SEED)


@pytest.mark.parametrize("step", ["control.services_started", "control.switched"])
def test_upgrade_control_killed(lab, step):
    with running(lab, "upgrade-control", SEED) as process:
        until_step(process, step)
        kill_orchestration(lab)


def test_upgrade_control_is_finished_by_another_run(lab):
    finishes(lab, "upgrade-control", SEED)
    finishes(lab, "cleanup-env", SEED)


def test_users_own_what_they_owned(lab, before):
    compared = lab.lab("compare", "--against", str(before), check=False)
    assert compared.returncode == 0, compared.stdout


def test_the_journal_tells_every_attempt(lab):
    told = json.loads(lab.octane("status", SEED, "-f", "json").stdout)
    assert "upgrade-control" in json.dumps(told)


def test_cleanup_fuel_restores_every_byte(lab):
    lab.octane("cleanup-fuel")
    assert "nothing to do" in lab.octane("cleanup-fuel").stdout.lower()
