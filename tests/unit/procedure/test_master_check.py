"""`prepare` starts from a master that it can work on; what is missing is told, all at once."""

from types import SimpleNamespace

import pytest

from octane.errors import Refused
from octane.fuel.errors import Unreachable
from octane.procedure import master_check
from octane.procedure.master_check import CheckMaster, deployable_release

RELEASE = {
    "id": 4,
    "version": "2015.1.0-7.0",
    "operating_system": "Ubuntu",
    "is_deployable": True,
    "state": "available",
}
FOLDER = "/usr/lib/python2.6/site-packages/nailgun/extensions"


class World:
    """A master as it should be, and what of it a test takes away."""

    def __init__(self):
        self.release = "7.0"
        self.releases = [RELEASE]
        self.free = 4096
        self.commands = set(master_check.COMMANDS)
        self.user = 0
        self.nailgun = FOLDER

    def context(self):
        return SimpleNamespace(test=False, fuel=SimpleNamespace(version=self.version, releases=lambda: self.releases))

    def version(self):
        return {"release": answer(self.release)}

    def folder(self):
        return answer(self.nailgun)


def answer(value):
    """VALUE, unless it is what goes wrong."""
    if isinstance(value, Exception):
        raise value
    return value


@pytest.fixture
def world(monkeypatch, tmp_path):
    made = World()
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path / "not" / "made" / "yet"))
    disk, tools = (lambda place: SimpleNamespace(free=made.free * 2**20)), (lambda name: name in made.commands or None)
    monkeypatch.setattr(master_check, "shutil", SimpleNamespace(disk_usage=disk, which=tools))
    monkeypatch.setattr(master_check, "os", SimpleNamespace(geteuid=lambda: made.user))
    monkeypatch.setattr(master_check, "addition", lambda: made)
    return made


def verify(world):
    return CheckMaster().verify(world.context())


def test_a_master_as_it_should_be(world):
    assert verify(world) == {
        "fuel": "7.0",
        "target": "2015.1.0-7.0",
        "nailgun": FOLDER,
        "free_mib": 4096,
        "commands": ["ssh", "ssh-keygen", "install"],
    }


@pytest.mark.parametrize(
    ("lacks", "told"),
    [
        ({"release": "6.1"}, "this Fuel master runs 6.1; upgrade it to 7.0, the version that is supported"),
        ({"release": "8.0"}, "this Fuel master runs 8.0; upgrade it to 7.0, the version that is supported"),
        ({"release": Unreachable("Nailgun does not answer")}, "Nailgun does not answer"),
        ({"releases": []}, "this Fuel master has no deployable Ubuntu release of 7.0: finish its own upgrade to 7.0"),
        ({"nailgun": Refused("Nailgun's extensions are nowhere")}, "Nailgun's extensions are nowhere"),
        ({"free": 1023}, "/{place} has 1023 MiB free, and 1024 MiB are needed: make room"),
        ({"commands": {"ssh"}}, "this master lacks the command ssh-keygen, install: install it"),
        ({"user": 1000}, "the procedure configures Salt and Nailgun and needs root on the master"),
    ],
)
def test_what_is_missing_is_refused(world, tmp_path, lacks, told):
    vars(world).update(lacks)
    with pytest.raises(Refused) as refused:
        verify(world)
    assert refused.value.message == told.replace("/{place}", str(tmp_path))


@pytest.mark.parametrize(
    "different",
    [
        {"operating_system": "CentOS"},
        {"is_deployable": False},
        {"state": "unavailable"},
        {"version": "2014.2.2-6.1"},
    ],
)
def test_a_release_that_is_no_target(world, different):
    world.releases = [{**RELEASE, **different}]
    with pytest.raises(Refused, match=r"no deployable Ubuntu release of 7\.0"):
        verify(world)


def test_the_newest_release_is_the_target(world):
    world.releases = [{**RELEASE, "id": number} for number in (4, 7, 5)]
    assert deployable_release(world.context().fuel)["id"] == 7


def test_everything_that_is_missing_is_told_at_once(world):
    world.releases, world.free, world.user = [], 0, 1
    with pytest.raises(Refused) as refused:
        verify(world)
    told = refused.value.message.split("; ")
    assert [any(word in line for line in told) for word in ("no deployable", "0 MiB free", "needs root")] == [True] * 3
    assert len(told) == 3


def test_a_master_that_does_not_answer_is_asked_nothing_else(world):
    world.release, world.user = Unreachable("Nailgun does not answer"), 1
    with pytest.raises(Refused) as refused:
        verify(world)
    assert refused.value.message == "Nailgun does not answer"


def test_a_dry_run_is_refused_too(world):
    world.user = 1
    ctx = world.context()
    assert CheckMaster().pending(ctx) == {}
    ctx.test = True
    with pytest.raises(Refused, match="needs root"):
        CheckMaster().pending(ctx)
