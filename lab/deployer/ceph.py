"""Ceph as Fuel lays it out: what is on which node under which name, and what the monitors are told.

Monitors are on the controllers' management addresses, named as the nodes; OSDs on whole data disks of nodes with the
role ceph-osd; object gateways on the controllers. ceph.conf has Fuel's keys and nothing else: what the size of this
machine and today's Ceph need besides is in the monitors' own configuration database.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .environment import Environment, Node
from .files import File, render

CONFIGURATION = "/etc/ceph/ceph.conf"
LOG = "/var/log/ceph/radosgw.log"
OWNER = "ceph:ceph"
SECRET = 0o600

DISK_PROGRAM = Path(__file__).parent / "node_scripts/ceph_disk.py"
"""What Firefly has for OSDs on disks, and today's Ceph no longer."""

PLACEMENT_GROUPS = 16
"""Of each pool. Fuel's facts have hundreds, which six OSDs of today refuse and two cores would only be busy with."""

GATEWAY = "radosgw.gateway"
GATEWAY_KEYRING = "/etc/ceph/keyring.radosgw.gateway"
GATEWAY_PORT = 6780
GATEWAY_UNIT = f"ceph-radosgw@{GATEWAY}"

ADMIN = "/etc/ceph/ceph.client.admin.keyring"
BOOTSTRAP = "/var/lib/ceph/bootstrap-osd/ceph.keyring"
"""The key by which a node may add OSDs."""

GATHERED = {"ceph.client.admin.keyring": ADMIN, "ceph.bootstrap-osd.keyring": BOOTSTRAP}
MONITORS_KEYRING = "ceph.mon.keyring"
"""Keyrings in /root of the controllers, where ceph-deploy works on a Fuel node, and where those are in use."""

CHILDREN = "allow class-read object_prefix rbd_children"
POOLS = {
    "images": f"{CHILDREN}, allow rwx pool=images",
    "volumes": f"{CHILDREN}, allow rwx pool=volumes, allow rx pool=images",
    "backups": f"{CHILDREN}, allow rwx pool=backups, allow rx pool=volumes",
    "compute": f"{CHILDREN}, allow rwx pool=volumes, allow rx pool=images, allow rwx pool=compute",
}
"""Pool to what its user, whose name is the pool's, may do on OSDs."""

TUNING = {
    "global": {"osd_pool_default_pg_autoscale_mode": "off", "auth_allow_insecure_global_id_reclaim": "false"},
    "mon": {"mon_data_avail_warn": "8", "mon_allow_pool_delete": "true"},
    "mgr": {
        "mgr_stats_period": "2",
        "mgr_disabled_modules": "cephadm dashboard diskprediction_local influx insights iostat k8sevents localpool"
        " mds_autoscaler mirroring nfs osd_perf_query osd_support prometheus restful rook selftest snap_schedule stats"
        " telegraf test_orchestrator zabbix alerts",
    },
    "osd": {
        "bluestore_cache_autotune": "false",
        "bluestore_cache_size": str(32 * 2**20),
        "osd_op_num_shards": "1",
        "osd_op_num_threads_per_shard": "2",
    },
    # Images of Firefly had layering and nothing else; Fuel's users may not even break the lock of a dead client.
    "client": {"rbd_default_features": "1"},
}
"""Section and option to value, for a small machine."""

UNUSED_MODULES = ("iostat", "restful")
"""Modules of the manager that a new cluster has enabled."""

GATEWAY_TUNING = {
    "rgw_frontends": f"beast port={GATEWAY_PORT}",
    "rgw_thread_pool_size": "16",
    "rgw_keystone_api_version": "3",
    "rgw_keystone_admin_domain": "Default",
}
GATEWAY_OVERRIDE = f"""[Service]
ExecStart=
ExecStart=/usr/bin/radosgw -f --cluster ceph --name client.{GATEWAY} --setuser ceph --setgroup ceph \\
    --rgw-keystone-admin-token=
"""
"""Keystone's administrator token and FastCGI behind Apache are things of the past: today's gateway has a server of its
own and logs in as the administrator, unless it is told a token."""


def monitors(environment: Environment) -> Sequence[Node]:
    """Nodes with a monitor, the primary controller first."""
    return environment.controllers


