"""After the switch a fenced controller of the original is installed anew, and joins the seed's as a further one.

The way back ends here: with its system goes a copy of the original's databases, and the quorum of those that are left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from octane import roles
from octane.context import Context
from octane.errors import BadInput, Failed, InvariantBroken, Refused
from octane.fuel.nodes import Node
from octane.procedure import cleanup, membership
from octane.procedure.checks import Check, Precondition
from octane.procedure.control import pin
from octane.procedure.env import INSTALLED, Deployment, original, seed, seed_nodes
from octane.procedure.leaving import become_minion, require_same_addresses, settle
from octane.procedure.seed_network import SkipTasks
from octane.step import LibraryStep, Outcome

RESTART_TIMEOUT = 300
JOINED = "node.joined"
"""{minion id: {network: address}} of controllers that were moved to the seed after the switch, as they were before."""


def joining(ctx: Context) -> Node:
    """The controller that this run is about.

    :raises BadInput: it is not said, or Fuel has none of that number
    """
    number = ctx.options.get("node")
    if isinstance(number, bool) or not isinstance(number, int):
        raise BadInput(f"node must be the number of a node, not {number!r}")
    found: Node = ctx.fuel.node(number)
    return found


class Ready(Precondition):
    """It is a fenced controller of the original, and the seed, which serves, is whole."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        node = joining(ctx)
        told = self._problems(ctx, node)
        if told:
            raise Refused(f"{node.hostname} cannot join environment {ctx.seed}: {'; '.join(told)}", node=node.hostname)
        there = [one.minion for one in seed_nodes(ctx) if one.status == "ready"]
        # One that an interrupted run was deploying is counted by nobody yet.
        if len(there) < len(seed_nodes(ctx)):
            return {"controllers": there}
        found = membership.require_whole(ctx, there, len(there))
        return {"clusters": found, "apis": membership.await_answers(ctx, there)}

    def _problems(self, ctx: Context, node: Node) -> list[str]:
        told = []
        if node.environment not in (ctx.original, ctx.seed):
            told.append(f"it belongs to environment {node.environment}")
        if not node.online:
            told.append("it is offline")
        if not told and node.environment == ctx.original and not _fenced(ctx, node):
            told.append(f"it is not fenced; `octane upgrade-control {ctx.seed}` does that")
        return told


def _fenced(ctx: Context, node: Node) -> bool:
    return bool(ctx.nodes.call([node.minion], "octane_fence.fenced")[node.minion])


class RestoreTasks(cleanup.RestoreTasks):
    """As in the end of an upgrade; but as long as no controller was moved there is a way back, and no isolated seed may
    run these."""

    def undo(self, ctx: Context) -> Outcome:
        return SkipTasks().apply(ctx)


class TakeOver(LibraryStep):
    """It is the seed's, with its number, name and addresses, and has the target release's operating system."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        node = joining(ctx)
        if node.environment != ctx.seed:
            return {node.hostname: f"moved to environment {ctx.seed}"}
        return {} if node.status in INSTALLED or node.error == "deploy" else {node.hostname: "installed"}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        node = joining(ctx)
        if node.environment == ctx.original:
            ctx.record(JOINED, {**(ctx.recall(JOINED) or {}), node.minion: dict(node.addresses)})
        if changes:
            settle(ctx, seed(ctx), node)
        return Outcome(changes=changes, comment=f"{node.minion} is the seed's, installed anew")

    def verify(self, ctx: Context) -> dict[str, Any]:
        node = joining(ctx)
        if node.environment != ctx.seed or "controller" not in node.roles:
            raise Failed(f"{node.hostname} is no controller of environment {ctx.seed}")
        return {"addresses": require_same_addresses(node, (ctx.recall(JOINED) or {}).get(node.minion) or {})}


class Enrol(LibraryStep):
    """It is a minion: its new key is accepted by the fingerprint that is read on the node itself."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        node = joining(ctx)
        return {} if node.status == "ready" else {node.minion: "enrolled"}

    def apply(self, ctx: Context) -> Outcome:
        node = joining(ctx)
        become_minion(ctx, node)
        return Outcome(changes={"enrolled": node.minion}, comment=f"{node.minion} answers")


