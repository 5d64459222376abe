"""What upgrade-node does with a node, by the roles that it has in Fuel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from octane.errors import Refused
from octane.stage import CEPH_OSD, STAGES


class HasRoles(Protocol):
    """A node of Fuel."""

    @property
    def hostname(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Handler:
    """``option`` is what chooses its orchestration. It takes nodes that have all of ``needs``, and besides at most what
    is in ``allows``."""

    option: str
    needs: frozenset[str]
    allows: frozenset[str] = frozenset()

    @property
    def orchestration(self) -> str:
        return STAGES["upgrade-node"].orchestration_of({self.option: True})

    def takes(self, roles: frozenset[str]) -> bool:
        return self.needs <= roles <= self.needs | self.allows


HANDLERS = (
    Handler("", frozenset({"controller"})),
    Handler(CEPH_OSD, frozenset({"ceph-osd"}), frozenset({"compute"})),
)


def handler(node: HasRoles) -> Handler:
    """The one that takes NODE.

    :raises Refused: naming the roles that nobody handles, alone or together
    """
    for one in HANDLERS:
        if one.takes(node.roles):
            return one
    known = frozenset().union(*(one.needs | one.allows for one in HANDLERS))
    unknown = sorted(node.roles - known) or sorted(node.roles)
    taken = ", ".join(" and ".join(sorted(one.needs)) for one in HANDLERS)
    raise Refused(f"{node.hostname} is {' and '.join(unknown) or 'nothing'}: upgrade-node takes nodes that are {taken}")
