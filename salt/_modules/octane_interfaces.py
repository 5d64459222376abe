"""
The files of bridges in ``/etc/network/interfaces.d`` (ifupdown, as Fuel writes them): ports, pairs joining them.

Puppet writes these files at each deployment. So only the lines that matter are changed, and what is found is always
taken for pristine and kept, never refused.
"""

import functools
import glob
import os
import re
import shlex

from salt.exceptions import CommandExecutionError

INTERFACES = "/etc/network/interfaces.d"
OWNER = "network"
_MARK = "#octane# "
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}")
_KEYWORDS = ("bridge_ports", "bridge-ports")
_LONGEST = 15
"""Longest name of an interface: a port of Open vSwitch with a longer one is none, and has no file."""


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
    Write down the ports of a bridge, in the order that they had there before; ``True`` when its file changed.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.set_ports br-mgmt '[eth2.101]'
    """
    text, before = _read(_file(bridge)), pristine_ports(bridge)
    wanted = before if sorted(before) == sorted(given) else list(given)
    return parse_ports(text) != wanted and _write(bridge, with_ports(text, wanted))


def gateway(bridge):
    """
    The gateway that a file gives its bridge; ``None`` without one, or without a file.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.gateway br-ex
    """
    lines = map(str.split, (_read(_file(bridge)) or "").splitlines())
    return next((words[1] for words in lines if len(words) > 1 and words[0] == "gateway"), None)


def set_gateway(bridge, address):
    """
    Let a file, if there is one, give its bridge this gateway, or none.

    :param address: ``None`` for none

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.set_gateway br-ex 172.16.0.1
    """
    if gateway(bridge) != address:
        _rewrite(bridge, functools.partial(_with_gateway, address=address))


def is_described(bridge):
    """
    Whether a file describes the bridge.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.is_described br-ex
    """
    return _read(_file(bridge)) is not None


def plugs(bridge):
    """
    Ports that files plug into a bridge of Open vSwitch, whose database remembers its ports besides: those that the
    bridge's file lists, and those whose own file names the bridge.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.plugs br-mgmt
    """
    checked(bridge)
    found = set(_listed(_read(_file(bridge)) or ""))
    for path in glob.glob(os.path.join(INTERFACES, "ifcfg-*")):
        if ["ovs_bridge", bridge] in map(str.split, (_read(path) or "").splitlines()):
            found.add(os.path.basename(path)[len("ifcfg-") :])
    return sorted(found)


def unplug(bridge, port):
    """
    No file plugs a port into a bridge of Open vSwitch any more; what said so stays, as comments.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.unplug br-ex eth1
    """
    _rewrite(bridge, lambda text: _relisted(text, [one for one in _listed(text) if one != port]))
    if len(port) <= _LONGEST:
        _rewrite(port, lambda text: _commented(text, bridge, port))


def plug(bridge, port, interfaces=()):
    """
    Files plug a port into a bridge of Open vSwitch as they did before :func:`unplug`. A port whose own file names no
    bridge gets this one there; without a file, its interfaces are brought up by that of the bridge.

    :param interfaces: what the port is made of

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_interfaces.plug br-ex eth1
    """
    _rewrite(bridge, lambda text: _relisted(text, [one for one in _was_listed(text) if one in {*_listed(text), port}]))
    if len(port) <= _LONGEST and is_described(port):
        _rewrite(port, lambda text: _uncommented(text) if _MARK in text else _as_port(text, bridge, port))
        return
    for name in interfaces:
        _rewrite(bridge, functools.partial(_with_line, line=f"up ip link set dev {checked(name)} up"))


def is_made(interface):
    """
    Whether a file makes an interface: its own one, or the command of another.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.is_made p_ff798dba-0
    """
    return any(
        os.path.basename(path) == f"ifcfg-{interface}" or f"ip link add {interface} " in (_read(path) or "")
        for path in glob.glob(os.path.join(INTERFACES, "ifcfg-*"))
    )


def make_pair(bridge, first, second):
    """
    Let the file of a bridge make a pair of virtual interfaces, unless that is there already when it is read.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_interfaces.make_pair br-mgmt p_0a0b0c0d-0 p_0a0b0c0d-1
    """
    make = f"ip link add {checked(first)} type veth peer name {checked(second)}"
    line = f"pre-up ip link show {first} >/dev/null 2>&1 || {make}"

    _rewrite(bridge, functools.partial(_with_line, line=line))


def make_internal(bridge, switch, words):
    """
    Let the file of a Linux bridge make the port of Open vSwitch that it has too, before it takes it: a clean shutdown
    takes the bridges of Open vSwitch that have files down, and with them out of its database (Debian's and Ubuntu's
    if-post-down.d/openvswitch).

    :param switch: the bridge of Open vSwitch, which is brought up before if a file describes it
    :param words: of ``ovs-vsctl``, which make the port unless it is there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_interfaces.make_internal br-aux br-prv '[--may-exist, add-port, br-prv, p_e52381cd-0]'
    """
    make = " ".join(map(shlex.quote, ["ovs-vsctl", "--timeout=20", *words]))
    # What fails there must not keep the bridge from its other ports.
    _rewrite(bridge, functools.partial(_with_line, line=f"pre-up {make} || true"))
    if is_described(switch):
        _rewrite(bridge, functools.partial(_with_line, line=f"pre-up ifup {checked(switch)} || true"))


def checked(name):
    """
    The name of an interface or a bridge, if it is one: what was not checked gets into no path and no script.

    :raises CommandExecutionError: it is none

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_interfaces.checked br-mgmt
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
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


