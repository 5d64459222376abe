"""The way monitors go from the original's controllers to the seed's, and its moves in their order, as data.

*Early*: the seed's monitors join over the storage network, where both sides can be at once, before the switch; in it
the original ones leave the map one by one and the seed's move to the original addresses, since those are all that a
starting client knows. There is a quorum all the time. *At once*: inside the switch all original ones are stopped, and
the seed's start with the store of one of them. Observed on Ceph 16.2.15: 1.0 s of stalled control at the longest, or
0.6 to 5.2 s without a quorum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from octane.ceph import releases
from octane.ceph.cluster import Address, Monitor, MonitorMap, Quorum, Version
from octane.ceph.health import CRITICAL_PERCENT
from octane.errors import BadInput, InvariantBroken, Refused

EARLY = "early"
AT_ONCE = "at once"

JOIN = "join"
"""Make a store of the running map (``ceph-mon --mkfs``) and start at the address: the rest comes by itself."""
REMOVE = "remove"
"""Take it out of the map, stop it, and fence it."""
SWITCH = "switch"
"""The network's turn: the original's controllers lose their addresses for good, the seed's have them now."""
MOVE = "move"
"""Take it out of the map, stop it, move its store away, and let it join again at the address."""
STOP = "stop"
"""Stop and fence it; after the last, note the epoch of the OSD map in the store."""
COPY = "copy"
"""Copy the stopped store of the monitor to each of the seed's, with the map changed: :func:`map_changes`."""
START = "start"

FEWEST = 3
"""Of the seed's monitors for the early way: while one of two moves, the other is no majority."""


@dataclass(frozen=True)
class Successor:
    """A monitor of the seed: ``takes`` is the name of the original one whose addresses it gets, ``storage`` its IP
    address in the storage network, None where that is not shared with the original."""

    name: str
    takes: str
    storage: str | None = None


@dataclass(frozen=True)
class Way:
    """EARLY or AT_ONCE; ``reasons`` say why it is not EARLY, each a sentence."""

    name: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Act:
    """One of the acts above; ``members`` are the monitors that must be in the quorum after it, by name, and nobody
    where there is none for the moment."""

    does: str
    monitor: str = ""
    addresses: tuple[Address, ...] = ()
    members: tuple[str, ...] = ()


def choose(quorum: Quorum, successors: Sequence[Successor], running: Version, new: Version) -> Way:
    """The way that this cluster can go.

    :param running: what its monitors run, all of them
    :param new: what the seed's will
    :raises Refused: neither way can be gone
    :raises BadInput: a successor takes the place of a monitor that is not there, or of one that has one already
    """
    require_pairs(quorum.map, successors)
    releases.require_follows(running, new)
    if quorum.missing:
        raise Refused(f"not in the quorum: {', '.join(quorum.missing)}; start them, or remove them from the map")
    reasons = tuple(_against_early(successors))
    return Way(AT_ONCE if reasons else EARLY, reasons)


def require_pairs(originals: MonitorMap, successors: Sequence[Successor]) -> None:
    """:raises BadInput: not each original monitor has one successor, or names of both sides are the same"""
    theirs, taken = sorted(one.name for one in originals.monitors), sorted(one.takes for one in successors)
    if theirs != taken:
        raise BadInput(
            f"the monitors are {', '.join(theirs)}, and the seed would take the places of {', '.join(taken)}; "
            "give every original monitor one successor"
        )
    twice = sorted({one.name for one in successors} & set(theirs))
    if twice:
        raise BadInput(f"both sides have a monitor named {', '.join(twice)}; give the seed's another name")


def _against_early(successors: Sequence[Successor]) -> Iterator[str]:
    if len(successors) < FEWEST:
        yield f"the seed has {len(successors)} monitors, and of fewer than {FEWEST} none can move beside a majority"
    apart = [one.name for one in successors if not one.storage]
    if apart:
        yield f"no address in a network that both sides share: {', '.join(apart)}"


