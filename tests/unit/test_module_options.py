"""Single options of configuration files on a node."""

import pytest
from salt.exceptions import CommandExecutionError

from tests.saltfiles import Node

NEUTRON = """[DEFAULT]
# nova_admin_tenant_id =
nova_admin_username = nova
nova_admin_tenant_id = 11111111111111111111111111111111
nova_admin_password = p%ss=w"'rd

[keystone_authtoken]
admin_tenant_name=services
nova_admin_tenant_id = not of this section
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "neutron.conf"
    path.write_text(NEUTRON)
    path.chmod(0o640)
    return path


def test_one_option_is_set_and_nothing_else_changes(path):
    node = Node()
    assert node.call("octane_options.put", str(path), "DEFAULT", "nova_admin_tenant_id", "2222") == {"changed": True}
    assert node.call("octane_options.get", str(path), "DEFAULT", "nova_admin_tenant_id") == "2222"
    assert node.call("octane_options.put", str(path), "DEFAULT", "nova_admin_tenant_id", "2222") == {"changed": False}
    gone = "nova_admin_tenant_id = 11111111111111111111111111111111"
    left = [line for line in NEUTRON.splitlines() if line != gone]
    assert [line for line in path.read_text().splitlines() if line != "nova_admin_tenant_id=2222"] == left
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["neutron.conf"]


def test_what_is_not_said_is_nothing_and_a_section_is_made_for_it(path):
    node = Node()
    assert node.call("octane_options.get", str(path), "nova", "tenant_id") is None
    assert node.call("octane_options.get", str(path.with_name("other")), "nova", "tenant_id") is None
    node.call("octane_options.put", str(path), "nova", "tenant_id", "2222")
    assert path.read_text() == NEUTRON + "\n[nova]\ntenant_id=2222\n"
    node.call("octane_options.put", str(path), "nova", "tenant_id", None)
    assert node.call("octane_options.get", str(path), "nova", "tenant_id") is None


@pytest.mark.parametrize(
    ("option", "value"), [("a b", "1"), ("a=b", "1"), ("a", "1\n[DEFAULT]"), ("a", "1\r"), ("a", " 1")]
)
def test_what_would_be_more_than_one_option_is_not_written(path, option, value):
    with pytest.raises(CommandExecutionError, match="not what can be written"):
        Node().call("octane_options.put", str(path), "DEFAULT", option, value)
    assert path.read_text() == NEUTRON
