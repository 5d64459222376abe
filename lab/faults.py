"""What can be made to go wrong in a lab, on purpose."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab import storage_faults
from lab.hosts import Host
from lab.state import Lab, LabError

FILLER = "filler"
LOW_PERCENT = 4
"""Of a disk: less than Ceph's monitors start with."""


def order_failure(lab: Lab, host: Host, what: str) -> None:
    """Order the next ``what`` ("provision" or "deploy") of a host to fail; the deployer uses the order up."""
    if host.name == "fuel":
        raise LabError(f"the Fuel master is not installed by itself: name a node for fail-{what}")
    faults = lab.state / "faults"
    faults.mkdir(exist_ok=True)
    (faults / f"{host.name}.{what}").touch()


def fill_disk(host: Host, left_percent: int = 0) -> int:
    """Take what is free on a host's disk, but for a part of the disk, and return how many bytes that was.

    Space is reserved, not written, in the file system that the host's root is kept in, beside the root itself; the
    machine's own disk loses nothing.
    """
    disk = host.directory / "disk"
    host.mount()
    free = os.statvfs(disk)
    left = part = max(0, free.f_bavail - free.f_blocks * left_percent // 100) * free.f_frsize
    with (disk / FILLER).open("ab") as handle:
        position = handle.seek(0, os.SEEK_END)
        while part >= free.f_frsize:
            try:
                os.posix_fallocate(handle.fileno(), position, part)
            except OSError:
                part //= 2  # part of what is free goes to the file's own map
                continue
            position += part
            left -= part
            part = min(part, left)
    return position


def heal(lab: Lab, host: Host) -> None:
    """Take back what faults did that stay until then; power stays as it is."""
    host.set_partitioned(False)
    (host.directory / "disk" / FILLER).unlink(missing_ok=True)
    for what in ("provision", "deploy"):
        (lab.state / "faults" / f"{host.name}.{what}").unlink(missing_ok=True)
    storage_faults.heal(lab, host)


def reboot(host: Host) -> None:
    """Reboot cleanly and wait until the host has booted."""
    host.reboot()
    host.wait_booted()


ACTIONS: dict[str, tuple[str, Callable[[Lab, Host], object]]] = {
    "kill": ("pull the plug", lambda lab, host: host.kill()),
    "poweroff": ("shut down cleanly", lambda lab, host: host.stop()),
    "poweron": ("power on and wait until it has booted", lambda lab, host: power_on(host)),
    "reboot": ("reboot cleanly and wait until it has booted", lambda lab, host: reboot(host)),
    "partition": ("unplug all its network cables; stays so over reboots", lambda lab, host: host.set_partitioned(True)),
    "heal": ("take back partition, full disks, ordered failures and what was done to Ceph", heal),
    "fill-disk": ("leave no free byte on its disk", lambda lab, host: fill_disk(host)),
    "low-disk": (f"leave {LOW_PERCENT} % of its disk free", lambda lab, host: fill_disk(host, LOW_PERCENT)),
    "fail-provision": ("let its next installation fail", lambda lab, host: order_failure(lab, host, "provision")),
    "fail-deploy": ("let its next deployment fail", lambda lab, host: order_failure(lab, host, "deploy")),
    "swap-disks": ("exchange its first two data disks", storage_faults.swap_disks),
    "foreign-label": ("label its first data disk as another cluster's", storage_faults.label_foreign),
    "lose-keyring": ("remove the key of its monitor, or of its first OSD", storage_faults.lose_keyring),
    "inconsistent-pg": ("let an OSD of it find an object that it cannot read", storage_faults.make_inconsistent),
}
"""Name -> what it does, and how."""


def power_on(host: Host) -> None:
    """Power on and wait until the host has booted."""
    host.start()
    host.wait_booted()
