"""
The lab's old release in a real MariaDB, migrated by the real code of its new one: what is called breaking breaks, what
is put right does not, and no URL hangs up on a migration that takes long.
"""

import contextlib
import os
import subprocess
import threading

import pytest
from salt.exceptions import CommandExecutionError

from octane.path import standing
from octane.procedure import db_rows
from tests.functional.injections import ANTELOPE
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
