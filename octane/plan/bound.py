"""What no plan of waves can do better, whoever makes it. Pure.

Constraints of zones, groups and fragments of room are left out of it: what holds without them holds with them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from octane.plan.computes import Cloud
from octane.plan.waves import Durations, Limits, may_move_twice

KINDS = range(3)
SHARES = 100
"""Sizes of the first wave that are looked at: the bound is as much lower as there are fewer."""


def seconds(cloud: Cloud, limits: Limits, durations: Durations) -> float:
    """At least so long do all waves take: as many installations as :func:`waves`, and every guest must move once."""
    leaving = Counter(guest.host for guest in cloud.moving())
    rounds = max(
        sum(leaving.values()) / limits.at_once,
        max(leaving.values(), default=0) / limits.from_host,
        sum(leaving.values()) / (limits.from_host * limits.wave) if limits.wave else 0,
    )
    return rounds * durations.migration + waves(cloud, limits) * durations.installation


def waves(cloud: Cloud, limits: Limits) -> int:
    """At least so many waves are needed.

    After a wave all guests of the computes that went until then are on what was upgraded before it, but for those that
    move twice. So no more room can be upgraded than computes have whose guests need that much, with the best of them
    first and with a part of the last one. Guests of the first wave must all move twice where nothing is upgraded yet,
    and the more they are, the fewer may later: the best share of them counts.
    """
    old = [one for one in cloud.computes if not one.is_upgraded]
    if not old:
        return 0
    by_size = math.ceil(len(old) / limits.wave) if limits.wave else 1
    return max(by_size, *(_Ramp(cloud, limits, kind).waves() for kind in KINDS))


class _Ramp:
    """How fast room of one kind can grow."""

    def __init__(self, cloud: Cloud, limits: Limits, kind: int) -> None:
        moving = cloud.moving()
        self.twice = may_move_twice(limits, len(moving))
        room = {one.name: one.capacity[kind] for one in cloud.computes if not one.is_upgraded}
        needs: Counter[str] = Counter()
        for guest in moving:
            needs[guest.host] += guest.needs[kind]
        guests = Counter(guest.host for guest in moving)
        self.by_needs = _Best((needs[name], room[name]) for name in room)
        self.by_guests = _Best((guests[name], room[name]) for name in room)
        self.largest = list(accumulate(sorted((one.needs[kind] for one in moving), reverse=True), initial=0))
        self.free = _free(cloud, kind)
        self.beside = sum(one.capacity[kind] for one in cloud.computes) - sum(one.needs[kind] for one in cloud.guests)
        self.has_upgraded = len(room) < len(cloud.computes)
        self.fewest = min((guests[name] for name in room), default=0)

    def waves(self) -> int:
        if self.has_upgraded:
            return self._waves(0, self.twice, 0)
        # One compute may go in any case: there would be no way without it.
        most = max(self.twice, self.fewest)
        step = max(most // SHARES, 1)
        shares = range(0, most + 1, step)
        return min(
            self._waves(self.by_guests.room(share + step), max(self.twice - share, 0), 1) for share in shares
        )

    def _waves(self, first: float, twice: int, number: int) -> int:
        """How many at least, with so much room upgraded by the first one, and so many that may move twice later."""
        again = self.largest[min(twice, len(self.largest) - 1)]
        upgraded = self.free + first
        while True:
            number += 1
            if self.by_needs.whole <= upgraded + again + first:
                return number
            grown = min(self.free + first + self.by_needs.room(upgraded + again), upgraded + self.beside)
            if grown <= upgraded:
                return number
            upgraded = grown


class _Best:
    """What room can be had for what must be spent, of (spent, room) of each compute, the best of them first."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(pairs, key=lambda one: one[0] / (one[1] or 0.5))
        self._spent = list(accumulate((one for one, _ in ordered), initial=0))
        self._room = list(accumulate((one for _, one in ordered), initial=0))
        self.whole = self._spent[-1]

    def room(self, spent: float) -> float:
        """At most so much, for so much spent."""
        at = bisect_right(self._spent, spent) - 1
        if at == len(self._spent) - 1:
            return self._room[at]
        part = (spent - self._spent[at]) / (self._spent[at + 1] - self._spent[at])
        return self._room[at] + part * (self._room[at + 1] - self._room[at])


def _free(cloud: Cloud, kind: int) -> int:
    """What is free on computes that are upgraded already."""
    upgraded = {one.name for one in cloud.computes if one.is_upgraded}
    room = sum(one.capacity[kind] for one in cloud.computes if one.is_upgraded)
    return max(room - sum(one.needs[kind] for one in cloud.guests if one.host in upgraded), 0)
