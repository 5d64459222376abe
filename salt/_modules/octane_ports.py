"""
One entry of a plan of ports carried out on this node, whatever its bridge is made of.

An entry is ``{"do": "attach" | "detach", "bridge": str, "port": str}``. Of a port that may have to be made first it
says what it is made of: ``peer`` ``{"bridge", "port", "tag"}`` for a patch, ``tag``, ``trunks`` and ``bond`` for a port
of Open vSwitch. ``by_hand``: somebody plugged it in, and the files of the node do not know of it and never will. What
the bridges are made of is not said but looked up.
"""

import glob
import itertools
import json
import os

from salt.exceptions import CommandExecutionError

_NEEDED = {"do", "bridge", "port"}
_ALLOWED = _NEEDED | {"peer", "tag", "trunks", "bond", "by_hand"}


def members():
    """
    Ports of all bridges, Linux ones and those of Open vSwitch.

    :return: ``{"lnx": {bridge: [port]}, "ovs": {bridge: [port]}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.members
    """
    linux = sorted(path.split("/")[4] for path in glob.glob("/sys/class/net/*/bridge"))
    plugged = {bridge: sorted(map(os.path.basename, glob.glob(f"/sys/class/net/{bridge}/brif/*"))) for bridge in linux}
    return {"lnx": plugged, "ovs": __salt__["octane_ovs.bridges"]()}


def refuse_impossible(entry, known):
    """
    Refuse an entry that cannot be done.

    :param known: what :func:`members` returned

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.refuse_impossible '{do: detach, bridge: br-ex, port: eth1}' '{lnx: {}, ovs: {}}'
    """
    if not isinstance(entry, dict) or not _NEEDED <= set(entry) <= _ALLOWED or entry["do"] not in ("attach", "detach"):
        raise CommandExecutionError(f"not an entry of a plan: {json.dumps(entry, default=str)}")
    bridge, port = __salt__["octane_interfaces.checked"](entry["bridge"]), __salt__["octane_ovs.checked"](entry["port"])
    kind = _kind(bridge, known)
    if kind == "lnx":
        __salt__["octane_interfaces.checked"](port)
    if entry["do"] == "detach":
        return
    elsewhere = [name for name in _holders(port, known[kind]) if name != bridge]
    if elsewhere:
        raise CommandExecutionError(f"{port} is plugged into {elsewhere[0]}")
    if entry.get("peer"):
        __salt__["octane_ovs.checked"](entry["peer"]["port"])
        _kind(__salt__["octane_interfaces.checked"](entry["peer"]["bridge"]), known)
        return
    missing = [name for name in _interfaces(entry, kind) if not _exists(name) and not _is_overlay(name)]
    if missing and port not in known[kind][bridge]:
        raise CommandExecutionError(f"there is no interface {missing[0]} to plug into {bridge}")


def is_done(entry, known):
    """
    Whether an entry is true, at run time and after the next boot.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.is_done '{do: detach, bridge: br-ex, port: eth1}' '{lnx: {br-ex: []}, ovs: {}}'
    """
    return _is_so_now(entry, known) and _is_so_later(entry, known)


def write_down(entry, known):
    """
    Make an entry true for the next boot: in the files of ``interfaces.d``. Open vSwitch remembers by itself; what it
    is about to forget is recorded.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.write_down '{do: detach, bridge: br-ex, port: eth1}' '{lnx: {br-ex: [eth1]}, ovs: {}}'
    """
    bridge, port, wanted = entry["bridge"], entry["port"], entry["do"] == "attach"
    if _is_overlay(port):
        __salt__["octane_overlay.set_at_boot"](port, wanted)
        return
    if _kind(bridge, known) == "ovs":
        if not wanted:
            __salt__["octane_ovs.record"](port)
            __salt__["octane_interfaces.unplug"](bridge, port)
        else:
            __salt__["octane_interfaces.plug"](bridge, port, _interfaces(entry, "ovs"))
        return
    if entry.get("by_hand"):
        return
    _write_ports(bridge, port, wanted)
    if not wanted or not entry.get("peer") or _is_made_by_files(entry):
        return
    if not _is_pair(entry, known):
        __salt__["octane_interfaces.make_internal"](bridge, entry["peer"]["bridge"], _far_end(entry, known))
    else:
        peer = entry["peer"]
        __salt__["octane_interfaces.make_pair"](bridge, port, peer["port"])
        __salt__["octane_interfaces.make_pair"](peer["bridge"], port, peer["port"])
        _write_ports(peer["bridge"], peer["port"], True)


