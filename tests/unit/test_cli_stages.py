"""The stage commands: input checked before anything is started, one line per step, the verdict from the journal."""

import os
import re
import shlex
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import salt.utils.args

from octane import stage as stages
from octane import stage_run
from octane.cli import app, child
from octane.cli.run import StageRun
from octane.cli.stages import UpgradeEnv, UpgradeNode
from octane.definition import Definition
from octane.errors import BadInput, Refused
from octane.journal.runs import NewRun
from octane.running import StepRunner
from tests.unit import steps as toys
from tests.unit.fakes import Bench, holder

ROOT = Path(__file__).resolve().parents[2]
COMMAND = child._command

SCRIPT = """
import json, os, pathlib, signal, sys
from octane import stage_run
from octane.definition import Definition
from octane.errors import OctaneError
from octane.running import StepRunner
from tests.unit import steps as toys
from tests.unit.fakes import Bench

directory = pathlib.Path(os.environ["OCTANE_STATE_DIR"])
bench = Bench(directory)
stage, options = sys.argv[1], json.loads(sys.argv[2])
ctx = bench.context(stage, **options)
library = "tests.unit.steps:Set"
plan = [
    Definition.from_state(f"Set {key}", {"step": f"toy.{key}", "kwargs": {"key": key}, "library": library})
    for key in ("one", "two")
]
"""

WORKS = (
    SCRIPT
    + """
stage_run.open_stage(ctx, plan)
for step in plan:
    StepRunner(ctx, step).apply()
stage_run.finish_stage(ctx)
"""
)

FAILS = (
    SCRIPT
    + """
def fail(ctx):
    from octane.errors import NodeFailed
    raise NodeFailed("node-2", "x.y", "disk full")
toys.HOOKS["apply.two"] = fail
stage_run.open_stage(ctx, plan)
for step in plan:
    StepRunner(ctx, step).apply()
stage_run.finish_stage(ctx)
sys.exit(0)
"""
)

DIES = (
    SCRIPT
    + """
toys.HOOKS["apply.two"] = lambda ctx: os.kill(os.getpid(), signal.SIGKILL)
stage_run.open_stage(ctx, plan)
for step in plan:
    StepRunner(ctx, step).apply()
"""
)

STOPS = (
    SCRIPT
    + """
def wait_for_the_request(ctx):
    os.kill(os.getppid(), signal.SIGINT)
    from octane.journal.holder import Holder
    from octane.wait import until
    until(lambda: bench.journal.runs.open_of(Holder.current()).stop_requested, 20, "a stop", interval=0.02)
toys.HOOKS["apply.one"] = wait_for_the_request
stage_run.open_stage(ctx, plan)
for step in plan:
    StepRunner(ctx, step).apply()
stage_run.finish_stage(ctx)
"""
)

HANGS = (
    SCRIPT
    + """
import threading
def hang(ctx):
    from octane.journal.holder import Holder
    from octane.wait import until
    os.kill(os.getppid(), signal.SIGINT)
    until(lambda: bench.journal.runs.open_of(Holder.current()).stop_requested, 20, "a stop", interval=0.02)
    os.kill(os.getppid(), signal.SIGINT)
    threading.Event().wait(60)
toys.HOOKS["apply.one"] = hang
stage_run.open_stage(ctx, plan)
for step in plan:
    StepRunner(ctx, step).apply()
"""
)

TAKES_BACK = (
    SCRIPT
    + """
stage_run.undo_stage(ctx)
"""
)

STOPS_ON_THE_WAY_BACK = (
    SCRIPT
    + """
def wait_for_the_request(ctx):
    os.kill(os.getppid(), signal.SIGINT)
    from octane.journal.holder import Holder
    from octane.wait import until
    until(lambda: bench.journal.runs.open_of(Holder.current()).stop_requested, 20, "a stop", interval=0.02)
toys.HOOKS["undo.two"] = wait_for_the_request
stage_run.undo_stage(ctx)
"""
)

REFUSED = """
print('{"data": {"m": {"a": {"__id__": "The stage may run", "__run_num__": 0, "result": false,'
      ' "comment": "somebody was faster", "exit_code": 3, "changes": {}}}}}')
"""

