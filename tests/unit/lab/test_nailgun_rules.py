"""Rules of the lab's Nailgun for what is seldom sent: what the database refuses, odd bodies, nova-network, bonds."""

import pytest

from tests.unit.lab.nailgun_master import Master


@pytest.fixture(scope="module")
def master():
    """The recorded master with its seed (2), and nothing that a refusal could change."""
    found = Master()
    found.clone()
    return found


@pytest.fixture
def own():
    """A master that the test may change."""
    found = Master()
    found.clone()
    return found


EMPTY = '(IntegrityError) null value in column "name" of relation "{}" violates not-null constraint'
TRACEBACK = "Traceback (most recent call last):"
NUMBER = '(DataError) invalid input syntax for type integer: "abc"'
NETWORK = {"name": "more", "release": 4, "vlan_start": 110, "cidr": "10.9.0.0/24", "group_id": 2, "meta": {}}
FOREIGN = '(IntegrityError) insert or update on table "network_groups" violates foreign key constraint '
UNKNOWN_GROUP = "Node group with ID 77 does not exist"
TAKEN = "Network with name storage already exists in node group default"

REFUSALS = [
    ("POST", "/clusters", {"release": 4}, 400, EMPTY.format("clusters")),
    (
        "POST",
        "/clusters",
        {"name": "n", "release": 4, "net_provider": "neutron", "net_segment_type": "wat"},
        400,
        '(DataError) invalid input value for enum segmentation_type: "wat"',
    ),
    ("PUT", "/releases/2", {"state": "wat"}, 400, '(DataError) invalid input value for enum release_state: "wat"'),
    (
        "PUT",
        "/notifications",
        [{"id": 1, "status": "wat"}],
        400,
        '(DataError) invalid input value for enum notif_status: "wat"',
    ),
    ("GET", "/nodes?cluster_id=abc", None, 400, NUMBER),
    ("GET", "/tasks?cluster_id=abc", None, 400, NUMBER),
    ("GET", "/nodegroups?cluster_id=abc", None, 400, NUMBER),
    ("POST", "/networks", NETWORK | {"release": 77}, 400, f'{FOREIGN}"network_groups_release_fkey"'),
    ("POST", "/networks", NETWORK | {"group_id": 77}, 400, UNKNOWN_GROUP),
    ("POST", "/networks", NETWORK | {"cidr": "wat"}, 400, "cidr: u'wat' is not valid under any of the given schemas"),
    (
        "POST",
        "/networks",
        NETWORK | {"meta": {"notation": "new"}},
        400,
        "notation: u'new' is not one of ['cidr', 'ip_ranges', None]",
    ),
    (
        "POST",
        "/networks",
        NETWORK | {"meta": {"notation": "ip_ranges", "ip_range": ["10.9.0.33"]}},
        400,
        "ip_range: [u'10.9.0.33'] is too short",
    ),
    (
        "POST",
        "/networks",
        NETWORK | {"meta": {"notation": "ip_ranges"}},
        400,
        "IPAddrRange object cannot be created for network 'more' with notation='ip_ranges', ip_range='None'",
    ),
    ("PUT", "/networks/7", {"cidr": "wat"}, 400, "cidr: u'wat' is not valid under any of the given schemas"),
    ("PUT", "/networks/7", {"release": 2}, 400, "Network release could not be changed."),
    ("PUT", "/networks/7", {"cidr": None}, 400, "No CIDR was specified for network 7"),
    (
        "PUT",
        "/networks/3",
        {"cidr": "10.9.0.0/24"},
        400,
        "New IP ranges for network 'management' conflict with already allocated IPs.",
    ),
    ("PUT", "/networks/7", {"group_id": 77}, 400, UNKNOWN_GROUP),
    ("PUT", "/networks/7", {"name": "storage"}, 409, TAKEN),
    ("POST", "/nodegroups", [], 400, "[] is not of type 'object'"),
    ("POST", "/nodegroups", {"cluster_id": 2}, 400, EMPTY.format("nodegroups")),
    ("PUT", "/nodegroups/2", [], 400, "[] is not of type 'object'"),
    ("PUT", "/clusters/2/attributes", [], 500, TRACEBACK),
    ("POST", "/releases", [], 400, "No release name specified"),
    ("PUT", "/releases/2", [], 500, TRACEBACK),
    ("PUT", "/notifications/1", [], 500, TRACEBACK),
    ("PUT", "/notifications/1", {"status": "wat"}, 400, "Bad status"),
    ("PUT", "/notifications", [{}], 400, "ID is not set correctly"),
    ("POST", "/clusters/2/unassignment", [{}], 500, TRACEBACK),
    ("POST", "/clusters/2/assignment", [{"id": 0, "roles": []}], 400, "Nodes with ids 0 were not found."),
    (
        "PUT",
        "/releases/2",
        {"roles_metadata": {"controller": {}, "cinder": {}}},
        400,
        "Cannot delete roles already assigned to nodes: compute",
    ),
    (
        "PUT",
        "/clusters/2/deployment_tasks",
        [{"id": "a", "type": "puppet", "requires": ["nosuch"], "required_for": ["deploy_end"]}],
        400,
        "Tasks 'nosuch' can't be in requires|required_for|groups|tasks for [a] because they don't exist in the graph",
    ),
    (
        "PUT",
        "/clusters/2/deployment_tasks",
        [{"id": "deploy_start", "type": "stage", "requires": ["deploy_end"]}],
        400,
        "Tasks can not be processed because it contains cycles in it.",
    ),
    (
        "PUT",
        "/clusters/1/attributes",
        {"editable": {"common": {}, "access": {}, "storage": {}}},
        403,
        "Environment attribute 'access' couldn't be changed after or during deployment.",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), REFUSALS)
