"""One edit hooks our extension into Nailgun's list, whatever else that file says."""

import pytest

from octane.errors import Refused
from octane.procedure import addition

BASE = '''"""Extensions."""


class BaseExtension(object):
    urls = []


def get_all_extensions():
    """All of them."""
    # There is no discovery.
    from nailgun.extensions.volume_manager.extension import VolumeManagerExtension

    from nailgun.extensions.cluster_upgrade.extension \\
        import ClusterUpgradeExtension

    return [VolumeManagerExtension, ClusterUpgradeExtension]


def get_extension(name):
    return [extension for extension in get_all_extensions() if extension.name == name][0]
'''


def test_the_class_is_imported_and_listed():
    edited = addition.hook(BASE)
    assert "    return [CloneIPsExtension, VolumeManagerExtension, ClusterUpgradeExtension]\n" in edited
    assert edited.count("CloneIPsExtension") == 2
    compile(edited, "base.py", "exec")


def test_all_other_lines_stay():
    kept = [line for line in addition.hook(BASE).splitlines() if "CloneIPs" not in line]
    assert [line for line in BASE.splitlines() if "return [Volume" not in line and line] == [
        line for line in kept if line
    ]


def test_a_list_over_several_lines_is_extended_too():
    spread = BASE.replace(
        "[VolumeManagerExtension, ClusterUpgradeExtension]",
        "[\n        VolumeManagerExtension,\n        ClusterUpgradeExtension,\n    ]",
    )
    edited = addition.hook(spread)
    compile(edited, "base.py", "exec")
    assert edited.count("CloneIPsExtension") == 2


@pytest.mark.parametrize(
    "text",
    ["", "def get_all_extensions():\n    return load()\n", BASE.replace("get_all_extensions():", "all_of_them():")],
)
def test_a_file_of_another_release_is_refused(text):
    with pytest.raises(Refused, match="get_all_extensions"):
        addition.hook(text)


def test_an_empty_list_is_extended_too():
    compile(addition.hook("def get_all_extensions():\n    return []\n"), "base.py", "exec")


def test_unhooking_gives_every_byte_back():
    assert addition.unhook(addition.hook(BASE)) == BASE
    assert addition.unhook(BASE) == BASE
