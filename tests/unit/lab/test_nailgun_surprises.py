"""Behaviour of Nailgun 7.0 that one would not expect, and that an upgrade meets."""

import threading

import pytest

from lab.nailgun.fake import FakeDeployer
from lab.nailgun.faults import Faults
from tests.unit.lab.nailgun_master import Master

NETWORKS = "/clusters/2/network_configuration/neutron"


@pytest.fixture
def master():
    """The recorded master with a seed, environment 2."""
    found = Master()
    found.clone()
    return found


@pytest.fixture
def deployed(master):
    """The same with node 6 as the seed's deployed controller."""
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    assert master.done("PUT", "/clusters/2/provision?nodes=6", {})["status"] == "ready"
    assert master.done("PUT", "/clusters/2/changes", {})["status"] == "ready"
    return master


def addresses(master, node):
    return {entry["name"]: entry.get("ip") for entry in master.get(f"/nodes/{node}")["network_data"]}


def test_a_clone_has_the_originals_virtual_addresses_and_passwords(master):
    original, seed = master.get("/clusters/1/network_configuration/neutron"), master.get(NETWORKS)
    for name in ("public_vip", "management_vip", "public_vrouter_vip", "management_vrouter_vip"):
        assert seed[name] == original[name]
    assert seed["vips"]["vrouter_pub"]["ipaddr"] == original["public_vrouter_vip"]
    assert "vips" not in original
    old, new = master.get("/clusters/1/generated"), master.get("/clusters/2/generated")
    assert {section: new[section] for section in old} == old


def test_writing_the_whole_network_configuration_back_throws_virtual_addresses_away(master):
    configuration = master.get(NETWORKS)
    _, task = master.send("PUT", NETWORKS, configuration)
    assert task["status"] == "ready"
    moved = {name: vip["ipaddr"] for name, vip in master.get(NETWORKS)["vips"].items()}
    assert moved == {
        "public": "172.16.0.8",
        "vrouter_pub": "172.16.0.7",
        "management": "192.168.0.8",
        "vrouter": "192.168.0.9",
    }


@pytest.mark.parametrize("names", [[], ["storage", "private"]])
def test_writing_other_networks_keeps_virtual_addresses(master, names):
    before = master.get(NETWORKS)
    chosen = [network for network in before["networks"] if network["name"] in names]
    _, task = master.send(
        "PUT", NETWORKS, {"networks": chosen, "networking_parameters": before["networking_parameters"]}
    )
    assert task["status"] == "ready"
    assert master.get(NETWORKS)["vips"] == before["vips"]


def network(master, name):
    """A network of the seed, as its configuration shows it."""
    return next(row for row in master.get(NETWORKS)["networks"] if row["name"] == name)


def test_changing_one_network_by_its_own_url_throws_its_addresses_away_too(master):
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    master.send("POST", "/clusters/1/upgrade/clone_ips", {"networks": []})
    before, of_node = master.get(NETWORKS)["vips"], addresses(master, 6)
    assert master.send("PUT", f"/networks/{network(master, 'management')['id']}", {"gateway": None})[0] == 200
    after = master.get(NETWORKS)["vips"]
    moved = {name for name in before if after[name]["ipaddr"] != before[name]["ipaddr"]}
    assert moved == {"management", "vrouter"}
    left = addresses(master, 6)
    assert left["management"] is None and left["public"] == of_node["public"]


def test_ranges_of_a_network_by_cidr_follow_its_cidr_whatever_ranges_are_given(master):
    number = network(master, "storage")["id"]
    assert master.send("PUT", f"/networks/{number}", {"cidr": "192.168.9.0/24"})[0] == 200
    assert network(master, "storage")["ip_ranges"] == [["192.168.9.1", "192.168.9.254"]]
    given = {"id": number, "ip_ranges": [["192.168.9.10", "192.168.9.20"]]}
    master.send("PUT", NETWORKS, {"networks": [given]})
    assert network(master, "storage")["ip_ranges"] == [["192.168.9.1", "192.168.9.254"]]


