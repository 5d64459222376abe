"""
The mode of a controller's OpenStack APIs; each state can be used by hand.
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
def armed(name, passes=None):
    """
    HAProxy can be flipped between read-only and read-write; the mode itself does not change.

    :param passes: writes that will go on while read-only, as ``octane_api.arm`` takes them

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_api.armed apis
    """
    pending = __salt__["octane_api.pending_files"](passes)
    if __salt__["octane_api.armed"](passes):
        return _result(name, {}, "armed already")
    changes = {"files": {"old": "", "new": pending}, "reload": {"old": "", "new": "haproxy"}}
    if __opts__["test"]:
        return _result(name, changes, "haproxy would be armed")
    done = __salt__["octane_api.arm"](passes)
    return _result(name, {**changes, "processes": {"old": "", "new": done["reload"]}}, "haproxy armed")


@_said
def read_only(name, frontends=None, services_allowed_from=None, passes=None):
    """
    Writes to the APIs are refused, now and after a reload or a move of the addresses.

    :param frontends: names of HTTP frontends; all when not given
    :param services_allowed_from: networks whose writes still pass
    :param passes: writes that pass from everywhere, as ``octane_api.arm`` takes them; without any, and none said
        before, nobody gets a token

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_api.read_only apis
    """
    return _in_mode(name, "ro", frontends, services_allowed_from, passes)


@_said
def read_write(name, frontends=None):
    """
    Writes to the APIs are served. HAProxy stays armed.

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_api.read_write apis
    """
    return _in_mode(name, "rw", frontends, None)


@_said
def absent(name):
    """
    Nothing of ours is left in HAProxy: every byte of its files is what it was.

    CLI Example:

    .. code-block:: bash

        salt node-1 state.single octane_api.absent apis
    """
    changed = __salt__["octane_api.disarm"](test=True)
    if not changed:
        return _result(name, {}, "nothing of ours in haproxy")
    changes = {"files": {"old": changed, "new": "as they were"}}
    if __opts__["test"]:
        return _result(name, changes, "haproxy's files would be put back")
    __salt__["octane_api.disarm"]()
    return _result(name, changes, "haproxy's files put back")


def _in_mode(name, wanted, frontends, allowed_from, passes=None):
    changes = __salt__["octane_api.pending_modes"](wanted, frontends, allowed_from)
    if passes is not None and not __salt__["octane_api.armed"](passes):
        changes["passes"] = {"old": "", "new": [f"{one['method']} {path}" for one in passes for path in one["paths"]]}
    if not changes:
        return _result(name, {}, f"{wanted} already")
    if __opts__["test"]:
        return _result(name, changes, f"frontends would become {wanted}")
    if not __salt__["octane_api.armed"](passes):
        __salt__["octane_api.arm"](passes)
    __salt__["octane_api.set_mode"](wanted, frontends, allowed_from)
    return _result(name, changes, f"frontends are {wanted}")


def _result(name, changes, comment):
    result = None if changes and __opts__["test"] else True
    return {"name": name, "result": result, "changes": changes, "comment": comment}
