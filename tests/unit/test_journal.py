"""The journal: what it keeps, who may read and write it, what it refuses."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from octane import settings
from octane.errors import LockLost, Refused
from octane.journal import Journal, schema, steps
from octane.journal.holder import Holder, start_ticks
from octane.journal.runs import NewRun
from octane.journal.steps import Evidence
from octane.journal.values import SecretRefused, refuse_secrets
from tests.unit.fakes import holder


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "state") as opened:
        yield opened


def test_only_its_owner_can_read_it(tmp_path):
    (tmp_path / "state").mkdir(mode=0o755)
    Journal.open(tmp_path / "state").close()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "journal.sqlite").stat().st_mode) == 0o600


def test_it_is_written_through_to_the_disk(journal):
    assert journal._database.row("PRAGMA journal_mode")[0] == "wal"
    assert journal._database.row("PRAGMA synchronous")[0] == 2


def test_reading_a_journal_that_is_not_there_makes_none(tmp_path):
    with Journal.open_to_read(tmp_path / "none") as journal:
        assert journal.pairs.all() == [] and journal.runs.latest() is None
    assert not (tmp_path / "none").exists()


def test_a_reader_cannot_write(journal, tmp_path):
    with Journal.open_to_read(tmp_path / "state") as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.records.put(0, "key", 1)


def test_readers_see_what_is_committed_while_a_writer_is_at_work(journal, tmp_path):
    journal.records.put(0, "key", "before")
    with journal._database.writing() as connection:
        connection.execute("UPDATE records SET value = '\"after\"'")
        with Journal.open_to_read(tmp_path / "state") as reader:
            assert reader.records.get(0, "key") == "before"
    with Journal.open_to_read(tmp_path / "state") as reader:
        assert reader.records.get(0, "key") == "after"


def test_several_threads_write_one_after_the_other(journal):
    threads = [threading.Thread(target=journal.records.put, args=(0, f"key{n}", n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(journal.records.all(0).values()) == list(range(8))


def test_a_write_that_fails_leaves_nothing(journal):
    with pytest.raises(ZeroDivisionError), journal._database.writing() as connection:
        connection.execute("INSERT INTO pairs (original, created) VALUES (1, 0)")
        raise ZeroDivisionError
    assert journal.pairs.all() == []


def test_records_are_kept_by_pair_and_key(journal):
    pair = journal.pairs.create(1)
    journal.records.put(pair.id, "plan", {"nodes": [4, 5]})
    journal.records.put(pair.id, "plan", {"nodes": [4]})
    journal.records.put(0, "plan", None)
    assert journal.records.all(pair.id) == {"plan": {"nodes": [4]}}
    assert journal.records.get(0, "plan", "default") is None
    journal.records.drop(pair.id, "plan")
    assert journal.records.get(pair.id, "plan", "default") == "default"


def test_one_original_is_one_pair(journal):
    assert journal.pairs.create(1) == journal.pairs.create(1)
    assert journal.pairs.get(0) is None


@pytest.mark.parametrize(
    "value",
    [
        {"password": "hush"},
        {"db": {"nova": {"db_passwd": "hush"}}},
        [{"auth_token": "hush"}],
        {"fernet_keys": ["hush"]},
        {"ssh-key": "hush"},
        {"note": "-----BEGIN RSA PRIVATE KEY-----\nhush"},
        {"credentials": {"user": "x"}},
    ],
)
def test_what_looks_like_a_secret_is_refused_without_being_repeated(journal, value):
    with pytest.raises(SecretRefused) as caught:
        journal.records.put(0, "key", value)
    assert "hush" not in str(caught.value)
    assert journal.records.all(0) == {}


def test_a_record_s_own_key_counts(journal):
    with pytest.raises(SecretRefused):
        journal.records.put(0, "admin_password", "hush")


@pytest.mark.parametrize(
    "value",
    [{"passwords_checked": 40}, {"token_valid": True}, {"keypairs": ["a"]}, {"secret": None}, {"key": "db.copied"}],
)
def test_what_is_no_secret_is_kept(value):
    refuse_secrets(value)


def test_secrets_are_refused_everywhere(journal):
    run = journal.runs.begin(NewRun(0, "prepare"), Holder.current())
    attempt = journal.steps.begin(run, "toy", "apply", {})
    with pytest.raises(SecretRefused):
        journal.steps.add_evidence(run, attempt, Evidence("step", "after", True, {"password": "hush"}, 0))
    with pytest.raises(SecretRefused):
        journal.steps.finish(run, attempt, steps.DONE, {"token": "hush"}, "")
    with pytest.raises(SecretRefused):
        journal.runs.begin(NewRun(0, "prepare", options={"secret": "hush"}), Holder.current())


# Locks


def test_a_lock_excludes_a_living_process_and_names_its_holder(journal):
    init = holder(pid=1, ticks=start_ticks(1), who="alice")
    journal.locks.acquire(0, "prepare", init)
    with pytest.raises(Refused, match=f"prepare is being run by alice, process 1 on {init.host} since 2"):
        journal.locks.acquire(0, "prepare", Holder.current())


@pytest.mark.parametrize("dead", [{"pid": 2**22 + 1}, {"pid": os.getpid()}, {"pid": 1, "boot": "another"}])
def test_the_lock_of_a_dead_process_is_taken_over_and_that_is_said(journal, dead):
    """Dead: no such process, its number used again by another one, or an earlier boot."""
    first = journal.locks.acquire(0, "prepare", holder(**dead))
    second = journal.locks.acquire(0, "prepare", Holder.current())
    assert second.token == first.token + 1
    assert "took over the lock of prepare" in second.taken_over


def test_a_process_of_another_host_is_never_taken_for_dead(journal):
    journal.locks.acquire(0, "prepare", holder(host="elsewhere"))
    with pytest.raises(Refused, match="elsewhere"):
        journal.locks.acquire(0, "prepare", Holder.current())


def test_the_master_s_lock_excludes_all_others_and_they_it(journal):
    init = holder(pid=1, ticks=start_ticks(1))
    one, two = journal.pairs.create(1), journal.pairs.create(2)
    lock = journal.locks.acquire(0, "prepare", init)
    with pytest.raises(Refused):
        journal.locks.acquire(one.id, "upgrade-db", Holder.current())
    journal.locks.release(0, lock.token)
    journal.locks.acquire(one.id, "upgrade-db", init)
    journal.locks.acquire(two.id, "upgrade-db", Holder.current())
    with pytest.raises(Refused):
        journal.locks.acquire(0, "cleanup-fuel", Holder.current())


def test_a_released_lock_is_free_and_its_token_never_comes_back(journal):
    first = journal.locks.acquire(0, "prepare", Holder.current())
    journal.locks.release(0, first.token)
    second = journal.locks.acquire(0, "prepare", Holder.current())
    journal.locks.release(0, first.token)
    assert second.taken_over is None and second.token > first.token
    assert journal.locks.held(0).token == second.token


def test_a_run_whose_lock_was_taken_over_writes_nothing_more(journal):
    run = journal.runs.begin(NewRun(0, "prepare"), holder())
    attempt = journal.steps.begin(run, "toy", "apply", {})
    journal.runs.begin(NewRun(0, "prepare"), Holder.current())
    writes = [
        lambda: journal.steps.begin(run, "other", "apply", {}),
        lambda: journal.steps.finish(run, attempt, steps.DONE, {}, ""),
        lambda: journal.steps.add_evidence(run, attempt, Evidence("step", "after", True, {}, 0)),
        lambda: journal.runs.fail(run, "toy", "", 1),
        lambda: journal.runs.end(run, "done", "", 0),
    ]
    for write in writes:
        with pytest.raises(LockLost, match="lost its lock, which is now held by"):
            write()
    assert journal.runs.get(run.id).died and journal.steps.get(0, "prepare", "toy").status == steps.BEGUN


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert start_ticks(process.pid) is None
    process.wait()


# Versions


def test_an_older_journal_is_brought_up_to_date_with_its_content():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    schema.migrate(connection)
    connection.execute("INSERT INTO pairs (original, created) VALUES (1, 0)")
    later = (*schema.MIGRATIONS, "ALTER TABLE pairs ADD COLUMN note TEXT;\nUPDATE pairs SET note = 'kept';\n")
    assert schema.migrate(connection, later) == len(later)
    assert connection.execute("SELECT note FROM pairs WHERE original = 1").fetchone()[0] == "kept"


def test_a_migration_that_fails_changes_nothing():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    broken = (*schema.MIGRATIONS, "ALTER TABLE pairs ADD COLUMN note TEXT;\nALTER TABLE nowhere ADD COLUMN x TEXT;\n")
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, broken)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(pairs)")]
    assert "note" not in columns and schema.migrate(connection) == len(schema.MIGRATIONS)


def test_a_journal_of_a_newer_octane_is_refused(journal):
    journal._database._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Refused, match="version 99"):
        schema.migrate(journal._database._connection)


# Where it is


def test_its_place_comes_from_environment_then_master_then_default(tmp_path, monkeypatch):
    monkeypatch.delenv("OCTANE_STATE_DIR", raising=False)
    monkeypatch.setenv("SALT_CONFIG_DIR", str(tmp_path))
    assert settings.state_dir() == settings.DEFAULT_STATE_DIR
    (tmp_path / "master").write_text("octane: {state_dir: /one}\n")
    assert str(settings.state_dir()) == "/one"
    (tmp_path / "master.d").mkdir()
    (tmp_path / "master.d" / "octane.conf").write_text("octane:\n  state_dir: /two\n")
    (tmp_path / "master.d" / "broken.conf").write_text("{: [\n")
    assert str(settings.state_dir()) == "/two"
    assert str(settings.state_dir({"octane": {"state_dir": "/three"}})) == "/three"
    monkeypatch.setenv("OCTANE_STATE_DIR", "/four")
    assert str(settings.state_dir({"octane": {"state_dir": "/three"}})) == "/four"
