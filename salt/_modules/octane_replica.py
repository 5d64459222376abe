"""
A replica of some of another server's databases on this node's server, made, watched and taken away without a trace.

Replication by file and position, which MySQL 5.6 and MariaDB have in common. On MariaDB the connection has a name and
only the given databases are taken; MySQL 5.6 knows neither without a restart. The account is made on the source with
the hash of a password that never leaves this node. What of the server's settings is changed is written down first, in
``/var/lib/octane-node/replica.json``, and put back by :func:`remove`.
"""

import hashlib
import json
import os
import re
import secrets
import time

from salt.exceptions import CommandExecutionError

_SETTINGS = ("server_id", "read_only", "wsrep_restart_slave")
"""Of the server, that a replication changes; others are changed for other purposes."""
REPLICA = "/var/lib/octane-node/replica.json"
CONNECTION = "octane"
_ACCOUNT = re.compile(r"octane_[0-9a-f]{8}")
_SILENCE = 120
"""Seconds that the source may be out of reach while it is waited for."""


def able():
    """
    Whether this node's server can follow another one, and why not.

    :return: ``{"able": bool, "reasons": [str], "version": str, "family": str}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.able
    """
    server, reasons = __salt__["octane_db.server"](), []
    galera, values = __salt__["octane_sessions.wsrep"](), __salt__["octane_globals.values"]()
    try:
        _refuse_others()
    except CommandExecutionError as error:
        reasons.append(str(error))
    # MariaDB gives what a replica executes to its cluster without it as well (observed on 10.11).
    if server["family"] == "mysql" and galera["size"] > 1 and values.get("log_slave_updates") != "ON":
        reasons.append("what is replicated would not reach the other nodes: log_slave_updates is off")
    return {"able": not reasons, "reasons": reasons, "version": server["version"], "family": server["family"]}


def prepare():
    """
    Make a password for the account that this node will use, and return what the source needs of it.

    :return: ``{"hash": str}``; the password itself stays here, readable by root alone, until :func:`start`

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.prepare
    """
    word = secrets.token_hex(16)
    _keep(word=word)
    return {"hash": "*" + hashlib.sha1(hashlib.sha1(word.encode()).digest()).hexdigest().upper()}


def start(account, position, port, databases):
    """
    Follow another server's log from a place on, through a tunnel that ends at this node; repeated, it goes on with the
    replication that is there, through the new port.

    :param account: what ``octane_source.admit`` made with this node's :func:`prepare`
    :param position: ``{"file", "position"}`` of the copy that is here already; ``None``: where it stopped
    :param port: of 127.0.0.1
    :return: as :func:`status`
    :raises CommandExecutionError: this server follows somebody else, or has no password for the account

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.start octane_0123abcd '{file: mysql-bin.000007, position: 1234}' 40123 '[nova]'
    """
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        raise CommandExecutionError(f"not the name of an account of ours: {account!r}")
    _refuse_others()
    word = _kept().get("word")
    if not word:
        raise CommandExecutionError("this node has no password for a replication: octane_replica.prepare makes one")
    here = _row()
    if position is None and here is None:
        raise CommandExecutionError("there is no replication to go on with")
    terms = ["MASTER_HOST='127.0.0.1'", f"MASTER_PORT={int(port)}", f"MASTER_USER='{account}'"]
    terms += [f"MASTER_PASSWORD='{word}'", "MASTER_CONNECT_RETRY=2", "MASTER_HEARTBEAT_PERIOD=5", "MASTER_SSL=0"]
    place = __salt__["octane_proof.position"](position) if position else _executed(here)
    terms += [f"MASTER_LOG_FILE='{place['file']}'", f"MASTER_LOG_POS={place['position']}"]
    if _is_mariadb():
        terms.append("MASTER_USE_GTID=no")
    if "server_id" not in _globals("changed"):
        _globals("change", {"server_id": _globals("own_number")})
    _globals("change", {"wsrep_restart_slave": "ON"})
    select = selected()
    if here:
        _execute(f"{select}STOP SLAVE")
    _execute(f"{select}CHANGE MASTER TO {', '.join(terms)}")
    _keep(word=None, account=account)
    if _is_mariadb():
        _execute(f"{select}SET GLOBAL replicate_wild_do_table={__salt__['octane_mysql.text'](_filter(databases))}")
    _execute(f"{select}START SLAVE")
    return status(databases)


