"""The small lab with two gigabytes in nova's database, while clients write: nothing that was acknowledged is missing.

How long writes are refused is measured by ``octane-lab bench window``, thrice for each amount of data, of which the
median counts: hardly longer than the migrations take, the same with ten times the data, and no process is large.
"""

from __future__ import annotations

import json
import statistics

import pytest

from tests.memory import LIMIT, largest, program, watched

PROFILE = "small"
SEED = "2"
SMALL, LARGE = ("200M", "202M", "204M"), ("2G", "2002M", "2004M")
"""Sizes ascend from run to run: three of about the same are three measurements."""
BEYOND = 10
"""Seconds of the window beside its migrations, at most."""
GROWTH = 1.2
"""Of them, those of the larger size to those of the smaller one, at most."""
WATCHED = ("octane_wire", "octane_sums.py", "octane_channel.py", "octane", "salt-run", "salt-minion")
"""What works for the stage on nodes and on the master: programs of ours, and those of Salt that run our modules."""
CLIENTS = ("mysqldump", "mysqlbinlog", "mariadb-binlog")

pytestmark = [pytest.mark.soak, pytest.mark.procedure, pytest.mark.timeout(7200)]


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
        told = lab.lab("bench", "window", *SMALL, *LARGE, "--output", str(written), "-f", "json", timeout=6000).stdout
    runs = json.loads(told)["runs"]
    print(json.dumps({"runs": runs, "peaks": largest(peaks)}, indent=1))
    return runs, largest(peaks)


def beyond(runs):
    """Of the smaller size and of the larger one, the median seconds of the window beside its migrations."""
    seconds = [run["beyond"] for run in runs]
    return statistics.median(seconds[: len(SMALL)]), statistics.median(seconds[len(SMALL) :])


def test_the_window_is_measured_thrice_at_two_sizes(measured):
    million = [run["bytes"] // 10**6 for run in measured[0]]
    assert million == [200, 202, 204, 2000, 2002, 2004]


def test_the_window_is_hardly_longer_than_its_migrations(measured):
    assert 0 < min(beyond(measured[0])) <= max(beyond(measured[0])) <= BEYOND


def test_the_window_does_not_grow_with_the_data(measured):
    smaller, larger = beyond(measured[0])
    assert larger <= GROWTH * smaller


def test_no_process_of_the_stage_is_large_whatever_the_data(measured):
    peaks = measured[1]
    assert set(WATCHED) <= set(peaks), peaks
    assert {name: peak for name, peak in peaks.items() if peak >= LIMIT} == {}


def test_nothing_acknowledged_is_missing_afterwards(lab, written):
    lab.octane("upgrade-control", SEED)
    found = json.loads(lab.lab("probe", "--lookup", str(written), check=False).stdout)
    assert found["missing"] == [] and found["found"] > 0
