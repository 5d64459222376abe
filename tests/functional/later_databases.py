"""
Databases of Liberty and of Mitaka, of which no dump exists: Kilo's, altered.

Liberty's have the columns and tables of the difference between the schemas of both releases, as it was recorded when
the real code of both had run; the moves of data are those of neutron's and cinder's scripts. There is no such record of
Mitaka's: they are altered as those scripts of that release do which move what users know, and hardly further. Indexes
stay.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

BEFORE = {"liberty": "kilo", "mitaka": "liberty"}
RECORDED = "diff-kilo-liberty.txt"
"""The difference, beside the dumps."""

_DATABASE = re.compile(r"#### (\w+) ")
_NEW = re.compile(r"- NEW TABLE `(\w+)` \((.+)\)")
_DROPPED = re.compile(r"- DROPPED TABLE `(\w+)`")
_TABLE = re.compile(r"- `(\w+)`: (.+)")
ADDED, MOVED, DROPPED = range(3)
"""When a statement is run."""
_CHANGES = {
    re.compile(r"add col (\w+) (.+)"): (ADDED, "ADD COLUMN `{}` {}"),
    re.compile(r"drop key \[CONSTRAINT (\w+) FOREIGN KEY .+"): (DROPPED, "DROP FOREIGN KEY `{}`"),
    re.compile(r"drop col (\w+) .+"): (DROPPED, "DROP COLUMN `{}`"),
}
"""What is said of a table, when it is done, and how; a foreign key goes before the column that it would hold."""

LIBERTY = {
    "cinder": """
        INSERT INTO quota_classes (class_name, resource, hard_limit, deleted)
        VALUES ('default', 'per_volume_gigabytes', -1, 0);""",
    # 4ffceebfada
    "neutron": """
        INSERT INTO networkrbacs (id, object_id, tenant_id, target_tenant, action)
        SELECT MD5(id), id, tenant_id, '*', 'access_as_shared' FROM networks WHERE shared;""",
}

ROOT = "'<<keystone.domain.root>>'"
WITH_STANDARD_ATTRIBUTES = (
    "ports",
    "networks",
    "subnets",
    "subnetpools",
    "securitygroups",
    "floatingips",
    "routers",
    "securitygrouprules",
)

MITAKA = {
    # 088, 089, 090, 091, 093, 095
    "keystone": f"""
        ALTER TABLE role ADD COLUMN domain_id VARCHAR(64) NOT NULL DEFAULT '<<null>>';
        INSERT INTO domain (id, name, enabled, extra) VALUES ({ROOT}, {ROOT}, 0, '{{}}');
        INSERT INTO project (id, name, enabled, description, domain_id, is_domain, parent_id, extra)
        VALUES ({ROOT}, {ROOT}, 0, '', {ROOT}, 1, NULL, '{{}}');
        CREATE TABLE local_user (id INT PRIMARY KEY AUTO_INCREMENT, user_id VARCHAR(64) NOT NULL,
        domain_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL);
        CREATE TABLE password (id INT PRIMARY KEY AUTO_INCREMENT, local_user_id INT NOT NULL,
        password VARCHAR(128) NOT NULL);
        INSERT INTO local_user (user_id, domain_id, name) SELECT id, domain_id, name FROM user;
        INSERT INTO password (local_user_id, password)
        SELECT l.id, u.password FROM user u JOIN local_user l ON l.user_id = u.id WHERE u.password <> '';
        ALTER TABLE user DROP KEY ixu_user_name_domain_id, DROP COLUMN domain_id, DROP COLUMN name,
        DROP COLUMN password;
        INSERT INTO project (id, name, enabled, description, domain_id, is_domain, parent_id, extra)
        SELECT id, name, enabled, JSON_VALUE(extra, '$.description'), {ROOT}, 1, NULL,
        COALESCE(JSON_REMOVE(extra, '$.description'), '{{}}') FROM domain WHERE id <> {ROOT};
        UPDATE project SET parent_id = domain_id WHERE parent_id IS NULL AND is_domain = 0;
        DELETE FROM revocation_event;""",
    # 061, 062, and what the hop runs after the migration
    "cinder": """
        ALTER TABLE backups ADD COLUMN snapshot_id VARCHAR(36), ADD COLUMN data_timestamp DATETIME;
        UPDATE backups SET data_timestamp = created_at;
        ALTER TABLE volume_type_projects DROP CONSTRAINT CONSTRAINT_1, MODIFY deleted INT;
        UPDATE volumes SET host = 'rbd:volumes@RBD-backend#RBD-backend'
        WHERE NOT deleted AND (host = 'rbd:volumes' OR host LIKE 'rbd:volumes#%');""",
    # 044
    "glance": "UPDATE metadef_resource_types SET name = 'OS::Nova::Server' WHERE name = 'OS::Nova::Instance';",
    # 317
    "nova": "ALTER TABLE aggregates ADD COLUMN uuid VARCHAR(36);",
    # 32e5974ada25, 8a6d8bdae39, 0e66c5227a8a, 4ffceebfcdc, 5ffceebfada, 2b4c2465d44b
    "neutron": "CREATE TABLE standardattributes (id BIGINT PRIMARY KEY AUTO_INCREMENT, "
    "resource_type VARCHAR(255) NOT NULL, description VARCHAR(255)); SET @last = 0;"
    + "".join(
        f"ALTER TABLE {table} ADD COLUMN standard_attr_id BIGINT;"
        f"UPDATE {table} SET standard_attr_id = (@last := @last + 1);"
        f"INSERT INTO standardattributes (id, resource_type) SELECT standard_attr_id, '{table}' FROM {table};"
        for table in WITH_STANDARD_ATTRIBUTES
    )
    + """
        UPDATE standardattributes a JOIN securitygroups g ON g.standard_attr_id = a.id
        SET a.description = g.description;
        ALTER TABLE securitygroups DROP COLUMN description;
        INSERT INTO networkrbacs (id, object_id, tenant_id, target_tenant, action)
        SELECT MD5(n.id), n.id, n.tenant_id, '*', 'access_as_external'
        FROM networks n JOIN externalnetworks e ON e.network_id = n.id;
        INSERT IGNORE INTO routerl3agentbindings (router_id, l3_agent_id)
        SELECT router_id, l3_agent_id FROM csnat_l3_agent_bindings;
        DROP TABLE csnat_l3_agent_bindings;""",
}


def altered(release: str, dumps: Mapping[str, str], recorded: str) -> dict[str, str]:
    """SQL by database of RELEASE: that of the release before it, and what alters it."""
    if release == "mitaka":
        return {database: f"{sql}\n{MITAKA.get(database, '')}" for database, sql in dumps.items()}
    steps = _recorded(recorded)
    for database, move in LIBERTY.items():
        steps[database][MOVED].append(move)
    return {
        database: "\n".join(
            [sql, *(statement for when in sorted(steps[database]) for statement in steps[database][when])]
        )
        for database, sql in dumps.items()
    }


def _recorded(text: str) -> dict[str, dict[int, list[str]]]:
    """Statements by database and by when they are run."""
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in text.splitlines():
        if match := _DATABASE.match(line):
            steps = found[match[1]]
        elif match := _NEW.match(line):
            # What type its columns are of was not recorded.
            columns = ", ".join(f"`{column}` VARCHAR(255)" for column in match[2].split(", "))
            steps[ADDED].append(f"CREATE TABLE `{match[1]}` ({columns});")
        elif match := _DROPPED.match(line):
            steps[DROPPED].append(f"DROP TABLE `{match[1]}`;")
        elif match := _TABLE.match(line):
            for when, change in _changes(match[2]):
                steps[when].append(f"ALTER TABLE `{match[1]}` {change};")
    return found


def _changes(said: str):
    """(when, what) of each change of one table."""
    for pattern, (when, change) in _CHANGES.items():
        for part in said.split("; "):
            if match := pattern.fullmatch(part):
                yield when, change.format(*match.groups())
