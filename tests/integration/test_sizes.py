"""The small lab with two gigabytes in nova's database, while clients write: nothing that was acknowledged is missing.

How long writes are refused is measured by ``octane-lab bench window`` and told, never asserted.
"""

from __future__ import annotations

import json

import pytest

PROFILE = "small"
SEED = "2"
SIZES = ("200M", "2G")

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def written(lab):
    """The file of the clients that wrote during the last run of the database stage."""
    return lab.state / "written.jsonl"


def test_the_window_is_measured_at_two_sizes(lab, written):
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "2")
    told = lab.lab("bench", "window", *SIZES, "--output", str(written), "-f", "json", timeout=3000).stdout
    runs = json.loads(told)["runs"]
    print(json.dumps(runs, indent=1))
    assert [run["bytes"] for run in runs] == [200 * 10**6, 2 * 10**9]


def test_nothing_acknowledged_is_missing_afterwards(lab, written):
    lab.octane("upgrade-control", SEED)
    found = json.loads(lab.lab("probe", "--lookup", str(written), check=False).stdout)
    assert found["missing"] == [] and found["found"] > 0
