"""network_scheme of a node: which bridges it gets, what is plugged into them and which addresses they bear.

Observed on Nailgun 7.0 for environments of 6.1 and of 7.0 with Neutron and VLANs; bonds are as fuel-web's code makes
them. The order of ``transformations`` is the order in which they must be made: bridges, then patches beside what they
join, then ports.
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
AUXILIARY = "br-aux"
ORDER_OF_6 = ("storage", "management", "fuelweb_admin", "public")
ORDER_OF_7 = ("management", "storage", "public", "fuelweb_admin")
"""In which networks are plugged in: 7.0 goes over a dictionary of Python 2."""
ORDER_OF_NOVA = ("fuelweb_admin", "storage", "management", "public")
NOT_OF_NOVA = ("neutron/api", "neutron/private", "nova/migration")
"""Network roles that environments with nova-network lack."""


class Scheme:
    """What is known of one node while its scheme is built."""

    def __init__(self, state: State, cluster: Row, node: Row) -> None:
        self.state = state
        self.cluster = cluster
        self.node = node
        self.seven = releases.is_seven(state.row("releases", cluster["release_id"]))
        self.public = addresses.needs_public(state, cluster, node)
        self.nova = cluster["net_provider"] == "nova_network"
        self.floating = self.public and not self.nova
        self.networks = {row["name"]: row for row in networks.of_node(state, node)}

    def build(self) -> dict[str, Any]:
        """The network_scheme."""
        return {
            "version": "1.1",
            "provider": "lnx",
            "interfaces": self.interfaces(),
            "transformations": self.transformations(),
            "endpoints": self.endpoints(),
            "roles": self.roles(),
        }

    def interfaces(self) -> dict[str, dict[str, Any]]:
        """Physical interfaces: what drives them and, unless they are in a bond, how they are set."""
        bonded = {slave["name"] for bond in self.node.get("bonds", []) for slave in bond["slaves"]}
        found = {}
        for nic in self.node["interfaces"]:
            shown = {} if nic["name"] in bonded else _properties(nic)
            hardware = {key: nic[key] for key in ("driver", "bus_info") if nic[key]}
            if hardware:
                shown["vendor_specific"] = shown.get("vendor_specific", {}) | hardware
            found[nic["name"]] = shown
        return found

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
        if self.nova:
            return _of_nova(found) | self.fixed_role()
        return found | ({"neutron/floating": "br-floating"} if self.floating else {})

    def fixed_role(self) -> dict[str, str]:
        """The network role of guests with nova-network, by its manager."""
        manager = self.cluster["parameters"]["net_manager"]
        role = "novanetwork/vlan" if manager == "VlanManager" else "novanetwork/fixed"
        return {role: self.fixed_port()} if self.fixed_port() else {}

    def fixed_port(self) -> str:
        """What nova-network's own bridge is put on: an interface, or a VLAN of it; empty with Neutron.

        VlanManager puts VLANs on the interface itself.
        """
        nic = nodes.carrier(self.node, self.networks["fixed"]) if "fixed" in self.networks else None
        if nic is None:
            return ""
        parameters = self.cluster["parameters"]
        vlan = parameters["fixed_networks_vlan_start"] if parameters["net_manager"] == "FlatDHCPManager" else None
        return f"{nic['name']}.{vlan}" if vlan else str(nic["name"])

    def role_addresses(self) -> dict[str, str | None]:
        """Network role -> the node's address for it; None on networks that bear none."""
        mine = self.mine()
        wanted = OWN_ROLES | SERVICE_ROLES
        found = {role: self.ip(mine[network]) for role, network in wanted.items() if network in mine}
        if self.nova:
            return _of_nova(found)
        return found | ({"neutron/floating": None} if self.floating else {})

    def private_base(self) -> str:
        """The bridge that carries tenants' VLANs: that of the untagged network on the same interface, or br-aux."""
        nic = nodes.carrier(self.node, self.networks["private"])
        for network in self.mine().values():
            if nic and network["name"] != "private" and not network["vlan_start"] and network["id"] in nic["networks"]:
                return BRIDGES[network["name"]]
        return AUXILIARY

    def transformations(self) -> list[dict[str, Any]]:
        """Bridges, patches and ports in the order in which to make them."""
        if self.nova:
            return [*(_bridge(BRIDGES[name]) for name in ORDER_OF_NOVA), *self.ports(), *self.fixed_ports()]
        steps = [_bridge(name) for name in ("br-fw-admin", "br-mgmt", "br-storage")]
        if self.public:
            steps.append(_bridge("br-ex"))
        if self.floating:
            steps += [_bridge("br-floating", "ovs"), _patch("br-floating", "br-ex")]
        if "private" in self.networks:
            base = self.private_base()
            steps.append(_bridge("br-prv", "ovs"))
            steps += [_bridge(base)] if base == AUXILIARY else []
            steps.append(_patch("br-prv", base))
        return steps + self.ports()

    def ports(self) -> list[dict[str, Any]]:
        """add-port and add-bond for what carries networks: untagged ones first, then each VLAN.

        A bond is plugged into the bridge of its untagged network itself.
        """
        wiring = self.wiring()
        bonded = {slave["name"] for bond in self.node.get("bonds", []) for slave in bond["slaves"]}
        steps: list[dict[str, Any]] = []
        for carrier in networks.carriers(self.node):
            plugged = wiring.get(carrier["name"], [])
            untagged = [bridge for bridge, vlan in plugged if vlan is None]
            if carrier["type"] == "bond":
                steps.append(_bond(carrier, untagged))
            elif carrier["name"] not in bonded:
                steps += [_port(bridge, carrier["name"]) for bridge in untagged]
            steps += [_port(bridge, f"{carrier['name']}.{vlan}") for bridge, vlan in plugged if vlan is not None]
        return steps

    def fixed_ports(self) -> list[dict[str, Any]]:
        """The port of guests with nova-network, which no bridge has, unless something else is called so already."""
        name = self.fixed_port()
        taken = [step["name"] for step in self.ports()]
        return [{"action": "add-port", "name": name}] if name and name not in taken else []

    def wiring(self) -> dict[str, list[tuple[str, int | None]]]:
        """Carrier -> (bridge, VLAN or None) of each network it carries, in the order in which Nailgun meets them."""
        mine = self.mine()
        found: dict[str, list[tuple[str, int | None]]] = {}
        order = ORDER_OF_7 if self.seven else ORDER_OF_6
        for name in ORDER_OF_NOVA if self.nova else order:
            carrier = nodes.carrier(self.node, mine[name]) if name in mine else None
            if carrier:
                found.setdefault(carrier["name"], []).append((BRIDGES[name], mine[name]["vlan_start"] or None))
        private = nodes.carrier(self.node, self.networks["private"]) if "private" in self.networks else None
        if private and self.private_base() == AUXILIARY:
            found.setdefault(private["name"], []).append((AUXILIARY, None))
        return found

    def endpoints(self) -> dict[str, dict[str, Any]]:
        """Bridge -> its addresses (``IP``: a list, or the word none), and on one of them the gateway."""
        found: dict[str, dict[str, Any]] = {}
        for name, network in self.mine().items():
            ip = self.ip(network) if network["cidr"] else None
            found[BRIDGES[name]] = {"IP": [f"{ip}/{IPNetwork(network['cidr']).prefixlen}"] if ip else "none"}
            if not self.seven:
                self.add_wiring(found[BRIDGES[name]], network)
        if self.floating:
            found["br-floating"] = {"IP": "none"}
        if self.fixed_port():
            found[self.fixed_port()] = {"IP": "none"}
        route = "public" if self.public else "fuelweb_admin"
        found[BRIDGES[route]]["gateway"] = self.networks[route]["gateway"]
        return found

    def add_wiring(self, endpoint: dict[str, Any], network: Row) -> None:
        """What 6.1 says besides: the interface and the VLANs behind the bridge, but for the admin network."""
        nic = nodes.carrier(self.node, network)
        if nic is None or network["name"] == networks.ADMIN:
            return
        physical = [slave["name"] for slave in nic["slaves"]] if nic["type"] == "bond" else [nic["name"]]
        endpoint["vendor_specific"] = {"phy_interfaces": physical}
        vlans = (
            "{}:{}".format(*self.cluster["parameters"]["vlan_range"])
            if network["name"] == "private"
            else network["vlan_start"]
        )
        if vlans:
            endpoint["vendor_specific"]["vlans"] = vlans


