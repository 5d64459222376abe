"""The part of Nailgun's own Python interface that an extension of 7.0 may use, over the server's state.

As in 7.0: ``nailgun.api.v1.handlers.base`` (BaseHandler, content), ``nailgun.api.v1.validators.base``
(BasicValidator), ``nailgun.errors.errors``, ``nailgun.objects`` (Cluster, Node, NodeCollection), ``nailgun.consts``,
``nailgun.logger`` and ``nailgun.extensions.cluster_upgrade.objects.relations`` (UpgradeRelationObject).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from lab.nailgun import addresses, networks, schema, upgrade
from lab.nailgun.errors import ApiError, InvalidData, NotFound, Unexpected
from lab.nailgun.routing import Call
from lab.nailgun.state import Row, State

_calls: list[Call] = []
"""The request being answered: the server answers one at a time."""


@contextmanager
def serving(call: Call) -> Iterator[None]:
    """Let the emulated objects work on the state of this request."""
    _calls.append(call)
    try:
        yield
    finally:
        _calls.pop()


def _state() -> State:
    return _calls[-1].state


class Done(Exception):
    """``raise self.http(200, data)``: an answer, and no failure."""

    def __init__(self, status: int, data: Any) -> None:
        super().__init__(status)
        self.status = status
        self.data = data


class NailgunException(Exception):
    """nailgun.errors.errors: all errors have a ``message``."""

    status = 500

    def __init__(self, message: str = "", log_message: bool = False, log_level: str = "warning") -> None:
        super().__init__(message)
        self.message = message


def _error(name: str, status: int) -> type[NailgunException]:
    return type(name, (NailgunException,), {"status": status})


ERRORS = {
    name: _error(name, status)
    for name, status in {
        "InvalidData": 400,
        "UnavailableRelease": 400,
        "NodeOffline": 400,
        "NoDeploymentTasks": 400,
        "CannotDelete": 400,
        "NotAllowed": 403,
        "ObjectNotFound": 404,
        "AlreadyExists": 409,
    }.items()
}


class BasicValidator:
    """nailgun.api.v1.validators.base.BasicValidator."""

    single_schema: dict[str, Any] | None = None
    collection_schema: dict[str, Any] | None = None

    @classmethod
    def validate_json(cls, data: Any) -> Any:
        """The JSON of a request's body."""
        try:
            return _calls[-1].json()
        except InvalidData as error:
            raise ERRORS["InvalidData"](error.message) from None

    @classmethod
    def validate(cls, data: Any) -> Any:
        """The body, which may be any JSON."""
        return cls.validate_json(data)

    @classmethod
    def validate_schema(cls, data: Any, wanted: dict[str, Any]) -> None:
        """InvalidData when the data violates the schema."""
        try:
            schema.check(data, wanted)
        except InvalidData as error:
            raise ERRORS["InvalidData"](error.message) from None


