"""The database cluster: MariaDB with Galera on 3307 of the management network, behind 3306 of the management VIP."""

from __future__ import annotations

from typing import Any

from lab.wait import until

from .environment import Environment, Node
from .files import TEMPLATES, File, render

PORT = 3307
CHECK_PORT = 49000

DATABASES = {
    "keystone": ["keystone"],
    "nova": ["nova", "nova_api", "nova_cell0"],
    "glance": ["glance"],
    "neutron": ["neutron"],
    "cinder": ["cinder"],
    "heat": ["heat"],
    "placement": ["placement"],
}
"""Database user (one per service) to its schemas."""

MY_CNF = """[client-server]
socket = /var/run/mysqld/mysqld.sock

!includedir /etc/mysql/conf.d/
"""

CHECK_SOCKET = """[Unit]
Description=Database check for HAProxy

[Socket]
ListenStream={address}:{port}
Accept=yes
FreeBind=yes

[Install]
WantedBy=sockets.target
"""

CHECK_SERVICE = """[Unit]
Description=Database check for HAProxy
CollectMode=inactive-or-failed

[Service]
ExecStart=-/usr/bin/clustercheck
StandardInput=socket
StandardError=null
LogLevelMax=warning
"""


def files(environment: Environment, node: Node) -> list[File]:
    """Configuration of the database on one controller."""
    context = {
        "address": node.management,
        "name": node.name,
        "port": PORT,
        "peers": [peer.management for peer in environment.controllers],
    }
    password = environment.settings["mysql"]["wsrep_password"]
    return [
        File("/etc/mysql/my.cnf", MY_CNF),
        File("/etc/mysql/conf.d/wsrep.cnf", render("wsrep.cnf.j2", context)),
        File("/etc/mysql/clustercheck.cnf", f"[client]\nuser=clustercheck\npassword={password}\n", 0o600),
        File("/usr/bin/clustercheck", (TEMPLATES / "clustercheck.sh").read_text(encoding="utf-8"), 0o755),
        File("/etc/systemd/system/clustercheck.socket", CHECK_SOCKET.format(address=node.management, port=CHECK_PORT)),
        File("/etc/systemd/system/clustercheck@.service", CHECK_SERVICE),
    ]


def passwords(environment: Environment) -> dict[str, str]:
    """Password of each service's database user. Placement is younger than Fuel: it has nova's."""
    settings = environment.settings
    return {
        "keystone": settings["keystone"]["db_password"],
        "nova": settings["nova"]["db_password"],
        "glance": settings["glance"]["db_password"],
        "neutron": settings["quantum_settings"]["database"]["passwd"],
        "cinder": settings["cinder"]["db_password"],
        "heat": settings["heat"]["db_password"],
        "placement": settings["nova"]["db_password"],
    }


def statements(environment: Environment) -> str:
    """SQL that makes users and empty schemas; may run again."""
    root = literal(environment.settings["mysql"]["root_password"])
    check = literal(environment.settings["mysql"]["wsrep_password"])
    lines = [
        f"ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD({root}) OR unix_socket;",
        f"CREATE USER IF NOT EXISTS clustercheck@localhost IDENTIFIED BY {check};",
        f"ALTER USER clustercheck@localhost IDENTIFIED BY {check};",
    ]
    for user, password in passwords(environment).items():
        lines.append(f"CREATE USER IF NOT EXISTS {user}@'%' IDENTIFIED BY {literal(password)};")
        lines.append(f"ALTER USER {user}@'%' IDENTIFIED BY {literal(password)};")
        for schema in DATABASES[user]:
            lines.append(f"CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb3;")
            lines.append(f"GRANT ALL ON {schema}.* TO {user}@'%';")
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """``text`` as a string of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def status(host: Any, name: str) -> str:
    """A wsrep status variable of the node's server, empty when the server does not answer."""
    answer = host.run(["mysql", "-NBe", f"SHOW STATUS LIKE 'wsrep_{name}'"], check=False)
    return answer.stdout.strip().partition("\t")[2]


def is_synced(host: Any) -> bool:
    return status(host, "local_state_comment") == "Synced"


def bootstrap(host: Any, environment: Environment) -> None:
    """Start the first node as a cluster of its own, with users and schemas; later runs find it synced."""
    if not is_synced(host):
        host.run(["galera_new_cluster"], timeout=120)
    until(lambda: is_synced(host), 60, f"the database of {host.name} to be synced")
    host.run(["mysql"], input=statements(environment))
