"""
The OSDs of a node: which run on what, how they stop, and how their disks are theirs again in a system that is new.

Where a new system has no Ceph yet, a disk is given back to its OSD all the same: what installs Ceph there then finds
that the disk is in use, and formats those alone that are not.
"""

import glob
import itertools
import os
import pwd
import re
import shutil
import socket
import subprocess
import time

from salt.exceptions import CommandExecutionError

HOMES = "/var/lib/ceph/osd"
PROCESSES = "/proc"
SYSTEMD = "/run/systemd/system"
CLUSTER = "ceph"
STOP_TIMEOUT, START_TIMEOUT = 300, 120
PRIME_TIMEOUT = 120
MOUNT_OPTIONS = "noatime"
_KEY = re.compile(r"^\s*key\s*=\s*(\S+)\s*$", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,6}")


def homes():
    """
    The folders of this node's OSDs.

    :return: ``[{"osd": int, "home", "device": the disk or partition that it leads to or "", "kind": "bluestore" |
        "filestore" | "", "running": bool, "key": fingerprint of the key in its keyring or ""}]``

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.homes
    """
    sources = __salt__["octane_disk.mounted"]()
    processes = _processes()
    return [_home_found(path, sources, processes) for path in sorted(glob.glob(f"{HOMES}/{CLUSTER}-[0-9]*"))]


def hostname():
    """
    The name that OSDs of this node give their bucket when they start.

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.hostname
    """
    return socket.gethostname().partition(".")[0]


def stop(osds, timeout=STOP_TIMEOUT):
    """
    Stop OSDs with TERM, so that each tells the monitors that it goes, and wait for their end.

    :param osds: ids
    :return: those that ran
    :raises CommandExecutionError: naming those that run still

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.stop '[0, 1]'
    """
    ran = sorted(_numbers(osds) & _processes())
    for osd in ran:
        _service("stop", osd)
    _await(lambda: sorted(_numbers(osds) & _processes()), timeout, "to stop")
    return ran


def start(osds, timeout=START_TIMEOUT):
    """
    Start OSDs under their own ids, now and at boot.

    :return: those that did not run before
    :raises CommandExecutionError: naming those that do not run

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.start '[0, 1]'
    """
    waiting = sorted(_numbers(osds) - _processes())
    for osd in waiting:
        _service("start", osd)
    _await(lambda: sorted(_numbers(osds) - _processes()), timeout, "to run")
    return waiting


def claim(osds, disks):
    """
    Give each OSD its disk back, recognised by its label wherever it is now: its folder leads to it from then on. No
    OSD is started.

    :param osds: ``[{"osd": id, "fsid", "uuid"}]`` that were on this node
    :param disks: names of the disks among which they are
    :return: ``[{"osd", "device", "home"}]``
    :raises CommandExecutionError: a disk is missing, is another OSD's or cluster's, or a folder leads elsewhere;
        nothing was changed then

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.claim '[{osd: 0, fsid: F, uuid: U}]' '[sdb, sdc]'
    """
    labels = __salt__["octane_disk.labels"](disks)
    wanted = {(one["osd"], one["fsid"], one["uuid"]) for one in osds}
    found = {(one["osd"], one["fsid"], one["uuid"]): one for one in labels}
    problems = [f"no disk has the label of osd.{osd} ({identity})" for osd, _, identity in sorted(wanted - set(found))]
    problems += [
        f"{found[one]['device']} holds osd.{one[0]} of the cluster {one[1]}, uuid {one[2]}"
        for one in sorted(set(found) - wanted)
    ]
    if len(labels) > len(found):
        problems.append("two disks have the same label")
    problems += _taken([found[one] for one in wanted & set(found)])
    if problems:
        raise CommandExecutionError(f"{'; '.join(problems)}: nothing was changed")
    return [_claimed(found[one]) for one in sorted(wanted)]


def prime(osds):
    """
    Make the folders of OSDs complete from their disks: what a daemon needs to start, its key included. Needs Ceph, and
    :func:`claim` before it.

    :param osds: ids
    :return: ``{id as text: fingerprint of the key in its keyring}``
    :raises CommandExecutionError: a folder leads to no disk, or no key is to be had

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.prime '[0, 1]'
    """
    there = {one["osd"]: one for one in homes()}
    lost = [f"osd.{osd}" for osd in sorted(_numbers(osds)) if not there.get(osd, {}).get("device")]
    if lost:
        raise CommandExecutionError(f"{', '.join(lost)}: no disk was given back to it")
    return {str(osd): _primed(there[osd]) for osd in sorted(_numbers(osds))}


def require_claimed(disks):
    """
    No disk that holds an OSD is taken for an empty one: each is its OSD's own, by the folder that leads to it.

    :return: ``[{"osd", "device"}]``
    :raises CommandExecutionError: naming each disk that is nobody's, with its label

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph_osd.require_claimed '[sdb, sdc]'
    """
    owned = {one["osd"]: one["device"] for one in homes()}
    labels = __salt__["octane_disk.labels"](disks)
    free = [one["device"] for one in labels if owned.get(one["osd"]) != os.path.realpath(one["device"])]
    if free:
        names = [os.path.basename(device) for device in free]
        raise CommandExecutionError(
            f"{'; '.join(__salt__['octane_disk.evidence'](names))}: a deployment would format what no OSD has"
        )
    return [{"osd": one["osd"], "device": one["device"]} for one in labels]


