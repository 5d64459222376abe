"""octane-lab on this machine, and octane on the lab's Fuel master, as commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
MASTER = "fuel"
# The probe waits for requests under way, ten seconds at most each.
PROBE_ENDS_WITHIN = 30


class CommandFailed(Exception):
    """A command ended with an error; the message holds the command, its exit code and what it said last."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.done = done
        said = (done.stderr or done.stdout or "").strip().splitlines()[-5:]
        super().__init__(f"{' '.join(map(str, done.args))} ended with {done.returncode}\n" + "\n".join(said))


class Commands:
    """The commands of one lab. ``state`` is its state directory."""

    def __init__(self, state: Path, environment: Path = CHECKOUT / ".venv") -> None:
        self.state = state
        self.environment = environment

    def argv(self, *arguments: str) -> list[str]:
        """The command line of octane-lab for this lab."""
        return [str(self.environment / "bin" / "octane-lab"), "--state", str(self.state), *arguments]

    def on(self, host: str, *command: str) -> list[str]:
        """The command line that runs ``command`` on a host."""
        return self.argv("exec", host, "--", *command)

    def run(self, argv: list[str], check: bool = True, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        """Run a command line, its output kept. Raises CommandFailed when ``check``, and TimeoutExpired."""
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise CommandFailed(done)
        return done

    def live(self, argv: list[str]) -> None:
        """Run a command line whose output goes where ours goes. Raises CommandFailed."""
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True)
        if done.returncode:
            raise CommandFailed(done)

    def lab(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.run(self.argv(*arguments), **options)

    def octane(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.run(self.on(MASTER, "octane", *arguments), **options)

    def up(self, profile: str) -> list[str]:
        """The command line that brings up a lab whose Fuel master sees this checkout."""
        return self.argv("up", "--profile", profile, "--master-bind", str(CHECKOUT))

    def install(self) -> list[str]:
        """The command line that installs the product on the Fuel master."""
        return self.on(MASTER, str(CHECKOUT / "packaging" / "install-on-master"))

    @contextlib.contextmanager
    def probe(self, output: Path, *options: str) -> Iterator[None]:
        """Clients that run until the block is left. Raises CommandFailed when they ended before, or badly."""
        argv = self.argv("probe", "--output", str(output), *options)
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        try:
            yield
        finally:
            ended_early = process.poll() is not None
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PROBE_ENDS_WITHIN)
        if ended_early or process.returncode:
            raise CommandFailed(subprocess.CompletedProcess(process.args, process.returncode, "", said))

    def probe_summary(self, output: Path) -> dict[str, Any]:
        return json.loads(self.lab("probe", "--summary", str(output), "-f", "json").stdout)


def default_state() -> Path:
    """The state directory that octane-lab uses by itself."""
    return Path(os.environ.get("OCTANE_LAB_STATE", "/var/lib/octane-lab"))