def test_changing_a_network_of_an_environment_in_use_keeps_its_addresses(deployed):
    before = deployed.get(NETWORKS)["vips"], addresses(deployed, 6)
    assert deployed.send("PUT", f"/networks/{network(deployed, 'management')['id']}", {"gateway": None})[0] == 200
    assert (deployed.get(NETWORKS)["vips"], addresses(deployed, 6)) == before


def test_clone_ips_gives_a_pending_controller_the_originals_addresses(master):
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    assert master.send("POST", "/clusters/1/upgrade/clone_ips", {"networks": []}) == (200, None)
    first, seed = addresses(master, 1), addresses(master, 6)
    assert {name: seed[name] for name in ("public", "management", "storage")} == {
        name: first[name] for name in ("public", "management", "storage")
    }
    assert seed["fuelweb_admin"] == "10.20.0.136/24"


def test_moving_a_node_starts_its_provisioning_and_keeps_roles_addresses_and_disks(master):
    disks, before = master.get("/nodes/4/disks"), addresses(master, 4)
    for disk in disks:
        for volume in disk["volumes"]:
            volume["keep_data"] = volume["name"] == "vm"
    assert master.send("PUT", "/nodes/4/disks", disks) == (200, disks)
    status, task = master.send("POST", "/clusters/2/upgrade/assign", {"node_id": 4})
    assert (status, task["name"], task["status"]) == (202, "provision", "running")
    node = master.get("/nodes/4")
    assert (node["cluster"], node["roles"], node["pending_roles"]) == (2, [], ["compute"])
    assert master.end_of(task)["status"] == "ready"
    assert master.get("/nodes/4")["status"] == "provisioned"
    assert addresses(master, 4) == before
    assert master.get("/nodes/4/disks") == disks


def test_moving_a_node_again_before_it_is_deployed_loses_its_roles(master):
    master.done("POST", "/clusters/2/upgrade/assign", {"node_id": 4})
    master.done("POST", "/clusters/1/upgrade/assign", {"node_id": 4})
    node = master.get("/nodes/4")
    assert (node["roles"], node["pending_roles"], node["status"]) == ([], [], "provisioned")
    assert master.done("PUT", "/clusters/1/deploy?nodes=4", {})["status"] == "ready"
    assert master.get("/nodes/4")["status"] == "deploying"


def test_changes_leave_a_node_that_lost_its_roles_where_it_is(master):
    master.done("POST", "/clusters/2/upgrade/assign", {"node_id": 4})
    master.done("POST", "/clusters/1/upgrade/assign", {"node_id": 4})
    assert master.done("PUT", "/clusters/1/changes", {})["status"] == "ready"
    assert master.get("/nodes/4")["status"] == "provisioned"


def test_provisioning_does_not_touch_the_environments_status(master):
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    master.done("PUT", "/clusters/2/provision?nodes=6", {})
    node = master.get("/nodes/6")
    assert (node["status"], node["roles"], node["pending_roles"]) == ("provisioned", [], ["controller"])
    assert master.get("/clusters/2")["status"] == "new"


@pytest.fixture
def slow():
    """The recorded master with a seed that node 6 is to be the controller of, and all that takes time taking some."""
    found = Master(deployer=FakeDeployer(0.5))
    found.clone()
    found.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    return found


def test_provisioning_is_accepted_while_a_deployment_runs(slow):
    _, task = slow.send("PUT", "/clusters/2/changes", {})
    slow.send("POST", "/clusters/2/assignment", [{"id": 7, "roles": ["compute"]}])
    status, second = slow.send("PUT", "/clusters/2/provision?nodes=7", {})
    assert (status, second["name"], second["status"]) == (202, "provision", "running")
    assert slow.get(f"/tasks/{task['id']}")["status"] == "running"
    assert slow.end_of(second)["status"] == "ready" and slow.end_of(task)["status"] == "ready"


