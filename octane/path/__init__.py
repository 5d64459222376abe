"""Upgrade paths: what one hop from a release to the next consists of, as data: one YAML file a hop, under ``hops/``;
what releases are known by, under ``releases/``; checks that hops share, under ``checks/``."""

from octane.path.check import Check
from octane.path.choice import api_ports, for_pair
from octane.path.hop import (
    Command,
    Hop,
    Pass,
    Rewrite,
    Schema,
    Scripts,
    Service,
    Setting,
    Stale,
    choose,
    load_hops,
)
from octane.path.hop_schema import NAME
from octane.path.release import UNKNOWN, Standing, standing

__all__ = [
    "NAME",
    "UNKNOWN",
    "Check",
    "Command",
    "Hop",
    "Pass",
    "Rewrite",
    "Schema",
    "Scripts",
    "Service",
    "Setting",
    "Stale",
    "Standing",
    "api_ports",
    "choose",
    "for_pair",
    "load_hops",
    "standing",
]
