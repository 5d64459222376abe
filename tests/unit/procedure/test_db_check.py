"""Before the databases are touched: every problem at once, each with what to do about it."""

from __future__ import annotations

import shlex

import pytest

from octane.errors import BadInput, Refused
from octane.path import load_hops
from octane.procedure import db_rows
from octane.procedure.db_check import LOG_LEAST, Preflight, no_room_for_log
from octane.procedure.tables import COPIED
from octane.procedure.way import REPLICATING
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
GIB = 1 << 30


class Clouds:
    """Two healthy sides; a test spoils what it is about."""

    def __init__(self) -> None:
        self.databases = [*HOP.databases]
        self.servers = {"1": ("mariadb", "10.6.1"), "4": ("mariadb", "10.11.8"), "5": ("mariadb", "10.11.8")}
        self.galera = {
            name: {"state": "Synced", "status": "Primary", "size": 1 if name == "1" else 2} for name in self.servers
        }
        self.free = {"4": 100 * GIB, "5": 100 * GIB}
        self.free_for_log = 100 * GIB
        self.no_replica: list[str] = []
        self.heads = {name: "head" for name in HOP.databases}
        self.heat = 86
        self.scripts_missing = ""
        self.rows: dict[str, list[str]] = {}
        self.standing_still: dict[str, list[str]] = {}

    def functions(self):
        return {
            "octane_db.databases": lambda minion: self.databases,
            "octane_db.sizes": lambda minion, names: dict.fromkeys(names, GIB),
            "octane_db.server": lambda minion: dict(zip(("family", "version"), self.servers[minion[5:]], strict=True)),
            "octane_db.wsrep": lambda minion: {"enabled": True, **self.galera[minion[5:]]},
            "octane_db.free_space": lambda minion: {"path": "/var/lib/mysql", "bytes": self.free[minion[5:]]},
            "octane_source.free_space": lambda minion: {"path": "/var/log/mysql", "bytes": self.free_for_log},
            "octane_source.able": lambda minion, names: {
                "able": not self.no_replica,
                "reasons": self.no_replica,
                "whole_log": True,
                "writes": 0,
                "family": "mariadb",
            },
            "octane_replica.able": lambda minion: {"reasons": [], "family": "mariadb"},
            "octane_db.compare_schemas": self.compare_schemas,
            "octane_rows.matching": self.matching,
        }

    def matching(self, minion, queries):
        assert minion == "node-1"
        found = {
            one["name"]: (self.standing_still if one["older_than"] else self.rows).get(one["name"], [])
            for one in queries
        }
        return {name: {"count": len(ids), "first": ids[:5]} for name, ids in found.items()}

    def compare_schemas(self, minion, schemas):
        assert minion == "node-1", "the original's heads are those of its own release"
        return {one["database"]: self.compare(**one) for one in schemas}

    def compare(self, database, package, directory):
        if package == self.scripts_missing:
            found = {"alembic": ["head"], "migrate": {}}
            return {"found": found, "wanted": None, "error": "no command of it is installed on this node"}
        if package == "heat":
            assert directory == "db/sqlalchemy/migrate_repo", "where its own release keeps them"
            found, wanted = {"alembic": [], "migrate": {"heat": self.heat}}, {"alembic": [], "migrate": 86}
        else:
            found = {"alembic": [self.heads[database]], "migrate": {}}
            wanted = {"alembic": ["head"], "migrate": None}
        return {"found": found, "wanted": wanted, "error": ""}


@pytest.fixture
def clouds():
    return Clouds()


@pytest.fixture
def check(clouds):
    """Runs the check: its evidence. Options of the stage may be given."""

    def run(**options):
        return Preflight().verify(context(clouds, **options))

    return run


def context(clouds, **options):
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller"), node(5, SEED, "controller")]
    ctx = FakeContext(FakeNodes(clouds.functions()), HOP, members)
    ctx.options = options
    return ctx


