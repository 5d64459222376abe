"""Salt's configuration is ours in one file, and the site's own stays in force beside it."""

import pytest
import yaml

from octane.errors import Refused
from octane.fuel import credentials
from octane.procedure import salt_config


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