class BaseHandler:
    """nailgun.api.v1.handlers.base.BaseHandler."""

    validator: Any = BasicValidator

    @classmethod
    def http(cls, status_code: int, msg: Any = "", err_list: Any = None, headers: Any = None) -> Exception:
        """What to raise in order to answer with this status."""
        if status_code < 400:
            return Done(status_code, msg)
        return Unexpected() if status_code == 500 else ApiError(str(msg), status_code)

    @classmethod
    def checked_data(cls, validate_method: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
        """The body as the validator returns it; its refusals become 400, 403, 404, 409."""
        data = kwargs.pop("data", _calls[-1].body)
        try:
            return (validate_method or cls.validator.validate)(data, **kwargs)
        except NailgunException as error:
            raise cls.http(error.status, error.message) from error

    def get_object_or_404(self, kind: Any, *args: Any, **kwargs: Any) -> Any:
        """The object with that id, or 404 ``<Kind> not found``."""
        found = kind.get_by_uid(kwargs.get("id", args[0] if args else None))
        if found is None:
            raise NotFound(f"{kind.__name__} not found")
        return found


def content(*args: Any, **kwargs: Any) -> Any:
    """nailgun.api.v1.handlers.base.content: JSON in and out, which the server does anyway."""
    if len(args) == 1 and callable(args[0]):
        return args[0]
    return lambda function: function


class Instance:
    """A row as an object: columns are attributes, and so is what belongs to it."""

    table = ""

    def __init__(self, row: Row) -> None:
        self.__dict__["row"] = row

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["row"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.id == self.id

    def __hash__(self) -> int:
        return hash((self.table, self.id))


class NodeInstance(Instance):
    """A node."""

    table = "nodes"

    @property
    def uid(self) -> str:
        """Its id as text."""
        return str(self.id)

    @property
    def cluster_id(self) -> int | None:
        """Id of its environment, or None."""
        return self.row["cluster"]

    @property
    def cluster(self) -> ClusterInstance | None:
        """Its environment, or None."""
        number = self.row["cluster"]
        return None if number is None else ClusterInstance(_state().row("clusters", number))


class ClusterInstance(Instance):
    """An environment."""

    table = "clusters"

    @property
    def nodes(self) -> list[NodeInstance]:
        """Its nodes."""
        return [NodeInstance(row) for row in _state().rows("nodes", cluster=self.id)]


class NetworkManager:
    """What ``Cluster.get_network_manager`` returns."""

    @classmethod
    def get_node_networks_ips(cls, node: NodeInstance) -> dict[str, str]:
        """Network name -> address, in the networks of the node's group: the admin network is not among them."""
        found = {}
        for network in _group_networks(node):
            ip = addresses.of_node(_state(), node.id, network["id"])
            if ip:
                found[network["name"]] = ip
        return found

    @classmethod
    def set_node_networks_ips(cls, node: NodeInstance, ips_by_network_name: dict[str, str]) -> None:
        """Change those addresses that the node has; others of the dictionary are ignored."""
        for network in _group_networks(node):
            if network["name"] in ips_by_network_name:
                for row in _state().rows("addresses", node=node.id, network=network["id"]):
                    row["ip"] = ips_by_network_name[network["name"]]

    @classmethod
    def clear_assigned_ips(cls, node: NodeInstance) -> None:
        """Take all addresses from the node, the one of the admin network too."""
        addresses.drop(_state(), node=node.id)


def _group_networks(node: NodeInstance) -> list[Row]:
    return [row for row in networks.of_node(_state(), node.row) if row["group_id"] is not None]


class Cluster:
    """nailgun.objects.Cluster."""

    @classmethod
    def get_by_uid(cls, uid: Any, fail_if_not_found: bool = False) -> ClusterInstance | None:
        """The environment with that id."""
        return _get("clusters", uid, ClusterInstance, fail_if_not_found)

    @classmethod
    def get_network_manager(cls, instance: Any = None) -> type[NetworkManager]:
        """The manager of the environment's networks."""
        return NetworkManager

    @classmethod
    def get_nodes_by_role(cls, instance: ClusterInstance, role_name: str) -> list[NodeInstance]:
        """Its nodes that have the role, deployed or pending."""
        return [node for node in instance.nodes if role_name in node.roles + node.pending_roles]


class Node:
    """nailgun.objects.Node."""

    @classmethod
    def get_by_uid(cls, uid: Any, fail_if_not_found: bool = False) -> NodeInstance | None:
        """The node with that id."""
        return _get("nodes", uid, NodeInstance, fail_if_not_found)


def _get(table: str, uid: Any, kind: Any, fail: bool) -> Any:
    row = _state().get(table, int(uid)) if uid is not None else None
    if row is None and fail:
        raise ERRORS["ObjectNotFound"](f"Object '{table}' with UID={uid} is not found in DB")
    return kind(row) if row is not None else None


class NodeCollection:
    """nailgun.objects.NodeCollection."""

    @classmethod
    def prepare_for_deployment(cls, instances: list[NodeInstance], nst: Any = None) -> None:
        """Allocate the addresses that the nodes lack."""
        members = list(instances)
        if members:
            cluster = _state().row("clusters", members[0].row["cluster"])
            addresses.assign(_state(), cluster, [node.row for node in members])


class UpgradeRelation:
    """A pair of environments."""

    def __init__(self, row: Row) -> None:
        self.orig_cluster_id = row["orig"]
        self.seed_cluster_id = row["seed"]


class UpgradeRelationObject:
    """nailgun.extensions.cluster_upgrade.objects.relations.UpgradeRelationObject."""

    @classmethod
    def get_cluster_relation(cls, cluster_id: Any) -> UpgradeRelation | None:
        """The pair that the environment belongs to, or None."""
        row = upgrade.relation(_state(), int(cluster_id))
        return UpgradeRelation(row) if row else None

    @classmethod
    def is_cluster_in_upgrade(cls, cluster_id: Any) -> bool:
        """Whether it belongs to a pair."""
        return cls.get_cluster_relation(cluster_id) is not None


CONTENTS: dict[str, dict[str, Any]] = {
    "nailgun": {},
    "nailgun.api": {},
    "nailgun.api.v1": {},
    "nailgun.api.v1.handlers": {},
    "nailgun.api.v1.handlers.base": {"BaseHandler": BaseHandler, "content": content},
    "nailgun.api.v1.validators": {},
    "nailgun.api.v1.validators.base": {"BasicValidator": BasicValidator},
    "nailgun.consts": {},
    "nailgun.errors": {},
    "nailgun.errors.errors": {"NailgunException": NailgunException, **ERRORS},
    "nailgun.logger": {"logger": logging.getLogger("nailgun.extension")},
    "nailgun.objects": {"Cluster": Cluster, "Node": Node, "NodeCollection": NodeCollection},
    "nailgun.extensions.cluster_upgrade.objects": {},
    "nailgun.extensions.cluster_upgrade.objects.relations": {"UpgradeRelationObject": UpgradeRelationObject},
}


def modules() -> dict[str, ModuleType]:
    """New modules with the emulated contents, by name."""
    found = {}
    for name, contents in CONTENTS.items():
        found[name] = ModuleType(name)
        vars(found[name]).update(contents)
    return found
