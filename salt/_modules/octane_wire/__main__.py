"""
The program at each end of a transfer between nodes; ``octane_stream`` starts it with a folder that holds its order.

No module of Salt's but a folder beside them, which Salt brings to every node with them: it uses the standard library
alone and lives as long as its transfer. What goes over the wire is told in ``frames``.
"""

import contextlib
import json
import os
import signal
import socket
import sys

import dump
import load
import trees
from frames import Broken, Limit, Reader, Status, Writer, refuse
from tls import accept, connect


def send(folder, order, status):
    """Send what the order names; done when the receiver says so."""
    if order["job"]["kind"] == "databases":
        status.set(state="done", **dump.send(folder, order, status))
        return
    with connect(folder, order) as wire:
        writer = Writer(wire, status, Limit(order.get("limit")))
        trees.pack(order["job"], writer)
        answer = writer.finish()
    if answer["sha256"] != writer.digest.hexdigest():
        raise Broken("the receiver took other bytes than were sent")
    status.set(state="done", sha256=answer["sha256"])


def receive(folder, order, status):
    """Wait for the one sender, make use of what it sends, tell it how that went."""
    with socket.create_server((order["host"], order["port"])) as server:
        status.set(state="waiting", port=server.getsockname()[1])
        if order["job"]["kind"] == "databases":
            load.receive(folder, order, status, server)
            return
        wire = accept(server, folder, order["peer"])
    with wire:
        reader = Reader(wire, status)
        try:
            trees.unpack(order["job"], reader)
        except Broken as error:
            refuse([wire], str(error))
            raise
        status.set(state="done", sha256=reader.digest.hexdigest())
        reader.answer(sha256=reader.digest.hexdigest())


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


if __name__ == "__main__":
    main(sys.argv[1])
