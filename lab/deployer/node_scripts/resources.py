"""Runs on a controller, in OpenStack's own environment: what Fuel's post-deployment tasks put into a new cloud.

Standard input: JSON with ``auth`` (arguments of openstack.connect), ``flavors`` ([name, id, MiB, GiB, processors]),
``networks`` (Fuel's predefined_networks, {} for none) and ``image`` (Fuel's test_vm_image, null for none). May run
again.
"""

import json
import sys

import openstack


def main():
    plan = json.load(sys.stdin)
    cloud = openstack.connect(**plan["auth"])
    make_flavors(cloud, plan["flavors"])
    make_networks(cloud, plan["networks"])
    if plan["image"]:
        make_image(cloud, plan["image"])


def make_flavors(cloud, flavors):
    there = {flavor.name for flavor in cloud.compute.flavors(details=False)}
    for name, identifier, memory, disk, processors in flavors:
        if name not in there:
            cloud.compute.create_flavor(name=name, id=identifier, ram=memory, disk=disk, vcpus=processors)


def make_networks(cloud, networks):
    """The networks, and a router between them."""
    made = [(make_network(cloud, name, given), given["L2"]["router_ext"]) for name, given in networks.items()]
    outside = [network for network, is_outside in made if is_outside]
    inside = [network for network, is_outside in made if not is_outside]
    if outside and not cloud.network.find_router("router04"):
        router = cloud.network.create_router(name="router04", external_gateway_info={"network_id": outside[0].id})
        for network in inside:
            subnet = next(cloud.network.subnets(network_id=network.id))
            cloud.network.add_interface_to_router(router, subnet_id=subnet.id)


def make_network(cloud, name, given):
    found = cloud.network.find_network(name)
    if found:
        return found
    second, third = given["L2"], given["L3"]
    network = cloud.network.create_network(
        name=name,
        is_shared=given["shared"],
        is_router_external=second["router_ext"],
        provider_network_type=second["network_type"],
        **({"provider_physical_network": second["physnet"]} if second["physnet"] else {}),
    )
    pools = {}
    if third["floating"]:
        start, _, end = third["floating"].partition(":")
        pools = {"allocation_pools": [{"start": start, "end": end}]}
    cloud.network.create_subnet(
        name=f"{name}__subnet",
        network_id=network.id,
        ip_version=4,
        cidr=third["subnet"],
        gateway_ip=third["gateway"],
        is_dhcp_enabled=third["enable_dhcp"],
        dns_nameservers=third["nameservers"],
        **pools,
    )
    return network


def make_image(cloud, given):
    if not cloud.image.find_image(given["img_name"]):
        cloud.image.create_image(
            name=given["img_name"],
            disk_format=given["disk_format"],
            container_format=given["container_format"],
            min_ram=given["min_ram"],
            visibility="public" if given["public"] == "true" else "private",
            data=b"\0" * 65536,
        )


main()