def test_provisioning_a_node_that_is_being_provisioned_is_accepted(slow):
    answers = [slow.send("PUT", "/clusters/2/provision?nodes=6", {}) for _ in range(2)]
    assert [status for status, _ in answers] == [202, 202]
    first, second = (task for _, task in answers)
    assert first["id"] != second["id"]
    assert slow.end_of(first)["status"] == "ready" and slow.end_of(second)["status"] == "ready"
    assert slow.get("/nodes/6")["status"] == "provisioned"


def test_provisioning_a_whole_environment_of_a_release_that_is_not_deployable_is_accepted(master):
    release = master.get("/clusters/1")["release_id"]
    assert master.get(f"/releases/{release}")["is_deployable"] is False
    nodes = ",".join(str(node["id"]) for node in master.get("/nodes?cluster_id=1"))
    status, task = master.send("PUT", f"/clusters/1/provision?nodes={nodes}", {})
    assert (status, task["name"]) == (202, "provision")
    assert master.end_of(task)["status"] == "ready"


def test_to_provision_no_nodes_by_name_is_to_provision_those_that_wait_for_it(master):
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    before = master.get("/nodes/7")
    assert master.done("PUT", "/clusters/2/provision?nodes=", {})["status"] == "ready"
    assert master.get("/nodes/6")["status"] == "provisioned"
    assert master.get("/nodes/7") == before


def test_changes_make_the_environment_operational_and_forbid_stopping_it(deployed):
    cluster = deployed.get("/clusters/2")
    assert (cluster["status"], cluster["changes"]) == ("operational", [])
    assert deployed.get("/nodes/6")["roles"] == ["controller"]
    assert deployed.message("PUT", "/clusters/2/stop_deployment") == (400, "Stop action is forbidden for the cluster")


def test_a_migrated_environment_can_be_stopped_although_nothing_runs(master):
    assert master.send("PUT", "/clusters/1/stop_deployment")[0] == 202


def test_a_second_deployment_while_one_runs_is_a_500():
    master = Master(deployer=FakeDeployer(0.5))
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    _, task = master.send("PUT", "/clusters/2/changes", {})
    assert master.send("PUT", "/clusters/2/changes", {}) == (500, "Unexpected exception, please check logs")
    message = "Network configuration cannot be changed during deployment and after upgrade."
    assert master.message("PUT", NETWORKS, {"networks": []}) == (403, message)
    assert master.end_of(task)["status"] == "ready"


def test_a_new_deployment_removes_the_old_tasks(deployed):
    old = next(task for task in deployed.get("/tasks?cluster_id=2") if task["name"] == "deploy")
    deployed.send("POST", "/clusters/2/assignment", [{"id": 7, "roles": ["compute"]}])
    assert deployed.done("PUT", "/clusters/2/changes", {})["status"] == "ready"
    assert deployed.send("GET", f"/tasks/{old['id']}")[0] == 404


def test_deployment_without_a_controller_is_a_failed_task(master):
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["compute"]}])
    status, task = master.send("PUT", "/clusters/2/changes", {})
    assert (status, task["status"]) == (200, "error")
    assert task["message"] == "Not enough controllers, ha_compact mode requires at least 1 controller(s)"
    assert master.get("/clusters/2")["status"] == "new"


def test_a_ready_node_that_is_offline_stops_no_deployment_of_others(master):
    master.send("POST", "/clusters/1/assignment", [{"id": 8, "roles": ["compute"]}])
    master.send("PUT", "/nodes/4", {"online": False})
    assert master.done("PUT", "/clusters/1/changes", {})["status"] == "ready"
    master.send("POST", "/clusters/1/assignment", [{"id": 7, "roles": ["compute"]}])
    master.send("PUT", "/nodes/7", {"online": False})
    _, task = master.send("PUT", "/clusters/1/changes", {})
    assert (task["status"], task["message"]) == (
        "error",
        'Nodes "Untitled (00:07) (id=7, mac=52:54:00:07:00:00)" are offline. '
        "Remove them from environment and try again.",
    )