def _rewrite(name, change):
    """What CHANGE makes of the text of a file, if there is one."""
    text = _read(_file(name))
    if text is not None and change(text) != text:
        _write(name, change(text))


def _with_line(text, line):
    lines = text.splitlines()
    if line not in map(str.strip, lines):
        lines.insert(_after_stanza_head(lines), line)
    return _joined(lines)


def _with_gateway(text, address):
    lines = [line for line in text.splitlines() if line.split()[:1] != ["gateway"]]
    return _with_line(_joined(lines), f"gateway {address}") if address else _joined(lines)


def _listed(text):
    """Ports that the text of a bridge of Open vSwitch lists."""
    return [word for line in map(str.split, text.splitlines()) if line[:1] == ["ovs_ports"] for word in line[1:]]


def _was_listed(text):
    """Ports that the text listed before any was taken out; those it lists when none was."""
    kept = [line[len(_MARK) :] for line in text.splitlines() if line.startswith(_MARK)]
    return _listed("\n".join(kept)) or _listed(text)


def _relisted(text, given):
    """The text with other ports; the line that listed them is kept as a comment, and given back when it is true."""
    if _listed(text) == given:
        return text
    was, lines = _was_listed(text), []
    for line in text.splitlines():
        pristine = line[len(_MARK) :] if line.startswith(_MARK) else line
        if pristine.split()[:1] != ["ovs_ports"]:
            lines.append(line)
        elif pristine.split()[1:] == was and given == was:
            lines.append(pristine)
        elif pristine.split()[1:] == was:
            lines += [_MARK + pristine, f"ovs_ports {' '.join(given)}"] if given else [_MARK + pristine]
    return _joined(lines)


def _commented(text, bridge, port):
    """The text of a port without its bridge: an ordinary interface, or nothing where only the bridge made it one."""
    lines = text.splitlines()
    if ["ovs_bridge", bridge] not in map(str.split, lines):
        return text
    is_ordinary = ["ovs_type", "OVSPort"] in map(str.split, lines)
    said = ([f"allow-{bridge}", port], ["ovs_bridge", bridge], ["ovs_type", "OVSPort"])
    return _joined(
        _MARK + line if not is_ordinary or line.split() in said or line.split()[:1] == ["ovs_options"] else line
        for line in lines
    )


def _uncommented(text):
    """The text as it was before :func:`_commented`."""
    return _joined(line[len(_MARK) :] if line.startswith(_MARK) else line for line in text.splitlines())


def _as_port(text, bridge, port):
    """The text of an ordinary interface, made that of a port."""
    lines = text.splitlines()
    if any(line.split()[:1] == ["ovs_bridge"] for line in lines):
        return text
    head = _after_stanza_head(lines)
    lines[head:head] = ["ovs_type OVSPort", f"ovs_bridge {bridge}"]
    lines.insert(head - 1, f"allow-{bridge} {port}")
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
