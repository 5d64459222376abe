"""Stages: their order, what they take, dry runs, going back, two at once."""

import pytest

from octane import stage as stages
from octane import stage_run
from octane.context import DryRun
from octane.definition import Definition
from octane.errors import BadInput, Failed, NodeFailed, NodeSilent, Refused
from octane.journal import Journal, steps
from octane.journal.holder import Holder
from octane.journal.runs import NewRun
from octane.running import StepRunner
from tests.unit import steps as toys
from tests.unit.fakes import Bench, FakeNodes, holder


@pytest.fixture(autouse=True)
def fresh_world():
    toys.reset()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def plan_of(*keys, **more):
    return [
        Definition.from_state(
            f"Set {key}", {"step": f"toy.{key}", "library": "tests.unit.steps:Set", "kwargs": {"key": key}, **more}
        )
        for key in keys
    ]


def run_stage(bench, stage, plan=None, **options):
    plan = plan_of("key") if plan is None else plan
    ctx = bench.context(stage, **options)
    stage_run.open_stage(ctx, plan)
    for step in plan:
        StepRunner(ctx, step).apply()
    return stage_run.finish_stage(ctx)


def fail(ctx):
    raise Failed("not now")


def clone(bench, original=1, seed=2):
    """prepare and upgrade-env are done, and the pair has its seed."""
    if not stages.is_done(bench.journal, 0, "prepare"):
        run_stage(bench, "prepare")
    toys.HOOKS["apply.clone"] = lambda ctx: ctx.bind_seed(seed)
    assert run_stage(bench, "upgrade-env", plan_of("clone"), original=original).result is True
    toys.WORLD.clear()


def test_stages_run_in_their_order(bench):
    clone(bench)
    for stage in ("upgrade-db", "upgrade-control", "cleanup-env"):
        assert run_stage(bench, stage, plan_of(stage.replace("-", "_")), seed=2).result is True
    assert run_stage(bench, "cleanup-fuel", plan_of("fuel")).result is True


def test_a_controller_that_was_left_out_of_the_switch_is_told_in_the_verdict_with_what_fences_it(bench):
    """Nobody could fence it on its disk, so that it must not come back as it was."""
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("db"), seed=2)
    for _ in range(2):
        told = run_stage(bench, "upgrade-control", plan_of("control"), seed=2, fenced=["node-2", "node-3"]).comment
        assert "keep node-2, node-3 powered off" in told and "`octane upgrade-control 2`" in told
        assert bench.journal.runs.last_done(1, "upgrade-control").comment == told
    assert "powered off" not in run_stage(bench, "upgrade-control", plan_of("control"), seed=2).comment


@pytest.mark.parametrize(
    ("stage", "options", "sentence"),
    [
        (
            "upgrade-control",
            {"seed": 2},
            "upgrade-control comes after upgrade-db, which is not finished; next: `octane upgrade-db 2`",
        ),
        ("cleanup-env", {"seed": "2"}, "cleanup-env comes after upgrade-control, which is not finished"),
        ("cleanup-fuel", {}, "the upgrade of environment 1 is not finished: finish it with `octane cleanup-env 2`"),
    ],
)
def test_a_stage_out_of_order_is_refused_and_the_missing_one_named(bench, stage, options, sentence):
    clone(bench)
    with pytest.raises(Refused) as caught:
        stage_run.open_stage(bench.context(stage, **options), [])
    assert sentence in str(caught.value)
    assert [run.stage for run in bench.journal.runs.of_pair(1)] == ["upgrade-env"]


def test_nothing_comes_before_prepare(bench):
    with pytest.raises(Refused, match=r"upgrade-env comes after prepare.*`octane prepare`"):
        stage_run.open_stage(bench.context("upgrade-env", original=1), [])
    assert bench.journal.pairs.all() == []


