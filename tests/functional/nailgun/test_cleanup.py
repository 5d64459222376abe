"""cleanup-env against a server that behaves as Nailgun 7.0: what was temporary on the seed is there no more."""

import pytest

from octane.errors import Failed
from octane.fuel import facts, settings
from octane.fuel.errors import Forbidden
from octane.procedure import cleanup, env, isolation, joining, seed_network
from tests.functional.nailgun.test_env import STEPS, run

NAMES = settings.as_editable({"external_dns": {"dns_list": "10.20.0.2"}})


@pytest.fixture(scope="module")
def upgraded(shared_context):
    """Somebody set other name servers on the seed as late as Nailgun lets him."""
    made = shared_context()
    late = STEPS.index(seed_network.Netconfig)
    run(made, STEPS[:late])
    env.seed(made).set_attributes(NAMES)
    run(made, STEPS[late:])
    return made


def still_to_do(context, step, sentence):
    """Before a step it has something to do, and does not hold."""
    assert step.pending(context)
    with pytest.raises(Failed, match=sentence):
        step.verify(context)


def done_for_good(context, step):
    step.verify(context)
    assert step.pending(context) == {} and step.apply(context).changes == {}


def test_facts_and_tasks_that_were_put_right_after_the_switch_isolate_again_on_the_way_back(upgraded):
    """Or its next deployment would plug it in, on addresses that the original has again; known ports stay known."""
    known = upgraded.journal.records.all(upgraded.pair_id)
    for step, isolating in (
        (cleanup.DeleteFactsForNow(), isolation.IsolateFacts()),
        (joining.RestoreTasks(), seed_network.SkipTasks()),
    ):
        step.apply(upgraded)
        assert isolating.pending(upgraded)
        step.undo(upgraded)
        assert isolating.pending(upgraded) == {}
    assert upgraded.journal.records.all(upgraded.pair_id) == known


def test_uploaded_facts_are_deleted(upgraded):
    step = cleanup.DeleteFacts()
    still_to_do(upgraded, step, r"uploaded facts are left: .*node-6")
    assert step.apply(upgraded).changes == {"facts": ["node-6", "node-7", "node-8"]}
    assert env.seed(upgraded).facts() == []
    done_for_good(upgraded, step)


def test_tasks_that_were_left_out_are_back(upgraded):
    step = cleanup.RestoreTasks()
    still_to_do(upgraded, step, "deployment tasks are missing")
    step.apply(upgraded)
    release = upgraded.fuel.release_tasks(env.seed(upgraded).data()["release_id"])
    tasks = {task["id"]: task for task in env.seed(upgraded).deployment_tasks()}
    assert set(facts.SKIPPED_TASKS) & {task["id"] for task in release} <= set(tasks)
    assert tasks == {task["id"]: task for task in release}
    done_for_good(upgraded, step)


def test_controllers_get_the_original_s_name_and_time_services(upgraded, monkeypatch):
    """The recorded graph is the lab's own and has not the tasks that give them: they are put there."""
    plain = [{"id": name, "type": "puppet", "parameters": {}} for name in ("dns-server", "ntp-server")]
    env.seed(upgraded).set_deployment_tasks([*env.seed(upgraded).deployment_tasks(), *plain])
    step = cleanup.RestoreSettings()
    asked = []
    run_tasks = type(env.seed(upgraded)).run_tasks

    def noted(self, nodes, tasks):
        asked.append((self.id, nodes, tasks))
        return run_tasks(self, nodes, tasks)

    monkeypatch.setattr(type(env.seed(upgraded)), "run_tasks", noted)
    wanted = step.pending(upgraded)["tasks"]
    assert wanted == ["dns-server", "ntp-server"]
    step.apply(upgraded)
    assert asked == [(upgraded.seed, [6, 7, 8], wanted)]
    assert {node.status for node in env.seed(upgraded).nodes()} == {"ready"}
    done_for_good(upgraded, step)


def test_what_was_set_on_the_seed_before_its_deployment_is_told_as_nailgun_changes_it_no_more(upgraded):
    with pytest.raises(Forbidden):
        env.seed(upgraded).set_attributes(NAMES)
    upgraded.record(cleanup.REFRESHED, True)
    step = cleanup.RestoreSettings()
    assert "external_dns.dns_list" in step.apply(upgraded).comment
    theirs = settings.values(env.original(upgraded).attributes())["external_dns"]["dns_list"]
    assert step.verify(upgraded) == {"the original has": {"external_dns": {"dns_list": theirs}}}


def test_name_and_time_servers_are_the_original_s_when_the_seed_is_deployed(context):
    made = context()
    run(made, (env.Preflight, env.Clone))
    env.seed(made).set_attributes(
        settings.as_editable({"external_dns": {"dns_list": "10.20.0.2"}, "external_ntp": {"ntp_list": "10.20.0.2"}})
    )
    step = env.Settings()
    still_to_do(made, step, "are not as set")
    step.apply(made)
    theirs, ours = (settings.values(of(made).attributes()) for of in (env.original, env.seed))
    assert ours["external_dns"]["dns_list"] == theirs["external_dns"]["dns_list"] != "10.20.0.2"
    assert ours["external_ntp"]["ntp_list"] == theirs["external_ntp"]["ntp_list"] != "10.20.0.2"
    assert step.pending(made) == {}
    assert cleanup.RestoreSettings().verify(made) == {}
