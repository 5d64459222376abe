"""
The lab's old release migrated by the procedure's own steps with the real code of its new one, and every trap on the way
that an exit code hides: each shown to be there, and shown not to get through.
"""

import dataclasses
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from salt.exceptions import CommandExecutionError

from octane.errors import InvariantBroken
from octane.path import standing
from octane.procedure import migration, schemas
from octane.procedure.tables import COPIED
from tests.functional.injections import ANTELOPE
from tests.functional.mariadb import MISSING, until
from tests.functional.real_commands import ENDS_WITHIN, Commands, daemon, programs
from tests.functional.real_databases import HOPS, Cloud
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
HOP = HOPS["antelope-caracal"]
NOVA = next(service for service in HOP.services if service.name == "nova")
BATCH = 50
"""Rows that nova's command takes at a time unless it is given a number."""
FUNCTIONS = (
    "octane_db.compare_schemas",
    "octane_db.delete_stale",
    "octane_db.run_manage_all",
    "octane_db.server",
    "octane_db.stale",
    "octane_nova.foreign_cells",
    "octane_nova.repoint_cells",
    "octane_rows.matching",
)
CELL0 = "00000000-0000-0000-0000-000000000000"
# What a copy brings along: daemons of the old controllers, a compute, and guests of which most are on no host.
OF_NOVA = f"""
INSERT INTO services (`binary`, host, topic, report_count, deleted, version, uuid, disabled, forced_down) VALUES
('nova-compute', 'node-7.domain.tld', 'compute', 0, 0, 66, UUID(), 0, 0),
('nova-conductor', 'node-1.domain.tld', 'conductor', 0, 0, 66, UUID(), 0, 0);
INSERT INTO compute_nodes (host, hypervisor_hostname, uuid, vcpus, memory_mb, local_gb, vcpus_used, memory_mb_used,
local_gb_used, hypervisor_type, hypervisor_version, cpu_info, deleted, mapped)
VALUES ('node-7.domain.tld', 'node-7', UUID(), 1, 1, 1, 0, 0, 0, 'fake', 1, '{{}}', 0, 0);
INSERT INTO instances (uuid, deleted, vm_state) SELECT UUID(), 0, 'shelved_offloaded' FROM seq_1_to_{BATCH};
INSERT INTO instances (uuid, deleted, vm_state, host, node)
VALUES ('hidden', 0, 'active', 'node-7.domain.tld', 'node-7');
"""
OF_CINDER = """
INSERT INTO services (`binary`, host, report_count, deleted, rpc_current_version, object_current_version)
VALUES ('cinder-volume', 'node-1.domain.tld@rbd', 0, 0, NULL, NULL);
"""


@pytest.fixture(scope="module")
def production(in_memory):
    """The original's server, with the one database that a record of the copy leads nova's command to."""
    cloud = Cloud("antelope", in_memory / "production")
    cloud.restore("nova_cell0")
    yield cloud
    cloud.server.stop()


