"""Node by node: the original's first controller leaves it, and the others go on with quorum of their own votes.

On the way back it is installed anew with the original's release, and joins as a member among the others.
"""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.fuel.environment import Environment
from octane.fuel.nodes import Node, controllers
from octane.fuel.tasks import Wait, wait_for_nodes, wait_for_task
from octane.procedure import membership, tenants
from octane.procedure.checks import Precondition
from octane.procedure.enrol import Enrolment, meet_anew
from octane.procedure.env import (
    CLONE,
    DEPLOY_TIMEOUT,
    INSTALLED,
    PROVISION_TIMEOUT,
    original,
    seed,
    seed_nodes,
)
from octane.procedure.reach import await_answers
from octane.step import LibraryStep, Outcome
from octane.wait import until

LEFT = "env.left"
"""{"minion", "fqdn", "addresses": {network: address}, "staying": [minion id]}: the controller that moves, written down
before it leaves, and those that stay."""

LEAVE_TIMEOUT = 600
RETURN_TIMEOUT = 300
MOVABLE = ("ready", "provisioned")
"""Statuses of a node that Nailgun moves to another environment; of those in error only one whose deployment failed."""


def moved(ctx: Context) -> Node:
    """The controller that moves from the original to the seed, wherever Fuel has it now."""
    found: Node = ctx.fuel.node(ctx.recall(CLONE)["nodes"][0])
    return found


def staying(ctx: Context) -> list[str]:
    """Minion ids of the original's controllers that stay."""
    left = ctx.recall(LEFT)
    if left:
        return list(left["staying"])
    return [node.minion for node in controllers(original(ctx).nodes())[1:]]


def members(ctx: Context) -> list[str]:
    """Minion ids of those that the original's clusters consist of now: without the one that has begun to leave."""
    if ctx.recall(LEFT):
        return staying(ctx)
    return [node.minion for node in controllers(original(ctx).nodes())]


class Whole(Precondition):
    """Every cluster is whole before one of its members is taken out, and every API answers."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        there = members(ctx)
        found = membership.require_whole(ctx, there, len(there))
        return {"clusters": found, "apis": membership.require_answers(ctx, there)}


class HandTenantsOver(LibraryStep):
    """Agents of Neutron on those that stay host the routers and networks that the one which leaves does: nobody else
    would take them over where Neutron's own fail-over is off."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.recall(LEFT) is not None:
            return {}
        wanted = {kind: len(found) for kind, found in self._held(ctx).items() if found}
        return {"host": wanted} if wanted else {}

    def _held(self, ctx: Context) -> tenants.Held:
        node = moved(ctx)
        first = staying(ctx)[0]
        asked = ctx.nodes.call([first], "octane_agents.bindings", [node.hostname, node.fqdn], timeout=120)
        found: tenants.Held = asked[first]
        return found

    def apply(self, ctx: Context) -> Outcome:
        others, node = staying(ctx), moved(ctx)
        held = self._held(ctx) if ctx.recall(LEFT) is None else {}
        if not any(held.values()):
            return Outcome(comment=f"no agent of {node.minion} hosts anything")
        wanted = tenants.present(ctx, [node.minion])
        full = {known.minion: known.fqdn for known in controllers(original(ctx).nodes())}
        take = [name for minion in others for name in (minion, full[minion])]
        ctx.nodes.call(others[:1], "octane_agents.rebind", held, take, timeout=tenants.HOSTED_TIMEOUT)
        what = f"agents of {', '.join(others)} to have made what those of {node.minion} hosted"
        until(lambda: not tenants.lacking(wanted, tenants.present(ctx, others)), tenants.HOSTED_TIMEOUT, what, 1)
        count = {kind: len(found) for kind, found in held.items()}
        return Outcome(changes={"hosted": count}, comment=f"{sum(count.values())} are with the others' agents")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"agents of {moved(ctx).minion} still host {left['host']}")
        return {}

    def undo(self, ctx: Context) -> Outcome:
        return Outcome(comment="routers and networks stay with the agents that host them now")


