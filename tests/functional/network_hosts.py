"""
Network namespaces that stand for hosts, each with files of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MISSING = [tool for tool in ("ip", "bridge", "ss", "ping", "unshare", "nsenter") if shutil.which(tool) is None]
NEEDED = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
]
# What the machine has of its own is hidden: its named namespaces, and an Open vSwitch that may run there.
READY = (
    "mkdir -p /run/netns /run/openvswitch && mount -t tmpfs none /run/netns && mount -t tmpfs none /run/openvswitch "
    "&& mount -t sysfs none /sys && ip link set lo up && echo ready && exec sleep 1200"
)


class Host:
    """A network and mount namespace of its own, with files of its own under ``root``."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root
        (root / "interfaces.d").mkdir(parents=True)
        (root / "network").mkdir()
        (root / "haproxy" / "conf.d").mkdir(parents=True)
        (root / "haproxy" / "haproxy.cfg").write_text("defaults\n  mode http\n")
        self.turn = threading.Lock()
        self.agent: subprocess.Popen[str] | None = None
        # What a lab unmounts meanwhile goes here too, or this would keep its disks in use.
        command = ["unshare", "--mount", "--propagation", "slave", "--net", "sh", "-c", READY]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout and self.process.stdout.readline() == "ready\n"

    def inside(self, *command: str) -> list[str]:
        """COMMAND as it is run in this host."""
        return ["nsenter", "-t", str(self.process.pid), "-m", "-n", *command]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        given = {"capture_output": True, "text": True, "timeout": 60, "cwd": REPOSITORY}
        done = subprocess.run(self.inside(*command), **given)
        assert not (check and done.returncode), f"{self.name}: {' '.join(command)}: {done.stderr}"
        return done

    def bridge(self, name: str, address: str, port: str) -> None:
        """A bridge as Fuel makes it, with its file."""
        self.run("ip", "link", "add", name, "type", "bridge")
        self.run("ip", "link", "set", port, "master", name)
        self.run("ip", "link", "set", name, "up")
        self.run("ip", "addr", "add", address, "dev", name)
        text = f"auto {name}\niface {name} inet static\nbridge_ports {port}\naddress {address}\n"
        self.ifcfg(name).write_text(text)

    def virtual_address(self, address: str, bridge: str) -> None:
        """As Fuel's agent makes one: a veth from the bridge into the namespace ``haproxy``."""
        self.run("ip", "netns", "add", "haproxy")
        self.run("ip", "link", "add", "v_vip", "type", "veth", "peer", "name", "b_vip", "netns", "haproxy")
        self.run("ip", "link", "set", "v_vip", "master", bridge, "up")
        self.run("ip", "netns", "exec", "haproxy", "ip", "link", "set", "b_vip", "up")
        self.run("ip", "netns", "exec", "haproxy", "ip", "addr", "add", address, "dev", "b_vip")

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        return self._on_host({"function": function, "args": args, "kwargs": kwargs})

    def state(self, function: str, test: bool = False, **kwargs: Any) -> Any:
        return self._on_host({"function": function, "args": ["name"], "kwargs": kwargs, "state": True, "test": test})

    def reaches(self, address: str, *options: str) -> bool:
        return self.run("ping", "-c", "1", "-W", "1", *options, address, check=False).returncode == 0

    def ifcfg(self, name: str) -> Path:
        return self.root / "interfaces.d" / f"ifcfg-{name}"

    def file(self, name: str) -> str:
        return self.ifcfg(name).read_text()

    def stop(self) -> None:
        if self.agent and self.agent.stdin:
            self.agent.stdin.close()
            self.agent.wait(timeout=30)
        self.process.kill()
        self.process.wait()

    def _on_host(self, given: dict[str, Any]) -> Any:
        with self.turn:
            if self.agent is None:
                command = [sys.executable, "-m", "tests.functional.on_host", str(self.root), self.name]
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": REPOSITORY}
                self.agent = subprocess.Popen(self.inside(*command), **pipes)
            assert self.agent.stdin and self.agent.stdout
            print(json.dumps(given), file=self.agent.stdin, flush=True)
            line = self.agent.stdout.readline()
            assert line, f"{self.name}: {given['function']} died"
            return json.loads(line)
