"""
The lab's old release in a real MariaDB, migrated by the real code of its new one: what is called breaking breaks, what
is put right does not, and no URL hangs up on a migration that takes long.
"""

import contextlib
import os
import subprocess
import threading
from dataclasses import replace

import pytest
from salt.exceptions import CommandExecutionError

from octane.errors import Failed
from octane.path import Command, standing
from octane.procedure import db_rows, migration
from tests.functional.injections import ANTELOPE, NODE
from tests.functional.mariadb import MISSING, until
from tests.functional.real_commands import Commands
from tests.functional.real_databases import HOPS

HOP = HOPS["antelope-caracal"]
BEFORE = [command.words for service, command in HOP.before if service == "cinder"]
READ_TIMEOUT = 1
"""Seconds; Fuel's URLs have 60."""
BREAKING = {
    "trusts_that_are_equal": ("keystone", "duplicate_trust_constraint"),
    "volumes_without_use_quota": ("cinder", "use_quota"),
    "deleted_volumes_without_use_quota": ("cinder", "use_quota"),
    "projects_with_several_ha_networks": ("neutron", "uniq_ha_router_networks0project_id"),
}

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]


@pytest.fixture
def commands(clouds, tmp_path, monkeypatch):
    return Commands(clouds("antelope"), tmp_path, monkeypatch)


def migrations(database: str):
    return next(service.migrate for service in HOP.services if database in service.databases)


@pytest.mark.parametrize("name", BREAKING)
def test_what_is_called_breaking_breaks_the_real_migration(planted, commands, name):
    database, words = BREAKING[name]
    planted(HOP.name, database, ANTELOPE[name])
    with pytest.raises(CommandExecutionError, match=words) as failure:
        commands.run("2024.1", migrations(database), commands.configured(database))
    assert "hunter2" not in str(failure.value)


def test_the_old_releases_command_mends_what_is_said_to_be_mended_by_it_and_no_deleted_row(planted, commands):
    cloud = planted(HOP.name, "cinder", ANTELOPE["deleted_volumes_without_use_quota"])
    left = [sentence for sentence in cloud.findings(HOP.name) if "use_quota" in sentence]
    commands.run("2023.1", BEFORE, commands.configured("cinder"))
    assert len(left) == 1 and left[0] in cloud.findings(HOP.name)
    cloud.restore("cinder")
    cloud.plant("cinder", ANTELOPE["volumes_without_use_quota"])
    assert db_rows.unmended(cloud.ctx(HOP.name))
    commands.run("2023.1", BEFORE, commands.configured("cinder"))
    assert db_rows.unmended(cloud.ctx(HOP.name)) == []
    commands.run("2024.1", migrations("cinder"), commands.configured("cinder"))


NOVA = next(service for service in HOP.services if service.name == "nova")
NOVA_DATA = sorted(check.name for check in HOP.breaking if check.name.startswith("nova_"))


def test_what_the_old_release_left_of_novas_data_is_told_and_its_command_fills_it(clouds, commands):
    """All of it planted at once: the command takes seconds."""
    cloud = clouds("antelope")
    configuration = commands.of(NOVA)
    commands.run("2023.1", [["nova-manage", "db", "online_data_migrations"]], configuration)
    assert db_rows.unmended(cloud.ctx(HOP.name)) == []
    try:
        for check in HOP.breaking:
            if check.name in NOVA_DATA:
                cloud.plant(check.database, ANTELOPE[check.name])
        url = commands.url("nova_cell0")
        cloud.plant("nova_api", f"UPDATE cell_mappings SET database_connection = '{url}', transport_url = 'none:///';")
        assert len(db_rows.unmended(cloud.ctx(HOP.name))) == len(NOVA_DATA)
        before = [command for service, command in HOP.before if service == "nova"]
        (done,) = commands.run("2023.1", before, configuration)
        assert (done["exit"], db_rows.unmended(cloud.ctx(HOP.name))) == (0, [])
        assert done["times"] > 1
    finally:
        for database in ("nova", "nova_api", "nova_cell0"):
            cloud.restore(database)


