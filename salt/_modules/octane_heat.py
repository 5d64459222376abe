"""
What Heat's configuration on this node expects to find in Keystone: the domain of the users that stacks make.
"""

CONFIG = "/etc/heat/heat.conf"
# Juno calls the option by an older name; Fuel 6.1 writes an id, 7.0 the name "heat".
_IDS = ("stack_user_domain_id", "stack_user_domain")
# Up to Kilo domains are a table, from Mitaka on projects of their own; users' names move in Mitaka.
_DOMAINS = {"domain": (), "project": ("is_domain",)}
"""Tables of domains, and which of their columns say of a row that it is one."""
_USERS = ("user", "local_user")


def stack_domain(config=CONFIG):
    """
    The domain of stacks' users as Heat is told it.

    :return: ``{"id", "name", "admin": str or None}``; ``{}`` where Heat is told none

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_heat.stack_domain
    """
    options = (*_IDS, "stack_user_domain_name", "stack_domain_admin")
    told = {option: __salt__["octane_options.get"](config, "DEFAULT", option) for option in options}
    number = next((told[option] for option in _IDS if told[option]), None)
    name = None if number else told["stack_user_domain_name"]
    return {"id": number, "name": name, "admin": told["stack_domain_admin"]} if number or name else {}


def unknown(domain, database="keystone"):
    """
    What of another node's :func:`stack_domain` the Keystone database of this node does not have. Heat starts without
    it, and fails at the first stack with a user of its own.

    :return: sentences

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_heat.unknown '{id: null, name: heat, admin: heat_admin}'
    """
    if not domain:
        return []
    columns = _columns(database)
    key, value = ("id", domain["id"]) if domain.get("id") else ("name", domain["name"])
    found = _domains(database, columns, key, value)
    if not found:
        return [f"Keystone has no domain of the {key} {value}"]
    admin = domain.get("admin")
    if admin and not any(_has_user(database, columns, number, admin) for number in found):
        return [f"Keystone has no user {admin} in the domain of the {key} {value}"]
    return []


def _domains(database, columns, key, value):
    """Ids of the domains whose KEY is VALUE."""
    found = set()
    for table, marks in _DOMAINS.items():
        if {"id", "name", *marks} <= columns.get(table, set()):
            wanted = [f"`{key}` = {_text(value)}", *(f"`{mark}` = 1" for mark in marks)]
            found.update(_ids(database, table, wanted))
    return sorted(found)


def _has_user(database, columns, domain, name):
    wanted = [f"`domain_id` = {_text(domain)}", f"`name` = {_text(name)}"]
    return any(
        _ids(database, table, wanted) for table in _USERS if {"domain_id", "name"} <= columns.get(table, set())
    )


def _ids(database, table, conditions):
    place = f"{__salt__['octane_mysql.identifier'](database)}.`{table}`"
    rows = __salt__["octane_mysql.query"](f"SELECT id FROM {place} WHERE {' AND '.join(conditions)}")
    return [row["id"] for row in rows]


def _columns(database):
    tables = ", ".join(f"'{table}'" for table in (*_DOMAINS, *_USERS))
    rows = __salt__["octane_mysql.query"](
        "SELECT table_name AS `table`, column_name AS `column` FROM information_schema.columns "
        f"WHERE table_schema = {_text(database)} AND table_name IN ({tables})"
    )
    found = {}
    for row in rows:
        found.setdefault(row["table"], set()).add(row["column"])
    return found


def _text(value):
    return __salt__["octane_mysql.text"](value)
