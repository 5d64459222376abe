"""Nothing that was written to the seed is lost on the way back: it is in files, by name and row by row."""

from __future__ import annotations

import io
import json
import stat
from types import SimpleNamespace

import pytest

from octane.errors import NodeFailed
from octane.path import identity, load_hops
from octane.path.identity import NEW, OLD
from octane.procedure import written
from octane.procedure.isolation import SERVED, SWITCHED
from octane.verify.identities import ROWS, changes
from tests.saltfiles import Node, orchestration
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
LOG = rb"""#261129 18:00:01 server id 4  end_log_pos 100 CRC32 0x1 	Write_rows: table id 1 flags: STMT_END_F
### INSERT INTO `nova`.`instances`
### SET
###   @1='%s'
# at 200
#261129 18:00:02 server id 4  end_log_pos 200 CRC32 0x1 	Update_rows: table id 2 flags: STMT_END_F
### UPDATE `nova`.`services`
### WHERE
###   @1=1
### SET
###   @1=2
#261129 18:00:03 server id 4  end_log_pos 300 CRC32 0x1 	Delete_rows: table id 3 flags: STMT_END_F
### DELETE FROM `odd``one`.`user`
### WHERE
###   @1=1
### DELETE FROM `odd``one`.`user`
### WHERE
###   @1=2
#261129 18:00:04 server id 4  end_log_pos 400 CRC32 0x1 	Xid = 9
### INSERT INTO `site`.`other`
### SET
###   @1=1
COMMIT/*!*/;
"""


@pytest.mark.parametrize("length", [3, 200_000])
def test_rows_are_kept_with_their_time_whatever_their_length_and_what_nobody_misses_is_not(length):
    kept = io.BytesIO()
    sift = Node().modules["octane_written"].sift
    counts = sift(io.BytesIO(LOG % (b"x" * length)), kept, {"nova", "odd`one"}, {"nova": ["services"]})
    assert counts == {"nova.instances": {"inserted": 1}, "odd`one.user": {"deleted": 2}}
    text = kept.getvalue()
    assert text.startswith(b"# 2026-11-29 18:00:01\n### INSERT INTO `nova`.`instances`\n### SET\n###   @1='xxx")
    assert len(text) > length and b"services" not in text and b"site" not in text and b"COMMIT" not in text
    assert text.count(b"### DELETE") == 2 and text.endswith(b"###   @1=2\n")


class Clouds:
    """A server more on the seed and another name of a project; nothing else differs."""

    def __init__(self) -> None:
        self.rows = {
            "projects": {"node-1": [["'p1'", "'old'"]], "node-4": [["'p1'", "'new'"]]},
            "users": {"node-1": [], "node-4": [["'u1'", "'eve'"]]},
        }
        self.log, self.is_full = True, False
        self.received: list[tuple[str, list[str]]] = []

    def functions(self):
        return {
            "octane_views.sums": lambda minion, views: {one["name"]: self.sums(minion, one["name"]) for one in views},
            "octane_views.rows": self.read,
            "octane_source.position": self.position,
            "octane_written.export": lambda minion, names, place, skip: {
                "path": f"/kept/{minion}/{place['position']}",
                "tables": {"keystone.user": {"inserted": 1}} if minion == "node-4" else {},
            },
            "octane_db.databases": lambda minion: list(HOP.databases),
            "octane_stream.end": lambda minion: [],
            "octane_db.identity": lambda minion: {"identity": "one", "certificate": "public"},
            "octane_db.receive_files": self.receive,
            "octane_db.send_files": lambda minion, names, *to: {"sha256": "abc"},
            "octane_db.received": lambda minion, ticket: {"sha256": "abc"},
        }

    def receive(self, minion, names, *_):
        if self.is_full:
            raise NodeFailed(minion, "octane_db.receive_files", "No space left on device")
        self.received.append((minion, names))
        return {"ticket": "t", "port": 4, "certificate": "theirs"}

    def position(self, minion):
        if not self.log:
            raise NodeFailed(minion, "octane_source.position", "writes no binary log")
        return {"file": "log.000001", "position": 7, "gtid": None}

    def sums(self, minion, name):
        found = self.rows.get(name, {}).get(minion, [])
        return {"rows": len(found), "sums": [hash(str(found)), 0]}

    def read(self, minion, views):
        (one,) = views
        width = one["query"].count("QUOTE(")
        told = self.rows[one["name"]][minion] if one["buckets"] == [0] and one["part"] == 0 else []
        return {one["name"]: [[*row, *["NULL"] * (width - len(row))] for row in told]}


@pytest.fixture
def clouds():
    return Clouds()


@pytest.fixture
def ctx(clouds, tmp_path):
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(5, SEED, "controller")]
    found = FakeContext(FakeNodes(clouds.functions()), HOP, members)
    found.journal = SimpleNamespace(directory=tmp_path)
    found.record(SERVED, True)
    return found


