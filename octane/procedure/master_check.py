"""Is this master one that the procedure can start from? Every problem is told at once, before anything is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

from octane import settings
from octane.context import Context
from octane.errors import OctaneError, Refused
from octane.fuel import Fuel, versions
from octane.procedure.addition import addition
from octane.procedure.checks import Precondition

MASTER_VERSION = (7, 0)
FREE_MIB = 1024
"""For the journal, pristine copies and Salt's caches; databases never come to the master."""

COMMANDS = ("ssh", "ssh-keygen", "install")


def deployable_release(fuel: Fuel) -> dict[str, Any]:
    """The release that clouds are upgraded to: Ubuntu, deployable, the newest of the master's own version.

    :raises Refused: when there is none
    """
    found = [
        release
        for release in fuel.releases()
        if release["operating_system"] == "Ubuntu"
        and release["is_deployable"]
        and release["state"] == "available"
        and versions.fuel_version(release["version"]) == MASTER_VERSION
    ]
    if not found:
        wanted = versions.text(MASTER_VERSION)
        raise Refused(
            f"this Fuel master has no deployable Ubuntu release of {wanted}: finish its own upgrade to {wanted}"
        )
    return max(found, key=lambda release: release["id"])


def _version(ctx: Context) -> dict[str, Any]:
    release = ctx.fuel.version()["release"]
    if versions.parse(release) != MASTER_VERSION:
        wanted = versions.text(MASTER_VERSION)
        raise Refused(f"this Fuel master runs {release}; upgrade it to {wanted}, the version that is supported")
    return {"fuel": release}


def _release(ctx: Context) -> dict[str, Any]:
    return {"target": deployable_release(ctx.fuel)["version"]}


def _nailgun(ctx: Context) -> dict[str, Any]:
    return {"nailgun": addition().folder()}


def _space(ctx: Context) -> dict[str, Any]:
    place = settings.state_dir()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // 2**20
    if free < FREE_MIB:
        raise Refused(f"{place} has {free} MiB free, and {FREE_MIB} MiB are needed: make room")
    return {"free_mib": free}


def _tools(ctx: Context) -> dict[str, Any]:
    missing = [command for command in COMMANDS if shutil.which(command) is None]
    if missing:
        raise Refused(f"this master lacks the command {', '.join(missing)}: install it")
    if os.geteuid() != 0:
        raise Refused("the procedure configures Salt and Nailgun and needs root on the master")
    return {"commands": list(COMMANDS)}


# Credentials come first: without the API the other questions have no answer.
CHECKS: tuple[Callable[[Context], dict[str, Any]], ...] = (_version, _release, _nailgun, _space, _tools)


def check(ctx: Context) -> dict[str, Any]:
    """Evidence of every check.

    :raises Refused: with all problems in one sentence each
    """
    evidence: dict[str, Any] = {}
    problems = []
    for ask in CHECKS:
        try:
            evidence.update(ask(ctx))
        except OctaneError as error:
            problems.append(str(error))
            if ask is _version:
                break
    if problems:
        raise Refused("; ".join(problems))
    return evidence


class CheckMaster(Precondition):
    """Credentials, version, target release, Nailgun's place, disk space, commands.

    Services are asked by use: Keystone and the API for the version, the container of Nailgun for its place. The Salt
    master may be down before `octane prepare`, which starts it and waits for it.
    """

    def verify(self, ctx: Context) -> dict[str, Any]:
        return check(ctx)
