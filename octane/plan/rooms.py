"""Where guests are and can be, while waves are planned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from octane.plan.computes import AFFINITY, ANTI_AFFINITY, Amounts, Cloud, Compute, Guest


class Bundle:
    """Guests that only go together: one, or those of a compute that are of one group with affinity. ``apart`` is the
    group of which no other may be where it is."""

    __slots__ = ("apart", "guests", "needs", "traits", "weight")

    def __init__(self, guests: Sequence[Guest], apart: str, whole: Amounts) -> None:
        self.guests, self.apart = guests, apart
        self.needs = _sum(one.needs for one in guests)
        self.traits = frozenset[str]().union(*(one.traits for one in guests))
        self.weight = _part(self.needs, whole)


class Host:
    """A compute as the plan goes on: what is free on it, and what is there that will move."""

    def __init__(self, compute: Compute, whole: Amounts) -> None:
        self.name, self.traits, self.domain = compute.name, compute.traits, compute.domain
        self.is_upgraded, self._whole = compute.is_upgraded, whole
        self.size = _part(compute.capacity, whole)
        self.free = list(compute.capacity)
        self.bundles: set[Bundle] = set()
        self.apart: Counter[str] = Counter()

    @property
    def guests(self) -> int:
        """How many will move."""
        return sum(len(bundle.guests) for bundle in self.bundles)

    @property
    def load(self) -> float:
        """What they need, as a part of the whole cloud."""
        return _part(_sum(bundle.needs for bundle in self.bundles), self._whole)

    def largest_first(self) -> list[Bundle]:
        return sorted(self.bundles, key=lambda one: (-one.weight, one.guests[0].id))

    def suits(self, bundle: Bundle) -> bool:
        """Whether it is of the kind that these guests need, with room or without."""
        return bundle.traits <= self.traits

    def has_room(self, bundle: Bundle) -> bool:
        one, two, three = bundle.needs
        free = self.free
        return one <= free[0] and two <= free[1] and three <= free[2] and not self.apart[bundle.apart]

    def put(self, bundle: Bundle) -> None:
        self.bundles.add(bundle)
        self.occupy(bundle.needs, bundle.apart)

    def occupy(self, needs: Amounts, apart: str) -> None:
        """Take room, for what will not move as well."""
        for kind in range(3):
            self.free[kind] -= needs[kind]
        if apart:
            self.apart[apart] += 1

    def remove(self, bundle: Bundle) -> None:
        self.bundles.discard(bundle)
        if bundle.apart:
            self.apart[bundle.apart] -= 1
        for kind in range(3):
            self.free[kind] += bundle.needs[kind]

    def clear(self) -> None:
        for bundle in list(self.bundles):
            self.remove(bundle)


def hosts_of(cloud: Cloud) -> list[Host]:
    """The computes of a cloud with their guests on them."""
    whole = _sum(one.capacity for one in cloud.computes)
    hosts = {one.name: Host(one, whole) for one in cloud.computes}
    together: dict[tuple[str, str], list[Guest]] = defaultdict(list)
    for guest in cloud.guests:
        policy = cloud.groups.get(guest.group)
        apart = guest.group if policy == ANTI_AFFINITY else ""
        if guest.stays:
            hosts[guest.host].occupy(guest.needs, apart)
        elif policy == AFFINITY:
            together[guest.host, guest.group].append(guest)
        else:
            hosts[guest.host].put(Bundle([guest], apart, whole))
    for (name, _), guests in together.items():
        hosts[name].put(Bundle(guests, "", whole))
    return list(hosts.values())


class Rooms:
    """Where there is room during one wave: on what was upgraded before it, and on what waits."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._upgraded: list[Host] = []
        self._waiting: list[Host] = []
        least = [min(amounts) for amounts in zip(*(b.needs for one in hosts for b in one.bundles), strict=True)]
        for host in hosts:
            (self._upgraded if host.is_upgraded else self._waiting).append(host)
        # What is upgraded last is best to wait on: most is on it now.
        self._waiting.sort(key=lambda host: -host.load)
        self._least = least or [0, 0, 0]
        self._suiting: dict[frozenset[str], list[Host]] = {}
        self._targets: set[Host] = set()

    def upgraded(self, bundle: Bundle) -> Host | None:
        """A compute that is upgraded and has room."""
        suiting = self._suiting.get(bundle.traits)
        if suiting is None:
            suiting = self._suiting[bundle.traits] = [host for host in self._upgraded if host.suits(bundle)]
            # What others need more is taken last.
            suiting.sort(key=lambda host: len(host.traits))
        found = next((host for host in suiting if host.has_room(bundle)), None)
        if found is None:
            self._suiting[bundle.traits] = [host for host in suiting if not self._is_full(host)]
        return found

    def _is_full(self, host: Host) -> bool:
        return any(free < least for free, least in zip(host.free, self._least, strict=True))

    def has_upgraded(self, bundle: Bundle) -> bool:
        """Whether an upgraded compute is of the kind that these guests need, with room or without."""
        return any(host.suits(bundle) for host in self._upgraded)

    def waiting(self, bundle: Bundle, but: Collection[Host]) -> Host | None:
        """A compute that is not upgraded and has room."""
        fitting = (host for host in self._waiting if host not in but and host.suits(bundle) and host.has_room(bundle))
        return next(fitting, None)

    def keep(self, targets: Iterable[Host]) -> None:
        """These were given guests in this wave."""
        self._targets.update(targets)

    def is_target(self, host: Host) -> bool:
        """Whether something was put there in this wave."""
        return host in self._targets


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    found = list(amounts) or [(0, 0, 0)]
    one, two, three = (sum(kind) for kind in zip(*found, strict=True))
    return one, two, three


def _part(needs: Amounts, whole: Amounts) -> float:
    """The largest of the three parts of the whole that these amounts are."""
    return max(need / (total or 1) for need, total in zip(needs, whole, strict=True))
