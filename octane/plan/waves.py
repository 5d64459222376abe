"""Waves of computes: which are installed anew together, and where each of their guests goes before. Pure.

Guests go to computes that are upgraded already, so that none moves twice; only where there is no such compute yet must
some go to others, from which they will move again. The emptiest computes therefore go first, and each wave makes
as much room as the next one needs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from octane.errors import BadInput
from octane.plan.computes import Cloud
from octane.plan.rooms import Bundle, Host, Rooms, hosts_of


@dataclass(frozen=True)
class Limits:
    """``wave`` is how many computes go together at most, ``canary`` how many at first, ``domains`` of how many failure
    domains those of a wave with OSDs may be; None of them is no limit. ``twice`` is the share of guests that may move
    once more than they must. ``from_host`` and ``at_once`` are live migrations at the same time, of one compute and of
    all."""

    wave: int | None = None
    canary: int | None = None
    domains: int | None = None
    twice: float = 0.05
    from_host: int = 2
    at_once: int = 20

    def __post_init__(self) -> None:
        numbers = {"wave": self.wave, "canary": self.canary, "from_host": self.from_host, "at_once": self.at_once}
        wrong = [name for name, number in numbers.items() if number is not None and number < 1]
        if wrong or not 0 <= self.twice <= 1:
            raise BadInput(f"{', '.join(wrong or ['twice'])} of the limits cannot be right")

    def size(self, number: int) -> int | None:
        """Computes in the wave of that number, at most; the first one is 0."""
        given = [limit for limit in (self.wave, self.canary if number == 0 else None) if limit is not None]
        return min(given, default=None)


@dataclass(frozen=True)
class Durations:
    """Seconds that one live migration takes, and the installation of a compute, the same for one and for a wave."""

    migration: float
    installation: float


@dataclass(frozen=True, slots=True)
class Migration:
    """``again`` says that its target is still to be upgraded: the guest will have to move once more."""

    guest: str
    source: str
    target: str
    again: bool = False


@dataclass(frozen=True)
class Wave:
    computes: tuple[str, ...]
    migrations: tuple[Migration, ...]


@dataclass(frozen=True)
class Left:
    """A compute that no wave can have, and why."""

    compute: str
    reason: str


@dataclass(frozen=True)
class Waves:
    waves: tuple[Wave, ...]
    left: tuple[Left, ...]

    @property
    def migrations(self) -> int:
        return sum(len(wave.migrations) for wave in self.waves)

    def seconds(self, limits: Limits, durations: Durations) -> float:
        """What all of it takes, one wave after the other."""
        return sum(seconds_of(wave, limits, durations) for wave in self.waves)


def seconds_of(wave: Wave, limits: Limits, durations: Durations) -> float:
    """What a wave takes: its guests leave side by side as far as allowed, then all its computes are installed."""
    leaving: dict[str, int] = defaultdict(int)
    for one in wave.migrations:
        leaving[one.source] += 1
    rounds = max(
        math.ceil(max(leaving.values(), default=0) / limits.from_host),
        math.ceil(len(wave.migrations) / limits.at_once),
    )
    return rounds * durations.migration + durations.installation


def plan(cloud: Cloud, limits: Limits) -> Waves:
    """Waves of all computes that are not upgraded."""
    run = _Run(cloud, limits)
    waves = tuple(iter(run.wave, None))
    return Waves(waves, tuple(run.left()))


def may_move_twice(limits: Limits, guests: int) -> int:
    """Of so many guests."""
    return math.floor(limits.twice * guests + 1e-9)


Moves = Sequence[tuple[Bundle, Host]]
"""What leaves a compute, and for where."""


class _Run:
    """One planning: where everything is by now."""

    def __init__(self, cloud: Cloud, limits: Limits) -> None:
        self.limits, self.number = limits, 0
        self.hosts = hosts_of(cloud)
        self.twice = self._twice()

    def _twice(self) -> dict[frozenset[str], int]:
        """{traits: how many guests of computes with these may still move once more than they must}: each kind of
        compute has its share, since where none of a kind is upgraded, there is no room for guests that need one."""
        guests: dict[frozenset[str], int] = defaultdict(int)
        for host in self._waiting():
            guests[host.traits] += host.guests
        return {traits: may_move_twice(self.limits, number) for traits, number in guests.items()}

    def _waiting(self) -> list[Host]:
        return [host for host in self.hosts if not host.is_upgraded]

    def wave(self) -> Wave | None:
        """The next wave, and everything where it is after it; None when no other compute can go."""
        chosen = self._chosen() or self._one_at_any_rate()
        if not chosen:
            return None
        for host in chosen:
            host.is_upgraded = True
        self.number += 1
        return Wave(tuple(host.name for host in chosen), tuple(_migrations(chosen)))

    def _chosen(self) -> dict[Host, Moves]:
        rooms, chosen = Rooms(self.hosts), dict[Host, Moves]()
        for host in self._in_order():
            if len(chosen) == self.limits.size(self.number):
                break
            if self._may_go(host, chosen):
                moves = self._emptied(host, rooms, chosen, self.twice[host.traits])
                if moves is not None:
                    chosen[host] = moves
                    self.twice[host.traits] -= _again(moves)
        return chosen

    def _one_at_any_rate(self) -> dict[Host, Moves]:
        """Rather than none at all: one whose guests have nowhere to go but where they must leave again, be they more
        than should move twice."""
        rooms = Rooms(self.hosts)
        tried = ((host, self._emptied(host, rooms, {}, host.guests)) for host in self._in_order())
        return next(({host: moves} for host, moves in tried if moves is not None), {})

    def _in_order(self) -> list[Host]:
        """What waits: as long as all guests must move twice, fewest guests first, and then those that need least."""
        if self.number or any(host.is_upgraded for host in self.hosts):
            return sorted(self._waiting(), key=lambda host: (host.load / (host.size or 1), host.name))
        return sorted(self._waiting(), key=lambda host: (host.guests / (host.size or 1), host.name))

    def _may_go(self, host: Host, chosen: Mapping[Host, Moves]) -> bool:
        domains = {one.domain for one in chosen if one.domain}
        most = self.limits.domains
        return most is None or not host.domain or host.domain in domains or len(domains) < most

    def _emptied(self, host: Host, rooms: Rooms, chosen: Mapping[Host, Moves], twice: int) -> Moves | None:
        """Move what is on a compute to where it can go, so many guests to where they must leave again; None, and
        nothing moved, if not all of it can."""
        moves = list[tuple[Bundle, Host]]()
        if rooms.is_target(host):
            return None  # what came in this wave would have to leave in it
        for bundle in host.largest_first():
            target = rooms.upgraded(bundle)
            if target is None and (twice - _again(moves) >= len(bundle.guests) or _is_first(bundle, rooms, chosen)):
                target = rooms.waiting(bundle, {host, *chosen})
            if target is None:
                for moved, there in moves:
                    there.remove(moved)
                return None
            target.put(bundle)
            moves.append((bundle, target))
        host.clear()
        rooms.keep(there for _, there in moves)
        return moves

    def left(self) -> Iterator[Left]:
        """Computes that stay as they are, each with what keeps it."""
        rooms = Rooms(self.hosts)
        for host in self._waiting():
            yield Left(host.name, _reason(host, rooms))


def _again(moves: Moves) -> int:
    """How many guests of these will have to move once more."""
    return sum(len(bundle.guests) for bundle, target in moves if not target.is_upgraded)


def _is_first(bundle: Bundle, rooms: Rooms, chosen: Mapping[Host, Moves]) -> bool:
    """No compute on which these guests can be is upgraded or will be by this wave: somebody must move twice."""
    return not rooms.has_upgraded(bundle) and not any(host.suits(bundle) for host in chosen)


def _migrations(chosen: Mapping[Host, Moves]) -> Iterator[Migration]:
    for host, moves in chosen.items():
        for bundle, target in moves:
            again = not target.is_upgraded
            yield from (Migration(guest.id, host.name, target.name, again) for guest in bundle.guests)


def _reason(host: Host, rooms: Rooms) -> str:
    for bundle in host.largest_first():
        if rooms.upgraded(bundle) is None and rooms.waiting(bundle, {host}) is None:
            return f"no other compute has room for {', '.join(guest.id for guest in bundle.guests)}"
    return "no others have room for all of its guests together"
