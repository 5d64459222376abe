"""How long addresses and APIs are away while controllers change places: the product's way, and its predecessor's.

The predecessor killed the old cluster, unplugged and plugged ports one controller after the other, and then started the
new cluster and its services (octane 7.0's upgrade-control, as its code has it).
"""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.bench import product
from lab.bench.window import clients
from lab.hosts import Host
from lab.probe import run as probe
from lab.probe.summary import read_lines
from lab.state import Lab
from lab.wait import until

BRIDGES = ("br-ex", "br-mgmt")
OPENSTACK = ("nova", "neutron", "glance", "cinder", "heat", "keystone", "placement")
DAEMONS = "^(pacemaker|corosync)"
RETURN_WITHIN = 900
CLIENTS = probe.Intervals(light=0.1, full=5.0, ping=0.01)
VIPS = ("public VIP", "management VIP")

Told = Callable[[str], None]


@dataclass(frozen=True)
class Sides:
    """The controllers that have the addresses at first, and those that shall have them."""

    old: tuple[Host, ...]
    new: tuple[Host, ...]


def measure(lab: Lab, sides: Sides, output: Path, told: Told) -> dict[str, Any]:
    """Switch by the product, go back by it, bring the databases over again, and switch in the predecessor's order.

    :param output: gets what the clients of each saw, as ``NAME-ours``, ``NAME-back`` and ``NAME-predecessor``
    :return: ``{"gap_ms": {way: {"vip", "api_read"}}, "failed_reads": {way: int}, "ratio": {"vip", "api_read"}}``, the
        ratios being ours to the predecessor's
    :raises BenchError: there is no seed, or the clients failed
    :raises CommandFailed: a command failed
    """
    master = lab.hosts["fuel"]
    seed = product.seed_of(master)
    ways: dict[str, Callable[[], None]] = {
        "ours": lambda: product.run(master, "upgrade-control", seed),
        "back": lambda: product.run(master, "rollback-control", seed),
        "predecessor": lambda: predecessor(sides),
    }
    product.run(master, "upgrade-db", seed)
    seen = {}
    for name, go in ways.items():
        if name == "predecessor":
            told("databases again")
            product.run(master, "upgrade-db", seed)
        told(name)
        path = output.with_name(f"{output.stem}-{name}{output.suffix}")
        with watched(lab, path):
            go()
        seen[name] = gaps(read_lines(path))
    return report(seen)


