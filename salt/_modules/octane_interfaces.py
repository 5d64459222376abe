"""
The files of bridges in ``/etc/network/interfaces.d`` (ifupdown, as Fuel writes them): ports.

Puppet writes these files at each deployment. So only the lines that matter are changed, and what is found is always
taken for pristine and kept, never refused.
"""

import os
import re

from salt.exceptions import CommandExecutionError

INTERFACES = "/etc/network/interfaces.d"
OWNER = "network"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}")
_KEYWORDS = ("bridge_ports", "bridge-ports")


def ports(bridge):
    """
    Ports that the bridge gets at its next ``ifup``; ``None`` when no file describes it.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.ports br-mgmt
    """
    text = _read(_file(bridge))
    return None if text is None else parse_ports(text)


def pristine_ports(bridge):
    """
    Ports that the bridge had before its file was first changed here.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.pristine_ports br-mgmt
    """
    return parse_ports(__salt__["octane_files.pristine"](_file(bridge), OWNER) or "")


def set_ports(bridge, given):
    """
    Write down the ports of a bridge; ``True`` when its file changed.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.set_ports br-mgmt '[eth2.101]'
    """
    text = _read(_file(bridge))
    return parse_ports(text) != list(given) and _write(bridge, with_ports(text, given))


def checked(name):
    """
    The name of an interface or a bridge, if it is one: what was not checked gets into no path and no script.

    :raises CommandExecutionError: it is none

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.checked br-mgmt
    """
    if not _NAME.fullmatch(name):
        raise CommandExecutionError(f"not the name of an interface: {name!r}")
    return name


def parse_ports(text):
    """
    Ports that the text of a file gives its bridge.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.parse_ports 'bridge_ports eth1'
    """
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in _KEYWORDS:
            return [word for word in words[1:] if word != "none"]
    return []


def with_ports(text, given):
    """
    The text of a bridge's file with other ports, everything else kept.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.with_ports 'bridge_ports eth1' '[]'
    """
    wanted = f"bridge_ports {' '.join(given) or 'none'}"
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.split()[:1] and line.split()[0] in _KEYWORDS:
            lines[number] = line[: len(line) - len(line.lstrip())] + wanted
            return _joined(lines)
    lines.insert(_after_stanza_head(lines), wanted)
    return _joined(lines)


def _after_stanza_head(lines):
    for number, line in enumerate(lines):
        if line.split()[:1] == ["iface"]:
            return number + 1
    raise CommandExecutionError("the file of the bridge has no iface stanza")


def _joined(lines):
    return "\n".join(lines) + "\n"


def _write(bridge, text):
    __salt__["octane_files.adopt"](_file(bridge), OWNER)
    return __salt__["octane_files.write"](_file(bridge), text, OWNER)


def _file(bridge):
    return os.path.join(INTERFACES, f"ifcfg-{checked(bridge)}")


def _read(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
