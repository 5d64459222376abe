"""How a step is run: what is in the journal when, what a second run does, what stops and what still runs."""

import pytest

from octane import definition, stage_run
from octane.definition import Definition
from octane.errors import BadInput, Failed, InvariantBroken, NodeFailed, NodeSilent, Refused
from octane.journal import Journal, runs, steps
from octane.journal.holder import Holder
from octane.running import StepRunner
from octane.stage import undo_command
from tests.unit import steps as toys
from tests.unit.fakes import Bench, FakeNodes, holder

SET = {"library": "tests.unit.steps:Set"}


@pytest.fixture(autouse=True)
def fresh_world():
    toys.reset()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def plan_of(*entries):
    return [Definition.from_state(f"Sentence of {entry['step']}", entry) for entry in entries]


def run_stage(bench, *entries, **options):
    """Open `prepare`, run all steps, close it: (reports of steps, report of the stage)."""
    plan = plan_of(*entries)
    stage_run.open_stage(bench.context(**options), plan)
    reports = [StepRunner(bench.context(**options), step).apply() for step in plan]
    return reports, stage_run.finish_stage(bench.context(**options))


def record(bench, name, stage="prepare"):
    return bench.journal.steps.get(0, stage, name)


def attempts(bench, name):
    return bench.journal.steps.attempts(record(bench, name))


def dies_like_a_killed_process(ctx):
    raise KeyboardInterrupt


def test_the_intent_is_in_the_journal_before_the_step_acts(bench):
    seen = []

    def look(ctx):
        with Journal.open_to_read(bench.directory) as journal:
            seen.append(journal.steps.get(0, "prepare", "toy.set").status)
            seen.append(bench.tags()[-1])

    toys.HOOKS["apply.key"] = look
    run_stage(bench, {"step": "toy.set", **SET})
    assert seen == [steps.BEGUN, "octane/master/prepare/toy.set/begin"]


def test_a_step_leaves_result_evidence_and_events(bench):
    reports, verdict = run_stage(bench, {"step": "toy.set", **SET, "holds": ["unit_key_set"]})
    (attempt,) = attempts(bench, "toy.set")
    evidence = [(entry.name, entry.phase, entry.held) for entry in bench.journal.steps.evidence(attempt)]

    assert (reports[0].result, verdict.result) == (True, True)
    assert (attempt.act, attempt.result, attempt.changes) == ("apply", "done", {"key": "set"})
    assert evidence == [("unit_key_set", "before", False), ("step", "after", True), ("unit_key_set", "after", True)]
    assert bench.tags() == [
        "octane/master/prepare/begin",
        "octane/master/prepare/toy.set/begin",
        "octane/master/prepare/toy.set/done",
        "octane/master/prepare/done",
    ]


def test_an_invariant_can_compare_with_what_it_saw_before(bench):
    run_stage(bench, {"step": "toy.set", **SET, "holds": ["unit_key_set"]})
    (attempt,) = attempts(bench, "toy.set")
    assert bench.journal.steps.evidence(attempt)[-1].data["before"] == {"broken": "the key is not set"}


def test_a_fresh_step_that_has_nothing_to_do_is_not_applied_but_verified(bench):
    toys.WORLD["key"] = "set"
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    assert toys.CALLS == ["pending key", "verify key"]
    assert reports[0].comment == "nothing to do"


def test_a_finished_stage_run_again_is_verified_and_changes_nothing(bench):
    run_stage(bench, {"step": "toy.set", **SET, "holds": ["unit_key_set"]})
    toys.CALLS.clear()
    reports, verdict = run_stage(bench, {"step": "toy.set", **SET, "holds": ["unit_key_set"]})

    assert toys.CALLS == ["pending key", "verify key"]
    assert (reports[0].comment, reports[0].changes) == ("nothing to do", {})
    assert verdict.comment == "nothing to do: all 1 steps were done before and still hold"
    assert [attempt.act for attempt in attempts(bench, "toy.set")] == ["apply", "verify"]


def test_a_done_step_that_does_not_hold_any_more_is_converged_and_says_so(bench):
    run_stage(bench, {"step": "toy.set", **SET})
    toys.WORLD.clear()
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    assert toys.WORLD == {"key": "set"}
    assert reports[0].comment == "was done, has changed since: key; set"


def test_a_done_step_whose_invariant_broke_fails_and_stops_the_stage(bench):
    toys.WORLD["key"] = "set"
    run_stage(bench, {"step": "toy.one", "library": "tests.unit.steps:Check", "holds": ["unit_key_set"]})
    toys.WORLD.clear()
    reports, verdict = run_stage(
        bench, {"step": "toy.one", "library": "tests.unit.steps:Check", "holds": ["unit_key_set"]}
    )
    assert "unit_key_set does not hold: the key is not set" in reports[0].comment
    assert verdict.result is False


