"""
Asks for addresses again and again until its input ends: ``python -m tests.functional.arp_watch INTERFACE=ADDRESS ...``.

Each round is one question for each address, and prints ``{address: [mac]}`` of those that answered just this question:
what is announced meanwhile is no answer.
"""

import fcntl
import json
import select
import socket
import struct
import sys
import time

ROUND = 0.25
ARP = 0x0806
HARDWARE_ADDRESS = 0x8927


def opened(interface: str) -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
    one.bind((interface, ARP))
    return one


def hardware(one: socket.socket, interface: str) -> bytes:
    return fcntl.ioctl(one, HARDWARE_ADDRESS, struct.pack("256s", interface.encode()))[18:24]


def question(mac: bytes, address: str) -> bytes:
    head = b"\xff" * 6 + mac + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, 1)
    return head + mac + b"\0" * 4 + b"\0" * 6 + socket.inet_aton(address)


def main() -> None:
    wanted = [word.split("=") for word in sys.argv[1:]]
    sockets = {interface: opened(interface) for interface, _ in wanted}
    macs = {interface: hardware(one, interface) for interface, one in sockets.items()}
    while not select.select([sys.stdin], [], [], 0)[0]:
        heard: dict[str, set[str]] = {address: set() for _, address in wanted}
        for interface, address in wanted:
            sockets[interface].send(question(macs[interface], address))
        until = time.monotonic() + ROUND
        while (left := until - time.monotonic()) > 0:
            for one in select.select(list(sockets.values()), [], [], left)[0]:
                frame = one.recv(1500)
                address = socket.inet_ntoa(frame[28:32])
                if frame[:6] in macs.values() and frame[20:22] == b"\0\2" and address in heard:
                    heard[address].add(frame[22:28].hex(":"))
        print(json.dumps({address: sorted(found) for address, found in heard.items()}), flush=True)


if __name__ == "__main__":
    main()
