"""One computer of the lab: a real init in its own namespaces and control groups, with a disk, ports and power."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, mounts, network
from lab.command import CommandFailed, run
from lab.wait import Timeout, until

HERE = Path(__file__).resolve().parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = ("HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8", "TERM=dumb", f"PATH={PATH}")
BOOT_INTERFACE = "eth0"
# What systemd understands when its init is signalled: see systemd(1), SIGNALS.
POWER_OFF = signal.SIGRTMIN + 4
REBOOT = signal.SIGRTMIN + 5


class HostError(Exception):
    """A host is not in the state that was asked for; the message names the host."""


@dataclass(frozen=True)
class HostPlan:
    """What a host is made of. ``ports``: (interface, bridge of the switch); ``golden``: disk image of a snapshot;
    ``layer``: what is over the image."""

    name: str
    directory: Path
    prefix: str
    image: Path
    golden: Path | None
    ports: tuple[tuple[str, str], ...]
    binds: tuple[str, ...]
    disks_gib: tuple[int, ...]
    layer: Path | None = None


def mac_address(name: str, interface: str) -> str:
    """The address of an interface, the same at each boot: numbers of node and interface (eth2.101: of eth2)."""
    number = int(name.removeprefix("node-")) if name.startswith("node-") else 0xFFFF
    nic = int(interface.removeprefix("eth").split(".")[0])
    return f"52:54:00:{number >> 8:02x}:{number & 255:02x}:{nic:02x}"


class Host:
    """A host by its plan. ``root`` is its file system, seen and written from the machine also while it is off."""

    def __init__(self, plan: HostPlan) -> None:
        self.plan = plan
        self.name = plan.name
        self.directory = plan.directory
        self.root = plan.directory / "root"
        self.data = plan.directory / "data"
        self.namespace = plan.prefix + plan.name
        self.switch = plan.prefix + network.SWITCH

    @property
    def mac(self) -> str:
        """The address of the interface that the host boots from, by which the Fuel master knows the machine."""
        return mac_address(self.name, BOOT_INTERFACE)

    @property
    def installed_name(self) -> str:
        """Host name of what is installed, "" of nothing: Nailgun's, not the machine's once the node was renumbered."""
        try:
            return (self.root / "etc/hostname").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    # ---- disk

    def prepare(self) -> None:
        """Give the host its disk and mount its root; harmless when that was done. Raises CommandFailed."""
        for directory in (self.directory, self.data, self.data / "disks"):
            directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        for index, size in enumerate(self.plan.disks_gib):
            make_sparse(self.data / "disks" / f"sd{'bcdefgh'[index]}", size * 2**30)
        if not self.disk_file.exists():
            mounts.make_disk(self.disk_file)
        self.mount()
        self.write_identity()
        self.write_configuration()

    @property
    def disk_file(self) -> Path:
        """The sparse file that holds all that the host has written."""
        return self.directory / "disk.ext4"

    def mount(self) -> None:
        """Mount what is not mounted yet of the host's root. Raises CommandFailed."""
        mounted = mounts.mounted_below(self.directory)
        disk, golden = self.directory / "disk", self.directory / "golden"
        if self.root in mounted:
            return
        if self.directory not in mounted:
            mounts.share(self.directory)
        lowers = [*([self.plan.layer] if self.plan.layer else []), self.plan.image]
        # What was installed anew starts from the image, not from the snapshot.
        if self.plan.golden and not (self.directory / "reinstalled").exists():
            if golden not in mounted:
                mounts.mount_disk(self.plan.golden, golden, read_only=True)
            lowers.insert(0, golden / "upper")
        if disk not in mounted:
            mounts.mount_disk(self.disk_file, disk)
        mounts.mount_root(self.root, disk, lowers)

    def write_identity(self) -> None:
        """Name the host, and number it unless it has a number."""
        self.write("/etc/hostname", self.name + "\n")
        machine = self.root / "etc/machine-id"
        if not machine.exists() or not machine.read_text().strip():
            machine.write_text(uuid.uuid4().hex + "\n")
        (self.root / "srv/data").mkdir(parents=True, exist_ok=True)

    def write_configuration(self) -> None:
        """Write what supervise.sh reads."""
        groups = " ".join(str(group) for group in cgroups.of_host(self.plan.prefix, self.name))
        settings = {"NAME": self.name, "NAMESPACE": self.namespace, "SWITCH": self.switch, "CGROUPS": groups}
        lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
        (self.directory / "supervise.conf").write_text(lines)
        (self.directory / "nspawn").write_text("\n".join(self.nspawn_arguments()) + "\n")
        if not self.ports_file.exists():
            self.write_ports(list(self.plan.ports))

    def nspawn_arguments(self) -> list[str]:
        """Arguments of systemd-nspawn. It runs without systemd as the machine's init, so nothing is registered."""
        return [
            "--quiet",
            f"--directory={self.root}",
            f"--machine={self.namespace}",
            f"--hostname={self.name}",
            "--register=no",
            "--keep-unit",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            f"--network-namespace-path={network.NAMESPACES / self.namespace}",
            f"--bind={self.data}:/srv/data",
            *self.plan.binds,
            "--capability=all",
            "--console=pipe",
            "--boot",
        ]

    def reinstall(self) -> None:
        """Power the host off and throw its system away; /srv/data and the extra disks survive. It stays off."""
        self.kill()
        self.unmount()
        for file in (self.disk_file, self.ports_file, self.directory / "partitioned"):
            file.unlink(missing_ok=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "reinstalled").touch()
        self.prepare()

    def blank_disk(self, name: str) -> None:
        """Throw away what an extra disk ("sdb") of the host holds, if there is one. The host is off."""
        disk = self.data / "disks" / name
        if disk.exists():
            size = disk.stat().st_size
            disk.unlink()
            make_sparse(disk, size)

    def disks(self) -> list[str]:
        """Names of its extra disks ("sdb" ...)."""
        return sorted(disk.name for disk in (self.data / "disks").iterdir())

    def overwrite_disk(self, name: str, count: int) -> None:
        """Write zeros over the first ``count`` bytes of an extra disk, under whatever uses it."""
        with (self.data / "disks" / name).open("r+b") as disk:
            disk.write(bytes(count))

    def destroy(self) -> None:
        """Power the host off and remove all of it."""
        self.kill()
        self.unmount()
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def unmount(self) -> None:
        """Unmount the root of a host that is off; what its processes held may take a moment. Raises Timeout."""
        def unmounted() -> bool:
            try:
                mounts.unmount_below(self.directory)
            except CommandFailed:
                return False
            return True

        until(unmounted, 15, f"{self.name}: nothing using {self.directory}")

    def write(self, path: str, text: str, mode: int = 0o644, owner: str | None = None) -> None:
        """Write a file of the host, folders included. ``owner``: "user" or "user:group" as the host knows them."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.parent.resolve().is_relative_to(self.root):
            raise HostError(f"{self.name}: {path} leads out of the host by an absolute link")
        if file.is_symlink() or file.exists():
            file.unlink()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(text)
        if owner:
            run(["chroot", str(self.root), "chown", owner, "/" + path.lstrip("/")])

    # ---- ports

    @property
    def ports_file(self) -> Path:
        """Lines "interface bridge address", read at each power-on."""
        return self.directory / "ports"

    def ports(self) -> list[tuple[str, str]]:
        """(interface, bridge of the switch) of every port, VLAN interfaces included."""
        return [(line.split()[0], line.split()[1]) for line in self.ports_file.read_text().splitlines()]

    def write_ports(self, ports: list[tuple[str, str]]) -> None:
        """Set what is plugged where at the next power-on."""
        lines = (f"{interface} {bridge} {mac_address(self.name, interface)}\n" for interface, bridge in ports)
        self.ports_file.write_text("".join(lines))

    def peer(self, interface: str) -> str:
        """The switch's end of a port, as supervise.sh names it."""
        return f"{self.name.removeprefix('node-')}-{interface}"

    def plug_vlan(self, nic: str, vlan: int) -> str:
        """Give the host the tagged interface ``nic``.``vlan``, now and at each boot, and return its name.

        Not every kernel has 802.1Q, so it is a port of its own in the switch's bridge of that VLAN.
        Raises CommandFailed.
        """
        interface = f"{nic}.{vlan}"
        ports = self.ports()
        if interface in dict(ports):
            return interface
        bridge = f"{dict(ports)[nic]}.{vlan}"
        network.add_bridge(self.plan.prefix, bridge)
        self.write_ports([*ports, (interface, bridge)])
        if self.namespace in network.namespaces(self.plan.prefix):
            address = mac_address(self.name, interface)
            network.plug(self.plan.prefix, self.namespace, interface, self.peer(interface), bridge, address)
        return interface

    def set_partitioned(self, partitioned: bool) -> None:
        """Unplug the host from the whole switch, or plug it in again; kept over reboots. Raises CommandFailed."""
        mark = self.directory / "partitioned"
        mark.touch() if partitioned else mark.unlink(missing_ok=True)
        if self.namespace not in network.namespaces(self.plan.prefix):
            return
        for interface, bridge in self.ports():
            target = ["nomaster"] if partitioned else ["master", bridge]
            run(["ip", "-n", self.switch, "link", "set", self.peer(interface), *target])

    # ---- power

    def set_companion(self, argv: Sequence[str]) -> None:
        """A command of the machine that runs in the host's network while the host is on, from the next power-on."""
        (self.directory / "companion").write_text("\n".join(argv) + "\n")

    def start(self) -> None:
        """Power the host on and return once its init runs. Raises HostError, Timeout."""
        if self.is_running():
            return
        self.kill()
        self.mount()
        # Not in the caller's network: the caller may itself run in that of a host, which could then never go away.
        script = ["sh", str(HERE / "supervise.sh"), str(self.directory)]
        command = network.inside(self.switch, script)
        with (self.directory / "console").open("a") as console:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd="/"
            )

        def started() -> bool:
            if process.poll() is not None:
                raise HostError(f"{self.name} does not start: {self.console_end()}")
            return self.is_running()

        until(started, 20, f"the init of {self.name} to start", interval=0.02)

    def console_end(self) -> str:
        """The last lines of the host's console."""
        return " / ".join((self.directory / "console").read_text(errors="replace").strip().splitlines()[-3:])

    def wait_booted(self, timeout: float = 60) -> None:
        """Wait until the host's init has started all it starts. Raises Timeout."""
        def booted() -> bool:
            if self.init() is None:
                return False
            done = self.run(["systemctl", "is-system-running"], check=False, timeout=20)
            return done.stdout.strip() in ("running", "degraded")

        until(booted, timeout, f"{self.name} to boot")

    def init(self) -> int | None:
        """Process id, on the machine, of the host's init; None while it is off."""
        try:
            parent = int((self.directory / "nspawn.pid").read_text())
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return next((int(child) for child in children if is_init(int(child), self.plan.prefix, self.name)), None)

    def is_running(self) -> bool:
        """Whether the host is on."""
        return self.init() is not None

    def stop(self, timeout: float = 90) -> None:
        """Shut the host down cleanly; pull the plug after ``timeout`` seconds. Raises Timeout when even that fails."""
        pid = self.init()
        if pid is not None:
            os.kill(pid, POWER_OFF)
            try:
                until(lambda: not self.is_supervised(), timeout, f"{self.name} to shut down")
                return
            except Timeout:
                pass  # as with a real host that hangs
        self.kill()

    def reboot(self, timeout: float = 90) -> None:
        """Reboot the host cleanly and return once the new init runs. Raises HostError, Timeout."""
        before = self.init()
        if before is None:
            raise HostError(f"{self.name} is off and cannot reboot")
        os.kill(before, REBOOT)
        until(lambda: self.init() not in (None, before), timeout, f"{self.name} to reboot")

    def kill(self) -> None:
        """Pull the plug. Harmless when it is off. Also puts away what a killed supervisor left. Raises Timeout."""
        pid = self.init()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        if self.is_supervised():
            # What is left then is killed below.
            with contextlib.suppress(Timeout):
                until(lambda: not self.is_supervised(), 10, f"{self.name} to lose power", interval=0.02)
        self.clear_away()

    def is_supervised(self) -> bool:
        """Whether anything of the host, its supervisor included, still runs."""
        return any(cgroups.processes(group) for group in self.groups())

    def groups(self) -> list[Path]:
        """Control groups of the host and of its companion."""
        own = cgroups.of_host(self.plan.prefix, self.name)
        return [*own, *(group.with_name(f"{group.name}.companion") for group in own)]

    def clear_away(self) -> None:
        """Remove the host's processes, ports, network namespace and control groups. Raises Timeout, CommandFailed."""
        for group in self.groups():
            cgroups.kill(group)
        until(lambda: all(cgroups.remove(group) for group in self.groups()), 15, f"the processes of {self.name} to end")
        if self.namespace in network.namespaces(self.plan.prefix):
            for interface, _ in self.ports():
                run(["ip", "-n", self.switch, "link", "delete", self.peer(interface)], check=False)
            run(["ip", "netns", "delete", self.namespace])
        for name in ("nspawn.pid", "supervisor.pid"):
            (self.directory / name).unlink(missing_ok=True)

    # ---- commands

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` inside the host with a clean environment. Raises HostError when it is off."""
        pid = self.init()
        if pid is None:
            raise HostError(f"{self.name} is off")
        spaces = ["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        return ["nsenter", "-t", str(pid), *spaces, "--", "/usr/bin/env", "-i", *ENVIRONMENT, *argv]

    def run(
        self, argv: Sequence[str], *, input: str | None = None, check: bool = True, timeout: float | None = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the host and return it finished, output as text.

        Raises HostError when the host is off, CommandFailed (its message begins with the host's name) when ``check``
        and the command fails, subprocess.TimeoutExpired after ``timeout`` seconds.
        """
        done = run(self.entering(argv), given=input, check=False, timeout=timeout)
        if check and done.returncode:
            raise CommandFailed([f"{self.name}:", *argv], done.returncode, done.stderr or done.stdout)
        return done


def is_init(pid: int, prefix: str, name: str) -> bool:
    """Whether a process is an init in the control group of the host ``name``."""
    try:
        command = Path(f"/proc/{pid}/comm").read_text().strip()
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return command == "systemd" and f"/{prefix}lab/{name}/" in groups.replace("\n", "/\n")


def make_sparse(file: Path, size: int) -> None:
    """Make a sparse file of ``size`` bytes unless it is there."""
    if not file.exists():
        with file.open("wb") as handle:
            handle.truncate(size)