def silent_times(count, node="node-2"):
    """A hook: a node gives no answer the first COUNT times that it is asked."""
    left = iter(range(count))

    def hook(ctx):
        if next(left, None) is not None:
            raise NodeSilent(node, "x.y", "no answer within 60 s")

    return hook


@pytest.mark.parametrize("act", ["pending", "apply", "verify"])
def test_a_node_that_was_too_busy_to_answer_is_asked_once_more_and_the_journal_says_so(bench, act):
    toys.HOOKS[f"{act}.key"] = silent_times(1)
    reports, verdict = run_stage(bench, {"step": "toy.set", **SET})
    assert (verdict.result, toys.WORLD) == (True, {"key": "set"})
    assert toys.CALLS.count(f"{act} key") == 2
    assert reports[0].comment == "set (at the second try, after node-2: x.y: no answer within 60 s)"
    assert [attempt.comment for attempt in attempts(bench, "toy.set")] == [reports[0].comment]


def test_a_silence_is_told_once_though_the_look_at_a_done_step_leads_to_another_attempt(bench):
    run_stage(bench, {"step": "toy.set", **SET})
    toys.WORLD.clear()
    toys.HOOKS["pending.key"] = silent_times(1)
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    told = " (at the second try, after node-2: x.y: no answer within 60 s)"
    assert reports[0].comment == f"was done, has changed since: key{told}; set"


@pytest.mark.parametrize("act", ["pending", "apply", "verify"])
def test_one_that_stays_silent_stops_the_stage(bench, act):
    toys.HOOKS[f"{act}.key"] = silent_times(2)
    reports, verdict = run_stage(bench, {"step": "toy.set", **SET})
    assert verdict.result is False
    assert "node-2: x.y: no answer within 60 s; to go on:" in reports[0].comment


def test_what_failed_otherwise_is_not_tried_again(bench):
    def fails(ctx):
        raise NodeFailed("node-2", "x.y", "disk full")

    toys.HOOKS["apply.key"] = fails
    run_stage(bench, {"step": "toy.set", **SET})
    assert toys.CALLS.count("apply key") == 1


def test_the_way_back_waits_for_nobody_twice(bench):
    run_stage(bench, {"step": "toy.set", **SET})
    toys.HOOKS["undo.key"] = silent_times(1)
    stage_run.undo_stage(bench.context())
    assert toys.CALLS.count("undo key") == 1


def test_what_died_between_intent_and_act_is_applied_by_the_next_run(bench, monkeypatch):
    dead = holder()
    monkeypatch.setattr(Holder, "current", classmethod(lambda cls: dead))
    toys.HOOKS["apply.key"] = dies_like_a_killed_process
    with pytest.raises(KeyboardInterrupt):
        run_stage(bench, {"step": "toy.set", **SET})
    assert record(bench, "toy.set").status == steps.BEGUN

    monkeypatch.undo()
    toys.reset()
    # Whatever pending() makes of a half-done world, a begun step is applied.
    toys.WORLD["key"] = "set"
    plan = plan_of({"step": "toy.set", **SET})
    opened = stage_run.open_stage(bench.context(), plan)
    StepRunner(bench.context(), plan[0]).apply()

    assert "took over the lock of prepare" in opened.comment and "which is dead" in opened.comment
    assert toys.CALLS == ["apply key", "verify key"]
    assert record(bench, "toy.set").status == steps.DONE


def test_a_failure_names_the_node_what_ran_and_how_to_go_on_or_back(bench):
    bench.nodes = FakeNodes(octane_api__read_only=lambda target: None if target == "node-2" else {})
    entry = {
        "step": "toy.node",
        "tgt": ["node-1", "node-2"],
        "apply": "octane_api.read_only",
        "undo": "octane_api.read_write",
    }
    reports, verdict = run_stage(bench, entry)

    assert reports[0].comment == (
        "toy.node: node-2: octane_api.read_only: no answer within 60 s; "
        "to go on: `octane prepare`, to go back: `salt-run octane.undo prepare`"
    )
    assert verdict.comment == reports[0].comment
    assert record(bench, "toy.node").status == steps.FAILED
    assert bench.events[-2][1]["node"] == "node-2"


