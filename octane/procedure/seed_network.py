"""The seed's own network while it is isolated: deployment tasks left out, interfaces configured, controllers joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import Failed, Refused
from octane.fuel import facts, scheme
from octane.fuel.tasks import wait_for_nodes, wait_for_task
from octane.fuel.uplinks import uplinks
from octane.plan.network import OVERLAY_KEYS
from octane.procedure import isolation
from octane.procedure.env import INSTALLED, WithSeed, seed, seed_nodes, wait
from octane.procedure.reach import await_answers
from octane.sides import present
from octane.step import Outcome

OVERLAY_MTU = 1450
PATH_SIZE = 1500
"""What the administration network must carry for the overlay: its packets and 50 bytes of VXLAN around them."""

NETCONFIG = "netconfig"
NETCONFIG_TIMEOUT = 3600
RETURN_TIMEOUT = 300
OVERLAY_TIMEOUT = 120


class SkipTasks(WithSeed):
    """Deployment tasks that would fail on an isolated cloud, or undo its isolation, are left out."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = [task["id"] for task in seed(ctx).deployment_tasks() if task["id"] in facts.SKIPPED_TASKS]
        return {"skip": found} if found else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        seed(ctx).set_deployment_tasks(facts.without_tasks(seed(ctx).deployment_tasks()))
        return Outcome(changes=changes, comment=f"left out: {', '.join(changes.get('skip', []))}")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"still to be deployed: {', '.join(left['skip'])}")
        return {}


class Netconfig(WithSeed):
    """The networks of the seed's controllers, as their isolating facts say, and nothing else yet."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        nodes = seed_nodes(ctx)
        minions = [node.minion for node in nodes]
        bridges = ctx.nodes.call(minions, "octane_net.addresses")
        return {
            minion: missing
            for minion in minions
            if (missing := _missing(ctx.recall(isolation.SCHEMES)[minion], bridges[minion]))
        }

    def apply(self, ctx: Context) -> Outcome:
        nodes = seed_nodes(ctx)
        wanted = wait(ctx, nodes, NETCONFIG_TIMEOUT)
        for task in ctx.fuel.tasks.running(seed(ctx).id, "deployment"):
            wait_for_task(wanted, task.id, "the deployment that runs already")
        changes = self.pending(ctx)
        if changes:
            ids = [node.id for node in nodes if node.minion in changes]
            wait_for_task(wanted, seed(ctx).run_tasks(ids, network_tasks(seed(ctx).deployment_tasks())), "netconfig")
            wait_for_nodes(wanted, INSTALLED, "netconfig")
        minions = sorted(node.minion for node in nodes)
        await_answers(ctx, minions, RETURN_TIMEOUT, "on their new bridges")
        return Outcome(changes=changes, comment="networks are configured")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"networks are not as the facts say: {left}")
        return {"uplinks": "detached"}


def network_tasks(tasks: list[dict[str, Any]]) -> list[str]:
    """Names of the tasks that configure a node's network and of those to be done before, in their order of need.

    Stages and groups are no tasks of a node.
    """
    by_name = {task["id"]: task for task in tasks if task.get("type") not in ("stage", "group", "skipped")}
    found: list[str] = []

    def add(name: str) -> None:
        if name not in by_name or name in found:
            return
        before = [task["id"] for task in by_name.values() if name in (task.get("required_for") or [])]
        for needed in [*(by_name[name].get("requires") or []), *before]:
            add(needed)
        found.append(name)

    add(NETCONFIG)
    return found


def _missing(found: scheme.Scheme, bridges: dict[str, dict[str, Any]]) -> list[str]:
    """What of the scheme FOUND a node's BRIDGES lack: addresses, and the ABSENCE of the uplinks."""
    told = []
    for bridge, endpoint in found.get("endpoints", {}).items():
        wanted = endpoint["IP"] if isinstance(endpoint.get("IP"), list) else []
        have = bridges.get(bridge, {}).get("addresses", [])
        told += [f"{address} on {bridge}" for address in wanted if address not in have]
    for uplink in uplinks(found, "the node"):
        if uplink.port in bridges.get(uplink.bridge, {}).get("ports", []):
            told.append(f"{uplink.bridge} without {uplink.port}")
    return told


