"""Outputs of the old versions' tools, recorded elsewhere.

The recordings are not part of the repository: they are looked for in OCTANE_RECORDED, or beside the checkout in
``shared/facts/recorded``.
"""

import json
import os
from pathlib import Path

import pytest

PLACES = (os.environ.get("OCTANE_RECORDED"), Path(__file__).parents[4] / "shared/facts/recorded")
RECORDED = next((Path(place) for place in PLACES if place and Path(place).is_dir()), None)
CEPH = RECORDED / "ceph" if RECORDED else None


def files(*patterns):
    """Parameters, one a recording of Ceph whose name matches; one that is skipped where there are no recordings."""
    if not CEPH:
        return [pytest.param(None, marks=pytest.mark.skip(reason="no recordings of old versions' tools here"))]
    found = sorted({path for pattern in patterns for path in CEPH.glob(f"**/{pattern}")})
    return [pytest.param(path, id=str(path.relative_to(CEPH))) for path in found]


def load(path):
    return json.loads(path.read_text())
