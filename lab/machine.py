"""The one setting of the machine that a lab may need changed, and its return to what it was."""

from __future__ import annotations

import os
from pathlib import Path

from lab import cgroups
from lab.cache import say
from lab.state import LabError

INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
REMEMBERED = Path("/run/octane-lab-inotify")
WANTED = 1024
"""Each systemd host takes about six; a default of 128 is used up by twenty hosts of one or several labs."""


def require_root() -> None:
    """Raises LabError for anyone but root."""
    if os.geteuid() != 0:
        raise LabError("this needs root, because it makes namespaces and mounts: run it with sudo")


def allow_watches() -> None:
    """Raise the machine's limit of inotify instances where it is too low for a lab, and remember what it was."""
    before = INSTANCES.read_text().strip()
    if int(before) >= WANTED:
        return
    if not REMEMBERED.exists():
        REMEMBERED.write_text(before + "\n")
    INSTANCES.write_text(str(WANTED))
    say(f"fs.inotify.max_user_instances of this machine raised from {before} to {WANTED} while a lab is up")


def restore_watches() -> None:
    """Put the limit back once no lab is up any more, if it was a lab that raised it."""
    if not REMEMBERED.exists() or labs_up():
        return
    before = REMEMBERED.read_text().strip()
    if INSTANCES.read_text().strip() == str(WANTED):
        INSTANCES.write_text(before)
    REMEMBERED.unlink()


def labs_up() -> list[str]:
    """Prefixes of the labs that have a control group on this machine."""
    found = {directory.name for hierarchy in cgroups.hierarchies() for directory in hierarchy.glob("ol[0-9a-f]*-lab")}
    return sorted(name.removesuffix("lab") for name in found)
