"""From when to when the loaded programs of a lab live: from its first start until it is taken down, over every reset.

They belong to no host: their control groups are beside the lab's, and a folder of the lab's state, which every host
sees, has their sockets. A lab works without them, its daemons only take longer to start.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import cgroups
from lab.deployer import openstack
from lab.hosts import PATH
from lab.image import RELEASES
from lab.state import Lab
from lab.wait import until

SERVER = Path(__file__).with_name("server.py")
IN_GROUPS = 'for group in $GROUPS_TO_ENTER; do echo 0 > "$group/cgroup.procs" || exit 1; done; unset GROUPS_TO_ENTER'
IN_IMAGE = 'mount --bind "$0/usr" /usr && exec "$@"'
"""The Python of the image, and its libraries: those that the daemons meet in their hosts."""

OF_OLD_CLOUD = RELEASES[0]
UNSHARED_IDLE = 60
"""Seconds for which a program that only one controller runs stays loaded: some 40 MiB each, for faster restarts."""

ROOM = "x" * 400
"""The memory of the first environment is where a process can write a longer command line."""

OF_ALL = ("amqp", "kombu.connection", "kombu.messaging", "pymysql")
OF_NOVA = ("nova.db.api.models", "nova.db.main.models")
OF_NEUTRON = ("neutron.db.models.securitygroup", "neutron.db.models.l3", "neutron.plugins.ml2.models")
OF_CINDER = ("cinder.db.sqlalchemy.models", "networkx")
MORE = {
    "nova-api-os-compute": (*OF_NOVA, "nova.api.openstack.compute"),
    "nova-conductor": OF_NOVA,
    "nova-scheduler": OF_NOVA,
    "nova-compute": ("pyroute2", "paramiko", "testtools"),
    "neutron-server": (*OF_NEUTRON, "pecan"),
    "cinder-api": OF_CINDER,
    "cinder-scheduler": OF_CINDER,
    "cinder-volume": OF_CINDER,
    "glance-api": ("glance.api.v2.router", "glance.db.sqlalchemy.models", "openstack.connection", "boto3"),
    "heat-engine": ("openstack.connection", "yaql", "os_ken.lib.packet.packet_base", "keystoneclient.v3.client"),
}
"""Program to what it imports only when it runs, and is loaded with it.

No module may be here that reads the configuration while it is imported (nova's managers do): it would find none."""


def groups(prefix: str) -> list[Path]:
    """The control group of all loaded programs of a lab, in each hierarchy."""
    return [hierarchy / f"{prefix}preloaded" for hierarchy in cgroups.hierarchies()]


def programs(environment: Path) -> list[Path]:
    """The programs of an environment that nodes run, but for those inside uwsgi."""
    services = (*openstack.CONTROLLER_SERVICES, *openstack.COMPUTE_SERVICES)
    names = {service.command.split()[0] for service in services} - {"uwsgi"}
    return sorted(environment / "bin" / name for name in names)


def start(lab: Lab) -> None:
    """Start what holds programs loaded, unless it runs.

    Those of the old cloud are loaded at once, while its hosts boot; another's when the first host asks for one.
    """
    for release, environment in lab.openstack.items():
        own = [group / release for group in groups(lab.prefix)]
        if any(cgroups.processes(group) for group in own):
            continue
        folder = lab.preloaded / environment.name
        folder.mkdir(parents=True, exist_ok=True)
        for group in own:
            group.mkdir(parents=True, exist_ok=True)
        with SERVER.open("rb") as source, (lab.preloaded / f"{release}.log").open("ab") as log:
            subprocess.Popen(
                command(
                    Path(lab.options["image"]),
                    environment,
                    folder,
                    at_once=release == OF_OLD_CLOUD,
                    idle=0 if is_shared(lab.definition) else UNSHARED_IDLE,
                ),
                stdin=source,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**openstack.VARIABLES, "PATH": PATH, "GROUPS_TO_ENTER": " ".join(map(str, own)), "ROOM": ROOM},
            )


def is_shared(definition: dict[str, Any]) -> bool:
    """Whether several controllers run the same programs: what is loaded is then one memory in all of them."""
    return sum("controller" in host.get("roles", ()) for host in definition["hosts"].values()) > 1


def command(image: Path, environment: Path, folder: Path, *, at_once: bool, idle: float) -> list[str]:
    """The command that serves an environment's programs, each loaded until nobody asked for it for ``idle`` seconds."""
    python = [str(environment / "bin/python"), "-IB", "-", str(folder), "now" if at_once else "asked", str(idle)]
    served = [f"{path}:{','.join((*OF_ALL, *MORE.get(path.name, ())))}" for path in programs(environment)]
    in_image = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", IN_IMAGE, str(image)]
    return in_groups([*in_image, *python, *served])


def in_groups(argv: Sequence[str]) -> list[str]:
    """A command that enters control groups and becomes ``argv``."""
    return ["sh", "-c", f'{IN_GROUPS}; exec "$@"', "sh", *argv]


def stop(prefix: str) -> None:
    """End all that holds programs of a lab loaded. Raises Timeout."""
    def ended() -> bool:
        for group in groups(prefix):
            cgroups.kill(group)
        return all([cgroups.remove(group) for group in groups(prefix)])

    until(ended, 15, f"the loaded programs of the lab {prefix} to end")
