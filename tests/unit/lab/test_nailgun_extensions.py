"""Additions to the lab's Nailgun: hooked in, reloaded and broken as on a real master."""

import os
import sys

import pytest

from lab.nailgun import initial
from lab.nailgun.extensions import Extensions, write_tree
from tests.unit.lab.nailgun_master import Master

ADDITION = """\
from nailgun import objects
from nailgun.api.v1.handlers import base
from nailgun.api.v1.validators.base import BasicValidator
from nailgun.errors import errors
from nailgun.extensions import BaseExtension
from nailgun.extensions.cluster_upgrade.objects.relations import UpgradeRelationObject


class CountValidator(BasicValidator):

    @classmethod
    def validate(cls, data, cluster_id):
        data = cls.validate_json(data)
        cls.validate_schema(data, {"type": "object", "required": ["role"]})
        if UpgradeRelationObject.get_cluster_relation(cluster_id) is None:
            raise errors.InvalidData("no pair", log_message=True)
        return data


class CountHandler(base.BaseHandler):

    validator = CountValidator

    @base.content
    def POST(self, cluster_id):
        cluster = self.get_object_or_404(objects.Cluster, cluster_id)
        data = self.checked_data(cluster_id=int(cluster_id))
        nodes = objects.Cluster.get_nodes_by_role(cluster, data["role"])
        manager = objects.Cluster.get_network_manager(instance=cluster)
        return dict((node.uid, manager.get_node_networks_ips(node)) for node in nodes)


class Counting(BaseExtension):
    name = "counting"
    version = "1.0.0"
    urls = [{"uri": r"/clusters/(?P<cluster_id>\\\\d+)/count/?$", "handler": CountHandler}]
"""
HOOK = "    return [VolumeManagerExtension, ClusterUpgradeExtension]"


@pytest.fixture(autouse=True)
def no_emulated_modules_left():
    """What one test emulates must not be another's."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "nailgun"]:
        del sys.modules[name]


class Host:
    """A master's files, the server reading them, and a restart."""

    def __init__(self, root):
        self.site_packages = write_tree(root)
        self.base = self.site_packages / "nailgun/extensions/base.py"
        self.restart_file = root / "restart"
        state = initial.recorded()
        state.settings["extensions"] = []
        self.master = Master(state, extensions=Extensions(self.site_packages, self.restart_file))
        self.restarts = 0

    def hook_in(self, text=ADDITION):
        (self.site_packages / "nailgun/extensions/counting.py").write_text(text.replace("\\\\", "\\"))
        hooked = "    from nailgun.extensions.counting import Counting\n" + HOOK.replace("]", ", Counting]")
        self.base.write_text(self.base.read_text().replace(HOOK, hooked))

    def restart(self):
        self.restarts += 1
        self.restart_file.touch()
        os.utime(self.restart_file, (self.restarts, self.restarts))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_stock_7_0_has_no_clone_ips(host):
    assert host.master.send("POST", "/clusters/1/upgrade/clone_ips", {"networks": []}) == (404, "not found")


def test_an_addition_answers_after_a_restart_only(host):
    host.hook_in()
    assert host.master.send("POST", "/clusters/1/count", {"role": "cinder"}) == (404, "not found")
    host.restart()
    assert host.master.message("POST", "/clusters/1/count", {"role": "cinder"}) == (400, "no pair")
    host.master.clone()
    assert host.master.send("POST", "/clusters/1/count", {"role": "cinder"}) == (
        200,
        {"5": {"management": "192.168.0.7", "storage": "192.168.1.5"}},
    )
    assert host.master.message("POST", "/clusters/77/count", {"role": "x"}) == (404, "Cluster not found")
    assert host.master.message("POST", "/clusters/1/count", {}) == (400, "'role' is a required property")
    assert host.master.send("GET", "/clusters/1/count") == (405, "None")


def test_a_broken_addition_breaks_every_request_until_it_is_repaired(host):
    host.hook_in("import a_module_that_is_not_there\n")
    host.restart()
    assert host.master.send("GET", "/version") == (500, "Unexpected exception, please check logs")
    host.hook_in()
    assert host.master.send("GET", "/version")[0] == 500
    host.restart()
    assert host.master.send("GET", "/version")[0] == 200


def test_nothing_is_written_beside_the_extensions(host):
    before = sorted(host.site_packages.rglob("*"))
    host.restart()
    host.master.get("/version")
    assert sorted(host.site_packages.rglob("*")) == before


def test_the_servers_own_extension_still_answers(host):
    assert host.master.message("POST", "/clusters/1/upgrade/clone", {}) == (400, "'name' is a required property")
