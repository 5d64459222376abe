"""Rows that years of use leave in nova's database: servers that were deleted, with all that nova kept of them.

Column names are those of nova 2023.1. Nothing here is live: an address that lists servers shows none of it. What is
archived goes to the shadow tables, as ``nova-manage db archive_deleted_rows`` does.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]

START = datetime(2014, 10, 1)
YEARS = 9
ARCHIVED = 0.5
"""Share of servers whose rows were archived; who never archives has all of them in the tables with many indexes."""
ORDER = (
    "instances",
    "instance_extra",
    "instance_info_caches",
    "instance_metadata",
    "instance_system_metadata",
    "instance_faults",
    "instance_actions",
    "instance_actions_events",
    "block_device_mapping",
)
"""Tables in an order in which each row finds what it refers to."""
WORDS = (
    "web",
    "db",
    "cache",
    "worker",
    "build",
    "gitlab",
    "kafka",
    "mail",
    "test",
    "ci",
    "proxy",
    "node",
    "app",
    "log",
)
FLAVORS = ((1, 512, 1), (2, 2048, 20), (3, 4096, 40), (4, 8192, 80), (5, 16384, 160))
"""Identifier, MiB of memory, GiB of root disk."""
ACTIONS = ("create", "reboot", "stop", "start", "resize", "confirmResize", "rebuild", "live-migration", "attach_volume")
FAULTS = (
    ("No valid host was found. There are not enough hosts available.", "nova.exception", "NoValidHost", 500),
    ("Build of instance {uuid} aborted: Volume {volume} did not finish", "nova.exception", "BuildAbortException", 500),
    ("Timed out waiting for a reply to message ID {message}", "oslo_messaging", "MessagingTimeout", 500),
    ("Instance {uuid} could not be found.", "nova.exception", "InstanceNotFound", 404),
)
CALLS = (
    ("nova/compute/manager.py", "_do_build_and_run_instance", "self._build_and_run_instance(context, instance, image,"),
    ("nova/compute/manager.py", "_build_and_run_instance", "instance_uuid=instance.uuid, reason=str(e))"),
    ("nova/conductor/manager.py", "build_instances", "instance_uuids, return_alternates=True)"),
    ("nova/scheduler/client/query.py", "select_destinations", "return cctxt.call(ctxt, 'select_destinations', **args)"),
    ("oslo_messaging/rpc/client.py", "call", "result = self.transport._send("),
    ("oslo_messaging/_drivers/amqpdriver.py", "_send", "result = self._waiter.wait(msg_id, timeout,"),
    ("nova/virt/libvirt/driver.py", "spawn", "self._create_guest_with_network("),
    ("nova/virt/libvirt/guest.py", "launch", "return self._domain.createWithFlags(flags)"),
    ("eventlet/tpool.py", "tworker", "rv = meth(*args, **kwargs)"),
)


@dataclass(frozen=True)
class Place:
    """Where a cloud's servers ran: pairs of (host, node) as nova names them, and its projects and users."""

    hosts: Sequence[tuple[str, str]]
    projects: Sequence[str]
    users: Sequence[str]


