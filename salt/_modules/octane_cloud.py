"""
What the OpenStack APIs of this controller's own cloud hold, and its removal by name.

Asks as the administrator of ``/root/openrc``, which Fuel leaves on every controller; the credentials never leave the
node. Keystone v3 is tried first, then v2.0 (Juno's ``OS_AUTH_URL`` ends in ``/v2.0/``).
"""

import concurrent.futures
import http.client
import ipaddress
import json
import re
import shlex
import time
import urllib.error
import urllib.parse
import urllib.request

from salt.exceptions import CommandExecutionError

OPENRC = "/root/openrc"
TIMEOUT = 30

# kind: (service types, collection path, key of the list in the answer)
KINDS = {
    "images": (("image",), "/v2/images", "images"),
    "floatingips": (("network",), "/v2.0/floatingips", "floatingips"),
    "routers": (("network",), "/v2.0/routers", "routers"),
    "subnets": (("network",), "/v2.0/subnets", "subnets"),
    "networks": (("network",), "/v2.0/networks", "networks"),
}

# What is asked for to warm an API up, below its endpoint, or below its root where the catalogue may or may not name a
# version.
UNVERSIONED = ("identity", "network", "image")
LISTS = {
    "identity": ("/v3/projects", "/v3/users?limit=20"),
    "compute": ("/servers/detail?all_tenants=1&limit=20", "/flavors/detail", "/os-services"),
    "network": ("/v2.0/networks", "/v2.0/ports?limit=20", "/v2.0/routers"),
    "image": ("/v2/images?limit=20",),
    "volumev2": ("/volumes/detail?all_tenants=1&limit=20",),
    "volumev3": ("/volumes/detail?all_tenants=1&limit=20", "/types"),
    "orchestration": ("/stacks?limit=20",),
    "placement": ("/resource_providers",),
}


def resources():
    """
    Images, floating addresses, routers, subnets and networks of this cloud, all projects, in the order in which they
    can be removed.

    :return: ``{"images": [{"id": str, "name": str}, ...], ...}``
    :raises CommandExecutionError: an API that does not answer, with its address.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.resources
    """
    session = _Session()
    return {kind: [_identity(entry) for entry in session.listing(kind)] for kind in KINDS}


def remove(kind, identifier, name):
    """
    Remove one resource, when the name it has is the one given; gone already is good.

    :param kind: a key of what :func:`resources` returns
    :return: ``{"was": bool}``: whether it was there
    :raises CommandExecutionError: when it has another name, or the API refuses.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.remove images 6d29c1a4-3f4b-43f1-b0e5-07f1c9a2b6ad TestVM
    """
    if kind not in KINDS or not re.fullmatch(r"[0-9A-Fa-f-]{32,36}", identifier):
        raise CommandExecutionError(f"no kind or id of a resource: {kind} {identifier}")
    session = _Session()
    found = {entry["id"]: entry for entry in session.listing(kind)}.get(identifier)
    if found is None:
        return {"was": False}
    if _identity(found)["name"] != name:
        raise CommandExecutionError(
            f"{kind} {identifier} is named {_identity(found)['name']!r}, not {name!r}: not removed"
        )
    if kind == "routers":
        _empty_router(session, identifier)
    session.call("DELETE", kind, f"/{identifier}")
    return {"was": True}


def delete_record(service_type, identifier):
    """
    Delete nova's record of a service or neutron's of an agent; gone already is good.

    :param service_type: ``compute`` or ``network``
    :return: ``True`` when it was deleted, ``False`` when it was not there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.delete_record network 6d29c1a4-3f4b-43f1-b0e5-07f1c9a2b6ad
    """
    path = {"compute": "/os-services/", "network": "/v2.0/agents/"}.get(service_type)
    if path is None or not re.fullmatch(r"[0-9A-Fa-f-]{1,36}", str(identifier)):
        raise CommandExecutionError(f"no record of a service: {service_type} {identifier}")
    return _Session().delete(service_type, f"{path}{identifier}")


def compute_services():
    """
    Nova's record of each nova-compute.

    :return: ``[{"host", "enabled": bool, "reason": text, "up": bool}]``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.compute_services
    """
    session = _Session()
    base = session.catalog["compute"].rstrip("/")
    found = session.send("GET", f"{base}/os-services?binary=nova-compute")["services"]
    return [
        {
            "host": one["host"],
            "enabled": one["status"] == "enabled",
            "reason": one.get("disabled_reason") or "",
            "up": one["state"] == "up",
        }
        for one in found
    ]