@pytest.mark.parametrize(
    ("stage", "options", "sentence"),
    [
        ("upgrade-db", {"seed": "two"}, "SEED must be the number of an environment"),
        ("upgrade-db", {"seed": -2}, "SEED must be the number"),
        ("upgrade-db", {"seed": True}, "SEED must be the number"),
        ("upgrade-db", {}, "SEED must be the number"),
        ("upgrade-db", {"seed": 1}, "environment 1 is an original, not a seed: its seed is 2"),
        ("upgrade-db", {"seed": 9}, "environment 9 is not a seed of any upgrade; known seeds: 2"),
        ("upgrade-db", {"original": 9}, "environment 9 has no seed yet; next: `octane upgrade-env 9`"),
        ("upgrade-env", {"original": 2}, "environment 2 is a seed (of environment 1), not an original"),
        ("upgrade-env", {"original": "1; reboot"}, "ENV must be the number of an environment"),
    ],
)
def test_wrong_ids_are_named_with_the_fix(bench, stage, options, sentence):
    clone(bench)
    with pytest.raises(BadInput) as caught:
        stage_run.open_stage(bench.context(stage, **options), [])
    assert sentence in str(caught.value)


def test_an_orchestration_of_all_stages_names_the_upgrade_by_its_original(bench):
    clone(bench)
    assert run_stage(bench, "upgrade-db", original=1).result is True
    assert stages.is_done(bench.journal, bench.journal.pairs.of_seed(2).id, "upgrade-db")


def test_records_made_before_the_seed_exists_are_found_by_later_stages(bench):
    run_stage(bench, "prepare")
    toys.HOOKS["apply.key"] = lambda ctx: (ctx.record("old.dns", ["8.8.8.8"]), ctx.bind_seed(2))
    toys.WORLD.clear()
    run_stage(bench, "upgrade-env", original=1)
    ctx = bench.context("upgrade-db", seed=2)
    ctx.pair = stages.find_pair(bench.journal, ctx.stage, ctx.options)
    assert ctx.recall("old.dns") == ["8.8.8.8"]
    assert ctx.recall("never", "default") == "default"


def test_events_carry_the_original_until_there_is_a_seed(bench):
    clone(bench)
    tags = [tag for tag in bench.tags() if "upgrade-env" in tag]
    assert tags == [
        "octane/env-1/upgrade-env/begin",
        "octane/env-1/upgrade-env/toy.clone/begin",
        "octane/2/upgrade-env/toy.clone/done",
        "octane/2/upgrade-env/done",
    ]


def test_a_seed_belongs_to_one_original(bench):
    clone(bench)
    with pytest.raises(Refused, match="already the seed of environment 1"):
        bench.journal.pairs.set_seed(bench.journal.pairs.create(7), 2)
    with pytest.raises(Refused, match="already has the seed 2, not 3"):
        bench.journal.pairs.set_seed(bench.journal.pairs.of_original(1), 3)


