"""The Fuel master's API: environments, nodes, tasks, facts, and what is computed from them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from octane.errors import BadInput
from octane.fuel.client import Connection
from octane.fuel.credentials import Credentials, read
from octane.fuel.environment import Environment
from octane.fuel.errors import NotFound
from octane.fuel.nodes import Node, NodeLayout
from octane.fuel.tasks import Task, Tasks


class Fuel:
    """The Fuel master; connects at the first question.

    Without CREDENTIALS they are read as `octane.fuel.credentials.read` says.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials

    @cached_property
    def connection(self) -> Connection:
        return Connection(self._credentials or read())

    @cached_property
    def tasks(self) -> Tasks:
        return Tasks(self.connection)

    def version(self) -> dict[str, Any]:
        """`release` ("7.0"), `openstack_version` ("2015.1.0-7.0"), ...; proves that the credentials are right."""
        return self.connection.get_request("version")

    def releases(self) -> list[dict[str, Any]]:
        """Every release: id, name, version, operating_system, state, is_deployable, ..."""
        return self.connection.get_request("releases/")

    def release_tasks(self, release_id: int) -> list[dict[str, Any]]:
        """The deployment tasks that environments of a release start with."""
        return self.connection.get_request(f"releases/{release_id}/deployment_tasks")

    def environments(self) -> list[dict[str, Any]]:
        """Every environment as the API shows it, by ascending id."""
        return sorted(self.connection.get_request("clusters/"), key=lambda data: data["id"])

    def environment(self, environment_id: int) -> Environment:
        return Environment(self.connection, environment_id)

    def nodes(self) -> list[Node]:
        """Every node the master knows, by ascending id."""
        return sorted((Node.from_api(data) for data in self.connection.get_request("nodes/")), key=lambda node: node.id)

    def node(self, node_id: int) -> Node:
        """:raises BadInput: when there is no such node"""
        try:
            return Node.from_api(self.connection.get_request(f"nodes/{node_id}/"))
        except NotFound as error:
            raise BadInput(f"there is no node {node_id} on this Fuel master (see `fuel2 node list`)") from error

    def layout(self, node_id: int) -> NodeLayout:
        return NodeLayout(self.connection, node_id)

    def set_pending_roles(self, node_id: int, roles: list[str]) -> None:
        """What a node of an environment is to become when it is deployed."""
        self.connection.put_request("nodes/", [{"id": node_id, "pending_roles": roles}])

    def set_node_status(self, node_id: int, status: str) -> None:
        self.connection.put_request("nodes/", [{"id": node_id, "status": status}])


def connect(credentials: Credentials | None = None) -> Fuel:
    """The Fuel master of this machine, or the one that CREDENTIALS name."""
    return Fuel(credentials)


__all__ = ["Credentials", "Environment", "Fuel", "Node", "Task", "connect"]
