"""What makes the host ``fuel`` a Fuel master: its files, its SSH key, and Nailgun running in its network."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from lab.command import run
from lab.deployer.deployer import LabDeployer
from lab.hosts import Host
from lab.nailgun.extension_tree import SITE_PACKAGES, write_tree
from lab.nailgun.state import State
from lab.state import Lab

RESTART_FOLDER = "/run/nailgun"
VERSION = {"VERSION": {"release": "7.0", "api": "1.0", "feature_groups": ["advanced"], "production": "docker"}}

DOCKERCTL = """#!/bin/sh
# Fuel 7.0 runs its services in containers; here they run on the master itself, and this leads to them.
if [ "${1:-}" != shell ] || [ $# -lt 3 ]; then
    echo "usage: dockerctl shell CONTAINER COMMAND..." >&2
    exit 2
fi
shift 2
exec "$@"
"""

SUPERVISORCTL = f"""#!/bin/sh
if [ "$*" != "restart nailgun" ]; then
    echo "usage: supervisorctl restart nailgun" >&2
    exit 2
fi
touch {RESTART_FOLDER}/restart
echo "nailgun: stopped"
echo "nailgun: started"
"""


def nailgun_file(lab: Lab) -> Path:
    """Where Nailgun keeps its state."""
    return lab.state / "nailgun.json"


def deployer(lab_state: Path) -> LabDeployer:
    """What the Nailgun of a lab installs hosts with."""
    lab = Lab.open(Path(lab_state))
    return LabDeployer(lab, lambda: machines(lab))


def machines(lab: Lab) -> dict[str, str]:
    """Node's uid to the MAC address of its machine, as Nailgun knows them now."""
    return {str(row["id"]): row["mac"] for row in State.load(nailgun_file(lab)).rows("nodes")}


def install(lab: Lab, host: Host) -> None:
    """Write everything that a Fuel master has and the image has not. The host is off. Raises CommandFailed."""
    admin = lab.definition["networks"]["admin"]
    host.write("/etc/fuel/version.yaml", yaml.safe_dump(VERSION))
    host.write("/etc/fuel/astute.yaml", yaml.safe_dump(facts(admin)), mode=0o600)
    host.write("/usr/bin/dockerctl", DOCKERCTL, mode=0o755)
    host.write("/usr/bin/supervisorctl", SUPERVISORCTL, mode=0o755)
    host.write("/etc/network/interfaces.d/ifcfg-eth0", stanza(admin["master"], admin))
    write_tree(host.root)
    make_key(host)


def facts(admin: dict[str, str]) -> dict[str, object]:
    """What /etc/fuel/astute.yaml says on a 7.0 master, as far as anyone reads it."""
    return {
        "ADMIN_NETWORK": {"interface": "eth0", "ipaddress": admin["master"], "cidr": admin["cidr"]},
        "FUEL_ACCESS": {"user": "admin", "password": "admin"},
        "DNS_DOMAIN": "domain.tld",
        "HOSTNAME": "fuel",
    }


def stanza(address: str, admin: dict[str, str]) -> str:
    """ifupdown's lines for eth0 with an address of the administration network."""
    length = admin["cidr"].partition("/")[2]
    return f"auto eth0\niface eth0 inet static\naddress {address}/{length}\ngateway {admin['gateway']}\n"


def make_key(host: Host) -> None:
    """Make root's SSH key, with which Fuel's master enters its nodes, unless it is there. Raises CommandFailed."""
    key = host.root / "root/.ssh/id_rsa"
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "root@fuel", "-f", str(key)])


def public_key(host: Host) -> str:
    """The line that lets the master's root into a node."""
    return (host.root / "root/.ssh/id_rsa.pub").read_text()


def set_nailgun(lab: Lab, host: Host) -> None:
    """Let Nailgun run in the master's network whenever the master is on."""
    definition = lab.state / "definition.json"
    definition.write_text(json.dumps(lab.definition))
    host.set_companion([
        sys.executable, "-m", "lab.nailgun",
        "--listen", "0.0.0.0:8000",
        "--keystone-listen", "0.0.0.0:5000",
        "--state", str(nailgun_file(lab)),
        "--cloud", str(definition),
        "--deployer", "lab.master:deployer",
        "--lab-state", str(lab.state),
        "--site-packages", str(host.root / SITE_PACKAGES),
        "--restart-file", str(lab.nailgun_run / "restart"),
    ])  # fmt: skip