BROKEN = """
import sys
print("Data failed to compile: no such SLS", file=sys.stderr)
sys.exit(1)
"""

NO_SUCH_SLS = """
import json, sys
said = ["No matching sls found for 'upgrade.db' in env 'base'"]
print(json.dumps({"data": {"master": said}, "outputter": "highstate", "retcode": 1}, indent=4))
sys.exit(1)
"""

DRY = """
print('{"data": {"m": {"b": {"__id__": "Two", "__run_num__": 1, "result": null, "comment": "would be done",'
      ' "changes": {"key": 1}}, "a": {"__id__": "One", "__run_num__": 0, "result": true, "comment": "nothing to do",'
      ' "changes": {}}}}, "outputter": "highstate"}')
"""


@pytest.fixture(autouse=True)
def terminal():
    """Ctrl-C as at a terminal, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    toys.reset()
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "200")
    return Bench(tmp_path / "state")


@pytest.fixture
def ready(bench):
    """The seed 2 of environment 1 is there; the next stage is upgrade-db."""
    toys.HOOKS["apply.key"] = lambda ctx: ctx.bind_seed(2) if ctx.stage.name == "upgrade-env" else None
    step = Definition.from_state("Set", {"step": "toy.set", "library": "tests.unit.steps:Set"})
    for stage, options in (("prepare", {}), ("upgrade-env", {"original": 1})):
        toys.WORLD.clear()
        ctx = bench.context(stage, **options)
        stage_run.open_stage(ctx, [step])
        StepRunner(ctx, step).apply()
        assert stage_run.finish_stage(ctx).result is True
    return bench


@pytest.fixture
def orchestration(monkeypatch):
    """Makes a script the orchestration; it is given the stage and the pillar."""
    started = []

    def replace(script):
        def command(stage, options, test, back):
            import json

            started.append((stage.name, options, "back" if back else test))
            return [sys.executable, "-c", script, stage.name, json.dumps(options)]

        monkeypatch.setattr(child, "_command", command)
        return started

    return replace


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["upgrade-db", "two"], 2, "SEED must be the number of an environment"),
        (["upgrade-db", "0"], 2, "SEED must be the number of an environment"),
        (["upgrade-db", "1"], 2, "environment 1 is an original, not a seed: its seed is 2"),
        (["upgrade-db", "9"], 2, "environment 9 is not a seed of any upgrade; known seeds: 2"),
        (["upgrade-env", "2"], 2, "environment 2 is a seed (of environment 1), not an original"),
        (["upgrade-env", "1", "x"], 2, "NODE must be the number of a node"),
        (["upgrade-env", "1", "4", "node-4"], 2, "a node is named twice"),
        (["upgrade-control", "2"], 3, "upgrade-control comes after upgrade-db"),
        (["cleanup-fuel"], 3, "the upgrade of environment 1 is not finished"),
        (["status", "x"], 2, "SEED must be the number"),
        (["status", "9"], 2, "environment 9 is not a seed"),
    ],
)
def test_wrong_input_is_one_sentence_and_starts_nothing(ready, orchestration, capsys, words, code, sentence):
    started = orchestration(WORKS)
    assert app.main(words) == code
    output = capsys.readouterr()
    assert sentence in output.err and output.err.count("\n") == 1
    assert started == []


def test_a_missing_argument_is_code_2(bench, capsys):
    with pytest.raises(SystemExit) as caught:
        app.main(["upgrade-db"])
    assert caught.value.code == 2 and "SEED" in capsys.readouterr().err


def test_a_stage_that_somebody_else_runs_is_refused(ready, orchestration, capsys):
    from octane.journal.holder import start_ticks

    started = orchestration(WORKS)
    ready.journal.runs.begin(NewRun(1, "upgrade-db"), holder(pid=1, ticks=start_ticks(1), who="alice"))
    assert app.main(["upgrade-db", "2"]) == 3
    assert "upgrade-db is being run by alice" in capsys.readouterr().err
    assert started == []


def test_nodes_are_upgraded_one_after_the_other(ready, orchestration, monkeypatch):
    asked = upgraded(monkeypatch, ["2", "2", "node-3", "3"])
    assert asked == [{"seed": 2, "node": 2}, {"seed": 2, "node": 3}]


def test_the_roles_of_a_node_decide_how_it_is_upgraded(monkeypatch):
    asked = upgraded(monkeypatch, ["2", "7", "8"])
    assert asked == [{"seed": 2, "node": 7, "ceph_osd": True}, {"seed": 2, "node": 8, "ceph_osd": True}]
    assert [stages.get("upgrade-node").orchestration_of(one) for one in asked] == ["upgrade.role.ceph_osd"] * 2


def test_a_role_that_nobody_handles_is_refused_before_the_first_node_is_touched(monkeypatch):
    refused = {"9": "node-9 is compute:", "10": "node-10 is mongo:", "11": "node-11 is ceph-osd and controller:"}
    for number, told in refused.items():
        with pytest.raises(Refused, match=told):
            upgraded(monkeypatch, ["2", "7", number])


ROLES = {2: "controller", 3: "controller", 7: "ceph-osd", 8: "compute ceph-osd", 9: "compute", 10: "compute mongo",
         11: "controller ceph-osd"}  # fmt: skip


def upgraded(monkeypatch, words):
    """The options of each run of upgrade-node with these arguments."""
    asked = []

    def node_of(number):
        return SimpleNamespace(hostname=f"node-{number}", roles=frozenset(ROLES[number].split()))

    monkeypatch.setattr("octane.cli.stages._node", node_of)
    monkeypatch.setattr(UpgradeNode, "_run", lambda self, stage, parsed: asked.append(self.options(parsed)))
    command = UpgradeNode(None, None)
    try:
        command.take_action(command.get_parser("octane").parse_args(words))
    except Refused:
        assert asked == []
        raise
    return asked


def test_node_by_node_takes_no_spare_nodes():
    command = UpgradeEnv(None, None)
    parser = command.get_parser("octane")
    assert command.options(parser.parse_args(["1", "--node-by-node"]))["node_by_node"] is True
    assert "node_by_node" not in command.options(parser.parse_args(["1"]))
    with pytest.raises(BadInput, match="takes no spare nodes"):
        command.options(parser.parse_args(["1", "4", "--node-by-node"]))


def test_each_step_is_a_line_with_time_and_what_was_verified(ready, orchestration, capsys):
    started = orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert started == [("upgrade-db", {"seed": 2}, False)]
    assert lines[0].startswith("✔ Set one  0.") and "set  verified: seen set, value set" in lines[0]
    assert lines[1].startswith("✔ Set two")
    assert lines[2].startswith("upgrade-db: all 2 steps done, 2 of them changed something")
    assert lines[3] == "Next: octane upgrade-control 2"


def test_a_failed_step_is_told_although_the_child_ends_with_0(ready, orchestration, capsys):
    orchestration(FAILS)
    assert app.main(["upgrade-db", "2"]) == 1
    output = capsys.readouterr()
    assert "✘ Set two" in output.out
    assert "toy.two: node-2: x.y: disk full; to go on: `octane upgrade-db 2`" in output.err
    assert "to go back: `octane rollback-db 2`" in output.err


@pytest.mark.parametrize(("typed", "rate"), [("20M", 20 << 20), ("0", 0), ("1500", 1500)])
def test_a_rate_is_passed_on_and_said_again_by_the_command_that_goes_on(ready, orchestration, capsys, typed, rate):
    started = orchestration(FAILS)
    assert app.main(["upgrade-db", "2", "--rate", typed]) == 1
    assert started == [("upgrade-db", {"seed": 2, "rate": rate}, False)]
    assert f"to go on: `octane upgrade-db 2 --rate={rate}`" in capsys.readouterr().err


def test_the_rate_that_holds_when_none_is_said_is_in_the_help(capsys):
    app.main(["upgrade-db", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "0: no limit; without it as many as go while users wait (dump), and 50M as long as they work" in told
    assert "The comparison before the window reads as many on the average, but each table in one go" in told


@pytest.mark.parametrize("name", ["a b", "x;y", "it's", "-x", "$(reboot)", "a #b", "ä", "a: b, c", '"', "\\\\"])
def test_a_database_with_an_odd_name_is_left_by_what_was_typed(ready, orchestration, capsys, name):
    started = orchestration(FAILS)
    assert app.main(["upgrade-db", "2", f"--leave={name}"]) == 1
    (typed,) = re.findall(r"to go on: `octane (.*?)`, to go back", capsys.readouterr().err)
    assert shlex.split(typed) == ["upgrade-db", "2", f"--leave={name}"]
    ((_, options, _),) = started
    words = COMMAND(stages.get("upgrade-db"), options, False)
    assert salt.utils.args.parse_input(words[2:4])[1] == {"__kwarg__": True, "pillar": {"seed": 2, "leave": [name]}}


def test_a_database_that_is_left_is_said_again_by_the_command_that_goes_on(ready, orchestration, capsys):
    started = orchestration(FAILS)
    assert app.main(["upgrade-db", "2", "--leave", "murano"]) == 1
    assert started == [("upgrade-db", {"seed": 2, "leave": ["murano"]}, False)]
    assert "to go on: `octane upgrade-db 2 --leave=murano`" in capsys.readouterr().err


def test_an_orchestration_that_died_is_told_and_the_same_command_goes_on(ready, orchestration, capsys):
    orchestration(DIES)
    assert app.main(["upgrade-db", "2"]) == 1
    assert "upgrade-db died: its process ended with -9; next: `octane upgrade-db 2`" in capsys.readouterr().err
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    assert stages.is_done(ready.journal, 1, "upgrade-db")
    assert "took over the lock of upgrade-db" in capsys.readouterr().out


def test_the_first_interrupt_stops_after_the_running_step(ready, orchestration, capsys):
    orchestration(STOPS)
    assert app.main(["upgrade-db", "2"]) == 130
    output = capsys.readouterr()
    assert "Stopping after the step that is running" in output.out and "✔ Set one" in output.out
    assert "stopped before toy.two as asked; to go on: `octane upgrade-db 2`" in output.err
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0


def test_the_second_interrupt_stops_at_once_and_the_stage_can_be_resumed(ready, orchestration, capsys):
    orchestration(HANGS)
    assert app.main(["upgrade-db", "2"]) == 130
    assert "stopped at once" in capsys.readouterr().err
    assert ready.journal.runs.of_pair(1, "upgrade-db")[-1].died
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0


def test_an_interrupt_that_comes_while_the_first_is_worked_on_is_not_lost(ready, orchestration, capsys, monkeypatch):
    ask = StageRun._ask_to_stop

    def interrupted(self, request):
        known = ask(self, request)
        os.kill(os.getpid(), signal.SIGINT)
        return known

    monkeypatch.setattr(StageRun, "_ask_to_stop", interrupted)
    orchestration(HANGS)
    assert app.main(["upgrade-db", "2"]) == 130
    assert "stopped at once" in capsys.readouterr().err
    assert ready.journal.runs.of_pair(1, "upgrade-db")[-1].died


def test_a_refusal_by_the_orchestration_keeps_its_code(ready, orchestration, capsys):
    orchestration(REFUSED)
    assert app.main(["upgrade-db", "2"]) == 3
    assert "somebody was faster" in capsys.readouterr().err
    assert app.main(["upgrade-db", "2", "--test"]) == 3
    output = capsys.readouterr()
    assert output.out == "" and output.err == "octane: somebody was faster\n"


def test_an_orchestration_that_never_began_is_told_in_its_last_words(ready, orchestration, capsys):
    orchestration(BROKEN)
    assert app.main(["upgrade-db", "2"]) == 1
    assert "never began: Data failed to compile: no such SLS" in capsys.readouterr().err


def test_what_salt_says_instead_of_states_is_a_sentence(ready, orchestration, capsys):
    orchestration(NO_SUCH_SLS)
    assert app.main(["upgrade-db", "2"]) == 1
    said = capsys.readouterr().err
    assert said == "octane: the orchestration never began: No matching sls found for 'upgrade.db' in env 'base'\n"


@pytest.mark.parametrize("words", [["upgrade-env", "1", "4"], ["upgrade-db", "2"], ["upgrade-db", "2", "--check"]])
def test_on_a_master_that_was_cleaned_up_a_finished_stage_comes_after_prepare(ready, orchestration, capsys, words):
    started = orchestration(WORKS)
    for stage in ("upgrade-db", "upgrade-control", "cleanup-env"):
        assert app.main([stage, "2"]) == 0
    step = Definition.from_state("Clean", {"step": "toy.clean", "library": "tests.unit.steps:Set"})
    ctx = ready.context("cleanup-fuel")
    stage_run.open_stage(ctx, [step])
    StepRunner(ctx, step).apply()
    assert stage_run.finish_stage(ctx).result is True
    capsys.readouterr()
    started.clear()
    assert app.main(words) == 3
    said = capsys.readouterr().err
    assert "comes after prepare, which is not finished; next: `octane prepare`" in said and said.count("\n") == 1
    assert started == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rollback-env", "99"], "no upgrade of environment 99 was begun, so there is none to take back; originals of"),
        (["rollback-env", "2"], "environment 2 is a seed (of environment 1), not an original"),
        (["rollback-db", "99"], "environment 99 is not a seed of any upgrade"),
        (["rollback-control", "1"], "environment 1 is an original, not a seed"),
    ],
)
def test_what_is_no_upgrade_is_not_taken_back(ready, orchestration, capsys, words, sentence):
    started = orchestration(TAKES_BACK)
    for more in ([], ["--test"]):
        assert app.main([*words, *more]) == 2
        output = capsys.readouterr()
        assert sentence in output.err and output.err.count("\n") == 1 and output.out == ""
    assert started == []


def test_before_any_upgrade_there_is_none_to_take_back(bench, capsys):
    assert app.main(["rollback-env", "1"]) == 2
    assert "there is no upgrade yet" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "stage"), [("--check", "check-db"), ("--rehearse", "rehearse-db")])
def test_the_database_stage_can_be_tried_out(ready, orchestration, capsys, flag, stage):
    started = orchestration(FAILS)
    assert app.main(["upgrade-db", "2", flag, "--finish-migrations"]) == 1
    assert started == [(stage, {"seed": 2, "finish_migrations": True}, False)]
    assert f"to go on: `octane upgrade-db 2 {flag} --finish-migrations`" in capsys.readouterr().err


def test_it_is_either_checked_or_rehearsed(ready, capsys):
    with pytest.raises(SystemExit) as ended:
        app.main(["upgrade-db", "2", "--check", "--rehearse"])
    assert ended.value.code == 2
    assert "not allowed with argument --check" in capsys.readouterr().err


def test_a_dry_run_prints_what_would_be_done_in_order(ready, orchestration, capsys):
    started = orchestration(DRY)
    assert app.main(["upgrade-db", "2", "--test"]) == 0
    assert started == [("upgrade-db", {"seed": 2}, True)]
    assert capsys.readouterr().out.splitlines() == ["✔ One  nothing to do", "→ Two  would be done: key"]


def test_upgrade_env_names_the_seed_it_made(bench, orchestration, capsys):
    step = Definition.from_state("Set", {"step": "toy.set", "library": "tests.unit.steps:Set"})
    ctx = bench.context("prepare")
    stage_run.open_stage(ctx, [step])
    StepRunner(ctx, step).apply()
    stage_run.finish_stage(ctx)
    started = orchestration(SCRIPT + "toys.HOOKS['apply.one'] = lambda ctx: ctx.bind_seed(2)\n" + WORKS[len(SCRIPT) :])
    assert app.main(["upgrade-env", "1", "4", "node-5"]) == 0
    assert started == [("upgrade-env", {"original": 1, "nodes": [4, 5], "leave_behind": []}, False)]
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["The seed of environment 1 is environment 2.", "Next: octane upgrade-db 2"]


def test_a_stage_is_taken_back_line_by_line(ready, orchestration, capsys):
    started = orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    orchestration(TAKES_BACK)
    capsys.readouterr()
    assert app.main(["rollback-db", "2", "--test"]) == 0
    would = capsys.readouterr().out.splitlines()
    assert would == ["→ Set two  would be taken back", "→ Set one  would be taken back"]
    assert app.main(["rollback-db", "2"]) == 0
    assert started[-1] == ("upgrade-db", {"seed": 2}, "back")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["✔ Set two", "✔ Set one"]
    assert "undone" in lines[0] and lines[-1].startswith("upgrade-db: 2 steps undone")
    assert app.main(["rollback-db", "2"]) == 0
    assert capsys.readouterr().out == "upgrade-db: nothing to undo\n"


def test_the_way_back_from_the_switch_takes_the_databases_back_as_well(ready, orchestration, capsys):
    """The original would not take writes else."""
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    orchestration(TAKES_BACK)
    capsys.readouterr()
    assert app.main(["rollback-control", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "upgrade-control: nothing to undo" and lines[-1].startswith("upgrade-db: 2 steps undone")


def test_the_first_interrupt_stops_on_the_way_back_too(ready, orchestration, capsys):
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    orchestration(STOPS_ON_THE_WAY_BACK)
    assert app.main(["rollback-db", "2"]) == 130
    assert "stopped before toy.one as asked; to go on: `octane rollback-db 2`" in capsys.readouterr().err
    orchestration(TAKES_BACK)
    assert app.main(["rollback-db", "2"]) == 0
    assert "1 steps undone" in capsys.readouterr().out


def test_what_a_later_stage_stands_on_is_not_taken_back(ready, orchestration, capsys):
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    assert app.main(["rollback-env", "1"]) == 3
    assert "octane rollback-db 2" in capsys.readouterr().err


def test_the_way_back_is_a_function_of_the_runner():
    words = child._command(stages.get("upgrade-db"), {"seed": 2}, test=False, back=True)
    assert words[1:] == ["octane.undo", "upgrade-db", "seed=2", "--out=json", "--log-level=error"]


def test_the_command_names_the_orchestration_and_carries_no_secret():
    words = child._command(stages.get("upgrade-db"), {"seed": 2}, test=True)
    assert words[1:] == [
        "state.orchestrate",
        "upgrade.db",
        'pillar={"seed": 2}',
        "test=True",
        "--out=json",
        "--log-level=error",
    ]


@pytest.mark.parametrize("words", [[], ["--help"], ["help"]])
def test_help_shows_commands_and_examples(words, capsys):
    with pytest.raises(SystemExit) if "--help" in words else pytest.MonkeyPatch.context():
        app.main(words)
    text = capsys.readouterr().out
    for command in ("prepare", "upgrade-env", "upgrade-db", "upgrade-control", "cleanup-env", "cleanup-fuel", "status"):
        assert command in text
    assert "upgrade-ceph" not in text


@pytest.mark.parametrize(
    "command",
    ["prepare", "upgrade-env", "upgrade-db", "upgrade-control", *stages.ROLLED_BACK, "cleanup-env", "status"],
)
def test_each_command_s_help_has_examples(command, capsys):
    assert app.main([command, "--help"]) == 0
    assert f"  octane {command}" in capsys.readouterr().out


def test_signals_of_the_terminal_do_not_reach_the_orchestration(ready, orchestration):
    import os

    orchestration("import os, time; print(os.getsid(0) == os.getpid(), flush=True)")
    with child.started(stages.get("upgrade-db"), {"seed": 2}) as started:
        assert started.wait(20)
        assert os.getpgid(0) != started.process.pid
        assert started.last_words() == "True"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def prepared(bench):
    step = Definition.from_state("Set", {"step": "toy.set", "library": "tests.unit.steps:Set"})
    ctx = bench.context("prepare")
    stage_run.open_stage(ctx, [step])
    StepRunner(ctx, step).apply()
    stage_run.finish_stage(ctx)


@pytest.fixture
def salt_configuration(tmp_path, monkeypatch):
    """Stands for our file in the master's configuration: whether it is there, and who asked for it.

    The Salt master that runs on with our options is a file beside it.
    """
    from octane.procedure import salt_config

    asked = []
    file = tmp_path / "octane.conf"

    def configure(progress, test):
        asked.append(test)
        progress("Salt is configured")
        return {} if file.exists() else {"salt-master": str(file)}

    monkeypatch.setattr(salt_config, "path", lambda: file)
    def deconfigure(progress, test):
        running = file.with_name("running")
        found = {"salt-master": "restarted"} if running.exists() else {}
        if not test:
            running.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(salt_config, "configure_salt", configure)
    monkeypatch.setattr(salt_config, "deconfigure_salt", deconfigure)
    return file, asked


def test_prepare_configures_salt_before_it_runs_anything(bench, orchestration, salt_configuration, capsys):
    _, asked = salt_configuration
    started = orchestration(WORKS)
    assert app.main(["prepare", "1"]) == 0
    assert asked == [False] and started == [("prepare", {"environments": [1]}, False)]
    assert capsys.readouterr().out.splitlines()[-1] == "Next: octane upgrade-env ENV"


def test_a_dry_run_on_a_fresh_master_says_what_can_be_said(bench, orchestration, salt_configuration, capsys):
    started = orchestration(DRY)
    assert app.main(["prepare", "--test"]) == 0
    assert "→ Configure Salt  would be done: salt-master" in capsys.readouterr().out
    assert started == []


def test_cleaning_the_master_a_second_time_needs_no_salt(bench, orchestration, salt_configuration, capsys):
    file, asked = salt_configuration
    file.touch()
    prepared(bench)
    started = orchestration(WORKS)
    assert app.main(["cleanup-fuel"]) == 0
    file.unlink()
    capsys.readouterr()
    assert app.main(["cleanup-fuel"]) == 0
    (said,) = capsys.readouterr().out.splitlines()
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    told = f"cleanup-fuel: nothing to do, and nothing was done: this master was cleaned up on {when}"
    assert re.fullmatch(told, said)
    assert len(started) == 1 and asked == []


def test_cleaning_the_master_that_died_after_salt_was_restored_is_finished(bench, orchestration, salt_configuration):
    _, asked = salt_configuration
    prepared(bench)
    orchestration(DIES)
    assert app.main(["cleanup-fuel"]) == 1
    orchestration(WORKS)
    assert app.main(["cleanup-fuel"]) == 0
    assert asked == [False, False]


def test_the_salt_master_runs_as_before_once_this_master_is_cleaned_up(bench, orchestration, salt_configuration):
    file, _ = salt_configuration
    file.touch()
    running = file.with_name("running")
    running.touch()
    prepared(bench)
    orchestration(DIES)
    assert app.main(["cleanup-fuel"]) == 1
    assert running.exists()
    orchestration(WORKS)
    assert app.main(["cleanup-fuel"]) == 0
    assert not running.exists()


def test_a_cleanup_that_died_before_it_restarted_salt_restarts_it(bench, orchestration, salt_configuration, capsys):
    file, _ = salt_configuration
    file.touch()
    running = file.with_name("running")
    prepared(bench)
    started = orchestration(WORKS)
    assert app.main(["cleanup-fuel"]) == 0
    file.unlink()
    running.touch()
    capsys.readouterr()
    assert app.main(["cleanup-fuel", "--test"]) == 0
    assert "would be done: salt-master" in capsys.readouterr().out and running.exists()
    assert app.main(["cleanup-fuel"]) == 0
    assert not running.exists() and len(started) == 1


def test_what_is_left_behind_is_said_and_repeated_in_the_command_to_go_on(bench, orchestration, capsys):
    prepared(bench)
    started = orchestration(FAILS)
    assert app.main(["upgrade-env", "1", "4", "--leave-behind", "murano"]) == 1
    assert started[0][1] == {"original": 1, "nodes": [4], "leave_behind": ["murano"]}
    assert "to go on: `octane upgrade-env 1 4 --leave-behind=murano`" in capsys.readouterr().err
    assert app.main(["upgrade-env", "1", "--leave-behind", "a b"]) == 2


def test_a_step_is_one_line_however_narrow_the_output(ready, orchestration, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    orchestration(WORKS)
    assert app.main(["upgrade-db", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