@pytest.fixture(scope="module")
def copied(in_memory, production):
    """A copy on the seed's server that nothing has migrated: the cloud, its commands, what they read, the context."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        cloud = Cloud("antelope", in_memory / "server")
        try:
            cloud.load()
            cloud.plant("nova", OF_NOVA)
            cloud.plant("cinder", OF_CINDER)
            to_production = Commands(production, in_memory, monkeypatch).url("nova_cell0")
            yield world(cloud, Commands(cloud, in_memory, monkeypatch), to_production, production.server)
        finally:
            cloud.server.stop()


def world(cloud, commands, to_production, original):
    own = f"[DEFAULT]\ntransport_url = fake://\nstate_path = {commands.folder}\nhost = node-4.domain.tld\n"
    own += f"[oslo_concurrency]\nlock_path = {commands.folder}/locks\n"
    files = {service.name: commands.of(service, own) for service in HOP.services if service.name != "nova"}
    paste = Path(programs("2024.1")).parent / "etc" / "cinder" / "api-paste.ini"
    (cinder,) = [service for service in HOP.services if service.name == "cinder"]
    of_api = f"api_paste_config = {paste}\nauth_strategy = noauth\n"
    files["cinder"] = commands.of(cinder, own.replace("[oslo", f"{of_api}[oslo", 1))
    # Placement is asked nothing at a start, but is to be known; one worker is no child that outlives its parent.
    more = "[placement]\nauth_type = none\nendpoint_override = http://192.0.2.1\n[conductor]\nworkers = 1\n"
    files["nova"] = commands.of(NOVA, own + more)
    cloud.plant(
        "nova_api",
        "INSERT INTO cell_mappings (uuid, name, transport_url, database_connection) VALUES "
        f"('{CELL0}', 'cell0', 'none:///', '{to_production}'), "
        f"('{CELL0[:-1]}1', 'cell1', 'rabbit://nova:x@192.0.2.1/', '{commands.url('elsewhere')}')",
    )
    commands.use("2024.1")
    cloud.server.node.set(CONFIG=files["nova"])
    return SimpleNamespace(cloud=cloud, commands=commands, files=files, ctx=context(cloud.server, original, files))


def context(seed, original, files):
    """What the steps are given: the path with the files of this seed, and the seed's functions."""
    services = tuple(dataclasses.replace(one, configuration=(files[one.name],)) for one in HOP.services)

    def on_node(name):
        return lambda minion, *given: {"node-1": original, "node-4": seed}[minion].node.call(name, *given)

    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
    path = dataclasses.replace(HOP, services=services)
    found = FakeContext(FakeNodes({name: on_node(name) for name in FUNCTIONS}), path, members)
    found.record(COPIED, True)
    return found


def behind(one):
    """Databases that are not at the new release's heads, by its own scripts."""
    places = schemas.of_new_release(one.ctx)
    return schemas.behind("node-4", schemas.compared(one.ctx, "node-4", places), places, HOP.release_to)


def rows(one, query):
    return one.cloud.server.node.call("octane_mysql.query", query)


def nova_manage(one, *words):
    """What a command of the new nova says in the end; it fails as the command does."""
    (done,) = one.commands.run("2024.1", [["nova-manage", *words]], one.files["nova"])
    return done["output"]


API = "from cinder.wsgi import wsgi; wsgi.initialize_application()"
DELETED = """
import sys
from nova import config, context, objects
config.parse_args(["nova", "--config-file", sys.argv[1]])
objects.register_all()
import webob.exc
from nova.api.openstack import api_version_request, wsgi
from nova.api.openstack.compute.services import ServiceController
asked = wsgi.Request.blank("/")
asked.environ["nova.context"] = context.RequestContext("u", "p", is_admin=True, roles=["admin"])
asked.api_version_request = api_version_request.APIVersionRequest("2.1")
try:
    ServiceController().delete(asked, sys.argv[2])
except webob.exc.HTTPError as error:
    print(error.code, error.explanation)
"""


def python(one, code, *words):
    """A piece of Python in the new release: how it ended."""
    told = [f"{programs('2024.1')}/python", "-c", code, *words]
    return subprocess.run(told, capture_output=True, text=True, check=False, timeout=ENDS_WITHIN)


def loaded(one):
    """How the new cinder's API ends that is loaded as a web server does: exit code and words."""
    done = python(one, API, "--config-file", one.files["cinder"])
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def keystone(copied):
    """What Keystone's own check exits with, beside what is behind, before its migration and in the midst of it."""
    found = []
    for words in ([], ["--expand"]):
        if words:
            copied.commands.run("2024.1", [["keystone-manage", "db_sync", *words]], copied.files["keystone"])
        check = [["keystone-manage", "db_sync", "--check"]]
        (done,) = copied.commands.run("2024.1", check, copied.files["keystone"])
        found.append((done["exit"], behind(copied)))
    return found


@pytest.fixture(scope="module")
def without_cell0(copied, keystone):
    """What nova's command says when no record leads to cell 0, and what is behind after it."""
    renamed = "UPDATE nova_api.cell_mappings SET uuid = '{}' WHERE uuid = '{}'"
    nobodys = CELL0[:-1] + "2"
    copied.cloud.server.sql(renamed.format(nobodys, CELL0))
    said = nova_manage(copied, "db", "sync")
    copied.cloud.server.sql(renamed.format(CELL0, nobodys))
    return said, behind(copied)


