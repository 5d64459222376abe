"""/clusters: environments and their settings."""

from __future__ import annotations

from typing import Any

from lab.nailgun import attributes, clusters, deployment, schema
from lab.nailgun.errors import Forbidden, InvalidData
from lab.nailgun.routing import Call, Reply, route
from lab.nailgun.state import Row

VMWARE = schema.record({"editable": {"type": "object"}}, ["editable"])


@route("GET", "/clusters")
def listing(call: Call) -> Any:
    """All environments."""
    return [clusters.show(call.state, row) for row in call.state.rows("clusters")]


@route("POST", "/clusters")
def create(call: Call) -> Reply:
    """A new environment."""
    row = clusters.create(call.state, call.json())
    return Reply(clusters.show(call.state, row), 201)


@route("GET", r"/clusters/(\d+)")
def get(call: Call, number: int) -> Any:
    """One environment."""
    return clusters.show(call.state, clusters.find(call.state, number))


@route("PUT", r"/clusters/(\d+)")
def put(call: Call, number: int) -> Any:
    """Rename it, or change what else may be changed."""
    return clusters.show(call.state, clusters.update(call.state, number, call.json()))


@route("DELETE", r"/clusters/(\d+)")
def delete(call: Call, number: int) -> Reply:
    """Begin its deletion; it is gone a moment later."""
    deployment.delete_cluster(call.server, clusters.find(call.state, number))
    return Reply({}, 202)


@route("GET", r"/clusters/(\d+)/attributes")
def get_attributes(call: Call, number: int) -> Any:
    """Editable settings."""
    return {"editable": clusters.find(call.state, number)["attributes"]["editable"]}


@route("PUT", r"/clusters/(\d+)/attributes")
@route("PATCH", r"/clusters/(\d+)/attributes")
def change_attributes(call: Call, number: int) -> Any:
    """Merge settings into those there are."""
    row = clusters.find(call.state, number)
    attributes.update(call.state, row, call.json())
    return {"editable": row["attributes"]["editable"]}


@route("GET", r"/clusters/(\d+)/attributes/defaults")
def get_default_attributes(call: Call, number: int) -> Any:
    """Settings that a new environment of the release would get."""
    return {"editable": attributes.for_cluster(call.state, clusters.find(call.state, number))["editable"]}


@route("PUT", r"/clusters/(\d+)/attributes/defaults")
def reset_attributes(call: Call, number: int) -> Any:
    """Put the settings back to the defaults."""
    row = clusters.find(call.state, number)
    row["attributes"]["editable"] = attributes.for_cluster(call.state, row)["editable"]
    attributes.add_change(row, "attributes")
    return {"editable": row["attributes"]["editable"]}


@route("GET", r"/clusters/(\d+)/generated")
def get_generated(call: Call, number: int) -> Any:
    """Generated settings: passwords and keys."""
    return clusters.find(call.state, number)["attributes"]["generated"]


def _with_vmware(call: Call, number: int) -> Row:
    row = clusters.find(call.state, number)
    if not row["attributes"]["editable"].get("common", {}).get("use_vcenter", {}).get("value"):
        raise InvalidData("Cluster doesn't support vmware configuration")
    return row


@route("GET", r"/clusters/(\d+)/vmware_attributes")
def get_vmware(call: Call, number: int) -> Any:
    """Settings of VMware, of an environment that uses vCenter."""
    return {"editable": _with_vmware(call, number)["attributes"]["vmware"]}


@route("PUT", r"/clusters/(\d+)/vmware_attributes")
def put_vmware(call: Call, number: int) -> Any:
    """Change values of settings of VMware; what describes them stays. Answers the values."""
    row = _with_vmware(call, number)
    if attributes.is_locked(call.state, row):
        raise Forbidden("Environment attributes can't be changed after or during deployment.")
    data = call.json()
    schema.check_request(data, VMWARE)
    row["attributes"]["vmware"] = row["attributes"]["vmware"] | {"value": data["editable"].get("value")}
    attributes.add_change(row, "vmware_attributes")
    return {"editable": {"value": row["attributes"]["vmware"]["value"]}}


@route("GET", r"/clusters/(\d+)/vmware_attributes/defaults")
def get_default_vmware(call: Call, number: int) -> Any:
    """Settings of VMware that a new environment of the release would get."""
    return {"editable": attributes.for_cluster(call.state, _with_vmware(call, number))["vmware"]}
