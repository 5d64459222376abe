"""A recorded Fuel master as a process, our addition in it, and a context to run steps in."""

import contextlib

import pytest

from octane import stage
from octane.context import Context
from octane.journal import Journal
from octane.machine import Machine
from octane.procedure import addition, enrol
from tests.functional.nailgun.fakes import FakeKeys, FakeNodes
from tests.functional.nailgun.server import ORIGINAL, SPARES, running


@pytest.fixture
def master(tmp_path):
    with running(tmp_path) as found:
        yield found


@pytest.fixture
def nailgun(master, monkeypatch, tmp_path):
    """The container in which Nailgun runs: its site-packages, and a supervisor that restarts it."""
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(addition, "PLACES", (str(master.extensions),))
    monkeypatch.setattr(addition, "RESTART_TIMEOUT", 30)

    class Container(Machine):
        def run(self, argv, **kwargs):
            if argv[0] == "supervisorctl":
                argv = ["touch", str(master.restart_file)]
            return super().run(argv, **kwargs)

    found = Container("container nailgun")
    monkeypatch.setattr(addition, "container", lambda name: found)
    return found


@pytest.fixture
def prepared(master, nailgun):
    """A master with our clone_ips in its Nailgun."""
    ours = addition.addition()
    ours.install()
    ours.restart(master.fuel, expected=True)
    return master


@pytest.fixture
def context(prepared, tmp_path, monkeypatch):
    """Makes a context as a new run of upgrade-env has it: all memory is in the journal and in Fuel."""
    monkeypatch.setattr(enrol, "_meet_anew", lambda nodes: None)
    opened = contextlib.ExitStack()

    def make(**options):
        journal = opened.enter_context(Journal.open(tmp_path / "var"))
        pair = journal.pairs.create(ORIGINAL)
        fuel = prepared.fuel
        made = Context(
            journal=journal,
            nodes=FakeNodes(fuel),
            stage=stage.get("upgrade-env"),
            pair=pair,
            options={"original": ORIGINAL, "nodes": list(SPARES), **options},
        )
        made.__dict__["fuel"] = fuel
        made.__dict__["keys"] = FakeKeys()
        return made

    with opened:
        yield make
