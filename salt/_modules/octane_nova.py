"""
Nova's control plane as one of its controllers sees it: versions spoken, records of services, cells, queues.

Records are read from the databases on this node, where Juno and Caracal look alike; they are deleted through the
service that owns them, so that what hangs on them goes too.
"""

import configparser
import re

from salt.exceptions import CommandExecutionError

CONFIG = "/etc/nova/nova.conf"
_CELL0 = "00000000-0000-0000-0000-000000000000"

# Records of services: database, table, and the columns of name, host and last report; a service counts as up when it
# reported within these seconds (each one's own default).
_RECORDS = {
    "nova": ("nova", "services", "`binary`", "host", "updated_at", 60),
    "cinder": ("cinder", "services", "`binary`", "host", "updated_at", 60),
    "heat": ("heat", "service", "`binary`", "host", "updated_at", 120),
    "neutron": ("neutron", "agents", "`binary`", "host", "heartbeat_timestamp", 75),
}


def upgrade_level(config=CONFIG):
    """
    The release that this node's nova speaks to computes; ``None`` when it is not limited.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.upgrade_level
    """
    return __salt__["octane_options.get"](config, "upgrade_levels", "compute")


def set_upgrade_level(compute, config=CONFIG):
    """
    Write down the release to speak to computes, or none; takes effect when nova's services are restarted.

    :return: ``{"changed": bool}``: whether the file was
    :raises CommandExecutionError: the file does not say so afterwards

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.set_upgrade_level auto
    """
    if compute is not None and not re.fullmatch(r"[a-z]+", compute):
        raise CommandExecutionError(f"not the name of a release: {compute!r}")
    return __salt__["octane_options.put"](config, "upgrade_levels", "compute", compute)


def services():
    """
    Records of nova's, cinder's and heat's services and neutron's agents that are not deleted.

    :return: ``[{"service", "id", "binary", "host": str, "up": bool, "updated": str or None}]``; cinder's host may have
        a backend after ``@``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.services
    """
    there = __salt__["octane_db.databases"]()
    found = []
    for service, (database, table, binary, host, updated, seconds) in _RECORDS.items():
        if database not in there:
            continue
        live = {"nova": "deleted = 0", "cinder": "deleted = 0", "heat": "deleted_at IS NULL"}.get(service, "1 = 1")
        rows = __salt__["octane_mysql.query"](
            f"SELECT id AS `id`, {binary} AS `binary`, {host} AS `host`, {updated} AS `updated`, "
            f"COALESCE({updated} > UTC_TIMESTAMP() - INTERVAL {seconds} SECOND, 0) AS up "
            f"FROM `{database}`.`{table}` WHERE {live}",
            True,
        )
        found += [{"service": service, **row, "up": row["up"] == "1"} for row in rows]
    return found


def delete_service(service, id=None, binary=None, host=None):
    """
    Delete the record of one service that is down.

    :param service: ``nova``, ``cinder``, ``heat`` or ``neutron``
    :param id: as :func:`services` returns it; with it, ``binary`` and ``host`` only say whose it must be
    :return: ``{"deleted": bool}``; gone already is good
    :raises CommandExecutionError: the record is another one's, or the service is up

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.delete_service nova id=12 binary=nova-conductor host=node-1.domain.tld
    """
    if service not in _RECORDS or not (id or (binary and host)):
        raise CommandExecutionError("a record is named by its service and by its id or its binary and host")
    ours = [one for one in services() if one["service"] == service]
    if id:
        matches = [one for one in ours if one["id"] == str(id)]
    else:
        matches = [one for one in ours if (one["binary"], one["host"]) == (binary, host)]
    for one in matches:
        if (binary or one["binary"], host or one["host"]) != (one["binary"], one["host"]):
            raise CommandExecutionError(f"{service} {id} is {one['binary']} on {one['host']}, not {binary} on {host}")
        if one["up"]:
            raise CommandExecutionError(f"{one['binary']} on {one['host']} is up: its record was not deleted")
        _delete(one)
    return {"deleted": bool(matches)}


def compute_queues():
    """
    Queues on which computes wait for orders, and how many consumers each has: ``{"compute.<host>": int}``.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.compute_queues
    """
    command = ["rabbitmqctl", "-q", "list_queues", "name", "consumers"]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=60)
    if done["retcode"]:
        raise CommandExecutionError(f"rabbitmqctl list_queues: {done['stderr'].strip()[-300:]}")
    return parse_queues(done["stdout"])


