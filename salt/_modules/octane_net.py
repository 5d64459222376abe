"""
Bridges, ports and addresses of a node, at run time and in ``/etc/network/interfaces.d``.

Linux bridges and those of Open vSwitch, each looked up and not believed. A change that must hold is made in both
places: one made at run time only is lost at the next boot and puts a fenced node back on the network (LP1576150).
"""

import glob
import ipaddress
import os
import re
import time

from salt.exceptions import CommandExecutionError


def bridges():
    """
    Bridges and their ports, those of Open vSwitch included.

    :return: ``{bridge: [port]}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.bridges
    """
    found = __salt__["octane_ports.members"]()
    return {**found["ovs"], **found["lnx"]}


def ports(bridge):
    """
    Ports of one bridge at run time.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.ports br-mgmt
    """
    __salt__["octane_interfaces.checked"](bridge)
    return bridges().get(bridge, [])


def persistent_ports(bridge):
    """
    Ports that the bridge has after the next boot; ``None`` for a Linux bridge that no file of ``interfaces.d``
    describes. Those of Open vSwitch are remembered by its database, and may be plugged in by files as well.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.persistent_ports br-mgmt
    """
    remembered = __salt__["octane_ovs.bridges"]().get(bridge)
    if remembered is None:
        return __salt__["octane_interfaces.ports"](bridge)
    return sorted({*remembered, *__salt__["octane_interfaces.plugs"](bridge)})


def addresses():
    """
    Interfaces with their hardware address, IPv4 networks and, for a bridge, ports.

    :return: ``{interface: {"mac": str, "addresses": ["192.168.0.3/24"], "ports": [str]}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.addresses
    """
    given, members = _inet(_ip(["-4", "-o", "addr", "show"])), bridges()
    return {
        name: {"mac": mac, "addresses": given.get(name, []), "ports": members.get(name, [])}
        for name, mac in _macs(_ip(["-o", "link", "show"])).items()
        if name != "lo"
    }


def macs():
    """
    All hardware addresses of this node, those in its named network namespaces (virtual addresses) included.

    :return: ``{"eth0": mac, "haproxy/b_management": mac}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.macs
    """
    found = _macs(_ip(["-o", "link", "show"]))
    for namespace in namespaces():
        inside = _macs(_ip(["-o", "link", "show"], namespace))
        found.update({f"{namespace}/{name}": mac for name, mac in inside.items()})
    return {name: mac for name, mac in found.items() if mac != "00:00:00:00:00:00"}


def announceable():
    """
    Every IPv4 address that neighbours may know of this node, and the interface they know it through: those of the
    bridges, the virtual ones in namespaces behind a veth, and those of routers and DHCP servers of tenants, whose
    interfaces in namespaces are ports of Open vSwitch.

    :return: ``[{"address": str, "interface": str, "netns": str or None, "mac": str, "virtual": bool}]``; ``netns``:
        where the interface is; ``virtual``: the hardware address is not that of a bridge

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.announceable
    """
    known, found = bridges(), []
    joined = {port: bridge for bridge, names in known.items() for port in names}
    for name, one in addresses().items():
        if name in known:
            found += [_announceable(network, name, one["mac"], virtual=False) for network in one["addresses"]]
    for namespace in namespaces():
        links = _ip(["-o", "link", "show"], namespace)
        hardware, outside = _macs(links), _outer_ends(links)
        networks = _inet(_ip(["-4", "-o", "addr", "show"], namespace))
        for name, mac in hardware.items():
            bridge = joined.get(outside.get(name))
            if bridge:
                found += [_announceable(one, bridge, mac) for one in networks.get(name, [])]
            elif name in joined:
                found += [_announceable(one, name, mac, namespace) for one in networks.get(name, [])]
    return found


def to_announce():
    """
    What :func:`announceable` returns, to be collected before ports move (it takes longer than that) and used after it:
    without the hardware address of a bridge, which may change with its ports.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.to_announce
    """
    return [{**one, "mac": one["mac"] if one["virtual"] else None} for one in announceable()]


def inside(namespace):
    """
    IPv4 addresses of a namespace, without their masks, by interface, of those that are up: ``{interface: [address]}``.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_net.inside qrouter-6d29c1a4-3f4b-43f1-b0e5-07f1c9a2b6ad
    """
    given = _inet(_ip(["-4", "-o", "addr", "show", "up"], namespace))
    return {name: [one.partition("/")[0] for one in found] for name, found in given.items()}


def peers(namespace):
    """
    Pairs of virtual interfaces between a namespace and the main one: ``{name inside: name outside}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.peers haproxy
    """
    return _outer_ends(_ip(["-o", "link", "show"], namespace))


def patches():
    """
    Interfaces whose other end is here too: veth pairs that join two bridges of this node.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.patches
    """
    pairs = dict(re.findall(r"^\d+: ([^@\s:]+)@([^@\s:]+):", _ip(["-o", "link", "show"]), re.MULTILINE))
    # A VLAN names its parent in the same way, but no parent names its VLAN.
    return sorted(name for name, other in pairs.items() if pairs.get(other) == name)


