"""Rows that years of use leave in nova's database: servers that were deleted, with all that nova kept of them.

Column names are those of nova 2023.1. Nothing here is live: an address that lists servers shows none of it. What is
archived goes to the shadow tables, as ``nova-manage db archive_deleted_rows`` does.

They are as varied as a real cloud's: zlib makes them less than five times smaller. What users gave their servers
(cloud-init's files, keys, metadata) and what libvirt, Ceph and Neutron said when something failed has identifiers,
addresses and times of its own each time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from lab.bench.vocabulary import FAULTS, FILES, NOUNS, PACKAGES, VERBS, WORDS

Row = dict[str, Any]

START = datetime(2014, 10, 1)
YEARS = 9
SEASON = 60
"""Days within which the servers of one batch were made."""
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
FLAVORS = ((1, 512, 1), (2, 2048, 20), (3, 4096, 40), (4, 8192, 80), (5, 16384, 160))
"""Identifier, MiB of memory, GiB of root disk."""
ACTIONS = ("create", "reboot", "stop", "start", "resize", "confirmResize", "rebuild", "live-migration", "attach_volume")
OPTIONAL = ("image_build_id", "image_description", "image_hw_machine_type", "image_os_version", "image_sha512")
"""What not every image says."""


@dataclass(frozen=True)
class Place:
    """Where a cloud's servers ran: pairs of (host, node) as nova names them, and its projects and users."""

    hosts: Sequence[tuple[str, str]]
    projects: Sequence[str]
    users: Sequence[str]


