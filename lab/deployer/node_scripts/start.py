#!/usr/bin/python3 -IS
"""Starts a program of OpenStack for its unit: start.py PROGRAM [ARGUMENT...]

Where a process of the machine holds the program loaded, it forks the daemon into this unit and the unit's init is told
its number; else, or when anything goes wrong on the way, this process becomes the program.
"""

import array
import contextlib
import json
import os
import socket
import sys

SOCKETS = "/run/preloaded"
PATIENCE = 120
"""Seconds for the first one to load the program, on a machine that has other things to do."""


def address_of(program: str) -> str:
    """Where a program, ENVIRONMENT/bin/NAME, is asked for."""
    folder, name = os.path.split(program)
    return os.path.join(SOCKETS, os.path.basename(os.path.dirname(folder)), name)


def start_preloaded(argv: list[str], notify: str) -> bool:
    """Let the daemon be forked; whether it was, and the unit's init knows."""
    request = json.dumps({"argv": argv, "environment": dict(os.environ)}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.settimeout(PATIENCE)
        server.connect(address_of(argv[0]))
        server.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
        number = server.recv(16).decode()
        if not number:
            return False
        # The daemon waits for the word: init hears of it before it can end.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as init:
            init.sendto(f"MAINPID={number}".encode(), notify)
        with contextlib.suppress(OSError):
            server.send(b"go")
    return True


def main(argv: list[str]) -> int:
    # Not the daemon's business: it was started without it before.
    notify = os.environ.pop("NOTIFY_SOCKET", "")
    # What is loaded already was loaded without other folders of modules.
    if "PYTHONPATH" in os.environ:
        os.execv(argv[0], argv)
    try:
        if notify and start_preloaded(argv, notify):
            return 0
    except OSError:
        pass
    os.execv(argv[0], argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
