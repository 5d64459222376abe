"""
What differs between two sides when it is planted on the new one, by hop: its database, SQL, and what is told of it.
"""

JUNO_KILO = {
    "project": ("keystone", "UPDATE project SET name = 'other' LIMIT 1", "project .*: name was .* is 'other'"),
    "user": (
        "keystone",
        "UPDATE user SET enabled = 1 - enabled WHERE enabled IS NOT NULL LIMIT 1",
        "user .*: enabled was",
    ),
    "password": (
        "keystone",
        "UPDATE user SET password = 'x' WHERE password IS NOT NULL LIMIT 1",
        "user .*: password is another",
    ),
    "role assignment": ("keystone", "DELETE FROM assignment LIMIT 1", "role assignment .* is missing on the seed"),
    "endpoint": ("keystone", "UPDATE endpoint SET url = 'http://192.0.2.1/' LIMIT 1", "endpoint .*: url was"),
    "endpoint of heat": (
        "keystone",
        "UPDATE endpoint SET url = REPLACE(url, ':8000', ':8004') WHERE url LIKE '%:8000/%'",
        "endpoint .*: url was .*:8000/.* is .*:8004/",
    ),
    "image": ("glance", "UPDATE images SET checksum = REPEAT('0', 32) LIMIT 1", "image .*: checksum was"),
    "image owner": ("glance", "UPDATE images SET owner = 'nobody' LIMIT 1", "image .*: owner was .* is 'nobody'"),
    "volume": ("cinder", "UPDATE volumes SET size = size + 1 LIMIT 1", "volume .*: size was"),
    "attachment": ("cinder", "DELETE FROM volume_attachment LIMIT 1", "attachment of the volume .* is missing"),
    "snapshot": (
        "cinder",
        "UPDATE snapshots SET volume_size = 77 LIMIT 1",
        "snapshot of a volume .*: volume_size was .* is '77'",
    ),
    "network": ("neutron", "UPDATE networks SET shared = 1 - shared LIMIT 1", "network .*: shared was"),
    "subnet": ("neutron", "UPDATE subnets SET gateway_ip = '192.0.2.1' LIMIT 1", "subnet .*: gateway_ip was"),
    "router": ("neutron", "UPDATE routers SET name = 'other' LIMIT 1", "router .*: name was"),
    "port": ("neutron", "UPDATE ports SET mac_address = 'fa:16:3e:00:00:99' LIMIT 1", "port .*: mac_address was"),
    "floating": (
        "neutron",
        "UPDATE floatingips SET fixed_ip_address = '192.0.2.9' LIMIT 1",
        "floating address .*: fixed_ip",
    ),
    "security group": (
        "neutron",
        "UPDATE securitygroups SET description = 'other' LIMIT 1",
        "security group .*: description",
    ),
    "rule": ("neutron", "DELETE FROM securitygrouprules LIMIT 1", "rule of a security group .* is missing on the seed"),
    "flavor": ("nova", "UPDATE instance_types SET vcpus = 64 LIMIT 1", "flavor .*: vcpus was .* is '64'"),
    "keypair": ("nova", "UPDATE key_pairs SET public_key = 'x' LIMIT 1", "keypair .*: public_key is another one"),
    "server": (
        "nova",
        "UPDATE instances SET host = 'node-99' WHERE deleted = 0 LIMIT 1",
        "server .*: host was .* is 'node-99'",
    ),
    "server flavor": (
        "nova",
        'UPDATE instance_extra SET flavor = REPLACE(flavor, \'"flavorid": "\', \'"flavorid": "x\')',
        "flavor of the server .*: flavor was .* is 'x",
    ),
    "stack": (
        "heat",
        "UPDATE stack SET status = 'FAILED' WHERE status <> 'FAILED' LIMIT 1",
        "stack .*: status was .* is 'FAILED'",
    ),
    "stack parameters": (
        "heat",
        "UPDATE raw_template SET environment = '{}' WHERE environment IS NOT NULL",
        "parameters of the stack .*: parameters is another",
    ),
    "something more": (
        "keystone",
        "INSERT INTO role (id, name) VALUES ('planted', 'planted')",
        "role planted is on the seed alone",
    ),
}

