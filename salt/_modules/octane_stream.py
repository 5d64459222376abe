"""
Bulk data from one node to another: encrypted, each side knowing the other's certificate, never at rest in clear.

A transfer has a *ticket* on each side, a folder below ``/var/lib/octane-node/streams`` that only root can enter. It
holds a key and certificate made for this transfer alone, which are removed when it ends, and a status. The work is done
by a program, ``octane_wire``, which on the receiving side outlives the call that started it.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time

from salt.exceptions import CommandExecutionError

STREAMS = "/var/lib/octane-node/streams"
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "octane_wire")
_TICKET = re.compile(r"[0-9a-f]{32}")


def identity():
    """
    A key and certificate of this node for one transfer.

    :return: ``{"identity": ticket, "certificate": PEM, "fingerprint": sha256 of the certificate}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_stream.identity
    """
    ticket = secrets.token_hex(16)
    folder = _folder(ticket)
    os.makedirs(STREAMS, mode=0o700, exist_ok=True)
    os.mkdir(folder, 0o700)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "2", "-subj"]
    command += [f"/CN=octane-{ticket[:8]}", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        shutil.rmtree(folder)
        raise CommandExecutionError(f"openssl made no certificate: {done.stderr.strip()[-300:]}")
    os.chmod(f"{folder}/key.pem", 0o600)
    certificate = _read(f"{folder}/certificate.pem")
    return {"identity": ticket, "certificate": certificate, "fingerprint": _fingerprint(certificate)}


def listen(job, bind, client_certificate, port=0, timeout=3600):
    """
    Start a receiver in the background.

    :param job: ``{"kind": "databases", "names": [...], "options": [...]}`` or ``{"kind": "files", "names": [...]}``
    :param bind: own address to listen on
    :param client_certificate: the only one that is let in
    :param timeout: seconds until the transfer must be over
    :return: ``{"ticket", "port", "certificate", "fingerprint"}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_stream.listen '{kind: files, names: [/etc/keystone/fernet-keys]}' 10.20.0.134 '-----BEGIN...'
    """
    _fingerprint(client_certificate)
    own = identity()
    order = {"role": "receive", "job": job, "host": bind, "port": int(port), "peer": client_certificate}
    _start(own["identity"], {**order, "timeout": timeout})
    state = _await(own["identity"], ("waiting", "running", "done", "failed"), 30)
    if state["state"] == "failed":
        raise CommandExecutionError(f"no receiver on {bind}: {state['error']}")
    found = {name: own[name] for name in ("certificate", "fingerprint")}
    return {"ticket": own["identity"], "port": state["port"], **found}


def send(job, host, port, certificate, identity, timeout=3600, expected=0, limit=None, streams=1):
    """
    Send what a job names to a receiver, and wait until that has made use of it.

    :param job: as :func:`listen` takes it; the names are those of this side
    :param certificate: the receiver's; nothing else is talked to
    :param identity: of this side, used up
    :param expected: bytes, for the progress events ``octane/progress/stream``
    :param limit: bytes a second over all streams together; ``None``: as many as go
    :param streams: how many databases are sent over side by side
    :return: ``{"bytes": int, "sha256": str, "seconds": float}``, of databases with ``position`` as
        ``octane_db.send`` returns it

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_stream.send '{kind: files, names: [/etc/ceph]}' 10.20.0.134 40123 '-----BEGIN...' 0123abcd
    """
    _fingerprint(certificate)
    order = {"role": "send", "job": job, "host": host, "port": int(port), "peer": certificate}
    order |= {"limit": _limit(limit), "streams": int(streams)}
    try:
        _start(identity, {**order, "timeout": timeout})
        state = _await(identity, ("done", "failed"), timeout + 30, _reporter(job, expected))
    finally:
        abandon(identity)
    if state["state"] != "done":
        raise CommandExecutionError(f"sending {', '.join(job['names'])} to {host}: {state['error']}")
    return {name: state[name] for name in ("bytes", "sha256", "seconds", "position") if name in state}


def received(ticket, timeout=600):
    """
    How a transfer ended; waits until it did.

    :return: ``{"state": "done", "bytes": int, "sha256": str, "seconds": float}``
    :raises CommandExecutionError: it failed, and why, or has not ended after ``timeout`` seconds

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_stream.received 0123456789abcdef0123456789abcdef
    """
    state = _await(ticket, ("done", "failed"), timeout)
    if state["state"] != "done":
        raise CommandExecutionError(f"the transfer {ticket[:8]} is {state['state']}: {state['error']}")
    return {name: state[name] for name in ("state", "bytes", "sha256", "seconds")}


def abandon(ticket):
    """
    End a receiver, or drop an identity, and remove its keys; ``True`` when there was one.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_stream.abandon 0123456789abcdef0123456789abcdef
    """
    folder = _folder(ticket)
    if not os.path.isdir(folder):
        return False
    if _is_running(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(_read(f"{folder}/pid")), signal.SIGTERM)
        _await(ticket, ("done", "failed"), 30)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def end():
    """
    End every transfer of this node that still runs, as after the death of the master that had ordered it: a receiver
    takes back what it had half loaded.

    :return: their tickets

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_stream.end
    """
    known = sorted(os.listdir(STREAMS)) if os.path.isdir(STREAMS) else []
    # Tunnels have their folders there too, and are not of this program.
    running = [ticket for ticket in known if _TICKET.fullmatch(ticket) and _PROGRAM in _words(_folder(ticket))]
    for ticket in running:
        abandon(ticket)
    return running


def _start(ticket, order):
    folder = _folder(ticket)
    if not os.path.exists(f"{folder}/key.pem"):
        raise CommandExecutionError(f"this node has no identity {ticket[:8]} for a transfer, or it was used up")
    __salt__["octane_files.note"](f"{folder}/order.json", json.dumps(order))
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen(
            # Compiled files would look to Salt like modules to take away again.
            [sys.executable, "-B", _PROGRAM, folder],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    __salt__["octane_files.note"](f"{folder}/pid", str(process.pid))


def _limit(given):
    if given is not None and int(given) < 1:
        raise CommandExecutionError(f"not a number of bytes a second: {given}")
    return None if given is None else int(given)


def _reporter(job, expected):
    """A function that fires an event at most once a second; names and numbers, never data."""
    last = [0.0]

    def report(state):
        if time.monotonic() - last[0] >= 1:
            last[0] = time.monotonic()
            numbers = {"bytes": state.get("bytes", 0), "expected": expected, "seconds": state.get("seconds", 0)}
            __salt__["event.send"]("octane/progress/stream", {"kind": job["kind"], **numbers})

    return report


def _fingerprint(certificate):
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    except ValueError as error:
        raise CommandExecutionError("not a certificate") from error


def _folder(ticket):
    if not _TICKET.fullmatch(ticket):
        raise CommandExecutionError(f"not a ticket: {ticket!r}")
    return os.path.join(STREAMS, ticket)


def _await(ticket, states, timeout, report=lambda state: None):
    """The status once it is one of these; ``failed`` when the program is gone without having said so."""
    folder, deadline = _folder(ticket), time.monotonic() + timeout
    if not os.path.isdir(folder):
        raise CommandExecutionError(f"this node has no transfer {ticket[:8]}")
    while True:
        # Asked first: a program that ends between the two questions has written its status by then.
        alive, state = _is_running(folder), _state(folder)
        if state["state"] in states:
            return state
        if not alive:
            why = _read(f"{folder}/log").strip()[-300:] or "its program is gone"
            return {**state, "state": "failed", "error": why}
        if time.monotonic() > deadline:
            return {**state, "error": f"not over after {timeout} s"}
        report(state)
        time.sleep(0.05)


def _state(folder):
    try:
        return json.loads(_read(f"{folder}/status.json"))
    except FileNotFoundError:
        return {"state": "starting"}


def _is_running(folder):
    words = _words(folder)
    # For a moment after its start a program has no command line yet.
    return folder in words or words == [""]


def _words(folder):
    """The command line of what runs for a transfer, nothing once that is gone."""
    try:
        pid = _read(f"{folder}/pid")
        words = _read(f"/proc/{pid}/cmdline").split("\0")
        ended = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [] if ended else words


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()
