"""Where the database URL of a service leads, asked of real servers before a migration command is run."""

import socket
from urllib.parse import quote

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.mariadb import NEEDED, PASSWORD, Server

pytestmark = NEEDED
SOCKET = "mysql+pymysql://service:{password}@localhost/glance?unix_socket={socket}"
TCP = "mysql://service:{password}@127.0.0.1:{port}/glance?charset=utf8&read_timeout=60"
# Migrates whatever its file names, as the real ones do.
MIGRATES = """#!/bin/sh
socket=$(sed -n 's/.*unix_socket=//p' "$2")
exec mysql --defaults-file="${socket%/*}/my.cnf" -h localhost -S "$socket" glance -e 'CREATE TABLE made (id INT)'
"""


@pytest.fixture(scope="module")
def ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture(scope="module")
def servers(in_memory, ports):
    """The seed's, and the one of production; both know the service's account."""
    made = []
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    try:
        for name, port in zip(("seed", "production"), ports, strict=True):
            made.append(Server(in_memory / name, "--skip-networking=0", "--bind-address=127.0.0.1", f"--port={port}"))
            made[-1].sql(f"CREATE USER service@localhost IDENTIFIED BY '{escaped}'; CREATE DATABASE glance;")
        yield made
    finally:
        for one in made:
            one.stop()


@pytest.fixture
def command(servers, tmp_path, monkeypatch):
    """Runs a command that migrates, as the seed is told to, with the database URL that is given."""
    seed, _ = servers
    program, file = tmp_path / "glance-manage", tmp_path / "glance-api.conf"
    program.write_text(MIGRATES)
    program.chmod(0o755)
    monkeypatch.setattr(seed.node.modules["octane_manage"], "_PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/bin")

    def run(text, server):
        file.write_text(text)
        order = {"command": ["glance-manage", "db", "expand"], "configuration": [str(file)]}
        return seed.call("run_manage_all", {"glance": [order]}, server=server)["glance"]

    yield run
    for one in servers:
        one.sql("DROP TABLE IF EXISTS glance.made")


def configured(template, server, port=0):
    url = template.format(password=quote(PASSWORD, safe=""), socket=server.root / "socket", port=port)
    return f"[database]\nconnection = {url}\n"


def tables(server):
    return server.call("tables", "glance")


def test_a_command_is_run_where_its_url_leads_to_the_seeds_own_server(servers, command):
    seed, production = servers
    (done,) = command(configured(SOCKET, seed), seed.identifier())
    assert done["exit"] == 0 and len(tables(seed)) == 1 and len(tables(production)) == 0


@pytest.mark.parametrize("template", [SOCKET, TCP])
def test_a_url_that_leads_to_another_server_is_refused_and_both_are_named(servers, command, ports, template):
    seed, production = servers
    with pytest.raises(CommandExecutionError, match="it was not run") as refused:
        command(configured(template, production, ports[1]), seed.identifier())
    assert production.identifier() in str(refused.value) and seed.identifier() in str(refused.value)
    assert PASSWORD not in str(refused.value) and quote(PASSWORD, safe="") not in str(refused.value)
    assert len(tables(production)) == len(tables(seed)) == 0


def test_one_of_several_urls_is_enough_to_be_refused(servers, command):
    seed, production = servers
    both = configured(SOCKET, seed) + configured(SOCKET, production).replace("[database]", "[api_database]")
    with pytest.raises(CommandExecutionError, match="it was not run"):
        command(both, seed.identifier())
    assert len(tables(seed)) == 0


def test_a_url_that_leads_to_the_seed_by_an_address_is_no_other_server(servers, ports, tmp_path):
    seed, _ = servers
    file = tmp_path / "glance-api.conf"
    file.write_text(configured(TCP, seed, ports[0]))
    assert seed.node.call("octane_manage.require_target", [str(file)], seed.identifier()) is None
    with pytest.raises(CommandExecutionError, match="is meant for another"):
        seed.node.call("octane_manage.require_target", [str(file)], "another")


def test_which_services_commands_would_be_refused_is_told_before_any_is_run(servers, ports, tmp_path):
    seed, production = servers
    texts = {
        "glance": configured(TCP, seed, ports[0]),
        "nova": configured(SOCKET, seed)
        + configured(TCP, production, ports[1]).replace("[database]", "[api_database]"),
        "heat": "[database]\nconnection = mysql://service:hunter2@127.0.0.1:1/heat\n",
    }
    files = {name: [str(tmp_path / f"{name}.conf"), str(tmp_path / "absent.conf")] for name in texts}
    for name, text in texts.items():
        (tmp_path / f"{name}.conf").write_text(text)
    files["keystone"] = [str(tmp_path / "absent.conf")]
    told = seed.node.call("octane_manage.misdirected", files, seed.identifier())
    assert sorted(told) == ["heat", "keystone", "nova"] and production.identifier() in told["nova"]
    assert "no database URL" in told["keystone"] and "127.0.0.1:1 does not say" in told["heat"]
    assert all(secret not in str(told) for secret in (PASSWORD, quote(PASSWORD, safe=""), "hunter2"))
    assert set(seed.node.call("octane_manage.misdirected", files, "another")) == set(files)
    assert seed.node.context == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[database]\nconnection = sqlite:////var/lib/glance.sqlite\n", "no database URL"),
        ("[database]\nconnection = mysql://service:hunter2@127.0.0.1:1/glance\n", "127.0.0.1:1 does not say which"),
    ],
)
def test_where_nobody_says_which_server_it_is_nothing_is_run(servers, command, text, why):
    seed, _ = servers
    with pytest.raises(CommandExecutionError, match=why) as refused:
        command(text, seed.identifier())
    assert "hunter2" not in str(refused.value) and len(tables(seed)) == 0
    assert seed.node.context == {}
