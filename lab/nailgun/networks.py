"""Network groups: the rows of an environment's networks, and how network configuration is read."""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from lab.nailgun import addresses, releases
from lab.nailgun.releases import fixture
from lab.nailgun.state import Row, State

ADMIN = "fuelweb_admin"
ADMIN_ID = 1

PARAMETERS = {
    "base_mac": "fa:16:3e:00:00:00",
    "configuration_template": None,
    "dns_nameservers": ["8.8.4.4", "8.8.8.8"],
    "floating_ranges": [["172.16.0.130", "172.16.0.254"]],
    "gre_id_range": [2, 65535],
    "internal_cidr": "192.168.111.0/24",
    "internal_gateway": "192.168.111.1",
    "net_l23_provider": "ovs",
    "segmentation_type": "vlan",
    "vlan_range": [1000, 1030],
}
"""Networking parameters of a new Neutron environment with VLANs."""


def add_admin(state: State, cidr: str, gateway: str, ranges: list[list[str]]) -> Row:
    """The admin network, shared by all environments; its id is 1."""
    meta = {
        "unmovable": True,
        "use_gateway": True,
        "notation": "ip_ranges",
        "render_addr_mask": None,
        "render_type": None,
        "map_priority": 0,
        "configurable": False,
    }
    row = {"id": ADMIN_ID, "name": ADMIN, "vlan_start": None, "group_id": None, "release": None, "meta": meta}
    return state.insert("networks", row | {"cidr": cidr, "gateway": gateway, "ip_ranges": ranges})


def add_defaults(state: State, group_id: int, release_id: int, segmentation: str = "vlan") -> None:
    """The networks of a new Neutron environment."""
    for row in fixture("networks"):
        if row["name"] == "private" and segmentation != "vlan":
            row = _tunnel_network()
        state.insert("networks", row | {"group_id": group_id, "release": release_id})


def _tunnel_network() -> dict[str, Any]:
    """The network for tunnels between nodes, which stands in the place of ``private``."""
    meta = {
        "name": "private",
        "cidr": "192.168.2.0/24",
        "vlan_start": 103,
        "use_gateway": False,
        "notation": "cidr",
        "render_type": "cidr",
        "render_addr_mask": None,
        "map_priority": 2,
        "configurable": True,
        "seg_type": "tun",
    }
    row = {"name": "private", "cidr": "192.168.2.0/24", "gateway": None, "vlan_start": 103, "meta": meta}
    return row | {"ip_ranges": [["192.168.2.1", "192.168.2.254"]]}


def whole_range(cidr: str, meta: dict[str, Any]) -> list[list[str]]:
    """The range of a network given by CIDR: all of it, but for the first address where that is the gateway's."""
    network = IPNetwork(cidr)
    return [[str(network[2 if meta.get("use_gateway") else 1]), str(network[-2])]]


def group_ids(state: State, cluster: Row) -> list[int]:
    """Ids of the environment's node groups, the default one first."""
    return [row["id"] for row in state.rows("node_groups", cluster=cluster["id"])]


def of_cluster(state: State, cluster: Row) -> list[Row]:
    """The environment's networks by id, and the admin network last, as listings show them."""
    groups = group_ids(state, cluster)
    own = [row for row in state.rows("networks") if row["group_id"] in groups]
    return own + [row for row in state.rows("networks") if row["group_id"] is None]


def of_node(state: State, node: Row) -> list[Row]:
    """Networks of the node's group, and the admin network last."""
    own = [row for row in state.rows("networks") if row["group_id"] == node["group_id"] and node["group_id"]]
    return own + [row for row in state.rows("networks") if row["group_id"] is None]


def carriers(node: Row) -> list[Row]:
    """What of the node can carry networks: its interfaces, and its bonds."""
    return [*node["interfaces"], *node.get("bonds", [])]


def by_name(state: State, cluster: Row, name: str) -> Row | None:
    """The network of that name in the environment's default group (or the shared one), or None."""
    groups = group_ids(state, cluster)[:1]
    return next((row for row in state.rows("networks", name=name) if row["group_id"] in [*groups, None]), None)


def show_group(row: Row) -> dict[str, Any]:
    """A network as GET /networks shows it."""
    keys = ("id", "name", "cidr", "gateway", "vlan_start", "group_id", "release", "meta")
    return {key: row[key] for key in keys}


def show_configured(row: Row) -> dict[str, Any]:
    """A network as network_configuration shows it."""
    keys = ("id", "name", "cidr", "gateway", "vlan_start", "group_id", "meta", "ip_ranges")
    return {key: row[key] for key in keys}


def show_configuration(state: State, cluster: Row) -> dict[str, Any]:
    """GET network_configuration. Allocates the virtual addresses that are missing.

    Only an environment with high availability has any (fuel-web, from memory).
    """
    if cluster["mode"] != "multinode":
        addresses.ensure_virtual(state, cluster)
    document = {
        "networks": [show_configured(row) for row in of_cluster(state, cluster)],
        "networking_parameters": dict(cluster["parameters"]),
    }
    if cluster["mode"] == "multinode":
        return document
    document.update(addresses.aliases(state, cluster))
    if releases.is_seven(state.row("releases", cluster["release_id"])):
        document["vips"] = addresses.described(state, cluster)
    return document


NOVA_PARAMETERS = {
    "dns_nameservers": ["8.8.4.4", "8.8.8.8"],
    "fixed_network_size": 256,
    "fixed_networks_amount": 1,
    "fixed_networks_cidr": "10.0.0.0/16",
    "fixed_networks_vlan_start": None,
    "floating_ranges": [["172.16.0.128", "172.16.0.254"]],
    "net_manager": "FlatDHCPManager",
}


def make_nova_network(state: State, cluster: Row) -> None:
    """Turn a new environment into one with nova-network, which the lab has just enough rules for to answer."""
    cluster.update(net_provider="nova_network", parameters=dict(NOVA_PARAMETERS))
    private = by_name(state, cluster, "private")
    if private:
        meta = {key: value for key, value in private["meta"].items() if key not in ("neutron_vlan_range", "seg_type")}
        private.update(name="fixed", meta=meta | {"name": "fixed"})
