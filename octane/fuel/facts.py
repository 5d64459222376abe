"""Deployment facts of a seed's controllers for the time they are isolated. Pure.

Facts win over the environment's settings, and deleting them brings the settings back: whatever must differ only during
the procedure is changed here and nowhere else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from octane.fuel.environment import Fact
from octane.fuel.uplinks import isolate

SKIPPED_TASKS = ("upload_cirros", "ceph_ready_check", "configure_default_route")
"""Deployment tasks that cannot succeed on an isolated cloud, or would undo its isolation (as octane 7.0 found)."""


@dataclass(frozen=True)
class Surroundings:
    """What an isolated node reaches: the master's address, and the gateway of the administration network."""

    master: str
    admin_gateway: str


def temporary_values(surroundings: Surroundings) -> dict[str, Any]:
    """{path of keys joined by ".": value} that isolated controllers are deployed with.

    An isolated node reaches the master's name and time services only. The check that stops the public VIP while the
    public gateway does not answer would keep the VIP down for ever. No networks are created that the database,
    replaced later, does not know.
    """
    return {
        "run_ping_checker": False,
        "quantum_settings.predefined_networks": {},
        "external_dns.dns_list": surroundings.master,
        "external_ntp.ntp_list": surroundings.master,
    }


def isolated(fact: Fact, surroundings: Surroundings) -> Fact:
    """FACT of one controller, changed so that it comes up isolated; a new object.

    :raises Refused: when the node's network cannot be isolated
    """
    changed = copy.deepcopy(fact)
    changed["network_scheme"] = isolate(fact["network_scheme"], node_name(fact), surroundings.admin_gateway).scheme
    for path, value in temporary_values(surroundings).items():
        _set(changed, path, value)
    return changed


def node_name(fact: Fact) -> str:
    """The short host name of the node that FACT is about."""
    return fact["fqdn"].partition(".")[0] if fact.get("fqdn") else f"node-{fact['uid']}"


def values(fact: Fact, paths: list[str]) -> dict[str, Any]:
    """{path: value in FACT} for those of PATHS that FACT has."""
    found = {}
    for path in paths:
        here: Any = fact
        for key in path.split("."):
            here = here.get(key, _MISSING) if isinstance(here, dict) else _MISSING
        if here is not _MISSING:
            found[path] = here
    return found


_MISSING = object()


def _set(fact: Fact, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    here = fact
    for key in parents:
        here = here.setdefault(key, {})
    here[last] = copy.deepcopy(value)


def without_tasks(tasks: list[dict[str, Any]], skipped: tuple[str, ...] = SKIPPED_TASKS) -> list[dict[str, Any]]:
    """TASKS without those called SKIPPED and without every mention of them; a new list."""
    kept = []
    for task in tasks:
        if task["id"] in skipped:
            continue
        changed = dict(task)
        for key in ("requires", "required_for"):
            if isinstance(task.get(key), list):
                changed[key] = [name for name in task[key] if name not in skipped]
        kept.append(changed)
    return kept