@pytest.fixture(scope="module")
def migrated(copied, keystone, without_cell0):
    """The same after the stage's own migrations."""
    migration.Migrate().apply(copied.ctx)
    return copied


@pytest.fixture(scope="module")
def too_old(migrated, tmp_path_factory):
    """How cinder's scheduler ends beside the record of a daemon of the old controllers: exit code and words."""
    log = tmp_path_factory.mktemp("too-old") / "log"
    with daemon("2024.1", "cinder-scheduler", migrated.files["cinder"], log) as process:
        return process.wait(ENDS_WITHIN), log.read_text()


@pytest.fixture(scope="module")
def api_too_old(migrated):
    """How cinder's API, as a web server loads it, ends beside that record."""
    return loaded(migrated)


@pytest.fixture(scope="module")
def undiscovered(migrated):
    """Why the new nova finds no compute as long as a cell leads to the old cloud."""
    elsewhere = migrated.commands.url("elsewhere")
    migrated.cloud.server.sql(
        f"UPDATE nova_api.cell_mappings SET database_connection = '{elsewhere}' WHERE name = 'cell1'"
    )
    with pytest.raises(CommandExecutionError) as failure:
        nova_manage(migrated, "cell_v2", "discover_hosts", "--verbose")
    return str(failure.value)


@pytest.fixture(scope="module")
def rewritten(migrated, too_old, api_too_old, undiscovered):
    """The same after what a copy says of its old cloud was put right."""
    migration.Rewrite().apply(migrated.ctx)
    return migrated


def test_keystones_own_check_is_content_before_and_in_the_midst_of_it_and_the_heads_are_not(keystone, migrated):
    assert [(code, "keystone" in left) for code, left in keystone] == [(0, True), (0, True)]
    assert behind(migrated) == []


def test_every_schema_was_behind_and_is_at_the_head_of_the_new_releases_own_scripts(keystone, migrated):
    assert set(keystone[0][1]) == set(HOP.databases)
    heads = migration.Migrate().verify(migrated.ctx)["heads"]
    assert {name: standing(name, heads[name]).releases for name in HOP.databases} == dict.fromkeys(
        HOP.databases, ("caracal",)
    )


def test_what_the_copied_cell_0_led_to_is_migrated_on_the_seed_alone(migrated, production):
    assert standing("nova_cell0", production.server.call("schema_heads", "nova_cell0")).releases == ("antelope",)
    assert behind(migrated) == []


def test_a_cell_that_novas_command_left_out_is_named(without_cell0):
    """That it finds no record of the cell is no failure to it."""
    said, left = without_cell0
    assert "cell0 mapping not found" in said and "nova_cell0" in left and "nova" not in left


def test_heat_stamps_whatever_sqlalchemy_migrate_left_and_only_a_look_before_it_tells_from_what(migrated):
    server = migrated.cloud.server
    assert standing("heat", server.call("schema_heads", "heat")).releases == ("caracal",)
    for version, release in ((86, ("antelope",)), (85, ())):
        migrated.cloud.restore("heat")
        server.sql(f"UPDATE heat.migrate_version SET version = {version}")
        found = server.call("schema_heads", "heat")
        assert found == {"alembic": [], "migrate": {"heat": version}}
        assert standing("heat", found).releases == release
    migrated.commands.run("2024.1", [["heat-manage", "db_sync"]], migrated.files["heat"])
    assert server.call("schema_heads", "heat")["migrate"] == {"heat": 85} and behind(migrated) == []


def test_beside_a_record_of_the_old_controllers_cinder_does_not_start_and_without_it_it_does(
    too_old, rewritten, tmp_path
):
    code, words = too_old
    assert code == 1 and "ServiceTooOld" in words
    ours = "SELECT host FROM cinder.services WHERE deleted = 0"
    assert rows(rewritten, ours) == []
    with daemon("2024.1", "cinder-scheduler", rewritten.files["cinder"], tmp_path / "log") as process:
        until(lambda: process.poll() is not None or rows(rewritten, ours), "cinder-scheduler to register")
        assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
    assert [row["host"] for row in rows(rewritten, ours)] == ["node-4.domain.tld"]


def test_and_neither_does_its_api(api_too_old, rewritten):
    code, words = api_too_old
    assert code == 1 and "ServiceTooOld" in words
    code, words = loaded(rewritten)
    assert code == 0, words[-2000:]


