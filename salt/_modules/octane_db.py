"""
The databases of OpenStack on this node's own server: what is in them, who writes, and moving them to another node.

Results are names, numbers and checksums, never contents.
"""

import os

from salt.exceptions import CommandExecutionError

_STREAMS = 4
_SYSTEM = ("information_schema", "performance_schema", "mysql", "sys")


def databases():
    """
    Names of all databases but the server's own; ``lost+found`` of a mounted data directory is none.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.databases
    """
    found = [row["Database"] for row in _query("SHOW DATABASES")]
    return sorted(name for name in found if name not in _SYSTEM and not name.startswith("#mysql50#"))


def sizes(databases=None):
    """
    Bytes of data and indexes, as the server estimates them: ``{database: bytes}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.sizes
    """
    rows = _query(
        "SELECT table_schema AS name, SUM(data_length + index_length) AS bytes FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' GROUP BY table_schema"
    )
    found = {row["name"]: int(float(row["bytes"] or 0)) for row in rows}
    return {name: found.get(name, 0) for name in _chosen(databases)}


def tables(database):
    """
    Names of the tables, views left out, in the order of their names' bytes.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.tables nova
    """
    rows = _query(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
        f"AND BINARY table_schema = {_text(database)}"
    )
    return sorted(row["name"] for row in rows)


def row_counts(databases=None):
    """
    Rows of every table, counted: ``{database: {table: rows}}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.row_counts '[nova]'
    """
    found = {}
    for database in _chosen(databases):
        names = tables(database)
        parts = [f"SELECT {_text(name)} AS name, COUNT(*) AS found FROM {_table(database, name)}" for name in names]
        rows = _query(" UNION ALL ".join(parts), consistent=True) if parts else []
        found[database] = {row["name"]: int(row["found"]) for row in rows}
    return found


def checksums(databases):
    """
    The server's checksum of every table: ``{database: {table: checksum}}``. Equal ones mean equal rows only between
    servers of one family and row format.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.checksums '[nova, glance]'
    """
    found = {}
    for database in _chosen(databases):
        names = tables(database)
        statement = "CHECKSUM TABLE " + ", ".join(_table(database, name) for name in names)
        rows = _query(statement, consistent=True) if names else []
        found[database] = {row["Table"][len(database) + 1 :]: row["Checksum"] for row in rows}
    return found


def compare(ours, theirs):
    """
    Differences between two answers of :func:`checksums` or :func:`row_counts`.

    :return: ``{"equal": bool, "missing": [name], "extra": [name], "different": [name]}``; names as ``database.table``,
        ``missing``: in ``ours`` alone

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.compare '{nova: {instances: 1}}' '{nova: {instances: 2}}'
    """
    first, second = _flat(ours), _flat(theirs)
    found = {
        "missing": sorted(set(first) - set(second)),
        "extra": sorted(set(second) - set(first)),
        "different": sorted(name for name in set(first) & set(second) if first[name] != second[name]),
    }
    return {"equal": not any(found.values()), **found}


def wsrep():
    """
    Galera's state on this node, as ``octane_sessions.wsrep`` returns it.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.wsrep
    """
    return __salt__["octane_sessions.wsrep"]()


def last_committed():
    """
    Galera's number of the last write that this node has; ``None`` without Galera.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.last_committed
    """
    return __salt__["octane_sessions.last_committed"]()


def writers():
    """
    Sessions that write, as ``octane_sessions.writers`` returns them.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.writers
    """
    return __salt__["octane_sessions.writers"]()


def sessions(databases=None):
    """
    Client sessions whose current database is one of these (of all, when not given).

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.sessions '[nova]'
    """
    return __salt__["octane_sessions.sessions"](_chosen(databases))


def server():
    """
    Which server this is, so that a dangerous order can name the one it is meant for.

    :return: ``{"id": str, "hostname": str, "version": str, "family": "mysql" | "mariadb"}``; one ``id`` for a whole
        Galera cluster

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.server
    """
    names = "'hostname', 'version', 'server_uuid', 'datadir'"
    rows = _query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    found = {row["Variable_name"]: row["Value"] for row in rows}
    galera = wsrep()
    own = found.get("server_uuid") or f"{found.get('hostname')}:{found.get('datadir')}"
    return {
        "id": galera["uuid"] if galera["enabled"] else own,
        "hostname": found.get("hostname") or "",
        "version": found.get("version") or "",
        "family": "mariadb" if "mariadb" in (found.get("version") or "").lower() else "mysql",
    }


