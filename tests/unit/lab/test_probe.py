"""The probe's figures are what an operator is told about outages: they must not be kinder than what happened."""

import asyncio
import io
import json

import pytest

from lab.client import Credentials
from lab.probe import run
from lab.probe.http import Answer, parse
from lab.probe.ping import Silence, checksum, echo_request, reply_identifier
from lab.probe.requests import APIS, Session, full_write, identifier_of, lookup
from lab.probe.summary import read_lines, summarise

CREDENTIALS = Credentials("172.16.0.2", "admin", "secret", "admin")
SESSION = Session("token", "f00d")


def request(t, ok=True, kind="write", full=False, **more):
    status = 200 if ok else 503
    return {"t": t, "api": "nova", "kind": kind, "full": full, "ok": ok, "status": status, "ms": 5.0, **more}


def test_refused_writes_count_until_the_first_accepted_one():
    lines = [request(0.0), request(0.1, ok=False, refused=True), request(0.2, ok=False, refused=True), request(0.3)]
    write = summarise(lines).apis["nova"]["write"]
    assert (write.refused_seconds, write.failed_seconds) == (0.2, 0.0)


def test_a_503_without_retry_after_is_a_failure_and_not_a_refusal():
    write = summarise([request(0.0, ok=False), request(0.5)]).apis["nova"]["write"]
    assert (write.refused_seconds, write.failed_seconds) == (0.0, 0.5)


def test_an_outage_that_lasts_at_the_end_is_counted_to_the_end():
    lines = [request(0.0), request(1.0, ok=False, error="timeout", status=0), {"t": 9.0, "event": "end"}]
    assert summarise(lines).apis["nova"]["write"].failed_seconds == 8.0


def test_light_and_full_outages_at_the_same_time_are_one_outage():
    lines = [
        request(0.0, ok=False, kind="read"), request(2.0, kind="read"),
        request(1.0, ok=False, kind="read", full=True), request(3.0, kind="read", full=True),
    ]
    read = summarise(lines).apis["nova"]["read"]
    assert (read.failed_seconds, read.failed_longest) == (3.0, 3.0)


def test_the_longest_silence_is_that_of_the_totals_and_addresses_that_never_answered_are_left_out():
    lines = [
        {"t": 0.0, "event": "begin", "addresses": {"public VIP": "172.16.0.2", "nobody": "172.16.0.9"}},
        {"t": 1.0, "ping": "172.16.0.2", "gap": 0.4},
        {"t": 2.0, "ping": "172.16.0.2", "replies": 10, "longest": 0.4},
        {"t": 2.0, "ping": "172.16.0.9", "replies": 0, "longest": 0.0},
    ]
    pings = summarise(lines).pings
    assert pings == {"public VIP": {"address": "172.16.0.2", "replies": 10, "longest_gap_seconds": 0.4}}


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    path = tmp_path / "probe.jsonl"
    path.write_text(json.dumps(request(0.0)) + "\n" + '{"t": 1.0, "api": "no')
    assert [line["t"] for line in read_lines(path)] == [0.0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_half_an_answer_is_no_answer(raw):
    with pytest.raises(ValueError, match="answer"):
        parse(raw, 0.1)


def test_a_refusal_is_known_by_its_retry_after():
    answer = parse(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 60\r\n\r\n{}", 0.1)
    assert answer.refused and not parse(b"HTTP/1.0 503 Service Unavailable\r\n\r\n", 0.1).refused


def test_a_chunked_body_is_put_together():
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert parse(raw, 0.1).body == b"abcde"


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_each_write_makes_an_object_of_its_own_that_can_be_looked_up(api):
    first, second = (full_write(api, SESSION, number, "5f") for number in (1, 2))
    assert (first.path, first.body) != (second.path, second.body)
    answer = b"" if api.name == "placement" else json.dumps({"thing": {"id": "abc"}}).encode()
    path = lookup(api, SESSION, identifier_of(api, first, answer)).path
    assert "{" not in path and path.startswith("/")


def test_an_acknowledgement_without_an_id_is_an_error():
    with pytest.raises(ValueError, match="without an id"):
        identifier_of(APIS[0], full_write(APIS[0], SESSION, 1, "5f"), b'{"region": {}}')


def test_silence_before_the_first_reply_is_no_gap():
    silence = Silence(last=0.0)
    silence.heard(5.0)
    silence.heard(5.5)
    assert silence.longest == 0.5


def test_an_echo_reply_is_told_from_other_icmp():
    sent = echo_request(0x1234, 7)
    assert checksum(sent) == 0
    header = bytes([0x45]) + bytes(19)
    assert reply_identifier(header + b"\0" + sent[1:]) == 0x1234
    assert reply_identifier(header + sent) is None
    assert reply_identifier(header + b"\0") is None


def test_a_cloud_that_answers_nothing_is_not_asked_more_than_it_could_catch_up_with(monkeypatch):
    """Each API's reads and writes by themselves; and what was answered makes room for the next."""
    asked = []

    async def scenario():
        release = asyncio.Event()

        async def ask(address, port, request, timeout):
            asked.append(port)
            await release.wait()
            return Answer(200, 0.0)

        monkeypatch.setattr(run, "ask", ask)
        probe = run.Probe(CREDENTIALS, io.StringIO(), run.Intervals())
        for _ in range(20):
            probe.light(APIS[0])
            await asyncio.sleep(0)
        probe.light(APIS[1])
        await asyncio.sleep(0)
        assert [asked.count(api.port) for api in APIS[:2]] == [2 * run.UNANSWERED, 2]
        release.set()
        await asyncio.wait(probe.pending)
        probe.light(APIS[0])
        await asyncio.wait(probe.pending)
        assert asked.count(APIS[0].port) == 2 * run.UNANSWERED + 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "body", "ok"),
    [
        (300, b'{"versions": {"values": []}}', True),
        (200, b'{"version": {"id": "v3.14"}}', True),
        (200, b"<html>welcome</html>", False),
        (404, b'{"versions": []}', False),
        (503, b"", False),
        (0, b"", False),
    ],
)
def test_a_light_read_wants_the_versions_that_the_api_tells_everybody(status, body, ok, monkeypatch):
    async def answer(host, port, request, timeout):
        assert request.method == "POST" or request.path in ("/", "/v3")
        return Answer(status, 0.01, body=body)

    monkeypatch.setattr(run, "ask", answer)
    output = io.StringIO()

    async def both():
        probe = run.Probe(CREDENTIALS, output, run.Intervals())
        probe.light(APIS[0])
        await asyncio.gather(*probe.pending)

    asyncio.run(both())
    told = {line["kind"]: line["ok"] for line in map(json.loads, output.getvalue().splitlines())}
    assert told == {"read": ok, "write": 0 < status < 500}
