"""
Guests of a compute: by nova's records, of all projects and in every state, and by the hypervisor itself.
"""

import re
import shutil

from salt.exceptions import CommandExecutionError

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_OVER = ("finished", "confirmed", "reverted", "error", "failed", "completed", "cancelled", "done", "accepted")
"""Statuses of a migration that moves nothing any more."""

TIMEOUT = 60


def recorded(hosts):
    """
    Guests that nova has on a compute or moves to it, all projects.

    :param hosts: its names, short and full: releases differ in which they use
    :return: ``[{"uuid", "state", "host"}]``; state ``migrating`` for one that is on its way there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_guests.recorded '[node-7, node-7.domain.tld]'
    """
    if not hosts or not all(isinstance(one, str) and _HOST.fullmatch(one) for one in hosts):
        raise CommandExecutionError(f"no names of a host: {hosts!r}")
    named = ", ".join(__salt__["octane_mysql.text"](one) for one in hosts)
    over = ", ".join(__salt__["octane_mysql.text"](one) for one in _OVER)
    return [
        *__salt__["octane_mysql.query"](
            f"SELECT uuid, COALESCE(vm_state, '') AS state, host FROM nova.instances "
            f"WHERE deleted = 0 AND host IN ({named})",
            True,
        ),
        *__salt__["octane_mysql.query"](
            f"SELECT m.instance_uuid AS uuid, 'migrating' AS state, m.dest_compute AS host FROM nova.migrations m "
            f"JOIN nova.instances i ON i.uuid = m.instance_uuid AND i.deleted = 0 AND i.host <> m.dest_compute "
            f"WHERE m.deleted = 0 AND m.dest_compute IN ({named}) AND m.status NOT IN ({over})",
            True,
        ),
    ]


def domains():
    """
    Names of the guests that the hypervisor of this node knows, running or not; ``[]`` where there is no libvirt.

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_guests.domains
    """
    if shutil.which("virsh") is None:
        return []
    command = ["virsh", "--readonly", "list", "--all", "--name"]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=TIMEOUT)
    if done["retcode"]:
        raise CommandExecutionError(f"virsh list: {done['stderr'].strip()[-300:]}")
    return sorted(line.strip() for line in done["stdout"].splitlines() if line.strip())
