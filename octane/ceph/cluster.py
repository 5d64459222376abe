"""A cluster's maps, users and space: one shape for every release from Firefly to Pacific.

Every function takes the parsed JSON of a command and raises :class:`octane.errors.BadInput` when that is another
command's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from octane.errors import BadInput, Refused

NO_OSD = 2147483647
"""Stands in an acting set where nobody is."""
KIB = 1024

Read = TypeVar("Read")


@dataclass(frozen=True, order=True)
class Address:
    """``protocol`` is v1 or v2 (msgr2, since Nautilus)."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}:{host}:{self.port}"


@dataclass(frozen=True)
class Monitor:
    name: str
    rank: int
    addresses: tuple[Address, ...]

    @property
    def speaks_v1_alone(self) -> bool:
        return {address.protocol for address in self.addresses} == {"v1"}

    @property
    def host(self) -> str:
        """The IP address that it has."""
        return self.addresses[0].host


@dataclass(frozen=True)
class MonitorMap:
    """``features`` are the persistent ones, none before Jewel; monitors are in the order of their ranks."""

    fsid: str
    epoch: int
    monitors: tuple[Monitor, ...]
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quorum:
    """``members`` and ``leader`` are names."""

    leader: str
    members: tuple[str, ...]
    election_epoch: int
    map: MonitorMap

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.map.monitors if one.name not in self.members)


@dataclass(frozen=True)
class Osd:
    """``weight`` is what ``ceph osd reweight`` sets, 0 to 1; ``up_from`` the epoch in which it came up last."""

    id: int
    uuid: str
    is_up: bool
    is_in: bool
    weight: float
    up_from: int


@dataclass(frozen=True)
class Pool:
    """``size`` copies (or chunks), of which ``min_size`` must be there for clients to go on; ``ruleset`` says how
    they are placed."""

    id: int
    name: str
    size: int
    min_size: int
    ruleset: int
    is_erasure_coded: bool
    pg_num: int


@dataclass(frozen=True)
class OsdMap:
    fsid: str
    epoch: int
    flags: frozenset[str]
    osds: tuple[Osd, ...]
    pools: tuple[Pool, ...]


@dataclass(frozen=True)
class PlacementGroup:
    """``acting`` are the ids of the OSDs that serve it now, the primary first; nobody's place is left out."""

    id: str
    states: frozenset[str]
    acting: tuple[int, ...]
    up: tuple[int, ...]

    @property
    def pool(self) -> int:
        return int(self.id.partition(".")[0])


@dataclass(frozen=True)
class Space:
    """Bytes, over all OSDs."""

    total: int
    used: int
    free: int


@dataclass(frozen=True, order=True)
class Version:
    number: tuple[int, ...]
    commit: str

    def __str__(self) -> str:
        return ".".join(map(str, self.number))


@dataclass(frozen=True)
class User:
    """``caps`` is ((service, what is allowed), ...) by service; ``fingerprint`` tells keys apart without being one."""

    name: str
    caps: tuple[tuple[str, str], ...]
    fingerprint: str


def _reads(command: str) -> Callable[[Callable[[Any], Read]], Callable[[Any], Read]]:
    """A document without a field is another command's."""

    def wrap(read: Callable[[Any], Read]) -> Callable[[Any], Read]:
        @wraps(read)
        def checked(document: Any) -> Read:
            try:
                return read(document)
            except (KeyError, TypeError, IndexError) as error:
                raise BadInput(f"this is no answer of `{command}`: {type(error).__name__} {error}") from error

        return checked

    return wrap


@_reads("ceph quorum_status")
def quorum(document: Mapping[str, Any]) -> Quorum:
    """Of ``ceph quorum_status``, or of a daemon's ``mon_status``, which has ranks and no names."""
    monmap = monitor_map(document["monmap"])
    by_rank = {one.rank: one.name for one in monmap.monitors}
    members = tuple(by_rank[rank] for rank in sorted(document["quorum"]))
    leader = document.get("quorum_leader_name") or (members[0] if members else "")
    return Quorum(leader, members, document["election_epoch"], monmap)


@_reads("ceph mon dump")
def monitor_map(document: Mapping[str, Any]) -> MonitorMap:
    """Of ``ceph mon dump``, or of the ``monmap`` in other answers."""
    monitors = [Monitor(one["name"], one["rank"], _addresses(one)) for one in document["mons"]]
    return MonitorMap(
        document["fsid"],
        document["epoch"],
        tuple(sorted(monitors, key=lambda one: one.rank)),
        tuple(sorted(document.get("features", {}).get("persistent", ()))),
    )


