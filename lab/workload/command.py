"""octane-lab workload: clients of the cloud's Ceph that write and read all the time."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab import machine
from lab.state import Lab, LabError, state_directory
from lab.workload import life, summary


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    told = "a volume in Ceph that is written and read all the time, each operation written down"
    parser = commands.add_parser("workload", help=told)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--summary", type=Path, metavar="FILE", help="what a run saw")
    what.add_argument("--verify", type=Path, metavar="FILE", help="whether what a run wrote is there")
    add("--seconds", type=float, help="how long (until SIGTERM)")
    add("--output", type=Path, metavar="FILE", help="where the JSON lines go (standard output)")
    add("--interval", type=float, default=0.02, metavar="S", help="between writes, and between reads (%(default)s s)")
    add("--control", type=float, default=0.25, metavar="S", help="between requests to monitors (%(default)s s)")
    add("-f", dest="form", choices=("table", "json"), default="table", help="with --summary: how to print (table)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Summarise, verify, or work until told to stop. Raises LabError."""
    if args.summary:
        print_summary(summary.summarise(lines_of(args.summary)), args.form)
        return 0
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    if args.verify:
        return verify(lab, args.verify)
    options = ["--interval", str(args.interval), "--control", str(args.control)]
    options += ["--seconds", str(args.seconds)] if args.seconds is not None else []
    argv = life.command(lab, *options)
    if args.output:
        with args.output.open("w") as output:
            os.dup2(output.fileno(), 1)
    # In this process's place, so that a signal reaches it.
    os.execvp(argv[0], argv)


def lines_of(path: Path) -> list[summary.Line]:
    """The lines of a run. Raises LabError when there are none."""
    lines = list(summary.read_lines(path))
    if not lines:
        raise LabError(f"{path} holds no line of a workload")
    return lines


def print_summary(seen: dict[str, Any], form: str) -> None:
    """Print a summary as it was asked for."""
    print(json.dumps(seen, indent=1) if form == "json" else summary.table(seen))


def verify(lab: Lab, path: Path) -> int:
    """Print what is lost of what a run was acknowledged, as JSON; 1 when anything is."""
    expected = summary.acknowledged(lines_of(path))
    argv = life.command(lab, "--verify")
    return subprocess.run(argv, input=json.dumps(expected), text=True).returncode