def test_where_the_way_back_is_the_only_one_nothing_else_is_offered(bench):
    def lost(ctx):
        raise InvariantBroken("written to", next_command=undo_command(ctx.stage, ctx.pair, ctx.options))

    toys.HOOKS["verify.key"] = lost
    reports, _ = run_stage(bench, {"step": "toy.set", "library": "tests.unit.steps:Set"})
    assert reports[0].comment.endswith("to go back, which is the only way on: `salt-run octane.undo prepare`")


def test_no_way_back_is_offered_when_a_step_has_none(bench):
    bench.nodes = FakeNodes(x__y=False)
    reports, _ = run_stage(bench, {"step": "toy.node", "tgt": "node-1", "apply": "x.y"})
    assert "to go on" in reports[0].comment and "to go back" not in reports[0].comment


def test_after_a_failure_only_what_puts_things_back_still_runs(bench):
    bench.nodes = FakeNodes(x__y=False)
    reports, verdict = run_stage(
        bench,
        {"step": "toy.fails", "tgt": "node-1", "apply": "x.y"},
        {"step": "toy.skipped", **SET, "kwargs": {"key": "skipped"}},
        {"step": "toy.put_back", **SET, "kwargs": {"key": "put_back"}, "always": True},
    )
    assert [report.result for report in reports] == [False, False, True]
    assert reports[1].comment == "not run: toy.fails failed before it"
    assert toys.WORLD == {"put_back": "set"}
    assert verdict.result is False and verdict.exit_code == 1


def test_a_failed_stage_is_finished_by_the_same_command(bench):
    broken = {"yes": True}
    bench.nodes = FakeNodes(x__y=lambda target: False if broken else {"file": "written"})
    entries = [{"step": "toy.set", **SET}, {"step": "toy.node", "tgt": "node-1", "apply": "x.y"}]
    run_stage(bench, *entries)
    broken.clear()
    toys.CALLS.clear()
    reports, verdict = run_stage(bench, *entries)

    assert [report.comment for report in reports] == ["nothing to do", "changed node-1"]
    assert "apply key" not in toys.CALLS
    assert verdict.result is True


def test_an_unexpected_error_is_journaled_as_a_failure(bench):
    toys.HOOKS["apply.key"] = lambda ctx: 1 / 0
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    assert "ZeroDivisionError" in reports[0].comment
    assert record(bench, "toy.set").status == steps.FAILED


def test_evidence_with_a_secret_fails_the_step_and_is_not_kept(bench, monkeypatch):
    monkeypatch.setattr(toys.Set, "verify", lambda self, ctx: {"password": "hush"})
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    assert reports[0].result is False
    assert "looks like a secret" in reports[0].comment and "hush" not in reports[0].comment
    assert b"hush" not in b"".join(path.read_bytes() for path in bench.directory.iterdir())


def test_a_broken_invariant_fails_the_step_with_its_evidence_kept(bench):
    reports, _ = run_stage(bench, {"step": "toy.set", **SET, "holds": ["unit_never"]})
    (attempt,) = attempts(bench, "toy.set")
    assert "unit_never does not hold: node-9: it never does" in reports[0].comment
    last = bench.journal.steps.evidence(attempt)[-1]
    assert (last.name, last.held, last.data) == ("unit_never", False, {"broken": "node-9: it never does"})


def test_a_node_step_runs_its_state_with_given_and_computed_arguments_on_the_named_nodes(bench):
    entry = {
        "step": "toy.node",
        "tgt": ["node-1", "node-2"],
        "apply": "x.y",
        "kwargs": {"size": 1, "timeout": 5},
        "kwargs_from": "tests.unit.test_step:computed",
    }
    run_stage(bench, entry)
    assert bench.nodes.asked == [
        ("x.y", ["node-1", "node-2"], False, {"name": "toy.node", "size": 1, "timeout": 5, "stage": "prepare"})
    ]


def computed(ctx):
    return {"stage": ctx.stage.name}


def test_a_word_for_targets_is_looked_up_when_the_step_runs_and_journaled_as_names(bench, monkeypatch):
    class Sides:
        originals, seeds, computes = ("node-1",), ("node-4",), ()

    monkeypatch.setattr("octane.sides.sides", lambda ctx: Sides)
    reports, _ = run_stage(
        bench,
        {"step": "toy.both", "tgt": "controllers", "apply": "x.y"},
        {"step": "toy.none", "tgt": "computes", "apply": "x.y"},
    )
    assert bench.nodes.asked[0][1] == ["node-1", "node-4"]
    assert record(bench, "toy.both").definition["targets"] == ["node-1", "node-4"]
    assert "this upgrade has no computes" in reports[1].comment


