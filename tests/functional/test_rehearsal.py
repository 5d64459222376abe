"""
A scratch server beside a real MariaDB: what runs in a rehearsal reaches it under every address, and nothing else.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from salt.exceptions import CommandExecutionError

from octane.errors import Failed
from octane.path.hop import Rewrite, Stale
from octane.procedure import rehearsal
from tests.functional.mariadb import MISSING, Server
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, node

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a network namespace is made"),
]
NAMESPACE = "octane-rehearsal-test"


@pytest.fixture(scope="module")
def real():
    # Not below pytest's own folder, which only root may enter: the scratch server runs as mysql.
    root = Path(tempfile.mkdtemp(prefix="octane-rehearsal-", dir="/var/tmp"))
    root.chmod(0o755)
    server = Server(root / "real")
    server.root.chmod(0o755)
    server.node.set(NAMESPACE=NAMESPACE)
    server.sql(
        "CREATE DATABASE nova; CREATE TABLE nova.instances (id INT); INSERT INTO nova.instances VALUES (1), (2);"
    )
    yield server
    server.node.call("octane_rehearsal.stop")
    server.stop()
    shutil.rmtree(root)


@pytest.fixture
def scratch(real):
    if not real.node.call("octane_rehearsal.status")["running"]:
        real.node.call("octane_rehearsal.start")
    ask(real, "octane_mysql.execute", "DROP DATABASE IF EXISTS nova")
    return real


def ask(where, function, *arguments, **named):
    return where.node.call("octane_rehearsal.ask", function, *arguments, **named)


@pytest.fixture
def tool(tmp_path, real, monkeypatch):
    """A migration command as the services have them: it connects to an address, with an account of the original."""
    program = tmp_path / "toy-manage"
    program.write_text(
        '#!/bin/sh\nexport MYSQL_PWD=unknown\nexec mysql --no-defaults -h 192.0.2.77 -P 3306 -u nova -e "$1"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(real.node.modules["octane_manage"], "_PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return "toy-manage"


def test_a_scratch_server_is_empty_and_another_one(scratch):
    assert ask(scratch, "octane_db.databases") == []
    assert scratch.call("databases") == ["nova"]
    assert ask(scratch, "octane_db.server")["id"] != scratch.identifier()


def test_temporary_tables_of_the_real_server_outlive_its_start(real, monkeypatch):
    real.node.call("octane_rehearsal.stop")
    table = real.root / "temporary" / "#sql-temptable-2fab-1d-f8.MAI"
    table.touch()
    monkeypatch.setenv("TMPDIR", str(table.parent))
    real.node.call("octane_rehearsal.start")
    assert table.exists()


def test_it_is_like_the_real_one_where_migrations_depend_on_it(scratch):
    query = "SELECT @@sql_mode AS mode, @@collation_server AS collation, @@max_allowed_packet AS packet"
    assert ask(scratch, "octane_mysql.query", query) == scratch.node.call("octane_mysql.query", query)


def test_a_copy_comes_to_it_by_the_encrypted_stream(scratch):
    server = ask(scratch, "octane_db.server")["id"]
    own = scratch.call("identity")
    to = ask(scratch, "octane_db.receive", ["nova"], "127.0.0.1", own["certificate"], server=server)
    sent = scratch.call("send", ["nova"], "127.0.0.1", to["port"], to["certificate"], own["identity"])
    assert scratch.call("received", to["ticket"])["sha256"] == sent["sha256"]
    assert ask(scratch, "octane_db.row_counts") == {"nova": {"instances": 2}}


def test_a_migration_changes_the_copy_under_whatever_address_it_uses(scratch, tool):
    ask(scratch, "octane_mysql.execute", "CREATE DATABASE nova; CREATE TABLE nova.instances (id INT)")
    done = scratch.node.call("octane_rehearsal.manage", {"nova": [[tool, "ALTER TABLE nova.instances ADD extra INT"]]})
    assert done["nova"][0]["exit"] == 0
    columns = "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'nova'"
    assert [row["name"] for row in ask(scratch, "octane_mysql.query", columns)] == ["id", "extra"]
    assert [row["name"] for row in scratch.node.call("octane_mysql.query", columns)] == ["id"]


def test_nothing_outside_can_be_reached_from_a_rehearsal(scratch):
    addresses = ["ip", "netns", "exec", NAMESPACE, "ip", "-o", "link"]
    links = subprocess.run(addresses, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(links) == 1 and ": lo:" in links[0]


def test_what_an_interrupted_rehearsal_left_is_thrown_away_by_the_next(scratch):
    ask(scratch, "octane_mysql.execute", "CREATE DATABASE half_migrated")
    scratch.node.call("octane_rehearsal.start")
    assert ask(scratch, "octane_db.databases") == []


MIGRATED = """
CREATE DATABASE nova; USE nova;
CREATE TABLE services (id INT PRIMARY KEY, `binary` VARCHAR(30), host VARCHAR(50), deleted INT DEFAULT 0);
INSERT INTO services (id, `binary`, host) VALUES (1, 'nova-scheduler', 'node-1'), (2, 'nova-compute', 'node-1'),
  (3, 'nova-scheduler', 'node-7');
