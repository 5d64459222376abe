"""
What the database's own words mean: rows, writers, Galera, schema versions; and migration commands that are run.
"""

import os
import stat
import time

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node


@pytest.fixture
def node():
    return Node()


def test_values_of_the_client_are_read_back(node):
    text = "name\tvalue\na\\tb\\nc\\\\d\tNULL\n\tx\n"
    assert node.call("octane_mysql.parse", text) == [
        {"name": "a\tb\nc\\d", "value": None},
        {"name": "", "value": "x"},
    ]
    assert node.call("octane_mysql.parse", "") == []


def test_the_client_is_told_the_local_socket_and_no_password(tmp_path):
    node = Node({"config.get": lambda key, default=None: {"defaults_file": "/x.cnf", "socket": "/y.sock"}})
    assert node.call("octane_mysql.options") == ["--defaults-file=/x.cnf", "--host=localhost", "--socket=/y.sock"]


SESSION = {"USER": "nova", "COMMAND": "Sleep", "INFO": None, "changed": "0"}


@pytest.mark.parametrize(
    ("given", "writes"),
    [
        ({}, False),
        ({"changed": "3"}, True),
        ({"COMMAND": "Query", "INFO": "UPDATE instances SET a = 1"}, True),
        ({"COMMAND": "Execute", "INFO": "/* nova */ INSERT INTO a VALUES (1)"}, True),
        ({"COMMAND": "Query", "INFO": "  select 1"}, False),
        ({"COMMAND": "Query", "INFO": "/* a */ SELECT 1"}, False),
        ({"USER": "system user", "COMMAND": "Query", "INFO": "INSERT", "changed": "9"}, False),
        ({"USER": "repl", "COMMAND": "Binlog Dump GTID", "INFO": None}, False),
    ],
)
def test_who_writes_is_told_from_who_reads_and_from_the_servers_own(node, given, writes):
    assert node.call("octane_sessions.is_writing", {**SESSION, **given}) is writes


def test_galera_of_old_releases_before_its_first_write_has_no_number(node):
    status = {
        "wsrep_ready": "ON",
        "wsrep_connected": "ON",
        "wsrep_local_state_comment": "Synced",
        "wsrep_cluster_status": "Primary",
        "wsrep_cluster_state_uuid": "4bd8b5c0-0000-11e5-a1ad-000000000001",
        "wsrep_cluster_size": "3",
        "wsrep_last_committed": "18446744073709551615",
    }
    assert node.call("octane_sessions.parse_wsrep", status)["last_committed"] == -1
    found = node.call("octane_sessions.parse_wsrep", {**status, "wsrep_last_committed": "4711"})
    assert (found["last_committed"], found["size"], found["enabled"]) == (4711, 3, True)
    assert node.call("octane_sessions.parse_wsrep", {})["enabled"] is False


def test_heads_of_scripts_are_those_that_nothing_follows(node, tmp_path):
    scripts = {
        "expand/a.py": "revision = 'a'\ndown_revision = None\n",
        "expand/b.py": "revision: str = 'b'\ndown_revision: str = 'a'\n",
        "contract/c.py": "revision = 'c'\ndown_revision = ('a', 'x')\n",
        "merge/x.py": "revision = 'x'\ndown_revision = None\n",
        # Python 2, which this Python cannot read.
        "old/y.py": "revision = 'y'\ndown_revision = 'b'\nprint 'upgrading'\n",
        "env.py": "import os\n",
    }
    for name, text in scripts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert node.call("octane_schema.code_heads", str(tmp_path)) == {"alembic": ["c", "y"], "migrate": None}


def test_a_revision_that_another_depends_on_is_no_head(node, tmp_path):
    # As in Neutron Mitaka, whose database has one row.
    (tmp_path / "e.py").write_text("revision = 'expand'\ndown_revision = None\n")
    (tmp_path / "c.py").write_text("revision = 'contract'\ndown_revision = None\ndepends_on = ('expand',)\n")
    assert node.call("octane_schema.code_heads", str(tmp_path))["alembic"] == ["contract"]


