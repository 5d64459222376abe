"""``clone_ips`` as the recorded master had it: an addition that stock 7.0 lacks.

It pairs the controllers of original and seed by the names of their networks and copies addresses; the original keeps
its own. Observed on a Nailgun 7.0 with that addition in place.
"""

from __future__ import annotations

from lab.nailgun import addresses, networks, routing, schema, upgrade
from lab.nailgun.errors import InvalidData
from lab.nailgun.routing import Call, Table
from lab.nailgun.state import Row, State

BODY = schema.record({"networks": {"type": "array", "items": {"type": "string"}}}, ["networks"])
TABLE: Table = []


def post(call: Call, number: int) -> None:
    """POST upgrade/clone_ips on the original."""
    data = call.json()
    schema.check(data, BODY)
    clone(call.state, number, data["networks"])


routing.add(TABLE, "POST", r"/clusters/(\d+)/upgrade/clone_ips", post)


def clone(state: State, number: int, names: list[str]) -> None:
    """Give the seed's controllers the original's addresses in the named networks, or in all but the admin one."""
    relation = upgrade.relation(state, number)
    if relation is None:
        raise InvalidData(f"Cluster with ID {number} is not in upgrade stage.")
    if relation["orig"] != number:
        raise InvalidData(f"There is no original cluster with ID {number}.")
    seed = state.row("clusters", relation["seed"])
    targets = _controllers(state, seed)
    if not targets:
        raise InvalidData("Seed cluster should has at least one controller")
    for node in targets:
        addresses.drop(state, node=node["id"])
    addresses.assign(state, seed, targets)
    sources = _controllers(state, state.row("clusters", number))
    for target in targets:
        source = next((node for node in sources if _names(state, node) == _names(state, target)), None)
        if source:
            sources.remove(source)
            _copy(state, source, target, names)


def _controllers(state: State, cluster: Row) -> list[Row]:
    members = state.rows("nodes", cluster=cluster["id"])
    return [node for node in members if "controller" in node["roles"] + node["pending_roles"]]


def _own(state: State, node: Row) -> dict[str, Row]:
    """Network name -> address row, but for the admin network."""
    known = {row["id"]: row["name"] for row in networks.of_node(state, node) if row["name"] != networks.ADMIN}
    rows = state.rows("addresses", node=node["id"])
    return {known[row["network"]]: row for row in rows if row["network"] in known}


def _names(state: State, node: Row) -> set[str]:
    return set(_own(state, node))


def _copy(state: State, source: Row, target: Row, names: list[str]) -> None:
    theirs, mine = _own(state, source), _own(state, target)
    for name in theirs:
        if not names or name in names:
            mine[name]["ip"] = theirs[name]["ip"]