def free_space():
    """
    Room left where the server keeps its data: ``{"path": str, "bytes": int}``.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.free_space
    """
    path = _query("SHOW GLOBAL VARIABLES LIKE 'datadir'")[0]["Value"]
    found = os.statvfs(path)
    return {"path": path, "bytes": found.f_bavail * found.f_frsize}


def require_server(wanted):
    """
    Refuse on every database server but one: an order that reached the wrong cloud must not be obeyed.

    :param wanted: what :func:`server` calls ``id`` on the server meant

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.require_server 4bd8b5c0-0000-11e5-a1ad-000000000001
    """
    found = server()["id"]
    if not wanted or found != wanted:
        raise CommandExecutionError(f"this node's database server is {found}, the order is meant for {wanted}")


def drop(databases, server):
    """
    Drop databases by name, on the server with this id only.

    :return: names that were there
    :raises CommandExecutionError: another server than the one named

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.drop '[nova]' 4bd8b5c0-0000-11e5-a1ad-000000000001
    """
    require_server(server)
    there = sorted(set(databases) & set(_all()))
    for name in there:
        __salt__["octane_mysql.execute"](f"DROP DATABASE IF EXISTS {_name(name)}")
    return there


def stale(wanted, hosts):
    """
    Live rows that belong to hosts which are gone, as ``octane_rows.stale`` finds them.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.stale '[{database: nova, table: services, host: host}]' '[node-1.domain.tld]'
    """
    return __salt__["octane_rows.stale"](wanted, hosts)


def delete_stale(rows):
    """
    Delete rows that :func:`stale` found, as ``octane_rows.delete_all`` does it.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.delete_stale '[{database: nova, table: services, id: 12, host: node-1.domain.tld}]'
    """
    return __salt__["octane_rows.delete_all"](rows)


def schema_heads(database):
    """
    Schema versions that a database says it has, as ``octane_schema.heads`` returns them.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.schema_heads nova
    """
    return __salt__["octane_schema.heads"](database)


def code_heads(directory):
    """
    Schema versions that installed migration scripts lead to, as ``octane_schema.code_heads`` returns them.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.code_heads /usr/lib/python2.7/dist-packages/nova/db/sqlalchemy/migrate_repo
    """
    return __salt__["octane_schema.code_heads"](directory)


def compare_schemas(schemas):
    """
    What databases say of their schemas beside what installed scripts lead to, as ``octane_schema.compare`` does.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.compare_schemas '[{database: nova, package: nova, directory: db/main/migrations}]'
    """
    return __salt__["octane_schema.compare"](schemas)


def run_manage(command, timeout=1800, tail=40):
    """
    Run migration commands one after the other, as ``octane_manage.run`` does.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.run_manage '[keystone-manage, db_sync]'
    """
    return __salt__["octane_manage.run"](command, timeout, tail)


def run_manage_all(groups, at_once=4, timeout=1800, server=None):
    """
    Run groups of migration commands side by side, as ``octane_manage.run_all`` does.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.run_manage_all '{glance: [[glance-manage, db_sync]]}'
    """
    return __salt__["octane_manage.run_all"](groups, at_once, timeout, server=server)


def identity():
    """
    A certificate of this node's own for one transfer that it will send: ``{"identity", "certificate", "fingerprint"}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.identity
    """
    return __salt__["octane_stream.identity"]()


