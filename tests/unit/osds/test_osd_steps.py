"""A host with OSDs is installed anew: no data is lost or moves, whatever fails or dies in between."""

from __future__ import annotations

import pytest

from octane import stage_run
from octane.errors import Failed, NodeFailed, Refused
from octane.journal.holder import Holder
from octane.procedure import osd_steps
from octane.procedure.osd_host import FINISHED, HOST, Note, Ready
from octane.running import StepRunner
from tests.saltfiles import orchestration
from tests.unit.fakes import Bench, holder
from tests.unit.osds.world import HOST_NUMBERS, Killed, made, refused
from tests.unit.procedure.world import ORIGINAL, SEED
from tests.unit.test_stage import clone, plan_of, run_stage

PLAN = [step for step in orchestration("role/ceph_osd") if step.step.startswith("osd.")]
EFFECTS = (
    "disable", "keep_data", "disarm", "osd set noout", "stop", "install", "enrol", "claim", "deploy", "start", "enable",
    "osd unset noout",
)  # fmt: skip


@pytest.fixture
def bench(tmp_path):
    made_bench = Bench(tmp_path)
    clone(made_bench)
    for stage in ("upgrade-db", "upgrade-control"):
        run_stage(made_bench, stage, plan_of(stage.replace("-", "_")), seed=2)
    return made_bench


@pytest.fixture
def world(monkeypatch):
    return made(monkeypatch)


def context(bench, world, number):
    ctx = bench.context("upgrade-node", seed=2, node=number, ceph_osd=True)
    ctx.nodes = world.fake
    ctx.__dict__["fuel"] = world.fuel
    return ctx


def upgrade(bench, world, number=4):
    """One run of the orchestration, as Salt carries it out; what became of it, and the report of each step."""
    ctx = context(bench, world, number)
    stage_run.open_stage(ctx, PLAN)
    reports = {step.step: StepRunner(ctx, step).apply() for step in PLAN}
    return stage_run.finish_stage(ctx), reports


def killed(bench, world, number, effect, monkeypatch):
    """A run of a process that dies right after an effect; whether there was such a one."""
    world.killed_after, dead = effect, holder()
    with monkeypatch.context() as patched:
        patched.setattr(Holder, "current", lambda: dead)
        try:
            upgrade(bench, world, number)
        except Killed:
            return True
    return False


def assert_done(world, *numbers):
    """The hosts are the seed's, with the OSDs and disks that they had, and nothing temporary is left."""
    for number in numbers:
        minion, osds = f"node-{number}", set(world.hosts[world.names[number]])
        assert (world.nodes[number].environment, world.nodes[number].status) == (SEED, "ready")
        assert world.running[minion] == osds and set(world.homes[minion]) == osds
        assert {one["uuid"] for one in world.disks[minion].values()} == {f"uuid-{osd}" for osd in osds}
    assert_put_back(world)


def assert_put_back(world):
    assert world.flags == set() and world.disabled == {}
    assert world.up() == {0, 1, 2, 3, 4, 5}


def assert_untouched(world, number=4):
    assert world.nodes[number].environment == ORIGINAL
    assert not {"stop", "install", "osd set noout", "disable", "keep_data"} & set(world.effects)
    assert_put_back(world)


def test_hosts_one_after_the_other_keep_their_osds_and_nothing_temporary_is_left(bench, world):
    for number in HOST_NUMBERS:
        assert upgrade(bench, world, number)[0].result is True, "done"
    assert_done(world, *HOST_NUMBERS)
    assert world.effects.count("osd set noout") == world.effects.count("osd unset noout") == 3
    before = list(world.effects)
    report, steps = upgrade(bench, world, 4)
    assert report.result is True and world.effects == before, steps


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_run_that_dies_after_any_effect_is_finished_by_the_next_one(bench, world, effect, monkeypatch):
    assert killed(bench, world, 4, effect, monkeypatch), f"{effect} never happened"
    report, steps = upgrade(bench, world, 4)
    assert report.result is True, steps
    assert_done(world, 4)


@pytest.mark.parametrize("failing", ["osd set noout", "stop", "install"])
def test_a_failure_before_the_installation_puts_everything_back_by_itself(bench, world, failing):
    world.fails[failing] = NodeFailed("node-4", failing, "it failed")
    report, _ = upgrade(bench, world)
    assert report.result is False and world.nodes[4].environment == ORIGINAL
    assert_put_back(world)
    world.fails.clear()
    assert upgrade(bench, world)[0].result is True
    assert_done(world, 4)


@pytest.mark.parametrize("failing", ["claim", "deploy", "start"])
def test_a_failure_after_it_leaves_the_flag_to_nobody_and_the_same_command_goes_on(bench, world, failing):
    world.fails[failing] = refused(failing)
    report, _ = upgrade(bench, world)
    assert report.result is False and "octane upgrade-node 2 4" in report.comment
    assert world.flags == set(), "noout is taken back although the wave failed"
    with pytest.raises(AssertionError):
        assert_done(world, 4)
    world.fails.clear()
    assert upgrade(bench, world)[0].result is True
    assert_done(world, 4)