class Deploy(Deployment):
    """It is deployed as a further controller; those that serve learn of it from the same deployment."""

    def apply(self, ctx: Context) -> Outcome:
        done = super().apply(ctx)
        return replace(done, comment=f"environment {ctx.seed} has {len(seed_nodes(ctx))} controllers")


class Pin(LibraryStep):
    """Nova on the controllers speaks to computes of the old release: every deployment clears that (LP1624341)."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        there = [node.minion for node in seed_nodes(ctx)]
        found = ctx.nodes.call(there, "octane_nova.upgrade_level")
        return {node: pin(ctx)["compute"] for node, level in found.items() if level != pin(ctx)["compute"]}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        for node in sorted(changes):
            ctx.nodes.state([node], "octane_nova.upgrade_levels", arguments={"name": ctx.step, **pin(ctx)})
            jobs = ctx.nodes.call([node], "octane_service.names", ["nova"])[node]
            given = {"name": ctx.step, "services": jobs}
            # One controller after the other: the others answer meanwhile.
            ctx.nodes.state([node], "octane_service.restarted", timeout=RESTART_TIMEOUT, arguments=given)
            membership.await_answers(ctx, [node])
        return Outcome(changes=changes, comment=f"set on {len(changes)} controllers")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"not limited to {pin(ctx)['compute']}: {', '.join(sorted(left))}")
        return pin(ctx)


class Joined(Check):
    """Every controller of the seed sees all of them, and every API answers by each; not one is in two parts."""

    def apply(self, ctx: Context) -> Outcome:
        there = [node.minion for node in seed_nodes(ctx)]
        membership.await_whole(ctx, there, len(there))
        return Outcome(comment=f"{len(there)} controllers are members of every cluster")

    def verify(self, ctx: Context) -> dict[str, Any]:
        there = [node.minion for node in seed_nodes(ctx)]
        found = membership.require_whole(ctx, there, len(there))
        apis = membership.await_answers(ctx, there)
        # The deployment that let a member join starts services of the others again.
        what = f"every API of {', '.join(there)} to answer"
        servers = membership.settled(lambda: _servers(ctx, there), membership.ANSWER_TIMEOUT, what)
        return {"clusters": found, "apis": apis, "servers": servers}


def _servers(ctx: Context, minions: list[str]) -> dict[str, str]:
    """Every API asked on each controller itself, behind HAProxy's back.

    :raises InvariantBroken: naming what does not answer, and where
    """
    asked = ctx.nodes.call(minions, "octane_nova.warm", timeout=120)
    failed = {node: found["failed"] for node, found in asked.items() if found["failed"]}
    if failed:
        raise InvariantBroken(f"APIs do not answer: {failed}")
    return {node: f"{found['requests']} requests answered" for node, found in asked.items()}


def refuse_typed(ctx: Context, option: str = "") -> None:
    """Whether the node that was typed is one of this upgrade, and of roles that are handled by the orchestration that
    runs with OPTION.

    :raises BadInput: it is no node of either environment, or its roles are for another orchestration
    :raises Refused: naming the role that nobody handles
    """
    node = joining(ctx)
    if node.environment not in (ctx.original, ctx.seed):
        there = sorted(one.id for one in [*original(ctx).nodes(), *seed(ctx).nodes()])
        raise BadInput(f"{node.hostname} is of neither environment of this upgrade; their nodes are {there}")
    handler = roles.handler(node)
    if handler.option != option:
        raise BadInput(f"{node.hostname} is {' and '.join(sorted(node.roles))}: that is for {handler.orchestration}")
