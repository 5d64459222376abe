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
from pathlib import Path

import pytest

from octane.path import identity, load_hops, standing
from octane.path.identity import NEW, OLD
from octane.verify.identities import asked, compare
from tests.functional.differences import PLANTED
from tests.functional.later_databases import MITAKA
from tests.functional.mariadb import MISSING
from tests.functional.populated import Populated, migrate
from tests.functional.real_databases import HOPS, LAB, Cloud
from tests.memory import LIMIT

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
PUT_RIGHT = {"heat_endpoints"}
"""Views that differ by what the hop puts right after the migrations, where there is something to put right."""
PORTS_OF_FUEL_6 = """
UPDATE endpoint e JOIN service s ON s.id = e.service_id SET e.url = 'http://192.0.2.1:8003/v1'
WHERE s.type = 'cloudformation';
INSERT INTO service (id, type, enabled, extra) VALUES ('watch', 'cloudwatch', 1, '{"name": "heat-cloudwatch"}');
INSERT INTO endpoint (id, interface, service_id, url, extra, enabled)
VALUES ('watch', 'public', 'watch', 'http://192.0.2.1:8000', '{}', 1);
"""
ALL = [(hop, name) for hop, planted in PLANTED.items() for name in planted]


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


@pytest.mark.parametrize("hop", PLANTED)
def test_every_kind_of_thing_has_rows_to_compare(pairs, hop):
    """A view that finds nothing in a populated cloud would prove nothing."""
    pair = pairs(hop)
    after = sums(pair.sides[NEW], NEW, pair.views)
    assert [name for name, found in pair.before.items() if not found["rows"]] == []
    assert [name for name, found in after.items() if not found["rows"]] == []


@pytest.mark.parametrize("hop", PLANTED)
def test_a_migration_has_the_documented_differences_and_no_other(pairs, hop):
    pair = pairs(hop)
    found = pair.compared()
    assert (found.lost, found.count) == ([], 0)
    documented = {view.documented for view in pair.views if view.documented and view.name not in PUT_RIGHT}
    assert {sentence.partition(" (")[2][:-1] for sentence in found.known} == documented, found.known


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


@pytest.mark.parametrize(("hop", "name"), ALL)
def test_a_planted_difference_is_found_and_named(pairs, hop, name):
    database, statement, sentence = PLANTED[hop][name]
    found = pairs(hop).compared_with(database, statement + ";")
    assert found.count >= 1
    assert any(re.match(sentence, said) for said in found.lost), found.lost


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
