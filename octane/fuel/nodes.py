"""Nodes of a Fuel master: what they are, and the layout of their disks and interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from octane.errors import BadInput
from octane.fuel._fuelclient import Node as _Node
from octane.fuel.client import Connection

_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Node:
    """One node as `GET nodes` shows it.

    `status` is one of discover, provisioning, provisioned, deploying, ready, error, removing (observed on Nailgun 7.0).
    `deployed` and `pending` are role names; until a deployment message is built all roles are pending.
    `addresses` maps a network's name to "a.b.c.d/len"; networks without an address on this node are left out.
    """

    id: int
    hostname: str
    fqdn: str
    environment: int | None
    status: str
    error: str | None
    online: bool
    admin_address: str
    deployed: frozenset[str]
    pending: frozenset[str]
    pending_addition: bool
    pending_deletion: bool
    addresses: dict[str, str]
    disks: tuple[int, ...]

    @classmethod
    def from_api(cls, data: dict[str, Any]) -> Node:
        """The node of one element of `GET nodes`; disk sizes become MiB."""
        fqdn = data.get("fqdn") or f"node-{data['id']}"
        return cls(
            id=data["id"],
            # 6.1 has no hostname key.
            hostname=data.get("hostname") or fqdn.partition(".")[0],
            fqdn=fqdn,
            environment=data.get("cluster"),
            status=data["status"],
            error=data.get("error_type") if data["status"] == "error" else None,
            online=bool(data.get("online")),
            admin_address=data.get("ip") or "",
            deployed=frozenset(data.get("roles") or ()),
            pending=frozenset(data.get("pending_roles") or ()),
            pending_addition=bool(data.get("pending_addition")),
            pending_deletion=bool(data.get("pending_deletion")),
            addresses={net["name"]: net["ip"] for net in data.get("network_data") or () if net.get("ip")},
            disks=tuple(disk["size"] // 2**20 for disk in (data.get("meta") or {}).get("disks") or ()),
        )

    @property
    def roles(self) -> frozenset[str]:
        """Deployed and pending roles together."""
        return self.deployed | self.pending

    @property
    def minion(self) -> str:
        """The node's Salt minion id: its short host name.

        :raises BadInput: when Fuel's host name is none
        """
        if not _HOSTNAME.fullmatch(self.hostname):
            raise BadInput(f"node {self.id} has the host name {self.hostname!r}, which is none")
        return self.hostname


def controllers(nodes: Iterable[Node]) -> list[Node]:
    """The controllers among NODES by ascending id: pending ones included, those marked for deletion not."""
    found = [node for node in nodes if "controller" in node.roles and not node.pending_deletion]
    return sorted(found, key=lambda node: node.id)


class NodeLayout:
    """Disks and interfaces of one node, as lists of the API's own dictionaries.

    A disk: {"id", "name", "size" MiB, "extra", "volumes": [{"name", "size" MiB, "keep_data"}]}; an interface: {"id",
    "name", "mac", "pxe", "type" "ether"|"bond", "assigned_networks": [{"id", "name"}], "interface_properties"}.
    """

    def __init__(self, connection: Connection, node_id: int) -> None:
        self._node = _Node(node_id)
        self._node.connection = connection
        self._connection = connection

    def disks(self) -> list[dict[str, Any]]:
        return self._node.get_attribute("disks")

    def set_disks(self, disks: list[dict[str, Any]]) -> None:
        self._node.upload_node_attribute("disks", disks)

    def minimum_sizes(self) -> dict[str, int]:
        """{volume name: least size in MiB}, for the roles the node is to have."""
        volumes = self._connection.get_request(f"nodes/{self._node.id}/volumes/")
        return {volume["name"]: volume["min_size"] for volume in volumes}

    def interfaces(self) -> list[dict[str, Any]]:
        return self._node.get_attribute("interfaces")

    def set_interfaces(self, interfaces: list[dict[str, Any]]) -> None:
        self._node.upload_node_attribute("interfaces", interfaces)