def _addresses(monitor: Mapping[str, Any]) -> tuple[Address, ...]:
    vector = monitor.get("public_addrs", {}).get("addrvec")
    # Before Nautilus there is one address, and its protocol has no name.
    entries = vector or [{"type": "v1", "addr": monitor["addr"].rpartition("/")[0]}]
    return tuple(sorted((address(one["type"], one["addr"]) for one in entries), reverse=True))


def printed_monitor_map(text: str) -> MonitorMap:
    """Of ``monmaptool --print``; it tells no features.

    Observed on Ceph 16.2.15: "0: [v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0] mon.a", and "0: v1:10.0.0.1:6789/0 mon.a" of
    one that speaks v1 alone; without "v1:" before Nautilus.
    """
    values: dict[str, str] = {}
    monitors = []
    for line in text.splitlines():
        rank, colon, rest = line.partition(": ")
        if colon and rank.isdigit():
            addresses, _, name = rest.rpartition(" mon.")
            monitors.append(Monitor(name, int(rank), _printed_addresses(addresses)))
        else:
            key, _, value = line.partition(" ")
            values[key] = value
    if not values.keys() >= {"fsid", "epoch"} or not monitors:
        raise BadInput("this is no answer of `monmaptool --print`: it has no fsid, no epoch or no monitors")
    return MonitorMap(values["fsid"], int(values["epoch"]), tuple(monitors))


def _printed_addresses(text: str) -> tuple[Address, ...]:
    entries = text[1:-1].split(",") if text.startswith(("[v1:", "[v2:")) else [text]
    return tuple(sorted(map(_printed_address, entries), reverse=True))


def _printed_address(entry: str) -> Address:
    plain = entry.partition("/")[0]
    has_protocol = plain.startswith(("v1:", "v2:"))
    return address(plain[:2], plain[3:]) if has_protocol else address("v1", plain)


def address(protocol: str, text: str) -> Address:
    """Of "10.0.0.1:6789" or "[fd00::1]:6789"."""
    host, _, port = text.rpartition(":")
    return Address(protocol, host.strip("[]"), int(port))


@_reads("ceph osd dump")
def osd_map(document: Mapping[str, Any]) -> OsdMap:
    return OsdMap(document["fsid"], document["epoch"], flags(document), osds(document), pools(document))


def flags(document: Mapping[str, Any]) -> frozenset[str]:
    """Of ``ceph osd dump``: the flags of the whole map, such as noout."""
    return frozenset(flag for flag in document["flags"].split(",") if flag)


@_reads("ceph osd dump")
def osds(document: Mapping[str, Any]) -> tuple[Osd, ...]:
    """By id; ids that are free are left out, though releases list them."""
    there = [one for one in document["osds"] if "exists" in one["state"]]
    return tuple(sorted(map(_osd, there), key=lambda one: one.id))


def _osd(one: Mapping[str, Any]) -> Osd:
    # Weights are text in Firefly.
    return Osd(one["osd"], one["uuid"], bool(one["up"]), bool(one["in"]), float(one["weight"]), one["up_from"])


@_reads("ceph osd dump")
def pools(document: Mapping[str, Any]) -> tuple[Pool, ...]:
    return tuple(sorted(map(_pool, document["pools"]), key=lambda one: one.id))


_ERASURE = 3


def _pool(one: Mapping[str, Any]) -> Pool:
    # Luminous renamed crush_ruleset to crush_rule, and made every rule the only one of its set.
    ruleset = one["crush_rule"] if "crush_rule" in one else one["crush_ruleset"]
    erasure = one["type"] == _ERASURE
    return Pool(one["pool"], one["pool_name"], one["size"], one["min_size"], ruleset, erasure, one["pg_num"])


@_reads("ceph pg dump pgs_brief")
def placement_groups(document: Any) -> tuple[PlacementGroup, ...]:
    """By id, of ``ceph pg dump pgs_brief`` or ``ceph pg dump``: a bare list before Nautilus, fields of an object since.

    :raises Refused: the manager does not know yet
    """
    if isinstance(document, Mapping) and not document.get("pg_ready", True):
        raise Refused("the manager does not know the placement groups yet: wait until `ceph pg dump` says pg_ready")
    within = document.get("pg_map", document) if isinstance(document, Mapping) else {"pg_stats": document}
    return tuple(sorted(map(_placement_group, within["pg_stats"]), key=lambda one: (one.pool, one.id)))


