"""
OpenStack jobs of a node; each state can be used by hand.
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
def stopped(name, services=None, disable=False, kill_after=None, remember=False):
    """
    Jobs do not run, and with ``disable`` do not come back at boot.

    :param services: names; when not given those that ran when they were first written down
    :param kill_after: seconds after which what has not stopped is killed; not given: the init system decides
    :param remember: write down under the state's name which of SERVICES ran; :func:`started` then starts no other

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_service.stopped openstack disable=True
    """
    wanted = _wanted(services, record=True)
    if remember and not __opts__["test"]:
        # Also where none of them runs, or all would be started.
        __salt__["octane_service.record"](name, wanted)
    changes, awake = {}, __salt__["octane_service.awake"](wanted)
    for one in wanted:
        if one in awake:
            changes[one] = {"old": "running", "new": "stopped"}
        if disable and __salt__["service.enabled"](one):
            changes[f"{one} at boot"] = {"old": "enabled", "new": "disabled"}
    if not changes or __opts__["test"]:
        return _result(name, changes, "jobs would be stopped" if changes else "stopped already")
    if services is None:
        __salt__["octane_service.record"]()
    for one in wanted:
        if disable and f"{one} at boot" in changes:
            __salt__["service.disable"](one)
    __salt__["octane_service.act"]("stop", [one for one in wanted if one in changes], kill_after=kill_after)
    return _result(name, changes, "jobs stopped")


@_said
def started(name, services=None, enable=False, remember=False):
    """
    Jobs run, and with ``enable`` come back at boot.

    :param services: names; those that were written down when not given
    :param remember: only those of SERVICES that :func:`stopped` wrote down under the state's name, which is then
        forgotten; none when nothing is written down: they were not stopped, or have been started again

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_service.started openstack
    """
    wanted = _wanted(services, record=False)
    if remember:
        ran = __salt__["octane_service.recorded"](name) or []
        wanted = [one for one in wanted if one in ran]
    changes = {}
    for one in wanted:
        if not __salt__["service.status"](one):
            changes[one] = {"old": "stopped", "new": "running"}
        if enable and not __salt__["service.enabled"](one):
            changes[f"{one} at boot"] = {"old": "disabled", "new": "enabled"}
    if __opts__["test"]:
        return _result(name, changes, "jobs would be started" if changes else "started already")
    for one in wanted:
        if f"{one} at boot" in changes:
            __salt__["service.enable"](one)
    if changes:
        __salt__["octane_service.act"]("start", [one for one in wanted if one in changes])
    if remember:
        __salt__["octane_service.forget"](name)
    return _result(name, changes, "jobs started" if changes else "started already")


@_said
def restarted(name, services=None):
    """
    Restart jobs that run; those that do not are started. This one changes something every time.

    :param services: names; when not given those that run now

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_service.restarted openstack services='[nova-api]'
    """
    wanted = __salt__["octane_service.names"]() if services is None else services
    changes = {one: {"old": "running", "new": "restarted"} for one in wanted}
    if not changes or __opts__["test"]:
        return _result(name, changes, "jobs would be restarted" if changes else "nothing runs")
    __salt__["octane_service.act"]("restart", wanted)
    return _result(name, changes, "jobs restarted")


def _wanted(services, record):
    if services is not None:
        return services
    written = __salt__["octane_service.recorded"]()
    if written is not None:
        return written
    return __salt__["octane_service.names"]() if record else []


def _result(name, changes, comment):
    result = None if changes and __opts__["test"] else True
    return {"name": name, "result": result, "changes": changes, "comment": comment}
