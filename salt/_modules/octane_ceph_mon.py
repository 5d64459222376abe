"""
Monitors of a node: one is made, joins a cluster, moves, is set aside or fenced; what was there is kept and comes back.

What a node had before is below ``/var/lib/ceph/.octane``, in the file system of the stores, where nothing starts it.
"""

import glob
import json
import os
import pwd
import re
import shutil
import subprocess
import time

from salt.exceptions import CommandExecutionError

HOME = "/var/lib/ceph"
ASIDE = f"{HOME}/.octane"
RECORD = "/var/lib/octane-node/ceph-daemons.json"
CARRIED = "/var/lib/octane-node/ceph-original"
"""What the seed's monitors need of the original: its map, their common key, its ceph.conf."""
MAP, KEYRING, CONFIGURATION = "monmap", "mon.keyring", "ceph.conf"
GATEWAY = "radosgw.gateway"
MARKS = ("systemd", "upstart", "sysvinit")
"""Files by which the init system knows that a monitor is its to start."""
STOP_TIMEOUT, START_TIMEOUT = 60, 60
_MADE_WITHIN = 300
_OURS = "octane"
"""File in a store that was made here."""
_SECTION = re.compile(r"^\[([A-Za-z0-9._-]+)\]\s*$", re.MULTILINE)


def export():
    """
    Put what monitors and clients of other nodes need into a folder of this one, for root alone, to be sent on from
    there: each keyring with what the cluster has for its users.

    :return: the folder
    :raises CommandExecutionError: the cluster has no such user

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph_mon.export
    """
    shutil.rmtree(CARRIED, ignore_errors=True)
    os.makedirs(CARRIED, mode=0o700)
    mask = os.umask(0o077)
    try:
        __salt__["octane_ceph.say"]("mon", "getmap", "-o", f"{CARRIED}/{MAP}")
        shutil.copyfile(f"/etc/ceph/{CONFIGURATION}", f"{CARRIED}/{CONFIGURATION}")
        _write(f"{CARRIED}/{KEYRING}", _keys(["mon."]))
        for path in _keyrings():
            _write(_carried(path), _keys(_users(path)))
    finally:
        os.umask(mask)
    return CARRIED


def forget():
    """
    Remove what :func:`export` made, or what came from there.

    :return: ``{"was": whether there was something}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph_mon.forget
    """
    found = os.path.isdir(CARRIED)
    for path in (CARRIED, f"{CARRIED}.octane-before"):
        shutil.rmtree(path, ignore_errors=True)
    return {"was": found}


def daemons():
    """
    Ceph's daemons of a controller that run now: ``[[kind, name], ...]``, gateways first and monitors last, the order
    in which they can be stopped.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph_mon.daemons
    """
    known = [("radosgw", GATEWAY)] if _is_running("radosgw", GATEWAY) else []
    for kind in ("mgr", "mon"):
        names = [os.path.basename(path).partition("-")[2] for path in sorted(glob.glob(f"{HOME}/{kind}/ceph-*"))]
        known += [(kind, name) for name in names if _is_running(kind, name)]
    return [list(one) for one in known]


def set_aside():
    """
    Stop what this controller has of a cluster of its own and put its stores aside; once, and :func:`put_back` undoes
    it.

    :return: the daemons that ran, as :func:`daemons` tells them

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph_mon.set_aside
    """
    ran = _recorded()
    if ran is None:
        ran = daemons()
        __salt__["octane_files.note"](RECORD, json.dumps(ran))
    for kind, name in ran:
        # Only what is of that cluster: another monitor may have its name by now.
        if not os.path.isdir(_aside(kind, name)) or kind == "radosgw":
            _stop(kind, name)
    os.makedirs(ASIDE, mode=0o700, exist_ok=True)
    if not os.path.exists(f"{ASIDE}/{CONFIGURATION}"):
        shutil.copyfile(f"/etc/ceph/{CONFIGURATION}", f"{ASIDE}/{CONFIGURATION}")
    for path in _files():
        __salt__["octane_files.keep"](path, "ceph")
    for kind in ("mon", "mgr"):
        for path in sorted(glob.glob(f"{HOME}/{kind}/ceph-*")):
            target = _aside(kind, os.path.basename(path).partition("-")[2])
            if not os.path.isdir(target):
                os.rename(path, target)
    return ran


def put_back():
    """
    What :func:`set_aside` put aside is where it was and runs again.

    :raises CommandExecutionError: a monitor of another cluster is in its place

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph_mon.put_back
    """
    ran = _recorded()
    if ran is None:
        return []
    for path in sorted(glob.glob(f"{ASIDE}/*-ceph-*")):
        kind, _, name = os.path.basename(path).split("-", 2)
        home = _home(kind, name)
        if os.path.isdir(home):
            raise CommandExecutionError(f"{home} is there again: take that monitor away first")
        os.rename(path, home)
    __salt__["octane_files.restore"]("ceph")
    for kind, name in reversed(ran):
        _start(kind, name)
    shutil.rmtree(ASIDE, ignore_errors=True)
    os.unlink(RECORD)
    return ran


