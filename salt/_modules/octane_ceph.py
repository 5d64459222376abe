"""
What a Ceph cluster and this node's daemons say of themselves, of any release from Firefly on.

Every command has a bound, for without a quorum none would end. Keys and other secrets are left out: a fingerprint
stands for each.
"""

import glob
import hashlib
import json
import os
import re
import subprocess

from salt.exceptions import CommandExecutionError

MONITORS = "/var/lib/ceph/mon"
SOCKETS = "/var/run/ceph"
CONFIGURATION = "/etc/ceph/ceph.conf"
OWNER = "ceph"
"""Whose files are kept by that name, as ``octane_files`` does."""
TIMEOUT = 30
_SECRET = ("key", "token", "password", "secret")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_DAEMON = re.compile(r"ceph-(?:mon|osd|mgr)\.[A-Za-z0-9_.-]{1,100}\.asok")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{3,45}")
_PLACEHOLDER = re.compile(r"octane-secret-[0-9a-f]{16}")
_KEY = re.compile(r"^(\s*)([A-Za-z][\w \t-]*?)(\s*=\s*)(.*\S)\s*$")


def ask(*command, login=None, through=None, timeout=TIMEOUT):
    """
    What ``ceph COMMAND -f json`` says, parsed.

    :param login: ``[user, keyring]`` instead of the administrator's
    :param through: addresses of monitors, instead of those in ceph.conf
    :raises CommandExecutionError: it failed, or no quorum answered in time

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.ask osd stat
    """
    text = say(*command, "-f", "json", login=login, through=through, timeout=timeout)
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandExecutionError(f"`ceph {' '.join(command)}` did not answer with JSON") from error


