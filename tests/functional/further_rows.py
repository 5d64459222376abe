"""
Rows in tables that are empty in the dumps of real releases, though users know what is in them: by release, database and
table the columns that are given a text of their own. The rest is 0, empty or nothing.
"""

_WITH_NAME = "id name tenant_id"
BOTH = {
    "keystone": {"id_mapping": "public_id local_id domain_id"},
    "cinder": {"cgsnapshots": "id name consistencygroup_id"},
    "nova": {
        "snapshot_id_mappings": "uuid",
        "certificates": "user_id project_id file_name",
        "agent_builds": "hypervisor os architecture version url md5hash",
    },
    "neutron": {
        **dict.fromkeys(
            ("pools", "vips", "firewalls", "firewall_policies", "firewall_rules", "vpnservices", "ikepolicies"),
            _WITH_NAME,
        ),
        **dict.fromkeys(("ipsecpolicies", "ipsec_site_connections"), _WITH_NAME),
        "members": "id pool_id address",
        "healthmonitors": "id url_path",
        "poolmonitorassociations": "pool_id monitor_id",
        "sessionpersistences": "vip_id cookie_name",
        "ipsecpeercidrs": "ipsec_site_connection_id cidr",
        "meteringlabelrules": "id metering_label_id remote_ip_prefix",
    },
}
"""What no migration from Juno to Kilo touches."""
KILO = {
    "keystone": {
        "identity_provider": "id description",
        "idp_remote_ids": "idp_id remote_id",
        "mapping": "id rules",
        "federation_protocol": "id idp_id mapping_id",
        "service_provider": "id auth_url sp_url",
        "consumer": "id description secret",
        "access_token": "id access_secret authorizing_user_id project_id role_ids consumer_id",
        "endpoint_group": "id name filters",
        "project_endpoint": "endpoint_id project_id",
        "project_endpoint_group": "endpoint_group_id project_id",
        "policy_association": "id policy_id endpoint_id",
        "whitelisted_config": "domain_id group option value",
        "sensitive_config": "domain_id group option value",
    },
    "glance": {"metadef_tags": "name"},
    "cinder": {"volume_type_projects": "volume_type_id project_id", "driver_initiator_data": "initiator namespace key"},
    "neutron": {"subnetpools": _WITH_NAME, "subnetpoolprefixes": "subnetpool_id cidr"},
    "heat": {"stack_tag": "stack_id tag"},
}
LIBERTY = {
    "neutron": {
        "address_scopes": _WITH_NAME,
        "qos_policies": _WITH_NAME,
        "qos_bandwidth_limit_rules": "id qos_policy_id",
        "qos_network_policy_bindings": "policy_id network_id",
        "qos_port_policy_bindings": "policy_id port_id",
    },
}
FURTHER = {"juno": [BOTH], "kilo": [BOTH, KILO], "liberty": [LIBERTY]}
# A port of a distributed router has a binding to each host; Kilo keeps the driver's part of it elsewhere.
DISTRIBUTED = {
    "juno": """
        INSERT INTO ml2_dvr_port_bindings (port_id, host, vif_type, cap_port_filter, driver, segment, status)
        VALUES ('made', 'node-7', 'ovs', 1, 'openvswitch', 'made', 'ACTIVE'), ('made', '', 'unbound', 1, '', NULL, '');
        """,
    "kilo": """
        INSERT INTO ml2_dvr_port_bindings (port_id, host, vif_type, status)
        VALUES ('made', 'node-7', 'ovs', 'ACTIVE'), ('made', '', 'unbound', '');
        INSERT INTO ml2_port_binding_levels VALUES ('made', 'node-7', 0, 'openvswitch', 'made');
        """,
}


def further(release: str, database: str) -> str:
    """SQL for DATABASE of RELEASE; what an altered release has from the one before it is not in it."""
    tables = [part.get(database, {}) for part in FURTHER[release]]
    rows = [_insert(table, columns.split()) for part in tables for table, columns in part.items()]
    rows += [DISTRIBUTED[release]] if database == "neutron" and release in DISTRIBUTED else []
    return "\n".join(["SET @mode = @@sql_mode, sql_mode = '';", *rows, "SET sql_mode = @mode;"])


def _insert(table: str, columns: list[str]) -> str:
    names = ", ".join(f"`{column}`" for column in columns)
    values = ", ".join(f"'made {column}'" for column in columns)
    return f"INSERT INTO `{table}` ({names}) VALUES ({values});"
