"""Can this environment be upgraded, with these nodes? Every problem is found before anything is changed. Pure.

`Snapshot` holds what was read; `problems` says what stands in the way, one sentence each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from octane.errors import BadInput
from octane.fuel import layout, settings, versions
from octane.fuel.nodes import Node, controllers
from octane.fuel.tasks import Task

MOST_SPARES = 3
LEAST_STAYING = 2
"""Controllers that must be left when one is moved."""

HYPERVISORS = ("kvm", "qemu")
LEFT_BEHIND = ("ceilometer", "sahara", "murano", "mongo")
"""Components of the original whose databases are not moved."""


@dataclass(frozen=True)
class Snapshot:
    """What the Fuel master says about an environment that is to be upgraded.

    `environment` and `release` as the API shows them; `target` the release to go to; `nodes` all nodes of the master;
    `spares` the ids that become controllers; `interfaces` of spares and original controllers by node id; `seed` the
    environment they may already be in; `leave_behind` components that the operator gave up. With `node_by_node` the
    only one of `spares` is a controller of the original, or was.
    """

    environment: dict[str, Any]
    release: dict[str, Any]
    target: dict[str, Any]
    attributes: dict[str, Any]
    network: dict[str, Any]
    nodes: tuple[Node, ...]
    spares: tuple[int, ...]
    running: tuple[Task, ...] = ()
    interfaces: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    seed: int | None = None
    leave_behind: tuple[str, ...] = ()
    clone_ips: bool = True
    node_by_node: bool = False

    @property
    def originals(self) -> list[Node]:
        return controllers(node for node in self.nodes if node.environment == self.environment["id"])

    @property
    def staying(self) -> list[Node]:
        """The original's controllers without those that are moved."""
        return [node for node in self.originals if node.id not in self.spares]

    @property
    def spare_nodes(self) -> list[Node]:
        return [node for node in self.nodes if node.id in self.spares]


def choose_spares(nodes: Iterable[Node], originals: int) -> list[int]:
    """Ids of the nodes to take when the operator named none: free ones of lowest id, one for each original controller.

    :param originals: number of controllers of the original
    """
    free = sorted(node.id for node in nodes if is_free(node))
    return free[: min(originals, MOST_SPARES)]


def is_free(node: Node) -> bool:
    """Discovered, online, in no environment."""
    return node.environment is None and node.status == "discover" and node.online


def check_ids(values: Iterable[Any]) -> list[int]:
    """Node ids that were typed.

    :raises BadInput: when one is no number, or comes twice
    """
    found: list[int] = []
    for value in values:
        text = str(value)
        if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not 0 < int(text) < 10**9:
            raise BadInput(f"NODE must be the number of a node (see `fuel2 node list`), not {text!r}")
        if int(text) in found:
            raise BadInput(f"node {text} is named twice")
        found.append(int(text))
    return found


def problems(snapshot: Snapshot) -> list[str]:
    """Everything that stands in the way, the environment's problems first."""
    nodes = (_quorum, _moved) if snapshot.node_by_node else (_number, _spares, _hardware)
    checks = (_environment, _release, _architecture, _storage, _components, _originals, _activity, *nodes)
    return [problem for check in checks for problem in check(snapshot)]


def _environment(found: Snapshot) -> list[str]:
    data = found.environment
    told = []
    if data["status"] != "operational":
        told.append(f"it is {data['status']!r}, not operational")
    if data["mode"] not in ("ha_compact", "ha_full"):
        told.append(f"its mode is {data['mode']!r}, not high availability")
    return told


def _release(found: Snapshot) -> list[str]:
    release, target = found.release, found.target
    told = []
    if release["operating_system"] != "Ubuntu":
        told.append(f"it runs on {release['operating_system']}, not on Ubuntu")
    version, wanted = versions.fuel_version(release["version"]), versions.fuel_version(target["version"])
    if version >= wanted:
        told.append(
            f"it is of release {release['version']} already; give an environment older than {target['version']}"
        )
    elif version[0] != 6:
        told.append(f"its release {release['version']} is not one of Fuel 6.x")
    return told


def _architecture(found: Snapshot) -> list[str]:
    have = settings.values(found.attributes)
    hypervisor = have.get("common", {}).get("libvirt_type")
    told = []
    if hypervisor not in HYPERVISORS:
        told.append(f"its hypervisor is {hypervisor!r}, neither KVM nor QEMU")
    if have.get("common", {}).get("use_vcenter"):
        told.append("it uses vCenter")
    if found.environment["net_provider"] != "neutron":
        told.append(f"its network is {found.environment['net_provider']}, not Neutron")
        return told
    parameters = found.network["networking_parameters"]
    if parameters.get("segmentation_type") != "vlan":
        told.append(f"Neutron separates its networks by {parameters.get('segmentation_type')}, not by VLAN")
    if parameters.get("configuration_template"):
        told.append("it uses a network template, which is not supported yet")
    return told


