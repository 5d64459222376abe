"""Provisioning facts: what Cobbler and the image provisioning are told about nodes. Observed on Nailgun 7.0."""

from __future__ import annotations

import json
from typing import Any

from netaddr import IPNetwork

from lab.nailgun import addresses, disks, facts, networks, nodes, releases
from lab.nailgun.state import Row, State

MCOLLECTIVE = {
    "mco_auto_setup": 1,
    "mco_connector": "rabbitmq",
    "mco_enable": 1,
    "mco_host": "localhost",
    "mco_password": "guest",
    "mco_pskey": "lab-psk-of-no-use",
    "mco_user": "guest",
    "mco_vhost": "mcollective",
}
MLNX = {"mlnx_iser_enabled": False, "mlnx_plugin_mode": "disabled", "mlnx_vf_num": "16"}
PUPPET = {"puppet_auto_setup": 1, "puppet_enable": 0, "puppet_master": "localhost"}


def computed(state: State, cluster: Row, chosen: list[Row]) -> dict[str, Any]:
    """engine, nodes, fault_tolerance and pre_provision. Gives the chosen nodes addresses in the admin network."""
    for node in chosen:
        addresses.assign_admin(state, node)
    settings = facts.plain_settings(cluster)
    return {
        "engine": {
            "url": "http://localhost/cobbler_api",
            "username": "cobbler",
            "password": "cobbler",
            "master_ip": state.settings["master_ip"],
        },
        "nodes": [entry(state, cluster, node, settings) for node in chosen],
        "fault_tolerance": [{"percentage": 2, "uids": _tolerated(chosen)}],
        "pre_provision": [_image_task(cluster, settings)],
    }


def _tolerated(chosen: list[Row]) -> list[str]:
    """Compute nodes: two in a hundred of them may fail."""
    return [str(node["id"]) for node in chosen if "compute" in node["roles"] + node["pending_roles"]]


def _image_task(cluster: Row, settings: dict[str, Any]) -> dict[str, Any]:
    """The task of the master that builds the image."""
    wanted = {
        "codename": settings["provision"].get("codename"),
        "image_data": settings["provision"]["image_data"],
        "output": "/var/www/nailgun/targetimages",
        "repos": settings["repo_setup"]["repos"],
    }
    command = (
        "fa_build_image --image_build_dir /var/lib/fuel/ibp "
        f"--log-file /var/log/fuel-agent-env-{cluster['id']}.log "
        f"--data_driver nailgun_build_image --input_data '{json.dumps(wanted)}'"
    )
    parameters = {"cmd": command, "cwd": "/", "timeout": 3600, "interval": 1, "retries": 1}
    return {"priority": 100, "type": "shell", "uids": ["master"], "parameters": parameters}


def entry(state: State, cluster: Row, node: Row, settings: dict[str, Any]) -> dict[str, Any]:
    """One element of ``nodes``."""
    admin = state.row("networks", networks.ADMIN_ID)
    ip = addresses.of_node(state, node["id"], admin["id"])
    name = nodes.fqdn(state, node)
    return {
        "uid": str(node["id"]),
        "name": node["hostname"],
        "slave_name": node["hostname"],
        "hostname": name,
        "profile": settings["cobbler"]["profile"],
        "name_servers": '"127.0.0.1"',
        "name_servers_search": f'"{state.settings["dns_domain"]}"',
        "netboot_enabled": "1",
        "power_address": node["ip"],
        "power_type": "ssh",
        "power_user": "root",
        "power_pass": "/root/.ssh/bootstrap.rsa" if node["status"] == "discover" else "/root/.ssh/id_rsa",
        "kernel_options": _kernel_options(node),
        "interfaces": {nic["name"]: _interface(nic, ip, name, admin) for nic in node["interfaces"]},
        "interfaces_extra": {
            nic["name"]: {"onboot": "yes" if nic["pxe"] else "no", "peerdns": "no"} for nic in node["interfaces"]
        },
        "ks_meta": _ks_meta(state, cluster, node, settings, admin),
    }


