"""
Directories of keys sent from one node to another through the encrypted stream.
"""

import json
import os
import shutil
import subprocess
import tarfile

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.salt_master import BIN
from tests.functional.tree_ends import Side, transfer
from tests.functional.wire import Tap
from tests.saltfiles import SALT, program

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture
def sides(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return Side(tmp_path / "one"), Side(tmp_path / "two")


@pytest.fixture
def keys(tmp_path):
    """Keys at the sender, other keys at the receiver."""
    sent, there = tmp_path / "sent" / "keys", tmp_path / "there" / "keys"
    for folder, names in ((sent, ("0", "1", "sub/2")), (there, ("9",))):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"key {name} of {folder.parent.name}")
            (folder / name).chmod(0o600)
        folder.chmod(0o700)
    return sent, there


def test_no_key_can_be_read_on_the_way(sides, keys):
    sent, there = keys
    sender, receiver = sides
    identity = sender.call("stream.identity")
    waiting = receiver.call("trees.receive", [str(there)], "127.0.0.1", identity["certificate"])
    tap = Tap(waiting["port"])
    sender.call("trees.send", [str(sent)], "127.0.0.1", tap.port, waiting["certificate"], identity["identity"])
    receiver.call("stream.received", waiting["ticket"])
    assert (there / "0").read_text() == "key 0 of sent"
    assert tap.reveals("key 0 of sent", "sub/2") == [] and tap.encrypted() > len("key 0 of sent")


def content(folder):
    return {
        str(path.relative_to(folder)): (path.read_text(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_directory_takes_the_place_of_the_other_and_that_is_kept_once(sides, keys):
    sent, there = keys
    for _ in range(2):
        ours, theirs = transfer(sides, sent, there)
        assert ours["sha256"] == theirs["sha256"]
        assert content(there) == content(sent) and there.stat().st_mode & 0o777 == 0o700
        assert list(content(there.parent / "keys.octane-before")) == ["9"]
    sides[1].call("trees.forget", [str(there)])
    assert sorted(path.name for path in there.parent.iterdir()) == ["keys"]


def test_an_archive_with_anything_but_files_is_refused_and_nothing_changes(sides, keys):
    sent, there = keys
    os.symlink("/etc/shadow", sent / "link")
    before = content(there)
    with pytest.raises(CommandExecutionError, match="unexpected entry"):
        transfer(sides, sent, there)
    assert content(there) == before and sorted(path.name for path in there.parent.iterdir()) == ["keys"]


@pytest.mark.parametrize("name", ["0/../../escaped", "1/file", "x/file"])
def test_an_entry_cannot_leave_its_directory(tmp_path, name):
    trees = program("trees")
    with pytest.raises(trees.Broken, match="unexpected entry"):
        trees.extract(None, tarfile.TarInfo(name), [str(tmp_path / "target")])
    assert not (tmp_path / "escaped").exists()


def test_an_identity_serves_once(sides, keys):
    sent, there = keys
    sender, receiver = sides
    identity = sender.call("stream.identity")
    waiting = receiver.call("trees.receive", [str(there)], "127.0.0.1", identity["certificate"])
    address = ("127.0.0.1", waiting["port"], waiting["certificate"], identity["identity"])
    sender.call("trees.send", [str(sent)], *address)
    with pytest.raises(CommandExecutionError, match="used up"):
        sender.call("trees.send", [str(sent)], *address)


def test_a_receiver_that_nobody_calls_gives_up_and_says_so(sides, keys):
    sender, receiver = sides
    certificate = sender.call("stream.identity")["certificate"]
    waiting = receiver.call("trees.receive", [str(keys[1])], "127.0.0.1", certificate, timeout=1)
    with pytest.raises(CommandExecutionError, match="not over after 1 s"):
        receiver.call("stream.received", waiting["ticket"], timeout=20)
    assert receiver.call("stream.abandon", waiting["ticket"]) is True
    assert receiver.call("stream.abandon", waiting["ticket"]) is False


def test_an_address_that_is_not_ours_is_no_receiver(sides, keys):
    certificate = sides[0].call("stream.identity")["certificate"]
    with pytest.raises(CommandExecutionError, match=r"no receiver on 192\.0\.2\.1"):
        sides[1].call("trees.receive", [str(keys[1])], "192.0.2.1", certificate)


def test_nobody_but_root_can_read_a_key(sides, tmp_path):
    identity = sides[0].call("stream.identity")["identity"]
    folder = tmp_path / "one" / "streams" / identity
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600


def test_salt_brings_the_whole_program_to_a_node_and_takes_none_of_it_for_a_module(tmp_path):
    config = {"root_dir": str(tmp_path), "file_client": "local", "file_roots": {"base": [str(SALT)]}, "id": "node-1"}
    (tmp_path / "minion").write_text(json.dumps(config))

    def call(*words):
        command = [str(BIN / "salt-call"), "--local", "-c", str(tmp_path), "--out=json", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
        return json.loads(done.stdout)["local"]

    assert "modules.octane_wire.__main__" in call("saltutil.sync_modules")
    (there,) = tmp_path.rglob("extmods/modules/octane_wire")
    kept = SALT / "_modules" / "octane_wire"
    assert {file.name for file in there.iterdir()} == {file.name for file in kept.glob("*.py")}
    listed = call("sys.list_modules", "octane_*")
    assert "octane_stream" in listed and "octane_wire" not in listed


def test_what_outlived_its_run_is_ended_and_a_key_that_nobody_used_yet_is_kept(sides, keys):
    sender, receiver = sides
    certificate = sender.call("stream.identity")["certificate"]
    waiting = receiver.call("trees.receive", [str(keys[1])], "127.0.0.1", certificate)
    unused = receiver.call("stream.identity")["identity"]
    assert receiver.call("stream.end") == [waiting["ticket"]]
    assert receiver.call("stream.end") == []
    with pytest.raises(CommandExecutionError, match="no transfer"):
        receiver.call("stream.received", waiting["ticket"])
    assert receiver.call("stream.abandon", unused) is True