def test_what_is_wrong_is_refused_and_leaves_nothing_behind(master, method, path, body, status, message):
    if path == "/notifications" or path == "/notifications/1":
        master.state.tables["notifications"].setdefault(1, {"id": 1, "status": "unread"})
    before = master.state.snapshot()
    assert master.message(method, path, body) == (status, message)
    assert master.state.snapshot() == before


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/clusters/1/upgrade/clone", {"name": 5}, "'release_id' is a required property"),
        ("/clusters/1/upgrade/clone", {"name": 5, "release_id": "4"}, "u'4' is not of type 'number'"),
        ("/clusters", {"name": "n", "release": 4, "mode": 5}, "mode: 5 is not one of ['multinode', 'ha_full', 'ha_c"),
    ],
)
def test_of_several_violations_the_one_that_python_2_met_first_is_told(own, path, body, message):
    assert own.send("DELETE", "/clusters/2")[0] == 202
    own.wait_until(lambda: own.send("GET", "/clusters/2")[0] == 404, "the seed is gone")
    status, told = own.message("POST", path, body)
    assert (status, told[: len(message)]) == (400, message)


class TestDeploymentTasks:
    PATH = "/clusters/2/deployment_tasks"

    def test_without_tasks_of_its_own_an_environment_has_its_releases_again(self, own):
        tasks = own.get(self.PATH)
        kept = [task for task in tasks if task["id"] != "netconfig"]
        assert own.send("PUT", "/clusters/1/deployment_tasks", [tasks[0]]) == (200, [tasks[0]])
        assert own.send("PUT", "/clusters/1/deployment_tasks", []) == (200, tasks)
        assert own.send("PUT", self.PATH, kept) == (200, kept)

    def test_tasks_that_name_one_of_the_release_are_taken_once(self, own):
        """The second time the one they name is nowhere: neither in the list, nor in the environment's own."""
        kept = [task for task in own.get(self.PATH) if task["id"] != "upload_cirros"]
        assert own.send("PUT", self.PATH, kept)[0] == 200
        assert own.message("PUT", self.PATH, kept) == (
            400,
            "Tasks 'upload_cirros' can't be in requires|required_for|groups|tasks for [ceph_ready_check] "
            "because they don't exist in the graph",
        )