def schedule_compute(host, enabled, reason=""):
    """
    Let a compute get new guests, or none, with the reason for that.

    :param host: as nova knows it
    :return: ``{"host", "enabled"}``
    :raises CommandExecutionError: nova does not say so afterwards

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.schedule_compute node-7.domain.tld False 'installed anew'
    """
    session = _Session()
    base = session.catalog["compute"].rstrip("/")
    body = {"host": host, "binary": "nova-compute"}
    if enabled:
        session.send("PUT", f"{base}/os-services/enable", body)
    else:
        session.send("PUT", f"{base}/os-services/disable-log-reason", {**body, "disabled_reason": reason})
    said = {one["host"]: one["enabled"] for one in compute_services()}
    if said.get(host) is not bool(enabled):
        raise CommandExecutionError(f"nova says of {host} that it is {'enabled' if said.get(host) else 'disabled'}")
    return {"host": host, "enabled": bool(enabled)}


def ask(service_type, requests):
    """
    Ask an API on this controller itself, one request after the other with one token: behind HAProxy's back, where it
    may refuse writes. None where the catalogue has no such service.

    :param requests: ``[{"method": str, "path": below the service's root, "body": data or missing}]``
    :return: answers as data; gone already (DELETE, 404) and there already (POST, 409) are ``None``
    :raises CommandExecutionError: another status than those and success

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.ask network '[{method: GET, path: /v2.0/agents}]'
    """
    session = _Session()
    if service_type not in session.catalog:
        return []
    base = session.here(service_type)
    return [session.send(one["method"], base + one["path"], one.get("body")) for one in requests]


def warm(addresses=None, timeout=10):
    """
    Ask the APIs on this controller's own addresses for their lists, each twice and several at once, so that every
    process has answered before a user asks.

    :param addresses: those in the network of the virtual address when not given
    :param timeout: seconds for one request
    :return: ``{"requests": int, "slowest": seconds, "failed": ["<address>: why"]}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_cloud.warm
    """
    session = _Session()
    urls = [url for address in addresses or _own_addresses(session.settings) for url in session.lists_at(address)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda url: _timed(url, session.token, timeout), urls * 2))
    failed = sorted({f"{url}: {why}" for url, _, why in answers if why})
    slowest = max((seconds for _, seconds, _ in answers), default=0.0)
    return {"requests": len(answers), "slowest": round(slowest, 3), "failed": failed}


def _own_addresses(settings):
    virtual = ipaddress.ip_address(urllib.parse.urlsplit(settings["OS_AUTH_URL"]).hostname)
    given = [ipaddress.ip_interface(one) for found in __salt__["octane_net.addresses"]().values()
             for one in found["addresses"]]  # fmt: skip
    return [str(one.ip) for one in given if virtual in one.network and one.ip != virtual]


def _timed(url, token, timeout):
    """``(url, seconds, why it failed or None)``"""
    request, started, why = urllib.request.Request(url, headers={"X-Auth-Token": token}), time.monotonic(), None
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            answer.read()
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        why = str(error)
    return url, time.monotonic() - started, why


def _identity(entry):
    return {"id": entry["id"], "name": entry.get("name") or entry.get("floating_ip_address") or ""}


def _empty_router(session, identifier):
    """A router goes only when it has neither gateway nor interfaces."""
    session.call("PUT", "routers", f"/{identifier}", {"router": {"external_gateway_info": {}}})
    ports = session.get(("network",), f"/v2.0/ports?device_id={identifier}")["ports"]
    for port in ports:
        session.call("PUT", "routers", f"/{identifier}/remove_router_interface", {"port_id": port["id"]})


