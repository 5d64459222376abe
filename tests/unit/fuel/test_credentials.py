import pytest

from octane.errors import Refused
from octane.fuel import credentials

MASTER = "FUEL_ACCESS: {user: admin, password: from-master}\nADMIN_NETWORK: {ipaddress: 10.20.0.2}\n"


@pytest.fixture
def master(tmp_path):
    path = tmp_path / "astute.yaml"
    path.write_text(MASTER)
    return path


def test_the_master_s_own_file_is_enough(master, tmp_path):
    found = credentials.read({"HOME": str(tmp_path)}, master)
    assert (found.address, found.port, found.user, found.password) == ("10.20.0.2", 8000, "admin", "from-master")
    assert found.source == str(master)


def test_the_client_s_file_wins_over_the_master_s(master, tmp_path):
    own = tmp_path / "client.yaml"
    own.write_text("KEYSTONE_USER: admin\nKEYSTONE_PASS: changed\nSERVER_ADDRESS: 10.30.0.2\n")
    found = credentials.read({"FUELCLIENT_CUSTOM_SETTINGS": str(own)}, master)
    assert (found.address, found.password, found.source) == ("10.30.0.2", "changed", str(own))


def test_the_environment_wins_over_all(master, tmp_path):
    found = credentials.read({"HOME": str(tmp_path), "OS_USERNAME": "me", "OS_PASSWORD": "mine"}, master)
    assert (found.user, found.password) == ("me", "mine")


def test_a_password_is_not_printed(master, tmp_path):
    assert "from-master" not in repr(credentials.read({"HOME": str(tmp_path)}, master))


@pytest.mark.parametrize("content", ["", "FUEL_ACCESS: {user: admin}", "- a list"])
def test_no_password_is_refused_and_the_places_are_named(tmp_path, content):
    path = tmp_path / "astute.yaml"
    path.write_text(content)
    with pytest.raises(Refused, match=r"astute\.yaml"):
        credentials.read({"HOME": str(tmp_path)}, path)


def test_a_broken_file_is_refused_without_quoting_it(tmp_path):
    path = tmp_path / "astute.yaml"
    path.write_text("FUEL_ACCESS: {password: s3cret")
    with pytest.raises(Refused) as refused:
        credentials.read({"HOME": str(tmp_path)}, path)
    assert "s3cret" not in str(refused.value)
