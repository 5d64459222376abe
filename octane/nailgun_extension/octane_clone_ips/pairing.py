"""Which controller of the seed stands for which controller of the original, and what is copied. Pure, Python 2.6."""

ADMIN_NETWORK = "fuelweb_admin"


class NoPartner(Exception):
    """A seed controller for which the original has none left with the same networks."""

    def __init__(self, node_id, networks):
        super(NoPartner, self).__init__(
            "Seed controller %s has networks %s; the original has no controller left with just these."
            % (node_id, ", ".join(sorted(networks)))
        )


def pair_nodes(originals, seeds):
    """Pair by ascending node id within equal sets of network names.

    :param originals: {node id: set of names of networks}
    :param seeds: the same for the seed
    :returns: list of (original's id, seed's id) by ascending seed id
    :raises NoPartner: for the first seed controller that finds none
    """
    free = {}
    for node_id in sorted(originals):
        free.setdefault(frozenset(originals[node_id]), []).append(node_id)
    pairs = []
    for node_id in sorted(seeds):
        partners = free.get(frozenset(seeds[node_id]))
        if not partners:
            raise NoPartner(node_id, seeds[node_id])
        pairs.append((partners.pop(0), node_id))
    return pairs


def copied_names(asked, known):
    """Names of the networks to copy: those asked for, or all when none are; never the administration network.

    :param asked: list of names
    :param known: set of names that the original's controllers have addresses in
    """
    names = asked or known
    return sorted(name for name in names if name != ADMIN_NETWORK)
