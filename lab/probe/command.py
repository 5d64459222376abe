"""The commands ``octane-lab probe`` and ``octane-lab compare``: what a client of the cloud sees."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from lab import compare, machine
from lab.probe import lookup, run, summary
from lab.state import Lab, LabError, state_directory


def register(subparsers: Any) -> None:
    """Add both subcommands; their namespaces carry ``run`` as the function to call."""
    add_probe(subparsers.add_parser("probe", help="clients of the cloud that run and write down what they see"))
    add_compare(subparsers.add_parser("compare", help="what the cloud's users own, before and after"))


def add_probe(parser: argparse.ArgumentParser) -> None:
    """What probe takes."""
    default = run.Intervals()
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--summary", type=Path, metavar="FILE", help="what a finished run saw")
    what.add_argument("--lookup", type=Path, metavar="FILE", help="whether all that a run was acknowledged is there")
    add("--seconds", type=float, help="how long (until SIGTERM)")
    add("--output", type=Path, metavar="FILE", help="where the JSON lines go (standard output)")
    add("--light", type=float, default=default.light, metavar="S", help="between light requests (%(default)s s)")
    add("--full", type=float, default=default.full, metavar="S", help="between full requests (%(default)s s)")
    add("--ping", type=float, default=default.ping, metavar="S", help="between pings (%(default)s s)")
    add("--remove", action="store_true", help="with --lookup: delete what the run made")
    add("-f", dest="form", choices=("table", "json"), default="table", help="with --summary: how to print (table)")
    parser.set_defaults(run=run_probe)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """What compare takes."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--save", type=Path, metavar="FILE", help="write down what there is")
    what.add_argument("--against", type=Path, metavar="FILE", help="compare with what was written down")
    parser.set_defaults(run=run_compare)


def run_probe(args: argparse.Namespace) -> int:
    """Summarise, look up, or probe until told to stop. Raises LabError."""
    if args.summary:
        show_summary(args.summary, args.form)
        return 0
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    if args.lookup:
        argv = lookup.command(lab, args.lookup, args.remove)
    else:
        intervals = run.Intervals(args.light, args.full, args.ping)
        argv = run.command(lab, args.seconds, args.output, intervals)
    # In this process's place, so that a signal reaches it.
    os.execvp(argv[0], argv)


def show_summary(path: Path, form: str) -> None:
    """Print what a run saw. Raises LabError when its file is empty."""
    lines = list(summary.read_lines(path))
    if not lines:
        raise LabError(f"{path} holds no line of a probe")
    seen = summary.summarise(lines)
    if form == "json":
        print(json.dumps(seen.as_dict(), indent=1))
    else:
        summary.show(seen, Console())


def run_compare(args: argparse.Namespace) -> int:
    """Write a snapshot, or print each difference to one; 1 when there is any. Raises CommandFailed."""
    machine.require_root()
    before = json.loads(args.against.read_text(encoding="utf-8")) if args.against else {}
    taken = compare.take(Lab.open(state_directory(args.state)))
    counted = ", ".join(f"{count} {kind}" for kind, count in compare.counts(taken).items())
    if args.save:
        args.save.write_text(json.dumps(taken, indent=1, sort_keys=True), encoding="utf-8")
        print(f"written down: {counted}")
        return 0
    different = list(compare.differences(before, taken))
    print("\n".join(different) if different else f"all equal: {counted}")
    return 1 if different else 0
