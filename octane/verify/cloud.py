"""What users of a cloud see of its APIs and addresses, asked on the nodes that serve them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken
from octane.procedure import isolation
from octane.sides import sides
from octane.verify.invariants import invariant


@invariant("writes_refused", before=False)
def writes_refused(ctx: Context) -> dict[str, Any]:
    """Every API of the path is there on each controller of the original, answers a write with 503 and Retry-After, and
    still serves reads; every other frontend refuses writes as well, whoever is behind it."""
    return _prove(ctx, sides(ctx).originals, "ro", all_there=True)


@invariant("writes_accepted", before=False)
def writes_accepted(ctx: Context) -> dict[str, Any]:
    """No frontend of the seed refuses a write any more, and every API of the path takes it."""
    return _prove(ctx, sides(ctx).seeds, "rw")


@invariant("original_silent", before=False)
def original_silent(ctx: Context) -> dict[str, Any]:
    """No original controller answers on an address that the seed's controllers have: only the new ones are heard."""
    return isolation.Hearing(ctx).only_seed()


def _prove(ctx: Context, nodes: tuple[str, ...], expect: str, all_there: bool = False) -> dict[str, Any]:
    """:param all_there: every API of the path must have a frontend
    :raises InvariantBroken: naming each frontend that answers otherwise, or each API without one, and on which node
    """
    apis = ctx.path.apis
    proofs = ctx.nodes.call(list(nodes), "octane_api.prove", expect, serving=sorted(set(apis.values())))
    missing = [
        f"{name} (port {port}) on {node}"
        for node in proofs
        for name, port in _unasked(proofs[node], apis)
        if all_there
    ]
    if missing:
        raise InvariantBroken(f"no frontend in HAProxy's files, and so nobody who refuses: {', '.join(missing)}")
    failed = [f"{name} on {node}" for node, proof in proofs.items() for name in proof["failed"]]
    if failed:
        raise InvariantBroken(
            f"does not answer as {'read-only' if expect == 'ro' else 'writable'}: {', '.join(failed)}"
        )
    return {node: _seen(proof) for node, proof in proofs.items()}


def _unasked(proof: Mapping[str, Any], apis: Mapping[str, int]) -> list[tuple[str, int]]:
    ports = {bind["port"] for binds in proof["frontends"].values() for bind in binds}
    return [(name, port) for name, port in apis.items() if port not in ports]


def _seen(proof: dict[str, Any]) -> dict[str, list[str]]:
    """{frontend: ["address:port: write 503, read 200", ...]}, an entry for each address it is bound to."""
    return {name: [_answers(bind) for bind in binds] for name, binds in proof["frontends"].items()}


def _answers(bind: Mapping[str, Any]) -> str:
    read = f", read {bind['read']['status']}" if bind["read"] else ""
    return f"{bind['address']}:{bind['port']}: write {bind['write']['status']}{read}"