def test_a_node_step_found_done_asks_the_state_before_it_applies_again(bench):
    changes = {"file": "written"}
    bench.nodes = FakeNodes(x__y=lambda target: dict(changes))
    entry = {"step": "toy.node", "tgt": "node-1", "apply": "x.y"}
    run_stage(bench, entry)
    changes.clear()
    reports, _ = run_stage(bench, entry)
    changes["file"] = "gone"
    again, _ = run_stage(bench, entry)

    assert [test for _, _, test, _ in bench.nodes.asked] == [False, True, True, False]
    assert reports[0].comment == "nothing to do"
    assert again[0].comment == "was done, has changed since: node-1; changed node-1"


def test_a_step_whose_effect_has_ended_is_not_asked_for_again(bench):
    bench.nodes = FakeNodes(x__close={"door": "closed"}, x__open={"door": "open"})
    entries = [
        {"step": "toy.closed", "tgt": "node-1", "apply": "x.close", "until": "toy.opened"},
        {"step": "toy.opened", "tgt": "node-1", "apply": "x.open"},
    ]
    run_stage(bench, *entries)
    bench.nodes.returns.clear()
    bench.nodes.asked.clear()
    reports, verdict = run_stage(bench, *entries)
    assert reports[0].comment == "nothing to do: lasted until toy.opened, which is done"
    assert [fun for fun, *_ in bench.nodes.asked] == ["x.open"]
    assert verdict.result is True


def test_a_stop_takes_effect_between_steps_and_the_next_run_goes_on(bench):
    def ask_to_stop(ctx):
        bench.journal.runs.request_stop(bench.journal.runs.open_of(Holder.current()))

    toys.HOOKS["apply.one"] = ask_to_stop
    entries = [{"step": f"toy.{key}", **SET, "kwargs": {"key": key}} for key in ("one", "two")]
    reports, verdict = run_stage(bench, *entries)
    assert [report.result for report in reports] == [True, False]
    assert (verdict.exit_code, verdict.comment) == (130, "stopped before toy.two as asked; to go on: `octane prepare`")

    again, verdict = run_stage(bench, *entries)
    assert [report.comment for report in again] == ["nothing to do", "set"]
    assert verdict.result is True


def test_a_stop_asked_for_during_the_last_step_stops_nothing(bench):
    toys.HOOKS["apply.key"] = lambda ctx: bench.journal.runs.request_stop(bench.journal.runs.open_of(Holder.current()))
    _, verdict = run_stage(bench, {"step": "toy.set", **SET})
    assert verdict.result is True and bench.journal.runs.latest().result == runs.DONE


def test_a_run_that_lost_its_lock_writes_nothing_more(bench, tmp_path):
    def lose_the_lock(ctx):
        thief = holder(pid=1)
        with bench.journal._database.writing() as connection:
            connection.execute("UPDATE locks SET token = token + 1, holder = ?", (runs.encode(thief.to_dict()),))

    toys.HOOKS["apply.key"] = lose_the_lock
    plan = plan_of({"step": "toy.set", **SET})
    stage_run.open_stage(bench.context(), plan)
    report = StepRunner(bench.context(), plan[0]).apply()
    assert report.result is False and "lost its lock" in report.comment
    assert record(bench, "toy.set").status == steps.BEGUN


def test_steps_without_an_open_stage_do_nothing(bench):
    report = StepRunner(bench.context(), plan_of({"step": "toy.set", **SET})[0]).apply()
    assert report.result is False and toys.CALLS == []