class TestTemplate:
    PATH = "/clusters/2/network_configuration/template"
    TEMPLATE = {
        "adv_net_template": {
            "default": {
                "nic_mapping": {"default": {}},
                "templates_for_node_role": {"controller": ["common"]},
                "network_assignments": {},
                "network_scheme": {"common": {"transformations": [], "endpoints": [], "roles": {}}},
            }
        }
    }

    def test_setting_one_answers_an_empty_string(self, own):
        assert own.send("PUT", self.PATH, self.TEMPLATE) == (200, "")
        assert own.get(self.PATH) == self.TEMPLATE
        assert own.send("DELETE", self.PATH) == (204, "")
        assert own.get(self.PATH) is None

    def test_it_is_checked_before_its_environment_is_looked_for(self, own):
        unknown = self.PATH.replace("2", "77")
        assert own.message("PUT", unknown, {}) == (400, "'adv_net_template' is a required property")
        assert own.message("PUT", unknown, self.TEMPLATE) == (404, "Cluster not found")

    def test_taking_it_away_is_refused_in_bare_words(self, own):
        assert own.send("DELETE", self.PATH.replace("2", "77")) == (404, "Cluster not found")

    @pytest.mark.parametrize("status", ["deployment", "remove", "update", "update_error"])
    def test_networks_stay_while_the_environment_is_changed(self, own, status):
        own.state.row("clusters", 2)["status"] = status
        sentence = "Network template cannot be changed during deployment and after upgrade."
        assert own.message("PUT", self.PATH, self.TEMPLATE) == (403, sentence)
        assert own.send("DELETE", self.PATH) == (403, sentence)
        configuration = "/clusters/2/network_configuration/neutron"
        assert own.message("PUT", configuration, {"networks": []}) == (
            403,
            sentence.replace("template", "configuration"),
        )


@pytest.mark.parametrize("path", ["/tasks", "/nodegroups"])
def test_an_empty_environment_in_a_query_means_none(own, path):
    assert own.get(path)
    assert own.get(f"{path}?cluster_id=") == []


@pytest.mark.parametrize(("force", "status"), [("", 400), ("?force=0", 400), ("?force=", 400), ("?force=yes", 204)])
def test_what_forces_a_running_task_away(own, force, status):
    own.state.insert("tasks", dict(own.state.row("tasks", 1), id=None, status="running", parent=None))
    assert own.send("DELETE", f"/tasks/{own.state.last_ids['tasks']}{force}")[0] == status


class TestStarting:
    """Operations that are refused for what the environment, its release or its nodes are."""

    @pytest.mark.parametrize("path", ["/clusters/1/deploy?nodes=1", "/clusters/1/changes"])
    def test_a_release_without_deployment_tasks_deploys_nothing(self, own, path):
        assert own.send("PUT", "/releases/2/deployment_tasks", []) == (200, [])
        assert own.message("PUT", path, {}) == (
            400,
            "Deployment tasks not found for 'Juno on Ubuntu 14.04.1' release in the database. Please upload them. "
            "If you're operating from Fuel Master node, please check '/etc/puppet' directory.",
        )

    @pytest.mark.parametrize("path", ["/clusters/1/provision?nodes=1", "/clusters/1/changes"])
    def test_an_unavailable_release_installs_nothing(self, own, path):
        own.send("PUT", "/releases/2", {"state": "unavailable"})
        assert own.message("PUT", path, {}) == (400, "Release 'Juno on Ubuntu 14.04.1 2014.2.2-6.1' is unavailable!")

    def test_nodes_on_their_way_out_are_not_deployed(self, own):
        assert own.send("POST", "/clusters/1/unassignment", [{"id": 4}])[0] == 200
        assert own.message("PUT", "/clusters/1/deploy?nodes=4", {}) == (
            400,
            "Deployment operation cannot be started. Nodes with uids [4] marked for deletion. "
            "Please remove them and restart deployment.",
        )

    def test_an_environment_is_deleted_once(self, own):
        own.state.insert("tasks", dict(own.state.row("tasks", 1), id=None, name="cluster_deletion", status="running"))
        assert own.message("DELETE", "/clusters/1") == (400, "Environment removal already started")


def test_a_further_network_leaves_two_addresses_out_of_its_range(own):
    status, made = own.send("POST", "/networks", NETWORK | {"meta": {"notation": "cidr"}})
    assert status == 201
    rows = own.get("/clusters/2/network_configuration/neutron")["networks"]
    assert [row["ip_ranges"] for row in rows if row["id"] == made["id"]] == [[["10.9.0.2", "10.9.0.254"]]]


def test_facts_that_nobody_checks_make_an_environment_customized(own):
    assert own.send("PUT", "/clusters/2/orchestrator/deployment", {"a": 1}) == (200, {"a": 1})
    assert own.get("/clusters/2")["is_customized"] is True


def test_default_settings_are_a_change_to_be_deployed(own):
    own.state.row("clusters", 2)["changes"] = []
    assert own.send("PUT", "/clusters/2/attributes/defaults", {})[0] == 200
    assert own.get("/clusters/2")["changes"] == [{"name": "attributes", "node_id": None}]