def status(databases=None, master=None):
    """
    How the replication stands.

    :param databases: that alone must be taken
    :param master: the source's ``octane_source.position``, to tell how far behind this is
    :return: ``{"configured", "running", "io", "sql": bool, "filtered": bool (no other database is taken),
        "lag_seconds": int or None, "position": {"file", "position", "gtid": None} or None (executed),
        "behind": bytes not executed yet, as far as they have come here or ``master`` says, "error": str, "broken": it
        gave up and does not try again}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.status
    """
    row = _row()
    if row is None:
        none = {"lag_seconds": None, "position": None, "behind": 0, "error": "there is no replication"}
        no = dict.fromkeys(("configured", "running", "io", "sql", "filtered", "broken"), False)
        return {**no, **none}
    io, sql = row["Slave_IO_Running"] == "Yes", row["Slave_SQL_Running"] == "Yes"
    lag, taken = row["Seconds_Behind_Master"], row.get("Replicate_Wild_Do_Table") or ""
    # Which rows an error is about, and the statement, are nobody's business here.
    words = [
        f"{row[f'Last_{kind}_Errno']}: {(row[f'Last_{kind}_Error'] or '').partition(' on query')[0][:200]}"
        for kind in ("IO", "SQL")
        if int(row[f"Last_{kind}_Errno"] or 0)
    ]
    return {
        "configured": True,
        "running": io and sql,
        "io": io,
        "sql": sql,
        "filtered": not _is_mariadb() or (bool(taken) if databases is None else taken == _filter(databases)),
        "lag_seconds": int(lag) if (lag or "").isdigit() else None,
        "position": {**_executed(row), "gtid": None},
        "behind": _behind(row, master),
        "error": "; ".join(words),
        "broken": any(
            row[f"Slave_{kind}_Running"] == "No" and int(row[f"Last_{kind}_Errno"] or 0) for kind in ("IO", "SQL")
        ),
    }


def wait_for(position, timeout=600, connected=False):
    """
    Wait until the log has been executed up to a place, with progress events ``octane/progress/replica`` of the lag.

    :param connected: the source must be heard as well; one that has just been told of it may be at the place already
    :return: as :func:`status`
    :raises CommandExecutionError: replication stopped, with its words, or time was up

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.wait_for '{file: mysql-bin.000007, position: 1234}'
    """
    wanted = __salt__["octane_proof.position"](position)
    deadline, told, heard = time.monotonic() + float(timeout), 0.0, time.monotonic()
    while True:
        found = status(master=wanted)
        there = found["position"] and _order(found["position"]) >= _order(wanted)
        if there and (found["io"] or not connected):
            return found
        heard = time.monotonic() if found["io"] else heard
        if not found["sql"] or found["broken"]:
            raise CommandExecutionError(f"replication does not run: {found['error'] or 'it was stopped'}")
        if time.monotonic() > min(deadline, heard + _SILENCE):
            raise CommandExecutionError(
                f"not at {wanted['file']}:{wanted['position']} after {timeout} s, or {_SILENCE} s without the source, "
                f"but at {found['position']['file']}:{found['position']['position']}: {found['error'] or 'it goes on'}"
            )
        if time.monotonic() - told > 1:
            told = time.monotonic()
            numbers = {"lag_seconds": found["lag_seconds"] or 0, "behind": found["behind"]}
            __salt__["event.send"]("octane/progress/replica", {"text": "catching up", **numbers})
        time.sleep(0.05)


