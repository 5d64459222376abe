"""Settings of an environment: what a new one gets, and how they are changed."""

from __future__ import annotations

import re
import secrets
import string
from typing import Any

from lab.nailgun import python2, releases, schema
from lab.nailgun.errors import Forbidden, InvalidData
from lab.nailgun.state import Row, State


def for_cluster(state: State, cluster: Row) -> dict[str, Any]:
    """{editable, generated, vmware}: the release's metadata with values made and places filled."""
    release = state.row("releases", cluster["release_id"])
    metadata = release["attributes_metadata"]
    filled = _Filler(state, cluster, release)
    return {
        "editable": filled.fill(metadata.get("editable", {})),
        "generated": filled.fill(metadata.get("generated", {})),
        "vmware": filled.fill(release["vmware_attributes_metadata"].get("editable", {})),
    }


class _Filler:
    """Copies a tree of metadata, running its generators and filling the places in its strings."""

    def __init__(self, state: State, cluster: Row, release: Row) -> None:
        self.settings = state.settings
        self.places = {
            "{settings.MASTER_IP}": state.settings["master_ip"],
            "{cluster.release.version}": release["version"],
            "{cluster.release.environment_version}": releases.fuel_version(release),
            "{cluster.id}": str(cluster["id"]),
        }

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            if "generator" in value:
                return self.generate(value["generator"], value.get("generator_arg"))
            return {key: self.fill(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.fill(part) for part in value]
        if isinstance(value, str):
            for place, text in self.places.items():
                value = value.replace(place, text)
        return value

    def generate(self, generator: str, argument: str | None) -> str:
        if generator == "password":
            return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(8))
        if generator == "hexstring":
            return secrets.token_hex(int(argument or 0) // 2)
        if generator == "ip":
            return str(self.settings["master_ip"])
        if generator == "from_settings":
            return str(self.settings[str(argument)])
        return str(argument)


def is_locked(state: State, cluster: Row) -> bool:
    """Whether settings and addresses stay as they are: any status but new or stopped without a ready node."""
    if cluster["status"] not in ("new", "stopped"):
        return True
    return any(node["status"] == "ready" for node in state.rows("nodes", cluster=cluster["id"]))


def merge(old: Any, new: Any) -> Any:
    """NEW over OLD: dictionaries part by part, all else as it is in NEW."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: merge(old[key], part) if key in old else part for key, part in new.items()}


def update(state: State, cluster: Row, data: Any) -> None:
    """PUT and PATCH attributes; InvalidData, Forbidden."""
    schema.expect_object(data)
    check(state, cluster, data)
    cluster["attributes"]["editable"] = merge(cluster["attributes"]["editable"], data.get("editable", {}))
    add_change(cluster, "attributes")


def add_change(cluster: Row, name: str, node_id: int | None = None) -> None:
    """Note in ``changes`` what is not deployed yet."""
    change = {"name": name, "node_id": node_id}
    if change not in cluster["changes"]:
        cluster["changes"].append(change)


def check(state: State, cluster: Row, data: dict[str, Any]) -> None:
    """Refuse attributes that may not be set."""
    if "generated" in data:
        raise InvalidData("It is not allowed to update generated attributes")
    if "editable" not in data:
        return
    editable = data["editable"]
    if not isinstance(editable, dict):
        raise InvalidData("Editable attributes should be a dictionary")
    stored = cluster["attributes"]["editable"]
    _check_provisioning(state, cluster, merge(stored, editable))
    if is_locked(state, cluster):
        _check_open(stored, editable)
    for section, settings in editable.items():
        _check_section(section, settings, stored.get(section, {}))


def _check_provisioning(state: State, cluster: Row, editable: dict[str, Any]) -> None:
    """From 7.0 on the operating system is installed from images only."""
    release = state.row("releases", cluster["release_id"])
    if releases.is_seven(release) and editable["provision"]["method"]["value"] != "image":
        raise InvalidData("Cannot use classic provisioning for adding nodes to environment")


def _check_open(stored: dict[str, Any], editable: dict[str, Any]) -> None:
    """The refusal names the first section in the order in which Python 2 went over the dictionary."""
    for section in python2.ordered(list(editable)):
        if not stored.get(section, {}).get("metadata", {}).get("always_editable"):
            raise Forbidden(f"Environment attribute '{section}' couldn't be changed after or during deployment.")


def _check_section(section: str, settings: Any, stored: dict[str, Any]) -> None:
    if not isinstance(settings, dict):
        return
    for name, setting in settings.items():
        if name == "metadata" or not isinstance(setting, dict):
            continue
        whole = merge(stored.get(name, {}), setting)
        _check_value(name, whole)


VALUES: dict[str, schema.Schema] = {
    "checkbox": {"type": "boolean"},
    "custom_repo_configuration": {"type": "array", "minItems": 1},
    "password": {"type": "string"},
    "radio": {"type": "string"},
    "select": {"type": "string"},
    "text": {"type": "string"},
    "textarea": {"type": "string"},
}
"""Type of a setting -> what its value must be."""


def _check_value(name: str, setting: dict[str, Any]) -> None:
    if "type" not in setting and "value" not in setting:
        return
    try:
        schema.check(setting, schema.record({"value": VALUES.get(str(setting.get("type")), {})}, ["type", "value"]))
    except InvalidData as error:
        raise InvalidData(f"[{name}] {error.message}") from None
    regex = setting.get("regex")
    value = setting.get("value")
    if isinstance(regex, dict) and isinstance(value, str) and value and not re.search(regex["source"], value):
        raise InvalidData(f"[{name}] {regex['error']}")
