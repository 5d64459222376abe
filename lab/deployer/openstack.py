"""OpenStack's services on a node: their configuration in the usual places, units named as Fuel's upstart jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import galera, rabbitmq
from .environment import Environment, Node
from .files import File, render

START_SCRIPT = Path(__file__).parent / "node_scripts/start.py"
UWSGI = (
    "uwsgi --http-socket {address}:%d --wsgi-file {venv}/bin/%s --threads %d"
    " --master --die-on-term --need-app --lazy-apps --disable-logging --thunder-lock --buffer-size 32768"
    ' --add-header "Connection: close"'
)
"""One request a connection: else a client sometimes meets a connection that was closed under it. One process with
threads: a second one costs 75 MiB a controller and there are three controllers on two cores."""

COMMANDS = re.compile(r"(openstack|(keystone|nova|glance|neutron|cinder|heat|placement)(-[a-z-]+)?)$")
"""Programs of the environment that are linked into /usr/bin, where Fuel's packages put theirs."""


VARIABLES = {"PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1", "SETUPTOOLS_USE_DISTUTILS": "stdlib"}
"""Environment of all programs."""

CEPH_VARIABLES = {"PYTHONPATH": "/usr/lib/lab-ceph"}
CLIENTS_OF_CEPH = ("glance-api", "cinder-volume")
"""Services that, in an environment with Ceph, are started with its two Python modules."""

START = "/usr/local/sbin/start-openstack"
"""What units start programs by, see node_scripts/start.py."""


@dataclass(frozen=True)
class Service:
    """A unit. ``command`` may name {address}; ``folder``: where below /var/log it writes.

    ``at_boot``: loads at boot already, while the cluster is still deciding, and needs the database only to answer.
    """

    name: str
    folder: str
    command: str
    in_pacemaker: bool = False
    primary_only: bool = False
    at_boot: bool = False


CONTROLLER_SERVICES = (
    Service("keystone", "keystone", UWSGI % (5000, "keystone-wsgi-public", 4), at_boot=True),
    Service("placement-api", "placement", UWSGI % (8778, "placement-api", 2), at_boot=True),
    Service("glance-api", "glance", "glance-api"),
    Service("nova-api", "nova", "nova-api-os-compute --log-file /var/log/nova/nova-api.log"),
    Service("nova-conductor", "nova", "nova-conductor"),
    Service("nova-scheduler", "nova", "nova-scheduler"),
    Service(
        "neutron-server",
        "neutron",
        "neutron-server --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/plugins/ml2/ml2_conf.ini",
    ),
    Service("cinder-api", "cinder", "cinder-api"),
    Service("cinder-scheduler", "cinder", "cinder-scheduler"),
    Service("cinder-volume", "cinder", "cinder-volume", primary_only=True),
    Service("heat-api", "heat", "heat-api"),
    Service("heat-engine", "heat", "heat-engine", in_pacemaker=True),
)
COMPUTE_SERVICES = (Service("nova-compute", "nova", "nova-compute"),)

AGENT = "%s --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/%s"
SWITCH_AGENT = AGENT % ("neutron-openvswitch-agent", "plugins/ml2/openvswitch_agent.ini")
CONTROLLER_AGENTS = (
    Service("neutron-plugin-openvswitch-agent", "neutron", SWITCH_AGENT, in_pacemaker=True),
    *(
        Service(name, "neutron", AGENT % (name, f"{kind}_agent.ini"), in_pacemaker=True)
        for kind in ("l3", "dhcp", "metadata")
        for name in (f"neutron-{kind}-agent",)
    ),
)
COMPUTE_AGENTS = (Service("neutron-plugin-openvswitch-agent", "neutron", SWITCH_AGENT),)
"""Of environments with Neutron's own agents."""

START_UNIT = "openstack-start.service"

START_TARGET = """[Unit]
Description=OpenStack's services that are enabled on this node
"""

