"""The file that describes a cloud (profiles/*.yaml, or one's own): read and checked before anything is made."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from lab.state import LabError, uses_ceph

PROFILES = Path(__file__).resolve().parent / "profiles"
ROLES = ("controller", "compute", "cinder", "ceph-osd")
NETWORKS = ("admin", "public", "management", "storage")
RELEASE_OF_OLD_CLOUD = "2014.2.2-6.1"
MOST_NODES = 200
NEEDED = {"admin": ("gateway", "master"), "public": ("gateway", "floating"), "management": ("gateway",)}

ADDRESS = {"type": "string", "format": "ipv4"}
NETWORK = {
    "type": "object",
    "required": ["nic"],
    "additionalProperties": False,
    "properties": {
        "nic": {"type": "string", "pattern": "^eth[0-3]$"},
        "cidr": {"type": "string"},
        "vlan": {"type": "integer", "minimum": 2, "maximum": 4094},
        "vlans": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "gateway": ADDRESS,
        "master": ADDRESS,
        "floating": {"type": "array", "items": ADDRESS, "minItems": 2, "maxItems": 2},
    },
}
HOST = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "master"},
        "roles": {"type": "array", "items": {"enum": list(ROLES)}, "uniqueItems": True},
        "disks_gib": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 1000}, "maxItems": 7},
    },
}
CONTENT = ("projects", "users", "images", "networks", "servers", "guests", "volumes", "stacks", "objects")
STORAGE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "osd_pool_size": {"type": "string", "pattern": "^[1-9]$"},
        **{f"{what}_ceph": {"type": "boolean"} for what in ("images", "volumes", "ephemeral", "objects")},
        "volumes_lvm": {"type": "boolean"},
    },
}
"""Fuel's settings of an environment's storage; those that are not named stay at Fuel's defaults."""

SCHEMA = {
    "type": "object",
    "required": ["name", "hosts", "networks", "environment"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,30}$"},
        "hosts": {
            "type": "object",
            "required": ["fuel", "node-1"],
            "additionalProperties": False,
            "patternProperties": {"^(fuel|node-[1-9][0-9]{0,2})$": HOST},
        },
        "networks": {
            "type": "object",
            "required": [*NETWORKS, "private"],
            "additionalProperties": False,
            "properties": {name: NETWORK for name in (*NETWORKS, "private")},
        },
        "environment": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "release": {"const": RELEASE_OF_OLD_CLOUD},
                "operating_system": {"const": "Ubuntu"},
                "storage": STORAGE,
            },
        },
        "agents": {"type": "boolean"},
        "content": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                kind: {"type": "integer", "minimum": 0, "maximum": 1000}
                for kind in CONTENT
            },
        },
    },
}


def profiles() -> list[str]:
    """Names of the definitions that come with the lab."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load(path: Path) -> dict[str, Any]:
    """Read and check a definition. Raises LabError that lists every fault of the file."""
    try:
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    faults = faults_of(definition)
    if faults:
        raise LabError(f"{path}: " + "; ".join(faults))
    return definition


def faults_of(definition: Any) -> list[str]:
    """What is wrong with a definition, one sentence each; nothing is checked in depth while the shape is wrong."""
    checker = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    found = checker.iter_errors(definition)
    shape = [f"{'.'.join(map(str, fault.path)) or 'the file'}: {fault.message}" for fault in found]
    if shape:
        return shape
    return [
        *faults_of_hosts(definition["hosts"]),
        *faults_of_networks(definition["networks"]),
        *faults_of_storage(definition),
    ]


def faults_of_hosts(hosts: dict[str, Any]) -> list[str]:
    """Faults of the hosts together: one master, a controller quorum, a controller at all."""
    faults = []
    if hosts["fuel"].get("kind") != "master":
        faults.append("hosts.fuel: must be {kind: master}")
    nodes = {name: host for name, host in hosts.items() if name != "fuel"}
    faults += [f"hosts.{name}: only fuel is a master" for name, host in nodes.items() if "kind" in host]
    controllers = [name for name, host in hosts.items() if "controller" in host.get("roles", ())]
    if len(controllers) not in (1, 3, 5):
        faults.append(f"hosts: there must be 1, 3 or 5 hosts with the role controller, not {len(controllers)}")
    too_high = [name for name in nodes if int(name.removeprefix("node-")) > MOST_NODES]
    faults += [f"hosts.{name}: the highest node is node-{MOST_NODES}" for name in too_high]
    return faults


def faults_of_storage(definition: dict[str, Any]) -> list[str]:
    """Faults of a cloud with Ceph: settings and OSD nodes that do not go together, as Fuel would refuse them too."""
    nodes = {name: host for name, host in definition["hosts"].items() if "ceph-osd" in host.get("roles", ())}
    storage = definition["environment"].get("storage", {})
    if not uses_ceph(definition):
        return [f"hosts.{name}: environment.storage puts nothing into Ceph" for name in nodes]
    faults = [f"hosts.{name}: an OSD node needs disks_gib" for name, host in nodes.items() if not host.get("disks_gib")]
    copies = int(storage.get("osd_pool_size", "2"))
    if len(nodes) < copies:
        faults.append(f"hosts: {copies} copies need as many hosts with the role ceph-osd, not {len(nodes)}")
    if "gateway" not in definition["networks"]["storage"]:
        faults.append("networks.storage: gateway is missing, the address of the lab's own client of Ceph")
    if definition.get("agents"):
        faults.append("agents: a cloud with Ceph has no guests that are machines")
    return faults


def faults_of_networks(networks: dict[str, Any]) -> list[str]:
    """Faults of the networks: a plan each, addresses inside it, no two that overlap, admin untagged on eth0."""
    faults: list[str] = []
    plans: dict[str, ipaddress.IPv4Network] = {}
    for name in NETWORKS:
        try:
            plans[name] = ipaddress.IPv4Network(networks[name].get("cidr", ""))
        except ValueError as error:
            faults.append(f"networks.{name}.cidr: {error}")
    for name, plan in plans.items():
        faults += faults_of_addresses(name, networks[name], plan)
    names = list(plans)
    pairs = [(one, two) for index, one in enumerate(names) for two in names[index + 1 :]]
    faults += [f"networks: {one} and {two} overlap" for one, two in pairs if plans[one].overlaps(plans[two])]
    if networks["admin"]["nic"] != "eth0" or "vlan" in networks["admin"]:
        faults.append("networks.admin: hosts are installed over it, so it must be on eth0 and untagged")
    return faults


def faults_of_addresses(name: str, network: dict[str, Any], plan: ipaddress.IPv4Network) -> list[str]:
    """Addresses that a network needs and lacks, or has outside its plan."""
    faults = [f"networks.{name}: {key} is missing" for key in NEEDED.get(name, ()) if key not in network]
    given = [network[key] for key in ("gateway", "master") if key in network] + network.get("floating", [])
    outside = [address for address in given if ipaddress.IPv4Address(address) not in plan]
    return faults + [f"networks.{name}: {address} is outside {plan}" for address in outside]