def test_a_host_that_was_installed_and_not_finished_comes_before_any_other(bench, world):
    world.fails["deploy"] = refused("deployment")
    upgrade(bench, world, 4)
    world.fails.clear()
    report, _ = upgrade(bench, world, 5)
    assert report.result is False and "`octane upgrade-node 2 4`" in report.comment
    assert world.nodes[5].environment == ORIGINAL and world.running["node-5"] == {2, 3}


def test_a_host_that_failed_before_it_was_installed_can_wait_for_another(bench, world):
    world.fails["install"] = refused("installation")
    upgrade(bench, world, 4)
    world.fails.clear()
    assert upgrade(bench, world, 5)[0].result is True
    assert_done(world, 5)
    assert upgrade(bench, world, 4)[0].result is True
    assert_done(world, 4, 5)


def test_a_host_that_is_done_is_left_alone_also_after_another_could_not_be_written_down(bench, world, monkeypatch):
    upgrade(bench, world, 4)
    with monkeypatch.context() as patched:
        patched.setattr(Note, "apply", lambda self, ctx: raise_failed())
        assert upgrade(bench, world, 5)[0].result is False
    before = list(world.effects)
    assert upgrade(bench, world, 4)[0].result is True
    assert world.effects == before


def raise_failed():
    raise Failed("no answer")


def test_a_noout_that_an_operator_had_set_is_theirs(bench, world):
    world.flags.add("noout")
    assert upgrade(bench, world)[0].result is True
    assert world.flags == {"noout"}
    assert {"osd set noout", "osd unset noout"}.isdisjoint(world.effects)


def test_it_is_theirs_also_when_the_first_run_died(bench, world, monkeypatch):
    world.flags.add("noout")
    assert killed(bench, world, 4, "stop", monkeypatch)
    assert upgrade(bench, world)[0].result is True
    assert world.flags == {"noout"}


def test_a_compute_that_was_disabled_before_stays_so(bench, world):
    world.disabled["node-4.domain.tld"] = "broken fan"
    assert upgrade(bench, world)[0].result is True
    assert world.disabled == {"node-4.domain.tld": "broken fan"}


def test_a_host_with_another_name_has_its_bucket_renamed_before_an_osd_starts(bench, world, monkeypatch):
    real = world.install

    def renamed(ctx, home, host):
        world.names[4] = "storage-4"
        real(ctx, home, host)

    monkeypatch.setattr(osd_steps, "settle", renamed)
    assert upgrade(bench, world)[0].result is True
    assert world.hosts["storage-4"] == {0, 1} and "node-4" not in world.hosts
    assert world.effects.index("osd crush rename-bucket") < world.effects.index("start")
    assert_done(world, 4)


def swap(world):
    disks = world.disks["node-4"]
    disks["sdb"], disks["sdc"] = disks["sdc"], disks["sdb"]


def foreign(world):
    world.disks["node-4"]["sdb"]["fsid"] = "another"


def unlabelled(world):
    world.disks["node-4"]["sdb"] = None


def keyless(world):
    world.keys.pop(1)


def inconsistent(world):
    message = {"message": "Possible data damage: 1 pg inconsistent"}
    world.health = {"status": "HEALTH_ERR", "checks": {"PG_DAMAGED": {"severity": "HEALTH_ERR", "summary": message}}}


def tight(world):
    world.pools = (("volumes", 3, 3),)


def with_guests(world):
    world.guests["node-4"] = ["0f5a"]


def last_compute(world):
    world.disabled.update({f"node-{number}.domain.tld": "off" for number in (5, 6)})


def elsewhere(world):
    world.hosts["node-4"], world.hosts["node-5"] = {0}, {1, 2, 3}


def unknown_to_fuel(world):
    world.layouts[4][1]["volumes"][-1]["size"] = 0


