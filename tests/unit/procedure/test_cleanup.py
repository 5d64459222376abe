"""Only records of Fuel nodes that are gone are stale; what is up, or belongs to no node, stays. Former keys go."""

from types import SimpleNamespace

import pytest

from octane.errors import Failed, NodeFailed
from octane.path import load_hops
from octane.procedure import db, transfer
from octane.procedure.cleanup import DeleteStaleRecords, ForgetKeys, stale
from tests.unit.procedure.nodes import controller
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

NODES = [controller(1), controller(4, environment=2)]


def record(host, up=False):
    return {"service": "nova", "id": "7", "binary": "nova-conductor", "host": host, "up": up}


@pytest.mark.parametrize("host", ["node-9.domain.tld", "node-9", "node-9.domain.tld@lvm#pool"])
def test_records_of_nodes_that_are_gone_are_stale(host):
    assert stale([record(host)], NODES) == [record(host)]


@pytest.mark.parametrize(
    "found",
    [
        record("node-1.domain.tld"),
        record("node-1"),
        record("node-4.domain.tld@lvm"),
        record("node-9.domain.tld", up=True),
        record("rbd:volumes"),
        record("node-9.other.example"),
        record("vcenter-1"),
    ],
)
def test_everything_else_stays(found):
    assert stale([found], NODES) == []


HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")


class Trees:
    """The nodes' directories of keys: the names of those that are there, by node."""

    def __init__(self):
        self.there = {minion: set(HOP.files) for minion in ("node-1", "node-4", "node-5")}
        self.sums = {"node-1": "original's", "node-4": "its own", "node-5": "its own"}
        self.broken = set()

    def functions(self):
        return {
            "octane_trees.kept": lambda minion, names: sorted(self._kept(minion, names)),
            "octane_trees.forget": self._forget,
            "octane_db.files_digest": lambda minion, names: self.sums[minion],
        }

    def copy(self, ctx, ends, files):
        assert ctx.recall(db.KEYS_KEPT) == sorted(files), "the intent is written first"
        self.there[ends.target] |= {f"{name}.octane-before" for name in files}
        self.sums[ends.target] = self.sums[ends.source]

    def _kept(self, minion, names):
        return {f"{name}.octane-before" for name in names} & self.there[minion]

    def _forget(self, minion, names):
        if minion in self.broken:
            raise NodeFailed(minion, "octane_trees.forget", "it is no directory")
        gone = self._kept(minion, names)
        self.there[minion] -= gone
        return sorted(gone)


@pytest.fixture
def trees():
    return Trees()


def pair_of_clouds(functions):
    """A context of one controller of the original and two of the seed, which answer from FUNCTIONS."""
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(5, SEED, "controller")]
    made = FakeContext(FakeNodes(functions), HOP, members)
    environments = {number: [one for one in members if one.environment == number] for number in (ORIGINAL, SEED)}
    made.fuel.environment = lambda number: SimpleNamespace(nodes=lambda: environments[number])
    return made


@pytest.fixture
def ctx(trees, monkeypatch):
    made = pair_of_clouds(trees.functions())
    monkeypatch.setattr(transfer, "directories", trees.copy)
    return made


def test_former_keys_of_the_seed_are_removed_and_nothing_else(ctx, trees):
    before = {minion: set(names) for minion, names in trees.there.items()}
    db.CopyKeys().apply(ctx)
    step = ForgetKeys()
    pending = step.pending(ctx)["remove"]
    assert set(pending) == {"node-4", "node-5"} and len(pending["node-4"]) == len(HOP.files) == 2
    with pytest.raises(Failed, match=r"former keys are left: .*fernet-keys"):
        step.verify(ctx)
    assert step.apply(ctx).changes == {"removed": pending}
    assert step.verify(ctx) == {} and step.pending(ctx) == {}
    assert trees.there == before
    assert step.apply(ctx).changes == {}


def test_what_this_upgrade_did_not_keep_is_left_alone(ctx, trees):
    trees.there["node-4"].add(f"{HOP.files[0]}.octane-before")
    assert ForgetKeys().pending(ctx) == {} and ForgetKeys().apply(ctx).changes == {}
    assert ctx.nodes.asked == []


def test_a_node_that_finds_something_else_there_stops_it(ctx, trees):
    db.CopyKeys().apply(ctx)
    trees.broken.add("node-5")
    with pytest.raises(NodeFailed, match="node-5"):
        ForgetKeys().apply(ctx)
    trees.broken.clear()
    assert set(ForgetKeys().apply(ctx).changes["removed"]) == {"node-5"}


class Services:
    """The cloud's records of services, one of which cannot be deleted when it is ``kept``."""

    def __init__(self, *records):
        self.records = list(records)
        self.kept = None

    def functions(self):
        return {"octane_nova.services": lambda minion: list(self.records), "octane_nova.delete_service": self._delete}

    def _delete(self, minion, service, **which):
        gone = {"service": service, **which}
        self.records = [one for one in self.records if one["id"] == self.kept or not gone.items() <= one.items()]
        return True


def numbered(*records):
    return [{**one, "id": str(number)} for number, one in enumerate(records, 1)]


def test_the_record_of_a_node_that_is_gone_is_removed_and_no_other():
    planted, *others = numbered(
        record("node-77.domain.tld"),
        record("node-1.domain.tld"),
        record("node-5.domain.tld"),
        record("node-78", up=True),
    )
    services = Services(planted, *others)
    ctx, step = pair_of_clouds(services.functions()), DeleteStaleRecords()
    name = "nova nova-conductor on node-77.domain.tld"
    assert step.pending(ctx) == {"records": [name]}
    with pytest.raises(Failed, match=r"stale records are left: .*node-77"):
        step.verify(ctx)
    assert step.apply(ctx).changes == {"deleted": [name]}
    assert services.records == others
    assert step.verify(ctx) == {"stale": 0} and step.apply(ctx).changes == {}


def test_a_record_that_does_not_go_is_told():
    services = Services(*numbered(record("node-77"), record("node-78")))
    services.kept = "2"
    ctx = pair_of_clouds(services.functions())
    DeleteStaleRecords().apply(ctx)
    with pytest.raises(Failed, match=r"stale records are left: .*node-78"):
        DeleteStaleRecords().verify(ctx)
