"""What a controller's and a compute node's files say: names, ports, modes and passwords that others rely on."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from lab.deployer import cluster, configure, deployer, galera, haproxy, nodefiles, openstack, rabbitmq
from lab.deployer.environment import parse
from lab.deployer.errors import DeploymentError, UnsupportedFacts
from tests.unit.lab.deployment_facts import facts

VENV = Path("/opt/openstack")
RELEASES = ("6.1", "7.0")


@pytest.fixture(params=RELEASES)
def environment(request):
    return parse(facts(request.param))


def contents(files):
    return {file.path: file.content for file in files}


def ini(environment, node, path):
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(contents(openstack.files(environment, node, VENV))[path])
    return parser


# ---- facts


def test_both_shapes_of_virtual_addresses_are_understood():
    assert parse(facts("6.1")).vips == parse(facts("7.0")).vips


def test_the_primary_controller_comes_first():
    elements = facts("7.0")
    elements[0]["nodes"][0]["role"], elements[0]["nodes"][2]["role"] = "controller", "primary-controller"
    assert parse(elements).primary.name == "node-3"


def test_a_release_that_is_not_known_is_refused_by_name():
    elements = facts("7.0")
    for element in elements:
        element["openstack_version"] = "liberty-8.0"
    with pytest.raises(UnsupportedFacts, match=r"liberty-8\.0"):
        parse(elements)


def test_a_node_with_two_roles_is_one_node():
    elements = facts("6.1")
    both = dict(elements[-1]["nodes"][-1], role="cinder")
    for element in elements:
        element["nodes"] = [*element["nodes"], both]
    node = parse(elements).node("7")
    assert node.roles == ("compute", "cinder")


# ---- haproxy


def test_haproxy_has_fuels_files_and_ports(environment):
    listed = {path.rpartition("/")[2]: text for path, text in contents(haproxy.files(environment)).items()}
    expected = {
        "010-stats.cfg": 10000,
        "020-keystone-1.cfg": 5000,
        "030-keystone-2.cfg": 35357,
        "050-nova-api-2.cfg": 8774,
        "070-cinder-api.cfg": 8776,
        "075-placement-api.cfg": 8778,
        "080-glance-api.cfg": 9292,
        "085-neutron.cfg": 9696,
        "110-mysqld.cfg": 3306,
        "160-heat-api.cfg": 8004,
    }
    dead = dead_of(environment.fuel_release)
    assert set(listed) == {"haproxy.cfg", *expected, *dead}
    for name, port in {**expected, **dead}.items():
        address = "172.16.0.2" if name in OUTSIDE else "192.168.0.1"
        assert f"bind {address}:{port}\n" in listed[name]


OUTSIDE = ("015-horizon.cfg", "017-horizon-ssl.cfg", "170-nova-novncproxy.cfg")


def dead_of(release):
    """Files and ports of what Fuel has and the lab has no service for."""
    orchestration = {"161-heat-api-cfn.cfg": 8003, "162-heat-api-cloudwatch.cfg": 8000, "017-horizon-ssl.cfg": 443}
    if release == "7.0":
        orchestration = {"161-heat-api-cfn.cfg": 8000, "162-heat-api-cloudwatch.cfg": 8003}
    return orchestration | {
        "015-horizon.cfg": 80,
        "040-nova-api-1.cfg": 8773,
        "060-nova-metadata-api.cfg": 8775,
        "090-glance-registry.cfg": 9191,
        "170-nova-novncproxy.cfg": 6080,
    }


def test_what_nobody_is_behind_answers_at_once_costs_no_checks_and_is_not_waited_for(environment):
    listed = {path.rpartition("/")[2]: text for path, text in contents(haproxy.files(environment)).items()}
    for name, port in dead_of(environment.fuel_release).items():
        assert " check" not in listed[name] and "  retries 0\n" in listed[name]
        assert listed[name].count("  server node-") == 3
        assert port not in haproxy.APIS.values()
    assert "check inter" in listed["050-nova-api-2.cfg"]


def test_only_the_database_and_encrypted_pages_are_tcp(environment):
    listed = contents(haproxy.files(environment))
    tcp = [path.rpartition("/")[2] for path, text in listed.items() if "mode tcp" in text]
    assert tcp == (["017-horizon-ssl.cfg"] if environment.fuel_release == "6.1" else []) + ["110-mysqld.cfg"]
    assert "172.16.0.2" not in listed[f"{haproxy.FOLDER}/110-mysqld.cfg"]
    assert "172.16.0.2:8774" in listed[f"{haproxy.FOLDER}/050-nova-api-2.cfg"]


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_haproxy_takes_its_files(environment, tmp_path):
    (tmp_path / "conf.d").mkdir()
    for path, text in contents(haproxy.files(environment)).items():
        (tmp_path / path.removeprefix("/etc/haproxy/")).write_text(text)
    done = subprocess.run(["haproxy", "-c", "-f", tmp_path / "haproxy.cfg", "-f", tmp_path / "conf.d"], text=True)
    assert done.returncode == 0


def test_one_database_is_active_and_all_sit_on_the_galera_port(environment):
    text = contents(haproxy.files(environment))[f"{haproxy.FOLDER}/110-mysqld.cfg"]
    servers = [line for line in text.splitlines() if line.strip().startswith("server ")]
    assert len(servers) == 3 and all(":3307 " in line for line in servers)
    assert ["backup" in line for line in servers] == [False, True, True]


def test_the_administration_socket_is_fuels_and_has_no_admin_level(environment):
    text = contents(haproxy.files(environment))["/etc/haproxy/haproxy.cfg"]
    assert re.search(r"^\s*stats socket /var/lib/haproxy/stats$", text, re.MULTILINE)
    assert "pidfile /var/run/haproxy.pid" in text


# ---- cluster


def test_corosync_names_nodes_by_their_fqdn_on_the_management_network(environment):
    text = contents(cluster.files(environment))["/etc/corosync/corosync.conf"]
    assert "transport: udpu" in text
    assert re.findall(r"name: (\S+domain.tld)", text) == [f"node-{number}.domain.tld" for number in (1, 2, 3)]
    assert re.findall(r"ring0_addr: (\S+)", text) == ["192.168.0.3", "192.168.0.4", "192.168.0.5"]


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("6.1", {"vip__management", "vip__public", "vip__management_vrouter", "vip__public_vrouter"}),
        ("7.0", {"vip__management", "vip__public", "vip__vrouter", "vip__vrouter_pub"}),
    ],
)
def test_virtual_addresses_have_the_releases_names(release, names):
    text = cluster.addresses(parse(facts(release)))
    assert set(re.findall(r"^primitive (vip\S+) ocf:fuel:ns_IPaddr2", text, re.MULTILINE)) == names


def test_names_of_devices_fit_the_kernel():
    for resources in cluster.RESOURCES.values():
        assert all(len(device) <= 15 for _, *devices in resources.values() for device in devices)


def test_a_virtual_address_needs_a_carrier_on_the_ports_that_the_facts_give_its_bridge():
    elements = facts("7.0")
    assert cluster.vips(parse(elements))[0].also_check == ["eth2.101"]
    for transformation in elements[0]["network_scheme"]["transformations"]:
        if transformation.get("bridge") == "br-mgmt":
            del transformation["bridge"]
    assert cluster.vips(parse(elements))[0].also_check == []


def test_the_public_address_waits_for_the_gateway_unless_the_facts_say_otherwise():
    elements = facts("7.0")
    assert "loc_ping_vip__public" in cluster.addresses(parse(elements))
    for element in elements:
        element["run_ping_checker"] = "false"
    assert "ping_vip__public" not in cluster.addresses(parse(elements))


def test_what_fuel_leaves_to_pacemaker_is_there(environment):
    text = cluster.services(environment)
    for name in ("clone_p_mysql", "master_p_rabbitmq-server", "clone_p_heat-engine", "clone_p_neutron-l3-agent"):
        assert re.search(rf"^(clone|ms) {name} ", text, re.MULTILINE)


def test_every_agent_that_the_cluster_names_is_installed_and_is_sound_shell(environment):
    files = {path.rpartition("/")[2]: file for path, file in ((file.path, file) for file in cluster.files(environment))}
    named = set(re.findall(r"ocf:fuel:(\S+)", cluster.addresses(environment) + cluster.services(environment)))
    assert named <= set(files)
    for name in named | {"agent.sh"}:
        assert files[name].mode == 0o755
        subprocess.run(["sh", "-n"], input=files[name].content, text=True, check=True)


# ---- database and broker


def test_galera_listens_on_its_own_address_and_names_all_members(environment):
    text = contents(galera.files(environment, environment.node("2")))["/etc/mysql/conf.d/wsrep.cnf"]
    parser = configparser.RawConfigParser(allow_no_value=True)
    parser.read_string(text)
    settings = parser["mysqld"]
    assert (settings["bind-address"], settings["port"]) == ("192.168.0.4", "3307")
    assert "192.168.0.3,192.168.0.4,192.168.0.5" in settings["wsrep_cluster_address"]


def test_each_service_has_its_own_database_user_with_the_facts_password(environment):
    sql = galera.statements(environment)
    assert "GRANT ALL ON nova_api.* TO nova@'%'" in sql
    assert "CREATE USER IF NOT EXISTS keystone@'%' IDENTIFIED BY 'k@db'" in sql
    assert r"PASSWORD('root\'pw')" in sql


def test_the_broker_has_fuels_port_and_user_and_a_cookie_of_its_environment():
    old, new = parse(facts("6.1")), parse(facts("7.0"))
    text = contents(rabbitmq.files(old, old.node("1")))["/etc/rabbitmq/rabbitmq.conf"]
    assert "listeners.tcp.1 = 192.168.0.3:5673" in text and "default_user = nova" in text
    assert rabbitmq.cookie(old) != rabbitmq.cookie(new)


# ---- OpenStack


def test_all_configuration_of_all_nodes_parses(environment):
    for node in environment.nodes:
        for file in openstack.files(environment, node, VENV):
            if file.path.startswith("/etc/") and file.path.endswith((".conf", ".ini")) and "memcached" not in file.path:
                configparser.RawConfigParser(strict=True).read_string(file.content)


def test_services_reach_their_databases_through_the_virtual_address(environment):
    connection = ini(environment, environment.node("1"), "/etc/keystone/keystone.conf")["database"]["connection"]
    assert connection == "mysql+pymysql://keystone:k%40db@192.168.0.1:3306/keystone?charset=utf8"


def test_services_name_every_broker_by_its_address(environment):
    for node, path in (("1", "/etc/heat/heat.conf"), ("7", "/etc/nova/nova.conf")):
        url = ini(environment, environment.node(node), path)["DEFAULT"]["transport_url"]
        expected = [f"nova:rab%2Fbit@192.168.0.{last}:5673" for last in (3, 4, 5)]
        assert url == f"rabbit://{','.join(expected)}/"


def test_a_compute_node_knows_no_database_and_has_its_full_name(environment):
    parser = ini(environment, environment.node("7"), "/etc/nova/nova.conf")
    assert "database" not in parser and "api_database" not in parser
    assert parser["DEFAULT"]["host"] == "node-7.domain.tld"
    assert [service.name for service in openstack.services(environment, environment.node("7"))] == ["nova-compute"]


def test_nothing_pins_versions_as_in_fuel(environment):
    for node in environment.nodes:
        assert "upgrade_levels" not in ini(environment, node, "/etc/nova/nova.conf")


def test_units_are_named_as_fuels_jobs_and_the_heat_engine_is_pacemakers(environment):
    services = {service.name: service for service in openstack.services(environment, environment.node("1"))}
    expected = "keystone glance-api nova-api nova-conductor nova-scheduler neutron-server cinder-api cinder-scheduler"
    assert set(expected.split()) | {"cinder-volume", "heat-api", "heat-engine", "placement-api"} == set(services)
    assert [name for name, service in services.items() if service.in_pacemaker] == ["heat-engine"]
    assert "cinder-volume" not in {service.name for service in openstack.services(environment, environment.node("2"))}


def test_keystone_loads_at_boot_and_what_needs_it_comes_after_it_answers(environment):
    files = contents(openstack.files(environment, environment.node("2"), VENV))
    assert "WantedBy=multi-user.target\n" in files["/etc/systemd/system/keystone.service"] + "\n"
    assert "WantedBy=openstack.target\n" in files["/etc/systemd/system/nova-conductor.service"] + "\n"
    command = next(line for line in files["/etc/systemd/system/openstack-start.service"].splitlines() if "Exec" in line)
    parts = ["mysqladmin -h 192.168.0.1", "nc -z -w 1 192.168.0.4 5673", "http://192.168.0.1:5000/", "openstack.target"]
    assert [part for part in parts if part in command] == parts
    assert sorted(parts, key=command.index) == parts


def test_nova_compute_comes_after_novas_api(environment):
    files = contents(openstack.files(environment, environment.node("7"), VENV))
    assert "http://192.168.0.1:8774/" in files["/etc/systemd/system/openstack-start.service"]


def test_every_program_is_started_by_what_looks_for_a_loaded_one(environment):
    files = openstack.files(environment, environment.node("1"), VENV)
    (start,) = [file for file in files if file.path == openstack.START]
    assert start.mode == 0o755
    for service in openstack.services(environment, environment.node("1")):
        unit = contents(files)[f"/etc/systemd/system/{service.name}.service"]
        assert f"\nExecStart={openstack.START} {VENV}/bin/" in unit and "\nNotifyAccess=all\n" in unit


# ---- the rest of a node


def test_facts_lie_where_fuels_tasks_look_and_nobody_else_can_read_them(environment):
    node = environment.node("1")
    files = {file.path: file for file in nodefiles.facts_files(environment, node)}
    assert nodefiles.links(environment, node)["/etc/astute.yaml"] == "/etc/primary-controller.yaml"
    stored = files["/etc/primary-controller.yaml"]
    assert yaml.safe_load(stored.content) == environment.facts["1"][0]
    assert stored.mode == 0o600


def test_files_that_hold_passwords_are_not_for_everybody(environment):
    node = environment.node("1")
    files = [*configure.controller_files(environment, node), *openstack.files(environment, node, VENV)]
    files += nodefiles.facts_files(environment, node)
    secrets = ("root'pw", "k@db", "k%40db", "rab/bit", "rab%2Fbit", "n-user", "c-db")
    readable = [file.path for file in files if file.mode & 0o007 and any(secret in file.content for secret in secrets)]
    assert readable == []


def test_the_administrators_file_leads_to_the_inner_address(environment):
    text = contents(nodefiles.credentials(environment))["/root/openrc"]
    assert "OS_AUTH_URL='http://192.168.0.1:5000/v3'" in text and "OS_USERNAME='admin'" in text


def test_all_nodes_of_the_environment_are_known_by_short_and_full_name(environment):
    text = contents(nodefiles.names(environment, environment.node("7")))["/etc/hosts"]
    assert "192.168.0.3 node-1.domain.tld node-1" in text and "192.168.0.6 node-7.domain.tld node-7" in text


# ---- provisioning


def test_a_provisioned_node_has_the_address_and_gateway_of_its_facts():
    node = {
        "name": "node-4",
        "interfaces": {
            "eth1": {"mac_address": "52:54:00:00:04:01"},
            "eth0": {"ip_address": "10.20.0.134", "netmask": "255.255.255.0"},
        },
        "ks_meta": {"gw": "10.20.0.1"},
    }
    stanza = deployer.admin_stanza(node)
    assert "iface eth0 inet static\naddress 10.20.0.134/24\ngateway 10.20.0.1\n" in stanza
    del node["interfaces"]["eth0"]
    with pytest.raises(UnsupportedFacts, match="node-4"):
        deployer.admin_stanza(node)


@pytest.mark.parametrize("stanza", ["ifcfg-eth0", "ifcfg-br-fw-admin"])
def test_the_admin_address_is_found_on_a_bare_and_on_a_deployed_node(tmp_path, stanza):
    folder = tmp_path / "etc/network/interfaces.d"
    folder.mkdir(parents=True)
    (folder / "ifcfg-eth0").write_text("auto eth0\niface eth0 inet manual\n")
    (folder / stanza).write_text("auto x\niface x inet static\naddress 10.20.0.131/24\n")
    assert deployer.admin_address(SimpleNamespace(root=tmp_path, name="node-1")) == "10.20.0.131/24"


def test_an_ordered_failure_happens_once_and_names_its_node(tmp_path):
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/node-4.deploy").touch()
    made = deployer.LabDeployer(SimpleNamespace(state=tmp_path, hosts={}), dict)
    with pytest.raises(DeploymentError, match="node-4"):
        made._fail_on_demand(SimpleNamespace(name="node-4"), "deploy")
    made._fail_on_demand(SimpleNamespace(name="node-4"), "deploy")


def test_tasks_that_cannot_run_by_themselves_are_named(tmp_path):
    made = deployer.LabDeployer(SimpleNamespace(state=tmp_path, hosts={}), dict)
    errors = made.run_tasks(facts("7.0"), ["netconfig", "ceph-mon"], lambda uid, percent: None)
    assert set(errors) == {"1", "2", "3", "7"} and "ceph-mon" in errors["1"]
