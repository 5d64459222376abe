"""
What differs between two sides when it is planted on the new one, by hop and name: all of it at once, each on one row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Planted:
    """SQL for the row of TABLE that comes first (or last) of those that are meant: ``{row}`` in it is its condition;
    ``told`` are all sentences that tell of it, as regular expressions with ``{key}``."""

    database: str
    table: str
    sql: str
    told: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    where: str = "1"
    last: bool = False

    def question(self) -> str:
        """SELECT of the values of its key."""
        order = ", ".join(f"{column}{' DESC' if self.last else ''}" for column in self.key)
        columns = ", ".join(f"{column} AS `k{number}`" for number, column in enumerate(self.key))
        return f"SELECT {columns} FROM {self.table} WHERE {self.where} ORDER BY {order} LIMIT 1"

    def statement(self, values: list[str]) -> str:
        row = " AND ".join(f"{column} = '{value}'" for column, value in zip(self.key, values, strict=True))
        return self.sql.replace("{row}", row) + ";"


def changed(
    what: str, place: str, field: str, value: str, key: tuple[str, ...] = ("id",), where: str = "1", told: str = ""
) -> Planted:
    """FIELD of a row of PLACE (database.table) has VALUE; TOLD is another name for the field."""
    database, _, table = place.partition(".")
    sql = f"UPDATE `{table}` SET `{field}` = '{value}' WHERE {{row}}"
    return Planted(
        database, f"`{table}`", sql, (f"{what} {{key}}: {told or field} was .*, is '{re.escape(value)}'",), key, where
    )


def secret(what: str, place: str, field: str, told: str, key: tuple[str, ...] = ("id",), where: str = "1") -> Planted:
    """FIELD, whose values are told to nobody as TOLD, is another one."""
    one = changed(what, place, field, "x", key, where)
    return replace(one, told=(f"{what} {{key}}: {told} is another one",))


def gone(what: str, place: str, key: tuple[str, ...] = ("id",), where: str = "1") -> Planted:
    """The last row of PLACE is not there; what is on the first one may be changed meanwhile."""
    database, _, table = place.partition(".")
    sql = f"DELETE FROM `{table}` WHERE {{row}}"
    return Planted(database, f"`{table}`", sql, (f"{what} {{key}} is missing on the seed",), key, where, last=True)


ALIVE = "deleted = 0"
IN_STACK = "stack AS s JOIN raw_template AS t ON t.id = s.raw_template_id"

_KEYSTONE = {
    "project's description": changed("project", "keystone.project", "description", "other"),
    "group": changed("group", "keystone.group", "name", "other"),
    "member of a group": gone("member of a group", "keystone.user_group_membership", ("user_id", "group_id")),
    "role": changed("role", "keystone.role", "name", "other"),
    "role that is more": Planted(
        "keystone",
        "role",
        "INSERT INTO role (id, name) VALUES ('planted', 'planted')",
        ("role planted is on the seed alone",),
    ),
    "role assignment": gone(
        "role assignment", "keystone.assignment", ("type", "actor_id", "target_id", "role_id", "inherited")
    ),
    "endpoint": changed("endpoint", "keystone.endpoint", "url", "http://192.0.2.1/", where="url NOT LIKE '%:8000/%'"),
    "region": changed("region", "keystone.region", "description", "other"),
    "policy": secret("policy", "keystone.policy", "blob", "rules"),
    "trust": changed("trust", "keystone.trust", "trustee_user_id", "other"),
    "role of a trust": gone("role of a trust", "keystone.trust_role", ("trust_id", "role_id")),
}
_GLANCE = {
    "image": changed("image", "glance.images", "checksum", "0" * 32, where=ALIVE),
    "owner of an image": changed("image", "glance.images", "owner", "nobody", where=ALIVE),
    "namespace of definitions": changed(
        "namespace of metadata definitions", "glance.metadef_namespaces", "display_name", "other"
    ),
    "definition": secret("property of metadata definitions", "glance.metadef_properties", "json_schema", "schema"),
}
_GLANCE_BY_NUMBER = {
    "property of an image": changed("property of an image", "glance.image_properties", "value", "other", where=ALIVE),
    "member of an image": changed("member of an image", "glance.image_members", "member", "other", where=ALIVE),
    "location of an image": secret("location of an image", "glance.image_locations", "value", "location", where=ALIVE),
    "tag of an image": changed("tag of an image", "glance.image_tags", "value", "other", where=ALIVE),
}
_CINDER = {
    "volume": changed("volume", "cinder.volumes", "size", "77", where=ALIVE),
    "snapshot": changed("snapshot of a volume", "cinder.snapshots", "volume_size", "77", where=ALIVE),
    "backup": changed("backup of a volume", "cinder.backups", "container", "other", where=ALIVE),
    "volume type": changed("volume type", "cinder.volume_types", "name", "other", where=ALIVE),
    "QoS of volumes": changed("QoS spec of volumes", "cinder.quality_of_service_specs", "value", "other", where=ALIVE),
    "transfer": secret("transfer of a volume", "cinder.transfers", "crypt_hash", "key", where=ALIVE),
    "use of a quota of volumes": changed(
        "use of a quota of volumes", "cinder.quota_usages", "in_use", "77", where=ALIVE
    ),
}
_CINDER_BY_NUMBER = {
    "metadata of a volume": changed("metadata of a volume", "cinder.volume_metadata", "value", "other", where=ALIVE),
    "administrator's metadata of a volume": changed(
        "administrator's metadata of a volume",
        "cinder.volume_admin_metadata",
        "value",
        "other",
        where="`key` = 'readonly'",
    ),
    "metadata of a snapshot": changed(
        "metadata of a snapshot", "cinder.snapshot_metadata", "value", "other", where=ALIVE
    ),
    "image of a volume": changed(
        "image's metadata of a volume", "cinder.volume_glance_metadata", "value", "other", where=ALIVE
    ),
    "spec of a volume type": changed(
        "extra spec of a volume type", "cinder.volume_type_extra_specs", "value", "other", where=ALIVE
    ),
    "consistency group": changed("consistency group", "cinder.consistencygroups", "name", "other"),
    "quota of volumes": changed("quota of volumes", "cinder.quotas", "hard_limit", "77"),
    "default quota of volumes": changed("default quota of volumes", "cinder.quota_classes", "hard_limit", "77"),
}
_NEUTRON = {
    "subnet": changed("subnet", "neutron.subnets", "gateway_ip", "192.0.2.1"),
    "router": changed("router", "neutron.routers", "name", "other"),
    "kind of a router": changed(
        "kind of a router", "neutron.router_extra_attributes", "ha_vr_id", "77", ("router_id",)
    ),
    "port": changed("port", "neutron.ports", "mac_address", "fa:16:3e:00:00:99"),
    "address of a port": gone("address of a port", "neutron.ipallocations", ("port_id", "subnet_id", "ip_address")),
    "floating address": changed("floating address", "neutron.floatingips", "fixed_ip_address", "192.0.2.9"),
    "rule of a security group": gone("rule of a security group", "neutron.securitygrouprules"),
    "port in a security group": gone(
        "port in a security group", "neutron.securitygroupportbindings", ("port_id", "security_group_id")
    ),
    "name server": gone("name server of a subnet", "neutron.dnsnameservers", ("subnet_id", "address")),
    "route of a subnet": gone("route of a subnet", "neutron.subnetroutes", ("subnet_id", "destination", "nexthop")),
    "route of a router": gone("route of a router", "neutron.routerroutes", ("router_id", "destination", "nexthop")),
    "allowed address pair": gone(
        "allowed address pair of a port", "neutron.allowedaddresspairs", ("port_id", "mac_address", "ip_address")
    ),
    "DHCP option": changed("DHCP option of a port", "neutron.extradhcpopts", "opt_value", "other"),
    "segment of a port": gone(
        "binding of a port to a segment", "neutron.ml2_port_binding_levels", ("port_id", "host", "level")
    ),
    "port security": changed(
        "port security of the port",
        "neutron.portsecuritybindings",
        "port_security_enabled",
        "0",
        ("port_id",),
        "port_security_enabled = 1",
        "enabled",
    ),
    "agent": changed("agent", "neutron.agents", "host", "node-99"),
    "agent of a router": gone("agent of a router", "neutron.routerl3agentbindings", ("router_id", "l3_agent_id")),
    "DHCP agent": gone("DHCP agent of a network", "neutron.networkdhcpagentbindings", ("network_id", "dhcp_agent_id")),
}
_NEUTRON_OF_FUEL = {
    "default security group": gone(
        "default security group of a project", "neutron.default_security_group", ("tenant_id",)
    ),
    "quota of networks": changed("quota of networks", "neutron.quotas", "limit", "77"),
    "load balancer": changed("address of a load balancer", "neutron.vips", "name", "other"),
    "firewall": changed("firewall", "neutron.firewalls", "name", "other"),
    "VPN": secret("VPN connection", "neutron.ipsec_site_connections", "psk", "key"),
    "binding to a host": changed(
        "binding of a port to a host", "neutron.ml2_port_bindings", "host", "node-99", ("port_id",), "host <> ''"
    ),
}
_NOVA_OF_FUEL = {
    "server": changed("server", "nova.instances", "host", "node-99", where=ALIVE),
    "user data": secret("server", "nova.instances", "user_data", "user_data", where=ALIVE),
    "metadata of a server": changed("metadata of a server", "nova.instance_metadata", "value", "other"),
    "image of a server": changed(
        "system metadata of a server",
        "nova.instance_system_metadata",
        "value",
        "other",
        where="deleted = 0 AND `key` LIKE 'image%'",
    ),
    "block device": changed("block device of a server", "nova.block_device_mapping", "device_name", "/dev/vdz"),
    "addresses of a server": secret(
        "addresses of the server as nova knows them",
        "nova.instance_info_caches",
        "network_info",
        "addresses",
        ("instance_uuid",),
    ),
    "flavor": changed("flavor", "nova.instance_types", "rxtx_factor", "77"),
    "spec of a flavor": changed("extra spec of a flavor", "nova.instance_type_extra_specs", "value", "other"),
    "project of a flavor": changed("project of a flavor", "nova.instance_type_projects", "project_id", "other"),
    "keypair": secret("keypair", "nova.key_pairs", "public_key", "public_key"),
    "server group": changed("server group", "nova.instance_groups", "name", "other"),
    "policy of a server group": changed("policy of a server group", "nova.instance_group_policy", "policy", "other"),
    "member of a server group": gone("member of a server group", "nova.instance_group_member"),
    "aggregate": changed("aggregate", "nova.aggregates", "name", "other"),
    "host of an aggregate": changed("host of an aggregate", "nova.aggregate_hosts", "host", "node-99"),
    "metadata of an aggregate": changed("metadata of an aggregate", "nova.aggregate_metadata", "value", "other"),
    "quota of servers": changed("quota of servers", "nova.quotas", "hard_limit", "77"),
    "quota of a user": changed("quota of servers of a user", "nova.project_user_quotas", "hard_limit", "77"),
    "EC2 id": changed("EC2 id of a volume", "nova.volume_id_mappings", "uuid", "other"),
    "disabled compute": changed(
        "nova-compute", "nova.services", "disabled", "1", where="`binary` = 'nova-compute' AND disabled = 0"
    ),
}
_HEAT = {
    "stack": changed("stack", "heat.stack", "status", "FAILED", where="deleted_at IS NULL AND status <> 'FAILED'"),
    "credentials of a stack": secret("credentials of stacks", "heat.user_creds", "password", "password"),
    "software deployment": changed("software deployment", "heat.software_deployment", "server_id", "other"),
    "snapshot of a stack": changed("snapshot of a stack", "heat.snapshot", "name", "other"),
    "resource of a stack": changed(
        "resource of a stack", "heat.resource", "nova_instance", "other", ("uuid",), told="physical_id"
    ),
    "event of a stack": gone("event of a stack", "heat.event"),
    "data of a resource": secret("data of a resource", "heat.resource_data", "value", "value"),
}
_TEMPLATE = Planted(
    "heat",
    IN_STACK,
    "UPDATE " + IN_STACK + " SET t.template = '{}' WHERE {row}",
    ("template of the stack {key}: template is another one",),
    ("s.id",),
    "s.deleted_at IS NULL",
)
_ENVIRONMENT = replace(
    _TEMPLATE,
    sql=_TEMPLATE.sql.replace("t.template", "t.environment"),
    told=("template of the stack {key}: environment is another one",),
)
_FLAVOR = Planted(
    "nova",
    "instances AS i JOIN instance_extra AS e ON e.instance_uuid = i.uuid",
    "UPDATE instances AS i JOIN instance_extra AS e ON e.instance_uuid = i.uuid SET e.flavor = "
    'REPLACE(e.flavor, \'"flavorid": "\', \'"flavorid": "x\') WHERE {row}',
    ("flavor of the server {key}: flavor was .*, is 'x.*'", "flavor of the server {key}: details is another one"),
    ("i.uuid",),
    "i.deleted = 0 AND e.flavor IS NOT NULL AND EXISTS (SELECT 1 FROM instance_system_metadata AS m "
    "WHERE m.instance_uuid = i.uuid AND m.`key` = 'instance_type_flavorid')",
)
_FLAVOR_MEMORY = replace(
    _FLAVOR,
    sql=_FLAVOR.sql.replace('"flavorid": "x', '"memory_mb": 1').replace('"flavorid": "', '"memory_mb": '),
    told=("flavor of the server {key}: memory_mb was '(.*)', is '1.*'",),
    last=True,
)

JUNO_KILO = {
    **{**_KEYSTONE, **_GLANCE, **_GLANCE_BY_NUMBER, **_CINDER, **_CINDER_BY_NUMBER},
    **{**_NEUTRON, **_NEUTRON_OF_FUEL, **_NOVA_OF_FUEL, **_HEAT},
    "project": changed("project", "keystone.project", "name", "other"),
    "domain": changed("domain", "keystone.domain", "name", "other"),
    "user": changed("user", "keystone.user", "name", "other"),
    "password": secret("user", "keystone.user", "password", "password", where="password IS NOT NULL"),
    "EC2 access": secret("EC2 access of a user", "keystone.credential", "blob", "key"),
    "endpoint of heat": Planted(
        "keystone",
        "endpoint",
        "UPDATE endpoint SET url = REPLACE(url, ':8000', ':8004') WHERE {row}",
        ("endpoint {key}: url was .*:8000/.*, is .*:8004/.*",),
        where="url LIKE '%:8000/%'",
    ),
    "attached host": changed(
        "state of the attachment of the volume", "cinder.volume_attachment", "attached_host", "node-99", ("volume_id",)
    ),
    "mode of an attachment": changed(
        "state of the attachment of the volume", "cinder.volume_attachment", "attach_mode", "ro", ("volume_id",)
    ),
    "attachment": replace(
        gone("attachment of the volume", "cinder.volume_attachment", ("volume_id",)),
        told=(
            "attachment of the volume {key} is missing on the seed",
            "time of the attachment of the volume {key} is missing on the seed",
            "state of the attachment of the volume {key} is missing on the seed",
        ),
    ),
    "attachment that is more": Planted(
        "cinder",
        "volumes",
        "INSERT INTO volume_attachment (id, volume_id, attach_status, deleted) SELECT 'planted', id, 'detached', 0 "
        "FROM volumes WHERE {row}",
        (
            "attachment of the volume {key} is on the seed alone",
            "time of the attachment of the volume {key} is on the seed alone",
            "state of the attachment of the volume {key} is on the seed alone",
        ),
        where="attach_status = 'detached'",
    ),
    "encryption": changed("encryption of a volume type", "cinder.encryption", "cipher", "other", ("volume_type_id",)),
    "private volume type": replace(
        changed("volume type", "cinder.volume_types", "is_public", "0", where=ALIVE), last=True
    ),
    "network": changed("network", "neutron.networks", "shared", "1", where="shared = 0"),
    "security group": changed("security group", "neutron.securitygroups", "description", "other"),
    "server flavor": replace(_FLAVOR, told=_FLAVOR.told[:1]),
    "memory of a server's flavor": _FLAVOR_MEMORY,
    "flavor that was made anew": replace(
        _FLAVOR,
        told=("flavor of the server by its number {key}: flavor was .*, is 'x.*'",),
        where=_FLAVOR.where.replace("AND EXISTS", "AND NOT EXISTS"),
    ),
    "template of a stack": _TEMPLATE,
    "parameters of a stack": replace(_ENVIRONMENT, told=("parameters of the stack {key}: parameters is another one",)),
}

_OF_KILO = {
    "attachment": gone("attachment of the volume", "cinder.volume_attachment"),
    "attached host": changed("attachment of the volume", "cinder.volume_attachment", "attached_host", "node-99"),
    "mode of an attachment": changed("attachment of the volume", "cinder.volume_attachment", "attach_mode", "ro"),
    "encryption": changed("encryption of a volume type", "cinder.encryption", "cipher", "other", ("encryption_id",)),
    "keypair's type": changed("keypair", "nova.key_pairs", "type", "x509"),
    "server flavor": _FLAVOR,
    "parameters of a stack": _ENVIRONMENT,
    "identity provider": changed("identity provider", "keystone.identity_provider", "description", "other"),
    "subnet pool": changed("subnet pool", "neutron.subnetpools", "name", "other"),
    "tag of a stack": changed("tag of a stack", "heat.stack_tag", "tag", "other"),
}
_NOT_SINCE_KILO = {
    "attachment that is more",
    "memory of a server's flavor",
    "flavor that was made anew",
    "endpoint of heat",
}
KILO_LIBERTY = {
    **{name: one for name, one in JUNO_KILO.items() if name not in _NOT_SINCE_KILO},
    **_OF_KILO,
    "network": Planted(
        "neutron",
        "networkrbacs",
        "DELETE FROM networkrbacs WHERE {row}",
        ("network {key}: shared was '1', is '0'",),
        ("object_id",),
        "action = 'access_as_shared'",
    ),
    "segment": changed(
        "segment of a network", "neutron.ml2_network_segments", "segmentation_id", "77", where="network_type = 'vlan'"
    ),
    "segment of an external network": Planted(
        "neutron",
        "ml2_network_segments",
        "UPDATE ml2_network_segments SET network_type = 'vlan' WHERE {row}",
        (
            "segment of a network {key}: network_type was 'flat', is 'vlan'",
            "segment of a network {key}: physical_network was 'physnet1', is NULL",
        ),
        where="network_type = 'local'",
    ),
    "default quota of a volume's size": Planted(
        "cinder",
        "quota_classes",
        "INSERT INTO quota_classes (class_name, resource, hard_limit, deleted) "
        "VALUES ('default', 'per_volume_gigabytes', 77, 0)",
        ("default quota of volumes default per_volume_gigabytes is on the seed alone",),
    ),
}

LIBERTY_MITAKA = {
    **{name: one for name, one in KILO_LIBERTY.items() if name not in {"default quota of a volume's size", "user"}},
    "project": changed("project", "keystone.project", "name", "other", where="is_domain = 0"),
    "project's description": changed("project", "keystone.project", "description", "other", where="is_domain = 0"),
    "parent project": Planted(
        "keystone",
        "project",
        "UPDATE project SET parent_id = NULL WHERE {row}",
        ("project {key}: parent_id was '.*', is NULL",),
        where="is_domain = 0",
    ),
    "domain": changed("domain", "keystone.project", "description", "other", where="id = 'default'"),
    "domain that became no project": Planted(
        "keystone",
        "project",
        "DELETE FROM project WHERE {row}",
        ("domain {key} is missing on the seed",),
        where="is_domain = 1 AND id NOT IN ('default', '<<keystone.domain.root>>')",
        last=True,
    ),
    "user's name": changed("user", "keystone.local_user", "name", "other", ("user_id",)),
    "user without a name": Planted(
        "keystone",
        "local_user",
        "DELETE FROM local_user WHERE {row}",
        (
            "user {key}: name was '.*', is NULL",
            "user {key}: domain_id was '.*', is NULL",
            "user {key}: password is another one",
        ),
        ("user_id",),
        "id IN (SELECT local_user_id FROM password)",
        last=True,
    ),
    "password": Planted(
        "keystone",
        "local_user AS l JOIN password AS p ON p.local_user_id = l.id",
        "UPDATE local_user AS l JOIN password AS p ON p.local_user_id = l.id SET p.password = 'x' WHERE {row}",
        ("user {key}: password is another one",),
        ("l.user_id",),
    ),
    "volume left behind": changed(
        "backend of the volume",
        "cinder.volumes",
        "host",
        "rbd:volumes#RBD-backend",
        where="deleted = 0 AND host LIKE '%@RBD-backend#%'",
    ),
    "network": Planted(
        "neutron",
        "networkrbacs",
        "DELETE FROM networkrbacs WHERE {row}",
        ("sharing of a network {key} is missing on the seed",),
        where="action = 'access_as_shared'",
    ),
    "external network": Planted(
        "neutron",
        "networkrbacs",
        "DELETE FROM networkrbacs WHERE {row}",
        ("external network {key} is missing on the seed",),
        ("object_id",),
        "action = 'access_as_external'",
    ),
    "segment of an external network": changed(
        "segment of a network", "neutron.ml2_network_segments", "network_type", "vlan", where="network_type = 'local'"
    ),
    "security group": Planted(
        "neutron",
        "securitygroups AS g JOIN standardattributes AS a ON a.id = g.standard_attr_id",
        "UPDATE securitygroups AS g JOIN standardattributes AS a ON a.id = g.standard_attr_id "
        "SET a.description = 'other' WHERE {row}",
        ("security group {key}: description was .*, is 'other'",),
        ("g.id",),
    ),
    "resource type of definitions": changed(
        "resource type of metadata definitions",
        "glance.metadef_resource_types",
        "name",
        "OS::Nova::Instance",
        where="name = 'OS::Nova::Server'",
    ),
    "QoS policy": changed("QoS policy", "neutron.qos_policies", "name", "other"),
}

_BY_NAME = {
    "volume type": changed("volume type", "cinder.volume_types", "name", "other", where=ALIVE),
    "spec of a volume type": changed(
        "extra spec of a volume type", "cinder.volume_type_extra_specs", "value", "other", ("volume_type_id", "`key`")
    ),
    "metadata of a volume": changed(
        "metadata of a volume", "cinder.volume_metadata", "value", "other", ("volume_id", "`key`")
    ),
    "property of an image": changed(
        "property of an image", "glance.image_properties", "value", "other", ("image_id", "name")
    ),
    "tag of an image": gone("tag of an image", "glance.image_tags", ("image_id", "value")),
}
_WITH_FLAVOR = "flavors AS f JOIN {table} AS t ON t.flavor_id = f.id"
_WITH_AGGREGATE = "aggregates AS a JOIN {table} AS t ON t.aggregate_id = a.id"
_WITH_GROUP = "instance_groups AS g JOIN {table} AS t ON t.group_id = g.id"


def _joined(what: str, join: str, table: str, key: tuple[str, ...], field: str) -> Planted:
    """A row of TABLE in nova_api, that is named by what it belongs to."""
    source = join.format(table=table)
    sql = f"UPDATE {source} SET t.{field} = 'other' WHERE {{row}}"
    return Planted("nova_api", source, sql, (f"{what} {{key}}: {field.strip('`')} was .*, is 'other'",), key)


def _lost(what: str, join: str, table: str, key: tuple[str, ...]) -> Planted:
    source = join.format(table=table)
    return Planted(
        "nova_api",
        source,
        f"DELETE t FROM {source} WHERE {{row}}",
        (f"{what} {{key}} is missing on the seed",),
        key,
        last=True,
    )


ANTELOPE_CARACAL = {
    **_KEYSTONE,
    **_GLANCE,
    **_BY_NAME,
    **{name: one for name, one in _CINDER.items() if name != "use of a quota of volumes"},
    **_NEUTRON,
    **{name: one for name, one in _HEAT.items() if name != "resource of a stack"},
    "project": changed("project", "keystone.project", "name", "other"),
    "user's name": changed("user", "keystone.local_user", "name", "other", ("user_id",)),
    "application credential": secret(
        "application credential", "keystone.application_credential", "secret_hash", "secret"
    ),
    "implied role": gone("implied role", "keystone.implied_role", ("prior_role_id", "implied_role_id")),
    "tag of a project": gone("tag of a project", "keystone.project_tag", ("project_id", "name")),
    "revocation": gone("revocation of tokens", "keystone.revocation_event", ("id",)),
    "attachment": gone("attachment of a volume", "cinder.volume_attachment"),
    "group of volumes": changed("group of volumes", "cinder.groups", "name", "other", where=ALIVE),
    "network": changed("network", "neutron.networks", "mtu", "576"),
    "sharing": changed("sharing of a network", "neutron.networkrbacs", "target_project", "*"),
    "segment": changed("segment of a network", "neutron.networksegments", "segmentation_id", "77"),
    "security group": changed("security group", "neutron.securitygroups", "name", "other"),
    "default security group": gone(
        "default security group of a project", "neutron.default_security_group", ("project_id",)
    ),
    "trunk": changed("trunk", "neutron.trunks", "name", "other"),
    "flavor": changed("flavor", "nova_api.flavors", "rxtx_factor", "77", ("flavorid",)),
    "spec of a flavor": _joined(
        "extra spec of a flavor", _WITH_FLAVOR, "flavor_extra_specs", ("f.flavorid", "t.`key`"), "value"
    ),
    "project of a flavor": _lost(
        "project of a flavor", _WITH_FLAVOR, "flavor_projects", ("f.flavorid", "t.project_id")
    ),
    "keypair": secret("keypair", "nova_api.key_pairs", "public_key", "public_key", ("user_id", "name")),
    "server group": changed("server group", "nova_api.instance_groups", "name", "other", ("uuid",)),
    "policy of a server group": _joined(
        "policy of a server group", _WITH_GROUP, "instance_group_policy", ("g.uuid", "t.policy"), "rules"
    ),
    "member of a server group": _lost(
        "member of a server group", _WITH_GROUP, "instance_group_member", ("g.uuid", "t.instance_uuid")
    ),
    "aggregate": changed("aggregate", "nova_api.aggregates", "name", "other", ("uuid",)),
    "host of an aggregate": _lost("host of an aggregate", _WITH_AGGREGATE, "aggregate_hosts", ("a.uuid", "t.host")),
    "metadata of an aggregate": _joined(
        "metadata of an aggregate", _WITH_AGGREGATE, "aggregate_metadata", ("a.uuid", "t.`key`"), "value"
    ),
    "quota of servers": changed("quota of servers", "nova_api.quotas", "hard_limit", "77", ("project_id", "resource")),
    "quota of a user": changed(
        "quota of servers of a user",
        "nova_api.project_user_quotas",
        "hard_limit",
        "77",
        ("user_id", "project_id", "resource"),
    ),
    "cell of a server": changed(
        "mapping of a server to its cell",
        "nova_api.instance_mappings",
        "cell_id",
        "77",
        ("instance_uuid",),
        "queued_for_delete = 0",
    ),
    "server": changed("server", "nova.instances", "host", "node-99", ("uuid",), ALIVE),
    "server that found no host": changed("server", "nova_cell0.instances", "display_name", "other", ("uuid",), ALIVE),
    "server flavor": replace(_FLAVOR, where="i.deleted = 0"),
    "template of a stack": _TEMPLATE,
    "allocation": Planted(
        "placement",
        "allocations AS t JOIN resource_providers AS p ON p.id = t.resource_provider_id",
        "UPDATE allocations AS t JOIN resource_providers AS p ON p.id = t.resource_provider_id SET t.used = 77 "
        "WHERE {row}",
        ("allocation of resources {key}: used was .*, is '77'",),
        ("t.consumer_id", "p.uuid", "t.resource_class_id"),
    ),
}

PLANTED = {
    "juno-kilo": JUNO_KILO,
    "kilo-liberty": KILO_LIBERTY,
    "liberty-mitaka": LIBERTY_MITAKA,
    "antelope-caracal": ANTELOPE_CARACAL,
}