def _home_found(path, sources, processes):
    osd = int(os.path.basename(path).rpartition("-")[2])
    block = os.path.join(path, "block")
    device, kind = sources.get(path, ""), "filestore" if path in sources else ""
    if os.path.islink(block):
        device, kind = os.path.realpath(block), "bluestore"
    key = _key(path)
    return {
        "osd": osd,
        "home": path,
        "device": device,
        "kind": kind,
        "running": osd in processes,
        "key": __salt__["octane_ceph.fingerprint"](key) if key else "",
    }


def _key(home):
    try:
        with open(os.path.join(home, "keyring"), encoding="utf-8") as stream:
            found = _KEY.search(stream.read())
    except FileNotFoundError:
        return ""
    return found[1] if found else ""


def _taken(labels):
    """Folders that lead to another disk than they should."""
    there = {one["osd"]: one for one in homes()}
    other = [
        (one["osd"], there[one["osd"]]["device"])
        for one in labels
        if there.get(one["osd"], {}).get("device") not in (None, "", os.path.realpath(one["device"]))
    ]
    return [f"the folder of osd.{osd} leads to {device}" for osd, device in other]


def _claimed(label):
    home = f"{HOMES}/{CLUSTER}-{label['osd']}"
    os.makedirs(home, exist_ok=True)
    if label["kind"] == "bluestore":
        block = os.path.join(home, "block")
        if not os.path.islink(block):
            os.symlink(label["device"], block)
        _give(home)
        _give(os.path.realpath(label["device"]))
    elif home not in __salt__["octane_disk.mounted"]():
        kind = __salt__["octane_disk.file_system"](label["device"])
        _run(["mount", "-t", kind, "-o", MOUNT_OPTIONS, label["device"], home])
    return {"osd": label["osd"], "device": label["device"], "home": home}


def _primed(one):
    home = one["home"]
    if one["kind"] == "bluestore":
        _run(["ceph-bluestore-tool", "prime-osd-dir", "--dev", one["device"], "--path", home])
    if not _key(home):
        _fetch_key(one["osd"], home)
    key = _key(home)
    if not key:
        raise CommandExecutionError(f"osd.{one['osd']} has no key: neither its disk nor the cluster has it")
    if one["kind"] == "bluestore":
        for name in os.listdir(home):
            if not os.path.islink(os.path.join(home, name)):
                _give(os.path.join(home, name))
        _give(home)
        _give(one["device"])
    return __salt__["octane_ceph.fingerprint"](key)


def _fetch_key(osd, home):
    """Ask the cluster for an OSD's key; it goes from the command into the file, which root alone may read."""
    mask = os.umask(0o077)
    try:
        _run(["ceph", "--connect-timeout", "30", "auth", "get", f"osd.{osd}", "-o", os.path.join(home, "keyring")])
    finally:
        os.umask(mask)


def _give(path):
    """To whom the daemons run as: root before Infernalis, which made a user for them."""
    try:
        user = pwd.getpwnam("ceph")
    except KeyError:
        return
    shutil.chown(path, user.pw_uid, user.pw_gid)


def _numbers(osds):
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in osds):
        raise CommandExecutionError(f"no ids of OSDs: {osds!r}")
    return set(osds)


def _processes():
    """Ids of the OSDs that run here."""
    return {osd for path in glob.glob(f"{PROCESSES}/[0-9]*/cmdline") for osd in _osd_of(path)}


def _osd_of(path):
    try:
        with open(path, "rb") as stream:
            words = stream.read(4096).decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
    if os.path.basename(words[0]) != "ceph-osd":
        return []
    given = [after for word, after in itertools.pairwise(words) if word in ("-i", "--id")]
    given += [word.partition("=")[2] for word in words if word.startswith(("-i=", "--id="))]
    return [int(one) for one in given if _NUMBER.fullmatch(one)]


def _service(verb, osd):
    """Upstart has one job for all OSDs, an instance of it for each, which Salt's ``service`` cannot name."""
    if os.path.isdir(SYSTEMD):
        unit = f"ceph-osd@{osd}"
        if verb == "start":
            __salt__["service.enable"](unit)
        __salt__[f"service.{verb}"](unit)
        return
    if verb == "start":
        _mark(osd)
    _run(["initctl", verb, "ceph-osd", f"cluster={CLUSTER}", f"id={osd}"])


def _mark(osd):
    """By this file in an OSD's folder upstart knows at boot that it is its to start."""
    home = f"{HOMES}/{CLUSTER}-{osd}"
    if os.path.isdir(home) and not os.path.exists(f"{home}/sysvinit"):
        with open(f"{home}/upstart", "a", encoding="utf-8"):
            pass


def _await(left, timeout, what):
    deadline = time.monotonic() + timeout
    while found := left():
        if time.monotonic() > deadline:
            named = ", ".join(f"osd.{osd}" for osd in found)
            raise CommandExecutionError(f"waited {timeout} s for {named} {what}, in vain")
        time.sleep(0.2)


def _run(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PRIME_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandExecutionError(f"{argv[0]}: {type(error).__name__}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CommandExecutionError(f"{' '.join(argv[:2])}: {said[-1] if said else f'ended with {done.returncode}'}")
