"""An environment as deployment facts describe it: nodes, addresses, VIPs, passwords.

The shape of the facts was observed on Nailgun 6.1 and 7.0: one element per node and role; 6.1 has the VIPs as flat keys
(``management_vip``, ``management_vrouter_vip``), 7.0 in ``network_metadata``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from typing import Any

from .errors import UnsupportedFacts

CONTROLLER_ROLES = ("primary-controller", "controller")

OPENSTACK_OF_FUEL = {"6.1": "2023.1", "7.0": "2024.1"}
"""The OpenStack that stands for a Fuel release's own (Juno, Kilo): two of today's, one apart in the upgrade's eyes."""

FLAT_VIPS = {
    "management": "management_vip",
    "public": "public_vip",
    "vrouter": "management_vrouter_vip",
    "vrouter_pub": "public_vrouter_vip",
}
"""6.1's key for what 7.0 calls the VIP."""

NETWORK_ROLES = {"management": ("mgmt/vip", "management"), "public": ("public/vip", "ex")}
"""Network roles that lead to a network's bridge: 7.0's name, then 6.1's."""


def is_in_ceph(storage: Mapping[str, Any]) -> bool:
    """Whether Fuel's settings of storage put anything into Ceph."""
    return any(value is True for name, value in storage.items() if name.endswith("_ceph"))


@dataclass(frozen=True)
class Node:
    """A node of an environment. ``addresses``: network name (management, public, storage) to IPv4 address."""

    uid: str
    name: str
    fqdn: str
    roles: tuple[str, ...]
    addresses: Mapping[str, str]

    @property
    def is_controller(self) -> bool:
        return any(role in CONTROLLER_ROLES for role in self.roles)

    @property
    def management(self) -> str:
        return self.addresses["management"]


@dataclass(frozen=True)
class Environment:
    """What all nodes of one environment share.

    ``vips``: management, public, vrouter, vrouter_pub to address. ``settings``: the facts of the primary controller (of
    any node where none is deployed). ``facts``: uid to the elements to deploy, one per role. ``agents``: it has
    Neutron's own agents and guests in QEMU, where others have stand-ins; the lab's choice, of which no facts speak.
    """

    identifier: int
    fuel_release: str
    nodes: tuple[Node, ...]
    vips: Mapping[str, str]
    settings: Mapping[str, Any]
    facts: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    agents: bool = False

    @property
    def openstack_release(self) -> str:
        return OPENSTACK_OF_FUEL[self.fuel_release]

    @property
    def controllers(self) -> list[Node]:
        """Controllers, the primary one first, then by id."""
        found = [node for node in self.nodes if node.is_controller]
        return sorted(found, key=lambda node: ("primary-controller" not in node.roles, int(node.uid)))

    @property
    def computes(self) -> list[Node]:
        return [node for node in self.nodes if "compute" in node.roles]

    @property
    def storage_nodes(self) -> list[Node]:
        """Nodes with OSDs."""
        return [node for node in self.nodes if "ceph-osd" in node.roles]

    @property
    def has_ceph(self) -> bool:
        """Whether anything of the environment is kept in Ceph."""
        return is_in_ceph(self.settings.get("storage", {}))

    @property
    def has_objects(self) -> bool:
        """Whether objects are served out of Ceph."""
        return self.settings.get("storage", {}).get("objects_ceph") is True

    @property
    def primary(self) -> Node:
        return self.controllers[0]

    def node(self, uid: str) -> Node:
        return next(node for node in self.nodes if node.uid == uid)

    def was_ready(self, uid: str) -> bool:
        """Whether a controller had been deployed when the facts were computed: one that is not among those to be
        deployed now was."""
        return all(element.get("status") == "ready" for element in self.facts.get(uid, ()))

    def scheme(self, uid: str) -> Mapping[str, Any]:
        """The network scheme of a node that is being deployed."""
        return self.facts[uid][0]["network_scheme"]

    def bridge(self, network: str) -> str:
        """The bridge of ``management`` or ``public`` on controllers."""
        roles = self.settings["network_scheme"]["roles"]
        return next(roles[name] for name in NETWORK_ROLES[network] if name in roles)

    def prefix(self, network: str) -> int:
        """Length of the network mask of ``management`` or ``public``."""
        addresses = self.settings["network_scheme"]["endpoints"][self.bridge(network)]["IP"]
        return IPv4Interface(addresses[0]).network.prefixlen

    def gateway(self, network: str) -> str | None:
        """The gateway behind a controller's bridge, None where the facts give none or say ``none``."""
        given = self.settings["network_scheme"]["endpoints"][self.bridge(network)].get("gateway")
        return None if given in (None, "", "none") else str(given)


def parse(facts: Sequence[Mapping[str, Any]], agents: bool = False) -> Environment:
    """The environment that ``facts`` describe. Raises UnsupportedFacts naming what is missing or unknown."""
    if not facts:
        raise UnsupportedFacts("there are no deployment facts: no node was named")
    by_uid: dict[str, list[Mapping[str, Any]]] = {}
    for element in facts:
        by_uid.setdefault(str(element["uid"]), []).append(element)
    settings = next((element for element in facts if element["role"] in CONTROLLER_ROLES), facts[0])
    return Environment(
        identifier=int(settings["deployment_id"]),
        fuel_release=_fuel_release(settings),
        nodes=_nodes(settings["nodes"]),
        vips=_vips(settings),
        settings=settings,
        facts=by_uid,
        agents=agents,
    )


def _fuel_release(settings: Mapping[str, Any]) -> str:
    version = str(settings["openstack_version"])
    release = version.rpartition("-")[2]
    if release not in OPENSTACK_OF_FUEL:
        raise UnsupportedFacts(f"release {version} is none that this lab deploys ({', '.join(OPENSTACK_OF_FUEL)})")
    return release


def _nodes(entries: Sequence[Mapping[str, Any]]) -> tuple[Node, ...]:
    """One Node per uid; the facts have an entry per node and role."""
    merged: dict[str, dict[str, Any]] = {}
    for entry in entries:
        seen = merged.setdefault(str(entry["uid"]), {**entry, "roles": []})
        seen["roles"].append(entry["role"])
    keys = {"management": "internal_address", "public": "public_address", "storage": "storage_address"}
    return tuple(
        Node(
            uid=uid,
            name=entry["name"],
            fqdn=entry["fqdn"],
            roles=tuple(entry["roles"]),
            addresses={network: entry[key] for network, key in keys.items() if entry.get(key)},
        )
        for uid, entry in sorted(merged.items(), key=lambda pair: int(pair[0]))
    )


def _vips(settings: Mapping[str, Any]) -> dict[str, str]:
    named = settings.get("network_metadata", {}).get("vips", {})
    found = {}
    for name, flat in FLAT_VIPS.items():
        address = named.get(name, {}).get("ipaddr") or settings.get(flat)
        if not address:
            raise UnsupportedFacts(f"the facts of environment {settings.get('deployment_id')} name no VIP {name}")
        found[name] = address
    return found
