"""
Disks of a node: how they are divided, and which of them hold an OSD of Ceph, by their labels.

Read from the disks themselves, so that it works where nothing of Ceph is installed: in a system that was installed a
moment ago its data is in as much danger as it will ever be. Nothing here writes to a disk.
"""

import contextlib
import os
import re
import struct
import subprocess
import tempfile
import uuid

from salt.exceptions import CommandExecutionError

DEVICES = "/dev"
MOUNTS = "/proc/mounts"
DATA = "4fbd7e29-9d25-41b8-afd0-062c0ceff05d"
JOURNAL = "45b0969e-9b03-4f30-b4c6-b4b80ceff106"
BLOCK = "cafecafe-9b03-4f30-b4c6-b4b80ceff106"
TYPES = {DATA: "data", JOURNAL: "journal", BLOCK: "block"}
"""Types of partitions by which ceph-disk knows its own, and what they hold."""

READ_ONLY = {"xfs": "ro,norecovery,nouuid", "ext4": "ro,noload"}
"""File systems of data partitions, and how they are mounted without one byte being written."""

MAGIC = b"bluestore block device\n"
LABEL_BYTES = 4096
MAIN = "main"
_SECTORS = (512, 4096)
_ENTRIES_MOST = 1024
_FACTS_MOST = 64
_TEXT_MOST = 1024
_COMMAND_SECONDS = 30
_NAME = re.compile(r"[a-z]+[a-z0-9]*")
_FILES = {"ceph_fsid": "fsid", "whoami": "osd", "fsid": "uuid"}


def known(disks):
    """
    Those of some disks that this node has.

    :param disks: names such as ``sdb``

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.known '[sda, sdb, sdc]'
    """
    return [disk for disk in disks if _NAME.fullmatch(disk) and os.path.exists(os.path.join(DEVICES, disk))]


def layout(disks):
    """
    How disks are divided.

    :param disks: names such as ``sdb``
    :return: ``{disk: {"size": bytes, "partitions": [{"number", "device", "type": GUID, "holds": "data" | "journal" |
        "block" | "", "size": bytes, "uuid": GUID}]}}``; one without a partition table has none
    :raises CommandExecutionError: there is no such disk

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.layout '[sdb, sdc]'
    """
    return {disk: {"size": _size(_device(disk)), "partitions": _partitions(disk)} for disk in disks}


def labels(disks):
    """
    The OSDs that disks hold, whether they run or not.

    :return: ``[{"disk", "device", "real": the device by the name that leads nowhere else, "kind": "bluestore" |
        "filestore", "fsid", "osd": int, "uuid", "key": fingerprint of the OSD's key or ""}]``
    :raises CommandExecutionError: there is no such disk, or a label cannot be read: whose data it is can nobody tell

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.labels '[sdb, sdc]'
    """
    return [found for disk in disks for device, kind in _devices(disk) for found in _labels(disk, device, kind)]


def evidence(devices):
    """
    Why devices must not be formatted.

    :param devices: names of disks or partitions, such as ``sdb`` or ``sdb3``
    :return: sentences; ``[]`` when nothing of Ceph is on any of them

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.evidence '[sdb, sdc3]'
    """
    found = []
    for name in devices:
        disk = _disk_of(name)
        for device, kind in _devices(disk):
            if name not in (disk, os.path.basename(device)):
                continue
            if kind == "journal":
                found.append(f"{device} is a journal of Ceph (type {JOURNAL})")
            label = _bluestore(device) if os.path.exists(device) else {}
            if label and label["description"] != MAIN:
                found.append(f"{device} is {label['description']} of BlueStore (uuid {label['uuid']})")
            found += [
                f"{device} holds osd.{one['osd']} of the cluster {one['fsid']} (uuid {one['uuid']})"
                for one in _labels(disk, device, kind)
            ]
    return found


def require_free(devices):
    """
    Nothing of Ceph is on devices, so that they may be formatted.

    :return: the devices
    :raises CommandExecutionError: naming each that holds something, with its label

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.require_free '[sdb]'
    """
    found = evidence(devices)
    if found:
        raise CommandExecutionError(f"{'; '.join(found)}: not to be formatted")
    return devices


