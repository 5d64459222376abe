"""
Files of a node that are changed for the time of an upgrade, and put back to the last byte.

Before a file is changed for the first time, a pristine copy and its checksum are kept under ``/var/lib/octane-node``.
A file that is neither pristine nor what was written here has been edited by somebody else: it is refused by name and
never overwritten. Every set of files has an ``owner``, a word that names the purpose (``haproxy``, ``network``).
"""

import hashlib
import json
import os
import re
import shutil

from salt.exceptions import CommandExecutionError

STATE = "/var/lib/octane-node"
_OWNER = re.compile(r"[a-z][a-z0-9-]{0,30}")


def keep(path, owner):
    """
    Keep a pristine copy of a file, or the knowledge that there was none, unless that is done already.

    :return: ``True`` when the copy was made by this call
    :raises CommandExecutionError: the file was changed by somebody else since it was kept

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_files.keep /etc/network/interfaces.d/ifcfg-br-ex network
    """
    manifest = _manifest(owner)
    if path in manifest:
        _refuse_foreign(path, manifest[path])
        return False
    content = _content(path)
    entry = {"pristine": _digest(content), "ours": _digest(content), "copy": None}
    if content is not None:
        entry.update(_attributes(path))
        entry["copy"] = hashlib.sha256(path.encode()).hexdigest()[:16] + "-" + os.path.basename(path)
        _replace(os.path.join(_folder(owner), entry["copy"]), content, 0o600)
    manifest[path] = entry
    _save(owner, manifest)
    return True


def adopt(path, owner):
    """
    Take a file as it is now for the pristine one, where others rightly write it too (Puppet at each deployment).

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_files.adopt /etc/network/interfaces.d/ifcfg-br-ex network
    """
    manifest = _manifest(owner)
    if path in manifest and _standing(path, manifest[path]) == "foreign":
        del manifest[path]
        _save(owner, manifest)
    return keep(path, owner)


def write(path, content, owner, mode=None):
    """
    Write a file whole and atomically, its pristine copy kept first.

    :param content: the text of the file
    :param mode: octal permissions as a string such as ``"0644"``; those the file has when not given
    :return: ``True`` when the file changed
    :raises CommandExecutionError: the file was changed by somebody else since it was kept

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_files.write /etc/haproxy/octane.map '8774 ro' haproxy
    """
    keep(path, owner)
    data = content.encode()
    before = _content(path)
    manifest = _manifest(owner)
    # Written down before the file changes: a crash in between must not make our own text look like somebody else's.
    manifest[path]["next"] = _digest(data)
    _save(owner, manifest)
    if before != data:
        entry = manifest[path]
        _replace(path, data, int(mode, 8) if mode else entry.get("mode", 0o644), entry.get("uid"), entry.get("gid"))
    manifest[path]["ours"] = manifest[path].pop("next")
    _save(owner, manifest)
    return before != data


def replace(path, content):
    """
    Write a file that is there whole and atomically; its owner and its mode stay, and no copy is kept.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_files.replace /etc/neutron/neutron.conf '[DEFAULT]'
    """
    entry = _attributes(path)
    _replace(path, content.encode(), entry["mode"], entry["uid"], entry["gid"])


def note(path, text, mode=0o600):
    """
    Write a file of the procedure's own, as a record of what was done, whole, atomically and so that it outlives a
    crash; the file before it stays until then, and no copy is kept.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_files.note /var/lib/octane-node/note text
    """
    _replace(path, text.encode(), mode)


def restore(owner, test=False):
    """
    Put every file of an owner back as it was, then forget them.

    :param test: only say which files would change
    :return: paths of the files that differ from their pristine copies
    :raises CommandExecutionError: a file that is neither pristine nor ours; then none is touched

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_files.restore haproxy
    """
    manifest = _manifest(owner)
    for path, entry in manifest.items():
        _refuse_foreign(path, entry)
    different = sorted(path for path, entry in manifest.items() if _digest(_content(path)) != entry["pristine"])
    if test:
        return different
    copies = {path: _kept_copy(path, owner, manifest[path]) for path in different}
    for path, content in copies.items():
        if content is None:
            os.unlink(path)
        else:
            _replace(path, content, manifest[path]["mode"], manifest[path]["uid"], manifest[path]["gid"])
    shutil.rmtree(_folder(owner), ignore_errors=True)
    return different


def status(owner):
    """
    How each file of an owner stands.

    :return: ``{path: "pristine" | "ours" | "foreign"}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_files.status haproxy
    """
    return {path: _standing(path, entry) for path, entry in _manifest(owner).items()}


def pristine(path, owner):
    """
    The text a file had before it was changed here; what it has now when it was never changed; ``None`` without file.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_files.pristine /etc/haproxy/conf.d/050-nova-api-2.cfg haproxy
    """
    entry = _manifest(owner).get(path)
    if entry is None:
        content = _content(path)
    elif entry["copy"] is None:
        content = None
    else:
        content = _content(os.path.join(_folder(owner), entry["copy"]))
    return None if content is None else content.decode()


def _kept_copy(path, owner, entry):
    """Bytes of the pristine file, ``None`` when there was none."""
    if entry["copy"] is None:
        return None
    content = _content(os.path.join(_folder(owner), entry["copy"]))
    if _digest(content) != entry["pristine"]:
        raise CommandExecutionError(f"the pristine copy of {path} in {_folder(owner)} is damaged: nothing was restored")
    return content


def _standing(path, entry):
    digest = _digest(_content(path))
    if digest == entry["pristine"]:
        return "pristine"
    return "ours" if digest in (entry["ours"], entry.get("next")) else "foreign"


def _refuse_foreign(path, entry):
    if _standing(path, entry) == "foreign":
        raise CommandExecutionError(
            f"{path} is neither as it was nor as it was written for the upgrade: somebody else changed it; "
            "put it back or take the change over by hand first"
        )


def _folder(owner):
    if not _OWNER.fullmatch(owner):
        raise CommandExecutionError(f"not an owner of files: {owner!r}")
    return os.path.join(STATE, owner)


def _manifest(owner):
    text = _content(os.path.join(_folder(owner), "manifest.json"))
    return json.loads(text) if text else {}


def _save(owner, manifest):
    data = json.dumps(manifest, indent=1, sort_keys=True).encode()
    _replace(os.path.join(_folder(owner), "manifest.json"), data, 0o600)


def _content(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _digest(content):
    return None if content is None else hashlib.sha256(content).hexdigest()


def _attributes(path):
    found = os.stat(path)
    return {"mode": found.st_mode & 0o7777, "uid": found.st_uid, "gid": found.st_gid}


def _replace(path, data, mode, uid=None, gid=None):
    if path.startswith(STATE):
        os.makedirs(STATE, mode=0o700, exist_ok=True)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.octane")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    if uid is not None:
        os.chown(temporary, uid, gid)
    os.chmod(temporary, mode)
    os.replace(temporary, path)