def test_work_that_is_in_flight_now_is_told_and_in_nobodys_way(clouds):
    busy = HOP.in_flight[0]
    clouds.rows[busy.name] = ["b7e1"]
    said = Preflight().apply(context(clouds))
    assert "b7e1" in said.comment and "waited for in the window" in said.comment
    assert len(said.evidence["in_flight"]) == 1
    assert Preflight().verify(context(clouds))["databases"] == 9


def test_healthy_clouds_pass_with_what_will_be_moved(check):
    assert check() == {"databases": 9, "bytes": 9 * GIB, "left": [], "way": "replica"}


def test_the_original_needs_room_for_its_log_until_the_seed_has_caught_up(clouds, check):
    clouds.free_for_log = 4 * GIB
    words = r"node-1: 4096 MiB are free in /var/log/mysql, 4608 MiB are needed there for the binary log .*--way dump"
    with pytest.raises(Refused, match=words):
        check()
    assert check(way="dump")["way"] == "dump"
    clouds.no_replica = ["it has no log"]
    assert check()["way"] == "dump"


def test_however_little_is_moved_heartbeats_need_room_in_the_log():
    assert no_room_for_log({"node-1": {"path": "/", "bytes": LOG_LEAST}}, 1000) == []
    (words,) = no_room_for_log({"node-1": {"path": "/", "bytes": LOG_LEAST - 1}}, 1000)
    assert "256 MiB are needed" in words


def test_a_replica_that_there_is_has_its_log_already(clouds):
    clouds.free_for_log = 0
    ctx = context(clouds)
    ctx.record(REPLICATING, {"position": {"file": "log.1", "position": 4}})
    assert Preflight().verify(ctx)["databases"] == 9


def test_a_way_that_cannot_be_gone_is_told_beside_all_else(clouds, check):
    clouds.no_replica = ["it has no log"]
    clouds.free["4"] = GIB
    with pytest.raises(Refused, match=r"node-4: 1024 MiB.*there can be no replica: node-1: it has no log: say --way"):
        check(way="replica")


def test_the_room_that_a_replica_takes_already_is_not_asked_for_again(clouds):
    clouds.free["4"] = GIB
    ctx = context(clouds)
    ctx.record(REPLICATING, {"position": None})
    with pytest.raises(Refused, match="make room"):
        Preflight().verify(ctx)
    ctx.record(REPLICATING, {"position": {"file": "log.1", "position": 4}})
    assert Preflight().verify(ctx)["databases"] == 9


def test_every_problem_is_told_at_once(clouds, check):
    clouds.databases.remove("glance")
    clouds.databases.append("murano")
    clouds.servers["1"] = ("mariadb", "11.2.1")
    clouds.galera["5"] = {"state": "Joining", "status": "Primary", "size": 2}
    clouds.free["4"] = 10 * GIB
    clouds.heads["nova"] = "older"
    with pytest.raises(Refused) as refused:
        check()
    said = str(refused.value).split("; ")
    assert len(said) == 6
    for words in (
        ["glance", "would start empty"],
        ["murano", "--leave=murano"],
        ["10.11.8", "older than", "11.2.1"],
        ["node-5", "Joining", "crm_mon"],
        ["node-4", "10240 MiB", "24576 MiB"],
        ["schema nova ", "node-1", "nova-manage"],
    ):
        assert any(all(word in sentence for word in words) for sentence in said), words


def test_a_database_that_nobody_asked_to_move_can_be_left_and_is_told(clouds, check):
    clouds.databases.append("murano")
    assert check(leave=["murano", "sahara"])["left"] == ["murano"]


@pytest.mark.parametrize("name", ["nova", "a b", "", "x;y", 5, {}])
def test_what_cannot_be_left_is_bad_input(check, name):
    with pytest.raises(BadInput):
        check(leave=[name])


