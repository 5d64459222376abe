"""
A controller that was set aside: silent on the cloud's networks, also after a reboot, until it is taken back.

Not killed: daemons that a kill leaves behind go on answering for addresses that others have taken over. What was done
is in ``/etc/octane-fenced``, for whoever logs in, with the way back; the same as data under ``/var/lib/octane-node``.
"""

import ipaddress
import json
import os
import signal
import time

from salt.exceptions import CommandExecutionError

MARKER = "/etc/octane-fenced"
RECORD = "/var/lib/octane-node/fence.json"
NAMESPACES = ("haproxy", "vrouter")


def fenced():
    """
    What fenced this node; ``{}`` when it is not.

    :return: ``{"reason", "since", "bridges": [bridge], "ports": [{"bridge", "port"}], "running": [job], "at_boot":
        [job]}``: the jobs that were stopped, and those that were disabled; a port may say besides what it is made of

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.fenced
    """
    try:
        with open(RECORD, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return {}


def plan(bridges, reason, services=None, ports=()):
    """
    What will be taken away from this node when it is fenced.

    :param ports: ``[{"bridge", "port"}]`` that go in any case; of the bridges themselves all go that leave the node
    :param services: jobs; when not given those that run, were written down as running, or come back at boot
    :return: what :func:`fenced` returns afterwards

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.plan '[br-ex, br-mgmt]' 'environment 2 took over'
    """
    running, at_boot = services, services
    if services is None:
        running = sorted({*(__salt__["octane_service.recorded"]() or ()), *__salt__["octane_service.names"]()})
        enabled = {one for one in running if __salt__["service.enabled"](one)}
        at_boot = sorted({*enabled, *__salt__["octane_service.at_boot"]()})
    return {
        "reason": reason,
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "bridges": list(bridges),
        "ports": _with_physical(list(ports), bridges),
        "running": running,
        "at_boot": at_boot,
    }


def record(taken):
    """
    Write down, once and before it happens, what :func:`plan` says will be taken away.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.record '{reason: x, since: now, bridges: [], ports: [], running: [], at_boot: []}'
    """
    if not fenced():
        __salt__["octane_files.note"](MARKER, _notice(taken), 0o644)
        __salt__["octane_files.note"](RECORD, json.dumps(taken, indent=1))


def forget():
    """
    Remove the marker and the record.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.forget
    """
    for path in (MARKER, RECORD):
        if os.path.exists(path):
            os.unlink(path)


def physical_ports(bridge):
    """
    Ports of a bridge that lead out of the node, not to its own namespaces and bridges: those it has now, after the next
    boot, and had before ports were moved for the upgrade.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.physical_ports br-mgmt
    """
    found = {
        *__salt__["octane_net.ports"](bridge),
        *(__salt__["octane_net.persistent_ports"](bridge) or ()),
        *__salt__["octane_interfaces.pristine_ports"](bridge),
    }
    inner = {*_veths(), *__salt__["octane_net.patches"](), *__salt__["octane_ovs.inner_ports"]()}
    # What joins controllers that are cut off leads to no network of the cloud.
    inner |= {one for one in found if __salt__["octane_overlay.is_one"](one)}
    return sorted(found - inner)


def unplanned(plans):
    """
    Ports that lead out of this node by bridges which others are to have, and that a plan does not know of: somebody
    plugged them in by hand.

    :param plans: ``{minion id: {"bridges": [bridge], "ports": [{"bridge", "port"}]}}``; each node looks at its own
    :return: ``[{"bridge", "port", "by_hand"}]``; ``by_hand`` is ``True`` where the node's files do not have it either

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.unplanned '{node-1: {bridges: [br-ex], ports: [{bridge: br-ex, port: eth1}]}}'
    """
    mine = plans[__opts__["id"]]
    found = _with_physical(mine["ports"], mine["bridges"])[len(mine["ports"]) :]
    return [
        {**one, "by_hand": one["port"] not in (__salt__["octane_net.persistent_ports"](one["bridge"]) or ())}
        for one in found
        if one["port"] in __salt__["octane_net.ports"](one["bridge"])
    ]


def leftovers():
    """
    Ends, on this side, of virtual addresses that are still alive in namespaces of the cluster, and namespaces of
    tenants' routers and DHCP servers: Neutron's agents leave them, with addresses and dnsmasq, when they stop.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.leftovers
    """
    return _virtual() + __salt__["octane_agents.namespaces"]()


def remove_leftovers():
    """
    Delete what :func:`leftovers` finds: both ends of each pair with the address, and namespaces with what runs in them.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.remove_leftovers
    """
    virtual, tenants = _virtual(), __salt__["octane_agents.namespaces"]()
    for name in virtual:
        __salt__["cmd.run_all"](["ip", "link", "delete", name], python_shell=False, ignore_retcode=True)
    for name in tenants:
        _kill_inside(name)
        __salt__["cmd.run_all"](["ip", "netns", "delete", name], python_shell=False, ignore_retcode=True)
    return virtual + tenants


def sever(bridges, peers=()):
    """
    End this node's TCP connections by its addresses on bridges that lead nowhere any more. A daemon with words left for
    a peer that cannot hear it waits for minutes before it stops (RabbitMQ two of them, observed).

    :param peers: addresses that this node still reaches by them; brokers that lose each other for a moment heal their
        partition when they are to stop, and hang (observed)
    :return: the addresses; kernels before 4.9 cannot, and daemons wait there
    :raises CommandExecutionError: a peer that is no address

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_fence.sever '[br-mgmt]'
    """
    spared = [word for peer in peers for word in ("and", "not", "dst", _address(peer))]
    there = __salt__["octane_net.addresses"]()
    found = [one.partition("/")[0] for bridge in bridges for one in there.get(bridge, {}).get("addresses", [])]
    for address in found:
        __salt__["cmd.run_all"](["ss", "-K", "src", address, *spared], python_shell=False, ignore_retcode=True)
    return found


def _address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise CommandExecutionError(f"{text!r} is not the address of a peer") from error


def _virtual():
    return sorted(name for name, namespace in _veths().items() if namespace in NAMESPACES)


def _kill_inside(namespace):
    command = ["ip", "netns", "pids", namespace]
    listed = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True)
    for process in listed["stdout"].split():
        try:
            os.kill(int(process), signal.SIGKILL)
        except ProcessLookupError:
            continue


def _veths():
    """Interfaces plugged into a bridge whose other end is in a named namespace: ``{name: namespace}``."""
    plugged = {port for names in __salt__["octane_net.bridges"]().values() for port in names}
    return {
        name: namespace
        for namespace in __salt__["octane_net.namespaces"]()
        for name in __salt__["octane_net.peers"](namespace).values()
        if name in plugged
    }


def _with_physical(ports, bridges):
    known = {(one["bridge"], one["port"]) for one in ports}
    found = [{"bridge": bridge, "port": port} for bridge in bridges for port in physical_ports(bridge)]
    return ports + [one for one in found if (one["bridge"], one["port"]) not in known]


def _notice(found):
    ports = ", ".join(f"{one['port']} of {one['bridge']}" for one in found["ports"]) or "none"
    return (
        f"This controller was set aside on {found['since']}: {found['reason']}\n"
        f"Its cluster and its OpenStack services are stopped and disabled, ports are out of their bridges ({ports}).\n"
        "Do not start them by hand: another controller has its addresses.\n"
        "Taken back from the Fuel master by: salt MINION state.single octane_net.unfenced back\n"
    )
