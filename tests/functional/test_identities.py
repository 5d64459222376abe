"""
What users know of a real Juno cloud, compared with the same cloud after Kilo's migrations: the documented differences
and no other, and each of twenty that were planted.
"""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest

from octane.path import identity
from octane.path.identity import NEW, OLD
from octane.verify.identities import asked, compare
from tests.functional.mariadb import MISSING
from tests.functional.real_databases import Cloud

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
VIEWS = identity.load("juno-kilo")
DOCUMENTED = {view.documented for view in VIEWS if view.documented}


@pytest.fixture(scope="module")
def sides(clouds):
    return {OLD: clouds("juno"), NEW: clouds("kilo")}


def sums(cloud: Cloud, side: str, views=VIEWS):
    return cloud.server.node.call("octane_views.sums", asked(views, side))


def compared(sides, before):
    """What the stage would find of Kilo's side."""

    def rows(side, queries):
        return sides[side].server.node.call("octane_views.rows", queries)

    return compare(VIEWS, before, sums(sides[NEW], NEW), rows)


@pytest.fixture(scope="module")
def before(sides):
    return sums(sides[OLD], OLD)


def test_every_kind_of_thing_has_rows_to_compare(before):
    """A view that finds nothing in a populated cloud would prove nothing."""
    assert [name for name, found in before.items() if not found["rows"]] == []


def test_a_real_migration_has_the_documented_differences_and_no_other(sides, before):
    found = compared(sides, before)
    assert (found.lost, found.count) == ([], 0)
    assert {sentence.partition(" (")[2][:-1] for sentence in found.known} == DOCUMENTED, found.known


PLANTED = {
    "project": ("keystone", "UPDATE project SET name = 'other' LIMIT 1", "project .*: name was .* is 'other'"),
    "user": (
        "keystone",
        "UPDATE user SET enabled = 1 - enabled WHERE enabled IS NOT NULL LIMIT 1",
        "user .*: enabled was",
    ),
    "password": (
        "keystone",
        "UPDATE user SET password = 'x' WHERE password IS NOT NULL LIMIT 1",
        "user .*: password is another",
    ),
    "role assignment": ("keystone", "DELETE FROM assignment LIMIT 1", "role assignment .* is missing on the seed"),
    "endpoint": ("keystone", "UPDATE endpoint SET url = 'http://192.0.2.1/' LIMIT 1", "endpoint .*: url was"),
    "image": ("glance", "UPDATE images SET checksum = REPEAT('0', 32) LIMIT 1", "image .*: checksum was"),
    "image owner": ("glance", "UPDATE images SET owner = 'nobody' LIMIT 1", "image .*: owner was .* is 'nobody'"),
    "volume": ("cinder", "UPDATE volumes SET size = size + 1 LIMIT 1", "volume .*: size was"),
    "attachment": ("cinder", "DELETE FROM volume_attachment LIMIT 1", "attachment of the volume .* is missing"),
    "snapshot": (
        "cinder",
        "UPDATE snapshots SET volume_size = 77 LIMIT 1",
        "snapshot of a volume .*: volume_size was .* is '77'",
    ),
    "network": ("neutron", "UPDATE networks SET shared = 1 - shared LIMIT 1", "network .*: shared was"),
    "subnet": ("neutron", "UPDATE subnets SET gateway_ip = '192.0.2.1' LIMIT 1", "subnet .*: gateway_ip was"),
    "router": ("neutron", "UPDATE routers SET name = 'other' LIMIT 1", "router .*: name was"),
    "port": ("neutron", "UPDATE ports SET mac_address = 'fa:16:3e:00:00:99' LIMIT 1", "port .*: mac_address was"),
    "floating": (
        "neutron",
        "UPDATE floatingips SET fixed_ip_address = '192.0.2.9' LIMIT 1",
        "floating address .*: fixed_ip",
    ),
    "security group": (
        "neutron",
        "UPDATE securitygroups SET description = 'other' LIMIT 1",
        "security group .*: description",
    ),
    "rule": ("neutron", "DELETE FROM securitygrouprules LIMIT 1", "rule of a security group .* is missing on the seed"),
    "flavor": ("nova", "UPDATE instance_types SET vcpus = 64 LIMIT 1", "flavor .*: vcpus was .* is '64'"),
    "keypair": ("nova", "UPDATE key_pairs SET public_key = 'x' LIMIT 1", "keypair .*: public_key is another one"),
    "server": (
        "nova",
        "UPDATE instances SET host = 'node-99' WHERE deleted = 0 LIMIT 1",
        "server .*: host was .* is 'node-99'",
    ),
    "server flavor": (
        "nova",
        'UPDATE instance_extra SET flavor = REPLACE(flavor, \'"flavorid": "\', \'"flavorid": "x\')',
        "flavor of the server .*: flavor was .* is 'x",
    ),
    "stack": (
        "heat",
        "UPDATE stack SET status = 'FAILED' WHERE status <> 'FAILED' LIMIT 1",
        "stack .*: status was .* is 'FAILED'",
    ),
    "stack parameters": (
        "heat",
        "UPDATE raw_template SET environment = '{}' WHERE environment IS NOT NULL",
        "parameters of the stack .*: parameters is another",
    ),
    "something more": (
        "keystone",
        "INSERT INTO role (id, name) VALUES ('planted', 'planted')",
        "role planted is on the seed alone",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found_and_named(sides, before, name):
    database, statement, sentence = PLANTED[name]
    sides[NEW].plant(database, statement + ";")
    try:
        found = compared(sides, before)
    finally:
        sides[NEW].restore(database)
    assert found.count >= 1
    assert any(re.match(sentence, said) for said in found.lost), found.lost


def test_differences_are_counted_but_not_all_told(sides, before):
    fewer = copy.deepcopy(before)
    sides[NEW].plant("neutron", "UPDATE securitygrouprules SET protocol = 'x'; UPDATE ports SET name = 'x';")
    try:
        found = compared(sides, fewer)
    finally:
        sides[NEW].restore("neutron")
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
    assert all(int(mebibytes) < 300 for mebibytes in memory), memory
