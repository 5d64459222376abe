"""Which OSDs may stop, and which of their hosts together.

``ceph osd ok-to-stop`` does not exist before Luminous, and asks about this moment alone. Here it is computed for every
release: from the acting sets of all placement groups and the pools' min_size, and, for hosts together, from what the
crush rules promise besides. With ``noout`` set and OSDs that keep their ids, acting sets are the same again once a wave
is back (observed on Ceph 16.2.15), so that waves can be planned ahead; each is asked about once more before it stops.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from octane.ceph.cluster import OsdMap, PlacementGroup, Pool
from octane.ceph.crush import Crush
from octane.errors import BadInput, Refused

Hosts = Mapping[str, Collection[int]]
"""{host: ids of its OSDs}."""


@dataclass(frozen=True)
class Storage:
    """What decides: the maps and the acting sets of one moment."""

    osd_map: OsdMap
    crush: Crush
    groups: Sequence[PlacementGroup]


@dataclass(frozen=True)
class Obstacle:
    """A pool that would stand still; ``groups`` are ids of its placement groups of which too little would be left, and
    ``left`` is the least number of copies of any of them."""

    pool: Pool
    groups: tuple[str, ...]
    left: int

    @property
    def sentence(self) -> str:
        named = ", ".join(self.groups[:3]) + (" and others" if len(self.groups) > 3 else "")
        pool = self.pool
        return (
            f"pool {pool.name} (size {pool.size}, min_size {pool.min_size}) would have {self.left} copies left of "
            f"{len(self.groups)} placement groups ({named}): {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        name, size, min_size = self.pool.name, self.pool.size, self.pool.min_size
        if size == 1:
            return f"give it a second copy, `ceph osd pool set {name} size 2`"
        if size <= min_size and not self.pool.is_erasure_coded:
            return f"let it go on with less, `ceph osd pool set {name} min_size {size - 1}`"
        return "wait until every placement group is active+clean, or stop fewer OSDs"


@dataclass(frozen=True)
class Plan:
    """``waves`` are hosts that go together, one wave after the other; ``limits`` say for each pool that has OSDs there
    how many of its failure domains may be away at once."""

    waves: tuple[tuple[str, ...], ...]
    limits: tuple[str, ...]


def obstacles(storage: Storage, stopping: Collection[int]) -> tuple[Obstacle, ...]:
    """What is in the way of stopping these OSDs together, by pool; nothing if they may stop."""
    away = set(stopping) | {one.id for one in storage.osd_map.osds if not one.is_up}
    found = (_obstacle(pool, storage.groups, set(stopping), away) for pool in storage.osd_map.pools)
    return tuple(one for one in found if one)


def _obstacle(pool: Pool, groups: Iterable[PlacementGroup], stopping: set[int], away: set[int]) -> Obstacle | None:
    left = {
        one.id: len(set(one.acting) - away)
        for one in groups
        if one.pool == pool.id and not stopping.isdisjoint(one.acting)
    }
    # A pool of min_size 0, which old releases allow, stands still without its last copy all the same.
    few = {name: count for name, count in left.items() if count < max(pool.min_size, 1)}
    return Obstacle(pool, tuple(few), min(few.values())) if few else None


def require_may_stop(storage: Storage, stopping: Collection[int]) -> None:
    """These OSDs may stop now, all together.

    :raises BadInput: one of them is none of the cluster
    :raises Refused: naming each pool that would stand still, or each placement group that is not active now
    """
    _require_known(storage.osd_map, stopping)
    inactive = [one.id for one in storage.groups if "active" not in one.states]
    if inactive:
        raise Refused(f"placement groups that are not active: {', '.join(inactive)}; see `ceph health detail`")
    found = obstacles(storage, stopping)
    if found:
        named = ", ".join(f"osd.{osd}" for osd in sorted(stopping))
        raise Refused(f"{named} may not stop: {', '.join(one.sentence for one in found)}")


def _require_known(osd_map: OsdMap, wanted: Collection[int]) -> None:
    unknown = sorted(set(wanted) - {one.id for one in osd_map.osds})
    if unknown:
        names = ", ".join(f"osd.{osd}" for osd in unknown)
        raise BadInput(f"the cluster has no {names}; see `ceph osd tree`")


def require_hosts(crush: Crush, hosts: Hosts) -> None:
    """Each of HOSTS has the OSDs that the crush map has below a bucket of its name.

    :raises Refused: naming each host that has others, since stopping it would take more with it than is known
    """
    known = crush.domains("host")
    other = [
        f"{host} has {_listed(osds)}, and {_listed(known.get(host, ()))} in the crush map"
        for host, osds in sorted(hosts.items())
        if set(osds) != set(known.get(host, ()))
    ]
    if other:
        raise Refused(f"{'; '.join(other)}: put the OSDs where they are, `ceph osd crush set`")


def _listed(osds: Iterable[int]) -> str:
    return ", ".join(f"osd.{osd}" for osd in sorted(osds)) or "no OSD"


def plan(storage: Storage, hosts: Hosts, most: int | None = None) -> Plan:
    """Waves of HOSTS in their order, as few as may be.

    :param most: hosts in a wave, at most
    :raises BadInput: MOST is less than 1, or an OSD is none of the cluster
    :raises Refused: a host may not stop even by itself
    """
    if most is not None and most < 1:
        raise BadInput(f"{most} hosts at once are none; give 1 or more")
    waves: list[list[str]] = []
    for host, osds in hosts.items():
        require_may_stop(storage, osds)
        fitting = (wave for wave in waves if (most is None or len(wave) < most) and _fits(storage, hosts, wave, host))
        wave = next(fitting, None)
        if wave is None:
            waves.append([host])
        else:
            wave.append(host)
    return Plan(tuple(map(tuple, waves)), tuple(_limits(storage, hosts)))


def _fits(storage: Storage, hosts: Hosts, wave: Sequence[str], host: str) -> bool:
    stopping = {osd for name in (*wave, host) for osd in hosts[name]}
    return _is_promised(storage, stopping) and not obstacles(storage, stopping)


def _is_promised(storage: Storage, stopping: set[int]) -> bool:
    """By the rules no placement group, not even one that is still to be made, has too few copies left: acting sets
    alone would let hosts go together that share none only by chance."""
    pools = storage.osd_map.pools
    return all(len(_touched(storage.crush, pool, stopping)) <= spare(pool) for pool in pools)


def spare(pool: Pool) -> int:
    """Failure domains of POOL that may be away while its clients go on."""
    return max(pool.size - max(pool.min_size, 1), 0)


def _touched(crush: Crush, pool: Pool, stopping: Collection[int]) -> list[str]:
    """Names of the failure domains of POOL that have one of these OSDs."""
    domains = crush.domains(crush.rule_of(pool).spreads_over)
    return [name for name, osds in domains.items() if not osds.isdisjoint(stopping)]


def _limits(storage: Storage, hosts: Hosts) -> Iterator[str]:
    every = {osd for osds in hosts.values() for osd in osds}
    for pool in storage.osd_map.pools:
        kind = storage.crush.rule_of(pool).spreads_over
        if _touched(storage.crush, pool, every):
            yield f"pool {pool.name} (size {pool.size}, min_size {pool.min_size}): {spare(pool)} of kind {kind}"