def say(*command, login=None, through=None, timeout=TIMEOUT):
    """
    What ``ceph COMMAND`` prints.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.say version
    """
    who = ["--name", login[0], "--keyring", login[1]] if login else []
    who += ["-m", ",".join(map(_address, through))] if through else []
    argv = ["ceph", "--connect-timeout", str(int(timeout)), *who, *map(str, command)]
    shown = f"`ceph {' '.join(map(str, command))}`"
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout + 10)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandExecutionError(f"{shown}: {type(error).__name__}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CommandExecutionError(f"{shown}: {said[-1] if said else 'no answer'}")
    return done.stdout


def cluster(login=None, through=None):
    """
    All of a cluster that is compared before and after.

    :return: ``{"version": text, "health", "status", "quorum", "monitors", "osd_map", "crush", "groups", "users",
        "settings"}``, each as its command prints it, without secrets

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.cluster
    """
    commands = {
        "health": ["health", "detail"],
        "status": ["status"],
        "quorum": ["quorum_status"],
        "monitors": ["mon", "dump"],
        "osd_map": ["osd", "dump"],
        "crush": ["osd", "crush", "dump"],
        "groups": ["pg", "dump", "pgs_brief"],
    }
    how = {"login": login, "through": through}
    found = {name: ask(*command, **how) for name, command in commands.items()}
    found["version"] = say("version", **how)
    found["users"] = users(**how)
    found["settings"] = settings(**how)
    return found


def users(login=None, through=None):
    """
    The cluster's users: ``[{"entity", "caps", "key": fingerprint}]``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.users
    """
    found = ask("auth", "list", login=login, through=through)
    entries = found["auth_dump"] if isinstance(found, dict) else found
    return [{"entity": one["entity"], "caps": one["caps"], "key": fingerprint(one["key"])} for one in entries]


def settings(login=None, through=None):
    """
    What the monitors keep of settings, a fingerprint for each secret; ``[]`` before Mimic, which began with that.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.settings
    """
    try:
        found = ask("config", "dump", login=login, through=through)
    except CommandExecutionError as error:
        if "no valid command" in str(error) or "EINVAL" in str(error):
            return []
        raise
    return [{**one, "value": fingerprint(one["value"])} if is_secret(one["name"]) else one for one in found]


def daemons(kind):
    """
    Names of the daemons of a kind (``mon``, ``osd``, ``mgr``) whose admin socket is there.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.daemons osd
    """
    found = [os.path.basename(path) for path in glob.glob(f"{SOCKETS}/ceph-{kind}.*.asok")]
    return sorted(name[len(f"ceph-{kind}.") : -len(".asok")] for name in found if _DAEMON.fullmatch(name))


def daemon(kind, name, *command, timeout=TIMEOUT):
    """
    What a daemon of this node says on its admin socket, with or without a quorum; ``None`` when it does not run.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.daemon mon node-1 mon_status
    """
    path = f"{SOCKETS}/ceph-{kind}.{checked(name)}.asok"
    argv = ["ceph", "--admin-daemon", path, *map(str, command)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise CommandExecutionError(f"{kind}.{name} does not answer on its admin socket") from error
    if done.returncode:
        return None
    return json.loads(done.stdout)


def newest_maps():
    """
    ``{id of an OSD of this node: epoch of the newest OSD map it has}``.

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_ceph.newest_maps
    """
    found = {name: daemon("osd", name, "status") for name in daemons("osd")}
    return {name: told["newest_map"] for name, told in found.items() if told}


def monitors():
    """
    Monitors of this node.

    :return: ``{name: {"free": percent of its disk, "keyring": whether it is there, "status": as ``mon_status`` tells it
        or None}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.monitors
    """
    found = {}
    for path in sorted(glob.glob(f"{MONITORS}/ceph-*")):
        name = os.path.basename(path)[len("ceph-") :]
        if _NAME.fullmatch(name):
            disk = os.statvfs(path)
            free = round(100 * disk.f_bavail / disk.f_blocks, 1)
            keyring = os.path.isfile(f"{path}/keyring")
            found[name] = {"free": free, "keyring": keyring, "status": daemon("mon", name, "mon_status")}
    return found


def version():
    """
    The release of Ceph that is installed, as ``ceph --version`` prints it.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph.version
    """
    return subprocess.run(["ceph", "--version"], capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout


def configuration(path=CONFIGURATION):
    """
    The text of a ceph.conf in which :func:`placeholder` stands for each secret.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.configuration
    """
    with open(path, encoding="utf-8") as stream:
        return "".join(_masked(line) for line in stream)


def configure(text, sources, path=CONFIGURATION):
    """
    Write a ceph.conf in which placeholders stand for secrets; those are taken from files of this node.

    :param sources: paths of files in which every secret is
    :return: ``True`` when the file changed
    :raises CommandExecutionError: a secret is in none of them; then nothing is written

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ceph.configure '[global]' '[/etc/ceph/ceph.conf]'
    """
    known = {}
    for source in sources:
        with open(source, encoding="utf-8") as stream:
            known.update({placeholder(one): one for one in map(_secret, stream) if one is not None})
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - set(known))
    if unknown:
        raise CommandExecutionError(f"secrets of ceph.conf that are in none of {', '.join(sources)}: {unknown}")
    whole = _PLACEHOLDER.sub(lambda found: known[found[0]], text)
    return __salt__["octane_files.write"](path, whole, OWNER)


def placeholder(secret):
    """
    What stands for a secret in a text that travels.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.placeholder word
    """
    return f"octane-secret-{fingerprint(secret)}"


def fingerprint(secret):
    """
    The same for the same secret, which cannot be had back from it.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.fingerprint word
    """
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def is_secret(setting):
    """
    Whether a setting of that name holds a secret; a keyring is a path.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.is_secret rgw_keystone_admin_token
    """
    return setting != "keyring" and any(word in setting for word in _SECRET)


def checked(name):
    """
    The name of a daemon or user, as one that may stand in a path.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ceph.checked node-1
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CommandExecutionError(f"not a name: {name!r}")
    return name


def _address(text):
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise CommandExecutionError(f"not an address: {text!r}")
    return text


def _masked(line):
    secret = _secret(line)
    return line if secret is None else line.replace(secret, placeholder(secret))


def _secret(line):
    found = _KEY.match(line)
    if not found or not is_secret(re.sub(r"[\s-]+", "_", found[2].strip().lower())):
        return None
    if found[4].endswith("\\"):
        raise CommandExecutionError(f"{found[2]} of ceph.conf goes on in another line, which is not understood here")
    return found[4]