def parse_queues(text):
    """
    Computes' queues in the output of ``rabbitmqctl list_queues name consumers``, 3.3 to 3.10.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.parse_queues 'compute.node-7 1'
    """
    return {name: int(count) for name, count in re.findall(r"^(compute\.\S+)\s+([0-9]+)\s*$", text, re.MULTILINE)}


def cells():
    """
    Nova's cells, passwords masked; none where the release has no cells of this kind (Juno, Kilo).

    :return: ``[{"uuid", "name", "database", "transport"}]``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.cells
    """
    redact = __salt__["octane_manage.redact"]
    return [
        {"uuid": one["uuid"], "name": one["name"] or "", "database": redact(one["database_connection"]),
         "transport": redact(one["transport_url"])}
        for one in _cells()
    ]  # fmt: skip


def foreign_cells():
    """
    Names of cells whose database or brokers are not those of this controller's own configuration.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.foreign_cells
    """
    return [one["name"] or one["uuid"] for one in _cells() if _connections(one) != _wanted(one)]


def repoint_cells():
    """
    Point every cell to this controller's own database and brokers: a copied database names those of the old cloud.

    :return: names of the cells that were changed

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.repoint_cells
    """
    text = __salt__["octane_mysql.text"]
    changed = []
    for one in _cells():
        if _connections(one) == _wanted(one):
            continue
        database, transport = _wanted(one)
        __salt__["octane_mysql.execute"](
            f"UPDATE nova_api.cell_mappings SET database_connection = {text(database)}, "
            f"transport_url = {text(transport)} WHERE uuid = {text(one['uuid'])}"
        )
        changed.append(one["name"] or one["uuid"])
    return changed


def discover_hosts():
    """
    Make computes that have registered known to the scheduler; names of those that were not.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.discover_hosts
    """
    done = __salt__["octane_manage.run"](["nova-manage", "cell_v2", "discover_hosts", "--verbose"], 300, 1000)
    return sorted(set(re.findall(r"[Cc]reating host mapping for \w+ host '([^']+)'", done["commands"][0]["output"])))


def warm(addresses=None, timeout=10):
    """
    Ask this controller's own APIs for their lists once, behind HAProxy's back: the first such request to a process that
    has just been started takes seconds.

    :param addresses: of this node; those it has in the network of the virtual address when not given
    :param timeout: seconds for one request
    :return: ``{"requests": int, "slowest": seconds, "failed": ["GET <address and path>: why"]}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_nova.warm
    """
    return __salt__["octane_cloud.warm"](addresses, timeout)


def _delete(one):
    if one["service"] == "nova":
        __salt__["octane_cloud.delete_record"]("compute", one["id"])
    elif one["service"] == "neutron":
        __salt__["octane_cloud.delete_record"]("network", one["id"])
    elif one["service"] == "cinder":
        __salt__["octane_manage.run"](["cinder-manage", "service", "remove", one["binary"], one["host"]], 120)
    else:
        # heat-manage can only clean all that are down, not one by name.
        __salt__["octane_rows.delete"]("heat", "service", one["id"], one["host"])


def _cells():
    if "nova_api" not in __salt__["octane_db.databases"]():
        return []
    if "cell_mappings" not in __salt__["octane_db.tables"]("nova_api"):
        return []
    return __salt__["octane_mysql.query"](
        "SELECT uuid, name, database_connection, transport_url FROM nova_api.cell_mappings ORDER BY id", True
    )


def _connections(cell):
    return cell["database_connection"], cell["transport_url"]


def _wanted(cell):
    """Database and brokers of a cell, from ``nova.conf``; cell0 has no brokers, and its database a name of its own."""
    settings = _settings(CONFIG)
    database = settings.get("database", "connection", fallback=None)
    transport = settings.get("DEFAULT", "transport_url", fallback=None)
    if not database or not transport:
        raise CommandExecutionError(f"{CONFIG} names no [database] connection or no transport_url")
    if cell["uuid"] != _CELL0:
        return database, transport
    path, mark, query = database.partition("?")
    return f"{path}_cell0{mark}{query}", "none:///"


def _settings(path):
    settings = configparser.RawConfigParser(strict=False, default_section="")
    with open(path, encoding="utf-8") as stream:
        settings.read_file(stream)
    return settings
