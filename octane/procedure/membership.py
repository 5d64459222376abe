"""Whether the clusters of an environment's controllers are whole: Pacemaker, Galera, RabbitMQ, and APIs that answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, InvariantBroken, NodeFailed, OctaneError, WaitTimeout
from octane.path import api_ports
from octane.wait import until

LOOK_SECONDS = 30
"""Between two looks at clusters while something else is waited for."""
SETTLE_TIMEOUT = 600
"""Seconds for members to join or leave: a database that joins copies the whole of another one first."""

ANSWER_TIMEOUT = 120

Seen = Mapping[str, Mapping[str, Any]]
"""{minion id: what ``octane_members.seen`` returned there}"""


def seen(ctx: Context, minions: list[str]) -> dict[str, Any]:
    """What each of MINIONS sees of its clusters."""
    found: dict[str, Any] = ctx.nodes.call(minions, "octane_members.seen", timeout=120)
    return found


def broken(found: Seen, count: int | None, votes: int | None = None) -> list[str]:
    """What is not whole in clusters that are to have COUNT members each (any number when None), one sentence each.

    :param votes: how many votes corosync is to expect; as many as it likes when not given
    """
    return [f"{node}: {problem}" for node, one in sorted(found.items()) for problem in _problems(one, count, votes)]


def _problems(one: Mapping[str, Any], count: int | None, votes: int | None) -> list[str]:
    database, brokers = one["database"], one["brokers"]
    told = []
    if not one["quorum"] or not one["votes"]["quorate"]:
        told.append("Pacemaker has no quorum")
    if count not in (None, len(one["online"])):
        told.append(f"Pacemaker has {len(one['online'])} nodes online, not {count}")
    if votes is not None and one["votes"]["expected"] != votes:
        told.append(f"corosync expects {one['votes']['expected']} votes, not {votes}")
    if database["status"] != "Primary" or database["state"] != "Synced":
        told.append(f"Galera is {database['status']}, {database['state']}")
    if count not in (None, database["size"]):
        told.append(f"Galera has {database['size']} members, not {count}")
    if brokers["partitioned"]:
        told.append("RabbitMQ is partitioned")
    if count not in (None, len(brokers["running"])):
        told.append(f"RabbitMQ has {len(brokers['running'])} brokers running, not {count}")
    return told


def evidence(found: Seen) -> dict[str, Any]:
    """What matters of it, by minion, for the journal."""
    return {
        node: {
            "pacemaker": {"online": len(one["online"]), "quorum": one["quorum"]},
            "votes": dict(one["votes"]),
            "galera": {name: one["database"][name] for name in ("size", "status", "state")},
            "rabbitmq": {
                "running": len(one["brokers"]["running"]),
                "members": len(one["brokers"]["members"]),
                "partitioned": one["brokers"]["partitioned"],
            },
        }
        for node, one in found.items()
    }


def require_whole(ctx: Context, minions: list[str], count: int | None, votes: int | None = None) -> dict[str, Any]:
    """Evidence that the clusters of MINIONS are whole with COUNT members, or with any number of them.

    :raises InvariantBroken: naming who misses what
    """
    found = seen(ctx, minions)
    problems = broken(found, count, votes)
    if problems:
        raise InvariantBroken(f"clusters are not whole: {'; '.join(problems)}")
    return evidence(found)


class Watch:
    """Tells, while something else is waited for, when the clusters of MINIONS are not whole any more or are so again:
    an hour in which one controller is installed anew is an hour in which the others have no vote to spare."""

    def __init__(self, ctx: Context, minions: list[str]) -> None:
        self._ctx, self._minions = ctx, minions
        self._next = 0.0
        self._told = ""

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        problem = self._problem()
        if problem != self._told:
            self._ctx.progress(problem or f"the clusters of {', '.join(self._minions)} are whole again")
        self._told = problem

    def _problem(self) -> str:
        try:
            # Whoever comes back joins them in the end of what is waited for.
            require_whole(self._ctx, self._minions, None)
        except OctaneError as error:
            return error.sentence
        return ""


def await_whole(ctx: Context, minions: list[str], count: int, votes: int | None = None) -> dict[str, Any]:
    """The same, once it is so.

    :raises InvariantBroken: it was not so in time
    """
    return settled(
        lambda: require_whole(ctx, minions, count, votes),
        SETTLE_TIMEOUT,
        f"{count} members in every cluster of {', '.join(minions)}",
        passing=(InvariantBroken, NodeFailed),
    )


def require_answers(ctx: Context, minions: list[str]) -> dict[str, Any]:
    """Evidence that every API that is upgraded answers by the HAProxy of each of MINIONS, reads and writes.

    :raises InvariantBroken: naming each that does not, and where
    """
    ports = ctx.once("ports of the APIs", lambda: api_ports(ctx, minions[0]))
    proofs = ctx.nodes.call(minions, "octane_api.prove", "rw", serving=ports, timeout=120)
    failed = [f"{name} on {node}" for node, proof in proofs.items() for name in proof["failed"]]
    if failed:
        raise InvariantBroken(f"does not answer: {', '.join(failed)}")
    return {node: f"{_serving(proof)} APIs answer" for node, proof in proofs.items()}


def _serving(proof: Mapping[str, Any]) -> int:
    """How many frontends have a service behind them that answered."""
    return sum(any(bind["read"] for bind in binds) for binds in proof["frontends"].values())


def await_answers(ctx: Context, minions: list[str]) -> dict[str, Any]:
    """The same, as soon as every API answers: HAProxy looks at its servers every few seconds.

    :raises InvariantBroken: one did not in time
    """
    return settled(
        lambda: require_answers(ctx, minions), ANSWER_TIMEOUT, f"every API to answer on {', '.join(minions)}"
    )


def settled(
    look: Callable[[], dict[str, Any]],
    timeout: float,
    what: str,
    passing: tuple[type[Failed], ...] = (InvariantBroken,),
) -> dict[str, Any]:
    """The evidence that LOOK returns, as soon as it raises none of PASSING.

    :param what: what is waited for, see `octane.wait.until`
    :raises InvariantBroken: it did each time until TIMEOUT seconds had passed, with what it said last
    """
    last = ""

    def looked() -> dict[str, Any]:
        nonlocal last
        try:
            return look()
        except passing as error:
            last = error.sentence
            return {}

    try:
        return until(looked, timeout, what)
    except WaitTimeout as error:
        raise InvariantBroken(f"{error.message}; last: {last}") from error
