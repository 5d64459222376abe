"""
What makes each check of a hop find something: SQL for one database of the release that the hop leads from.

The id of what is planted is ``planted``, where the table takes it; ``innocent`` is what must not be found.
"""

LATIN1 = "CREATE TABLE planted (id INT) CHARACTER SET latin1;"
LOST_FLAVOR = """
INSERT INTO instance_system_metadata (instance_uuid, `key`, value, deleted)
SELECT uuid, 'old_instance_type_flavorid', 'lost', 0 FROM instances WHERE deleted = 0 ORDER BY id LIMIT 1;
"""
EQUAL_TRUSTS = "".join(
    "INSERT INTO trust (id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at) "
    f"VALUES ('planted{number}', 'a', 'b', 'c', 1, '2030-01-01 00:00:00');"
    for number in (1, 2)
)

IN_FLIGHT = {
    "instances_with_a_task": """
        UPDATE instances SET task_state = 'deleting', updated_at = '2016-01-01' WHERE deleted = 0;""",
    "volumes_in_transition": """
        INSERT INTO volumes (id, status, deleted, created_at) VALUES ('planted', 'attaching', 0, '2016-01-01');""",
    "snapshots_in_transition": """
        INSERT INTO snapshots (id, volume_id, status, deleted, created_at)
        SELECT 'planted', id, 'creating', 0, '2016-01-01' FROM volumes LIMIT 1;""",
    "backups_in_transition": """
        INSERT INTO backups (id, volume_id, status, deleted, created_at)
        SELECT 'planted', id, 'restoring', 0, '2016-01-01' FROM volumes LIMIT 1;""",
    "images_being_saved": """
        UPDATE images SET id = 'planted', status = 'saving', updated_at = '2016-01-01' WHERE status = 'queued';""",
    "stacks_in_progress": """
        UPDATE stack SET status = 'IN_PROGRESS', updated_at = '2016-01-01' WHERE name = 'web';""",
    "stacks_locked": """
        INSERT INTO stack_lock (stack_id, created_at) SELECT id, '2016-01-01' FROM stack WHERE name = 'web';""",
}

JUNO = {
    "dropped_tables_of_neutron": """
        INSERT INTO tunnelkeys (network_id, tunnel_key) VALUES ('a', 1), ('b', 2);""",
    "regions_with_url": """
        INSERT INTO region (id, description, url)
        VALUES ('planted', '', 'http://192.0.2.1/'), ('innocent', '', NULL);""",
    **IN_FLIGHT,
    "services_with_bad_extra": "UPDATE service SET id = 'planted', extra = '' WHERE type = 'image';",
    "glance_tables_not_utf8": LATIN1,
    "cinder_tables_not_utf8": LATIN1,
    "heat_tables_not_utf8": LATIN1,
    "volumes_with_bad_attach_time": """
        INSERT INTO volumes (id, attach_status, attach_time) VALUES ('planted1', 'attached', ''),
        ('planted2', 'attached', '2016-02-20T08:00:00+00:00'), ('innocent', 'attached', '2016-02-20 08:00:00.1');""",
    "default_security_groups_of_one_project": """
        INSERT INTO securitygroups (id, tenant_id, name)
        SELECT 'planted', tenant_id, 'Default' FROM securitygroups WHERE name = 'default' LIMIT 1;""",
    "default_security_groups_without_project": """
        INSERT INTO securitygroups (id, tenant_id, name) VALUES ('planted', NULL, 'default');""",
    "ports_with_one_mac_address": """
        INSERT INTO ports (id, network_id, mac_address, admin_state_up, status, device_id, device_owner)
        SELECT 'planted', network_id, mac_address, 1, 'DOWN', '', '' FROM ports LIMIT 1;""",
    "address_ranges_that_begin_alike": """
        INSERT INTO ipavailabilityranges
        SELECT allocation_pool_id, first_ip, '10.9.9.9' FROM ipavailabilityranges LIMIT 1;""",
    "address_ranges_that_end_alike": """
        INSERT INTO ipavailabilityranges
        SELECT allocation_pool_id, '10.9.9.9', last_ip FROM ipavailabilityranges LIMIT 1;""",
    "ports_bound_twice_to_a_host": """
        INSERT INTO ml2_dvr_port_bindings (port_id, host, vif_type, cap_port_filter, driver, status)
        SELECT port_id, host, 'ovs', 1, 'openvswitch', 'ACTIVE' FROM ml2_port_bindings
        WHERE host <> '' AND driver <> '' LIMIT 1;""",
    "instances_without_uuid": """
        INSERT INTO instances (uuid, deleted) VALUES (NULL, 0);
        INSERT INTO shadow_instances (id, uuid) VALUES (1, NULL);""",
    "rows_without_instance": """
        INSERT INTO block_device_mapping (deleted) VALUES (0); INSERT INTO consoles (deleted) VALUES (0);
        INSERT INTO instance_actions (deleted) VALUES (0); INSERT INTO instance_faults (code) VALUES (500);
        INSERT INTO instance_metadata (deleted) VALUES (0); INSERT INTO migrations (deleted) VALUES (0);
        INSERT INTO security_group_instance_association (deleted) VALUES (0);
        INSERT INTO virtual_interfaces (deleted) VALUES (0); INSERT INTO fixed_ips (deleted) VALUES (0);""",
    "keypairs_without_name": "INSERT INTO key_pairs (name, user_id, deleted) VALUES (NULL, 'a', 0);",
    "instances_of_a_lost_flavor": LOST_FLAVOR,
    "stacks_that_share_a_template": """
        UPDATE stack SET raw_template_id = (SELECT raw_template_id FROM (SELECT * FROM stack) AS s WHERE name = 'web')
        WHERE name = 'web-nested-abc';""",
}

