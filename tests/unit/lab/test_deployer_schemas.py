"""Schemas are made by each service's own command once for a release, and never loaded over what is there."""

import subprocess

import pytest

from lab.deployer import cloud

DUMP = "CREATE TABLE user (id int);\n"


class Host:
    """A controller whose database has some tables."""

    name = "node-1"

    def __init__(self, tables):
        self.tables = tables
        self.ran = []

    def run(self, argv, input=None, **options):
        self.ran.append((argv, input))
        said = {"mysqldump": DUMP, "mysql": f"{self.tables}\n"}.get(argv[0], "")
        return subprocess.CompletedProcess(argv, 0, stdout=said)

    @property
    def programs(self):
        return {argv[0] for argv, _ in self.ran}

    @property
    def loaded(self):
        return [given for _, given in self.ran if given is not None]


@pytest.fixture(autouse=True)
def no_keystone(monkeypatch):
    monkeypatch.setattr(cloud, "bootstrap_keystone", lambda host, environment: None)


def test_the_first_deployment_of_a_release_makes_its_schemas_and_keeps_them_without_its_cells(tmp_path):
    host = Host(tables=0)
    cloud.synchronise(host, None, tmp_path)
    assert {"keystone-manage", "cinder-manage", "glance-manage", "neutron-db-manage", "heat-manage"} < host.programs
    assert (tmp_path / cloud.SCHEMAS).read_text() == DUMP
    dump = next(argv for argv, _ in host.ran if argv[0] == "mysqldump")
    assert "--ignore-table-data=nova_api.cell_mappings" in dump and "--skip-add-drop-table" in dump


def test_another_one_loads_them_and_makes_only_what_is_this_clouds_own(tmp_path):
    (tmp_path / cloud.SCHEMAS).write_text(DUMP)
    host = Host(tables=0)
    cloud.synchronise(host, None, tmp_path)
    assert host.loaded == [DUMP]
    assert host.programs == {"mysql", "nova-manage"}
    assert all("cell_v2" in argv for argv, _ in host.ran if argv[0] == "nova-manage")


def test_nothing_is_loaded_over_a_cloud_that_is_there(tmp_path):
    (tmp_path / cloud.SCHEMAS).write_text("something else\n")
    host = Host(tables=500)
    cloud.synchronise(host, None, tmp_path)
    assert host.loaded == [] and "keystone-manage" in host.programs
    assert (tmp_path / cloud.SCHEMAS).read_text() == "something else\n"
