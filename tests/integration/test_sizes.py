"""The small lab with two gigabytes in nova's database, while clients write: nothing that was acknowledged is missing.

How long writes are refused is measured by ``octane-lab bench window`` and told; asserted is only what one run says of
itself, side by side: ten times the data make the window no other, and no process large.
"""

from __future__ import annotations

import json

import pytest

from tests.memory import LIMIT, largest, program, watched

PROFILE = "small"
SEED = "2"
SIZES = ("200M", "2G")
FACTOR = 2
"""Of the window beside its migrations, the larger size to the smaller one, on a machine that does other things too; by
dump it would be several, since then ten times the bytes are copied within it."""
WATCHED = ("octane_wire", "octane_sums.py", "octane_channel.py", "octane", "salt-run", "salt-minion")
"""What works for the stage on nodes and on the master: programs of ours, and those of Salt that run our modules."""
CLIENTS = ("mysqldump", "mysqlbinlog", "mariadb-binlog")

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def written(lab):
    """The file of the clients that wrote during the last run of the database stage."""
    return lab.state / "written.jsonl"


@pytest.fixture(scope="module")
def measured(lab, written):
    """What was measured of each size, and the highest peak of each program that worked for it, in KiB."""
    lab.octane("prepare")
    lab.octane("upgrade-env", "1", "2")
    with watched(lambda words: program(words) in (*WATCHED, *CLIENTS)) as peaks:
        told = lab.lab("bench", "window", *SIZES, "--output", str(written), "-f", "json", timeout=3000).stdout
    runs = json.loads(told)["runs"]
    print(json.dumps({"runs": runs, "peaks": largest(peaks)}, indent=1))
    return runs, largest(peaks)


def test_the_window_is_measured_at_two_sizes(measured):
    assert [run["bytes"] for run in measured[0]] == [200 * 10**6, 2 * 10**9]


def test_the_window_does_not_grow_with_the_data(measured):
    smaller, larger = (run["beyond"] for run in measured[0])
    assert 0 < larger < FACTOR * smaller


def test_no_process_of_the_stage_is_large_whatever_the_data(measured):
    peaks = measured[1]
    assert set(WATCHED) <= set(peaks), peaks
    assert {name: peak for name, peak in peaks.items() if peak >= LIMIT} == {}


def test_nothing_acknowledged_is_missing_afterwards(lab, written):
    lab.octane("upgrade-control", SEED)
    found = json.loads(lab.lab("probe", "--lookup", str(written), check=False).stdout)
    assert found["missing"] == [] and found["found"] > 0