KILO_LIBERTY = {
    **JUNO_KILO,
    "attachment": ("cinder", "DELETE FROM volume_attachment LIMIT 1", "attachment of the volume .* is missing"),
    "attached host": (
        "cinder",
        "UPDATE volume_attachment SET attached_host = 'node-99' LIMIT 1",
        "attachment of the volume .*: attached_host was .* is 'node-99'",
    ),
    "network": (
        "neutron",
        "DELETE FROM networkrbacs WHERE action = 'access_as_shared'",
        "network .*: shared was '1', is '0'",
    ),
    "network shared with one project": (
        "neutron",
        "UPDATE networkrbacs SET target_tenant = 'one' WHERE action = 'access_as_shared'",
        "network .*: shared was '1', is '0'",
    ),
    "segment": (
        "neutron",
        "UPDATE ml2_network_segments SET segmentation_id = 77 WHERE network_type = 'vlan'",
        "segment of a network .*: segmentation_id was '1000', is '77'",
    ),
    "segment of an external network": (
        "neutron",
        "UPDATE ml2_network_segments SET network_type = 'vlan' WHERE network_type = 'local'",
        "segment of a network .*: network_type was 'flat', is 'vlan'",
    ),
    "server flavor's details": (
        "nova",
        "UPDATE instance_extra SET flavor = REPLACE(flavor, '\"memory_mb\": 2048', '\"memory_mb\": 1024')",
        "flavor of the server .*: details is another one",
    ),
    "keypair's type": ("nova", "UPDATE key_pairs SET type = 'x509' LIMIT 1", "keypair .*: type was 'ssh', is 'x509'"),
    "stack parameters": (
        "heat",
        "UPDATE raw_template SET environment = '{}' WHERE environment IS NOT NULL",
        "template of the stack .*: environment is another one",
    ),
}

LIBERTY_MITAKA = {
    **KILO_LIBERTY,
    "project": (
        "keystone",
        "UPDATE project SET name = 'other' WHERE is_domain = 0 LIMIT 1",
        "project .*: name was .* is 'other'",
    ),
    "parent project": (
        "keystone",
        "UPDATE project SET parent_id = NULL WHERE is_domain = 0 LIMIT 1",
        "project .*: parent_id was 'default', is NULL",
    ),
    "domain": (
        "keystone",
        "UPDATE project SET description = 'other' WHERE id = 'default'",
        "domain default: description was 'Owns users .* is 'other'",
    ),
    "domain that became no project": (
        "keystone",
        "DELETE FROM project WHERE id = 'default'",
        "domain default is missing on the seed",
    ),
    "user": (
        "keystone",
        "UPDATE local_user SET name = 'other' WHERE name = 'alice'",
        "user .*: name was 'alice', is 'other'",
    ),
    "user without a name": (
        "keystone",
        "DELETE FROM local_user WHERE name = 'alice'",
        "user .*: name was 'alice', is NULL",
    ),
    "password": ("keystone", "UPDATE password SET password = 'x' LIMIT 1", "user .*: password is another one"),
    "lost password": ("keystone", "DELETE FROM password LIMIT 1", "user .*: password is another one"),
    "volume left behind": (
        "cinder",
        "UPDATE volumes SET host = 'rbd:volumes#RBD-backend' WHERE deleted = 0 AND host IS NOT NULL LIMIT 1",
        "backend of the volume .*: host was 'rbd:volumes@RBD-backend#RBD-backend', is 'rbd:volumes#RBD-backend'",
    ),
    "network": (
        "neutron",
        "DELETE FROM networkrbacs WHERE action = 'access_as_shared'",
        "sharing of a network .* is missing on the seed",
    ),
    "network shared with one project": (
        "neutron",
        "UPDATE networkrbacs SET target_tenant = 'one' WHERE action = 'access_as_shared'",
        "sharing of a network .*: target_tenant was '.', is 'one'",
    ),
    "external network": (
        "neutron",
        "DELETE FROM networkrbacs WHERE action = 'access_as_external'",
        "external network .* is missing on the seed",
    ),
    "segment of an external network": (
        "neutron",
        "UPDATE ml2_network_segments SET network_type = 'vlan' WHERE network_type = 'local'",
        "segment of a network .*: network_type was 'local', is 'vlan'",
    ),
    "security group": (
        "neutron",
        "UPDATE standardattributes SET description = 'other' WHERE resource_type = 'securitygroups' LIMIT 1",
        "security group .*: description was .* is 'other'",
    ),
}

