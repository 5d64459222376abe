"""Ceph's daemons on the nodes of an environment: monitors, a manager, pools, object gateways, OSDs.

Every step finds out by itself what is done already.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lab.wait import Timeout, until

from . import ceph, cloud
from .environment import Environment, Node
from .errors import DeploymentError
from .files import current, write

PYTHON = "/usr/bin/python3"
COMMANDS = Path(__file__).parent / "node_scripts/ceph_commands.py"
COMMAND_TIMEOUT = 180
QUORUM_TIMEOUT = 180
OSD_TIMEOUT = 300
HEALTH_TIMEOUT = 300

MAKE_KEYRINGS = """set -eu; umask 077; cd /root
ceph-authtool --create-keyring ceph.mon.keyring --gen-key -n mon. --cap mon 'allow *'
ceph-authtool --create-keyring ceph.bootstrap-osd.keyring --gen-key -n client.bootstrap-osd \
    --cap mon 'profile bootstrap-osd' --cap mgr 'allow r'
ceph-authtool --create-keyring ceph.client.admin.keyring --gen-key -n client.admin \
    --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *'
"""

STOP_ORDER = ("radosgw", "osd", "mgr", "mon")
"""Kinds of daemons. A gateway without OSDs hangs until it is killed; an OSD tells the monitors that it goes."""

FIRST_KEYS = "/var/lib/ceph/tmp/first.keyring"
"""What a monitor begins with, readable to it only for as long as that takes."""


# ---- all nodes


def configure(environment: Environment, hosts: Mapping[str, Any], nodes: Iterable[Node]) -> None:
    """Give nodes the files of the environment's cluster, which the primary controller knows or is the first to name."""
    primary = hosts[environment.primary.uid]
    fsid = ceph.fsid_of(current(primary, ceph.CONFIGURATION)) or str(uuid.uuid4())
    for node in nodes:
        host = hosts[node.uid]
        if write(host, ceph.files(environment, node, fsid)):
            host.run(["systemctl", "daemon-reload"])
        # Fuel has one log for all: not of whoever comes first, which may be root.
        if current(host, ceph.LOG) is None:
            host.write(ceph.LOG, "", 0o644, ceph.OWNER)


def send(host: Any, commands: list[dict[str, Any]]) -> list[str]:
    """Send commands to the monitors from a node with the administrator's key; returns their answers."""
    argv = [PYTHON, "-c", COMMANDS.read_text(encoding="utf-8")]
    answers: list[str] = json.loads(host.run(argv, input=json.dumps(commands), timeout=COMMAND_TIMEOUT).stdout)
    return answers


def copy(source: Any, path: str, target: Any, place: str, owner: str | None = None) -> None:
    """Copy a secret from one node to another."""
    target.write(place, current(source, path) or "", ceph.SECRET, owner)


# ---- controllers


def deploy_monitors(environment: Environment, hosts: Mapping[str, Any], controllers: Iterable[Node]) -> None:
    """A monitor on each of the controllers, and all that the monitors keep. Raises Timeout, CommandFailed."""
    chosen = list(controllers)
    primary = hosts[environment.primary.uid]
    configure(environment, hosts, chosen)
    if current(primary, ceph.ADMIN) is None:
        primary.run(["sh", "-c", MAKE_KEYRINGS])
        for name, place in ceph.GATHERED.items():
            copy(primary, f"/root/{name}", primary, place, ceph.OWNER if place == ceph.BOOTSTRAP else None)
    for node in chosen:
        if node != environment.primary:
            _gather(primary, environment.primary, hosts[node.uid])
    cloud.in_parallel(partial(_start_monitor, hosts[node.uid], node) for node in chosen)
    wait_quorum(primary, ceph.monitors(environment))
    send(primary, ceph.tuning())
    _start_manager(primary, environment.primary)
    send(primary, ceph.pool_commands())
    _write_keyrings(environment, hosts, chosen)
    if environment.has_objects:
        _start_gateways(environment, hosts, chosen)


