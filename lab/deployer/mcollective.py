"""The agent by which Astute erases a node: on every node as its package, nailgun-mcagents, put it there.

A node has the agent of the release that it was installed by, until somebody puts another in its place and restarts
MCollective, which knows its agents as they were when it started. Agents of 6.1 and before destroy what data disks
hold; 7.0's takes the boot code of the disks and leaves the rest alone (fuel-library and fuel-web of those releases).

The lab has no Ruby: of an agent's text it understands how much each of its commands ``dd`` writes over the beginning of
a disk, and takes that for all data disks. An agent that chooses among disks is beyond it.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import DeploymentError
from .files import TEMPLATES, File, write
from .nodefiles import make_links

AGENT = "/usr/share/mcollective/plugins/mcollective/agent/erase_node.rb"
LOADED = "/run/mcollective/agent/erase_node.rb"
UNIT = "/etc/systemd/system/mcollective.service"
WANTED = "/etc/systemd/system/multi-user.target.wants/mcollective.service"

BOOT_CODE = 446
"""Bytes at the beginning of a disk that are no data's. The lab's data disks, without partitions, have none."""

WRITES = re.compile(r"\bdd if=/dev/zero of=\S+ bs=(\d+)([KM]?) count=(\d+)")
FACTORS = {"": 1, "K": 2**10, "M": 2**20}


def files(fuel_release: str) -> list[File]:
    """MCollective on a node that was installed by a release of Fuel ("6.1")."""
    texts = {AGENT: f"erase_node-{fuel_release}.rb", UNIT: "mcollective.service"}
    return [File(path, (TEMPLATES / name).read_text(encoding="utf-8")) for path, name in texts.items()]


def install(host: Any, fuel_release: str) -> None:
    """Put MCollective on a host that is off; it starts with it."""
    write(host, files(fuel_release))
    make_links(host, {WANTED: UNIT})


def erase(host: Any) -> None:
    """Let a node's agent erase it, as MCollective loaded it; harmless when the node is off.

    Raises DeploymentError when it is on and MCollective has no such agent.
    """
    if not host.is_running():
        return
    loaded = host.run(["cat", LOADED], check=False)
    if loaded.returncode:
        raise DeploymentError(f"Mcollective problem with nodes [{host.name}], please check log for details")
    count = erased_bytes(loaded.stdout)
    if count > BOOT_CODE:
        for name in host.disks():
            host.overwrite_disk(name, count)


def erased_bytes(agent: str) -> int:
    """The most bytes that an agent writes over the beginning of a disk or partition."""
    code = "\n".join(line for line in agent.splitlines() if not line.lstrip().startswith("#"))
    sizes = (int(size) * FACTORS[unit] * int(count) for size, unit, count in WRITES.findall(code))
    return max(sizes, default=0)
