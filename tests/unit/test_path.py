"""Paths: each hop can be loaded, moves what it migrates, and is chosen by what runs, compared as versions."""

import copy
import re
from types import SimpleNamespace

import pytest
import yaml

from octane.errors import BadInput, Refused
from octane.path import identity
from octane.path.hop import HOPS, choose, load_hops, nova_major, parse
from octane.procedure import apis

HOP_FILES = sorted(HOPS.glob("*.yaml"))
CHECK = {
    "name": "things",
    "database": "nova",
    "query": "SELECT id FROM things",
    "finding": "things that are there",
    "remedy": "delete the things",
}
REWRITE = {
    "name": "things",
    "database": "nova",
    "query": "SELECT id FROM things",
    "statement": "UPDATE things SET a = 1",
    "reason": "things are otherwise there",
}
SETTING = {
    "name": "things",
    "file": "/etc/nova/nova.conf",
    "section": "DEFAULT",
    "option": "thing_id",
    "database": "nova",
    "query": "SELECT id FROM things",
    "reason": "things have other ids there",
}
ACTIONS = {
    *("archive", "confirm", "delete", "drop", "export", "move", "rename", "restore", "run", "set", "upgrade", "wait"),
}
"""What a remedy begins with: what the operator does."""


@pytest.fixture
def antelope():
    return yaml.safe_load((HOPS / "antelope-caracal.yaml").read_text())


@pytest.mark.parametrize("path", HOP_FILES, ids=lambda path: path.stem)
def test_every_hop_migrates_what_it_moves_and_proves_it(path):
    hop = parse(yaml.safe_load(path.read_text()), path.name)
    assert hop.name == path.stem
    for service in hop.services:
        assert service.migrate, f"{service.name} is copied and never migrated"
        assert {schema.database for schema in service.schemas} == set(service.databases)


@pytest.mark.parametrize("path", HOP_FILES, ids=lambda path: path.stem)
def test_the_six_services_of_the_procedure_are_in_every_hop(path):
    hop = parse(yaml.safe_load(path.read_text()), path.name)
    assert {"keystone", "nova", "cinder", "glance", "neutron", "heat"} <= {service.name for service in hop.services}


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_tokens_are_issued_by_keystone_alone_while_everything_else_refuses_writes(hop):
    assert {(one.method, *one.apis) for one in hop.passes} == {("POST", "keystone", "keystone-admin")}
    paths = {path for one in hop.passes for path in one.paths}
    # What authenticates requests of EC2 and S3 clients, reads among them.
    signed = {f"/{version}/{kind}tokens" for version in ("v2.0", "v3") for kind in ("ec2", "s3")}
    assert paths == {"/v2.0/tokens", "/v3/auth/tokens", *signed}
    told = apis.passes(SimpleNamespace(path=hop))["passes"]
    assert all(one["ports"] == [5000, 35357] for one in told)


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_no_hop_calls_expendable_what_keeps_a_revoked_token_from_working(hop):
    assert "revocation_event" not in hop.expendable.get("keystone", ())
    assert any("revocation_event" in view.old.sql for view in identity.load(hop.name) if view.database == "keystone")


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_what_agents_may_change_in_the_window_is_compared_with_nothing_of_before(hop):
    assert set(hop.tolerated) <= set(hop.databases)
    places = [(name, table, columns) for name, tables in hop.tolerated.items() for table, columns in tables.items()]
    for database, table, columns in places:
        queries = [view.old.sql for view in identity.load(hop.name) if view.database == database]
        of_it = [sql for sql in queries if re.search(rf"\b{table}\b", sql)]
        assert of_it and not [sql for sql in of_it for column in columns if re.search(rf"\b{column}\b", sql)]


PASS = {"method": "POST", "paths": ["/a"], "apis": ["nova"], "writes": {"nova": ["services"]}, "reason": "it may do so"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"apis": ["swift"]}, "passes on what is no API: swift"),
        ({"writes": {"nova": ["services", "instances"]}}, r"writes what is not expendable: nova\.instances"),
        ({"writes": {"glance": ["images"]}}, r"writes what is not expendable: glance\.images"),
        ({"method": "GET"}, "passes/0/method"),
        ({"paths": ["/a b"]}, "passes/0/paths/0"),
        ({"reason": ""}, "passes/0/reason"),
    ],
)
def test_writes_may_pass_on_an_api_of_the_path_and_into_what_is_expendable(antelope, change, said):
    assert parse({**antelope, "passes": [PASS]}, "mine.yaml").passes[0].writes == {"nova": ("services",)}
    with pytest.raises(BadInput, match=rf"mine\.yaml: .*{said}"):
        parse({**antelope, "passes": [{**PASS, **change}]}, "mine.yaml")


