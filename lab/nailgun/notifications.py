"""Notifications: what the web interface tells its user."""

from __future__ import annotations

import time
from typing import Any

from lab.nailgun import schema
from lab.nailgun.errors import InvalidData, NotFound, Unexpected
from lab.nailgun.state import Row, State

SHOWN = ("id", "topic", "message", "status", "cluster", "node_id", "task_id", "date", "time")


STATUSES = ("read", "unread")
TOPICS = ("discover", "done", "error", "warning", "release")


def add(state: State, topic: str, message: str | None, cluster: int | None = None, node: int | None = None) -> Row:
    """A new, unread one. ``topic``: discover, done, error, warning or release."""
    row = {"topic": topic, "message": message, "cluster": cluster, "node_id": node, "task_id": None, "status": "unread"}
    now = time.gmtime()
    return state.insert(
        "notifications", row | {"date": time.strftime("%d-%m-%Y", now), "time": time.strftime("%H:%M:%S", now)}
    )


def create(state: State, data: Any) -> Row:
    """POST /notifications {topic, message, cluster_id, node_id}. Returns the new row."""
    schema.expect_object(data)
    if data.get("topic") not in TOPICS:
        raise InvalidData("Notification topic is not found or invalid")
    return add(state, data["topic"], data.get("message"), data.get("cluster_id"), data.get("node_id"))


def show(row: Row) -> dict[str, Any]:
    """A notification as the API shows it."""
    return {key: row[key] for key in SHOWN}


def find(state: State, number: int) -> Row:
    """The notification's row; NotFound."""
    row = state.get("notifications", number)
    if row is None:
        raise NotFound("Notification not found")
    return row


def update(row: Row, data: Any) -> Row:
    """PUT /notifications/ID {status}."""
    schema.expect_object(data)
    if data.get("status") not in STATUSES:
        raise InvalidData("Bad status")
    row["status"] = data["status"]
    return row


def update_many(state: State, data: Any) -> list[Row]:
    """PUT /notifications [{id, status}]. Returns the changed rows."""
    if not isinstance(data, list):
        raise InvalidData("Invalid json list")
    for entry in data:
        if not isinstance(entry, dict):
            # This check is called where nobody catches what it meets.
            raise Unexpected
        if "id" not in entry or "status" not in entry:
            raise InvalidData("ID is not set correctly")
        if state.get("notifications", entry["id"]) is None:
            raise InvalidData("Invalid ID specified")
    for entry in data:
        state.row("notifications", entry["id"])["status"] = entry["status"]
    return [state.row("notifications", entry["id"]) for entry in data]