@pytest.mark.parametrize("name", ["a b", "x;y", "it's", "-x", "$(reboot)", "`", "ä", "a: b, c"])
def test_whatever_its_name_a_database_is_left_by_what_the_finding_says(clouds, check, name):
    clouds.databases.append(name)
    with pytest.raises(Refused) as refused:
        check()
    typed = str(refused.value).partition(" say ")[2].removesuffix(" if so be it")
    assert shlex.split(typed) == [f"--leave={name}"]
    assert check(leave=[name])["left"] == [name]
    assert check(leave=[name, "murano"])["left"] == [name], "murano is not there"


def test_tables_of_another_family_cannot_be_compared(clouds, check):
    clouds.servers["1"] = ("mysql", "5.6.23")
    with pytest.raises(Refused, match=r"mysql 5\.6\.23 and the seed's mariadb .*: their tables cannot be compared"):
        check()


def test_a_schema_of_numbered_scripts_is_compared_by_number(clouds, check):
    clouds.heat = 85
    with pytest.raises(Refused, match="the schema heat is not at the head"):
        check()


def test_a_release_that_cannot_be_told_is_a_problem_and_hides_no_other(clouds, check):
    clouds.scripts_missing = "cinder"
    clouds.heads["glance"] = "older"
    with pytest.raises(Refused, match=r"the schema cinder cannot be told.*the schema glance is not"):
        check()


def test_a_stage_that_goes_on_after_its_copy_is_not_stopped(clouds):
    ctx = FakeContext(FakeNodes({}), HOP, [])
    ctx.record(COPIED, {"source": "node-1"})
    assert Preflight().verify(ctx) == {}


def test_a_schema_that_a_migration_left_half_way_is_told_with_what_to_do(clouds, check):
    clouds.heat = 80
    with pytest.raises(Refused, match=r"heat is half-way between mitaka and antelope and not of antelope: .*restore"):
        check()


def test_a_schema_of_another_release_is_told_although_its_scripts_are_complete(clouds, check):
    clouds.heads["placement"] = "a082b8bb98d0"
    with pytest.raises(Refused, match=r"schema placement is of caracal and not of antelope"):
        check()


def test_rows_that_break_a_migration_are_told_with_the_first_ids_and_the_remedy(clouds, check):
    clouds.rows = {"trusts_that_are_equal": [str(number) for number in range(7)]}
    with pytest.raises(Refused, match=r"keystone: 7 trusts equal in .*: 0, 1, 2, 3, 4, \.\.\.: delete all but one"):
        check()


def test_rows_that_the_stage_itself_puts_right_before_the_window_do_not_stop_it(clouds, check):
    clouds.rows = {"volumes_without_use_quota": ["volumes v1"]}
    assert check()["databases"] == 9


def test_work_in_flight_stops_the_stage_only_when_it_stands_still(clouds, check):
    clouds.rows = {"stacks_locked": ["s1"]}
    check()
    clouds.standing_still = {"stacks_locked": ["s1"]}
    with pytest.raises(Refused, match=r"heat: 1 stacks locked .* have not changed for 60 minutes: s1: wait"):
        check()


def test_checks_of_a_database_that_is_not_there_are_not_asked(clouds, check):
    clouds.databases.remove("heat")
    clouds.standing_still = {"stacks_locked": ["s1"]}
    with pytest.raises(Refused) as refused:
        check()
    assert "locked" not in str(refused.value)


def test_everything_in_flight_is_told_at_the_moment_of_asking(clouds):
    clouds.rows = {"instances_with_a_task": ["i1"], "volumes_without_use_quota": ["volumes v1"]}
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
    ctx = FakeContext(FakeNodes(clouds.functions()), HOP, members)
    told = db_rows.in_flight(ctx, HOP.databases)
    assert len(told) == 1 and told[0].startswith("nova: 1 instances in the middle of a task: i1: wait")
    assert db_rows.unmended(ctx)[0].startswith("cinder: 1 volumes and snapshots whose use_quota is NULL")
