"""Every health check that is known, by the name that Ceph gives it since Luminous, and what it stands in the way of."""

from __future__ import annotations

import re
from dataclasses import dataclass

MONITORS = "a move of monitors"
OSDS = "stopping OSDs"
BOTH = frozenset({MONITORS, OSDS})
NEITHER: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Kind:
    """A check; ``stops`` holds what must not begin while it is raised, ``old`` and ``detail`` are patterns of the
    sentences by which releases before Luminous tell it, in their summary and in their list of details."""

    name: str
    stops: frozenset[str]
    remedy: str
    old: str = ""
    detail: str = ""

    def says(self, summary: str) -> bool:
        return bool(self.old and re.search(self.old, summary))

    def explains(self, detail: str) -> bool:
        return bool(self.detail and re.search(self.detail, detail))


_MONITORS = frozenset({MONITORS})
_OSDS = frozenset({OSDS})

_START_OSD = "start the OSDs that are down, or take them out and wait until every placement group is active+clean"
_WAIT = "wait until every placement group is active+clean"
_FREE = "free space or add OSDs"
_PEERING = "find out with `ceph pg PG query` what the placement groups wait for"
_UNIMPORTANT = "nothing needs to be done for the upgrade"

# A monitor that moves must not be missed: whatever makes a quorum shaky stops it. So does whatever lets the data move
# or shows it in danger, since then nobody can tell what the move itself has done.
_KINDS = (
    Kind(
        "MON_DOWN",
        BOTH,
        "start the monitors that are missing from the quorum",
        r"^\d+ mons? down",
        r"^mon\.\S+ .*is down",
    ),
    Kind("MON_CLOCK_SKEW", _MONITORS, "repair ntp on the monitors' hosts", r"clock skew", r"^mon\..*clock skew"),
    Kind(
        "MON_DISK_CRIT",
        BOTH,
        "free disk space below the monitor's data, at least 5 %",
        r"^mon\.\S+ low disk space, shutdown",
        r"low disk space, shutdown",
    ),
    Kind(
        "MON_DISK_LOW",
        NEITHER,
        "free disk space below the monitor's data soon",
        r"^mon\.\S+ low disk space$",
        r"^mon\.\S+ low disk space --",
    ),
    Kind(
        "MON_DISK_BIG",
        _MONITORS,
        "run `ceph tell mon.NAME compact`",
        r"store is getting too big",
        r"store is getting too big",
    ),
    Kind("MON_MSGR2_NOT_ENABLED", NEITHER, _UNIMPORTANT),
    Kind("MGR_DOWN", BOTH, "start a manager: without one the states of placement groups are stale"),
    Kind("MGR_MODULE_DEPENDENCY", NEITHER, _UNIMPORTANT),
    Kind("MGR_MODULE_ERROR", NEITHER, "see `ceph health detail`; it is the module's matter alone"),
    Kind("RECENT_CRASH", NEITHER, "see `ceph crash ls`, then `ceph crash archive-all`"),
    Kind("RECENT_MGR_MODULE_CRASH", NEITHER, "see `ceph crash ls`, then `ceph crash archive-all`"),
    Kind("DAEMON_OLD_VERSION", _MONITORS, "bring all daemons to one version first"),
    Kind("MON_COMPATIBILITY", _MONITORS, "bring all monitors to one version first"),
    Kind("AUTH_INSECURE_GLOBAL_ID_RECLAIM", NEITHER, _UNIMPORTANT),
    Kind("AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED", NEITHER, _UNIMPORTANT),
    Kind("AUTH_BAD_CAPS", _MONITORS, "repair the capabilities with `ceph auth caps`: a new monitor would refuse them"),
    Kind("OSD_DOWN", BOTH, _START_OSD, r"^\d+/\d+ in osds are down", r"^osd\.\d+ is down"),
    Kind("OSD_HOST_DOWN", BOTH, _START_OSD),
    Kind("OSD_RACK_DOWN", BOTH, _START_OSD),
    Kind("OSD_ROOT_DOWN", BOTH, _START_OSD),
    Kind("OSD_UNREACHABLE", BOTH, "put the OSDs' addresses back into public_network"),
    Kind("TOO_FEW_OSDS", BOTH, "add OSDs, as many as osd_pool_default_size says", r"^no osds"),
    Kind("OSD_ORPHAN", _OSDS, "remove the OSD that is in the crush map alone: `ceph osd crush remove osd.N`"),
    Kind("OSD_FLAGS", _OSDS, "unset the flags of single OSDs or hosts: `ceph osd unset-group`"),
    Kind("OSD_FULL", BOTH, _FREE, r"^\d+ full osd", r"^osd\.\d+ is full"),
    Kind("OSD_BACKFILLFULL", _OSDS, _FREE, r"^\d+ backfillfull osd", r"^osd\.\d+ is backfill full"),
    Kind("OSD_NEARFULL", _OSDS, _FREE, r"^\d+ near full osd", r"^osd\.\d+ is near full"),
    Kind("OSD_OUT_OF_ORDER_FULL", _OSDS, "put the full ratios in order: `ceph osd set-nearfull-ratio` and its kin"),
    Kind("OSD_NO_SORTBITWISE", NEITHER, _UNIMPORTANT),
    Kind("OSD_UPGRADE_FINISHED", NEITHER, "run `ceph osd require-osd-release` some time"),
    Kind("OSD_SLOW_PING_TIME_BACK", _OSDS, "look at the network between the OSDs"),
    Kind("OSD_SLOW_PING_TIME_FRONT", _OSDS, "look at the network between the OSDs"),
    Kind("OSD_TOO_MANY_REPAIRS", _OSDS, "replace the disk that returns wrong data"),
    Kind("OSD_FILESTORE", NEITHER, _UNIMPORTANT),
    Kind("OSD_NO_DOWN_OUT_INTERVAL", NEITHER, _UNIMPORTANT, r"mon_osd_down_out_interval"),
    Kind("DEVICE_HEALTH", _OSDS, "replace the disk that is expected to fail"),
    Kind("DEVICE_HEALTH_IN_USE", _OSDS, "replace the disk that is expected to fail"),
    Kind("DEVICE_HEALTH_TOOMANY", _OSDS, "replace the disks that are expected to fail"),
    Kind("BLUEFS_SPILLOVER", NEITHER, _UNIMPORTANT),
    Kind("BLUESTORE_FRAGMENTATION", NEITHER, _UNIMPORTANT),
    Kind("BLUESTORE_LEGACY_STATFS", NEITHER, _UNIMPORTANT),
    Kind("BLUESTORE_NO_PER_POOL_OMAP", NEITHER, _UNIMPORTANT),
    Kind("BLUESTORE_NO_PER_PG_OMAP", NEITHER, _UNIMPORTANT),
    Kind("BLUESTORE_NO_COMPRESSION", _OSDS, "install the compression plug-in: the OSD might not read its own data"),
    Kind("BLUESTORE_DISK_SIZE_MISMATCH", _OSDS, "repair the OSD: its disk is not of the size that it believes"),
    Kind("BLUESTORE_SPURIOUS_READ_ERRORS", _OSDS, "look at the disk: reads succeed only when repeated"),
    Kind(
        "PG_AVAILABILITY",
        BOTH,
        _PEERING,
        detail=r"^pg \S+ is (stuck )?(\S*\+)?(inactive|stale|down|incomplete|peering)\b",
    ),
    Kind("OBJECT_UNFOUND", BOTH, "bring back the OSDs that hold the objects", r"unfound", r"unfound"),
    Kind("OSD_SCRUB_ERRORS", BOTH, "repair with `ceph pg repair PG`", r"scrub errors", r"scrub errors"),
    Kind(
        "PG_DAMAGED",
        BOTH,
        "repair with `ceph pg repair PG`",
        detail=r"^pg \S+ is \S*(inconsistent|repair|snaptrim_error)",
    ),
    Kind("PG_RECOVERY_FULL", BOTH, _FREE, detail=r"^pg \S+ is \S*recovery_toofull"),
    Kind("PG_BACKFILL_FULL", BOTH, _FREE, detail=r"^pg \S+ is \S*backfill_toofull"),
    Kind("PG_DEGRADED_FULL", BOTH, _FREE),
    Kind("OBJECT_MISPLACED", BOTH, _WAIT, r"objects misplaced", r"objects misplaced|^pg \S+ is \S*(remapped|backfill)"),
    Kind(
        "PG_DEGRADED",
        BOTH,
        _WAIT,
        r"objects degraded",
        r"objects degraded|^pg \S+ is .*(degraded|undersized|unclean|recover)",
    ),
    Kind("PG_NOT_SCRUBBED", NEITHER, _UNIMPORTANT),
    Kind("PG_NOT_DEEP_SCRUBBED", NEITHER, _UNIMPORTANT),
    Kind("PG_SLOW_SNAP_TRIMMING", NEITHER, _UNIMPORTANT),
    Kind(
        "SLOW_OPS",
        BOTH,
        "find out with `ceph health detail` whose requests hang",
        r"^\d+ requests are blocked",
        r"^\d+ ops are blocked|have slow requests",
    ),
    Kind("REQUEST_SLOW", BOTH, "find out with `ceph health detail` whose requests hang"),
    Kind("REQUEST_STUCK", BOTH, "find out with `ceph health detail` whose requests hang"),
    Kind("TOO_FEW_PGS", NEITHER, _UNIMPORTANT, r"^too few pgs per osd", r"^too few pgs per osd"),
    Kind("TOO_MANY_PGS", NEITHER, _UNIMPORTANT, r"^too many PGs per OSD", r"^too many PGs per OSD"),
    Kind(
        "SMALLER_PGP_NUM",
        NEITHER,
        "leave pgp_num alone until the upgrade is over",
        r"pg_num \d+ > pgp_num",
        r"pg_num \d+ > pgp_num",
    ),
    Kind(
        "MANY_OBJECTS_PER_PG",
        NEITHER,
        _UNIMPORTANT,
        r"objects per pg than average",
        r"objects per pg .*than (cluster )?average",
    ),
    Kind("LARGE_OMAP_OBJECTS", NEITHER, _UNIMPORTANT),
    Kind("POOL_APP_NOT_ENABLED", NEITHER, _UNIMPORTANT),
    Kind(
        "POOL_FULL",
        NEITHER,
        "raise the pool's quota; its writes fail already",
        r"^pool '.*' is full",
        r"^pool '.*' is full",
    ),
    Kind("POOL_NEAR_FULL", NEITHER, "raise the pool's quota", r"^pool '.*' (has|objects|at)"),
    Kind("POOL_BACKFILLFULL", _OSDS, _FREE),
    Kind("POOL_NEARFULL", _OSDS, _FREE),
    Kind("POOL_NO_REDUNDANCY", NEITHER, "raise the pool's size: its data is away while an OSD's host is reinstalled"),
    Kind("POOL_PG_NUM_NOT_POWER_OF_TWO", NEITHER, _UNIMPORTANT),
    Kind("POOL_TOO_FEW_PGS", NEITHER, _UNIMPORTANT),
    Kind("POOL_TOO_MANY_PGS", NEITHER, _UNIMPORTANT),
    Kind("POOL_TARGET_SIZE_BYTES_OVERCOMMITTED", NEITHER, _UNIMPORTANT),
    Kind("POOL_HAS_TARGET_SIZE_BYTES_AND_RATIO", NEITHER, _UNIMPORTANT),
    Kind(
        "CACHE_POOL_NO_HIT_SET",
        NEITHER,
        _UNIMPORTANT,
        r"^\d+ cache pools are missing hit_sets",
        r"^pool '.*' with cache_mode",
    ),
    Kind("CACHE_POOL_NEAR_FULL", NEITHER, _UNIMPORTANT, r"at/near target max$", r"^cache pool '"),
    Kind(
        "OLD_CRUSH_TUNABLES",
        NEITHER,
        "leave the tunables alone: data moves when they change",
        r"^crush map has (legacy|old|non-optimal)",
        r"^crush map has (legacy|old|non-optimal)",
    ),
    Kind(
        "OLD_CRUSH_STRAW_CALC_VERSION",
        NEITHER,
        "leave the tunables alone: data moves when they change",
        r"^crush map has straw_calc_version=0",
        r"^crush map has straw_calc_version=0|tunables",
    ),
    Kind("TELEMETRY_CHANGED", NEITHER, _UNIMPORTANT),
    Kind(
        "FS_DEGRADED",
        BOTH,
        "bring back the file system's metadata servers",
        r"^mds cluster is degraded",
        r"^mds cluster is degraded",
    ),
)