def test_ceph_needs_as_many_nodes_as_copies(master):
    storage = {"volumes_ceph": {"value": True}, "volumes_lvm": {"value": False}, "osd_pool_size": {"value": "2"}}
    assert master.send("PUT", "/clusters/2/attributes", {"editable": {"storage": storage}})[0] == 200
    roles = [{"id": 6, "roles": ["controller"]}, {"id": 7, "roles": ["ceph-osd"]}]
    assert master.send("POST", "/clusters/2/assignment", roles) == (200, None)
    _, task = master.send("PUT", "/clusters/2/changes", {})
    assert (task["status"], task["message"][:79]) == (
        "error",
        "Number of OSD nodes (1) cannot be less than the Ceph object replication factor ",
    )
    master.send("POST", "/clusters/2/assignment", [{"id": 8, "roles": ["ceph-osd"]}])
    assert master.send("PUT", "/clusters/2/changes", {})[0] == 202


def test_facts_by_default_are_those_of_nodes_that_need_deployment(deployed):
    assert deployed.get("/clusters/2/orchestrator/deployment/defaults") == []
    assert len(deployed.get("/clusters/2/orchestrator/deployment/defaults?nodes=6")) == 1
    facts = deployed.get("/clusters/1/orchestrator/deployment/defaults?nodes=5")
    assert sorted((fact["uid"], fact["role"]) for fact in facts) == [("5", "cinder"), ("5", "compute")]


def test_uploaded_facts_are_what_is_deployed(master):
    taken = []

    class Recorder(FakeDeployer):
        def deploy(self, facts, progress):
            taken.extend(facts)
            return super().deploy(facts, progress)

    master.application.deployer = Recorder(0.05)
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    facts = master.get("/clusters/2/orchestrator/deployment/defaults")
    facts[0]["run_ping_checker"] = False
    assert master.send("PUT", "/clusters/2/orchestrator/deployment", facts) == (200, facts)
    master.done("PUT", "/clusters/2/changes", {})
    assert [fact["run_ping_checker"] for fact in taken] == [False]
    assert master.get("/clusters/2")["is_customized"] is True


@pytest.mark.parametrize(
    ("what", "error_type", "path"),
    [("provision", "provision", "/clusters/2/provision?nodes=6"), ("deploy", "deploy", "/clusters/2/changes")],
)
def test_a_failure_on_demand(tmp_path, what, error_type, path):
    (tmp_path / f"node-6.{what}").touch()
    master = Master(deployer=FakeDeployer(0.05, Faults(tmp_path)))
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    assert master.done("PUT", path, {})["status"] == "error"
    node = master.get("/nodes/6")
    assert (node["status"], node["error_type"]) == ("error", error_type)
    assert master.get("/clusters/2")["status"] == "error"
    assert master.done("PUT", "/clusters/2/changes", {})["status"] == "ready"
    assert master.get("/nodes/6")["error_type"] == error_type


class Stepwise(FakeDeployer):
    """Tells what it is given: percentages of `told` for provisioning, nothing of a deployment; waits after each."""

    def __init__(self, told=()):
        super().__init__(0)
        self.told = list(told)
        self.turn = threading.Semaphore(0)
        self.stands = threading.Event()

    def _stand(self):
        self.stands.set()
        assert self.turn.acquire(timeout=10)

    def provision(self, nodes, progress):
        for percent in self.told:
            progress(nodes[0]["uid"], percent)
            self._stand()
        return {node["uid"]: None for node in nodes}

    def deploy(self, facts, progress):
        self._stand()
        return {fact["uid"]: None for fact in facts}

    def next(self):
        self.stands.clear()
        self.turn.release()


@pytest.mark.parametrize(("provisioned_before", "last"), [(True, 50), (False, 66)])
def test_a_ready_task_shows_what_was_reported_and_no_more(provisioned_before, last):
    """Of the children check_networks, provision and deployment the last one was told nothing of."""
    deployer = Stepwise([100])
    master = Master(deployer=deployer)
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    deployer.turn.release(5)
    if provisioned_before:
        assert master.done("PUT", "/clusters/2/provision?nodes=6", {})["status"] == "ready"
    task = master.done("PUT", "/clusters/2/changes", {})
    assert (task["status"], task["progress"]) == ("ready", last)


