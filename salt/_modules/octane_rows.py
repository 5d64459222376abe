"""
Rows that queries find: counted, and told by their first ids, never changed by it. Rows of services and agents whose
hosts are gone: found by host, deleted one by one and by name. Rows of a copy: put right by one statement.
"""

import re

from salt.exceptions import CommandExecutionError

_SELECT = re.compile(r"SELECT\s[^;]+")
_WRITE = re.compile(r"(UPDATE|INSERT INTO)\s[^;]+")
# READ ONLY is not known to MySQL 5.5, which skips the comment.
_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT /*!50605 , READ ONLY */"
_FIRST = "SUBSTRING_INDEX(GROUP_CONCAT(found.id SEPARATOR '\\n'), '\\n', 5)"


def stale(wanted, hosts):
    """
    Live rows that belong to hosts which are gone: records of services and agents.

    :param wanted: ``[{"database", "table", "host": column, "where": {column: [values]}}]``
    :param hosts: host names; what follows an ``@`` (a backend) in a row does not matter
    :return: ``[{"database", "table", "id", "binary", "host"}]``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rows.stale '[{database: nova, table: services, host: host, where: {}}]' '[node-1.domain.tld]'
    """
    found = []
    for one in wanted:
        columns = _columns(one["database"], one["table"])
        if one["host"] not in columns:
            continue
        name = "`binary`" if "binary" in columns else "NULL"
        table, conditions = _table(one["database"], one["table"]), _conditions(one.get("where") or {})
        rows = _query(
            f"SELECT id AS `id`, {name} AS `binary`, {_name(one['host'])} AS `host` FROM {table} "
            f"WHERE {_live(columns)} {conditions}"
        )
        place = {"database": one["database"], "table": one["table"]}
        found += [{**place, **row} for row in rows if (row["host"] or "").partition("@")[0] in hosts]
    return found


def delete_all(rows):
    """
    Delete rows that :func:`stale` found, each by its id and only while the host it names is the one found.

    :param rows: ``[{"database", "table", "id", "host": str}]``
    :return: ``{"deleted": int}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rows.delete_all '[{database: nova, table: services, id: 12, host: node-1.domain.tld}]'
    """
    return {"deleted": sum(delete(one["database"], one["table"], one["id"], one["host"])["deleted"] for one in rows)}


def delete(database, table, id, host):
    """
    Delete one row by its id, when the host it names is the one given.

    :return: ``{"deleted": 0 | 1}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rows.delete nova services 12 node-1.domain.tld
    """
    columns = sorted({"host", "hostname"} & _columns(database, table))
    if not columns:
        raise CommandExecutionError(f"rows of {database}.{table} name no host")
    matching = " OR ".join(f"{_name(column)} = {_text(host)}" for column in columns)
    rows = _query(
        f"DELETE FROM {_table(database, table)} WHERE id = {_text(id)} AND ({matching});\n"
        "SELECT ROW_COUNT() AS deleted"
    )
    return {"deleted": int(rows[0]["deleted"])}


def matching(queries):
    """
    What each of several queries finds, all read at one point in time, in a transaction that can change nothing.

    :param queries: ``[{"name", "database", "query"}]``; a query is one SELECT with a column ``id``. With
        ``"older_than": seconds``, only rows count whose column ``since`` (a UTC time) is older than that
    :return: ``{name: {"count": int, "first": [up to five ids]}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_rows.matching '[{name: a, database: heat, query: SELECT stack_id AS id FROM stack_lock}]'
    """
    if not queries:
        return {}
    statements = ["SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", _SNAPSHOT]
    for one in queries:
        if not _SELECT.fullmatch(one["query"]):
            raise CommandExecutionError(f"{one['name']} is not one SELECT: {one['query'][:80]!r}")
        age = int(one.get("older_than") or 0)
        limit = f"WHERE found.since < UTC_TIMESTAMP() - INTERVAL {age} SECOND" if age else ""
        statements += [
            f"USE {_name(one['database'])}",
            f"SELECT {_text(one['name'])} AS name, COUNT(*) AS found, {_FIRST} AS first "
            f"FROM ({one['query']}) AS found {limit}",
        ]
    rows = _query(";\n".join(statements))
    # Each result begins with a line of names, of which the client's output is parsed for the first alone.
    return {
        row["name"]: {"count": int(row["found"]), "first": (row["first"] or "").split("\n") if row["first"] else []}
        for row in rows
        if row["found"] != "found"
    }


def rewrite(database, statement, server):
    """
    Put rows of a copy right with one UPDATE or INSERT.

    :param server: identity of the server that is meant, as ``octane_db.server`` tells it
    :return: ``{"changed": rows}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rows.rewrite keystone 'UPDATE token SET valid = 0 WHERE valid = 1' 0b2e05ac-...
    """
    if not _WRITE.fullmatch(statement):
        raise CommandExecutionError(f"not one UPDATE or INSERT: {statement[:80]!r}")
    __salt__["octane_db.require_server"](server)
    rows = _query(f"USE {_name(database)};\n{statement};\nSELECT ROW_COUNT() AS changed")
    return {"changed": int(rows[0]["changed"])}


def _columns(database, table):
    rows = _query(
        "SELECT column_name AS name FROM information_schema.columns "
        f"WHERE BINARY table_schema = {_text(database)} AND BINARY table_name = {_text(table)}"
    )
    return {row["name"] for row in rows}


def _live(columns):
    """nova keeps a deleted row's own id in ``deleted``, others have a flag there or a date in ``deleted_at``."""
    if "deleted" in columns:
        return "deleted = 0"
    return "deleted_at IS NULL" if "deleted_at" in columns else "1 = 1"


def _conditions(where):
    parts = [f"AND {_name(column)} IN ({', '.join(map(_text, values))})" for column, values in sorted(where.items())]
    return " ".join(parts)


def _table(database, table):
    return f"{_name(database)}.{_name(table)}"


def _name(name):
    return __salt__["octane_mysql.identifier"](name)


def _text(value):
    return __salt__["octane_mysql.text"](value)


def _query(statement):
    return __salt__["octane_mysql.query"](statement, True)