class Leave(LibraryStep):
    """The controller is out of the original's clusters, stopped cleanly, its services too.

    The addresses that it had, and its part of the load, are with the others by then: they were asked before it stopped.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        left = ctx.recall(LEFT)
        if left is None:
            return {"leave": moved(ctx).minion}
        problems = membership.broken(membership.seen(ctx, left["staying"]), len(left["staying"]))
        return {"leave": left["minion"], "left": problems} if problems else {}

    def apply(self, ctx: Context) -> Outcome:
        node = moved(ctx)
        if ctx.recall(LEFT) is None:
            names = {"minion": node.minion, "fqdn": node.fqdn, "addresses": dict(node.addresses)}
            ctx.record(LEFT, {**names, "staying": staying(ctx)})
        others = ctx.recall(LEFT)["staying"]
        if node.environment == ctx.original:
            self._stop(ctx, node.minion)
        found = membership.await_whole(ctx, others, len(others))
        return Outcome(
            changes={"left": node.minion},
            comment=f"{node.minion} has left, {', '.join(others)} have quorum",
            evidence={"clusters": found, "apis": membership.await_answers(ctx, others)},
        )

    def _stop(self, ctx: Context, minion: str) -> None:
        """Its services first: requests that it works on are answered, and the others get the next ones."""
        for state, arguments in (
            ("octane_service.stopped", {"disable": True}),
            ("octane_cluster.shutdown", {"timeout": LEAVE_TIMEOUT}),
        ):
            ctx.progress(f"{minion}: {state}")
            given = {"name": ctx.step, **arguments}
            ctx.nodes.state([minion], state, timeout=LEAVE_TIMEOUT, arguments=given)

    def verify(self, ctx: Context) -> dict[str, Any]:
        others = staying(ctx)
        return {"clusters": membership.require_whole(ctx, others, len(others))}

    def undo(self, ctx: Context) -> Outcome:
        """It joins again; one that was installed anew meanwhile has done so already."""
        left = ctx.recall(LEFT)
        if left is None:
            return Outcome(comment="nothing had been taken out")
        node = moved(ctx)
        if node.environment != ctx.original:
            raise Failed(f"{node.minion} is in environment {node.environment}, not back in {ctx.original}")
        there = sorted([left["minion"], *left["staying"]])
        for state, arguments in (("octane_cluster.up", {}), ("octane_service.started", {"enable": True})):
            given = {"name": ctx.step, **arguments}
            ctx.nodes.state([node.minion], state, timeout=LEAVE_TIMEOUT, arguments=given)
        found = membership.await_whole(ctx, there, len(there))
        answers = membership.await_answers(ctx, there)
        ctx.forget(LEFT)
        return Outcome(
            changes={"joined": node.minion},
            comment=f"{node.minion} is a member of the original's clusters",
            evidence={"clusters": found, "apis": answers},
        )


class Move(LibraryStep):
    """Fuel has the controller in the seed, with its number, name and addresses, and installs the target release."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        node = moved(ctx)
        if node.environment != ctx.seed:
            return {node.hostname: f"moved to environment {ctx.seed}"}
        return {} if node.status in INSTALLED else {node.hostname: "installed"}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        settle(ctx, seed(ctx), moved(ctx))
        return Outcome(changes=changes, comment=f"{moved(ctx).minion} is the seed's, installed anew")

    def verify(self, ctx: Context) -> dict[str, Any]:
        node = moved(ctx)
        if node.environment != ctx.seed or "controller" not in node.roles:
            raise Failed(f"{node.hostname} is no controller of environment {ctx.seed}")
        return {"node": node.hostname, "addresses": _addresses_of(ctx, node)}

    def undo(self, ctx: Context) -> Outcome:
        """Back in the original: its release, its addresses, and as a further member of its clusters."""
        node = moved(ctx)
        home = original(ctx)
        if node.environment == home.id and node.status == "ready" and not node.pending:
            return Outcome(comment=f"{node.minion} is the original's")
        settle(ctx, home, node)
        fresh = moved(ctx)
        if fresh.status != "ready":
            become_minion(ctx, fresh)
            # To brokers that still know it, one that begins with nothing is an impostor.
            ctx.nodes.call(staying(ctx)[:1], "octane_members.forget_broker", fresh.minion, timeout=180)
            deploy(ctx, home, fresh)
        return Outcome(
            changes={"back": fresh.minion},
            comment=f"{fresh.minion} is the original's again, installed anew with its release",
            evidence={"addresses": _addresses_of(ctx, moved(ctx))},
        )


class Forget(LibraryStep):
    """The controllers that stay do not count on the one that left: not its vote, not its broker."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        left = ctx.recall(LEFT)
        found = membership.seen(ctx, left["staying"])
        problems = membership.broken(found, len(left["staying"]), len(left["staying"]))
        counted = [node for node, one in found.items() if len(one["brokers"]["members"]) != len(left["staying"])]
        told = ctx.nodes.call(left["staying"], "octane_members.drop", _names(left), True)
        return {"forget": left["minion"]} if problems or counted or any(one["changed"] for one in told.values()) else {}

    def apply(self, ctx: Context) -> Outcome:
        left = ctx.recall(LEFT)
        first = left["staying"][:1]
        ctx.nodes.call(first, "octane_members.forget_broker", left["minion"], timeout=180)
        ctx.nodes.call(left["staying"], "octane_members.drop", _names(left), timeout=180)
        count = len(left["staying"])
        found = membership.await_whole(ctx, left["staying"], count, count)
        return Outcome(
            changes={"forgotten": left["minion"]},
            comment=f"{count} votes are expected, {count} are there",
            evidence={"clusters": found},
        )

    def verify(self, ctx: Context) -> dict[str, Any]:
        others = staying(ctx)
        return {"clusters": membership.require_whole(ctx, others, len(others), len(others))}

    def undo(self, ctx: Context) -> Outcome:
        """It may join again; RabbitMQ takes in any broker that begins with nothing."""
        others = staying(ctx)
        changed = ctx.nodes.call(others, "octane_members.readmit", timeout=180)
        expected = [node for node, done in changed.items() if done["changed"]]
        return Outcome(changes={"expected": expected}, comment="the others expect it again")


def _names(left: dict[str, Any]) -> list[str]:
    """What a cluster's configuration may call the controller that left."""
    address = left["addresses"].get("management", "").partition("/")[0]
    return [name for name in (left["minion"], left["fqdn"], address) if name]