def test_progress_rises_and_falls_again_when_the_next_part_begins():
    deployer = Stepwise([50, 100])
    master = Master(deployer=deployer)
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    _, task = master.send("PUT", "/clusters/2/changes", {})
    seen = [task["progress"]]
    for _ in range(3):
        assert deployer.stands.wait(10)
        seen.append(master.get(f"/tasks/{task['id']}")["progress"])
        deployer.next()
    assert seen == [0, 75, 100, 100]
    assert master.end_of(task)["progress"] == 66


def test_tasks_by_themselves_have_no_progress(deployed):
    _, task = deployed.send("PUT", "/clusters/2/deploy_tasks?nodes=6", ["netconfig"])
    shown = deployed.wait_until(
        lambda: deployed.get(f"/tasks/{task['id']}")["progress"] is None, "the task shows no progress"
    )
    assert shown
    task = deployed.end_of(task)
    assert (task["status"], task["progress"]) == ("ready", None)


def test_reset_leaves_nodes_offline_until_an_agent_reports(deployed):
    assert deployed.done("PUT", "/clusters/2/reset", {})["status"] == "ready"
    node = deployed.get("/nodes/6")
    assert (node["status"], node["online"], node["pending_roles"]) == ("discover", False, ["controller"])
    _, task = deployed.send("PUT", "/clusters/2/changes", {})
    assert task["message"].endswith("are offline. Remove them from environment and try again.")
    assert deployed.send("PUT", "/nodes/agent", {"mac": node["mac"]}) == (200, {"id": 6})
    assert deployed.get("/nodes/6")["online"] is True


def test_an_environment_that_was_reset_can_be_stopped_again(deployed):
    assert deployed.message("PUT", "/clusters/2/stop_deployment")[1] == "Stop action is forbidden for the cluster"
    deployed.done("PUT", "/clusters/2/reset", {})
    assert deployed.get("/clusters/2/generated")["deployed_before"]["value"] is False
    status, task = deployed.send("PUT", "/clusters/2/stop_deployment", {})
    assert (status, task["name"]) == (202, "stop_deployment")


def test_nodes_of_different_environments_are_not_deleted_together(master):
    assert master.send("DELETE", "/nodes?ids=4,8") == (500, "Unexpected exception, please check logs")
    assert master.get("/nodes/4")["status"] == "ready"


def test_a_node_of_no_environment_is_deleted_without_a_word(master):
    status, task = master.send("DELETE", "/nodes/8")
    assert (status, task["name"], task["status"], task["progress"]) == (200, "node_deletion", "ready", 100)
    assert (task["cluster"], task["message"]) == (None, None)


def test_nodes_of_an_environment_that_is_deleted_are_marked_at_once():
    master = Master(deployer=FakeDeployer(0.5))
    assert master.send("DELETE", "/clusters/1") == (202, {})
    assert master.get("/nodes/4")["pending_deletion"] is True
    master.wait_until(lambda: master.send("GET", "/clusters/1")[0] == 404, "environment 1 is gone")


def test_a_deleted_node_comes_back_as_another_one(master):
    status, task = master.send("DELETE", "/nodes/4")
    assert (status, task["status"]) == (202, "running")
    assert master.end_of(task)["status"] == "ready"
    assert master.send("GET", "/nodes/4")[0] == 404
    back = [node for node in master.get("/nodes") if node["mac"] == "52:54:00:04:00:00"]
    assert [(node["id"], node["cluster"], node["status"]) for node in back] == [(9, None, "discover")]


def test_deleting_the_seed_frees_the_original(master):
    assert master.send("DELETE", "/clusters/2") == (202, {})
    master.wait_until(lambda: master.send("GET", "/clusters/2")[0] == 404, "environment 2 is gone")
    assert master.send("POST", "/clusters/1/upgrade/clone", {"name": "again", "release_id": 4})[0] == 200


