"""What the cloud's users own, and whether it is still the same: ids and all that a user can see, row by row.

``snapshot`` asks the cloud's APIs; ``differences`` compares two snapshots; nothing of either is told by the software
that moves the cloud. What the probe made is left out by its name.
Run inside the gateway's namespace as ``python -m lab.compare STATE``; prints the snapshot as JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lab import client
from lab.command import run
from lab.content import PASSWORDS, in_parallel
from lab.probe.http import ask
from lab.probe.requests import NAME_PREFIX, authentication

if TYPE_CHECKING:
    from openstack.connection import Connection

    from lab.state import Lab

# kind -> id -> field -> value
Snapshot = dict[str, dict[str, dict[str, Any]]]

LOGIN_TIMEOUT = 30.0
FIELDS = {
    "projects": "name description domain_id parent_id is_enabled",
    "users": "name email domain_id default_project_id is_enabled",
    "roles": "name",
    "images": "name status visibility owner disk_format container_format size min_disk min_ram tags",
    "flavors": "name ram vcpus disk ephemeral swap is_public",
    "servers": "name status project_id compute_host flavor image addresses metadata key_name",
    "volumes": "name status size project_id volume_type is_bootable metadata attachments",
    "networks": "name status project_id is_shared is_router_external is_admin_state_up mtu provider_network_type "
    "provider_physical_network provider_segmentation_id subnet_ids",
    "subnets": "name project_id network_id cidr gateway_ip ip_version is_dhcp_enabled allocation_pools dns_nameservers",
    "routers": "name status project_id is_admin_state_up external_gateway_info routes",
    "ports": "name status project_id network_id mac_address fixed_ips device_id device_owner security_group_ids "
    "is_admin_state_up",
    "floating addresses": "floating_ip_address fixed_ip_address port_id router_id project_id status",
    "security groups": "name description project_id",
    "security group rules": "security_group_id direction ether_type protocol port_range_min port_range_max "
    "remote_ip_prefix remote_group_id",
    "stacks": "name status parameters",
}


def row(kind: str, found: Any) -> dict[str, Any]:
    """The fields of one object that its kind is compared by, as plain values in a fixed order."""
    return {name: plain(getattr(found, name, None)) for name in FIELDS[kind].split()}


def plain(value: Any) -> Any:
    """``value`` as JSON knows it: resources as dictionaries, lists without an order of their own sorted."""
    if hasattr(value, "to_dict"):
        value = {key: inner for key, inner in value.to_dict().items() if inner is not None and key != "location"}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, (list, tuple, set)):
        return sorted((plain(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


def rows(kind: str, objects: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Objects of one kind by id, without the probe's."""
    return {found.id: row(kind, found) for found in objects if not str(found.name or "").startswith(NAME_PREFIX)}


def listings(admin: Connection) -> dict[str, Any]:
    """How each kind is listed for all projects, by the administrator."""
    identity: Any = admin.identity
    network = admin.network
    return {
        "projects": identity.projects,
        "users": identity.users,
        "roles": identity.roles,
        "images": admin.image.images,
        "flavors": lambda: admin.compute.flavors(is_public=None),
        "servers": lambda: admin.compute.servers(all_projects=True),
        "volumes": lambda: admin.block_storage.volumes(all_projects=True),
        "networks": network.networks,
        "subnets": network.subnets,
        "routers": network.routers,
        "ports": network.ports,
        "floating addresses": network.ips,
        "security groups": network.security_groups,
        "security group rules": network.security_group_rules,
    }


def snapshot(state: Path) -> Snapshot:
    """All of the cloud that is compared. Raises openstack.exceptions.SDKException when an API does not answer."""
    credentials = client.load(state)
    admin = client.connect(credentials)
    admin.authorize()
    lists = listings(admin)
    with ThreadPoolExecutor(4) as pool:
        taken = dict(zip(lists, pool.map(lambda kind: rows(kind, lists[kind]()), lists), strict=True))
    taken["role assignments"] = role_assignments(admin)
    add_image_bytes(admin, taken["images"])
    taken["key pairs"] = key_pairs(admin, taken["users"])
    taken["stacks"] = stacks(credentials, taken["projects"])
    if admin.endpoint_for("object-store"):
        taken["objects"] = objects(credentials, taken["projects"])
    taken["logins"] = logins(state, credentials, taken)
    return taken


def role_assignments(admin: Connection) -> dict[str, dict[str, Any]]:
    """Who has which role where; an assignment has no id, so it is its own."""
    identity: Any = admin.identity
    found = (
        {"role": plain(one.role), "who": plain(one.user or one.group), "scope": plain(one.scope)}
        for one in identity.role_assignments()
    )
    return {json.dumps(one, sort_keys=True): one for one in found}