def test_the_highest_number_counts_for_the_older_tool(node, tmp_path):
    versions = tmp_path / "versions"
    versions.mkdir()
    for name in ("216_havana.py", "280_add.py", "267_x.sql", "__init__.py", "999_note.txt"):
        (versions / name).write_text("")
    assert node.call("octane_schema.code_heads", str(tmp_path)) == {"alembic": [], "migrate": 280}


def test_the_package_of_an_installed_command_is_found_without_importing_it(tmp_path, monkeypatch):
    asked = []

    def run_all(command, **_):
        asked.append(command)
        return {"retcode": 0, "stdout": f"{tmp_path}\n", "stderr": ""}

    node = Node({"cmd.run_all": run_all})
    script = tmp_path / "nova-manage"
    script.write_text("#!/bin/sh\n'''exec' /opt/long/path/bin/python \"$0\" \"$@\"\n' '''\n")
    monkeypatch.setattr(node.modules["octane_schema"].shutil, "which", lambda name, path: str(script))
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "a.py").write_text("revision = 'a'\n")
    assert node.call("octane_schema.package_heads", "nova", "migrations")["alembic"] == ["a"]
    assert asked[0][0] == "/opt/long/path/bin/python" and asked[0][-1] == "nova"
    with pytest.raises(CommandExecutionError):
        node.call("octane_schema.package_heads", "nova", "../../etc")


@pytest.mark.parametrize(
    "text",
    [
        "sqlalchemy.exc: mysql+pymysql://nova:hunter2@192.168.0.1/nova",
        "connection = hunter2",
        "admin_password: hunter2",
        "rabbit://nova:hunter2@192.168.0.3:5673,nova:hunter2@192.168.0.4:5673/",
    ],
)
def test_secrets_are_masked_in_what_commands_say(node, text):
    assert "hunter2" not in node.call("octane_manage.redact", text)


@pytest.fixture
def commands(node, tmp_path, monkeypatch):
    """Migration commands that write their names down; those of heat fail, those of nova take very long."""
    scripts = {
        "glance-manage": 'echo "$@" >> "$0.log"; for i in 1 2 3; do echo line $i; done',
        "heat-manage": "echo cannot reach mysql://heat:hunter2@db/heat; exit 7",
        "nova-manage": "sleep 60",
    }
    for name, text in scripts.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(node.modules["octane_manage"], "_PATH", f"{tmp_path}:/usr/bin:/bin")
    # Popen looks a program up by the caller's own path.
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_commands_run_in_their_order_and_the_end_of_their_words_is_returned(node, commands):
    run = [["glance-manage", "db", "expand"], ["glance-manage", "db", "contract"]]
    found = node.call("octane_db.run_manage", run, tail=2)["commands"]
    assert [(one["exit"], one["output"]) for one in found] == [(0, "line 2\nline 3")] * 2
    assert (commands / "glance-manage.log").read_text() == "db expand\ndb contract\n"


def test_a_failure_stops_the_rest_and_tells_no_secret(node, commands):
    with pytest.raises(CommandExecutionError, match=r"heat-manage db_sync failed with exit code 7") as caught:
        node.call("octane_db.run_manage", [["heat-manage", "db_sync"], ["glance-manage", "db", "expand"]])
    assert "hunter2" not in str(caught.value) and not (commands / "glance-manage.log").exists()


def test_a_command_that_hangs_is_ended(node, commands):
    started = time.monotonic()
    with pytest.raises(CommandExecutionError, match="ended after"):
        node.call("octane_db.run_manage", ["nova-manage", "db", "sync"], timeout=1)
    assert time.monotonic() - started < 20


def test_groups_run_to_their_end_although_one_fails(node, commands):
    groups = {"heat": [["heat-manage", "db_sync"]], "glance": [["glance-manage", "db", "expand"]]}
    with pytest.raises(CommandExecutionError, match="heat: "):
        node.call("octane_db.run_manage_all", groups)
    assert (commands / "glance-manage.log").read_text() == "db expand\n"


