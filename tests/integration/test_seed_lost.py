"""The small lab whose seed is lost after the switch: the original comes back without it, and never both."""

from __future__ import annotations

import json

import pytest

from tests.integration import observe

PROFILE = "small"
OLD, NEW, COMPUTE = "node-1", "node-2", "node-3"
SEED = "2"

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(1800)]


def test_the_only_controller_of_the_seed_loses_power_after_the_switch(lab):
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "2")
    lab.octane("upgrade-db", SEED)
    lab.octane("upgrade-control", SEED)
    lab.lab("fault", "kill", NEW)


def test_the_way_back_names_it_and_what_to_state(lab):
    done = lab.octane("rollback-control", SEED, check=False)
    assert done.returncode != 0 and NEW in done.stdout + done.stderr, done.stdout + done.stderr


def test_stated_to_be_powered_off_it_keeps_nobody_from_the_original(lab):
    done = lab.octane("rollback-control", SEED, "--fenced", NEW)
    assert "keep them" in done.stdout, "what was written since the switch is on its disks"
    observe.until_reads_are_answered(lab)
    for address in observe.addresses(lab, OLD, "br-mgmt"):
        assert observe.who_has(lab, COMPUTE, "br-mgmt", address) == {observe.mac(lab, OLD, "br-mgmt")}
    path = lab.state / "writes.jsonl"
    lab.lab("probe", "--seconds", "10", "--output", str(path))
    summary = lab.probe_summary(path)["apis"]
    assert {api: kinds["write"]["failed_seconds"] for api, kinds in summary.items()} == dict.fromkeys(summary, 0), (
        json.dumps(summary)
    )
