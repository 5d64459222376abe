"""What the old cloud holds before it is upgraded, made through its public APIs.

How much of each kind is in the ``content`` section of the lab's definition. Everything has a name with a number, is
looked up by that name before it is made, and is made in parallel: a second run adds what is missing and nothing else.
Run inside the gateway's namespace as ``python -m lab.content STATE``.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import random
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import client
from lab.command import run
from lab.state import Lab, has_agents
from lab.wait import until

if TYPE_CHECKING:
    from openstack.connection import Connection

PASSWORDS = "passwords.json"
COUNTS = {
    "projects": 5, "users": 40, "images": 30, "networks": 12, "servers": 40, "guests": 0, "volumes": 40, "stacks": 10,
    "objects": 0,
}
# Requests at a time: more only queue up behind the two cores that a whole cloud shares.
WORKERS = 4
KIB = 1024
GUEST_ADDRESSES = 101
"""The first guest's number in its network."""

FLAVORS = {"small": {"ram": 64, "vcpus": 1, "disk": 1}, "large": {"ram": 128, "vcpus": 2, "disk": 2}}
SECURITY_RULES = (
    {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
    {"protocol": "tcp", "port_range_min": 80, "port_range_max": 443},
    {"protocol": "icmp"},
)
STACK_TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "secret": {"type": "OS::Heat::RandomString"},
        "copy": {"type": "OS::Heat::Value", "properties": {"value": {"get_attr": ["secret", "value"]}}},
    },
}


MOST_CONTROLLERS = 3


class ContentFailed(Exception):
    """Something could not be made; the message names it and its state."""


def password_of(user: str) -> str:
    """The password of a user of the lab: the same in each run, different for each user."""
    return hashlib.sha256(f"password of {user}".encode()).hexdigest()[:20]


def bytes_of_image(number: int) -> bytes:
    """Between 64 and 128 KiB that are the same in each run and different for each image."""
    return random.Random(number).randbytes((64 + number % 64) * KIB)


def public_key_of(user: str) -> str:
    """An OpenSSH public key (RFC 8709) of a user of the lab; nobody has its private half."""
    parts = (b"ssh-ed25519", hashlib.sha256(f"key of {user}".encode()).digest())
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {user}"


def numbered(kind: str, count: int) -> list[str]:
    """``count`` names of a kind: project-01, project-02, ..."""
    return [f"{kind}-{number:02d}" for number in range(1, count + 1)]


