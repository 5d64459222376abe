#!/usr/bin/env python3
"""
The program at each end of a transfer between nodes; ``octane_stream`` starts it with a folder that holds its order.

On the wire, inside TLS with both certificates known beforehand: frames of a length (four bytes) and as many bytes; a
length of zero ends the data and is followed by one line of JSON with their number and SHA-256. Without that line
nothing counts as received, however the connection ended. The receiver's own line of JSON is the answer.

A program and no module: it uses the standard library alone and lives as long as its transfer.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import time

CHUNK = 256 * 1024


def __virtual__():
    return False, "the program that octane_stream starts"


class Broken(Exception):
    """A transfer that cannot be finished; the text says why and holds no data of it."""


class Status:
    """The file ``status.json`` of a transfer, written at once when its state changes and once a second otherwise."""

    def __init__(self, folder):
        self._path, self._started, self._written = f"{folder}/status.json", time.monotonic(), 0.0
        self.values = {"state": "starting", "bytes": 0}

    def set(self, **values):
        self.values.update(values)
        self.values["seconds"] = round(time.monotonic() - self._started, 1)
        self._written = time.monotonic()
        write(self._path, json.dumps(self.values))

    def count(self, number):
        self.values["bytes"] = number
        if time.monotonic() - self._written >= 1:
            self.set(state="running")


class Writer:
    """What a producer writes to: frames on the wire, counted and hashed."""

    def __init__(self, wire, status):
        self._wire, self._status = wire, status
        self.count, self.digest = 0, hashlib.sha256()

    def write(self, data):
        if data:
            self.digest.update(data)
            self.count += len(data)
            self._wire.sendall(struct.pack("!I", len(data)))
            self._wire.sendall(data)
            self._status.count(self.count)
        return len(data)

    def finish(self):
        """End the data; the receiver's answer."""
        self._wire.sendall(struct.pack("!I", 0))
        line = {"bytes": self.count, "sha256": self.digest.hexdigest()}
        self._wire.sendall(json.dumps(line).encode() + b"\n")
        return read_line(self._wire)


class Reader:
    """What a consumer reads from; the end is reached only with a sender's last line that agrees with the data."""

    def __init__(self, wire, status):
        self._wire, self._status, self._left, self._ended = wire, status, 0, False
        self.count, self.digest = 0, hashlib.sha256()

    def read(self, size=CHUNK):
        if not self._left and not self._ended:
            self._left = struct.unpack("!I", self._exactly(4))[0]
            self._ended = not self._left
            if self._ended:
                self._check()
        data = self._wire.recv(min(size, self._left)) if self._left else b""
        if self._left and not data:
            raise Broken("the connection ended in the middle of the data")
        self._left -= len(data)
        self.count += len(data)
        self.digest.update(data)
        self._status.count(self.count)
        return data

    def _check(self):
        if read_line(self._wire) != {"bytes": self.count, "sha256": self.digest.hexdigest()}:
            raise Broken("the data are not those that were sent")

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            part = self._wire.recv(size - len(data))
            if not part:
                raise Broken("the connection ended before the data did")
            data += part
        return data


def dump(job, writer):
    """mysqldump of all databases as one snapshot."""
    command = ["mysqldump", *job["options"], "--single-transaction", "--quick", "--routines", "--triggers", "--events"]
    command += ["--hex-blob", "--default-character-set=utf8mb4", "--skip-lock-tables", "--databases", *job["names"]]
    # MySQL 5.6 would write the positions of its own binary log into the dump; MariaDB does not know the option.
    if b"set-gtid-purged" in subprocess.run(["mysqldump", "--help"], capture_output=True, check=False).stdout:
        command.insert(len(job["options"]) + 1, "--set-gtid-purged=OFF")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while data := process.stdout.read(CHUNK):
            writer.write(data)
        message = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise Broken(f"mysqldump failed: {message[-300:]}")


def load(job, reader):
    """The dump into the local server; what was loaded of a broken one is dropped again."""
    client = ["mysql", *job["options"], "--default-character-set=utf8mb4"]
    quoted = ["`" + name.replace("`", "``") + "`" for name in job["names"]]
    drop = "".join(f"DROP DATABASE IF EXISTS {name};\n" for name in quoted).encode()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(client, **pipes) as process:
        try:
            pour(process.stdin, drop)
            while data := reader.read():
                pour(process.stdin, data)
            process.stdin.close()
            why = process.stderr.read().decode(errors="replace").strip() if process.wait() else ""
        except BrokenPipeError:
            why = process.stderr.read().decode(errors="replace").strip() or "the mysql client ended early"
        except (Broken, OSError) as error:
            # Killed, not closed: at the end of its input the client would run what it has of a statement.
            process.kill()
            why = str(error)
    if why:
        subprocess.run(client, input=drop, capture_output=True, check=False)
        raise Broken(f"{why[-300:]}; what was loaded of {', '.join(job['names'])} was dropped again")


def pour(pipe, data):
    """Write all of it to an unbuffered pipe."""
    rest = memoryview(data)
    while rest:
        rest = rest[pipe.write(rest) :]


def pack(job, writer):
    """Directories as one tar archive, each below its number."""
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for number, name in enumerate(job["names"]):
            archive.add(name, arcname=str(number))


