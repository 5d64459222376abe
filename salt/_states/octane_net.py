"""
Ports of bridges, overlays, and controllers that were set aside; each state can be used by hand.
"""

import functools

from salt.exceptions import CommandExecutionError

UNHEARD = 5
"""Seconds for OpenStack's jobs of a controller that is cut off to stop: what they would still say nobody hears."""


def _said(function):
    """What a module refuses or fails at becomes the state's comment: one sentence, no traceback."""

    @functools.wraps(function)
    def state(name, *args, **kwargs):
        try:
            return function(name, *args, **kwargs)
        except CommandExecutionError as error:
            return {"name": name, "result": False, "changes": {}, "comment": str(error)}

    return state


@_said
def detached(name, bridge, port):
    """
    A port is not in a bridge, now and after the next boot.

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_net.detached x bridge=br-ex port=eth1
    """
    return _plugged(name, "detach", bridge, port)


@_said
def attached(name, bridge, port):
    """
    A port is in a bridge, now and after the next boot.

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.attached x bridge=br-ex port=eth1
    """
    return _plugged(name, "attach", bridge, port)


@_said
def strict_arp(name):
    """
    The node answers ARP only for addresses of the interface that was asked, now and after the next boot.

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.strict_arp x
    """
    changes = __salt__["octane_arp.strict"](test=__opts__["test"])
    return _result(name, changes, "answers ARP for an interface's own addresses only")


@_said
def arp_as_before(name):
    """
    What :func:`strict_arp` did is taken back.

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.arp_as_before x
    """
    changes = __salt__["octane_arp.as_before"](test=__opts__["test"])
    return _result(name, changes, "answers ARP as before")


@_said
def default_route(name, plans):
    """
    The node's default route leads through the one bridge that has a gateway, now and after the next boot.

    :param plans: ``{minion id: {bridge: address of its gateway, or None}}``

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.default_route x plans='{node-4: {br-ex: 172.16.0.1, br-fw-admin: null}}'
    """
    changes = __salt__["octane_routes.default"](plans.get(__opts__["id"], {}), test=__opts__["test"])
    return _result(name, changes, "the default route leads through the gateway of the node's own network")


@_said
def default_route_as_before(name):
    """
    What :func:`default_route` did is taken back.

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.default_route_as_before x
    """
    changes = __salt__["octane_routes.as_before"](test=__opts__["test"])
    return _result(name, changes, "the default route is as before")


@_said
def overlay(name, bridge, key, local, remotes, mtu=1450):
    """
    A bridge is stretched over the network of ``local`` to the same bridge of ``remotes``.

    :param key: number of the overlay, different for each bridge
    :param mtu: of the overlay; the network below must carry 50 bytes more, which is tried

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.overlay x bridge=br-mgmt key=1 local=10.20.0.134 remotes='[10.20.0.135]'
    """
    changes = __salt__["octane_overlay.pending"](bridge, key, local, remotes, mtu)
    if not changes or __opts__["test"]:
        return _result(name, changes, "the overlay would be made" if changes else "the overlay is there already")
    __salt__["octane_overlay.apply"](bridge, key, local, remotes, mtu)
    return _result(name, changes, "the overlay is there")


@_said
def overlay_absent(name, bridge, key):
    """
    A bridge is not stretched, now and after the next boot.

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_net.overlay_absent x bridge=br-mgmt key=1
    """
    changes = {}
    if __salt__["octane_overlay.exists"](key):
        changes = {__salt__["octane_overlay.name"](key): {"old": "present", "new": "absent"}}
    if not changes or __opts__["test"]:
        return _result(name, changes, "the overlay would be removed" if changes else "no overlay")
    __salt__["octane_overlay.remove"](key)
    return _result(name, changes, "the overlay is removed")


@_said
def overlays(name, plans):
    """
    :func:`overlay` for several bridges of several nodes at once, each node its own.

    :param plans: ``{minion id: [arguments of overlay]}``

    CLI Example:

    .. code-block:: bash

        salt 'node-[45]' state.single octane_net.overlays x plans='{node-4: [{bridge: br-mgmt, key: 1, ...}], ...}'
    """
    return _mine(name, overlay, plans, "the overlays are there")


@_said
def overlays_prepared(name, plans):
    """
    Overlays are written down and there when their ports are plugged in, which is when ports change hands.

    :param plans: as :func:`overlays` takes them

    CLI Example:

    .. code-block:: bash

        salt 'node-[45]' state.single octane_net.overlays_prepared x plans='{node-4: [{bridge: br-mgmt, ...}], ...}'
    """
    mine = plans.get(__opts__["id"], [])
    if __opts__["test"]:
        return _result(name, {}, "overlays would be written down")
    written = [plan["bridge"] for plan in mine if __salt__["octane_overlay.prepare"](**plan)]
    changes = {bridge: {"old": "", "new": "written down"} for bridge in written}
    return _result(name, changes, "the overlays are written down")


