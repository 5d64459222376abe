"""Which hop a pair takes: found once from the running controllers of both sides, then recorded."""

from __future__ import annotations

from octane.context import Context
from octane.errors import Refused
from octane.path.hop import Hop, choose, load_hops
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


def _versions(ctx: Context) -> tuple[str, str]:
    """Nova's version on a controller of each side, as it prints it (the last line: warnings may stand above)."""
    side = sides(ctx)
    pair = [side.originals[0], side.seeds[0]]
    ran = ctx.nodes.call(pair, "octane_db.run_manage", ["nova-manage", "--version"])
    original, seed = (ran[node]["commands"][0]["output"].strip().splitlines()[-1] for node in pair)
    return original, seed
