"""A controller that moves to the seed and back, against a server that behaves as Nailgun 7.0, its nodes faked."""

import pytest

from octane import stage
from octane.errors import BadInput, Refused
from octane.procedure import cleanup, env, isolation, joining, leaving, seed_network, typed
from tests.functional.nailgun.fakes import FakeNodes, isolated_everywhere
from tests.functional.nailgun.server import CONTROLLERS, ORIGINAL

MOVED, *STAYING = CONTROLLERS
STEPS = (
    env.Preflight,
    env.Clone,
    env.Settings,
    leaving.Whole,
    leaving.HandTenantsOver,
    leaving.Leave,
    leaving.Move,
    leaving.Forget,
    isolation.IsolateFacts,
    seed_network.SkipTasks,
    seed_network.Netconfig,
    isolation.Isolated,
    env.Deploy,
    isolation.Isolated,
)


class Clusters:
    """Corosync, Galera and RabbitMQ of the original's controllers: who runs, and on whom the others count."""

    def __init__(self, nodes: FakeNodes) -> None:
        self.nodes = nodes
        self.running = {f"node-{number}" for number in CONTROLLERS}
        self.expected = set(self.running)
        for name in ("seen", "drop", "readmit", "forget_broker"):
            setattr(nodes, f"octane_members_{name}", getattr(self, name))
        self.hosts = {nodes._node("node-1").fqdn: ["router-1"]}
        nodes.octane_agents_bindings = lambda minion, names: {
            "L3 agent": {what: [name] for name in names for what in self.hosts.get(name, [])}
        }
        nodes.octane_agents_present = lambda minion: {
            f"qrouter-{what}": ["10.0.0.1"] for what in self.hosts.get(self.nodes._node(minion).fqdn, [])
        }
        nodes.octane_agents_rebind = self.rebind
        nodes.octane_db_run_manage = lambda minion, command: {"commands": [{"output": "27.5.1\n"}]}
        nodes.octane_api_prove = lambda minion, expect, serving: {"failed": [], "frontends": {"nova-api-2": []}}
        self.states = nodes.state
        nodes.state = self.state

    def rebind(self, minion, held, take):
        fqdn = next(name for name in take if "." in name)
        self.hosts = {fqdn: [what for found in held.values() for what in found]}

    def seen(self, minion):
        online = sorted(self.running)
        return {
            "online": online,
            "quorum": True,
            "votes": {"expected": len(self.expected), "total": len(online), "quorate": True},
            "database": {"status": "Primary", "state": "Synced", "size": len(online)},
            "brokers": {"members": sorted(self.expected), "running": online, "partitioned": False},
        }

    def drop(self, minion, names, test=False):
        found = bool(self.expected & set(names))
        self.expected -= set() if test else set(names)
        return {"changed": found}

    def readmit(self, minion):
        self.expected = {f"node-{number}" for number in CONTROLLERS}
        return {"changed": True}

    def forget_broker(self, minion, name):
        return {"was": True}

    def state(self, targets, fun, **kwargs):
        if fun == "octane_cluster.shutdown":
            self.running -= set(targets)
        elif fun == "octane_cluster.up":
            self.running |= set(targets)
        elif not fun.startswith("octane_service"):
            return self.states(targets, fun, **kwargs)
        return {minion: {"result": True, "changes": {}, "comment": ""} for minion in targets}


@pytest.fixture
def begun(context, monkeypatch):
    """A context of an upgrade node by node, and the clusters of its original."""
    monkeypatch.setattr(leaving, "become_minion", lambda ctx, node: None)
    made = context(nodes=[], node_by_node=True)
    return made, Clusters(made.nodes)


def run(context, steps=STEPS):
    for step in (kind() for kind in steps):
        if step.pending(context):
            step.apply(context)
        step.verify(context)


def run_interrupted(context, kind):
    """A step, and the same as one that was interrupted: applied without asking."""
    run(context, [kind])
    kind().apply(context)
    kind().verify(context)


def take_back(context, steps=STEPS):
    """Each step twice, the second time as one that got half-way."""
    for step in (kind() for kind in reversed(steps)):
        if not step.changes_nothing:
            step.undo(context)
            step.undo(context)


def controllers_of(fuel, environment):
    return {node.id: node.status for node in fuel.environment(environment).nodes() if "controller" in node.roles}