@_said
def overlays_absent(name, plans):
    """
    :func:`overlay_absent` for several bridges of several nodes at once, each node its own.

    :param plans: ``{minion id: [{"bridge", "key"}]}``; whatever else an entry says does not matter

    CLI Example:

    .. code-block:: bash

        salt 'node-[45]' state.single octane_net.overlays_absent x plans='{node-4: [{bridge: br-mgmt, key: 1}], ...}'
    """
    keys = {minion: [{"bridge": one["bridge"], "key": one["key"]} for one in mine] for minion, mine in plans.items()}
    return _mine(name, overlay_absent, keys, "the overlays are removed")


@_said
def fence(name, reason, bridges=(), plans=None, services=None, peers=(), timeout=300):
    """
    A controller is silent on the cloud's networks, also after a reboot: ports out of the bridges, OpenStack and the
    cluster stopped cleanly and disabled, no virtual address left, and a file that says so.

    :param reason: for whoever logs in
    :param bridges: those that lead to networks where others have the addresses now
    :param plans: ``{minion id: {"bridges": [bridge], "ports": [{"bridge", "port"}]}}``, each node its own
    :param services: jobs to stop and disable; all of OpenStack when not given
    :param peers: addresses that this node still reaches when its ports are out: its cluster is one until it is stopped

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_net.fence x bridges='[br-ex, br-mgmt]' reason='environment 2 took over'
    """
    known = __salt__["octane_fence.fenced"]()
    changes = {} if known else {"marker": {"old": "", "new": reason}}
    if not known:
        mine = (plans or {}).get(__opts__.get("id")) or {"bridges": bridges, "ports": []}
        known = __salt__["octane_fence.plan"](mine["bridges"], reason, services, ports=mine["ports"])
    leftovers = __salt__["octane_fence.leftovers"]()
    if leftovers:
        changes["virtual addresses"] = {"old": leftovers, "new": []}
    if not __opts__["test"]:
        __salt__["octane_fence.record"](known)
    # The network first: from then on the node is silent, whatever becomes of the rest.
    changes.update(_done(_switched(name, _plan("detach", known["ports"])))["changes"])
    if not __opts__["test"]:
        __salt__["octane_fence.sever"](known["bridges"], peers)
    for part in (
        __states__["octane_service.stopped"](name, services=_jobs(known), disable=True, kill_after=UNHEARD),
        __states__["octane_cluster.shutdown"](name, timeout=timeout),
    ):
        changes.update(_done(part)["changes"])
    if not changes or __opts__["test"]:
        return _result(name, changes, "the node would be fenced" if changes else "fenced already")
    __salt__["octane_fence.remove_leftovers"]()
    return _result(name, changes, "the node is fenced")


@_said
def unfenced(name, ports=True, resources=None, timeout=300):
    """
    A controller that was set aside is back: ports, cluster, OpenStack jobs as they were.

    :param ports: ``False``: it comes back to life behind the fence, where its ports are plugged in later
    :param resources: of the cluster, which are waited for; all when not given

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_net.unfenced back
    """
    known = __salt__["octane_fence.fenced"]()
    if not known:
        return _result(name, {}, "not fenced")
    changes = {"fence": {"old": known["reason"], "new": ""}}
    if __opts__["test"]:
        return _result(name, changes, "the node would be taken back")
    if ports:
        __salt__["octane_net.switch"](_plan("attach", known["ports"]), announce=True)
    _done(__states__["octane_cluster.up"](name, timeout=timeout))
    if not ports:
        __salt__["octane_cluster.ignore_gateway"](timeout)
    for job in known["at_boot"]:
        __salt__["service.enable"](job)
    __salt__["octane_cluster.wait_serving"](resources, timeout)
    _done(__states__["octane_service.started"](name, services=known["running"]))
    __salt__["octane_fence.forget"]()
    return _result(name, changes, "the node is back" if ports else "the node is back behind its fence")


def _mine(name, state, plans, comment):
    """One of this module's states, once for each entry of this node's own plan."""
    changes = {}
    for plan in plans.get(__opts__["id"], []):
        changed = _done(state(name, **plan))["changes"]
        if changed:
            changes[plan["bridge"]] = changed
    return _result(name, changes, comment)


def _done(part):
    if part["result"] is False:
        raise CommandExecutionError(part["comment"])
    return part


def _jobs(known):
    return sorted({*known["running"], *known["at_boot"]})


def _plan(what, ports):
    return [{**port, "do": what} for port in ports]


def _plugged(name, what, bridge, port):
    return _switched(name, [{"do": what, "bridge": bridge, "port": port}])


def _switched(name, plan):
    left = __salt__["octane_net.pending"](plan)
    changes = {f"{one['port']} in {one['bridge']}": _before_and_after(one["do"]) for one in left}
    if not changes or __opts__["test"]:
        return _result(name, changes, "ports would be moved" if changes else "ports are so already")
    __salt__["octane_net.switch"](plan)
    return _result(name, changes, "ports moved")


def _before_and_after(what):
    return {"old": "out", "new": "in"} if what == "attach" else {"old": "in", "new": "out"}


def _result(name, changes, comment):
    result = None if changes and __opts__["test"] else True
    return {"name": name, "result": result, "changes": changes, "comment": comment}