KILO = {
    "dropped_tables_of_neutron": """
        INSERT INTO cisco_credentials (credential_id, credential_name, user_name, password, type)
        VALUES ('a', 'a', 'a', 'a', 'a'), ('b', 'b', 'b', 'b', 'b');""",
    "archived_volumes_in_nova": """
        INSERT INTO shadow_volumes (id, deleted) VALUES ('planted', 1);""",
    **IN_FLIGHT,
    "glance_tables_not_utf8": LATIN1,
    "cinder_tables_not_utf8": LATIN1,
    "heat_tables_not_utf8": LATIN1,
    "metadefs_named_alike": """
        INSERT INTO metadef_namespaces (namespace, owner, created_at)
        VALUES ('alike', 'a', NOW()), ('alike', 'b', NOW());""",
    "instances_with_unmigrated_flavor": """
        UPDATE instance_system_metadata SET deleted = 0 WHERE `key` = 'instance_type_id' AND instance_uuid =
        (SELECT uuid FROM instances WHERE deleted = 0 ORDER BY id LIMIT 1);""",
    "instances_of_a_lost_flavor": LOST_FLAVOR,
    "volumes_in_nova": "INSERT INTO volumes (id, deleted) VALUES ('planted', 0);",
}

# Tables that these ask about are the same in Kilo, of which there is a dump.
LIBERTY = {
    **IN_FLIGHT,
    "glance_tables_not_utf8": LATIN1,
    "cinder_tables_not_utf8": LATIN1,
    "heat_tables_not_utf8": LATIN1,
    "trusts_that_are_equal": EQUAL_TRUSTS,
    "domains_with_bad_extra": "INSERT INTO domain (id, name, enabled, extra) VALUES ('planted', 'planted', 1, '');",
    "ordinary_routers_bound_for_snat": """
        INSERT INTO routers (id) VALUES ('planted');
        INSERT INTO csnat_l3_agent_bindings (router_id, l3_agent_id) SELECT 'planted', id FROM agents LIMIT 1;""",
    "routers_bound_twice_to_an_agent": """
        INSERT INTO ha_router_agent_port_bindings (port_id, router_id, l3_agent_id)
        SELECT p.id, b.router_id, b.l3_agent_id FROM ports p JOIN ha_router_agent_port_bindings b ON p.id <> b.port_id
        LIMIT 1;""",
}

