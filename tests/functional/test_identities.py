"""
What users know of a real Juno cloud, compared with the same cloud after Kilo's migrations, and along the hops after
it: the documented differences and no other, and each of some twenty that were planted.

Juno's and Kilo's databases are those that the real code made. Liberty's are Kilo's, altered by the recorded difference
of the schemas, and Mitaka's are Liberty's, altered as its scripts say: no dump of either exists
(:mod:`tests.functional.later_databases`). The lab's pair is its old release with rows made up in every table, migrated
here by the real code of its new one.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import pytest

from octane.path import identity, load_hops, standing
from octane.path.identity import NEW, OLD
from octane.verify.identities import asked, compare
from tests.functional.differences import PLANTED
from tests.functional.documented import DOCUMENTED, EMPTY
from tests.functional.later_databases import MITAKA
from tests.functional.mariadb import MISSING
from tests.functional.populated import Populated, migrate
from tests.functional.real_databases import HOPS, LAB, Cloud
from tests.functional.uncompared import LEFT_OUT, pattern_of
from tests.memory import LIMIT

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
PORTS_OF_FUEL_6 = """
UPDATE endpoint e JOIN service s ON s.id = e.service_id SET e.url = 'http://192.0.2.1:8003/v1'
WHERE s.type = 'cloudformation';
INSERT INTO service (id, type, enabled, extra) VALUES ('watch', 'cloudwatch', 1, '{"name": "heat-cloudwatch"}');
INSERT INTO endpoint (id, interface, service_id, url, extra, enabled)
VALUES ('watch', 'public', 'watch', 'http://192.0.2.1:8000', '{}', 1);
"""
YOUNG = "INSERT INTO instances (uuid, image_ref, deleted) VALUES ('young', 'young image', 0);"
"""A server in the middle of being made."""
QUOTA = """
INSERT INTO quotas (project_id, resource, hard_limit, deleted) VALUES ('made', 'consistencygroups', 5, 0);
"""
"""Of what the new release has no quotas any more."""
ALL = [(hop, name) for hop, planted in PLANTED.items() for name in planted]
READS = re.compile(r"\b(?:FROM|JOIN) `?(\w+)`?")
"""A table in a view's query."""
TABLES = """
SELECT table_name AS t FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'
"""


def sums(cloud: Cloud, side: str, views):
    return cloud.server.node.call("octane_views.sums", asked(views, side))


def compared(views, sides, before):
    """What the stage would find of the new one of SIDES."""

    def rows(side, queries):
        return sides[side].server.node.call("octane_views.rows", queries)

    return compare(views, before, sums(sides[NEW], NEW, views), rows)


class Pair:
    """The clouds that a hop leads from and to, and what was noted of the first."""

    def __init__(self, hop: str, sides) -> None:
        self.views = identity.load(hop)
        self.sides = sides
        self.before = sums(self.sides[OLD], OLD, self.views)

    def compared(self):
        return compared(self.views, self.sides, self.before)

    def compared_with(self, database: str, sql: str):
        """The same, with SQL done on the new side meanwhile."""
        self.sides[NEW].plant(database, sql)
        try:
            return self.compared()
        finally:
            self.sides[NEW].restore(database)


@pytest.fixture(scope="module")
def migrated(in_memory):
    """The lab's pair: its old release with rows in all tables, and the same, migrated by the new release's commands."""
    hop, root = HOPS["antelope-caracal"], in_memory / "lab"
    root.mkdir()
    made = {}

    def both():
        for side in (OLD, NEW):
            made[side] = Populated(hop.release_from, root / side)
            made[side].plant("cinder", QUOTA)
            made[side].plant("nova", YOUNG)
            made[side].keep()
        migrate(made[NEW], hop, root, LAB[hop.release_to])
        made[NEW].keep()
        return made

    yield both
    for cloud in made.values():
        cloud.server.stop()


@pytest.fixture(scope="module")
def pairs(clouds, migrated):
    """Pairs by hop, each made when it is first asked for."""
    made: dict[str, Pair] = {}

    def pair(hop):
        if hop not in made:
            of_fuel = HOPS[hop].fuel_to
            sides = {OLD: clouds(HOPS[hop].release_from), NEW: clouds(HOPS[hop].release_to)} if of_fuel else migrated()
            made[hop] = Pair(hop, sides)
        return made[hop]

    return pair


