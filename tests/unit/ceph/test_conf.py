"""ceph.conf as Ceph reads it."""

import pytest
from hypothesis import given, strategies

from octane.ceph import conf
from octane.errors import BadInput

FUEL = """\
# written by puppet
[global]
fsid = 5e0f7a10-0000-4000-8000-000000000001
mon_initial_members = node-1 node-2 node-3
mon host = 192.168.0.3, 192.168.0.4 192.168.0.5   ; the controllers
auth cluster required = cephx
osd pool  default size = 2
log_file = "/var/log/ceph/a#b.log"

[client]
rbd cache = True
[client.radosgw.gateway]
host = node-1
rgw_keystone_url = 192.168.0.2:35357
nss_db = /etc/ceph/nss \\
  # on the next line
[global]
osd_pool_default_size = 3
"""


def test_what_is_not_changed_is_written_as_it_was():
    assert conf.render(conf.parse(FUEL)) == FUEL


def test_blanks_and_underscores_are_the_same_and_the_last_value_counts():
    found = conf.parse(FUEL)
    assert found.get("global", "auth_cluster_required") == found.get("global", "auth cluster required") == "cephx"
    assert found.get("global", "osd_pool_default_size") == "3"
    assert found.names == ("global", "client", "client.radosgw.gateway")
    assert found.get("client.radosgw.gateway", "nss_db") == "/etc/ceph/nss"


def test_comments_end_values_unless_quoted_or_escaped():
    found = conf.parse(FUEL + '[osd]\na = b\\#c # d\nb = "x \\" ; y" ; z\nc =\n')
    assert conf.hosts(found.get("global", "mon_host")) == ("192.168.0.3", "192.168.0.4", "192.168.0.5")
    assert found.get("global", "log file") == "/var/log/ceph/a#b.log"
    assert found.values("osd") == {"a": "b#c", "b": 'x " ; y', "c": ""}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("b\\;c", "b;c"),
        ("b=c==", "b=c=="),
        ('b"c"d', 'b"c"d'),
        ("it's # a comment", "it's"),
        ("'b c'", "b c"),
        ('"b\\\\c"', "b\\c"),
        ("b\\\nc", "bc"),
        ("b \\\n  c", "b   c"),
        ("c\r", "c"),
    ],
)
def test_values_as_ceph_conf_reads_them(written, value):
    assert conf.parse(f"[osd]\na = {written}\nb = 2\n").values("osd") == {"a": value, "b": "2"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b", "a b"),
        ("a#b", r"a\#b"),
        ("a;b", r"a\;b"),
        (" a", '" a"'),
        ('a"b', r'"a\"b"'),
        ("a\\", r'"a\\"'),
        ("it's", '"it\'s"'),
    ],
)
def test_values_are_written_so_that_every_release_reads_them(value, written):
    assert conf.render(conf.Conf().put("osd", {"a": value})) == f"[osd]\na = {written}\n"


def test_what_stands_before_any_section_is_global():
    found = conf.parse("fsid = a\n[osd]\nb = c\n")
    assert found.get("global", "fsid") == "a"
    assert conf.render(found.put("global", {"fsid": "d", "x": "y"})) == "fsid = d\nx = y\n[osd]\nb = c\n"


def test_a_daemon_has_its_own_section_before_that_of_its_kind():
    found = conf.parse("[global]\na = 1\nb = 1\nc = 1\n[osd]\na = 2\nb = 2\n[osd.3]\na = 3\n")
    assert [found.of("osd.3", key) for key in "abcd"] == ["3", "2", "1", None]


def test_a_change_touches_its_line_alone():
    changed = conf.parse(FUEL).put("global", {"mon initial members": "node-7 node-8", "auth_cluster_required": "cephx"})
    expected = FUEL.replace("mon_initial_members = node-1 node-2 node-3", "mon_initial_members = node-7 node-8")
    assert conf.render(changed) == expected


def test_settings_are_added_changed_and_taken_away():
    found = conf.parse("[global]\na = 1\n\n[osd]\nb = 2\n")
    assert conf.render(found.put("global", {"c": "3"})) == "[global]\na = 1\nc = 3\n\n[osd]\nb = 2\n"
    assert conf.render(found.put("osd", {"b": None, "x": None})) == "[global]\na = 1\n\n[osd]\n"
    assert conf.render(found.put("mon", {"d": "4"})).endswith("[osd]\nb = 2\n[mon]\nd = 4\n")


def test_a_setting_that_occurs_twice_is_changed_twice():
    assert conf.parse(FUEL).put("global", {"osd_pool_default_size": "5"}).get("global", "osd_pool_default_size") == "5"


def test_a_section_has_another_name():
    found = conf.parse("[mon.node-1] # the first\nhost = node-1\n").rename("mon.node-1", "mon.node-7")
    assert conf.render(found) == "[mon.node-7]\nhost = node-1\n"


@pytest.mark.parametrize("line", ["[osd", "[osd] [mon]", "secret-word", "= secret-word"])
def test_a_line_that_cannot_be_read_is_named_by_its_number(line):
    with pytest.raises(BadInput, match=r"line 2 of ceph\.conf") as told:
        conf.parse(f"[global]\n{line}\n")
    assert "secret-word" not in str(told.value)


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("10.0.0.1,10.0.0.2", ("10.0.0.1", "10.0.0.2")),
        ("10.0.0.1 10.0.0.2\t10.0.0.3", ("10.0.0.1", "10.0.0.2", "10.0.0.3")),
        ("10.0.0.1:6789, node-2:6789/0", ("10.0.0.1", "node-2")),
        ("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[v2:10.0.0.2:3300]", ("10.0.0.1", "10.0.0.2")),
        ("v1:10.0.0.1:6789", ("10.0.0.1",)),
        ("[fd00::1]:6789,fd00::2 [v2:[fd00::3]:3300,v1:[fd00::3]:6789]", ("fd00::1", "fd00::2", "fd00::3")),
        ("", ()),
    ],
)
def test_hosts_of_a_list(value, hosts):
    assert conf.hosts(value) == hosts


words = strategies.text("abc \"#;\\=[]',.", max_size=12)


@given(words)
def test_any_value_is_read_as_it_was_put(value):
    written = conf.render(conf.parse("[osd]\n").put("osd", {"key": value}))
    assert conf.parse(written).get("osd", "key") == value


@given(strategies.text('ab "#;\\=[]\n', max_size=40))
def test_any_text_is_refused_or_written_as_it_was(text):
    try:
        found = conf.parse(text)
    except BadInput:
        return
    assert conf.parse(conf.render(found)) == found
