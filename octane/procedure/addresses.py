"""The layout of the seed's controllers, and the addresses they take over: what makes one stand for another."""

from __future__ import annotations

from typing import Any

from octane.context import Context
from octane.errors import Failed
from octane.fuel import layout
from octane.fuel.nodes import Node
from octane.procedure.env import (
    ADDRESSES,
    COPIED_NETWORKS,
    WithSeed,
    matching_nodes,
    original,
    seed,
    seed_nodes,
    vips,
)
from octane.step import Outcome


class Layout(WithSeed):
    """Disks and interfaces of the seed's controllers are like those of the original's."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {
            node.hostname: sorted(changes)
            for node, partner in _partners(ctx)
            if (changes := self._changes(ctx, node, partner))
        }

    def _changes(self, ctx: Context, node: Node, partner: Node) -> dict[str, Any]:
        """{"interfaces": [...], "disks": [...]} as they are to be, for those that are not; {} once it is installed."""
        if node.status not in ("discover", "error") or node.deployed:
            return {}
        ours, theirs = ctx.fuel.layout(node.id), ctx.fuel.layout(partner.id)
        network_ids = {net["name"]: net["id"] for net in seed(ctx).network()["networks"]}
        have = ours.interfaces()
        interfaces = layout.interfaces(theirs.interfaces(), have, network_ids, node.hostname)
        have_disks = ours.disks()
        disks = layout.disks(theirs.disks(), have_disks, ours.minimum_sizes(), node.hostname)
        found: dict[str, Any] = {}
        if layout.networks_by_interface(interfaces) != layout.networks_by_interface(have):
            found["interfaces"] = interfaces
        if layout.sizes_by_disk(disks) != layout.sizes_by_disk(have_disks):
            found["disks"] = disks
        return found

    def apply(self, ctx: Context) -> Outcome:
        done = {}
        for node, partner in _partners(ctx):
            changes = self._changes(ctx, node, partner)
            ours = ctx.fuel.layout(node.id)
            if "interfaces" in changes:
                ours.set_interfaces(changes["interfaces"])
            if "disks" in changes:
                ours.set_disks(changes["disks"])
            if changes:
                done[node.hostname] = f"{' and '.join(sorted(changes))} like {partner.hostname}"
        return Outcome(changes=done, comment=f"{len(done)} nodes laid out")

    def verify(self, ctx: Context) -> dict[str, Any]:
        left = self.pending(ctx)
        if left:
            raise Failed(f"not laid out like their originals: {left}")
        return {
            node.hostname: layout.networks_by_interface(ctx.fuel.layout(node.id).interfaces())
            for node in seed_nodes(ctx)
        }


def _partners(ctx: Context) -> list[tuple[Node, Node]]:
    """(seed's controller, original's controller) by ascending ids, as the addresses are copied too."""
    found = matching_nodes(ctx)
    return list(zip(found["seeds"], found["originals"], strict=False))


class CopyAddresses(WithSeed):
    """Each of the seed's controllers has the management and public addresses of one of the original's."""

    records = (ADDRESSES,)

    def pending(self, ctx: Context) -> dict[str, Any]:
        paired = pairs(**matching_nodes(ctx))
        left = [node.hostname for node in seed_nodes(ctx) if node.minion not in paired]
        return {"addresses": left} if left else {}

    def apply(self, ctx: Context) -> Outcome:
        answer = original(ctx).clone_ips(COPIED_NETWORKS)
        paired = pairs(**matching_nodes(ctx))
        ctx.record(ADDRESSES, paired)
        return Outcome(changes=paired, comment="addresses are copied", evidence={"nailgun": answer})

    def verify(self, ctx: Context) -> dict[str, Any]:
        """Copied networks are equal by pair, the others belong to one node only, and the VIPs are still there."""
        left = self.pending(ctx)
        if left:
            raise Failed(f"no address of the original was copied to {', '.join(left['addresses'])}")
        ours, theirs = vips(seed(ctx)), vips(original(ctx))
        if ours != theirs:
            raise Failed(f"the seed's VIPs {ours} are not the original's {theirs}")
        twice = duplicates(original(ctx).nodes(), seed_nodes(ctx))
        if twice:
            raise Failed(f"addresses of the seed are in use by the original: {', '.join(twice)}")
        return {"pairs": pairs(**matching_nodes(ctx))}


def copied(node: Node) -> dict[str, str]:
    """{network: address} of the networks whose addresses are taken over."""
    return {name: address for name, address in node.addresses.items() if name in COPIED_NETWORKS}


def pairs(originals: list[Node], seeds: list[Node]) -> dict[str, str]:
    """{seed's minion id: minion id of the original's controller whose addresses it has}; those without are left out."""
    by_addresses = {tuple(sorted(copied(node).items())): node for node in originals if copied(node)}
    found = {node.minion: by_addresses.get(tuple(sorted(copied(node).items()))) for node in seeds}
    return {minion: partner.minion for minion, partner in found.items() if partner is not None}


def duplicates(originals: list[Node], seeds: list[Node]) -> list[str]:
    """Addresses in networks that stay connected which both sides have."""
    theirs = {address for node in originals for name, address in node.addresses.items() if name not in COPIED_NETWORKS}
    ours = {address for node in seeds for name, address in node.addresses.items() if name not in COPIED_NETWORKS}
    return sorted(theirs & ours)
