"""
A bridge of isolated controllers stretched over the admin network: a VXLAN port with its peers listed one by one.

The port is made by a small script among those that ifupdown runs after each ``ifup``, so that a reboot keeps it. It is
not named in the bridge's own file, which Puppet writes again at each deployment.
"""

import ipaddress
import os
import re

from salt.exceptions import CommandExecutionError

FOLDER = "/etc/network/if-up.d"
OWNER = "network"
PORT = 4789
ENCAPSULATION = 50
_EVERYBODY = "00:00:00:00:00:00"


def name(key):
    """
    The interface of an overlay.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.name 1
    """
    if not 0 < int(key) < 2**24:
        raise CommandExecutionError(f"the key of an overlay is a number from 1 to {2**24 - 1}, not {key}")
    return f"oct{int(key)}"


def pending(bridge, key, local, remotes, mtu=1450):
    """
    What keeps an overlay from being as wanted.

    :return: ``{"interface" | "bridge" | "mtu" | "peers" | "script": {"old", "new"}}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.pending br-mgmt 1 10.20.0.134 '[10.20.0.135]'
    """
    wanted = _wanted(bridge, key, local, remotes, mtu)
    now = _now(bridge, key)
    return {one: {"old": now[one], "new": wanted[one]} for one in wanted if now[one] != wanted[one]}


def apply(bridge, key, local, remotes, mtu=1450):
    """
    Make the overlay as wanted; peers that are no longer listed are dropped.

    :raises CommandExecutionError: a peer does not answer, or the path to it is too narrow for the overlay's packets

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.apply br-mgmt 1 10.20.0.134 '[10.20.0.135]'
    """
    _write_down(bridge, key, local, remotes, mtu)
    set_at_boot(name(key), True)
    _run(["env", f"IFACE={bridge}", _path(key)])
    left = pending(bridge, key, local, remotes, mtu)
    if left:
        raise CommandExecutionError(f"the overlay {name(key)} is not as wanted: {left}")


def prepare(bridge, key, local, remotes, mtu=1450):
    """
    Write down how the overlay is made, and make it not: its port, once it is plugged in, makes it.

    :return: ``False`` when it is plugged in already, and left so
    :raises CommandExecutionError: a peer does not answer, or the path to it is too narrow for the overlay's packets

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.prepare br-mgmt 1 10.20.0.134 '[10.20.0.135]'
    """
    if _bridge(name(key)) is not None:
        return False
    _write_down(bridge, key, local, remotes, mtu)
    set_at_boot(name(key), False)
    return True


def remove(key):
    """
    Take the overlay away, now and for the next boot; ``True`` when there was something.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.remove 1
    """
    existed = exists(key)
    if os.path.exists(_path(key)):
        os.unlink(_path(key))
    if _bridge(name(key)) in __salt__["octane_ovs.bridges"]():
        __salt__["octane_ovs.run"]([__salt__["octane_ovs.removal"](name(key))])
    if os.path.isdir(f"/sys/class/net/{name(key)}"):
        _run(["ip", "link", "delete", name(key)])
    return existed


def exists(key):
    """
    Whether anything of an overlay is there.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.exists 1
    """
    return os.path.exists(_path(key)) or os.path.isdir(f"/sys/class/net/{name(key)}") or bool(_bridge(name(key)))


def is_one(port):
    """
    Whether a port is the interface of an overlay of this node.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.is_one oct1
    """
    return bool(re.fullmatch(r"oct[1-9]\d*", port)) and os.path.exists(_path(_key(port)))


def is_at_boot(port):
    """
    Whether a boot plugs the overlay in again.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.is_at_boot oct1
    """
    return os.access(_path(_key(port)), os.X_OK)


def set_at_boot(port, wanted):
    """
    Let a boot plug the overlay in again, or not: beside the port that takes its place it would be a loop.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.set_at_boot oct1 false
    """
    os.chmod(_path(_key(port)), 0o755 if wanted else 0o644)


def make(port):
    """
    Make the interface of an overlay that is known here and not there; it joins no bridge yet.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_overlay.make oct1
    """
    path = _path(_key(port))
    found = re.search(r'^\[ "\$IFACE" = (\S+) \]', _read(path) or "", re.MULTILINE)
    if not found:
        raise CommandExecutionError(f"{path} names no bridge that {port} belongs to: it is not what was written there")
    _run(["env", f"IFACE={found.group(1)}", "sh", path, "unplugged"])


