"""URLs of the lab's Nailgun that are seldom asked for, and methods that they have in order to refuse them."""

import pytest

from tests.unit.lab.nailgun_master import Master


@pytest.fixture
def master():
    """The recorded master with its seed (2)."""
    found = Master()
    found.clone()
    return found


@pytest.mark.parametrize("place", ["/releases/4", "/clusters/2"])
@pytest.mark.parametrize(("method", "verb"), [("POST", "Create"), ("DELETE", "Delete")])
def test_deployment_tasks_are_neither_created_nor_deleted(master, place, method, verb):
    answer = master.application.handle(method, f"/api/v1{place}/deployment_tasks", master.headers, b"")
    assert (answer.status, answer.content.decode()) == (405, f"{verb} not supported for this entity")
    assert (answer.kind, answer.headers["Allow"]) == ("text/html", "GET, HEAD, POST, PUT, DELETE")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/plugins/1", None, 404, "Plugin not found"),
        ("DELETE", "/plugins/1", None, 404, "Plugin not found"),
        ("POST", "/plugins/sync", {"ids": [5]}, 404, "Object 'Plugin' with UID=5 is not found in DB"),
        ("POST", "/plugins/sync", {"ids": "5"}, 400, "u'5' is not of type 'array'"),
        ("GET", "/nodes/77/vms_conf", None, 404, "Node not found"),
        ("GET", "/clusters/2/vmware_attributes", None, 400, "Cluster doesn't support vmware configuration"),
        ("PUT", "/clusters/2/vmware_attributes", {}, 400, "Cluster doesn't support vmware configuration"),
        ("GET", "/clusters/2/vmware_attributes/defaults", None, 400, "Cluster doesn't support vmware configuration"),
        ("GET", "/clusters/77/vmware_attributes", None, 404, "Cluster not found"),
        ("POST", "/notifications", {"message": "m"}, 400, "Notification topic is not found or invalid"),
        ("DELETE", "/notifications/77", None, 404, "Notification not found"),
    ],
)
def test_refusals(master, method, path, body, status, message):
    assert master.message(method, path, body) == (status, message)


def test_there_are_no_plugins_to_read_again(master):
    assert master.send("POST", "/plugins/sync") == (200, {})
    assert master.send("POST", "/plugins/sync", {"ids": []}) == (200, {})


def test_virtual_machines_of_a_node_are_in_its_facts(master):
    machines = {"vms_conf": [{"id": 1, "cpu": 2, "mem": 4}]}
    assert master.get("/nodes/4/vms_conf") == {"vms_conf": []}
    assert master.send("PUT", "/nodes/4/vms_conf", machines) == (200, machines)
    assert master.get("/nodes/4/vms_conf") == machines
    (facts,) = master.get("/clusters/1/orchestrator/deployment/defaults?nodes=4")
    assert facts["vms_conf"] == machines["vms_conf"]


def test_an_environment_with_vcenter_has_settings_of_vmware(master):
    master.state.row("clusters", 2)["attributes"]["editable"]["common"]["use_vcenter"]["value"] = True
    path = "/clusters/2/vmware_attributes"
    shown = master.get(path)
    assert shown == master.get(f"{path}/defaults")
    assert master.message("PUT", path, {}) == (400, "'editable' is a required property")
    sent = {"editable": {"value": {"glance": {"datacenter": "dc"}}}}
    assert master.send("PUT", path, sent) == (200, sent)
    changed = master.get(path)["editable"]
    assert (changed["value"], changed["metadata"]) == (sent["editable"]["value"], shown["editable"]["metadata"])
    master.state.row("clusters", 2)["status"] = "operational"
    refusal = "Environment attributes can't be changed after or during deployment."
    assert master.message("PUT", path, sent) == (403, refusal)


def test_notifications_come_and_go(master):
    status, made = master.send("POST", "/notifications", {"topic": "warning", "message": "look", "cluster_id": 1})
    assert (status, made["topic"], made["status"], made["cluster"]) == (201, "warning", "unread", 1)
    path = f"/notifications/{made['id']}"
    assert master.get(path) == made
    assert master.send("DELETE", path) == (204, "")
    assert master.message("GET", path) == (404, "Notification not found")