def test_every_hop_is_compared_and_twenty_differences_are_planted_in_it():
    assert set(PLANTED) == {hop.name for hop in load_hops()}
    assert {hop: len(planted) for hop, planted in PLANTED.items() if len(planted) < 20} == {}


def test_the_labs_pair_was_migrated_and_holds_what_it_held(pairs):
    """Nothing would differ either if nothing had been done."""
    new, hop = pairs("antelope-caracal").sides[NEW], HOPS["antelope-caracal"]
    # Nova finds the database of its cell 0 through a cell's record, which has no address here.
    heads = {one: new.server.call("schema_heads", one) for one in hop.databases if one != "nova_cell0"}
    assert {standing(database, found).releases for database, found in heads.items()} == {(hop.release_to,)}


@pytest.mark.parametrize(("launched", "reason"), [(False, "that has never run its EC2 id"), (True, None)])
def test_a_server_that_is_being_made_may_get_its_ec2_id_from_a_migration_and_no_other_may(pairs, launched, reason):
    uuid = "made uuid" if launched else "young"
    given = f"INSERT INTO instance_id_mappings (uuid) VALUES ('{uuid}');"
    found = pairs("antelope-caracal").compared_with("nova", given)
    told = [one for one in (*found.lost, *found.known) if one.startswith("EC2 id of a server")]
    assert len(told) == 1 and "is on the seed alone" in told[0]
    assert (found.count, told[0] in found.known) == ((1, False) if reason is None else (0, True))
    assert reason is None or reason in told[0]


@pytest.mark.parametrize("hop", PLANTED)
def test_every_kind_of_thing_has_rows_to_compare(pairs, hop):
    """A view that finds nothing in a populated cloud would prove nothing."""
    pair = pairs(hop)
    after = sums(pair.sides[NEW], NEW, pair.views)
    for side, sums_of in ((OLD, pair.before), (NEW, after)):
        assert sorted(name for name, found in sums_of.items() if not found["rows"]) == sorted(EMPTY[hop][side])


@pytest.mark.parametrize("hop", PLANTED)
def test_every_table_with_rows_is_compared_or_left_out_for_a_reason(pairs, hop):
    """What nobody thought of would be lost without a word."""
    pair = pairs(hop)
    read: dict[str, set[str]] = {}
    for view in pair.views:
        read.setdefault(view.database, set()).update(READS.findall(view.old.sql))
    forgotten, used = [], Counter()
    for database in pair.sides[OLD].dumps:
        for table in filled(pair.sides[OLD], database) - read.get(database, set()):
            pattern = pattern_of(hop, database, table)
            used[database, pattern] += 1
            forgotten += [] if pattern else [f"{database}.{table}"]
    assert sorted(forgotten) == []
    idle = [(database, one) for database, patterns in LEFT_OUT[hop].items() for one in patterns]
    assert [one for one in idle if not used[one]] == []


def filled(cloud, database):
    """Names of tables that have rows."""
    tables = [row["t"] for row in cloud.query(database, TABLES)]
    asked_for = " UNION ALL ".join(f"SELECT '{one}' AS t FROM (SELECT 1 FROM `{one}` LIMIT 1) AS x" for one in tables)
    return {row["t"] for row in cloud.query(database, asked_for)}


@pytest.mark.parametrize("hop", PLANTED)
def test_a_migration_has_the_documented_differences_and_no_other(pairs, hop):
    pair = pairs(hop)
    found = pair.compared()
    assert (found.lost, found.count) == ([], 0)
    assert sorted(found.known) == sorted(DOCUMENTED[hop])


