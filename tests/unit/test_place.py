"""When a snapshot's place in the log counts as known, on servers that keep none with it (MySQL 5.6)."""

import functools
import itertools

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node, program

COMMITTED, LOG = "wsrep_last_committed", "mysql-bin.000007"


class Server:
    """A node whose log and Galera's count move on from look to look; what was asked, by session."""

    def __init__(self, galera, positions=(4,), waits=("wsrep_sync_wait",)):
        self.counts = {"galera": iter(galera), "log": iter([*positions, *itertools.repeat(positions[-1], 1000)])}
        self.waits, self.asked = waits, {}

    def answer(self, session, statement):
        """As ``[(name, value)]`` or the row of the log."""
        self.asked.setdefault(id(session), []).append(statement)
        if COMMITTED in statement:
            number = next(self.counts["galera"])
            return [] if number is None else [(COMMITTED, str(number))]
        if "wsrep_on" in statement:
            return [("wsrep_on", "ON")]
        if statement == "SHOW MASTER STATUS":
            return [(LOG, str(next(self.counts["log"])))]
        return [(name, "0") for name in self.waits if name in statement]

    def of(self, word):
        """Which sessions were asked something with this word in it."""
        return {session for session, said in self.asked.items() if any(word in one for one in said)}


@functools.cache
def proof():
    return Node().modules["octane_sums"]


def by_proof(server, monkeypatch, patience=0):
    class Client:
        def __init__(self, options=None):
            pass

        def query(self, statement):
            names = ("File", "Position") if "MASTER" in statement else ("Variable_name", "Value")
            return [dict(zip(names, row, strict=True)) for row in server.answer(self, statement)]

        def close(self):
            pass

    monkeypatch.setattr(proof(), "Client", Client)
    monkeypatch.setattr(proof(), "MOMENT", patience)
    found = proof().snapshot({"family": "mysql", "options": []}, Client())
    return found["file"], found["position"]


def by_copy(server, monkeypatch, streams=2):
    dump = program("dump")

    class Session:
        def __init__(self, options):
            pass

        def run(self, statement):
            return server.answer(self, statement)

        def variable(self, name, kind="VARIABLES"):
            rows = self.run(f"SHOW {kind} LIKE '{name}'")
            return rows[0][1] if rows else None

        def ask(self, statement):
            server.answer(self, statement)

        def rows(self):
            return []

        def kill(self):
            pass

    monkeypatch.setattr(dump, "Session", Session)
    monkeypatch.setattr(dump, "TRIES", 3)
    group = program("lanes").Group()
    found = dump.snapshot([], streams, group)
    return (found and (found["file"], found["position"])), len(group.sessions)


def test_a_proof_takes_the_first_moment_around_which_nothing_was_committed(monkeypatch):
    server = Server([1, 2, 2, 3, 5, 5], [10, 20, 20, 30, 40, 40])
    assert by_proof(server, monkeypatch, patience=60) == (LOG, 40)


@pytest.mark.parametrize(
    ("galera", "positions"),
    [([1, 2], [10, 10]), ([1, 1], [10, 20])],
    ids=["committed and not in the log yet", "in the log and not counted"],
)
def test_what_moved_meanwhile_is_no_moment(monkeypatch, galera, positions):
    with pytest.raises(CommandExecutionError, match="no moment between two writes"):
        by_proof(Server(galera, positions), monkeypatch)
    assert by_copy(Server([*galera, 7, 7], [*positions, 70, 70]), monkeypatch) == ((LOG, 70), 2)


def test_a_copy_that_finds_no_moment_for_many_sessions_looks_for_one_of_a_single_session(monkeypatch):
    busy = [1, 2, 3, 4, 5, 6]
    assert by_copy(Server([*busy, 9, 9], [*busy, 90, 90]), monkeypatch) == ((LOG, 90), 1)
    assert by_copy(Server([*busy, *range(10, 16)], [*busy, *range(10, 16)]), monkeypatch) == (None, 1)


@pytest.mark.parametrize("find", [by_proof, by_copy])
@pytest.mark.parametrize(
    ("waits", "wait"),
    [(("wsrep_sync_wait", "wsrep_causal_reads"), "wsrep_sync_wait"), (("wsrep_causal_reads",), "wsrep_causal_reads")],
    ids=["now", "up to 5.6.19"],
)
def test_who_counts_waits_for_every_commit_and_is_in_no_transaction_which_would_not_wait(
    monkeypatch, find, waits, wait
):
    server = Server([1, 1], waits=waits)
    find(server, monkeypatch)
    assert server.of(f"SET SESSION {wait}") == server.of(COMMITTED) == server.of("SHOW MASTER STATUS")
    assert not server.of(COMMITTED) & server.of("START TRANSACTION")


def test_without_galera_nothing_counts_and_no_place_is_told(monkeypatch):
    with pytest.raises(CommandExecutionError, match="no Galera counts"):
        by_proof(Server([None]), monkeypatch)
    with pytest.raises(CommandExecutionError, match="no Galera counts"):
        by_proof(Server([-1]), monkeypatch)
