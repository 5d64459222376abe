"""What a lab is on disk: names that keep labs apart, hosts that are planned, a cache that notices every change."""

import fcntl
from pathlib import Path

import pytest

from lab import cache, cli, definition
from lab.hosts import mac_address
from lab.state import Lab, LabError, locked, nics_of, prefix_of, state_directory

SMALL = definition.load(definition.PROFILES / "small.yaml")


@pytest.fixture
def lab(tmp_path):
    return Lab.create(tmp_path / "lab", SMALL, {"master_bind": ["/opt/checkout"]})


def test_labs_in_different_directories_share_no_name():
    one, two = prefix_of(Path("/var/lib/one")), prefix_of(Path("/var/lib/two"))
    assert one != two
    assert one == prefix_of(Path("/var/lib/one"))


def test_as_many_labs_as_a_machine_ever_had_share_no_name():
    assert len({prefix_of(Path(f"/var/lib/labs/{number}")) for number in range(2000)}) == 2000


def test_names_of_interfaces_fit_the_kernel(tmp_path):
    cloud = {**SMALL, "hosts": {**SMALL["hosts"], "node-200": {}}}
    host = Lab.create(tmp_path, cloud).hosts["node-200"]
    assert len(host.peer("eth2.4094")) <= 15


def test_a_lab_is_the_same_when_opened_again(lab):
    again = Lab.open(lab.state)
    assert again.hosts["node-1"].plan == lab.hosts["node-1"].plan
    assert again.openstack == lab.openstack


def test_a_lab_keeps_the_image_it_began_with_when_the_sources_change(lab, monkeypatch):
    monkeypatch.setattr("lab.state.image_path", lambda: Path("/another"))
    assert Lab.open(lab.state).hosts["node-1"].plan.image == lab.hosts["node-1"].plan.image != Path("/another")


def test_only_the_master_sees_the_checkout_and_only_nodes_see_openstack(lab):
    master, node = lab.hosts["fuel"].plan.binds, lab.hosts["node-1"].plan.binds
    assert "--bind-ro=/opt/checkout" in master and "--bind-ro=/opt/checkout" not in node
    assert any("openstack-2023.1" in bind for bind in node) and not any("openstack" in bind for bind in master)


def test_interfaces_are_plugged_by_the_networks_they_carry():
    assert nics_of(SMALL) == {"eth0": "admin", "eth1": "public", "eth2": "trunk", "eth3": "private"}


def test_hardware_addresses_are_unique_and_a_tagged_interface_has_its_carriers():
    names = ["fuel", *(f"node-{number}" for number in range(1, 201))]
    everything = {mac_address(name, f"eth{nic}") for name in names for nic in range(4)}
    assert len(everything) == 4 * len(names)
    assert mac_address("node-3", "eth2.101") == mac_address("node-3", "eth2")


def test_there_is_no_lab_where_none_was_made(tmp_path):
    with pytest.raises(LabError, match="create it with: octane-lab --state"):
        Lab.open(tmp_path)


@pytest.mark.parametrize("name", ["a b", "a:b", "a,b"])
def test_a_directory_that_mounts_cannot_name_is_refused(tmp_path, name):
    with pytest.raises(LabError, match="must not contain"):
        state_directory(str(tmp_path / name))


def test_the_directory_comes_from_the_option_then_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OCTANE_LAB_STATE", str(tmp_path / "environment"))
    assert state_directory(None) == tmp_path / "environment"
    assert state_directory(str(tmp_path / "option")) == tmp_path / "option"


def test_two_commands_that_change_a_lab_exclude_each_other(tmp_path):
    with locked(tmp_path), pytest.raises(LabError, match="another octane-lab command"), locked(tmp_path):
        pass


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "sources"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "a").write_text("one")
    return folder


def test_the_key_of_a_cached_thing_follows_names_contents_and_words(sources):
    first = cache.key([sources], "word")
    assert cache.key([sources], "other") != first
    (sources / "a").write_text("two")
    changed = cache.key([sources], "word")
    (sources / "a").rename(sources / "b")
    assert len({first, changed, cache.key([sources], "word")}) == 3


def test_the_key_of_a_cached_thing_ignores_what_python_compiled(sources):
    before = cache.key([sources])
    (sources / "__pycache__" / "a.pyc").write_text("compiled")
    assert cache.key([sources]) == before


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["exec", "node-9", "--", "true"], "there is no host node-9 in this lab; there are fuel, node-1"),
        (["fault", "kill", "nobody"], "there is no host nobody"),
        (["exec", "node-1"], "no command is given"),
        (["up", "--from", "/nonexistent.yaml"], "/nonexistent.yaml cannot be read"),
        (["up", "--master-bind", "/nonexistent"], "/nonexistent is no directory"),
        (["fault", "fail-deploy", "fuel"], "the Fuel master is not installed"),
    ],
)
def test_a_wrong_command_ends_with_2_and_one_sentence(lab, monkeypatch, capsys, argv, sentence):
    monkeypatch.setattr("lab.machine.require_root", lambda: None)
    assert cli.main(["--state", str(lab.state), *argv]) == 2
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1


def test_a_failure_that_was_ordered_is_a_file_for_the_deployer(lab, monkeypatch):
    monkeypatch.setattr("lab.machine.require_root", lambda: None)
    assert cli.main(["--state", str(lab.state), "fault", "fail-provision", "node-2"]) == 0
    assert (lab.state / "faults" / "node-2.provision").exists()


def test_anyone_but_root_is_told_so(lab, monkeypatch, capsys):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["--state", str(lab.state), "status"]) == 2
    assert "this needs root" in capsys.readouterr().err


def test_a_lock_stays_with_a_lab_and_goes_without_one(lab, tmp_path):
    with locked(lab.state):
        pass
    assert (lab.state / ".lock").exists()
    never = tmp_path / "never"
    with pytest.raises(ZeroDivisionError), locked(never):
        raise ZeroDivisionError
    assert not never.exists()
    never.mkdir()
    (never / "mine").touch()
    with locked(never):
        assert (never / ".lock").exists()
    assert [entry.name for entry in never.iterdir()] == ["mine"]


def test_a_lock_that_was_removed_by_its_holder_locks_nothing(tmp_path, monkeypatch):
    """It was opened before that, and locked after."""
    state = tmp_path / "lab"
    flock = fcntl.flock

    def slow(handle, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        (state / ".lock").unlink()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with pytest.raises(LabError, match="another octane-lab command"), locked(state):
        raise AssertionError("taken")