CREATE TABLE networks (id INT PRIMARY KEY, kind VARCHAR(10));
INSERT INTO networks VALUES (1, 'local'), (2, 'vlan');
CREATE TABLE taken (network INT PRIMARY KEY);
"""
RELEASE = SimpleNamespace(
    stale=(Stale("nova", "services", "host", {"binary": ("nova-scheduler",)}),),
    rewrite=(
        Rewrite(
            "local_networks",
            "nova",
            "SELECT id FROM networks WHERE kind = 'local'",
            "UPDATE networks SET kind = 'flat' WHERE kind = 'local'",
            "external networks are flat from now on",
        ),
        Rewrite(
            "networks_not_taken",
            "nova",
            "SELECT id FROM networks LEFT JOIN taken ON network = id WHERE kind = 'flat' AND network IS NULL",
            "INSERT INTO taken SELECT id FROM networks WHERE kind = 'flat'",
            "a flat network is taken",
        ),
    ),
)


class Nodes:
    """What Salt does between the library and the one node."""

    def __init__(self, server):
        self.server = server

    def call(self, targets, fun, *args, timeout=60, **kwargs):
        return {target: self.server.node.call(fun, *args, **kwargs) for target in targets}


def rewriting(scratch, path=RELEASE):
    ctx = FakeContext(Nodes(scratch), path, [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")])
    ask(scratch, "octane_mysql.execute", MIGRATED)
    return lambda: rehearsal.Rewrite().apply(ctx)


def test_what_the_window_puts_right_on_the_copy_is_put_right_on_the_scratch_server_alone(scratch):
    before = scratch.call("checksums", ["nova"])
    done = rewriting(scratch)()
    assert done.evidence["rewritten"] == {"local_networks": 1, "networks_not_taken": 1}
    assert done.evidence["deleted"] == ["nova-scheduler on node-1"]
    rows = "SELECT CONCAT_WS(' ', id, `binary`) AS one FROM nova.services ORDER BY id"
    assert [found["one"] for found in ask(scratch, "octane_mysql.query", rows)] == [
        "2 nova-compute",
        "3 nova-scheduler",
    ]
    assert ask(scratch, "octane_mysql.query", "SELECT network FROM nova.taken") == [{"network": "1"}]
    assert scratch.call("checksums", ["nova"]) == before


@pytest.mark.parametrize(
    ("statement", "said", "error"),
    [
        ("UPDATE networks SET sort = 'flat' WHERE kind = 'local'", "Unknown column 'sort'", CommandExecutionError),
        ("UPDATE networks SET kind = 'flat' WHERE kind = 'lokal'", "1 rows: external networks are flat", Failed),
    ],
    ids=["the new schema does not know", "finds other rows than its query"],
)
def test_a_statement_that_would_fail_in_the_window_fails_the_rehearsal(scratch, statement, said, error):
    wrong = Rewrite(**{**vars(RELEASE.rewrite[0]), "statement": statement})
    with pytest.raises(error, match=said):
        rewriting(scratch, SimpleNamespace(stale=(), rewrite=(wrong,)))()


def test_nothing_of_it_stays_and_the_real_server_is_as_it_was(real):
    before = real.call("checksums", ["nova"])
    folder = Path(real.node.call("octane_rehearsal.start")["folder"])
    assert folder.is_dir()
    assert real.node.call("octane_rehearsal.stop") == {"was": True}
    assert not folder.exists()
    assert real.node.call("octane_rehearsal.status") == {"folder": False, "namespace": False, "running": False}
    assert real.node.call("octane_rehearsal.stop") == {"was": False}
    assert real.call("checksums", ["nova"]) == before


def test_without_one_nobody_is_asked_in_its_place(real):
    with pytest.raises(CommandExecutionError, match="no scratch server runs"):
        ask(real, "octane_db.databases")
    with pytest.raises(CommandExecutionError, match="no scratch server runs"):
        real.node.call("octane_rehearsal.manage", {"nova": [["nova-manage", "db", "sync"]]})


def test_only_functions_of_the_databases_are_asked_there(scratch):
    with pytest.raises(CommandExecutionError, match="no function of the databases"):
        ask(scratch, "cmd.run", "id")