def test_an_environment_whose_nodes_are_in_error_is_deleted_all_the_same(tmp_path):
    (tmp_path / "node-6.provision").touch()
    master = Master(deployer=FakeDeployer(0.05, Faults(tmp_path)))
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    assert master.done("PUT", "/clusters/2/provision?nodes=6", {})["status"] == "error"
    assert master.send("DELETE", "/clusters/2") == (202, {})
    master.wait_until(lambda: master.send("GET", "/clusters/2")[0] == 404, "environment 2 is gone")
    back = [node for node in master.get("/nodes") if node["mac"] == "52:54:00:06:00:00"]
    assert [(node["id"], node["cluster"], node["status"]) for node in back] == [(9, None, "discover")]


def test_an_environment_whose_nodes_cannot_be_erased_stays_in_error(tmp_path):
    (tmp_path / "node-6.erase").touch()
    master = Master(deployer=FakeDeployer(0.05, Faults(tmp_path)))
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    master.send("DELETE", "/clusters/2")
    master.wait_until(lambda: master.get("/clusters/2")["status"] == "error", "the deletion has failed")
    (task,) = [task for task in master.get("/tasks?cluster_id=2") if task["name"] == "cluster_deletion"]
    assert (task["status"], task["message"]) == ("error", "Failed to delete nodes:\nerase was told to fail on node-6")
    node = master.get("/nodes/6")
    assert (node["status"], node["error_type"], node["cluster"]) == ("error", "deletion", 2)


def test_an_unassigned_node_that_was_only_discovered_stays_marked_for_addition(master):
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    assert master.send("POST", "/clusters/2/unassignment", [{"id": 6}]) == (200, None)
    node = master.get("/nodes/6")
    assert (node["cluster"], node["pending_addition"]) == (None, True)
    master.send("POST", "/clusters/1/unassignment", [{"id": 4}])
    assert master.get("/nodes/4")["pending_deletion"] is True
    status, message = master.message("POST", "/clusters/1/unassignment", [{"id": 4}])
    assert (status, message[:62], message[-23:]) == (
        400,
        "Can't unassign nodes with ids <nailgun.db.sqlalchemy.models.no",
        "> if they not assigned.",
    )


def test_changes_remove_unassigned_nodes_too(master):
    master.send("POST", "/clusters/1/unassignment", [{"id": 4}])
    assert master.done("PUT", "/clusters/1/changes", {})["status"] == "ready"
    assert master.send("GET", "/nodes/4")[0] == 404
    assert master.get("/clusters/1")["status"] == "operational"


def test_stopping_a_deployment_makes_its_node_a_new_one_and_its_tasks_vanish():
    master = Master(deployer=FakeDeployer(1))
    master.clone()
    master.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["controller"]}])
    _, deployment = master.send("PUT", "/clusters/2/changes", {})
    status, task = master.send("PUT", "/clusters/2/stop_deployment")
    assert (status, task["name"]) == (202, "stop_deployment")
    message = "Stopping deployment task is already launched"
    assert master.message("PUT", "/clusters/2/stop_deployment") == (409, message)
    assert master.end_of(task)["status"] == "ready"
    assert master.send("GET", f"/tasks/{deployment['id']}")[0] == 404
    node = master.get("/nodes/6")
    assert (node["status"], node["pending_addition"], node["pending_roles"]) == ("discover", True, ["controller"])
    assert master.get("/clusters/2")["status"] == "stopped"
    stopped = [note for note in master.get("/notifications") if "stopped" in note["message"]]
    assert len(stopped) == 2


def test_a_running_task_is_only_deleted_by_force():
    master = Master(deployer=FakeDeployer(0.5))
    _, task = master.send("PUT", "/clusters/1/provision?nodes=4", {})
    path = f"/tasks/{task['id']}"
    assert master.message("DELETE", path) == (400, "You cannot delete running task manually")
    assert master.send("DELETE", f"{path}?force=1")[0] == 204
    assert master.send("GET", path)[0] == 404
    assert master.get("/nodes/4")["status"] == "provisioning"
