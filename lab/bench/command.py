"""The commands ``octane-lab fill`` and ``octane-lab bench``: much data, and how fast it can be moved."""

from __future__ import annotations

import argparse
import ipaddress
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab import machine
from lab.bench import fill, plan, replica, switch, ways, window
from lab.command import CommandFailed
from lab.deployer import galera
from lab.hosts import Host
from lab.state import Lab, LabError, state_directory

MASTER = "fuel"


def register(subparsers: Any) -> None:
    """Add both subcommands; their namespaces carry ``run`` as the function to call."""
    add = subparsers.add_parser("fill", help="years of use in the old cloud's nova database").add_argument
    more = subparsers.choices["fill"]
    add("size", type=_size, metavar="SIZE", help="bytes of rows, as 200M or 2G")
    add("--database", default="nova", help="which database with nova's tables (%(default)s)")
    add("--seed", type=int, default=1, help="the same seed makes the same rows (%(default)s)")
    add("--host", help="a controller (the first one of the old cloud)")
    more.set_defaults(run=run_fill)
    bench = subparsers.add_parser("bench", help="ways side by side, measured")
    what = bench.add_subparsers(dest="bench", metavar="WHAT", required=True)
    database = what.add_parser(
        "db",
        help="ways of bringing a database to the new cloud",
        description="Between upgrade-env and upgrade-db, which is run to its end, again and again; then the new "
        "cloud's database is replaced by copies of the old one's. Take the lab back with octane-lab reset afterwards. "
        "The old tool's way locks the old cloud's tables while it reads them.",
    )
    add = database.add_argument
    add("--database", action="append", metavar="NAME", help="which (nova); may be given again")
    add("--source", metavar="HOST", help="an old controller (the first one)")
    add("--target", metavar="HOST", help="a new controller (the first one whose database answers)")
    add("--times", type=int, default=ways.MEASURED, help="how often each way is gone (%(default)s)")
    add("-f", dest="form", choices=("table", "json"), default="table", help="how to print (%(default)s)")
    database.set_defaults(run=run_database)
    register_window(what)
    register_switch(what)
    register_plan(what)


def register_window(what: Any) -> None:
    measured = what.add_parser(
        "window",
        help="how long the databases' stage refuses writes, for more and more data",
        description="Between upgrade-env and upgrade-db. For each size nova's database is filled and upgrade-db run, "
        "while clients write through the APIs; all runs but the last one are taken back.",
    )
    add = measured.add_argument
    add("sizes", nargs="*", type=_size, metavar="SIZE", help="bytes of rows in all, ascending (200M 2G)")
    add("--output", type=Path, metavar="FILE", help="where what the last clients saw goes, as of octane-lab probe")
    add("-f", dest="form", choices=("table", "json"), default="table", help="how to print (%(default)s)")
    measured.set_defaults(run=run_window)


def register_switch(what: Any) -> None:
    switched = what.add_parser(
        "switch",
        help="how long addresses and APIs are away while the controllers change places, and by the old tool",
        description="After upgrade-env. The databases are brought over, the switch is made, taken back and, after the "
        "databases once more, made in the order of actions of the product's predecessor, while clients run that send "
        "ten reads a second to each API and ping a hundred times a second. Take the lab back with octane-lab reset.",
    )
    add = switched.add_argument
    add("--output", type=Path, metavar="FILE", help="where what the clients saw goes, as of octane-lab probe")
    add("-f", dest="form", choices=("table", "json"), default="table", help="how to print (%(default)s)")
    switched.set_defaults(run=run_switch)


def register_plan(what: Any) -> None:
    planned = what.add_parser(
        "plan",
        help="how fast and how well waves of a thousand computes with 30,000 guests are planned",
        description="The cloud is made up, the same each time; no lab is needed. The plan is compared with what none "
        "can do better.",
    )
    add = planned.add_argument
    add("--times", type=int, default=ways.MEASURED, help="how often it is planned (%(default)s)")
    beside = str(Path(sys.executable).with_name("octane"))
    add("--program", default=beside, metavar="FILE", help="the product's command (that beside this one)")
    add("-f", dest="form", choices=("table", "json"), default="table", help="how to print (%(default)s)")
    planned.set_defaults(run=run_plan)


