"""What the lab's own clients rest on: the credentials they find, what they load, and what they call a difference."""

import stat
from types import SimpleNamespace

from lab import client, compare, content

OPENRC_61 = """#!/bin/sh
export LC_ALL=C
export OS_NO_CACHE='true'
export OS_TENANT_NAME='admin'
export OS_USERNAME='admin'
export OS_PASSWORD='two words'
export OS_AUTH_URL='http://192.168.0.1:5000/v2.0/'
"""
FACTS = {
    "public_vip": "172.16.0.2",
    "management_vip": "192.168.0.1",
    "nodes": [
        {
            "name": "node-1",
            "role": "primary-controller",
            "internal_address": "192.168.0.3",
            "public_address": "172.16.0.4",
        },
        {"name": "node-7", "role": "compute", "internal_address": "192.168.0.6"},
    ],
}


def test_credentials_come_from_a_fuel_controller():
    found = client.from_controller(OPENRC_61, FACTS)
    assert (found.username, found.project, found.auth_url) == ("admin", "admin", "http://172.16.0.2:5000/v3")
    assert found.password == "two words"
    assert found.addresses == {
        "public VIP": "172.16.0.2",
        "management VIP": "192.168.0.1",
        "node-1 management": "192.168.0.3",
        "node-1 public": "172.16.0.4",
    }


def test_kept_credentials_are_for_their_owner_alone(tmp_path):
    mine = client.from_controller(OPENRC_61, FACTS)
    client.save(tmp_path, mine)
    assert client.load(tmp_path) == mine
    assert stat.S_IMODE((tmp_path / client.CREDENTIALS).stat().st_mode) == 0o600


def test_each_user_has_a_password_and_each_image_bytes_of_its_own():
    users = content.numbered("user", 40)
    assert len({content.password_of(user) for user in users}) == 40
    assert content.password_of("user-01") == content.password_of("user-01")
    images = [content.bytes_of_image(number) for number in range(30)]
    assert len(set(images)) == 30 and images[3] == content.bytes_of_image(3)


def test_every_change_of_a_row_is_a_difference():
    before = {"servers": {"a": {"status": "ACTIVE"}, "b": {"status": "ACTIVE"}}}
    after = {"servers": {"a": {"status": "ERROR"}, "c": {"status": "ACTIVE"}}}
    assert list(compare.differences(before, before)) == []
    assert [line.split(":")[0] for line in compare.differences(before, after)] == [
        "servers a status", "servers b is missing", "servers c is new"
    ]


def test_a_kind_that_vanished_is_a_difference():
    assert list(compare.differences({"stacks": {"a": {"name": "s"}}}, {}))


def test_what_the_probe_made_is_not_compared():
    flavors = [SimpleNamespace(id="1", name="small"), SimpleNamespace(id="2", name="probe-5f-1")]
    assert set(compare.rows("flavors", flavors)) == {"1"}


def test_the_order_in_which_an_api_lists_things_does_not_matter():
    one, other = (SimpleNamespace(id="1", name="net", subnet_ids=ids) for ids in (["x", "y"], ["y", "x"]))
    assert compare.row("networks", one) == compare.row("networks", other)


class Store:
    """An object store with one container."""

    def __init__(self, content):
        self.content = content

    def containers(self):
        return [SimpleNamespace(name="project-01")]

    def objects(self, container):
        return [SimpleNamespace(name=name) for name in self.content]

    def get(self, path):
        name = path.removeprefix("/project-01/").replace("%20", " ")
        content = self.content[name]
        return SimpleNamespace(status_code=200, headers={"Content-Type": "text/plain"}, content=content)


def test_objects_are_compared_by_what_a_user_downloads(monkeypatch):
    projects = {"a": {"name": "project-01"}, "b": {"name": "services"}}
    stores = iter([Store({"one": b"1", "a b": b"2"}), Store({"one": b"other", "a b": b"2"})])
    monkeypatch.setattr(client, "connect", lambda credentials, name: SimpleNamespace(object_store=next(stores)))
    before, after = (compare.objects(None, projects) for _ in range(2))
    assert set(before) == {"project-01 project-01/one", "project-01 project-01/a b"}
    (difference,) = compare.differences({"objects": before}, {"objects": after})
    assert difference.startswith("objects project-01 project-01/one sha256:")
