"""
Real databases of old releases in a real MariaDB: their release is recognised, and each row that is known to break a
migration, planted one by one, is found with its remedy.
"""

import os
import re

import pytest
from salt.exceptions import CommandExecutionError

from octane.path import standing
from octane.procedure import db_rows, migration
from octane.procedure.schemas import of_another_release
from tests.functional.injections import INJECTIONS, UNMIGRATED
from tests.functional.mariadb import MISSING
from tests.functional.real_databases import DUMPS, HOPS, STARTS, dumps_of

CASES = [(hop.name, check.name) for hop in HOPS.values() for check in (*hop.breaking, *hop.in_flight)]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]


def test_every_check_of_every_hop_has_something_that_is_planted():
    for hop in HOPS.values():
        assert set(INJECTIONS[hop.name]) == {check.name for check in (*hop.breaking, *hop.in_flight)}, hop.name


@pytest.mark.parametrize("release", ["juno", "kilo", "antelope"])
def test_the_release_of_every_schema_is_recognised(clouds, release):
    cloud = clouds(release)
    heads = {database: cloud.server.call("schema_heads", database) for database in cloud.dumps}
    assert len(heads) >= 6
    assert {database: standing(database, one).releases for database, one in heads.items()} == dict.fromkeys(
        heads, (release,)
    )


@pytest.mark.parametrize(
    ("hop", "database", "sql", "said"),
    [
        ("juno-kilo", "nova", "UPDATE migrate_version SET version = 264", None),
        ("juno-kilo", "nova", "UPDATE migrate_version SET version = 267", "is half-way between juno and kilo"),
        ("juno-kilo", "neutron", "UPDATE alembic_version SET version_num = 'kilo'", "is of kilo and not of juno"),
        (
            "kilo-liberty",
            "keystone",
            "UPDATE migrate_version SET version = 3 WHERE repository_id = 'federation'",
            "is half-way between juno and kilo",
        ),
    ],
)
def test_a_schema_of_another_release_is_told_with_its_remedy(planted, hop, database, sql, said):
    cloud = planted(hop, database, f"{sql};")
    found = {name: {"found": cloud.server.call("schema_heads", name)} for name in cloud.dumps}
    told = of_another_release(found, HOPS[hop].release_from)
    assert len(told) == (said is not None)
    assert all(f"the schema {database} {said}" in sentence and "restore the database" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("hop", "documented"),
    [
        # Each of the populated ones holds what died in the middle of something; three of Kilo's instances cannot have
        # their flavors moved (in a task, resized), which Liberty's own code counted too.
        ("juno-kilo", ["2 instances in the middle", "1 volumes in transition", "1 stacks locked"]),
        (
            "kilo-liberty",
            [
                "2 instances in the middle",
                "1 volumes in transition",
                "1 stacks locked",
                "3 instances whose flavor was not moved",
            ],
        ),
        (
            "liberty-mitaka",
            [
                "1 routers that are not distributed",
                "2 instances in the middle",
                "1 volumes in transition",
                "1 stacks locked",
            ],
        ),
        ("antelope-caracal", []),
    ],
)
def test_clean_databases_have_the_documented_findings_and_no_other(clouds, hop, documented):
    found = clouds(STARTS[hop]).findings(hop)
    assert len(found) == len(documented), found
    for sentence, words in zip(found, documented, strict=True):
        assert words in sentence


@pytest.mark.parametrize(("hop", "name"), CASES)
def test_a_planted_row_is_found_with_its_remedy(clouds, planted, hop, name):
    check = next(one for one in (*HOPS[hop].breaking, *HOPS[hop].in_flight) if one.name == name)
    before = clouds(STARTS[hop]).findings(hop)
    cloud = planted(hop, check.database, INJECTIONS[hop][name])
    new = [sentence for sentence in cloud.findings(hop) if sentence not in before]
    assert len(new) == 1, new
    assert check.finding in new[0] and check.remedy in new[0] and new[0].startswith(f"{check.database}: ")
    sql = INJECTIONS[hop][name]
    assert [word for word in ("planted1", "planted2", "planted") if word in sql and word not in new[0]] == []
    assert "innocent" not in new[0]