BLOCKED = (
    NODE
    + """
INSERT INTO instances (uuid, deleted, host, node) SELECT CONCAT('unscheduled-', seq), 0, NULL, NULL FROM seq_1_to_60;
INSERT INTO instances (uuid, deleted, host, node) SELECT CONCAT('planted-', seq), 0, 'node-7', 'node-7' FROM seq_1_to_7;
"""
)
"""Instances that never came to a compute, as those are that no host had room for, and some that did after them."""


@pytest.fixture
def blocked(clouds, commands):
    """The new release's nova with them; and what its online migrations do to it, by the path or otherwise."""
    cloud = clouds("caracal")
    of_new = Commands(cloud, commands.folder, commands.monkeypatch)
    configuration = of_new.of(NOVA)
    cloud.plant("nova", BLOCKED)

    def manage(groups):
        ran = {}
        for name, orders in groups.items():
            given = [Command(tuple(one["command"]), one["repeat_until"], one["repeat_on"]) for one in orders]
            ran[name] = of_new.run("2024.1", given, configuration)
        return migration.seconds_by_group(ran)

    def left():
        return migration.left_by(hop, lambda asked: cloud.server.node.call("octane_rows.matching", asked))

    hop = replace(HOP, services=(NOVA,), unmigrated=tuple(one for one in HOP.unmigrated if one.database == "nova"))
    yield hop, manage, left
    cloud.restore("nova")


def test_rows_that_the_command_leaves_with_exit_code_0_fail_the_step_by_their_names(blocked):
    """The trap itself: without a number the command takes 50 at a time, and ends when it can fill none of them."""
    hop, manage, left = blocked
    plain = Command(("nova-manage", "db", "online_data_migrations"))
    with pytest.raises(Failed, match=r"nova: 7 instances .*: planted-1, planted-2.*archive_deleted_rows"):
        migration.finish(replace(hop, services=(replace(NOVA, online=(plain,)),)), manage, left)


def test_the_command_of_the_path_leaves_none_of_them(blocked):
    hop, manage, left = blocked
    assert sum(found["count"] for _, found in left()) == 7
    assert set(migration.finish(hop, manage, left)) == {"nova"}
    assert left() == []


@contextlib.contextmanager
def held(server):
    """Holds a lock on cinder's volumes until a statement has waited for it longer than the URL allows to read."""
    client = ["mysql", *server.node.call("octane_mysql.options"), "--unbuffered", "cinder"]
    with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin and holder.stdout
        holder.stdin.write("LOCK TABLES volumes WRITE; SELECT 'locked';\n")
        holder.stdin.flush()
        assert [holder.stdout.readline() for _ in range(2)][1] == "locked\n"
        waiting = (
            f"SELECT id FROM information_schema.processlist WHERE time_ms > {READ_TIMEOUT * 2000} "
            "AND state LIKE 'Waiting for table%'"
        )

        ended = threading.Event()

        def release():
            until(lambda: ended.is_set() or server.node.call("octane_mysql.query", waiting), "a statement that waits")
            holder.stdin.close()

        thread = threading.Thread(target=release)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def test_a_migration_may_take_longer_than_its_url_allows(planted, commands):
    cloud = planted(HOP.name, "cinder", "")
    configuration = commands.configured("cinder", f"&read_timeout={READ_TIMEOUT}")
    with held(cloud.server):
        (done,) = commands.run("2024.1", migrations("cinder"), configuration)
    assert done["seconds"] > READ_TIMEOUT
    assert standing("cinder", cloud.server.call("schema_heads", "cinder")).releases == ("caracal",)


def test_without_our_file_it_may_not(planted, commands):
    """The trap itself: if it were gone, the test before this one would prove nothing."""
    cloud = planted(HOP.name, "cinder", "")
    configuration = commands.configured("cinder", f"&read_timeout={READ_TIMEOUT}")
    words = ["cinder-manage", "--config-file", configuration, "db", "sync"]
    with held(cloud.server), pytest.raises(CommandExecutionError, match="Lost connection to MySQL server"):
        commands.run("2024.1", [words], "/nonexistent")