def test_the_first_controller_becomes_the_seeds_only_one_and_comes_back(begun):
    context, clusters = begun
    before = context.fuel.node(MOVED)
    for kind in STEPS:
        run_interrupted(context, kind)
    there = context.fuel.node(MOVED)
    assert (there.environment, there.status, there.deployed) == (context.seed, "ready", {"controller"})
    assert (there.hostname, there.addresses) == (before.hostname, before.addresses)
    assert isolated_everywhere(env.seed(context).facts())
    assert controllers_of(context.fuel, ORIGINAL) == dict.fromkeys(STAYING, "ready")
    assert clusters.expected == {f"node-{number}" for number in STAYING}
    assert list(clusters.hosts.values()) == [["router-1"]] and before.fqdn not in clusters.hosts
    run(context)

    seed = context.seed
    take_back(context)
    back = context.fuel.node(MOVED)
    assert (back.environment, back.status, back.deployed) == (ORIGINAL, "ready", {"controller"})
    assert back.addresses == before.addresses
    assert clusters.running == clusters.expected == {f"node-{number}" for number in CONTROLLERS}
    assert seed not in {data["id"] for data in context.fuel.environments()}
    assert env.original(context).data()["status"] == "operational"


@pytest.mark.parametrize("last", range(STEPS.index(leaving.Leave), STEPS.index(env.Deploy)))
def test_it_comes_back_from_every_step(begun, last):
    context, clusters = begun
    run(context, STEPS[: last + 1])
    take_back(context, STEPS[: last + 1])
    back = context.fuel.node(MOVED)
    assert (back.environment, back.status, back.roles) == (ORIGINAL, "ready", {"controller"})
    assert clusters.running == clusters.expected


def test_one_whose_installation_failed_comes_back_too(begun):
    context, _ = begun
    run(context, STEPS[: STEPS.index(leaving.Move)])
    env.seed(context).take_over(MOVED)
    context.fuel.set_node_status(MOVED, "error")
    take_back(context, STEPS[: STEPS.index(leaving.Move) + 1])
    back = context.fuel.node(MOVED)
    assert (back.environment, back.status, back.roles) == (ORIGINAL, "ready", {"controller"})


def test_what_was_begun_one_way_is_not_gone_on_with_the_other_way(begun):
    context, _ = begun
    run(context, STEPS[:2])
    typed.upgrade_env_node_by_node(context)
    context.options = {"original": ORIGINAL}
    with pytest.raises(Refused, match="begun node by node") as refused:
        typed.upgrade_env(context)
    assert refused.value.next_command == f"octane upgrade-env {ORIGINAL} --node-by-node"


JOINING = (
    joining.Ready,
    cleanup.DeleteFacts,
    joining.RestoreTasks,
    cleanup.RestoreSettings,
    joining.TakeOver,
    joining.Enrol,
    joining.Deploy,
    joining.Joined,
)


@pytest.fixture
def switched(begun, monkeypatch):
    """A context of upgrade-node after the switch: the original's controllers are fenced, the seed serves."""
    monkeypatch.setattr(joining, "become_minion", lambda ctx, node: None)
    context, clusters = begun
    run(context)
    context.stage = stage.get("upgrade-node")

    def seen(minion):
        there = [node.minion for node in env.seed_nodes(context) if node.status == "ready"]
        clusters.running = clusters.expected = set(there)
        return Clusters.seen(clusters, minion)

    context.nodes.octane_members_seen = seen
    context.nodes.octane_fence_fenced = lambda minion: {"reason": "another took over"}
    context.nodes.octane_nova_warm = lambda minion: {"requests": 9, "slowest": 0.1, "failed": []}
    return context


def test_fenced_controllers_join_the_seed_one_after_the_other(switched):
    before = {number: switched.fuel.node(number) for number in STAYING}
    for number in STAYING:
        switched.options = {"seed": switched.seed, "node": number}
        typed.upgrade_controller(switched)
        for kind in JOINING:
            run_interrupted(switched, kind)
        there = switched.fuel.node(number)
        assert (there.environment, there.status, there.deployed) == (switched.seed, "ready", {"controller"})
        assert (there.hostname, there.addresses) == (before[number].hostname, before[number].addresses)
    assert controllers_of(switched.fuel, switched.seed) == dict.fromkeys(CONTROLLERS, "ready")
    assert controllers_of(switched.fuel, ORIGINAL) == {}
    assert env.seed(switched).facts() == []


def test_one_that_is_not_fenced_is_not_installed_anew(switched):
    switched.options = {"seed": switched.seed, "node": STAYING[0]}
    switched.nodes.octane_fence_fenced = lambda minion: {}
    with pytest.raises(Refused, match="not fenced; `octane upgrade-control 2`"):
        joining.Ready().verify(switched)


def test_a_role_that_nobody_handles_is_refused_by_name(switched):
    computes = [node for node in env.original(switched).nodes() if "compute" in node.roles]
    switched.options = {"seed": switched.seed, "node": computes[0].id}
    with pytest.raises(Refused, match="compute"):
        typed.upgrade_controller(switched)
    switched.options = {"seed": switched.seed, "node": 6}
    with pytest.raises(BadInput, match="neither environment"):
        typed.upgrade_controller(switched)
