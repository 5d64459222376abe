"""From nothing to a running old cloud, and back to it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import content, image, layer, machine, master, network, snapshot, teardown
from lab.cache import say
from lab.deployer import mcollective, power
from lab.deployer.deployer import BOOTSTRAP, LabDeployer
from lab.deployer.environment import Environment, parse
from lab.hosts import Host
from lab.nailgun import facts, initial
from lab.nailgun.state import State
from lab.preloaded import life as preloaded
from lab.state import FILE, LOCK, NEW, Lab, LabError, has_agents, layer_of, locked, prefix_of, uses_ceph
from lab.workload import life as workload

WORKERS = 4
BOOT_TIMEOUT = 120
OLD_ENVIRONMENT = 1
"""Id of the environment that is there from the start."""

OLD_RELEASE = "6.1"
"""Of Fuel: what installed the nodes of that environment."""


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long something took."""
    started = time.monotonic()
    yield
    say(f"lab: {what} ({time.monotonic() - started:.1f} s)")


def up(state: Path, definition: dict[str, Any], options: dict[str, Any], *, keep_snapshot: bool = True) -> Lab:
    """Bring up a lab with its old cloud: from the snapshot when there is one, else deployed, and then snapshot.

    ``options``: "master_bind", see Lab.create. Raises LabError when a lab is there, CommandFailed, Timeout.
    """
    refuse_foreign(state)
    with locked(state):
        refuse_second(state)
        with timed("image and OpenStack environments are there"):
            image.build_all()
            kind = layer_of(definition)
            if kind:
                layer.build(kind)
        lab = Lab.create(state, definition, options)
        taken = snapshot.path_of(definition, lab.options)
        machine.allow_watches()
        if snapshot.is_taken(taken):
            lab.options["lowers"] = str(taken)
            lab.save()
            lab = Lab.open(state)
            start_from_snapshot(lab, taken)
        else:
            deploy(lab)
            if keep_snapshot:
                lab = take_snapshot(lab, taken)
    say(f"lab: up in {state}, profile {definition['name']}")
    return lab


def refuse_second(state: Path) -> None:
    """Raises LabError when ``state`` holds a lab or the rest of one."""
    if (state / FILE).exists() or network.namespaces(prefix_of(state)):
        raise LabError(f"there is a lab in {state} already; take it down first: octane-lab --state {state} down")


def refuse_foreign(state: Path) -> None:
    """Raises LabError when ``state`` is a directory of something else: down would not dare to remove it."""
    if state.is_dir() and not (state / FILE).exists() and any(state.iterdir()) and not is_bare(state):
        raise LabError(f"{state} is not empty and holds no lab; name another directory with --state")


def is_bare(state: Path) -> bool:
    """Whether nothing but the lock and an unfinished file is there: of a command that ended before it made a lab."""
    names = {entry.name for entry in state.iterdir()} if state.is_dir() else set()
    if not names or names - {LOCK, NEW}:
        return False
    return LOCK not in names or not (state / LOCK).stat().st_size


def down(state: Path) -> None:
    """Take a lab down, whatever state it is in. Raises Timeout, CommandFailed, LabError while it is being changed."""
    with locked(state) if (state / FILE).exists() or is_bare(state) else contextlib.nullcontext():
        teardown.take_down(state)
    machine.restore_watches()


def reset(state: Path) -> None:
    """Back to the freshly deployed old cloud. Raises LabError when there is no lab, or none with a snapshot."""
    Lab.open(state)
    with locked(state):
        lab = Lab.open(state)
        if "lowers" not in lab.options:
            raise LabError(f"the lab in {state} was brought up without a snapshot; take it down and up again")
        snapshot.forget_disks(lab)
        teardown.stop_everything(state)
        start_from_snapshot(lab, Path(lab.options["lowers"]))


# ---- hosts


def on_all(hosts: Iterable[Host], action: Callable[[Host], object]) -> None:
    """Do something with several hosts at once; the first error is raised once all have ended."""
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(action, host) for host in hosts]
    for future in futures:
        future.result()


def prepare(host: Host) -> None:
    """Give the host a disk, its files and its ports."""
    host.prepare()


def start(host: Host) -> None:
    """Power on and wait until booted."""
    host.start()
    host.wait_booted(BOOT_TIMEOUT)


