"""Holds programs of an OpenStack environment loaded, and starts them by a fork of the process that has loaded them.

    python -IB - FOLDER now|asked SECONDS PROGRAM[:MODULE,...] ... < server.py

It runs in the environment's own Python, on the machine, outside all hosts. For each PROGRAM (the path of a console
script) it listens in FOLDER. A process loads the program's modules, now or once somebody connects, and ends once nobody
has connected for SECONDS (0: it never does); who connects then has them loaded anew. All who connect get a child
of it, which enters the host's namespaces and the unit's control group, becomes a child of the host's init and only then
runs the script. Who connects is deployer/node_scripts/start.py, which falls back on an exec.

Nothing here may use what eventlet replaces in sockets, select, os and time once a program is loaded: hence the imports
by name and the bare _socket.
"""

from __future__ import annotations

import _imp
import ast
import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import sys
import traceback
from _socket import AF_UNIX, SCM_RIGHTS, SO_PEERCRED, SOCK_SEQPACKET, SOL_SOCKET, socket
from os import O_RDONLY, _exit, close, dup2, fork, waitpid
from os import open as open_file
from pathlib import Path
from select import select
from time import sleep
from types import CodeType, ModuleType
from typing import Any

NAMESPACES = ("mnt", "uts", "ipc", "net", "pid", "cgroup")
HIERARCHIES = {"name=systemd": ("systemd",), "": ("unified", ".")}
"""Controllers in /proc/PID/cgroup to where such a hierarchy may be mounted; the lab's hosts use no other."""

CGROUP_ROOT = Path("/sys/fs/cgroup")
REQUEST_BYTES = 128 * 1024
ANSWER_TIMEOUT = 20.0
BACKLOG = 64
NICE_WHILE_LOADING = 5
"""As OpenStack's own units: hosts may be booting meanwhile."""

LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


class NotPreloadable(Exception):
    """A program does something while it is loaded that a fork does not copy."""


def modules_of(script: str) -> list[str]:
    """Modules that a console script imports."""
    found: list[str] = []
    for statement in ast.parse(script).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            found.append(statement.module)
        elif isinstance(statement, ast.Import):
            found += [name.name for name in statement.names]
    return found


def groups_of(listed: str) -> list[tuple[str, str]]:
    """(controllers, path) of the hierarchies that matter, from the text of a /proc/PID/cgroup."""
    fields = [line.split(":", 2) for line in listed.splitlines()]
    return [(controllers, path.lstrip("/")) for _, controllers, path in fields if controllers in HIERARCHIES]


def directory_of(controllers: str, path: str) -> Path:
    """The directory of a control group. Raises FileNotFoundError."""
    for name in HIERARCHIES[controllers]:
        if (CGROUP_ROOT / name / "cgroup.procs").exists():
            return CGROUP_ROOT / name / path
    raise FileNotFoundError(f"no hierarchy {controllers} in {CGROUP_ROOT}")


# ---- on the machine


class Program:
    """A console script, the socket where it is asked for, and the process that has loaded it once somebody did ask."""

    def __init__(self, folder: Path, given: str) -> None:
        path, _, more = given.partition(":")
        self.script = Path(path)
        self.more = [name for name in more.split(",") if name]
        self.address = folder / self.script.name
        self.address.unlink(missing_ok=True)
        self.listener = socket(AF_UNIX, SOCK_SEQPACKET)
        self.listener.bind(str(self.address))
        self.listener.listen(BACKLOG)
        self.holder: int | None = None

    def load(self) -> CodeType:
        """Import all the script's modules; return the script. Raises NotPreloadable and whatever an import raises."""
        text = self.script.read_text(encoding="utf-8")
        for name in modules_of(text):
            importlib.import_module(name)
        for name in self.more:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            raise NotPreloadable(f"{self.script} has {threads} threads once it is loaded")
        gc.collect()
        # What the collector never visits stays one memory in all who are forked.
        gc.freeze()
        return compile(text, str(self.script), "exec")

    def withdraw(self) -> None:
        """Let nobody ask for it any more: who has asked is told by the end of the connection."""
        self.listener.close()
        self.address.unlink(missing_ok=True)


def watch(programs: list[Program], now: bool) -> Program:
    """Fork a holder for each program, ``now`` or when it is asked for; returns in a holder, with its program."""
    waiting = {program.listener.fileno(): program for program in programs}
    while True:
        ready = list(waiting) if now else select(list(waiting), [], [], 1.0)[0]
        for number in ready:
            program = waiting.pop(number)
            program.holder = fork()
            if not program.holder:
                for other in programs:
                    if other is not program:
                        other.listener.close()
                return program
        now = False
        waiting |= {program.listener.fileno(): program for program in no_longer_loaded(programs)}


def no_longer_loaded(programs: list[Program]) -> list[Program]:
    """The programs whose holder has ended because nobody asked for them.

    Those whose holder ended otherwise are withdrawn: they could not be loaded, or somebody killed it.
    """
    idle = []
    for program in programs:
        ended, status = waitpid(program.holder, os.WNOHANG) if program.holder else (0, 0)
        if not ended:
            continue
        program.holder = None
        if status:
            program.withdraw()
        else:
            idle.append(program)
    return idle


