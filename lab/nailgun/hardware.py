"""What the agent of a bootstrap reports of a virtual machine, and how a server becomes known."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from lab.nailgun import nodes, notifications
from lab.nailgun.state import Row, State

GIB = 2**30
PLATFORM = "Standard PC (i440FX + PIIX, 1996)"
PROCESSOR = {"model": "QEMU Virtual CPU version 2.0.0", "frequency": 2399}


@dataclass
class Machine:
    """A virtual machine: its number, address in the admin network, MAC addresses of eth0..., disks (name -> bytes)."""

    number: int
    ip: str
    macs: list[str]
    disks: dict[str, int] = field(default_factory=dict)
    cpus: int = 4
    memory: int = 8 * GIB

    def report(self) -> dict[str, Any]:
        """What the agent sends: identity and ``meta``."""
        return {
            "mac": self.macs[0],
            "ip": self.ip,
            "manufacturer": "QEMU",
            "platform_name": PLATFORM,
            "os_platform": "ubuntu",
            "meta": self.meta(),
        }

    def meta(self) -> dict[str, Any]:
        """Interfaces, disks, memory, processors and identity of the machine."""
        return {
            "interfaces": [self.interface(index) for index in range(len(self.macs))],
            "disks": [self.disk(index, name) for index, name in enumerate(self.disks)],
            "memory": {
                "slots": 1,
                "total": self.memory,
                "maximum_capacity": self.memory,
                "devices": [{"type": "RAM", "size": self.memory}],
            },
            "cpu": {"real": 1, "total": self.cpus, "spec": [dict(PROCESSOR) for _ in range(self.cpus)]},
            "system": self.system(),
        }

    def interface(self, index: int) -> dict[str, Any]:
        """eth<INDEX>; the first one booted over PXE and has an address."""
        reported = {
            "name": f"eth{index}",
            "mac": self.macs[index],
            "driver": "e1000",
            "bus_info": f"0000:00:0{3 + index}.0",
            "state": "up",
            "max_speed": 1000,
            "current_speed": 1000,
            "offloading_modes": [],
            "pxe": index == 0,
        }
        return reported | ({"ip": self.ip, "netmask": "255.255.255.0"} if index == 0 else {})

    def disk(self, index: int, name: str) -> dict[str, Any]:
        """A virtio disk with its names below /dev/disk."""
        return {
            "name": name,
            "disk": f"disk/by-path/pci-0000:00:0{9 + index}.0-virtio-pci-virtio{index}",
            "extra": [f"disk/by-id/virtio-{self.number:02d}{index:02d}"],
            "model": None,
            "removable": "0",
            "size": self.disks[name],
        }

    def system(self) -> dict[str, str]:
        """What the firmware says."""
        identity = str(uuid.UUID(int=self.number))
        return {
            "manufacturer": "QEMU",
            "product": PLATFORM,
            "family": "Virtual Machine",
            "version": "pc-i440fx-trusty",
            "serial": "Not Specified",
            "fqdn": "bootstrap",
            "uuid": identity,
            "runtime_uuid": identity,
        }


def discovery_message(meta: dict[str, Any]) -> str:
    """The text of the notification about a new node: CPUs, memory, disks (whole GB, shown as TB from 100 on)."""
    memory = meta["memory"]["total"] / GIB
    gigabytes = sum(disk["size"] for disk in meta["disks"]) // 10**9
    storage = f"{gigabytes / 1000} TB" if gigabytes > 100 else f"{float(gigabytes)} GB"
    return f"New node is discovered: {meta['cpu']['total']} CPUs / {memory:.1f} GB RAM / {storage} HDD "


def discover(state: State, machine: Machine) -> Row:
    """The machine booted into the bootstrap for the first time: the node's row, and the notification about it."""
    report = machine.report() | {"id": machine.number, "name": f"Untitled (00:{machine.number:02x})"}
    node = nodes.add_discovered(state, report)
    notifications.add(state, "discover", discovery_message(node["meta"]), node=node["id"])
    return node