def joins(now: MonitorMap, originals: MonitorMap, successors: Sequence[Successor]) -> tuple[Act, ...]:
    """What is to do before the switch, on the early way.

    :param now: the map as it is: who has joined it already is left out, so that a run that broke off goes on
    :param originals: the map as it was before anything was done
    """
    members = [one.name for one in now.monitors]
    acts = []
    for one in successors:
        if one.name not in members:
            members.append(one.name)
            acts.append(Act(JOIN, one.name, _at_storage(one, originals), tuple(members)))
    return tuple(acts)


def moves(now: Quorum, originals: MonitorMap, successors: Sequence[Successor]) -> tuple[Act, ...]:
    """What is to do in the switch, on the early way: who leads goes first, so that there is one election less.

    One original monitor stays until the network's turn, because a client that starts knows original addresses alone.

    :raises Refused: a successor has not joined yet
    """
    members = [one.name for one in now.map.monitors]
    absent = [one.name for one in successors if one.name not in members]
    if absent:
        raise Refused(f"not in the monitor map yet: {', '.join(absent)}; let them join first")
    leaving = _leader_first([one.name for one in originals.monitors if one.name in members], now.leader)
    acts = list(_removed(leaving[:-1], members))
    # The last one falls silent with the network, and whoever is left is a majority.
    acts += [Act(SWITCH, members=tuple(name for name in members if name not in leaving[-1:]))] if leaving else []
    acts += _removed(leaving[-1:], members)
    return (*acts, *_moved(now, originals, successors, members))


def _removed(names: Iterable[str], members: list[str]) -> Iterator[Act]:
    for name in names:
        members.remove(name)
        yield Act(REMOVE, name, members=tuple(members))


def _moved(now: Quorum, originals: MonitorMap, successors: Sequence[Successor], members: list[str]) -> Iterator[Act]:
    at = {one.name: one.addresses for one in now.map.monitors}
    by_name = {one.name: one for one in successors}
    for name in _leader_first(list(by_name), now.leader):
        wanted = _original(by_name[name], originals).addresses
        if at[name] != wanted:
            yield Act(MOVE, name, wanted, tuple(members))


def at_once(now: Quorum, successors: Sequence[Successor]) -> tuple[Act, ...]:
    """What is to do in the switch, on the other way: nothing is copied before the last original monitor has stopped,
    for what a store misses is lost without a word."""
    names = [one.name for one in now.map.monitors]
    started = [Act(START, one.name, _original(one, now.map).addresses) for one in successors]
    whole = Act(started[-1].does, started[-1].monitor, started[-1].addresses, tuple(one.name for one in successors))
    stopped = [Act(STOP, name) for name in reversed(_leader_first(names, now.leader))]
    return (*stopped, Act(SWITCH), Act(COPY, now.leader), *started[:-1], whole)


def map_changes(originals: MonitorMap, successors: Sequence[Successor], new: Version) -> tuple[tuple[str, ...], ...]:
    """Arguments of two calls of ``monmaptool``, which are followed by the file: all original names out, then all new
    ones in, with the addresses and protocols of the original ones.

    ``--add`` would make a monitor that speaks v1 alone (observed on Ceph 16.2.15).
    """
    removed = [part for one in originals.monitors for part in ("--rm", one.name)]
    added = [
        part
        for one in successors
        for part in (_add(new), one.name, address_argument(_original(one, originals).addresses, new))
    ]
    return tuple(removed), tuple(added)