def test_the_file_names_what_users_made_and_where_every_row_is(ctx, clouds, tmp_path):
    step = written.NoteWrites()
    step.apply(ctx)
    assert step.pending(ctx) == {}
    outcome = step.undo(ctx)
    (path,) = (tmp_path / "written").iterdir()
    assert str(path) in outcome.comment and stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = json.loads(path.read_text())
    (made,) = kept["objects"]["user"]["created"]
    assert (made["id"], made["name"]) == ("'u1'", "'eve'")
    (renamed,) = kept["objects"]["project"]["changed"]
    assert (renamed["id"], renamed["before"]["name"], renamed["after"]["name"]) == ("'p1'", "'old'", "'new'")
    tables = {"keystone.user": {"inserted": 1}}
    copied = {"file": "node-1:/kept/node-4/7", "first": "node-4:/kept/node-4/7", "tables": tables}
    assert kept["rows"] == {"node-4": copied, "node-5": {"file": "node-5:/kept/node-5/7", "tables": {}}}
    assert clouds.received == [("node-1", ["/kept/node-4"])]
    assert "digest" not in path.read_text()
    assert step.undo(ctx).comment == "nothing was noted"


def test_rows_that_could_not_be_copied_to_the_original_are_told_and_keep_nobody_from_going_back(ctx, clouds, tmp_path):
    clouds.is_full = True
    written.NoteWrites().apply(ctx)
    comment = written.NoteWrites().undo(ctx).comment
    assert "its rows are in node-4:/kept/node-4/7 alone: copy them away before the seed is taken back" in comment
    (path,) = (tmp_path / "written").iterdir()
    assert "No space left" in json.loads(path.read_text())["rows"]["node-4"]["not_copied"]


def test_without_a_log_what_users_made_is_kept_all_the_same(ctx, clouds, tmp_path):
    clouds.log = False
    assert "node-4, node-5 write no log" in written.NoteWrites().apply(ctx).comment
    written.NoteWrites().undo(ctx)
    (path,) = (tmp_path / "written").iterdir()
    kept = json.loads(path.read_text())
    assert kept["rows"] == {} and set(kept["objects"]) == {"project", "user"}


def test_of_a_seed_that_is_gone_it_is_told_on_whose_disks_and_from_where_on_it_is(ctx, tmp_path):
    written.NoteWrites().apply(ctx)
    ctx.options["fenced"] = ["node-4", "node-5"]
    comment = written.NoteWrites().undo(ctx).comment
    assert "keep them" in comment and "node-4" in comment and "log.000001" in comment
    assert list(tmp_path.iterdir()) == []


def test_nothing_written_leaves_no_file(ctx, clouds, tmp_path):
    clouds.rows = {}
    ctx.nodes.functions["octane_written.export"] = lambda minion, names, place, skip: {"path": "p", "tables": {}}
    written.NoteWrites().apply(ctx)
    assert written.NoteWrites().undo(ctx).comment == "nothing was written since"
    assert list(tmp_path.iterdir()) == []


def test_of_very_many_rows_every_one_is_asked_for_once_and_few_at_a_time():
    view = next(one for one in identity.load(HOP.name) if one.name == "roles")
    sums = {view.name: {"rows": 4 * ROWS * 3, "sums": [0, 1, 2, 3]}}
    after = {view.name: {"rows": 4 * ROWS * 3, "sums": [9, 1, 9, 3]}}
    asked = []

    def reader(side, queries):
        asked.append((side, tuple(queries[0]["buckets"]), queries[0]["part"], queries[0]["split"]))
        return {view.name: []}

    assert changes([view], sums, after, reader) == {}
    assert asked == [(side, (bucket,), part, 3) for bucket in (0, 2) for part in range(3) for side in (OLD, NEW)]


def test_what_was_written_is_kept_after_the_seed_has_lost_the_addresses_and_before_its_servers_stop():
    """Steps are taken back the last one first."""
    back = [definition.step for definition in reversed(orchestration("control"))]
    taken = [back.index(f"control.{name}") for name in ("accept_writes", "switched", "writes_noted")]
    assert taken == sorted(taken)
    assert taken[-1] < back.index("control.resources_started")


def test_a_seed_that_never_had_the_addresses_is_asked_nothing_on_the_way_back(ctx, tmp_path):
    """Its servers may be the reason for going back."""
    written.NoteWrites().apply(ctx)
    ctx.forget(SERVED)
    asked = len(ctx.nodes.asked)
    assert "never had the addresses" in written.NoteWrites().undo(ctx).comment
    assert len(ctx.nodes.asked) == asked and list(tmp_path.iterdir()) == []
    assert written.NoteWrites().pending(ctx), "another switch notes anew"


def test_a_switch_that_is_not_taken_back_yet_counts_as_one(ctx, tmp_path):
    written.NoteWrites().apply(ctx)
    ctx.forget(SERVED)
    ctx.record(SWITCHED, True)
    assert "is kept in" in written.NoteWrites().undo(ctx).comment


def test_once_it_is_kept_another_way_back_begins_anew(ctx):
    written.NoteWrites().apply(ctx)
    written.NoteWrites().undo(ctx)
    assert not ctx.recall(SERVED)