def test_unknown_nodes_of_an_environment_are_not_looked_at(own):
    status, _ = own.send("PUT", "/clusters/2", {"nodes": [999]})
    assert status == 200
    assert own.get("/nodes?cluster_id=2") == []


def test_a_body_without_a_name_does_not_clash_with_an_empty_one(own):
    own.state.row("clusters", 1)["name"] = ""
    assert own.send("PUT", "/clusters/2", {"status": "new"})[0] == 200


class TestNovaNetwork:
    @pytest.fixture
    def number(self, own):
        status, made = own.send("POST", "/clusters", {"name": "nova", "release": 4})
        assert (status, made["net_provider"]) == (201, "nova_network")
        assert own.send("POST", f"/clusters/{made['id']}/assignment", [{"id": 6, "roles": ["controller"]}])[0] == 200
        return made["id"]

    def test_its_configuration_is_read_and_put_back(self, own, number):
        path = f"/clusters/{number}/network_configuration/nova_network"
        shown = own.get(path)
        fixed = next(row for row in shown["networks"] if row["name"] == "fixed")
        assert "neutron_vlan_range" not in fixed["meta"]
        status, task = own.send("PUT", path, shown)
        assert (status, task["status"], task["message"]) == (200, "ready", None)
        status, task = own.send("PUT", path, {"networking_parameters": {"fixed_networks_amount": 2}})
        assert own.get(path)["networking_parameters"]["fixed_networks_amount"] == 2

    def test_its_facts_say_nova_network(self, own, number):
        (facts,) = own.get(f"/clusters/{number}/orchestrator/deployment/defaults")
        assert facts["quantum"] is False
        scheme = facts["network_scheme"]
        assert scheme["endpoints"][scheme["roles"]["novanetwork/fixed"]] == {"IP": "none"}
        assert not {"neutron/private", "neutron/floating"} & set(scheme["roles"])
        assert facts["fixed_network_range"] == "10.0.0.0/16"
        assert facts["novanetwork_parameters"] == {
            "network_manager": "FlatDHCPManager",
            "network_size": 256,
            "num_networks": 1,
        }

    @pytest.mark.parametrize(
        ("manager", "vlan", "role", "port"),
        [
            ("FlatDHCPManager", 103, "novanetwork/fixed", "eth2.103"),
            ("FlatDHCPManager", None, "novanetwork/fixed", "eth2"),
            ("VlanManager", 103, "novanetwork/vlan", "eth2"),
        ],
    )
    def test_its_guests_are_on_a_port_that_no_bridge_has(self, own, number, manager, vlan, role, port):
        parameters = {"net_manager": manager, "fixed_networks_vlan_start": vlan}
        own.state.row("clusters", number)["parameters"].update(parameters)
        (facts,) = own.get(f"/clusters/{number}/orchestrator/deployment/defaults")
        scheme = facts["network_scheme"]
        assert (scheme["roles"][role], scheme["endpoints"][port]) == (port, {"IP": "none"})
        ports = [step for step in scheme["transformations"] if step["action"] == "add-port"]
        assert ports[:2] == [
            {"action": "add-port", "bridge": "br-fw-admin", "name": "eth0"},
            {"action": "add-port", "bridge": "br-storage", "name": "eth0.102"},
        ]
        assert ports[-1] == {"action": "add-port", "name": port}

    def test_each_of_its_nodes_is_on_the_public_network(self, own, number):
        assert own.send("POST", f"/clusters/{number}/assignment", [{"id": 7, "roles": ["compute"]}])[0] == 200
        found = own.get(f"/clusters/{number}/orchestrator/deployment/defaults")
        scheme = next(fact["network_scheme"] for fact in found if fact["role"] == "compute")
        bridges = [step["name"] for step in scheme["transformations"] if step["action"] == "add-br"]
        assert bridges == ["br-fw-admin", "br-storage", "br-mgmt", "br-ex"]
        assert scheme["endpoints"]["br-ex"]["gateway"] == "172.16.0.1"
        metadata = found[0]["network_metadata"]["nodes"]["node-7"]["network_roles"]
        assert metadata["ex"] == scheme["endpoints"]["br-ex"]["IP"][0].split("/")[0]
        assert not {"neutron/api", "neutron/private", "nova/migration"} & {*metadata, *scheme["roles"]}

    def test_it_can_be_deployed(self, own, number):
        status, task = own.send("PUT", f"/clusters/{number}/changes", {})
        assert (status, task["status"]) in ((200, "error"), (202, "running")), task

    def test_without_high_availability_it_has_no_virtual_addresses(self, own):
        _, made = own.send("POST", "/clusters", {"name": "one", "release": 4})
        own.state.row("clusters", made["id"])["mode"] = "multinode"
        shown = own.get(f"/clusters/{made['id']}/network_configuration/nova_network")
        assert sorted(shown) == ["networking_parameters", "networks"]

    def test_its_seed_has_nova_network_too(self, own, number):
        own.state.row("clusters", number)["release_id"] = 2
        status, seed = own.send("POST", f"/clusters/{number}/upgrade/clone", {"name": "s", "release_id": 4})
        assert (status, seed["net_provider"]) == (200, "nova_network")
        assert own.send("GET", f"/clusters/{seed['id']}/network_configuration/nova_network")[0] == 200


