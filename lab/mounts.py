"""Mounts of the lab: a host's own disk in a sparse file, and its root as an overlay of it over the image."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from lab.command import run

DISK_BYTES = 16 * 2**30


def mounted_below(directory: Path) -> list[Path]:
    """Mount points at and below ``directory``, the last mounted first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point == directory or directory in point.parents:
            points.append(point)
    return points[::-1]


def unmount_below(directory: Path) -> None:
    """Unmount all at and below ``directory``. Raises CommandFailed when something still uses one."""
    for point in mounted_below(directory):
        run(["umount", str(point)])


def detach_below(directory: Path) -> None:
    """Release every loop device that shows a file below ``directory``: also one whose maker died before the mount."""
    for shown in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = Path(shown.read_text().rstrip("\n"))
        except OSError:
            continue  # released meanwhile
        if directory in file.parents:
            run(["losetup", "--detach", f"/dev/{shown.parents[1].name}"], check=False)


def make_disk(file: Path) -> None:
    """Make a sparse file with an empty file system: a host then has a disk of a size, that can be full.

    It needs no journal: after a crash of the machine a lab is made anew.
    """
    with file.open("wb") as handle:
        handle.truncate(DISK_BYTES)
    run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", str(file)])


def share(directory: Path) -> None:
    """Make what is unmounted below ``directory`` go away in every mount namespace. Raises CommandFailed.

    Each host's namespace begins as a copy of the machine's, the other hosts' mounts included. Where the machine's root
    is not shared (systemd shares it, others do not), such a copy would keep the disk of a host in use for ever.
    """
    run(["mount", "--bind", str(directory), str(directory)])
    run(["mount", "--make-shared", str(directory)])


def mount_disk(file: Path, point: Path, *, read_only: bool = False) -> None:
    """Mount a disk made by make_disk; its loop device is released with the mount. Raises CommandFailed.

    The device is made first, because ``mount -o loop`` would take another's that shows the same file.
    """
    point.mkdir(parents=True, exist_ok=True)
    device = run(["losetup", "--find", "--show", *(["--read-only"] if read_only else []), str(file)]).stdout.strip()
    try:
        run(["mount", "-t", "ext4", "-o", "ro" if read_only else "discard,noatime", device, str(point)])
    finally:
        run(["losetup", "--detach", device])


def mount_root(point: Path, disk: Path, lowers: Sequence[Path]) -> None:
    """Mount an overlay of ``disk``/upper over ``lowers`` (first wins). Raises CommandFailed.

    "volatile" leaves out every fsync; the mark it leaves behind says that the machine may have crashed since. The lab's
    hosts lose power by being killed, which loses nothing of the page cache, so the mark is removed.
    """
    for name in ("upper", "work"):
        (disk / name).mkdir(exist_ok=True)
    mark = disk / "work/work/incompat/volatile"
    if mark.exists():
        shutil.rmtree(mark)
    lower = ":".join(str(path) for path in lowers)
    point.mkdir(exist_ok=True)
    options = f"lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work,volatile"
    run(["mount", "-t", "overlay", "octane-lab", "-o", options, str(point)])
