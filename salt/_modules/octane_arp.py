"""
ARP from a node's own raw sockets: announcing addresses, and hearing who answers for them.
"""

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import select
import socket
import struct
import threading
import time

from salt.exceptions import CommandExecutionError

_BROADCAST = b"\xff" * 6
_NOBODY = b"\x00" * 4
_REQUEST, _REPLY = 1, 2
_ETH_P_ARP = 0x0806
_SIOCGIFHWADDR = 0x8927
_CLONE_NEWNET = 0x40000000
_NAMESPACES = "/var/run/netns"
_ARP_IGNORE = "/proc/sys/net/ipv4/conf/all/arp_ignore"
_SYSCTL_FILE = "/etc/sysctl.d/60-octane-isolation.conf"
_SYSCTL_TEXT = "# Written by octane for the time of the isolation.\nnet.ipv4.conf.all.arp_ignore = 1\n"
_OWNER = "arp"


def announce(addresses, repeat=3, interval=0.2):
    """
    Tell the neighbours by gratuitous ARP, as requests and as replies, where addresses are.

    :param addresses: ``[{"address": str, "interface": str, "netns": str or None, "mac": str or None}]``; the
        interface's own mac when none; ``netns``: where the interface is, unless it is outside of all of them; one that
        is gone meanwhile is left out
    :param repeat: times, ``interval`` seconds apart
    :return: ``{"sent": [address]}``
    :raises CommandExecutionError: an interface that is not there or is down

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_arp.announce '[{address: 192.168.0.2, interface: br-mgmt}]'
    """
    places = {}
    for one in addresses:
        places.setdefault(one.get("netns"), []).append(one)
    sent = {}
    for number in range(int(repeat)):
        if number:
            time.sleep(interval)
        for namespace, mine in places.items():
            if _announced_in(namespace, mine):
                sent[namespace] = mine
    return {"sent": [one["address"] for mine in sent.values() for one in mine]}


def hears(addresses, timeout=3, own=()):
    """
    Ask for addresses as duplicate address detection does (from 0.0.0.0, so that nobody learns anything) and collect
    the hardware addresses that answer.

    :param addresses: ``[{"address": str, "interface": str}]``
    :param timeout: seconds in all
    :param own: hardware addresses that do not count
    :return: ``{address: [mac]}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_arp.hears '[{address: 192.168.0.2, interface: br-mgmt}]'
    """
    heard = {str(ipaddress.ip_address(one["address"])): set() for one in addresses}
    deadline, next_round = time.monotonic() + timeout, 0.0
    with contextlib.ExitStack() as stack:
        sockets = _sockets(stack, {one["interface"] for one in addresses})
        while (now := time.monotonic()) < deadline:
            if now >= next_round:
                for one in addresses:
                    _send(sockets[one["interface"]], _question(one))
                next_round = now + 0.5
            readable, _, _ = select.select(list(sockets.values()), [], [], min(0.1, deadline - now))
            for receiver in readable:
                mac, address = parse_reply(receiver.recv(1500))
                if address in heard and mac not in own:
                    heard[address].add(mac)
    return {address: sorted(found) for address, found in heard.items()}


def parse_reply(frame):
    """
    Sender of an ARP reply: ``(mac, address)``, or two times ``None`` for any other frame.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_arp.parse_reply ''
    """
    if len(frame) < 42 or frame[12:14] != b"\x08\x06" or struct.unpack("!H", frame[20:22])[0] != _REPLY:
        return None, None
    return frame[22:28].hex(":"), socket.inet_ntoa(frame[28:32])


def _gratuitous(one):
    mac, address = _bytes(one.get("mac") or _mac(one["interface"])), socket.inet_aton(one["address"])
    yield _frame(mac, _REQUEST, mac, address, b"\x00" * 6, address)
    yield _frame(mac, _REPLY, mac, address, _BROADCAST, address)


