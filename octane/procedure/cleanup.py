"""After the switch: what was changed for the time of the procedure is put back, and records of hosts that are gone go.

A record is deleted only when its service is down and its host has a Fuel node's name that neither environment knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.fuel import facts, settings
from octane.fuel.nodes import Node
from octane.fuel.tasks import wait_for_nodes, wait_for_task
from octane.procedure.db import KEYS_KEPT
from octane.procedure.env import original, seed, seed_nodes, wait
from octane.procedure.isolation import isolate_again
from octane.step import LibraryStep, Outcome

REFRESHED = "cleanup.refreshed"
"""Recorded when the seed's controllers were given their own name and time services back."""

REFRESHING_TASKS = ("dns-server", "ntp-server", "public_vip_ping")
"""Deployment tasks of Fuel 7.0 that read the facts which were different during the procedure."""

TASKS_TIMEOUT = 3600


class DeleteFacts(LibraryStep):
    """The facts that isolated the seed are deleted: while they stand, settings have no effect (LP1572240)."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = sorted(f"node-{fact.get('uid')}" for fact in seed(ctx).facts())
        return {"facts": found} if found else {}

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if changes:
            seed(ctx).delete_facts()
        return Outcome(changes=changes, comment="the seed is deployed by its settings again")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"uploaded facts are left: {left}")
        return {}


class DeleteFactsForNow(DeleteFacts):
    """The same right after the switch: what operators change from then on counts, and no deployment cuts off the
    controllers that serve. On the way back they isolate again, or the seed's next deployment would plug it in where the
    original is."""

    def undo(self, ctx: Context) -> Outcome:
        isolate_again(ctx)
        return Outcome(comment="the facts isolate the seed again")


class RestoreTasks(LibraryStep):
    """Deployment tasks that were left out are in the seed's graph again."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        have = {task["id"] for task in seed(ctx).deployment_tasks()}
        missing = [
            task["id"]
            for task in self._release_tasks(ctx)
            if task["id"] in facts.SKIPPED_TASKS and task["id"] not in have
        ]
        return {"tasks": missing} if missing else {}

    def _release_tasks(self, ctx: Context) -> list[dict[str, Any]]:
        return ctx.fuel.release_tasks(seed(ctx).data()["release_id"])

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if changes:
            seed(ctx).set_deployment_tasks(self._release_tasks(ctx))
        return Outcome(changes=changes, comment="the seed has its release's deployment tasks")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"deployment tasks are missing: {left}")
        return {}


class RestoreSettings(LibraryStep):
    """What the operator set on the original holds on the seed's controllers.

    The settings themselves are the original's since before the seed was deployed (`env.Settings`), and Nailgun 7.0
    changes them no more (403). One that somebody else changed between those two is told, and stays.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        tasks = [] if ctx.recall(REFRESHED) else self._tasks(ctx)
        return {"tasks": tasks} if tasks else {}

    def _different(self, ctx: Context) -> settings.Values:
        wanted = settings.surroundings(settings.values(original(ctx).attributes()))
        return settings.differences(settings.values(seed(ctx).attributes()), wanted)

    def _tasks(self, ctx: Context) -> list[str]:
        known = {task["id"] for task in seed(ctx).deployment_tasks()}
        return [task for task in REFRESHING_TASKS if task in known]

    def apply(self, ctx: Context) -> Outcome:
        changes = self.pending(ctx)
        if changes:
            nodes = seed_nodes(ctx)
            wanted = wait(ctx, nodes, TASKS_TIMEOUT)
            task = seed(ctx).run_tasks([node.id for node in nodes], changes["tasks"])
            wait_for_task(wanted, task, "name and time services")
            wait_for_nodes(wanted, ("ready",), "name and time services")
        ctx.record(REFRESHED, True)
        different = [f"{section}.{name}" for section, names in self._different(ctx).items() for name in names]
        told = f", but for {', '.join(different)}: not the original's, and Fuel changes it no more" if different else ""
        return Outcome(changes=changes, comment=f"the seed's settings are the operator's{told}")

    def verify(self, ctx: Context) -> dict[str, Any]:
        different = self._different(ctx)
        return {"the original has": different} if different else {}


class DeleteStaleRecords(LibraryStep):
    """Services and agents of hosts that are in neither environment are known to the cloud no more."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = self._stale(ctx)
        return {"records": [label(record) for record in found]} if found else {}

    def _stale(self, ctx: Context) -> list[dict[str, Any]]:
        first = seed_nodes(ctx)[0].minion
        records = ctx.nodes.call([first], "octane_nova.services", timeout=120)[first]
        return stale(records, [*original(ctx).nodes(), *seed(ctx).nodes()])

    def apply(self, ctx: Context) -> Outcome:
        first = seed_nodes(ctx)[0].minion
        found = self._stale(ctx)
        for record in found:
            which = {key: record[key] for key in ("id", "binary", "host")}
            ctx.nodes.call([first], "octane_nova.delete_service", record["service"], timeout=120, **which)
        names = [label(record) for record in found]
        return Outcome(changes={"deleted": names} if names else {}, comment=f"{len(names)} records deleted")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"stale records are left: {left}")
        return {"stale": 0}


class ForgetKeys(LibraryStep):
    """Keys that the seed's controllers had of their own before the original's were copied are there no more.

    Removed is only what this upgrade's copy kept, by the journal, and where the node finds it to be just that.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = self._kept(ctx)
        return {"remove": found} if found else {}

    def _kept(self, ctx: Context) -> dict[str, list[str]]:
        directories = ctx.recall(KEYS_KEPT)
        if not directories:
            return {}
        found = ctx.nodes.call([node.minion for node in seed_nodes(ctx)], "octane_trees.kept", directories)
        return {minion: paths for minion, paths in found.items() if paths}

    def apply(self, ctx: Context) -> Outcome:
        found = self._kept(ctx)
        if found:
            ctx.nodes.call(sorted(found), "octane_trees.forget", ctx.recall(KEYS_KEPT))
        return Outcome(changes={"removed": found} if found else {}, comment=f"removed on {len(found)} nodes")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self._kept(ctx)
        if left:
            raise Failed(f"former keys are left: {left}")
        return {}


_NODE_NAME = re.compile(r"node-[0-9]+")


def stale(records: Iterable[dict[str, Any]], nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """Those of RECORDS ({"service", "id", "binary", "host", "up"}) that are down and whose host is none of NODES.

    A host may carry a backend ("node-1.domain.tld@lvm#pool") and may be short or full. What is named otherwise
    ("rbd:volumes") belongs to no node and stays.
    """
    known = list(nodes)
    names = {name for node in known for name in (node.hostname, node.fqdn)}
    domains = {node.fqdn.partition(".")[2] for node in known}
    return [
        record
        for record in records
        if not record["up"] and (host := record["host"].partition("@")[0]) not in names and _is_node(host, domains)
    ]


def _is_node(host: str, domains: set[str]) -> bool:
    """Has HOST the form of a Fuel node's name?"""
    short, _, domain = host.partition(".")
    return bool(_NODE_NAME.fullmatch(short)) and (not domain or domain in domains)


def label(record: dict[str, Any]) -> str:
    """A record in words."""
    return f"{record['service']} {record['binary']} on {record['host']}"
