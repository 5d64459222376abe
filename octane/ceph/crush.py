"""The crush map: which OSDs fall together, and over what a pool's rule spreads the copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from octane.ceph.cluster import Pool
from octane.errors import BadInput

OSD = "osd"
SHADOW = "~"
"""In the name of a bucket that Ceph keeps for a device class since Luminous."""


@dataclass(frozen=True)
class Bucket:
    """``children`` are ids, of buckets where negative, of OSDs where not."""

    id: int
    name: str
    kind: str
    children: tuple[int, ...]


@dataclass(frozen=True)
class Rule:
    """``spreads_over`` is the kind of bucket of which each copy gets one of its own."""

    id: int
    name: str
    ruleset: int
    is_for_erasure_code: bool
    sizes: range
    spreads_over: str


@dataclass(frozen=True)
class Crush:
    """``rules`` is empty when read from ``ceph osd tree``, which has none."""

    buckets: Mapping[int, Bucket]
    rules: tuple[Rule, ...] = ()

    def domains(self, kind: str) -> dict[str, frozenset[int]]:
        """{name of each bucket of KIND: ids of the OSDs below it}; for the kind osd, every OSD by itself."""
        if kind == OSD:
            return {f"osd.{osd}": frozenset({osd}) for osd in self.osds}
        return {one.name: self.below(one) for one in self.buckets.values() if one.kind == kind}

    @property
    def osds(self) -> frozenset[int]:
        return frozenset(child for one in self.buckets.values() for child in one.children if child >= 0)

    def below(self, bucket: Bucket) -> frozenset[int]:
        """The OSDs in BUCKET and in all buckets below it."""
        found = {child for child in bucket.children if child >= 0}
        for child in bucket.children:
            if child in self.buckets:
                found |= self.below(self.buckets[child])
        return frozenset(found)

    def rule_of(self, pool: Pool) -> Rule:
        """:raises BadInput: the map has no rule for it"""
        for rule in self.rules:
            right_kind = rule.ruleset == pool.ruleset and rule.is_for_erasure_code == pool.is_erasure_coded
            if right_kind and pool.size in rule.sizes:
                return rule
        raise BadInput(
            f"pool {pool.name} has crush rule {pool.ruleset}, which is not in the map; see `ceph osd crush dump`"
        )


def read(document: Mapping[str, Any]) -> Crush:
    """Of ``ceph osd crush dump`` or, without rules, of ``ceph osd tree``.

    :raises BadInput: it is of another command
    """
    if "nodes" in document:
        return Crush({one["id"]: _of_tree(one) for one in document["nodes"] if one["id"] < 0})
    if "buckets" not in document:
        raise BadInput("this is no answer of `ceph osd crush dump`, nor of `ceph osd tree`")
    buckets = [_of_dump(one) for one in document["buckets"] if SHADOW not in one["name"]]
    kinds = {one["type_id"]: one["name"] for one in document["types"]}
    return Crush({one.id: one for one in buckets}, tuple(_rule(one, kinds) for one in document["rules"]))


def _of_tree(node: Mapping[str, Any]) -> Bucket:
    return Bucket(node["id"], node["name"], node["type"], tuple(sorted(node.get("children", ()))))


def _of_dump(bucket: Mapping[str, Any]) -> Bucket:
    children = sorted({item["id"] for item in bucket["items"]})
    return Bucket(bucket["id"], bucket["name"], bucket["type_name"], tuple(children))


_ERASURE = 3


def _rule(rule: Mapping[str, Any], kinds: Mapping[int, str]) -> Rule:
    return Rule(
        rule["rule_id"],
        rule["rule_name"],
        # Quincy has neither sets of rules nor sizes.
        rule.get("ruleset", rule["rule_id"]),
        rule["type"] == _ERASURE,
        range(rule.get("min_size", 0), rule.get("max_size", 1000) + 1),
        _spreads_over(rule["steps"], kinds),
    )


def _spreads_over(steps: Iterable[Mapping[str, Any]], kinds: Mapping[int, str]) -> str:
    """The last choice decides: after two racks and two hosts in each of them, two copies share a rack."""
    chosen = [step["type"] for step in steps if step["op"].startswith("choose")]
    kind = chosen[-1] if chosen else OSD
    return kinds.get(kind, OSD) if isinstance(kind, int) else kind
