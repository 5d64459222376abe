"""Runs on a controller, in OpenStack's own environment: users, roles, services and endpoints of a new cloud.

Standard input: JSON with ``auth`` (arguments of openstack.connect), ``project``, ``users`` (name to password),
``services`` (name to [type, URL with {address}]), ``addresses`` (interface to address), ``roles``, ``heat`` (domain,
user, password). May run again.
"""

import json
import sys

import openstack


def main():
    plan = json.load(sys.stdin)
    identity = openstack.connect(**plan["auth"]).identity
    roles = {role.name: role for role in identity.roles()}
    for name in plan["roles"]:
        if name not in roles:
            roles[name] = identity.create_role(name=name)
    make_users(identity, plan, roles)
    make_endpoints(identity, plan)
    make_heat_domain(identity, plan["heat"], roles)


def make_users(identity, plan, roles):
    project = identity.find_project(plan["project"]) or identity.create_project(
        name=plan["project"], domain_id="default"
    )
    users = {user.name: user for user in identity.users(domain_id="default")}
    for name, password in plan["users"].items():
        if name in users:
            identity.update_user(users[name], password=password)
        else:
            users[name] = identity.create_user(name=name, password=password, domain_id="default")
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(project, users[name], roles[role])


def make_endpoints(identity, plan):
    services = {service.name: service for service in identity.services()}
    endpoints = {(endpoint.service_id, endpoint.interface): endpoint for endpoint in identity.endpoints()}
    for name, (kind, url) in plan["services"].items():
        service = services.get(name) or identity.create_service(name=name, type=kind)
        for interface, address in plan["addresses"].items():
            wanted = url.replace("{address}", address)
            found = endpoints.get((service.id, interface))
            if found is None:
                identity.create_endpoint(
                    service_id=service.id, interface=interface, url=wanted, region_id="RegionOne"
                )
            elif found.url != wanted:
                identity.update_endpoint(found, url=wanted)


def make_heat_domain(identity, heat, roles):
    """The domain that holds the users of stacks, and its administrator."""
    domains = {domain.name: domain for domain in identity.domains()}
    domain = domains.get(heat["domain"]) or identity.create_domain(name=heat["domain"])
    users = {user.name: user for user in identity.users(domain_id=domain.id)}
    user = users.get(heat["user"]) or identity.create_user(
        name=heat["user"], password=heat["password"], domain_id=domain.id
    )
    identity.assign_domain_role_to_user(domain, user, roles["admin"])


main()
