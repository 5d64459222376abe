"""What is cached for sources that are gone is removed; what a lab uses, or a next one would, is not."""

import pytest

from lab import definition, prune
from lab.state import Lab

ROOT = "/var/lib/some-lab/hosts/fuel"
MOUNT = f"36 35 0:40 / {ROOT}/root rw - overlay octane-lab rw,lowerdir=/image,upperdir={ROOT}/disk/upper,workdir=/x"


@pytest.fixture
def entries(tmp_path, monkeypatch):
    """A cache with one image that is current, one that a lab uses and one of nobody, and a folder of downloads."""
    for module in ("cache", "image", "prune", "snapshot"):
        monkeypatch.setattr(f"lab.{module}.CACHE", tmp_path)
    monkeypatch.setattr("lab.state.image_path", lambda: tmp_path / "image-current")
    for name in ("image-current", "image-running", "image-old", "cloud-small-old", "uv"):
        (tmp_path / name / "folder").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def running(tmp_path_factory, entries, monkeypatch):
    """A lab that is up on the image of earlier sources."""
    state = tmp_path_factory.mktemp("running")
    small = definition.load(definition.PROFILES / "small.yaml")
    Lab.create(state, small, {"image": str(entries / "image-running")})
    monkeypatch.setattr("lab.prune.states_up", lambda: {state})
    return state


def test_only_what_nobody_uses_is_removed(entries, running):
    assert prune.prune() == [entries / "cloud-small-old", entries / "image-old"]
    assert {path.name for path in entries.iterdir()} == {"image-current", "image-running", "uv"}


def test_what_a_lab_used_goes_when_the_lab_is_gone(entries, running):
    (running / "lab.json").unlink()
    assert entries / "image-running" in prune.prune()


def test_a_lab_that_is_up_is_found_by_its_mounts():
    assert prune.UPPER.findall(MOUNT) == ["/var/lib/some-lab"]
