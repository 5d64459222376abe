"""
Directories of keys that both sides of an upgrade must have alike, and of rows that a way back keeps: compared, and
copied from node to node.
"""

import hashlib
import os
import re
import shutil
import stat

from salt.exceptions import CommandExecutionError

# Nothing outside these is read or written, whatever the order says.
_ALLOWED = re.compile(
    r"/(?:etc/(?:keystone|glance|nova|cinder|neutron|heat|placement|ceph)|var/lib/astute|var/lib/glance/images"
    r"|var/lib/octane-node/(?:written|ceph-original))"
    r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"
)


def digest(directories):
    """
    One sha256 over names, modes and contents of directories, owners left out; a missing one counts as missing.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_trees.digest '[/etc/keystone/fernet-keys]'
    """
    total = hashlib.sha256()
    for directory in _checked(directories):
        total.update(f"{directory}\0{os.path.isdir(directory)}\0".encode())
        for path in _walk(directory):
            total.update(_identity(path, os.path.relpath(path, directory)))
    return total.hexdigest()


def receive(directories, bind, client_certificate, port=0, timeout=600):
    """
    Start a receiver for whole directories. Each takes the place of the one of its name at once and as a whole; what was
    there before the first time is kept beside it as ``<directory>.octane-before`` until :func:`forget`.

    :return: ``{"ticket", "port", "certificate", "fingerprint"}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_trees.receive '[/etc/keystone/fernet-keys]' 10.20.0.134 '-----BEGIN CERTIFICATE-----...'
    """
    job = {"kind": "files", "names": _checked(directories)}
    return __salt__["octane_stream.listen"](job, bind, client_certificate, port, timeout)


def send(directories, host, port, certificate, identity, timeout=600):
    """
    Send whole directories to a receiver that waits for the same ones.

    :return: ``{"bytes": int, "sha256": str, "seconds": float}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_trees.send '[/etc/keystone/fernet-keys]' 10.20.0.134 40123 '-----BEGIN...' 0123abcd
    """
    names = _checked(directories)
    missing = [name for name in names if not os.path.isdir(name)]
    if missing:
        raise CommandExecutionError(f"this node has no directory {', '.join(missing)}")
    job = {"kind": "files", "names": names}
    return __salt__["octane_stream.send"](job, host, port, certificate, identity, timeout)


def kept(directories):
    """
    What :func:`receive` kept of directories that were there before, and :func:`forget` has not removed.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_trees.kept '[/etc/keystone/fernet-keys]'
    """
    return [path for path in map(_before, _checked(directories)) if os.path.lexists(path)]


def forget(directories):
    """
    Remove what :func:`receive` kept of the directories that were there before; names of those removed. Nothing is
    removed when one of them is not what :func:`receive` makes, or the only one left.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_trees.forget '[/etc/keystone/fernet-keys]'
    """
    names = [name for name in _checked(directories) if os.path.lexists(_before(name))]
    for name in names:
        if not _is_directory(_before(name)):
            raise CommandExecutionError(f"{_before(name)} is no directory, so it is not what was kept of {name}")
        if not _is_directory(name):
            raise CommandExecutionError(f"{name} is not there: {_before(name)} is all that is left of it")
    for name in names:
        shutil.rmtree(_before(name))
    return [_before(name) for name in names]


def _before(name):
    return f"{name}.octane-before"


def _is_directory(path):
    return os.path.isdir(path) and not os.path.islink(path)


def _checked(directories):
    for name in directories:
        if not isinstance(name, str) or not _ALLOWED.fullmatch(name):
            raise CommandExecutionError(f"not a directory that is copied between nodes: {name!r}")
    return sorted(directories)


def _walk(directory):
    found = []
    for folder, folders, names in os.walk(directory):
        found += [os.path.join(folder, name) for name in [*folders, *names]]
    return sorted(found)


def _identity(path, name):
    mode = os.lstat(path).st_mode
    content = ""
    if stat.S_ISREG(mode):
        with open(path, "rb") as stream:
            content = hashlib.sha256(stream.read()).hexdigest()
    return f"{name}\0{mode:o}\0{content}\0".encode()
