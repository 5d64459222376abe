"""Where the Fuel API is and who we are there, read on the master; never taken from a command line."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from octane.errors import Refused

MASTER_FACTS = Path("/etc/fuel/astute.yaml")
KEYS = ("SERVER_ADDRESS", "SERVER_PORT", "OS_USERNAME", "OS_PASSWORD", "OS_TENANT_NAME")


@dataclass(frozen=True)
class Credentials:
    """Address of the Fuel API and the account to use; `source` names where they were read, for messages."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    tenant: str = "admin"
    source: str = ""


def read(environ: Mapping[str, str] = os.environ, master_facts: Path = MASTER_FACTS) -> Credentials:
    """Credentials as an operator of this master has them.

    In rising order: fuelclient's defaults, /etc/fuel/astute.yaml (FUEL_ACCESS, ADMIN_NETWORK), fuelclient's own
    configuration file, fuelclient's own environment variables. An account comes from one source as a whole.

    :raises Refused: when no source names a password, or one cannot be read
    """
    values: dict[str, Any] = {"SERVER_ADDRESS": "127.0.0.1", "SERVER_PORT": "8000", "OS_TENANT_NAME": "admin"}
    sources = []
    for source, found in (
        (str(master_facts), _from_master(master_facts)),
        (str(_client_file(environ)), _from_client(_client_file(environ))),
        ("the environment variables OS_*", {key: environ[key] for key in KEYS if environ.get(key)}),
    ):
        values.update(found)
        if "OS_PASSWORD" in found:
            sources.append(source)
    if not values.get("OS_PASSWORD") or not values.get("OS_USERNAME"):
        places = f"{master_facts} nor {_client_file(environ)}"
        raise Refused(f"No user and password for the Fuel API: neither {places} has them")
    return Credentials(
        address=str(values["SERVER_ADDRESS"]),
        port=int(values["SERVER_PORT"]),
        user=str(values["OS_USERNAME"]),
        password=str(values["OS_PASSWORD"]),
        tenant=str(values["OS_TENANT_NAME"]),
        source=sources[-1],
    )


def admin_address(master_facts: Path = MASTER_FACTS) -> str:
    """The master's address on the administration network, "" when MASTER_FACTS does not say it."""
    return str(_from_master(master_facts).get("SERVER_ADDRESS", ""))


def _client_file(environ: Mapping[str, str]) -> Path:
    if environ.get("FUELCLIENT_CUSTOM_SETTINGS"):
        return Path(environ["FUELCLIENT_CUSTOM_SETTINGS"])
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/root")) / ".config"
    return Path(base) / "fuel" / "fuel_client.yaml"


def _mapping(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Refused(f"{path} cannot be read: {type(error).__name__}") from error
    return loaded if isinstance(loaded, dict) else {}


def _from_client(path: Path) -> dict[str, Any]:
    found = _mapping(path)
    # KEYSTONE_USER and KEYSTONE_PASS are what fuelclient 7.0, the master's own, called them.
    older = {"OS_USERNAME": found.get("KEYSTONE_USER"), "OS_PASSWORD": found.get("KEYSTONE_PASS")}
    return {key: value for key in KEYS if (value := found.get(key) or older.get(key))}


def _from_master(path: Path) -> dict[str, Any]:
    found = _mapping(path)
    access = found.get("FUEL_ACCESS") or {}
    network = found.get("ADMIN_NETWORK") or {}
    values = {
        "OS_USERNAME": access.get("user"),
        "OS_PASSWORD": access.get("password"),
        "SERVER_ADDRESS": network.get("ipaddress"),
    }
    return {key: value for key, value in values.items() if value}