def _gather(primary: Any, node: Node, host: Any) -> None:
    """The keyrings that ceph-deploy gathers, as they are in use on the primary controller: what lies in its /root may
    be of a cluster that is gone."""
    for name, place in ceph.GATHERED.items():
        copy(primary, place, host, f"/root/{name}")
        copy(primary, place, host, place, ceph.OWNER if place == ceph.BOOTSTRAP else None)
    in_use = f"{_monitor_home(node)}/keyring"
    made = f"/root/{ceph.MONITORS_KEYRING}"
    copy(primary, made if current(primary, in_use) is None else in_use, host, made)


def _monitor_home(node: Node) -> str:
    return f"/var/lib/ceph/mon/ceph-{node.name}"


def _start_monitor(host: Any, node: Node) -> None:
    """Make a node's monitor, unless there is one, and start it: it looks for the others where ceph.conf names them."""
    home = _monitor_home(node)
    if current(host, f"{home}/done") is None:
        names = (ceph.MONITORS_KEYRING, *ceph.GATHERED)
        keys = "".join(current(host, f"/root/{name}") or "" for name in names)
        host.write(FIRST_KEYS, keys, ceph.SECRET, ceph.OWNER)
        user = ["--setuser", "ceph", "--setgroup", "ceph"]
        host.run(["ceph-mon", "--mkfs", "--id", node.name, "--keyring", FIRST_KEYS, *user])
        host.run(["rm", FIRST_KEYS])
        for mark in ("systemd", "done"):
            host.write(f"{home}/{mark}", "", owner=ceph.OWNER)
    host.run(["systemctl", "enable", "--quiet", "--now", f"ceph-mon@{node.name}"])


def wait_quorum(host: Any, nodes: Iterable[Node]) -> None:
    """Wait until the monitors of all ``nodes`` are in the quorum. Raises Timeout."""
    wanted = {node.name for node in nodes}
    until(lambda: wanted <= quorum(host), QUORUM_TIMEOUT, f"monitors {', '.join(sorted(wanted))} in quorum", 0.5)


def quorum(host: Any) -> set[str]:
    """Names of the monitors in the quorum as a controller's own one sees it, which answers also without any."""
    argv = ["ceph", "--connect-timeout", "5", "daemon", f"mon.{host.installed_name}", "mon_status"]
    answer = host.run(argv, check=False)
    if answer.returncode:
        return set()
    told = json.loads(answer.stdout)
    return {monitor["name"] for monitor in told["monmap"]["mons"] if monitor["rank"] in told["quorum"]}


def _start_manager(host: Any, node: Node) -> None:
    home = f"/var/lib/ceph/mgr/ceph-{node.name}"
    if current(host, f"{home}/keyring") is None:
        keyring = send(host, [ceph.manager_key_command(node.name)])[0]
        host.run(["install", "-d", "-o", "ceph", "-g", "ceph", home])
        host.write(f"{home}/keyring", keyring, ceph.SECRET, ceph.OWNER)
    host.run(["systemctl", "enable", "--quiet", "--now", f"ceph-mgr@{node.name}"])


def _start_gateways(environment: Environment, hosts: Mapping[str, Any], controllers: Iterable[Node]) -> None:
    primary = hosts[environment.primary.uid]
    keyring = send(primary, [*ceph.gateway_tuning(environment), ceph.gateway_key_command()])[-1]
    for node in controllers:
        host = hosts[node.uid]
        host.write(ceph.GATEWAY_KEYRING, keyring, 0o640, "root:ceph")
        host.run(["systemctl", "enable", "--quiet", ceph.GATEWAY_UNIT])
        # Without OSDs it waits for them, and nobody for it.
        host.run(["systemctl", "start", "--no-block", ceph.GATEWAY_UNIT])


