"""The seed: cloned from the original, its controllers installed and deployed behind their isolation.

Each step reads from Fuel and from the nodes what is missing and does that; `upgrade/env.sls` tells their order. What
was changed for the time of the procedure, and what must be known to end the isolation, is in the journal under the
names below.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from octane.context import Context
from octane.errors import BadInput, Failed, Refused
from octane.fuel import settings
from octane.fuel.environment import Environment
from octane.fuel.nodes import Node, controllers
from octane.fuel.tasks import Wait, wait_for_deletion, wait_for_environment, wait_for_nodes, wait_for_task
from octane.pair import environment_id
from octane.plan import network
from octane.procedure import preflight
from octane.procedure.checks import Precondition
from octane.procedure.master_check import deployable_release
from octane.procedure.membership import Watch
from octane.procedure.networks import members
from octane.stage import NODE_BY_NODE, command_line
from octane.step import LibraryStep, Outcome

CLONE = "env.clone"
"""{"name", "release", "nodes", "node_by_node", "id" once it exists}: written before cloning, so that a crash leaves
nothing unknown."""

SETTINGS = "env.settings"
"""{section: {name: old value}} of the seed's settings that were changed."""

ADDRESSES = "env.addresses"
"""{seed controller's minion id: original controller's minion id}"""

COPIED_NETWORKS = ["management", "public"]
"""Networks whose addresses the seed takes over. Storage stays connected during the procedure: its addresses are new."""

INSTALLED = ("provisioned", "deploying", "ready")
"""Statuses of a node that has its operating system."""

PROVISION_TIMEOUT = 3 * 3600
DEPLOY_TIMEOUT = 6 * 3600
DELETE_TIMEOUT = 600


def original(ctx: Context) -> Environment:
    """The environment that is upgraded."""
    return ctx.fuel.environment(environment_id(ctx.original or ctx.options.get("original"), "ENV"))


def seed(ctx: Context) -> Environment:
    """:raises Refused: when there is none yet"""
    if ctx.seed is None:
        raise Refused(f"environment {ctx.original} has no seed yet", next_command=f"octane upgrade-env {ctx.original}")
    return ctx.fuel.environment(ctx.seed)


def seed_nodes(ctx: Context) -> list[Node]:
    """The seed's controllers by ascending id."""
    return controllers(seed(ctx).nodes())


def wait(ctx: Context, nodes: list[Node], timeout: float) -> Wait:
    """A wait of TIMEOUT seconds for the seed and NODES of it. Without spare servers those that stay are watched."""
    given = seed(ctx), ctx.fuel.tasks, tuple(node.id for node in nodes), timeout, ctx.progress
    if not is_node_by_node(ctx):
        return Wait(*given)
    return Wait(*given, watch=Watch(ctx, [node.minion for node in controllers(original(ctx).nodes())]))


def snapshot(ctx: Context) -> preflight.Snapshot:
    """What Fuel says now about the environment and the nodes that were named or are to be chosen."""
    environment = original(ctx)
    data = environment.data()
    nodes = ctx.fuel.nodes()
    originals = controllers(node for node in nodes if node.environment == environment.id)
    spares = _spares(ctx, nodes, originals)
    known = {node.id for node in nodes}
    looked_at = [node.id for node in originals] + [node_id for node_id in spares if node_id in known]
    releases = {release["id"]: release for release in ctx.fuel.releases()}
    return preflight.Snapshot(
        environment=data,
        release=releases[data["release_id"]],
        target=deployable_release(ctx.fuel),
        attributes=environment.attributes(),
        network=environment.network() if data["net_provider"] == "neutron" else {},
        nodes=tuple(nodes),
        spares=tuple(spares),
        running=tuple(ctx.fuel.tasks.running(environment.id)),
        interfaces={node_id: ctx.fuel.layout(node_id).interfaces() for node_id in looked_at},
        seed=ctx.seed,
        leave_behind=tuple(ctx.options.get("leave_behind") or ()),
        clone_ips=environment.has_clone_ips(),
        node_by_node=is_node_by_node(ctx),
    )