_FLAGS = {
    "noout": (NEITHER, "a wave of OSDs sets it and takes it back"),
    "noscrub": (NEITHER, _UNIMPORTANT),
    "nodeep-scrub": (NEITHER, _UNIMPORTANT),
    "notieragent": (NEITHER, _UNIMPORTANT),
    "nosnaptrim": (NEITHER, _UNIMPORTANT),
    "noautoscale": (NEITHER, _UNIMPORTANT),
    "noin": (NEITHER, "an OSD that is in stays in when it stops and starts"),
    "noup": (_OSDS, "OSDs that start would stay down: `ceph osd unset noup`"),
    "nodown": (_OSDS, "OSDs that stop would never be seen down: `ceph osd unset nodown`"),
    "nobackfill": (_OSDS, "what OSDs missed would not be caught up with: `ceph osd unset nobackfill`"),
    "norebalance": (_OSDS, "what OSDs missed would not be caught up with: `ceph osd unset norebalance`"),
    "norecover": (_OSDS, "what OSDs missed would not be caught up with: `ceph osd unset norecover`"),
    "pause": (BOTH, "clients wait already: `ceph osd unset pause`"),
    "pauserd": (BOTH, "clients wait already: `ceph osd unset pause`"),
    "pausewr": (BOTH, "clients wait already: `ceph osd unset pause`"),
    "full": (BOTH, _FREE),
}