@pytest.mark.parametrize("command", [["sh", "-c", "id"], ["/tmp/nova-manage"], [[]], [["nova-manage", 1]]])
def test_what_is_no_migration_command_is_not_run(node, command):
    with pytest.raises(CommandExecutionError, match="not a migration command"):
        node.call("octane_db.run_manage", command)


def test_a_command_is_run_again_until_it_says_that_nothing_is_left(node, commands):
    script = 'n=$(cat "$0.left"); echo "$n" >> "$0.log"; echo $((n - 1)) > "$0.left"; echo "9 matched, $n completed"'
    (commands / "cinder-manage").write_text(f"#!/bin/sh\n{script}\n")
    (commands / "cinder-manage").chmod(0o755)
    (commands / "cinder-manage.left").write_text("2")
    order = {"command": ["cinder-manage", "db", "move"], "repeat_until": ", 0 completed"}
    found = node.call("octane_db.run_manage", order)["commands"]
    assert [(one["times"], one["output"]) for one in found] == [(3, "9 matched, 0 completed")]
    assert (commands / "cinder-manage.log").read_text() == "2\n1\n0\n"


def test_a_command_that_never_says_it_is_given_up(node, commands):
    order = {"command": ["glance-manage", "db", "expand"], "repeat_until": "nothing left"}
    with pytest.raises(CommandExecutionError, match=r"did not say 'nothing left' in 1 s, run \d+ times: "):
        node.call("octane_db.run_manage", [order], timeout=1)


def test_a_command_that_exits_with_the_code_of_more_is_run_again_and_any_other_code_is_a_failure(node, commands):
    script = 'n=$(cat "$0.left"); echo "$n" >> "$0.log"; echo $((n - 1)) > "$0.left"; [ "$n" = 1 ] || exit "$1"'
    (commands / "nova-manage").write_text(f"#!/bin/sh\n{script}\n")
    (commands / "nova-manage").chmod(0o755)
    (commands / "nova-manage.left").write_text("3")
    (done,) = node.call("octane_db.run_manage", {"command": ["nova-manage", "1"], "repeat_on": 1})["commands"]
    assert (done["times"], done["exit"]) == (3, 0) and (commands / "nova-manage.log").read_text() == "3\n2\n1\n"
    (commands / "nova-manage.left").write_text("3")
    with pytest.raises(CommandExecutionError, match="failed with exit code 2"):
        node.call("octane_db.run_manage", {"command": ["nova-manage", "2"], "repeat_on": 1})
    assert (commands / "nova-manage.log").read_text() == "3\n2\n1\n3\n"


def test_a_command_that_never_ends_to_say_that_there_is_more_is_given_up(node, commands):
    (commands / "nova-manage").write_text("#!/bin/sh\nexit 1\n")
    (commands / "nova-manage").chmod(0o755)
    with pytest.raises(CommandExecutionError, match=r"still exited with 1 in 1 s, run \d+ times"):
        node.call("octane_db.run_manage", {"command": ["nova-manage", "db"], "repeat_on": 1}, timeout=1)


@pytest.fixture
def configuration(commands, tmp_path):
    """Files of a service whose commands write down the configuration they were told to read."""
    (commands / "keystone-manage").write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.words"\n'
        'for word; do case $word in *.conf) cat "$word"; stat -c %a "$word" > "$0.mode";; esac; done > "$0.read"\n'
    )
    (commands / "keystone-manage").chmod(0o755)
    main = tmp_path / "keystone.conf"
    main.write_text(
        "[DEFAULT]\n#connection = mysql://no?read_timeout=60\n[database]\n"
        "connection=mysql://k:hunter2@10.0.0.2/keystone?charset=utf8&read_timeout=60\n[token]\nprovider = uuid\n"
    )
    return {"main": str(main), "missing": str(tmp_path / "none.conf")}


def told(commands):
    return (commands / "keystone-manage.words").read_text().splitlines()


