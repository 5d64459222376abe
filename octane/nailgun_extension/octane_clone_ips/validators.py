"""What a request must be, and what must be true of both clusters, before an address is touched."""

from nailgun import objects
from nailgun.api.v1.validators.base import BasicValidator
from nailgun.errors import errors
from nailgun.extensions.cluster_upgrade.objects.relations import UpgradeRelationObject
from nailgun.extensions.octane_clone_ips import addresses, pairing

SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Clone addresses",
    "type": "object",
    "properties": {
        "networks": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["networks"],
}


class CloneIPsValidator(BasicValidator):
    """Turns a request into what is to be copied; every reason to refuse shows here and becomes a 400."""

    @classmethod
    def validate(cls, data, cluster_id):
        """Returns a list of (node of the original, node of the seed, names of networks)."""
        request = super(CloneIPsValidator, cls).validate(data)
        cls.validate_schema(request, SCHEMA)
        originals, seeds = [addresses.controllers(cluster) for cluster in cls._clusters(cluster_id)]
        if not seeds:
            cls._refuse("The seed has no controller.")
        addresses.allocate(seeds)
        names = cls._names(request["networks"], originals)
        try:
            pairs = pairing.pair_nodes(addresses.networks(originals), addresses.networks(seeds))
        except pairing.NoPartner as error:
            cls._refuse(str(error))
        return [(originals[original], seeds[seed], names) for original, seed in pairs]

    @classmethod
    def _clusters(cls, cluster_id):
        """The original, which must be CLUSTER_ID, and its seed."""
        relation = UpgradeRelationObject.get_cluster_relation(cluster_id)
        if relation is None:
            cls._refuse("Cluster with ID %s is not in upgrade stage." % cluster_id)
        if relation.orig_cluster_id != cluster_id:
            cls._refuse("There is no original cluster with ID %s." % cluster_id)
        return [objects.Cluster.get_by_uid(uid) for uid in (relation.orig_cluster_id, relation.seed_cluster_id)]

    @classmethod
    def _names(cls, asked, originals):
        known = set()
        for names in addresses.networks(originals).values():
            known.update(names)
        unknown = sorted(set(asked) - known)
        if unknown:
            cls._refuse("No controller of the original has an address in network %s." % ", ".join(unknown))
        return pairing.copied_names(asked, known)

    @classmethod
    def _refuse(cls, message):
        raise errors.InvalidData(message, log_message=True)
