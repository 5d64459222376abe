# mypy: ignore-errors
"""An ml2 mechanism driver that binds every port at once: there is no data plane and no agent to ask."""

from neutron_lib.plugins.ml2 import api


class AgentlessDriver(api.MechanismDriver):
    """Binds to the first segment, as an Open vSwitch port; with no driver that binds, servers with a port fail."""

    connectivity = "l2"

    def initialize(self):
        """Nothing to prepare."""

    def bind_port(self, context):
        for segment in context.segments_to_bind:
            details = {"port_filter": False, "connectivity": "l2"}
            context.set_binding(segment[api.ID], "ovs", details, status="ACTIVE")
            return