def test_a_second_run_at_the_same_time_is_refused_and_told_who_runs_the_first(bench, monkeypatch):
    clone(bench)
    pair = bench.journal.pairs.of_seed(2)
    other = holder(pid=1, ticks=_ticks_of_init(), who="alice")
    bench.journal.runs.begin(NewRun(pair.id, "upgrade-db"), other)
    with pytest.raises(Refused) as caught:
        stage_run.open_stage(bench.context("upgrade-db", seed=2), [])
    for part in ("upgrade-db is being run by alice", "process 1", other.host, "since 20"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 3


def _ticks_of_init():
    from octane.journal.holder import start_ticks

    return start_ticks(1)


def test_a_finished_stage_is_not_looked_at_once_a_later_one_has_begun(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("db"), seed=2)
    run_stage(bench, "upgrade-control", plan_of("control"), seed=2)
    toys.WORLD.clear()
    toys.CALLS.clear()
    verdict = run_stage(bench, "upgrade-db", plan_of("db"), seed=2)
    assert verdict.result is True
    assert "upgrade-db was finished on" in verdict.comment and "upgrade-control has begun since" in verdict.comment
    assert toys.CALLS == [] and stages.is_done(bench.journal, 1, "upgrade-db")


def test_a_preflight_check_that_failed_does_not_count_as_begun(bench):
    clone(bench)
    (check,) = [
        Definition.from_state(
            "Check", {"step": "toy.check", "library": "tests.unit.steps:Check", "holds": ["unit_never"]}
        )
    ]
    run_stage(bench, "upgrade-db", plan_of("db"), seed=2)
    assert run_stage(bench, "upgrade-control", [check], seed=2).result is False
    assert stages.later_begun(bench.journal, 1, stages.get("upgrade-db")) is None


def test_a_trial_can_be_repeated_and_begins_anew_each_time(bench):
    clone(bench)
    for _ in range(2):
        toys.CALLS.clear()
        assert run_stage(bench, "rehearse-db", plan_of("copy"), seed=2).result is True
        assert "apply copy" in toys.CALLS
        toys.WORLD.clear()
    assert stages.later_begun(bench.journal, 1, stages.get("upgrade-env")) is None
    assert run_stage(bench, "upgrade-db", plan_of("db"), seed=2).result is True


def test_nothing_is_tried_out_once_the_real_stage_has_begun(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("db"), seed=2)
    with pytest.raises(Refused, match=r"upgrade-db has begun.*next: `octane upgrade-db 2`"):
        stage_run.open_stage(bench.context("rehearse-db", seed=2), plan_of("copy"))


def test_a_trial_that_is_half_way_is_finished_or_taken_back_first(bench):
    clone(bench)
    ctx = bench.context("rehearse-db", seed=2)
    stage_run.open_stage(ctx, plan_of("copy", "migrate"))
    StepRunner(ctx, plan_of("copy")[0]).apply()
    assert stage_run.finish_stage(ctx).result is False
    with pytest.raises(Refused, match=r"rehearse-db is half-way.*next: `octane upgrade-db 2 --rehearse`"):
        stage_run.open_stage(bench.context("upgrade-db", seed=2), plan_of("db"))
    stage_run.undo_stage(bench.context("rehearse-db", seed=2))
    assert run_stage(bench, "upgrade-db", plan_of("db"), seed=2).result is True


def test_a_check_that_found_something_keeps_nobody_from_the_stage(bench):
    """What it found may be settled otherwise, as by an option of the stage itself."""
    clone(bench)
    toys.HOOKS["verify.found"] = fail
    plan = plan_of("nothing", undo="nothing") + plan_of("found", undo="nothing")
    assert run_stage(bench, "check-db", plan, seed=2).result is False
    assert run_stage(bench, "upgrade-db", plan_of("db"), seed=2, leave=["sahara"]).result is True


def test_a_rehearsal_that_failed_and_was_thrown_away_keeps_nobody_from_the_stage(bench):
    clone(bench)
    toys.HOOKS["apply.migrate"] = fail
    plan = [*plan_of("copy", "migrate"), *plan_of("thrown_away", always=True)]
    ctx = bench.context("rehearse-db", seed=2)
    for _ in range(2):
        assert run_stage(bench, "rehearse-db", plan, seed=2, rate=9).result is False
        opened = bench.context("upgrade-db", seed=2)
        stage_run.open_stage(opened, plan_of("db"))
        stage_run.finish_stage(opened)
        toys.WORLD.clear()
    stage_run.open_stage(ctx, plan)
    StepRunner(ctx, plan[0]).apply()
    stage_run.finish_stage(ctx)
    with pytest.raises(Refused, match=r"half-way"):
        stage_run.open_stage(bench.context("upgrade-db", seed=2), plan_of("db"))


def test_cleaning_the_master_makes_prepare_necessary_again(bench):
    run_stage(bench, "prepare")
    run_stage(bench, "cleanup-fuel", plan_of("fuel"))
    assert not stages.is_done(bench.journal, 0, "prepare")
    with pytest.raises(Refused, match="comes after prepare"):
        stage_run.open_stage(bench.context("upgrade-env", original=1), [])
    assert run_stage(bench, "prepare").result is True
    assert not stages.is_done(bench.journal, 0, "cleanup-fuel")


def test_a_master_that_is_half_cleaned_up_is_prepared_first(bench):
    clone(bench)
    for stage in ("upgrade-db", "upgrade-control", "cleanup-env"):
        assert run_stage(bench, stage, plan_of(stage.replace("-", "_")), seed=2).result is True
    ctx = bench.context("cleanup-fuel")
    stage_run.open_stage(ctx, plan_of("one", "two"))
    StepRunner(ctx, plan_of("one")[0]).apply()
    assert stage_run.finish_stage(ctx).result is False
    for stage in ("upgrade-db", "cleanup-env"):
        with pytest.raises(Refused, match=f"{stage} comes after prepare.*`octane prepare`"):
            stage_run.open_stage(bench.context(stage, seed=2), [])
    assert run_stage(bench, "prepare").result is True
    assert stage_run.open_stage(bench.context("cleanup-env", seed=2), plan_of("cleanup_env")).result is True


def test_what_was_typed_is_looked_at_before_anything_is_written(bench):
    run_stage(bench, "prepare")
    for test in (False, True):
        with pytest.raises(BadInput, match="no environment 9"):
            stage_run.open_stage(bench.context("upgrade-env", test=test, original=9), [], f"{__name__}:only_one")
    assert bench.journal.pairs.all() == [] and bench.journal.runs.of_pair(1) == []
    assert stage_run.open_stage(bench.context("upgrade-env", original=1), [], f"{__name__}:only_one").result is True


def only_one(ctx):
    if ctx.original != 1:
        raise BadInput(f"there is no environment {ctx.original}")


def test_a_stage_left_open_in_this_process_is_noticed(bench):
    stage_run.open_stage(bench.context("prepare"), [])
    with pytest.raises(Refused, match=r"lacks octane\.finished"):
        stage_run.open_stage(bench.context("prepare"), [])


def test_a_pillar_with_a_secret_is_refused(bench):
    with pytest.raises(BadInput, match="looks like a secret"):
        stage_run.open_stage(bench.context("prepare", password="hush"), [])


# Dry runs


def dry_run(directory, stage, plan, nodes=None, **options):
    """Reports of a dry run on the journal in DIRECTORY, made if the test made one."""
    shared = DryRun(stage=stage)
    with Journal.open_to_read(directory) as journal:
        bench = Bench.__new__(Bench)
        bench.directory, bench.journal, bench.nodes, bench.events = directory, journal, nodes or FakeNodes(), []
        ctx = bench.context(stage, test=True, dry_run=shared, **options)
        stage_run.open_stage(ctx, plan)
        reports = [StepRunner(ctx, step).apply() for step in plan]
        return [*reports, stage_run.finish_stage(ctx)], bench.events


def test_a_dry_run_tells_what_would_change_and_writes_nothing(tmp_path):
    toys.WORLD["two"] = "set"
    reports, events = dry_run(tmp_path / "state", "prepare", plan_of("one", "two"))
    assert [report.result for report in reports] == [None, True, None]
    assert reports[0].changes == {"one": "to be set"}
    assert toys.WORLD == {"two": "set"} and events == []
    assert not (tmp_path / "state").exists()


def test_a_dry_run_leaves_an_existing_journal_as_it_is(bench):
    clone(bench)
    bench.journal.close()
    before = (bench.directory / "journal.sqlite").read_bytes()
    dry_run(bench.directory, "upgrade-db", plan_of("db"), seed=2)
    assert (bench.directory / "journal.sqlite").read_bytes() == before


def test_a_dry_run_of_a_first_upgrade_makes_no_pair(bench):
    run_stage(bench, "prepare")
    reports, _ = dry_run(bench.directory, "upgrade-env", plan_of("clone"), original=1)
    assert reports[-1].result is None and bench.journal.pairs.all() == []


def test_what_depends_on_a_change_that_was_not_made_cannot_be_told(tmp_path):
    def no_seed(ctx):
        raise Failed("there is no seed")

    toys.HOOKS["pending.two"] = no_seed
    reports, _ = dry_run(tmp_path, "prepare", plan_of("one", "two"))
    assert reports[1].result is None
    assert "cannot be told before the steps above are done: there is no seed" in reports[1].comment


def test_a_dry_run_that_meets_an_error_says_so(tmp_path):
    def silent(ctx):
        raise NodeFailed("node-1", "test.ping", "no answer within 5 s")

    toys.HOOKS["pending.one"] = silent
    reports, _ = dry_run(tmp_path, "prepare", plan_of("one"))
    assert reports[0].result is False and "node-1: test.ping: no answer" in reports[0].comment


def test_a_dry_run_with_nothing_to_change_is_clean(tmp_path):
    toys.WORLD["one"] = "set"
    reports, _ = dry_run(tmp_path, "prepare", plan_of("one"))
    assert [report.result for report in reports] == [True, True]


def test_a_step_cannot_record_anything_in_a_dry_run(tmp_path):
    toys.HOOKS["pending.one"] = lambda ctx: ctx.record("key", 1)
    reports, _ = dry_run(tmp_path, "prepare", plan_of("one"))
    assert reports[0].result is False and "a dry run does not record 'key'" in reports[0].comment


# Going back


def test_a_stage_is_undone_in_reverse_order_and_can_be_run_again(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one", "two"), seed=2)
    toys.CALLS.clear()
    undone = stage_run.undo_stage(bench.context("upgrade-db", seed=2))

    assert toys.CALLS == ["undo two", "undo one"] and toys.WORLD == {}
    assert [(step, report.comment) for step, report in undone] == [("toy.two", "removed"), ("toy.one", "removed")]
    assert not stages.is_done(bench.journal, 1, "upgrade-db") and not stages.has_begun(bench.journal, 1, "upgrade-db")
    assert bench.tags()[-2:] == ["octane/2/upgrade-db/toy.one/undone", "octane/2/upgrade-db/undone"]
    assert stage_run.undo_stage(bench.context("upgrade-db", seed=2)) == []
    assert run_stage(bench, "upgrade-db", plan_of("one", "two"), seed=2).result is True


def test_an_undo_that_concerns_no_other_step_keeps_none_from_being_taken_back(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", [*plan_of("one"), *plan_of("two", undo_alone=True), *plan_of("three")], seed=2)
    toys.CALLS.clear()

    toys.HOOKS["undo.two"] = fail
    stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert toys.CALLS == ["undo three", "undo two", "undo one"]
    run = bench.journal.runs.latest()
    assert run.result == "failed" and run.comment.endswith("left to be taken back: toy.two")


def test_on_the_way_back_a_silent_node_is_named_with_what_to_state(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one"), seed=2)

    def silent(ctx):
        raise NodeSilent("node-5", "x.y", "not asked, since it does not answer")

    toys.HOOKS["undo.one"] = silent
    stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    told = "if node-5 is powered off and stays so: `octane rollback-db 2 --fenced=node-5`"
    assert told in bench.journal.runs.latest().comment


def test_what_users_wait_for_is_taken_back_first_and_each_of_it_is_tried(bench):
    clone(bench)
    first = plan_of("two", "three", undo_first=True)
    plan = [*plan_of("one"), *first, *plan_of("four")]
    run_stage(bench, "upgrade-db", plan, seed=2)
    toys.CALLS.clear()

    toys.HOOKS["undo.three"] = fail
    reports = stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert toys.CALLS == ["undo three", "undo two"]
    assert [report.result for _, report in reports] == [False, True]
    run = bench.journal.runs.latest()
    assert run.result == "failed" and run.comment.startswith("toy.three: not now; to go on: `octane rollback-db 2`")
    assert run.comment.endswith("left to be taken back: toy.three, toy.four, toy.one")
    with pytest.raises(Refused, match=r"half taken back.*`octane rollback-db 2`"):
        stage_run.open_stage(bench.context("upgrade-db", seed=2), plan)

    toys.HOOKS.clear()
    toys.CALLS.clear()
    stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert toys.CALLS == ["undo three", "undo four", "undo one"]
    assert run_stage(bench, "upgrade-db", plan, seed=2).result is True


def test_an_undo_that_failed_goes_on_where_it_stopped(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one", "two", "three"), seed=2)

    toys.HOOKS["undo.two"] = fail
    stopped = stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert "to go on: `octane rollback-db 2`" in stopped[-1][1].comment
    assert set(toys.WORLD) == {"one", "two"}

    toys.HOOKS.clear()
    toys.CALLS.clear()
    stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert toys.CALLS == ["undo two", "undo one"]


def test_a_half_done_step_is_undone_too(bench):
    clone(bench)

    def fail(ctx):
        toys.WORLD["two"] = "half"
        raise Failed("half-way")

    toys.HOOKS["apply.two"] = fail
    run_stage(bench, "upgrade-db", plan_of("one", "two"), seed=2)
    stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert toys.WORLD == {}


def test_no_undo_begins_when_a_step_has_no_way_back(bench):
    clone(bench)
    plan = [*plan_of("one"), Definition.from_state("Go", {"step": "toy.go", "library": "tests.unit.steps:OneWay"})]
    run_stage(bench, "upgrade-db", plan, seed=2)
    toys.CALLS.clear()
    with pytest.raises(Refused, match=r"no way back from toy\.go"):
        stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert toys.CALLS == []


def test_a_stage_is_not_undone_under_a_later_one(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one"), seed=2)
    run_stage(bench, "upgrade-control", plan_of("two"), seed=2)
    with pytest.raises(Refused, match=r"upgrade-control has begun.*`octane rollback-control 2`"):
        stage_run.undo_stage(bench.context("upgrade-db", seed=2))


def test_what_cannot_be_taken_back_ends_the_way_back_of_all_before_it(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one"), seed=2)
    run_stage(bench, "upgrade-control", plan_of("two"), seed=2)
    begun = Definition.from_state("s", {"step": "toy.begun", "library": "tests.unit.steps:Set", "kwargs": {"key": "k"}})
    final = Definition.from_state("s", {"step": "toy.final", "library": "tests.unit.steps:OneWay"})
    run_stage(bench, "upgrade-node", [begun], seed=2, node=2)
    with pytest.raises(Refused, match=r"upgrade-node has begun.*is to be taken back first"):
        stage_run.undo_stage(bench.context("upgrade-control", seed=2))
    run_stage(bench, "upgrade-node", [begun, final], seed=2, node=2)
    told = r"cannot be taken back any more: a node of the original was installed anew \(toy\.final\)"
    with pytest.raises(Refused, match=told):
        stage_run.undo_stage(bench.context("upgrade-control", seed=2))


def test_an_upgrade_that_was_cleaned_up_is_final_and_no_command_is_named_that_would_be_refused(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one"), seed=2)
    run_stage(bench, "upgrade-control", plan_of("two"), seed=2)
    final = Definition.from_state("s", {"step": "toy.final", "library": "tests.unit.steps:OneWay"})
    run_stage(bench, "cleanup-env", [final], seed=2)
    with pytest.raises(Refused, match=r"cannot be taken back any more: cleanup-env said that it stays") as caught:
        stage_run.undo_stage(bench.context("upgrade-control", seed=2))
    assert caught.value.next_command is None


def test_a_stage_that_repeats_is_run_for_the_next_node_also_after_a_later_one(bench):
    clone(bench)
    for stage in ("upgrade-db", "upgrade-control", "upgrade-node", "cleanup-env"):
        assert run_stage(bench, stage, plan_of(stage.replace("-", "_")), seed=2).result is True
    toys.WORLD.clear()
    assert "changed something" in run_stage(bench, "upgrade-node", plan_of("upgrade_node"), seed=2, node=3).comment


def test_the_flow_decides_the_orchestration_the_command_and_what_comes_next(bench):
    env = stages.get("upgrade-env")
    assert env.orchestration_of({"original": 1}) == "upgrade.env"
    assert env.orchestration_of({"original": 1, "node_by_node": True}) == "upgrade.env_node_by_node"
    clone(bench)
    pair = bench.journal.pairs.of_seed(2)
    assert stages.command_line(env, pair, {"node_by_node": True}) == "octane upgrade-env 1 --node-by-node"
    node, control = stages.get("upgrade-node"), stages.get("upgrade-control")
    assert stages.command_line(node, pair, {"node": 3}) == "octane upgrade-node 2 3"
    assert not stages.is_node_by_node(bench.journal, pair)
    assert (stages.next_stage(control).name, stages.next_stage(control, True)) == ("cleanup-env", node)


def test_steps_on_nodes_are_undone_by_their_undo_state_on_the_same_nodes(bench):
    clone(bench)
    entry = {"step": "toy.node", "tgt": ["node-1"], "apply": "x.ro", "undo": "x.rw", "undo_kwargs": {"level": None}}
    mere = {"step": "toy.mere", "tgt": ["node-1"], "apply": "x.look", "undo": "nothing"}
    run_stage(bench, "upgrade-db", [Definition.from_state("s", values) for values in (entry, mere)], seed=2)
    bench.nodes.asked.clear()
    stage_run.undo_stage(bench.context("upgrade-db", seed=2))
    assert bench.nodes.asked == [("x.rw", ["node-1"], False, {"name": "toy.node", "level": None})]


def test_giving_up_a_seed_leaves_the_original_free_for_another(bench):
    clone(bench)
    toys.HOOKS["undo.clone"] = lambda ctx: ctx.unbind_seed()
    stage_run.undo_stage(bench.context("upgrade-env", original=1))
    assert bench.journal.pairs.of_original(1).seed is None
    clone(bench, seed=3)
    assert bench.journal.pairs.of_seed(3).original == 1


def test_an_upgrade_that_was_never_begun_is_not_taken_back(bench):
    clone(bench)
    with pytest.raises(BadInput, match=r"no upgrade of environment 9 was begun.*originals of upgrades are 1"):
        stage_run.undo_stage(bench.context("upgrade-env", original=9))


def test_a_dry_run_of_an_undo_lists_what_would_go(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("one", "two"), seed=2)
    listed = stage_run.undo_stage(bench.context("upgrade-db", seed=2, test=True))
    assert [(step, report.result) for step, report in listed] == [("toy.two", None), ("toy.one", None)]
    assert set(toys.WORLD) == {"one", "two"}


# Verifying


def test_a_finished_stage_is_verified_without_a_trace(bench):
    clone(bench)
    run_stage(bench, "upgrade-db", plan_of("key", holds=["unit_key_set"]), seed=2)
    newest = bench.journal.runs.latest().id
    ctx = bench.context("upgrade-db", seed=2, test=True)
    ctx.pair = bench.journal.pairs.of_seed(2)
    assert stage_run.verify_stage(ctx)["toy.key"]["step"] == {"value": "set"}
    toys.WORLD.clear()
    with pytest.raises(Failed, match=r"toy\.key does not stand any more: key"):
        stage_run.verify_stage(ctx)
    assert bench.journal.runs.latest().id == newest
    assert bench.journal.steps.get(1, "upgrade-db", "toy.key").status == steps.DONE


def test_every_stage_names_an_orchestration_and_follows_known_stages():
    for stage in stages.STAGES.values():
        assert stage.orchestration.startswith("upgrade.")
        assert set(stage.after) <= set(stages.STAGES)
    with pytest.raises(BadInput, match="there is no stage 'upgrade-ceph'"):
        stages.get("upgrade-ceph")


def test_this_process_is_known_to_itself():
    assert Holder.current().same_process(Holder.current()) and not Holder.current().is_dead()