def move(entries, known):
    """
    Make entries true at run time, in their order; what is moved by one tool in a row is moved at once.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.move '[{do: detach, bridge: br-ex, port: eth1}]' '{lnx: {br-ex: [eth1]}, ovs: {}}'
    """
    for tool, commands in itertools.groupby(steps(entries, known), key=lambda step: step[0]):
        batch = [command for _, command in commands]
        _RUN[tool](batch)


def steps(entries, known):
    """
    What is to be done at run time, as ``[(tool, command)]``: lines of ``ip``, words of ``ovs-vsctl``, overlays.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.steps '[{do: detach, bridge: br-ex, port: eth1}]' '{lnx: {br-ex: [eth1]}, ovs: {}}'
    """
    left = [entry for entry in entries if not _is_so_now(entry, known)]
    making = [step for entry in left if entry["do"] == "attach" for step in _make(entry, known)]
    return making + [step for entry in left for step in _plug(entry, known)]


def located(entry, known):
    """
    An entry with the names that its ports have here: as it says, or, of a patch, those of whatever joins its bridges.

    :raises CommandExecutionError: there is no such port in the bridge, now, after the next boot, or before it was moved

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.located '{do: detach, bridge: br-ex, port: eth1}' '{lnx: {br-ex: [eth1]}, ovs: {}}'
    """
    refuse_impossible({**entry, "do": "detach"}, known)
    bridge, port = entry["bridge"], entry["port"]
    pristine = __salt__["octane_interfaces.pristine_ports"](bridge)
    if port in {*_members(bridge, known), *_later(bridge, known), *pristine}:
        return entry
    if __salt__["octane_ovs.recorded"](bridge, port):
        return entry
    if not entry.get("peer"):
        raise CommandExecutionError(f"{bridge} has no port {port}")
    other = entry["peer"]["bridge"]
    own, far = _joining(bridge, other, known)
    return {**entry, "port": own, "peer": {**entry["peer"], "port": far}}


def attribute(interface, name):
    """
    What the kernel says of an interface; ``None`` when it is not there. Of one that goes away meanwhile, and of the
    link of one that is down, the kernel says "invalid argument".

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ports.attribute eth1 carrier
    """
    try:
        with open(f"/sys/class/net/{interface}/{name}", encoding="utf-8") as stream:
            return stream.read().strip()
    except OSError:
        return None


def _later(bridge, known):
    if _kind(bridge, known) == "ovs":
        return __salt__["octane_interfaces.plugs"](bridge)
    return __salt__["octane_interfaces.ports"](bridge) or ()


def _joining(bridge, other, known):
    """The ports by which two bridges are joined; one that both have joins them as well."""
    patches = __salt__["octane_ovs.peers"]()
    for own, far in itertools.product(_members(bridge, known), _members(other, known)):
        if own == far or patches.get(own) == far or _are_a_pair(own, far):
            return own, far
    raise CommandExecutionError(f"nothing joins {bridge} to {other}, though a patch should")


def _are_a_pair(own, far):
    index, link = attribute(own, "ifindex"), attribute(own, "iflink")
    return index is not None and (index, link) == (attribute(far, "iflink"), attribute(far, "ifindex"))


def _members(bridge, known):
    return known[_kind(bridge, known)][bridge]


def _kind(bridge, known):
    for kind in ("lnx", "ovs"):
        if bridge in known[kind]:
            return kind
    raise CommandExecutionError(f"{bridge} is no bridge of this node")


def _holders(port, bridges):
    return [bridge for bridge, names in bridges.items() if port in names]


def _interfaces(entry, kind):
    """Interfaces of this node that the port of an entry is made of."""
    if kind == "lnx":
        return [entry["port"]]
    made = __salt__["octane_ovs.recorded"](entry["bridge"], entry["port"]) or _described(entry)
    return [one["name"] for one in made["interfaces"] if not one.get("type")]


def _described(entry):
    given = {name: entry[name] for name in ("tag", "trunks", "bond") if entry.get(name)}
    peer = entry.get("peer")
    return __salt__["octane_ovs.described"](entry["port"], peer=peer and peer["port"], **given)