def _properties(carrier: Row) -> dict[str, Any]:
    """How an interface or a bond is set, as far as anything is set."""
    wanted = carrier["interface_properties"]
    found: dict[str, Any] = {"mtu": wanted["mtu"]} if wanted.get("mtu") else {}
    if wanted.get("disable_offloading"):
        found["vendor_specific"] = {"disable_offloading": wanted["disable_offloading"]}
    modes = _set_modes(carrier["offloading_modes"])
    return found | ({"ethtool": {"offload": modes}} if modes else {})


def _set_modes(modes: list[dict[str, Any]]) -> dict[str, bool]:
    """Offloading modes that are switched on or off; those below one that is off do not count."""
    found: dict[str, bool] = {}
    for mode in modes:
        if mode["state"] is not None:
            found[mode["name"]] = mode["state"]
        if mode["state"] is not False:
            found |= _set_modes(mode["sub"])
    return found


def _bond(bond: Row, bridges: list[str]) -> dict[str, Any]:
    """add-bond; ``bridges`` holds that of the bond's untagged network, if it has one."""
    step: dict[str, Any] = {
        "action": "add-bond",
        "name": bond["name"],
        "interfaces": sorted(slave["name"] for slave in bond["slaves"]),
        "bond_properties": {"mode": bond["mode"]}
        | {key: value for key, value in bond["bond_properties"].items() if not key.endswith("__")},
        "interface_properties": _properties(bond),
    }
    mtu = bond["interface_properties"].get("mtu")
    return step | ({"mtu": mtu} if mtu else {}) | ({"bridge": bridges[-1]} if bridges else {})


def _of_nova(roles: dict[str, Any]) -> dict[str, Any]:
    return {role: value for role, value in roles.items() if role not in NOT_OF_NOVA}


def _bridge(name: str, provider: str | None = None) -> dict[str, Any]:
    return {"action": "add-br", "name": name} | ({"provider": provider} if provider else {})


def _patch(first: str, second: str) -> dict[str, Any]:
    return {"action": "add-patch", "bridges": [first, second], "provider": "ovs", "mtu": PATCH_MTU}


def _port(bridge: str, name: str) -> dict[str, str]:
    return {"action": "add-port", "bridge": bridge, "name": name}
