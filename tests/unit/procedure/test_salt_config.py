"""Salt's configuration is ours in one file, and the site's own stays in force beside it."""

import pytest
import yaml

from octane.errors import Refused
from octane.fuel import credentials
from octane.procedure import salt_config
from octane.service import Running


@pytest.fixture
def salt(tmp_path, monkeypatch):
    directory = tmp_path / "salt"
    (directory / "master.d").mkdir(parents=True)
    facts = tmp_path / "astute.yaml"
    facts.write_text("ADMIN_NETWORK: {ipaddress: 10.20.0.2}\n")
    monkeypatch.setenv("SALT_CONFIG_DIR", str(directory))
    monkeypatch.setenv("OCTANE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(salt_config, "admin_address", lambda: credentials.admin_address(facts))
    return directory


def test_no_key_is_accepted_by_itself_and_the_master_is_where_minions_look(salt):
    options = yaml.safe_load(salt_config.render())
    assert (options["auto_accept"], options["open_mode"], options["interface"]) == (False, False, "10.20.0.2")


def test_the_site_s_files_stay_after_ours(salt):
    (salt / "master").write_text("file_roots: {base: [/srv/site]}\n")
    roots = yaml.safe_load(salt_config.render())["file_roots"]["base"]
    assert roots == [str(salt_config.tree("salt")), "/srv/site"]


def test_a_file_that_would_override_ours_is_refused_by_name(salt):
    (salt / "master.d" / "zz.conf").write_text("auto_accept: True\n")
    with pytest.raises(Refused, match=r"zz\.conf sets auto_accept"):
        salt_config.render()


def test_a_file_of_the_site_that_we_override_is_no_problem(salt):
    (salt / "master.d" / "aa.conf").write_text("auto_accept: True\n")
    assert yaml.safe_load(salt_config.render())["auto_accept"] is False


def test_a_broken_file_of_the_site_is_named(salt):
    (salt / "master").write_text("file_roots: [\n")
    with pytest.raises(Refused, match="master"):
        salt_config.render()


def test_our_name_taken_by_somebody_else_s_file_is_refused_once_we_wrote_ours(salt):
    store = salt_config.pristine()
    store.put(salt_config.THIS_MASTER, str(salt_config.path()), b"ours")
    salt_config.path().write_text("auto_accept: True\n")
    with pytest.raises(Refused, match=r"octane\.conf"):
        salt_config.changes()


def test_our_name_taken_before_we_ever_wrote_it_is_refused(salt):
    salt_config.path().write_text("auto_accept: True\n")
    with pytest.raises(Refused, match=r"octane\.conf"):
        salt_config.changes()


def test_the_master_is_given_modules_when_they_changed_and_not_again(salt, monkeypatch):
    monkeypatch.setattr(salt_config.Service, "is_active", lambda service: True)
    salt_config.pristine().put(salt_config.THIS_MASTER, str(salt_config.path()), salt_config.render())
    assert salt_config.changes() == {"modules": "synchronised"}
    salt_config._synced().write_text(salt_config.product_digest(salt_config.MASTER_FOLDERS))
    assert salt_config.changes() == {}
    salt_config._synced().write_text("of an older product")
    assert salt_config.changes() == {"modules": "synchronised"}


class SaltMaster:
    """The service as it is, without a machine under it."""

    def __init__(self, active, enabled):
        self.now = Running(active, enabled)
        self.starts = 0

    def is_active(self):
        return self.now.active

    def running(self):
        return self.now

    def restart(self):
        self.now = Running(True, True)
        self.starts += 1

    def put_back(self, before):
        self.now = before
        self.starts += before.active


@pytest.fixture
def service(salt, monkeypatch):
    """Makes the Salt master's service one that is as told."""

    def become(active, enabled):
        found = SaltMaster(active, enabled)
        monkeypatch.setattr(salt_config, "SERVICE", found)
        return found

    def synchronise():
        salt_config._synced().write_text(salt_config.product_digest(salt_config.MASTER_FOLDERS))
        return {}

    monkeypatch.setattr(salt_config, "sync", synchronise)
    monkeypatch.setattr(salt_config, "wait_until_it_listens", lambda: None)
    return become


@pytest.mark.parametrize(("active", "enabled"), [(True, True), (True, False), (False, True), (False, False)])
def test_after_the_cleanup_the_salt_master_runs_as_before_prepare(service, active, enabled):
    master = service(active, enabled)
    salt_config.configure_salt()
    assert master.now == Running(True, True)
    salt_config.restore_configuration()
    salt_config.deconfigure_salt()
    assert master.now == Running(active, enabled)


def test_the_configuration_of_before_is_in_force_after_the_cleanup(service):
    master = service(True, True)
    salt_config.configure_salt()
    salt_config.restore_configuration()
    before = master.starts
    assert salt_config.deconfigure_salt(test=True) == {"salt-master": "restarted"}
    assert master.starts == before
    assert salt_config.deconfigure_salt() == {"salt-master": "restarted"}
    assert master.starts == before + 1
    assert salt_config.deconfigure_salt() == {} and master.starts == before + 1


def test_a_cleanup_that_had_to_configure_salt_again_remembers_how_it_ran(service):
    master = service(False, False)
    salt_config.configure_salt()
    salt_config.restore_configuration()
    salt_config.configure_salt()
    salt_config.restore_configuration()
    salt_config.deconfigure_salt()
    assert master.now == Running(False, False)
    salt_config.configure_salt()
    assert salt_config._before() == Running(False, False)


def test_a_master_that_was_never_prepared_is_left_alone(service):
    master = service(True, True)
    assert salt_config.deconfigure_salt() == {}
    assert master.starts == 0
