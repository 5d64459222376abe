"""HAProxy's files with Fuel's names and ports: one file a service in conf.d, read after haproxy.cfg."""

from __future__ import annotations

from dataclasses import dataclass

from .environment import Environment
from .files import File, render

FOLDER = "/etc/haproxy/conf.d"
STATS_PORT = 10000
API_CHECK = "inter 10s fastinter 2s downinter 3s rise 1 fall 3"
DATABASE_CHECK = "port 49000 inter 20s fastinter 2s downinter 2s rise 1 fall 3 on-marked-down shutdown-sessions"


@dataclass(frozen=True)
class Service:
    """One listener. ``order`` and ``name`` make the file's name; ``public``: also on the public VIP."""

    order: int
    name: str
    port: int
    backend_port: int
    options: tuple[str, ...]
    public: bool = True
    check: str = API_CHECK
    one_active: bool = False

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.order:03}-{self.name}.cfg"


def _http(path: str) -> tuple[str, ...]:
    """Options of an API: any answer but a server error shows that it lives (without a token many say 401)."""
    return ("option httplog", f"option httpchk GET {path}", "http-check expect rstatus ^(2|3|401)")


SERVICES = (
    Service(20, "keystone-1", 5000, 5000, _http("/v3")),
    Service(30, "keystone-2", 35357, 5000, _http("/v3"), public=False),
    Service(50, "nova-api-2", 8774, 8774, _http("/")),
    Service(70, "cinder-api", 8776, 8776, _http("/")),
    Service(75, "placement-api", 8778, 8778, _http("/")),
    Service(80, "glance-api", 9292, 9292, _http("/healthcheck")),
    Service(85, "neutron", 9696, 9696, _http("/")),
    Service(
        110,
        "mysqld",
        3306,
        3307,
        ("mode tcp", "option tcpka", "option httpchk", "timeout client 28801s", "timeout server 28801s"),
        public=False,
        check=DATABASE_CHECK,
        one_active=True,
    ),
    Service(160, "heat-api", 8004, 8004, _http("/")),
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

APIS = {service.name: service.port for service in SERVICES if service.name not in ("mysqld", "keystone-2")}
"""API name to its port on the VIPs."""


def files(environment: Environment) -> list[File]:
    """haproxy.cfg and conf.d; the same on all controllers."""
    management, public = environment.vips["management"], environment.vips["public"]
    made = [
        File("/etc/haproxy/haproxy.cfg", render("haproxy.cfg.j2", {})),
        File(f"{FOLDER}/010-stats.cfg", STATS.format(address=management, port=STATS_PORT)),
    ]
    for service in SERVICES:
        addresses = [management, public] if service.public else [management]
        context = {"service": service, "addresses": addresses, "nodes": environment.controllers}
        made.append(File(service.path, render("haproxy-listen.cfg.j2", context)))
    return made
