"""
Which lines go into which section of HAProxy's files, and what a proof of read-only means.
"""

import subprocess

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

TEXT = """# written by puppet
listen keystone-1
  bind 172.16.0.2:5000
  bind 192.168.0.1:5000,192.168.0.9:5001 ssl crt /var/lib/astute/haproxy/public_haproxy.pem
  server node-1 192.168.0.3:5000   check

listen mysqld
  bind 192.168.0.1:3306
  mode tcp

frontend horizon
  bind *:8080-8081
  default_backend web
  # the end
listen Stats 192.168.0.1:10000
  stats enable
"""


@pytest.fixture
def node():
    return Node()


def frontends(node, tmp_path, defaults):
    files = []
    for name, text in (("haproxy.cfg", defaults), ("all.cfg", TEXT)):
        (tmp_path / name).write_text(text)
        files.append(str(tmp_path / name))
    return {one["name"]: one for one in node.call("octane_haproxy_config.frontends", files)}


def test_frontends_are_told_with_mode_and_addresses_and_statistics_are_none(node, tmp_path):
    found = frontends(node, tmp_path, "defaults\n  mode http\n")
    assert {name: one["mode"] for name, one in found.items()} == {
        "keystone-1": "http", "mysqld": "tcp", "horizon": "http"
    }  # fmt: skip
    assert found["keystone-1"]["binds"] == [
        {"address": "172.16.0.2", "port": 5000, "ssl": False},
        {"address": "192.168.0.1", "port": 5000, "ssl": True},
        {"address": "192.168.0.9", "port": 5001, "ssl": True},
    ]
    assert [one["port"] for one in found["horizon"]["binds"]] == [8080, 8081]


def test_without_a_mode_in_the_defaults_nothing_is_http(node, tmp_path):
    assert {one["mode"] for one in frontends(node, tmp_path, "defaults\n  retries 3\n").values()} == {"tcp"}


def test_lines_go_into_the_sections_named_and_before_a_rule_that_would_win(node):
    after = node.call("octane_api_rules.with_rules", TEXT, ["keystone-1", "horizon"]).splitlines()
    ours = [line for line in after if line.endswith("# octane")]
    assert [line for line in after if line not in ours] == TEXT.splitlines()
    horizon = after[after.index("frontend horizon") :]
    rule = next(number for number, line in enumerate(horizon) if "use_backend octane_read_only" in line)
    assert rule < horizon.index("  default_backend web")
    mysqld = after[after.index("listen mysqld") : after.index("frontend horizon")]
    assert not [line for line in mysqld if line in ours]


TOKENS = {"method": "POST", "paths": ["/v3/auth/tokens", "/v2.0/tokens"]}


def rules(node, name, *passes):
    text = node.call("octane_api_rules.with_rules", f"listen {name}\n", [name], {name: list(passes)})
    return [line.removesuffix(" # octane").strip() for line in text.splitlines() if line.endswith("# octane")]


def refusals(lines):
    ours = [line for line in lines if line.startswith("use_backend")]
    return [line.partition(" if octane_refuses !octane_allowed ")[2] for line in ours]


def test_what_passes_does_so_by_its_method_and_path_and_only_query_apis_are_judged_by_their_action(node):
    lines = rules(node, "keystone-2", TOKENS)
    assert {"acl octane_passes_POST path /v3/auth/tokens", "acl octane_is_POST method POST"} <= set(lines)
    assert refusals(lines) == ["!octane_reads !octane_is_POST", "!octane_reads octane_is_POST !octane_passes_POST"]
    assert refusals(rules(node, "keystone-2")) == ["!octane_reads"]
    assert any("url_param(Action)" in line for line in rules(node, "nova-api-1"))
    assert not any("url_param(Action)" in line for line in rules(node, "heat-api"))


def test_several_methods_pass_each_on_its_own_paths(node):
    lines = rules(node, "neutron", TOKENS, {"method": "PUT", "paths": ["/v2.0/ports/*/x.json"]})
    assert refusals(lines) == [
        "!octane_reads !octane_is_POST !octane_is_PUT",
        "!octane_reads octane_is_POST !octane_passes_POST",
        "!octane_reads octane_is_PUT !octane_passes_PUT",
    ]
    assert r"acl octane_passes_PUT path_reg ^/v2\.0/ports/[^/]+/x\.json$" in lines


@pytest.mark.parametrize("one", [{"method": "GET\n", "paths": ["/"]}, {"method": "POST", "paths": ["/ or TRUE"]}])
def test_what_is_no_method_and_path_is_not_written_into_haproxys_files(node, one):
    with pytest.raises(CommandExecutionError, match="no writes that could pass"):
        rules(node, "neutron", one)


def test_files_included_as_in_the_patched_haproxy_of_fuel_are_found(node, tmp_path):
    (tmp_path / "conf.d").mkdir()
    for name in ("020-b.cfg", "010-a.cfg", "note.txt"):
        (tmp_path / "conf.d" / name).write_text("")
    (tmp_path / "haproxy.cfg").write_text("global\n  daemon\ninclude conf.d/*.cfg\n")
    found = node.call("octane_haproxy_config.included", str(tmp_path / "haproxy.cfg"))
    assert [path.rpartition("/")[2] for path in found] == ["010-a.cfg", "020-b.cfg"]


READ = {"status": 200, "retry_after": None, "by_octane": False, "error": None}
REFUSED = {"status": 503, "retry_after": "60", "by_octane": True, "error": None}


@pytest.mark.parametrize(
    ("expect", "write", "read", "good"),
    [
        ("ro", REFUSED, READ, True),
        ("ro", {**REFUSED, "retry_after": None}, READ, False),
        # A backend that is down answers 503 too: that is an outage and no read-only mode.
        ("ro", {**REFUSED, "by_octane": False}, READ, False),
        ("ro", {**READ, "status": 401}, READ, False),
        ("ro", REFUSED, {**READ, "status": 503}, False),
        ("ro", REFUSED, {**READ, "status": None, "error": "timed out"}, False),
        ("rw", {**READ, "status": 401}, READ, True),
        # A console knows no POST, and says so itself.
        ("rw", {**READ, "status": 501}, READ, True),
        ("rw", {**READ, "status": 500}, READ, False),
        ("rw", {**READ, "status": None, "error": "timed out"}, READ, False),
        ("rw", REFUSED, READ, False),
        # Of a frontend that need not have a service nothing is judged but our rule.
        ("ro", REFUSED, None, True),
        ("ro", {**REFUSED, "by_octane": False}, None, False),
        ("rw", {**READ, "status": 503}, None, True),
        ("rw", {**READ, "status": None, "error": "timed out"}, None, True),
        ("rw", REFUSED, None, False),
    ],
)
def test_a_proof_fails_on_anything_but_what_was_expected(node, expect, write, read, good):
    assert (node.modules["octane_api"]._objection(expect, write, read, False) == "") is good


def test_the_refusal_is_a_whole_http_answer_of_the_length_it_says(node):
    head, _, body = node.call("octane_api_rules.refusal").partition("\r\n\r\n")
    assert head.startswith("HTTP/1.0 503 ") and f"Content-Length: {len(body)}" in head.split("\r\n")


def test_an_old_haproxy_that_ended_by_itself_is_not_one_that_could_not_be_ended(node):
    process = subprocess.Popen(["true"])
    process.wait()
    assert node.modules["octane_haproxy"]._end(process.pid) is False
