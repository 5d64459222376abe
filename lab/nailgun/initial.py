"""States a server can start from: the lab's own reference cloud, and the master whose exchanges were recorded.

``reference(definition)`` reads of the definition:

    master_ip, dns_domain              of the Fuel master (10.20.0.2, domain.tld)
    environment                        name of the environment of release 2014.2.2-6.1 ("original")
    networks                           {admin, public, management, storage: {cidr, gateway, vlan, ranges, floating}}, all optional
    nodes                              list of {id, roles, mac: {eth0: ...}, disks: [{name, size}], cpus, memory, ip}

A node without roles is a spare server: discovered, in no environment. ``disks`` sizes and ``memory`` are in bytes.
"""

from __future__ import annotations

import uuid
from typing import Any

from lab.nailgun import addresses, clusters, disks, networks, nodes, releases, tasks
from lab.nailgun.state import Row, State

GIB = 2**30

SETTINGS: dict[str, Any] = {
    "master_ip": "10.20.0.2",
    "dns_domain": "domain.tld",
    "DNS_UPSTREAM": "8.8.8.8, 8.8.4.4",
    "NTP_UPSTREAM": "0.pool.ntp.org, 1.pool.ntp.org",
    "feature_groups": ["advanced"],
    "clone_ips": False,
    "clock": None,
}

NIC_NETWORKS = {"eth0": ["fuelweb_admin"], "eth1": ["public"], "eth2": ["management", "storage"], "eth3": ["private"]}
"""Which networks which interface carries in the lab's and in the recorded environment."""

INSTALLED = (
    "Master node installation has been completed successfully. Now you can boot new nodes over PXE, they will be "
    "discovered and become available for installing OpenStack on them"
)


def empty_master(settings: dict[str, Any] | None = None, admin: dict[str, Any] | None = None) -> State:
    """A 7.0 master that was upgraded from 6.1, with its four releases and the admin network, and nothing else."""
    state = State(SETTINGS | (settings or {}))
    admin = {"cidr": "10.20.0.0/24", "gateway": "10.20.0.1", "ranges": [["10.20.0.129", "10.20.0.254"]]} | (admin or {})
    networks.add_admin(state, admin["cidr"], admin["gateway"], admin["ranges"])
    releases.add_known(state)
    notify(state, "done", INSTALLED)
    return state


def notify(state: State, topic: str, message: str, cluster: int | None = None, node: int | None = None) -> Row:
    """A notification, unread. Its time is shown as the server's clock says when it is read the first time."""
    row = {"topic": topic, "message": message, "cluster": cluster, "node_id": node, "task_id": None, "status": "unread"}
    return state.insert("notifications", row | {"date": "22-11-2026", "time": "12:00:00"})


def hardware(definition: dict[str, Any]) -> dict[str, Any]:
    """``meta`` of a virtual machine as the bootstrap's agent reports it."""
    number = definition["id"]
    identity = str(uuid.UUID(int=number))
    memory = definition.get("memory", 8 * GIB)
    cpu = {"model": "QEMU Virtual CPU version 2.0.0", "frequency": 2399}
    return {
        "interfaces": [_nic(definition, index) for index in range(4)],
        "disks": [_disk(definition, index, disk) for index, disk in enumerate(definition["disks"])],
        "memory": {
            "slots": 1,
            "total": memory,
            "maximum_capacity": memory,
            "devices": [{"type": "RAM", "size": memory}],
        },
        "cpu": {"real": 1, "total": definition.get("cpus", 4), "spec": [cpu] * definition.get("cpus", 4)},
        "system": {
            "manufacturer": "QEMU",
            "product": "Standard PC (i440FX + PIIX, 1996)",
            "family": "Virtual Machine",
            "version": "pc-i440fx-trusty",
            "serial": "Not Specified",
            "fqdn": "bootstrap",
            "uuid": identity,
            "runtime_uuid": identity,
        },
    }


def _nic(definition: dict[str, Any], index: int) -> dict[str, Any]:
    name = f"eth{index}"
    nic = {
        "name": name,
        "mac": definition["mac"][name],
        "driver": "e1000",
        "bus_info": f"0000:00:0{3 + index}.0",
        "state": "up",
        "max_speed": 1000,
        "current_speed": 1000,
        "offloading_modes": [],
        "pxe": index == 0,
    }
    if index == 0:
        nic.update(ip=definition["ip"], netmask="255.255.255.0")
    return nic


def _disk(definition: dict[str, Any], index: int, disk: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": disk["name"],
        "disk": f"disk/by-path/pci-0000:00:0{9 + index}.0-virtio-pci-virtio{index}",
        "extra": [f"disk/by-id/virtio-{definition['id']:02d}{index:02d}"],
        "model": None,
        "removable": "0",
        "size": disk["size"],
    }


