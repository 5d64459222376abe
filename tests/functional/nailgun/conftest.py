"""A recorded Fuel master as a process, our addition in it, and a context to run steps in."""

import contextlib
import json

import pytest

from octane import stage
from octane.context import Context
from octane.fuel import tasks
from octane.journal import Journal
from octane.machine import Machine
from octane.procedure import addition, enrol
from octane.wait import until
from tests.functional.nailgun.fakes import FakeKeys, FakeNodes
from tests.functional.nailgun.server import ORIGINAL, SPARES, running


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """The recorded master's state, without the clone_ips that it had."""
    with running(tmp_path_factory.mktemp("recorded")) as found:
        found.fuel.connection.put_request("nodes/", [])
        until(found.state.exists, 10, "the state to be written")
    state = json.loads(found.state.read_text())
    state["settings"]["extensions"] = []
    return json.dumps(state)


@pytest.fixture
def master(tmp_path, recorded):
    with running(tmp_path, recorded) as found:
        yield found


@contextlib.contextmanager
def container(master):
    """Stands for the container in which Nailgun runs: its site-packages, and a supervisor that restarts it."""

    class Container(Machine):
        def run(self, argv, **kwargs):
            if argv[0] == "supervisorctl":
                argv = ["touch", str(master.restart_file)]
            return super().run(argv, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCTANE_STATE_DIR", str(master.directory / "var"))
        patch.setattr(addition, "PLACES", (str(master.extensions),))
        patch.setattr(addition, "RESTART_TIMEOUT", 30)
        patch.setattr(addition, "container", lambda name: Container("container nailgun"))
        patch.setattr(tasks, "INTERVAL", 0.1)
        patch.setattr(enrol, "meet_anew", lambda nodes: None)
        yield


@pytest.fixture
def nailgun(master):
    with container(master):
        yield


def prepare(master):
    """Put our clone_ips into its Nailgun."""
    ours = addition.addition()
    ours.install()
    ours.restart(master.fuel, expected=True)
    return master


@pytest.fixture
def prepared(master, nailgun):
    return prepare(master)


@contextlib.contextmanager
def contexts(master):
    """Makes contexts as a new run of upgrade-env has them: all memory is in the journal, in Fuel and on the nodes."""
    opened = contextlib.ExitStack()
    nodes = FakeNodes(master.fuel)

    def make(**options):
        journal = opened.enter_context(Journal.open(master.directory / "var"))
        made = Context(
            journal=journal,
            nodes=nodes,
            keys=FakeKeys(),
            stage=stage.get("upgrade-env"),
            pair=journal.pairs.create(ORIGINAL),
            options={"original": ORIGINAL, "nodes": list(SPARES), **options},
        )
        made.__dict__["fuel"] = master.fuel
        return made

    with opened:
        yield make


@pytest.fixture
def context(prepared):
    with contexts(prepared) as make:
        yield make


@pytest.fixture(scope="module")
def shared_context(tmp_path_factory, recorded):
    """Like `context`, for the tests of one module that only look at what one of them made."""
    directory = tmp_path_factory.mktemp("shared")
    with running(directory, recorded) as master, container(master), contexts(prepare(master)) as make:
        yield make
