"""HAProxy's files with Fuel's names and ports: one file a service in conf.d, read after haproxy.cfg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .environment import Environment
from .files import File, render

FOLDER = "/etc/haproxy/conf.d"
STATS_PORT = 10000
NOBODY = ("retries 0", "timeout connect 500ms")
API_CHECK = "inter 10s fastinter 2s downinter 3s rise 1 fall 3"
DATABASE_CHECK = "check port 49000 inter 20s fastinter 2s downinter 2s rise 1 fall 3 on-marked-down shutdown-sessions"

BOTH, INTERNAL, PUBLIC = ("management", "public"), ("management",), ("public",)


@dataclass(frozen=True)
class Service:
    """One listener. ``order`` and ``name`` make the file's name; ``sides``: networks on whose VIP it listens;
    ``check``: how its servers are looked at, "" not at all; ``releases``: of Fuel that have it; ``of_objects``: only
    where objects are in Ceph."""

    order: int
    name: str
    port: int
    backend_port: int
    options: tuple[str, ...]
    sides: tuple[str, ...] = BOTH
    check: str = f"check {API_CHECK}"
    one_active: bool = False
    releases: tuple[str, ...] = ("6.1", "7.0")
    of_objects: bool = False

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.order:03}-{self.name}.cfg"


def _http(path: str) -> tuple[str, ...]:
    """Options of an API: any answer but a server error shows that it lives (without a token many say 401)."""
    return ("option httplog", f"option httpchk GET {path}", "http-check expect rstatus ^(2|3|401)")


def _http_of_nobody(order: int, name: str, port: int, sides: tuple[str, ...] = BOTH, **more: Any) -> Service:
    """A frontend of Fuel whose service the lab does not have: HAProxy answers 503 by itself, at once, and looks for no
    server."""
    return Service(order, name, port, port, ("option httplog", *NOBODY), sides, check="", **more)


SERVICES = (
    _http_of_nobody(15, "horizon", 80, PUBLIC),
    Service(17, "horizon-ssl", 443, 443, ("mode tcp", *NOBODY), PUBLIC, check="", releases=("6.1",)),
    Service(20, "keystone-1", 5000, 5000, _http("/v3")),
    Service(30, "keystone-2", 35357, 5000, _http("/v3"), INTERNAL),
    _http_of_nobody(40, "nova-api-1", 8773),
    Service(50, "nova-api-2", 8774, 8774, _http("/")),
    _http_of_nobody(60, "nova-metadata-api", 8775, INTERNAL),
    Service(70, "cinder-api", 8776, 8776, _http("/")),
    Service(75, "placement-api", 8778, 8778, _http("/")),
    Service(80, "glance-api", 9292, 9292, _http("/healthcheck")),
    Service(85, "neutron", 9696, 9696, _http("/")),
    _http_of_nobody(90, "glance-registry", 9191, INTERNAL),
    Service(
        110,
        "mysqld",
        3306,
        3307,
        ("mode tcp", "option tcpka", "option httpchk", "timeout client 28801s", "timeout server 28801s"),
        INTERNAL,
        check=DATABASE_CHECK,
        one_active=True,
    ),
    Service(130, "radosgw", 8080, 6780, _http("/"), of_objects=True),
    Service(160, "heat-api", 8004, 8004, _http("/")),
    # The two change their ports with 7.0.
    _http_of_nobody(161, "heat-api-cfn", 8003, releases=("6.1",)),
    _http_of_nobody(162, "heat-api-cloudwatch", 8000, releases=("6.1",)),
    _http_of_nobody(161, "heat-api-cfn", 8000, releases=("7.0",)),
    _http_of_nobody(162, "heat-api-cloudwatch", 8003, releases=("7.0",)),
    _http_of_nobody(170, "nova-novncproxy", 6080, PUBLIC),
)

STATS = """
listen stats
  bind {address}:{port}
  mode http
  stats enable
  stats uri /
  stats refresh 5s
  stats show-node
"""

APIS = {
    service.name: service.port
    for service in SERVICES
    if service.check and service.name not in ("mysqld", "keystone-2", "radosgw")
}
"""API name to its port on the VIPs, of those that the lab has."""


def files(environment: Environment) -> list[File]:
    """haproxy.cfg and conf.d; the same on all controllers."""
    management = environment.vips["management"]
    made = [
        File("/etc/haproxy/haproxy.cfg", render("haproxy.cfg.j2", {})),
        File(f"{FOLDER}/010-stats.cfg", STATS.format(address=management, port=STATS_PORT)),
    ]
    for service in SERVICES:
        if environment.fuel_release not in service.releases or service.of_objects > environment.has_objects:
            continue
        addresses = [environment.vips[side] for side in service.sides]
        context = {"service": service, "addresses": addresses, "nodes": environment.controllers}
        made.append(File(service.path, render("haproxy-listen.cfg.j2", context)))
    return made
