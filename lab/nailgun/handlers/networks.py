"""/clusters/ID/network_configuration, /networks, /nodegroups."""

from __future__ import annotations

from typing import Any

from lab.nailgun import clusters, constraints, groups, network_template, network_update, network_verify, networks
from lab.nailgun.errors import ApiError, InvalidData
from lab.nailgun.handlers.nodes import task_reply
from lab.nailgun.routing import Call, Reply, route
from lab.nailgun.state import Row

PROVIDERS = "(neutron|nova_network)"


def _cluster(call: Call, number: int, provider: str) -> Row:
    row = clusters.find(call.state, number)
    if row["net_provider"] != provider:
        raise InvalidData(f"Wrong net provider - environment uses '{row['net_provider']}'")
    return row


@route("GET", rf"/clusters/(\d+)/network_configuration/{PROVIDERS}")
def get(call: Call, number: int, provider: str) -> Any:
    """Networks, parameters and virtual addresses."""
    return networks.show_configuration(call.state, _cluster(call, number, provider))


@route("PUT", rf"/clusters/(\d+)/network_configuration/{PROVIDERS}")
def put(call: Call, number: int, provider: str) -> Reply:
    """Change them; the answer is a task that has ended."""
    return task_reply(network_update.put(call.state, _cluster(call, number, provider), call.json))


@route("PUT", rf"/clusters/(\d+)/network_configuration/{PROVIDERS}/verify")
def verify(call: Call, number: int, provider: str) -> Reply:
    """Check the configuration, then whether nodes reach each other."""
    return task_reply(network_verify.verify(call.server, _cluster(call, number, provider), call.json()))


@route("GET", r"/clusters/(\d+)/network_configuration/template")
def get_template(call: Call, number: int) -> Any:
    """The network template, or null."""
    return clusters.find(call.state, number)["parameters"].get("configuration_template")


@route("PUT", r"/clusters/(\d+)/network_configuration/template")
def put_template(call: Call, number: int) -> Any:
    """Set the network template, which is checked before the environment is looked for. Answers an empty string."""
    data = call.json()
    network_template.check(data)
    row = clusters.find(call.state, number)
    network_template.check_open(row)
    row["parameters"]["configuration_template"] = data
    return ""


@route("DELETE", r"/clusters/(\d+)/network_configuration/template")
def delete_template(call: Call, number: int) -> Reply:
    """Remove the network template. Refusals are bare texts: this method lacks what makes JSON of them."""
    try:
        row = clusters.find(call.state, number)
        network_template.check_open(row)
    except ApiError as error:
        raise ApiError(error.message, error.status, bare=True) from None
    row["parameters"]["configuration_template"] = None
    return Reply(status=204)


@route("GET", "/networks")
def list_networks(call: Call) -> Any:
    """All networks."""
    return [networks.show_group(row) for row in call.state.rows("networks")]


@route("POST", "/networks")
def create_network(call: Call) -> Reply:
    """A further network in a node group."""
    return Reply(networks.show_group(groups.create_network(call.state, call.json())), 201)


@route("GET", r"/networks/(\d+)")
def get_network(call: Call, number: int) -> Any:
    """One network."""
    return networks.show_group(groups.find_network(call.state, number))


@route("PUT", r"/networks/(\d+)")
def put_network(call: Call, number: int) -> Any:
    """Change a network."""
    row = groups.find_network(call.state, number)
    return networks.show_group(groups.update_network(call.state, row, call.json()))


@route("DELETE", r"/networks/(\d+)")
def delete_network(call: Call, number: int) -> Reply:
    """Delete a network."""
    groups.delete_network(call.state, groups.find_network(call.state, number))
    return Reply(status=204)


@route("GET", "/nodegroups")
def list_groups(call: Call) -> Any:
    """All node groups, or those of an environment (cluster_id=1); those of none (cluster_id=) do not exist."""
    return [groups.show_group(row) for row in constraints.of_cluster(call.state, "node_groups", call.query)]


@route("POST", "/nodegroups")
def create_group(call: Call) -> Reply:
    """A further node group."""
    return Reply(groups.show_group(groups.create_group(call.state, call.json())), 201)


@route("GET", r"/nodegroups/(\d+)")
def get_group(call: Call, number: int) -> Any:
    """One node group."""
    return groups.show_group(groups.find_group(call.state, number))


@route("PUT", r"/nodegroups/(\d+)")
def put_group(call: Call, number: int) -> Any:
    """Rename a node group."""
    row = groups.find_group(call.state, number)
    return groups.show_group(groups.rename_group(row, call.json()))


@route("DELETE", r"/nodegroups/(\d+)")
def delete_group(call: Call, number: int) -> Reply:
    """Delete a node group."""
    groups.delete_group(call.state, groups.find_group(call.state, number))
    return Reply(status=204)
