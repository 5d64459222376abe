"""octane-lab guests: what the guests' pings have met since a moment."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from lab import machine
from lab.guests import log
from lab.hosts import Host
from lab.state import Lab, LabError, state_directory

LOGS = "var/log/guests"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    told = commands.add_parser("guests", help="the longest time that each of the guests' pings went unanswered")
    told.add_argument("--since", type=float, metavar="SECONDS", help="since the epoch (60 seconds ago)")
    told.add_argument("-f", dest="form", choices=("table", "json"), default="table", help="how to print (table)")
    told.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    now = time.time()
    found = of_lab(lab, now - 60 if args.since is None else args.since, now)
    if not found:
        raise LabError("this lab has no guests: bring one up with the profile guests")
    print(json.dumps(found, indent=1) if args.form == "json" else table(found))
    return 0


def of_lab(lab: Lab, since: float, until: float) -> list[dict[str, Any]]:
    """Each ping of each guest: "host", "guest" (uuid), "target", "answers", and "gap_ms", the longest without one."""
    return [
        {"host": host.name, "guest": path.stem, **entry}
        for host in lab.hosts.values()
        for path in logs(host)
        for entry in of_guest(path, since, until)
    ]


def logs(host: Host) -> list[Path]:
    """Consoles of the guests on a host."""
    return sorted((host.root / LOGS).glob("*.log"))


def of_guest(path: Path, since: float, until: float) -> list[dict[str, Any]]:
    """What the log of one guest tells, for each address that ever answered it."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        answered = log.answers(lines)
    return [
        {
            "target": target,
            "answers": sum(since <= moment <= until for moment in times),
            "gap_ms": round(1000 * log.longest_gap(times, since, until)),
        }
        for target, times in sorted(answered.items())
    ]


def table(found: list[dict[str, Any]]) -> str:
    """The same as text, a line for each ping."""
    lines = [f"{'host':8} {'guest':36} {'target':15} {'answers':>7} {'gap ms':>7}"]
    lines += ["{host:8} {guest:36} {target:15} {answers:7} {gap_ms:7}".format(**each) for each in found]
    return "\n".join(lines)
