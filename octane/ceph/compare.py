"""A cluster before and after: what must be equal, what may have changed, what may only have grown.

Which is which was found on Ceph 16.2.15: monitors may have other names and their map another epoch, but the addresses
are those that clients know; epochs of OSD maps only grow, and one that went back is a store that was copied too early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octane.ceph.cluster import MonitorMap, OsdMap, PlacementGroup, User, fingerprint, is_secret
from octane.errors import InvariantBroken

EQUAL = "equal"
UPWARD = "only upward"
MAY_CHANGE = "may change"
ABSENT = "none"
"""A value where there is no thing of that name."""

Values = dict[str, Any]
"""{name of a thing: its value}."""


@dataclass(frozen=True)
class Snapshot:
    """What is compared. ``status`` is the parsed JSON of ``ceph status``, ``crush`` that of ``ceph osd crush dump``,
    ``settings`` that of ``ceph config dump`` (empty before Mimic, which began to have it)."""

    status: Mapping[str, Any]
    monitors: MonitorMap
    osd_map: OsdMap
    crush: Mapping[str, Any]
    groups: Sequence[PlacementGroup]
    users: Sequence[User]
    settings: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Difference:
    """A thing that is not as it was; ``rule`` is EQUAL, UPWARD or MAY_CHANGE."""

    name: str
    before: Any
    after: Any
    rule: str

    @property
    def is_allowed(self) -> bool:
        if self.rule == UPWARD:
            return bool(self.before != ABSENT and self.after != ABSENT and self.after >= self.before)
        return self.rule == MAY_CHANGE

    def __str__(self) -> str:
        return f"{self.name} was {self.before}, is {self.after}"


@dataclass(frozen=True)
class Comparison:
    """``broken`` is empty when the cluster is what it was, ``allowed`` is for the record."""

    broken: tuple[Difference, ...] = ()
    allowed: tuple[Difference, ...] = ()


@dataclass
class _Facts:
    """What there is to a snapshot, by the rule it has to follow."""

    rules: dict[str, Values] = field(default_factory=dict)

    def add(self, rule: str, values: Values) -> None:
        self.rules.setdefault(rule, {}).update(values)


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """Every difference between two snapshots, by name."""
    old, new = _facts(before).rules, _facts(after).rules
    found = [one for rule in old for one in _differences(rule, old[rule], new[rule])]
    return Comparison(tuple(one for one in found if not one.is_allowed), tuple(one for one in found if one.is_allowed))


def require_same(before: Snapshot, after: Snapshot) -> Comparison:
    """What changed, all of it allowed.

    :raises InvariantBroken: naming each difference that is not
    """
    found = compare(before, after)
    if found.broken:
        raise InvariantBroken(
            f"the Ceph cluster is not what it was: {', '.join(map(str, found.broken))}; "
            "stop here and go back to the monitors that were there before"
        )
    return found


def moving(status: Mapping[str, Any]) -> Values:
    """{counter: objects} of what is misplaced or unfound, by ``ceph status``; empty while no data moves.

    Firefly counts no misplaced objects: there the acting sets tell.
    """
    counters = ("misplaced_objects", "unfound_objects")
    return {name: status["pgmap"][name] for name in counters if status["pgmap"].get(name)}


def require_newest_map(newest: Mapping[int, int], osd_map: OsdMap) -> None:
    """No OSD knows of a map that the monitors have lost.

    :param newest: {id of an OSD: the ``newest_map`` that it tells on its admin socket}
    :raises InvariantBroken: naming each OSD that does
    """
    ahead = [f"osd.{osd} (epoch {epoch})" for osd, epoch in sorted(newest.items()) if epoch > osd_map.epoch]
    if ahead:
        raise InvariantBroken(
            f"the monitors' OSD map is of epoch {osd_map.epoch}, and these have a newer one: {', '.join(ahead)}; "
            "the store was copied too early: stop the new monitors and start the old ones"
        )


def _differences(rule: str, before: Values, after: Values) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ABSENT), after.get(name, ABSENT)
        if old != new:
            yield Difference(name, old, new, rule)


def _facts(snapshot: Snapshot) -> _Facts:
    facts = _Facts()
    facts.add(EQUAL, {"fsid of ceph status": snapshot.status["fsid"]})
    _of_monitors(facts, snapshot.monitors)
    _of_osds(facts, snapshot.osd_map)
    facts.add(EQUAL, dict(_of_crush(snapshot.crush)))
    facts.add(EQUAL, {f"acting set of {one.id}": list(one.acting) for one in snapshot.groups})
    _of_users(facts, snapshot.users)
    facts.add(EQUAL, dict(_setting(one) for one in snapshot.settings))
    facts.add(MAY_CHANGE, _elected(snapshot.status))
    return facts


def _of_monitors(facts: _Facts, monitors: MonitorMap) -> None:
    addresses = sorted(",".join(map(str, one.addresses)) for one in monitors.monitors)
    facts.add(
        EQUAL,
        {
            "fsid of the monitor map": monitors.fsid,
            "addresses of the monitors": addresses,
            "persistent features of the monitor map": list(monitors.features),
        },
    )
    names = {"names of the monitors": sorted(one.name for one in monitors.monitors)}
    facts.add(MAY_CHANGE, {**names, "epoch of the monitor map": monitors.epoch})


def _of_osds(facts: _Facts, osd_map: OsdMap) -> None:
    facts.add(EQUAL, {"fsid of the OSD map": osd_map.fsid, "flags of the OSD map": sorted(osd_map.flags)})
    facts.add(UPWARD, {"epoch of the OSD map": osd_map.epoch})
    for pool in osd_map.pools:
        facts.add(EQUAL, {f"pool {pool.name}": pool})
    for osd in osd_map.osds:
        values = {"uuid": osd.uuid, "up": osd.is_up, "in": osd.is_in, "weight": osd.weight}
        facts.add(EQUAL, {f"{name} of osd.{osd.id}": value for name, value in values.items()})
        facts.add(MAY_CHANGE, {f"epoch since which osd.{osd.id} is up": osd.up_from})


def _of_crush(crush: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("devices", "buckets"):
        for one in crush[kind]:
            yield f"{one['name']} in the crush map", one
    for rule in crush["rules"]:
        yield f"rule {rule['rule_name']} of the crush map", rule
    yield from ((f"{name} of the crush map", crush.get(name)) for name in ("types", "tunables", "choose_args"))


def _of_users(facts: _Facts, users: Sequence[User]) -> None:
    """A manager makes itself a user of the name of its host."""
    for user in users:
        rule = MAY_CHANGE if user.name.startswith("mgr.") else EQUAL
        facts.add(rule, {f"caps of {user.name}": dict(user.caps), f"key of {user.name}": user.fingerprint})


def _setting(one: Mapping[str, Any]) -> tuple[str, Any]:
    where = "/".join(part for part in (one["section"], one.get("mask", "")) if part)
    return f"setting {one['name']} of {where}", fingerprint(one["value"]) if is_secret(one["name"]) else one["value"]


def _elected(status: Mapping[str, Any]) -> Values:
    manager = status.get("mgrmap", {}).get("active_name", ABSENT)
    return {"epoch of the election": status.get("election_epoch", ABSENT), "active manager": manager}
