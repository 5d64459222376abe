"""What is seen of a connection by whoever stands between its two ends."""

import contextlib
import socket
import threading

from octane.wait import until

HANDSHAKE, APPLICATION_DATA = 22, 23
CONTENT = (20, 21, HANDSHAKE, APPLICATION_DATA)
"""Types of TLS records (RFC 8446, 5.1)."""
LONGEST = 2**14 + 256


class Tap:
    """Passes on every connection to a port, and keeps each direction's bytes. ``open``: directions not ended yet."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.directions: list[bytearray] = []
        self.open = 0
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.server.accept()
                other = socket.create_connection(("127.0.0.1", self.target))
                for ends in ((client, other), (other, client)):
                    kept = bytearray()
                    self.directions.append(kept)
                    with self.lock:
                        self.open += 1
                    threading.Thread(target=self._pass, args=(*ends, kept), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                kept += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        with self.lock:
            self.open -= 1

    def reveals(self, *known: str) -> list[str]:
        """Those of KNOWN texts that can be read in any direction, as they are or in hexadecimal digits."""
        seen = [bytes(one) for one in self.directions]

        def forms(text: str) -> tuple[bytes, ...]:
            digits = text.encode().hex()
            return text.encode(), digits.encode(), digits.upper().encode()

        return [text for text in known if any(form in one for form in forms(text) for one in seen)]

    def encrypted(self) -> int:
        """
        Bytes that went through as TLS application data, all directions together, once both ends have gone.

        :raises AssertionError: something else went through, beside the handshakes
        """
        until(lambda: self.directions and not self.open, 30, "the connection to be closed by both ends")
        return sum(_application_data(bytes(one)) for one in self.directions)


def _application_data(stream: bytes) -> int:
    position, total = 0, 0
    while position < len(stream):
        kind, version = stream[position], stream[position + 1]
        length = int.from_bytes(stream[position + 3 : position + 5], "big")
        assert kind in CONTENT and version == 3 and length <= LONGEST, f"no TLS record at byte {position}"
        assert position or kind == HANDSHAKE, "it begins with no handshake"
        total += length if kind == APPLICATION_DATA else 0
        position += 5 + length
    assert position == len(stream), "the last record is not whole"
    return total
