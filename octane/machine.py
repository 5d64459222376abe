"""A place where commands run and files lie: this master, a container on it, or a node over SSH. Argument lists only."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from octane.errors import BadInput, Failed, NodeFailed

SSH_OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "StrictHostKeyChecking=accept-new",
    "GlobalKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    # One connection serves all that is done on a node in a row: most of the time of a command was the way in.
    "ControlMaster=auto",
    "ControlPersist=10",
)
TIMEOUT = 120.0
# What `ssh` itself exits with when it could not reach or enter the other side.
SSH_FAILED = 255


@dataclass(frozen=True)
class Machine:
    """Runs commands after `prefix`; the empty prefix is this machine."""

    name: str
    prefix: tuple[str, ...] = ()

    def run(
        self, argv: list[str], *, data: bytes = b"", check: bool = True, timeout: float = TIMEOUT
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ARGV with DATA on standard input.

        :raises Failed: when it cannot be run, takes longer than TIMEOUT seconds, or, with CHECK, does not exit with 0
        """
        try:
            done = subprocess.run(self.command(argv), input=data, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise self.failure(argv, f"no end after {timeout:g} s") from error
        except OSError as error:
            raise self.failure(argv, error.strerror or str(error)) from error
        if check and done.returncode:
            raise self.failure(argv, last_line(done.stderr or done.stdout) or f"exit code {done.returncode}")
        return done

    def command(self, argv: list[str]) -> list[str]:
        """The command line that runs ARGV there."""
        return [*self.prefix, *argv]

    def failure(self, argv: list[str], reason: str) -> Failed:
        return NodeFailed(self.name, shlex.join(argv), reason)

    # Files, as commands, so that they are the same everywhere.

    def read(self, path: str) -> bytes | None:
        """Content of PATH, None when there is no such file.

        :raises Failed: when there is one and it cannot be read
        """
        done = self.run(["cat", path], check=False)
        if done.returncode == 0:
            return done.stdout
        if self.run(["test", "-e", path], check=False).returncode:
            return None
        # It may have come this moment.
        return self.run(["cat", path]).stdout

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Put CONTENT at PATH in one move; folders above are made."""
        beside = f"{path}.octane-new"
        self.run(["install", "-D", "-m", f"{mode:o}", "/dev/stdin", beside], data=content)
        self.run(["mv", "-f", beside, path])

    def mode(self, path: str) -> int:
        """Permission bits of PATH."""
        return int(self.run(["stat", "-c", "%a", path]).stdout, 8)

    def remove(self, *paths: str) -> None:
        """Remove files; those that are not there are no error."""
        self.run(["rm", "-f", *paths])


@dataclass(frozen=True)
class RemoteMachine(Machine):
    """A node, entered as root over SSH with the Fuel master's own key.

    Its host key is accepted at the first meeting only and kept in a file of ours.
    """

    address: str = ""
    known_hosts: Path = field(default=Path("/var/lib/octane/known_hosts"))

    def run(
        self, argv: list[str], *, data: bytes = b"", check: bool = True, timeout: float = TIMEOUT
    ) -> subprocess.CompletedProcess[bytes]:
        """As on any machine; a node that cannot be entered is a failure also without CHECK, and no file's absence."""
        done = super().run(argv, data=data, check=check, timeout=timeout)
        if done.returncode == SSH_FAILED:
            raise self.failure(argv, last_line(done.stderr) or "ssh could not enter")
        return done

    def command(self, argv: list[str]) -> list[str]:
        return ["ssh", *self._options(), f"root@{self.address}", "--", shlex.join(argv)]

    def _options(self) -> list[str]:
        own = (
            f"UserKnownHostsFile={self.known_hosts}",
            f"HostKeyAlias={self.name}",
            f"ControlPath={self._connection}",
        )
        return [part for option in (*SSH_OPTIONS, *own) for part in ("-o", option)]

    @property
    def _connection(self) -> Path:
        """The socket of the connection that commands share."""
        return self.known_hosts.parent / f"ssh-{self.name}"

    def forget_host_key(self) -> None:
        """The node was installed anew: its next host key is a new one, a connection to the old system leads nowhere."""
        if self._connection.exists():
            THIS_MASTER.run(["ssh", *self._options(), "-O", "exit", f"root@{self.address}"], check=False)
        if self.known_hosts.exists():
            THIS_MASTER.run(["ssh-keygen", "-q", "-R", self.name, "-f", str(self.known_hosts)], check=False)

    def answers(self) -> bool:
        """Can root log in there now?"""
        try:
            self.run(["true"], timeout=30)
        except Failed:
            return False
        return True


_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
THIS_MASTER = Machine("this master")


def node(name: str, address: str, known_hosts: Path) -> RemoteMachine:
    """The node NAME at ADDRESS (IPv4), both as Fuel says.

    :raises BadInput: when ADDRESS is none
    """
    if not _ADDRESS.fullmatch(address):
        raise BadInput(f"{name} has no administration address in Fuel, but {address!r}")
    return RemoteMachine(name, address=address, known_hosts=known_hosts)


def container(name: str) -> Machine:
    """The container NAME of a Fuel 7.0 master; where there is no dockerctl, services run on the master itself."""
    if shutil.which("dockerctl") is None:
        return THIS_MASTER
    return Machine(f"container {name}", ("dockerctl", "shell", name))


def last_line(output: bytes) -> str:
    """The last line that says something."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
