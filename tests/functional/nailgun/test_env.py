"""upgrade-env against a server that behaves as Nailgun 7.0, its nodes faked: what it makes, twice, and cut in half."""

import json

import pytest

from octane.errors import BadInput, Failed, InvariantBroken, OctaneError, Refused
from octane.plan import network
from octane.procedure import addresses, env, isolation, networks, seed_network, typed
from tests.functional.nailgun.conftest import container, contexts, prepare
from tests.functional.nailgun.fakes import isolated_everywhere
from tests.functional.nailgun.server import CONTROLLERS, ORIGINAL, SPARES, running

STEPS = (
    env.Preflight,
    env.Clone,
    env.Settings,
    env.Assign,
    addresses.Layout,
    addresses.CopyAddresses,
    env.Provision,
    isolation.IsolateFacts,
    seed_network.SkipTasks,
    seed_network.Netconfig,
    seed_network.Overlay,
    isolation.Isolated,
    env.Deploy,
    isolation.Isolated,
)


def run(context, steps=STEPS):
    """As octane.step does: ask, act when there is something to do, verify."""
    for step in (kind() for kind in steps):
        if step.pending(context):
            step.apply(context)
        step.verify(context)


def half_done(context, step):
    """A step that was interrupted is applied without asking."""
    step.apply(context)
    step.verify(context)


@pytest.fixture(scope="module")
def upgraded(shared_context):
    """After upgrade-env, each step of which was done twice, the second time as one that was interrupted."""
    made = shared_context()
    for kind in STEPS:
        run(made, [kind])
        half_done(shared_context(), kind())
    return made


def test_the_seed_is_operational_and_isolated(upgraded):
    seed = env.seed(upgraded)
    assert seed.data()["status"] == "operational"
    assert {node.id: node.status for node in seed.nodes()} == dict.fromkeys(SPARES, "ready")
    assert isolated_everywhere(seed.facts())


def test_addresses_are_those_of_the_original(upgraded):
    paired = addresses.pairs(**env.matching_nodes(upgraded))
    assert paired == {f"node-{new}": f"node-{old}" for new, old in zip(SPARES, CONTROLLERS, strict=True)}


def test_the_original_is_untouched(upgraded):
    original = env.original(upgraded)
    assert original.data()["status"] == "operational"
    assert {node.status for node in original.nodes()} == {"ready"}
    assert original.facts() == []


def test_tls_is_off_and_what_it_was_is_known(upgraded):
    tls = env.seed(upgraded).attributes()["public_ssl"]
    assert (tls["horizon"]["value"], tls["services"]["value"]) == (False, False)
    assert upgraded.recall(env.SETTINGS)["public_ssl"] == {"horizon": True, "services": True}


def test_interfaces_carry_the_same_networks_as_the_original_s(upgraded):
    fuel = upgraded.fuel
    from octane.fuel.layout import networks_by_interface as by_name

    for new, old in zip(SPARES, CONTROLLERS, strict=True):
        assert by_name(fuel.layout(new).interfaces()) == by_name(fuel.layout(old).interfaces())


@pytest.fixture(scope="module")
def bonded(tmp_path_factory, recorded):
    """Up to the facts, with originals that carry all but administration and public over a bond."""
    state = json.loads(recorded)
    for node in state["tables"]["nodes"]:
        if node["id"] in CONTROLLERS:
            bond_together(node, "eth2", "eth3")
    directory = tmp_path_factory.mktemp("bonded")
    with (
        running(directory, json.dumps(state)) as master,
        container(master),
        contexts(prepare(master)) as make,
    ):
        run(make(), STEPS[: STEPS.index(isolation.IsolateFacts) + 1])
        yield make()


def bond_together(node, *names):
    slaves = [nic for nic in node["interfaces"] if nic["name"] in names]
    carried = [network for nic in slaves for network in nic["networks"]]
    for nic in slaves:
        nic["networks"] = []
    node["bonds"] = [
        {
            "name": "bond0",
            "type": "bond",
            "mode": "802.3ad",
            "mac": slaves[0]["mac"],
            "state": None,
            "slaves": [{"name": name} for name in names],
            "bond_properties": {"mode": "802.3ad", "type__": "linux"},
            "interface_properties": {"disable_offloading": False, "mtu": None},
            "offloading_modes": [],
            "networks": carried,
        }
    ]


def test_bonds_are_made_like_the_original_s_and_leave_their_bridges_for_the_isolation(bonded):
    seed = env.seed(bonded)
    nics = bonded.fuel.layout(SPARES[0]).interfaces()
    (found,) = [nic for nic in nics if nic["type"] == "bond"]
    own = {nic["name"]: nic["mac"] for nic in nics}
    assert found["mac"] == own["eth2"] and {net["name"] for net in found["assigned_networks"]} >= {"management"}
    assert isolated_everywhere(seed.facts())
    uplinks = isolation.uplinks_of_both_sides(bonded)
    (management,) = {one["port"] for ports in uplinks.values() for one in ports if one["purpose"] == "management"}
    assert management == "bond0.101"