def report(seen: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What ``measure`` returns, of what ``gaps`` found for each way."""
    figures = ("vip", "api_read")
    gap = {way: {figure: round(1000 * found[figure], 1) for figure in figures} for way, found in seen.items()}
    ratio = {figure: round(gap["ours"][figure] / max(gap["predecessor"][figure], 0.1), 4) for figure in figures}
    failed = {way: int(found["failed"]) for way, found in seen.items()}
    return {"gap_ms": gap, "failed_reads": failed, "ratio": ratio}


@contextmanager
def watched(lab: Lab, path: Path) -> Iterator[None]:
    """Clients run through the block, and until every API has answered a read that was sent after it."""
    with clients(lab, path, CLIENTS):
        until(lambda: reading(path) >= since_begin(path), 60, "the clients to reach every API")
        yield
        ended = time.time()
        until(lambda: reading(path) >= ended, RETURN_WITHIN, "every API to answer reads")


def since_begin(path: Path) -> float:
    """When the clients of a file began; never before they did."""
    first = next(iter(read_lines(path)), None) if path.exists() else None
    return float(first["t"]) if first else float("inf")


def reading(path: Path) -> float:
    """Until when all APIs have answered reads: the earliest of the last good ones, 0 without any."""
    last: dict[str, float] = {}
    apis = set()
    for line in read_lines(path) if path.exists() else ():
        if "api" in line and line["kind"] == "read":
            apis.add(line["api"])
            if line["ok"]:
                last[line["api"]] = max(line["t"], last.get(line["api"], 0.0))
    return min((last.get(api, 0.0) for api in apis), default=0.0)


def gaps(lines: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Seconds of the longest silence of a virtual address, and between two good answers to reads of the worst API; how
    many reads failed."""
    addresses: dict[str, str] = {}
    answered: dict[str, list[float]] = defaultdict(list)
    silence, failed = 0.0, 0
    for line in lines:
        if line.get("event") == "begin":
            addresses = {line["addresses"][name]: name for name in VIPS if name in line["addresses"]}
        elif "ping" in line and line["ping"] in addresses:
            silence = max(silence, line.get("gap", 0.0), line.get("longest", 0.0))
        elif line.get("kind") == "read" and not line["full"]:
            failed += not line["ok"]
            if line["ok"]:
                answered[line["api"]].append(line["t"] + line["ms"] / 1000)
    longest = [max((b - a for a, b in itertools.pairwise(sorted(t))), default=0.0) for t in answered.values()]
    return {"vip": silence, "api_read": max(longest, default=0.0), "failed": failed}


def predecessor(sides: Sides) -> None:
    """The order of its actions, each controller after the other."""
    ports = {host.name: _ports(host) for host in sides.old}
    # Asked for before anything is busy: systemd does not answer in time while a whole controller starts.
    jobs = {host.name: _jobs(host) for host in sides.new}
    if len(sides.new) > 1:
        for host in sides.new:
            _kill_cluster(host)
    else:
        for host in sides.new:
            _start_services(host, jobs[host.name])
    for host in sides.old:
        _kill_cluster(host)
    for host in sides.old:
        for name in itertools.chain(*ports[host.name].values()):
            host.run(["ip", "link", "set", "dev", name, "nomaster"])
    for host in sides.new:
        _drop_overlays(host)
        # The hardware of both sides is alike.
        for bridge, names in ports[sides.old[0].name].items():
            for name in names:
                host.run(["ip", "link", "set", "dev", name, "master", bridge])
                host.run(["ip", "link", "set", "dev", name, "up"])
    if len(sides.new) > 1:
        for host in sides.new:
            host.run(["systemctl", "unmask", "--runtime", "corosync", "pacemaker"])
            host.run(["systemctl", "start", "corosync", "pacemaker"])
        for host in sides.new:
            _start_services(host, jobs[host.name])


def _jobs(host: Host) -> list[str]:
    """OpenStack's enabled services outside the cluster."""
    units = host.run(["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--type=service"]).stdout
    return [name for name in (line.split()[0] for line in units.splitlines()) if name.startswith(OPENSTACK)]


def _ports(host: Host) -> dict[str, list[str]]:
    """Network cards, and VLANs of them, in the bridges that the predecessor moves."""
    found = {}
    for bridge in BRIDGES:
        listed = host.run(["ls", f"/sys/class/net/{bridge}/brif"]).stdout.split()
        found[bridge] = [name for name in listed if re.fullmatch(r"(eth|en)[a-z0-9]*(\.[0-9]+)?", name)]
    return found


def _kill_cluster(host: Host) -> None:
    # Upstart, which the predecessor knew, does not start them again.
    host.run(["systemctl", "mask", "--runtime", "corosync", "pacemaker"])
    host.run(["pkill", "-KILL", DAEMONS], check=False)


def _drop_overlays(host: Host) -> None:
    for line in host.run(["ip", "-o", "link", "show", "type", "vxlan"]).stdout.splitlines():
        host.run(["ip", "link", "delete", line.split(":")[1].strip()])


def _start_services(host: Host, jobs: list[str]) -> None:
    """Resources of the cluster, then jobs, one after the other."""

    def stopped() -> list[str]:
        listed = host.run(["crm_resource", "--list-raw"], check=False)
        return [name.partition(":")[0] for name in listed.stdout.split()] if listed.returncode == 0 else []

    until(stopped, RETURN_WITHIN, f"the cluster of {host.name} to answer")
    for name in sorted({name for name in stopped() if any(word in name for word in OPENSTACK)}):
        host.run(["crm_resource", "--resource", name, "--meta", "--delete-parameter", "target-role"], check=False)
    for name in jobs:
        host.run(["systemctl", "start", name], check=False, timeout=RETURN_WITHIN)