def test_heats_endpoints_are_put_right_for_fuel_7_and_that_is_told_and_no_loss(clouds, pairs):
    """A catalogue with the ports of Fuel 6.1: a rehearsal compares without the change, the stage with it."""
    hop, pair = HOPS["juno-kilo"], pairs("juno-kilo")
    fixes = "".join(f"{one.statement};" for one in hop.rewrite)
    queries = [{"name": one.name, "database": one.database, "query": one.query} for one in hop.rewrite]
    try:
        for cloud in pair.sides.values():
            cloud.plant("keystone", PORTS_OF_FUEL_6)
        before, node = sums(pair.sides[OLD], OLD, pair.views), pair.sides[NEW].server.node
        assert [node.call("octane_rows.matching", queries)[one.name]["count"] for one in hop.rewrite] == [3, 1]
        rehearsed = compared(pair.views, pair.sides, before)
        pair.sides[NEW].plant("keystone", fixes)
        assert [found["count"] for found in node.call("octane_rows.matching", queries).values()] == [0, 0]
        found = compared(pair.views, pair.sides, before)
    finally:
        for cloud in pair.sides.values():
            cloud.restore("keystone")
    assert (rehearsed.count, rehearsed.lost, found.count, found.lost) == (0, [], 0, [])
    assert not [told for told in rehearsed.known if told.startswith("endpoint of heat")]
    told = [one for one in found.known if one.startswith("endpoint of heat")]
    assert sum("url was 'http://192.0.2.1:8003/v1', is 'http://192.0.2.1:8000/v1'" in one for one in told) == 3
    assert sum("url was 'http://192.0.2.1:8000', is 'http://192.0.2.1:8003'" in one for one in told) == 1
    assert len(told) == 4


def test_endpoints_that_have_the_new_ports_already_are_left_as_they_are(pairs):
    """As heat-cfn's of the populated cloud are."""
    fixes = "".join(f"{one.statement};" for one in HOPS["juno-kilo"].rewrite)
    found = pairs("juno-kilo").compared_with("keystone", fixes)
    assert (found.lost, found.count) == ([], 0)
    assert not [told for told in found.known if told.startswith("endpoint of heat")]


def test_what_is_put_right_for_fuel_8_is_no_difference_whether_it_was_done_or_not(pairs):
    """A rehearsal compares without it, the stage with it."""
    fixes = [one.statement for one in HOPS["kilo-liberty"].rewrite]
    found = pairs("kilo-liberty").compared_with("neutron", ";".join(fixes) + ";")
    assert (found.lost, found.count) == ([], 0)


def test_what_is_put_right_for_fuel_9_is_no_difference(pairs):
    fixes = [one.statement for one in HOPS["liberty-mitaka"].rewrite]
    found = pairs("liberty-mitaka").compared_with("keystone", ";".join(fixes) + ";")
    assert (found.lost, found.count) == ([], 0)


RARE = """
INSERT INTO domain (id, name, enabled, extra) VALUES
('escaped', 'escaped', 1, '{"description": "caf\\\\u00e9"}'), ('silent', 'silent', 0, '{"description": null}');
INSERT INTO project (id, name, domain_id, parent_id, is_domain)
VALUES ('top', 'top', 'escaped', NULL, 0), ('below', 'below', 'escaped', 'top', 0);
INSERT INTO user (id, name, domain_id, password) VALUES ('nameless', '', 'silent', ''), ('remote', 'r', 'silent', NULL);
"""
"""What a cloud may have, and the populated one has not."""


def test_what_only_few_clouds_have_is_no_difference(clouds):
    views = [view for view in identity.load("liberty-mitaka") if view.database == "keystone"]
    old, new = clouds("liberty"), clouds("mitaka")
    script = old.dumps["keystone"] + RARE
    old.restore("keystone", script)
    new.restore("keystone", script + MITAKA["keystone"])
    sides = {OLD: old, NEW: new}
    try:
        before, after = (sums(cloud, side, views) for side, cloud in sides.items())
        found = compare(
            views, before, after, lambda side, asks: sides[side].server.node.call("octane_views.rows", asks)
        )
    finally:
        for cloud in sides.values():
            cloud.restore("keystone")
    assert (found.lost, found.count) == ([], 0)


@pytest.fixture(scope="module")
def planted_all(pairs):
    """By hop: what is found when everything is planted at once, and by name the sentences that should tell of it."""
    made: dict = {}

    def found(hop):
        if hop not in made:
            made[hop] = _plant(pairs(hop), PLANTED[hop])
        return made[hop]

    return found


