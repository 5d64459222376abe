"""/nodes/ID/disks, volumes, interfaces: how a node is laid out."""

from __future__ import annotations

from typing import Any

from lab.nailgun import disk_update, disks, interfaces, nodes
from lab.nailgun.errors import NotFound
from lab.nailgun.routing import Call, route


@route("GET", r"/nodes/(\d+)/disks")
def get_disks(call: Call, number: int) -> Any:
    """Disks with their volumes."""
    return disks.show(call.state, nodes.find(call.state, number))


@route("PUT", r"/nodes/(\d+)/disks")
def put_disks(call: Call, number: int) -> Any:
    """Change sizes of volumes and which data to keep."""
    return disk_update.update(call.state, nodes.find(call.state, number), call.json())


@route("GET", r"/nodes/(\d+)/disks/defaults")
def get_default_disks(call: Call, number: int) -> Any:
    """The layout that the node's roles get by default."""
    row = nodes.find(call.state, number)
    if not row["meta"].get("disks"):
        raise NotFound("No default disks")
    return disks.layout(call.state, row)


@route("GET", r"/nodes/(\d+)/volumes")
def get_volumes(call: Call, number: int) -> Any:
    """Volumes of the node's roles."""
    row = nodes.find(call.state, number)
    if row["cluster"] is None:
        raise NotFound("Cannot calculate volumes info. Please, add node to an environment.")
    return disks.show_volumes(call.state, row)


@route("GET", r"/nodes/(\d+)/interfaces")
def get_interfaces(call: Call, number: int) -> Any:
    """Interfaces with the networks they carry."""
    return nodes.show_interfaces(call.state, nodes.find(call.state, number))


@route("PUT", r"/nodes/(\d+)/interfaces")
def put_interfaces(call: Call, number: int) -> Any:
    """Change which networks the interfaces carry."""
    return nodes.show_interfaces(call.state, interfaces.update(call.state, number, call.json()))


@route("PUT", "/nodes/interfaces")
def put_many_interfaces(call: Call) -> Any:
    """Change the interfaces of several nodes: [{id, interfaces}]."""
    rows = interfaces.update_many(call.state, call.json())
    return [{"id": row["id"], "interfaces": nodes.show_interfaces(call.state, row)} for row in rows]


@route("GET", r"/nodes/(\d+)/interfaces/default_assignment")
def get_default_interfaces(call: Call, number: int) -> Any:
    """Interfaces with the networks they carry by default."""
    return _defaults(call, nodes.find(call.state, number))


@route("GET", "/nodes/interfaces/default_assignment")
def get_all_default_interfaces(call: Call) -> Any:
    """The same of all nodes that are in an environment."""
    wanted = call.query.get("cluster_id")
    rows = [row for row in call.state.rows("nodes") if row["cluster"] and wanted in (None, "", str(row["cluster"]))]
    return [_defaults(call, row) for row in rows]


def _defaults(call: Call, row: dict[str, Any]) -> Any:
    if row["cluster"] is None:
        return None
    plan = interfaces.default_networks(call.state, row)
    return [nodes.show_interface(call.state, nic | {"networks": ids}) for nic, ids in plan]