def _storage(found: Snapshot) -> list[str]:
    """Ceph's monitors are on the controllers: the seed's would be those of an empty cluster at the same addresses."""
    have = settings.values(found.attributes).get("storage", {})
    kept = sorted(name.removesuffix("_ceph") for name, value in have.items() if name.endswith("_ceph") and value)
    return [f"it keeps {', '.join(kept)} in Ceph, whose monitors cannot be moved yet"] if kept else []


def _components(found: Snapshot) -> list[str]:
    have = settings.values(found.attributes).get("additional_components", {})
    used = [name for name in LEFT_BEHIND if have.get(name) and name not in found.leave_behind]
    told = [
        f"it uses {name}, whose data will not be moved; say that this is known with leave_behind: [{name}]"
        for name in used
    ]
    return told + [f"plugin {name} is enabled; its version for the target is not known" for name in _plugins(found)]


def _plugins(found: Snapshot) -> list[str]:
    enabled = []
    for name, section in found.attributes.items():
        metadata = section.get("metadata") if isinstance(section, dict) else None
        if (
            isinstance(metadata, dict)
            and metadata.get("enabled")
            and ("plugin_id" in metadata or metadata.get("class") == "plugin")
        ):
            enabled.append(name)
    return sorted(enabled)


def _originals(found: Snapshot) -> list[str]:
    told = [] if found.originals else ["it has no controller"]
    for node in found.originals:
        if node.status != "ready":
            told.append(f"its controller {node.hostname} is {node.status!r}, not ready")
        if not node.online:
            told.append(f"its controller {node.hostname} is offline")
    return told


def _activity(found: Snapshot) -> list[str]:
    told = [f"task {task.name} ({task.id}) is running on it" for task in found.running]
    if not found.clone_ips:
        told.append("Nailgun does not serve clone_ips; run `octane prepare` again")
    return told


def _number(found: Snapshot) -> list[str]:
    most = min(MOST_SPARES, len(found.originals) or MOST_SPARES)
    if not found.spares:
        return [
            "there is no free node for its new controllers; boot one to three spare servers and let Fuel discover them"
        ]
    if len(found.spares) > most:
        return [f"{len(found.spares)} nodes are more than the {most} that can become controllers"]
    return []


def _quorum(found: Snapshot) -> list[str]:
    """Whether those that stay are a cloud: Galera and Pacemaker serve only with more than half of their votes."""
    staying = len(found.staying)
    spare = f"give it a spare server: `octane upgrade-env {found.environment['id']}`"
    if not found.originals or staying >= LEAST_STAYING:
        return []
    if staying == 0:
        return [f"it has one controller, and nobody would serve while that is installed anew; {spare}"]
    return [
        "it has two controllers, and in the moment in which one leaves, the other has one vote of two: that is no "
        f"quorum, and Pacemaker would stop what runs there; {spare}"
    ]


def _moved(found: Snapshot) -> list[str]:
    told = []
    for node in found.spare_nodes:
        others = sorted(node.roles - {"controller"})
        if others:
            named = " and ".join(others)
            told.append(f"its controller {node.hostname} is {named} as well, whose data installing it anew would wipe")
        if not any(nic.get("pxe") for nic in found.interfaces.get(node.id, [])):
            told.append(_no_network_boot(node))
    return told


def _no_network_boot(node: Node) -> str:
    return f"no interface of {node.hostname} is known to boot from the network; let its agent report to Fuel"


def _spares(found: Snapshot) -> list[str]:
    known = {node.id: node for node in found.nodes}
    told = [f"there is no node {node_id} on this Fuel master" for node_id in found.spares if node_id not in known]
    for node in found.spare_nodes:
        if found.seed is not None and node.environment == found.seed:
            continue
        if node.environment is not None:
            told.append(f"{node.hostname} belongs to environment {node.environment}; name a node of none")
        elif node.status != "discover":
            told.append(f"{node.hostname} is {node.status!r}, not discovered; delete it from Fuel and boot it again")
        if not node.online:
            told.append(f"{node.hostname} is offline")
    return told


def _hardware(found: Snapshot) -> list[str]:
    told = []
    for spare, original in zip(found.spare_nodes, found.originals, strict=False):
        if len(spare.disks) < len(original.disks):
            told.append(f"{spare.hostname} has {len(spare.disks)} disks, {original.hostname} has {len(original.disks)}")
        told += _interfaces(found, spare, original)
    return told


def _interfaces(found: Snapshot, spare: Node, original: Node) -> list[str]:
    if spare.id not in found.interfaces or original.id not in found.interfaces:
        return []
    have = {nic["name"] for nic in found.interfaces[spare.id]}
    used = layout.used(found.interfaces[original.id])
    told = [f"{spare.hostname} has no interface {name}, which {original.hostname} uses" for name in sorted(used - have)]
    if not any(nic.get("pxe") for nic in found.interfaces[spare.id]):
        told.append(_no_network_boot(spare))
    return told