def is_node_by_node(ctx: Context) -> bool:
    """Whether this upgrade moves the original's own controllers: said now, or when it was begun."""
    begun = ctx.recall(CLONE)
    return bool(begun.get(NODE_BY_NODE) if begun else ctx.options.get(NODE_BY_NODE))


def _spares(ctx: Context, nodes: list[Node], originals: list[Node]) -> list[int]:
    named = preflight.check_ids(ctx.options.get("nodes") or ())
    begun = begun_with(ctx, named)
    if is_node_by_node(ctx):
        return begun or [node.id for node in originals[:1]]
    return sorted(begun or named or preflight.choose_spares(nodes, len(originals)))


def begun_with(ctx: Context, named: list[int]) -> list[int]:
    """Ids of the nodes with which this upgrade was begun, none before that.

    :raises Refused: others are NAMED now, or it was begun the other way
    """
    intent = ctx.recall(CLONE) or {}
    begun: list[int] = intent.get("nodes") or []
    if begun and bool(intent.get(NODE_BY_NODE)) is not bool(ctx.options.get(NODE_BY_NODE)):
        way = "node by node" if intent.get(NODE_BY_NODE) else "with spare nodes"
        options = {NODE_BY_NODE: intent.get(NODE_BY_NODE)}
        raise Refused(
            f"the upgrade of environment {ctx.original} was begun {way}",
            next_command=command_line(ctx.stage, ctx.pair, options),
        )
    if begun and named and sorted(named) != sorted(begun):
        raise Refused(
            f"the upgrade of environment {ctx.original} was begun with nodes {', '.join(map(str, begun))}, not "
            f"{', '.join(map(str, named))}",
            next_command=f"octane upgrade-env {ctx.original}",
        )
    return begun


class Preflight(Precondition):
    """All that stands in the way of the upgrade, told at once, before anything is changed."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        found = snapshot(ctx)
        told = [*preflight.problems(found), *_unplannable(ctx, found)]
        if told:
            raise Refused(f"environment {found.environment['id']} cannot be upgraded: {'; '.join(told)}")
        return {
            "environment": found.environment["name"],
            "release": found.release["version"],
            "target": found.target["version"],
            "nodes": [node.hostname for node in found.spare_nodes],
        }


def _unplannable(ctx: Context, found: preflight.Snapshot) -> list[str]:
    """Why the original's networks cannot be cut off and handed over, if so: known before anything is made."""
    if found.environment["net_provider"] != "neutron":
        return []
    try:
        network.moves(members(original(ctx)))
    except Refused as error:
        return [error.message]
    return []


