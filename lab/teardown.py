"""Taking a lab down: everything is found by the lab's prefix and state directory, so it works after any crash."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import cgroups, mounts, network
from lab.command import CommandFailed
from lab.state import prefix_of
from lab.wait import until

# systemd-nspawn keeps a directory and a socket directory for each machine by its name.
NSPAWN = tuple(Path("/run/systemd/nspawn") / name for name in ("propagate", "unix-export", "fsck"))


def take_down(state: Path) -> None:
    """Remove all that the lab in ``state`` made, whether it runs or crashed. Raises Timeout, CommandFailed."""
    stop_everything(state)
    if state.exists():
        shutil.rmtree(state)


def stop_everything(state: Path) -> None:
    """Power all off and remove namespaces, control groups and mounts; files stay. Raises Timeout, CommandFailed."""
    prefix = prefix_of(state)
    until(lambda: kill_all(prefix), 30, f"the processes of the lab in {state} to end")
    until(lambda: unmounted(state), 30, f"nothing using {state}")
    network.delete(prefix)
    for directory in NSPAWN:
        for entry in directory.glob(f"{prefix}*"):
            entry.rmdir()


def kill_all(prefix: str) -> bool:
    """Kill what runs in the lab's control groups and remove them; False while any is left."""
    groups = cgroups.of_lab(prefix)
    for group in groups:
        cgroups.kill(group)
    return all([cgroups.remove(group) for group in groups])


def unmounted(state: Path) -> bool:
    """Unmount all below ``state``; False while something is in use."""
    try:
        mounts.unmount_below(state)
    except CommandFailed:
        return False
    return True
