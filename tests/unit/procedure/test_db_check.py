"""Before the databases are touched: every problem at once, each with what to do about it."""

from __future__ import annotations

import shlex

import pytest

from octane.errors import BadInput, NodeFailed, NodeSilent, Refused
from octane.path import load_hops
from octane.procedure import db_rows
from octane.procedure.copyable import FOUND
from octane.procedure.db_check import LOG_LEAST, Preflight, StillChecked, no_room_for_log
from octane.procedure.tables import COPIED
from octane.procedure.way import REPLICATING
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node
from tests.unit.test_path import ACTIONS

HOP = next(hop for hop in load_hops() if hop.name == "antelope-caracal")
GIB = 1 << 30


class Clouds:
    """Two healthy sides; a test spoils what it is about."""

    def __init__(self) -> None:
        self.databases = [*HOP.databases]
        self.servers = {"1": ("mariadb", "10.6.1"), "4": ("mariadb", "10.11.8"), "5": ("mariadb", "10.11.8")}
        self.galera = {
            name: {"enabled": True, "state": "Synced", "status": "Primary", "size": 1 if name == "1" else 2}
            for name in self.servers
        }
        self.free = {"4": 100 * GIB, "5": 100 * GIB}
        self.free_for_log = 100 * GIB
        self.no_replica: list[str] = []
        self.heads = {name: "head" for name in HOP.databases}
        self.heat = 86
        self.scripts_missing = ""
        self.gone = ""
        self.rows: dict[str, list[str]] = {}
        self.standing_still: dict[str, list[str]] = {}
        self.kept = {"found": {kind: [] for kind in FOUND}, "engines": {"InnoDB": ["nova.instances"]}, "definers": {}}
        settings = {"lower_case_table_names": "0", "max_allowed_packet": "1000", "innodb_page_size": "16384"}
        self.kept["settings"] = settings
        self.takes = {"engines": ["InnoDB", "MyISAM"], "missing": [], "settings": {**settings, "local_infile": "ON"}}
        self.misdirected: dict[str, str] = {}
        self.unknown_domain: list[str] = []

    def functions(self):
        return {
            "octane_db.databases": lambda minion: self.databases,
            "octane_db.sizes": lambda minion, names: dict.fromkeys(names, GIB),
            "octane_db.server": lambda minion: {
                "id": f"server of {minion}",
                **dict(zip(("family", "version"), self.servers[minion[5:]], strict=True)),
            },
            "octane_db.wsrep": lambda minion: self.galera[minion[5:]],
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
            "octane_copyable.source": self.source,
            "octane_copyable.target": self.target,
            "octane_manage.misdirected": self.commands,
            "octane_heat.stack_domain": lambda minion: {"name": f"told on {minion}"},
            "octane_heat.unknown": self.unknown,
        }

    def source(self, minion, names):
        assert minion == "node-1" and set(names) <= set(self.databases)
        return self.kept

    def target(self, minion, definers):
        assert minion == "node-4" and definers == sorted(self.kept["definers"])
        return self.takes

    def commands(self, minion, services, server):
        assert (minion, server) == ("node-4", "server of node-4")
        assert services["nova"] == ["/etc/nova/nova.conf"]
        return self.misdirected

    def unknown(self, minion, wanted):
        assert (minion, wanted) == ("node-1", {"name": "told on node-4"})
        return self.unknown_domain

    def matching(self, minion, queries):
        assert minion == "node-1"
        found = {
            one["name"]: (self.standing_still if one["older_than"] else self.rows).get(one["name"], [])
            for one in queries
        }
        for one in queries:
            if self.gone and self.gone in one["query"]:
                raise NodeFailed(minion, "octane_rows.matching", f"Unknown column '{self.gone}'")
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
    clouds.galera["5"]["state"] = "Joining"
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


@pytest.mark.parametrize(
    ("original", "seeds", "refused"),
    [
        ("10.11.2", ("10.11.8", "10.11.1"), ""),
        ("10.11.2", ("10.11.8", "10.6.18"), "node-5: its database server 10.6.18 is older than 10.11.2 of node-1"),
        ("10.6.2", ("10.11.8", "11.4.2"), ""),
        ("10.10.2", ("10.9.8", "11.4.2"), "node-4: its database server 10.9.8 is older than 10.10.2 of node-1"),
    ],
)
def test_no_controller_of_the_seed_has_an_older_server_than_the_original(clouds, check, original, seeds, refused):
    for name, version in zip("145", (original, *seeds), strict=True):
        clouds.servers[name] = ("mariadb", version)
    if not refused:
        assert check()["databases"] == 9
        return
    with pytest.raises(Refused) as told:
        check()
    assert str(told.value).startswith(refused)


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


def test_a_column_that_is_missing_half_way_hides_nothing_else(clouds, check):
    clouds.heat, clouds.gone = 80, "stack_lock"
    clouds.rows = {"trusts_that_are_equal": ["1"]}
    with pytest.raises(Refused, match=r"heat is half-way.*trusts equal.*cannot be looked for: Unknown column"):
        check()
    ctx = context(clouds)
    assert "stacks" in Preflight().apply(ctx).comment, "told as well where it is asked for the comment alone"


