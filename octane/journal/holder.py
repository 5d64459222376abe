"""Who runs something: one process of one boot of one host, known again after its death and its number's reuse."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Holder:
    """A process: ``ticks`` is its start in clock ticks since the boot, ``who`` the user that started it."""

    host: str
    boot: str
    pid: int
    ticks: int
    who: str

    @classmethod
    def current(cls) -> Holder:
        """This process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot_id(), pid, start_ticks(pid) or 0, os.environ.get("SUDO_USER") or _user())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Holder:
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def same_process(self, other: Holder) -> bool:
        """Whether both are one process; who started it does not matter."""
        return (self.host, self.boot, self.pid, self.ticks) == (other.host, other.boot, other.pid, other.ticks)

    def is_dead(self) -> bool:
        """Whether the process is gone for certain; one of another host never is."""
        if self.host != socket.gethostname():
            return False
        return self.boot != _boot_id() or start_ticks(self.pid) != self.ticks

    def __str__(self) -> str:
        return f"{self.who}, process {self.pid} on {self.host}"


def start_ticks(pid: int) -> int | None:
    """When process PID started, in clock ticks since the boot; None when there is none or it is a zombie (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
