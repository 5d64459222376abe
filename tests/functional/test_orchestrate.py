"""Orchestrations on a real master and minion: what an operator sees when steps succeed, fail, die and are run again."""

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing, contextmanager

import psutil
import salt.utils.event

from octane.journal import Journal
from octane.salt_master import NodeCaller
from octane.stage import is_done
from octane.wait import until
from tests.memory import LIMIT, largest, program, watched

NODE = "Write a file on the node"
LIBRARY = "Write a file in the library"
DIRECTORY = "Write into a directory that must be there"
PUT_BACK = "Put back what was borrowed"
END = "The master is prepared"


def comments(states):
    return {sentence: state["comment"] for sentence, state in states.items()}


@contextmanager
def in_background(master, *words):
    process = subprocess.Popen(
        master.command(*words), env=master.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def running_behind_a_gate(master):
    """`upgrade.prepare`, as far as the step that waits for the gate."""
    (master.world / "gate").touch()
    with in_background(master, "state.orchestrate", "upgrade.prepare") as process:
        until((master.world / "acting").exists, 240, "the library step to act", interval=0.05)
        yield process


@contextmanager
def silent(minion):
    """The minion's processes stopped: it is there and says nothing."""
    process = psutil.Process(minion.pid)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            member.resume()


def test_a_stage_runs_by_its_own_name_and_then_has_nothing_to_do(salt_master):
    with salt.utils.event.get_event("master", opts=dict(salt_master.daemon.config), listen=True) as bus:
        bus.connect_pub()
        states = salt_master.orchestrate("upgrade.prepare")
        tags = []
        while event := bus.get_event(wait=0.2, full=True, tag="octane/", match_type="startswith"):
            tags.append(event["tag"])

    assert {state["result"] for state in states.values()} == {True}, comments(states)
    assert (salt_master.world / "on_node").read_text() == "written by prepare\n"
    assert states[END]["comment"] == "all 4 steps done, 4 of them changed something"
    for tag in ("toy.node_file/begin", "toy.node_file/done", "toy.library_file/progress", "done"):
        assert f"octane/master/prepare/{tag}" in tags

    again = salt_master.orchestrate("upgrade.prepare")
    assert {state["result"] for state in again.values()} == {True}
    assert {sentence for sentence, state in again.items() if state["changes"]} == set()
    assert again[END]["comment"] == "nothing to do: all 4 steps were done before and still hold"

    (salt_master.world / "on_node").write_text("changed by hand")
    converged = salt_master.orchestrate("upgrade.prepare")
    assert "was done, has changed since: node-1; changed node-1" in converged[NODE]["comment"]
    assert (salt_master.world / "on_node").read_text() == "written by prepare\n"

    status = json.loads(salt_master.octane("status", "-f", "json").stdout)
    (prepare,) = [stage for stage in status["master"]["stages"] if stage["stage"] == "prepare"]
    assert (prepare["state"], prepare["runs"], len(prepare["steps"])) == ("done", 3, 4)
    assert json.loads(salt_master.run("octane.status").stdout) == status

    verified = json.loads(salt_master.run("octane.verify", "prepare").stdout)
    assert verified["toy.library_file"] == {"step": {"content": "written"}}


def test_a_failed_minion_stops_the_stage_and_the_same_command_finishes_it(salt_master):
    (salt_master.world / "directory").rmdir()
    states = salt_master.orchestrate("upgrade.prepare")
    assert [states[step]["result"] for step in (NODE, LIBRARY, DIRECTORY, PUT_BACK, END)] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert "toy.needs_directory: node-1: file.managed: Parent directory not present" in states[DIRECTORY]["comment"]
    assert "to go on: `octane prepare`" in states[END]["comment"]

    (salt_master.world / "directory").mkdir()
    states = salt_master.orchestrate("upgrade.prepare")
    assert states[END]["result"] is True
    assert [states[step]["comment"] for step in (NODE, LIBRARY)] == ["nothing to do", "nothing to do"]


def test_a_silent_minion_is_a_failure_that_is_named_and_nothing_after_it_acts(salt_master):
    with silent(salt_master.minion):
        states = salt_master.orchestrate("upgrade.prepare")
    assert "toy.node_file: node-1: file.managed: not asked, since it has not answered" in states[NODE]["comment"]
    assert states[LIBRARY]["comment"] == "not run: toy.node_file failed before it"
    assert not (salt_master.world / "library").exists()
    assert (salt_master.world / "put_back").exists()

    assert salt_master.orchestrate("upgrade.prepare")[END]["result"] is True


def test_a_killed_orchestration_is_finished_by_the_same_command(salt_master):
    with running_behind_a_gate(salt_master) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with Journal.open_to_read(salt_master.state_dir) as journal:
        assert journal.runs.latest().died
        assert journal.steps.get(0, "prepare", "toy.library_file").status == "begun"
    assert "prepare died" in salt_master.octane("status", "-f", "value").stdout

    (salt_master.world / "gate").unlink()
    states = salt_master.orchestrate("upgrade.prepare")
    assert "took over the lock of prepare" in states["The stage may run"]["comment"]
    assert [states[step]["result"] for step in (NODE, LIBRARY, DIRECTORY, PUT_BACK, END)] == [True] * 5
    assert (salt_master.world / "library").read_text() == "written"


def test_two_runs_at_once_are_one_too_many(salt_master):
    with running_behind_a_gate(salt_master) as process:
        refused = salt_master.orchestrate("upgrade.prepare")
        told = refused["The stage may run"]["comment"]
        assert "prepare is being run by" in told and f"process {process.pid} on" in told
        assert refused["The stage may run"]["exit_code"] == 3
        assert refused[NODE]["comment"].startswith("not run: no stage is open")
        (salt_master.world / "gate").unlink()
        output, _ = process.communicate(timeout=240)
    assert '"all 4 steps done' in output


def test_a_dry_run_tells_the_truth_and_changes_nothing(salt_master):
    states = salt_master.orchestrate("upgrade.prepare", test=True)
    assert [states[step]["result"] for step in (NODE, LIBRARY, DIRECTORY, PUT_BACK, END)] == [None] * 5
    assert states[LIBRARY]["changes"] == {"library": "to be written"}
    assert sorted(path.name for path in salt_master.world.iterdir()) == ["directory"]
    assert not salt_master.state_dir.exists()


def test_a_stage_is_undone_from_the_journal(salt_master):
    assert salt_master.orchestrate("upgrade.prepare")[END]["result"] is True
    listed = json.loads(salt_master.run("octane.undo", "prepare", "test=True").stdout)
    assert set(listed) == {"toy.node_file", "toy.library_file", "toy.needs_directory", "toy.put_back"}
    undone = salt_master.run("octane.undo", "prepare")
    assert undone.returncode == 0, undone.stderr
    assert sorted(path.name for path in salt_master.world.iterdir()) == ["acting", "directory"]
    assert list((salt_master.world / "directory").iterdir()) == []
    with Journal.open_to_read(salt_master.state_dir) as journal:
        assert not is_done(journal, 0, "prepare")
        attempts = journal.steps.attempts_of_run(journal.runs.latest().id)
    assert [step for step, _ in attempts][:2] == ["toy.node_file", "toy.put_back"]


def test_wrong_input_is_refused_before_anything_is_done(salt_master):
    states = salt_master.orchestrate("upgrade.db", {"seed": 2})
    assert "environment 2 is not a seed of any upgrade" in states["The stage may run"]["comment"]
    assert states["Copy"]["result"] is False and not (salt_master.world / "library").exists()


def test_stages_by_the_command_line_from_the_first_to_a_seed(salt_master):
    assert salt_master.octane("upgrade-env", "1").returncode == 3
    assert salt_master.orchestrate("upgrade.prepare")[END]["result"] is True
    (salt_master.world / "library").unlink()

    for words in (["upgrade-env", "99"], ["upgrade-env", "99", "--test"]):
        unknown = salt_master.octane(*words)
        assert (unknown.returncode, unknown.stdout) == (2, "")
        assert unknown.stderr == "octane: there is no environment 99; there are 1\n"
    with Journal.open_to_read(salt_master.state_dir) as journal:
        assert journal.pairs.all() == []

    cloned = salt_master.octane("upgrade-env", "1")
    assert cloned.returncode == 0, cloned.stderr
    assert cloned.stdout.splitlines()[-2:] == [
        "The seed of environment 1 is environment 2.",
        "Next: octane upgrade-db 2",
    ]

    (salt_master.world / "broken").touch()
    failed = salt_master.octane("upgrade-db", "2")
    assert failed.returncode == 1
    assert "toy.copied: toy: the file broken is there; to go on: `octane upgrade-db 2`" in failed.stderr

    (salt_master.world / "broken").unlink()
    dry = salt_master.octane("upgrade-db", "2", "--test")
    assert dry.returncode == 0 and "→ Copy" in dry.stdout
    done = salt_master.octane("upgrade-db", "2")
    assert done.returncode == 0, done.stderr
    assert "✔ Copy" in done.stdout and "verified: content written" in done.stdout


def long_history(state_dir, megabytes):
    """So many attempts of its steps in the journal, with evidence of a megabyte each."""
    with closing(sqlite3.connect(state_dir / "journal.sqlite")) as journal, journal:
        steps = [row[0] for row in journal.execute("SELECT id FROM steps ORDER BY id")]
        for number in range(megabytes):
            made = journal.execute(
                "INSERT INTO attempts (step_id, run_id, act, started, ended, result) "
                "SELECT ?, (SELECT min(id) FROM runs), 'verify', ?, ?, 'done'",
                (steps[number % len(steps)], float(number), float(number)),
            ).lastrowid
            journal.execute(
                "INSERT INTO evidence (attempt_id, name, phase, held, data, at) VALUES (?, 'seen', 'after', 1, ?, ?)",
                (made, json.dumps({"seen": "x" * 1_000_000}), float(number)),
            )


def test_neither_the_command_line_nor_a_run_is_large_whatever_the_journal_holds(salt_master):
    assert salt_master.orchestrate("upgrade.prepare")[END]["result"] is True
    long_history(salt_master.state_dir, 400)
    with watched(lambda words: program(words) in ("octane", "salt-run")) as peaks:
        cloned = salt_master.octane("upgrade-env", "1")
        told = salt_master.octane("status", "-f", "json")
    assert (cloned.returncode, told.returncode) == (0, 0), cloned.stderr + told.stderr
    assert [stage["state"] for stage in json.loads(told.stdout)["master"]["stages"][:1]] == ["done"]
    found = largest(peaks)
    assert set(found) == {"octane", "salt-run"} and max(found.values()) < LIMIT, found


def test_progress_of_a_node_is_kept_for_those_who_watch(salt_master):
    salt_master.orchestrate("upgrade.prepare")
    nodes = NodeCaller(salt_master.daemon.config)
    nodes.call(["node-1"], "event.send", "octane/progress/db/send", {"bytes": 7, "text": "nova"})

    def notes():
        with Journal.open_to_read(salt_master.state_dir) as journal:
            return [note for note in journal.progress.since(0) if note.source == "node-1"]

    (note,) = until(notes, 20, "the engine to keep the progress", interval=0.1)
    assert (note.what, note.text, note.numbers) == ("db/send", "nova", {"bytes": 7})