OverlayPlans = dict[str, list[dict[str, Any]]]
"""{minion id: keyword arguments of the state ``octane_net.overlay``, one for each isolated bridge}."""


def overlay_plans(
    members: Mapping[str, str], bridges: Mapping[str, Mapping[str, str]], keys: Mapping[str, int]
) -> OverlayPlans:
    """Join the BRIDGES ({minion id: {purpose: bridge}}) of MEMBERS ({minion id: administration address}) by overlays
    numbered KEYS, those of them that have a number; {} for a single member."""
    if len(members) < 2:
        return {}
    return {
        minion: [
            {
                "bridge": bridge,
                "key": keys[purpose],
                "local": address,
                "remotes": [other for name, other in members.items() if name != minion],
                "mtu": OVERLAY_MTU,
            }
            for purpose, bridge in bridges[minion].items()
            if purpose in keys
        ]
        for minion, address in members.items()
    }


def stretch(ctx: Context, plans: OverlayPlans, test: bool = False) -> dict[str, Any]:
    """{minion id: {bridge: changes}} of the nodes where something was, or with TEST would be, changed."""
    if not plans:
        return {}
    returned = ctx.nodes.state(list(plans), "octane_net.overlays", test=test, timeout=OVERLAY_TIMEOUT, plans=plans)
    return {minion: done["changes"] for minion, done in returned.items() if done["changes"]}


def overlay_ports(plans: OverlayPlans) -> dict[str, list[dict[str, Any]]]:
    """{minion id: [{"bridge", "port", "key"}]} of what PLANS make."""
    return {
        minion: [{"bridge": plan["bridge"], "port": f"oct{plan['key']}", "key": plan["key"]} for plan in bridges]
        for minion, bridges in plans.items()
    }


class Overlay(WithSeed):
    """Isolated controllers reach each other over the administration network; one alone needs nothing."""

    records = (isolation.OVERLAYS,)

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = stretch(ctx, self._plans(ctx), test=True)
        return {minion: sorted(changes) for minion, changes in found.items()}

    def prepare(self, ctx: Context) -> bool:
        """Let the overlays be there as soon as their ports are plugged in; False when one controller is alone."""
        plans = self._plans(ctx)
        if plans:
            ctx.nodes.state(list(plans), "octane_net.overlays_prepared", timeout=OVERLAY_TIMEOUT, plans=plans)
        return bool(plans)

    def _plans(self, ctx: Context) -> OverlayPlans:
        members = {node.minion: node.admin_address for node in present(ctx, seed_nodes(ctx))}
        bridges = {minion: isolation.isolated_bridges(ctx, minion) for minion in members}
        return overlay_plans(members, bridges, OVERLAY_KEYS)

    def apply(self, ctx: Context) -> Outcome:
        plans = self._plans(ctx)
        self._check_path(ctx, plans)
        changes = stretch(ctx, plans)
        ports = overlay_ports(plans)
        ctx.record(isolation.OVERLAYS, ports)
        return Outcome(changes=changes, comment=f"{len(ports)} controllers joined", evidence={"overlays": ports})

    def _check_path(self, ctx: Context, plans: OverlayPlans) -> None:
        """:raises Refused: packets of the overlay would not fit the administration network, or nobody answers there"""
        for minion, bridges in plans.items():
            for remote in bridges[0]["remotes"]:
                reaches = ctx.nodes.call([minion], "octane_net.mtu_to", remote, PATH_SIZE)[minion]["whole"]
                if reaches is None:
                    raise Refused(f"{remote} does not answer a ping from {minion} over the administration network")
                if not reaches:
                    raise Refused(
                        f"the overlay needs packets of {PATH_SIZE} bytes, and the administration network drops "
                        f"them from {minion} to {remote}"
                    )

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"the overlay is not complete: {left}")
        return {"overlays": ctx.recall(isolation.OVERLAYS, {})}
