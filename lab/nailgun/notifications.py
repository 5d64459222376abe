"""Notifications: what the web interface tells its user."""

from __future__ import annotations

import time
from typing import Any

from lab.nailgun.state import Row, State

SHOWN = ("id", "topic", "message", "status", "cluster", "node_id", "task_id", "date", "time")


def add(state: State, topic: str, message: str, cluster: int | None = None, node: int | None = None) -> Row:
    """A new, unread one. ``topic``: discover, done, error, warning or release."""
    row = {"topic": topic, "message": message, "cluster": cluster, "node_id": node, "task_id": None, "status": "unread"}
    now = time.gmtime()
    return state.insert(
        "notifications", row | {"date": time.strftime("%d-%m-%Y", now), "time": time.strftime("%H:%M:%S", now)}
    )


def show(row: Row) -> dict[str, Any]:
    """A notification as the API shows it."""
    return {key: row[key] for key in SHOWN}
