"""
Real MariaDB servers on sockets alone, each with the node modules that use it, and transfers between two of them.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from tests.functional.on_host import run_all
from tests.memory import processes
from tests.saltfiles import Node

MISSING = [
    tool
    for tool in ("mariadbd", "mariadb-install-db", "mysqldump", "mysql", "openssl")
    if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None
]
NEEDED = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mariadbd runs as root here"),
]
# Every character that an option file or a shell could trip over.
PASSWORD = """pa'ss"wo\\rd #;$`x"""


class Server:
    """A MariaDB on a socket alone, its root's option file, and the node modules that use it. ``data``: its data
    directory."""

    def __init__(self, root: Path, *options: str, data: Path | None = None) -> None:
        self.root = root
        root.mkdir()
        data, sock = data or root / "data", root / "socket"
        # A server that starts deletes other servers' temporary tables where it keeps its own.
        temporary = root / "temporary"
        temporary.mkdir()
        temporary.chmod(0o1777)
        own = ["--no-defaults", f"--datadir={data}", f"--tmpdir={temporary}", "--user=root"]
        install = ["mariadb-install-db", *own, "--skip-test-db"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
        command = ["mariadbd", *own, f"--socket={sock}", "--skip-networking", "--innodb-buffer-pool-size=16M"]
        command += [f"--pid-file={root}/pid", *options]
        with open(root / "log", "wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env={"PATH": "/usr/sbin:/usr/bin"})
        try:
            self._begin(sock)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _begin(self, sock: Path) -> None:
        until(lambda: answers(sock), "mariadbd")
        escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        client = ["mysql", "--no-defaults", f"--socket={sock}", "-u", "root"]
        subprocess.run(client, input=f"SET PASSWORD = PASSWORD('{escaped}')", text=True, check=True)
        file = self.root / "my.cnf"
        quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        # A host that leads nowhere, as one that goes through the virtual address during the switch.
        file.write_text(f'[client]\nhost=192.0.2.1\nuser=root\npassword="{quoted}"\n')
        given = {"defaults_file": str(file), "socket": str(sock)}
        self.events: list[dict] = []
        self.node = Node(
            {
                "config.get": lambda key, default=None: given if key == "octane_db" else default,
                "cmd.run_all": run_all,
                "event.send": lambda tag, data: self.events.append({"tag": tag, **data}),
            }
        )
        self.node.set(STREAMS=str(self.root / "streams"), REPLICA=str(self.root / "replica.json"))
        self.node.set(SETTINGS=str(self.root / "settings.json"))

    def sql(self, text: str) -> None:
        command = ["mysql", *self.node.call("octane_mysql.options")]
        subprocess.run(command, input=text.encode(), check=True)

    def call(self, name: str, *args, **kwargs):
        return self.node.call(f"octane_db.{name}", *args, **kwargs)

    def identifier(self) -> str:
        return self.call("server")["id"]

    def stop(self) -> None:
        """
        Kill it, and what still works for it.

        :raises AssertionError: something was left working, whose test should have ended it
        """
        self.process.kill()
        self.process.wait()
        try:
            until(lambda: not self._left(), "what worked for a server to end with it")
        finally:
            for pid, words in self._left().items():
                print("left by a test:", *words)
                os.kill(pid, signal.SIGKILL)

    def _left(self) -> dict[int, list[str]]:
        ours = clients_of(self)
        return {pid: words for pid, words in processes() if ours(words)}


@contextlib.contextmanager
def two_servers(root: Path, old: Iterable[str] = (), new: Iterable[str] = ()) -> Iterator[list[Server]]:
    """A server to copy from and one to copy to, with these options, for the length of a block."""
    with contextlib.ExitStack() as stack:
        pair = []
        for name, options in (("old", old), ("new", new)):
            pair.append(Server(root / name, *options))
            stack.callback(pair[-1].stop)
        yield pair


PAUSE = 0.2
"""Seconds between two looks: InnoDB renews INNODB_TRX only when nobody has read it for a tenth of a second."""


def until(condition, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        time.sleep(PAUSE)


def answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        return True
    return False


def clients_of(*servers: Server):
    """Whether the words of a process are those of a program that works for one of SERVERS, and not of one itself."""
    roots = [str(server.root) for server in servers]

    def ours(words: list[str]) -> bool:
        return not words[0].endswith("mariadbd") and any(root in word for word in words for root in roots)

    return ours


def move(old, new, databases, replace=False, alone=False, **options):
    """The three calls of a transfer; returns what each side says of it."""
    identity = old.call("identity")
    given = {"server": new.identifier(), "replace": replace, "alone": alone}
    receiver = new.call("receive", databases, "127.0.0.1", identity["certificate"], **given)
    where = ("127.0.0.1", receiver["port"], receiver["certificate"], identity["identity"])
    try:
        sent = old.call("send", databases, *where, timeout=120, **options)
    except CommandExecutionError:
        new.call("abandon", receiver["ticket"])
        raise
    return sent, new.call("received", receiver["ticket"])


class Cutter(threading.Thread):
    """Stands between sender and receiver and drops the connection after a number of bytes."""

    def __init__(self, port: int, limit: int) -> None:
        super().__init__(daemon=True)
        self.target, self.limit = port, limit
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]

    def run(self) -> None:
        client, _ = self.server.accept()
        receiver = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self.pump, args=(receiver, client), daemon=True).start()
        passed = 0
        while passed < self.limit and (data := client.recv(4096)):
            receiver.sendall(data)
            passed += len(data)
        for one in (client, receiver):
            one.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)