ANTELOPE_CARACAL = {
    **{
        name: JUNO_KILO[name]
        for name in (
            *("project", "role assignment", "endpoint", "image", "image owner", "snapshot", "subnet"),
            *("router", "port", "floating", "rule", "something more"),
        )
    },
    "user": ("keystone", "UPDATE user SET enabled = 1 - enabled LIMIT 1", "user .*: enabled was"),
    "user's name": ("keystone", "UPDATE local_user SET name = 'other' LIMIT 1", "user .*: name was .* is 'other'"),
    "password": (
        "keystone",
        "UPDATE password SET password_hash = 'x' LIMIT 1",
        "password of the user .* is another one",
    ),
    "attachment": ("cinder", "DELETE FROM volume_attachment LIMIT 1", "attachment of a volume .* is missing"),
    "application credential": (
        "keystone",
        "UPDATE application_credential SET secret_hash = 'x' LIMIT 1",
        "application credential .*: secret is another one",
    ),
    "volume": ("cinder", "UPDATE volumes SET size = size + 1 WHERE deleted = 0 LIMIT 1", "volume .*: size was"),
    "volume type": (
        "cinder",
        "UPDATE volume_types SET name = 'other' WHERE deleted = 0 LIMIT 1",
        "volume type .*: name was .* is 'other'",
    ),
    "network": ("neutron", "UPDATE networks SET mtu = 576 LIMIT 1", "network .*: mtu was .* is '576'"),
    "sharing": (
        "neutron",
        "UPDATE networkrbacs SET target_project = '*' LIMIT 1",
        "sharing of a network .*: target_project was .* is '\\*'",
    ),
    "segment": (
        "neutron",
        "UPDATE networksegments SET segmentation_id = 77 LIMIT 1",
        "segment of a network .*: segmentation_id was .* is '77'",
    ),
    "security group": ("neutron", "UPDATE securitygroups SET name = 'other' LIMIT 1", "security group .*: name was"),
    "flavor": ("nova_api", "UPDATE flavors SET vcpus = 64 LIMIT 1", "flavor .*: vcpus was .* is '64'"),
    "keypair": ("nova_api", "UPDATE key_pairs SET public_key = 'x' LIMIT 1", "keypair .*: public_key is another one"),
    "server's cell": ("nova_api", "UPDATE instance_mappings SET cell_id = 77", "mapping of a server .*: cell_id was"),
    "server": (
        "nova",
        "UPDATE instances SET host = 'node-99' WHERE deleted = 0 LIMIT 1",
        "server .*: host was .* is 'node-99'",
    ),
    "server flavor": (
        "nova",
        'UPDATE instance_extra SET flavor = REPLACE(flavor, \'"flavorid": "\', \'"flavorid": "x\')',
        "flavor of the server .*: flavor was .* is 'x",
    ),
    "stack": ("heat", "UPDATE stack SET status = 'FAILED' LIMIT 1", "stack .*: status was .* is 'FAILED'"),
    "stack template": (
        "heat",
        "UPDATE raw_template SET template = '{}' LIMIT 1",
        "template of the stack .*: template is another one",
    ),
    "allocation": ("placement", "UPDATE allocations SET used = 77 LIMIT 1", "allocation .*: used was .* is '77'"),
}

PLANTED = {
    "juno-kilo": JUNO_KILO,
    "kilo-liberty": KILO_LIBERTY,
    "liberty-mitaka": LIBERTY_MITAKA,
    "antelope-caracal": ANTELOPE_CARACAL,
}
