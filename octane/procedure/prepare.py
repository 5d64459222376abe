"""The first stage: the Fuel master and every node made ready. `upgrade/prepare.sls` tells the order of the steps."""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.errors import BadInput, Failed, Refused
from octane.fuel.nodes import Node
from octane.machine import THIS_MASTER
from octane.pair import environment_id
from octane.procedure import salt_config
from octane.procedure.addition import AddCloneIps
from octane.procedure.enrol import Enrolment
from octane.procedure.master_check import CheckMaster
from octane.step import LibraryStep, Outcome

__all__ = ["AddCloneIps", "CheckMaster", "ConfigureSalt", "Enrol"]

NODE_STATE = "/var/lib/octane-node"
"""Of a node: where the modules keep what they note and what they exported."""


class ConfigureSalt(LibraryStep):
    """The Salt master's configuration is ours and what it serves is the product's.

    The master that runs this step cannot be restarted under it: `octane prepare` configures it beforehand.
    """

    def pending(self, ctx: Context) -> dict[str, Any]:
        found = salt_config.changes()
        by_command = sorted(set(found) - {"modules"})
        if by_command:
            raise Refused(f"Salt is not configured ({', '.join(by_command)})", next_command="octane prepare")
        return found

    def apply(self, ctx: Context) -> Outcome:
        return Outcome(changes=salt_config.sync(), comment="the master has the product's modules")

    def verify(self, ctx: Context) -> dict[str, Any]:
        if self.pending(ctx):
            raise Failed("the master has not the product's modules")
        return {"configuration": str(salt_config.path())}

    def undo(self, ctx: Context) -> Outcome:
        return restore_salt()


def restore_salt() -> Outcome:
    """Give the configuration of the Salt master back; `octane cleanup-fuel` restarts the service with it at its end."""
    changed = salt_config.restore_configuration()
    path = str(salt_config.path())
    return Outcome(changes={path: "restored"} if changed else {}, comment="Salt's configuration is as it was")


def nodes_to_enrol(ctx: Context) -> list[Node]:
    """Nodes of the environments that the option `environments` names, of every environment when it names none.

    Nodes that have no operating system yet are left out: they are enrolled when they are installed.

    :raises BadInput: when an environment does not exist
    """
    known = {data["id"] for data in ctx.fuel.environments()}
    named = {environment_id(value) for value in ctx.options.get("environments") or ()}
    unknown = sorted(named - known)
    if unknown:
        there = ", ".join(map(str, sorted(known))) or "none"
        raise BadInput(f"there is no environment {unknown[0]} on this Fuel master; there are {there}")
    wanted = named or known
    return [node for node in ctx.fuel.nodes() if node.environment in wanted and node.status in ("ready", "provisioned")]


class Enrol(LibraryStep):
    """Nodes of the environments are minions of this master."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        nodes = nodes_to_enrol(ctx)
        offline = [node.hostname for node in nodes if not node.online]
        if offline:
            raise Refused(f"offline: {', '.join(offline)}; bring them up, or name with `environments` those to prepare")
        return Enrolment(ctx, nodes).pending()

    def apply(self, ctx: Context) -> Outcome:
        done = Enrolment(ctx, nodes_to_enrol(ctx)).apply()
        return Outcome(changes=done, comment=f"{len(done)} nodes enrolled")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return Enrolment(ctx, nodes_to_enrol(ctx)).verify()

    def undo(self, ctx: Context) -> Outcome:
        return withdraw_all(ctx)


def withdraw_all(ctx: Context) -> Outcome:
    """The minion of every node that `prepare` or `upgrade-env` enrolled runs as before, or not at all."""
    names = _of_environments(ctx).withdraw()
    told = f"{len(names)} nodes withdrawn; records, and rows kept by a rollback, stay in {NODE_STATE} there"
    return Outcome(changes={name: "withdrawn" for name in names}, comment=told)


def _of_environments(ctx: Context) -> Enrolment:
    return Enrolment(ctx, [node for node in ctx.fuel.nodes() if node.environment is not None])


class Withdraw(LibraryStep):
    """The inverse of `Enrol`, for `cleanup-fuel`."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {minion: "withdrawn" for minion in _of_environments(ctx).enrolled()}

    def apply(self, ctx: Context) -> Outcome:
        return withdraw_all(ctx)

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"still enrolled: {', '.join(left)}")
        return {"enrolled": []}


class RestoreSalt(LibraryStep):
    """The inverse of `ConfigureSalt`, for `cleanup-fuel`."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        path = str(salt_config.path())
        return {path: "restored"} if path in salt_config.pristine().paths(THIS_MASTER) else {}

    def apply(self, ctx: Context) -> Outcome:
        return restore_salt()

    def verify(self, ctx: Context) -> dict[str, Any]:
        if self.pending(ctx):
            raise Failed(f"{salt_config.path()} is still ours")
        return {"configuration": "as it was"}
