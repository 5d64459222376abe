"""Network templates: what one must contain."""

from __future__ import annotations

from typing import Any

from lab.nailgun import clusters, schema
from lab.nailgun.errors import Forbidden, InvalidData
from lab.nailgun.state import Row

OBJECT = {"type": "object"}
SCHEME = schema.record(
    {"transformations": {"type": "array"}, "endpoints": {"type": "array"}, "roles": OBJECT},
    ["transformations", "endpoints", "roles"],
)
GROUP = schema.record(
    {
        "nic_mapping": {"type": "object", "patternProperties": {".*": OBJECT}, "required": ["default"]},
        "templates_for_node_role": OBJECT,
        "network_assignments": OBJECT,
        "network_scheme": {"type": "object", "patternProperties": {".*": SCHEME}},
    },
    ["nic_mapping", "templates_for_node_role", "network_assignments", "network_scheme"],
)
TEMPLATE = schema.record(
    {"adv_net_template": {"type": "object", "patternProperties": {".*": GROUP}}}, ["adv_net_template"]
)


def check_open(cluster: Row) -> None:
    """Forbidden while the environment is being deployed, deleted or updated."""
    if clusters.is_busy(cluster):
        raise Forbidden("Network template cannot be changed during deployment and after upgrade.")


def check(data: Any) -> None:
    """InvalidData when the template is malformed or names templates that it does not define."""
    schema.check(data, TEMPLATE)
    if not data["adv_net_template"]:
        raise InvalidData("No node groups are defined")
    for name, group in data["adv_net_template"].items():
        defined = group["network_scheme"]
        wanted = [template for templates in group["templates_for_node_role"].values() for template in templates]
        unknown = [template for template in dict.fromkeys(wanted) if template not in defined]
        if unknown:
            raise InvalidData(f"Requested templates {', '.join(unknown)} were not found for node group {name}")
        if not defined:
            raise InvalidData(f"No templates are defined for node group {name}")
