"""What was typed for upgrade-env and prepare is checked against Fuel before the journal hears of it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from octane import stage_run
from octane.errors import BadInput, OctaneError, Refused
from octane.procedure import env, typed
from tests.saltfiles import SALT
from tests.unit.fakes import Bench
from tests.unit.procedure.world import node
from tests.unit.test_stage import plan_of, run_stage

CHECKS = {"upgrade-env": "octane.procedure.typed:upgrade_env", "prepare": "octane.procedure.typed:prepare"}


def spare(number, **values):
    return replace(node(number, 0, "controller"), **{"environment": None, "status": "discover", **values})


@pytest.fixture
def fuel():
    """Environments 1 and 3; node 1 and 7 are of 1, nodes 4 and 5 are free, 6 is offline."""
    nodes = [node(1, 1, "controller"), node(7, 1, "compute"), spare(4), spare(5), spare(6, online=False)]
    return SimpleNamespace(environments=lambda: [{"id": 1}, {"id": 3}], nodes=lambda: nodes)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    run_stage(made, "prepare")
    return made


def opened(bench, fuel, stage="upgrade-env", **options):
    ctx = bench.context(stage, **options)
    ctx.__dict__["fuel"] = fuel
    return stage_run.open_stage(ctx, plan_of("key"), CHECKS[stage]), ctx


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"original": 99}, "there is no environment 99 on this Fuel master; there are 1, 3"),
        ({"original": 99, "nodes": [4]}, "there is no environment 99 on this Fuel master; there are 1, 3"),
        ({"original": 1, "nodes": [99]}, "there is no node 99 on this Fuel master; free nodes are 4, 5"),
        ({"original": 1, "nodes": [7]}, "node-7 belongs to environment 1; free nodes are 4, 5"),
        (
            {"original": 1, "nodes": [7, 4, 88]},
            "there is no node 88 on this Fuel master; node-7 belongs to environment 1; free nodes are 4, 5",
        ),
    ],
)
def test_what_fuel_does_not_have_leaves_no_trace_and_what_it_has_is_named(bench, fuel, options, sentence):
    with pytest.raises(BadInput) as refused:
        opened(bench, fuel, **options)
    assert str(refused.value) == sentence
    assert bench.journal.pairs.all() == [] and bench.journal.runs.latest(1) is None


def test_without_a_free_node_it_is_said_how_there_can_be_one(bench, fuel):
    nodes = [one for one in fuel.nodes() if one.environment]
    with pytest.raises(BadInput, match="no node is free: let Fuel discover spare servers"):
        opened(bench, SimpleNamespace(environments=fuel.environments, nodes=lambda: nodes), original=1, nodes=[9])


@pytest.mark.parametrize("nodes", [[], [4], [4, 5]])
def test_what_can_be_taken_is_taken(bench, fuel, nodes):
    report, _ = opened(bench, fuel, original=1, nodes=nodes)
    assert report.result is True and bench.journal.pairs.of_original(1)


@pytest.mark.parametrize("finished", [False, True])
def test_an_upgrade_that_was_begun_refuses_other_nodes_although_it_may_have_passed_on(bench, fuel, finished):
    """Also when Fuel cannot be asked, and whether the nodes named exist or not."""
    _, ctx = opened(bench, fuel, original=1, nodes=[4, 5])
    ctx.record(env.CLONE, {"name": "seed", "release": 4, "nodes": [4, 5]})
    ctx.bind_seed(2)
    stage_run.StepRunner(ctx, plan_of("key")[0]).apply()
    assert stage_run.finish_stage(ctx).result is True
    if finished:
        run_stage(bench, "upgrade-db", plan_of("db"), seed=2)
    runs = len(bench.journal.runs.of_pair(1))
    for others in ([99], [7], [4], [4, 5, 6]):
        named = ", ".join(map(str, others))
        with pytest.raises(Refused) as refused:
            opened(bench, None, original=1, nodes=others)
        assert str(refused.value) == (
            f"the upgrade of environment 1 was begun with nodes 4, 5, not {named}; next: `octane upgrade-env 1`"
        )
    assert len(bench.journal.runs.of_pair(1)) == runs
    report, ctx = opened(bench, None, original=1, nodes=[5, 4])
    assert report.result is True and ("nothing to do" in report.comment) is finished


def test_prepare_is_told_which_environments_there_are(bench, fuel):
    before = bench.journal.runs.latest(0)
    with pytest.raises(BadInput, match="there is no environment 2, 99 on this Fuel master; there are 1, 3"):
        opened(bench, fuel, "prepare", environments=[1, 99, 2])
    assert bench.journal.runs.latest(0).id == before.id
    assert opened(bench, None, "prepare")[0].result is True


def test_the_shipped_orchestrations_look_at_what_was_typed():
    for name, check in CHECKS.items():
        text = (SALT / "upgrade" / f"{name.removeprefix('upgrade-')}.sls").read_text()
        assert f"- stage: {name}\n    - typed: {check}\n" in text
        assert callable(getattr(typed, check.partition(":")[2]))


def test_a_name_that_cannot_be_loaded_is_told(bench):
    with pytest.raises(OctaneError, match=r"upgrade-env: octane\.procedure\.typed:nothing cannot be loaded"):
        stage_run.open_stage(bench.context("upgrade-env", original=1), [], "octane.procedure.typed:nothing")