def _key(port):
    return int(port[len("oct") :])


def _write_down(bridge, key, local, remotes, mtu):
    for remote in remotes:
        _require_path(local, remote, mtu)
    text = _script(bridge, key, local, remotes, mtu)
    __salt__["octane_files.adopt"](_path(key), OWNER)
    __salt__["octane_files.write"](_path(key), text, OWNER, mode="0755")


def _require_path(local, remote, mtu):
    size = int(mtu) + ENCAPSULATION
    reaches = __salt__["octane_net.mtu_to"](remote, size)["whole"]
    if reaches is None:
        raise CommandExecutionError(f"{remote} does not answer a ping from {local}: the overlay would not reach it")
    if not reaches:
        told = f"packets of {size} bytes do not reach {remote} from {local}"
        raise CommandExecutionError(f"{told}: the mtu must be below {mtu}")


def _wanted(bridge, key, local, remotes, mtu):
    return {
        "interface": {"id": int(key), "local": str(ipaddress.ip_address(local))},
        "bridge": bridge,
        "mtu": int(mtu),
        "peers": sorted(str(ipaddress.ip_address(one)) for one in remotes),
        "script": _script(bridge, key, local, remotes, mtu),
    }


def _now(bridge, key):
    shown = _run(["ip", "-d", "-o", "link", "show", "dev", name(key)], check=False)
    identity = re.search(r"vxlan id (\d+)\b.*? local (\S+)", shown["stdout"]) if not shown["retcode"] else None
    mtu = re.search(r" mtu (\d+) ", shown["stdout"])
    return {
        "interface": {"id": int(identity.group(1)), "local": identity.group(2)} if identity else None,
        "bridge": _bridge(name(key)),
        "mtu": int(mtu.group(1)) if mtu else None,
        "peers": _peers(key),
        "script": _read(_path(key)),
    }


def _peers(key):
    shown = _run(["bridge", "fdb", "show", "dev", name(key)], check=False)["stdout"]
    return sorted(re.findall(rf"^{_EVERYBODY} .*?dst (\S+)", shown, re.MULTILINE))


def _script(bridge, key, local, remotes, mtu):
    """A script that converges: whatever of the overlay is there already, in the end it is as wanted."""
    for address in [local, *remotes]:
        ipaddress.ip_address(address)
    __salt__["octane_interfaces.checked"](bridge)
    port = name(key)
    lines = [
        "#!/bin/sh",
        f"# Stretches {bridge} over the admin network while controllers are isolated. Run after each ifup.",
        f'[ "$IFACE" = {bridge} ] || exit 0',
        *([f"ovs-vsctl --timeout=20 --if-exists del-port {port}"] if _is_ovs(bridge) else []),
        f"[ -d /sys/class/net/{port} ] && ip link delete {port}",
        "set -e",
        f"ip link add {port} address {_mac(key, local)} type vxlan id {int(key)} local {local} dstport {PORT}",
        f"ip link set dev {port} mtu {int(mtu)}",
        *(f"bridge fdb append {_EVERYBODY} dev {port} dst {remote}" for remote in sorted(remotes)),
        # Asked for by who plugs it in at the same moment as something else leaves.
        '[ "${1:-}" != unplugged ] || exit 0',
        *_plug(bridge, port),
        f"ip link set dev {port} up",
    ]
    return "\n".join(lines) + "\n"


def _plug(bridge, port):
    if _is_ovs(bridge):
        return [f"ovs-vsctl --timeout=20 add-port {bridge} {port}"]
    return [f"ip link set dev {port} master {bridge}"]


def _is_ovs(bridge):
    return bridge in __salt__["octane_ovs.bridges"]()


def _bridge(port):
    """The bridge that the overlay is plugged into; ``None`` without one."""
    return next((bridge for bridge, names in __salt__["octane_net.bridges"]().items() if port in names), None)


def _mac(key, local):
    """The same at each boot: a bridge takes over its ports' address, and neighbours remember it."""
    return bytes([2, int(key) % 256, *ipaddress.IPv4Address(local).packed]).hex(":")


def _path(key):
    return os.path.join(FOLDER, f"octane-overlay-{int(key)}")


def _read(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _run(command, check=True):
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=60)
    if check and done["retcode"]:
        raise CommandExecutionError(f"{' '.join(command)}: {done['stderr'].strip() or done['stdout'].strip()}"[:500])
    return done
