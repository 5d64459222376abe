"""
Tables whose rows no view of a hop compares, and why: by hop, database and pattern of names.
"""

from fnmatch import fnmatchcase

VERSION = "the schema's heads are proven against the release's own scripts"
HISTORY = "what was done once: told on request, and no thing that anybody has"
DERIVED = "computed again from what is compared"
UNDER_WAY = "work in flight, which the window waits for"
EXPENDABLE = "may be written while the original is read-only: the path says so"
NOVA_NETWORK = "nova's own networks, with which no upgrade begins"
DAEMONS = "records of the control plane's daemons, which are removed from the copy or written anew"
RETIRED = "another table took its place releases ago: no service reads it"
ARCHIVED = "archived: no service reads it, and no migration of the hop moves it"
UNOFFERED = "an extension that no cloud of this hop offers"

_FUEL = {
    "keystone": {"migrate_version": VERSION, "token": EXPENDABLE},
    "glance": {"migrate_version": VERSION, "task*": HISTORY},
    "cinder": {"migrate_version": VERSION, "reservations": UNDER_WAY, "services": DAEMONS},
    "nova": {
        "migrate_version": VERSION,
        "instance_actions*": HISTORY,
        "migrations": HISTORY,
        "reservations": UNDER_WAY,
        "security_groups": NOVA_NETWORK,
    },
    "neutron": {
        "alembic_version": VERSION,
        "ipavailabilityranges": DERIVED,
        "ml2_*_allocations": DERIVED,
        "ml2_*_endpoints": DERIVED,
        "ha_router_vrid_allocations": DERIVED,
    },
    "heat": {"migrate_version": VERSION, "stack_lock": UNDER_WAY, "watch_data": EXPENDABLE},
}
_CELL = {
    "alembic_version": VERSION,
    "instance_actions*": HISTORY,
    "migrations": HISTORY,
    "reservations": UNDER_WAY,
    "shadow_*": ARCHIVED,
    **dict.fromkeys(("task_log", "bw_usage_cache", "volume_usage_cache"), HISTORY),
    **dict.fromkeys(("console*", "cells", "provider_fw_rules", "snapshots", "certificates"), RETIRED),
    **dict.fromkeys(("aggregate*", "instance_group*", "instance_type*", "key_pairs", "quota*"), RETIRED),
    **dict.fromkeys(("project_user_quotas", "allocations", "inventories", "resource_provider*"), RETIRED),
    **dict.fromkeys(("security_group*", "networks", "fixed_ips", "floating_ips", "dns_domains"), NOVA_NETWORK),
    "virtual_interfaces": NOVA_NETWORK,
}
LEFT_OUT = {
    "juno-kilo": _FUEL,
    "kilo-liberty": _FUEL,
    "liberty-mitaka": _FUEL,
    "antelope-caracal": {
        "keystone": {
            "alembic_version": VERSION,
            "token": RETIRED,
            "request_token": UNDER_WAY,
            "config_register": UNDER_WAY,
        },
        "glance": {"alembic_version": VERSION, "task*": HISTORY},
        "cinder": {
            "alembic_version": VERSION,
            "consistencygroups": RETIRED,
            "cgsnapshots": RETIRED,
            "reservations": UNDER_WAY,
            "workers": UNDER_WAY,
            "messages": HISTORY,
            "image_volume_cache_entries": DERIVED,
            "services": DAEMONS,
            "clusters": DAEMONS,
        },
        "nova": _CELL,
        # Servers that found no host, and nothing else.
        "nova_cell0": {
            **_CELL,
            **dict.fromkeys(("services", "compute_nodes", "pci_devices", "agent_builds"), DAEMONS),
            **dict.fromkeys(("*_id_mappings", "s3_images", "instance_info_caches"), DERIVED),
        },
        "nova_api": {
            "alembic_version": VERSION,
            "build_requests": UNDER_WAY,
            "quota_usages": RETIRED,
            "reservations": RETIRED,
            **dict.fromkeys(("allocations", "consumers", "inventories", "placement_aggregates", "projects"), RETIRED),
            **dict.fromkeys(("resource_*", "traits", "users"), RETIRED),
        },
        "neutron": {
            "alembic_version": VERSION,
            "ml2_*_allocations": DERIVED,
            "ml2_*_endpoints": DERIVED,
            "ha_router_vrid_allocations": DERIVED,
            "ipam*": DERIVED,
            "provisioningblocks": UNDER_WAY,
            "quotausages": DERIVED,
            "reservations": UNDER_WAY,
            "resourcedeltas": UNDER_WAY,
            "ovn_*": DERIVED,
            **dict.fromkeys(("network_subnet_lock", "segmenthostmappings", "consistencyhashes"), DERIVED),
            **dict.fromkeys(("arista_*", "cisco_*", "brocade*", "ml2_*brocade*", "ml2_nexus*", "ml2_ucsm*"), UNOFFERED),
            **dict.fromkeys(("nsxv_*", "nuage_*", "neutron_nsx_*", "vcns_*", "lsn*", "maclearning*"), UNOFFERED),
            **dict.fromkeys(("multi_provider*", "networkconn*", "networkgate*", "*queue*", "tz_network*"), UNOFFERED),
            **dict.fromkeys(("bgp_*", "firewall*", "ikepolicies", "ipsec*", "vpnservices", "pool*"), UNOFFERED),
            **dict.fromkeys(("vips", "members", "healthmonitors", "sessionpersistences"), UNOFFERED),
            **dict.fromkeys(("conntrack_helpers", "local_ip*", "logs", "ndp_*", "router_ndp_*"), UNOFFERED),
            **dict.fromkeys(("auto_allocated_*", "dvr_fip_*", "flavor*", "serviceprofiles"), UNOFFERED),
            **dict.fromkeys(("portdata*", "portdevice*", "portnuma*", "portuplink*", "network_segment_*"), UNOFFERED),
            **dict.fromkeys(("qos_*packet_rate*", "subnet_dns_*", "nexthops", "routerrules"), UNOFFERED),
            "providerresourceassociations": UNOFFERED,
        },
        "heat": {
            "migrate_version": VERSION,
            "service": DAEMONS,
            "stack_lock": UNDER_WAY,
            "sync_point": UNDER_WAY,
        },
        "placement": {
            "alembic_version": VERSION,
            "consumer_types": DERIVED,
            "placement_aggregates": UNOFFERED,
            "resource_provider_aggregates": UNOFFERED,
        },
    },
}


def pattern_of(hop: str, database: str, table: str) -> str | None:
    """The pattern by which HOP leaves TABLE out."""
    patterns = LEFT_OUT[hop].get(database, {})
    return next((pattern for pattern in patterns if fnmatchcase(table, pattern)), None)