def namespaces():
    """
    Named network namespaces of this node.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.namespaces
    """
    return sorted(line.split()[0] for line in _ip(["netns", "list"]).splitlines() if line.strip())


def carrier(interface):
    """
    Whether an interface is up and has a link.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.carrier eth1
    """
    __salt__["octane_interfaces.checked"](interface)
    return __salt__["octane_ports.attribute"](interface, "carrier") == "1"


def mtu_to(address, size):
    """
    Whether packets of this size reach an address whole.

    :param size: bytes of the whole IPv4 packet
    :return: ``{"whole": bool or None}``: ``None`` when the address does not answer small packets either

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_net.mtu_to 10.20.0.135 1500
    """
    target, headers = str(ipaddress.ip_address(address)), 28
    if not _answers(target, 56):
        return {"whole": None}
    return {"whole": _answers(target, int(size) - headers)}


def pending(plan=None, plans=None):
    """
    Entries of a plan that are not true yet, at run time or in the files.

    :param plan: ``[{"do": "attach" | "detach", "bridge": str, "port": str}]``, and what :mod:`octane_ports` says
    :param plans: ``{minion id: plan}``; each node looks at its own
    :raises CommandExecutionError: an entry that cannot be done: then nothing of the plan should be

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.pending '[{do: detach, bridge: br-ex, port: eth1}]'
    """
    return _left(_mine(plan, plans), __salt__["octane_ports.members"]())


def located(plan=None, plans=None):
    """
    The entries of a plan with the names that their ports have on this node.

    :raises CommandExecutionError: a bridge that does not have its port

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.located '[{do: detach, bridge: br-ex, port: eth1}]'
    """
    known = __salt__["octane_ports.members"]()
    return [__salt__["octane_ports.located"](entry, known) for entry in _mine(plan, plans)]


def switch(plan=None, plans=None, announce=False):
    """
    Plug and unplug ports: first in the files, then all at once at run time.

    :param plan: entries as :func:`pending` takes them
    :param plans: ``{minion id: plan}``; each node takes its own, so that one publication moves many nodes
    :param announce: tell the neighbours right afterwards where this node's addresses are
    :return: ``{"done": [entries], "seconds": float, "announced": [addresses]}``; ``seconds``: of the run time part

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_net.switch '[{do: detach, bridge: br-ex, port: eth1}]'
    """
    here = __salt__["octane_ports.members"]()
    left = _left(_mine(plan, plans), here)
    known = to_announce() if announce else []
    for entry in left:
        __salt__["octane_ports.write_down"](entry, here)
    started = time.monotonic()
    __salt__["octane_ports.move"](left, here)
    seconds = round(time.monotonic() - started, 3)
    sent = __salt__["octane_arp.announce"](known) if known else {"sent": []}
    return {"done": left, "seconds": seconds, "announced": sent["sent"]}


def announce(addresses=None, repeat=3, interval=0.2):
    """
    Tell the neighbours by gratuitous ARP where addresses are.

    :param addresses: entries of :func:`announceable`, of which ``mac`` may be missing; all of them when not given
    :param repeat: times, ``interval`` seconds apart
    :return: ``{"sent": [address]}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_net.announce
    """
    return __salt__["octane_arp.announce"](announceable() if addresses is None else addresses, repeat, interval)


def hears(addresses=None, timeout=3, asked=None):
    """
    Who else answers for addresses; this node, its namespaces included, never counts.

    :param addresses: ``[{"address": str, "interface": str}]``
    :param timeout: seconds in all
    :param asked: ``{minion id: addresses}``; each node asks for its own
    :return: ``{address: [mac]}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_net.hears '[{address: 192.168.0.2, interface: br-mgmt}]'
    """
    return __salt__["octane_arp.hears"](_mine(addresses, asked), timeout, sorted(set(macs().values())))


def neighbours(addresses):
    """
    Where this node looks for addresses, of those for which it knows that.

    :return: ``{address: mac}``

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_net.neighbours '[192.168.0.2]'
    """
    lines = map(str.split, _ip(["-4", "neigh", "show"]).splitlines())
    known = {words[0]: words[words.index("lladdr") + 1] for words in lines if "lladdr" in words[:-1]}
    return {address: known[address] for address in addresses if address in known}


def reaches_from(sources, target):
    """
    Whether an address answers to each of this node's own, those in its namespaces included.

    :param sources: addresses of this node
    :return: ``{source: bool}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_net.reaches_from '[172.16.0.4, 172.16.0.3]' 172.16.0.1
    """
    places = {
        address: namespace
        for namespace in [None, *namespaces()]
        for found in _inet(_ip(["-4", "-o", "addr", "show", "up"], namespace)).values()
        for address in (network.partition("/")[0] for network in found)
    }
    target = str(ipaddress.ip_address(target))
    return {address: _reaches(address, places.get(address), target) for address in sources}