def require_map(found: MonitorMap, originals: MonitorMap, successors: Sequence[Successor]) -> None:
    """FOUND is what the seed's monitors are to start with: of the cluster, and with the addresses that clients know.

    Ask before a store gets it, and of each store after: a map of another cluster is taken in without a word, and one
    without v2 is not missed until clients do (observed on Ceph 16.2.15).

    :raises InvariantBroken: naming what differs
    """
    wanted = {one.name: _original(one, originals).addresses for one in successors}
    there = {one.name: one.addresses for one in found.monitors}
    wrong = [f"its fsid is {found.fsid} and not {originals.fsid}"] if found.fsid != originals.fsid else []
    wrong += [
        f"{name} is at {_listed(there.get(name, ()))} and belongs at {_listed(wanted.get(name, ()))}"
        for name in sorted(wanted.keys() | there.keys())
        if there.get(name) != wanted.get(name)
    ]
    if wrong:
        raise InvariantBroken(f"the monitor map is wrong: {'; '.join(wrong)}; make it anew of the original's")


def _listed(addresses: Iterable[Address]) -> str:
    return ",".join(map(str, addresses)) or "no address at all"


def require_disks(free: Mapping[str, float]) -> None:
    """The disks with monitors' data, the original's and the seed's, are not nearly full.

    :param free: {host: percent of the file system below the monitor's data that are free}
    :raises Refused: naming each host on which a monitor would stop by itself
    """
    few = [f"{host} ({percent:g} %)" for host, percent in sorted(free.items()) if percent <= CRITICAL_PERCENT]
    if few:
        raise Refused(
            f"no more than {CRITICAL_PERCENT} % of the disk with the monitor's data is free, and it stops by itself "
            f"below that: {', '.join(few)}; free space there"
        )


def _add(version: Version) -> str:
    return "--addv" if releases.has_addresses(version) else "--add"


def address_argument(addresses: Sequence[Address], version: Version) -> str:
    """As ``ceph-mon --public-addr`` and ``monmaptool`` take it: "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]", or
    "10.0.0.1:6789" before Nautilus."""
    if releases.has_addresses(version):
        return f"[{','.join(map(str, addresses))}]"
    return str(addresses[0]).partition(":")[2]


def tuning(version: Version, before: Mapping[str, str]) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """(arguments of ``ceph`` that make a setting quick, those that take it back), while monitors move; they are taken
    back in the opposite order, so that a lease is never shorter than the time until it is renewed.

    :param before: {setting: its value}, as a monitor's admin socket tells it; needed where settings are not kept by
        the monitors, and one cannot be taken away
    """
    return tuple(_tuned(name, value, version, before) for name, value in _quick(version).items())


def _quick(version: Version) -> dict[str, str]:
    quick = {"mon_lease": "1", "mon_probe_timeout": "1"}
    if releases.has_renewal_factor(version):
        return {**quick, "mon_election_timeout": "1"}
    # An election lasts as long as a lease there. A lease that is renewed every 3 s, as is set there, would run out.
    return {"mon_lease_renew_interval": "0.6", "mon_lease_ack_timeout": "2", **quick}


def _tuned(
    name: str, value: str, version: Version, before: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if releases.has_settings(version):
        return ("config", "set", "mon", name, value), ("config", "rm", "mon", name)
    if name not in before:
        raise BadInput(f"what {name} is now must be known to be put back; ask `ceph daemon mon.NAME config get {name}`")
    inject = ("tell", "mon.*", "injectargs")
    return (*inject, f"--{name} {value}"), (*inject, f"--{name} {before[name]}")


def _leader_first(names: list[str], leader: str) -> list[str]:
    return sorted(names, key=lambda name: name != leader)


def _original(successor: Successor, originals: MonitorMap) -> Monitor:
    return next(one for one in originals.monitors if one.name == successor.takes)


def _at_storage(successor: Successor, originals: MonitorMap) -> tuple[Address, ...]:
    """The protocols and ports of the original monitor's addresses, in the storage network."""
    if successor.storage is None:
        raise BadInput(f"monitor {successor.name} has no address in the storage network: it cannot join early")
    there = _original(successor, originals).addresses
    return tuple(Address(one.protocol, successor.storage, one.port) for one in there)