NO_SCHEMA = "u'wat' is not valid under any of the given schemas"
BASE_MAC = "u'wat' does not match '^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$'"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"base_mac": "wat"}, BASE_MAC),
        ({"vlan_range": "wat"}, "u'wat' is not of type 'array'"),
        ({"dns_nameservers": 7}, "7 is not of type 'array'"),
        ({"dns_nameservers": ["wat"]}, NO_SCHEMA),
        ({"internal_gateway": "wat"}, NO_SCHEMA),
        ({"floating_ranges": [["172.16.0.200", "172.16.0.999"]]}, NO_SCHEMA.replace("wat", "172.16.0.999")),
    ],
)
def test_networking_parameters_have_types(master, parameters, message):
    path = "/clusters/2/network_configuration/neutron"
    status, task = master.send("PUT", path, {"networking_parameters": parameters})
    assert (status, task["status"], task["message"].split("\n")[0]) == (200, "error", message)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"cidr": "wat"}, NO_SCHEMA),
        ({"gateway": "wat"}, NO_SCHEMA),
        ({"vlan_start": -1}, NO_SCHEMA.replace("u'wat'", "-1")),
        ({"ip_ranges": [["172.16.0.2", "wat"]]}, NO_SCHEMA),
        ({"ip_ranges": [["172.16.0.2"]]}, "[u'172.16.0.2'] is too short"),
    ],
)
def test_networks_have_types(master, network, message):
    path = "/clusters/2/network_configuration/neutron"
    status, task = master.send("PUT", path, {"networks": [{"id": 6, **network}]})
    assert (status, task["status"], task["message"].split("\n")[0]) == (200, "error", message)


