"""
Settings of this node's database server that are changed while it runs, written down before and put back afterwards.
"""

import contextlib
import json
import os
import re
import secrets

from salt.exceptions import CommandExecutionError

SETTINGS = "/var/lib/octane-node/database-settings.json"
LIMITS = ("wsrep_max_ws_rows", "wsrep_max_ws_size")
_MOST_ROWS, _MOST_BYTES = 1048576, 2**31 - 1
_CHANGED = {
    "server_id": r"[0-9]{1,10}", "read_only": "ON|OFF", "wsrep_restart_slave": "ON|OFF",
    **dict.fromkeys(LIMITS, r"[0-9]{1,10}"),
}  # fmt: skip


def values():
    """
    The server's global variables: ``{name: text}``.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.values
    """
    rows = __salt__["octane_mysql.query"]("SHOW GLOBAL VARIABLES")
    return {row["Variable_name"]: row["Value"] for row in rows}


def change(wanted):
    """
    Set variables that the server has and that differ; what they were is written down first, once.

    :param wanted: ``{"server_id": number, "read_only": "ON", "wsrep_restart_slave": "ON"}`` or some of them
    :return: those that were changed

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.change '{read_only: "ON"}'
    """
    now, kept = values(), changed()
    different = {name: str(value) for name, value in wanted.items() if now.get(name, str(value)) != str(value)}
    statement = _statement(different)
    _keep({**{name: now[name] for name in different}, **kept})
    if statement:
        __salt__["octane_mysql.execute"](statement)
    return different


def restore(names=None):
    """
    Put variables back (all that were changed, when no names are given): ``{name: text}`` as they are again.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.restore
    """
    kept = changed()
    back = {name: value for name, value in kept.items() if names is None or name in names}
    if back:
        __salt__["octane_mysql.execute"](_statement(back))
    _keep({name: value for name, value in kept.items() if name not in back})
    return back


def lift_limits():
    """
    Let one transaction be as large as Galera takes at all. A migration fills a table in one statement, which breaks off
    at ``wsrep_max_ws_rows`` (131072 with the Galera of MySQL 5.6) and cannot be run again.

    :return: the limits as they are now, ``{}`` on a server without Galera; a number of rows of 0 is none

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.lift_limits
    """
    rows, size = LIMITS
    there = set(values()).intersection(LIMITS)
    if not there:
        return {}
    if limits()[rows] != "0":
        change({rows: _MOST_ROWS})
        # Some servers' least is 1: they refuse 0, or take it for that.
        with contextlib.suppress(CommandExecutionError):
            change({rows: 0})
        if limits()[rows] not in ("0", str(_MOST_ROWS)):
            change({rows: _MOST_ROWS})
    change({size: _MOST_BYTES})
    return limits()


def limits():
    """
    What Galera lets one transaction have: ``{"wsrep_max_ws_rows": text, "wsrep_max_ws_size": text}``.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.limits
    """
    return {name: value for name, value in values().items() if name in LIMITS}


def restore_limits():
    """
    Put those limits back: ``{name: text}`` as they are again.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.restore_limits
    """
    return restore(LIMITS)


def changed():
    """
    What the variables were that are changed now.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.changed
    """
    return json.loads(__salt__["octane_jobs.read"](SETTINGS) or "{}")


def own_number():
    """
    A ``server_id`` that no server of either side has (theirs are small, or none at all): a replica drops silently what
    carries its own.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_globals.own_number
    """
    return 2**31 + secrets.randbelow(2**31 - 2)


def _statement(settings):
    for name, value in settings.items():
        if not re.fullmatch(_CHANGED.get(name, "(?!)"), value):
            raise CommandExecutionError(f"not a setting that is changed here: {name}={value!r}")
    return ";\n".join(f"SET GLOBAL {name}={value}" for name, value in settings.items())


def _keep(kept):
    os.makedirs(os.path.dirname(SETTINGS), mode=0o700, exist_ok=True)
    if kept:
        __salt__["octane_files.note"](SETTINGS, json.dumps(kept))
    elif os.path.exists(SETTINGS):
        os.unlink(SETTINGS)