def _plant(pair, planted):
    cloud = pair.sides[NEW]
    rows = {name: cloud.query(one.database, one.question()) for name, one in planted.items()}
    assert [name for name, found in rows.items() if not found] == [], "there is no row to plant these in"
    values = {name: [str(value) for value in found[0].values()] for name, found in rows.items()}
    try:
        for name, one in planted.items():
            cloud.plant(one.database, one.statement(values[name]))
        with patch("octane.verify.identities.MOST", 1000):
            found = pair.compared()
    finally:
        for database in {one.database for one in planted.values()}:
            cloud.restore(database)
    keys = {name: re.escape(" ".join(row)) for name, row in values.items()}
    return found, {
        name: [sentence.replace("{key}", keys[name]) for sentence in one.told] for name, one in planted.items()
    }


@pytest.mark.parametrize(("hop", "name"), ALL)
def test_a_planted_difference_is_found_and_named(planted_all, hop, name):
    found, expected = planted_all(hop)
    for sentence in expected[name]:
        assert [said for said in found.lost if re.fullmatch(sentence, said, re.DOTALL)], (sentence, found.lost)


@pytest.mark.parametrize("hop", PLANTED)
def test_nothing_is_told_of_what_was_not_planted(planted_all, hop):
    found, expected = planted_all(hop)
    sentences = [sentence for several in expected.values() for sentence in several]
    unexpected = [said for said in found.lost if not any(re.fullmatch(one, said, re.DOTALL) for one in sentences)]
    assert unexpected == []
    assert found.count == len(found.lost) == len(sentences)


DELETED = """
INSERT INTO instances (uuid, deleted, deleted_at) SELECT CONCAT('gone-', seq), 1, NOW() FROM seq_1_to_2000;
"""


@pytest.mark.parametrize("hop", PLANTED)
def test_the_window_reads_what_lives_however_much_was_deleted(pairs, hop):
    """And finds the same documented differences, and what is planted on what lives."""
    pair = pairs(hop)
    views, old = identity.living(pair.views), pair.sides[OLD]
    before = sums(old, OLD, views)
    try:
        old.plant("nova", DELETED)
        again = sums(old, OLD, views)
    finally:
        old.restore("nova")
    assert again == before
    assert sum(found["rows"] for found in before.values()) <= sum(found["rows"] for found in pair.before.values())
    found = compared(views, pair.sides, before)
    assert (found.lost, found.count) == ([], 0)
    assert sorted(found.known) == sorted(DOCUMENTED[hop])


def test_differences_are_counted_but_not_all_told(pairs):
    sql = "UPDATE securitygrouprules SET protocol = 'x'; UPDATE ports SET name = 'x';"
    found = pairs("juno-kilo").compared_with("neutron", sql)
    assert found.count >= len(found.lost) > 1


def test_the_views_of_the_labs_pair_fit_its_schemas(clouds):
    """Those of its new release as well: what a migration moves away from under a view would be an error at night."""
    views = identity.load("antelope-caracal")
    for release, side in (("antelope", OLD), ("caracal", NEW)):
        found = sums(clouds(release), side, views)
        assert len(found) == len(views)


READER = """
import resource, sys
sys.path.insert(0, {checkout!r})
from tests.saltfiles import Node
given = {given!r}
node = Node({{"config.get": lambda key, default=None: given if key == "octane_db" else default}})
view = {{"name": "big", "database": "big", "query": "SELECT id, text FROM big", "keys": 1}}
print(node.call("octane_views.sums", [view])["big"]["rows"])
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    print(resource.getrusage(who).ru_maxrss // 1024)
"""


def test_memory_does_not_depend_on_the_number_of_rows(clouds):
    server = clouds("juno").server
    server.sql(
        "CREATE DATABASE big; USE big; CREATE TABLE big (id INT PRIMARY KEY, text TEXT);"
        "INSERT INTO big SELECT seq, REPEAT(MD5(seq), 16) FROM seq_1_to_300000;"
    )
    try:
        given = server.node.salt["config.get"]("octane_db")
        script = READER.format(checkout=str(Path(__file__).parents[2]), given=given)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    finally:
        server.sql("DROP DATABASE big;")
    rows, *memory = done.stdout.split()
    assert rows == "300000"
    assert all(int(mebibytes) < LIMIT // 1024 for mebibytes in memory), memory
