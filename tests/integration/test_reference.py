"""The reference lab, once: three controllers are upgraded beside each other by the commands of the README."""

from __future__ import annotations

import json

import pytest

from lab.wait import until
from tests.integration import observe, records

PROFILE = "reference"
OLD, NEW, COMPUTES = ("node-1", "node-2", "node-3"), ("node-4", "node-5", "node-6"), ("node-7", "node-8", "node-9")
APIS = ("cinder", "glance", "heat", "keystone", "neutron", "nova", "placement")
SEED = "2"
PUBLIC = "vip__public"
"""The cluster's resource of the address that clients call."""

VIRTUAL = {
    "br-mgmt": ("vip__management", "vip__management_vrouter"),
    "br-ex": (PUBLIC, "vip__public_vrouter"),
}
"""The old cluster's resources of all virtual addresses, by the bridge behind which their namespaces answer."""
NAMESPACES = ("haproxy", "vrouter")

pytestmark = [pytest.mark.procedure, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def ran(lab):
    """Jobs that ran on the old controllers before anything was done to them."""
    return {host: observe.services(lab, host) for host in OLD}


@pytest.fixture(scope="module")
def virtual(lab):
    """The virtual addresses by bridge, as the old cluster has them while it runs; the new one takes the same."""
    return {
        bridge: [observe.virtual_address(lab, OLD[0], resource) for resource in resources]
        for bridge, resources in VIRTUAL.items()
    }


@pytest.fixture(scope="module")
def kept(lab):
    """What the way back kept, as one text; empty before it."""
    return []


@pytest.fixture(scope="module")
def probed(lab, before):
    """The file of a probe that runs through the whole procedure; its figures are the demo's, so that it asks seldom."""
    path = lab.state / "probe.jsonl"
    with lab.probe(path, "--light", "0.5"):
        yield path


def changes_nothing(lab, *stage):
    """Run a finished stage again: it says so, and leaves every file of the master as it was."""
    files = observe.files(lab, "fuel", *observe.MASTER_FOLDERS)
    environments = observe.environments(lab)
    said = lab.octane(*stage).stdout
    assert "nothing to do: all" in said, said
    assert observe.differing(files, observe.files(lab, "fuel", *observe.MASTER_FOLDERS)) == []
    assert observe.environments(lab) == environments


def test_the_old_cloud_holds_something_worth_keeping(before):
    taken = json.loads(before.read_text())
    least = {"projects": 5, "users": 40, "role assignments": 40, "images": 30, "networks": 12, "routers": 12,
             "floating addresses": 12, "security group rules": 30, "servers": 40, "volumes": 40, "stacks": 10}
    assert {kind: count for kind, count in least.items() if len(taken[kind]) < count} == {}
    assert {server["status"] for server in taken["servers"].values()} == {"ACTIVE"}
    assert all(login["token"] for login in taken["logins"].values())


def test_nothing_runs_before_the_master_is_prepared(lab, probed):
    assert "prepare" in observe.refused(lab, 3, "upgrade-env", "1", "4", "5", "6")


def test_prepare_makes_every_node_of_the_cloud_a_minion(lab, ran, probed):
    lab.octane("prepare")
    answers = json.loads(lab.run(lab.on("fuel", "salt", "--static", "--out=json", "*", "test.ping")).stdout)
    assert answers == dict.fromkeys((*OLD, *COMPUTES), True)


def test_prepare_again_changes_nothing(lab):
    changes_nothing(lab, "prepare")


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        (2, ["upgrade-env", "one"]),
        (2, ["upgrade-env", "99", "4", "5", "6"]),
        (2, ["upgrade-env", "1", "four"]),
        (2, ["upgrade-db", "1"]),
        (2, ["upgrade-control", "77"]),
        (2, ["cleanup-env", "0"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_no_environment_of_that_kind_is_bad_input(lab, code, stage):
    observe.refused(lab, code, *stage)


def test_upgrade_env_names_every_problem_of_the_nodes_at_once(lab):
    said = lab.octane("upgrade-env", "1", "7", "88", check=False)
    assert said.returncode in (2, 3)
    assert "88" in said.stderr and "7" in said.stderr
    assert set(observe.environments(lab)) == {1}


def test_upgrade_env_installs_a_seed_on_the_same_addresses(lab, probed):
    lab.octane("upgrade-env", "1", "4", "5", "6")
    assert observe.nodes_of(lab, int(SEED)) == {4, 5, 6}
    assert observe.environments(lab)[int(SEED)]["status"] == "operational"
    for bridge in ("br-mgmt", "br-ex"):
        old = set().union(*(observe.addresses(lab, host, bridge) for host in OLD))
        new = set().union(*(observe.addresses(lab, host, bridge) for host in NEW))
        assert old and old == new


def test_the_seed_is_heard_by_nobody(lab):
    theirs = {observe.mac(lab, host, "br-mgmt") for host in OLD}
    for host in OLD:
        for address in observe.addresses(lab, host, "br-mgmt"):
            assert observe.who_has(lab, COMPUTES[0], "br-mgmt", address) <= theirs


def only_these_have_the_virtual_addresses(lab, virtual, these):
    """Whoever asks for a virtual address hears the namespaces of THESE controllers, and no other's."""
    theirs = observe.macs_within(lab, these, NAMESPACES)
    for bridge, addresses in virtual.items():
        asker = COMPUTES[0] if bridge == "br-mgmt" else these[0]
        for address in addresses:
            heard = observe.who_has(lab, asker, bridge, address)
            assert heard and heard <= theirs, (bridge, address)


def test_nor_is_it_heard_for_a_virtual_address(lab, virtual):
    only_these_have_the_virtual_addresses(lab, virtual, OLD)


def test_clients_noticed_nothing_of_it(lab, probed):
    apis = lab.probe_summary(probed)["apis"]
    assert set(apis) == set(APIS)
    assert {api: kinds["write"]["refused_seconds"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0.0)


def test_upgrade_env_again_changes_nothing(lab):
    changes_nothing(lab, "upgrade-env", "1", "4", "5", "6")


def test_the_switch_is_refused_before_the_databases_have_moved(lab):
    assert "upgrade-db" in observe.refused(lab, 3, "upgrade-control", SEED)


def test_the_databases_can_be_checked_and_rehearsed_without_users_noticing(lab, probed):
    for trial in ("--check", "--rehearse"):
        lab.octane("upgrade-db", SEED, trial)
    left = lab.run(lab.on("fuel", "salt", "--static", "--out=json", NEW[0], "octane_rehearsal.status")).stdout
    assert set(json.loads(left)[NEW[0]].values()) == {False}
    apis = lab.probe_summary(probed)["apis"]
    assert {api: kinds["write"]["refused_seconds"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0.0)


def test_upgrade_db_moves_every_row(lab, probed):
    lab.octane("upgrade-db", SEED)
    for database, table in (("keystone", "user"), ("nova", "instances"), ("neutron", "ports"), ("cinder", "volumes"),
                            ("glance", "images"), ("heat", "stack"), ("placement", "resource_providers")):  # fmt: skip
        assert observe.rows(lab, NEW[0], database, table) == observe.rows(lab, OLD[0], database, table) > 0


def refuses_writes_alone(lab, path):
    """For five seconds no API takes a write, and none leaves a read unanswered."""
    lab.lab("probe", "--seconds", "5", "--output", str(path))
    apis = lab.probe_summary(path)["apis"]
    assert {api: kinds["write"]["acknowledged"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0)
    assert all(kinds["write"]["refused_seconds"] > 4 for kinds in apis.values())
    assert {api: kinds["read"]["failed_seconds"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0.0)


def test_writes_are_refused_and_reads_go_on(lab, tmp_path):
    refuses_writes_alone(lab, tmp_path / "probe.jsonl")


def test_they_are_wherever_the_cluster_moves_the_address_that_clients_call(lab, tmp_path):
    """By the cluster's own command, whose constraint is taken away again: the address stays where it came to."""
    address = observe.virtual_address(lab, OLD[0], PUBLIC)
    (before,) = observe.holders(lab, OLD, address)
    target = next(host for host in OLD if host != before)
    name = lab.run(lab.on(target, "crm_node", "--name")).stdout.strip()
    lab.run(lab.on(target, "crm_resource", "--resource", PUBLIC, "--move", "--node", name))
    try:
        until(lambda: observe.holders(lab, OLD, address) == [target], 120, f"{PUBLIC} to be on {target} alone")
    finally:
        lab.run(lab.on(target, "crm_resource", "--resource", PUBLIC, "--clear"))
    observe.until_reads_are_answered(lab)
    refuses_writes_alone(lab, tmp_path / "probe.jsonl")
    assert observe.holders(lab, OLD, address) == [target]


def test_upgrade_db_again_changes_nothing(lab):
    changes_nothing(lab, "upgrade-db", SEED)


def test_upgrade_control_gives_the_new_controllers_all_addresses(lab, probed):
    lab.octane("upgrade-control", SEED)
    theirs = {observe.mac(lab, host, "br-mgmt") for host in NEW}
    for host in NEW:
        for address in observe.addresses(lab, host, "br-mgmt"):
            assert observe.who_has(lab, COMPUTES[0], "br-mgmt", address) & theirs


def test_the_old_controllers_answer_on_no_address(lab):
    for bridge in ("br-mgmt", "br-ex"):
        theirs = {observe.mac(lab, host, bridge) for host in OLD}
        asker = COMPUTES[0] if bridge == "br-mgmt" else NEW[0]
        for address in set().union(*(observe.addresses(lab, host, bridge) for host in (*OLD, *NEW))):
            assert not observe.who_has(lab, asker, bridge, address) & theirs


def test_what_leaves_the_new_controllers_goes_through_their_public_network(lab):
    """Behind the isolation it went through the administration network."""
    (wanted,) = {observe.default_route(lab, host) for host in OLD}
    assert "br-ex" in wanted
    assert {observe.default_route(lab, host) for host in NEW} == {wanted}


def test_nor_for_a_virtual_address_which_the_new_ones_have(lab, virtual):
    only_these_have_the_virtual_addresses(lab, virtual, NEW)


def test_computes_talk_to_the_new_brokers(lab):
    queues = lab.run(lab.on(NEW[0], "rabbitmqctl", "-q", "list_queues", "name", "consumers")).stdout
    consumers = dict(line.split("\t") for line in queues.splitlines() if line.startswith("compute.node-"))
    assert consumers == {f"compute.{host}.domain.tld": "1" for host in COMPUTES}


def test_upgrade_control_again_changes_nothing(lab):
    changes_nothing(lab, "upgrade-control", SEED)


def test_the_switch_can_be_taken_back(lab, ran, probed, kept):
    """The old controllers answer again and run what they ran; the new ones are silent and hold nothing."""
    lab.octane("rollback-control", SEED)
    theirs = {observe.mac(lab, host, "br-mgmt") for host in NEW}
    for host in OLD:
        for address in observe.addresses(lab, host, "br-mgmt"):
            found = observe.who_has(lab, COMPUTES[0], "br-mgmt", address)
            assert found and not found & theirs
    assert {host: observe.services(lab, host) for host in OLD} == ran
    assert observe.query(lab, NEW[0], "SHOW DATABASES LIKE 'nova%'") == []
    path = lab.state / "after-undo.jsonl"
    lab.lab("probe", "--seconds", "5", "--output", str(path))
    apis = lab.probe_summary(path)["apis"]
    assert {api: kinds["write"]["refused_seconds"] for api, kinds in apis.items()} == dict.fromkeys(APIS, 0.0)
    kept.append(lab.run(lab.on("fuel", "sh", "-c", "cat /var/lib/octane/written/*.json")).stdout)
    kept.append(lab.run(lab.on(OLD[0], "sh", "-c", "cat /var/lib/octane-node/written/*/*.sql")).stdout)


def test_every_write_to_the_new_cloud_is_in_the_files_that_the_way_back_kept(lab, probed, kept):
    found = json.loads(lab.lab("probe", "--lookup", str(probed), check=False).stdout)
    assert found["missing"] and found["found"] > 0
    assert [one for one in found["missing"] if not any(one["id"] in text for text in kept)] == []


def test_and_the_whole_way_gone_again(lab, probed):
    lab.octane("upgrade-db", SEED)
    lab.octane("upgrade-control", SEED)


def test_cleanup_deletes_the_records_of_hosts_that_are_gone_and_no_other(lab, probed):
    """A controller that had left the cloud before is remembered; a compute's agent is down, and its host is known."""
    records.leave_agent(lab, NEW[0], COMPUTES[0])
    living = records.hosts(lab, NEW[0])
    assert {NEW[0], *COMPUTES} <= living["nova.services"] and NEW[0] in living["heat.service"], living
    records.leave(lab, NEW[0])
    assert all(records.GONE in hosts for hosts in records.hosts(lab, NEW[0]).values())
    lab.octane("cleanup-env", SEED)
    assert records.hosts(lab, NEW[0]) == {table: hosts - set(OLD) for table, hosts in living.items()}


def test_cleanup_again_changes_nothing(lab):
    changes_nothing(lab, "cleanup-env", SEED)


def test_users_own_what_they_owned(lab, before):
    observe.users_own(lab, before)


def test_nothing_that_was_acknowledged_is_missing(lab, probed, kept):
    """But for what was written before the way back, and is kept in its files."""
    found = json.loads(lab.lab("probe", "--lookup", str(probed), check=False).stdout)
    assert found["found"] > 0
    assert [one for one in found["missing"] if not any(one["id"] in text for text in kept)] == []


def test_status_tells_every_stage_and_step_with_its_evidence(lab):
    told = lab.octane("status", SEED, "-f", "json").stdout
    for stage in ("upgrade-env", "check-db", "rehearse-db", "upgrade-db", "upgrade-control", "cleanup-env"):
        assert stage in told