START_SERVICE = """[Unit]
Description=Starts OpenStack's services once those answer that they begin with
After=network-online.target

[Service]
ExecStart=/bin/sh -c '{waiting}; exec systemctl start openstack.target'

[Install]
WantedBy=multi-user.target
"""
"""At boot the database and the brokers come first: on two cores they would share the processors with forty programs
that can do nothing without them, and took 108 s instead of 69 (observed). A boot does not wait for it."""

DATABASE_ANSWERS = (
    "for try in $(seq 300); do mysqladmin -h {vip} -P 3306 --connect-timeout=2 -s ping && break; sleep 1; done"
)
BROKER_ANSWERS = "for try in $(seq 60); do nc -z -w 1 {address} {port} && break; sleep 1; done"
"""A broker starts in a third of the time when nothing else does, and who does not reach it asks ever less often."""

API_ANSWERS = "for try in $(seq 60); do curl -sf -m 2 -o /dev/null http://{vip}:{port}/ && break; sleep 1; done"
"""nova-conductor and nova-scheduler end without Keystone. nova-compute waits ten seconds for a conductor that is not
there yet, and one comes up with nova's API."""

CONFIGURATION = {
    "keystone.conf.j2": ("keystone", "/etc/keystone/keystone.conf"),
    "placement.conf.j2": ("placement", "/etc/placement/placement.conf"),
    "glance-api.conf.j2": ("glance", "/etc/glance/glance-api.conf"),
    "nova.conf.j2": ("nova", "/etc/nova/nova.conf"),
    "neutron.conf.j2": ("neutron", "/etc/neutron/neutron.conf"),
    "ml2_conf.ini.j2": ("neutron", "/etc/neutron/plugins/ml2/ml2_conf.ini"),
    "cinder.conf.j2": ("cinder", "/etc/cinder/cinder.conf"),
    "heat.conf.j2": ("heat", "/etc/heat/heat.conf"),
}
"""Template to its service and its place on the node."""

AGENT_CONFIGURATION = {
    "openvswitch_agent.ini.j2": ("neutron", "/etc/neutron/plugins/ml2/openvswitch_agent.ini"),
    "l3_agent.ini.j2": ("neutron", "/etc/neutron/l3_agent.ini"),
    "dhcp_agent.ini.j2": ("neutron", "/etc/neutron/dhcp_agent.ini"),
    "metadata_agent.ini.j2": ("neutron", "/etc/neutron/metadata_agent.ini"),
}
GUEST_SCRIPT = Path(__file__).parent / "node_scripts/guest.py"


def services(environment: Environment, node: Node) -> list[Service]:
    """Units of a node by its roles."""
    found: list[Service] = []
    if node.is_controller:
        is_primary = node.uid == environment.primary.uid
        found += [service for service in CONTROLLER_SERVICES if is_primary or not service.primary_only]
        found += CONTROLLER_AGENTS if environment.agents else ()
    if "compute" in node.roles:
        found += COMPUTE_SERVICES
        found += COMPUTE_AGENTS if environment.agents and not node.is_controller else ()
    return found


def user_passwords(environment: Environment) -> dict[str, str]:
    """Password of each service's Keystone user. Placement is younger than Fuel: it has nova's."""
    settings = environment.settings
    return {
        "nova": settings["nova"]["user_password"],
        "placement": settings["nova"]["user_password"],
        "glance": settings["glance"]["user_password"],
        "neutron": settings["quantum_settings"]["keystone"]["admin_password"],
        "cinder": settings["cinder"]["user_password"],
        "heat": settings["heat"]["user_password"],
    }


def context(environment: Environment, node: Node, venv: Path) -> dict[str, Any]:
    """What the templates of all services may name."""
    settings = environment.settings
    networks = settings["quantum_settings"].get("L2", {}).get("phys_nets", {})
    return {
        "vip": environment.vips["management"],
        "keystone": f"http://{environment.vips['management']}:5000/v3",
        "memcached": [f"{peer.management}:11211" for peer in environment.controllers],
        "transport_url": rabbitmq.transport_url(environment),
        "user_passwords": user_passwords(environment),
        "database_passwords": galera.passwords(environment),
        "heat_encryption_key": settings["heat"]["auth_encryption_key"],
        "fixed_key": settings["cinder"]["fixed_key"],
        "vlan_ranges": [f"{name}:{given['vlan_range']}" for name, given in networks.items() if given.get("vlan_range")],
        "host": node.fqdn,
        "address": node.management,
        "is_controller": node.is_controller,
        "agents": environment.agents,
        "ceph": environment.has_ceph,
        "metadata_secret": settings["quantum_settings"].get("metadata", {}).get("metadata_proxy_shared_secret"),
        "venv": str(venv),
    }


