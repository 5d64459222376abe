"""A server that behaves as Nailgun 7.0, started as a process with an edited copy of the recorded master's state."""

import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from lab.nailgun.extension_tree import write_tree
from octane.fuel import Credentials, Fuel
from octane.wait import until

ROOT = Path(__file__).resolve().parents[3]
ORIGINAL = 1
CONTROLLERS = (1, 2, 3)
SPARES = (6, 7, 8)


class Master:
    """The server, its files, and a client of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state.json"
        self.site_packages = write_tree(directory / "master")
        self.restart_file = directory / "restart"
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        self.options = ["--task-seconds", "0.3"]

    @property
    def extensions(self) -> Path:
        return self.site_packages / "nailgun" / "extensions"

    @property
    def fuel(self) -> Fuel:
        """A client with a session of its own."""
        return Fuel(Credentials("127.0.0.1", self.port, "admin", "admin"))

    def start(self) -> None:
        command = [sys.executable, "-m", "lab.nailgun", "--listen", f"127.0.0.1:{self.port}", "--cloud", "captured"]
        files = ["--state", self.state, "--site-packages", self.site_packages, "--restart-file", self.restart_file]
        faults = ["--lab-state", self.directory]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *files, *faults, *self.options], cwd=ROOT, stdout=log, stderr=log
            )
        until(self._listens, 30, "the server to listen", interval=0.1)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            until(self._ends, 20, "the server to end", interval=0.1)
            self.process = None

    def _ends(self) -> bool:
        """Told more than once: a signal that arrives while the server still starts is lost."""
        assert self.process is not None
        self.process.terminate()
        return self.process.poll() is not None

    def fail(self, node_id: int, what: str) -> None:
        """Let the next `provision` or `deploy` of a node fail."""
        (self.directory / "faults").mkdir(exist_ok=True)
        (self.directory / "faults" / f"node-{node_id}.{what}").touch()


@contextmanager
def running(directory: Path, state: str | None = None):
    """A master in STATE, or as it was recorded."""
    master = Master(directory)
    if state is not None:
        master.state.write_text(state)
    master.start()
    try:
        yield master
    finally:
        master.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
