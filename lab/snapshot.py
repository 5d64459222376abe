"""The deployed, loaded old cloud as files: taken once, started from again and again.

A snapshot is a directory of the cache with a disk image for each host, each host's ports and data, and the lab's own
files. A lab uses the images where they are, read-only, below fresh disks of its own.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import cache
from lab.cache import CACHE, say
from lab.command import run
from lab.hosts import Host
from lab.state import FILE, PRELOADED, Lab

HERE = Path(__file__).resolve().parent
SOURCES = [HERE / name for name in ("deployer", "nailgun", "content.py", "client.py", "master.py", "cloud.py")]
WORKERS = 4
OF_HOST = ("ports", "data")


def path_of(definition: dict[str, Any], options: dict[str, Any]) -> Path:
    """Where the snapshot of a cloud by these sources is, taken or not. ``options``: of a lab.state.Lab."""
    words = [json.dumps(definition, sort_keys=True), options["image"], json.dumps(options["openstack"], sort_keys=True)]
    words += [options["layer"]] if "layer" in options else []
    return CACHE / f"cloud-{definition['name']}-{cache.key(SOURCES, *words)}"


def is_taken(directory: Path) -> bool:
    """Whether a snapshot can be used."""
    return cache.is_complete(directory)


def take(lab: Lab, directory: Path) -> None:
    """Move the disks of the lab, whose hosts are all off, into a snapshot and put the lab on it; it stays off."""
    with cache.lock(directory.name):
        cache.remove(directory)
        (directory / "files").mkdir(parents=True)
        directory.chmod(0o700)
        for entry in own_files(lab):
            copy(entry, directory / "files" / entry.name)
        for host in lab.hosts.values():
            host.unmount()
            for name in OF_HOST:
                copy(host.directory / name, directory / f"{host.name}.{name}")
            host.disk_file.rename(directory / f"{host.name}.ext4")
        cache.mark_complete(directory)
    lab.options["lowers"] = str(directory)
    lab.save()


def put(lab: Lab, directory: Path) -> None:
    """Give the lab the files of a snapshot: Nailgun's state, images, each host's ports and data. Its hosts are off."""
    for entry in own_files(lab):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for entry in (directory / "files").iterdir():
        copy(entry, lab.state / entry.name)
    for host in lab.hosts.values():
        for name in OF_HOST:
            target = host.directory / name
            if target.is_dir():
                shutil.rmtree(target)
            copy(directory / f"{host.name}.{name}", target)


def own_files(lab: Lab) -> list[Path]:
    """Files and folders of a lab's state that are its cloud's, not the machines'."""
    others = {"hosts", FILE, PRELOADED, "definition.json"}
    return [path for path in lab.state.iterdir() if path.name not in others and not path.name.startswith(".")]


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder with owners, modes and holes. Raises CommandFailed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "-a", "--sparse=always", "-T", str(source), str(target)], timeout=600)


def forget_disks(lab: Lab) -> None:
    """Power every host off at once and throw away what it wrote since the snapshot. Raises Timeout, CommandFailed."""
    def forget(host: Host) -> None:
        host.kill()
        host.unmount()
        for name in ("disk.ext4", "reinstalled", "partitioned"):
            (host.directory / name).unlink(missing_ok=True)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(forget, lab.hosts.values()))
    say(f"snapshot: all {len(lab.hosts)} hosts are off, what they wrote is gone")
