"""
Files changed for the time of an upgrade: kept, written, refused, restored.
"""

import os

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node


@pytest.fixture
def node(tmp_path):
    one = Node()
    one.set(STATE=str(tmp_path / "state"))
    return one


def test_restoring_gives_back_bytes_mode_and_absence(node, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"no newline at the end")
    old.chmod(0o640)
    node.call("octane_files.write", str(old), "changed\n", "haproxy")
    node.call("octane_files.write", str(new), "added\n", "haproxy")
    assert node.call("octane_files.status", "haproxy") == {str(old): "ours", str(new): "ours"}
    assert node.call("octane_files.restore", "haproxy", test=True) == [str(new), str(old)]
    assert node.call("octane_files.restore", "haproxy") == [str(new), str(old)]
    assert old.read_bytes() == b"no newline at the end" and old.stat().st_mode & 0o777 == 0o640
    assert not new.exists() and node.call("octane_files.status", "haproxy") == {}


def test_a_file_that_somebody_else_changed_stops_everything_by_name(node, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.write_text("before\n")
        node.call("octane_files.write", str(path), "after\n", "haproxy")
    theirs.write_text("by hand\n")
    for function, arguments in (("restore", ("haproxy",)), ("write", (str(theirs), "again\n", "haproxy"))):
        with pytest.raises(CommandExecutionError, match=str(theirs)):
            node.call(f"octane_files.{function}", *arguments)
    assert (ours.read_text(), theirs.read_text()) == ("after\n", "by hand\n")


def test_a_crash_between_the_record_and_the_file_is_no_foreign_change(node, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("before\n")
    node.call("octane_files.keep", str(path), "haproxy")
    replace = os.replace

    def crash(source, target):
        replace(source, target)
        if target == str(path):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        node.call("octane_files.write", str(path), "after\n", "haproxy")
    monkeypatch.undo()
    assert path.read_text() == "after\n" and node.call("octane_files.status", "haproxy") == {str(path): "ours"}
    node.call("octane_files.restore", "haproxy")
    assert path.read_text() == "before\n"


def test_a_damaged_copy_is_not_restored_from(node, tmp_path):
    path = tmp_path / "file"
    path.write_text("before\n")
    node.call("octane_files.write", str(path), "after\n", "haproxy")
    next((tmp_path / "state" / "haproxy").glob("*-file")).write_text("damaged")
    with pytest.raises(CommandExecutionError, match="damaged"):
        node.call("octane_files.restore", "haproxy")
    assert path.read_text() == "after\n"


def test_a_file_that_others_write_too_is_adopted_as_it_is(node, tmp_path):
    path = tmp_path / "ifcfg-br-ex"
    path.write_text("first\n")
    node.call("octane_files.write", str(path), "ours\n", "network")
    path.write_text("from puppet\n")
    node.call("octane_files.adopt", str(path), "network")
    assert node.call("octane_files.pristine", str(path), "network") == "from puppet\n"
    node.call("octane_files.write", str(path), "ours again\n", "network")
    node.call("octane_files.adopt", str(path), "network")
    assert node.call("octane_files.pristine", str(path), "network") == "from puppet\n"


def test_what_is_kept_is_for_root_alone(node, tmp_path):
    path = tmp_path / "file"
    path.write_text("a secret\n")
    node.call("octane_files.write", str(path), "after\n", "haproxy")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o077 for one in (tmp_path / "state" / "haproxy").iterdir()} == {0}
