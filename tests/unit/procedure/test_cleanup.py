"""Only records of Fuel nodes that are gone are stale; what is up, or belongs to no node, stays."""

import pytest

from octane.procedure.cleanup import stale
from tests.unit.procedure.nodes import controller

NODES = [controller(1), controller(4, environment=2)]


def record(host, up=False):
    return {"service": "nova", "id": "7", "binary": "nova-conductor", "host": host, "up": up}


@pytest.mark.parametrize("host", ["node-9.domain.tld", "node-9", "node-9.domain.tld@lvm#pool"])
def test_records_of_nodes_that_are_gone_are_stale(host):
    assert stale([record(host)], NODES) == [record(host)]


@pytest.mark.parametrize(
    "found",
    [
        record("node-1.domain.tld"),
        record("node-1"),
        record("node-4.domain.tld@lvm"),
        record("node-9.domain.tld", up=True),
        record("rbd:volumes"),
        record("node-9.other.example"),
        record("vcenter-1"),
    ],
)
def test_everything_else_stays(found):
    assert stale([found], NODES) == []