def test_a_hop_is_chosen_by_what_runs_on_both_sides():
    assert choose("27.5.1\n", "29.2.0").name == "antelope-caracal"
    assert choose("2014.2.2", "2015.1.1").name == "juno-kilo"
    assert choose("2015.1.1", "12.0.6").name == "kilo-liberty"
    assert choose("12.0.6", "13.1.2").name == "liberty-mitaka"


def test_versions_are_numbers_not_text():
    assert nova_major("9.1.0") < nova_major("10.0.1")


@pytest.mark.parametrize("pair", [("29.0.0", "27.0.0"), ("27.0.0", "31.0.0"), ("2014.2.2", "29.0.0")])
def test_a_jump_no_hop_knows_is_refused_with_what_is_known(pair):
    with pytest.raises(Refused, match="no upgrade path leads"):
        choose(*pair)


def test_what_is_no_version_is_refused():
    with pytest.raises(Refused, match="no version"):
        nova_major("command not found")


def test_databases_that_nobody_migrates_are_found(antelope):
    broken = copy.deepcopy(antelope)
    broken["services"]["heat"]["databases"].append("heat_extra")
    with pytest.raises(BadInput, match=r"mine\.yaml: heat: .*heat_extra"):
        parse(broken, "mine.yaml")


def test_online_migrations_of_which_nothing_tells_what_they_leave_are_found(antelope):
    left = [one for one in antelope["unmigrated"] if one["database"] != "nova"]
    with pytest.raises(BadInput, match=r"mine\.yaml: nothing tells what the online migrations of nova leave"):
        parse({**antelope, "unmigrated": left}, "mine.yaml")


@pytest.mark.parametrize(
    "again", [{}, {"repeat_on": 0}, {"repeat_on": 1, "repeat_until": "done"}, {"repeat_until": ""}]
)
def test_a_command_that_is_run_again_says_by_what_it_ends(antelope, again):
    broken = copy.deepcopy(antelope)
    broken["services"]["nova"]["online"] = [{"command": ["nova-manage", "db"], **again}]
    with pytest.raises(BadInput, match=r"mine\.yaml: services/nova/online"):
        parse(broken, "mine.yaml")


def test_a_forgotten_migration_is_found(antelope):
    broken = copy.deepcopy(antelope)
    broken["services"]["glance"]["migrate"] = []
    with pytest.raises(BadInput, match="glance moves its databases but names no migration"):
        parse(broken, "mine.yaml")


def test_tolerated_columns_must_belong_to_a_database_that_moves(antelope):
    broken = {**antelope, "tolerated": {"ceilometer": {"meter": ["status"]}}}
    with pytest.raises(BadInput, match="ceilometer"):
        parse(broken, "broken.yaml")


def test_expendable_tables_must_belong_to_a_database_that_moves(antelope):
    broken = {**antelope, "expendable": {"ceilometer": ["meter"]}}
    with pytest.raises(BadInput, match="ceilometer"):
        parse(broken, "mine.yaml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nova", {"from": "27", "to": 29}),
        ("writers", ["nova conductor; reboot"]),
        ("files", ["/root/.ssh"]),
        ("compute_pin", "a b"),
        ("fuel", {"from": "6.1", "to": "7.0"}),
        ("before", [{"service": "nova", "command": ["nova-manage db sync; reboot"]}]),
        ("breaking", [{**CHECK, "query": "DELETE FROM things"}]),
        ("breaking", [{**CHECK, "query": "SELECT id FROM things; DELETE FROM things"}]),
        ("breaking", [{**CHECK, "remedy": ""}]),
        ("breaking", [{name: value for name, value in CHECK.items() if name != "remedy"}]),
        ("rewrite", [{**REWRITE, "statement": "DROP TABLE things"}]),
        ("rewrite", [{**REWRITE, "statement": "UPDATE things SET a = 1; DROP TABLE things"}]),
        ("settings", [{**SETTING, "file": "/root/.my.cnf"}]),
        ("settings", [{**SETTING, "option": "thing_id=1"}]),
        ("settings", [{**SETTING, "query": "DELETE FROM things"}]),
    ],
)
def test_a_wrong_value_is_named_with_its_file(antelope, key, value):
    with pytest.raises(BadInput, match=rf"mine\.yaml: {key}"):
        parse({**antelope, key: value}, "mine.yaml")


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_every_finding_has_a_remedy_that_names_an_action(hop):
    assert hop.breaking and hop.in_flight
    for check in (*hop.breaking, *hop.in_flight, *hop.unmigrated):
        assert check.remedy.split()[0] in ACTIONS, check.name


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_a_check_asks_for_ids_and_of_work_in_flight_since_when(hop):
    for check in (*hop.breaking, *hop.in_flight, *hop.unmigrated):
        columns = check.query.partition(" FROM ")[0]
        assert columns.endswith(" AS id") or columns.split()[-1].rpartition(".")[2] == "id" or check in hop.in_flight
    for check in hop.in_flight:
        assert " AS since FROM " in check.query, check.name


