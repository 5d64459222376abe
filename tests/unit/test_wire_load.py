"""
A server is taken for one that is alone only while it is.
"""

from types import SimpleNamespace

import pytest

from tests.saltfiles import program

load = program("load")


class Session:
    """What a server says of its cluster, and what it was told."""

    def __init__(self, galera="ON", members="1"):
        self.known = {"wsrep_on": galera, "wsrep_cluster_size": members}
        self.told = []

    def variable(self, name, kind="VARIABLES"):
        assert kind == {"wsrep_on": "GLOBAL VARIABLES", "wsrep_cluster_size": "STATUS"}[name]
        return self.known[name]

    def run(self, statement):
        self.told.append(statement)


def group(**said):
    return SimpleNamespace(sessions=[Session(**said), Session(**said)])


def test_every_session_of_a_server_that_is_alone_keeps_to_itself():
    alone = group()
    load.tell_nobody(alone)
    assert [one.told for one in alone.sessions] == [["SET SESSION sql_log_bin = 0, SESSION wsrep_on = OFF"]] * 2


def test_a_member_among_others_is_refused_before_anything_and_when_one_has_come_meanwhile():
    with pytest.raises(load.Broken, match="one of 3 members: they would lack what is loaded"):
        load.tell_nobody(found := group(members="3"))
    assert [one.told for one in found.sessions] == [[], []]
    alone = group()
    load.tell_nobody(alone)
    alone.sessions[0].known["wsrep_cluster_size"] = "2"
    with pytest.raises(load.Broken, match="one of 2 members"):
        load.require_alone(alone)


@pytest.mark.parametrize("galera", [None, "OFF"])
def test_a_server_without_galera_is_not_told_of_it(galera):
    plain = group(galera=galera, members=None)
    load.tell_nobody(plain)
    load.require_alone(plain)
    assert plain.sessions[0].told == ["SET SESSION sql_log_bin = 0"]
