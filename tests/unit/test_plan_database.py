"""The plan of each hop's databases, word for word: what changes in a hop's file is seen here as what will be done."""

from pathlib import Path

import pytest

from octane.path import load_hops
from octane.plan.database import render

GOLDEN = Path(__file__).parent / "golden"
HOPS = {hop.name: hop for hop in load_hops()}


@pytest.mark.parametrize("hop", HOPS.values(), ids=HOPS)
def test_the_plan_of_a_hop(hop):
    assert render(hop) == (GOLDEN / f"database-{hop.name}.txt").read_text()


def test_no_plan_is_left_of_a_hop_that_is_gone():
    assert {path.stem.removeprefix("database-") for path in GOLDEN.glob("database-*.txt")} == set(HOPS)


@pytest.mark.parametrize("hop", HOPS.values(), ids=HOPS)
def test_everything_that_a_hop_does_is_in_its_plan(hop):
    plan = render(hop)
    commands = [command.words for _, command in hop.before]
    for service in hop.services:
        commands += [*service.migrate, *(command.words for command in service.online)]
    for words in [" ".join(words) for words in commands] + [*hop.databases, *hop.writers, *hop.files]:
        assert words in plan
    for check in (*hop.breaking, *hop.in_flight, *hop.unmigrated):
        assert check.finding in plan and check.remedy in plan
    for path in [path for one in hop.passes for path in one.paths]:
        assert path in plan
    for one in (*hop.rewrite, *hop.settings, *hop.passes):
        assert one.reason in plan