def _question(one):
    mac = _bytes(_mac(one["interface"]))
    return _frame(mac, _REQUEST, mac, _NOBODY, b"\x00" * 6, socket.inet_aton(one["address"]))


def _frame(source, operation, sender, sender_address, target, target_address):
    head = _BROADCAST + source + struct.pack("!H", _ETH_P_ARP)
    return head + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + sender + sender_address + target + target_address


def _sockets(stack, interfaces):
    found = {}
    for name in sorted(interfaces):
        one = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)))
        try:
            one.bind((name, _ETH_P_ARP))
        except OSError as error:
            raise CommandExecutionError(f"no ARP on {name}: {error.strerror}") from error
        found[name] = one
    return found


def _announced_in(namespace, addresses):
    """Whether it could be done: agents end their namespaces when they like."""
    if namespace is None:
        _announce(addresses)
        return True
    done = []

    def inside():
        with contextlib.suppress(OSError, CommandExecutionError):
            with open(os.path.join(_NAMESPACES, namespace), encoding="ascii") as handle:
                entered = ctypes.CDLL(None).setns(handle.fileno(), _CLONE_NEWNET) == 0
            if entered:
                _announce(addresses)
                done.append(True)

    # What enters a namespace is a thread, and this one ends there.
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    return bool(done)


def _announce(addresses):
    with contextlib.ExitStack() as stack:
        sockets = _sockets(stack, {one["interface"] for one in addresses})
        for one in addresses:
            for frame in _gratuitous(one):
                _send(sockets[one["interface"]], frame)


def _send(sender, frame):
    try:
        sender.send(frame)
    except OSError as error:
        raise CommandExecutionError(f"ARP on {sender.getsockname()[0]}: {error.strerror}") from error


def _mac(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        answer = fcntl.ioctl(one.fileno(), _SIOCGIFHWADDR, struct.pack("256s", interface.encode()))
    return answer[18:24].hex(":")


def _bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def strict(test=False):
    """
    Answer ARP only for addresses of the interface that was asked, now and after the next boot.

    By default Linux answers on every interface for every address it has. A port that was taken out of its bridge and is
    still up would so tell the network outside the addresses that its node must keep to itself (observed: a controller
    isolated by its facts alone answered for the addresses of the one it replaces).

    :return: ``{what changes: new value}``
    :raises CommandExecutionError: the kernel does not take the setting, or the file was changed by somebody else

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_arp.strict
    """
    changes: dict[str, object] = {}
    if _arp_ignore() == 0:
        changes[_ARP_IGNORE] = 1
    if _text(_SYSCTL_FILE) != _SYSCTL_TEXT:
        changes[_SYSCTL_FILE] = "written"
    if changes and not test:
        __salt__["octane_files.write"](_SYSCTL_FILE, _SYSCTL_TEXT, _OWNER)
        _set_arp_ignore(1)
    return changes


def as_before(test=False):
    """
    Take back what :func:`strict` did; a host that was strict before is left so.

    :return: ``{what changes: new value}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_arp.as_before
    """
    if not __salt__["octane_files.status"](_OWNER):
        return {}
    changes = {_ARP_IGNORE: 0, _SYSCTL_FILE: "as before"}
    if not test:
        __salt__["octane_files.restore"](_OWNER)
        _set_arp_ignore(0)
    return changes


def _arp_ignore():
    with open(_ARP_IGNORE, encoding="ascii") as handle:
        return int(handle.read())


def _set_arp_ignore(value):
    """:raises CommandExecutionError: the kernel keeps another value"""
    try:
        with open(_ARP_IGNORE, "w", encoding="ascii") as handle:
            handle.write(str(value))
    except OSError as error:
        raise CommandExecutionError(f"{_ARP_IGNORE}: {error.strerror}") from None
    if _arp_ignore() != value:
        raise CommandExecutionError(f"{_ARP_IGNORE} does not become {value}")


def _text(path):
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
