"""States a server can start from: the lab's own cloud, and the master whose exchanges were recorded."""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from lab.hosts import mac_address
from lab.nailgun import addresses, clusters, disks, networks, notifications, releases, tasks
from lab.nailgun.hardware import GIB, Machine, discover
from lab.nailgun.state import Row, State

SETTINGS: dict[str, Any] = {
    "master_ip": "10.20.0.2",
    "dns_domain": "domain.tld",
    "DNS_UPSTREAM": "8.8.8.8, 8.8.4.4",
    "NTP_UPSTREAM": "0.pool.ntp.org, 1.pool.ntp.org",
    "feature_groups": ["advanced"],
    "extensions": [],
}
"""Of the master. ``extensions``: names of additions to the API that are in place from the start."""

NIC_NETWORKS = {"eth0": ["fuelweb_admin"], "eth1": ["public"], "eth2": ["management", "storage"], "eth3": ["private"]}
"""Which networks which interface carries in the lab's and in the recorded environment."""

INSTALLED = (
    "Master node installation has been completed successfully. Now you can boot new nodes over PXE, they will be "
    "discovered and become available for installing OpenStack on them"
)
SYSTEM_DISK = 120 * GIB
"""What a lab host says its own disk holds: enough for the layout of a 7.0 controller."""


def empty_master(settings: dict[str, Any], cidr: str = "10.20.0.0/24", gateway: str = "10.20.0.1") -> State:
    """A 7.0 master that was upgraded from 6.1, with its four releases and the admin network, and nothing else."""
    state = State(SETTINGS | settings)
    network = IPNetwork(cidr)
    networks.add_admin(state, cidr, gateway, [[str(network[129]), str(network[254])]])
    releases.add_known(state)
    notifications.add(state, "done", INSTALLED)
    return state


def join(state: State, cluster: Row, node: Row, roles: list[str]) -> None:
    """Make the node a deployed one of the environment, with its networks on the usual interfaces."""
    groups = networks.group_ids(state, cluster)
    node.update(cluster=cluster["id"], group_id=groups[0], roles=roles, status="ready", progress=100)
    for nic in node["interfaces"]:
        wanted = NIC_NETWORKS.get(nic["name"], [])
        nic["networks"] = [row["id"] for row in networks.of_node(state, node) if row["name"] in wanted]
    node["disks"] = disks.layout(state, node)


def insert_original(state: State, name: str) -> Row:
    """A new environment of release 2014.2.2-6.1 on Ubuntu."""
    release = next(row for row in state.rows("releases", version="2014.2.2-6.1", operating_system="Ubuntu"))
    return clusters.insert(state, name, release)


def deploy_on_paper(state: State, cluster: Row, roles: dict[int, list[str]]) -> None:
    """Make the environment an operational one of the given nodes (id -> roles), as if it had been deployed."""
    members = [state.row("nodes", number) for number in sorted(roles)]
    for node in members:
        join(state, cluster, node, roles[node["id"]])
    addresses.ensure_virtual(state, cluster)
    addresses.assign(state, cluster, members)
    first = min(number for number in roles if "controller" in roles[number])
    state.row("nodes", first)["primary_roles"] = ["controller"]
    cluster.update(status="operational", changes=[])
    _remember_deployment(state, cluster)


def _remember_deployment(state: State, cluster: Row) -> None:
    """The finished tasks and the notification that a deployment leaves behind."""
    message = tasks.done_message(state, cluster)
    deploy = tasks.add(state, "deploy", cluster["id"])
    for name in ("check_networks", "check_before_deployment", "erase_nodes", "provision", "deployment"):
        task = tasks.add(state, name, cluster["id"], parent=deploy["id"])
        tasks.finish(task, "ready", message if name == "deployment" else None)
        if name not in tasks.KEPT:
            state.delete("tasks", task["id"])
    tasks.finish(deploy, "ready", message)
    notifications.add(state, "done", message, cluster=cluster["id"])


def reference(definition: dict[str, Any]) -> State:
    """The lab's own cloud by its definition (profiles/*.yaml): an operational 6.1 environment, and spare servers.

    Hosts named node-N become nodes N with MAC addresses as the lab gives them; those without roles stay discovered.
    """
    wanted = definition["networks"]
    admin = wanted["admin"]
    state = empty_master({"master_ip": admin["master"]}, admin["cidr"], admin["gateway"])
    hosts = {name: host for name, host in definition["hosts"].items() if name.startswith("node-")}
    for name, host in hosts.items():
        discover(state, _lab_machine(name, host, IPNetwork(admin["cidr"])))
    cluster = insert_original(state, definition["environment"]["name"])
    _configure(state, cluster, wanted)
    _choose_storage(cluster, definition["environment"].get("storage", {}))
    roles = {_number(name): list(host["roles"]) for name, host in hosts.items() if host.get("roles")}
    deploy_on_paper(state, cluster, roles)
    return state


def _number(name: str) -> int:
    return int(name.removeprefix("node-"))


def _lab_machine(name: str, host: dict[str, Any], admin: IPNetwork) -> Machine:
    number = _number(name)
    sizes = {"sda": SYSTEM_DISK} | {
        f"sd{letter}": size * GIB for letter, size in zip("bcdefgh", host.get("disks_gib", []), strict=False)
    }
    macs = [mac_address(name, nic) for nic in NIC_NETWORKS]
    return Machine(number, str(admin[130 + number]), macs, sizes)


def _configure(state: State, cluster: Row, wanted: dict[str, Any]) -> None:
    """Put the definition's addresses, VLANs and floating range in the place of the defaults."""
    for name in ("public", "management", "storage"):
        network = networks.by_name(state, cluster, name)
        assert network is not None
        cidr = IPNetwork(wanted[name]["cidr"])
        network.update(cidr=str(cidr), vlan_start=wanted[name].get("vlan"))
        network["ip_ranges"] = [[str(cidr[2]), str(cidr[126])] if name == "public" else [str(cidr[1]), str(cidr[-2])]]
    public = networks.by_name(state, cluster, "public")
    assert public is not None
    public["gateway"] = wanted["public"]["gateway"]
    cluster["parameters"]["floating_ranges"] = [wanted["public"]["floating"]]


def _choose_storage(cluster: Row, wanted: dict[str, Any]) -> None:
    """Change settings of the environment's section ``storage``."""
    settings = cluster["attributes"]["editable"]["storage"]
    for name, value in wanted.items():
        settings[name]["value"] = value


def recorded() -> State:
    """The master whose exchanges were recorded: environment 1 with nodes 1 to 5, spare servers 6, 7 and 8."""
    state = empty_master({"dns_domain": "example.com", "extensions": ["clone_ips"]})
    for number in range(1, 9):
        macs = [f"52:54:00:{number:02x}:00:{index:02x}" for index in range(4)]
        discover(
            state, Machine(number, f"10.20.0.{130 + number}", macs, {"vda": 60 * GIB, "vdb": 50 * GIB, "vdc": 50 * GIB})
        )
    cluster = insert_original(state, "orig61")
    deploy_on_paper(
        state,
        cluster,
        {1: ["controller"], 2: ["controller"], 3: ["controller"], 4: ["compute"], 5: ["cinder", "compute"]},
    )
    return state
