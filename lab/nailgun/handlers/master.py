"""/version, /releases, /notifications: the master itself."""

from __future__ import annotations

from typing import Any

from lab.nailgun import graph, notifications, releases, roles, schema
from lab.nailgun.errors import NotFound, NotSupported
from lab.nailgun.routing import Call, Reply, route

NO_COMMIT = "0" * 40
PLUGIN_IDS = schema.record({"ids": schema.IDS})


@route("GET", "/version")
def version(call: Call) -> Any:
    """What this master is."""
    return {
        "release": "7.0",
        "openstack_version": "2015.1.0-7.0",
        "api": "1.0",
        "auth_required": True,
        "build_id": "0",
        "build_number": "0",
        "production": "docker",
        "feature_groups": call.state.settings["feature_groups"],
        "release_versions": {},
        "nailgun_sha": NO_COMMIT,
        "astute_sha": NO_COMMIT,
        "fuel-library_sha": NO_COMMIT,
    }


@route("GET", "/releases")
def list_releases(call: Call) -> Any:
    """All releases."""
    return releases.show_all(call.state)


@route("POST", "/releases")
def create_release(call: Call) -> Reply:
    """A further release."""
    return Reply(releases.show(releases.create(call.state, call.json())), 201)


@route("GET", r"/releases/(\d+)")
def get_release(call: Call, number: int) -> Any:
    """One release."""
    return releases.show(releases.find(call.state, number))


@route("PUT", r"/releases/(\d+)")
def put_release(call: Call, number: int) -> Any:
    """Change a release."""
    row = releases.find(call.state, number)
    return releases.show(releases.update(call.state, row, call.json()))


@route("DELETE", r"/releases/(\d+)")
def delete_release(call: Call, number: int) -> Reply:
    """Delete a release that no environment is of."""
    releases.delete(call.state, releases.find(call.state, number))
    return Reply(status=204)


@route("GET", r"/releases/(\d+)/roles")
def list_roles(call: Call, number: int) -> Any:
    """Roles of a release with their volumes."""
    row = releases.find(call.state, number)
    return [roles.show(row, name) for name in row["roles_metadata"]]


@route("GET", r"/releases/(\d+)/roles/([a-zA-Z_-]+)")
def get_role(call: Call, number: int, name: str) -> Any:
    """One role of a release."""
    return roles.show(releases.find(call.state, number), name)


@route("GET", r"/releases/(\d+)/deployment_tasks")
def get_tasks(call: Call, number: int) -> Any:
    """Deployment tasks of a release."""
    return graph.selected(releases.find(call.state, number)["deployment_tasks"] or [], call.query)


@route("PUT", r"/releases/(\d+)/deployment_tasks")
def put_tasks(call: Call, number: int) -> Any:
    """Replace them."""
    row = releases.find(call.state, number)
    data = call.json()
    graph.check(data, row["deployment_tasks"] or [])
    row["deployment_tasks"] = data
    return data


@route("POST", r"/releases/(\d+)/deployment_tasks")
@route("POST", r"/clusters/(\d+)/deployment_tasks")
def create_metadata(call: Call, number: int) -> None:
    """What a release or an environment always has is not created."""
    raise NotSupported("Create not supported for this entity")


@route("DELETE", r"/releases/(\d+)/deployment_tasks")
@route("DELETE", r"/clusters/(\d+)/deployment_tasks")
def delete_metadata(call: Call, number: int) -> None:
    """What a release or an environment always has is not deleted."""
    raise NotSupported("Delete not supported for this entity")


@route("GET", "/notifications")
def list_notifications(call: Call) -> Any:
    """All notifications."""
    return [notifications.show(row) for row in call.state.rows("notifications")]


@route("PUT", "/notifications")
def put_notifications(call: Call) -> Any:
    """Mark notifications as read: [{id, status}]."""
    rows = notifications.update_many(call.state, call.json())
    return [notifications.show(row) for row in rows]


@route("POST", "/notifications")
def create_notification(call: Call) -> Reply:
    """A further notification."""
    return Reply(notifications.show(notifications.create(call.state, call.json())), 201)


@route("DELETE", r"/notifications/(\d+)")
def delete_notification(call: Call, number: int) -> Reply:
    """Forget a notification."""
    call.state.delete("notifications", notifications.find(call.state, number)["id"])
    return Reply(status=204)


@route("GET", r"/notifications/(\d+)")
def get_notification(call: Call, number: int) -> Any:
    """One notification."""
    return notifications.show(notifications.find(call.state, number))


@route("PUT", r"/notifications/(\d+)")
def put_notification(call: Call, number: int) -> Any:
    """Mark a notification as read."""
    row = notifications.find(call.state, number)
    return notifications.show(notifications.update(row, call.json()))


@route("GET", "/plugins")
def list_plugins(call: Call) -> Any:
    """The lab has no plugins."""
    return []


@route("GET", r"/plugins/(\d+)")
@route("PUT", r"/plugins/(\d+)")
@route("DELETE", r"/plugins/(\d+)")
def one_plugin(call: Call, number: int) -> None:
    """There is none."""
    raise NotFound("Plugin not found")


@route("POST", "/plugins/sync")
def sync_plugins(call: Call) -> Any:
    """Read the metadata of all plugins again, or of those named: {ids}."""
    data = call.json() if call.body else {}
    schema.check(data, PLUGIN_IDS)
    for number in data.get("ids", []):
        raise NotFound(f"Object 'Plugin' with UID={number} is not found in DB")
    return {}
