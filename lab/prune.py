"""Removing what the cache holds for sources that are gone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lab import cache, definition, snapshot
from lab.cache import CACHE
from lab.state import FILE, built_for

KINDS = ("image-*", "layer-*", "openstack-*", "cloud-*")
UPPER = re.compile(r"upperdir=(/[^,]+)/hosts/[^/,]+/disk/upper")


def unused() -> list[Path]:
    """Entries of the cache that neither these sources nor any lab that is up has a use for."""
    kept = current() | {path for state in states_up() for path in used_by(state)}
    return sorted(path for kind in KINDS for path in CACHE.glob(kind) if path.is_dir() and path not in kept)


def current() -> set[Path]:
    """What a lab that is brought up now would use."""
    clouds = [definition.load(definition.PROFILES / f"{name}.yaml") for name in definition.profiles()]
    found: set[Path] = set()
    for cloud in clouds:
        built = built_for(cloud)
        found |= paths_in(built) | {snapshot.path_of(cloud, built)}
    return found


def states_up() -> set[Path]:
    """State directories of the labs whose hosts have their roots mounted."""
    return {Path(found) for found in UPPER.findall(Path("/proc/self/mountinfo").read_text())}


def used_by(state: Path) -> set[Path]:
    """What the lab in ``state`` uses of the cache."""
    try:
        return paths_in(json.loads((state / FILE).read_text())["options"])
    except FileNotFoundError:
        return set()


def paths_in(options: dict[str, Any]) -> set[Path]:
    """The cached directories that a lab's options name."""
    named = [options["image"], *options["openstack"].values(), options.get("layer"), options.get("lowers")]
    return {Path(path) for path in named if path}


def prune() -> list[Path]:
    """Remove what is unused; return what was removed."""
    removed = unused()
    for path in removed:
        cache.remove(path)
    return removed
