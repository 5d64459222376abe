"""
Who is connected to this node's database server, who writes, and how Galera stands.
"""

import re

from salt.exceptions import CommandExecutionError

_NO_USERS = ("system user", "event_scheduler", "wsrep_sst", "clustercheck")
_NO_UUID = "00000000-0000-0000-0000-000000000000"
_READS = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(?:select|show|explain|describe|desc|checksum|use|ping)\b", re.IGNORECASE | re.DOTALL
)


def wsrep():
    """
    Galera's state on this node; ``enabled`` is ``False`` on a server without it.

    :return: ``{"enabled", "ready", "connected": bool, "state", "status", "uuid": str, "size", "last_committed": int}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_sessions.wsrep
    """
    return parse_wsrep({row["Variable_name"]: row["Value"] for row in _query("SHOW GLOBAL STATUS LIKE 'wsrep_%'")})


def parse_wsrep(status):
    """
    What :func:`wsrep` returns, from the server's status variables.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_sessions.parse_wsrep '{wsrep_ready: "ON"}'
    """
    last = status.get("wsrep_last_committed") or ""
    uuid = status.get("wsrep_cluster_state_uuid") or ""
    return {
        "enabled": bool(uuid) and uuid != _NO_UUID,
        "ready": status.get("wsrep_ready") == "ON",
        "connected": status.get("wsrep_connected") == "ON",
        "state": status.get("wsrep_local_state_comment") or "",
        "status": status.get("wsrep_cluster_status") or "",
        "uuid": uuid,
        "size": int(status.get("wsrep_cluster_size") or 0),
        # -1, or its unsigned form, before anything was committed.
        "last_committed": int(last) if re.fullmatch(r"[0-9]{1,18}", last) else -1,
    }


def last_committed():
    """
    Galera's number of the last write that this node has; ``None`` without Galera.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_sessions.last_committed
    """
    found = wsrep()
    return found["last_committed"] if found["enabled"] else None


def writers():
    """
    Sessions that write: a statement that is no read, or a transaction that has changed rows. Galera's appliers, its
    state transfer, replication and this session are not counted.

    :return: ``[{"id": int, "user", "host", "database", "command": str, "seconds": int, "state": str}]``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_sessions.writers
    """
    return [_session(row) for row in _processes() if is_writing(row)]


def is_writing(row):
    """
    Whether a row of the process list (with ``changed``, the rows its transaction has changed) is one of a writer.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_sessions.is_writing '{USER: nova, COMMAND: Sleep, INFO: null, changed: "0"}'
    """
    if row["USER"] in _NO_USERS or row["COMMAND"] in ("Daemon", "Binlog Dump", "Binlog Dump GTID"):
        return False
    runs = row["COMMAND"] in ("Query", "Execute") and row.get("INFO") and not _READS.match(row["INFO"])
    return bool(runs) or int(row["changed"]) > 0


def sessions(databases):
    """
    Client sessions whose current database is one of these, in the shape of :func:`writers`.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_sessions.sessions '[nova]'
    """
    rows = _query("SELECT * FROM information_schema.processlist WHERE id <> CONNECTION_ID()")
    return [_session(row) for row in rows if row["DB"] in databases and row["USER"] not in _NO_USERS]


def release(databases):
    """
    End the idle client sessions of databases, those in no transaction; their clients connect anew when they need to,
    through HAProxy, which sends all of them to one node. After a failover some are left on another for good.

    :return: ``{"ended": int, "left": int}``; ``left``: busy ones

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_sessions.release '[nova]'
    """
    found = [row for row in _processes() if row["DB"] in databases and row["USER"] not in _NO_USERS]
    idle = [int(row["ID"]) for row in found if row["COMMAND"] == "Sleep" and row["trx"] is None]
    for identifier in idle:
        try:
            __salt__["octane_mysql.execute"](f"KILL {identifier}")
        except CommandExecutionError:
            # It has ended by itself.
            continue
    return {"ended": len(idle), "left": len(found) - len(idle)}


def _processes():
    """The process list but for this session, with each one's transaction and the rows that it has changed."""
    return _query(
        "SELECT p.*, t.trx_id AS trx, COALESCE(t.trx_rows_modified, 0) AS changed "
        "FROM information_schema.processlist p LEFT JOIN information_schema.innodb_trx t "
        "ON t.trx_mysql_thread_id = p.id WHERE p.id <> CONNECTION_ID()"
    )


def _session(row):
    return {
        "id": int(row["ID"]),
        "user": row["USER"],
        "host": (row["HOST"] or "").partition(":")[0],
        "database": row["DB"] or "",
        "command": row["COMMAND"],
        "seconds": int(row["TIME"] or 0),
        "state": row["STATE"] or "",
    }


def _query(statement):
    return __salt__["octane_mysql.query"](statement)
