"""Releases: how they are made of the fixtures, shown and changed."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.nailgun import schema
from lab.nailgun.errors import Conflict, InvalidData, NotFound
from lab.nailgun.state import Row, State

FIXTURES = Path(__file__).parent / "fixtures"
ABSENT = "~absent"
METADATA = (
    "attributes_metadata",
    "modes_metadata",
    "roles_metadata",
    "vmware_attributes_metadata",
    "wizard_metadata",
)
SHOWN = (
    "id",
    "name",
    "version",
    "operating_system",
    "description",
    "state",
    "is_deployable",
    "can_update_from_versions",
    *METADATA,
)


@cache
def _fixture(name: str) -> Any:
    return yaml.safe_load((FIXTURES / f"{name}.yaml").read_text(encoding="utf-8"))


def fixture(name: str) -> Any:
    """A private copy of fixtures/NAME.yaml."""
    return copy.deepcopy(_fixture(name))


def apply_differences(tree: dict[str, Any], differences: dict[str, Any]) -> None:
    """Put into TREE each value of DIFFERENCES at its path (parts divided by |); ABSENT removes it."""
    for path, value in differences.items():
        *parents, last = path.split("|")
        place = tree
        for part in parents:
            place = place[part]
        if value == ABSENT:
            place.pop(last, None)
        else:
            place[last] = value


def describe(row: dict[str, Any]) -> str:
    """The sentence a release introduces itself with."""
    codename = row["name"].split()[0]
    base = "Ubuntu as a base" if row["operating_system"] == "Ubuntu" else "a CentOS based"
    return (
        f"This option will install the OpenStack {codename} packages using {base} operating system. "
        "With high availability features built in, you are getting a robust, enterprise-grade OpenStack deployment."
    )


def build(definition: dict[str, Any]) -> Row:
    """A release row of an entry of fixtures/releases.yaml."""
    row: Row = {key: definition[key] for key in definition if key != "layers"}
    row["can_update_from_versions"] = []
    row["description"] = describe(row)
    row["attributes_metadata"] = {"editable": fixture("settings"), "generated": fixture("generated")}
    row["roles_metadata"] = fixture("roles")
    row.update(fixture("wizard"))
    for layer in definition["layers"]:
        apply_differences(row, fixture(layer))
    row["deployment_tasks"] = fixture("tasks")
    return row


def add_known(state: State) -> None:
    """The four releases of a master upgraded from 6.1 to 7.0."""
    for definition in fixture("releases"):
        state.insert("releases", build(definition))


def find(state: State, number: int) -> Row:
    """The release row; NotFound."""
    row = state.get("releases", number)
    if row is None:
        raise NotFound("Release not found")
    return row


def show(row: Row) -> dict[str, Any]:
    """A release as the API shows it."""
    return {key: row.get(key) for key in SHOWN}


def show_all(state: State) -> list[dict[str, Any]]:
    """GET /releases: by version, newest first."""
    rows = state.rows("releases")
    return [show(row) for row in sorted(rows, key=lambda row: (version_key(row["version"]), row["id"]), reverse=True)]


def fuel_version(release: Row) -> str:
    """``2014.2.2-6.1`` -> ``6.1``."""
    return str(release["version"]).rpartition("-")[2]


def version_key(version: str) -> tuple[list[int], list[int]]:
    """What orders release versions: the OpenStack part, then the Fuel part, as numbers."""
    openstack, _, fuel = version.partition("-")
    return _numbers(openstack), _numbers(fuel)


def _numbers(dotted: str) -> list[int]:
    return [int(part) for part in dotted.split(".") if part.isdigit()]


def is_seven(release: Row) -> bool:
    """Whether environments of this release get their virtual addresses and facts the 7.0 way."""
    return _numbers(fuel_version(release)) >= [7, 0]


def create(state: State, data: dict[str, Any]) -> Row:
    """POST /releases. Returns the new row; InvalidData, Conflict."""
    for key, what in (("name", "name"), ("version", "version"), ("operating_system", "operating system")):
        if not isinstance(data, dict) or key not in data:
            raise InvalidData(f"No release {what} specified")
    _check_unique(state, data["name"], data["version"], None)
    row: Row = dict.fromkeys(SHOWN)
    row.update({key: {} for key in METADATA})
    row.update({"state": "unavailable", "is_deployable": True, "can_update_from_versions": [], "deployment_tasks": []})
    row.update({key: value for key, value in data.items() if key != "id"})
    return state.insert("releases", row | {"id": None})


def update(state: State, row: Row, data: dict[str, Any]) -> Row:
    """PUT /releases/ID with some of its columns."""
    schema.expect_object(data)
    _check_unique(state, data.get("name", row["name"]), data.get("version", row["version"]), row["id"])
    if "roles_metadata" in data:
        _check_roles(state, row, set(data["roles_metadata"]))
    row.update({key: value for key, value in data.items() if key != "id"})
    return row


def _check_roles(state: State, row: Row, kept: set[str]) -> None:
    """Refuse to drop a role that a node of the release's environments has."""
    numbers = {cluster["id"] for cluster in state.rows("clusters", release_id=row["id"])}
    for node in state.rows("nodes"):
        lost = sorted({*node["roles"], *node["pending_roles"]} - kept)
        if node["cluster"] in numbers and lost:
            raise InvalidData(f"Cannot delete roles already assigned to nodes: {','.join(lost)}")


def _check_unique(state: State, name: Any, version: Any, own: int | None) -> None:
    same = [row for row in state.rows("releases", name=name, version=version) if row["id"] != own]
    if same:
        raise Conflict("Release with the same name and version already exists")


def delete(state: State, row: Row) -> None:
    """DELETE /releases/ID; InvalidData while an environment is of it."""
    if state.rows("clusters", release_id=row["id"]):
        raise InvalidData("Can't delete release with clusters assigned")
    state.delete("releases", row["id"])
