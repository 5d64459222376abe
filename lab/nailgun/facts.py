"""Deployment facts: what a deployer is told about each node, computed from the environment.

``computed(state, cluster, chosen)`` gives one dictionary per node AND role (a node with roles cinder and compute gives
two). The controller with the lowest id has the role ``primary-controller``. What a deployer needs of one:

uid, role, fqdn, status, online, priority (100, 200 ...: the order of deployment; equal ones together), fail_if_error
deployment_id (the environment), deployment_mode, fuel_version ("6.1"), openstack_version ("2014.2.2-6.1"), master_ip
nodes            of the whole environment, one per node and role: uid, name (node-1), fqdn, role, user_node_name,
                 swift_zone, internal_address + internal_netmask (management), storage_address + storage_netmask, and
                 on nodes with a public address public_address + public_netmask
network_scheme   see ``scheme``: interfaces, transformations (add-br, add-patch, add-port in order), endpoints
                 {bridge: {IP: ["192.168.0.3/24"] or "none", gateway}}, roles {network role: bridge}
management_vip, public_vip, management_vrouter_vip, public_vrouter_vip      facts of 6.1 only, at the top
network_metadata facts of 7.0 only: vips {management, public, vrouter, vrouter_pub: {ipaddr, namespace, network_role,
                 node_roles}}, nodes {node-6: {uid, fqdn, name, node_roles, network_roles {role: address or None}, ...}}
passwords        mysql {root_password, wsrep_password}, rabbit {password}, keystone {db_password, admin_token}, and
                 db_password + user_password in nova, glance, cinder, heat, ...; quantum_settings {database {passwd},
                 keystone {admin_password}, metadata {metadata_proxy_shared_secret}}; access {user, password, tenant}
quantum_settings also L2 (segmentation_type, base_mac, phys_nets), L3, predefined_networks {net04, net04_ext}
tasks            of the role, in order: {type, uids, parameters, priority}
settings         every section of the settings with plain values (storage, public_ssl, external_dns, syslog ...);
                 those of ``common`` are at the top (debug, libvirt_type ...), additional components {name: {enabled}}

Observed on Nailgun 7.0, for environments of 6.1 and of 7.0.
"""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from lab.nailgun import addresses, attributes, disks, graph, networks, nodes, releases
from lab.nailgun.scheme import Scheme
from lab.nailgun.state import Row, State

TEST_IMAGE = {
    "img_name": "TestVM",
    "img_path": "/usr/share/cirros-testvm/cirros-x86_64-disk.img",
    "os_name": "cirros",
    "disk_format": "qcow2",
    "container_format": "bare",
    "min_ram": 64,
    "public": "true",
    "glance_properties": "",
}
CRITICAL = ("primary-controller", "controller", "primary-mongo", "mongo", "ceph-osd")
IMAGE_CACHE = 5 * 2**30
POOLS = ("compute", "default_pg_num", "volumes", "images", "backups", ".rgw")


def computed(state: State, cluster: Row, chosen: list[Row]) -> list[dict[str, Any]]:
    """Facts of the chosen nodes. Allocates the addresses that they and the environment still lack."""
    members = state.rows("nodes", cluster=cluster["id"])
    addresses.assign(state, cluster, chosen)
    addresses.ensure_virtual(state, cluster)
    set_primary(members)
    common = _Common(state, cluster, [node for node in members if not node["pending_deletion"]]).build()
    priorities = graph.priorities([(node["id"], role) for node in chosen for role in roles(node)])
    return [
        attributes.merge(common, _of_node(state, cluster, node, role)) | {"priority": priorities[node["id"], role]}
        for node in chosen
        for role in roles(node)
    ]


def set_primary(members: list[Row]) -> None:
    """Let the first controller be the primary one, unless there is one already; those that are ready come first."""
    controllers = [node for node in members if "controller" in node["roles"] + node["pending_roles"]]
    if controllers and not any("controller" in node["primary_roles"] for node in controllers):
        ready = [node for node in controllers if node["status"] == "ready"]
        (ready or controllers)[0]["primary_roles"] = ["controller"]


