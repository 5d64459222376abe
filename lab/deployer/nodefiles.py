"""What every Fuel node has besides its services: facts, hiera, names, credentials of root."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import yaml

from .environment import Environment, Node
from .files import File, render

SECRET = 0o600

HIERA = """---
:backends:
  - yaml
:hierarchy:
  - override/%{::fqdn}
  - override/common
  - globals
  - nodes
  - astute
:yaml:
  :datadir: /etc/hiera
:merge_behavior: deeper
:logger: noop
"""

SYSCTL = """net.ipv4.ip_forward = 1
net.ipv4.conf.all.arp_accept = 1
net.ipv4.tcp_keepalive_time = 30
net.ipv4.tcp_keepalive_probes = 8
net.ipv4.tcp_keepalive_intvl = 3
"""
"""Addresses announced by a node that takes them over are believed at once; a dead peer is noticed within a minute."""


def facts_files(environment: Environment, node: Node) -> list[File]:
    """/etc/<role>.yaml for each role that is deployed, and hiera's files."""
    elements = environment.facts[node.uid]
    files = [File(f"/etc/{element['role']}.yaml", _dump(element), SECRET) for element in elements]
    return [
        *files,
        File("/etc/hiera.yaml", HIERA),
        File("/etc/hiera/globals.yaml", _dump(globals_of(environment, node)), SECRET),
        File("/etc/hiera/nodes.yaml", _dump({"nodes": elements[0]["nodes"]}), SECRET),
    ]


def links(environment: Environment, node: Node) -> dict[str, str]:
    """Symbolic links: path to target. Astute's facts are those of the node's first role."""
    role = environment.facts[node.uid][0]["role"]
    return {"/etc/astute.yaml": f"/etc/{role}.yaml", "/etc/hiera/astute.yaml": "/etc/astute.yaml"}


def make_links(host: Any, wanted: dict[str, str]) -> None:
    """Make symbolic links on a node; a link that points there already is left alone."""
    for path, target in wanted.items():
        link = host.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink() and PurePosixPath(link.readlink()) == PurePosixPath(target):
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def globals_of(environment: Environment, node: Node) -> dict[str, Any]:
    """What Fuel's ``globals`` task derives from the facts and its other tasks read."""
    settings = environment.facts[node.uid][0]
    return {
        "fqdn": node.fqdn,
        "node_name": node.name,
        "uid": node.uid,
        "roles": list(node.roles),
        "primary_controller": "primary-controller" in node.roles,
        "deployment_mode": settings["deployment_mode"],
        "openstack_version": settings["openstack_version"],
        "management_vip": environment.vips["management"],
        "public_vip": environment.vips["public"],
        "management_vrouter_vip": environment.vips["vrouter"],
        "public_vrouter_vip": environment.vips["vrouter_pub"],
        "internal_address": node.management,
        "public_address": node.addresses.get("public"),
        "storage_address": node.addresses.get("storage"),
        "controllers": [{"fqdn": peer.fqdn, "internal_address": peer.management} for peer in environment.controllers],
        "amqp_port": 5673,
        "network_scheme": settings["network_scheme"],
    }


def names(environment: Environment, node: Node) -> list[File]:
    """Host name, and the addresses of all nodes of the environment."""
    lines = ["127.0.0.1 localhost", f"{environment.settings['master_ip']} fuel"]
    lines += [f"{peer.management} {peer.fqdn} {peer.name}" for peer in environment.nodes]
    return [
        File("/etc/hostname", f"{node.name}\n"),
        File("/etc/hosts", "\n".join(lines) + "\n"),
        File("/etc/sysctl.d/60-fuel.conf", SYSCTL),
    ]


def credentials(environment: Environment) -> list[File]:
    """root's way into OpenStack and into the database, on controllers."""
    context = {"access": environment.settings["access"], "vip": environment.vips["management"]}
    return [
        File("/root/openrc", render("openrc.j2", context), SECRET),
        File("/root/.my.cnf", _my_cnf(environment.settings["mysql"]["root_password"]), SECRET),
    ]


def _my_cnf(password: str) -> str:
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    return f'[client]\nuser=root\npassword="{quoted}"\nsocket=/var/run/mysqld/mysqld.sock\n'


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=False, sort_keys=True)
