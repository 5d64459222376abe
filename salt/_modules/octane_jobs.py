"""
Programs of ours that outlive the call that started them, each with a folder (its *ticket*) that only root can enter.

The folder lies where ``octane_stream`` keeps its own, so that an identity made there serves here. It holds the order,
the process id, a log and ``status.json``, whose ``state`` the program writes: ``running``, then ``done`` or ``failed``
(with ``error``).
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time

from salt.exceptions import CommandExecutionError

STREAMS = "/var/lib/octane-node/streams"
_TICKET = re.compile(r"[0-9a-f]{32}")
_PROGRAM = re.compile(r"octane_[a-z_]+")


def new():
    """
    A folder for a program that needs no certificate: its ticket.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.new
    """
    ticket = secrets.token_hex(16)
    os.makedirs(STREAMS, mode=0o700, exist_ok=True)
    os.mkdir(_folder(ticket), 0o700)
    return ticket


def start(ticket, program, order):
    """
    Start one of the programs that lie beside this module, in the background: ``program FOLDER``.

    :param order: JSON; written for root alone, the program removes it when it may hold a secret

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.start 0123456789abcdef0123456789abcdef octane_sums '{kind: source}'
    """
    folder = _existing(ticket)
    if not _PROGRAM.fullmatch(program):
        raise CommandExecutionError(f"not a program of ours: {program!r}")
    write(f"{folder}/order.json", json.dumps(order))
    write(f"{folder}/program", program)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{program}.py")
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, path, folder],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    write(f"{folder}/pid", str(process.pid))


def state(ticket):
    """
    What the program says of itself; ``failed`` when it is gone without having said so.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.state 0123456789abcdef0123456789abcdef
    """
    folder = _existing(ticket)
    # Asked first: a program that ends between the two questions has written its status by then.
    alive = _is_running(folder)
    found = json.loads(read(f"{folder}/status.json") or '{"state": "starting"}')
    if not alive and found["state"] not in ("done", "failed"):
        why = read(f"{folder}/log").strip()[-300:] or "its program is gone"
        return {**found, "state": "failed", "error": why}
    return found


def wait(ticket, ready, timeout, report=None):
    """
    What the program says, once it holds the key ``ready`` or has the state of that name.

    :param report: called with each look that was not it yet
    :raises CommandExecutionError: it failed, with its own words, or time was up

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.wait 0123456789abcdef0123456789abcdef done 60
    """
    deadline = time.monotonic() + float(timeout)
    while True:
        found = state(ticket)
        if found["state"] == "failed":
            raise CommandExecutionError(found.get("error") or "its program failed")
        if ready in found or found["state"] == ready:
            return found
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"waited {timeout} s for {ready!r} of job {ticket[:8]}")
        if report:
            report(found)
        time.sleep(0.05)


def end(ticket):
    """
    End the program and remove its folder; ``True`` when there was one.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.end 0123456789abcdef0123456789abcdef
    """
    folder = _folder(ticket)
    if not os.path.isdir(folder):
        return False
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + patience
        if _is_running(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(read(f"{folder}/pid")), number)
        while _is_running(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
    if _is_running(folder):
        raise CommandExecutionError(f"the program of job {ticket[:8]} does not end")
    shutil.rmtree(folder, ignore_errors=True)
    return True


def of(program):
    """
    Tickets of a program, running or not.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.of octane_channel
    """
    with contextlib.suppress(FileNotFoundError):
        found = [name for name in os.listdir(STREAMS) if _TICKET.fullmatch(name)]
        return sorted(name for name in found if read(f"{_folder(name)}/program") == program)
    return []


def order(ticket):
    """
    What a program was told, as far as it left that there.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.order 0123456789abcdef0123456789abcdef
    """
    return json.loads(read(f"{_existing(ticket)}/order.json") or "{}")


def result(ticket):
    """
    What the program left as its result, JSON.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.result 0123456789abcdef0123456789abcdef
    """
    return json.loads(read(f"{_existing(ticket)}/result.json") or "null")


def read(path):
    """
    The text of a file; empty when there is none.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.read /var/lib/octane-node/replica.json
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def write(path, text):
    """
    A whole file for root alone, or the one before.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_jobs.write /var/lib/octane-node/note text
    """
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(path + ".new", path)


def _folder(ticket):
    if not isinstance(ticket, str) or not _TICKET.fullmatch(ticket):
        raise CommandExecutionError(f"not a ticket: {ticket!r}")
    return os.path.join(STREAMS, ticket)


def _existing(ticket):
    folder = _folder(ticket)
    if not os.path.isdir(folder):
        raise CommandExecutionError(f"this node has no job {ticket[:8]}")
    return folder


def _is_running(folder):
    try:
        pid = read(f"{folder}/pid")
        words = read(f"/proc/{pid}/cmdline").split("\0") if pid else []
        ended = not words or read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] in ("Z", "X")
    except (IndexError, ProcessLookupError):
        return False
    # For a moment after its start a program has no command line yet.
    return not ended and (folder in words or words == [""])
