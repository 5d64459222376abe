"""Deployment facts as Nailgun 6.1 and 7.0 compute them, reduced to what a deployer reads; our own values."""

from __future__ import annotations

from typing import Any

PASSWORDS: dict[str, Any] = {
    "mysql": {"root_password": "root'pw", "wsrep_password": "wsrep"},
    "rabbit": {"password": "rab/bit"},
    "keystone": {"db_password": "k@db", "admin_token": "token"},
    "glance": {"db_password": "g-db", "user_password": "g-user"},
    "nova": {"db_password": "n-db", "user_password": "n-user"},
    "cinder": {"db_password": "c-db", "user_password": "c-user", "fixed_key": "00ff"},
    "heat": {"db_password": "h-db", "user_password": "h-user", "auth_encryption_key": "0123456789abcdef"},
    "access": {"user": "admin", "password": "admin", "tenant": "admin"},
}
VIPS = {"management": "192.168.0.1", "public": "172.16.0.2", "vrouter": "192.168.0.2", "vrouter_pub": "172.16.0.3"}
FLAT = {
    "management": "management_vip",
    "public": "public_vip",
    "vrouter": "management_vrouter_vip",
    "vrouter_pub": "public_vrouter_vip",
}


def facts(release: str = "6.1", controllers: int = 3, computes: int = 1) -> list[dict[str, Any]]:
    """Elements of an environment: controllers node-1 ..., then computes node-7 ... ."""
    members = [(number, "primary-controller" if number == 1 else "controller") for number in range(1, controllers + 1)]
    members += [(number, "compute") for number in range(7, 7 + computes)]
    nodes = [_listed(number, role, index) for index, (number, role) in enumerate(members)]
    return [_element(release, node, nodes) for node in nodes]


def _listed(number: int, role: str, index: int) -> dict[str, Any]:
    entry = {
        "uid": str(number),
        "name": f"node-{number}",
        "fqdn": f"node-{number}.domain.tld",
        "role": role,
        "internal_address": f"192.168.0.{3 + index}",
        "storage_address": f"192.168.1.{1 + index}",
    }
    return entry if role == "compute" else entry | {"public_address": f"172.16.0.{4 + index}"}


def _element(release: str, node: dict[str, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    element = {
        **PASSWORDS,
        "uid": node["uid"],
        "role": node["role"],
        "fqdn": node["fqdn"],
        "deployment_id": 1 if release == "6.1" else 2,
        "deployment_mode": "ha_compact",
        "openstack_version": {"6.1": "2014.2.2-6.1", "7.0": "2015.1.0-7.0"}[release],
        "fuel_version": release,
        "master_ip": "10.20.0.2",
        "management_network_range": "192.168.0.0/24",
        "nodes": nodes,
        "network_scheme": _scheme(release, node),
        "quantum_settings": {
            "database": {"passwd": "q-db"},
            "keystone": {"admin_password": "q-user"},
            "L2": {"phys_nets": {"physnet2": {"bridge": "br-prv", "vlan_range": "1000:1030"}}},
            "predefined_networks": {},
        },
    }
    if release == "6.1":
        return element | {FLAT[name]: address for name, address in VIPS.items()}
    return element | {"network_metadata": {"vips": {name: {"ipaddr": address} for name, address in VIPS.items()}}}


def _scheme(release: str, node: dict[str, Any]) -> dict[str, Any]:
    bridges = ["br-fw-admin", "br-mgmt", "br-storage", "br-prv", "br-aux"]
    ports = {"eth0": "br-fw-admin", "eth2.101": "br-mgmt", "eth2.102": "br-storage", "eth3": "br-aux"}
    endpoints: dict[str, Any] = {
        "br-fw-admin": {"IP": [f"10.20.0.{130 + int(node['uid'])}/24"]},
        "br-mgmt": {"IP": [f"{node['internal_address']}/24"], "vendor_specific": {"vlans": 101}},
        "br-storage": {"IP": [f"{node['storage_address']}/24"]},
        "br-prv": {"IP": "none"},
    }
    if "public_address" in node:
        bridges += ["br-ex", "br-floating"]
        ports["eth1"] = "br-ex"
        endpoints["br-ex"] = {"IP": [f"{node['public_address']}/24"], "gateway": "172.16.0.1"}
    transformations: list[dict[str, Any]] = [
        {"action": "add-br", "name": name} | ({"provider": "ovs"} if name in ("br-prv", "br-floating") else {})
        for name in bridges
    ]
    patches = [["br-prv", "br-aux"]] + ([["br-floating", "br-ex"]] if "br-ex" in bridges else [])
    transformations += [{"action": "add-patch", "bridges": pair, "provider": "ovs"} for pair in patches]
    transformations += [{"action": "add-port", "name": name, "bridge": bridge} for name, bridge in ports.items()]
    roles = {"management": "br-mgmt", "ex": "br-ex", "storage": "br-storage"}
    if release == "7.0":
        roles |= {"mgmt/vip": "br-mgmt", "public/vip": "br-ex"}
    scheme = {"provider": "lnx", "version": "1.1"}
    return scheme | {"transformations": transformations, "endpoints": endpoints, "roles": roles}