def make_bootstraps(lab: Lab) -> None:
    """Make the servers what Fuel's bootstrap makes of a new one: reachable over the admin network by the master.

    Those that will be the old cloud's have from the start what its release installs.
    """
    fuel = lab.hosts["fuel"]
    master.install(lab, fuel)
    key = master.public_key(fuel)
    admin = lab.definition["networks"]["admin"]
    addresses = {row["mac"]: row["ip"] for row in State.load(master.nailgun_file(lab)).rows("nodes")}
    for host in lab.hosts.values():
        if host.mac not in addresses:
            continue
        host.write("/root/.ssh/authorized_keys", key, mode=0o600)
        host.write("/etc/network/interfaces.d/ifcfg-eth0", master.stanza(addresses[host.mac], admin))
        is_old = bool(lab.definition["hosts"][host.name].get("roles"))
        mcollective.install(host, OLD_RELEASE if is_old else BOOTSTRAP)


# ---- the old cloud


def deploy(lab: Lab) -> None:
    """Start all hosts, deploy the old environment on its nodes and fill the cloud. Raises LabError, CommandFailed."""
    with timed(f"{len(lab.hosts)} hosts booted"):
        preloaded.start(lab)
        network.create(lab.prefix, lab.definition)
        on_all(lab.hosts.values(), prepare)
        state, wanted = describe(lab)
        state.save(master.nailgun_file(lab))
        make_bootstraps(lab)
        master.set_nailgun(lab, lab.hosts["fuel"])
        on_all(lab.hosts.values(), start)
    with timed("old cloud deployed"):
        errors = LabDeployer(lab, lambda: master.machines(lab)).deploy(wanted, lambda uid, percent: None)
        failed = "; ".join(f"node-{uid}: {error}" for uid, error in errors.items() if error)
        if failed:
            raise LabError(f"the old cloud could not be deployed: {failed}")
    if uses_ceph(lab.definition):
        workload.remember(lab)
    with timed("old cloud filled"):
        content.load(lab)


def describe(lab: Lab) -> tuple[State, list[dict[str, Any]]]:
    """Nailgun's state of the lab before anything happened, and the facts by which the old environment is deployed."""
    state = initial.reference(lab.definition)
    environment = state.row("clusters", OLD_ENVIRONMENT)
    members = state.rows("nodes", cluster=OLD_ENVIRONMENT)
    wanted = facts.computed(state, environment, members)
    (lab.state / "deployment.json").write_text(json.dumps(wanted))
    (lab.state / "deployment.json").chmod(0o600)
    return state, wanted


def old_environment(lab: Lab) -> Environment:
    """The old environment as it was deployed."""
    facts_of_old = json.loads((lab.state / "deployment.json").read_text())
    return parse(facts_of_old, has_agents(lab.definition))


# ---- the snapshot


def take_snapshot(lab: Lab, directory: Path) -> Lab:
    """Stop the cloud cleanly, keep it as a snapshot and start from that. Returns the lab on its snapshot."""
    with timed("old cloud stopped for its snapshot"):
        stop_cloud(lab)
        snapshot.take(lab, directory)
    lab = Lab.open(lab.state)
    start_hosts(lab)
    return lab


def stop_cloud(lab: Lab) -> None:
    """Stop the services of the cloud in their order, then the hosts."""
    power.stop_cloud(lab)
    on_all([host for host in lab.hosts.values() if host.is_running()], lambda host: host.stop(180))


def start_from_snapshot(lab: Lab, directory: Path) -> None:
    """Start a lab, whose hosts are off, from a snapshot; return when the cloud works."""
    preloaded.start(lab)
    with timed("files of the snapshot put in place"):
        snapshot.put(lab, directory)
    network.create(lab.prefix, lab.definition)
    start_hosts(lab)


def start_hosts(lab: Lab) -> None:
    """Boot all hosts from the snapshot and wait for their cloud. Raises Timeout."""
    with timed(f"{len(lab.hosts)} hosts booted"):
        on_all(lab.hosts.values(), prepare)
        master.set_nailgun(lab, lab.hosts["fuel"])
        on_all(lab.hosts.values(), start)
    with timed("the old cloud works"):
        wait_for_cloud(lab)


def wait_for_cloud(lab: Lab) -> None:
    """Wait until the old cloud is complete, all its controllers and compute nodes. Raises Timeout, DeploymentError."""
    power.wait_ready(lab, old_environment(lab))
