"""
Nova's configuration, records, queues and cells on a controller.
"""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

CONF = """[DEFAULT]
# compute=nothing to do with it
transport_url = rabbit://nova:p%40ss@192.168.0.3:5673,nova:p%40ss@192.168.0.4:5673/
transport_url = rabbit://nova:second@192.168.0.3:5673/

[database]
connection = mysql+pymysql://nova:new%20secret@192.168.0.1:3306/nova?charset=utf8
"""


@pytest.mark.parametrize(
    "text",
    [
        CONF,
        CONF + "\n[upgrade_levels]\ncompute = juno\nconductor=juno\n",
        CONF + "\n[upgrade_levels]\n\n[libvirt]\ncompute=mine\n",
        "[upgrade_levels]\n" + CONF,
    ],
)
def test_the_level_is_set_wherever_the_section_is_and_nothing_else_changes(tmp_path, text):
    node, path = Node(), tmp_path / "nova.conf"
    path.write_text(text)
    path.chmod(0o640)
    planned = node.state("octane_nova.upgrade_levels", "pin", "auto", config=str(path), test=True)
    assert planned["result"] is None and path.read_text() == text
    assert node.state("octane_nova.upgrade_levels", "pin", "auto", config=str(path))["changes"] == planned["changes"]
    assert node.call("octane_nova.upgrade_level", str(path)) == "auto" and path.stat().st_mode & 0o777 == 0o640
    assert node.state("octane_nova.upgrade_levels", "pin", "auto", config=str(path))["changes"] == {}
    lines = [line for line in text.splitlines() if line and line != "compute = juno"]
    assert set(lines) <= set(path.read_text().splitlines())
    node.state("octane_nova.upgrade_levels", "pin", None, config=str(path))
    assert node.call("octane_nova.upgrade_level", str(path)) is None


def test_queues_are_read_with_and_without_a_heading():
    node = Node()
    old = "compute.node-7.domain.tld\t1\nconductor\t3\ncompute\t2\n...done.\n"
    new = "name\tconsumers\ncompute.node-8.domain.tld\t0\n"
    assert node.call("octane_nova.parse_queues", old) == {"compute.node-7.domain.tld": 1}
    assert node.call("octane_nova.parse_queues", new) == {"compute.node-8.domain.tld": 0}


class Records:
    """Databases with one record of each service; what deletes them."""

    def __init__(self):
        self.deleted = []
        self.rows = {
            "`nova`.`services`": [
                {"id": "12", "binary": "nova-conductor", "host": "node-1.domain.tld", "updated": "x", "up": "0"},
                {"id": "13", "binary": "nova-compute", "host": "node-7.domain.tld", "updated": "x", "up": "1"},
            ],
            "`cinder`.`services`": [
                {"id": "3", "binary": "cinder-volume", "host": "node-1@rbd", "updated": "x", "up": "0"}
            ],
            "`neutron`.`agents`": [
                {"id": "aa-1", "binary": "neutron-l3-agent", "host": "node-1", "updated": "x", "up": "0"}
            ],
        }
        self.node = Node(
            {
                "octane_db.databases": lambda: ["cinder", "neutron", "nova"],
                "octane_mysql.query": lambda text, consistent=False: next(
                    rows for table, rows in self.rows.items() if table in text
                ),
                "octane_cloud.delete_record": lambda *one: self.deleted.append(one),
                "octane_manage.run": lambda command, timeout: self.deleted.append(tuple(command)),
            }
        )


def test_records_of_all_services_are_listed():
    found = Records().node.call("octane_nova.services")
    assert [(one["service"], one["binary"], one["up"]) for one in found] == [
        ("nova", "nova-conductor", False),
        ("nova", "nova-compute", True),
        ("cinder", "cinder-volume", False),
        ("neutron", "neutron-l3-agent", False),
    ]


def test_a_record_is_deleted_through_the_service_that_owns_it():
    records = Records()
    delete = records.node.salt["octane_nova.delete_service"]
    assert delete("nova", id="12", binary="nova-conductor", host="node-1.domain.tld") == {"deleted": True}
    assert delete("neutron", id="aa-1") == {"deleted": True}
    assert delete("cinder", binary="cinder-volume", host="node-1@rbd") == {"deleted": True}
    assert delete("nova", id="99", binary="nova-conductor", host="node-1.domain.tld") == {"deleted": False}
    assert records.deleted == [
        ("compute", "12"),
        ("network", "aa-1"),
        ("cinder-manage", "service", "remove", "cinder-volume", "node-1@rbd"),
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"id": "12", "host": "node-2.domain.tld"}, "is nova-conductor on node-1"),
        ({"id": "13"}, "is up"),
        ({"binary": "nova-conductor"}, "named by"),
    ],
)
def test_a_record_of_another_host_or_of_a_service_that_is_up_is_never_deleted(given, why):
    records = Records()
    with pytest.raises(CommandExecutionError, match=why):
        records.node.call("octane_nova.delete_service", "nova", **given)
    assert records.deleted == []


def test_cells_of_a_copied_database_are_pointed_to_this_cloud_and_no_password_is_shown(tmp_path):
    path, executed = tmp_path / "nova.conf", []
    path.write_text(CONF)
    old = "mysql+pymysql://nova:old-secret@192.168.0.1:3306/nova"
    rows = [
        {"uuid": "00000000-0000-0000-0000-000000000000", "name": "cell0", "database_connection": old + "_cell0",
         "transport_url": "none:///"},
        {"uuid": "11111111-0000-0000-0000-000000000000", "name": "cell1", "database_connection": old,
         "transport_url": "rabbit://nova:old-secret@192.168.0.3:5673/"},
    ]  # fmt: skip
    node = Node(
        {
            "octane_db.databases": lambda: ["nova_api"],
            "octane_db.tables": lambda database: ["cell_mappings"],
            "octane_mysql.query": lambda text, consistent=False: rows,
            "octane_mysql.execute": executed.append,
        }
    )
    node.set(CONFIG=str(path))
    assert node.call("octane_nova.foreign_cells") == ["cell0", "cell1"]
    assert "secret" not in str(node.call("octane_nova.cells"))
    assert node.call("octane_nova.repoint_cells") == ["cell0", "cell1"]
    wanted = "mysql+pymysql://nova:new%20secret@192.168.0.1:3306/nova_cell0?charset=utf8"
    assert wanted.encode().hex() in executed[0] and b"none:///".hex() in executed[0]
    rows[:] = rows[:1]
    rows[0]["database_connection"] = wanted
    assert node.call("octane_nova.foreign_cells") == []


def test_a_release_without_cells_has_none_that_are_foreign():
    node = Node({"octane_db.databases": lambda: ["nova"]})
    assert node.call("octane_nova.foreign_cells") == [] and node.call("octane_nova.repoint_cells") == []