def idle(world):
    world.running["node-4"].remove(0)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (swap, r"/dev/sdb holds osd\.1 and not osd\.0"),
        (foreign, "/dev/sdb is of the cluster another"),
        (unlabelled, r"/dev/sdb has no label of osd\.0"),
        (keyless, r"the cluster has no key of osd\.1"),
        (inconsistent, "PG_DAMAGED"),
        (tight, "pool volumes .* min_size 2"),
        (with_guests, r"guests are on node-4: 0f5a \(stopped\)"),
        (last_compute, "last compute that is enabled"),
        (elsewhere, r"node-4 has osd\.0, osd\.1, and osd\.0 in the crush map"),
        (unknown_to_fuel, "sdb, where Fuel has no volume ceph"),
        (idle, r"osd\.0 does not run"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_must_not_be_touched_is_refused_by_name_before_anything_is(bench, world, spoil, told):
    spoil(world)
    flags, disabled, running = set(world.flags), dict(world.disabled), world.up()
    with pytest.raises(Refused, match=told):
        Ready().verify(context_of(bench, world))
    report, _ = upgrade(bench, world)
    assert report.result is False
    assert (world.flags, world.disabled, world.up()) == (flags, disabled, running)
    assert world.nodes[4].environment == ORIGINAL and world.effects == []


def context_of(bench, world):
    ctx = context(bench, world, 4)
    ctx.pair = bench.journal.pairs.of_seed(2)
    return ctx


def test_all_that_is_wrong_is_told_at_once(bench, world):
    inconsistent(world)
    with_guests(world)
    report, _ = upgrade(bench, world)
    assert "PG_DAMAGED" in report.comment and "guests are on node-4" in report.comment


def test_disks_that_change_between_the_check_and_the_installation_stop_it(bench, world):
    real = world.octane_ceph_osd_stop

    def stop_and_swap(minion, osds):
        swap(world)
        return real(minion, osds)

    world.fake.functions["octane_ceph_osd.stop"] = stop_and_swap
    report, _ = upgrade(bench, world)
    assert report.result is False and "osd.0 was on sdb" in report.comment
    assert "install" not in world.effects and world.flags == set()


def test_a_volume_that_would_be_kept_besides_is_named(bench, world):
    for volume in (one for disk in world.layouts[4] for one in disk["volumes"] if one["name"] == "vm"):
        volume["keep_data"] = True
    report, _ = upgrade(bench, world)
    assert report.result is False and "volume vm is to be kept as well" in report.comment
    assert "stop" not in world.effects
    assert_put_back(world)


def test_what_was_prepared_can_be_taken_back_until_a_host_is_installed(bench, world):
    world.fails["stop"] = refused("stopping")
    upgrade(bench, world)
    ctx = bench.context("upgrade-node", seed=2)
    ctx.nodes, ctx.__dict__["fuel"] = world.fake, world.fuel
    reports = stage_run.undo_stage(ctx)
    assert all(report.result is not False for _, report in reports), reports
    assert bench.journal.records.get(1, HOST) is None and world.agents["node-4"] == "old"
    assert not any(one["keep_data"] for disk in world.layouts[4] for one in disk["volumes"])
    assert_put_back(world)


def test_after_that_there_is_no_way_back(bench, world):
    upgrade(bench, world)
    with pytest.raises(Refused, match=r"there is no way back from .*osd\.moved"):
        stage_run.undo_stage(bench.context("upgrade-node", seed=2))
    assert bench.journal.records.get(1, FINISHED) == ["node-4"]


def test_data_that_moves_or_a_difference_in_the_end_is_told(bench, world, monkeypatch):
    real = world.deploy

    def deploy_and_move(ctx, home, host):
        real(ctx, home, host)
        world.moved = 14

    monkeypatch.setattr(osd_steps, "deploy", deploy_and_move)
    report, _ = upgrade(bench, world)
    assert report.result is False and "data moves" in report.comment
    assert world.flags == set()


def test_what_others_change_meanwhile_is_recorded_and_no_failure(bench, world, monkeypatch):
    real = world.deploy

    def deploy_beside_a_new_pool(ctx, home, host):
        real(ctx, home, host)
        world.pools = (*world.pools, ("backups", 3, 2))

    monkeypatch.setattr(osd_steps, "deploy", deploy_beside_a_new_pool)
    assert upgrade(bench, world)[0].result is True
    assert_done(world, 4)


def test_the_failure_of_a_step_names_the_node(bench, world):
    world.fails["claim"] = Failed("no disk has the label of osd.0", node="node-4")
    assert "node-4" in upgrade(bench, world)[0].comment


def test_a_dry_run_tells_all_that_would_be_done_and_does_nothing(bench, world):
    found = bench.context("upgrade-node", test=True, seed=2, node=4, ceph_osd=True)
    found.nodes, found.__dict__["fuel"] = world.fake, world.fuel
    stage_run.open_stage(found, PLAN)
    reports = {step.step: StepRunner(found, step).apply() for step in PLAN}
    told = {name for name, report in reports.items() if report.result is None}
    assert {name: report.comment for name, report in reports.items() if report.result is False} == {}
    assert told == {step.step for step in PLAN} - {
        "osd.ready", "osd.clean", "osd.started_again", "osd.taken_in", "osd.noout_gone"
    }  # fmt: skip
    assert reports["osd.stopped"].changes == {"osd.0": "stopped", "osd.1": "stopped"}
    assert world.effects == [] and bench.journal.records.get(1, HOST) is None


def test_a_dry_run_of_a_host_that_is_done_has_nothing_to_do(bench, world):
    upgrade(bench, world)
    found = bench.context("upgrade-node", test=True, seed=2, node=4, ceph_osd=True)
    found.nodes, found.__dict__["fuel"] = world.fake, world.fuel
    stage_run.open_stage(found, PLAN)
    assert {StepRunner(found, step).apply().result for step in PLAN} == {True}