def make(name):
    """
    Make a monitor of the cluster whose map and key were carried here, and start it: it joins by itself, at the address
    that ceph.conf has for it.

    :return: ``{"made": bool}``: ``False`` when its store was there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph_mon.make node-4
    """
    home = _home("mon", name)
    made = not os.path.exists(f"{home}/done")
    if made:
        # What an attempt before this one left half made.
        shutil.rmtree(home, ignore_errors=True)
        _mkfs(name, home)
    _start("mon", name)
    return {"made": made}


def unmake(name):
    """
    Stop a monitor that :func:`make` made and remove its store; one that was here before is never touched.

    :return: ``{"removed": bool}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph_mon.unmake node-4
    """
    home = _home("mon", name)
    if not os.path.isdir(home):
        return {"removed": False}
    if not os.path.exists(f"{home}/{_OURS}"):
        raise CommandExecutionError(f"{home} was not made by octane: it stays")
    _stop("mon", name)
    shutil.rmtree(home)
    return {"removed": True}


def take_keys():
    """
    Give each keyring of this node what was carried for it; the files as they were are kept, and :func:`put_back`
    restores them.

    :return: paths of those that changed
    :raises CommandExecutionError: nothing was carried for one of them

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph_mon.take_keys
    """
    texts = {path: __salt__["octane_jobs.read"](_carried(path)) for path in _keyrings()}
    lost = [path for path, text in texts.items() if not text]
    if lost:
        raise CommandExecutionError(f"the original has no {', '.join(lost)}")
    return [path for path, text in texts.items() if __salt__["octane_files.write"](path, text, "ceph")]


def _keys(users):
    return "".join(__salt__["octane_ceph.say"]("auth", "get", user) for user in users)


def _users(path):
    with open(path, encoding="utf-8") as stream:
        return _SECTION.findall(stream.read())


def _carried(path):
    return f"{CARRIED}/{path.strip('/').replace('/', '_')}"


def _write(path, text):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


def _mkfs(name, home):
    user = _user()
    scratch = f"{HOME}/tmp/octane-{name}"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch, mode=0o700)
    try:
        for part in (MAP, KEYRING):
            shutil.copyfile(f"{CARRIED}/{part}", f"{scratch}/{part}")
            os.chmod(f"{scratch}/{part}", 0o600)
            _give(f"{scratch}/{part}", user)
        _give(scratch, user)
        argv = ["ceph-mon", "--mkfs", "--id", name, "--monmap", f"{scratch}/{MAP}", "--keyring", f"{scratch}/{KEYRING}"]
        _run(argv + (["--setuser", user, "--setgroup", user] if user else []), _MADE_WITHIN)
    finally:
        shutil.rmtree(scratch)
    for mark in (_OURS, _mark(), "done"):
        with open(f"{home}/{mark}", "w", encoding="utf-8"):
            pass
        _give(f"{home}/{mark}", user)


def _user():
    """Who the daemons are: root before Infernalis, which made a user for them."""
    try:
        pwd.getpwnam("ceph")
    except KeyError:
        return None
    return "ceph"


def _give(path, user):
    if user:
        shutil.chown(path, user, user)


def _mark():
    """As the init system marks what it starts; of what stood here before, or by what runs this node."""
    found = [os.path.basename(path) for path in glob.glob(f"{ASIDE}/mon-*/*") if os.path.basename(path) in MARKS]
    return found[0] if found else ("systemd" if _is_systemd() else "upstart")


def _is_systemd():
    return os.path.isdir("/run/systemd/system")


def _service(kind, name):
    """What Salt's ``service`` knows the daemon by. Upstart's job for one monitor takes its name as a parameter, which
    Salt cannot give; the one for all has but one here."""
    if _is_systemd():
        return f"ceph-{kind}@{name}"
    return "radosgw" if kind == "radosgw" else f"ceph-{kind}-all"


def _is_running(kind, name):
    """By its process: upstart's job for all monitors runs also where none of them does."""
    program = "radosgw" if kind == "radosgw" else f"ceph-{kind}"
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        words = _words(path)
        if os.path.basename(words[0]) == program and {name, f"client.{name}"} & set(words):
            return True
    return False


def _words(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().split("\0")
    except OSError:
        return [""]  # it has ended meanwhile


def _start(kind, name):
    service = _service(kind, name)
    __salt__["service.enable"](service)
    __salt__["service.start"](service)
    _await(lambda: _is_running(kind, name), START_TIMEOUT, f"{service} to run")


def _stop(kind, name):
    service = _service(kind, name)
    __salt__["service.disable"](service)
    __salt__["service.stop"](service)
    _await(lambda: not _is_running(kind, name), STOP_TIMEOUT, f"{service} to stop")


def _await(holds, timeout, what):
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"waited {timeout} s for {what}, in vain")
        time.sleep(0.1)


def _home(kind, name):
    return f"{HOME}/{kind}/ceph-{__salt__['octane_ceph.checked'](name)}"


def _aside(kind, name):
    return f"{ASIDE}/{kind}-ceph-{name}"


def _keyrings():
    return sorted(glob.glob("/etc/ceph/*keyring*") + glob.glob(f"{HOME}/bootstrap-*/*.keyring"))


def _files():
    return [f"/etc/ceph/{CONFIGURATION}", *_keyrings()]


def _recorded():
    text = __salt__["octane_jobs.read"](RECORD)
    return json.loads(text) if text else None


def _run(argv, timeout):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CommandExecutionError(f"{' '.join(argv[:4])}: {said[-1] if said else f'ended with {done.returncode}'}")
    return done.stdout