def bluestore(device):
    """
    The label at the beginning of a device of BlueStore, every key that it holds as a fingerprint.

    :return: ``{"uuid", "size": bytes, "description", "facts": {name: text}}``; ``{}`` when there is none
    :raises CommandExecutionError: it begins like one and is none

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.bluestore /dev/sdb
    """
    found = _bluestore(device)
    if found:
        found["facts"] = {name: _told(name, value) for name, value in found["facts"].items()}
    return found


def mounted():
    """
    ``{folder: device}`` of what is mounted from a device, each device by the name that leads nowhere else.

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.mounted
    """
    with open(MOUNTS, encoding="utf-8") as stream:
        lines = [line.split() for line in stream]
    return {words[1]: os.path.realpath(words[0]) for words in lines if words[0].startswith("/")}


def file_system(device):
    """
    The type of the file system on a device, such as ``xfs``; ``""`` when there is none.

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_disk.file_system /dev/sdb3
    """
    argv = ["blkid", "-p", "-s", "TYPE", "-o", "value", device]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    return done.stdout.strip()


def _told(name, value):
    return __salt__["octane_ceph.fingerprint"](value) if "key" in name else value


def _device(disk):
    if not isinstance(disk, str) or not _NAME.fullmatch(disk):
        raise CommandExecutionError(f"not the name of a disk: {disk!r}")
    path = os.path.join(DEVICES, disk)
    if not os.path.exists(path):
        raise CommandExecutionError(f"there is no disk {path}")
    return path


def _disk_of(name):
    """The disk that a name of a disk or a partition belongs to: ``sdb`` of ``sdb3``, ``nvme0n1`` of ``nvme0n1p3``."""
    parted = re.fullmatch(r"(.*[0-9])p[0-9]+|([a-z]+)[0-9]+", name)
    whole = name if parted is None else parted[1] or parted[2]
    return whole if os.path.exists(os.path.join(DEVICES, whole)) else name


def _devices(disk):
    """The disk and its partitions: ``(path, what the type of the partition says)``."""
    return [(_device(disk), "")] + [(one["device"], one["holds"]) for one in _partitions(disk)]


def _size(path):
    with open(path, "rb") as stream:
        return stream.seek(0, os.SEEK_END)


def _partitions(disk):
    path = _device(disk)
    with open(path, "rb") as stream:
        found = next((entries for sector in _SECTORS for entries in [_entries(stream, sector)] if entries), [])
    return [{**one, "device": _partition_path(path, one["number"])} for one in found]


def _partition_path(path, number):
    return f"{path}p{number}" if path[-1].isdigit() else f"{path}{number}"