def _is_so_now(entry, known):
    here = entry["port"] in _members(entry["bridge"], known)
    if entry["do"] == "detach":
        return not here
    peer = entry.get("peer")
    return here and (not peer or peer["port"] in _members(peer["bridge"], known))


def _is_so_later(entry, known):
    bridge, port, wanted = entry["bridge"], entry["port"], entry["do"] == "attach"
    if _is_overlay(port):
        return __salt__["octane_overlay.is_at_boot"](port) is wanted
    if _kind(bridge, known) == "ovs":
        return wanted or port not in __salt__["octane_interfaces.plugs"](bridge)
    later = __salt__["octane_interfaces.ports"](bridge)
    return later is None or bool(entry.get("by_hand")) or (port in later) is wanted


def _write_ports(bridge, port, wanted):
    later = __salt__["octane_interfaces.ports"](bridge)
    if later is not None and (port in later) is not wanted:
        others = [one for one in later if one != port]
        __salt__["octane_interfaces.set_ports"](bridge, [*others, port] if wanted else others)


def _is_pair(entry, known):
    """A patch between two Linux bridges is a pair of virtual interfaces."""
    return bool(entry.get("peer")) and _kind(entry["peer"]["bridge"], known) == "lnx"


def _is_made_by_files(entry):
    return any(__salt__["octane_interfaces.is_made"](name) for name in (entry["port"], entry["peer"]["port"]))


def _make(entry, known):
    """Steps that make what a patch lacks, but for plugging in its own end; and an overlay that a boot has left out."""
    if _is_overlay(entry["port"]) and not _exists(entry["port"]):
        return [("overlay", entry["port"])]
    return _make_patch(entry, known) if entry.get("peer") else []


def _make_patch(entry, known):
    port, peer = entry["port"], entry["peer"]
    if peer["port"] in _members(peer["bridge"], known):
        return []
    if _kind(peer["bridge"], known) == "ovs":
        return [("ovs", _far_end(entry, known))]
    made = [] if _exists(port) else [("ip", f"link add {port} type veth peer name {peer['port']}")]
    return [
        *made,
        ("ip", f"link set dev {peer['port']} master {peer['bridge']}"),
        ("ip", f"link set dev {peer['port']} up"),
    ]


def _far_end(entry, known):
    """Words that make the end of a patch in a bridge of Open vSwitch: a Linux bridge at the other end has the same."""
    peer, is_mixed = entry["peer"], _kind(entry["bridge"], known) == "lnx"
    given = {name: peer[name] for name in ("tag", "trunks") if peer.get(name)}
    other = None if is_mixed else entry["port"]
    wanted = __salt__["octane_ovs.described"](peer["port"], peer=other, internal=is_mixed, **given)
    return __salt__["octane_ovs.addition"](peer["bridge"], peer["port"], wanted)


def _plug(entry, known):
    bridge, port = entry["bridge"], entry["port"]
    if entry["do"] == "detach":
        is_ovs = _kind(bridge, known) == "ovs"
        return [("ovs", __salt__["octane_ovs.removal"](port)) if is_ovs else ("ip", f"link set dev {port} nomaster")]
    if port in _members(bridge, known):
        return []
    if _kind(bridge, known) == "lnx":
        return [("ip", f"link set dev {port} master {bridge}"), ("ip", f"link set dev {port} up")]
    wanted = __salt__["octane_ovs.recorded"](bridge, port) or _described(entry)
    raised = [("ip", f"link set dev {name} up") for name in _interfaces(entry, "ovs")]
    return [*raised, ("ovs", __salt__["octane_ovs.addition"](bridge, port, wanted))]


def _is_overlay(port):
    return __salt__["octane_overlay.is_one"](port)


def _exists(name):
    return os.path.isdir(f"/sys/class/net/{name}")


def _ip_batch(lines):
    given = {"stdin": "".join(f"{line}\n" for line in lines), "timeout": 60}
    done = __salt__["cmd.run_all"](["ip", "-batch", "-"], python_shell=False, ignore_retcode=True, **given)
    if done["retcode"]:
        raise CommandExecutionError(f"ip -batch: {done['stderr'].strip() or done['stdout'].strip()}"[:500])


_RUN = {
    "ip": _ip_batch,
    "ovs": lambda commands: __salt__["octane_ovs.run"](commands),
    "overlay": lambda ports: [__salt__["octane_overlay.make"](port) for port in ports],
}
