"""`octane status`: the same journal as a table, as JSON, as YAML, as lines."""

import io
import json
from types import SimpleNamespace

import pytest
import yaml

from octane import stage_run
from octane.cli import app, status
from octane.definition import Definition
from octane.errors import BadInput, NodeFailed
from octane.journal.holder import Holder
from octane.journal.runs import NewRun
from octane.running import StepRunner
from octane.status import overview
from tests.unit import steps as toys
from tests.unit.fakes import Bench, holder


@pytest.fixture
def bench(tmp_path, monkeypatch):
    toys.reset()
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    return Bench(tmp_path / "state")


def plan_of(*keys):
    library = {"library": "tests.unit.steps:Set"}
    return [
        Definition.from_state(f"Set {key}", {"step": f"toy.{key}", "kwargs": {"key": key}, **library}) for key in keys
    ]


def run_stage(bench, stage, *keys, **options):
    ctx = bench.context(stage, **options)
    plan = plan_of(*keys)
    stage_run.open_stage(ctx, plan)
    for step in plan:
        StepRunner(ctx, step).apply()
    stage_run.finish_stage(ctx)


@pytest.fixture
def upgrade(bench):
    """prepare and upgrade-env are done, upgrade-db failed at its second step."""

    def fail(ctx):
        raise NodeFailed("node-2", "x.y", "disk full")

    run_stage(bench, "prepare", "master")
    toys.HOOKS["apply.clone"] = lambda ctx: ctx.bind_seed(2)
    run_stage(bench, "upgrade-env", "clone", original=1)
    toys.HOOKS["apply.two"] = fail
    run_stage(bench, "upgrade-db", "one", "two", "three", seed=2)
    return bench


def stage_of(data, name):
    (upgrade,) = data["upgrades"]
    return next(stage for stage in upgrade["stages"] if stage["stage"] == name)


def test_stages_and_steps_stand_as_they_ended(upgrade):
    data = overview(upgrade.journal)
    states = {stage["stage"]: stage["state"] for stage in data["upgrades"][0]["stages"]}
    assert states == {
        "upgrade-env": "done",
        "upgrade-db": "failed",
        "upgrade-control": "not started",
        "upgrade-node": "not started",
        "cleanup-env": "not started",
    }
    steps = stage_of(data, "upgrade-db")["steps"]
    assert [(step["sentence"], step["state"]) for step in steps] == [
        ("Set one", "done"),
        ("Set two", "failed"),
        ("Set three", "not started"),
    ]
    assert "node-2: x.y: disk full" in steps[1]["comment"]
    assert steps[0]["evidence"][0]["data"] == {"seen": "set", "value": "set"}
    assert steps[2]["seconds"] is None and steps[0]["seconds"] >= 0


def test_attempts_are_counted_over_runs(upgrade):
    toys.HOOKS.clear()
    run_stage(upgrade, "upgrade-db", "one", "two", "three", seed=2)
    stage = stage_of(overview(upgrade.journal, 2), "upgrade-db")
    assert (stage["state"], stage["runs"]) == ("done", 2)
    assert [[attempt["act"] for attempt in step["attempts"]] for step in stage["steps"]] == [
        ["apply", "verify"],
        ["apply", "apply"],
        ["apply"],
    ]


def test_an_undone_stage_says_so(upgrade):
    stage_run.undo_stage(upgrade.context("upgrade-db", seed=2))
    stage = stage_of(overview(upgrade.journal), "upgrade-db")
    assert stage["state"] == "undone"
    assert {step["state"] for step in stage["steps"]} == {"undone", "not started"}


def test_a_run_whose_process_is_gone_has_died(upgrade):
    upgrade.journal.runs.begin(NewRun(1, "upgrade-db", plan=(("toy.one", "Set one"),)), holder())
    assert stage_of(overview(upgrade.journal), "upgrade-db")["state"] == "died"


def test_progress_is_shown_while_a_stage_runs_only(upgrade):
    upgrade.journal.progress.put("node-1", "db/send", "", {"bytes": 5})
    assert stage_of(overview(upgrade.journal), "upgrade-db")["progress"] == []
    stage_run.open_stage(upgrade.context("upgrade-db", seed=2), [])
    upgrade.journal.progress.put("node-1", "db/send", "", {"bytes": 7})
    (note,) = stage_of(overview(upgrade.journal), "upgrade-db")["progress"]
    assert (note["source"], note["what"], note["numbers"]) == ("node-1", "db/send", {"bytes": 7})