def receive(databases, bind, client_certificate, server=None, replace=False, port=0, timeout=3600, alone=False):
    """
    Start a receiver that waits in the background for databases from one sender, and loads them under their own names.

    :param bind: own address to listen on
    :param client_certificate: what ``identity`` returned on the sender; nobody else is let in
    :param server: what :func:`server` calls ``id`` here; the order is refused on any other one
    :param replace: databases of these names may be dropped first; without it their presence is refused
    :param port: 0: any free one
    :param timeout: seconds until the whole transfer must be over
    :param alone: the server has no other members and never had, which would have to be told what is loaded: faster;
        the transfer fails where there are any
    :return: ``{"ticket", "port", "certificate", "fingerprint"}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.receive '[nova]' 10.20.0.134 '-----BEGIN CERTIFICATE-----...' server=... replace=True
    """
    require_server(server)
    for name in databases:
        _name(name)
    present = sorted(set(databases) & set(_all()))
    if present and not replace:
        raise CommandExecutionError(f"this node has {', '.join(present)} already: to drop them say replace=True")
    job = {"kind": "databases", "names": sorted(databases), "options": __salt__["octane_mysql.options"]()}
    job["alone"] = bool(alone)
    return __salt__["octane_stream.listen"](job, bind, client_certificate, port, timeout)


def send(databases, host, port, certificate, identity, timeout=3600, limit=None, streams=None):
    """
    Send databases as one consistent snapshot to a receiver, encrypted, table by table; they rest nowhere on the way.

    :param certificate: what ``receive`` returned on the target; nothing else is talked to
    :param identity: what ``identity`` returned on this node; it is used up
    :param limit: bytes a second over all streams together; ``None``: as many as go
    :param streams: tables sent at a time; by itself as many as this node has processors, two to four. A server that
        cannot show several sessions the same moment is read in one
    :return: ``{"bytes": int, "sha256": str, "seconds": float, "position": dict or None}``, when the target has loaded
        everything; ``position``: ``{"file": str, "position": int, "gtid": str or None}`` of the snapshot in the
        server's binary log, ``None`` when it has none

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.send '[nova]' 10.20.0.134 40123 '-----BEGIN CERTIFICATE-----...' 0123abcd
    """
    expected = sum(sizes(databases).values())
    job = {"kind": "databases", "names": sorted(databases), "options": __salt__["octane_mysql.options"]()}
    streams = streams or min(_STREAMS, max(2, os.cpu_count() or 1))
    given = (timeout, expected, limit, streams)
    return __salt__["octane_stream.send"](job, host, port, certificate, identity, *given)


def received(ticket, timeout=600):
    """
    How a transfer ended, as ``octane_stream.received`` returns it; waits for the end.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.received 0123abcd
    """
    return __salt__["octane_stream.received"](ticket, timeout)


def abandon(ticket):
    """
    End a receiver, or drop an identity, and remove its keys.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.abandon 0123abcd
    """
    return __salt__["octane_stream.abandon"](ticket)


def receive_files(directories, bind, client_certificate, port=0, timeout=600):
    """
    Start a receiver for whole directories, as ``octane_trees.receive`` does.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_db.receive_files '[/etc/keystone/fernet-keys]' 10.20.0.134 '-----BEGIN...'
    """
    return __salt__["octane_trees.receive"](directories, bind, client_certificate, port, timeout)


def send_files(directories, host, port, certificate, identity, timeout=600):
    """
    Send whole directories, as ``octane_trees.send`` does.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.send_files '[/etc/keystone/fernet-keys]' 10.20.0.134 40123 '-----BEGIN...' 0123abcd
    """
    return __salt__["octane_trees.send"](directories, host, port, certificate, identity, timeout)


def files_digest(directories):
    """
    One sha256 over names, modes and contents of directories.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_db.files_digest '[/etc/keystone/fernet-keys]'
    """
    return __salt__["octane_trees.digest"](directories)


def _chosen(names):
    there = _all()
    missing = sorted(set(names or ()) - set(there))
    if missing:
        raise CommandExecutionError(f"this node has no database {', '.join(missing)}")
    return there if names is None else sorted(names)


def _all():
    return __salt__["octane_db.databases"]()


def _flat(nested):
    return {f"{database}.{table}": value for database, found in nested.items() for table, value in found.items()}


def _table(database, table):
    return f"{_name(database)}.{_name(table)}"


def _name(name):
    return __salt__["octane_mysql.identifier"](name)


def _text(value):
    return __salt__["octane_mysql.text"](value)


def _query(statement, consistent=False):
    return __salt__["octane_mysql.query"](statement, consistent)
