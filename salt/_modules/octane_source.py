"""
The server whose log a replica follows: whether it can be followed, where its log ends, and the account for it.

Fuel 6.x configures ``log_bin`` and row events, but neither ``log_slave_updates`` nor a ``server_id`` (its
``wsrep.cnf``): the log of a node holds what clients wrote through that node, and a number has to be given.
"""

import os
import re
import shutil
import time

from salt.exceptions import CommandExecutionError

_ACCOUNT = re.compile(r"octane_[0-9a-f]{8}")
_HASH = re.compile(r"\*[0-9A-F]{40}")
_RETENTION = 3600
"""Seconds that the log must be kept for at least."""


def able(databases):
    """
    Whether this node's server can be followed, and why not; nothing is restarted to make it so.

    :return: ``{"able": bool, "reasons": [str], "whole_log": bool (also what other nodes of the cluster wrote is in this
        node's log), "writes": int (of this node, in its cluster), "version": str, "family": str}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.able '[nova, glance]'
    """
    server, values = __salt__["octane_db.server"](), _variables()
    galera = __salt__["octane_sessions.wsrep"]()["enabled"]
    reasons = _reasons(values, databases, server)
    return {
        "able": not reasons,
        "reasons": reasons,
        "whole_log": not galera or values.get("log_slave_updates") == "ON",
        "writes": int(_status("wsrep_replicated") or 0),
        "version": server["version"],
        "family": server["family"],
    }


def position():
    """
    The end of this node's binary log: ``{"file": str, "position": int, "gtid": str or None}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.position
    """
    rows = _query("SHOW MASTER STATUS")
    if not rows:
        raise CommandExecutionError("this node's database server writes no binary log")
    gtid = _variables().get("gtid_binlog_pos") or None
    return {"file": rows[0]["File"], "position": int(rows[0]["Position"]), "gtid": gtid}


def free_space():
    """
    Room left where this node's server keeps its binary log: ``{"path": str, "bytes": int}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.free_space
    """
    values = _variables()
    path = os.path.dirname(values.get("log_bin_basename") or "") or values["datadir"]
    found = os.statvfs(path)
    return {"path": path, "bytes": found.f_bavail * found.f_frsize}


def foreign_writes(seconds=1):
    """
    A number that stays the same as long as no other node of the cluster writes: what Galera has committed less what
    this node gave to it. Under load it is too low for a moment, so that the highest of several looks counts.

    :return: ``None`` without Galera

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.foreign_writes
    """
    deadline, highest = time.monotonic() + float(seconds), None
    while True:
        rows = {row["Variable_name"]: row["Value"] for row in _query("SHOW GLOBAL STATUS LIKE 'wsrep_%'")}
        if not __salt__["octane_sessions.parse_wsrep"](rows)["enabled"]:
            return None
        found = int(rows["wsrep_last_committed"]) - int(rows["wsrep_replicated"])
        highest = found if highest is None else max(highest, found)
        if time.monotonic() > deadline:
            return highest
        time.sleep(0.1)


def admit(account, hash):
    """
    Make an account that can do nothing but follow the log, from this node alone (``'account'@'localhost'``); one of
    this name gets the new hash.

    :param account: ``octane_`` and eight hexadecimal digits, written down by the caller before
    :param hash: what ``octane_replica.prepare`` returned on the target
    :return: what was changed besides: ``{"server_id": int}`` where the server had none

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.admit octane_0123abcd '*0123456789ABCDEF0123456789ABCDEF01234567'
    """
    user = _account(account)
    if not _HASH.fullmatch(hash):
        raise CommandExecutionError("not a hash of a password as mysql_native_password has it")
    dismiss(account)
    changed = {}
    if _variables().get("server_id") == "0":
        # A server without a number lets no replica in; it may be given one while it runs.
        number = _globals("own_number")
        changed = {"server_id": int(_globals("change", {"server_id": number})["server_id"])}
    __salt__["octane_mysql.execute"](f"CREATE USER {user} IDENTIFIED BY PASSWORD '{hash}'")
    __salt__["octane_mysql.execute"](f"GRANT REPLICATION SLAVE ON *.* TO {user}")
    return changed


