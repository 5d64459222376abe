"""The command octane-lab: a Fuel cloud on one machine."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import cloud, definition, faults, image, machine, prune, status
from lab.bench import command as bench
from lab.command import CommandFailed
from lab.deployer.errors import DeploymentError
from lab.guests import command as guests
from lab.hosts import Host, HostError
from lab.nailgun import command as nailgun
from lab.probe import command as probe
from lab.state import Lab, LabError, state_directory
from lab.wait import Timeout
from lab.workload import command as workload

BARE_MASTER = """\
After up, and again after reset, the Fuel master has what Fuel puts there and nothing else. To try this checkout on it:
  sudo octane-lab up --master-bind "$PWD"         show the checkout on the master, read-only; reset keeps it shown
  sudo octane-lab exec fuel -- "$PWD/packaging/install-on-master"
"""
EXAMPLES = """examples:
  sudo octane-lab up                              the reference cloud: Fuel master, 3 controllers, 3 spares, 3 computes
  sudo octane-lab up --profile small              a master, a controller, a spare and a compute node
  sudo octane-lab up --profile guests             one controller, two computes, guests that ping: octane-lab guests
  sudo octane-lab up --profile storage            the reference cloud with Ceph: octane-lab workload
  sudo octane-lab status                          power, memory and addresses of every host
  sudo octane-lab shell node-1                    a shell on a host
  sudo octane-lab exec node-1 -- crm_mon -1       a command on a host; its exit code is passed on
  sudo octane-lab fault kill node-1               pull a plug
  sudo octane-lab reset                           back to the cloud as it was deployed
  sudo octane-lab down                            remove everything
"""
FAILURES = (LabError, HostError, CommandFailed, DeploymentError, Timeout, subprocess.TimeoutExpired, OSError)
"""What ends a command with one sentence and exit code 1; LabError with 2."""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="octane-lab", description=__doc__, **_with(f"{EXAMPLES}\n{BARE_MASTER}")
    )
    top.add_argument("--state", metavar="DIR", help="the lab's directory (OCTANE_LAB_STATE, /var/lib/octane-lab)")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_life(commands)
    add_hosts(commands)
    nailgun.register(commands)
    probe.register(commands)
    workload.register(commands)
    guests.register(commands)
    bench.register(commands)
    return top


def _with(epilog: str) -> dict[str, Any]:
    """Arguments of a parser whose help ends with ``epilog`` as it is."""
    return {"epilog": epilog, "formatter_class": argparse.RawDescriptionHelpFormatter}


def add_life(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands for the lab as a whole."""
    shared = commands.add_parser("image", help="build what labs share, unless it is cached")
    shared.add_argument("--prune", action="store_true", help="then remove what is cached and used by nothing any more")
    shared.set_defaults(run=run_image)
    up = commands.add_parser("up", help="bring up a lab with its old cloud", **_with(BARE_MASTER))
    what = up.add_mutually_exclusive_group()
    what.add_argument("--profile", choices=definition.profiles(), default="reference", help="which cloud (reference)")
    what.add_argument("--from", dest="file", type=Path, metavar="CLOUD.yaml", help="a cloud of one's own")
    up.add_argument(
        "--master-bind", action="append", default=[], metavar="PATH", help="show PATH read-only on the Fuel master"
    )
    up.add_argument("--no-snapshot", action="store_true", help="neither use nor take a snapshot; reset is not possible")
    up.set_defaults(run=run_up)
    commands.add_parser("down", help="remove the lab, also after a crash").set_defaults(run=run_down)
    reset = commands.add_parser("reset", help="back to the freshly deployed old cloud", **_with(BARE_MASTER))
    reset.set_defaults(run=run_reset)
    show = commands.add_parser("status", help="power, roles, addresses and memory of the hosts")
    show.add_argument("-f", dest="form", choices=("table", "json"), default="table", help="how to print (table)")
    show.set_defaults(run=run_status)


def add_hosts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands for one host."""
    shell = commands.add_parser("shell", help="a shell on a host")
    shell.add_argument("host", metavar="HOST")
    shell.set_defaults(run=run_shell)
    execute = commands.add_parser("exec", help="run a command on a host", usage="octane-lab exec HOST -- CMD...")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="CMD")
    execute.set_defaults(run=run_exec)
    listed = "\n".join(f"  {name:15} {what}" for name, (what, _) in faults.ACTIONS.items())
    fault = commands.add_parser("fault", help="make something go wrong", **_with(listed))
    fault.add_argument("what", choices=list(faults.ACTIONS), metavar="FAULT", help="one of those below")
    fault.add_argument("host", metavar="HOST")
    fault.set_defaults(run=run_fault)


def run_image(args: argparse.Namespace) -> int:
    """Build image and environments; print where they are."""
    machine.require_root()
    for name, path in image.build_all().items():
        print(f"{name}: {path}")
    if args.prune:
        for path in prune.prune():
            print(f"removed: {path}")
    return 0


def run_up(args: argparse.Namespace) -> int:
    """Bring the lab up."""
    machine.require_root()
    chosen = definition.load(args.file or definition.PROFILES / f"{args.profile}.yaml")
    binds = [Path(path).resolve() for path in args.master_bind]
    missing = [str(path) for path in binds if not path.is_dir()]
    if missing:
        raise LabError(f"--master-bind: {', '.join(missing)} is no directory")
    options = {"master_bind": [str(path) for path in binds]}
    cloud.up(state_directory(args.state), chosen, options, keep_snapshot=not args.no_snapshot)
    return 0


def run_down(args: argparse.Namespace) -> int:
    """Take the lab down."""
    machine.require_root()
    cloud.down(state_directory(args.state))
    return 0


def run_reset(args: argparse.Namespace) -> int:
    """Back to the snapshot."""
    machine.require_root()
    cloud.reset(state_directory(args.state))
    return 0


def run_status(args: argparse.Namespace) -> int:
    """Print the status."""
    machine.require_root()
    found = status.of_lab(Lab.open(state_directory(args.state)))
    print(json.dumps(found, indent=1) if args.form == "json" else status.table(found))
    return 0


def host_of(args: argparse.Namespace) -> Host:
    """The host that was named: a machine. Raises LabError that lists those there are."""
    machine.require_root()
    hosts = Lab.open(state_directory(args.state)).hosts
    if args.host not in hosts:
        told = [f"; {args.host} is what runs on {name}" for name in hosts if hosts[name].installed_name == args.host]
        raise LabError(f"there is no host {args.host} in this lab; there are {', '.join(hosts)}{''.join(told)}")
    return hosts[args.host]


def run_shell(args: argparse.Namespace) -> int:
    """A login shell on a host."""
    terminal = ["env", f"TERM={os.environ.get('TERM', 'dumb')}", "bash", "--login"]
    return subprocess.run(host_of(args).entering(terminal)).returncode


def run_exec(args: argparse.Namespace) -> int:
    """A command on a host, with this command's standard input and output."""
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not argv:
        raise LabError("no command is given: octane-lab exec HOST -- CMD...")
    return subprocess.run(host_of(args).entering(argv)).returncode


def run_fault(args: argparse.Namespace) -> int:
    """Do what was asked for to a host."""
    host = host_of(args)
    _, action = faults.ACTIONS[args.what]
    action(Lab.open(state_directory(args.state)), host)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run octane-lab; returns its exit code: 0, 1 failed, 2 refused or bad input, 130 interrupted."""
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
        return code
    except LabError as error:
        print(f"octane-lab: {error}", file=sys.stderr)
        return 2
    except FAILURES as error:
        print(f"octane-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("octane-lab: interrupted; octane-lab down removes what is there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