def flush_neighbours(interfaces=None):
    """
    Forget the hardware addresses of neighbours, in the node's namespaces too.

    :param interfaces: names in the main namespace; everything when not given

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_net.flush_neighbours
    """
    if interfaces is not None:
        for name in interfaces:
            __salt__["octane_interfaces.checked"](name)
            _ip(["neigh", "flush", "dev", name])
        return True
    for namespace in [None, *namespaces()]:
        _ip(["neigh", "flush", "all"], namespace)
    return True


def cut_connections(port, networks):
    """
    End this node's connections to a port in networks, so that clients connect anew at once instead of waiting for a
    timeout on a connection whose other end has been replaced.

    :return: ``{"before": int, "after": int, "how": "ss" | "unsupported"}``; kernels before 4.9 cannot: restart the
        clients there

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_net.cut_connections 5673 '[192.168.0.0/24]'
    """
    targets = [ipaddress.ip_network(text) for text in networks]
    before = _connections(int(port), targets)
    for target in targets:
        _run(["ss", "-K", "dst", str(target), "dport", "=", f":{int(port)}"], check=False)
    after = len(set(_connections(int(port), targets)) & set(before))
    return {"before": len(before), "after": after, "how": "unsupported" if before and after == len(before) else "ss"}


def _connections(port, targets):
    """``(local, remote)`` of established IPv4 connections to the port in the networks."""
    found = []
    for line in _run(["ss", "-4", "-t", "-n"], check=False)["stdout"].splitlines():
        words = line.split()
        address, _, remote_port = words[4].rpartition(":") if len(words) > 4 else ("", "", "")
        is_open = words[:1] == ["ESTAB"] and remote_port == str(port)
        if is_open and any(ipaddress.ip_address(address) in target for target in targets):
            found.append((words[3], words[4]))
    return found


def _mine(plan, plans):
    return (plan or []) + (plans or {}).get(__opts__.get("id"), [])


def _left(plan, known):
    """Entries that are not true yet, once all have been seen to be possible."""
    for entry in plan:
        __salt__["octane_ports.refuse_impossible"](entry, known)
    return [entry for entry in plan if not __salt__["octane_ports.is_done"](entry, known)]


def _announceable(network, interface, mac, namespace=None, virtual=True):
    known = {"address": network.partition("/")[0], "interface": interface, "netns": namespace}
    return {**known, "mac": mac, "virtual": virtual}


def _reaches(source, namespace, target):
    within = ["ip", "netns", "exec", namespace] if namespace else []
    command = ["ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1", "-I", str(ipaddress.ip_address(source)), target]
    return _run([*within, *command], check=False)["retcode"] == 0


def _answers(target, payload):
    command = ["ping", "-n", "-q", "-M", "do", "-c", "2", "-i", "0.2", "-W", "1", "-s", str(payload), target]
    return _run(command, check=False)["retcode"] == 0


def _outer_ends(links):
    """Of what ``ip -o link`` lists in a namespace, virtual interfaces whose other end is in the main one."""
    outside, told = {}, __salt__["octane_ports.attribute"]
    for name in map(os.path.basename, glob.glob("/sys/class/net/*")):
        outside[(told(name, "ifindex"), told(name, "iflink"))] = name
    pairs = re.findall(r"^(\d+): ([^@\s:]+)@if(\d+):", links, re.MULTILINE)
    named = {inside: outside.get((other, index)) for index, inside, other in pairs}
    return {inside: name for inside, name in named.items() if name}


def _inet(text):
    """``ip -4 -o addr``: networks by interface."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        found.setdefault(words[1].partition("@")[0], []).append(words[3])
    return found


def _macs(text):
    """``ip -o link``: hardware addresses by interface."""
    matches = re.findall(r"^\d+: ([^@\s:]+).* link/\S+ ([0-9a-f:]{17}) ", text + "\n", re.MULTILINE)
    return dict(matches)


def _ip(arguments, namespace=None):
    """What ``ip`` lists, in a namespace nothing once that is gone: agents end theirs when they like."""
    if namespace is None:
        return _run(["ip", *arguments])["stdout"]
    for _ in range(3):
        done = _run(["ip", "netns", "exec", namespace, "ip", *arguments], check=False)
        if not done["retcode"]:
            return done["stdout"]
        # One that is being made has its name a moment before it can be entered.
        if namespace not in namespaces():
            return ""
    raise CommandExecutionError(f"namespace {namespace}: ip {' '.join(arguments)}: {done['stderr'].strip()}"[:500])


def _run(command, check=True):
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=60)
    if check and done["retcode"]:
        raise CommandExecutionError(f"{' '.join(command)}: {done['stderr'].strip() or done['stdout'].strip()}"[:500])
    return done
