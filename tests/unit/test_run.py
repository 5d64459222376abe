"""The newcomer's script says what is wrong in one sentence, before it has changed anything."""

import os
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "run"


@pytest.fixture
def run(tmp_path):
    """Call the script with some commands replaced; apt-get and pip leave a mark when they are reached."""
    mark = tmp_path / "changed"
    for name in ("apt-get", "pip", "dpkg-query"):
        replace(tmp_path, name, f"touch {mark}; exit 1")
    replace(tmp_path, "id", "echo 0")

    def call(*arguments, **commands):
        for name, body in commands.items():
            replace(tmp_path, name, body)
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "OCTANE_LAB_CACHE": str(tmp_path / "cache"),
            "OCTANE_LAB_STATE": str(tmp_path / "state"),
        }
        done = subprocess.run([RUN, *arguments], env=environment, capture_output=True, text=True, timeout=20)
        assert not mark.exists()
        return done

    return call


def replace(folder, name, body):
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_alone_it_lists_what_it_can_do(run):
    done = run()
    assert done.returncode == 0
    assert all(f"  {command} " in done.stdout for command in ("demo", "test", "lint", "clean"))


@pytest.mark.parametrize(
    "arguments", [["build"], ["demo", "--profile", "huge"], ["demo", "--profile"], ["test", "some"], ["clean", "now"]]
)
def test_what_it_does_not_know_is_refused(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2 and done.stderr


@pytest.mark.parametrize(
    ("replaced", "sentence"),
    [
        ({"id": "echo 1000"}, "needs root"),
        ({"nproc": "echo 1"}, "2 processor cores, and this machine has 1"),
        ({"df": "echo; echo /dev/vda 9 9 2097152 1% /"}, "needs 10 GiB of free disk for "),
        ({"awk": "echo 3145728"}, "needs 14 GiB of memory, and this machine has 3 GiB"),
        ({"uname": "echo aarch64"}, "x86_64"),
    ],
)
def test_a_machine_that_will_not_do_is_told_so_before_anything_changes(run, replaced, sentence):
    done = run("demo", **replaced)
    assert done.returncode == 3
    assert sentence in done.stderr and "nothing was changed" in done.stderr


def test_all_that_is_missing_is_said_at_once(run):
    done = run("test", id="echo 1000", nproc="echo 1")
    assert "needs root" in done.stderr and "processor cores" in done.stderr


def test_the_disk_that_a_running_lab_takes_is_looked_at_where_the_lab_will_be(run, tmp_path):
    (tmp_path / "state").mkdir()
    small, large = f"/dev/a 9 9 3145728 1% {tmp_path}/state", "/dev/b 9 9 99999999 1% /"
    done = run("demo", df=f'echo; case "$2" in */state) echo {small} ;; *) echo {large} ;; esac')
    assert done.returncode == 3
    assert f"this needs 4 GiB of free disk for {tmp_path}/state, and there are 3 GiB." in done.stderr
    assert "free disk for" not in done.stderr.replace(f"free disk for {tmp_path}/state,", "")
