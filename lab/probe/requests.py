"""What the probe asks of each API: data, and how to fill it in.

A *light* request needs no token and reaches no database, so that it can be repeated ten times a second for each API on
two cores: it goes through the VIP, HAProxy and a living API process. A light read asks for the versions that an API
tells everybody, as every client does first, and must get them. A light write is a POST to a path that no API has, which
is answered soonest: HAProxy refuses it with 503 while the APIs are read-only; what the API itself answers to it (300,
401, 404) does not matter. A *full* read
lists something from the database and must not be empty (but for stacks, which belong to other projects); a *full* write
makes a small object whose name begins with "probe-", and an acknowledged one must be found afterwards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

NAME_PREFIX = "probe-"
# Placement wants its own prefix, capitals and no dash.
TRAIT_PREFIX = "CUSTOM_PROBE_"


@dataclass(frozen=True)
class Api:
    """One API: its port on the VIP and its full requests.

    In paths and bodies ``{project}`` is the administrator's project id and ``{name}`` the object's new name; ``lookup``
    says where the object can be found by the ``{id}`` that the write was answered with. ``holds`` is what the answer
    of a read of a cloud with content contains. ``versions`` is the path of what a light read asks for.
    """

    name: str
    port: int
    read: str
    method: str
    write: str
    body: Any
    lookup: str
    holds: str = '"id"'
    headers: tuple[tuple[str, str], ...] = ()
    versions: str = "/"


APIS = (
    Api(
        "keystone", 5000, "/v3/projects?name=project-01",
        "POST", "/v3/regions", {"region": {"id": "{name}", "description": "made by the probe"}}, "/v3/regions/{id}",
        versions="/v3",
    ),
    Api(
        "glance", 9292, "/v2/images?limit=1",
        "POST", "/v2/images", {"name": "{name}", "disk_format": "raw", "container_format": "bare"}, "/v2/images/{id}",
    ),
    Api(
        "nova", 8774, "/v2.1/servers?all_tenants=1&limit=1",
        "POST", "/v2.1/flavors",
        {"flavor": {"name": "{name}", "id": "{name}", "ram": 1, "vcpus": 1, "disk": 0}}, "/v2.1/flavors/{id}",
    ),
    Api(
        "placement", 8778, "/resource_providers",
        "PUT", "/traits/{name}", None, "/traits/{id}",
        holds='"uuid"', headers=(("OpenStack-API-Version", "placement 1.6"),),
    ),
    Api(
        "neutron", 9696, "/v2.0/networks?limit=1&fields=id",
        "POST", "/v2.0/address-scopes", {"address_scope": {"name": "{name}", "ip_version": 4}},
        "/v2.0/address-scopes/{id}",
    ),
    Api(
        "cinder", 8776, "/v3/{project}/volumes?all_tenants=1&limit=1",
        "POST", "/v3/{project}/types", {"volume_type": {"name": "{name}"}}, "/v3/{project}/types/{id}",
    ),
    Api(
        "heat", 8004, "/v1/{project}/stacks?limit=1",
        "POST", "/v1/{project}/software_configs", {"name": "{name}", "group": "script", "config": "true"},
        "/v1/{project}/software_configs/{id}", holds='"stacks"',
    ),
)
APIS_BY_NAME = {api.name: api for api in APIS}


@dataclass(frozen=True)
class Request:
    """One HTTP request: method, path, headers, body (empty for none)."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def encode(self, host: str) -> bytes:
        """The bytes to send. The connection is closed after it, so that each request meets whoever has the VIP."""
        headers = [("Host", host), ("Connection", "close"), ("Accept", "application/json"), *self.headers]
        if self.body or self.method in ("POST", "PUT"):
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(self.body)))]
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode() + self.body


VERSIONS = (200, 300), b'"version'
"""Statuses of an answer that tells versions, and what is in it."""
LIGHT_WRITE = Request("POST", "/probe/light", body=b"{}")


@dataclass(frozen=True)
class Session:
    """What full requests are made with: a token and the id of its project."""

    token: str
    project: str

    def headers(self, api: Api) -> tuple[tuple[str, str], ...]:
        return (("X-Auth-Token", self.token), *api.headers)


def light_read(api: Api) -> Request:
    """What the API tells everybody: the versions it speaks."""
    return Request("GET", api.versions)


def full_read(api: Api, session: Session) -> Request:
    """A list of something that the cloud has."""
    return Request("GET", api.read.replace("{project}", session.project), session.headers(api))


def full_write(api: Api, session: Session, number: int, run: str) -> Request:
    """A new object with a name of its own: ``run`` tells this probe from others, ``number`` counts its writes."""
    name = f"{TRAIT_PREFIX}{run.upper()}_{number}" if api.name == "placement" else f"{NAME_PREFIX}{run}-{number}"
    path = api.write.replace("{project}", session.project).replace("{name}", name)
    body = b"" if api.body is None else json.dumps(api.body).replace("{name}", name).encode()
    return Request(api.method, path, session.headers(api), body)


def lookup(api: Api, session: Session, identifier: str) -> Request:
    """Ask for one object by the id that its creation was answered with."""
    return Request("GET", object_path(api, session, identifier), session.headers(api))


def removal(api: Api, session: Session, identifier: str) -> Request:
    """Delete one object of the probe."""
    return Request("DELETE", object_path(api, session, identifier), session.headers(api))


def object_path(api: Api, session: Session, identifier: str) -> str:
    return api.lookup.replace("{project}", session.project).replace("{id}", identifier)


def identifier_of(api: Api, request: Request, answer: bytes) -> str:
    """The id of what an acknowledged write made. Raises ValueError when the answer names none."""
    if api.name == "placement":
        return request.path.rsplit("/", 1)[1]
    document = json.loads(answer)
    inner = next((value for value in document.values() if isinstance(value, dict) and "id" in value), document)
    if "id" not in inner:
        raise ValueError(f"{api.name} acknowledged {request.method} {request.path} without an id")
    return str(inner["id"])


def authentication(username: str, password: str, project: str) -> Request:
    """Ask for a token in the scope of a project, all by name in the default domain."""
    domain = {"id": "default"}
    user = {"name": username, "domain": domain, "password": password}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    return Request("POST", "/v3/auth/tokens", body=json.dumps(body).encode())
