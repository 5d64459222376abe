"""What can be made to go wrong in a lab, on purpose."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab.hosts import Host
from lab.state import Lab, LabError

FILLER = "filler"


def order_failure(lab: Lab, host: Host, what: str) -> None:
    """Order the next ``what`` ("provision" or "deploy") of a host to fail; the deployer uses the order up."""
    if host.name == "fuel":
        raise LabError(f"the Fuel master is not installed by itself: name a node for fail-{what}")
    faults = lab.state / "faults"
    faults.mkdir(exist_ok=True)
    (faults / f"{host.name}.{what}").touch()


def fill_disk(host: Host) -> int:
    """Take all that is free on a host's disk and return how many bytes that was; the machine's own disk loses nothing.

    Space is reserved, not written, in the file system that the host's root is kept in, beside the root itself.
    """
    disk = host.directory / "disk"
    host.mount()
    free = os.statvfs(disk)
    size = free.f_bavail * free.f_frsize
    with (disk / FILLER).open("ab") as handle:
        position = handle.seek(0, os.SEEK_END)
        while size >= free.f_frsize:
            try:
                os.posix_fallocate(handle.fileno(), position, size)
            except OSError:
                size //= 2  # part of what is free goes to the file's own map
                continue
            position += size
    return position


def heal(lab: Lab, host: Host) -> None:
    """Take back what partition, fill-disk, fail-provision and fail-deploy did; power stays as it is."""
    host.set_partitioned(False)
    (host.directory / "disk" / FILLER).unlink(missing_ok=True)
    for what in ("provision", "deploy"):
        (lab.state / "faults" / f"{host.name}.{what}").unlink(missing_ok=True)


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
    "heal": ("take back partition, fill-disk and ordered failures", heal),
    "fill-disk": ("leave no free byte on its disk", lambda lab, host: fill_disk(host)),
    "fail-provision": ("let its next installation fail", lambda lab, host: order_failure(lab, host, "provision")),
    "fail-deploy": ("let its next deployment fail", lambda lab, host: order_failure(lab, host, "deploy")),
}
"""Name -> what it does, and how."""


def power_on(host: Host) -> None:
    """Power on and wait until the host has booted."""
    host.start()
    host.wait_booted()
