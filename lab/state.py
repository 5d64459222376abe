"""A lab on disk: its state directory, the prefix of all its names, its definition and its lock."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.deployer.environment import is_in_ceph
from lab.hosts import Host, HostPlan
from lab.image import RELEASES, image_path, openstack_path
from lab.layer import layer_path

DEFAULT_STATE = Path("/var/lib/octane-lab")
SOCKETS = "/run/preloaded"
"""Where deployer/node_scripts/start.py looks for programs that are loaded already."""

FILE = "lab.json"
NEW = f"{FILE}.new"
"""What is to become FILE; alone where a command died just then."""

PRELOADED = "preloaded"
LOCK = ".lock"


class LabError(Exception):
    """Something that the person at the keyboard can put right; the message says what."""


def state_directory(given: str | None = None) -> Path:
    """The state directory: ``given``, else OCTANE_LAB_STATE, else /var/lib/octane-lab. Raises LabError."""
    path = Path(given or os.environ.get("OCTANE_LAB_STATE") or DEFAULT_STATE).resolve()
    if any(character in str(path) for character in ":,\\\n "):
        raise LabError(f"the state directory {path} must not contain spaces, colons, commas or backslashes")
    return path


def prefix_of(state: Path) -> str:
    """What begins the name of every namespace, control group and machine of the lab in ``state``.

    Long enough that no two directories of a machine share it: taking one lab down would kill the other.
    """
    return f"ol{hashlib.sha256(str(state).encode()).hexdigest()[:8]}-"


class Lab:
    """One lab: ``state`` (directory), ``prefix``, ``definition`` (the checked cloud file), ``options``, ``hosts``."""

    def __init__(self, state: Path, definition: dict[str, Any], options: dict[str, Any]) -> None:
        self.state = state
        self.prefix = prefix_of(state)
        self.definition = definition
        self.options = options
        self.hosts = {name: Host(self.plan(name)) for name in definition["hosts"]}

    @classmethod
    def open(cls, state: Path) -> Lab:
        """The lab that was created in ``state``. Raises LabError when there is none."""
        try:
            stored = json.loads((state / FILE).read_text())
        except FileNotFoundError:
            raise LabError(f"no lab in {state}; create it with: octane-lab --state {state} up") from None
        return cls(state, stored["definition"], stored["options"])

    @classmethod
    def create(cls, state: Path, definition: dict[str, Any], options: dict[str, Any] | None = None) -> Lab:
        """Write a new lab down in ``state``; nothing runs yet.

        ``options``: "master_bind" (list of paths), "lowers" (directory that holds a disk image for each host of a
        snapshot). The image, the layer for guests and the OpenStack environments of this moment are noted, so that it
        keeps them.
        """
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o711)
        lab = cls(state, definition, built_for(definition) | (options or {}))
        lab.save()
        for folder in (lab.images, lab.nailgun_run, lab.preloaded):
            folder.mkdir(exist_ok=True)
        return lab

    def save(self) -> None:
        """Write definition and options, whole or not at all."""
        new = self.state / NEW
        new.write_text(json.dumps({"definition": self.definition, "options": self.options}, indent=1) + "\n")
        new.rename(self.state / FILE)

    def plan(self, name: str) -> HostPlan:
        """What Host needs to know of the host ``name``."""
        lowers = self.options.get("lowers")
        golden = Path(lowers) / f"{name}.ext4" if lowers else None
        layer = self.options.get("layer")
        return HostPlan(
            name=name,
            directory=self.state / "hosts" / name,
            prefix=self.prefix,
            image=Path(self.options["image"]),
            golden=golden if golden and golden.exists() else None,
            ports=tuple(sorted(nics_of(self.definition).items())),
            binds=self.binds(name),
            disks_gib=tuple(self.definition["hosts"][name].get("disks_gib", ())),
            layer=Path(layer) / "upper" if layer else None,
        )

    def binds(self, name: str) -> tuple[str, ...]:
        """systemd-nspawn's bind options of a host."""
        if self.definition["hosts"][name].get("kind") == "master":
            shown = (f"--bind-ro={path}" for path in self.options.get("master_bind", []))
            return (f"--bind={self.nailgun_run}:/run/nailgun", *shown)
        environments = tuple(f"--bind-ro={path}" for path in self.openstack.values())
        return (*environments, f"--bind={self.images}:/var/lib/glance/images", f"--bind-ro={self.preloaded}:{SOCKETS}")

    @property
    def openstack(self) -> dict[str, Path]:
        """The environment of each OpenStack release, at the same path on the machine and, read-only, in the hosts."""
        return {release: Path(path) for release, path in self.options["openstack"].items()}

    @property
    def images(self) -> Path:
        """The image service's file store, shared by all controllers."""
        return self.state / "images"

    @property
    def preloaded(self) -> Path:
        """Sockets and logs of lab.preloaded: programs that are loaded already, for all hosts."""
        return self.state / PRELOADED

    @property
    def nailgun_run(self) -> Path:
        """/run/nailgun of the Fuel master, by which Nailgun is told to restart."""
        return self.state / "nailgun-run"


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the lock of a state directory, and leave neither behind without a lab. Raises LabError when it is held."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / LOCK).open("w") as handle:
        if not _taken(handle, state / LOCK):
            raise LabError(f"another octane-lab command is changing the lab in {state}; wait for it to end")
        try:
            yield
        finally:
            if not (state / FILE).exists():
                (state / NEW).unlink(missing_ok=True)
                (state / LOCK).unlink(missing_ok=True)
                # What else is in the directory is not the lab's.
                with contextlib.suppress(OSError):
                    state.rmdir()


def _taken(handle: IO[str], path: Path) -> bool:
    """Take the lock. One that its holder has removed meanwhile, opened before that, locks nothing."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def has_agents(definition: dict[str, Any]) -> bool:
    """Whether the cloud has Neutron's own agents, and guests in QEMU, instead of what stands for both."""
    return bool(definition.get("agents", False))


def uses_ceph(definition: dict[str, Any]) -> bool:
    """Whether the cloud keeps anything in Ceph."""
    return is_in_ceph(definition["environment"].get("storage", {}))


def layer_of(definition: dict[str, Any]) -> str | None:
    """The kind of layer (lab.layer) that the hosts of this cloud have over the image."""
    if has_agents(definition):
        return "guests"
    return "ceph" if uses_ceph(definition) else None


def built_for(definition: dict[str, Any]) -> dict[str, Any]:
    """What a lab by this definition uses of the cache, there or not: options "image", "openstack" and, where its hosts
    have one, "layer"."""
    built = {"image": str(image_path()), "openstack": {name: str(openstack_path(name)) for name in RELEASES}}
    kind = layer_of(definition)
    return built | ({"layer": str(layer_path(kind))} if kind else {})


def nics_of(definition: dict[str, Any]) -> dict[str, str]:
    """Physical interface -> name of the switch's bridge it is plugged into.

    An interface with an untagged network is plugged into that network; one with tagged networks only into "trunk".
    """
    plugged: dict[str, str] = {}
    for name, network in definition["networks"].items():
        if "vlan" in network:
            plugged.setdefault(network["nic"], "trunk")
        else:
            plugged[network["nic"]] = name
    return plugged