class TestBonds:
    """Two interfaces without networks of a node of the seed, and what is sent to bond them."""

    PATH = "/nodes/6/interfaces"

    @pytest.fixture
    def nics(self, own):
        assert own.send("POST", "/clusters/2/assignment", [{"id": 6, "roles": ["compute"]}])[0] == 200
        return own.get(self.PATH)

    def bond(self, **other):
        slaves = [{"name": "eth2"}, {"name": "eth3"}]
        return {"name": "bond0", "type": "bond", "slaves": slaves, "assigned_networks": [], **other}

    def test_one_with_a_mode_is_kept_and_carries_networks(self, own, nics):
        public = nics[1]["assigned_networks"]
        nics[1]["assigned_networks"] = []
        sent = self.bond(bond_properties={"mode": "active-backup"}, assigned_networks=public)
        status, shown = own.send("PUT", self.PATH, [*nics, sent])
        assert status == 200, shown
        assert own.get(self.PATH) == shown
        kept = shown[-1]
        assert (kept["type"], kept["mode"], kept["assigned_networks"]) == ("bond", "active-backup", public)
        data = {entry["name"]: entry["dev"] for entry in own.get("/nodes/6")["network_data"]}
        assert data["public"] == "bond0"
        assert own.send("POST", "/clusters/2/unassignment", [{"id": 6}])[0] == 200
        assert [nic["type"] for nic in own.get(self.PATH)] == ["ether"] * 4

    def test_facts_plug_it_into_the_bridge_of_its_untagged_network(self, own, nics):
        """Tagged networks are ports of the bond; its interfaces carry nothing themselves."""
        moved = nics[1]["assigned_networks"] + nics[0]["assigned_networks"][1:]
        nics[0]["assigned_networks"] = nics[0]["assigned_networks"][:1]
        nics[1]["assigned_networks"] = []
        own.send("PUT", "/nodes/6", {"pending_roles": ["controller"]})
        sent = self.bond(
            assigned_networks=moved,
            bond_properties={"mode": "802.3ad", "lacp_rate": "fast", "type__": "linux"},
            interface_properties={"mtu": 9000, "disable_offloading": True},
        )
        status, shown = own.send("PUT", self.PATH, [*nics, sent])
        assert status == 200, shown
        (facts,) = own.get("/clusters/2/orchestrator/deployment/defaults")
        scheme = facts["network_scheme"]
        assert [step for step in scheme["transformations"] if step["action"] in ("add-port", "add-bond")] == [
            {"action": "add-port", "bridge": "br-fw-admin", "name": "eth0"},
            {
                "action": "add-bond",
                "name": "bond0",
                "bridge": "br-ex",
                "interfaces": ["eth2", "eth3"],
                "mtu": 9000,
                "bond_properties": {"mode": "802.3ad", "lacp_rate": "fast"},
                "interface_properties": {"mtu": 9000, "vendor_specific": {"disable_offloading": True}},
            },
            {"action": "add-port", "bridge": "br-mgmt", "name": "bond0.101"},
            {"action": "add-port", "bridge": "br-storage", "name": "bond0.102"},
        ]
        patches = [step["bridges"] for step in scheme["transformations"] if step["action"] == "add-patch"]
        assert patches == [["br-floating", "br-ex"], ["br-prv", "br-ex"]]
        assert scheme["interfaces"]["eth2"] == {"vendor_specific": {"driver": "e1000", "bus_info": "0000:00:05.0"}}

    def test_an_original_tells_its_interfaces_too(self, own):
        node = own.state.row("nodes", 1)
        storage = next(row["id"] for row in own.state.rows("networks", name="storage", group_id=1))
        for nic in node["interfaces"]:
            nic["networks"] = [number for number in nic["networks"] if number != storage]
        node["bonds"] = [
            {
                "name": "bond0",
                "type": "bond",
                "mode": "active-backup",
                "slaves": [{"name": "eth4"}, {"name": "eth5"}],
                "bond_properties": {},
                "interface_properties": {},
                "offloading_modes": [
                    {"name": "rx", "state": False, "sub": [{"name": "rx-all", "state": True, "sub": []}]},
                    {"name": "tx", "state": None, "sub": [{"name": "tx-all", "state": True, "sub": []}]},
                ],
                "networks": [storage],
            }
        ]
        (facts,) = own.get("/clusters/1/orchestrator/deployment/defaults?nodes=1")
        scheme = facts["network_scheme"]
        wiring = {"phy_interfaces": ["eth4", "eth5"], "vlans": 102}
        assert scheme["endpoints"]["br-storage"]["vendor_specific"] == wiring
        *_, bond, port = scheme["transformations"]
        assert bond["interface_properties"] == {"ethtool": {"offload": {"rx": False, "tx-all": True}}}
        assert "bridge" not in bond
        assert port == {"action": "add-port", "bridge": "br-storage", "name": "bond0.102"}

    @pytest.mark.parametrize(
        ("other", "message"),
        [
            ({}, "Node '6': bond interface 'bond0' doesn't have mode"),
            ({"mode": "wat"}, "Node '6': bond interface 'bond0' has unknown mode 'wat'"),
            (
                {"mode": "802.3ad", "slaves": [{}, {}]},
                "Node '6', interface 'bond0': each bond slave must have name",
            ),
            (
                {"bond_properties": {"mode": "802.3ad", "speed": 9}},
                "Node '6', interface 'bond0': unknown bond property 'speed'",
            ),
            (
                {"mode": "802.3ad", "slaves": [{"name": "eth2"}, {"name": "eth2"}]},
                "Node '6': interface '23' is used in bonds more than once",
            ),
            (
                {"mode": "802.3ad", "slaves": [{"name": "eth8"}, {"name": "eth9"}]},
                "Node '6': there is no interface 'eth8' found for bond 'bond0' in DB",
            ),
        ],
    )
    def test_others_are_refused(self, own, nics, other, message):
        assert own.message("PUT", self.PATH, [*nics, self.bond(**other)]) == (400, message)
