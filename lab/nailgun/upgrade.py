"""The cluster_upgrade extension of 7.0: cloning an environment, and moving its nodes into the clone."""

from __future__ import annotations

from typing import Any

from lab.nailgun import addresses, attributes, clusters, networks, releases, schema
from lab.nailgun.errors import Conflict, InvalidData, NotFound
from lab.nailgun.state import Row, State

CLONE = schema.record({"name": {"type": "string"}, "release_id": {"type": "number"}}, ["name", "release_id"])
ASSIGN = schema.record({"node_id": {"type": "number"}}, ["node_id"])
MOVABLE = ("ready", "provisioned", "error")
KEPT_OF_NETWORK = ("name", "cidr", "gateway", "vlan_start", "ip_ranges")
NEVER_COPIED = "repo_setup"


def relation(state: State, cluster_id: int) -> Row | None:
    """The pair that the environment belongs to as original or as seed, or None."""
    return next((row for row in state.rows("relations") if cluster_id in (row["orig"], row["seed"])), None)


def clone(state: State, original: Row, data: Any) -> Row:
    """POST upgrade/clone. Returns the seed. Checked in the order in which the real server does."""
    schema.check(data, CLONE)
    if relation(state, original["id"]):
        raise InvalidData(
            f"Upgrade is not possible because of the original cluster ({original['id']}) "
            "is already involved in the upgrade routine."
        )
    if state.rows("clusters", name=data["name"]):
        raise Conflict(f"Environment with this name '{data['name']}' already exists.")
    release = state.get("releases", data["release_id"])
    if release is None:
        raise NotFound(f"Object 'Release' with UID={data['release_id']} is not found in DB")
    _check_release(state, original, release)
    segmentation = original["parameters"].get("segmentation_type", "vlan")
    seed = clusters.insert(state, data["name"], release, original["mode"], segmentation)
    if original["net_provider"] == "nova_network":
        networks.make_nova_network(state, seed)
    copy_attributes(original, seed)
    copy_networks(state, original, seed)
    copy_virtual_addresses(state, original, seed)
    state.insert("relations", {"orig": original["id"], "seed": seed["id"]})
    return seed


def _check_release(state: State, original: Row, release: Row) -> None:
    if not release["is_deployable"]:
        raise InvalidData(
            f"Upgrade to the given release ({release['id']}) is not possible because this release is deprecated "
            "and cannot be installed."
        )
    present = state.row("releases", original["release_id"])
    if releases.version_key(release["version"]) <= releases.version_key(present["version"]):
        raise InvalidData(
            f"Upgrade to the given release ({release['id']}) is not possible because this release is equal or lower "
            "than the release of the original cluster."
        )


def copy_attributes(original: Row, seed: Row) -> None:
    """Values of settings that the new release knows too, but for the repositories; all generated ones."""
    old, new = original["attributes"], seed["attributes"]
    for section, settings in new["editable"].items():
        if section == NEVER_COPIED:
            continue
        for name, setting in settings.items():
            if name != "metadata" and name in old["editable"].get(section, {}):
                setting["value"] = old["editable"][section][name]["value"]
    new["generated"] = attributes.merge(new["generated"], old["generated"])


def copy_networks(state: State, original: Row, seed: Row) -> None:
    """Addresses, ranges and VLANs of networks by name, and networking parameters."""
    for network in networks.of_cluster(state, seed):
        source = networks.by_name(state, original, network["name"])
        if source and network["group_id"] is not None:
            network.update({key: source[key] for key in KEPT_OF_NETWORK})
    known = {key: value for key, value in original["parameters"].items() if key in seed["parameters"]}
    seed["parameters"].update(known)


def copy_virtual_addresses(state: State, original: Row, seed: Row) -> None:
    """The original's virtual addresses, under the names of 7.0."""
    addresses.ensure_virtual(state, original)
    found = addresses.virtual(state, original)
    release = state.row("releases", seed["release_id"])
    for item in addresses.SEVEN:
        network = networks.by_name(state, seed, item.network)
        if network and item.name in found:
            addresses.give(state, network["id"], found[item.name], vip=addresses.row_name(release, item))


def check_movable(seed: Row, node: Row) -> None:
    """Refuse a node that was never installed, failed otherwise than at deployment, or is in the seed already."""
    if node["status"] not in MOVABLE:
        raise InvalidData(f"Node should be in one of statuses: {MOVABLE}. Currently node has {node['status']} status.")
    if node["status"] == "error" and node["error_type"] != "deploy":
        # The missing blank is the real server's.
        raise InvalidData(
            "Node should be in error state only withdeploy error type. "
            f"Currently error type of node is {node['error_type']}"
        )
    if node["cluster"] == seed["id"]:
        raise InvalidData(f"Node {node['id']} is already assigned to cluster {seed['id']}")


def move(state: State, seed: Row, node: Row) -> None:
    """Make the node the seed's: deployed roles become pending, networks are exchanged for those of the same name.

    Addresses and disk layout stay. Roles of a node that was not deployed yet are lost, as on the real server.
    """
    old = {row["id"]: row["name"] for row in networks.of_node(state, node)}
    node.update(cluster=seed["id"], group_id=networks.group_ids(state, seed)[0])
    node.update(pending_roles=node["roles"], roles=[], primary_roles=[], kernel_params=None, facts=[], provisioning={})
    new = {row["name"]: row["id"] for row in networks.of_node(state, node)}
    for nic in networks.carriers(node):
        nic["networks"] = [new[old[number]] for number in nic["networks"]]
    for row in state.rows("addresses", node=node["id"]):
        row["network"] = new[old[row["network"]]]
