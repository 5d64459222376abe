"""Addresses of a cluster's controllers, read and set through Nailgun's own objects."""

from nailgun import objects


def controllers(cluster):
    """{node id: node}, those whose role is still pending included."""
    nodes = objects.Cluster.get_nodes_by_role(cluster, "controller")
    return dict((node.id, node) for node in nodes)


def of(node):
    """{network name: address} of NODE."""
    manager = objects.Cluster.get_network_manager(instance=node.cluster)
    return dict(manager.get_node_networks_ips(node))


def networks(nodes):
    """{node id: set of names of the networks it has an address in} of what `controllers` returned."""
    return dict((node_id, set(of(node))) for node_id, node in nodes.items())


def allocate(nodes):
    """Give NODES the addresses they lack: a node without any belongs to no network and could not be paired."""
    objects.NodeCollection.prepare_for_deployment(list(nodes.values()))


def copy(original, seed, names):
    """Give node SEED what node ORIGINAL has in the networks NAMES; returns {network name: address} of these."""
    theirs = of(original)
    copied = dict((name, theirs[name]) for name in names if name in theirs)
    wanted = of(seed)
    wanted.update(copied)
    manager = objects.Cluster.get_network_manager(instance=seed.cluster)
    manager.set_node_networks_ips(seed, wanted)
    return copied