# "12 pgs stuck STATE" of the old releases, by STATE.
_STATES = {
    "PG_AVAILABILITY": ("peering", "incomplete", "down", "stale", "inactive", "creating", "unknown", "down+peering"),
    "PG_DAMAGED": ("inconsistent", "repair", "recovery_unfound"),
    "PG_DEGRADED": ("degraded", "undersized", "unclean", "recovering", "recovery_wait", "peered"),
    "OBJECT_MISPLACED": ("backfill", "backfilling", "backfill_wait", "wait_backfill", "remapped"),
    "PG_BACKFILL_FULL": ("backfill_toofull",),
    "PG_RECOVERY_FULL": ("recovery_toofull",),
}

KINDS = {kind.name: kind for kind in _KINDS}
FLAGS = {
    flag: Kind(f"OSDMAP_FLAGS {flag}", stops, remedy, detail=rf"(^|,){flag}[ ,].*flag\(s\) set$")
    for flag, (stops, remedy) in _FLAGS.items()
}
STATES = {state: KINDS[name] for name, states in _STATES.items() for state in states}
"""Checks by the state of placement groups that Firefly and Hammer count: "12 pgs stuck STATE"."""


def unknown(name: str) -> Kind:
    """A check that nobody has classified stops everything."""
    return Kind(name, BOTH, "it is not known here: clear it, or have it classified")