def discover(state: State, definition: dict[str, Any]) -> Row:
    """A server that booted into the bootstrap: the node's row and the notification."""
    definition = {
        "ip": f"10.20.0.{130 + definition['id']}",
        "mac": {f"eth{index}": f"52:54:00:{definition['id']:02x}:00:{index:02x}" for index in range(4)},
        "disks": [
            {"name": "vda", "size": 60 * GIB},
            {"name": "vdb", "size": 50 * GIB},
            {"name": "vdc", "size": 50 * GIB},
        ],
    } | definition
    meta = hardware(definition)
    report = {
        "id": definition["id"],
        "name": f"Untitled (00:{definition['id']:02x})",
        "mac": definition["mac"]["eth0"],
        "ip": definition["ip"],
        "meta": meta,
    }
    report.update(manufacturer="QEMU", platform_name="Standard PC (i440FX + PIIX, 1996)", os_platform="ubuntu")
    node = nodes.add_discovered(state, report)
    notify(state, "discover", discovery_message(meta), node=node["id"])
    return node


def discovery_message(meta: dict[str, Any]) -> str:
    """The text of the notification about a new node: CPUs, memory, disks (whole GB, shown as TB from 100 on)."""
    memory = meta["memory"]["total"] / GIB
    gigabytes = sum(disk["size"] for disk in meta["disks"]) // 10**9
    storage = f"{gigabytes / 1000} TB" if gigabytes > 100 else f"{float(gigabytes)} GB"
    return f"New node is discovered: {meta['cpu']['total']} CPUs / {memory:.1f} GB RAM / {storage} HDD "


def join(state: State, cluster: Row, node: Row, roles: list[str]) -> None:
    """Make the node a deployed one of the environment, with its networks on the usual interfaces."""
    groups = networks.group_ids(state, cluster)
    node.update(cluster=cluster["id"], group_id=groups[0], roles=roles, status="ready", progress=100)
    for nic in node["interfaces"]:
        wanted = NIC_NETWORKS.get(nic["name"], [])
        nic["networks"] = [row["id"] for row in networks.of_node(state, node) if row["name"] in wanted]
    node["disks"] = disks.layout(state, node)


def deployed_environment(state: State, name: str, roles: dict[int, list[str]], wanted: dict[str, Any]) -> Row:
    """An operational environment of release 2014.2.2-6.1 with the given nodes (id -> roles) and networks as WANTED."""
    release = next(row for row in state.rows("releases", version="2014.2.2-6.1", operating_system="Ubuntu"))
    cluster = clusters.insert(state, name, release)
    _configure(state, cluster, wanted)
    members = [state.row("nodes", number) for number in sorted(roles)]
    for node in members:
        join(state, cluster, node, roles[node["id"]])
    addresses.ensure_virtual(state, cluster)
    addresses.assign(state, cluster, members)
    first = min(number for number in roles if "controller" in roles[number])
    state.row("nodes", first)["primary_roles"] = ["controller"]
    cluster.update(status="operational", changes=[])
    _remember_deployment(state, cluster)
    return cluster


def _configure(state: State, cluster: Row, wanted: dict[str, Any]) -> None:
    """Put the definition's ``cidr``, ``gateway``, ``vlan``, ``ranges`` and ``floating`` in the place of the defaults."""
    for name, values in wanted.items():
        network = networks.by_name(state, cluster, name)
        if network is None or name == "admin":
            continue
        columns = {"cidr": "cidr", "gateway": "gateway", "vlan": "vlan_start", "ranges": "ip_ranges"}
        network.update({column: values[key] for key, column in columns.items() if key in values})
        if "floating" in values:
            cluster["parameters"]["floating_ranges"] = values["floating"]


def _remember_deployment(state: State, cluster: Row) -> None:
    """The finished tasks and the notification that the deployment left behind."""
    message = tasks.done_message(state, cluster)
    deploy = tasks.add(state, "deploy", cluster["id"])
    for name in ("check_networks", "check_before_deployment", "provision", "deployment"):
        task = tasks.add(state, name, cluster["id"], parent=deploy["id"])
        tasks.finish(task, "ready", message if name == "deployment" else None)
        if name == "check_before_deployment":
            state.delete("tasks", task["id"])
    tasks.finish(deploy, "ready", message)
    notify(state, "done", message, cluster=cluster["id"])


def reference(definition: dict[str, Any]) -> State:
    """The lab's own cloud: an operational 6.1 environment of the nodes that have roles, and spare servers."""
    settings = {key: definition[key] for key in ("master_ip", "dns_domain") if key in definition}
    wanted = definition.get("networks", {})
    state = empty_master(settings, _admin(wanted.get("admin")))
    for node in definition["nodes"]:
        discover(state, node)
    members = {node["id"]: list(node["roles"]) for node in definition["nodes"] if node.get("roles")}
    name = definition.get("environment", "original")
    deployed_environment(state, name, members, wanted)
    return state


def _admin(wanted: dict[str, Any] | None) -> dict[str, Any]:
    return {key: wanted[key] for key in ("cidr", "gateway", "ranges") if key in wanted} if wanted else {}


def recorded() -> State:
    """The master whose exchanges were recorded: environment 1 with nodes 1 to 5, spare servers 6, 7 and 8."""
    state = empty_master({"dns_domain": "example.com", "clone_ips": True})
    for number in range(1, 9):
        discover(state, {"id": number})
    roles = {number: ["controller"] for number in (1, 2, 3)}
    cluster = deployed_environment(state, "orig61", roles | {4: ["compute"], 5: ["cinder", "compute"]}, {})
    return state
