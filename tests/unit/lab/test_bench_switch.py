"""Gaps as clients saw them: the longest silence of an address, and between two answers of the API worst off."""

import json

import pytest

from lab.bench import switch

BEGIN = {"t": 10.0, "event": "begin", "addresses": {"public VIP": "172.16.0.2", "node-1 public": "172.16.0.4"}}


def read(api, t, ms, ok=True, full=False, kind="read"):
    return {"t": t, "api": api, "kind": kind, "full": full, "status": 200 if ok else 0, "ms": ms, "ok": ok}


def test_the_worst_api_counts_by_when_it_answered_and_only_virtual_addresses():
    lines = [
        BEGIN,
        read("nova", 10.0, 50),
        read("nova", 10.1, 1050),
        read("nova", 10.2, 0, ok=False),
        read("nova", 10.6, 50),
        read("glance", 10.0, 10),
        read("glance", 10.2, 10),
        read("glance", 19.0, 10, full=True),
        read("glance", 19.0, 10, kind="write"),
        {"t": 10.3, "ping": "172.16.0.2", "gap": 0.031},
        {"t": 10.3, "ping": "172.16.0.4", "gap": 9.0},
        {"t": 11.0, "ping": "172.16.0.2", "replies": 90, "longest": 0.031},
    ]
    found = switch.gaps(lines)
    # Answers of nova came at 10.05, 10.65 and 11.15.
    assert found["api_read"] == pytest.approx(0.6) and (found["vip"], found["failed"]) == (0.031, 1)


def test_the_end_is_when_every_api_answers_again(tmp_path):
    path = tmp_path / "probe.jsonl"
    assert switch.reading(path) == 0 and switch.since_begin(path) == float("inf")
    lines = [BEGIN, read("nova", 10.0, 5), read("glance", 10.0, 5, ok=False)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert (switch.reading(path), switch.since_begin(path)) == (0, 10.0)
    with path.open("a") as stream:
        stream.write(json.dumps(read("glance", 12.0, 5)) + "\n" + json.dumps(read("nova", 11.0, 5)) + "\n")
    assert switch.reading(path) == 11.0


def test_ratios_are_ours_to_the_predecessors():
    seen = {
        "ours": {"vip": 0.02, "api_read": 0.3, "failed": 0},
        "back": {"vip": 0.03, "api_read": 0.4, "failed": 0},
        "predecessor": {"vip": 2.0, "api_read": 30.0, "failed": 900},
    }
    found = switch.report(seen)
    assert found["ratio"] == {"vip": 0.01, "api_read": 0.01}
    assert found["gap_ms"]["ours"] == {"vip": 20.0, "api_read": 300.0}
    assert found["failed_reads"] == {"ours": 0, "back": 0, "predecessor": 900}
