"""Who is on which side of an upgrade: the controllers of both environments and the computes, by Salt minion id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from octane.context import Context
from octane.errors import BadInput, Refused
from octane.fuel.nodes import Node, controllers
from octane.stage import FENCED

COMPUTE, CONTROLLER = "compute", "controller"


@dataclass(frozen=True)
class Sides:
    """Minion ids by ascending Fuel id; ``admin`` and ``fqdn`` map one to its address and its full name. ``others`` are
    clients of the controllers as well: storage nodes that are no computes."""

    originals: tuple[str, ...]
    seeds: tuple[str, ...]
    computes: tuple[str, ...]
    others: tuple[str, ...]
    admin: Mapping[str, str]
    fqdn: Mapping[str, str]

    @property
    def clients(self) -> tuple[str, ...]:
        """Who goes on with other controllers after the switch."""
        return (*self.computes, *self.others)

    @property
    def original_hosts(self) -> tuple[str, ...]:
        """Names under which services of the original's controllers may have registered: short up to one release, full
        from another (LP1523469)."""
        return tuple(name for node in self.originals for name in (node, self.fqdn[node]))


def fenced(ctx: Context) -> frozenset[str]:
    """Nodes that the operator stated to be powered off, as they were typed: nobody asks them anything.

    :raises BadInput: not a list of names.
    """
    given = ctx.options.get(FENCED) or ()
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        raise BadInput(f"fenced must be a list of nodes, not {given!r}")
    return frozenset(given)


def present(ctx: Context, nodes: Iterable[Node]) -> list[Node]:
    """Those of NODES that were not stated to be powered off."""
    gone = fenced(ctx)
    return [node for node in nodes if node.minion not in gone]


def sides(ctx: Context) -> Sides:
    """The nodes of both environments of this upgrade, as Fuel knew them when the step first asked, without those that
    were stated to be powered off. Of the seed that may be all controllers: the original can do without them.

    :raises Refused: a side without a controller, naming it.
    :raises BadInput: a node that was stated to be powered off is of neither environment.
    """
    if ctx.pair is None or ctx.pair.seed is None:
        raise Refused(f"{ctx.stage.name} belongs to an upgrade with a seed, and there is none yet")
    original, seed = ctx.pair.original, ctx.pair.seed
    return ctx.once("sides", lambda: _sides(ctx, original, seed))


def _sides(ctx: Context, original: int, seed: int) -> Sides:
    known = ctx.fuel.nodes()
    strangers = fenced(ctx) - {node.minion for node in known if node.environment in (original, seed)}
    if strangers:
        named = ", ".join(sorted(strangers))
        raise BadInput(f"{named}: no node of environment {original} or {seed} is called so")
    nodes = present(ctx, known)
    originals, seeds = _controllers(nodes, original), _controllers(nodes, seed)
    for environment, there in ((original, originals), (seed, _controllers(known, seed))):
        if not there:
            raise Refused(f"environment {environment} has no controller")
    both = {original, seed}
    members = [node for node in nodes if node.environment in both]
    return Sides(
        originals=originals,
        seeds=seeds,
        computes=tuple(node.minion for node in members if COMPUTE in node.roles),
        others=tuple(node.minion for node in members if node.deployed and not node.roles & {COMPUTE, CONTROLLER}),
        admin={node.minion: node.admin_address for node in members},
        fqdn={node.minion: node.fqdn for node in members},
    )


def _controllers(nodes: Iterable[Node], environment: int) -> tuple[str, ...]:
    return tuple(node.minion for node in controllers(node for node in nodes if node.environment == environment))