def files(environment: Environment, node: Node, venv: Path) -> list[File]:
    """Configuration and units of a node's services. ``venv``: where the node has OpenStack's Python environment."""
    values = context(environment, node, venv)
    wanted = services(environment, node)
    folders = {service.folder for service in wanted}
    made = [
        File(path, render(template, values), 0o640)
        for template, (folder, path) in _configuration(environment).items()
        if folder in folders
    ]
    if wanted:
        made.append(File(START, START_SCRIPT.read_text(encoding="utf-8"), 0o755))
        made.append(File("/etc/systemd/system/openstack.target", START_TARGET))
        waiting = "; ".join(_answers(node, values["vip"]))
        made.append(File(f"/etc/systemd/system/{START_UNIT}", START_SERVICE.format(waiting=waiting)))
    if environment.agents and "compute" in node.roles:
        made.append(File("/usr/local/sbin/guest", GUEST_SCRIPT.read_text(encoding="utf-8"), 0o755))
        made.append(File("/etc/systemd/system/guest@.service", render("guest.service.j2", values)))
    if node.is_controller:
        made.append(File("/etc/memcached.conf", _memcached(node)))
    return made + [_unit(service, values) for service in wanted]


def _configuration(environment: Environment) -> Mapping[str, tuple[str, str]]:
    return {**CONFIGURATION, **AGENT_CONFIGURATION} if environment.agents else CONFIGURATION


def _answers(node: Node, vip: str) -> list[str]:
    """Commands that wait for what a node's services begin with."""
    if not node.is_controller:
        return [DATABASE_ANSWERS.format(vip=vip), API_ANSWERS.format(vip=vip, port=8774)]
    broker = BROKER_ANSWERS.format(address=node.management, port=rabbitmq.PORT)
    return [DATABASE_ANSWERS.format(vip=vip), broker, API_ANSWERS.format(vip=vip, port=5000)]


def _unit(service: Service, values: Mapping[str, Any]) -> File:
    command = service.command.format(address=values["address"], venv=values["venv"])
    variables = VARIABLES | (CEPH_VARIABLES if values["ceph"] and service.name in CLIENTS_OF_CEPH else {})
    given = {"name": service.name, "folder": service.folder, "command": command, "variables": variables, "start": START}
    wanted_by = "multi-user.target" if service.at_boot else "openstack.target"
    text = render("unit.service.j2", {**values, **given, "wanted_by": wanted_by})
    return File(f"/etc/systemd/system/{service.name}.service", text)


def _memcached(node: Node) -> str:
    return f"-m 32\n-p 11211\n-u memcache\n-l {node.management}\n-P /var/run/memcached/memcached.pid\n"


def configuration_of(service: Service) -> list[str]:
    """Files of the node that a unit reads."""
    known = {**CONFIGURATION, **AGENT_CONFIGURATION}
    return [path for folder, path in known.values() if folder == service.folder] + [
        f"/etc/systemd/system/{service.name}.service"
    ]


def folders(environment: Environment, node: Node) -> list[str]:
    """Directories that packages would have made."""
    names = sorted({service.folder for service in services(environment, node)})
    return [f"/var/{kind}/{name}" for name in names for kind in ("log", "lib")]


def link_commands(host: Any, venv: Path) -> None:
    """Link the environment's programs into the node's /usr/bin; those of another release are replaced."""
    folder = host.root / "usr/bin"
    for program in sorted((venv / "bin").iterdir()):
        if COMMANDS.match(program.name):
            link = folder / program.name
            if link.is_symlink() and link.readlink() == program:
                continue
            link.unlink(missing_ok=True)
            link.symlink_to(program)
