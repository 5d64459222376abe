"""What the states and runners get from the library: reports, not errors, and nothing that acts after a failure."""

import pytest

from octane import door
from octane.door import Caller
from octane.errors import BadInput, Refused
from octane.journal import Journal
from tests.unit import steps as toys
from tests.unit.fakes import FakeNodes

SET = {"step": "toy.set", "library": "tests.unit.steps:Set"}


@pytest.fixture
def nodes(monkeypatch):
    """Nodes that every call through the door meets."""
    toys.reset()
    fake = FakeNodes()
    monkeypatch.setattr(door, "NodeCaller", lambda options: fake)
    monkeypatch.setattr(door.EventBus, "send", lambda self, tag, data: None)
    return fake


@pytest.fixture
def caller(nodes, tmp_path, monkeypatch):
    monkeypatch.delenv("OCTANE_STATE_DIR", raising=False)

    def with_pillar(test=False, **pillar):
        return Caller({"octane": {"state_dir": str(tmp_path / "state")}}, pillar, test)

    return with_pillar


def orchestrate(caller, stage, *steps):
    """Reports by name, as an orchestration would get them."""
    sentences = [(f"Sentence of {step.get('step')}", step) for step in steps]
    reports = {"stage": door.open_stage(caller, stage, sentences)}
    reports.update(
        {step.get("step"): door.run_step(caller, *entry) for step, entry in zip(steps, sentences, strict=True)}
    )
    reports["finished"] = door.finish_stage(caller, stage)
    return reports


def clone(caller):
    toys.HOOKS["apply.key"] = lambda ctx: ctx.bind_seed(2) if ctx.stage.name == "upgrade-env" else None
    orchestrate(caller(), "prepare", SET)
    toys.WORLD.clear()
    return orchestrate(caller(original=1), "upgrade-env", SET)


def test_of_the_pillar_a_stage_gets_what_it_takes_and_nothing_else(caller):
    clone(caller)
    seen = []
    toys.HOOKS["verify.key"] = lambda ctx: seen.append(dict(ctx.options))
    orchestrate(caller(seed=2, nodes=[4], site_password="hush"), "upgrade-db", SET)
    assert seen == [{"seed": 2}]


def test_a_refused_stage_is_a_report_and_its_steps_do_nothing(caller):
    reports = orchestrate(caller(seed=9), "upgrade-db", SET)
    assert reports["stage"].result is False and reports["stage"].exit_code == 2
    assert reports["toy.set"].comment.startswith("not run: no stage is open")
    assert reports["finished"].result is False and toys.CALLS == []


def test_an_unknown_stage_is_a_report(caller):
    assert "there is no stage 'upgrade-ceph'" in door.open_stage(caller(), "upgrade-ceph", []).comment


def test_a_wrong_step_keeps_the_whole_stage_from_beginning(caller, tmp_path):
    reports = orchestrate(caller(), "prepare", SET, {"step": "toy.wrong", "library": "nowhere:Nothing"})
    assert "nowhere:Nothing cannot be loaded" in reports["stage"].comment
    assert reports["toy.set"].result is False and toys.CALLS == []


def test_a_step_that_cannot_even_begin_stops_the_stage(caller):
    """Such as one rendered otherwise than the plan said."""
    door.open_stage(caller(), "prepare", [("Set", SET)])
    wrong = door.run_step(caller(), "Set", {**SET, "colour": "red"})
    after = door.run_step(caller(), "After", {**SET, "step": "toy.after"})
    assert wrong.exit_code == 2 and "Set failed before it" in after.comment
    assert door.finish_stage(caller(), "prepare").result is False


def test_a_dry_run_keeps_its_findings_from_state_to_state(caller, tmp_path):
    dry = caller(test=True)
    reports = orchestrate(dry, "prepare", SET)
    assert [report.result for report in reports.values()] == [True, None, None]
    assert dry.dry_run.would_change and not (tmp_path / "state").exists()


def test_a_dry_run_of_a_refused_stage_looks_at_nothing(caller):
    reports = orchestrate(caller(test=True, seed=9), "upgrade-db", SET)
    assert [report.result for report in reports.values()] == [False, False, False]
    assert toys.CALLS == []


def test_any_stage_of_an_upgrade_is_named_by_its_seed(caller):
    clone(caller)
    assert door.verify_stage(caller(seed=2), "upgrade-env") == {"toy.set": {"step": {"value": "set"}}}
    toys.HOOKS["undo.key"] = lambda ctx: ctx.unbind_seed()
    assert door.undo_stage(caller(seed=2), "upgrade-env") == {"toy.set": {"result": True, "comment": "removed"}}
    with pytest.raises(BadInput, match="not a seed"):
        door.undo_stage(caller(seed=2), "upgrade-env")


def test_verifying_writes_nothing(caller, tmp_path):
    clone(caller)
    with Journal.open_to_read(tmp_path / "state") as journal:
        newest = journal.runs.latest()
    door.verify_stage(caller(), "prepare")
    with Journal.open_to_read(tmp_path / "state") as journal:
        assert journal.runs.latest() == newest


def test_verifying_an_earlier_stage_is_refused_once_a_later_one_began(caller):
    clone(caller)
    orchestrate(caller(seed=2), "upgrade-db", SET)
    with pytest.raises(Refused, match="verify upgrade-db"):
        door.verify_stage(caller(seed=2), "upgrade-env")
