"""What is asked of every node that answers: on the way back one that is dead keeps no other from being tidied up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from octane.context import Context
from octane.errors import Failed, OctaneError, WaitTimeout
from octane.sides import fenced


def await_answers(ctx: Context, nodes: list[str], timeout: float, where: str) -> None:
    """Wait until every one of NODES answers WHERE it is now, asked again and again.

    :raises WaitTimeout: naming those that have not within TIMEOUT seconds
    """
    silent = sorted(set(nodes) - ctx.nodes.answering(nodes, timeout))
    if silent:
        raise WaitTimeout(f"Waited {timeout:g} s for {', '.join(silent)} to answer {where}, in vain")


@dataclass
class Reach:
    """Collects what did not succeed; :meth:`require_all` tells it at the end, every node by its name.

    With ``patient`` nodes are not asked first whether they answer, but have the time that the calls themselves give.
    """

    ctx: Context
    patient: bool = False
    problems: list[str] = field(default_factory=list)
    _heard: dict[str, bool] = field(default_factory=dict)

    def call(self, nodes: Iterable[str], function: str, *arguments: object) -> None:
        """FUNCTION on those of NODES that answer."""
        there = self.heard(nodes)
        if there:
            self.attempt(lambda: self.ctx.nodes.call(there, function, *arguments))

    def attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OctaneError as error:
            self.problems.append(error.sentence)

    def heard(self, nodes: Iterable[str]) -> list[str]:
        """Those of NODES that answer, each asked once; one that does not is a problem, unless it was stated to be
        powered off."""
        wanted = [node for node in dict.fromkeys(nodes) if node not in fenced(self.ctx)]
        fresh = [node for node in wanted if node not in self._heard]
        answering = set(fresh) if self.patient or not fresh else self.ctx.nodes.ping(fresh)
        for node in fresh:
            self._heard[node] = node in answering
            if node not in answering:
                self.problems.append(f"{node} does not answer")
        return [node for node in wanted if self._heard[node]]

    def require_all(self) -> None:
        """:raises Failed: naming the nodes that did not answer, and what failed on the others."""
        if self.problems:
            raise Failed("; ".join(self.problems))
