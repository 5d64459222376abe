"""Keys are accepted by the fingerprint that the node itself tells, and only what is missing is done."""

import subprocess

import pytest

from octane import stage
from octane.context import Context
from octane.errors import Failed, NodeFailed
from octane.fingerprint import fingerprint
from octane.journal import Journal
from octane.machine import RemoteMachine
from octane.pristine import checksum
from octane.procedure import enrol, salt_config
from tests.unit.procedure.nodes import controller


def key(text):
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n".encode()


class Node(RemoteMachine):
    """A node whose minion makes a key at its first start and shows it to the master."""

    world: dict = {}

    def run(self, argv, *, data=b"", check=True, timeout=0):
        mine = self.world[self.name]
        if mine.get("down"):
            raise NodeFailed(self.name, argv[0], "no route to host")
        if argv[0] == "systemctl":
            return subprocess.CompletedProcess(argv, self.systemctl(mine, argv[-1], *argv[1:-1]), stdout=b"")
        return subprocess.CompletedProcess(argv, 0, stdout=b"")

    def systemctl(self, mine, service, *words):
        """What `systemctl` exits with."""
        asked = [word for word in words if word != "-q"]
        if mine.get("bare"):
            return 1
        if asked[0] in ("is-active", "is-enabled"):
            return 0 if mine.get(asked[0].removeprefix("is-")) else 3
        if asked[0] in ("enable", "disable"):
            mine["enabled"] = asked[0] == "enable"
        if "--now" in asked:
            mine["active"] = False
        if asked[0] == "restart":
            mine["active"] = True
            mine["read"] = mine.get(enrol.CONFIG)
            mine.setdefault(enrol.PUBLIC_KEY, key(f"new key of {self.name}"))
            self.world["keys"].announce(self.name, fingerprint(mine[enrol.PUBLIC_KEY]))
        return 0

    def read(self, path):
        self.run(["cat"])
        return self.world[self.name].get(path)

    def write(self, path, content, mode=0o644):
        self.world[self.name][path] = content

    def mode(self, path):
        return 0o644

    def remove(self, *paths):
        for path in paths:
            self.world[self.name].pop(path, None)


class Keys:
    """The master's keys; a minion with another key than the one known is denied, as Salt does."""

    def __init__(self):
        self.known = {}
        self.accepted = []

    def announce(self, minion, finger):
        if self.known.setdefault(minion, {"state": "pending", "fingerprint": finger})["fingerprint"] != finger:
            self.known[minion] = {**self.known[minion], "denied": True}

    def list(self):
        return {minion: dict(found) for minion, found in self.known.items()}

    def accept(self, minion):
        self.known[minion]["state"] = "accepted"
        self.accepted.append(self.known[minion]["fingerprint"])

    def delete(self, minion):
        self.known.pop(minion, None)

    def master_fingerprint(self):
        return "aa:bb"


class Minions:
    """Those with an accepted key answer."""

    def __init__(self, world):
        self.world = world
        self.synced = []

    def ping(self, targets):
        known = self.world["keys"].known
        return {minion for minion in targets if known.get(minion, {}).get("state") == "accepted"}

    def answering(self, targets, timeout):
        return self.ping(targets)

    def call(self, targets, fun, *args, timeout=60, **kwargs):
        if any(enrol.CONFIG not in self.world[minion] for minion in targets):
            raise NodeFailed(targets[0], fun, "file not found")
        return {minion: checksum(self.world[minion][enrol.CONFIG]) for minion in targets}

    def sync_nodes(self, targets, timeout=120):
        self.synced += targets


@pytest.fixture
def world(monkeypatch, tmp_path):
    found = {"keys": Keys(), "node-1": {}, "node-2": {}}
    monkeypatch.setattr(Node, "world", found)
    monkeypatch.setattr(
        enrol.machine, "node", lambda name, address, hosts: Node(name, address=address, known_hosts=hosts)
    )
    monkeypatch.setattr(enrol, "admin_address", lambda: "10.20.0.2")
    monkeypatch.setattr(enrol, "START_TIMEOUT", 1)
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path))
    return found


@pytest.fixture
def enrolment(world, tmp_path):
    minions = Minions(world)
    with Journal.open(tmp_path) as journal:
        yield lambda: enrol.Enrolment(
            Context(journal=journal, nodes=minions, keys=world["keys"], stage=stage.get("prepare")),
            [controller(1), controller(2)],
        )


def test_every_node_becomes_a_minion_with_the_product_s_modules(enrolment, world):
    assert enrolment().pending() == {"node-1": "enrolled", "node-2": "enrolled"}
    enrolment().apply()
    assert enrolment().verify() == {"minions": ["node-1", "node-2"]}
    assert sorted(enrolment().ctx.nodes.synced) == ["node-1", "node-2"]
    assert world["node-1"][enrol.CONFIG] == enrol.config("node-1", "10.20.0.2", "aa:bb")


def test_a_second_time_there_is_nothing_to_do(enrolment):
    enrolment().apply()
    assert enrolment().pending() == {}
    assert enrolment().apply() == {}


