"""Three controllers and no spare server: the first moves alone, comes back, moves again, and the others follow it."""

from __future__ import annotations

import json

import pytest

from tests.integration import observe

PROFILE = "node-by-node"
FIRST, *OTHERS = CONTROLLERS = ("node-1", "node-2", "node-3")
COMPUTE = "node-4"
APIS = ("cinder", "glance", "heat", "keystone", "neutron", "nova", "placement")
SEED = "2"
SECOND_SEED = "3"
"""Fuel's number of the seed that is made after the first one was given up."""

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def probed(lab, before):
    """The file of a probe that runs through the whole procedure."""
    path = lab.state / "probe.jsonl"
    with lab.probe(path, "--light", "0.5"):
        yield path


@pytest.fixture(scope="module")
def taken(lab):
    """Addresses of every controller by bridge, before anything was done."""
    return {host: {bridge: observe.addresses(lab, host, bridge) for bridge in ("br-mgmt", "br-ex")}
            for host in CONTROLLERS}  # fmt: skip


def members(lab, host):
    """What a controller sees of its clusters: Galera's size and status, brokers that run, Pacemaker's nodes, votes."""
    said = lab.run(lab.on("fuel", "salt", "--static", "--out=json", host, "octane_members.seen")).stdout
    seen = json.loads(said)[host]
    assert seen["quorum"] and seen["votes"]["quorate"] and not seen["brokers"]["partitioned"], seen
    assert seen["database"]["status"] == "Primary" and seen["database"]["state"] == "Synced", seen
    return {
        "galera": seen["database"]["size"],
        "brokers": len(seen["brokers"]["running"]),
        "online": len(seen["online"]),
        "votes": seen["votes"]["expected"],
    }


def counts(number):
    return dict.fromkeys(("galera", "brokers", "online", "votes"), number)


def controllers_of(lab, environment):
    return {node["hostname"]: node["status"] for node in observe.nailgun(lab, f"/api/nodes?cluster_id={environment}")
            if "controller" in node["roles"]}  # fmt: skip


def accepts_everything(lab, path):
    """For five seconds every API takes writes and answers reads."""
    lab.lab("probe", "--seconds", "5", "--output", str(path))
    apis = lab.probe_summary(path)["apis"]
    assert set(apis) == set(APIS)
    assert {api: kinds["write"]["refused_seconds"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0.0)
    assert {api: kinds["read"]["failed_seconds"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0.0)


def test_the_first_controller_becomes_the_seeds_behind_its_isolation(lab, taken, probed):
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "--node-by-node")
    assert controllers_of(lab, SEED) == {FIRST: "ready"}
    assert controllers_of(lab, 1) == dict.fromkeys(OTHERS, "ready")
    for bridge in ("br-mgmt", "br-ex"):
        assert observe.addresses(lab, FIRST, bridge) == taken[FIRST][bridge]
        for address in taken[FIRST][bridge]:
            asker = COMPUTE if bridge == "br-mgmt" else OTHERS[0]
            assert observe.who_has(lab, asker, bridge, address) == set()


def test_the_others_have_quorum_of_their_own_votes(lab, tmp_path):
    for host in OTHERS:
        assert members(lab, host) == counts(2)
    accepts_everything(lab, tmp_path / "probe.jsonl")


def test_a_second_time_nothing_changes(lab):
    assert "nothing to do: all" in lab.octane("upgrade-env", "1", "--node-by-node").stdout


def test_the_other_way_is_refused_with_the_command_that_goes_on(lab):
    refused = lab.octane("upgrade-env", "1", check=False)
    assert refused.returncode == 3 and "octane upgrade-env 1 --node-by-node" in refused.stderr


def test_it_comes_back_as_a_member_of_the_originals_clusters(lab, taken, tmp_path):
    lab.octane("rollback-env", "1")
    assert controllers_of(lab, 1) == dict.fromkeys(CONTROLLERS, "ready")
    assert set(observe.environments(lab)) == {1}
    assert {host: {bridge: observe.addresses(lab, host, bridge) for bridge in taken[host]} for host in taken} == taken
    for host in CONTROLLERS:
        assert members(lab, host) == counts(3)
    accepts_everything(lab, tmp_path / "probe.jsonl")


def test_the_databases_and_the_addresses_move_to_it(lab, probed):
    lab.octane("upgrade-env", "1", "--node-by-node")
    lab.octane("upgrade-db", SECOND_SEED)
    lab.octane("upgrade-control", SECOND_SEED)
    theirs = {observe.mac(lab, host, "br-mgmt") for host in OTHERS}
    for address in observe.addresses(lab, FIRST, "br-mgmt"):
        found = observe.who_has(lab, COMPUTE, "br-mgmt", address)
        assert found and not found & theirs


def test_the_switch_can_be_taken_back_and_the_two_have_quorum(lab, tmp_path):
    lab.octane("rollback-control", SECOND_SEED)
    for host in OTHERS:
        assert members(lab, host) == counts(2)
    accepts_everything(lab, tmp_path / "probe.jsonl")
    lab.octane("upgrade-db", SECOND_SEED)
    lab.octane("upgrade-control", SECOND_SEED)


@pytest.mark.parametrize("number", [2, 3])
def test_the_others_join_it_one_after_the_other(lab, number, tmp_path):
    lab.octane("upgrade-node", SECOND_SEED, str(number))
    for host in CONTROLLERS[:number]:
        assert members(lab, host) == counts(number)
    accepts_everything(lab, tmp_path / "probe.jsonl")


def test_there_is_no_way_back_any_more(lab):
    refused = lab.octane("rollback-control", SECOND_SEED, check=False)
    assert refused.returncode == 3 and "installed anew" in refused.stderr


def test_a_compute_is_no_controller(lab):
    refused = lab.octane("upgrade-node", SECOND_SEED, "4", check=False)
    assert refused.returncode == 3 and "compute" in refused.stderr


def test_three_new_controllers_serve_what_users_own(lab, before, taken):
    lab.octane("cleanup-env", SECOND_SEED)
    assert controllers_of(lab, SECOND_SEED) == dict.fromkeys(CONTROLLERS, "ready")
    assert {host: {bridge: observe.addresses(lab, host, bridge) for bridge in taken[host]} for host in taken} == taken
    observe.users_own(lab, before)
