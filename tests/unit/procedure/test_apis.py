"""What clients of the original reach is on the seed as well, or is told before they are sent there."""

from __future__ import annotations

import pytest

from octane.errors import Failed
from octane.procedure.apis import ServedAlike
from tests.unit.procedure.world import ORIGINAL, SEED, FakeContext, FakeNodes, node

PUBLIC, MANAGEMENT = "172.16.0.3", "192.168.0.2"


def frontend(name, port, ssl=False, addresses=(PUBLIC, MANAGEMENT)):
    binds = [{"address": one, "port": port, "ssl": ssl and one == PUBLIC} for one in addresses]
    return {"name": name, "file": f"{name}.cfg", "mode": "http", "kind": "plain", "binds": binds}


@pytest.fixture
def served():
    alike = [frontend("keystone-1", 5000), frontend("horizon", 80, addresses=(PUBLIC,))]
    return {"original": alike, "seed": list(alike)}


@pytest.fixture
def ctx(served):
    members = [node(1, ORIGINAL, "controller"), node(4, SEED, "controller")]
    function = {"octane_api.frontends": lambda minion: served["original" if minion == "node-1" else "seed"]}
    return FakeContext(FakeNodes(function), None, members)


def test_what_is_alike_is_counted(ctx):
    assert ServedAlike().apply(ctx).comment == "the seed serves what the original does"
    assert ServedAlike().verify(ctx) == {"served": 3}


def test_what_the_seed_does_not_serve_is_told_by_name_and_address(ctx, served):
    served["original"] = [*served["original"], frontend("radosgw", 6780)]
    assert ServedAlike().apply(ctx).comment == (
        f"not served by the seed: radosgw ({PUBLIC}:6780), radosgw ({MANAGEMENT}:6780)"
    )
    assert ServedAlike().verify(ctx) == {"served": 3}


def test_another_name_for_the_same_address_is_alike(ctx, served):
    served["seed"] = [frontend("keystone-public", 5000), served["seed"][1]]
    assert ServedAlike().apply(ctx).evidence == {"missing": []}


@pytest.mark.parametrize("side", ["original", "seed"])
def test_tls_on_one_side_alone_stops_the_stage(ctx, served, side):
    served[side] = [frontend("keystone-1", 5000, ssl=True), served[side][1]]
    with pytest.raises(Failed, match=rf"TLS on one side alone: keystone-1 \({PUBLIC}:5000\)"):
        ServedAlike().verify(ctx)
