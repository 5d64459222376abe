"""
TLS between the two ends of a transfer: each shows the one certificate that the other was told of.
"""

import contextlib
import socket
import ssl
import time

from frames import Broken

SILENCE = 60
"""Seconds after which a peer that is gone without a word is noticed."""
STALL = 300
"""Seconds that a peer may take no data before it counts as gone."""


def connect(folder, order):
    """TLS to the receiver that the order names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    pin(context, folder, order["peer"])
    connection = socket.create_connection((order["host"], order["port"]), timeout=30)
    watch(connection)
    wire = context.wrap_socket(connection)
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
        watch(connection)
        try:
            wire = context.wrap_socket(connection, server_side=True)
            refuse_other(wire, certificate)
        except (OSError, Broken):
            # Somebody else; the one who is expected may still come.
            connection.close()
            continue
        wire.settimeout(None)
        return wire


def watch(connection):
    """Have the kernel end a connection whose other side is gone, whether or not anything is being sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE // 2)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENCE // 6)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    # For data on their way; longer, since a receiver that is busy with what it has may take none for a while.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL * 1000)


def hush(wires):
    """Send no more on connections; who is still at it in another thread fails at once, answers still come."""
    for wire in wires:
        with contextlib.suppress(OSError):
            # Not the method of SSLSocket: that drops its keys first, and a reader would take ciphertext for data.
            socket.socket.shutdown(wire, socket.SHUT_WR)


def leave(wires, patience=30):
    """Send no more, and wait until the other side has put away what it has."""
    deadline = time.monotonic() + patience
    hush(wires)
    for wire in wires:
        with contextlib.suppress(OSError):
            wire.settimeout(1)
            while time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    if not wire.recv(4096):
                        break
