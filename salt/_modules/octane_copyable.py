"""
What there is in databases that a copy of them would lose, or that a server they come to would not take: told by name
before anything is copied. Nothing is changed, and no row is read.
"""

import re
import shutil

from salt.exceptions import CommandExecutionError

KINDS = frozenset(
    [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "float",
        "double",
        "bit",
        "date",
        "datetime",
        "timestamp",
        "time",
        "year",
        "char",
        "varchar",
        "tinytext",
        "text",
        "mediumtext",
        "longtext",
        "enum",
        "set",
        "json",
        "binary",
        "varbinary",
        "tinyblob",
        "blob",
        "mediumblob",
        "longblob",
        "uuid",
        "inet4",
        "inet6",
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    ]
)
"""Types of columns that the program ``octane_wire`` copies."""
_SETTINGS = ("innodb_page_size", "local_infile", "lower_case_table_names", "max_allowed_packet")
_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
# As the server itself writes a view down: names quoted, the database with each table.
_READS = re.compile(r"\b(?:from|join)\s*\(*`((?:[^`]|``)+)`\.`((?:[^`]|``)+)`", re.IGNORECASE)
_QUOTED = re.compile(r"(`(?:[^`]|``)*`)|'(?:[^'\\]|\\.|'')*'", re.DOTALL)
"""A name, or a text, in which a name may stand that is none."""
_WITH_DEFINERS = (
    "SELECT definer AS definer, 'view' AS kind, table_schema AS d, table_name AS name, security_type AS runs_as "
    "FROM information_schema.views",
    "SELECT definer, 'routine', routine_schema, routine_name, security_type FROM information_schema.routines",
    "SELECT definer, 'trigger', trigger_schema, trigger_name, 'DEFINER' FROM information_schema.triggers",
    "SELECT definer, 'event', event_schema, event_name, 'DEFINER' FROM information_schema.events",
)


def source(databases):
    """
    What databases of this node's server hold beside ordinary tables, and with which settings they are kept.

    :return: ``{"found": {kind: [names]}, "engines": {engine: [tables]}, "definers": {account: [what runs as it]},
        "settings": {name: value}}``; of ``found`` nothing can be copied as it is: ``names`` (that no statement takes),
        ``unopened`` (tables that the server cannot open), ``special`` (neither table nor view), ``columns`` (of unknown
        types), ``views`` (that cannot be read, with the server's words), ``beyond`` (what refers to other databases),
        ``events`` (that are enabled), ``without_mysqldump`` (views and programs, where that program is missing)

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_copyable.source '[nova, glance]'
    """
    tables = _tables(databases)
    ordinary = [row for row in tables if row["kind"] == "BASE TABLE"]
    views = [row for row in tables if row["kind"] == "VIEW"]
    programs = _with_definers(databases)
    found = {
        "names": _odd_names(databases),
        "unopened": [_name(row) for row in ordinary if row["engine"] is None or row["counted"] is None],
        "special": [f"{_name(row)} ({row['kind']})" for row in tables if row not in ordinary and row not in views],
        "columns": _unknown_columns(databases),
        "views": list(filter(None, map(_unreadable, views))),
        "beyond": [*_foreign_keys_beyond(databases), *_views_beyond(databases, views)],
        "events": _enabled_events(databases),
        "without_mysqldump": [] if shutil.which("mysqldump") else list(map(_kind_and_name, programs)),
    }
    engines = {}
    for row in ordinary:
        if row["engine"]:
            engines.setdefault(row["engine"], []).append(_name(row))
    definers = {}
    for row in programs:
        if row["runs_as"] == "DEFINER" and row["definer"]:
            definers.setdefault(row["definer"], []).append(_kind_and_name(row))
    return {"found": found, "engines": engines, "definers": definers, "settings": _settings()}


def target(definers):
    """
    What this node's server would make of a copy.

    :param definers: accounts (``user@host``) that something in the copy runs as
    :return: ``{"engines": [those it has], "missing": [accounts that it does not have], "settings": {name: value}}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_copyable.target '[nova@localhost]'
    """
    there = {row["account"] for row in _query("SELECT CONCAT(User, '@', Host) AS account FROM mysql.user")}
    engines = [row["Engine"] for row in _query("SHOW ENGINES") if row["Support"] in ("YES", "DEFAULT")]
    return {"engines": engines, "missing": sorted(set(definers) - there), "settings": _settings()}