class Server:
    """One deleted server; what is drawn for it depends on the generator alone."""

    def __init__(self, draw: random.Random, place: Place, since: datetime = START) -> None:
        """Born within a SEASON after ``since``."""
        self.draw = draw
        self.uuid = self.identifier()
        self.hosts, self.users = place.hosts, place.users
        self.host, self.node = draw.choice(place.hosts)
        self.project, self.user = draw.choice(place.projects), draw.choice(place.users)
        self.flavor = draw.choice(FLAVORS)
        self.name = self.called()
        self.born = since + timedelta(seconds=draw.randrange(SEASON * 86400))
        self.died = self.born + timedelta(seconds=int(draw.expovariate(1 / (40 * 86400))) + 60)
        self.volumes = [self.identifier() for _ in range(draw.choice((1, 1, 1, 2, 3)))]

    def identifier(self) -> str:
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def called(self) -> str:
        """As people name them, and as Heat and autoscalers do."""
        draw = self.draw
        first, second = draw.choice(WORDS), draw.choice(WORDS)
        if draw.random() < 0.4:
            return f"{first[:2]}-{self.word(7)}-{draw.randrange(40)}-{self.word(12)}-{second}-{self.word(12)}"
        return f"{first}-{second}-{draw.randrange(1000):03d}"

    def word(self, length: int) -> str:
        """Letters and digits without meaning, as generated names and passwords have them."""
        return base64.b32encode(self.draw.randbytes(length)).decode()[:length].lower()

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
        for key, value in self.metadata().items():
            yield "instance_metadata", {**self.stamps(), "instance_uuid": self.uuid, "key": key, "value": value}
        for key, value in self.system_metadata().items():
            yield "instance_system_metadata", {**self.stamps(), "instance_uuid": self.uuid, "key": key, "value": value}
        for _ in range(self.draw.choice((0, 1, 1, 3, 6))):
            yield "instance_faults", self.fault()
        # Most are made, used and deleted; a few are worked on for years.
        for action in ("create", *self.draw.choices(ACTIONS, k=int(self.draw.expovariate(1 / 6))), "delete"):
            yield from self.action(action)
        for index, volume in enumerate(self.volumes):
            yield "block_device_mapping", self.mapping(index, volume)

    def metadata(self) -> dict[str, str]:
        """What its user noted of it, or an orchestrator."""
        draw = self.draw
        known = {
            "role": f"{draw.choice(WORDS)}-{draw.choice(WORDS)}",
            "owner": f"{self.word(6)}@{draw.choice(WORDS)}.example.org",
            "metering.stack": self.identifier(),
            "kubernetes.io-cluster-name": f"{draw.choice(WORDS)}-{self.word(8)}",
            "ansible_groups": ",".join(draw.sample(WORDS, draw.randrange(1, 6))),
            "cost-center": str(draw.randrange(10000, 99999)),
            "terraform_run": f"run-{self.word(16)}",
            "expires": iso(self.died),
        }
        return {key: known[key] for key in draw.sample(sorted(known), draw.choice((0, 0, 1, 2, 4)))}

    def user_data(self) -> str | None:
        """The file for cloud-init that it was given, as two servers of three are: base64, as nova keeps it."""
        draw = self.draw
        if draw.random() < 0.35:
            return None
        lines = ["#cloud-config", f"hostname: {self.name}", f"fqdn: {self.name}.{draw.choice(WORDS)}.example.org"]
        lines += ["users:", f"- name: {draw.choice(WORDS)}", f"  passwd: $6${self.word(16)}${self.word(86)}"]
        keys = [public_key(draw.choice(self.users)) for _ in range(draw.randrange(3))]
        lines += ["  ssh_authorized_keys:", *(f"  - {key}" for key in keys)]
        lines += ["packages:", *(f"- {one}" for one in draw.sample(PACKAGES, draw.randrange(1, 9)))]
        for _ in range(draw.randrange(4)):
            name = f"/etc/{draw.choice(WORDS)}/{draw.choice(WORDS)}.conf"
            content = base64.b64encode(draw.randbytes(draw.randrange(60, 900))).decode()
            lines += ["write_files:", f"- path: {name}", "  encoding: gz+b64", f"  content: {content}"]
        if draw.random() < 0.4:
            stack, signature = self.identifier(), base64.b64encode(draw.randbytes(32)).decode()
            lines += [
                "runcmd:",
                f"- curl -X PUT 'http://192.168.0.2:8000/v1/waitcondition/arn%3Aopenstack%3Aheat%3A%3A{self.project}%3Astacks"
                f"%2F{self.name}%2F{stack}%2Fresources%2Fwait?Timestamp={iso(self.born)}&Signature={signature}"
                f"&AWSAccessKeyId={draw.getrandbits(128):032x}'",
            ]
        return base64.b64encode("\n".join(lines).encode()).decode()

    def instance(self) -> Row:
        identifier, memory, disk = self.flavor
        return {
            **self.stamps(),
            "user_id": self.user,
            "project_id": self.project,
            "image_ref": "" if len(self.volumes) > 1 else self.identifier(),
            "launch_index": 0,
            "key_name": f"{self.user[:6]}-{self.name.partition('-')[0]}",
            "user_data": self.user_data(),
            "power_state": 0,
            "vm_state": "deleted",
            "memory_mb": memory,
            "vcpus": identifier,
            "hostname": self.name,
            "host": self.host,
            "node": self.node,
            "launched_on": self.host,
            "reservation_id": f"r-{self.draw.getrandbits(40):08x}",
            "launched_at": self.born + timedelta(seconds=self.draw.randrange(4, 90)),
            "terminated_at": self.died,
            "display_name": self.name,
            "display_description": " ".join(self.draw.choices(WORDS, k=self.draw.randrange(12))) or self.name,
            "availability_zone": self.draw.choice(("nova", "nova", "az1", "az2", "rack-3")),
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
        key = public_key(self.user)
        pair = {"name": f"{self.user[:6]}-{self.name.partition('-')[0]}", "public_key": key, "type": "ssh"}
        pair |= {"user_id": self.user, "fingerprint": hashlib.md5(key.encode()).hexdigest()}
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
        return json.dumps([self.port(number) for number in range(self.draw.choice((1, 1, 1, 2, 3)))])

    def port(self, number: int) -> Row:
        draw, identifier = self.draw, self.identifier()
        # A project's networks are the same whenever one of its servers is on them.
        of_project = zlib.crc32(self.project.encode())
        prefix = f"10.{of_project % 250}.{(of_project >> 8) % 250 + number}"
        network = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.project}{number}"))

        def address(last: int, kind: str, **more: Any) -> Row:
            return {"address": f"{prefix}.{last}", "type": kind, "version": 4, "meta": {}, **more}

        floating = []
        if draw.random() < 0.3:
            public = f"172.16.{draw.randrange(256)}.{draw.randrange(2, 255)}"
            floating = [{"address": public, "type": "floating", "version": 4, "meta": {}}]
        subnet = {
            "cidr": f"{prefix}.0/24",
            "ips": [address(draw.randrange(3, 255), "fixed", floating_ips=floating)],
            "version": 4,
            "routes": [
                {"cidr": f"192.168.{draw.randrange(256)}.0/24", "gateway": address(draw.randrange(3, 255), "gateway")}
                for _ in range(draw.choice((0, 0, 0, 1, 2)))
            ],
            "gateway": address(1, "gateway"),
            "dns": [address(draw.randrange(2, 5), "dns") for _ in range(draw.randrange(3))],
            "meta": {"dhcp_server": f"{prefix}.2"},
        }
        return {
            "id": identifier,
            "address": "fa:16:3e:" + ":".join(f"{draw.randrange(256):02x}" for _ in range(3)),
            "network": {
                "id": network,
                "bridge": draw.choice(("br-int", "br-int", f"qbr{identifier[:11]}")),
                "label": f"{WORDS[of_project % len(WORDS)]}-net-{number}",
                "subnets": [subnet],
                "meta": {
                    "injected": False,
                    "tenant_id": self.project,
                    "mtu": (1450, 1500, 8950)[of_project % 3],
                    "physical_network": None,
                    "tunneled": of_project % 3 == 0,
                },
            },
            "type": "ovs",
            "details": {"port_filter": True, "connectivity": "l2", "bridge_name": "br-int", "datapath_type": "system"},
            "devname": f"tap{identifier[:11]}",
            "ovs_interfaceid": identifier,
            "qbh_params": None,
            "qbg_params": None,
            "active": draw.random() < 0.8,
            "vnic_type": "normal",
            "profile": {} if draw.random() < 0.7 else {"migrating_to": draw.choice(self.hosts)[0]},
            "preserve_on_delete": draw.random() < 0.2,
            "delegate_create": True,
            "meta": {},
        }

    def system_metadata(self) -> dict[str, str]:
        identifier, _, disk = self.flavor
        draw = self.draw
        known = {
            "image_min_disk": str(disk),
            "image_min_ram": "0",
            "image_disk_format": draw.choice(("qcow2", "raw")),
            "image_container_format": "bare",
            "image_base_image_ref": self.identifier(),
            "image_hw_machine_type": draw.choice(("pc-i440fx-2.5", "pc-i440fx-7.2", "pc-q35-6.2")),
            "image_os_distro": draw.choice(("ubuntu", "debian", "centos", "windows", "fedora", "suse")),
            "image_os_version": f"{draw.randrange(7, 23)}.{draw.choice(('04', '10', '1', '2'))}",
            "image_build_id": f"{self.born:%Y%m%d}.{draw.randrange(1, 99)}-{self.word(10)}",
            "image_sha512": f"{draw.getrandbits(512):0128x}",
            "image_owner_id": self.project,
            "image_description": " ".join(draw.choices(WORDS, k=draw.randrange(2, 10))),
            "boot_roles": "member,reader" if draw.random() < 0.7 else "admin,member,reader",
            "owner_user_name": f"{draw.choice(WORDS)}.{self.user[:6]}",
            "owner_project_name": f"{WORDS[zlib.crc32(self.project.encode()) % len(WORDS)]}-{self.project[:6]}",
            "old_vm_state": draw.choice(("active", "stopped", "error")),
            "clean_attempts": str(draw.randrange(1, 4)),
            "instance_type_id": str(identifier),
        }
        left_out = set(draw.sample(OPTIONAL, draw.randrange(len(OPTIONAL) + 1)))
        return {key: value for key, value in known.items() if key not in left_out}

    def fault(self) -> Row:
        kind, code, text = self.failure()
        return {
            "created_at": self.moment(),
            "updated_at": None,
            "deleted_at": self.died,
            "instance_uuid": self.uuid,
            "code": code,
            "message": text[:255],
            "details": self.traceback(f"{kind}: {text}"),
            "host": self.host,
        }

    def failure(self) -> tuple[str, int, str]:
        """(its class, its code, its text)"""
        draw = self.draw
        module, name, code, text = draw.choice(FAULTS)
        given = {
            "uuid": self.uuid,
            "host": self.host,
            "volume": draw.choice(self.volumes),
            "port": self.identifier(),
            "message": f"{draw.getrandbits(128):032x}",
            "mac": "fa:16:3e:" + ":".join(f"{draw.randrange(256):02x}" for _ in range(3)),
            "secret": base64.b64encode(draw.randbytes(28)).decode(),
            "address": f"192.168.{draw.randrange(4)}.{draw.randrange(2, 255)}",
            "time": f"{self.moment():%Y-%m-%dT%H:%M:%S}.{draw.randrange(10**6):06d}",
            "pointer": f"{draw.getrandbits(40):010x}",
            "word": draw.choice(WORDS),
            "number": draw.randrange(1024, 10**6),
            "count": draw.randrange(1, 200),
            "seconds": draw.randrange(1, 1200),
        }
        return f"{module}.{name}", code, text.format(**given)

    def traceback(self, last: str) -> str:
        draw = self.draw
        lines = ["Traceback (most recent call last):"]
        for file in draw.choices(FILES, k=draw.randrange(3, 9)):
            verb, noun, other, more = draw.choice(VERBS), *draw.choices(NOUNS, k=3)
            place = f"/usr/lib/python3/dist-packages/{file}"
            lines.append(f'  File "{place}", line {draw.randrange(40, 9000)}, in {verb}_{noun}')
            lines.append(f"    {more} = self._{draw.choice(VERBS)}_{other}(context, {noun}, {other}={more}_{noun})")
        return "\n".join([*lines, last, ""])

    def action(self, name: str) -> Iterator[tuple[str, Row]]:
        began = self.moment()
        ended = began + timedelta(seconds=self.draw.randrange(1, 120))
        failed = self.draw.random() < 0.06
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
                    "traceback": self.traceback(": ".join(map(str, self.failure()[::2]))) if failed else None,
                    "host": self.host,
                    "details": None,
                },
            )

    def connection(self, volume: str) -> tuple[str, Row]:
        """(how a host reaches the volume, what it needs for that)"""
        draw = self.draw
        if draw.random() < 0.6:
            data: Row = {"name": f"volumes/volume-{volume}", "hosts": ["192.168.1.3", "192.168.1.4", "192.168.1.5"]}
            data |= {"ports": ["6789"] * 3, "cluster_name": "ceph", "auth_enabled": True, "auth_username": "volumes"}
            data |= {"secret_type": "ceph", "secret_uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, "ceph"))}
            qos = {"read_iops_sec": draw.randrange(100, 9000), "write_bytes_sec": draw.randrange(10**6, 10**9)}
            return "rbd", data | {"discard": True, "qos_specs": draw.choice((None, None, qos))}
        portal = f"192.168.1.{draw.randrange(10, 60)}:3260"
        target = f"iqn.2010-10.org.openstack:volume-{volume}"
        data = {"target_discovered": False, "target_portal": portal, "target_iqn": target, "target_lun": 0}
        data |= {"auth_method": "CHAP", "auth_username": self.word(20), "auth_password": self.word(16)}
        data |= {"device_path": f"/dev/disk/by-path/ip-{portal}-iscsi-{target}-lun-{draw.randrange(1, 255)}"}
        return "iscsi", data | {"qos_specs": None}

    def mapping(self, index: int, volume: str) -> Row:
        letter = "abcdefgh"[index]
        attachment = self.identifier()
        kind, data = self.connection(volume)
        data |= {"volume_id": volume, "access_mode": "rw", "encrypted": False, "cacheable": False}
        info = {
            "driver_volume_type": kind,
            "data": data,
            "status": "reserved",
            "instance": self.uuid,
            "serial": volume,
            "multiattach": False,
            "attachment_id": attachment,
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


@cache
def public_key(user: str) -> str:
    """The key of a user: always the same."""
    body = base64.b64encode(hashlib.shake_256(user.encode()).digest(258)).decode()
    return f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{body} {user[:8]}@{WORDS[zlib.crc32(user.encode()) % len(WORDS)]}"


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