class _Session:
    """A token and a catalogue, kept for one call of a function of this module."""

    def __init__(self):
        self.settings = _settings()
        self.token, self.catalog = _authenticate(self.settings)

    def listing(self, kind):
        types, path, key = KINDS[kind]
        return self.get(types, path)[key]

    def get(self, types, path):
        return _request("GET", self._base(types) + path, token=self.token)[1]

    def call(self, method, kind, tail, body=None):
        types, path, _ = KINDS[kind]
        return _request(method, self._base(types) + path + tail, body, self.token)[1]

    def lists_at(self, address):
        """Addresses of the lists, with the host of each internal endpoint replaced."""
        found = []
        for service_type, paths in LISTS.items():
            if service_type in self.catalog:
                parts = urllib.parse.urlsplit(self.catalog[service_type])
                path = "" if service_type in UNVERSIONED else parts.path.rstrip("/")
                base = parts._replace(netloc=f"{address}:{parts.port or 80}", path=path).geturl()
                found += [base + one for one in paths]
        return found

    def here(self, service_type):
        """Root of a service on this controller's own address."""
        addresses = _own_addresses(self.settings)
        if not addresses:
            raise CommandExecutionError("this controller has no address beside the virtual one of keystone")
        parts = urllib.parse.urlsplit(self._base((service_type,)))
        return parts._replace(netloc=f"{addresses[0]}:{parts.port or 80}").geturl()

    def send(self, method, url, body=None):
        try:
            return _request(method, url, body, self.token, raise_http=True)[1]
        except urllib.error.HTTPError as error:
            if (method, error.code) in (("DELETE", 404), ("POST", 409)):
                return None
            raise CommandExecutionError(f"{method} {url} answered {error.code}") from None

    def delete(self, service_type, path):
        unversioned = service_type in UNVERSIONED
        base = self._base((service_type,)) if unversioned else self.catalog[service_type].rstrip("/")
        try:
            _request("DELETE", base + path, token=self.token, raise_http=True)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise CommandExecutionError(f"DELETE {base}{path} answered {error.code}") from None
        return True

    def _base(self, types):
        for service_type in types:
            if service_type in self.catalog:
                return re.sub(r"/(v[\d.]+/?)?$", "", self.catalog[service_type])
        raise CommandExecutionError(f"keystone's catalogue has no internal endpoint of {' or '.join(types)}")


def _settings():
    """``OS_*`` variables of the file, as a shell would read its plain ``export NAME=VALUE`` lines."""
    settings = {}
    with open(OPENRC, encoding="utf-8") as handle:
        for line in handle:
            words = shlex.split(line, comments=True)
            if words and words[0] == "export":
                words = words[1:]
            for word in words:
                name, _, value = word.partition("=")
                if name.startswith("OS_"):
                    settings[name] = value
    return settings


def _authenticate(settings):
    base = re.sub(r"/(v[\d.]+/?)?$", "", settings["OS_AUTH_URL"])
    try:
        return _authenticate_v3(base, settings)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise CommandExecutionError(f"{base}/v3/auth/tokens answered {error.code}") from None
    return _authenticate_v2(base, settings)


def _authenticate_v3(base, settings):
    domain = {"name": settings.get("OS_USER_DOMAIN_NAME", "Default")}
    project = settings.get("OS_PROJECT_NAME") or settings["OS_TENANT_NAME"]
    identity = {
        "methods": ["password"],
        "password": {
            "user": {"name": settings["OS_USERNAME"], "domain": domain, "password": settings["OS_PASSWORD"]},
        },
    }
    project_domain = {"name": settings.get("OS_PROJECT_DOMAIN_NAME", "Default")}
    scope = {"project": {"name": project, "domain": project_domain}}
    body = {"auth": {"identity": identity, "scope": scope}}
    headers, answer = _request("POST", f"{base}/v3/auth/tokens", body, raise_http=True)
    catalog = {
        service["type"]: endpoint["url"]
        for service in answer["token"]["catalog"]
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "internal"
    }
    return headers["X-Subject-Token"], catalog


def _authenticate_v2(base, settings):
    credentials = {"username": settings["OS_USERNAME"], "password": settings["OS_PASSWORD"]}
    tenant = settings.get("OS_TENANT_NAME") or settings["OS_PROJECT_NAME"]
    body = {"auth": {"tenantName": tenant, "passwordCredentials": credentials}}
    access = _request("POST", f"{base}/v2.0/tokens", body)[1]["access"]
    catalog = {service["type"]: service["endpoints"][0]["internalURL"] for service in access["serviceCatalog"]}
    return access["token"]["id"], catalog


def _request(method, url, body=None, token=None, raise_http=False):
    """One request; JSON in and out. Errors name the method, the address and the status, never the body sent."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token:
        headers["X-Auth-Token"] = token
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            content = answer.read()
            return answer.headers, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        if raise_http:
            raise
        raise CommandExecutionError(f"{method} {url} answered {error.code}") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise CommandExecutionError(f"{method} {url}: {error}") from None
