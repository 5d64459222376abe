"""Every byte that was changed can be given back, and what somebody else changed is never touched."""

import pytest

from octane.errors import Refused
from octane.machine import THIS_MASTER, Machine
from octane.pristine import Pristine


@pytest.fixture
def store(tmp_path):
    return Pristine(tmp_path / "store")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "etc" / "base.py"
    path.parent.mkdir()
    path.write_bytes(b"as found\n")
    path.chmod(0o640)
    return path


def test_a_changed_file_comes_back_with_its_mode(store, file):
    assert store.put(THIS_MASTER, str(file), b"ours\n")
    assert store.state(THIS_MASTER, str(file)) == "ours"
    file.chmod(0o600)
    assert store.restore(THIS_MASTER, str(file))
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"as found\n", 0o640)


def test_a_new_file_is_removed_again(store, tmp_path):
    path = tmp_path / "new" / "file"
    store.put(THIS_MASTER, str(path), b"ours")
    store.restore(THIS_MASTER, str(path))
    assert not path.exists()
    assert store.paths(THIS_MASTER) == []


def test_a_second_time_changes_nothing(store, file):
    store.put(THIS_MASTER, str(file), b"ours")
    assert not store.put(THIS_MASTER, str(file), b"ours")
    assert store.original(THIS_MASTER, str(file)) == b"as found\n"


def test_our_next_version_keeps_the_first_pristine_copy(store, file):
    store.put(THIS_MASTER, str(file), b"ours 1")
    store.put(THIS_MASTER, str(file), b"ours 2")
    store.restore(THIS_MASTER, str(file))
    assert file.read_bytes() == b"as found\n"


def test_a_crash_between_the_index_and_the_file_is_no_foreign_change(store, file):
    store.put(THIS_MASTER, str(file), b"ours 1")

    class Dead(Machine):
        def write(self, path, content, mode=0o644):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(Dead("this master"), str(file), b"ours 2")
    assert store.state(THIS_MASTER, str(file)) == "ours"
    assert store.put(THIS_MASTER, str(file), b"ours 2")


@pytest.mark.parametrize("act", [lambda s, p: s.put(THIS_MASTER, p, b"x"), lambda s, p: s.restore(THIS_MASTER, p)])
def test_a_foreign_file_is_refused_by_name(store, file, act):
    store.put(THIS_MASTER, str(file), b"ours")
    file.write_bytes(b"an operator was here")
    with pytest.raises(Refused, match=r"base\.py"):
        act(store, str(file))
    assert file.read_bytes() == b"an operator was here"


def test_copies_are_private(store, file):
    store.put(THIS_MASTER, str(file), b"ours")
    assert {path.stat().st_mode & 0o077 for path in store.root.rglob("*") if path.is_file()} == {0}


def test_restoring_what_was_never_changed_does_nothing(store, file):
    assert not store.restore(THIS_MASTER, str(file))
    assert file.read_bytes() == b"as found\n"


def test_a_file_that_only_we_bring_and_somebody_else_put_there_is_refused(store, file):
    with pytest.raises(Refused, match=r"base\.py"):
        store.claim(THIS_MASTER, str(file), b"# ours")
    assert store.paths(THIS_MASTER) == []


def test_our_own_file_is_known_again_after_the_index_was_lost(store, file):
    file.write_bytes(b"# ours\nolder\n")
    store.claim(THIS_MASTER, str(file), b"# ours")
    store.put(THIS_MASTER, str(file), b"# ours\nnewer\n")
    store.restore(THIS_MASTER, str(file))
    assert not file.exists()


def test_an_edited_file_is_known_again_with_what_was_before(store, file):
    store.adopt(THIS_MASTER, str(file), b"before the edit\n")
    assert store.state(THIS_MASTER, str(file)) == "ours"
    store.restore(THIS_MASTER, str(file))
    assert file.read_bytes() == b"before the edit\n"