def _write_keyrings(environment: Environment, hosts: Mapping[str, Any], nodes: Iterable[Node]) -> None:
    """Keyrings of the pools' users, by the nodes' roles."""
    keyrings = dict(zip(ceph.POOLS, send(hosts[environment.primary.uid], ceph.user_commands()), strict=True))
    for node in nodes:
        for user in ceph.users_of(node):
            hosts[node.uid].write(ceph.keyring_of(user), keyrings[user], ceph.SECRET)


# ---- computes and OSD nodes


def join_clients(environment: Environment, hosts: Mapping[str, Any], nodes: Iterable[Node]) -> None:
    """Files and keyrings of nodes without a monitor. Raises DeploymentError when the primary controller has none."""
    chosen = list(nodes)
    primary = hosts[environment.primary.uid]
    if current(primary, ceph.ADMIN) is None:
        raise DeploymentError(f"environment {environment.identifier}: {primary.name} has no Ceph yet")
    configure(environment, hosts, chosen)
    for node in chosen:
        host = hosts[node.uid]
        copy(primary, ceph.ADMIN, host, ceph.ADMIN)
        if "ceph-osd" in node.roles:
            copy(primary, ceph.BOOTSTRAP, host, ceph.BOOTSTRAP, ceph.OWNER)
    _write_keyrings(environment, hosts, chosen)


def deploy_osds(hosts: Mapping[str, Any], nodes: Iterable[Node]) -> None:
    """An OSD on every data disk of each node, as Fuel's manifests do it: a disk that is not mounted as the home of an
    OSD is made a new one, whatever was on it, and all are started. Raises CommandFailed.

    Nothing starts what was kept before that: udev told of the disks before the node had Ceph's rules.
    """
    cloud.in_parallel(partial(_make_osds, hosts[node.uid]) for node in nodes)


def _make_osds(host: Any) -> None:
    for line in host.run(["ceph-disk", "list"]).stdout.splitlines():
        disk, _, state = line.partition(" ")
        if "ceph data, active" not in state:
            host.run(["ceph-disk", "prepare", disk], timeout=OSD_TIMEOUT)
        host.run(["ceph-disk", "activate", disk], timeout=OSD_TIMEOUT)


# ---- state


def status(host: Any) -> dict[str, Any]:
    """What ``ceph status`` tells on a node; nothing while no monitor answers."""
    argv = ["ceph", "--connect-timeout", "10", "status", "--format", "json"]
    answer = host.run(argv, check=False)
    return json.loads(answer.stdout) if answer.returncode == 0 else {}


def is_healthy(told: Mapping[str, Any], monitors: int) -> bool:
    """Whether a status is that of a whole cluster: monitors in quorum, OSDs up, every placement group clean."""
    if not told or told["health"]["status"] != "HEALTH_OK" or len(told["quorum"]) < monitors:
        return False
    osds, groups = told["osdmap"], told["pgmap"]
    states = groups.get("pgs_by_state", [])
    # One that is being scrubbed is clean as well.
    clean = sum(state["count"] for state in states if state["state_name"].startswith("active+clean"))
    return bool(osds["num_osds"]) and osds["num_up_osds"] == osds["num_osds"] and clean == groups["num_pgs"]


def wait_healthy(host: Any, environment: Environment, timeout: float = HEALTH_TIMEOUT) -> None:
    """Wait until the cluster of an environment is whole. Raises DeploymentError that tells its state."""
    count = len(ceph.monitors(environment))
    seen: dict[str, Any] = {}

    def healthy() -> bool:
        seen.clear()
        seen.update(status(host))
        return is_healthy(seen, count)

    try:
        until(healthy, timeout, f"Ceph of environment {environment.identifier} to be whole", 1)
    except Timeout as error:
        raise DeploymentError(f"{error}; it is {json.dumps(seen.get('health', 'silent'))}") from error


def stop(host: Any, kind: str) -> None:
    """Stop the daemons of a kind on a node and wait for their end, as stopping their target would not."""
    host.run(["systemctl", "stop", f"ceph-{kind}@*"], timeout=COMMAND_TIMEOUT)