def files(environment: Environment, node: Node, fsid: str) -> list[File]:
    """What a node of an environment with Ceph has before any daemon runs."""
    settings = environment.settings
    context = {
        "fsid": fsid,
        "monitors": monitors(environment),
        "copies": settings["storage"]["osd_pool_size"],
        "placement_groups": PLACEMENT_GROUPS,
        "cluster_network": settings["storage_network_range"],
        "public_network": settings["management_network_range"],
        "gateway": node.is_controller and environment.has_objects,
        "name": node.name,
        "vip": environment.vips["management"],
        "admin_token": settings["keystone"]["admin_token"],
        "release": environment.fuel_release,
    }
    made = [File(CONFIGURATION, render("ceph.conf.j2", context))]
    if context["gateway"]:
        made.append(File(f"/etc/systemd/system/{GATEWAY_UNIT}.service.d/keystone.conf", GATEWAY_OVERRIDE))
    if "ceph-osd" in node.roles:
        made.append(File("/usr/sbin/ceph-disk", DISK_PROGRAM.read_text(encoding="utf-8"), 0o755))
    return made


def fsid_of(configuration: str | None) -> str | None:
    """The cluster that the text of a ceph.conf belongs to."""
    lines = (line.partition("=") for line in (configuration or "").splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == "fsid"), None)


def users_of(node: Node) -> list[str]:
    """Users whose keyrings are on a node, by its roles."""
    found = ["images", "volumes", "backups"] if node.is_controller else []
    return [*found, "compute"] if "compute" in node.roles else found


def keyring_of(user: str) -> str:
    """Where the keyring of a pool's user is on nodes that have it."""
    return f"/etc/ceph/ceph.client.{user}.keyring"


def tuning() -> list[dict[str, Any]]:
    """Commands that put what is not in ceph.conf into the monitors' database."""
    options = [set_option(who, name, value) for who, given in TUNING.items() for name, value in given.items()]
    unused = [{"prefix": "mgr module disable", "module": name} for name in UNUSED_MODULES]
    # No device is asked for its health, so that there is no pool for that.
    return [*options, *unused, {**set_option("mgr", "mgr/devicehealth/enable_monitoring", "false"), "force": True}]


def gateway_tuning(environment: Environment) -> list[dict[str, Any]]:
    """Commands that give the object gateways what ceph.conf of Fuel has no words for."""
    access = environment.settings["access"]
    login = {
        "rgw_keystone_admin_project": access["tenant"],
        "rgw_keystone_admin_user": access["user"],
        "rgw_keystone_admin_password": access["password"],
    }
    return [set_option(f"client.{GATEWAY}", name, value) for name, value in {**GATEWAY_TUNING, **login}.items()]


def set_option(who: str, name: str, value: str) -> dict[str, Any]:
    """The command that sets an option in the monitors' database."""
    return {"prefix": "config set", "who": who, "name": name, "value": value}


def pool_commands() -> list[dict[str, Any]]:
    """Commands that make the pools, each for images of block devices."""
    made = [
        {"prefix": "osd pool create", "pool": pool, "pg_num": PLACEMENT_GROUPS, "pgp_num": PLACEMENT_GROUPS}
        for pool in POOLS
    ]
    return made + [{"prefix": "osd pool application enable", "pool": pool, "app": "rbd"} for pool in POOLS]


def user_commands() -> list[dict[str, Any]]:
    """Commands that make the pools' users, in the order of POOLS; each answers with a keyring."""
    return [key_command(f"client.{user}", mon="allow r", osd=caps) for user, caps in POOLS.items()]


def key_command(entity: str, **caps: str) -> dict[str, Any]:
    """The command that makes a user unless it is there, and answers with its keyring."""
    words = [word for service, given in caps.items() for word in (service, given)]
    return {"prefix": "auth get-or-create", "entity": entity, "caps": words}


def gateway_key_command() -> dict[str, Any]:
    """The same for the object gateways, which share one user."""
    return key_command(f"client.{GATEWAY}", mon="allow rw", osd="allow rwx")


def manager_key_command(name: str) -> dict[str, Any]:
    """The same for a manager."""
    return key_command(f"mgr.{name}", mon="allow profile mgr", osd="allow *", mds="allow *")