def unpack(job, reader):
    """Directories beside those of these names, which they replace when all has come."""
    fresh = [f"{name}.octane-new" for name in job["names"]]
    for folder in fresh:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        with tarfile.open(fileobj=reader, mode="r|") as archive:
            for member in archive:
                extract(archive, member, fresh)
        while reader.read():
            pass
    except (Broken, OSError, tarfile.TarError) as error:
        for folder in fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise Broken(f"{error}; the directories are as they were") from error
    for name, folder in zip(job["names"], fresh, strict=True):
        exchange(name, folder)


def extract(archive, member, roots):
    """One member below the root its number stands for: plain files and directories alone, owners by name."""
    number, _, rest = member.name.partition("/")
    parts = rest.split("/") if rest else []
    if not (member.isfile() or member.isdir()) or not number.isdigit() or ".." in parts or int(number) >= len(roots):
        raise Broken(f"an unexpected entry in the archive: {member.name}")
    target = os.path.join(roots[int(number)], *parts)
    if member.isdir():
        os.makedirs(target, 0o700)
    else:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            shutil.copyfileobj(archive.extractfile(member), stream)
    with contextlib.suppress(LookupError):
        shutil.chown(target, member.uname or member.uid, member.gname or member.gid)
    os.chmod(target, member.mode & 0o7777)


def exchange(name, fresh):
    """The new directory takes the place of the old one, which is kept once, as it was before the first exchange."""
    if os.path.isdir(name):
        before = f"{name}.octane-before"
        if os.path.isdir(before):
            shutil.rmtree(name)
        else:
            os.rename(name, before)
    os.rename(fresh, name)


PRODUCERS = {"databases": dump, "files": pack}
CONSUMERS = {"databases": load, "files": unpack}


def connect(folder, order):
    """TLS to the receiver that the order names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    pin(context, folder, order["peer"])
    wire = context.wrap_socket(socket.create_connection((order["host"], order["port"]), timeout=30))
    refuse_other(wire, order["peer"])
    wire.settimeout(None)
    return wire


def pin(context, folder, certificate):
    """Show the own certificate, ask for the other one."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate)
    context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")


def refuse_other(wire, certificate):
    """The same bytes, not just a valid signature."""
    if wire.getpeercert(binary_form=True) != ssl.PEM_cert_to_DER_cert(certificate):
        wire.close()
        raise Broken("the other side has another certificate than the one announced")


def accept(server, folder, certificate):
    """The first connection that shows the expected certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pin(context, folder, certificate)
    while True:
        connection, _ = server.accept()
        connection.settimeout(30)
        try:
            wire = context.wrap_socket(connection, server_side=True)
            refuse_other(wire, certificate)
        except (OSError, Broken):
            # Somebody else; the one who is expected may still come.
            connection.close()
            continue
        wire.settimeout(None)
        return wire


def read_line(wire):
    """One line of JSON."""
    data = b""
    while not data.endswith(b"\n"):
        part = wire.recv(1)
        if not part or len(data) > 4096:
            raise Broken("the connection ended without an answer")
        data += part
    return json.loads(data)


def send(folder, order, status):
    """Send what the order names; done when the receiver says so."""
    with connect(folder, order) as wire:
        writer = Writer(wire, status)
        PRODUCERS[order["job"]["kind"]](order["job"], writer)
        answer = writer.finish()
    if answer["state"] != "done" or answer["sha256"] != writer.digest.hexdigest():
        raise Broken(f"the receiver did not take it: {answer.get('error')}")
    status.set(state="done", bytes=writer.count, sha256=answer["sha256"])


def receive(folder, order, status):
    """Wait for the one sender, make use of what it sends, tell it how that went."""
    with socket.create_server((order["host"], order["port"])) as server:
        status.set(state="waiting", port=server.getsockname()[1])
        wire = accept(server, folder, order["peer"])
    with wire:
        reader = Reader(wire, status)
        try:
            CONSUMERS[order["job"]["kind"]](order["job"], reader)
        except Broken as error:
            refuse(wire, str(error))
            raise
        status.set(state="done", bytes=reader.count, sha256=reader.digest.hexdigest())
        wire.sendall(json.dumps({"state": "done", "sha256": reader.digest.hexdigest()}).encode() + b"\n")


def refuse(wire, why):
    """Tell the sender why; what it still sends is taken for a while, else the answer is lost with the connection."""
    deadline = time.monotonic() + 10
    with contextlib.suppress(OSError):
        wire.sendall(json.dumps({"state": "failed", "error": why}).encode() + b"\n")
        wire.settimeout(1)
        while time.monotonic() < deadline and wire.recv(CHUNK):
            pass


def main(folder):
    """Do what ``order.json`` says; the key is gone afterwards, whatever happened."""
    with open(f"{folder}/order.json", encoding="utf-8") as stream:
        order = json.load(stream)
    status = Status(folder)

    def expire(number, frame):
        raise Broken("the transfer was ended" if number == signal.SIGTERM else f"not over after {order['timeout']} s")

    signal.signal(signal.SIGTERM, expire)
    signal.signal(signal.SIGALRM, expire)
    signal.alarm(int(order["timeout"]))
    try:
        {"send": send, "receive": receive}[order["role"]](folder, order, status)
    except (Broken, OSError, ValueError) as error:
        status.set(state="failed", error=str(error))
    finally:
        for name in ("key.pem", "certificate.pem", "order.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{name}")


def write(path, text):
    """A whole file for root alone, or the one before."""
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main(sys.argv[1])
