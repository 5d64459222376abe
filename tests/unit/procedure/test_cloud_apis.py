"""The proof that writes are refused: each API of the path was asked, on each controller, and none took one."""

from __future__ import annotations

import pytest

from octane.errors import InvariantBroken
from octane.path import load_hops
from octane.verify import cloud
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

HOP = next(hop for hop in load_hops() if hop.name == "juno-kilo")


class Frontends:
    """What each controller's HAProxy has: ports by name, and those that take writes."""

    def __init__(self) -> None:
        self.ports = {name: dict(HOP.apis) for name in ("node-1", "node-2", "node-4")}
        self.taking: set[str] = set()
        self.serving: list[int] = []
        members = [node(number, ORIGINAL, "controller") for number in (1, 2)] + [node(4, SEED, "controller")]
        self.ctx = FakeContext(FakeNodes({"octane_api.prove": self.prove}), HOP, members)

    def prove(self, minion, expect, serving):
        self.serving = serving
        found = {
            name: [{"address": "a", "port": port, "write": {"status": 503}, "read": {"status": 200}}]
            for name, port in self.ports[minion].items()
        }
        return {"failed": sorted(self.taking & set(found)), "frontends": found}


def test_every_api_of_the_path_refuses_on_every_controller():
    seen = cloud.writes_refused(Frontends().ctx)
    assert set(seen) == {"node-1", "node-2"} and set(seen["node-2"]) == set(HOP.apis)
    assert seen["node-1"]["heat-cfn"] == ["a:8003: write 503, read 200"]


def test_an_api_that_has_no_frontend_is_missing_and_not_refusing():
    frontends = Frontends()
    del frontends.ports["node-2"]["heat-cfn"]
    with pytest.raises(InvariantBroken, match=r"no frontend .*: heat-cfn \(port 8003\) on node-2$"):
        cloud.writes_refused(frontends.ctx)


def test_a_frontend_that_takes_writes_is_named_with_its_node():
    frontends = Frontends()
    frontends.taking = {"nova"}
    with pytest.raises(InvariantBroken, match="does not answer as read-only: nova on node-1, nova on node-2"):
        cloud.writes_refused(frontends.ctx)


def test_the_new_controllers_may_have_other_apis():
    frontends = Frontends()
    del frontends.ports["node-4"]["nova-ec2"]
    assert set(cloud.writes_accepted(frontends.ctx)) == {"node-4"}


def test_a_service_must_answer_behind_each_api_of_the_path_and_behind_no_other_frontend():
    frontends = Frontends()
    console = {"address": "a", "port": 6080, "write": {"status": 503}, "read": None}

    def prove(minion, expect, serving):
        found = frontends.prove(minion, expect, serving)
        return {**found, "frontends": {**found["frontends"], "nova-novncproxy": [console]}}

    frontends.ctx.nodes.functions["octane_api.prove"] = prove
    seen = cloud.writes_accepted(frontends.ctx)
    assert frontends.serving == sorted(HOP.apis.values()) and 6080 not in frontends.serving
    assert seen["node-4"]["nova-novncproxy"] == ["a:6080: write 503"]