class Server:
    """One deleted server; what is drawn for it depends on the generator alone."""

    def __init__(self, draw: random.Random, place: Place, number: int) -> None:
        self.draw, self.number = draw, number
        self.uuid = self.identifier()
        self.host, self.node = draw.choice(place.hosts)
        self.project, self.user = draw.choice(place.projects), draw.choice(place.users)
        self.flavor = draw.choice(FLAVORS)
        self.name = f"{draw.choice(WORDS)}-{draw.choice(WORDS)}-{draw.randrange(1000):03d}"
        self.born = START + timedelta(seconds=draw.randrange(YEARS * 365 * 86400))
        self.died = self.born + timedelta(seconds=int(draw.expovariate(1 / (40 * 86400))) + 60)
        self.volumes = [self.identifier() for _ in range(draw.choice((1, 1, 1, 2, 3)))]

    def identifier(self) -> str:
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def moment(self) -> datetime:
        """A moment of its life."""
        return self.born + (self.died - self.born) * self.draw.random()

    def stamps(self) -> Row:
        return {"created_at": self.born, "updated_at": self.died, "deleted_at": self.died}

    def rows(self) -> Iterator[tuple[str, Row]]:
        """(table, row) of all it left; ``id`` and ``deleted`` are the taker's, who knows what is there already."""
        yield "instances", self.instance()
        yield "instance_extra", self.extra()
        yield "instance_info_caches", {**self.stamps(), "instance_uuid": self.uuid, "network_info": self.network()}
        for key, value in (("role", self.name.partition("-")[0]), ("owner", self.user[:8]))[: self.draw.randrange(3)]:
            yield "instance_metadata", {**self.stamps(), "instance_uuid": self.uuid, "key": key, "value": value}
        for key, value in self.system_metadata().items():
            yield "instance_system_metadata", {**self.stamps(), "instance_uuid": self.uuid, "key": key, "value": value}
        for _ in range(self.draw.choice((0, 1, 1, 3, 6))):
            yield "instance_faults", self.fault()
        for action in ("create", *self.draw.choices(ACTIONS, k=self.draw.randrange(40)), "delete"):
            yield from self.action(action)
        for index, volume in enumerate(self.volumes):
            yield "block_device_mapping", self.mapping(index, volume)

    def instance(self) -> Row:
        identifier, memory, disk = self.flavor
        return {
            **self.stamps(),
            "user_id": self.user,
            "project_id": self.project,
            "image_ref": "" if len(self.volumes) > 1 else self.identifier(),
            "launch_index": 0,
            "key_name": f"{self.name.partition('-')[0]}-key",
            "power_state": 0,
            "vm_state": "deleted",
            "memory_mb": memory,
            "vcpus": identifier,
            "hostname": self.name,
            "host": self.host,
            "node": self.node,
            "launched_on": self.host,
            "reservation_id": f"r-{self.draw.getrandbits(40):08x}",
            "launched_at": self.born + timedelta(seconds=17),
            "terminated_at": self.died,
            "display_name": self.name,
            "display_description": self.name,
            "availability_zone": "nova",
            "locked": 0,
            "instance_type_id": identifier,
            "uuid": self.uuid,
            "root_device_name": "/dev/vda",
            "config_drive": "",
            "progress": 0,
            "root_gb": disk,
            "ephemeral_gb": 0,
            "cleaned": 1,
            "hidden": 0,
        }

    def extra(self) -> Row:
        identifier, memory, disk = self.flavor
        data: Row = {"id": identifier, "name": f"m1.{identifier}", "memory_mb": memory, "vcpus": identifier}
        data |= {
            "root_gb": disk,
            "ephemeral_gb": 0,
            "swap": 0,
            "flavorid": self.identifier(),
            "rxtx_factor": 1.0,
            "vcpu_weight": 0,
        }
        data |= {"disabled": False, "is_public": True, "description": None, "deleted": False, "deleted_at": None}
        data |= {"extra_specs": {"hw:cpu_policy": "shared", "hw:mem_page_size": "small"}, "created_at": iso(START)}
        key = f"ssh-rsa {self.draw.getrandbits(2048):x} {self.user[:8]}@{self.name}"
        pair = {"name": f"{self.name}-key", "public_key": key, "type": "ssh", "user_id": self.user}
        return {
            **self.stamps(),
            "instance_uuid": self.uuid,
            "flavor": versioned("Flavor", "1.2", {"cur": versioned("Flavor", "1.2", data), "old": None, "new": None}),
            "keypairs": versioned("KeyPairList", "1.3", {"objects": [versioned("KeyPair", "1.4", pair)]}),
            "pci_requests": "[]",
            "trusted_certs": None,
        }

    def network(self) -> str:
        """The cache of its ports, as nova keeps it."""
        ports = []
        for number in range(self.draw.choice((1, 1, 2))):
            octets = (self.draw.randrange(256), self.draw.randrange(2, 255))
            address = {"address": f"10.{number}.{octets[0]}.{octets[1]}", "type": "fixed", "version": 4, "meta": {}}
            subnet = {
                "cidr": f"10.{number}.0.0/16",
                "ips": [address | {"floating_ips": []}],
                "version": 4,
                "routes": [],
            }
            gateway = {"address": f"10.{number}.0.1", "type": "gateway", "version": 4, "meta": {}}
            subnet |= {"gateway": gateway, "dns": [], "meta": {"dhcp_server": f"10.{number}.0.2"}}
            port = self.identifier()
            ports.append(
                {
                    "id": port,
                    "address": "fa:16:3e:" + ":".join(f"{self.draw.randrange(256):02x}" for _ in range(3)),
                    "network": {
                        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.project}{number}")),
                        "bridge": "br-int",
                        "label": f"net-{self.project[:6]}",
                        "subnets": [subnet],
                        "meta": {"injected": False, "tenant_id": self.project, "mtu": 1450, "tunneled": True},
                    },
                    "type": "ovs",
                    "details": {"port_filter": True, "connectivity": "l2", "bridge_name": "br-int"},
                    "devname": f"tap{port[:11]}",
                    "ovs_interfaceid": port,
                    "active": False,
                    "vnic_type": "normal",
                    "profile": {},
                    "preserve_on_delete": False,
                    "meta": {},
                }
            )
        return json.dumps(ports)

    def system_metadata(self) -> dict[str, str]:
        identifier, _, disk = self.flavor
        boot_roles = "member,reader" if self.draw.random() < 0.7 else "admin,member,reader"
        return {
            "image_min_disk": str(disk),
            "image_min_ram": "0",
            "image_disk_format": self.draw.choice(("qcow2", "raw")),
            "image_container_format": "bare",
            "image_base_image_ref": self.identifier(),
            "image_hw_machine_type": "pc-i440fx-7.2",
            "image_os_distro": self.draw.choice(("ubuntu", "debian", "centos", "windows")),
            "image_owner_id": self.project,
            "boot_roles": boot_roles,
            "owner_user_name": f"user-{self.user[:6]}",
            "owner_project_name": f"project-{self.project[:6]}",
            "old_vm_state": self.draw.choice(("active", "stopped", "error")),
            "clean_attempts": str(self.draw.randrange(1, 4)),
            "instance_type_id": str(identifier),
        }

    def fault(self) -> Row:
        message, module, kind, code = self.draw.choice(FAULTS)
        text = message.format(uuid=self.uuid, volume=self.volumes[0], message=f"{self.draw.getrandbits(128):032x}")
        when = self.moment()
        return {
            "created_at": when,
            "updated_at": None,
            "deleted_at": self.died,
            "instance_uuid": self.uuid,
            "code": code,
            "message": text[:255],
            "details": self.traceback(f"{module}.{kind}: {text}"),
            "host": self.host,
        }

    def traceback(self, last: str) -> str:
        lines = ["Traceback (most recent call last):"]
        for file, function, code in self.draw.choices(CALLS, k=self.draw.randrange(4, 14)):
            place = f"/usr/lib/python3/dist-packages/{file}"
            lines += [f'  File "{place}", line {self.draw.randrange(40, 9000)}, in {function}', f"    {code}"]
        return "\n".join([*lines, last, ""])

    def action(self, name: str) -> Iterator[tuple[str, Row]]:
        began = self.moment()
        ended = began + timedelta(seconds=self.draw.randrange(1, 120))
        failed = self.draw.random() < 0.12
        yield (
            "instance_actions",
            {
                "created_at": began,
                "updated_at": ended,
                "deleted_at": None,
                "action": name,
                "instance_uuid": self.uuid,
                "request_id": f"req-{self.identifier()}",
                "user_id": self.user,
                "project_id": self.project,
                "start_time": began,
                "finish_time": ended,
                "message": "Error" if failed else None,
            },
        )
        for step in ("conductor", "compute")[: self.draw.randrange(1, 3)]:
            yield (
                "instance_actions_events",
                {
                    "created_at": began,
                    "updated_at": ended,
                    "deleted_at": None,
                    "event": f"{step}_{name.replace('-', '_')}_instance",
                    "start_time": began,
                    "finish_time": ended,
                    "result": "Error" if failed else "Success",
                    "traceback": self.traceback(f"nova.exception.NovaException: {name} of {self.uuid}")
                    if failed
                    else None,
                    "host": self.host,
                    "details": None,
                },
            )

    def mapping(self, index: int, volume: str) -> Row:
        letter = "abcdefgh"[index]
        data: Row = {"name": f"volumes/volume-{volume}", "hosts": ["192.168.1.3", "192.168.1.4", "192.168.1.5"]}
        data |= {"ports": ["6789"] * 3, "cluster_name": "ceph", "auth_enabled": True, "auth_username": "volumes"}
        data |= {"secret_type": "ceph", "secret_uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, "ceph")), "volume_id": volume}
        data |= {"discard": True, "qos_specs": None, "access_mode": "rw", "encrypted": False, "cacheable": False}
        attachment = self.identifier()
        info = {
            "driver_volume_type": "rbd",
            "data": data,
            "status": "reserved",
            "instance": self.uuid,
            "serial": volume,
        }
        return {
            **self.stamps(),
            "uuid": self.identifier(),
            "device_name": f"/dev/vd{letter}",
            "delete_on_termination": int(index == 0),
            "volume_id": volume,
            "volume_size": self.flavor[2],
            "connection_info": json.dumps(info | {"attached_at": iso(self.born), "detached_at": ""}),
            "instance_uuid": self.uuid,
            "source_type": "image" if index == 0 else "volume",
            "destination_type": "volume",
            "device_type": "disk",
            "disk_bus": "virtio",
            "boot_index": 0 if index == 0 else None,
            "attachment_id": attachment,
            "encrypted": 0,
        }


def versioned(name: str, version: str, data: Row) -> Any:
    """An object as nova writes it down; the outermost one of a column is text."""
    found = {"nova_object.name": name, "nova_object.namespace": "nova", "nova_object.version": version}
    nested = {
        key: json.loads(value) if isinstance(value, str) and value[:1] == "{" else value for key, value in data.items()
    }
    if "objects" in nested:
        nested["objects"] = [json.loads(value) for value in nested["objects"]]
    return json.dumps(found | {"nova_object.data": nested})


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
