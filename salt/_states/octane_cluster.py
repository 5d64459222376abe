"""
States of the Pacemaker cluster; each can be used by hand.
"""

import functools

from salt.exceptions import CommandExecutionError


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
def stopped(name, resources=None, timeout=300):
    """
    Resources of the cluster run nowhere.

    :param resources: outermost ids; all of OpenStack when not given
    :param timeout: seconds until what was told must be true

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_cluster.stopped openstack
    """
    wanted = __salt__["octane_cluster.openstack"]() if resources is None else resources
    told = __salt__["octane_cluster.to_stop"](wanted)
    found = __salt__["octane_cluster.resources"]()
    running = [one for one in wanted if found[one]["running_on"]]
    changes = {one: {"old": "running", "new": "stopped"} for one in sorted({*told, *running})}
    if not changes:
        return _result(name, {}, "stopped already")
    if __opts__["test"]:
        return _result(name, changes, "resources would be stopped")
    __salt__["octane_cluster.stop"](wanted)
    __salt__["octane_cluster.wait_stopped"](wanted, timeout)
    return _result(name, changes, "resources stopped")


@_said
def started(name, resources=None, timeout=300):
    """
    Resources of the cluster run: a clone on every node that is online.

    :param resources: outermost ids; those that :func:`stopped` stopped when not given
    :param timeout: seconds until what was told must be true

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_cluster.started openstack
    """
    told = __salt__["octane_cluster.to_start"](resources)
    wanted = told if resources is None else resources
    changes = {one: {"old": "stopped", "new": "running"} for one in told}
    if __opts__["test"]:
        return _result(name, changes, "resources would be started" if changes else "started already")
    __salt__["octane_cluster.start"](wanted)
    __salt__["octane_cluster.wait_started"](wanted, timeout)
    __salt__["octane_cluster.forget_stopped"](wanted)
    return _result(name, changes, "resources run")


@_said
def shutdown(name, timeout=300):
    """
    The cluster is stopped on this node, cleanly, and does not come back at boot.

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_cluster.shutdown cluster
    """
    changes = {}
    for service in ("pacemaker", "corosync"):
        if __salt__["service.status"](service):
            changes[service] = {"old": "running", "new": "stopped"}
        if __salt__["service.enabled"](service):
            changes[f"{service} at boot"] = {"old": "enabled", "new": "disabled"}
    if not changes:
        return _result(name, {}, "the cluster is down on this node already")
    if __opts__["test"]:
        return _result(name, changes, "the cluster would be stopped on this node")
    for service in ("pacemaker", "corosync"):
        if __salt__["service.enabled"](service):
            __salt__["service.disable"](service)
    __salt__["octane_cluster.leave"](timeout)
    return _result(name, changes, "the cluster is down on this node")


@_said
def up(name, timeout=300):
    """
    This node is online in its cluster, also after a reboot.

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_cluster.up cluster
    """
    changes = {}
    if not __salt__["octane_cluster.online"]():
        changes["cluster"] = {"old": "down", "new": "online"}
    for service in ("corosync", "pacemaker"):
        if not __salt__["service.enabled"](service):
            changes[f"{service} at boot"] = {"old": "disabled", "new": "enabled"}
    if not changes:
        return _result(name, {}, "online already")
    if __opts__["test"]:
        return _result(name, changes, "the cluster would be started on this node")
    for service in ("corosync", "pacemaker"):
        if not __salt__["service.enabled"](service):
            __salt__["service.enable"](service)
    __salt__["octane_cluster.join"](timeout)
    return _result(name, changes, "online")


def _result(name, changes, comment):
    result = None if changes and __opts__["test"] else True
    return {"name": name, "result": result, "changes": changes, "comment": comment}
