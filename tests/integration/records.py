"""Records of OpenStack's services and agents in the databases: whose there are, and those of a host that is gone."""

from __future__ import annotations

from demo.commands import Commands
from tests.integration import observe

GONE = "node-77"
"""A host that neither environment has."""
LONG_AGO = "UTC_TIMESTAMP() - INTERVAL 1 DAY"
OF_GONE = f"REGEXP_REPLACE(`{{column}}`, '^node-[0-9]+', '{GONE}')"
TABLES: dict[str, tuple[str, dict[str, str | None]]] = {
    "nova.services": (
        "deleted = 0",
        {"id": None, "uuid": "UUID()", "host": OF_GONE, "updated_at": LONG_AGO, "last_seen_up": LONG_AGO},
    ),
    "cinder.services": ("deleted = 0", {"id": None, "uuid": "UUID()", "host": OF_GONE, "updated_at": LONG_AGO}),
    "neutron.agents": ("1 = 1", {}),
    "heat.service": (
        "deleted_at IS NULL",
        {"id": "UUID()", "engine_id": "UUID()", "host": OF_GONE, "hostname": OF_GONE, "updated_at": LONG_AGO},
    ),
}
"""Table -> which rows are not deleted, and what of a row is its host's own or no other row's: the expression that makes
the column for another host; no expression where the server counts it. Nothing is said of agents, see below."""


def hosts(lab: Commands, server: str) -> dict[str, set[str]]:
    """The hosts of the records of each table, by their short names, as the database of SERVER has them."""
    found = {}
    for table, (live, _) in TABLES.items():
        names = observe.query(lab, server, f"SELECT DISTINCT host FROM {table} WHERE {live}")
        found[table] = {name.partition("@")[0].partition(".")[0] for name in names}
    return found


def leave(lab: Commands, server: str) -> None:
    """Give GONE the records that the living host SERVER has, as if it had been one like it until yesterday."""
    leave_agent(lab, server, GONE)
    for table, (live, own) in TABLES.items():
        if not own:
            continue
        columns = [name for name in columns_of(lab, server, table) if own.get(name, name) is not None]
        values = ", ".join((own.get(name) or "`{column}`").format(column=name) for name in columns)
        names = ", ".join(f"`{name}`" for name in columns)
        whose = f"{live} AND host REGEXP '^{server}([.@]|$)'"
        observe.query(lab, server, f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {whose}")


def leave_agent(lab: Commands, server: str, host: str) -> None:
    """Let Neutron remember an agent of HOST that reported last long ago; most profiles of the lab have none to copy."""
    columns = "id, agent_type, `binary`, topic, host, admin_state_up, created_at, started_at, heartbeat_timestamp"
    words = f"'Open vSwitch agent', 'neutron-openvswitch-agent', 'N/A', '{host}.domain.tld'"
    values = f"UUID(), {words}, 1, {LONG_AGO}, {LONG_AGO}, {LONG_AGO}, '{{}}'"
    observe.query(lab, server, f"INSERT INTO neutron.agents ({columns}, configurations) VALUES ({values})")


def columns_of(lab: Commands, server: str, table: str) -> list[str]:
    database, name = table.split(".")
    whose = f"table_schema = '{database}' AND table_name = '{name}'"
    return observe.query(lab, server, f"SELECT column_name FROM information_schema.columns WHERE {whose}")
