"""Ceph's releases: which may follow on which, and what each can do."""

from __future__ import annotations

from octane.ceph.cluster import Version
from octane.errors import BadInput, Refused

FIREFLY, GIANT, HAMMER, INFERNALIS, JEWEL = (0, 80), (0, 87), (0, 94), (9,), (10,)
KRAKEN, LUMINOUS, MIMIC, NAUTILUS, OCTOPUS, PACIFIC = (11,), (12,), (13,), (14,), (15,), (16,)
QUINCY, REEF, SQUID = (17,), (18,), (19,)

FOLLOWS = {
    FIREFLY: (),
    GIANT: (FIREFLY,),
    HAMMER: (FIREFLY, GIANT),
    INFERNALIS: (HAMMER,),
    JEWEL: (HAMMER, INFERNALIS),
    KRAKEN: (JEWEL,),
    LUMINOUS: (JEWEL, KRAKEN),
    MIMIC: (LUMINOUS,),
    NAUTILUS: (LUMINOUS, MIMIC),
    OCTOPUS: (MIMIC, NAUTILUS),
    PACIFIC: (NAUTILUS, OCTOPUS),
    QUINCY: (OCTOPUS, PACIFIC),
    REEF: (PACIFIC, QUINCY),
    SQUID: (QUINCY, REEF),
}
"""{release: those whose monitors it can stand beside and whose store it reads}, as its release notes say."""


def release(version: Version) -> tuple[int, ...]:
    """The release that VERSION is of.

    :raises BadInput: it is of none that is known
    """
    found = next((one for one in FOLLOWS if version.number[: len(one)] == one), None)
    if found is None:
        raise BadInput(f"Ceph {version} is of no release that is known here; stable releases since Firefly are")
    return found


def require_follows(running: Version, new: Version) -> None:
    """Monitors of NEW can join those that are RUNNING, and read their store.

    :raises Refused: they are older, or too much newer
    """
    old, later = release(running), release(new)
    if new.number < running.number:
        raise Refused(f"the seed's Ceph {new} is older than the cluster's {running}: give the seed at least {running}")
    if later != old and old not in FOLLOWS[later]:
        raise Refused(f"Ceph {new} does not follow on {running}: bring the cluster to a release between them first")


def has_addresses(version: Version) -> bool:
    """Monitors have vectors of addresses, of the protocols v1 and v2."""
    return version.number >= NAUTILUS


def has_settings(version: Version) -> bool:
    """The monitors keep settings: ``ceph config set``."""
    return version.number >= MIMIC


def has_renewal_factor(version: Version) -> bool:
    """A lease is renewed after a part of its length, and not after seconds of their own."""
    return version.number >= JEWEL
