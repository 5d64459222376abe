"""A service of a machine, through whatever manages services there: systemd, or `service` for what is older."""

from __future__ import annotations

from dataclasses import dataclass

from octane.machine import Machine


@dataclass(frozen=True)
class Running:
    """Whether a service runs now, and whether it does after a boot."""

    active: bool
    enabled: bool


@dataclass(frozen=True)
class Service:
    """Service NAME on MACHINE. On systemd it is enabled or not; an Upstart job that is installed starts at boot."""

    machine: Machine
    name: str

    @property
    def has_systemd(self) -> bool:
        return self.machine.run(["test", "-d", "/run/systemd/system"], check=False).returncode == 0

    def is_installed(self) -> bool:
        if self.has_systemd:
            return self.machine.run(["systemctl", "cat", self.name], check=False).returncode == 0
        jobs = (f"/etc/init/{self.name}.conf", f"/etc/init.d/{self.name}")
        return any(self.machine.run(["test", "-e", job], check=False).returncode == 0 for job in jobs)

    def is_active(self) -> bool:
        if self.has_systemd:
            return self.machine.run(["systemctl", "-q", "is-active", self.name], check=False).returncode == 0
        status = self.machine.run(["service", self.name, "status"], check=False)
        # Upstart's `status` exits 0 for a stopped job too.
        return status.returncode == 0 and b"stop/waiting" not in status.stdout

    def is_enabled(self) -> bool:
        if not self.has_systemd:
            return True
        return self.machine.run(["systemctl", "-q", "is-enabled", self.name], check=False).returncode == 0

    def running(self) -> Running:
        return Running(self.is_active(), self.is_enabled())

    def put_back(self, before: Running) -> None:
        """Let it run as BEFORE says; where it ran, it starts anew, with the configuration of now."""
        if before.active:
            self.restart()
        else:
            self.stop()
        if self.has_systemd and before.enabled != before.active:
            self.machine.run(["systemctl", "-q", "enable" if before.enabled else "disable", self.name])

    def restart(self) -> None:
        """(Re)start it, now and at every boot."""
        if self.has_systemd:
            self.machine.run(["systemctl", "-q", "enable", self.name])
            self.machine.run(["systemctl", "restart", self.name])
        elif self.is_active():
            self.machine.run(["service", self.name, "restart"])
        else:
            self.machine.run(["service", self.name, "start"])

    def stop(self) -> None:
        """Stop it, now and at every boot."""
        if self.has_systemd:
            self.machine.run(["systemctl", "-q", "disable", "--now", self.name])
        elif self.is_active():
            self.machine.run(["service", self.name, "stop"])