def _placement_group(one: Mapping[str, Any]) -> PlacementGroup:
    acting, up = (tuple(osd for osd in one[name] if osd not in (NO_OSD, -1)) for name in ("acting", "up"))
    return PlacementGroup(one["pgid"], frozenset(one["state"].split("+")), acting, up)


@_reads("ceph df")
def space(document: Mapping[str, Any]) -> Space:
    """Of ``ceph df``: Firefly tells KiB by other names (observed on Ceph 0.80.9)."""
    stats = document["stats"]
    if "total_space" in stats:
        return Space(*(int(stats[name]) * KIB for name in ("total_space", "total_used", "total_avail")))
    return Space(stats["total_bytes"], stats["total_used_bytes"], stats["total_avail_bytes"])


_VERSION = re.compile(r"ceph version v?(?P<number>\d+(?:\.\d+)*)\S*(?: \((?P<commit>[0-9a-f]+)\))?")


def version(text: str) -> Version:
    """Of "ceph version 0.80.9 (b5a67f0...)" with or without more behind it.

    :raises BadInput: there is no version in it
    """
    found = _VERSION.search(text)
    if not found:
        raise BadInput(f"there is no version of Ceph in {text.strip()[:80]!r}; ask `ceph version`")
    return Version(tuple(map(int, found["number"].split("."))), found["commit"] or "")


def versions(document: Mapping[str, Any]) -> dict[str, dict[Version, int]]:
    """{kind of daemon: {version: how many run it}}.

    :param document: of ``ceph versions``, or {daemon: answer} of ``ceph tell KIND.* version`` where that does not
        exist yet (before Luminous), as :func:`octane.ceph.answers.each` reads it
    """
    counted: dict[str, dict[Version, int]] = {}
    for name, said in document.items():
        if name != "overall":
            found = counted.setdefault(name.partition(".")[0], {})
            for text, count in _counts(said).items():
                found[version(text)] = found.get(version(text), 0) + count
    return counted


def _counts(said: Any) -> Mapping[str, int]:
    if isinstance(said, str):
        return {said: 1}
    return {said["version"]: 1} if "version" in said else said


@_reads("ceph auth list")
def users(document: Any) -> tuple[User, ...]:
    """By name, of ``ceph auth list`` (``auth ls`` since Luminous) or ``ceph auth get NAME``; no key leaves this
    function."""
    entries = document["auth_dump"] if isinstance(document, Mapping) else document
    return tuple(sorted(map(_user, entries), key=lambda one: one.name))


def _user(one: Mapping[str, Any]) -> User:
    return User(one["entity"], tuple(sorted(one["caps"].items())), fingerprint(one["key"]))


def fingerprint(secret: str) -> str:
    """The same for the same SECRET, which cannot be had back from it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


_SECRET = ("key", "token", "password", "secret")
_NO_SECRET = ("keyring",)


def is_secret(setting: str) -> bool:
    """Whether a setting of that name holds a secret: only its :func:`fingerprint` may be told."""
    return any(word in setting for word in _SECRET) and setting not in _NO_SECRET


def not_clean(groups: Iterable[PlacementGroup]) -> tuple[PlacementGroup, ...]:
    """Those that are anything but active and clean; one that is being scrubbed is both."""
    return tuple(one for one in groups if not _is_clean(one.states))


def _is_clean(states: frozenset[str]) -> bool:
    return states - {"scrubbing", "deep"} == {"active", "clean"}


@_reads("ceph status")
def unclean(document: Mapping[str, Any]) -> dict[str, int]:
    """{state: placement groups in it} of those that are not clean, of ``ceph status``, which stays small where a list
    of all groups does not. Groups whose state is not known yet count as in the state ``unknown``."""
    found = document["pgmap"]
    told = {one["state_name"]: one["count"] for one in found.get("pgs_by_state", ())}
    silent = found["num_pgs"] - sum(told.values())
    if silent > 0:
        told["unknown"] = told.get("unknown", 0) + silent
    return {state: count for state, count in told.items() if not _is_clean(frozenset(state.split("+")))}
