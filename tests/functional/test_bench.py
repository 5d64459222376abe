"""
What ``octane-lab fill`` makes and ``octane-lab bench db`` measures, on two real servers instead of a lab's hosts.
"""

import random

import pytest

from lab.bench import fill, ways
from lab.bench.history import ORDER, Place
from lab.bench.history import Server as Gone
from lab.state import LabError
from tests.functional.mariadb import NEEDED, two_servers

pytestmark = NEEDED


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with two_servers(tmp_path_factory.mktemp("mariadb"), ["--log-bin=binlog", "--server-id=1"]) as pair:
        yield pair


def definition(table, row, shadow):
    """A table with the columns of such a row, and the references that nova has."""
    name = f"shadow_{table}" if shadow else table
    columns = ["id INT PRIMARY KEY AUTO_INCREMENT", "deleted INT"]
    for column in row:
        kind = "DATETIME" if column.endswith(("_at", "_time")) else "MEDIUMTEXT"
        columns.append(f"`{column}` {'VARCHAR(36)' if column.endswith('uuid') else kind}")
    if table == "instances":
        columns.append("UNIQUE KEY (uuid)")
    elif not shadow and "instance_uuid" in row:
        columns.append("FOREIGN KEY (instance_uuid) REFERENCES instances (uuid)")
    if table == "instance_actions_events":
        columns.append("action_id INT")
        columns += [] if shadow else ["FOREIGN KEY (action_id) REFERENCES instance_actions (id)"]
    return f"CREATE TABLE `{name}` ({', '.join(columns)}) DEFAULT CHARSET=utf8;"


def make_schema(server):
    """nova's tables, as far as they are filled, and its computes."""
    seen = {}
    draw = random.Random(0)
    while len(seen) < len(ORDER):
        seen |= dict(Gone(draw, Place([("c", "c")], ["p"], ["u"])).rows())
    tables = "".join(definition(table, seen[table], shadow) for shadow in (False, True) for table in ORDER)
    server.sql(
        "DROP DATABASE IF EXISTS nova; CREATE DATABASE nova CHARACTER SET utf8; USE nova;"
        "CREATE TABLE compute_nodes (id INT PRIMARY KEY, host TEXT, hypervisor_hostname TEXT, deleted INT);"
        "INSERT INTO compute_nodes VALUES (1, 'node-7', 'node-7.domain.tld', 0);" + tables
    )


@pytest.fixture
def old(servers):
    make_schema(servers[0])
    return servers[0]


def database(server):
    return fill.Database(["mysql", *server.node.call("octane_mysql.options")], "nova")


def test_the_same_seed_makes_the_same_rows_and_each_finds_what_it_refers_to(old):
    sums = []
    for seed in (7, 7, 8):
        make_schema(old)
        done = fill.fill(database(old), 2_000_000, seed)
        sums.append(old.call("checksums", ["nova"]))
        assert 2_000_000 <= done["bytes"] < 2_200_000 and done["servers"] > 10
    assert sums[0] == sums[1] != sums[2]
    counts = old.call("row_counts", ["nova"])["nova"]
    assert all(counts[table] and counts[f"shadow_{table}"] for table in ORDER)
    for table in ORDER[1:]:
        column, parent, key = ("instance_uuid", "instances", "uuid")
        if table == "instance_actions_events":
            column, parent, key = ("action_id", "instance_actions", "id")
        for name, other in ((table, parent), (f"shadow_{table}", f"shadow_{parent}")):
            lost = database(old).rows(
                f"SELECT COUNT(*) FROM `{name}` c LEFT JOIN `{other}` p ON c.`{column}` = p.`{key}` WHERE p.id IS NULL"
            )
            assert lost == [["0"]], name
    # The cloud's own hosts, which nova looks for, and nothing that is not deleted.
    assert database(old).rows("SELECT DISTINCT host, node, deleted = id FROM instances") == [
        ["node-7", "node-7.domain.tld", "1"]
    ]


def test_more_is_added_to_what_is_there(old):
    first = fill.fill(database(old), 300_000, 1)
    second = fill.fill(database(old), 300_000, 1)
    counts = old.call("row_counts", ["nova"])["nova"]
    assert counts["instances"] + counts["shadow_instances"] == first["servers"] + second["servers"]


def test_a_database_that_is_not_novas_is_refused(old):
    old.sql("DROP TABLE nova.instance_faults")
    with pytest.raises(LabError, match="no table instance_faults"):
        fill.fill(database(old), 1000, 1)


@pytest.mark.parametrize("text", ["", "0", "12T", "-1", "M"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(LabError):
        fill.size(text)
    assert (fill.size("200M"), fill.size("2G")) == (200_000_000, 2_000_000_000)


def task(servers, folder):
    sides = [
        ways.Side(one.root.name, list, tuple(one.node.call("octane_mysql.options")), "127.0.0.1", one.node.call)
        for one in servers
    ]
    return ways.Task(*sides, ("nova",), folder)


def test_each_way_brings_everything_and_is_measured_in_turn(old, servers, tmp_path):
    fill.fill(database(old), 3_000_000, 1)
    told = []
    seconds = ways.measure(task(servers, tmp_path), ways.KNOWN, 3, told.append)
    assert {name: len(times) for name, times in seconds.items()} == {"old": 3, "dump": 3, "pipe": 3}
    assert [line.split(":")[0] for line in told] == ["old", "dump", "pipe"] * 3
    found = ways.summary(seconds)
    assert set(found["seconds"]) == {"old", "dump", "replica_window", "pipe"} and found["seconds"]["old"] > 0
    assert set(found["ratio"]) == {"dump", "replica_window", "pipe"} and found["ratio"]["replica_window"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dump.sql.gz"]


def test_a_way_that_loses_a_row_is_no_result(old, servers, tmp_path):
    fill.fill(database(old), 300_000, 1)

    def loses(task):
        seconds = ways.old(task)
        task.target.rows("DELETE FROM nova.instance_faults LIMIT 1")
        return seconds

    with pytest.raises(ways.BenchError, match=r"old: not equal afterwards: nova\.instance_faults"):
        ways.measure(task(servers, tmp_path), {"old": loses}, 1)


def test_what_is_made_empty_keeps_no_log_of_it_which_would_fill_a_disk_in_a_few_rounds(old, servers, tmp_path):
    server = task(servers, tmp_path).source
    server.rows("CREATE DATABASE gone; FLUSH BINARY LOGS")
    server.empty(["gone"])
    assert len(server.rows("SHOW BINARY LOGS")) == 1 and ["gone"] not in server.rows("SHOW DATABASES")


def test_the_median_counts():
    seconds = {"old": [10.0, 30.0, 20.0], "dump": [5.0, 4.0, 100.0], "pipe": [1.0, 1.0, 1.0]}
    assert ways.summary(seconds) == {
        "seconds": {"old": 20.0, "dump": 5.0, "replica_window": None, "pipe": 1.0},
        "ratio": {"dump": 0.25, "replica_window": None, "pipe": 0.05},
    }
