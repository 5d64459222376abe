"""What ``octane-lab fill`` writes: as varied as a real cloud's rows, the same for a seed, each with its parent."""

from __future__ import annotations

import base64
import json
import random
import re
import zlib
from collections import Counter
from itertools import pairwise

import pytest

from lab.bench import fill
from lab.bench.history import ORDER, Place, Server

MEGABYTES = 4
COLUMNS = {name: ["id"] for table in ORDER for name in (table, f"shadow_{table}")}


class Client:
    """A database without compute hosts."""

    def rows(self, statement):
        return []


def written(seed, wanted=MEGABYTES * 1_000_000):
    draw = random.Random(seed)
    batch = fill.Batch(COLUMNS, dict.fromkeys(ORDER, 0))
    parts = list(fill.servers(batch, draw, fill.place(Client(), draw), wanted))
    return "".join(text for text, _ in parts), sum(count for _, count in parts)


@pytest.fixture(scope="module")
def text():
    return written(1)[0]


@pytest.fixture(scope="module")
def rows():
    """Rows of many servers by table."""
    draw = random.Random(2)
    where = fill.place(Client(), draw)
    found: dict[str, list[dict]] = {}
    for _ in range(300):
        for table, row in Server(draw, where).rows():
            found.setdefault(table, []).append(row)
    return found


def test_rows_are_no_nonsense_that_compresses_away(text):
    """The populated cloud of a real old release shrinks to a tenth, rows of the first version of this did so too."""
    data = text.encode()
    assert len(data) / len(zlib.compress(data, 6)) < 5


def test_as_many_bytes_are_written_as_are_counted(text):
    counted = written(1)[1]
    assert counted >= MEGABYTES * 1_000_000 and 0.97 < len(text.encode()) / counted < 1.03


def test_the_same_seed_writes_the_same_and_another_one_something_else(text):
    assert written(1)[0] == text != written(2)[0]


@pytest.mark.parametrize(
    ("table", "column", "share"),
    [
        ("instances", "uuid", 1),
        ("instances", "hostname", 0.95),
        ("instances", "reservation_id", 1),
        ("instances", "display_description", 0.8),
        ("instance_info_caches", "network_info", 1),
        ("instance_actions", "request_id", 1),
        ("instance_actions_events", "traceback", 0.99),
        ("instance_faults", "details", 1),
        ("block_device_mapping", "connection_info", 1),
        ("instance_metadata", "value", 0.6),
    ],
)
def test_values_differ_from_row_to_row(rows, table, column, share):
    values = [row[column] for row in rows[table] if row[column] is not None]
    assert len(values) > 40 and len(set(values)) >= share * len(values)


def test_there_are_many_users_projects_networks_and_keys_and_each_has_several_servers(rows):
    instances = rows["instances"]
    for column in ("user_id", "project_id"):
        count = Counter(row[column] for row in instances)
        assert len(count) > 100 and max(count.values()) > 1
    labels = {json.loads(row["network_info"])[0]["network"]["label"] for row in rows["instance_info_caches"]}
    assert len(labels) > 50
    keys = {re.search(r"ssh-rsa (\S+)", row["keypairs"])[1] for row in rows["instance_extra"]}
    assert len(keys) == len({row["user_id"] for row in instances})


def test_json_and_user_data_can_be_read_as_nova_reads_them(rows):
    for row in rows["instance_info_caches"]:
        for port in json.loads(row["network_info"]):
            assert re.fullmatch(r"fa(:[0-9a-f]{2}){5}", port["address"]) and port["network"]["subnets"][0]["ips"]
    for row in rows["block_device_mapping"]:
        assert json.loads(row["connection_info"])["serial"] == row["volume_id"]
    for row in rows["instance_extra"]:
        assert json.loads(row["flavor"])["nova_object.data"]["cur"]["nova_object.name"] == "Flavor"
    given = [row["user_data"] for row in rows["instances"] if row["user_data"]]
    assert 100 < len(given) < 300
    assert all(base64.b64decode(one).startswith(b"#cloud-config\n") and len(one) < 65535 for one in given)


def test_events_name_their_actions_and_rows_of_several_servers_lie_between_each_other():
    text, _ = written(3, 1_700_000)
    inserted = dict(re.findall(r"INSERT INTO `(\w+)` \(.*?\) VALUES\n(.*?);\n(?=INSERT|$)", text, re.DOTALL))
    for shadow in ("", "shadow_"):
        actions = inserted[f"{shadow}instance_actions"].split("),\n")
        ids = {re.search(r",(\d+),0\)?$", row)[1] for row in actions}
        events = inserted[f"{shadow}instance_actions_events"].split("),\n")
        named = {re.search(r",\d+,0,(\d+)\)?$", row)[1] for row in events}
        assert named <= ids and len(named) > 0.9 * len(ids)
        owners = [re.search(r"'([0-9a-f-]{36})'", row)[1] for row in actions]
        changes = sum(one != other for one, other in pairwise(owners))
        assert changes > 0.5 * len(owners)


def test_only_hosts_that_nova_knows_are_named():
    draw = random.Random(4)
    where = Place([("node-7", "node-7.domain.tld")], ["p"], ["u"])
    for table, row in Server(draw, where).rows():
        assert row.get("host") in (None, "node-7"), table
