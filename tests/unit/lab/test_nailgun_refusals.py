"""What the lab's Nailgun refuses, with the statuses and sentences of the real one."""

import pytest

from tests.unit.lab.nailgun_master import Master


@pytest.fixture(scope="module")
def master():
    """The recorded master with its seed (2), an empty one, and nothing that a refusal could change."""
    found = Master()
    found.clone()
    return found


NEW_STORAGE = {"networks": [{"id": 8, "cidr": "192.168.0.0/24", "ip_ranges": [["192.168.0.1", "192.168.0.254"]]}]}
CYCLE = [{"id": "a", "type": "puppet", "requires": ["b"]}, {"id": "b", "type": "puppet", "requires": ["a"]}]
NOT_DEPLOYABLE = "Release with ID '2' is not deployable."
IN_USE = "is already involved in the upgrade routine."

REFUSALS = [
    ("GET", "/clusters/77", None, 404, "Cluster not found"),
    ("GET", "/nodes/77", None, 404, "Node not found"),
    ("GET", "/tasks/77", None, 404, "Task not found"),
    ("GET", "/releases/77", None, 404, "Release not found"),
    ("GET", "/nodes/8/volumes", None, 404, "Cannot calculate volumes info. Please, add node to an environment."),
    ("POST", "/clusters", None, 400, "Empty request received"),
    ("POST", "/clusters", {"name": "orig61", "release": 4}, 409, "Environment with this name already exists"),
    ("POST", "/clusters", {"name": "new"}, 400, "Release ID is required"),
    ("POST", "/clusters", {"name": "new", "release": 77}, 400, "Invalid release ID"),
    ("POST", "/clusters", {"name": "new", "release": 2}, 403, NOT_DEPLOYABLE),
    ("PUT", "/clusters/1", {"release_id": 2}, 403, NOT_DEPLOYABLE),
    ("PUT", "/clusters/1/attributes", {"generated": {}}, 400, "It is not allowed to update generated attributes"),
    ("PUT", "/clusters/1/attributes", {"editable": []}, 400, "Editable attributes should be a dictionary"),
    (
        "PATCH",
        "/clusters/1/attributes",
        {"editable": {"common": {"debug": {"value": True}}}},
        403,
        "Environment attribute 'common' couldn't be changed after or during deployment.",
    ),
    (
        "PUT",
        "/clusters/2/attributes",
        {"editable": {"external_dns": {"dns_list": {"value": "none"}}}},
        400,
        "[dns_list] Invalid IP address list",
    ),
    (
        "PUT",
        "/clusters/2/attributes",
        {"editable": {"common": {"debug": {"value": "yes"}}}},
        400,
        "[debug] u'yes' is not of type 'boolean'",
    ),
    ("POST", "/clusters/77/upgrade/clone", {}, 404, "Cluster not found"),
    ("POST", "/clusters/1/upgrade/clone", {"release_id": 4}, 400, "'name' is a required property"),
    ("POST", "/clusters/1/upgrade/clone", {"name": "s", "release_id": "4"}, 400, "u'4' is not of type 'number'"),
    (
        "POST",
        "/clusters/1/upgrade/clone",
        {"name": "s", "release_id": 4},
        400,
        f"Upgrade is not possible because of the original cluster (1) {IN_USE}",
    ),
    (
        "POST",
        "/clusters/2/upgrade/clone",
        {"name": "s", "release_id": 4},
        400,
        f"Upgrade is not possible because of the original cluster (2) {IN_USE}",
    ),
    ("POST", "/clusters/2/upgrade/assign", {"node_id": 77}, 404, "Node with id 77 was not found."),
    (
        "POST",
        "/clusters/2/upgrade/assign",
        {"node_id": 6},
        400,
        "Node should be in one of statuses: ('ready', 'provisioned', 'error'). Currently node has discover status.",
    ),
    ("POST", "/clusters/1/upgrade/assign", {"node_id": 4}, 400, "Node 4 is already assigned to cluster 1"),
    (
        "POST",
        "/clusters/77/upgrade/clone_ips",
        {"networks": []},
        400,
        "Cluster with ID 77 is not in upgrade stage.",
    ),
    ("POST", "/clusters/2/upgrade/clone_ips", {"networks": []}, 400, "There is no original cluster with ID 2."),
    (
        "POST",
        "/clusters/1/upgrade/clone_ips",
        {"networks": []},
        400,
        "Seed cluster should has at least one controller",
    ),
    (
        "POST",
        "/clusters/2/assignment",
        [{"id": 6, "roles": ["nope"]}],
        400,
        "nope are not valid roles for node in environment 2",
    ),
    (
        "POST",
        "/clusters/2/assignment",
        [{"id": 6, "roles": ["controller", "compute"]}],
        400,
        'Role "controller" in conflict with role compute',
    ),
    ("POST", "/clusters/2/assignment", [{"id": 77, "roles": []}], 400, "Nodes with ids 77 were not found."),
    ("POST", "/clusters/2/unassignment", [{"id": 1}], 400, "Nodes [1] are not members of environment 2."),
    ("PUT", "/clusters/2/changes", {}, 400, "No changes to deploy"),
    ("PUT", "/clusters/2/provision?nodes=77", {}, 404, "NodeCollection not found"),
    ("PUT", "/clusters/2/provision?nodes=x", {}, 400, "Provided id is not integer"),
    (
        "PUT",
        "/clusters/2/deploy_tasks?nodes=1",
        ["nosuch"],
        400,
        "Tasks nosuch are not present in deployment graph",
    ),
    (
        "PUT",
        "/nodes/1/interfaces",
        [],
        400,
        "Node '1': Interfaces configuration can't be changed after or during deployment.",
    ),
    (
        "PUT",
        "/nodes/6",
        {"status": "wat"},
        400,
        "status: u'wat' is not one of ['ready', 'discover', 'provisioning', 'provisioned', 'deploying', 'error', "
        "'removing']",
    ),
    ("PUT", "/nodes", [{"id": 77}], 400, "Invalid ID specified"),
    ("PUT", "/nodes/agent", {"mac": "52:54:00:77:00:00"}, 400, "Invalid MAC is specified"),
    (
        "POST",
        "/nodes",
        {"mac": "52:54:00:06:00:00", "status": "discover"},
        409,
        "Node with mac 52:54:00:06:00:00 already exists - doing nothing",
    ),
    ("PUT", "/networks/1", {"name": "x"}, 400, "Default Admin-pxe network cannot be changed"),
    (
        "POST",
        "/networks",
        {"name": "storage", "group_id": 2},
        409,
        "Network with name storage already exists in node group default",
    ),
    (
        "GET",
        "/clusters/1/network_configuration/nova_network",
        None,
        400,
        "Wrong net provider - environment uses 'neutron'",
    ),
    ("PUT", "/clusters/2/network_configuration/template", {}, 400, "'adv_net_template' is a required property"),
    (
        "PUT",
        "/clusters/2/deployment_tasks",
        CYCLE,
        400,
        "Tasks can not be processed because it contains cycles in it.",
    ),
    (
        "POST",
        "/releases",
        {"name": "Kilo on Ubuntu 14.04", "version": "2015.1.0-7.0", "operating_system": "Ubuntu"},
        409,
        "Release with the same name and version already exists",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "sentence"), REFUSALS)