ANTELOPE = {
    **IN_FLIGHT,
    "instances_with_a_task": """
        INSERT INTO instances (uuid, deleted, task_state, created_at)
        VALUES ('planted', 0, 'deleting', '2016-01-01');""",
    "snapshots_in_transition": """
        INSERT INTO volumes (id, deleted, volume_type_id, use_quota) SELECT 'v', 0, id, 1 FROM volume_types LIMIT 1;
        INSERT INTO snapshots (id, volume_id, volume_type_id, use_quota, status, deleted, created_at)
        SELECT 'planted', id, volume_type_id, 1, 'creating', 0, '2016-01-01' FROM volumes;""",
    "volumes_in_transition": """
        INSERT INTO volumes (id, deleted, volume_type_id, use_quota, status, created_at)
        SELECT 'planted', 0, id, 1, 'attaching', '2016-01-01' FROM volume_types LIMIT 1;""",
    "backups_in_transition": """
        INSERT INTO backups (id, volume_id, status, deleted, created_at)
        VALUES ('planted', 'v', 'restoring', 0, '2016-01-01');""",
    "images_being_saved": """
        INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, visibility, protected, os_hidden)
        VALUES ('planted', 'saving', '2016-01-01', 0, 0, 0, 'shared', 0, 0);""",
    "stacks_in_progress": """
        INSERT INTO raw_template (id) VALUES (1);
        INSERT INTO stack (id, raw_template_id, disable_rollback, status, created_at)
        VALUES ('planted', 1, 0, 'IN_PROGRESS', '2016-01-01');""",
    "stacks_locked": """
        INSERT INTO raw_template (id) VALUES (1);
        INSERT INTO stack (id, raw_template_id, disable_rollback) VALUES ('planted', 1, 0);
        INSERT INTO stack_lock (stack_id, created_at) VALUES ('planted', '2016-01-01');""",
    "servers_to_be_scheduled": """
        INSERT INTO build_requests (instance_uuid, project_id, created_at) VALUES ('planted', 'p', '2016-01-01');""",
    "volumes_being_attached": """
        INSERT INTO volumes (id, deleted, volume_type_id, use_quota, status, created_at)
        SELECT n, 0, t.id, 1, 'reserved', '2016-01-01' FROM (SELECT id FROM volume_types LIMIT 1) t,
        (SELECT 'planted' AS n UNION SELECT 'innocent' UNION SELECT 'innocent2') names;
        REPLACE INTO nova.instances (uuid, deleted, vm_state) VALUES ('i', 0, 'active'), ('j', 0, 'shelved_offloaded');
        INSERT INTO volume_attachment (id, volume_id, instance_uuid, deleted)
        VALUES ('a', 'planted', 'i', 0), ('b', 'innocent', 'j', 0), ('c', 'innocent2', 'i', 1);""",
    "groups_in_transition": """
        INSERT INTO `groups` (id, deleted, status, created_at) VALUES ('planted1', 0, 'creating', '2016-01-01'),
        ('innocent', 0, 'available', '2016-01-01'), ('innocent2', 1, 'deleting', '2016-01-01');
        INSERT INTO group_snapshots (id, group_id, deleted, status, created_at)
        VALUES ('planted2', 'innocent', 0, 'deleting', '2016-01-01');""",
    "image_tasks_under_way": """
        INSERT INTO tasks (id, type, status, owner, created_at, deleted)
        VALUES ('planted1', 'import', 'pending', 'o', '2016-01-01', 0),
        ('planted2', 'api_image_import', 'processing', 'o', '2016-01-01', 0),
        ('innocent', 'import', 'success', 'o', '2016-01-01', 0);""",
    "trusts_that_are_equal": EQUAL_TRUSTS,
    "volumes_without_use_quota": """
        INSERT INTO volumes (id, deleted, volume_type_id, use_quota)
        SELECT 'planted', 0, id, NULL FROM volume_types LIMIT 1;""",
    "deleted_volumes_without_use_quota": """
        INSERT INTO volumes (id, deleted, volume_type_id, use_quota)
        SELECT 'planted', 1, id, NULL FROM volume_types LIMIT 1;""",
    "cinder_services_too_old": """
        INSERT INTO services (`binary`, host, report_count, deleted, rpc_current_version, object_current_version) VALUES
        ('cinder-volume', 'planted1', 0, 0, NULL, NULL), ('cinder-backup', 'planted2', 0, 0, '2.1', '1.38'),
        ('cinder-volume', 'innocent', 0, 0, '3.17', '1.39'), ('cinder-volume', 'innocent2', 0, 1, '3.16', '1.11');""",
    "computes_too_old": """
        INSERT INTO services (`binary`, host, topic, report_count, deleted, version) VALUES
        ('nova-compute', 'planted', 'compute', 0, 0, 61), ('nova-compute', 'innocent', 'compute', 0, 0, 66);""",
    "nova_block_devices_without_uuid": "INSERT INTO block_device_mapping (id, deleted) VALUES (77, 0);",
    "nova_migrations_without_uuid": "INSERT INTO migrations (id, deleted, status) VALUES (77, 0, 'done');",
    "nova_pci_devices_without_uuid": """
        INSERT INTO compute_nodes (id, vcpus, memory_mb, local_gb, vcpus_used, memory_mb_used, local_gb_used,
        hypervisor_type, hypervisor_version, cpu_info, deleted) VALUES (1, 1, 1, 1, 0, 0, 0, 'x', 1, '', 1);
        INSERT INTO pci_devices (id, deleted, compute_node_id, address, vendor_id, product_id, dev_type, dev_id, label,
        status, extra_info) VALUES (77, 0, 1, 'a', 'b', 'c', 'type-PCI', 'd', 'e', 'available', '{}');""",
    "nova_instances_without_zone": """
        INSERT INTO instances (uuid, deleted, host) VALUES ('planted', 0, 'node-7'), ('innocent', 0, NULL);""",
    "nova_computes_without_ratio": """
        INSERT INTO compute_nodes (hypervisor_hostname, host, uuid, deleted, vcpus, memory_mb, local_gb, vcpus_used,
        memory_mb_used, local_gb_used, hypervisor_type, hypervisor_version, cpu_info, ram_allocation_ratio,
        cpu_allocation_ratio, disk_allocation_ratio)
        VALUES ('planted', 'a', 'u1', 0, 1, 1, 1, 0, 0, 0, 'x', 1, '', 1.5, 16.0, NULL),
        ('innocent', 'b', 'u2', 0, 1, 1, 1, 0, 0, 0, 'x', 1, '', 1.5, 16.0, 1.0);""",
    "nova_quotas_of_the_cell": """
        INSERT INTO quotas (id, deleted, project_id, resource, hard_limit) VALUES (77, 0, 'p', 'cores', 5);""",
    "nova_mappings_without_deletion": """
        INSERT IGNORE INTO cell_mappings (id, uuid, name) VALUES (7, 'c', 'c');
        INSERT INTO instance_mappings (instance_uuid, cell_id, project_id, user_id)
        VALUES ('planted1', 7, 'p', 'u'), ('innocent1', NULL, 'p', 'u');""",
    "nova_mappings_without_user": """
        INSERT IGNORE INTO cell_mappings (id, uuid, name) VALUES (7, 'c', 'c');
        REPLACE INTO nova_cell0.instances (uuid, deleted, user_id) VALUES ('planted2', 0, 'alice');
        INSERT INTO instance_mappings (instance_uuid, cell_id, project_id, queued_for_delete)
        VALUES ('planted2', 7, 'p', 0), ('innocent2', 7, 'p', 0);""",
    "dropped_tables_of_neutron": """
        INSERT INTO lsn (net_id, lsn_id) VALUES ('a', 'a'), ('b', 'b');""",
    "projects_with_several_ha_networks": """
        INSERT INTO standardattributes (id, resource_type) VALUES (1, 'networks'), (2, 'networks');
        INSERT INTO networks (id, standard_attr_id, mtu) VALUES ('a', 1, 1500), ('b', 2, 1500);
        INSERT INTO ha_router_networks (project_id, network_id) VALUES ('planted', 'a'), ('planted', 'b');""",
}

