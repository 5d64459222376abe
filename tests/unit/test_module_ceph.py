"""
What a node tells of Ceph: no secret leaves it, and what was carried to it comes back whole.
"""

import json

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

CONF = """[global]
fsid = 8b2e0c2f-9f4c-4f0e-a39d-2d6c6a1c9a11
mon_host = 192.168.0.3 192.168.0.4
[client.radosgw.gateway]
keyring = /etc/ceph/keyring.radosgw.gateway
rgw keystone admin token = QpZ7wxYo
rgw_keystone_url = 192.168.0.2:35357
"""


@pytest.fixture
def node(tmp_path):
    written = {}

    def write(path, text, owner):
        written[path] = (text, owner)
        return True

    found = Node({"octane_files.write": write})
    found.written = written
    return found


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "ceph.conf"
    path.write_text(CONF)
    return str(path)


def test_a_ceph_conf_travels_without_its_secrets_and_is_whole_where_it_arrives(node, original):
    text = node.call("octane_ceph.configuration", original)
    assert "QpZ7wxYo" not in text and "keyring = /etc/ceph/keyring.radosgw.gateway" in text
    assert node.call("octane_ceph.configure", text, [original], path="/etc/ceph/ceph.conf")
    assert node.written == {"/etc/ceph/ceph.conf": (CONF, "ceph")}


def test_a_secret_that_is_nowhere_is_not_made_up(node, original, tmp_path):
    other = tmp_path / "other.conf"
    other.write_text("[global]\nfsid = 1\n")
    with pytest.raises(CommandExecutionError, match="in none of"):
        node.call("octane_ceph.configure", node.call("octane_ceph.configuration", original), [str(other)])
    assert node.written == {}


def test_a_secret_that_goes_on_in_another_line_is_refused_and_not_told_in_part(node, tmp_path):
    path = tmp_path / "ceph.conf"
    path.write_text("[global]\nrgw_keystone_admin_password = one\\\ntwo\n")
    with pytest.raises(CommandExecutionError, match="goes on in another line"):
        node.call("octane_ceph.configuration", str(path))


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A ``ceph`` that answers from a file, and notes how it was called."""

    def install(answers):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "answers.json").write_text(json.dumps(answers))
        (folder / "ceph").write_text(
            "#!/usr/bin/env python3\n"
            "import json, pathlib, sys\n"
            "here = pathlib.Path(__file__).parent\n"
            "words = ' '.join(sys.argv[1:])\n"
            "with (here / 'asked').open('a') as stream: print(words, file=stream)\n"
            "for key, (code, out) in json.loads((here / 'answers.json').read_text()).items():\n"
            "    if key in words:\n"
            "        print(out, file=sys.stderr if code else sys.stdout)\n"
            "        sys.exit(code)\n"
            "sys.exit(99)\n"
        )
        (folder / "ceph").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder / "asked"

    return install


def test_users_are_told_by_fingerprints_of_their_keys(node, program):
    entry = {"entity": "client.images", "key": "AQDsecret==", "caps": {"mon": "allow r"}}
    asked = program({"auth list": (0, json.dumps({"auth_dump": [entry]}))})
    (told,) = node.call("octane_ceph.users")
    assert told["caps"] == entry["caps"] and told["key"] == node.call("octane_ceph.fingerprint", "AQDsecret==")
    assert "AQDsecret" not in json.dumps(told)
    assert "--connect-timeout 30" in asked.read_text()


def test_settings_keep_secrets_and_are_none_where_monitors_keep_none(node, program):
    password = {"section": "client.x", "name": "rgw_keystone_admin_password", "value": "geheim"}
    lease = {"section": "mon", "name": "mon_lease", "value": "1"}
    program({"config dump": (0, json.dumps([password, lease]))})
    told = node.call("octane_ceph.settings")
    assert told[1] == lease and "geheim" not in json.dumps(told)


def test_releases_that_keep_no_settings_have_none(node, program):
    program({"config dump": (22, "no valid command found; 10 closest matches: Error EINVAL: invalid command")})
    assert node.call("octane_ceph.settings") == []


def test_a_command_that_failed_is_named_with_what_ceph_said(node, program):
    program({"mon dump": (1, "2026 librados\nError connecting to cluster: TimedOut")})
    with pytest.raises(CommandExecutionError, match=r"`ceph mon dump -f json`: Error connecting to cluster: TimedOut"):
        node.call("octane_ceph.ask", "mon", "dump")


@pytest.mark.parametrize("name", ["../x", "", "a b", "-x", None])
def test_a_name_that_could_lead_elsewhere_is_refused(node, name):
    with pytest.raises(CommandExecutionError, match="not a name"):
        node.call("octane_ceph.daemon", "mon", name, "mon_status")
