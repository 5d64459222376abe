"""Upgrade paths: what one hop from a release to the next consists of, as data: one YAML file a hop, under ``hops/``."""

from octane.path.choice import for_pair
from octane.path.hop import NAME, Hop, Schema, Scripts, Service, Stale, choose, load_hops

__all__ = ["NAME", "Hop", "Schema", "Scripts", "Service", "Stale", "choose", "for_pair", "load_hops"]