def dismiss(account):
    """
    Drop the account by its name, and put back what :func:`admit` changed.

    :return: ``{"was": bool}``: whether it was there

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.dismiss octane_0123abcd
    """
    user, there = _account(account), _has(account)
    if there:
        __salt__["octane_mysql.execute"](f"DROP USER {user}")
    _globals("restore", ["server_id"])
    if _has(account):
        raise CommandExecutionError(f"the account {account} is still there")
    return {"was": there}


def log_reader():
    """
    The vendor's program that reads binary logs; ``None`` when this node has none. MariaDB's client packages have it
    under its new name alone.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_source.log_reader
    """
    return shutil.which("mysqlbinlog") or shutil.which("mariadb-binlog")


def _reasons(values, databases, server):
    family, version = server["family"], server["version"]
    retention = int(float(values.get("expire_logs_days") or 0) * 86400)
    if "binlog_expire_logs_seconds" in values:
        retention = int(values["binlog_expire_logs_seconds"] or 0)
    master = (_query("SHOW MASTER STATUS") or [{}])[0]
    odd = [name for name in databases if re.search(r"[,\s]", name)]
    other = sorted(set(__salt__["octane_db.databases"]()) - set(databases))
    engines = _engines(databases)
    found = [
        (
            family == "mysql" and tuple(map(int, re.findall("[0-9]+", version)[:2])) < (5, 6),
            f"it is MySQL {version}, and no log of one before 5.6 was ever read by this",
        ),
        (
            values.get("log_bin") != "ON",
            "the server writes no binary log (log_bin), and only a restart would change it",
        ),
        (log_reader() is None, "the program mysqlbinlog is not installed"),
        (values.get("binlog_format") != "ROW", f"binlog_format is {values.get('binlog_format')}, not ROW"),
        (values.get("binlog_row_image", "FULL") not in ("FULL", "FULL_NODUP"), "binlog_row_image is not FULL"),
        (bool(master.get("Binlog_Do_DB") or master.get("Binlog_Ignore_DB")), "the binary log leaves databases out"),
        (0 < retention < _RETENTION, f"the binary log is kept for {retention} s only"),
        (bool(odd), f"names that no filter can name: {', '.join(odd)}"),
        (bool(engines), f"not in InnoDB, so in no snapshot: {', '.join(engines[:5])}"),
        (
            family == "mysql" and bool(other),
            f"MySQL 5.6 cannot leave out {', '.join(other)} without a restart",
        ),
        (
            family == "mysql" and not __salt__["octane_sessions.wsrep"]()["enabled"],
            "MySQL without Galera tells no moment to compare both sides at, unless writers are locked out for it",
        ),
    ]
    return [words for holds, words in found if holds]


def _engines(databases):
    names = ", ".join(__salt__["octane_mysql.text"](name) for name in databases) or "''"
    rows = _query(
        "SELECT table_schema AS d, table_name AS t FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        f"AND engine <> 'InnoDB' AND table_schema IN ({names})"
    )
    return [f"{row['d']}.{row['t']}" for row in rows]


def _account(name):
    if not isinstance(name, str) or not _ACCOUNT.fullmatch(name):
        raise CommandExecutionError(f"not the name of an account of ours: {name!r}")
    return f"'{name}'@'localhost'"


def _has(account):
    return bool(_query(f"SELECT User FROM mysql.user WHERE User = '{account}'", consistent=True))


def _status(name):
    rows = _query(f"SHOW GLOBAL STATUS LIKE '{name}'")
    return rows[0]["Value"] if rows else None


def _variables():
    return _globals("values")


def _globals(name, *args):
    return __salt__[f"octane_globals.{name}"](*args)


def _query(statement, consistent=False):
    return __salt__["octane_mysql.query"](statement, consistent)