def test_progress_is_kept_and_fired(bench):
    toys.HOOKS["apply.key"] = lambda ctx: ctx.progress("half-way", bytes=5)
    run_stage(bench, {"step": "toy.set", **SET})
    (note,) = bench.journal.progress.since(0)
    assert (note.source, note.text, note.numbers) == ("master", "half-way", {"bytes": 5})
    assert "octane/master/prepare/toy.set/progress" in bench.tags()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"step": "toy set", **SET}, "no name of a step"),
        ({"step": "toy.set"}, "either library or apply"),
        ({"step": "toy.set", **SET, "apply": "x.y"}, "either library or apply"),
        ({"step": "toy.set", "apply": "x.y"}, "names no node"),
        ({"step": "toy.set", "apply": "x.y", "tgt": "node-*"}, "no minion's id"),
        ({"step": "toy.set", "apply": "cmd", "tgt": "node-1"}, "no state function"),
        ({"step": "toy.set", "library": "octane"}, "not module:name"),
        ({"step": "toy.set", **SET, "tgt": "node-1"}, "takes no tgt"),
        ({"step": "toy.set", **SET, "undo": "x.y"}, "brings its own undo"),
        ({"step": "toy.set", **SET, "timeout": 0}, "timeout"),
        ({"step": "toy.set", **SET, "colour": "red"}, "does not take colour"),
        ({"step": "toy.set", **SET, "kwargs": {"password": "hush"}}, "looks like a secret"),
        ({**SET}, "needs the name"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_reason(entry, complaint):
    with pytest.raises(BadInput, match=complaint) as caught:
        Definition.from_state("Sentence", entry)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"step": "toy.x", "library": "tests.unit.steps:Missing"}, "cannot be loaded"),
        ({"step": "toy.x", "library": "nowhere.at_all:Set"}, "cannot be loaded"),
        ({"step": "toy.x", "library": "tests.unit.fakes:Bench"}, "is no LibraryStep"),
        ({"step": "toy.x", **SET, "kwargs": {"colour": "red"}}, "does not take these kwargs"),
        ({"step": "toy.x", **SET, "holds": ["no_such_invariant"]}, "no invariant 'no_such_invariant'"),
        ({"step": "toy.x", **SET, "until": "toy.y"}, "lasts until toy.y, which is no step"),
    ],
)
def test_a_stage_with_a_wrong_step_does_not_begin(bench, entry, complaint):
    with pytest.raises(BadInput, match=complaint):
        stage_run.open_stage(bench.context(), plan_of(entry))
    assert bench.journal.runs.latest() is None


def test_two_steps_of_one_name_are_refused(bench):
    with pytest.raises(BadInput, match="there twice"):
        stage_run.open_stage(bench.context(), plan_of({"step": "toy.x", **SET}, {"step": "toy.x", **SET}))


def test_what_is_journaled_of_a_step_is_enough_to_rebuild_it():
    (step,) = plan_of({"step": "toy.x", "tgt": ["a", "b"], "apply": "x.y", "undo": definition.NOTHING, "holds": ["h"]})
    assert Definition.from_dict({**step.to_dict(), "checks_only": False}) == step


def test_errors_of_a_step_without_their_own_next_command_get_the_stage_s(bench):
    def fail(ctx):
        raise Failed("no", next_command="fuel2 task list")

    toys.HOOKS["apply.key"] = fail
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    assert "to go on: `fuel2 task list`" in reports[0].comment


def test_a_stage_is_not_done_until_every_step_of_its_plan_is(bench):
    plan = plan_of({"step": "toy.set", **SET}, {"step": "toy.left_out", **SET})
    stage_run.open_stage(bench.context(), plan)
    StepRunner(bench.context(), plan[0]).apply()
    verdict = stage_run.finish_stage(bench.context())
    assert verdict.result is False and "not run: toy.left_out" in verdict.comment


def test_a_refusal_inside_a_step_keeps_its_exit_code(bench):
    def refuse(ctx):
        raise Refused("three problems")

    toys.HOOKS["apply.key"] = refuse
    _, verdict = run_stage(bench, {"step": "toy.set", **SET})
    assert verdict.exit_code == 3


def test_invariants_found_by_name_are_the_package_s_own():
    from octane.verify import invariants

    assert "writes_refused" in invariants.names()
    with pytest.raises(ValueError, match="already"):
        invariants.invariant("unit_never")(lambda ctx: {})
    with pytest.raises(InvariantBroken):
        invariants.get("unit_never").check(None)


def test_a_done_step_that_is_refused_when_looked_at_again_stays_done(bench):
    """As when a finished stage is run again with other nodes than it was done with."""
    run_stage(bench, {"step": "toy.set", **SET})

    def refuse(ctx):
        raise Refused("it was begun with other nodes", next_command="octane upgrade-env 1")

    toys.HOOKS["pending.key"] = refuse
    reports, verdict = run_stage(bench, {"step": "toy.set", **SET})
    assert verdict.exit_code == 3 and "it was begun with other nodes" in reports[0].comment
    assert record(bench, "toy.set").status == steps.DONE
    assert [attempt.result for attempt in attempts(bench, "toy.set")] == ["done", "failed"]


def test_wrong_input_is_not_to_be_repeated(bench):
    def complain(ctx):
        raise BadInput("there is no node 99")

    toys.HOOKS["apply.key"] = complain
    reports, _ = run_stage(bench, {"step": "toy.set", **SET})
    assert reports[0].comment == "toy.set: there is no node 99"


def test_nothing_is_to_be_taken_back_after_a_mere_check_failed(bench):
    reports, _ = run_stage(bench, {"step": "toy.check", "library": "tests.unit.steps:Check", "holds": ["unit_never"]})
    assert reports[0].comment.endswith("to go on: `octane prepare`")
