"""The handler of POST /clusters/ORIGINAL/upgrade/clone_ips."""

from nailgun.api.v1.handlers import base
from nailgun.extensions.octane_clone_ips import addresses
from nailgun.extensions.octane_clone_ips.validators import CloneIPsValidator


class CloneIPsHandler(base.BaseHandler):
    """Copies addresses from the original's controllers to the seed's; the original keeps its own."""

    validator = CloneIPsValidator

    @base.content
    def POST(self, cluster_id):
        """Body {"networks": [names]}; an empty list means every network but the one of administration.

        :returns: [{"original": node id, "seed": node id, "addresses": {network name: address}}]
        :http: * 200 (OK)
               * 400 (no pair, a seed instead of an original, a controller without partner, an unknown network)
        """
        steps = self.checked_data(cluster_id=int(cluster_id))
        return [
            {"original": original.id, "seed": seed.id, "addresses": addresses.copy(original, seed, names)}
            for original, seed, names in steps
        ]