def in_parallel(function: Callable[..., Any], items: Iterable[Any]) -> list[Any]:
    """Call ``function`` for each item, some at a time. Raises the first exception."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(function, items))


def by_name(objects: Iterable[Any]) -> dict[str, Any]:
    """Objects of an API by their names."""
    return {found.name: found for found in objects}


@dataclass(frozen=True)
class Wanted:
    """How much of each kind, and the network outside: its CIDR, the first and the last floating address, its gateway.

    ``has_agents``: what is asked of networks is made, see lab.state.
    """

    counts: dict[str, int]
    public_cidr: str
    floating: tuple[str, str]
    gateway: str
    has_agents: bool

    @classmethod
    def by(cls, definition: dict[str, Any]) -> Wanted:
        """What the definition of a lab asks for; what it does not say is as much as the reference lab has."""
        public = definition["networks"]["public"]
        first, last = public["floating"]
        counts = COUNTS | definition.get("content", {})
        return cls(counts, public["cidr"], (first, last), public["gateway"], has_agents(definition))


class Content:
    """The content of one cloud: ``load`` makes it, kind by kind, in the order in which one needs the other."""

    def __init__(self, credentials: client.Credentials, wanted: Wanted) -> None:
        self.credentials = credentials
        self.wanted = wanted
        self.counts = wanted.counts
        self.admin = client.connect(credentials)
        self.identity: Any = self.admin.identity  # version 3 is all that both releases have
        self.networks: list[Any] = []

    def load(self) -> Iterable[tuple[str, int]]:
        """Make everything; yields what kind was finished and how many there are of it now."""
        yield "projects", self.make_projects()
        yield "users", self.make_users()
        yield "images", self.make_images()
        yield "flavors", self.make_flavors()
        yield "key pairs", self.make_key_pairs()
        yield "security groups", self.make_security_groups()
        yield "networks", self.make_networks()
        yield "servers", self.make_servers()
        yield "guests", self.make_guests()
        yield "volumes", self.make_volumes()
        yield "stacks", self.make_stacks()
        yield "objects", self.make_objects()

    # -- identity ---------------------------------------------------------------------------------------------------

    @cached_property
    def project_names(self) -> list[str]:
        return numbered("project", self.counts["projects"])

    @cached_property
    def projects(self) -> dict[str, Any]:
        return by_name(self.identity.projects())

    @cached_property
    def scoped(self) -> list[Connection]:
        """One connection a project, in that project's scope."""
        connections = [client.connect(self.credentials, name) for name in self.project_names]
        in_parallel(lambda connection: connection.authorize(), connections)
        return connections

    def of_number(self, number: int) -> Connection:
        """The connection of the project that owns the thing with this number."""
        return self.scoped[number % len(self.scoped)]

    def project_id(self, number: int) -> str:
        return self.projects[self.project_names[number % len(self.project_names)]].id

    def make_projects(self) -> int:
        admin_role = self.identity.find_role("admin", ignore_missing=False)
        administrator = self.admin.current_user_id

        def make(name: str) -> None:
            project = self.projects.get(name) or self.identity.create_project(
                name=name, domain_id="default", description=f"What {name} keeps in this cloud"
            )
            self.projects[name] = project
            self.identity.assign_project_role_to_user(project, administrator, admin_role)

        in_parallel(make, self.project_names)
        return len(self.project_names)

    def make_users(self) -> int:
        names = numbered("user", self.counts["users"])
        present = by_name(self.identity.users())
        roles = by_name(self.identity.roles())
        # Fuel's Keystone calls it _member_, newer ones member.
        member = roles.get("member") or roles["_member_"]

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            project = self.project_id(number)
            user = present.get(name) or self.identity.create_user(
                name=name, domain_id="default", default_project_id=project, password=password_of(name),
                email=f"{name}@example.org",
            )
            role = roles["admin"] if number % 10 == 0 else member
            self.identity.assign_project_role_to_user(project, user.id, role)

        in_parallel(make, enumerate(names))
        return len(names)

    # -- images and flavors ------------------------------------------------------------------------------------------

    def make_images(self) -> int:
        names = numbered("image", self.counts["images"])
        present = by_name(self.admin.image.images())

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            if name not in present:
                self.of_number(number).image.create_image(
                    name=name, disk_format="raw", container_format="bare", data=bytes_of_image(number),
                    visibility="private" if number % 3 == 2 else "public", tags=[f"tag-{number % 4}"],
                    allow_duplicates=True,
                )

        in_parallel(make, enumerate(names))
        return len(names)

    def make_flavors(self) -> int:
        present = by_name(self.admin.compute.flavors())
        for name, sizes in FLAVORS.items():
            if name not in present:
                self.admin.compute.create_flavor(name=name, **sizes)
        return len(FLAVORS)

    def make_key_pairs(self) -> int:
        """One key pair for the first user of each project."""
        users = by_name(self.identity.users())

        def make(name: str) -> None:
            owner = users[name].id
            if not list(self.admin.compute.keypairs(user_id=owner)):
                self.admin.compute.create_keypair(name=f"key-of-{name}", public_key=public_key_of(name), user_id=owner)

        names = numbered("user", self.counts["users"])[: len(self.project_names)]
        in_parallel(make, names)
        return len(names)

    # -- networks ----------------------------------------------------------------------------------------------------

    def make_security_groups(self) -> int:
        names = numbered("group", 2 * len(self.scoped))
        present = by_name(self.admin.network.security_groups())

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            if name in present:
                return
            group = self.admin.network.create_security_group(name=name, project_id=self.project_id(number))
            for rule in SECURITY_RULES:
                self.admin.network.create_security_group_rule(
                    security_group_id=group.id, project_id=group.project_id, direction="ingress",
                    remote_ip_prefix=f"10.{number}.0.0/16", **rule,
                )

        in_parallel(make, enumerate(names))
        return len(names)

    def external_network(self) -> Any:
        """The external network, as Fuel makes it: of type local, named net04_ext, floating range of the cloud.

        Of physical network 1 where it is real, see deployer.cloud.predefined_networks.
        """
        external = next(iter(self.admin.network.networks(is_router_external=True)), None)
        if external is None:
            real = {"provider_network_type": "flat", "provider_physical_network": "physnet1"}
            external = self.admin.network.create_network(
                name="net04_ext", is_router_external=True,
                **(real if self.wanted.has_agents else {"provider_network_type": "local"}),
            )
        if not list(self.admin.network.subnets(network_id=external.id)):
            first, last = self.wanted.floating
            self.admin.network.create_subnet(
                network_id=external.id, name="net04_ext__subnet", ip_version=4, cidr=self.wanted.public_cidr,
                allocation_pools=[{"start": first, "end": last}], enable_dhcp=False,
            )
        return external

    def make_networks(self) -> int:
        names = numbered("network", self.counts["networks"])
        external = self.external_network()
        present = by_name(self.admin.network.networks())
        routers = by_name(self.admin.network.routers())

        def make(numbered_name: tuple[int, str]) -> Any:
            number, name = numbered_name
            network = present.get(name) or self.admin.network.create_network(
                name=name, project_id=self.project_id(number)
            )
            self.make_router(number, network, external, routers.get(f"router-{number + 1:02d}"))
            return network

        self.networks = in_parallel(make, enumerate(names))
        return len(names)

    def make_router(self, number: int, network: Any, external: Any, router: Any | None) -> None:
        """A subnet, a router to the outside and a port with a floating address for one network."""
        owner = {"project_id": network.project_id}
        suffix = f"{number + 1:02d}"
        subnet = next(iter(self.admin.network.subnets(network_id=network.id)), None)
        if subnet is None:
            subnet = self.admin.network.create_subnet(
                network_id=network.id, name=f"subnet-{suffix}", ip_version=4, cidr=f"10.{100 + number}.0.0/24", **owner
            )
        router = router or self.admin.network.create_router(
            name=f"router-{suffix}", external_gateway_info={"network_id": external.id}, **owner
        )
        if not list(self.admin.network.ports(device_id=router.id, network_id=network.id)):
            self.admin.network.add_interface_to_router(router, subnet=subnet.id)
        port = next(iter(self.admin.network.ports(network_id=network.id, name=f"port-{suffix}")), None)
        if port is None:
            port = self.admin.network.create_port(network_id=network.id, name=f"port-{suffix}", **owner)
        if not list(self.admin.network.ips(port_id=port.id)):
            self.admin.network.create_ip(floating_network_id=external.id, port_id=port.id, **owner)

    # -- servers, volumes, stacks ------------------------------------------------------------------------------------

    def make_servers(self) -> int:
        names = numbered("server", self.counts["servers"])
        present = by_name(self.admin.compute.servers(all_projects=True))
        image = self.admin.image.find_image("image-01", ignore_missing=False)
        flavor = self.admin.compute.find_flavor("small", ignore_missing=False)

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            if name not in present:
                self.of_number(number).compute.create_server(
                    name=name, image_id=image.id, flavor_id=flavor.id, metadata={"number": str(number)},
                    networks=self.nics_of(number),
                )

        in_parallel(make, enumerate(names))
        self.wait_for("servers", "ACTIVE", names, lambda: self.admin.compute.servers(all_projects=True))
        return len(names)

    def nics_of(self, number: int) -> str | list[dict[str, str]]:
        """Every fourth server has a port in a network of its own project, the others have none."""
        project = self.project_id(number)
        own = [network for network in self.networks if network.project_id == project]
        return [{"uuid": own[0].id}] if own and number % 4 == 3 else "none"

    def make_guests(self) -> int:
        """Servers in the first network that are machines, in turn on the compute nodes, pinging one another and what is
        outside."""
        names = numbered("guest", self.counts["guests"])
        if not names:
            return 0
        present = by_name(self.admin.compute.servers(all_projects=True))
        image = self.admin.image.find_image("image-01", ignore_missing=False)
        flavor = self.admin.compute.find_flavor("small", ignore_missing=False)
        computes = sorted(found.host for found in self.admin.compute.services(binary="nova-compute"))
        subnet = next(iter(self.admin.network.subnets(network_id=self.networks[0].id)))
        plan = ipaddress.ip_network(subnet.cidr)
        addresses = {name: str(plan[GUEST_ADDRESSES + number]) for number, name in enumerate(names)}

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            if name in present:
                return
            others = [address for other, address in addresses.items() if other != name]
            self.of_number(0).compute.create_server(
                name=name, image_id=image.id, flavor_id=flavor.id,
                availability_zone=f"nova:{computes[number % len(computes)]}",
                metadata={"ping": ",".join([*others, self.wanted.gateway])},
                networks=[{"uuid": self.networks[0].id, "fixed_ip": addresses[name]}],
            )

        in_parallel(make, enumerate(names))
        self.wait_for("guests", "ACTIVE", names, lambda: self.admin.compute.servers(all_projects=True))
        return len(names)

    def make_volumes(self) -> int:
        names = numbered("volume", self.counts["volumes"])
        present = by_name(self.admin.block_storage.volumes(all_projects=True))

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            if name not in present:
                self.of_number(number).block_storage.create_volume(
                    name=name, size=1 + number % 3, metadata={"number": str(number)}
                )

        self.wait_for_pools()
        in_parallel(make, enumerate(names))
        self.wait_for("volumes", "available", names, lambda: self.admin.block_storage.volumes(all_projects=True))
        return len(names)

    def wait_for_pools(self) -> None:
        """Wait until every scheduler of Cinder knows a pool: one that missed the backend's first word puts volumes into
        error until its next one, a minute later. The broker asks the schedulers in turn. Raises Timeout."""
        needed = 2 * MOST_CONTROLLERS
        known = [0]

        def known_to_all() -> bool:
            known[0] = known[0] + 1 if list(self.admin.block_storage.backend_pools()) else 0
            return known[0] >= needed

        until(known_to_all, 120, "Cinder's schedulers to know a pool")

    def make_stacks(self) -> int:
        names = numbered("stack", self.counts["stacks"])
        present = by_name(self.stacks())

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            if name not in present:
                self.of_number(number).orchestration.create_stack(name=name, template=STACK_TEMPLATE, timeout_mins=10)

        in_parallel(make, enumerate(names))
        self.wait_for("stacks", "CREATE_COMPLETE", names, self.stacks)
        return len(names)

    def stacks(self) -> list[Any]:
        return [stack for connection in self.scoped for stack in connection.orchestration.stacks()]

    def make_objects(self) -> int:
        """Objects of the object store, in a container of each project; those that are there are written again.

        Containers of all projects are in one space of names, as Fuel leaves it.
        """
        names = numbered("object", self.counts["objects"])

        def make(numbered_name: tuple[int, str]) -> None:
            number, name = numbered_name
            store = self.of_number(number).object_store
            container = self.project_names[number % len(self.project_names)]
            for path, data in ((container, b""), (f"{container}/{name}", bytes_of_image(number))):
                answer = store.put(f"/{path}", data=data)
                if answer.status_code >= 400:
                    raise ContentFailed(f"{path}: the object store answered {answer.status_code}")

        in_parallel(make, enumerate(names))
        return len(names)

    def wait_for(self, kind: str, wanted: str, names: list[str], listed: Callable[[], Iterable[Any]]) -> None:
        """Wait until all of ``names`` have the status ``wanted``. Raises ContentFailed at the first that failed."""

        def finished() -> bool:
            statuses = {found.name: found.status for found in listed()}
            failed = sorted(name for name in names if "ERROR" in statuses.get(name, "").upper() or
                            "FAILED" in statuses.get(name, ""))
            if failed:
                raise ContentFailed(f"{len(failed)} {kind} failed, {failed[0]} is {statuses[failed[0]]}")
            return all(statuses.get(name) == wanted for name in names)

        until(finished, 240, f"{len(names)} {kind} to be {wanted}", interval=1)


def load(lab: Lab) -> None:
    """Make the content of a lab's cloud, once its APIs answer. Raises CommandFailed with what failed."""
    client.remember(lab)
    run(client.in_gateway(lab, "lab.content", str(lab.state)), given=json.dumps(lab.definition), timeout=600)


def main(state: Path, definition: dict[str, Any]) -> None:
    """Make the content that ``definition`` asks for, and keep the users' passwords beside the lab's state."""
    wanted = Wanted.by(definition)
    users = numbered("user", wanted.counts["users"])
    client.write_private(state / PASSWORDS, {user: password_of(user) for user in users})
    for kind, count in Content(client.load(state), wanted).load():
        print(f"{kind}: {count}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.load(sys.stdin))