class Clone(LibraryStep):
    """The seed exists: settings, networks and VIPs of the original, release of the target, no nodes yet."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        if ctx.seed is None:
            return {"clone": f"environment {ctx.original}"}
        self._check_is_ours(ctx)
        return {}

    def _check_is_ours(self, ctx: Context) -> None:
        data, intent = seed(ctx).data(), ctx.recall(CLONE)
        if data["name"] != intent["name"]:
            raise Refused(f"environment {ctx.seed} is called {data['name']!r}, the seed was called {intent['name']!r}")

    def apply(self, ctx: Context) -> Outcome:
        intent = ctx.recall(CLONE) or self._intend(ctx)
        known = {data["name"]: data["id"] for data in ctx.fuel.environments()}
        # Cloned before, and interrupted before that was written down.
        seed_id = known.get(intent["name"]) or original(ctx).clone(intent["name"], intent["release"])
        ctx.record(CLONE, {**intent, "id": seed_id})
        ctx.bind_seed(seed_id)
        return Outcome(
            changes={"seed": seed_id}, comment=f"the seed is environment {seed_id}", evidence={"name": intent["name"]}
        )

    def _intend(self, ctx: Context) -> dict[str, Any]:
        found = snapshot(ctx)
        stem = re.sub(r"[^A-Za-z0-9]+", "-", found.environment["name"])[:20]
        intent = {
            "name": f"{stem}-seed-{uuid.uuid4().hex[:12]}",
            "release": found.target["id"],
            "nodes": list(found.spares),
            NODE_BY_NODE: found.node_by_node,
        }
        ctx.record(CLONE, intent)
        return intent

    def verify(self, ctx: Context) -> dict[str, Any]:
        """The seed is the one we made, of the release we wanted, and has the original's VIPs."""
        self._check_is_ours(ctx)
        ours, theirs = vips(seed(ctx)), vips(original(ctx))
        if ours != theirs:
            raise Failed(f"the seed's VIPs {ours} are not the original's {theirs}")
        return {"seed": ctx.seed, "vips": ours}

    def undo(self, ctx: Context) -> Outcome:
        """Delete the seed, when it is the environment we made and holds no node but those that were given to it."""
        intent = ctx.recall(CLONE) or {}
        known = {data["name"]: data["id"] for data in ctx.fuel.environments()}
        seed_id = known.get(intent.get("name"))
        if seed_id is not None:
            self._refuse_other_nodes(ctx, seed_id, intent["nodes"])
            doomed = ctx.fuel.environment(seed_id)
            doomed.delete()
            wait_for_deletion(Wait(doomed, ctx.fuel.tasks, (), DELETE_TIMEOUT, ctx.progress))
        ctx.forget(CLONE)
        ctx.unbind_seed()
        return Outcome(
            changes={"deleted": seed_id} if seed_id else {}, comment="the seed is deleted, its nodes are free"
        )

    def _refuse_other_nodes(self, ctx: Context, seed_id: int, ours: list[int]) -> None:
        others = [node.hostname for node in ctx.fuel.environment(seed_id).nodes() if node.id not in ours]
        if others:
            raise Refused(f"environment {seed_id} also holds {', '.join(others)}; it is not deleted with them")


def vips(environment: Environment) -> dict[str, str]:
    """{name: address} of the VIPs of an environment, under the names that all releases show."""
    found = environment.network()
    names = ("management_vip", "management_vrouter_vip", "public_vip", "public_vrouter_vip")
    return {name: found[name] for name in names if found.get(name)}


class WithSeed(LibraryStep):
    """A step whose work is gone when the seed is deleted, which is how the stage is taken back.

    :cvar records: what it remembers in the journal
    """

    records: tuple[str, ...] = ()

    def undo(self, ctx: Context) -> Outcome:
        for key in self.records:
            ctx.forget(key)
        return Outcome(comment="goes with the deletion of the seed")


class Settings(WithSeed):
    """Settings of the seed that its deployment must not take from the target release."""

    records = (SETTINGS,)

    def pending(self, ctx: Context) -> dict[str, Any]:
        have = settings.values(seed(ctx).attributes())
        return settings.differences(have, settings.wanted(settings.values(original(ctx).attributes()), have))

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        have = settings.values(seed(ctx).attributes())
        if ctx.recall(SETTINGS) is None:
            ctx.record(SETTINGS, settings.old_values(have, changes))
        seed(ctx).set_attributes(settings.as_editable(changes))
        return Outcome(changes=changes, comment="the seed's settings are set", evidence={"old": ctx.recall(SETTINGS)})

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"settings of environment {ctx.seed} are not as set: {left}")
        return {}