def test_a_compute_with_servers_keeps_its_record_which_the_api_would_not_delete(rewritten):
    """Which is why the stage deletes none, and what the remedy for one that is too old says."""
    (check,) = [one for one in HOP.breaking if one.name == "computes_too_old"]
    (record,) = rows(rewritten, "SELECT id FROM nova.services WHERE `binary` = 'nova-compute' AND deleted = 0")
    done = python(rewritten, DELETED, rewritten.files["nova"], record["id"])
    assert done.stdout.startswith("409 Unable to delete compute service that is hosting instances"), done.stderr[-2000:]
    assert "answers 409 until its servers are evacuated or deleted" in check.remedy
    assert len(rows(rewritten, "SELECT id FROM nova.services WHERE `binary` = 'nova-compute' AND deleted = 0")) == 1


def test_beside_a_compute_that_the_check_calls_too_old_nova_does_not_start_and_beside_the_others_it_does(
    rewritten, tmp_path
):
    server, log = rewritten.cloud.server, tmp_path / "log"
    (check,) = [one for one in HOP.breaking if one.name == "computes_too_old"]
    asked = [{"name": check.name, "database": check.database, "query": check.query}]
    server.sql(f"USE nova; {ANTELOPE[check.name]} UPDATE services SET forced_down = 0;")
    try:
        assert server.node.call("octane_rows.matching", asked)[check.name]["first"] == ["planted"]
        with daemon("2024.1", "nova-conductor", rewritten.files["nova"], log) as process:
            assert process.wait(ENDS_WITHIN) == 1 and "TooOldComputeService" in log.read_text()
    finally:
        server.sql("DELETE FROM nova.services WHERE host IN ('planted', 'innocent')")
    assert server.node.call("octane_rows.matching", asked)[check.name]["count"] == 0
    ours = "SELECT host FROM nova.services WHERE `binary` = 'nova-conductor' AND deleted = 0"
    with daemon("2024.1", "nova-conductor", rewritten.files["nova"], log) as process:
        until(lambda: process.poll() is not None or rows(rewritten, ours), "nova-conductor to register")
        assert process.poll() is None, log.read_text()[-2000:]
    server.sql("DELETE FROM nova.services WHERE `binary` = 'nova-conductor'")


def test_cells_lead_to_the_old_cloud_until_they_are_rewritten(undiscovered, rewritten):
    assert "Unknown database 'elsewhere'" in undiscovered and "hunter2" not in undiscovered
    assert migration.Rewrite().verify(rewritten.ctx) == {"stale": 0}
    assert "node-7.domain.tld" in nova_manage(rewritten, "cell_v2", "discover_hosts", "--verbose")


def test_records_of_computes_outlive_the_rewriting(rewritten):
    left = rows(rewritten, "SELECT `binary` AS b, host FROM nova.services WHERE deleted = 0")
    assert left == [{"b": "nova-compute", "host": "node-7.domain.tld"}]


def test_rows_that_novas_command_does_not_count_are_counted_and_filled(rewritten):
    """Of a batch that cannot be filled it sees no end, takes it for one, and exits with 0."""
    hidden = "SELECT compute_id FROM nova.instances WHERE uuid = 'hidden'"
    nova_manage(rewritten, "db", "online_data_migrations")
    assert rows(rewritten, hidden) == [{"compute_id": None}]
    step = migration.FinishNewMigrations()
    rewritten.ctx.record(migration.ONLINE, True)
    with pytest.raises(InvariantBroken, match=r"nova: 1 instances .*: hidden: "):
        step.verify(rewritten.ctx)
    assert step.pending(rewritten.ctx) == {"run": ["cinder", "nova"]}
    step.apply(rewritten.ctx)
    assert step.verify(rewritten.ctx) == {"done": True, "left": {check.name: 0 for check in HOP.unmigrated}}
    assert step.pending(rewritten.ctx) == {}
    assert rows(rewritten, hidden) == [{"compute_id": "1"}]
    unfillable = "SELECT COUNT(*) AS c FROM nova.instances WHERE compute_id IS NULL AND deleted = 0"
    assert rows(rewritten, unfillable) == [{"c": str(BATCH)}]
