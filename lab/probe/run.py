"""Clients that run through everything: reads and writes of each API through the public VIP, and pings.

Writes one JSON object a line, times in seconds:

* ``{"t", "api", "kind": "read"|"write", "full", "status", "ms", "ok", ...}``: one request, ``t`` when it was sent;
  with ``"refused": true`` for a 503 on purpose, ``"error"`` for no answer, ``"id"`` of what a write made;
* ``{"t", "ping", "gap"}``: a silence of an address that has ended; at the end of the run for each address
  ``{"t", "ping", "replies", "longest"}``;
* ``{"t", "event", ...}``: begin, token, end.

Requests are sent on schedule, each on a connection of its own, also while earlier ones of their kind are unanswered, up
to UNANSWERED of them.
Run inside the gateway's namespace as ``python -m lab.probe.run STATE ...``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from lab import client
from lab.probe.http import Answer, ask
from lab.probe.ping import Pinger
from lab.probe.requests import (
    APIS,
    LIGHT_WRITE,
    VERSIONS,
    Api,
    Request,
    Session,
    authentication,
    full_read,
    full_write,
    identifier_of,
    light_read,
)
from lab.state import Lab, LabError

LIGHT_TIMEOUT = 2.0
FULL_TIMEOUT = 10.0
# A token of Fuel lives for an hour.
TOKEN_AGE = 1800.0
FIRST_TOKEN_WITHIN = 60.0
UNANSWERED = 5
"""Of light requests of one kind to one API. A cloud serves also what its client has given up: one that was overloaded
for a moment stayed so for minutes when there was no limit (observed). A silence is told half a second too long at
most."""

ACKNOWLEDGED = (200, 201, 202, 204)


@dataclass(frozen=True)
class Intervals:
    """Seconds between two light requests of one kind to one API, between two full ones, and between two pings."""

    light: float = 0.1
    full: float = 5.0
    ping: float = 0.01


def _is_answered(kind: str, answer: Answer) -> bool:
    """Whether a light request got what it asked for; a write asks for nothing but not to be refused."""
    if kind == "write":
        return 0 < answer.status < 500
    statuses, content = VERSIONS
    return answer.status in statuses and content in answer.body


class NoToken(Exception):
    """Keystone issued no token; the message says what it answered."""


class Probe:
    """All clients of one run. ``output`` gets the lines."""

    def __init__(self, credentials: client.Credentials, output: TextIO, intervals: Intervals) -> None:
        self.credentials = credentials
        self.output = output
        self.intervals = intervals
        self.run_name = f"{int(time.time()):x}"
        self.session = Session("", "")
        self.session_since = 0.0
        self.writes = 0
        self.pending: set[asyncio.Task[None]] = set()
        self.unanswered: Counter[tuple[str, str]] = Counter()
        self.pinger = Pinger(credentials.addresses.values(), self.record, os.getpid() & 0xFFFF)

    def record(self, line: dict[str, Any]) -> None:
        self.output.write(json.dumps(line, separators=(",", ":")) + "\n")

    async def run(self, seconds: float | None) -> None:
        """Probe for ``seconds``, or until SIGTERM or SIGINT. Raises NoToken when there is none to begin with."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await self.first_session()
        self.pinger.open()
        self.record({"t": time.time(), "event": "begin", "addresses": self.credentials.addresses})
        clients = [asyncio.create_task(work) for work in self.clients()]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *clients], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await self.end([stopped, *clients])

    def clients(self) -> list[Any]:
        """The coroutines of all clients; none of them ends by itself."""
        light, full = self.intervals.light, self.intervals.full
        # Spread over the interval, so that no two begin at the same moment.
        spread = [number / len(APIS) for number in range(len(APIS))]
        return [
            self.pinger.run(self.intervals.ping),
            self.keep_flushed(),
            *(self.every(light, light * part, self.light, api) for api, part in zip(APIS, spread, strict=True)),
            *(self.every(full, full * part, self.full, api) for api, part in zip(APIS, spread, strict=True)),
        ]

    async def end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Stop the clients, wait for requests under way, and record the totals. A client that failed is raised."""
        failed = [task.exception() for task in tasks if task.done() and task.exception()]
        for task in tasks:
            task.cancel()
        if self.pending:
            await asyncio.wait(self.pending, timeout=FULL_TIMEOUT)
        self.pinger.finish()
        self.record({"t": time.time(), "event": "end"})
        self.output.flush()
        for exception in failed:
            raise RuntimeError("a client of the probe failed") from exception

    async def every(self, interval: float, delay: float, send: Callable[[Api], None], api: Api) -> None:
        """Call ``send`` on schedule, first after ``delay`` seconds."""
        await asyncio.sleep(delay)
        next_at = time.monotonic()
        while True:
            send(api)
            next_at = max(next_at + interval, time.monotonic())
            await asyncio.sleep(next_at - time.monotonic())

    async def keep_flushed(self) -> None:
        """A file that is at most a second old, without a write to disk for each line."""
        while True:
            await asyncio.sleep(1)
            self.output.flush()

    def light(self, api: Api) -> None:
        for kind, request in (("read", light_read(api)), ("write", LIGHT_WRITE)):
            if self.unanswered[api.name, kind] < UNANSWERED:
                self.start(self.ask_light(api, kind, request))

    def full(self, api: Api) -> None:
        self.writes += 1
        self.start(self.ask_read(api))
        self.start(self.ask_write(api, full_write(api, self.session, self.writes, self.run_name)))

    def start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def ask(self, api: Api, request: Request, timeout: float) -> Answer:
        return await ask(self.credentials.public, api.port, request, timeout)

    async def ask_light(self, api: Api, kind: str, request: Request) -> None:
        self.unanswered[api.name, kind] += 1
        sent = time.time()
        answer = await self.ask(api, request, LIGHT_TIMEOUT)
        self.unanswered[api.name, kind] -= 1
        self.record(self.line(sent, api, kind, answer, _is_answered(kind, answer)))

    async def ask_read(self, api: Api) -> None:
        sent = time.time()
        answer = await self.ask(api, full_read(api, self.session), FULL_TIMEOUT)
        held = answer.status == 200 and api.holds.encode() in answer.body
        self.record(self.line(sent, api, "read", answer, held, full=True))
        await self.after(answer)

    async def ask_write(self, api: Api, request: Request) -> None:
        sent = time.time()
        answer = await self.ask(api, request, FULL_TIMEOUT)
        acknowledged = answer.status in ACKNOWLEDGED
        line = self.line(sent, api, "write", answer, acknowledged, full=True)
        if acknowledged:
            line["id"] = identifier_of(api, request, answer.body)
        self.record(line)

    def line(self, sent: float, api: Api, kind: str, answer: Answer, ok: bool, full: bool = False) -> dict[str, Any]:
        line: dict[str, Any] = {"t": round(sent, 3), "api": api.name, "kind": kind, "full": full, "ok": ok}
        line |= {"status": answer.status, "ms": round(answer.seconds * 1000, 1)}
        if answer.refused:
            line["refused"] = True
        if answer.error:
            line["error"] = answer.error
        return line

    # -- the token ---------------------------------------------------------------------------------------------------

    async def first_session(self) -> None:
        """Wait for a token, for a minute at most. Raises NoToken with Keystone's last answer."""
        deadline = time.monotonic() + FIRST_TOKEN_WITHIN
        while not await self.renew():
            if time.monotonic() > deadline:
                raise NoToken(f"{self.credentials.auth_url} issued no token to {self.credentials.username}")
            await asyncio.sleep(0.5)

    async def after(self, answer: Answer) -> None:
        """Get a new token when the old one is refused, or old."""
        if answer.status == 401 or time.monotonic() - self.session_since > TOKEN_AGE:
            await self.renew()

    async def renew(self) -> bool:
        """Ask for a token; returns whether one came. The last one stays in use until then."""
        mine = self.credentials
        request = authentication(mine.username, mine.password, mine.project)
        answer = await ask(mine.public, 5000, request, FULL_TIMEOUT)
        self.record({"t": time.time(), "event": "token", "status": answer.status, "error": answer.error})
        if answer.status != 201:
            return False
        project = json.loads(answer.body)["token"]["project"]["id"]
        self.session, self.session_since = Session(answer.token, project), time.monotonic()
        return True


