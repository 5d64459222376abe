"""
Rows of services and agents whose hosts are gone: found by host, deleted one by one and by name.
"""

from salt.exceptions import CommandExecutionError


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
