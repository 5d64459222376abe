"""What Nailgun asks an extension for."""

from nailgun.extensions import BaseExtension
from nailgun.extensions.octane_clone_ips.handlers import CloneIPsHandler


class CloneIPsExtension(BaseExtension):
    """Adds one URL and keeps nothing of its own in the database."""

    name = "octane_clone_ips"
    version = "1.0.0"

    urls = [
        {
            "uri": r"/clusters/(?P<cluster_id>\d+)/upgrade/clone_ips/?$",
            "handler": CloneIPsHandler,
        },
    ]
