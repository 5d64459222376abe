#!/usr/bin/python3
"""ceph-disk, as Firefly has it, for disks of today's Ceph: whole disks with a label instead of partitions.

ceph-disk list | prepare DISK | activate DISK | activate-all. As with the real one, ``prepare`` makes a new OSD of a
disk that no OSD is active on, whatever is on it. What Firefly calls active is a data partition that is mounted as the
home of an OSD, whether its daemon runs or not; here that is a home whose ``block`` leads to the disk.

There are no partitions and type GUIDs: BlueStore begins at the first byte of what ``block`` leads to, without an
offset, and a partition of a file is a device only by a loop device or the device mapper, which hosts do not have here.
"""

import argparse
import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import uuid

OSDS = "/var/lib/ceph/osd"
DISKS = "/dev/sd[b-z]"
BOOTSTRAP = ["--name", "client.bootstrap-osd", "--keyring", "/var/lib/ceph/bootstrap-osd/ceph.keyring"]
ADMIN = ["--name", "client.admin"]
LABEL_BYTES = 10 * 2**20
OWNER = "ceph"


def main():
    known = argparse.ArgumentParser(prog="ceph-disk")
    commands = known.add_subparsers(dest="command", required=True)
    for name in ("list", "activate-all"):
        commands.add_parser(name)
    for name in ("prepare", "activate"):
        commands.add_parser(name).add_argument("disk")
    wanted = known.parse_args()
    if wanted.command == "list":
        for disk in disks():
            print(described(disk))
    elif wanted.command == "activate-all":
        for disk in disks():
            if label(disk) and not is_active(disk):
                activate(disk)
    else:
        {"prepare": prepare, "activate": activate}[wanted.command](wanted.disk)


def disks():
    """Data disks of this node."""
    return sorted(disk for disk in glob.glob(DISKS) if os.path.exists(disk))


def described(disk):
    """A line of ``list``."""
    found = label(disk)
    if not found:
        return f"{disk} other, unknown"
    state = "active" if is_active(disk) else "prepared"
    return f"{disk} ceph data, {state}, cluster ceph, osd.{found['whoami']}"


def label(disk):
    """The label of an OSD's disk, None of any other one."""
    told = run("ceph-bluestore-tool", "show-label", "--dev", disk, check=False)
    if told.returncode:
        return None
    return next(iter(json.loads(told.stdout).values()))


def is_active(disk):
    """Whether the disk is the home of an OSD, running or not."""
    blocks = glob.glob(f"{OSDS}/ceph-*/block")
    return any(os.path.realpath(block) == os.path.realpath(disk) for block in blocks)


def is_running(number):
    """Whether the daemon of an OSD runs."""
    return run("systemctl", "is-active", "--quiet", f"ceph-osd@{number}", check=False).returncode == 0


def prepare(disk):
    """Make a new OSD of a disk."""
    if is_active(disk):
        sys.exit(f"ceph-disk: {disk} belongs to an OSD that is active")
    with open(disk, "r+b") as device:
        device.write(b"\0" * LABEL_BYTES)
    key = run("ceph-authtool", "--gen-print-key").stdout.strip()
    identity = str(uuid.uuid4())
    secrets = json.dumps({"cephx_secret": key})
    number = run("ceph", *BOOTSTRAP, "osd", "new", identity, "-i", "-", given=secrets).stdout.strip()
    shutil.rmtree(f"{OSDS}/ceph-{number}", ignore_errors=True)
    home = made_home(number, disk)
    mkfs = ["ceph-osd", "-i", number, "--mkfs", "--osd-uuid", identity, "--keyfile", "-"]
    run(*mkfs, "--setuser", OWNER, "--setgroup", OWNER, given=key)
    write_keyring(home, number, key)


def activate(disk):
    """Start the OSD that a disk's label names, under its own number, unless it runs."""
    found = label(disk)
    if not found:
        sys.exit(f"ceph-disk: {disk} has no label of an OSD")
    number = str(found["whoami"])
    if is_running(number):
        return
    home = made_home(number, disk)
    run("ceph-bluestore-tool", "prime-osd-dir", "--dev", disk, "--path", home)
    if not found.get("osd_key"):
        write_keyring(home, number, run("ceph", *ADMIN, "auth", "get-key", f"osd.{number}").stdout.strip())
    for name in os.listdir(home):
        if not os.path.islink(f"{home}/{name}"):
            shutil.chown(f"{home}/{name}", OWNER, OWNER)
    run("systemctl", "enable", "--quiet", "--now", f"ceph-osd@{number}")


def made_home(number, disk):
    """The folder of an OSD with the link to its disk, both the daemon's own."""
    home = f"{OSDS}/ceph-{number}"
    os.makedirs(home, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{home}/block")
    os.symlink(disk, f"{home}/block")
    for path in (home, os.path.realpath(disk)):
        shutil.chown(path, OWNER, OWNER)
    return home


def write_keyring(home, number, key):
    """The OSD's own key."""
    path = f"{home}/keyring"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"[osd.{number}]\n\tkey = {key}\n")
    shutil.chown(path, OWNER, OWNER)


def run(*argv, given=None, check=True):
    """A finished command; its failure is this program's."""
    done = subprocess.run(argv, input=given, capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"ceph-disk: {argv[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done


if __name__ == "__main__":
    main()
