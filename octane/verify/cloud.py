"""What users of a cloud see of its APIs and addresses, asked on the nodes that serve them."""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.errors import InvariantBroken
from octane.procedure import isolation
from octane.sides import sides
from octane.verify.invariants import invariant


@invariant("writes_refused", before=False)
def writes_refused(ctx: Context) -> dict[str, Any]:
    """Every API of the original answers a write with 503 and Retry-After, and still serves reads."""
    return _prove(ctx, sides(ctx).originals, "ro")


@invariant("writes_accepted", before=False)
def writes_accepted(ctx: Context) -> dict[str, Any]:
    """No API of the seed refuses a write any more."""
    return _prove(ctx, sides(ctx).seeds, "rw")


@invariant("original_silent", before=False)
def original_silent(ctx: Context) -> dict[str, Any]:
    """No original controller answers on an address that the seed's controllers have: only the new ones are heard."""
    return isolation.Hearing(ctx).only_seed()


def _prove(ctx: Context, nodes: tuple[str, ...], expect: str) -> dict[str, Any]:
    """:raises InvariantBroken: naming each frontend that answers otherwise, and on which node."""
    proofs = ctx.nodes.call(list(nodes), "octane_api.prove", expect)
    failed = [f"{name} on {node}" for node, proof in proofs.items() for name in proof["failed"]]
    if failed:
        raise InvariantBroken(
            f"does not answer as {'read-only' if expect == 'ro' else 'writable'}: {', '.join(failed)}"
        )
    return {node: _seen(proof) for node, proof in proofs.items()}


def _seen(proof: dict[str, Any]) -> dict[str, list[str]]:
    """{frontend: ["address:port: write 503, read 200", ...]}, an entry for each address it is bound to."""
    return {
        name: [
            f"{bind['address']}:{bind['port']}: write {bind['write']['status']}, read {bind['read']['status']}"
            for bind in binds
        ]
        for name, binds in proof["frontends"].items()
    }