INJECTIONS = {"juno-kilo": JUNO, "kilo-liberty": KILO, "liberty-mitaka": LIBERTY, "antelope-caracal": ANTELOPE}

NODE = """
INSERT INTO compute_nodes (id, hypervisor_hostname, host, uuid, deleted, vcpus, memory_mb, local_gb, vcpus_used,
memory_mb_used, local_gb_used, hypervisor_type, hypervisor_version, cpu_info, ram_allocation_ratio,
cpu_allocation_ratio, disk_allocation_ratio)
VALUES (7, 'node-7', 'node-7', 'u7', 0, 1, 1, 1, 0, 0, 0, 'x', 1, '', 1.5, 16.0, 1.0);
"""
UNMIGRATED = {
    "juno-kilo": {
        "instances_whose_flavor_stayed": """
            INSERT INTO instance_system_metadata (instance_uuid, `key`, value, deleted)
            SELECT uuid, 'instance_type_id', '1', 0 FROM instances WHERE deleted = 0;""",
    },
    "kilo-liberty": {},
    "liberty-mitaka": {
        "aggregates_without_uuid": "UPDATE aggregates SET uuid = NULL LIMIT 1;",
        "volumes_of_the_renamed_backend": "UPDATE volumes SET host = 'rbd:volumes#old' WHERE deleted = 0 LIMIT 1;",
    },
    "antelope-caracal": {
        "instances_without_compute_id": NODE
        + """
            INSERT INTO instances (uuid, deleted, host, node)
            VALUES ('planted', 0, 'node-7', 'node-7'), ('innocent', 0, 'gone', 'gone'),
            ('innocent2', 0, NULL, NULL);""",
        "volumes_with_temporary_metadata": """
            INSERT INTO volumes (id, deleted, volume_type_id, use_quota) SELECT 'v', 0, id, 1 FROM volume_types LIMIT 1;
            INSERT INTO volume_admin_metadata (id, volume_id, `key`, value, deleted)
            VALUES (77, 'v', 'temporary', 'True', 0);""",
    },
}
"""SQL for a database of the release that the hop leads to, after its migrations, by hop."""