def serve(program: Program, idle: float | None) -> dict[str, Any]:
    """Fork a daemon for everyone who asks; returns in a daemon, with what it was asked for.

    Ends the process when nobody asks for ``idle`` seconds; who asks then waits for the next holder.
    """
    while True:
        if not select([program.listener], [], [], idle)[0]:
            _exit(0)
        number, _ = program.listener._accept()  # type: ignore[attr-defined]
        child = fork()
        if child:
            close(number)
            waitpid(child, 0)
            continue
        try:
            program.listener.close()
            return be_born(socket(AF_UNIX, SOCK_SEQPACKET, 0, number))
        except BaseException:
            traceback.print_exc()
            _exit(1)


# ---- on the way into a host


def be_born(connection: socket) -> dict[str, Any]:
    """Become the daemon that ``connection`` asks for: returns in it, with the request. Raises OSError, ValueError."""
    connection.settimeout(ANSWER_TIMEOUT)
    peer = int.from_bytes(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)[:4], sys.byteorder)
    request, files = receive(connection)
    settings = settings_of(peer)
    enter(peer)
    # Only a child is in the process namespace, and only that one's child, once alone, is adopted by the host's init.
    child = fork()
    if child:
        waitpid(child, 0)
        _exit(0)
    if fork():
        _exit(0)
    while os.getppid() != 1:
        sleep(0.001)
    settle(request, files, settings)
    # From the word on it is the unit's daemon. Whatever fails before, who asked runs the program itself.
    connection.send(str(os.getpid()).encode())
    if connection.recv(16) != b"go":
        _exit(0)
    connection.close()
    return request


def receive(connection: socket) -> tuple[dict[str, Any], list[int]]:
    """The request, and its standard input, output and error as file descriptors. Raises OSError, ValueError."""
    text, attached, _, _ = connection.recvmsg(REQUEST_BYTES, 256)
    files = [
        int.from_bytes(data[at : at + 4], sys.byteorder)
        for level, kind, data in attached
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
        for at in range(0, len(data), 4)
    ]
    return json.loads(text), files


def settings_of(peer: int) -> dict[str, Any]:
    """What the host's init gave to the process that asks, and the daemon takes over."""
    return {
        "nice": os.getpriority(os.PRIO_PROCESS, peer),
        "limits": {limit: resource.prlimit(peer, limit) for limit in LIMITS},
        "oom": Path(f"/proc/{peer}/oom_score_adj").read_text(encoding="utf-8"),
    }


def enter(peer: int) -> None:
    """Enter control groups, namespaces (that of processes: with a child) and root of ``peer``. Raises OSError."""
    process = Path(f"/proc/{peer}")
    spaces = [open_file(process / "ns" / name, O_RDONLY) for name in NAMESPACES]
    root = open_file(process / "root", O_RDONLY)
    for controllers, path in groups_of((process / "cgroup").read_text(encoding="utf-8")):
        (directory_of(controllers, path) / "cgroup.procs").write_text("0", encoding="utf-8")
    library = ctypes.CDLL(None, use_errno=True)
    for space in spaces:
        if library.setns(space, 0):
            raise OSError(ctypes.get_errno(), f"setns into {process}")
        close(space)
    os.fchdir(root)
    os.chroot(".")
    os.chdir("/")
    close(root)


# ---- in the host


def settle(request: dict[str, Any], files: list[int], settings: dict[str, Any]) -> None:
    """Be what an exec by the host's init would have made of this process."""
    os.setsid()
    for number, file in enumerate(files):
        dup2(file, number)
        close(file)
    os.umask(0o022)
    os.setpriority(os.PRIO_PROCESS, 0, settings["nice"])
    for limit, values in settings["limits"].items():
        resource.setrlimit(limit, values)
    Path("/proc/self/oom_score_adj").write_text(settings["oom"], encoding="utf-8")
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["argv"]
    name_process(request["argv"])
    forget_machine()


def forget_machine() -> None:
    """Replace what eventlet took from the machine when it was loaded, or has in common with the parent."""
    if "eventlet.hubs" in sys.modules:
        importlib.import_module("eventlet.hubs").use_hub()
    names: Any = sys.modules.get("eventlet.support.greendns")
    if names:
        names.resolver = names.ResolverProxy(hosts_resolver=names.HostsResolver())


def name_process(argv: list[str]) -> None:
    """Let ps show what it would show of the script."""
    with contextlib.suppress(ImportError):
        importlib.import_module("setproctitle").setproctitle(" ".join([sys.executable, *argv]))
    set_short_name(os.path.basename(argv[0]))


def set_short_name(name: str) -> None:
    """Let top and killall show a name for this process."""
    Path("/proc/self/comm").write_text(name[:15], encoding="utf-8")


def main() -> CodeType:
    """Returns in a daemon, with the script to run: outside of all this, so that its end is the process's end."""
    folder, when, seconds, *given = sys.argv[1:]
    with contextlib.suppress(ImportError):
        # It looks for where the command line is in memory, which is there only as long as nobody changed os.environ.
        importlib.import_module("setproctitle").getproctitle()
    program = watch([Program(Path(folder), each) for each in given], when == "now")
    set_short_name(program.script.name)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE_WHILE_LOADING)
        script = program.load()
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    except BaseException:
        traceback.print_exc()
        _exit(1)
    serve(program, float(seconds) or None)
    return script


def main_module(script: str) -> dict[str, Any]:
    """The namespace of a script that is run, instead of this one's."""
    module = ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    # oslo.log names a program's log file by the outermost frame's file.
    _imp._fix_co_filename(sys._getframe(1).f_code, script)  # type: ignore[attr-defined]
    return vars(module)


if __name__ == "__main__":
    exec(main(), main_module(sys.argv[0]))