def test_only_the_key_that_the_node_itself_tells_is_accepted(enrolment, world, monkeypatch):
    monkeypatch.setattr(
        Keys,
        "announce",
        lambda keys, minion, finger: keys.known.setdefault(
            minion, {"state": "pending", "fingerprint": "of:an:impostor"}
        ),
    )
    with pytest.raises(Failed, match="keys of"):
        enrolment().apply()
    assert world["keys"].accepted == []


def test_the_key_of_an_earlier_installation_is_deleted_before_the_minion_starts(enrolment, world):
    world["keys"].known["node-1"] = {"state": "accepted", "fingerprint": "of:the:old:system"}
    enrolment().apply()
    assert world["keys"].known["node-1"] == {
        "state": "accepted",
        "fingerprint": fingerprint(world["node-1"][enrol.PUBLIC_KEY]),
    }


def test_a_node_that_cannot_be_reached_is_named_and_the_others_are_enrolled(enrolment, world):
    world["node-2"]["down"] = True
    with pytest.raises(Failed, match="node-2: no route to host"):
        enrolment().apply()
    assert enrolment().pending() == {"node-2": "enrolled"}


def test_new_modules_of_the_product_are_given_to_minions_that_are_there(enrolment, monkeypatch):
    enrolment().apply()
    monkeypatch.setattr(enrol, "product_digest", lambda folders: "of a newer product")
    assert enrolment().pending() == {"node-1": "modules synchronised", "node-2": "modules synchronised"}
    enrolment().apply()
    assert enrolment().pending() == {}


def test_a_configuration_of_somebody_else_is_refused_by_name(enrolment, world):
    world["node-1"][enrol.CONFIG] = b"master: elsewhere\n"
    with pytest.raises(Failed, match=r"node-1: .*octane\.conf"):
        enrolment().apply()
    assert world["node-1"][enrol.CONFIG] == b"master: elsewhere\n"


def test_withdrawing_gives_files_and_keys_back(enrolment, world):
    enrolment().apply()
    assert sorted(enrolment().withdraw()) == ["node-1", "node-2"]
    assert enrol.CONFIG not in world["node-1"]
    assert world["keys"].list() == {}
    assert salt_config.pristine().machines() == []
    assert not world["node-1"]["active"] and not world["node-1"]["enabled"]
    assert enrolment().enrolled() == []


@pytest.mark.parametrize(("active", "enabled"), [(True, True), (True, False), (False, True)])
def test_a_minion_that_was_there_before_runs_as_it_ran_and_reads_its_own_configuration(
    enrolment, world, active, enabled
):
    world["node-1"].update(active=active, enabled=enabled)
    enrolment().apply()
    assert world["node-1"]["active"] and world["node-1"]["enabled"]
    enrolment().withdraw()
    assert (world["node-1"]["active"], world["node-1"]["enabled"]) == (active, enabled)
    assert not active or world["node-1"]["read"] is None


def test_a_minion_that_was_this_master_s_before_stays_one(enrolment, world):
    world["node-1"].update({"active": True, "enabled": True, enrol.PUBLIC_KEY: key("of before")})
    known = {"state": "accepted", "fingerprint": fingerprint(key("of before"))}
    world["keys"].known["node-1"] = dict(known)
    enrolment().apply()
    enrolment().withdraw()
    assert world["keys"].list() == {"node-1": known}


def test_what_ran_before_is_remembered_when_enrolling_is_done_twice(enrolment, world):
    world["node-1"].update(active=False, enabled=False)
    enrolment().apply()
    world["keys"].known.clear()
    enrolment().apply()
    enrolment().withdraw()
    assert not world["node-1"]["active"]


def test_withdrawing_that_was_interrupted_is_finished(enrolment, world, monkeypatch):
    world["node-1"].update(active=True, enabled=True)
    enrolment().apply()

    def power_fails(service, before):
        raise Failed("the power failed")

    with monkeypatch.context() as interrupted:
        interrupted.setattr(enrol.Service, "put_back", power_fails)
        with pytest.raises(Failed):
            enrolment().withdraw()
    assert enrolment().enrolled() == ["node-1", "node-2"]
    enrolment().withdraw()
    assert world["node-1"]["active"] and world["keys"].list() == {}


def test_a_node_without_salt_minion_is_named_with_the_package_before_anything_is_written_there(enrolment, world):
    world["node-2"]["bare"] = True
    with pytest.raises(Failed) as refused:
        enrolment().apply()
    assert refused.value.message == (
        "node-2: it has no Salt minion: install the package salt-minion on it and run this command again"
    )
    assert enrol.CONFIG not in world["node-2"]
    assert enrolment().pending() == {"node-2": "enrolled"}


def test_nodes_that_are_about_to_be_wiped_are_not_withdrawn_later(enrolment, world):
    enrolment().apply()
    assert enrolment().forget() == ["node-1", "node-2"]
    assert world["keys"].list() == {} and enrolment().enrolled() == []
