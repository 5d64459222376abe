"""The lab's own client of its cloud: whose credentials it uses, and how it reaches the public APIs.

Everything that talks to an API runs inside the namespace of the lab's gateway (see ``in_gateway``), where the public
VIP can be reached; the machine itself cannot reach it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lab import network
from lab.state import Lab, LabError

if TYPE_CHECKING:
    from openstack.connection import Connection

CREDENTIALS = "client.json"
# The newest that both releases speak; from 2.37 on a server may be asked for without a network.
COMPUTE_MICROVERSION = "2.90"


@dataclass(frozen=True)
class Credentials:
    """An administrator of the cloud, and the public address that every API is reached at.

    ``addresses`` are the VIPs and the controllers' addresses, by what they are: "public VIP", "node-1 management".
    """

    public: str
    username: str
    password: str
    project: str
    region: str = "RegionOne"
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def auth_url(self) -> str:
        return f"http://{self.public}:5000/v3"


def parse_openrc(text: str) -> dict[str, str]:
    """The OS_* variables that the text of an openrc file exports."""
    words = (shlex.split(line, comments=True) for line in text.splitlines())
    exports = (pair[1].partition("=") for pair in words if len(pair) == 2 and pair[0] == "export")
    return {name: value for name, _, value in exports if name.startswith("OS_")}


def from_controller(openrc: str, facts: dict[str, Any]) -> Credentials:
    """Credentials from a Fuel controller's /root/openrc and /etc/astute.yaml.

    The openrc of 6.1 names a tenant, the one of 7.0 a project too.
    """
    variables = parse_openrc(openrc)
    return Credentials(
        public=facts["public_vip"],
        username=variables["OS_USERNAME"],
        password=variables["OS_PASSWORD"],
        project=variables.get("OS_PROJECT_NAME") or variables["OS_TENANT_NAME"],
        region=variables.get("OS_REGION_NAME", "RegionOne"),
        addresses=controller_addresses(facts),
    )


def controller_addresses(facts: dict[str, Any]) -> dict[str, str]:
    """The VIPs and the controllers' addresses in deployment facts (astute.yaml), by what they are."""
    addresses = {"public VIP": facts["public_vip"], "management VIP": facts["management_vip"]}
    for node in facts["nodes"]:
        if node["role"].endswith("controller"):
            addresses[f"{node['name']} management"] = node["internal_address"]
            addresses[f"{node['name']} public"] = node["public_address"]
    return addresses


def save(state: Path, credentials: Credentials) -> None:
    """Keep the credentials in the lab's state directory, for its owner alone."""
    write_private(state / CREDENTIALS, asdict(credentials))


def load(state: Path) -> Credentials:
    """The credentials that ``save`` kept. Raises LabError before the cloud has been deployed."""
    try:
        return Credentials(**json.loads((state / CREDENTIALS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise LabError(f"the lab in {state} has no cloud yet") from None


def remember(lab: Lab) -> Credentials:
    """Read the credentials on the first controller, as an administrator would, and keep them."""
    controller = next(name for name, host in lab.definition["hosts"].items() if "controller" in host.get("roles", ()))
    openrc, facts = (lab.hosts[controller].run(["cat", path]).stdout for path in ("/root/openrc", "/etc/astute.yaml"))
    credentials = from_controller(openrc, yaml.safe_load(facts))
    save(lab.state, credentials)
    return credentials


def in_gateway(lab: Lab, module: str, *arguments: str) -> list[str]:
    """The command that runs one of the lab's modules inside the gateway's namespace."""
    return network.inside(f"{lab.prefix}gateway", [sys.executable, "-m", module, *arguments])


def write_private(path: Path, content: Any) -> None:
    """Write ``content`` as JSON to a file of mode 0600 that replaces ``path`` at once."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
    fresh.replace(path)


def connect(credentials: Credentials, project: str | None = None) -> Connection:
    """A connection as the administrator, in the scope of ``project`` (a name) or of the administrator's own."""
    # Half of a second that only those pay who connect: every octane-lab command imports this module.
    import openstack

    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url=credentials.auth_url,
        username=credentials.username,
        password=credentials.password,
        project_name=project or credentials.project,
        user_domain_id="default",
        project_domain_id="default",
        region_name=credentials.region,
        interface="public",
        identity_api_version="3",
        compute_default_microversion=COMPUTE_MICROVERSION,
    )
