"""
A host's network as a boot makes it: what ifupdown reads in ``interfaces.d``, and what Open vSwitch remembers.

Only what a machine keeps without power lasts over a boot: its network cards, its files, the database of Open vSwitch;
and of that database, after a clean shutdown, no bridge that has a file.
Not every kernel makes VLANs: the switch outside does, and has a cable for each of a machine's.
"""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.functional.network_hosts import Host

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
STARTED = 20
ARP_IGNORE = "/proc/sys/net/ipv4/conf/all/arp_ignore"


class Switched(Host):
    """A host where Open vSwitch may run, in user space."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name, root)
        self.daemons: list[subprocess.Popen[bytes]] = []

    def vsctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("ovs-vsctl", "--timeout=10", *words, check=check)

    def start_switch(self) -> None:
        database = self.root / "conf.db"
        if not database.exists():
            self.run("ovsdb-tool", "create", str(database), SCHEMA)
        self._daemon("ovsdb-server", str(database), "--remote=punix:/run/openvswitch/db.sock")
        self._wait(lambda: self.vsctl("--no-wait", "init", check=False).returncode == 0, "the database of Open vSwitch")
        self._daemon("ovs-vswitchd", "unix:/run/openvswitch/db.sock")
        # Without --no-wait it ends when the switch has made all that the database names.
        self.vsctl("set", "Open_vSwitch", ".", f"external_ids:booted={time.monotonic()}")

    def sum_up(self, name: str) -> None:
        """Virtual cards leave out the checksums of TCP; a switch in user space passes such packets on as they are."""
        self.run("ethtool", "-K", name, "tx", "off")

    def stop_switch(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait(timeout=20)
        self.daemons = []

    def stop(self) -> None:
        self.stop_switch()
        super().stop()

    def _daemon(self, name: str, *words: str) -> None:
        log = f"--log-file={self.root}/{name}.log"
        command = self.inside(name, *words, "--pidfile", log, "--verbose=console:off")
        self.daemons.append(subprocess.Popen(command))

    def _wait(self, is_there, what: str) -> None:
        until = time.monotonic() + STARTED
        while not is_there():
            assert time.monotonic() < until, f"{self.name}: {what} did not start within {STARTED} s"


class Machine(Switched):
    """A host that can be booted, with or without Open vSwitch."""

    def __init__(self, name: str, root: Path, cards: tuple[str, ...]) -> None:
        super().__init__(name, root)
        self.cards = cards
        self.has_switch = False
        self.is_shut_down_cleanly = False
        self.agent_of_tenants: Callable[[], None] = lambda: None
        self._up: set[str] = set()

    def write(self, name: str, *lines: str) -> None:
        """The file of an interface."""
        self.ifcfg(name).write_text("\n".join(lines) + "\n")

    def boot(self) -> None:
        """Everything at run time is thrown away and made again."""
        self._power_off()
        self.run("sh", "-c", f"cat {self.root}/sysctl.conf 2>/dev/null | grep -q 1 && echo 1 >{ARP_IGNORE} || :")
        if self.has_switch:
            self.start_switch()
        self._up = set()
        for path in sorted((self.root / "interfaces.d").glob("ifcfg-*")):
            for words in map(str.split, path.read_text().splitlines()):
                if words[:1] == ["auto"]:
                    self.ifup(words[1])
        self.agent_of_tenants()

    def ifup(self, name: str, allowed: str = "auto") -> None:
        """As ifupdown does it; without a file, or not ALLOWED there, nothing."""
        lines = [line.split() for line in self.file(name).splitlines()] if self.ifcfg(name).exists() else []
        if name in self._up or [allowed, name] not in lines:
            return
        self._up.add(name)
        options = [words for words in lines if words and words[0] not in ("auto", "iface") and words[0][0] != "#"]
        self._commands(options, "pre-up")
        self._make(name, {words[0]: words[1:] for words in options})
        self.run("ip", "link", "set", "dev", name, "up", check=False)
        if ["ovs_type", "OVSBridge"] in options:
            self.sum_up(name)
        for words in options:
            if words[0] == "address":
                self.run("ip", "addr", "add", words[1], "dev", name)
        self._commands(options, "up")
        self.run("env", f"IFACE={name}", "run-parts", "--exit-on-error", str(self.root / "network"))

    def _commands(self, options: list[list[str]], when: str) -> None:
        for words in options:
            if words[:2] == [when, "ifup"]:
                self.ifup(words[2])
            elif words[0] == when:
                self.run("sh", "-c", " ".join(words[1:]))

    def _make(self, name: str, options: dict[str, list[str]]) -> None:
        if "bridge_ports" in options:
            self.run("sh", "-c", f"ip link show {name} >/dev/null 2>&1 || ip link add {name} type bridge")
            for port in options["bridge_ports"]:
                if port != "none":
                    self.run("ip", "link", "set", port, "master", name, "up")
        self._make_of_switch(name, options)

    def _make_of_switch(self, name: str, options: dict[str, list[str]]) -> None:
        """What the script of Debian's package does."""
        kind, bridge = options.get("ovs_type", [""])[0], options.get("ovs_bridge", [""])[0]
        extra = options.get("ovs_options", [])
        if kind == "OVSBridge":
            self.vsctl("--may-exist", "add-br", name, "--", "set", "Bridge", name, "datapath_type=netdev")
            for port in options.get("ovs_ports", []):
                self.ifup(port, allowed=f"allow-{name}")
        elif kind == "OVSPort":
            self.vsctl("--may-exist", "add-port", bridge, name, *extra)
        elif kind == "OVSIntPort":
            self.vsctl("--may-exist", "add-port", bridge, name, "--", "set", "Interface", name, "type=internal")
        elif kind == "OVSBond":
            self.vsctl("--may-exist", "add-bond", bridge, name, *options["ovs_bonds"], *extra)
            for interface in options["ovs_bonds"]:
                self.run("ip", "link", "set", interface, "up")

    def _shut_down(self) -> None:
        """What the script of Debian's package does when interfaces go down."""
        for path in (self.root / "interfaces.d").glob("ifcfg-*"):
            if "ovs_type OVSBridge" in path.read_text().splitlines():
                self.vsctl("--if-exists", "del-br", path.name.removeprefix("ifcfg-"))

    def _power_off(self) -> None:
        if self.is_shut_down_cleanly and self.daemons:
            self._shut_down()
        self.stop_switch()
        self.run("ip", "-all", "netns", "delete")
        for link in json.loads(self.run("ip", "-j", "link", "show").stdout):
            name = link["ifname"]
            if name not in ("lo", *self.cards):
                self.run("ip", "link", "delete", name, check=False)
        for name in self.cards:
            self.run("ip", "addr", "flush", "dev", name)
            self.run("ip", "link", "set", name, "nomaster", "down")
        self.run("sh", "-c", f"echo 0 >{ARP_IGNORE}")