def tables(release, database):
    """Names of all tables, as the release's own code made them."""
    return set(re.findall(r"^CREATE TABLE `(\w+)`", dumps_of(release)[database], re.MULTILINE))


@pytest.mark.parametrize("hop", [hop for hop, planted in INJECTIONS.items() if "dropped_tables_of_neutron" in planted])
def test_every_table_that_the_migrations_of_neutron_drop_is_asked_for_rows(hop):
    """Juno's and Kilo's as the real code left them; what Liberty drops of Kilo's was recorded."""
    check = next(one for one in HOPS[hop].breaking if one.name == "dropped_tables_of_neutron")
    old = tables(HOPS[hop].release_from, "neutron")
    if hop == "kilo-liberty":
        gone = set(re.findall(r"^DROP TABLE `(\w+)`", dumps_of("liberty")["neutron"], re.MULTILINE))
    else:
        gone = old - tables(HOPS[hop].release_to, "neutron")
    assert gone and gone == set(re.findall(r"FROM `(\w+)`", check.query))


def left(cloud, hop):
    """What the online migrations of HOP left in CLOUD, which is of its new release: sentences."""
    return migration.sentences(
        migration.left_by(HOPS[hop], lambda asked: cloud.server.node.call("octane_rows.matching", asked))
    )


@pytest.mark.parametrize("hop", [name for name, planted in UNMIGRATED.items() if planted])
def test_rows_that_online_migrations_leave_are_told_and_what_they_skip_is_not(clouds, hop):
    cloud = clouds(HOPS[hop].release_to)
    assert {check.name for check in HOPS[hop].unmigrated} == set(UNMIGRATED[hop])
    # There are no aggregates and no commands of Mitaka here that give them one.
    cloud.plant("nova", "UPDATE aggregates SET uuid = UUID();" if hop == "liberty-mitaka" else "")
    try:
        assert left(cloud, hop) == []
        for check in HOPS[hop].unmigrated:
            cloud.plant(check.database, UNMIGRATED[hop][check.name])
            told = left(cloud, hop)
            assert len(told) == 1 and check.finding in told[0] and check.remedy in told[0]
            assert "innocent" not in told[0]
            cloud.restore(check.database)
            cloud.plant("nova", "UPDATE aggregates SET uuid = UUID();" if hop == "liberty-mitaka" else "")
    finally:
        cloud.restore("nova")


def test_flavors_that_the_command_of_kilo_skips_are_no_finding_and_others_are(clouds):
    """Kilo's populated cloud has three of them; before the command had run there were nine to be moved."""
    if DUMPS is None:
        pytest.skip("no dumps of real databases here")
    cloud = clouds("kilo")
    assert left(cloud, "juno-kilo") == []
    cloud.restore("nova", (DUMPS / "kilo" / "nova.pre-flavor.sql").read_text())
    try:
        (told,) = left(cloud, "juno-kilo")
    finally:
        cloud.restore("nova")
    assert told.startswith("nova: 6 instances whose flavor was not moved")


def test_every_table_that_nova_looks_through_is_looked_through(planted):
    cloud = planted("juno-kilo", "nova", INJECTIONS["juno-kilo"]["rows_without_instance"])
    assert any(
        sentence.startswith("nova: 8 rows that belong to no instance") for sentence in cloud.findings("juno-kilo")
    )


def test_flavors_that_were_not_moved_before_the_window_are_told(planted):
    if DUMPS is None:
        pytest.skip("no dumps of real databases here")
    cloud = planted("kilo-liberty", "nova", (DUMPS / "kilo" / "nova.pre-flavor.sql").read_text())
    ctx = cloud.ctx("kilo-liberty")
    assert [sentence[: sentence.index(":", 6)] for sentence in db_rows.unmended(ctx)] == [
        "nova: 9 instances whose flavor was not moved to instance_extra (nova's migration 291 refuses to run)"
    ]
    assert not any("flavor" in sentence for sentence in db_rows.findings(ctx, ctx.path.databases))