def _entries(stream, sector):
    """Partitions of a GUID partition table (UEFI 2.5, 5.3), none where there is no such table."""
    stream.seek(sector)
    header = stream.read(92)
    if len(header) < 92 or header[:8] != b"EFI PART":
        return []
    first, count, size = struct.unpack_from("<QII", header, 72)
    if not 128 <= size <= 4096 or count > _ENTRIES_MOST:
        raise CommandExecutionError(f"{stream.name} has a partition table of {count} entries of {size} bytes")
    stream.seek(first * sector)
    table = stream.read(count * size)
    found = []
    for number in range(len(table) // size):
        kind, identity, start, end = struct.unpack_from("<16s16sQQ", table, number * size)
        if any(kind):
            guid = str(uuid.UUID(bytes_le=kind))
            found.append(
                {
                    "number": number + 1,
                    "type": guid,
                    "holds": TYPES.get(guid, ""),
                    "size": (end - start + 1) * sector,
                    "uuid": str(uuid.UUID(bytes_le=identity)),
                }
            )
    return found


def _labels(disk, device, kind):
    """The label on one device, if any; a partition that its type says to hold data and that has none is an error."""
    if not os.path.exists(device):
        if kind:
            raise CommandExecutionError(f"the kernel does not know {device}, which is a partition of Ceph")
        return []
    found = _of_block(_bluestore(device), device)
    if not found and kind == "data":
        found = _of_files(device)
    return [{"disk": disk, "device": device, "real": os.path.realpath(device), **found}] if found else []


def _of_block(label, device):
    """What a label of BlueStore says, nothing of devices for a database or a log."""
    if not label or label["description"] != MAIN:
        return None
    facts = label["facts"]
    said = {"fsid": facts.get("ceph_fsid"), "osd": facts.get("whoami"), "uuid": label["uuid"]}
    key = facts.get("osd_key")
    told = __salt__["octane_ceph.fingerprint"](key.strip()) if key else ""
    return {"kind": "bluestore", **_checked(said, device), "key": told}


def _of_files(device):
    """What the file system of a data partition says; it is mounted for that, and not written to, unless it is so."""
    real = os.path.realpath(device)
    folder = next((folder for folder, source in mounted().items() if source == real), None)
    if folder is None:
        with _looked_into(device) as temporary:
            said = _files(temporary)
    else:
        said = _files(folder)
    if not any(said.values()):
        return None
    return {"kind": "filestore", **_checked(said, device), "key": ""}


def _files(folder):
    """The three files of a label, ``None`` for one that is missing."""
    found = {}
    for name, meaning in _FILES.items():
        found[meaning] = None
        with contextlib.suppress(FileNotFoundError), open(os.path.join(folder, name), encoding="utf-8") as stream:
            found[meaning] = stream.read(_TEXT_MOST).strip()
    return found


@contextlib.contextmanager
def _looked_into(device):
    kind = file_system(device)
    if kind not in READ_ONLY:
        raise CommandExecutionError(f"{device} should hold data of Ceph, and has {kind or 'no file system'}")
    folder = tempfile.mkdtemp(prefix="octane-label-")
    try:
        _run(["mount", "-t", kind, "-o", READ_ONLY[kind], device, folder])
        try:
            yield folder
        finally:
            _run(["umount", folder])
    finally:
        os.rmdir(folder)


def _run(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    if done.returncode:
        raise CommandExecutionError(f"{' '.join(argv)}: {done.stderr.strip()[-300:]}")


def _checked(said, device):
    """The label as data.

    :raises CommandExecutionError: a part is missing or nonsense
    """
    try:
        return {
            "fsid": str(uuid.UUID(said["fsid"])),
            "osd": int(said["osd"]),
            "uuid": str(uuid.UUID(said["uuid"])),
        }
    except (TypeError, ValueError, AttributeError) as error:
        raise CommandExecutionError(
            f"the label of {device} is not whole (cluster {said['fsid']}, osd {said['osd']}, uuid {said['uuid']}): "
            "nobody can tell whose data it is"
        ) from error


def _bluestore(device):
    with open(device, "rb") as stream:
        head = stream.read(LABEL_BYTES)
    if not head.startswith(MAGIC):
        return {}
    try:
        return _Label(head).read()
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise CommandExecutionError(f"{device} begins as a label of BlueStore and is none: {error}") from error


class _Label:
    """A label of BlueStore: its first line and its uuid in clear, then what Ceph's encoding makes of both and of facts
    (observed on Ceph 16.2.15; versions 1 and 2 of that structure). Nothing in it is longer than the label itself."""

    def __init__(self, head):
        self._head = head
        # The magic, the uuid in clear and its end of line.
        self._at = len(MAGIC) + 37

    def read(self):
        version, _, length = self._take("<BBI")
        if self._at + length > len(self._head):
            raise ValueError(f"it would be {length} bytes long")
        identity = str(uuid.UUID(bytes=self._bytes(16)))
        if self._head[len(MAGIC) :].split(b"\n", 1)[0].decode() != identity:
            raise ValueError("it has two uuids")
        size, _, _ = self._take("<QII")
        description = self._text()
        count = self._take("<I")[0] if version > 1 else 0
        if count > _FACTS_MOST:
            raise ValueError(f"it would have {count} facts")
        facts = {}
        for _ in range(count):
            name = self._text()
            facts[name] = self._text()
        return {"uuid": identity, "size": size, "description": description, "facts": facts}

    def _take(self, form):
        found = struct.unpack_from(form, self._head, self._at)
        self._at += struct.calcsize(form)
        return found

    def _bytes(self, count):
        found = self._head[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("it ends too early")
        self._at += count
        return found

    def _text(self):
        (length,) = self._take("<I")
        if length > _TEXT_MOST:
            raise ValueError(f"a text of {length} bytes")
        return self._bytes(length).decode()