def test_silence_is_not_taken_for_a_schema_that_is_wrong(clouds):
    def silent(minion, queries):
        raise NodeSilent(minion, "octane_rows.matching", "no answer within 600 s")

    ctx = context(clouds)
    ctx.nodes.functions["octane_rows.matching"] = silent
    with pytest.raises(NodeSilent):
        Preflight().verify(ctx)


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


@pytest.mark.parametrize("kind", FOUND)
def test_what_a_copy_cannot_carry_is_told_by_name_with_what_to_do_whichever_way_it_goes(clouds, check, kind):
    clouds.kept["found"][kind] = [f"nova.t{number}" for number in range(7)]
    what, remedy = FOUND[kind]
    for given in ("replica", "dump"):
        with pytest.raises(Refused) as refused:
            check(way=given)
        told = f"node-1: {what}: nova.t0, nova.t1, nova.t2, nova.t3, nova.t4, ...: {remedy}"
        assert refused.value.message == told and remedy.split()[0] in ACTIONS


def test_tables_of_engines_that_the_seed_does_not_take_are_told(clouds, check):
    clouds.kept["engines"].update(MyISAM=["nova.flat"], ROCKSDB=["nova.rocks"])
    with pytest.raises(Refused, match=r"engine MyISAM, whose rows Galera does not take .*nova\.flat.*nova\.rocks"):
        check()
    for one in clouds.galera.values():
        one.update(enabled=False)
    with pytest.raises(Refused, match=r"engine ROCKSDB, which the seed's server does not have: nova\.rocks") as refused:
        check()
    assert "MyISAM" not in str(refused.value)


def test_an_account_that_something_runs_as_and_the_seed_does_not_have_is_told(clouds, check):
    clouds.kept["definers"] = {"who@%": ["trigger nova.named"], "root@localhost": ["view nova.live"]}
    clouds.takes["missing"] = ["who@%"]
    with pytest.raises(
        Refused, match=r"node-4: no account who@%, as which these run: trigger nova\.named: run"
    ) as told:
        check()
    assert "live" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "own", "words"),
    [
        ("local_infile", "OFF", "run `SET GLOBAL local_infile = 1` there"),
        ("max_allowed_packet", "999", "run `SET GLOBAL max_allowed_packet = 1000` there"),
        ("innodb_page_size", "8192", "innodb_page_size is 8192, and 16384 on the original"),
        ("lower_case_table_names", "1", "lower_case_table_names is 1, and 0 on the original"),
    ],
)
def test_a_setting_of_the_seeds_server_that_a_copy_would_fail_by_is_told(clouds, check, name, own, words):
    clouds.takes["settings"][name] = own
    with pytest.raises(Refused, match="node-4: ") as refused:
        check()
    assert words in str(refused.value)


@pytest.mark.parametrize(("name", "own"), [("max_allowed_packet", "1001"), ("innodb_page_size", "65536")])
def test_a_seeds_server_that_takes_more_is_in_nobodys_way(clouds, check, name, own):
    clouds.takes["settings"][name] = own
    assert check()["databases"] == 9


def test_commands_of_the_seed_that_would_be_refused_in_the_window_are_told_before_it(clouds, check):
    clouds.misdirected = {"nova": "192.0.2.1:3306 leads to the database server x"}
    with pytest.raises(Refused, match=r"node-4: the migration of nova would be refused: 192\.0\.2\.1:3306 leads to"):
        check()


def still(clouds, **records):
    ctx = context(clouds)
    for name, value in records.items():
        ctx.record(name, value)
    return StillChecked().verify(ctx)


@pytest.mark.parametrize(
    ("come", "words"),
    [
        (lambda clouds: clouds.rows.update(trusts_that_are_equal=["t1"]), "keystone: 1 trusts equal in .*: t1: delete"),
        (lambda clouds: clouds.rows.update(volumes_without_use_quota=["volumes v1"]), "cinder: 1 volumes .*: run"),
        (lambda clouds: clouds.standing_still.update(stacks_locked=["s1"]), "heat: 1 stacks locked .*: s1: wait"),
        (lambda clouds: clouds.databases.append("murano"), "--leave=murano"),
        (lambda clouds: clouds.kept["found"].update(events=["nova.e"]), r"nova\.e: run `ALTER EVENT"),
        (lambda clouds: clouds.misdirected.update(heat="it leads elsewhere"), "the migration of heat would be refused"),
        (lambda clouds: clouds.unknown_domain.append("no domain x"), "node-4: heat.s .*: no domain x on the original"),
        (lambda clouds: clouds.galera["5"].update(state="Donor/Desynced"), "node-5: its database is Donor"),
        (lambda clouds: clouds.heads.update(nova="older"), "the schema nova is not at the head"),
    ],
)
def test_what_came_in_the_hours_of_the_copy_is_refused_right_before_the_window(clouds, come, words):
    assert still(clouds) == {"databases": 9}
    come(clouds)
    with pytest.raises(Refused, match=words):
        still(clouds)


def test_room_is_not_asked_for_when_the_copy_has_it(clouds):
    clouds.free = {"4": 0, "5": 0}
    clouds.free_for_log = 0
    assert still(clouds) == {"databases": 9}


def test_a_stage_that_goes_on_after_its_copy_is_asked_nothing_again(clouds):
    clouds.rows.update(trusts_that_are_equal=["t1"])
    assert still(clouds, **{COPIED: {"source": "node-1"}}) == {}
