"""network_scheme of a node: which bridges it gets, what is plugged into them and which addresses they bear.

Observed on Nailgun 7.0 for environments of 6.1 and of 7.0 with Neutron and VLANs. The order of ``transformations`` is
the order in which they must be made: bridges, then patches beside what they join, then ports.
"""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from lab.nailgun import addresses, networks, nodes, releases
from lab.nailgun.state import Row, State

BRIDGES = {
    "fuelweb_admin": "br-fw-admin",
    "management": "br-mgmt",
    "storage": "br-storage",
    "public": "br-ex",
    "private": "br-prv",
}

OWN_ROLES = {
    "fw-admin": "fuelweb_admin",
    "management": "management",
    "storage": "storage",
    "ex": "public",
    "neutron/private": "private",
}
"""Network roles of 6.1, which 7.0 keeps beside its own: role -> network."""

SERVICE_ROLES = {
    "admin/pxe": "fuelweb_admin",
    "ceilometer/api": "management",
    "ceph/public": "management",
    "ceph/radosgw": "public",
    "ceph/replication": "storage",
    "cinder/api": "management",
    "cinder/iscsi": "storage",
    "glance/api": "management",
    "heat/api": "management",
    "horizon": "management",
    "keystone/api": "management",
    "mgmt/corosync": "management",
    "mgmt/database": "management",
    "mgmt/memcache": "management",
    "mgmt/messaging": "management",
    "mgmt/vip": "management",
    "mongo/db": "management",
    "murano/api": "management",
    "neutron/api": "management",
    "nova/api": "management",
    "nova/migration": "management",
    "public/vip": "public",
    "sahara/api": "management",
    "swift/api": "management",
    "swift/replication": "storage",
}
"""Network roles that 7.0 added: role -> network it is mapped to by default."""

PATCH_MTU = 65000


class Scheme:
    """What is known of one node while its scheme is built."""

    def __init__(self, state: State, cluster: Row, node: Row) -> None:
        self.state = state
        self.cluster = cluster
        self.node = node
        self.seven = releases.is_seven(state.row("releases", cluster["release_id"]))
        self.public = addresses.needs_public(state, cluster, node)
        self.networks = {row["name"]: row for row in networks.of_node(state, node)}

    def build(self) -> dict[str, Any]:
        """The network_scheme."""
        return {
            "version": "1.1",
            "provider": "lnx",
            "interfaces": {nic["name"]: _interface(nic) for nic in self.node["interfaces"]},
            "transformations": self.transformations(),
            "endpoints": self.endpoints(),
            "roles": self.roles(),
        }

    def mine(self) -> dict[str, Row]:
        """Networks the node takes part in: the public one only where it has an address there."""
        return {
            name: row for name, row in self.networks.items() if name in BRIDGES and (name != "public" or self.public)
        }

    def ip(self, network: Row) -> str | None:
        """The node's address in the network."""
        return addresses.of_node(self.state, self.node["id"], network["id"])

    def roles(self) -> dict[str, str]:
        """Network role -> bridge."""
        mine = self.mine()
        wanted = OWN_ROLES | (SERVICE_ROLES if self.seven else {})
        found = {role: BRIDGES[network] for role, network in wanted.items() if network in mine}
        return found | ({"neutron/floating": "br-floating"} if self.public else {})

    def role_addresses(self) -> dict[str, str | None]:
        """Network role -> the node's address for it; None on networks that bear none."""
        mine = self.mine()
        wanted = OWN_ROLES | SERVICE_ROLES
        found = {role: self.ip(mine[network]) for role, network in wanted.items() if network in mine}
        return found | ({"neutron/floating": None} if self.public else {})

    def private_base(self) -> str:
        """The bridge that carries tenants' VLANs: that of the untagged network on the same interface, or br-aux."""
        nic = nodes.carrier(self.node, self.networks["private"])
        for network in self.mine().values():
            if nic and network["name"] != "private" and not network["vlan_start"] and network["id"] in nic["networks"]:
                return BRIDGES[network["name"]]
        return "br-aux"

    def transformations(self) -> list[dict[str, Any]]:
        """Bridges, patches and ports in the order in which to make them."""
        steps = [_bridge(name) for name in ("br-fw-admin", "br-mgmt", "br-storage")]
        if self.public:
            steps += [_bridge("br-ex"), _bridge("br-floating", "ovs"), _patch("br-floating", "br-ex")]
        if "private" in self.networks:
            base = self.private_base()
            steps.append(_bridge("br-prv", "ovs"))
            steps += [_bridge(base)] if base == "br-aux" else []
            steps.append(_patch("br-prv", base))
        return steps + self.ports()

    def ports(self) -> list[dict[str, str]]:
        """add-port for each interface: untagged, then each VLAN (7.0 puts the lower VLAN first, 6.1 the higher)."""
        steps = []
        for nic in self.node["interfaces"]:
            carried = [row for row in self.mine().values() if row["id"] in nic["networks"] and row["name"] != "private"]
            untagged = [row for row in carried if not row["vlan_start"]]
            tagged = sorted(
                (row for row in carried if row["vlan_start"]), key=lambda row: row["vlan_start"], reverse=not self.seven
            )
            steps += [_port(BRIDGES[row["name"]], nic["name"]) for row in untagged]
            steps += [_port(BRIDGES[row["name"]], f"{nic['name']}.{row['vlan_start']}") for row in tagged]
        private = nodes.carrier(self.node, self.networks["private"]) if "private" in self.networks else None
        if private and self.private_base() == "br-aux":
            steps.append(_port("br-aux", private["name"]))
        return steps

    def endpoints(self) -> dict[str, dict[str, Any]]:
        """Bridge -> its addresses (``IP``: a list, or the word none), and on one of them the gateway."""
        found: dict[str, dict[str, Any]] = {}
        for name, network in self.mine().items():
            ip = self.ip(network) if network["cidr"] else None
            found[BRIDGES[name]] = {"IP": [f"{ip}/{IPNetwork(network['cidr']).prefixlen}"] if ip else "none"}
            if not self.seven:
                self.add_wiring(found[BRIDGES[name]], network)
        if self.public:
            found["br-floating"] = {"IP": "none"}
        route = "public" if self.public else "fuelweb_admin"
        found[BRIDGES[route]]["gateway"] = self.networks[route]["gateway"]
        return found

    def add_wiring(self, endpoint: dict[str, Any], network: Row) -> None:
        """What 6.1 says besides: the interface and the VLANs behind the bridge, but for the admin network."""
        nic = nodes.carrier(self.node, network)
        if nic is None or network["name"] == networks.ADMIN:
            return
        endpoint["vendor_specific"] = {"phy_interfaces": [nic["name"]]}
        vlans = (
            "{}:{}".format(*self.cluster["parameters"]["vlan_range"])
            if network["name"] == "private"
            else network["vlan_start"]
        )
        if vlans:
            endpoint["vendor_specific"]["vlans"] = vlans


def _interface(nic: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {"vendor_specific": {"driver": nic["driver"], "bus_info": nic["bus_info"]}}
    mtu = nic["interface_properties"].get("mtu")
    return shown | ({"mtu": mtu} if mtu else {})


def _bridge(name: str, provider: str | None = None) -> dict[str, Any]:
    return {"action": "add-br", "name": name} | ({"provider": provider} if provider else {})


def _patch(first: str, second: str) -> dict[str, Any]:
    return {"action": "add-patch", "bridges": [first, second], "provider": "ovs", "mtu": PATCH_MTU}


def _port(bridge: str, name: str) -> dict[str, str]:
    return {"action": "add-port", "bridge": bridge, "name": name}