def _tables(databases):
    rows = _query(
        "SELECT table_schema AS d, table_name AS name, table_type AS kind, engine AS engine, "
        # Its definition alone tells nothing of whether a table can be opened.
        "table_rows AS counted "
        f"FROM information_schema.tables WHERE table_schema IN ({_listed(databases)}) ORDER BY 1, 2"
    )
    return [row for row in rows if row["d"] in databases]


def _odd_names(databases):
    """Of tables, views and their columns."""
    rows = _query(
        "SELECT table_schema AS d, table_name AS name, column_name AS c FROM information_schema.columns "
        f"WHERE table_schema IN ({_listed(databases)})"
    )
    odd = {}
    for row in rows:
        if not _is_name(row["name"]):
            odd[_name(row)] = None
        elif not _is_name(row["c"]):
            odd[f"{_name(row)}.{row['c'] or 'NULL'}"] = None
    return list(odd)


def _is_name(name):
    # The client writes NULL for a name that is this word as well.
    if name is None or name.startswith("#mysql50#"):
        return False
    try:
        __salt__["octane_mysql.identifier"](name)
    except CommandExecutionError:
        return False
    return True


def _unknown_columns(databases):
    known = ", ".join(f"'{kind}'" for kind in sorted(KINDS))
    rows = _query(
        "SELECT c.table_schema AS d, c.table_name AS name, c.column_name AS c, c.data_type AS kind "
        "FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) "
        f"WHERE t.table_type <> 'VIEW' AND c.data_type NOT IN ({known}) "
        f"AND c.table_schema IN ({_listed(databases)})"
    )
    return [f"{_name(row)}.{row['c']} ({row['kind']})" for row in rows]


def _unreadable(view):
    """The view with what the server says of it, ``None`` when it can be read."""
    if not _is_name(view["name"]):
        return None
    try:
        _query(f"SELECT * FROM {_quoted(view['d'])}.{_quoted(view['name'])} LIMIT 0")
    except CommandExecutionError as error:
        return f"{_name(view)} ({str(error).partition('ERROR ')[2] or error})"
    return None


def _foreign_keys_beyond(databases):
    rows = _query(
        "SELECT constraint_schema AS d, table_name AS name, unique_constraint_schema AS other "
        f"FROM information_schema.referential_constraints WHERE constraint_schema IN ({_listed(databases)}) ORDER BY 1"
    )
    return [f"a foreign key of {_name(row)} to {row['other']}" for row in rows if row["other"] not in databases]


def _views_beyond(databases, views):
    """A view of a database is made when its tables are there, and those of the others, but not yet their views."""
    rows = _query(
        "SELECT table_schema AS d, table_name AS name, view_definition AS text FROM information_schema.views "
        f"WHERE table_schema IN ({_listed(databases)}) ORDER BY 1, 2"
    )
    known = {(view["d"], view["name"]) for view in views}
    found = []
    for row in rows:
        text = _QUOTED.sub(lambda quoted: quoted[1] or "''", row["text"] or "")
        read = {tuple(name.replace("``", "`") for name in match) for match in _READS.findall(text)}
        others = {one for one in read if one[0] != row["d"]}
        beyond = sorted(one for one in others if one[0] not in (*databases, *_SYSTEM) or one in known)
        found += [f"the view {_name(row)} to {database}.{table}" for database, table in beyond]
    return found


def _enabled_events(databases):
    rows = _query(
        "SELECT event_schema AS d, event_name AS name FROM information_schema.events "
        f"WHERE status = 'ENABLED' AND event_schema IN ({_listed(databases)}) ORDER BY 1, 2"
    )
    return [_name(row) for row in rows]


def _with_definers(databases):
    """Views, routines, triggers and events."""
    listed = f"SELECT * FROM ({' UNION ALL '.join(_WITH_DEFINERS)}) AS o WHERE d IN ({_listed(databases)})"
    return [row for row in _query(f"{listed} ORDER BY kind, d, name") if row["d"] in databases]


def _settings():
    wanted = ", ".join(f"'{name}'" for name in _SETTINGS)
    rows = _query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({wanted})")
    return {row["Variable_name"]: row["Value"] for row in rows}


def _listed(databases):
    return ", ".join(__salt__["octane_mysql.text"](name) for name in databases) or "''"


def _name(row):
    return f"{row['d']}.{row['name'] or 'NULL'}"


def _kind_and_name(row):
    return f"{row['kind']} {_name(row)}"


def _quoted(name):
    return __salt__["octane_mysql.identifier"](name)


def _query(statement):
    return __salt__["octane_mysql.query"](statement)
