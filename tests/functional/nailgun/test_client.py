"""python-fuelclient against a server that behaves as Nailgun 7.0: sessions, errors, waits."""

import dataclasses

import pytest

from octane.errors import BadInput, Failed, WaitTimeout
from octane.fuel import Credentials, Fuel
from octane.fuel.errors import BadRequest, NotFound, Unauthorized, Unreachable
from octane.fuel.tasks import Wait, wait_for_deletion, wait_for_nodes, wait_for_task
from tests.functional.nailgun.server import ORIGINAL, SPARES, free_port


def test_an_expired_token_is_renewed(master):
    master.stop()
    master.options += ["--token-lifetime", "0.5"]
    master.start()
    fuel = master.fuel
    fuel.version()
    token = fuel.connection.session.headers["X-Auth-Token"]

    def renewed():
        fuel.version()
        return fuel.connection.session.headers["X-Auth-Token"] != token

    from octane.wait import until

    assert until(renewed, 10, "a new token", interval=0.2)


def test_a_wrong_password_is_refused_and_its_source_named(master):
    wrong = Credentials("127.0.0.1", master.port, "admin", "wrong", source="/etc/fuel/astute.yaml")
    with pytest.raises(Unauthorized, match=r"/etc/fuel/astute\.yaml") as refused:
        Fuel(wrong).version()
    assert "wrong" not in str(refused.value)


def test_no_master_at_all_is_said_so():
    with pytest.raises(Unreachable, match="does not answer"):
        Fuel(Credentials("127.0.0.1", free_port(), "admin", "admin")).version()


def test_what_is_not_there_is_named(master):
    fuel = master.fuel
    with pytest.raises(BadInput, match="there is no environment 99 on this Fuel master; there are 1"):
        fuel.environment(99).data()
    with pytest.raises(BadInput, match="no node 99"):
        fuel.node(99)
    assert fuel.tasks.get(99) is None
    assert not fuel.environment(99).exists()


def test_the_api_s_reason_is_told(master):
    environment = master.fuel.environment(ORIGINAL)
    with pytest.raises(BadRequest, match="deprecated"):
        environment.clone("seed", 2)
    with pytest.raises(NotFound, match="Object 'Release'"):
        environment.clone("seed", 999)


def test_no_facts_are_an_empty_list(master):
    assert master.fuel.environment(ORIGINAL).facts() == []


def test_an_action_without_nodes_is_not_left_to_the_default_set(master):
    with pytest.raises(BadInput, match="without naming nodes"):
        master.fuel.environment(ORIGINAL).provision([])


@pytest.fixture
def installing(master):
    """A seed with one node, and a wait for it."""
    fuel = master.fuel
    seed = fuel.environment(fuel.environment(ORIGINAL).clone("seed", 4))
    seed.assign([SPARES[0]], ["controller"])

    def make(timeout=30):
        return Wait(seed, fuel.tasks, (SPARES[0],), timeout, lambda text: None)

    return master, seed, make


def test_a_task_and_its_nodes_are_waited_for(installing):
    _, seed, wait = installing
    wait_for_task(wait(), seed.provision([SPARES[0]]), "provisioning")
    assert [node.status for node in wait_for_nodes(wait(), ("provisioned",), "provisioning")] == ["provisioned"]


def test_a_failed_task_names_its_node(installing):
    master, seed, wait = installing
    master.fail(SPARES[0], "provision")
    with pytest.raises(Failed, match=r"provisioning failed: .*node-6 \(provision\)"):
        wait_for_task(wait(), seed.provision([SPARES[0]]), "provisioning")
    with pytest.raises(Failed, match="node-6"):
        wait_for_nodes(wait(), ("provisioned",), "provisioning")


def test_a_task_that_nailgun_deleted_is_over(installing):
    _, _, wait = installing
    wait_for_task(wait(), 999, "provisioning")


def test_an_environment_with_a_node_in_error_is_deleted(installing):
    master, seed, wait = installing
    master.fail(SPARES[0], "provision")
    with pytest.raises(Failed):
        wait_for_task(wait(), seed.provision([SPARES[0]]), "provisioning")
    seed.delete()
    wait_for_deletion(wait())
    assert not seed.exists()


def test_a_deletion_that_failed_is_not_waited_for_and_can_be_repeated(installing):
    master, seed, wait = installing
    master.fail(SPARES[0], "erase")
    seed.delete()
    with pytest.raises(Failed, match=f"environment {seed.id} was not deleted: Failed to delete nodes: .*node-6"):
        wait_for_deletion(wait())
    seed.delete()
    wait_for_deletion(wait())
    assert not seed.exists()


def test_no_nodes_are_not_waited_for(installing):
    _, _, wait = installing
    assert wait_for_nodes(dataclasses.replace(wait(), node_ids=()), ("ready",), "deployment") == []


def test_every_wait_ends_and_says_what_it_waited_for(installing):
    _, _, wait = installing
    with pytest.raises(WaitTimeout, match="node-6 online and ready"):
        wait_for_nodes(wait(timeout=0.5), ("ready",), "deployment")
