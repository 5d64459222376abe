"""Taking a lab down: everything is found by the lab's prefix and state directory, so it works after any crash."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import cgroups, mounts, network
from lab.command import CommandFailed
from lab.preloaded import life as preloaded
from lab.state import FILE, prefix_of
from lab.wait import until

# systemd-nspawn keeps a directory and a socket directory for each machine by its name.
NSPAWN = tuple(Path("/run/systemd/nspawn") / name for name in ("propagate", "unix-export", "fsck"))


def take_down(state: Path) -> None:
    """Remove all that the lab in ``state`` made, whether it runs or crashed. Raises Timeout, CommandFailed.

    A directory that no lab was created in is left alone, whatever is in it.
    """
    stop_everything(state)
    preloaded.stop(prefix_of(state))
    if not (state / FILE).exists():
        return
    for entry in state.iterdir():
        if entry.name == FILE:
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    (state / FILE).unlink()
    state.rmdir()


def stop_everything(state: Path) -> None:
    """Power all off; remove namespaces, control groups, mounts, loop devices. Raises Timeout, CommandFailed."""
    prefix = prefix_of(state)
    until(lambda: kill_all(prefix), 30, f"the processes of the lab in {state} to end")
    until(lambda: unmounted(state), 30, f"nothing using {state}")
    mounts.detach_below(state)
    network.delete(prefix)
    for directory in NSPAWN:
        for entry in directory.glob(f"{prefix}*"):
            entry.rmdir()


def kill_all(prefix: str) -> bool:
    """Kill what runs in the lab's control groups and network namespaces; False while any is left.

    Clients of the cloud, which run in the gateway's namespace, belong to no control group of the lab.
    """
    groups = cgroups.of_lab(prefix)
    for group in groups:
        cgroups.kill(group)
    clients = network.processes(prefix)
    cgroups.kill_processes(clients)
    return all([cgroups.remove(group) for group in groups]) and not clients


def unmounted(state: Path) -> bool:
    """Unmount all below ``state``; False while something is in use."""
    try:
        mounts.unmount_below(state)
    except CommandFailed:
        return False
    return True