@pytest.mark.parametrize("hop", load_hops(), ids=lambda hop: hop.name)
def test_what_only_the_commands_before_the_window_mend_is_in_a_hop_that_has_some(hop):
    services = {service for service, _ in hop.before}
    databases = {name for service in hop.services if service.name in services for name in service.databases}
    assert {check.database for check in hop.breaking if check.mended_before} <= databases
    for service in hop.services:
        proven = any(check.mended_before and check.database in service.databases for check in hop.breaking)
        assert proven == (service.name in services), "what the old release's command did is told by rows"


def test_a_shared_check_must_be_there(antelope):
    with pytest.raises(BadInput, match=r"mine\.yaml: no shared check is named nonsense"):
        parse({**antelope, "breaking": ["nonsense"]}, "mine.yaml")


def test_a_check_is_named_once(antelope):
    with pytest.raises(BadInput, match=r"mine\.yaml: named twice: stacks_locked"):
        parse({**antelope, "breaking": ["stacks_locked"]}, "mine.yaml")


def test_a_check_must_ask_a_database_that_moves(antelope):
    with pytest.raises(BadInput, match=r"do not move: murano"):
        parse({**antelope, "breaking": [{**CHECK, "database": "murano"}]}, "mine.yaml")


def test_a_setting_must_follow_a_database_that_moves_and_be_named_once(antelope):
    assert parse({**antelope, "settings": [SETTING]}, "mine.yaml").settings[0].option == "thing_id"
    with pytest.raises(BadInput, match=r"do not move: murano"):
        parse({**antelope, "settings": [{**SETTING, "database": "murano"}]}, "mine.yaml")
    with pytest.raises(BadInput, match=r"named twice: things"):
        parse({**antelope, "settings": [SETTING], "rewrite": [REWRITE]}, "mine.yaml")


def test_the_service_project_is_told_to_neutron_up_to_kilo():
    told = {hop.name: [one.option for one in hop.settings] for hop in load_hops()}
    assert told.pop("juno-kilo") == ["nova_admin_tenant_id"] and not any(told.values())


def test_flavors_are_moved_with_kilos_code_before_liberty_and_until_none_is_left():
    liberty = next(hop for hop in load_hops() if hop.name == "kilo-liberty")
    ((service, command),) = liberty.before
    assert service == "nova" and "migrate_flavor_data" in command.words and command.repeat_until == ", 0 completed"
    nova = next(service for service in liberty.services if service.name == "nova")
    assert nova.migrate[0][-2:] == ("--version", "290") and not nova.online


def test_volumes_of_every_pool_go_to_the_renamed_backend_and_their_verification_knows_it():
    mitaka = next(hop for hop in load_hops() if hop.name == "liberty-mitaka")
    ((command,),) = (service.online for service in mitaka.services if service.name == "cinder")
    words = dict(zip(command.words, command.words[1:], strict=False))
    current, new = words["--currenthost"], words["--newhost"]
    assert "#" not in current, "with a pool, it would leave the volumes of all others behind"
    (hosts,) = (view.old.sql for view in identity.load("liberty-mitaka") if view.name == "volume_hosts")
    assert f"'{current}'" in hosts and f"'{current}#%'" in hosts and f"'{new}'" in hosts
