"""The machine of a node is the one with its MAC address, however Nailgun numbers the node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lab import definition as cloud_definition
from lab import hosts
from lab.deployer import configure, deployer, mcollective
from lab.deployer.environment import parse
from lab.master import machines, nailgun_file
from lab.nailgun import initial
from tests.unit.lab.deployment_facts import facts
from tests.unit.lab.nailgun_master import Master

RENUMBERED = {"10": "52:54:00:00:04:00", "11": "52:54:00:00:05:00", "12": "52:54:00:aa:aa:aa"}
"""Nodes 10 and 11 are the machines node-4 and node-5; the lab has no machine for node 12."""


class FakeHost:
    """A machine that notes what is installed on it."""

    def __init__(self, name, root):
        self.name = name
        self.mac = hosts.mac_address(name, "eth0")
        self.root = root / name
        self.written = {}
        self.loaded = None
        self.contents = {"sdb": b"label" * 4, "sdc": b"label" * 4}

    def reinstall(self):
        self.written = {"/etc/hostname": self.name + "\n"}

    def write(self, path, text, mode=0o644, owner=None):
        self.written[path] = text

    def mount(self):
        stanza = self.root / deployer.ADMIN_STANZA.lstrip("/")
        stanza.parent.mkdir(parents=True, exist_ok=True)
        stanza.write_text("auto eth0\naddress 10.20.0.134/24\n")

    def is_running(self):
        return self.loaded is not None

    def run(self, argv, **options):
        assert argv == ["cat", mcollective.LOADED]
        return SimpleNamespace(returncode=int(not self.loaded), stdout=self.loaded)

    def disks(self):
        return sorted(self.contents)

    def overwrite_disk(self, name, count):
        self.contents[name] = bytes(count) + self.contents[name][count:]

    def blank_disk(self, name):
        self.contents[name] = b""

    def start(self):
        pass

    def wait_booted(self, timeout):
        pass


@pytest.fixture
def lab(tmp_path):
    found = {name: FakeHost(name, tmp_path) for name in ("fuel", "node-1", "node-4", "node-5")}
    for host in found.values():
        (host.root / "root/.ssh").mkdir(parents=True)
    (tmp_path / "faults").mkdir()
    definition = {"networks": {"admin": {"gateway": "10.20.0.1"}}}
    return SimpleNamespace(hosts=found, state=tmp_path, definition=definition, openstack={})


@pytest.fixture
def made(lab):
    return deployer.LabDeployer(lab, lambda: RENUMBERED)


def entry(uid):
    interfaces = {"eth0": {"ip_address": "10.20.0.140", "netmask": "255.255.255.0"}}
    return {"uid": uid, "name": f"node-{uid}", "interfaces": interfaces}


def test_a_renumbered_node_is_installed_on_its_machine_under_its_new_name(lab, made):
    assert made.provision([entry("10")], lambda uid, percent: None) == {"10": None}
    assert lab.hosts["node-4"].written["/etc/hostname"] == "node-10\n"
    assert "address 10.20.0.140/24" in lab.hosts["node-4"].written[deployer.ADMIN_STANZA]
    assert not lab.hosts["node-5"].written and not lab.hosts["node-1"].written


def test_a_node_whose_machine_is_not_here_fails_by_itself_and_names_its_address(lab, made):
    errors = made.provision([entry("11"), entry("12")], lambda uid, percent: None)
    assert errors["11"] is None and lab.hosts["node-5"].written["/etc/hostname"] == "node-11\n"
    assert "node 12" in errors["12"] and "52:54:00:aa:aa:aa" in errors["12"]


def test_a_failure_is_ordered_of_a_machine(lab, made):
    (lab.state / "faults/node-4.provision").touch()
    assert "node-4: provision failed on demand" in made.provision([entry("10")], lambda uid, percent: None)["10"]
    assert not lab.hosts["node-4"].written


def test_an_erased_machine_has_its_own_name_again(lab, made):
    made.erase(["10"])
    assert lab.hosts["node-4"].written["/etc/hostname"] == "node-4\n"
    assert "address 10.20.0.134/24" in lab.hosts["node-4"].written[deployer.ADMIN_STANZA]


def agent_of(release):
    return next(file.content for file in mcollective.files(release) if file.path == mcollective.AGENT)


def test_a_node_gets_the_agent_of_the_release_that_installs_it(lab, made):
    for uid, name, release in (("10", "node-4", "6.1"), ("11", "node-5", "7.0")):
        made.provision([entry(uid) | {"ks_meta": {"fuel_version": release}}], lambda uid, percent: None)
        assert lab.hosts[name].written[mcollective.AGENT] == agent_of(release)
    made.erase(["10"])
    assert lab.hosts["node-4"].written[mcollective.AGENT] == agent_of("7.0")


@pytest.mark.parametrize("act", ["provision", "erase"])
@pytest.mark.parametrize(("release", "survives"), [("6.1", False), ("7.0", True)])
def test_the_old_agent_destroys_what_data_disks_hold_and_the_new_one_does_not(lab, made, act, release, survives):
    host = lab.hosts["node-4"]
    host.loaded = agent_of(release)
    if act == "provision":
        assert made.provision([entry("10")], lambda uid, percent: None) == {"10": None}
    else:
        made.erase(["10"])
    assert [b"label" in content for content in host.contents.values()] == [survives, survives]


def test_a_machine_that_is_off_cannot_be_asked_to_erase_itself(lab, made):
    assert made.provision([entry("10")], lambda uid, percent: None) == {"10": None}
    assert all(b"label" in content for content in lab.hosts["node-4"].contents.values())


def test_a_node_without_the_agent_is_not_installed_but_can_be_given_up(lab, made):
    host = lab.hosts["node-4"]
    host.loaded = ""
    assert "Mcollective problem" in made.provision([entry("10")], lambda uid, percent: None)["10"]
    assert not host.written
    made.erase(["10"])
    assert host.written["/etc/hostname"] == "node-4\n"


def test_what_an_agent_erases_is_read_from_its_commands():
    assert mcollective.erased_bytes(agent_of("6.1")) == 10 * 2**20
    assert mcollective.erased_bytes(agent_of("7.0")) == mcollective.BOOT_CODE
    commented = "\n".join(f"  # {line}" for line in agent_of("6.1").splitlines())
    assert mcollective.erased_bytes(commented) == 0


def test_deployment_works_on_the_machines_of_the_facts_nodes(monkeypatch, lab):
    given = {}

    class Deployment:
        def __init__(self, environment, found, *arguments):
            given.update(found)

        def run(self):
            return {}

    monkeypatch.setattr(deployer, "Deployment", Deployment)
    numbers = {"1": "52:54:00:00:04:00", "2": "52:54:00:00:05:00", "7": "52:54:00:00:01:00"}
    deployer.LabDeployer(lab, lambda: numbers).deploy(facts("7.0"), lambda uid, percent: None)
    assert {uid: host.name for uid, host in given.items()} == {"1": "node-4", "2": "node-5", "7": "node-1"}


def test_tasks_by_themselves_run_on_the_machine_too(monkeypatch, lab):
    ran = []
    monkeypatch.setattr(configure, "netconfig_task", lambda host, environment, node: ran.append((host.name, node.name)))
    chosen = [element for element in facts("7.0") if element["uid"] == "2"]
    made = deployer.LabDeployer(lab, lambda: {"2": "52:54:00:00:05:00"})
    assert made.run_tasks(chosen, ["netconfig"], lambda uid, percent: None) == {"2": None}
    assert ran == [("node-5", parse(chosen).node("2").name)]


def test_a_seed_that_was_given_up_is_made_again_on_the_same_machines(lab):
    """upgrade-env, rollback-env, upgrade-env: the second time the spare servers have other numbers."""
    definition = cloud_definition.load(cloud_definition.PROFILES / "small.yaml")
    lab.hosts["node-2"] = FakeHost("node-2", lab.state)
    (lab.hosts["node-2"].root / "root/.ssh").mkdir(parents=True)
    master = Master(initial.reference(definition))
    master.application.deployer = deployer.LabDeployer(
        lab, lambda: {str(row["id"]): row["mac"] for row in master.state.rows("nodes")}
    )
    (release,) = [one["id"] for one in master.get("/releases") if one["is_deployable"]]
    numbers = []
    for what in ("first", "second"):
        _, seed = master.send("POST", "/clusters/1/upgrade/clone", {"name": what, "release_id": release})
        (spare,) = [node for node in master.get("/nodes") if node["mac"] == lab.hosts["node-2"].mac]
        numbers.append(spare["id"])
        master.send("POST", f"/clusters/{seed['id']}/assignment", [{"id": spare["id"], "roles": ["controller"]}])
        assert master.done("PUT", f"/clusters/{seed['id']}/provision?nodes={spare['id']}", {})["status"] == "ready"
        assert lab.hosts["node-2"].written["/etc/hostname"] == f"node-{spare['id']}\n"
        # Given up in any status, also after an installation that failed.
        master.send("PUT", f"/nodes/{spare['id']}", {"status": "error", "error_type": "provision"})
        assert master.send("DELETE", f"/clusters/{seed['id']}")[0] == 202
        path = f"/clusters/{seed['id']}"
        master.wait_until(lambda path=path: master.send("GET", path)[0] == 404, f"{path} is gone")
    assert numbers[0] == 2 and numbers[1] > 3


def test_addresses_are_those_that_nailgun_has_at_this_moment(tmp_path):
    lab = SimpleNamespace(state=tmp_path)
    state = initial.recorded()
    state.save(nailgun_file(lab))
    before = machines(lab)
    node = state.row("nodes", 6)
    assert before["6"] == node["mac"]
    state.delete("nodes", 6)
    state.insert("nodes", {**node, "id": None})
    state.save(nailgun_file(lab))
    after = machines(lab)
    assert "6" not in after and node["mac"] in after.values()
