"""Nodes as `GET nodes` of Nailgun 7.0 shows them, with what a test does not care about filled in."""

from octane.fuel.nodes import Node

DISK = {"name": "vda", "size": 60 * 2**30}


def api_node(number, **values):
    return {
        "id": number,
        "hostname": f"node-{number}",
        "fqdn": f"node-{number}.domain.tld",
        "cluster": None,
        "status": "discover",
        "error_type": None,
        "online": True,
        "ip": f"10.20.0.{130 + number}",
        "roles": [],
        "pending_roles": [],
        "pending_addition": False,
        "pending_deletion": False,
        "network_data": [],
        "meta": {"disks": [DISK]},
        **values,
    }


def node(number, **values):
    return Node.from_api(api_node(number, **values))


def controller(number, environment=1, **values):
    return node(number, cluster=environment, status=values.pop("status", "ready"), roles=["controller"], **values)


def addresses(**networks):
    return [{"name": name, "ip": address} for name, address in networks.items()]