def test_no_url_of_a_migration_limits_how_long_it_may_read(node, commands, configuration):
    order = {"command": ["keystone-manage", "db_sync"], "configuration": list(configuration.values())}
    found = node.call("octane_db.run_manage_all", {"keystone": [order]})["keystone"]
    words = told(commands)
    assert words[:3] == ["--config-file", configuration["main"], "--config-file"] and words[4:] == ["db_sync"]
    overriding = (commands / "keystone-manage.read").read_text().partition("provider = uuid\n")[2]
    assert overriding == "[database]\nconnection = mysql://k:hunter2@10.0.0.2/keystone?charset=utf8\n"
    assert (commands / "keystone-manage.mode").read_text().strip() == "600"
    assert not os.path.exists(words[3]), "a file with a password stayed behind"
    assert "hunter2" not in str(found)


def test_a_url_without_a_limit_needs_no_file_of_ours(node, commands, configuration):
    text = "[database]\nconnection = mysql://k:x@10.0.0.2/keystone\n"
    with open(configuration["main"], "w") as stream:
        stream.write(text)
    order = {"command": ["keystone-manage", "db_sync"], "configuration": [configuration["main"]]}
    node.call("octane_db.run_manage", order)
    assert told(commands) == ["--config-file", configuration["main"], "db_sync"]


def test_key_repositories_are_compared_by_names_modes_and_contents(node, tmp_path, monkeypatch):
    module = node.modules["octane_trees"]
    monkeypatch.setattr(module, "_ALLOWED", module.re.compile(r"/.*keys"))
    one, two = tmp_path / "one" / "keys", tmp_path / "two" / "keys"
    for folder in (one, two):
        folder.mkdir(parents=True)
        (folder / "0").write_text("secret")

    def same():
        first, second = (node.call("octane_trees._identity_of", str(folder)) for folder in (one, two))
        return first == second

    node.salt["octane_trees._identity_of"] = lambda folder: [
        module._identity(path, path.removeprefix(folder)) for path in module._walk(folder)
    ]
    assert same()
    (two / "0").chmod(0o600)
    assert not same()
    (one / "0").chmod(0o600)
    assert same()
    (two / "1").write_text("")
    assert not same()
    assert "secret" not in node.call("octane_db.files_digest", [str(one)])


@pytest.fixture
def keys(node, tmp_path, monkeypatch):
    """A directory that was replaced, and the former one beside it."""
    module = node.modules["octane_trees"]
    monkeypatch.setattr(module, "_ALLOWED", module.re.compile(r"/.*keys"))
    live, former = tmp_path / "keys", tmp_path / "keys.octane-before"
    for folder in (live, former):
        folder.mkdir()
        (folder / "0").write_text(folder.name)
    return live, former


def test_former_keys_are_removed_beside_the_ones_in_use(node, keys):
    live, former = keys
    other = live.parent / "other-keys.octane-before"
    other.mkdir()
    assert node.call("octane_trees.kept", [str(live)]) == [str(former)]
    assert node.call("octane_trees.forget", [str(live)]) == [str(former)]
    assert node.call("octane_trees.kept", [str(live)]) == [] == node.call("octane_trees.forget", [str(live)])
    assert (live / "0").read_text() == "keys" and not former.exists() and other.is_dir()


@pytest.mark.parametrize("wrong", ["link", "file", "only"])
def test_what_is_not_what_was_kept_is_not_removed(node, keys, tmp_path, wrong):
    live, former = keys
    good, kept = tmp_path / "good-keys", tmp_path / "good-keys.octane-before"
    good.mkdir()
    kept.mkdir()
    moved = former.rename(tmp_path / "elsewhere")
    if wrong == "link":
        former.symlink_to(moved)
    elif wrong == "file":
        former.write_text("mine")
    else:
        moved.rename(former)
        live.rename(tmp_path / "gone")
    with pytest.raises(CommandExecutionError, match=r"keys\.octane-before is"):
        node.call("octane_trees.forget", [str(good), str(live)])
    assert former.exists() and kept.is_dir(), "all or nothing"


@pytest.mark.parametrize("name", ["/etc/shadow", "/etc/keystone/../shadow", "/etc/keystone/.hidden", "etc/nova"])
def test_nothing_outside_the_list_is_read(node, name):
    with pytest.raises(CommandExecutionError, match="not a directory that is copied"):
        node.call("octane_db.files_digest", [name])
