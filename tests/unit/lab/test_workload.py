"""The workload's blocks tell who wrote them, and its summary tells the worst of what it met."""

from __future__ import annotations

import json

import pytest

from lab.state import LabError
from lab.workload import command, summary
from lab.workload.blocks import SIZE, content, sequence_of


def test_a_block_tells_which_write_made_it():
    assert len(content(7, 3)) == SIZE
    assert sequence_of(7, content(7, 3)) == 3


@pytest.mark.parametrize(
    "data",
    [
        content(8, 3),
        bytes(SIZE),
        content(7, 3)[: SIZE // 2] + content(7, 2)[SIZE // 2 :],
        content(7, 3)[:-1],
    ],
    ids=["another block's", "empty", "half of an older write", "too short"],
)
def test_what_was_never_written_there_whole_is_nobodys(data):
    assert sequence_of(7, data) is None


def line(operation, at, ms=10.0, ok=True, **more):
    return {"t": at, "op": operation, "ms": ms, "ok": ok, **more}


LINES = [
    {"t": 0.0, "event": "begin", "blocks": 2},
    line("write", 1.0, block=0, sequence=5),
    line("write", 1.1, block=1, sequence=5, ok=False, error="TimedOut"),
    line("write", 1.5, 500.0, block=0, sequence=6),
    line("read", 1.0, block=0, sequence=5),
    line("read", 1.2, block=0, sequence=3, ok=False, error="neither 5 nor begun since"),
    line("read", 1.3, block=1, ok=False, error="TimedOut"),
    line("quorum", 1.0, members=["node-1", "node-2", "node-3"]),
    line("quorum", 1.3, members=["node-1", "node-2"]),
    {"t": 3.0, "event": "end", "unfinished": ["commit"]},
]


def test_a_summary_tells_gaps_between_good_answers_and_what_went_wrong():
    seen = summary.summarise(LINES)
    writes = seen["operations"]["write"]
    assert (writes["count"], writes["failed"], writes["longest_ms"]) == (3, 1, 500.0)
    assert writes["longest_gap_ms"] == pytest.approx(990.0)
    assert [wrong["sequence"] for wrong in seen["wrong_reads"]] == [3]
    assert seen["operations"]["read"]["failed"] == 2
    assert seen["quorum"] == 2
    assert seen["unfinished"] == ["commit"]
    assert "wrong reads: 1; smallest quorum: 2" in summary.table(seen)


def test_only_acknowledged_writes_are_looked_for():
    assert summary.acknowledged(LINES) == {0: 6}


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    log = tmp_path / "log"
    log.write_text(json.dumps(LINES[1]) + "\n" + json.dumps(LINES[2])[:20])
    assert list(summary.read_lines(log)) == [LINES[1]]


def test_an_empty_log_is_refused(tmp_path):
    (tmp_path / "log").touch()
    with pytest.raises(LabError, match="no line"):
        command.lines_of(tmp_path / "log")
