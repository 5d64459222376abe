"""The command ``octane-lab nailgun``: this server alone, or as a part of a lab."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from lab.nailgun import deployer, initial
from lab.nailgun.application import Application
from lab.nailgun.auth import Keystone
from lab.nailgun.extensions import Extensions
from lab.nailgun.fake import FakeDeployer
from lab.nailgun.faults import Faults
from lab.nailgun.server import Server, parse_address
from lab.nailgun.state import State


def register(subparsers: Any) -> None:
    """Add the subcommand ``nailgun``; its namespace carries ``run`` as the function to call."""
    parser = subparsers.add_parser("nailgun", help="serve the API of a Fuel master", description=__doc__)
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = parser.add_argument
    add("--listen", required=True, metavar="ADDR:PORT", help="where to listen")
    add(
        "--state",
        dest="state_file",
        required=True,
        type=Path,
        metavar="FILE",
        help="the state; made when it is missing (FILE.tokens holds hashes of tokens)",
    )
    add(
        "--cloud",
        metavar="captured|FILE",
        help="what to make it of: the recorded master, or a definition of a lab in JSON",
    )
    add("--keystone-listen", metavar="ADDR:PORT", help="answer for Keystone there too")
    add("--token-lifetime", type=float, default=3600, metavar="SECONDS", help="how long tokens are good for (3600)")
    add(
        "--task-seconds",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long a task of the fake deployer takes (1)",
    )
    add(
        "--deployer",
        metavar="MODULE:CLASS",
        help="what installs hosts, instead of the fake one; made with lab_state=DIR",
    )
    add(
        "--lab-state",
        type=Path,
        metavar="DIR",
        help="state directory of the lab: for the deployer and for ordered failures",
    )
    add("--site-packages", type=Path, metavar="DIR", help="where Nailgun's extensions are read from")
    add("--restart-file", type=Path, metavar="FILE", help="reload the extensions when this file is touched")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop. Prints one line when listening; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        application = build(args)
        servers = [Server(parse_address(args.listen), application)]
        if args.keystone_listen:
            servers.append(Server(parse_address(args.keystone_listen), application))
    except (OSError, ValueError, ImportError, AttributeError) as error:
        print(f"octane-lab nailgun: {error}", file=sys.stderr)
        return 2
    for server in servers:
        server.start()
    print(f"Nailgun listens on {args.listen}", flush=True)
    _wait_for_the_end()
    for server in servers:
        server.shutdown()
    return 0


def build(args: argparse.Namespace) -> Application:
    """The application that the arguments ask for (OSError, ValueError, ImportError, AttributeError)."""
    faults = Faults(args.lab_state / "faults" if args.lab_state else None)
    if args.deployer:
        installer = deployer.load(args.deployer, lab_state=args.lab_state)
    else:
        installer = FakeDeployer(args.task_seconds, faults)
    extensions = Extensions(args.site_packages, args.restart_file)
    tokens = args.state_file.with_name(args.state_file.name + ".tokens")
    keystone = Keystone(lifetime=args.token_lifetime, file=tokens)
    return Application(first_state(args.state_file, args.cloud), installer, args.state_file, keystone, extensions)


def first_state(file: Path, cloud: str | None) -> State:
    """The state in FILE; when there is none, a new one as CLOUD says. ValueError when that is not said."""
    if file.exists():
        return State.load(file)
    if cloud == "captured":
        return initial.recorded()
    if cloud is None:
        return initial.empty_master({})
    return initial.reference(json.loads(Path(cloud).read_text(encoding="utf-8")))


def _wait_for_the_end() -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def main(argv: list[str] | None = None) -> int:
    """``python -m lab.nailgun``."""
    parser = argparse.ArgumentParser(prog="octane-lab nailgun", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))