def command(lab: Lab, seconds: float | None, output: Path | None, intervals: Intervals) -> list[str]:
    """The command that probes a lab's cloud. It replaces the caller, so that signals reach it."""
    arguments = [str(lab.state), f"--light={intervals.light}", f"--full={intervals.full}", f"--ping={intervals.ping}"]
    if seconds is not None:
        arguments.append(f"--seconds={seconds}")
    if output is not None:
        arguments.append(f"--output={output.resolve()}")
    return client.in_gateway(lab, "lab.probe.run", *arguments)


def parser() -> argparse.ArgumentParser:
    default = Intervals()
    known = argparse.ArgumentParser(prog="lab.probe.run")
    known.add_argument("state", type=Path)
    known.add_argument("--seconds", type=float)
    known.add_argument("--output", type=Path)
    known.add_argument("--light", type=float, default=default.light)
    known.add_argument("--full", type=float, default=default.full)
    known.add_argument("--ping", type=float, default=default.ping)
    return known


def wait_for_nobody() -> None:
    """Real clients have machines of their own: nothing that runs on this one may keep these waiting."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    wanted = parser().parse_args()
    wait_for_nobody()
    intervals = Intervals(wanted.light, wanted.full, wanted.ping)
    with wanted.output.open("w", encoding="utf-8") if wanted.output else sys.stdout as output:
        try:
            asyncio.run(Probe(client.load(wanted.state), output, intervals).run(wanted.seconds))
        except (NoToken, LabError) as failure:
            sys.exit(f"probe: {failure}")


if __name__ == "__main__":
    main()