def _kernel_options(node: Row) -> dict[str, str]:
    rules = ",".join(f"{nic['mac']}_{nic['name']}" for nic in node["interfaces"])
    return {"netcfg/choose_interface": node["mac"], "udevrules": rules}


def _interface(nic: Row, ip: str | None, name: str, admin: Row) -> dict[str, Any]:
    shown = {"static": "0", "mac_address": nic["mac"]}
    if not nic["pxe"]:
        return shown
    return shown | {"ip_address": ip, "dns_name": name, "netmask": str(IPNetwork(admin["cidr"]).netmask)}


def _ks_meta(state: State, cluster: Row, node: Row, settings: dict[str, Any], admin: Row) -> dict[str, Any]:
    release = state.row("releases", cluster["release_id"])
    meta: dict[str, Any] = {
        "admin_net": admin["cidr"],
        "auth_key": '""',
        "authorized_keys": [],
        "fuel_version": releases.fuel_version(release),
        "gw": admin["gateway"],
        "image_data": settings["provision"]["image_data"],
        "install_log_2_syslog": 1,
        "master_ip": state.settings["master_ip"],
        "pm_data": {
            "kernel_params": node["kernel_params"] or settings["kernel_params"]["kernel"],
            "ks_spaces": spaces(state, node),
        },
        "repo_setup": settings["repo_setup"],
        "timezone": "Etc/UTC",
    }
    return meta | MCOLLECTIVE | MLNX | PUPPET


def spaces(state: State, node: Row) -> list[dict[str, Any]]:
    """Partitions of each disk, then the volume groups with their logical volumes; sizes in MiB."""
    layout = disks.show(state, node)
    raw = {disk["disk"]: disk["size"] // disks.MIB for disk in node["meta"]["disks"]}
    wanted = disks.volumes(state, node)
    groups = [volume for volume in wanted if volume.name not in ("ceph", "cephjournal")]
    return [_disk(disk, raw[disk["id"]]) for disk in layout] + [_group(node, layout, volume) for volume in groups]


def _disk(disk: Row, raw: int) -> dict[str, Any]:
    parts = [_physical(volume) for volume in disk["volumes"]]
    pool = disks.GROUP_METADATA * sum(1 for volume in disk["volumes"] if not volume["size"])
    fixed: list[dict[str, Any]] = [
        {"type": "boot", "size": 300},
        {"type": "raid", "name": "Boot", "mount": "/boot", "file_system": "ext2", "size": 200},
        {"type": "lvm_meta_pool", "size": pool},
    ]
    shown = {key: disk[key] for key in ("id", "name", "extra")}
    return shown | {"type": "disk", "size": raw, "free_space": disk["size"], "volumes": fixed + parts}


def _physical(volume: Row) -> dict[str, Any]:
    if volume["name"] in ("ceph", "cephjournal"):
        return {"type": "partition", "name": volume["name"], "size": volume["size"]} | _kept(volume)
    extra = disks.GROUP_METADATA if volume["size"] else 0
    return {"type": "pv", "vg": volume["name"], "lvm_meta_size": extra, "size": volume["size"] + extra} | _kept(volume)


def _kept(volume: Row) -> dict[str, bool]:
    return {"keep_data": True} if volume["keep_data"] else {}


def _group(node: Row, layout: list[Row], volume: disks.Volume) -> dict[str, Any]:
    """A volume group: the base system has a root and a swap, all others one logical volume."""
    size = sum(part["size"] for disk in layout for part in disk["volumes"] if part["name"] == volume.name)
    if volume.name == "os":
        swap = disks.swap(node["meta"])
        parts = [_logical("root", "/", "ext4", disks.ROOT), _logical("swap", "swap", "swap", swap)]
    else:
        parts = [_logical(volume.logical, volume.mount, volume.file_system, size)]
    shown = {"id": volume.name, "type": "vg", "label": volume.label, "min_size": disks.minimum(node, volume)}
    return shown | {"_allocate_size": volume.share, "volumes": parts}


def _logical(name: str, mount: str | None, file_system: str, size: int) -> dict[str, Any]:
    return {"type": "lv", "name": name, "mount": mount, "file_system": file_system, "size": size}
