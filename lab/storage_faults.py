"""What can be made to go wrong with Ceph on a host, on purpose, and what takes it back.

What a fault has replaced is kept in the lab's state, ``faults``/HOST.FAULT, as JSON; a fault that is done twice is as
if it was done once, but for swap-disks, which undoes itself.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.hosts import Host
from lab.state import Lab, LabError
from lab.wait import until

OSDS = "var/lib/ceph/osd"
KEYRINGS = ("var/lib/ceph/mon/*/keyring", f"{OSDS}/*/keyring")
SCRUBBED_WITHIN = 300
COMMAND_TIMEOUT = 60

POOL = "backups"
OBJECT = "octane-lab.fault-{number}"
OBJECTS = 32
READ_ERRORS = "bluestore_debug_inject_read_err"
DAMAGED = "PG_DAMAGED"


def swap_disks(lab: Lab, host: Host) -> None:
    """Exchange the first two data disks, as if their cables were: seen when their OSDs start again."""
    disks = host.disks()
    if len(disks) < 2:
        raise LabError(f"{host.name} has no two data disks to swap")
    first, second = (host.data / "disks" / name for name in disks[:2])
    aside = first.with_name("swapped")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    mark = _kept(lab, host, "swap-disks")
    mark.unlink() if mark.exists() else _keep(lab, host, "swap-disks", disks[:2])


def label_foreign(lab: Lab, host: Host) -> None:
    """Write the fsid of another cluster into the label of the first data disk. Raises CommandFailed, HostError."""
    if not host.disks():
        raise LabError(f"{host.name} has no data disk")
    disk = f"/dev/{host.disks()[0]}"
    told = host.run(["ceph-bluestore-tool", "show-label", "--dev", disk])
    fsid = json.loads(told.stdout)[disk]["ceph_fsid"]
    if not _kept(lab, host, "foreign-label").exists():
        _keep(lab, host, "foreign-label", {"disk": disk, "fsid": fsid})
        _set_fsid(host, disk, str(uuid.uuid4()))


def _set_fsid(host: Host, disk: str, fsid: str) -> None:
    host.run(["ceph-bluestore-tool", "set-label-key", "--dev", disk, "--key", "ceph_fsid", "--value", fsid])


def lose_keyring(lab: Lab, host: Host) -> None:
    """Remove the key of the host's monitor, or of its first OSD. Raises LabError when it has neither."""
    if _kept(lab, host, "lose-keyring").exists():
        return
    found = next((path for pattern in KEYRINGS for path in sorted(host.root.glob(pattern))), None)
    if found is None:
        raise LabError(f"{host.name} has no keyring of a monitor or an OSD")
    path = f"/{found.relative_to(host.root)}"
    _keep(lab, host, "lose-keyring", {"path": path, "text": found.read_text(encoding="utf-8")})
    found.unlink()


def make_inconsistent(lab: Lab, host: Host) -> None:
    """Let an OSD of the host find, when it scrubs, that it cannot read an object. Raises CommandFailed, Timeout."""
    if _kept(lab, host, "inconsistent-pg").exists():
        return
    chosen = next(_objects_on(host), None)
    if chosen is None:
        raise LabError(f"{host.name} has no OSD that keeps an object of the pool {POOL}")
    _keep(lab, host, "inconsistent-pg", chosen)
    _ask(host, "daemon", chosen["osd"], "config", "set", READ_ERRORS, "true")
    _ask(host, "daemon", chosen["osd"], "injectdataerr", POOL, chosen["object"])
    _ask(host, "pg", "deep-scrub", chosen["group"])
    what = f"{chosen['osd']} to find placement group {chosen['group']} inconsistent"
    until(lambda: _is_damaged(host), SCRUBBED_WITHIN, what, 1)


def _objects_on(host: Host) -> Iterator[dict[str, str]]:
    """New objects that an OSD of the host keeps, each with that OSD and its placement group."""
    own = {int(path.name.partition("-")[2]) for path in (host.root / OSDS).glob("ceph-*")}
    for number in range(OBJECTS if own else 0):
        name = OBJECT.format(number=number)
        found = json.loads(_ask(host, "osd", "map", POOL, name, "--format", "json"))
        kept = own & set(found["acting"])
        if kept:
            host.run(["rados", "--pool", POOL, "put", name, "/etc/hostname"], timeout=COMMAND_TIMEOUT)
            yield {"osd": f"osd.{min(kept)}", "group": found["pgid"], "object": name}


def _is_damaged(host: Host) -> bool:
    return DAMAGED in json.loads(_ask(host, "health", "--format", "json"))["checks"]


def _ask(host: Host, *words: str) -> str:
    return str(host.run(["ceph", "--connect-timeout", "30", *words], timeout=COMMAND_TIMEOUT).stdout)


# ---- taking back


def heal(lab: Lab, host: Host) -> None:
    """Take back what these faults did to a host. Raises CommandFailed, Timeout; HostError when it must be on."""
    if _kept(lab, host, "swap-disks").exists():
        swap_disks(lab, host)
    for what, undo in (("foreign-label", _relabel), ("lose-keyring", _give_back), ("inconsistent-pg", _repair)):
        kept = _kept(lab, host, what)
        if kept.exists():
            undo(host, json.loads(kept.read_text(encoding="utf-8")))
            kept.unlink()


def _relabel(host: Host, kept: dict[str, str]) -> None:
    _set_fsid(host, kept["disk"], kept["fsid"])


def _give_back(host: Host, kept: dict[str, str]) -> None:
    if (host.root / kept["path"].lstrip("/")).parent.is_dir():
        host.write(kept["path"], kept["text"], 0o600, "ceph:ceph")


def _repair(host: Host, kept: dict[str, str]) -> None:
    _ask(host, "daemon", kept["osd"], "config", "set", READ_ERRORS, "false")
    _ask(host, "pg", "repair", kept["group"])
    until(lambda: not _is_damaged(host), SCRUBBED_WITHIN, f"placement group {kept['group']} to be repaired", 1)
    host.run(["rados", "--pool", POOL, "rm", kept["object"]], timeout=COMMAND_TIMEOUT)


# ---- what is kept


def _kept(lab: Lab, host: Host, what: str) -> Path:
    return lab.state / "faults" / f"{host.name}.{what}"


def _keep(lab: Lab, host: Host, what: str, value: Any) -> None:
    """Keep what the fault replaces; it may be a secret."""
    path = _kept(lab, host, what)
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(value), encoding="utf-8")
