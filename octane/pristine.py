"""Files of others that we change: the pristine copy is kept, and every byte can be given back.

A file is `pristine` (as found before us), `ours` (as we wrote it last) or `foreign` (anything else: somebody changed it
since, and neither writing nor restoring would be right).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from octane.errors import Failed, Refused
from octane.machine import Machine


@dataclass(frozen=True)
class Entry:
    """One file: `before` is the checksum of the pristine content, None for a file that was not there; `ours` of what we
    write now and wrote last, since a crash may fall between; `mode` the pristine permission bits."""

    machine: str
    path: str
    before: str | None
    ours: tuple[str, ...]
    mode: int | None


class Pristine:
    """Pristine copies below ROOT, one file for each checksum, and an index of them. Threads may share one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = threading.Lock()

    def state(self, machine: Machine, path: str) -> str:
        """One of "pristine", "ours" and "foreign"; a file never touched by us is pristine whatever it holds."""
        entry = self._entries().get(_key(machine, path))
        now = checksum(machine.read(path))
        if entry is None or now == entry.before:
            return "pristine"
        return "ours" if now in entry.ours else "foreign"

    def original(self, machine: Machine, path: str) -> bytes | None:
        """The pristine content, None when there was no file.

        :raises Refused: when the file is foreign
        """
        self.refuse_foreign(machine, path)
        entry = self._entries().get(_key(machine, path))
        return machine.read(path) if entry is None else self._copy(entry.before)

    def put(self, machine: Machine, path: str, content: bytes, mode: int = 0o644) -> bool:
        """Make PATH hold CONTENT; True when it did not. What was there before us is kept first.

        :raises Refused: when the file is foreign
        """
        self.refuse_foreign(machine, path)
        now = machine.read(path)
        if now == content:
            return False
        known = self._entries().get(_key(machine, path))
        before = known.before if known else self._keep(now)
        old_mode = known.mode if known else (machine.mode(path) if now is not None else None)
        ours = (str(checksum(content)), *(known.ours[:1] if known else ()))
        # The index first: a crash after it leaves a pristine file, which is fine.
        self._set(Entry(machine.name, path, before, ours, old_mode))
        machine.write(path, content, mode if old_mode is None else old_mode)
        return True

    def adopt(self, machine: Machine, path: str, before: bytes | None) -> None:
        """Take PATH for ours although the index does not know it (it was lost): BEFORE is what was there before us."""
        now = machine.read(path)
        if _key(machine, path) in self._entries() or now is None:
            return
        self._keep(before)
        mode = machine.mode(path) if before is not None else None
        self._set(Entry(machine.name, path, checksum(before), (str(checksum(now)),), mode))

    def refuse_others(self, machine: Machine, path: str, mark: bytes) -> None:
        """See that PATH, a file that only we bring, is not there by somebody else's hand.

        :param mark: how a file of ours begins
        :raises Refused: when it is there, unknown, and does not begin like that; or when it is foreign
        """
        now = machine.read(path)
        known = _key(machine, path) in self._entries()
        if now is not None and not known and not now.startswith(mark):
            raise Refused(f"{path} on {machine.name} is there and is not ours: move it away")
        self.refuse_foreign(machine, path)

    def claim(self, machine: Machine, path: str, mark: bytes) -> None:
        """`refuse_others`, then know PATH for ours, also when the index was lost."""
        self.refuse_others(machine, path, mark)
        self.adopt(machine, path, None)

    def restore(self, machine: Machine, path: str) -> bool:
        """Give PATH back as it was, or remove it when it was not there; True when something changed.

        :raises Refused: when the file is foreign
        :raises Failed: when what was written back is not what was kept
        """
        self.refuse_foreign(machine, path)
        entry = self._entries().get(_key(machine, path))
        if entry is None:
            return False
        changed = checksum(machine.read(path)) != entry.before
        content = self._copy(entry.before)
        if content is None:
            machine.remove(path)
        elif changed:
            machine.write(path, content, entry.mode or 0o644)
        if checksum(machine.read(path)) != entry.before:
            raise Failed(f"{path} on {machine.name} could not be restored", node=machine.name)
        self._drop(lambda other: other == entry)
        return changed

    def paths(self, machine: Machine) -> list[str]:
        """Files of MACHINE that we hold a pristine state of."""
        return sorted(entry.path for entry in self._entries().values() if entry.machine == machine.name)

    def machines(self) -> list[str]:
        """Names of the machines with files of ours."""
        return sorted({entry.machine for entry in self._entries().values()})

    def forget(self, machine: Machine) -> None:
        """MACHINE was installed anew: nothing of what was there is left."""
        self._drop(lambda entry: entry.machine == machine.name)

    def refuse_foreign(self, machine: Machine, path: str) -> None:
        """:raises Refused: when PATH is neither pristine nor ours"""
        if self.state(machine, path) == "foreign":
            raise Refused(
                f"{path} on {machine.name} is neither as it was found nor as we wrote it: somebody changed it since; "
                f"put back one of the two (the pristine copy is below {self.root})"
            )

    def _keep(self, content: bytes | None) -> str | None:
        digest = checksum(content)
        if content is not None and digest is not None:
            _write_private(self.root / "files" / digest, content)
        return digest

    def _copy(self, digest: str | None) -> bytes | None:
        if digest is None:
            return None
        content = (self.root / "files" / digest).read_bytes()
        if checksum(content) != digest:
            raise Failed(f"the pristine copy {self.root}/files/{digest} is damaged")
        return content

    def _entries(self) -> dict[str, Entry]:
        index = self.root / "index.json"
        if not index.exists():
            return {}
        found = json.loads(index.read_text(encoding="utf-8"))
        return {key: Entry(**{**values, "ours": tuple(values["ours"])}) for key, values in found.items()}

    def _set(self, entry: Entry) -> None:
        with self._index:
            self._save({**self._entries(), f"{entry.machine}:{entry.path}": entry})

    def _drop(self, which: Callable[[Entry], bool]) -> None:
        with self._index:
            self._save({key: entry for key, entry in self._entries().items() if not which(entry)})

    def _save(self, entries: dict[str, Entry]) -> None:
        content = json.dumps({key: asdict(entry) for key, entry in entries.items()}, indent=1, sort_keys=True)
        _write_private(self.root / "index.json", content.encode())


def checksum(content: bytes | None) -> str | None:
    """SHA-256 in hexadecimal, None for a file that is not there."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def _key(machine: Machine, path: str) -> str:
    return f"{machine.name}:{path}"


def _write_private(path: Path, content: bytes) -> None:
    """Write PATH, readable by its owner only, in one move that survives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
