# mypy: ignore-errors
"""A nova virt driver without a hypervisor whose guests and node uuid survive a restart of nova-compute.

Since 2023.1 nova-compute refuses to start when its node's uuid is another one than before, and guests that are gone
are shut down in the database; nova's own fake driver forgets both. Placed in nova.virt, where nova looks for drivers.
"""

import json
import os

import nova.conf
from nova.virt import fake

CONF = nova.conf.CONF
FILE = "guests.json"


class RememberingDriver(fake.FakeDriverWithoutFakeNodes):
    """nova's fake driver with its guests in ``state_path``/guests.json: uuid to name, power state and size."""

    vcpus, memory_mb, local_gb = 64, 65536, 2048

    def init_host(self, host):
        super().init_host(host)
        for uuid, guest in self._recall().items():
            self.instances[uuid] = fake.FakeInstance(guest["name"], guest["state"], uuid)
            self.sizes[uuid] = guest["size"]
            self.resources.claim(**guest["size"])

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self.sizes = {}

    def spawn(self, context, instance, *args, **kwargs):
        super().spawn(context, instance, *args, **kwargs)
        flavor = instance.flavor
        self.sizes[instance.uuid] = {"vcpus": flavor.vcpus, "mem": flavor.memory_mb, "disk": flavor.root_gb}
        self._remember()

    def destroy(self, context, instance, *args, **kwargs):
        super().destroy(context, instance, *args, **kwargs)
        self.sizes.pop(instance.uuid, None)
        self._remember()

    def power_off(self, instance, timeout=0, retry_interval=0):
        super().power_off(instance, timeout, retry_interval)
        self._remember()

    def power_on(self, context, instance, *args, **kwargs):
        super().power_on(context, instance, *args, **kwargs)
        self._remember()

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        """The guest runs on the other host now; nova's fake driver keeps it here too, and its cleanup then fails."""
        self.destroy(context, instance, network_info=None, block_device_info=block_device_info)

    def _file(self):
        return os.path.join(CONF.state_path, FILE)

    def _recall(self):
        try:
            with open(self._file(), encoding="utf-8") as stored:
                return json.load(stored)
        except FileNotFoundError:
            return {}

    def _remember(self):
        guests = {
            uuid: {"name": guest.name, "state": guest.state, "size": self.sizes[uuid]}
            for uuid, guest in self.instances.items()
        }
        with open(self._file() + ".new", "w", encoding="utf-8") as stored:
            json.dump(guests, stored)
        os.replace(self._file() + ".new", self._file())