def _size(text: str) -> int:
    try:
        return fill.size(text)
    except LabError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run_fill(args: argparse.Namespace) -> int:
    """Fill the database of the lab. Raises LabError, CommandFailed, HostError."""
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    host = chosen(lab, args.host) if args.host else lab.hosts[controllers(lab)[0]]
    console = Console(stderr=True)
    with console.status("filling") as status:
        done = fill.fill(
            fill.Database(host.entering(["mysql"]), args.database),
            args.size,
            args.seed,
            lambda number: status.update(f"{number / 1e6:.0f} of {args.size / 1e6:.0f} MB"),
        )
    print(f"{args.database} on {host.name}: {done['bytes']} bytes of {done['servers']} servers in {done['seconds']} s")
    return 0


def run_database(args: argparse.Namespace) -> int:
    """Measure the ways and print them. Raises LabError, CommandFailed, HostError; 1 when a way failed."""
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    source = chosen(lab, args.source) if args.source else lab.hosts[controllers(lab)[0]]
    target = chosen(lab, args.target) if args.target else first_new(lab)
    if source.name == target.name:
        raise LabError(f"{source.name} cannot be both sides")
    databases = tuple(args.database or ["nova"])
    say = Console(stderr=True).print
    # Beside the lab's disks, since it may be gigabytes.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=lab.state) as folder:
        alone = new_controllers(lab) == [target]
        task = ways.Task(side(lab, source), side(lab, target), databases, Path(folder), alone)
        def told(text: str) -> None:
            say(text, highlight=False)

        try:
            # First: from then on the new cloud's services are stopped, and the old one's refuse writes.
            seconds = {"replica_window": replica.windows(lab.hosts[MASTER], args.times, told)}
            found = ways.summary({**seconds, **ways.measure(task, ways.KNOWN, args.times, told)})
        except ways.BenchError as error:
            print(f"octane-lab: {error}", file=sys.stderr)
            return 1
    show(found, args.form)
    return 0


def run_window(args: argparse.Namespace) -> int:
    """Measure the window for each size and print it. Raises LabError, CommandFailed, HostError; 1 when it failed."""
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    sizes = args.sizes or [fill.size("200M"), fill.size("2G")]
    if sizes != sorted(set(sizes)):
        raise LabError("sizes ascend: what was written is not taken away for the next one")
    database = fill.Database(lab.hosts[controllers(lab)[0]].entering(["mysql"]), "nova")
    told = Console(stderr=True, highlight=False).print
    try:
        found = window.measure(lab, database, sizes, args.output or lab.state / "bench-window.jsonl", told)
    except ways.BenchError as error:
        print(f"octane-lab: {error}", file=sys.stderr)
        return 1
    show_window(found, args.form)
    return 0


def run_switch(args: argparse.Namespace) -> int:
    """Measure the switch both ways and print it. Raises LabError, CommandFailed, HostError; 1 when it failed."""
    machine.require_root()
    lab = Lab.open(state_directory(args.state))
    sides = switch.Sides(tuple(lab.hosts[name] for name in controllers(lab)), tuple(new_controllers(lab)))
    told = Console(stderr=True, highlight=False).print
    try:
        found = switch.measure(lab, sides, args.output or lab.state / "bench-switch.jsonl", told)
    except ways.BenchError as error:
        print(f"octane-lab: {error}", file=sys.stderr)
        return 1
    show_switch(found, args.form)
    return 0


def run_plan(args: argparse.Namespace) -> int:
    """Plan for the cloud that is made up, and print how that went; 1 when it failed."""
    try:
        found = plan.measure(args.program, args.times)
    except (ways.BenchError, OSError) as error:
        print(f"octane-lab: {error}", file=sys.stderr)
        return 1
    if args.form == "json":
        print(json.dumps(found))
        return 0
    table = Table("what", "measured")
    for name, value in found.items():
        table.add_row(name, str(value))
    Console().print(table)
    return 0


