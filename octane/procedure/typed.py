"""Environments and nodes that were typed, looked at before anything is written down: what is wrong leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable

from octane.context import Context
from octane.errors import BadInput
from octane.fuel.nodes import Node
from octane.pair import environment_id
from octane.procedure import preflight
from octane.procedure.env import begun_with
from octane.procedure.joining import refuse_typed
from octane.stage import CEPH_OSD, NODE_BY_NODE


def upgrade_env(ctx: Context) -> None:
    """The environment exists, and the nodes are free ones; an upgrade that was begun is asked about its nodes only.

    :raises BadInput: naming all that Fuel does not have or that is in use, and what could be given instead
    :raises Refused: the upgrade was begun with other nodes
    """
    named = preflight.check_ids(ctx.options.get("nodes") or ())
    if begun_with(ctx, named):
        return
    if ctx.options.get(NODE_BY_NODE):
        raise BadInput("upgrade.env is for spare nodes; node_by_node belongs to upgrade.env_node_by_node")
    original = environment_id(ctx.original, "ENV")
    refuse_unknown(ctx, [original])
    if named:
        _refuse_nodes(ctx.fuel.nodes(), named)


def upgrade_env_node_by_node(ctx: Context) -> None:
    """The environment exists, and no nodes are named: its own are taken.

    :raises BadInput: naming what was typed and what could be given instead
    :raises Refused: the upgrade was begun with spare nodes
    """
    if not ctx.options.get(NODE_BY_NODE):
        raise BadInput("upgrade.env_node_by_node takes node_by_node: true; upgrade.env is for spare nodes")
    if ctx.options.get("nodes"):
        raise BadInput("node by node takes no spare nodes: the original's first controller is moved")
    if not begun_with(ctx, []):
        refuse_unknown(ctx, [environment_id(ctx.original, "ENV")])


def upgrade_controller(ctx: Context) -> None:
    """The node is a controller of this upgrade, and nothing besides.

    :raises BadInput: it is no node of either environment
    :raises Refused: naming a role of it that upgrade-node does not know
    """
    refuse_typed(ctx)


def upgrade_osd_host(ctx: Context) -> None:
    """The node is one of this upgrade with OSDs.

    :raises BadInput: it is no node of either environment, or has no OSDs
    :raises Refused: naming a role of it that upgrade-node does not know
    """
    refuse_typed(ctx, CEPH_OSD)


def prepare(ctx: Context) -> None:
    """:raises BadInput: naming the environments that Fuel does not have, and those it has"""
    refuse_unknown(ctx, [environment_id(value, "ENV") for value in ctx.options.get("environments") or ()])


def refuse_unknown(ctx: Context, environments: Iterable[int]) -> None:
    """:raises BadInput: naming those of ENVIRONMENTS that Fuel does not have, and those it has"""
    wanted = sorted(set(environments))
    if not wanted:
        return
    known = [data["id"] for data in ctx.fuel.environments()]
    unknown = [number for number in wanted if number not in known]
    if unknown:
        raise BadInput(f"there is no environment {_numbers(unknown)} on this Fuel master; there are {_numbers(known)}")


def _refuse_nodes(nodes: list[Node], named: list[int]) -> None:
    known = {node.id: node for node in nodes}
    told = [f"there is no node {number} on this Fuel master" for number in named if number not in known]
    taken = [known[number] for number in named if number in known and known[number].environment is not None]
    told += [f"{node.hostname} belongs to environment {node.environment}" for node in taken]
    if told:
        free = [node.id for node in nodes if preflight.is_free(node)]
        way = f"free nodes are {_numbers(free)}" if free else "no node is free: let Fuel discover spare servers"
        raise BadInput("; ".join([*told, way]))


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
