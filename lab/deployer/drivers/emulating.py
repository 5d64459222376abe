# mypy: ignore-errors
"""The remembering driver with guests in QEMU: every instance that has a port is a machine, see node_scripts/guest.py.

Its addresses to ping are the instance's metadata ``ping``, with commas between them. Placed in nova.virt, where nova
looks for drivers.
"""

import json

from nova.virt import remembering
from oslo_concurrency import processutils

PROGRAM = "/usr/local/sbin/guest"


class EmulatingDriver(remembering.RememberingDriver):
    """Guests that are machines outlive nova-compute, and come back with their host by themselves."""

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None,
              **kwargs):
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info,
                      **kwargs)
        if network_info:
            self._guest("start", instance, json.dumps(description(instance, network_info)))

    def destroy(self, context, instance, *args, **kwargs):
        self._guest("remove", instance)
        super().destroy(context, instance, *args, **kwargs)

    def power_off(self, instance, timeout=0, retry_interval=0):
        super().power_off(instance, timeout, retry_interval)
        self._guest("stop", instance)

    def power_on(self, context, instance, *args, **kwargs):
        super().power_on(context, instance, *args, **kwargs)
        self._guest("start", instance)

    def _guest(self, action, instance, given=""):
        processutils.execute(PROGRAM, action, instance.uuid, process_input=given)


def description(instance, network_info):
    """What PROGRAM is told of an instance."""
    ports = [{"id": vif["id"], "device": vif["devname"], "mac": vif["address"]} for vif in network_info]
    pinged = [word for word in instance.metadata.get("ping", "").split(",") if word]
    return {"memory": max(instance.flavor.memory_mb, 96), "ports": ports, "ping": pinged}
