"""
Databases of a node's own server; each state can be used by hand.
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
def absent_databases(name, databases, server):
    """
    Databases are not there, on the one server that is meant.

    :param databases: names
    :param server: what ``octane_db.server`` calls ``id`` on the node meant; on any other one nothing is dropped

    CLI Example:

    .. code-block:: bash

        salt node-4 state.single octane_db.absent_databases copies databases='[nova]' server=4bd8b5c0-...
    """
    __salt__["octane_db.require_server"](server)
    there = sorted(set(databases) & set(__salt__["octane_db.databases"]()))
    changes = {one: {"old": "present", "new": "absent"} for one in there}
    if not changes:
        return _result(name, {}, "absent already")
    if __opts__["test"]:
        return _result(name, changes, "databases would be dropped")
    __salt__["octane_db.drop"](there, server)
    return _result(name, changes, "databases dropped")


def _result(name, changes, comment):
    result = None if changes and __opts__["test"] else True
    return {"name": name, "result": result, "changes": changes, "comment": comment}