class Assign(WithSeed):
    """The chosen nodes are the seed's controllers."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        there = {node.id for node in seed_nodes(ctx)}
        return {f"node {node_id}": "assigned" for node_id in ctx.recall(CLONE)["nodes"] if node_id not in there}

    def apply(self, ctx: Context) -> Outcome:
        there = {node.id for node in seed_nodes(ctx)}
        missing = [ctx.fuel.node(node_id) for node_id in ctx.recall(CLONE)["nodes"] if node_id not in there]
        taken = [node for node in missing if node.environment is not None]
        if taken:
            raise Refused(f"{taken[0].hostname} belongs to environment {taken[0].environment} meanwhile")
        if missing:
            seed(ctx).assign([node.id for node in missing], ["controller"])
        names = [node.hostname for node in missing]
        return Outcome(changes={"assigned": names}, comment=f"{len(names)} nodes are the seed's controllers")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"not controllers of environment {ctx.seed}: {', '.join(left)}")
        return {"controllers": [node.hostname for node in seed_nodes(ctx)]}


class Provision(WithSeed):
    """The operating system is on the seed's controllers."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {node.hostname: "provisioned" for node in _bare(ctx)}

    def apply(self, ctx: Context) -> Outcome:
        nodes = _bare(ctx)
        wanted = wait(ctx, nodes, PROVISION_TIMEOUT)
        running = ctx.fuel.tasks.running(seed(ctx).id, "provision")
        if running:
            # Started by a run that was interrupted; Nailgun would take a second one without a word.
            wait_for_task(wanted, running[-1].id, "provisioning that runs already")
        left = [node.id for node in _bare(ctx)]
        if left:
            wait_for_task(wanted, seed(ctx).provision(left), "provisioning")
        wait_for_nodes(wanted, INSTALLED, "provisioning")
        names = [node.hostname for node in nodes]
        return Outcome(changes={"provisioned": names}, comment=f"{len(names)} nodes have an operating system")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"not provisioned: {', '.join(left)}")
        return {node.hostname: node.status for node in seed_nodes(ctx)}


def _bare(ctx: Context) -> list[Node]:
    """The seed's controllers without an operating system; an error of deploying is for the deployment to mend."""
    return [node for node in seed_nodes(ctx) if node.status not in INSTALLED and node.error != "deploy"]


class Deployment(LibraryStep):
    """All of the seed's controllers are deployed, and it is operational."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        status = seed(ctx).data()["status"]
        left = {node.hostname: "deployed" for node in seed_nodes(ctx) if node.status != "ready"}
        return left if status == "operational" else {**left, f"environment {ctx.seed}": "operational"}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        wanted = wait(ctx, seed_nodes(ctx), DEPLOY_TIMEOUT)
        running = ctx.fuel.tasks.running(seed(ctx).id, "deploy", "deployment")
        if running:
            # Asking for changes while a deployment runs is answered by an internal error.
            wait_for_task(wanted, running[0].id, "the deployment that runs already")
        if self.pending(ctx):
            self._to_be_deployed(ctx)
            wait_for_task(wanted, seed(ctx).deploy_changes(), "deployment")
        wait_for_environment(wanted, "deployment")
        wait_for_nodes(wanted, ("ready",), "deployment")
        return Outcome(changes=changes, comment=f"environment {ctx.seed} is operational")

    def _to_be_deployed(self, ctx: Context) -> None:
        """Done before Nailgun is asked for the changes; nothing, unless a step says so."""

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"not deployed: {', '.join(left)}")
        return {"status": "operational", "controllers": [node.hostname for node in seed_nodes(ctx)]}


class Deploy(WithSeed, Deployment):
    """The seed is deployed for the first time."""

    def _to_be_deployed(self, ctx: Context) -> None:
        """Running selected tasks leaves nodes `ready` without having deployed them; Nailgun would find no changes."""
        for node in seed_nodes(ctx):
            if node.status == "ready":
                ctx.fuel.set_node_status(node.id, "provisioned")


def matching_nodes(ctx: Context) -> dict[str, list[Node]]:
    """{"originals": [...], "seeds": [...]}: controllers of both sides by ascending id.

    :raises BadInput: when the original has none
    """
    originals = controllers(original(ctx).nodes())
    if not originals:
        raise BadInput(f"environment {ctx.original} has no controller")
    return {"originals": originals, "seeds": seed_nodes(ctx)}