def test_rows_that_a_configuration_does_not_fit_are_put_right_on_the_server_that_is_meant(planted):
    cloud = planted("kilo-liberty", "neutron", "DELETE FROM networksecuritybindings LIMIT 1;")
    server = cloud.server
    fixes = HOPS["kilo-liberty"].rewrite
    queries = [{"name": one.name, "database": one.database, "query": one.query} for one in fixes]
    before = server.node.call("octane_rows.matching", queries)
    assert before["networks_without_port_security"]["count"] == before["external_networks_not_flat"]["count"] == 1
    with pytest.raises(CommandExecutionError, match="meant for"):
        server.node.call("octane_rows.rewrite", "neutron", fixes[0].statement, "another-server")
    assert server.node.call("octane_rows.matching", queries) == before
    changed = [server.node.call("octane_rows.rewrite", "neutron", one.statement, server.identifier()) for one in fixes]
    assert changed == [{"changed": 1}] * 3
    assert {found["count"] for found in server.node.call("octane_rows.matching", queries).values()} == {0}


def test_the_project_of_the_services_is_told_by_its_id_and_no_other_of_that_name(planted):
    (setting,) = HOPS["juno-kilo"].settings
    query = [{"name": setting.name, "database": setting.database, "query": setting.query}]
    cloud = planted(
        "juno-kilo",
        "keystone",
        "DELETE FROM project WHERE name = 'services';"
        "INSERT INTO domain (id, name, enabled) VALUES ('another', 'another', 1);"
        "INSERT INTO project (id, name, domain_id, enabled) VALUES ('planted', 'services', 'default', 1),"
        "('innocent', 'services', 'another', 1);",
    )
    assert cloud.server.node.call("octane_rows.matching", query) == {setting.name: {"count": 1, "first": ["planted"]}}


def test_tokens_are_told_by_their_users_and_not_by_themselves(planted):
    cloud = planted("liberty-mitaka", "keystone", "INSERT INTO token (id, valid, user_id) VALUES ('hunter2', 1, 'u1');")
    fix = HOPS["liberty-mitaka"].rewrite[0]
    query = [{"name": fix.name, "database": "keystone", "query": fix.query}]
    found = cloud.server.node.call("octane_rows.matching", query)[fix.name]
    assert "u1" in found["first"] and "hunter2" not in found["first"]
    cloud.server.node.call("octane_rows.rewrite", "keystone", fix.statement, cloud.server.identifier())
    assert cloud.server.node.call("octane_rows.matching", query)[fix.name] == {"count": 0, "first": []}


def test_a_question_can_change_nothing(planted):
    function = "CREATE FUNCTION written() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM stack_lock; RETURN 1; END"
    cloud = planted("juno-kilo", "heat", f"DELIMITER //\n{function}//\nDELIMITER ;\n")
    ask = cloud.server.node.call
    for query in (
        "DELETE FROM stack_lock",
        "SELECT stack_id AS id FROM stack_lock; DELETE FROM stack_lock",
        "SELECT stack_id AS id FROM stack_lock INTO OUTFILE '/tmp/octane-outfile'",
        "SELECT written() AS id",
    ):
        with pytest.raises(CommandExecutionError):
            ask("octane_rows.matching", [{"name": "a", "database": "heat", "query": query}])
    locked = [{"name": "a", "database": "heat", "query": "SELECT stack_id AS id FROM stack_lock"}]
    assert ask("octane_rows.matching", locked)["a"]["count"] == 1


def test_many_rows_are_counted_and_five_are_named(planted):
    cloud = planted("juno-kilo", "nova", "INSERT INTO key_pairs (user_id) SELECT seq FROM seq_1_to_20000;")
    found = [sentence for sentence in cloud.findings("juno-kilo") if "keypairs" in sentence]
    assert (
        found[0].startswith("nova: 20000 keypairs without a name")
        and found[0].count(", ") >= 5
        and ", ...: " in found[0]
    )


def test_work_that_is_going_on_is_in_flight_and_no_finding(planted):
    sql = "UPDATE stack SET status = 'IN_PROGRESS', updated_at = UTC_TIMESTAMP() WHERE name = 'web';"
    cloud = planted("juno-kilo", "heat", sql)
    assert not any("middle of an action" in sentence for sentence in cloud.findings("juno-kilo"))
    told = db_rows.in_flight(cloud.ctx("juno-kilo"), ["heat"])
    assert any("1 stacks in the middle of an action" in sentence for sentence in told)