def test_refusal(master, method, path, body, status, sentence):
    before = master.state.to_json()
    assert master.message(method, path, body) == (status, sentence)
    assert master.state.to_json() == before


def test_roles_of_nodes_that_belong_to_an_environment_already(master):
    status, message = master.message("POST", "/clusters/2/assignment", [{"id": 1, "roles": ["controller"]}])
    assert status == 400
    assert message.endswith("Nodes must be unassigned before they can be assigned again.")


@pytest.mark.parametrize(
    ("body", "message", "result"),
    [
        (
            NEW_STORAGE,
            "Address space intersection between networks:\nmanagement, storage",
            [{"ids": [7, 8], "errors": ["cidr"]}],
        ),
        ({"networks": [{"id": 77}]}, "Networks with ID's [77] are not present in the database", {}),
        (
            {"networking_parameters": {"segmentation_type": "gre"}},
            "Change of 'segmentation_type' is prohibited",
            {},
        ),
    ],
)
def test_network_configuration_is_refused_by_a_task_that_has_failed(master, body, message, result):
    status, task = master.send("PUT", "/clusters/2/network_configuration/neutron", body)
    assert status == 200
    assert (task["name"], task["status"], task["message"], task["result"]) == (
        "check_networks",
        "error",
        message,
        result,
    )


def test_ranges_of_a_deployed_environment_cannot_leave_addresses_behind(master):
    body = {"networks": [{"id": 3, "cidr": "10.9.0.0/24", "ip_ranges": [["10.9.0.1", "10.9.0.254"]]}]}
    _, task = master.send("PUT", "/clusters/1/network_configuration/neutron", body)
    assert task["message"] == "New IP ranges for network 'management' conflict with already allocated IPs."


def test_verification_needs_two_nodes(master):
    status, task = master.send("PUT", "/clusters/2/network_configuration/neutron/verify", {"networks": []})
    assert (status, task["name"], task["status"]) == (200, "check_networks", "error")
    assert task["message"].startswith("At least two online nodes are required")


@pytest.mark.parametrize("raw", [b"{", b"nonsense"])
def test_what_is_not_json(master, raw):
    status, answer = master.send("POST", "/clusters", raw=raw)
    assert (status, answer["message"]) == (400, "Invalid json received")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/transactions", None, 404, "not found"),
        ("GET", "/nodes/six", None, 404, "not found"),
        ("GET", "/clusters/1/upgrade/clone", None, 405, "None"),
        ("POST", "/clusters/1", {}, 405, "None"),
        ("PUT", "/clusters/1/orchestrator/deployment", {"a": 1}, 500, "Unexpected exception, please check logs"),
    ],
)
def test_bare_texts(master, method, path, body, status, text):
    assert master.send(method, path, body) == (status, text)


def test_a_disk_that_is_too_small_is_quoted_as_python_2_did(master):
    disk = {"id": "virtio0", "name": "vda", "volumes": [{"name": "os", "size": 9}], "size": 8, "extra": []}
    assert master.message("PUT", "/nodes/1/disks", [disk]) == (
        400,
        "Not enough free space on disk: {u'extra': [], u'size': 8, u'id': u'virtio0', "
        "u'volumes': [{u'name': u'os', u'size': 9}], u'name': u'vda'}",
    )


def test_a_volume_is_kept_on_all_disks_or_on_none(master):
    disks = master.get("/nodes/4/disks")
    torn = [dict(volume, keep_data=volume["name"] == "vm") for volume in disks[0]["volumes"]]
    assert master.message("PUT", "/nodes/4/disks", [disks[0] | {"volumes": torn}, *disks[1:]]) == (
        400,
        "All volumes with the same name should have the same value for `keep_data` flag, incorrect volumes: vm",
    )
    assert master.get("/nodes/4/disks") == disks


def test_an_unknown_disk_is_a_500(master):
    disks = master.get("/nodes/1/disks")
    disks[0]["id"] = "disk/by-path/nowhere"
    assert master.send("PUT", "/nodes/1/disks", disks) == (500, "Unexpected exception, please check logs")
