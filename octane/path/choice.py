"""Which hop a pair takes: found once from the running controllers of both sides, then recorded."""

from __future__ import annotations

from octane.context import Context
from octane.errors import Refused
from octane.path.hop import Hop, choose, load_hops, nova_major
from octane.sides import sides

RECORD = "path"


def for_pair(ctx: Context) -> Hop:
    """The hop recorded for this pair; found from ``nova-manage --version`` on both sides the first time.

    :raises Refused: when no hop leads from what the original runs to what the seed runs, or the recorded one is gone.
    """
    name = ctx.recall(RECORD)
    if name is None:
        hop = choose(*_versions(ctx))
        if not ctx.test:
            ctx.record(RECORD, hop.name)
        return hop
    for hop in load_hops():
        if hop.name == name:
            return hop
    raise Refused(f"this upgrade was begun along the path {name}, which is not installed any more")


def api_ports(ctx: Context, controller: str) -> list[int] | None:
    """Ports of the APIs that paths know of an environment, by one CONTROLLER of it; None where no path knows any.

    Before there is a seed no path is chosen: then those of every path that begins at the release there.
    """
    if ctx.recall(RECORD) is not None:
        return sorted(set(for_pair(ctx).apis.values()))
    (version,) = _versions_on(ctx, [controller])
    ports = {port for hop in load_hops() if hop.nova_from == nova_major(version) for port in hop.apis.values()}
    return sorted(ports) or None


def _versions(ctx: Context) -> tuple[str, str]:
    side = sides(ctx)
    original, seed = _versions_on(ctx, [side.originals[0], side.seeds[0]])
    return original, seed


def _versions_on(ctx: Context, nodes: list[str]) -> list[str]:
    """Nova's version on each of NODES, as it prints it (the last line: warnings may stand above)."""
    ran = ctx.nodes.call(nodes, "octane_db.run_manage", ["nova-manage", "--version"])
    return [ran[node]["commands"][0]["output"].strip().splitlines()[-1] for node in nodes]
