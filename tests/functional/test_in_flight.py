"""
Work in the middle of which a cloud of the lab's releases may be: every state that their real code knows is found, or is
one that a thing may stay in.
"""

import json
import os
import subprocess

import pytest

from octane.procedure import db_rows
from tests.functional.mariadb import MISSING
from tests.functional.real_commands import programs
from tests.functional.real_databases import HOPS

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
HOP = HOPS["antelope-caracal"]
ENUM = "from cinder.objects import fields; states = fields.{}.ALL"
GROUP_OF = "INSERT IGNORE INTO `groups` (id, deleted, status) VALUES ('g', 0, 'available');"
VOLUME = """
INSERT INTO volumes (id, deleted, volume_type_id, use_quota, {column})
SELECT '{id}', 0, id, 1, '{state}' FROM volume_types LIMIT 1;
"""
SNAPSHOT = """
INSERT INTO snapshots (id, volume_id, volume_type_id, use_quota, status, deleted)
SELECT '{id}', 'v', id, 1, '{state}', 0 FROM volume_types LIMIT 1;
"""
IMAGE = """
INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, visibility, protected, os_hidden)
VALUES ('{id}', '{state}', NOW(), 0, 0, 0, 'shared', 0, 0);
"""
STACK = """
INSERT IGNORE INTO raw_template (id) VALUES (1);
INSERT INTO stack (id, raw_template_id, disable_rollback, status) VALUES ('{id}', 1, 0, '{state}');
"""
TASK = """
INSERT INTO tasks (id, type, status, owner, created_at, deleted)
VALUES ('{id}', 'import', '{state}', 'o', NOW(), 0);
"""
KINDS = {
    "volumes": (
        "volumes_in_transition",
        ENUM.format("VolumeStatus"),
        VOLUME.replace("{column}", "status"),
        {"available", "in-use", "maintenance", "reserved", "awaiting-transfer"},
    ),
    "volumes_that_move": (
        "volumes_in_transition",
        ENUM.format("VolumeMigrationStatus"),
        VOLUME.replace("{column}", "migration_status"),
        {"none", "success"},
    ),
    "snapshots": ("snapshots_in_transition", ENUM.format("SnapshotStatus"), SNAPSHOT, {"available", "deleted"}),
    "backups": (
        "backups_in_transition",
        ENUM.format("BackupStatus"),
        "INSERT INTO backups (id, volume_id, status, deleted) VALUES ('{id}', 'v', '{state}', 0);",
        {"available", "deleted"},
    ),
    "groups": (
        "groups_in_transition",
        ENUM.format("GroupStatus"),
        "INSERT INTO `groups` (id, deleted, status) VALUES ('{id}', 0, '{state}');",
        {"available", "deleted", "in-use"},
    ),
    "snapshots_of_groups": (
        "groups_in_transition",
        ENUM.format("GroupSnapshotStatus"),
        GROUP_OF + "INSERT INTO group_snapshots (id, group_id, deleted, status) VALUES ('{id}', 'g', 0, '{state}');",
        {"available", "deleted"},
    ),
    "images": (
        "images_being_saved",
        "from glance.domain import Image; states = list(Image.valid_state_targets)",
        IMAGE,
        {"queued", "active", "killed", "pending_delete", "deleted", "deactivated"},
    ),
    "tasks": (
        "image_tasks_under_way",
        "from glance.domain import Task; states = list(Task._supported_task_status)",
        TASK,
        {"success", "failure"},
    ),
    "stacks": (
        "stacks_in_progress",
        "from heat.engine.stack import Stack; states = list(Stack.STATUSES)",
        STACK,
        {"COMPLETE", "FAILED"},
    ),
    "servers": (
        "instances_with_a_task",
        "from nova.compute import task_states as t; "
        "states = [v for k, v in vars(t).items() if k.isupper() and isinstance(v, str)]",
        "INSERT INTO instances (uuid, deleted, task_state) VALUES ('{id}', 0, '{state}');",
        set(),
    ),
}


def known(version, statement):
    """The states that the real code of a release has."""
    told = [f"{programs(version)}/python", "-c", f"import json; {statement}; print(json.dumps(sorted(states)))"]
    return json.loads(subprocess.run(told, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


@pytest.mark.parametrize("version", ["2023.1", "2024.1"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_state_is_in_flight_or_one_to_stay_in(planted, kind, version):
    name, statement, sql, rest = KINDS[kind]
    rest = rest | {state for state in known(version, statement) if state.startswith("error")}
    between = sorted(set(known(version, statement)) - rest)
    assert between, "some state is none to stay in"
    states = [*between, *sorted(rest)]
    (check,) = [one for one in HOP.in_flight if one.name == name]
    rows = "".join(sql.format(id=f"{kind}-{number}", state=state) for number, state in enumerate(states))
    cloud = planted(HOP.name, check.database, rows)
    query = db_rows.questions([check])[0]["query"]
    found = cloud.server.node.call("octane_mysql.query", f"USE {check.database}; {query}")
    numbers = sorted(int(row["id"].rpartition("-")[2]) for row in found)
    assert [states[number] for number in numbers] == between