def hold():
    """
    Stop executing, at the end of a transaction; what comes is still fetched. Returns as :func:`status`.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.hold
    """
    _execute(f"{selected()}STOP SLAVE SQL_THREAD")
    return status()


def resume():
    """
    Execute again after :func:`hold`. Returns as :func:`status`.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.resume
    """
    _execute(f"{selected()}START SLAVE")
    return status()


def guard(on=True):
    """
    Let nobody but replication and administrators write to this node's server (``read_only``), or as it was before.

    :return: ``{"read_only": bool}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.guard
    """
    if on:
        _globals("change", {"read_only": "ON"})
    else:
        _globals("restore", ["read_only"])
    return {"read_only": _globals("values")["read_only"] == "ON"}


def remove():
    """
    Stop, forget the source, and put the server's settings back; nothing of a replication is left then.

    :return: ``{"was": bool}``: whether there was one
    :raises CommandExecutionError: it is still there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.remove
    """
    there, select = _row() is not None, selected()
    if there:
        unfiltered = "SET GLOBAL replicate_wild_do_table='';\n" if select else ""
        _execute(f"{select}STOP SLAVE;\n{unfiltered}RESET SLAVE ALL")
    _globals("restore", list(_SETTINGS))
    if os.path.exists(REPLICA):
        os.unlink(REPLICA)
    if _row() is not None:
        raise CommandExecutionError("this node's server is still set up to replicate")
    return {"was": there}


def selected():
    """
    What a statement about the replication begins with: on MariaDB it names the connection.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_replica.selected
    """
    return f"SET default_master_connection='{CONNECTION}';\n" if _is_mariadb() else ""


def _refuse_others():
    """:raises CommandExecutionError: this server replicates from somebody, and that is not ours."""
    rows = _query("SHOW ALL SLAVES STATUS" if _is_mariadb() else "SHOW SLAVE STATUS")
    for row in rows:
        if not _is_ours(row):
            raise CommandExecutionError(f"this node's server replicates from {row['Master_Host']} already")


def _is_ours(row):
    ours = row["Master_Host"] == "127.0.0.1" and _ACCOUNT.fullmatch(row["Master_User"] or "")
    return bool(ours) and row.get("Connection_name", CONNECTION) == CONNECTION


def _row():
    """Our replication as the server describes it, ``None`` when there is none."""
    rows = _query("SHOW ALL SLAVES STATUS" if _is_mariadb() else "SHOW SLAVE STATUS")
    return next((row for row in rows if _is_ours(row)), None)


def _executed(row):
    return {"file": row["Relay_Master_Log_File"], "position": int(row["Exec_Master_Log_Pos"] or 0)}


def _behind(row, master):
    """Bytes of the log between what was executed and the end that is known."""
    here = _executed(row)
    end = master or {"file": row["Master_Log_File"], "position": int(row["Read_Master_Log_Pos"] or 0)}
    if end["file"] == here["file"]:
        return max(0, end["position"] - here["position"])
    return int(row["Relay_Log_Space"] or 0)


def _order(position):
    return int(position["file"].rpartition(".")[2] or 0), position["position"]


def _filter(databases):
    return ",".join(re.sub(r"([\\_%])", r"\\\1", name) + ".%" for name in sorted(databases))


def _kept():
    return json.loads(__salt__["octane_jobs.read"](REPLICA) or "{}")


def _keep(**values):
    os.makedirs(os.path.dirname(REPLICA), mode=0o700, exist_ok=True)
    __salt__["octane_files.note"](REPLICA, json.dumps({**_kept(), **values}))


def _globals(name, *args):
    return __salt__[f"octane_globals.{name}"](*args)


def _is_mariadb():
    return "mariadb" in _query("SELECT VERSION() AS version")[0]["version"].lower()


def _query(statement, consistent=False):
    return __salt__["octane_mysql.query"](statement, consistent)


def _execute(statement):
    __salt__["octane_mysql.execute"](statement)
