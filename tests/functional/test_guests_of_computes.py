"""Guests of a compute in real schemas, from Juno to 2024.1: of every project, in every state, on their way to it."""

import os

import pytest

from tests.functional.mariadb import MISSING
from tests.functional.real_databases import Cloud

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
NAMES = ["node-7.domain.tld", "node-7"]
GUESTS = """
INSERT INTO instances (uuid, host, vm_state, project_id, deleted{more}) VALUES
    ('here-active', 'node-7.domain.tld', 'active', 'one', 0{values}),
    ('here-stopped', 'node-7', 'stopped', 'two', 0{values}),
    ('here-broken', 'node-7.domain.tld', 'error', 'two', 0{values}),
    ('gone', 'node-7.domain.tld', 'deleted', 'two', 77{values}),
    ('elsewhere', 'node-8.domain.tld', 'active', 'two', 0{values}),
    ('comes', 'node-8.domain.tld', 'active', 'two', 0{values}),
    ('came-and-left', 'node-8.domain.tld', 'active', 'two', 0{values});
INSERT INTO migrations (instance_uuid, source_compute, dest_compute, status, deleted) VALUES
    ('comes', 'node-8.domain.tld', 'node-7.domain.tld', 'running', 0),
    ('came-and-left', 'node-8.domain.tld', 'node-7.domain.tld', 'completed', 0);
"""


@pytest.mark.parametrize("release", ["juno", "kilo", "antelope", "caracal"])
def test_all_that_are_on_a_compute_or_on_their_way_to_it_are_found(release, tmp_path):
    cloud = Cloud(release, tmp_path / "server")
    try:
        cloud.restore("nova")
        needs = cloud.query("nova", "SHOW COLUMNS FROM instances LIKE 'hidden'")
        more = {"more": ", hidden", "values": ", 0"} if needs else {"more": "", "values": ""}
        cloud.plant("nova", "DELETE FROM instances; DELETE FROM migrations;" + GUESTS.format(**more))
        found = cloud.server.node.call("octane_guests.recorded", NAMES)
        assert {one["uuid"]: one["state"] for one in found} == {
            "here-active": "active", "here-stopped": "stopped", "here-broken": "error", "comes": "migrating"
        }  # fmt: skip
        assert cloud.server.node.call("octane_guests.recorded", ["node-9"]) == []
    finally:
        cloud.server.stop()
