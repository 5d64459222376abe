"""ceph.conf of the seed, and keyrings."""

import pytest

from octane.ceph import cluster, conf, seed_conf
from octane.ceph.monitors import Successor
from octane.errors import BadInput, Refused
from tests.unit.ceph import samples

ORIGINAL = f"""\
[global]
# the cluster
fsid = {samples.FSID}
mon initial members = node-2, node-1, node-3
mon_host = 192.168.0.3 192.168.0.4,192.168.0.5
osd_pool_default_size = 2
public_network = 192.168.0.0/24
[mon.node-1]
host = node-1
mon_addr = 192.168.0.3:6789
[client.radosgw.gateway]
host = node-1
keyring = /etc/ceph/keyring.radosgw.gateway
rgw_keystone_admin_token = old-token
rgw_data = /var/lib/ceph/radosgw
"""
DEPLOYED = """\
[global]
fsid = another
mon_initial_members = node-7
mon_host = 192.168.0.99
osd_pool_default_size = 3
osd_crush_update_on_start = true
public network = 192.168.8.0/24
[client]
rbd_cache = True
[client.radosgw.gateway]
host = node-7
rgw_frontends = fastcgi socket_port=9000 socket_host=127.0.0.1
rgw_keystone_admin_token = new-token
"""
SEED = tuple(Successor(f"node-{number}", f"node-{number - 6}") for number in (7, 8, 9))


def made():
    return seed_conf.make(conf.parse(ORIGINAL), conf.parse(DEPLOYED), SEED)


def test_the_cluster_stays_what_it_is():
    found = made().values("global")
    assert found["fsid"] == samples.FSID and found["osd_pool_default_size"] == "2"
    assert found["mon_host"] == "192.168.0.3 192.168.0.4,192.168.0.5"
    seed_conf.require_of(made(), cluster.monitor_map(samples.mon_dump()))
    assert "# the cluster" in conf.render(made())


def test_monitors_have_the_names_of_their_successors():
    assert made().get("global", "mon_initial_members") == "node-8 node-7 node-9"
    assert made().values("mon.node-7") == {"host": "node-7", "mon_addr": "192.168.0.3:6789"}
    assert "mon.node-1" not in made().names


@pytest.mark.parametrize("said", [None, "", "node-3", "somebody-else"])
def test_a_list_that_is_not_whole_is_made_whole(said):
    original = conf.parse(ORIGINAL).put("global", {"mon_initial_members": said})
    members = seed_conf.make(original, conf.parse(DEPLOYED), SEED).get("global", "mon_initial_members").split()
    assert sorted(members) == ["node-7", "node-8", "node-9"]


def test_what_the_seed_decides_is_its_own():
    assert made().get("global", "public_network") == "192.168.8.0/24"
    gateway = made().values("client.radosgw.gateway")
    assert gateway["host"] == "node-7" and gateway["rgw_keystone_admin_token"] == "new-token"
    assert gateway["rgw_frontends"].startswith("fastcgi")
    assert gateway["keyring"] == "/etc/ceph/keyring.radosgw.gateway" and gateway["rgw_data"]


def test_what_the_seed_has_alone_is_taken_over():
    assert made().get("global", "osd_crush_update_on_start") == "true" and made().get("client", "rbd_cache") == "True"


def test_making_it_twice_changes_nothing():
    again = seed_conf.make(made(), conf.parse(DEPLOYED), SEED)
    assert conf.render(again) == conf.render(made())
    assert conf.render(seed_conf.make(conf.parse(ORIGINAL), made(), SEED)) == conf.render(made())


@pytest.mark.parametrize("key", ["fsid", "mon_host"])
def test_an_original_without_a_cluster_is_refused(key):
    with pytest.raises(Refused, match=f"no {key}"):
        seed_conf.make(conf.parse(ORIGINAL).put("global", {key: None}), conf.parse(DEPLOYED), SEED)


@pytest.mark.parametrize(
    ("values", "why"), [({"fsid": "other"}, "fsid other"), ({"mon_host": "192.168.0.3"}, r"at 192\.168\.0\.3, ")]
)
def test_a_file_of_another_cluster_is_refused(values, why):
    with pytest.raises(Refused, match=why):
        seed_conf.require_of(conf.parse(ORIGINAL).put("global", values), cluster.monitor_map(samples.mon_dump()))


def test_changes_are_told_without_secrets():
    said = "\n".join(seed_conf.changes(conf.parse(ORIGINAL), made()))
    assert "public_network of [global] was 192.168.0.0/24, is 192.168.8.0/24" in said
    assert "rbd_cache of [client] was not set, is True" in said
    assert "rgw_keystone_admin_token" in said and "new-token" not in said and "old-token" not in said
    assert "osd_pool_default_size" not in said


KEYRING = '[client.images]\n\tkey = AQFAKE1==\n\tcaps mon = "allow r"\n\tcaps osd = "allow *"\n'


def test_a_keyring_has_the_users_that_the_cluster_has():
    found = seed_conf.users(KEYRING)
    known = cluster.users(samples.auth_list())
    assert found == known[:1]
    seed_conf.require_known((*found, *seed_conf.users("[mon.]\nkey = AQFAKE9==\n")), known)


@pytest.mark.parametrize(
    ("keyring", "why"),
    [
        (KEYRING.replace("FAKE1", "FAKE2"), "client.images has another key"),
        (KEYRING.replace("images", "lost"), "no user"),
    ],
)
def test_a_keyring_that_does_not_open_the_cluster_is_refused(keyring, why):
    with pytest.raises(Refused, match=why) as told:
        seed_conf.require_known(seed_conf.users(keyring), cluster.users(samples.auth_list()))
    assert "AQFAKE" not in str(told.value)


@pytest.mark.parametrize("keyring", ["", '[client.images]\ncaps mon = "allow r"\n'])
def test_a_keyring_without_a_key_is_refused(keyring):
    with pytest.raises(BadInput, match="no key"):
        seed_conf.users(keyring)
