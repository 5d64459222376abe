"""The part of a deployment that concerns one node alone: facts, network, configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import cluster, galera, haproxy, netconfig, network, nodefiles, openstack, rabbitmq
from .environment import Environment, Node
from .files import File, write

HIERA_TASKS = frozenset({"hiera", "globals"})
NETWORK_TASKS = frozenset({"netconfig"})
KNOWN_TASKS = HIERA_TASKS | NETWORK_TASKS
"""Deployment tasks of Fuel that this deployer runs by themselves."""

BROKER_HOME = "/var/lib/rabbitmq"


def hiera(host: Any, environment: Environment, node: Node) -> None:
    """The facts on the node, where Fuel's tasks look for them."""
    write(host, nodefiles.facts_files(environment, node))
    nodefiles.make_links(host, nodefiles.links(environment, node))


def netconfig_task(host: Any, environment: Environment, node: Node) -> None:
    """Names and network. Raises UnsupportedFacts before anything is changed, CommandFailed."""
    planned = network.devices(environment.scheme(node.uid), node.name)
    write(host, nodefiles.names(environment, node))
    netconfig.apply(host, planned)
    host.run(["sysctl", "-q", "--system"], check=False)


def services(host: Any, environment: Environment, node: Node, venv: Path) -> list[str]:
    """Configuration of everything that the node's roles run; returns the paths that changed."""
    for folder in openstack.folders(environment, node):
        (host.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    changed = write(host, openstack.files(environment, node, venv))
    openstack.link_commands(host, venv)
    if node.is_controller:
        replace_link(host, "/etc/mysql/my.cnf")
        changed += write(host, controller_files(environment, node))
        host.run(["chown", "-R", rabbitmq.OWNER, BROKER_HOME])
    host.run(["systemctl", "daemon-reload"])
    return changed


def controller_files(environment: Environment, node: Node) -> list[File]:
    """Files of a controller besides OpenStack's own."""
    return [
        *nodefiles.credentials(environment),
        *galera.files(environment, node),
        *rabbitmq.files(environment, node),
        *cluster.files(environment),
        *haproxy.files(environment),
    ]


def replace_link(host: Any, path: str) -> None:
    """Debian keeps this file behind a link of its alternatives; here it is a file."""
    link = host.root / path.lstrip("/")
    if link.is_symlink():
        link.unlink()
