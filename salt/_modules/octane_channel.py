#!/usr/bin/env python3
"""
The program at each end of a tunnel between nodes; ``octane_tunnel`` starts it with a folder that holds its order.

``serve`` listens with TLS, lets in the one certificate it knows, and joins each connection to a socket of this node, a
path or an address and a port. ``join`` listens without, and joins each connection to such a server. A cut connection
ends at both ends, and the next one is made as soon as somebody asks for it: the tunnel itself stays.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import time

if __name__ == "__main__":
    # Salt's loader looks at this file too, where the ones beside it cannot be imported.
    sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "octane_wire"))
    import tls
    from frames import Broken
    from octane_jobs import write

CHUNK = 64 * 1024
PATIENCE = 30
"""Seconds to connect and to show a certificate."""


def __virtual__():
    return False, "the program that octane_tunnel starts"


class Throttle:
    """At most a number of bytes per second, over all connections; 0 is no limit."""

    def __init__(self, rate):
        self._rate, self._free = rate, time.monotonic()

    async def take(self, count):
        if self._rate:
            now = time.monotonic()
            self._free = max(self._free, now) + count / self._rate
            await asyncio.sleep(self._free - now)


class Channel:
    """One end of the tunnel: joins each connection that comes in to one that it makes itself."""

    def __init__(self, folder, order):
        self.folder, self.order = folder, order
        self.throttle = Throttle(int(order.get("rate") or 0))
        self.numbers = {"connections": 0, "refused": 0, "bytes": 0}

    async def serve(self):
        """
        Listen until the program is ended.

        The status is written once a second while something moves, so that the file is not worn out.
        """
        if self.order["role"] == "serve":
            server = await asyncio.start_server(
                self.join, self.order["host"], self.order["port"], ssl=self.context(ssl.PROTOCOL_TLS_SERVER)
            )
        else:
            server = await asyncio.start_server(self.join, self.order["bind"], self.order["port"])
        port = server.sockets[0].getsockname()[1]
        written = None
        try:
            while True:
                if self.numbers != written:
                    written = dict(self.numbers)
                    status = {"state": "running", "port": port, **written}
                    write(f"{self.folder}/status.json", json.dumps(status))
                await asyncio.sleep(1)
        finally:
            # Not waited for: from Python 3.12 on that would be for the last connection's end.
            server.close()

    async def join(self, reader, writer):
        """One connection from its first byte to its last."""
        other = None
        try:
            if self.order["role"] == "serve":
                self.check(writer)
            other = await asyncio.wait_for(self.connect(), PATIENCE)
            for one in (writer, other[1]):
                keep_alive(one)
            self.numbers["connections"] += 1
            flows = [asyncio.ensure_future(self.flow(*ends)) for ends in ((reader, other[1]), (other[0], writer))]
            # What one side has ended the other has no use for.
            _, left = await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
            for flow in left:
                flow.cancel()
        except (OSError, Broken, asyncio.TimeoutError) as error:
            self.numbers["refused"] += 1
            print(f"a connection was given up: {error or type(error).__name__}", flush=True)
        finally:
            for one in (writer, other and other[1]):
                if one:
                    one.close()

    async def flow(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.throttle.take(len(data))
                writer.write(data)
                await writer.drain()
                self.numbers["bytes"] += len(data)

    async def connect(self):
        """The other half of a connection: the server here, or the other end of the tunnel."""
        order = self.order
        if order["role"] == "serve":
            if isinstance(order["socket"], str):
                return await asyncio.open_unix_connection(order["socket"])
            return await asyncio.open_connection(*order["socket"])
        context = self.context(ssl.PROTOCOL_TLS_CLIENT)
        reader, writer = await asyncio.open_connection(order["host"], order["remote_port"], ssl=context)
        self.check(writer)
        return reader, writer

    def context(self, protocol):
        context = ssl.SSLContext(protocol)
        if protocol == ssl.PROTOCOL_TLS_CLIENT:
            context.check_hostname = False
        tls.pin(context, self.folder, self.order["peer"])
        return context

    def check(self, writer):
        """The same bytes, not just a valid signature."""
        tls.refuse_other(writer.get_extra_info("ssl_object"), self.order["peer"])


def keep_alive(writer):
    """A peer that is gone without a word is noticed within half a minute."""
    found = writer.get_extra_info("socket")
    if found.family in (socket.AF_INET, socket.AF_INET6):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3)):
            found.setsockopt(socket.IPPROTO_TCP, option, value)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 25_000)


async def run(folder, order):
    serving = asyncio.ensure_future(Channel(folder, order).serve())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    loop.call_later(order["lifetime"], serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main(folder):
    """Serve until told to end or too old; the key is gone afterwards."""
    with open(f"{folder}/order.json", encoding="utf-8") as stream:
        order = json.load(stream)
    try:
        asyncio.run(run(folder, order))
        write(f"{folder}/status.json", json.dumps({"state": "failed", "error": "the tunnel was ended"}))
    except (OSError, ValueError) as error:
        write(f"{folder}/status.json", json.dumps({"state": "failed", "error": str(error)}))
    finally:
        for name in ("key.pem", "certificate.pem"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{name}")


if __name__ == "__main__":
    main(sys.argv[1])