def roles(node: Row) -> list[str]:
    """Deployed and pending roles of the node, once each and by name, the primary one marked so."""
    every = sorted(set(node["roles"]) | set(node["pending_roles"]))
    return [f"primary-{role}" if role in node["primary_roles"] else role for role in every]


def plain_settings(cluster: Row) -> dict[str, Any]:
    """Generated and editable attributes with values in the place of descriptions."""
    merged = attributes.merge(cluster["attributes"]["generated"], cluster["attributes"]["editable"])
    plain = {section: _plain(settings) for section, settings in merged.items()}
    plain.update(plain.pop("common", {}))
    for name, enabled in plain.pop("additional_components", {}).items():
        if isinstance(enabled, bool):
            plain[name] = plain.get(name, {}) | {"enabled": enabled}
    if "workloads_collector" in plain:
        collector = plain["workloads_collector"]
        collector.update(username=collector.pop("user", None), create_user=False)
    return plain


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: setting["value"] if isinstance(setting, dict) and "value" in setting else setting
        for name, setting in settings.items()
    }


class _Common:
    """The part of the facts that is the same for all nodes of an environment."""

    def __init__(self, state: State, cluster: Row, members: list[Row]) -> None:
        self.state = state
        self.cluster = cluster
        self.members = members
        self.release = state.row("releases", cluster["release_id"])
        self.networks = {row["name"]: row for row in networks.of_cluster(state, cluster)}

    def build(self) -> dict[str, Any]:
        facts = plain_settings(self.cluster)
        facts = attributes.merge(facts, {"storage": self.placement_groups(facts)})
        facts = attributes.merge(facts, self.provider())
        facts.update(self.identity())
        facts["nodes"] = [entry for node in self.members for entry in self.listed(node)]
        if releases.is_seven(self.release):
            facts["network_metadata"] = self.network_metadata()
        else:
            facts.update(addresses.aliases(self.state, self.cluster), use_cinder=True)
        return facts

    def identity(self) -> dict[str, Any]:
        controllers = [node for node in self.members if "controller" in node["roles"] + node["pending_roles"]]
        return {
            "deployment_id": self.cluster["id"],
            "deployment_mode": self.cluster["mode"],
            "fuel_version": releases.fuel_version(self.release),
            "openstack_version": self.release["version"],
            "openstack_version_prev": None,
            "master_ip": self.state.settings["master_ip"],
            "last_controller": controllers[-1]["hostname"] if controllers else None,
            "management_network_range": self.networks["management"]["cidr"],
            "storage_network_range": self.networks["storage"]["cidr"],
            "test_vm_image": dict(TEST_IMAGE),
            "mp": [{"weight": "1", "point": "1"}, {"weight": "2", "point": "2"}],
        }

    def provider(self) -> dict[str, Any]:
        """What depends on the network provider. The words for nova-network are fuel-web's, from memory."""
        parameters = self.cluster["parameters"]
        if self.cluster["net_provider"] == "neutron":
            return {"quantum": True, "quantum_settings": self.neutron()}
        nova = {
            "network_manager": parameters["net_manager"],
            "network_size": parameters["fixed_network_size"],
            "num_networks": parameters["fixed_networks_amount"],
        }
        if parameters["net_manager"] == "VlanManager":
            nova["vlan_start"] = parameters["fixed_networks_vlan_start"]
        return {
            "quantum": False,
            "novanetwork_parameters": nova,
            "dns_nameservers": parameters["dns_nameservers"],
            "fixed_network_range": parameters["fixed_networks_cidr"],
            "floating_network_range": ["{}-{}".format(*pair) for pair in parameters["floating_ranges"]],
        }

    def neutron(self) -> dict[str, Any]:
        parameters = self.cluster["parameters"]
        vlans = "{}:{}".format(*parameters["vlan_range"])
        return {
            "L2": {
                "segmentation_type": parameters["segmentation_type"],
                "base_mac": parameters["base_mac"],
                "phys_nets": {"physnet2": {"bridge": "br-prv", "vlan_range": vlans}},
            },
            "L3": {"use_namespaces": True},
            "predefined_networks": {"net04": self.tenant_network(), "net04_ext": self.external_network()},
        }

    def tenant_network(self) -> dict[str, Any]:
        parameters = self.cluster["parameters"]
        return {
            "tenant": "admin",
            "shared": False,
            "L2": {"network_type": "vlan", "router_ext": False, "physnet": "physnet2", "segment_id": None},
            "L3": {
                "subnet": parameters["internal_cidr"],
                "gateway": parameters["internal_gateway"],
                "nameservers": parameters["dns_nameservers"],
                "floating": None,
                "enable_dhcp": True,
            },
        }

    def external_network(self) -> dict[str, Any]:
        public = self.networks["public"]
        return {
            "tenant": "admin",
            "shared": False,
            "L2": {"network_type": "local", "router_ext": True, "physnet": None, "segment_id": None},
            "L3": {
                "subnet": public["cidr"],
                "gateway": public["gateway"],
                "nameservers": [],
                "floating": "{}:{}".format(*self.cluster["parameters"]["floating_ranges"][0]),
                "enable_dhcp": False,
            },
        }

    def placement_groups(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Ceph's placement groups: a hundred per OSD, divided by the copies, as a power of two, and 128 at least."""
        daemons = sum(1 for node in self.members for disk in node["disks"] if _holds(disk, "ceph"))
        copies = int(facts["storage"]["osd_pool_size"])
        wanted = max(128, daemons * 100 // copies)
        count = 1 << (wanted - 1).bit_length()
        return {"pg_num": count, "per_pool_pg_nums": dict.fromkeys(POOLS, count)}

    def listed(self, node: Row) -> list[dict[str, Any]]:
        """The node's entries in ``nodes``, one a role."""
        entry = {
            "uid": str(node["id"]),
            "name": node["hostname"],
            "fqdn": nodes.fqdn(self.state, node),
            "user_node_name": node["name"],
            "swift_zone": str(node["id"]),
        }
        for prefix, network in (("internal", "management"), ("storage", "storage"), ("public", "public")):
            ip = addresses.of_node(self.state, node["id"], self.networks[network]["id"])
            if ip:
                netmask = str(IPNetwork(self.networks[network]["cidr"]).netmask)
                entry |= {f"{prefix}_address": ip, f"{prefix}_netmask": netmask}
        return [entry | {"role": role} for role in roles(node)]

    def network_metadata(self) -> dict[str, Any]:
        return {
            "vips": addresses.described(self.state, self.cluster),
            "nodes": {node["hostname"]: self.described(node) for node in self.members},
        }

    def described(self, node: Row) -> dict[str, Any]:
        return {
            "uid": str(node["id"]),
            "name": node["hostname"],
            "fqdn": nodes.fqdn(self.state, node),
            "user_node_name": node["name"],
            "swift_zone": str(node["id"]),
            "node_roles": roles(node),
            "network_roles": Scheme(self.state, self.cluster, node).role_addresses(),
        }


def _holds(disk: Row, name: str) -> bool:
    return any(volume["name"] == name and volume["size"] for volume in disk["volumes"])


def _of_node(state: State, cluster: Row, node: Row, role: str) -> dict[str, Any]:
    """The part of the facts that is the node's own."""
    images = disks.total(node, "image")
    return {
        "uid": str(node["id"]),
        "role": role,
        "fqdn": nodes.fqdn(state, node),
        "status": node["status"],
        "online": node["online"],
        "user_node_name": node["name"],
        "fail_if_error": role in CRITICAL,
        "vms_conf": node.get("vms_conf", []),
        "glance": {"image_cache_max_size": str(int(images * 0.1 * 2**20) if images else IMAGE_CACHE)},
        "network_scheme": Scheme(state, cluster, node).build(),
        "tasks": graph.serialized(state, cluster, role, str(node["id"])),
    }
