"""One Fuel environment ("cluster" in its API): what it is, what it is made of, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from octane.errors import BadInput
from octane.fuel._fuelclient import Environment as _Environment
from octane.fuel._fuelclient import ServerDataException
from octane.fuel.client import Connection
from octane.fuel.errors import MethodNotAllowed, NoSuchUrl, NotFound
from octane.fuel.nodes import Node

Fact = dict[str, Any]


class Environment:
    """Environment ID of the master behind CONNECTION; nothing is read before it is asked for.

    Functions that start something return the id of the task to wait for (`octane.fuel.tasks`).
    """

    def __init__(self, connection: Connection, environment_id: int) -> None:
        self.id = environment_id
        self._connection = connection
        self._client = _Environment(environment_id)
        self._client.connection = connection

    def data(self) -> dict[str, Any]:
        """The environment as the API shows it: name, status, mode, net_provider, release_id, fuel_version ...

        :raises BadInput: when there is none of this id
        """
        try:
            return self._client.get_fresh_data()
        except NotFound as error:
            known = sorted(data["id"] for data in self._connection.get_request("clusters/"))
            there = ", ".join(map(str, known)) or "none"
            raise BadInput(f"there is no environment {self.id} on this Fuel master; there are {there}") from error

    def exists(self) -> bool:
        """False when the API answers that there is none of this id."""
        try:
            self._client.update()
        except NotFound:
            return False
        return True

    def nodes(self) -> list[Node]:
        """Its nodes by ascending id."""
        found = self._connection.get_request("nodes/", params={"cluster_id": self.id})
        return sorted((Node.from_api(data) for data in found), key=lambda node: node.id)

    # Settings and networks

    def attributes(self) -> dict[str, Any]:
        """The editable settings: {section: {name: {"value": ...}, "metadata": {...}}}."""
        return self._client.get_attributes()["editable"]

    def set_attributes(self, editable: dict[str, Any]) -> None:
        """Merge EDITABLE, sections as `attributes` returns them, into the settings.

        :raises Forbidden: once a node of the environment is deployed, for nearly every section
        """
        self._client.update_attributes({"editable": editable})

    def network(self) -> dict[str, Any]:
        """The network configuration: `networks`, `networking_parameters`, and the VIPs.

        There is no counterpart that writes it: on an environment that was not deployed yet a PUT throws away the VIPs
        and all addresses of every network it lists, whatever they are (observed on Nailgun 7.0).
        """
        return self._client.get_network_data()

    # Becoming a pair

    def clone(self, name: str, release_id: int) -> int:
        """Clone the environment's settings and networks to a new one of RELEASE_ID; returns its id."""
        path = f"clusters/{self.id}/upgrade/clone"
        return self._connection.post_request(path, {"name": name, "release_id": release_id})["id"]

    def clone_ips(self, networks: list[str]) -> Any:
        """Give the seed's controllers the addresses that this, the original's, have in NETWORKS."""
        return self._connection.post_request(f"clusters/{self.id}/upgrade/clone_ips", {"networks": networks})

    def take_over(self, node_id: int) -> int:
        """Move a node that was deployed in another environment here and install its operating system; returns the task.

        It keeps its number, its name, its addresses and the layout of its disks. One that was installed but not
        deployed loses its roles (observed on Nailgun 7.0), see `Fuel.set_pending_roles`.

        :raises OctaneError: the node is neither `ready` nor `provisioned` nor in error of its deployment
        """
        return self._connection.post_request(f"clusters/{self.id}/upgrade/assign", {"node_id": node_id})["id"]

    def has_clone_ips(self) -> bool:
        """Does this Nailgun know clone_ips? It answers 405 to a GET of a URL it knows, and 404 to one it does not."""
        try:
            self._connection.get_request(f"clusters/{self.id}/upgrade/clone_ips")
        except (NoSuchUrl, NotFound):
            return False
        except MethodNotAllowed:
            return True
        return True

    def delete(self) -> None:
        """Delete the environment; the API answers at once and deletes a moment later."""
        self._client.delete()

    # Nodes

    def assign(self, node_ids: Iterable[int], roles: list[str]) -> None:
        """Assign nodes that are in no environment; the API refuses those that are in one."""
        body = [{"id": node_id, "roles": roles} for node_id in node_ids]
        self._connection.post_request(f"clusters/{self.id}/assignment/", body)

    def unassign(self, node_ids: Iterable[int]) -> None:
        """Give nodes back; those that were installed are wiped and come back with a new id at the next deployment."""
        self._client.unassign(list(node_ids))

    def provision(self, node_ids: list[int]) -> int:
        """Install the operating system on NODE_IDS; Nailgun refuses nothing here, so ask about what runs before."""
        return self._start("provision", node_ids, {})

    def run_tasks(self, node_ids: list[int], tasks: list[str]) -> int:
        """Run only the deployment tasks named TASKS on NODE_IDS."""
        return self._start("deploy_tasks", node_ids, tasks)

    def deploy_nodes(self, node_ids: list[int]) -> int:
        """Deploy NODE_IDS, which have their operating system, and no other; the environment's status stays."""
        return self._start("deploy", node_ids, {})

    def deploy_changes(self) -> int:
        """Deploy what is not deployed; the only call after which the environment becomes operational."""
        return self._connection.put_request(f"clusters/{self.id}/changes", {})["id"]

    def _start(self, what: str, node_ids: list[int], body: Any) -> int:
        if not node_ids:
            # An empty list means "the default set" to Nailgun, not "none".
            raise BadInput(f"{what} of environment {self.id} without naming nodes")
        nodes = ",".join(str(node_id) for node_id in node_ids)
        return self._connection.put_request(f"clusters/{self.id}/{what}", body, nodes=nodes)["id"]

    # Deployment tasks and facts

    def deployment_tasks(self) -> list[dict[str, Any]]:
        """The graph of deployment tasks, the release's until it is set."""
        return self._client.get_deployment_tasks()

    def set_deployment_tasks(self, tasks: list[dict[str, Any]]) -> None:
        self._client.update_deployment_tasks(tasks)

    def default_facts(self, node_ids: list[int]) -> list[Fact]:
        """Facts that Nailgun computes for NODE_IDS, one element per node and role, in no order."""
        return self._facts(default=True, nodes=node_ids)

    def facts(self) -> list[Fact]:
        """Facts that were uploaded; [] when none were."""
        return self._facts(default=False)

    def _facts(self, **kwargs: Any) -> list[Fact]:
        try:
            return self._client.get_facts("deployment", **kwargs)
        except ServerDataException:
            return []

    def upload_facts(self, facts: list[Fact]) -> None:
        """Replace the facts of the nodes in FACTS. Nailgun validates nothing of them."""
        self._client.upload_facts("deployment", facts)

    def delete_facts(self) -> None:
        """Delete every uploaded fact: Nailgun's own are used again."""
        self._client.delete_facts("deployment")
