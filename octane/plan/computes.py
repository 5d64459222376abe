"""A cloud's computes and their guests at one moment, as data: what waves are planned from.

What it costs to move a guest is counted in the three amounts that nova's scheduler counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from octane.errors import BadInput

Amounts = tuple[int, int, int]
"""Virtual processors, MiB of memory, GiB of disk."""

AMOUNTS = ("vcpus", "memory_mb", "disk_gb")
AFFINITY, ANTI_AFFINITY = "affinity", "anti-affinity"
POLICIES = (AFFINITY, ANTI_AFFINITY)
"""Of nova's server groups, as far as they bind: their soft relatives do not."""


@dataclass(frozen=True, slots=True)
class Compute:
    """``capacity`` is what guests may take, allocation ratios counted in; ``traits`` are its zone's and aggregates'
    names, ``domain`` the failure domain of its OSDs, "" where it has none."""

    name: str
    capacity: Amounts
    traits: frozenset[str] = frozenset()
    domain: str = ""
    is_upgraded: bool = False


@dataclass(frozen=True, slots=True)
class Guest:
    """``traits`` are those that its host must have; ``group`` is its server group, "" without. One that ``stays``
    keeps its disk on the host while that is installed anew."""

    id: str
    host: str
    needs: Amounts
    traits: frozenset[str] = frozenset()
    group: str = ""
    stays: bool = False


@dataclass(frozen=True)
class Cloud:
    """``groups``: {server group: its policy}."""

    computes: Sequence[Compute]
    guests: Sequence[Guest]
    groups: Mapping[str, str] = field(default_factory=dict)

    def moving(self) -> list[Guest]:
        """The guests that must leave a host: on computes that are not upgraded, and not staying."""
        upgraded = {one.name for one in self.computes if one.is_upgraded}
        return [one for one in self.guests if not one.stays and one.host not in upgraded]


def parse(document: Any) -> Cloud:
    """A cloud of a JSON document::

        {"computes": [{"name", "vcpus", "memory_mb", "disk_gb", "traits": [...], "domain", "upgraded"}, ...],
         "guests": [{"id", "host", "vcpus", "memory_mb", "disk_gb", "traits": [...], "group", "stays"}, ...],
         "groups": {name: "affinity" | "anti-affinity"}}

    Of a compute all after ``disk_gb`` may be left out, and of a guest too.

    :raises BadInput: it is not like that; a name is there twice, or one is meant that is not there
    """
    if not isinstance(document, dict):
        raise BadInput("a snapshot is a JSON object with computes, guests and groups")
    computes = [_compute(one) for one in _listed(document, "computes")]
    guests = [_guest(one) for one in _listed(document, "guests")]
    cloud = Cloud(computes, guests, _groups(document.get("groups", {})))
    wrong = list(_contradictions(cloud))
    if wrong:
        raise BadInput("; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""))
    return cloud


def _listed(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadInput(f"{name} of the snapshot is not a list of objects")
    return found


def _compute(one: Mapping[str, Any]) -> Compute:
    name = _text(one, "name", "compute")
    where = f"compute {name}"
    upgraded = _flag(one, "upgraded", where)
    return Compute(name, _amounts(one, where), _traits(one, where), _text(one, "domain", where, ""), upgraded)


def _guest(one: Mapping[str, Any]) -> Guest:
    name = _text(one, "id", "guest")
    where = f"guest {name}"
    host, group = _text(one, "host", where), _text(one, "group", where, "")
    return Guest(name, host, _amounts(one, where), _traits(one, where), group, _flag(one, "stays", where))


def _groups(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise BadInput("groups of the snapshot is not an object")
    wrong = [f"{name} has {policy!r}" for name, policy in found.items() if policy not in POLICIES]
    if wrong:
        raise BadInput(f"policies of server groups are {' and '.join(POLICIES)}: {', '.join(wrong)}")
    return dict(found)


def _text(one: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = one.get(key, default)
    if not isinstance(value, str) or (not value and default is None):
        raise BadInput(f"{where} of the snapshot has no {key}")
    return value


def _flag(one: Mapping[str, Any], key: str, where: str) -> bool:
    value = one.get(key, False)
    if not isinstance(value, bool):
        raise BadInput(f"{key} of {where} is neither true nor false")
    return value


def _traits(one: Mapping[str, Any], where: str) -> frozenset[str]:
    found = one.get("traits", [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise BadInput(f"traits of {where} is not a list of names")
    return frozenset(found)


def _amounts(one: Mapping[str, Any], where: str) -> Amounts:
    values = [one.get(name) for name in AMOUNTS]
    wrong = [
        name
        for name, value in zip(AMOUNTS, values, strict=True)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0
    ]
    if wrong:
        raise BadInput(f"{', '.join(wrong)} of {where} is not a number, 0 or more")
    return tuple(values)  # type: ignore[return-value]


def _contradictions(cloud: Cloud) -> Iterator[str]:
    names = {one.name for one in cloud.computes}
    yield from (f"compute {name} is there twice" for name in _twice(one.name for one in cloud.computes))
    yield from (f"guest {name} is there twice" for name in _twice(one.id for one in cloud.guests))
    for guest in cloud.guests:
        if guest.host not in names:
            yield f"guest {guest.id} is on {guest.host}, which is none of the computes"
        if guest.group and guest.group not in cloud.groups:
            yield f"guest {guest.id} is in the server group {guest.group}, which is none of the groups"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