def settle(ctx: Context, home: Environment, node: Node) -> None:
    """NODE is HOME's, and has its operating system; also after a run that died in the middle of that.

    A node that is HOME's and was deployed there is left as it is.
    """
    was = node.environment if node.environment is not None else home.id
    await_tasks(ctx, ctx.fuel.environment(was), node)
    node = ctx.fuel.node(node.id)
    roles = sorted(node.roles)
    if node.environment != home.id:
        if node.status not in MOVABLE and node.error != "deploy":
            # Nailgun moves no node whose installation failed.
            _install(ctx, ctx.fuel.environment(was), node)
        task = home.take_over(node.id)
        wait_for_task(_wait(ctx, home, node, PROVISION_TIMEOUT), task, "installing it anew")
    elif node.status not in INSTALLED and node.error != "deploy":
        _install(ctx, home, node)
    wait_for_nodes(_wait(ctx, home, node, PROVISION_TIMEOUT), INSTALLED, "installing it anew")
    if not ctx.fuel.node(node.id).roles:
        # One that was installed and never deployed loses its roles on the move.
        ctx.fuel.set_pending_roles(node.id, roles or ["controller"])


def await_tasks(ctx: Context, environment: Environment, node: Node) -> None:
    """What an earlier run started on NODE is over, however it ended: it is looked at afterwards."""
    for task in ctx.fuel.tasks.running(environment.id, "provision", "deployment", "deploy"):
        try:
            wait_for_task(_wait(ctx, environment, node, PROVISION_TIMEOUT), task.id, f"{task.name} that runs already")
        except Failed as error:
            ctx.progress(error.sentence)


def _install(ctx: Context, environment: Environment, node: Node) -> None:
    task = environment.provision([node.id])
    wait_for_task(_wait(ctx, environment, node, PROVISION_TIMEOUT), task, "installing it anew")


def deploy(ctx: Context, home: Environment, node: Node) -> None:
    """Deploy NODE alone: those that are in use are not touched."""
    wanted = _wait(ctx, home, node, DEPLOY_TIMEOUT)
    wait_for_task(wanted, home.deploy_nodes([node.id]), f"deploying {node.hostname}")
    wait_for_nodes(wanted, ("ready",), f"deploying {node.hostname}")
    await_answers(ctx, [node.minion], RETURN_TIMEOUT, "on its bridges")


def become_minion(ctx: Context, node: Node) -> None:
    """NODE, just installed, is a minion: its new key is accepted by the fingerprint that is read on the node itself."""
    enrolment = Enrolment(ctx, [node])
    if "enrolled" in enrolment.pending().values():
        meet_anew([node])
    enrolment.apply()


def _wait(ctx: Context, environment: Environment, node: Node, timeout: float) -> Wait:
    watch = membership.Watch(ctx, _serving(ctx))
    return Wait(environment, ctx.fuel.tasks, (node.id,), timeout, ctx.progress, watch)


def _serving(ctx: Context) -> list[str]:
    """Minion ids of the controllers that users are served by: the seed's, once nodes are upgraded."""
    if ctx.stage.name == "upgrade-node":
        return [node.minion for node in seed_nodes(ctx) if node.status == "ready"]
    return staying(ctx)


def _addresses_of(ctx: Context, node: Node) -> dict[str, str]:
    return require_same_addresses(node, (ctx.recall(LEFT) or {}).get("addresses") or {})


def require_same_addresses(node: Node, before: dict[str, str]) -> dict[str, str]:
    """The addresses that NODE took along, {network: address}.

    :raises Failed: one is not what it was BEFORE, when the node was still the original's
    """
    other = {name: node.addresses.get(name) for name, address in before.items() if node.addresses.get(name) != address}
    if other:
        raise Failed(f"{node.hostname} does not have the addresses that it had: {other} instead of {before}")
    return dict(node.addresses)