def test_what_the_switch_needs_is_recorded(upgraded):
    found = isolation.uplinks_of_both_sides(upgraded)
    assert set(found) == {f"node-{number}" for number in (*CONTROLLERS, *SPARES)}
    for ports in found.values():
        assert [(port["purpose"], port["bridge"], port["port"]) for port in ports] == [
            ("management", "br-mgmt", "eth2.101"),
            ("public", "br-ex", "eth1"),
            ("private", "br-aux", "p_e52381cd-0"),
        ]
    assert {entry["port"] for entry in isolation.overlays(upgraded)["node-6"]} == {"oct1", "oct2"}
    assert isolation.management_network(upgraded) == "192.168.0.0/24"


def test_the_plan_is_the_same_for_both_environments_and_what_the_journal_has(upgraded):
    seed_id = upgraded.seed
    moves = [move.as_dict() for move in networks.plan_of(seed_id, upgraded.fuel, upgraded.journal)]
    assert moves == [move.as_dict() for move in networks.plan_of(ORIGINAL, upgraded.fuel, upgraded.journal)]
    recorded = upgraded.recall(isolation.PLAN)
    assert recorded["moves"] == moves
    assert set(recorded["schemes"]) == {node.minion for node in upgraded.fuel.nodes() if node.environment}
    controllers = {f"node-{number}" for number in (*CONTROLLERS, *SPARES)}
    assert {move["node"] for move in moves if move["does"] != "stays"} == controllers


def test_tasks_that_would_end_the_isolation_are_left_out(upgraded):
    left = env.seed(upgraded).deployment_tasks()
    assert not {"upload_cirros", "ceph_ready_check", "configure_default_route"} & {task["id"] for task in left}


def test_temporary_values_are_facts_and_the_settings_stay_the_operator_s(upgraded):
    fact = env.seed(upgraded).facts()[0]
    assert fact["external_dns"]["dns_list"] == "10.20.0.2"
    settings = env.seed(upgraded).attributes()
    assert settings["external_dns"]["dns_list"]["value"] == "8.8.8.8, 8.8.4.4"


def test_no_secret_reaches_the_journal(upgraded):
    generated = upgraded.fuel.connection.get_request(f"clusters/{ORIGINAL}/generated")
    passwords = {value for section in generated.values() for value in _texts(section) if len(value) == 8}
    assert passwords
    written = repr(upgraded.journal.records.all(upgraded.pair_id))
    assert not [password for password in passwords if password in written]


def _texts(section):
    return [value for value in section.values() if isinstance(value, str)] if isinstance(section, dict) else []


def test_a_second_time_finds_nothing_to_do(upgraded, shared_context):
    again = shared_context()
    for kind in STEPS:
        step = kind()
        assert step.pending(again) == {}, kind
        step.verify(again)


def unplannable(environment, side=network.ORIGINAL):
    return [network.Member(name, side, {"roles": {}}) for name in ("node-1", "node-3")]


def test_networks_that_cannot_be_handed_over_stop_it_before_anything_is_made(context, monkeypatch):
    made = context()
    monkeypatch.setattr(env, "members", unplannable)
    with pytest.raises(Refused, match=r"cannot be planned: node-1: .*; node-3: "):
        run(made, STEPS[:2])
    assert made.recall(env.CLONE) is None


def test_one_node_that_cannot_be_planned_leaves_all_facts_alone(context, monkeypatch):
    made = context()
    run(made, STEPS[:7])
    monkeypatch.setattr(isolation, "members", unplannable)
    with pytest.raises(Refused, match="cannot be planned"):
        run(made, [isolation.IsolateFacts])
    assert env.seed(made).facts() == [] and made.recall(isolation.PLAN) is None


def test_nodes_are_chosen_when_none_are_named(context):
    made = context(nodes=[])
    run(made, STEPS[:4])
    assert [node.id for node in env.seed_nodes(made)] == list(SPARES)


def test_a_crash_between_cloning_and_writing_it_down_makes_no_second_clone(context, monkeypatch):
    made = context()
    run(made, STEPS[:1])

    def die(seed):
        raise KeyboardInterrupt

    made.bind_seed = die
    with pytest.raises(KeyboardInterrupt):
        env.Clone().apply(made)
    again = context()
    half_done(again, env.Clone())
    assert len(again.fuel.environments()) == 2


def test_provisioning_that_was_started_before_is_waited_for_not_started_again(context):
    made = context()
    run(made, STEPS[:6])
    env.seed(made).provision(list(SPARES))
    half_done(context(), env.Provision())
    names = [task.name for task in made.fuel.tasks.of(made.seed)]
    assert names.count("provision") == 1


def test_a_deployment_that_was_started_before_is_waited_for(context):
    made = context()
    run(made, STEPS[:12])
    for node in env.seed_nodes(made):
        made.fuel.set_node_status(node.id, "provisioned")
    env.seed(made).deploy_changes()
    half_done(context(), env.Deploy())