def add_image_bytes(admin: Connection, images: dict[str, dict[str, Any]]) -> None:
    """Download every active image and add the digest of what came."""

    def add(identifier: str) -> None:
        content = admin.image.download_image(identifier).content
        images[identifier]["sha256"] = hashlib.sha256(content).hexdigest()

    in_parallel(add, [identifier for identifier, image in images.items() if image["status"] == "active"])


def key_pairs(admin: Connection, users: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every user's key pairs by user and name."""

    def of_user(user: str) -> list[Any]:
        return list(admin.compute.keypairs(user_id=user))

    return {
        f"{user} {pair.name}": {"name": pair.name, "fingerprint": pair.fingerprint}
        for user, pairs in zip(users, in_parallel(of_user, users), strict=True)
        for pair in pairs
    }


def stacks(credentials: client.Credentials, projects: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Stacks of the projects that the administrator has a role in: a stack is seen from its own project only."""
    found: dict[str, dict[str, Any]] = {}
    for name in entered(projects):
        found |= rows("stacks", client.connect(credentials, name).orchestration.stacks())
    return found


def entered(projects: dict[str, dict[str, Any]]) -> list[str]:
    """Names of the projects that the administrator has a role in."""
    return sorted(project["name"] for project in projects.values() if project["name"].startswith("project-"))


def objects(credentials: client.Credentials, projects: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every object of those projects by project, container and name, with the digest of what is downloaded."""
    found: dict[str, dict[str, Any]] = {}
    for project in entered(projects):
        store = client.connect(credentials, project).object_store
        for container in store.containers():
            for one in store.objects(container):
                found[f"{project} {container.name}/{one.name}"] = described(store, f"{container.name}/{one.name}")
    return found


def described(store: Any, path: str) -> dict[str, Any]:
    """What a download of an object gives."""
    answer = store.get(f"/{quote(path)}")
    kind = answer.headers.get("Content-Type")
    return {"status": answer.status_code, "type": kind, "sha256": hashlib.sha256(answer.content).hexdigest()}


def logins(state: Path, credentials: client.Credentials, taken: Snapshot) -> dict[str, dict[str, Any]]:
    """Whether each user of the lab's own gets a token with the password that is kept in the lab's state."""
    passwords = json.loads((state / PASSWORDS).read_text(encoding="utf-8"))
    project_names = {identifier: project["name"] for identifier, project in taken["projects"].items()}
    projects = {user["name"]: project_names.get(user["default_project_id"], "") for user in taken["users"].values()}

    async def log_in(user: str, places: asyncio.Semaphore) -> int:
        request = authentication(user, passwords[user], projects.get(user, ""))
        async with places:
            return (await ask(credentials.public, 5000, request, LOGIN_TIMEOUT)).status

    async def all_of_them() -> list[int]:
        places = asyncio.Semaphore(4)
        return await asyncio.gather(*(log_in(user, places) for user in passwords))

    statuses = asyncio.run(all_of_them())
    return {user: {"token": status == 201} for user, status in zip(passwords, statuses, strict=True)}


def differences(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """One sentence for each row or field that is not the same."""
    for kind in sorted(before.keys() | after.keys()):
        old, new = before.get(kind, {}), after.get(kind, {})
        for identifier in sorted(old.keys() | new.keys()):
            yield from row_differences(f"{kind} {identifier}", old.get(identifier), new.get(identifier))


def row_differences(what: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> Iterator[str]:
    """What is not the same in one row; ``what`` names it."""
    if old is None:
        yield f"{what} is new: {json.dumps(new, sort_keys=True)}"
    elif new is None:
        yield f"{what} is missing: {json.dumps(old, sort_keys=True)}"
    else:
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield f"{what} {name}: {json.dumps(old.get(name))} became {json.dumps(new.get(name))}"


def counts(taken: Snapshot) -> dict[str, int]:
    """How many rows of each kind there are."""
    return {kind: len(of_kind) for kind, of_kind in sorted(taken.items())}


def take(lab: Lab) -> Snapshot:
    """A snapshot of a lab's cloud. Raises CommandFailed with what failed."""
    done = run(client.in_gateway(lab, "lab.compare", str(lab.state)), timeout=300)
    return json.loads(done.stdout)


def main() -> None:
    json.dump(snapshot(Path(sys.argv[1])), sys.stdout)


if __name__ == "__main__":
    main()
