"""The message broker: RabbitMQ on 5673 of the management network; clients name every controller, there is no VIP."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from .environment import Environment, Node
from .files import File, render

PORT = 5673
USER = "nova"
COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
OWNER = "rabbitmq:rabbitmq"

ENVIRONMENT = """NODENAME=rabbit@{name}
SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +SDcpu 1:1 +A 4 +sbwt none +sbwtdcpu none +sbwtdio none"
ERL_EPMD_ADDRESS={address}
DIST_PORT=25673
"""
"""One scheduler that does not spin: three brokers of an idle cloud would else take a core."""


def files(environment: Environment, node: Node) -> list[File]:
    """Configuration of the broker on one controller."""
    context = {
        "address": node.management,
        "port": PORT,
        "password": environment.settings["rabbit"]["password"],
        "cluster": f"environment-{environment.identifier}",
        "names": [peer.name for peer in environment.controllers],
    }
    return [
        File("/etc/rabbitmq/rabbitmq.conf", render("rabbitmq.conf.j2", context), 0o640, OWNER),
        File("/etc/rabbitmq/rabbitmq-env.conf", ENVIRONMENT.format(name=node.name, address=node.management)),
        File("/etc/rabbitmq/enabled_plugins", "[].\n"),
        File(COOKIE, cookie(environment), 0o400, OWNER),
    ]


def cookie(environment: Environment) -> str:
    """The secret of the brokers of one environment; two environments share passwords, and must not share this."""
    seed = f"{environment.identifier}:{environment.settings['rabbit']['password']}"
    return hashlib.sha256(seed.encode()).hexdigest()[:20].upper()


def transport_url(environment: Environment) -> str:
    """oslo.messaging's URL: all controllers by management address."""
    login = f"{USER}:{quote(environment.settings['rabbit']['password'], safe='')}"
    return "rabbit://" + ",".join(f"{login}@{node.management}:{PORT}" for node in environment.controllers) + "/"


def running_nodes(host: Any) -> list[str]:
    """Broker nodes that ``host``'s broker sees running, empty when it does not answer."""
    answer = host.run(["rabbitmqctl", "-q", "cluster_status", "--formatter", "json"], check=False)
    return list(json.loads(answer.stdout)["running_nodes"]) if answer.returncode == 0 else []