def test_every_format_shows_the_same(upgrade, capsys):
    assert app.main(["status", "-f", "json"]) == 0
    from_json = json.loads(capsys.readouterr().out)
    assert app.main(["status", "2", "-f", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == from_json == overview(upgrade.journal)
    assert app.main(["status", "-f", "value"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "master prepare done 1/1",
        "1->2 upgrade-env done 1/1",
        "1->2 upgrade-db failed 1/3",
        "1->2 upgrade-control not started -",
        "1->2 upgrade-node not started -",
        "1->2 cleanup-env not started -",
        "master cleanup-fuel not started -",
    ]
    assert app.main(["status", "2"]) == 0
    table = capsys.readouterr().out
    assert "upgrade-db" in table and "Set three" in table


def test_without_a_journal_nothing_has_been_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path / "none"))
    assert app.main(["status", "-f", "value"]) == 0
    assert capsys.readouterr().out == "master prepare not started -\nmaster cleanup-fuel not started -\n"
    assert not (tmp_path / "none").exists()


def test_watching_without_a_terminal_prints_lines_until_the_run_is_over(upgrade, capsys):
    assert app.main(["status", "2", "--watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("✔ Set one") and lines[1].startswith("✘ Set two")


def test_watching_in_json_prints_one_document_a_line_for_each_change(upgrade, monkeypatch, capsys):
    ctx = upgrade.context("upgrade-db", seed=2)
    toys.HOOKS.clear()
    plan = plan_of("one", "two", "three")
    stage_run.open_stage(ctx, plan)
    happens = iter([
        lambda: None,
        lambda: upgrade.journal.progress.put("node-1", "db/send", "", {"bytes": 7}),
        lambda: [StepRunner(ctx, step).apply() for step in plan],
        lambda: stage_run.finish_stage(ctx),
    ])  # fmt: skip
    turn = SimpleNamespace(wait=lambda seconds: next(happens)())
    monkeypatch.setattr(status, "threading", SimpleNamespace(Event=lambda: turn))
    assert app.main(["status", "2", "--watch", "-f", "json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stages = [stage_of(document, "upgrade-db") for document in documents]
    assert [stage["state"] for stage in stages] == ["running", "running", "running", "done"]
    assert [len(stage["progress"]) for stage in stages] == [0, 1, 1, 0]
    assert [len(stage["steps"][0]["attempts"]) for stage in stages] == [1, 1, 2, 2]
    assert documents[-1] == overview(upgrade.journal, 2)


def test_watching_in_json_is_told_in_the_help(capsys):
    assert app.main(["status", "--help"]) == 0
    assert "`--watch -f json` prints such a document, on one line" in " ".join(capsys.readouterr().out.split())


def test_watching_on_a_terminal_shows_the_steps_of_what_runs(upgrade):
    from rich.console import Console

    console = Console(width=160, record=True, file=io.StringIO())
    console.print(status._current(upgrade.directory, 2, console.width))
    shown = console.export_text()
    assert "Set three" in shown and "Set clone" not in shown


def test_a_narrow_terminal_shows_whole_sentences(upgrade, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert app.main(["status", "2"]) == 0
    lines = [line.strip("│ ").split("│")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert {"Set one", "Set two", "Set three"} <= set(lines)
    assert any("disk full" in line for line in lines)


def test_a_number_that_means_nothing_leaves_no_upgrade_behind(upgrade):
    def unknown(ctx):
        raise BadInput("there is no environment 99")

    toys.HOOKS["apply.nine"] = unknown
    run_stage(upgrade, "upgrade-env", "nine", original=99)
    assert [pair["original"] for pair in overview(upgrade.journal)["upgrades"]] == [1]


def test_a_stage_that_is_being_undone_says_so(upgrade):
    upgrade.journal.runs.begin(NewRun(1, "upgrade-db", act="undo"), Holder.current())
    assert stage_of(overview(upgrade.journal), "upgrade-db")["state"] == "undoing"
