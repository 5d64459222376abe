"""The files of Nailgun's extensions on a Fuel master 7.0, as far as an addition meets them.

The texts are our own; places, names and the way in which extensions are found are those of 7.0: ``get_all_extensions``
in ``base.py`` imports the classes by hand and lists them. They run on Python 2.6, as a master's would.
"""

from __future__ import annotations

from pathlib import Path

SITE_PACKAGES = Path("usr/lib/python2.6/site-packages")

BASE = '''\
# -*- coding: utf-8 -*-
"""What an extension of Nailgun is, and which there are."""


class BaseExtension(object):
    """Derive from this: name, version, urls, and callbacks for what happens to clusters and nodes."""

    name = None
    version = None
    description = ""
    provides = []
    urls = []

    @classmethod
    def alembic_migrations_path(cls):
        """Where migrations of the extension's own tables are; None when it has none."""
        return None

    @classmethod
    def on_cluster_delete(cls, cluster):
        """A cluster is about to be deleted."""

    @classmethod
    def on_node_create(cls, node):
        """A node was created."""

    @classmethod
    def on_node_update(cls, node):
        """A node was changed."""

    @classmethod
    def on_node_reset(cls, node):
        """A node was reset."""

    @classmethod
    def on_node_delete(cls, node):
        """A node is about to be deleted."""

    @classmethod
    def on_node_collection_delete(cls, node_ids):
        """Nodes are about to be deleted."""


def get_all_extensions():
    """The classes of all extensions. Imported here, since they need what needs this module."""
    from nailgun.extensions.volume_manager.extension \\
        import VolumeManagerExtension
    from nailgun.extensions.cluster_upgrade.extension \\
        import ClusterUpgradeExtension

    return [VolumeManagerExtension, ClusterUpgradeExtension]


def get_extension(name):
    """The class of the extension with that name, or None."""
    for extension in get_all_extensions():
        if extension.name == name:
            return extension
    return None
'''

PACKAGE = """\
# -*- coding: utf-8 -*-
from nailgun.extensions.base import BaseExtension
from nailgun.extensions.base import get_all_extensions
from nailgun.extensions.base import get_extension
"""

VOLUME_MANAGER = """\
# -*- coding: utf-8 -*-
from nailgun.extensions import BaseExtension
from nailgun.extensions.volume_manager.handlers import NodeDefaultsDisksHandler
from nailgun.extensions.volume_manager.handlers import NodeDisksHandler
from nailgun.extensions.volume_manager.handlers import NodeVolumesInformationHandler


class VolumeManagerExtension(BaseExtension):

    name = "volume_manager"
    version = "1.0.0"
    provides = ["get_node_volumes", "set_node_volumes"]
    urls = [
        {"uri": r"/nodes/(?P<node_id>\\d+)/disks/?$",
         "handler": NodeDisksHandler},
        {"uri": r"/nodes/(?P<node_id>\\d+)/disks/defaults/?$",
         "handler": NodeDefaultsDisksHandler},
        {"uri": r"/nodes/(?P<node_id>\\d+)/volumes/?$",
         "handler": NodeVolumesInformationHandler},
    ]
"""

CLUSTER_UPGRADE = """\
# -*- coding: utf-8 -*-
from nailgun.extensions import BaseExtension
from nailgun.extensions.cluster_upgrade import handlers


class ClusterUpgradeExtension(BaseExtension):

    name = "cluster_upgrade"
    version = "0.0.1"
    urls = [
        {"uri": r"/clusters/(?P<cluster_id>\\d+)/upgrade/clone/?$",
         "handler": handlers.ClusterUpgradeHandler},
        {"uri": r"/clusters/(?P<cluster_id>\\d+)/upgrade/assign/?$",
         "handler": handlers.NodeReassignHandler},
    ]
"""


def _handlers(*names: str) -> str:
    """A module of handlers whose URLs the server answers itself."""
    classes = "".join(f"\n\nclass {name}(base.BaseHandler):\n\n    answered_by_the_server = True\n" for name in names)
    return f"# -*- coding: utf-8 -*-\nfrom nailgun.api.v1.handlers import base\n{classes}"


FILES = {
    "__init__.py": PACKAGE,
    "base.py": BASE,
    "cluster_upgrade/__init__.py": "",
    "cluster_upgrade/extension.py": CLUSTER_UPGRADE,
    "cluster_upgrade/handlers.py": _handlers("ClusterUpgradeHandler", "NodeReassignHandler"),
    "volume_manager/__init__.py": "",
    "volume_manager/extension.py": VOLUME_MANAGER,
    "volume_manager/handlers.py": _handlers(
        "NodeDisksHandler", "NodeDefaultsDisksHandler", "NodeVolumesInformationHandler"
    ),
}
"""Path below nailgun/extensions -> text."""


def write_tree(root: Path) -> Path:
    """Write the files below ROOT, the root directory of a master. Returns the path of its site-packages."""
    site_packages = root / SITE_PACKAGES
    for name, text in FILES.items():
        path = site_packages / "nailgun" / "extensions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return site_packages
