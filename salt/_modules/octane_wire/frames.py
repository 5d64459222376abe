"""
What goes over the wire of a transfer, counted, hashed and slowed down where that was asked for.

Inside TLS: frames of a length (four bytes) and as many bytes. A stream is data alone, or items: a frame of JSON that
says what is to be done, data, and a length of zero. A length of zero where data or an item could begin ends the stream
and is followed by one line of JSON with the number of its bytes and their SHA-256. Without that line nothing counts as
received, however the connection ended. The receiver's own lines of JSON are the answers.
"""

import contextlib
import hashlib
import json
import os
import struct
import threading
import time

CHUNK = 256 * 1024
_LENGTH = struct.Struct("!I")


class Broken(Exception):
    """A transfer that cannot be finished; the text says why and holds no data of it."""


class Gone(Broken):
    """The connection ended, which is what others notice of a failure."""


class Status:
    """The file ``status.json`` of a transfer, written at once when its state changes and once a second otherwise."""

    def __init__(self, folder):
        self._path, self._started, self._written = f"{folder}/status.json", time.monotonic(), 0.0
        self._lock = threading.Lock()
        self.values = {"state": "starting", "bytes": 0}

    def set(self, **values):
        with self._lock:
            self._set(values)

    def add(self, number):
        with self._lock:
            self.values["bytes"] += number
            if time.monotonic() - self._written >= 1:
                self._set({"state": "running"})

    def _set(self, values):
        self.values.update(values)
        self.values["seconds"] = round(time.monotonic() - self._started, 1)
        self._written = time.monotonic()
        write(self._path, json.dumps(self.values))


class Limit:
    """So many bytes a second over all streams together; ``None``: as many as go."""

    def __init__(self, rate):
        self.rate, self._lock, self._free = rate, threading.Lock(), time.monotonic()
        # A quarter of a second's bytes at once, so that the rate holds over a second and every wait is short.
        self.piece = min(CHUNK, max(1, rate // 4)) if rate else CHUNK

    def wait(self, number):
        """Return when so many bytes may go."""
        if self.rate:
            with self._lock:
                turn = max(self._free, time.monotonic())
                self._free = turn + number / self.rate
            time.sleep(max(0, turn - time.monotonic()))


class Writer:
    """What a producer writes to."""

    def __init__(self, wire, status, limit):
        self._wire, self._status, self._limit = wire, status, limit
        self.count, self.digest = 0, hashlib.sha256()

    def write(self, data):
        """Send all of it as frames."""
        view = memoryview(data)
        for start in range(0, len(view), self._limit.piece):
            self._frame(view[start : start + self._limit.piece])
        return len(data)

    def _frame(self, data):
        self._limit.wait(len(data))
        self.digest.update(data)
        self.count += len(data)
        self._send(_LENGTH.pack(len(data)) + data)
        self._status.add(len(data))

    def item(self, header, parts):
        """One item: what is to be done, and its data; the receiver's answer."""
        self._frame(json.dumps(header).encode())
        for data in parts:
            self.write(data)
        self._send(_LENGTH.pack(0))
        return self._answer()

    def finish(self):
        """End the stream; the receiver's answer."""
        line = {"bytes": self.count, "sha256": self.digest.hexdigest()}
        self._send(_LENGTH.pack(0) + json.dumps(line).encode() + b"\n")
        return self._answer()

    def _send(self, data):
        try:
            self._wire.sendall(data)
        except OSError as error:
            with contextlib.suppress(Broken, OSError, ValueError):
                self._wire.settimeout(2)
                self._answer()
            raise self._gone(error) from error

    def _answer(self):
        try:
            answer = read_line(self._wire)
        except OSError as error:
            raise self._gone(error) from error
        if answer["state"] != "done":
            raise Broken(f"the receiver did not take it: {answer.get('error')}")
        return answer

    @staticmethod
    def _gone(error):
        return Gone(f"the connection to the receiver ended: {error}")


class Reader:
    """What a consumer reads from; the end is reached only with a sender's last line that agrees with the data."""

    def __init__(self, wire, status, stopped=None):
        self._wire, self._status, self._left = wire, status, 0
        self._stopped = stopped or threading.Event()
        # Often enough to notice that another stream of the transfer has failed.
        wire.settimeout(1)
        self.count, self.digest, self.ended = 0, hashlib.sha256(), False

    def read(self, size=CHUNK):
        """Data of a stream that is one item; nothing at its checked end."""
        data = b"" if self.ended else self.part(size)
        if not data and not self.ended:
            self._check()
        return data

    def header(self):
        """What the next item asks for; ``None`` at the checked end of the stream."""
        first = self.part()
        if not first:
            self._check()
            return None
        while self._left:
            first += self.part(self._left)
        return json.loads(first)

    def parts(self):
        """The data of an item."""
        while data := self.part():
            yield data

    def part(self, size=CHUNK):
        """Bytes of one frame; nothing at the end of an item."""
        if not self._left:
            self._left = _LENGTH.unpack(self._exactly(_LENGTH.size))[0]
            if not self._left:
                return b""
        data = self._exactly(min(size, self._left))
        self._left -= len(data)
        self.count += len(data)
        self.digest.update(data)
        self._status.add(len(data))
        return data

    def answer(self, **values):
        """Tell the sender that an item was taken."""
        self._wire.sendall(json.dumps({"state": "done", **values}).encode() + b"\n")

    def _check(self):
        self._wire.settimeout(60)
        if read_line(self._wire) != {"bytes": self.count, "sha256": self.digest.hexdigest()}:
            raise Broken("the data are not those that were sent")
        self.ended = True

    def _exactly(self, size):
        data = bytearray(size)
        rest = memoryview(data)
        while rest and not self._stopped.is_set():
            # TLS gives at most 16 KiB at a time.
            with contextlib.suppress(TimeoutError):
                number = self._wire.recv_into(rest)
                if not number:
                    raise Gone("the connection ended before the data did")
                rest = rest[number:]
        if rest:
            raise Gone("another stream failed")
        return data


def together(digests):
    """One SHA-256 of several streams in their order; that of the only one is its own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def read_line(wire):
    """One line of JSON."""
    data = b""
    while not data.endswith(b"\n"):
        part = wire.recv(1)
        if not part or len(data) > 4096:
            raise Gone("the connection ended without an answer")
        data += part
    return json.loads(data)


def refuse(wires, why):
    """Tell the sender why; what it still sends is taken for a while, else the answer is lost with the connection."""
    deadline = time.monotonic() + 10
    line = json.dumps({"state": "failed", "error": why}).encode() + b"\n"
    for wire in wires:
        with contextlib.suppress(OSError):
            wire.settimeout(2)
            wire.sendall(line)
    for wire in wires:
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline and wire.recv(CHUNK):
                pass


def write(path, text):
    """A whole file for root alone, or the one before."""
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(path + ".new", path)