@pytest.mark.parametrize(("what", "step"), [("provision", 6), ("deploy", 9)])
def test_a_failed_installation_names_the_node_and_can_be_repeated(context, prepared, what, step):
    made = context()
    run(made, STEPS[:step])
    prepared.fail(SPARES[1], what)
    with pytest.raises(Failed, match="node-7"):
        run(made, STEPS[step : step + 1])
    run(context(), STEPS[step : step + 1])


def test_a_seed_that_is_heard_is_not_deployed(context):
    made = context()
    run(made, STEPS[:11])
    made.nodes.leaks.add("node-7")
    with pytest.raises(InvariantBroken, match="node-7"):
        run(made, STEPS[11:])
    assert env.seed(made).data()["status"] == "new"


def test_a_seed_with_a_node_that_is_not_ours_is_not_deleted(context):
    made = context(nodes=[SPARES[0]])
    run(made, STEPS[:4])
    env.seed(made).assign([SPARES[1]], ["compute"])
    with pytest.raises(Refused, match="node-7"):
        env.Clone().undo(made)
    assert env.seed(made).exists()


def test_other_nodes_than_it_was_begun_with_are_refused(context):
    made = context(nodes=[SPARES[0]])
    run(made, STEPS[:4])
    with pytest.raises(Refused, match="begun with nodes 6"):
        env.Preflight().verify(context(nodes=[SPARES[1]]))


@pytest.mark.parametrize(
    ("options", "named"),
    [({"nodes": [99]}, "no node 99"), ({"nodes": [CONTROLLERS[0]]}, "node-1 belongs to environment 1")],
)
def test_nodes_that_cannot_be_taken_are_refused_and_nothing_is_changed(context, options, named):
    made = context(**options)
    with pytest.raises(OctaneError, match=named):
        run(made)
    assert len(made.fuel.environments()) == 1
    assert made.journal.records.all(made.pair_id) == {}


def test_what_was_typed_is_looked_at_in_fuel(context):
    made = context(nodes=[99, CONTROLLERS[0]])
    with pytest.raises(BadInput, match=r"no node 99 .*; node-1 belongs to environment 1; free nodes are 6, 7, 8"):
        typed.upgrade_env(made)
    with pytest.raises(BadInput, match="no environment 99 on this Fuel master; there are 1"):
        typed.refuse_unknown(made, [99])
    typed.upgrade_env(context())


def test_all_problems_are_told_at_once(context):
    made = context(nodes=[99])
    made.fuel.set_node_status(CONTROLLERS[0], "error")
    made.fuel.connection.put_request(f"nodes/{CONTROLLERS[1]}", {"online": False})
    with pytest.raises(Refused) as refused:
        env.Preflight().verify(made)
    for named in ("no node 99", "node-1 is 'error'", "node-2 is offline"):
        assert named in str(refused.value)


def test_taking_it_back_deletes_the_seed_and_frees_its_nodes(context):
    upgraded = context()
    run(upgraded, STEPS[:10])
    seed = upgraded.seed
    for kind in reversed([kind for kind in STEPS if not kind.changes_nothing]):
        kind().undo(upgraded)
    assert not upgraded.fuel.environment(seed).exists()
    assert upgraded.journal.records.all(upgraded.pair_id) == {}
    again = context(nodes=[])
    run(again, STEPS[:2])
    assert again.seed != seed


def test_a_virtual_address_that_comes_up_on_the_seed_meanwhile_is_its_own(upgraded, monkeypatch):
    nodes, late = upgraded.nodes, "06:e9:fb:0e:0d:9b"
    macs, hears = nodes.octane_net_macs, nodes.octane_net_hears
    up = set()

    def macs_with_vip(minion):
        return {**macs(minion), **({"haproxy/b_management": late} if minion in up else {})}

    def hears_vip(minion, asked):
        heard = hears(minion, asked)
        if minion == "node-6":
            up.add(minion)
            heard[asked[minion][0]["address"]] = [late]
        return heard

    monkeypatch.setattr(nodes, "octane_net_macs", macs_with_vip)
    monkeypatch.setattr(nodes, "octane_net_hears", hears_vip)
    assert isolation.Isolated().verify(upgraded)["from the seed"]["node-6"]


def test_an_address_that_answers_once_from_an_interface_that_is_gone_is_no_alarm(upgraded, monkeypatch):
    nodes, answers = upgraded.nodes, ["06:e9:fb:0e:0d:9b"]
    hears = nodes.octane_net_hears

    def hears_once(minion, asked):
        heard = hears(minion, asked)
        if minion == "node-6" and answers:
            heard[asked[minion][0]["address"]] = [answers.pop()]
        return heard

    monkeypatch.setattr(nodes, "octane_net_hears", hears_once)
    assert isolation.Isolated().verify(upgraded)
    assert answers == []
