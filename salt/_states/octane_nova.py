"""
Settings of nova on a node; each state can be used by hand.
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
def upgrade_levels(name, compute, config="/etc/nova/nova.conf"):
    """
    Nova on this node speaks a release that the computes understand. Services must be restarted for it.

    :param compute: ``auto`` or a release's code name; ``None``: not limited

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_nova.upgrade_levels pin compute=auto
    """
    before = __salt__["octane_nova.upgrade_level"](config)
    if before == compute:
        return _result(name, {}, f"compute={compute} already")
    changes = {"upgrade_levels/compute": {"old": before, "new": compute}}
    if __opts__["test"]:
        return _result(name, changes, f"{config} would be changed")
    __salt__["octane_nova.set_upgrade_level"](compute, config)
    return _result(name, changes, f"{config} changed")


def _result(name, changes, comment):
    result = None if changes and __opts__["test"] else True
    return {"name": name, "result": result, "changes": changes, "comment": comment}