def show_switch(found: dict[str, Any], form: str) -> None:
    """Print what ``switch.measure`` returned."""
    if form == "json":
        print(json.dumps(found))
        return
    table = Table("way", "address", "reads of an API", "failed reads", title="longest gap in milliseconds")
    for way, gap in found["gap_ms"].items():
        table.add_row(way, f"{gap['vip']:.0f}", f"{gap['api_read']:.0f}", str(found["failed_reads"][way]))
    table.add_row("ours to predecessor", *(f"{found['ratio'][name]:.3f}" for name in ("vip", "api_read")), "")
    Console().print(table)


def show_window(found: list[dict[str, Any]], form: str) -> None:
    """Print what ``window.measure`` returned."""
    if form == "json":
        print(json.dumps({"runs": found}))
        return
    figures = ("window", "migrations", "beyond")
    table = Table("bytes", *figures, title="seconds")
    for one in found:
        table.add_row(f"{one['bytes'] / 1e6:.0f} MB", *(f"{one[name]:.1f}" for name in figures))
    Console().print(table)


def show(found: dict[str, dict[str, float | None]], form: str) -> None:
    """Print what ``ways.summary`` returned."""
    if form == "json":
        print(json.dumps(found))
        return
    table = Table("way", "seconds", "ratio to old")
    for name in ways.WAYS:
        seconds, ratio = found["seconds"][name], found["ratio"].get(name, 1.0)
        table.add_row(name, "-" if seconds is None else f"{seconds:.2f}", "-" if ratio is None else f"{ratio:.4f}")
    Console().print(table)


def controllers(lab: Lab) -> list[str]:
    """Hosts that are controllers of the cloud as it was deployed first."""
    return [name for name, host in lab.definition["hosts"].items() if "controller" in host.get("roles", ())]


def spare(lab: Lab) -> list[Host]:
    """Hosts that had no role when the lab came up, the Fuel master apart."""
    hosts = lab.definition["hosts"].items()
    return [lab.hosts[name] for name, host in hosts if name != MASTER and not host.get("roles")]


def new_controllers(lab: Lab) -> list[Host]:
    """Hosts that were spare ones and have a database now."""
    return [host for host in spare(lab) if host.is_running() and galera.is_synced(host)]


def first_new(lab: Lab) -> Host:
    """The first of them. Raises LabError."""
    found = new_controllers(lab)
    if not found:
        raise LabError("no new controller has a database yet: it comes with octane upgrade-env")
    return found[0]


def chosen(lab: Lab, name: str) -> Host:
    """The host of this name. Raises LabError."""
    if name not in lab.hosts:
        raise LabError(f"there is no host {name} in this lab; there are {', '.join(lab.hosts)}")
    return lab.hosts[name]


def side(lab: Lab, host: Host) -> ways.Side:
    """A host as a side: clients of its server run in it, the product's functions through Salt on the Fuel master."""
    cidr = ipaddress.ip_network(lab.definition["networks"]["admin"]["cidr"])
    told = json.loads(host.run(["ip", "-json", "-4", "address", "show"]).stdout)
    addresses = [ipaddress.ip_address(one["local"]) for link in told for one in link["addr_info"]]
    address = next((str(one) for one in addresses if one in cidr), None)
    if address is None:
        raise LabError(f"{host.name} has no address in the admin network")
    name = host.installed_name
    return ways.Side(name, host.entering, (), address, lambda *args, **named: call(lab, name, args, named))


def call(lab: Lab, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a function of the product returned on the node ``name``, as an operator on the Fuel master gets it."""
    function, *given = args
    # As JSON, which Salt reads as YAML: a certificate keeps its lines only inside quotes.
    words = [json.dumps(one) for one in given] + [f"{name}={json.dumps(one)}" for name, one in named.items()]
    command = ["salt", "--static", "--out=json", f"--timeout={ways.TIMEOUT}", name, function, *words]
    done = lab.hosts[MASTER].run(command, check=False, timeout=ways.TIMEOUT)
    try:
        answer = json.loads(done.stdout)[name]
    except (ValueError, KeyError):
        raise CommandFailed(command[:6], done.returncode, done.stderr or done.stdout) from None
    if done.returncode:
        raise CommandFailed(command[:6], done.returncode, str(answer))
    return answer
