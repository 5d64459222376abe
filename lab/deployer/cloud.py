"""From configured controllers to a cloud that answers: schemas, Keystone's first contents, services, resources."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from lab.wait import Timeout, until

from . import ceph, galera, haproxy, openstack
from .environment import Environment, Node
from .errors import DeploymentError
from .files import current

SCRIPTS = Path(__file__).parent / "node_scripts"
API_TIMEOUT = 600
"""Seconds for all services of three controllers to start on a machine that has other things to do."""

SYNC_TIMEOUT = 600
"""Seconds for one release's whole first schema of one service on a busy machine."""

IDENTITY = "/var/lib/nova/compute_id"
"""Where nova-compute keeps the uuid of its node."""

SCHEMAS = "schemas.sql"
"""File of a Python environment of OpenStack: the databases as its commands make them from nothing."""

ENDPOINTS = {
    "nova": ("compute", "http://{address}:8774/v2.1"),
    "glance": ("image", "http://{address}:9292"),
    "placement": ("placement", "http://{address}:8778"),
    "heat": ("orchestration", "http://{address}:8004/v1/%(tenant_id)s"),
    "neutron": ("network", "http://{address}:9696"),
    "cinder": ("volumev3", "http://{address}:8776/v3/%(project_id)s"),
}
"""Service to its type and URL in the catalogue; Keystone's own come from its bootstrap."""

OBJECT_ENDPOINT = {"swift": ("object-store", "http://{address}:8080/swift/v1")}
"""Of Ceph's object gateway."""

ROLES = ("_member_", "SwiftOperator", "heat_stack_owner", "heat_stack_user", "service")

FLAVORS = (
    ("m1.micro", "auto", 64, 0, 1),
    ("m1.tiny", "1", 512, 1, 1),
    ("m1.small", "2", 2048, 20, 1),
    ("m1.medium", "3", 4096, 40, 2),
    ("m1.large", "4", 8192, 80, 4),
    ("m1.xlarge", "5", 16384, 160, 8),
)
"""Name, id, MiB of memory, GiB of disk, processors: what Fuel's cloud has from the start."""


def in_parallel(actions: Iterable[Callable[[], Any]], workers: int = 4) -> None:
    """Run all actions; raises the first exception once all have ended."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(action) for action in actions]
    for future in futures:
        future.result()


def synchronise(host: Any, environment: Environment, venv: Path) -> None:
    """Bring all schemas to the release's own and give them their first contents.

    What a release makes from nothing is the same each time, so it is made once for a Python environment and kept in it:
    the commands take a minute and a half of a processor, loading what they made two seconds.
    """
    kept = venv / SCHEMAS
    empty = not _tables(host)
    if empty and kept.exists():
        host.run(["mysql"], input=kept.read_text(encoding="utf-8"), timeout=SYNC_TIMEOUT)
    else:
        make_schemas(host)
    if empty and not kept.exists():
        _keep_schemas(host, kept)
    in_parallel([partial(bootstrap_keystone, host, environment), partial(_make_cells, host)])


def make_schemas(host: Any) -> None:
    """Run each service's own command, four services at a time; what has to follow one another is one list."""
    command = partial(_run, host)
    chains: list[list[Callable[[], Any]]] = [
        [partial(command, "keystone-manage", "db_sync"), partial(command, "placement-manage", "db", "sync")],
        [
            partial(command, "nova-manage", "api_db", "sync"),
            partial(command, "nova-manage", "cell_v2", "map_cell0"),
            partial(command, "nova-manage", "db", "sync"),
        ],
        [partial(command, "cinder-manage", "db", "sync"), partial(command, "glance-manage", "db_sync")],
        [partial(command, "neutron-db-manage", "upgrade", "heads"), partial(command, "heat-manage", "db_sync")],
    ]
    in_parallel(partial(_in_turn, chain) for chain in chains)


def _tables(host: Any) -> int:
    """How many tables the services' databases have."""
    names = ", ".join(galera.literal(name) for name in _databases())
    query = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema IN ({names})"
    return int(host.run(["mysql", "-NBe", query]).stdout)


def _databases() -> list[str]:
    return [name for names in galera.DATABASES.values() for name in names]


def _keep_schemas(host: Any, file: Path) -> None:
    """Keep what the commands made, without the cells: these name this cloud's addresses and passwords."""
    options = ["--skip-lock-tables", "--skip-add-locks", "--skip-add-drop-table", "--skip-dump-date"]
    without = "--ignore-table-data=nova_api.cell_mappings"
    made = host.run(["mysqldump", *options, without, "--databases", *_databases()], timeout=SYNC_TIMEOUT).stdout
    # Another lab may make the same at the same time: each writes its own, and either will do.
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(made, encoding="utf-8")
    new.rename(file)


def _make_cells(host: Any) -> None:
    """Nova's cells, each with this cloud's own connections."""
    _run(host, "nova-manage", "cell_v2", "map_cell0")
    _create_cell(host)


def _in_turn(actions: Iterable[Callable[[], Any]]) -> None:
    for action in actions:
        action()


def _run(host: Any, *argv: str) -> None:
    host.run(list(argv), timeout=SYNC_TIMEOUT)


def _create_cell(host: Any) -> None:
    """The one cell; creating it again is an error with exit code 2."""
    answer = host.run(["nova-manage", "cell_v2", "create_cell", "--name", "cell1"], check=False, timeout=SYNC_TIMEOUT)
    if answer.returncode not in (0, 2):
        raise DeploymentError(f"{host.name}: nova-manage cell_v2 create_cell: {answer.stdout}{answer.stderr}")


def bootstrap_keystone(host: Any, environment: Environment) -> None:
    """Keys, administrator and Keystone's own endpoints."""
    owner = ["--keystone-user", "root", "--keystone-group", "root"]
    host.run(["keystone-manage", "fernet_setup", *owner], timeout=SYNC_TIMEOUT)
    host.run(["keystone-manage", "credential_setup", *owner], timeout=SYNC_TIMEOUT)
    access, internal = environment.settings["access"], environment.vips["management"]
    options = {
        "username": access["user"],
        "project-name": access["tenant"],
        "region-id": "RegionOne",
        "public-url": f"http://{environment.vips['public']}:5000/v3",
        "internal-url": f"http://{internal}:5000/v3",
        "admin-url": f"http://{internal}:35357/v3",
    }
    arguments = [word for name, value in options.items() for word in (f"--bootstrap-{name}", value)]
    # The password comes by the standard input: arguments are for all to see.
    script = 'read -r OS_BOOTSTRAP_PASSWORD; export OS_BOOTSTRAP_PASSWORD; exec keystone-manage bootstrap "$@"'
    host.run(["sh", "-c", script, "bootstrap", *arguments], input=access["password"] + "\n", timeout=SYNC_TIMEOUT)


def copy_keys(source: Any, targets: Iterable[Any]) -> None:
    """Give the other controllers the first one's Keystone keys, so that all accept the same tokens."""
    for folder in ("fernet-keys", "credential-keys"):
        keys = source.root / "etc/keystone" / folder
        for target in targets:
            copies = target.root / "etc/keystone" / folder
            copies.mkdir(mode=0o700, exist_ok=True)
            for key in sorted(keys.iterdir()):
                target.write(f"/etc/keystone/{folder}/{key.name}", key.read_text(encoding="utf-8"), 0o600)


def connection(environment: Environment) -> dict[str, str]:
    """Arguments of openstack.connect for the environment's administrator, inside the cloud."""
    access = environment.settings["access"]
    return {
        "auth_url": f"http://{environment.vips['management']}:5000/v3",
        "username": access["user"],
        "password": access["password"],
        "project_name": access["tenant"],
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": "RegionOne",
        "interface": "internal",
    }


def _run_script(host: Any, python: str, script: str, given: Any, timeout: float) -> str:
    source = (SCRIPTS / script).read_text(encoding="utf-8")
    return str(host.run([python, "-c", source], input=json.dumps(given), timeout=timeout).stdout)


def make_identity(host: Any, environment: Environment, venv: Path) -> None:
    """Users, roles, services and endpoints."""
    passwords = openstack.user_passwords(environment)
    internal = environment.vips["management"]
    plan = {
        "auth": connection(environment),
        "project": "services",
        "users": passwords,
        "roles": ROLES,
        "services": ENDPOINTS | (OBJECT_ENDPOINT if environment.has_objects else {}),
        "addresses": {"public": environment.vips["public"], "internal": internal, "admin": internal},
        "heat": {"domain": "heat", "user": "heat_admin", "password": passwords["heat"]},
    }
    _run_script(host, str(venv / "bin/python"), "identity.py", plan, 180)


def make_resources(host: Any, environment: Environment, venv: Path) -> None:
    """Flavors, Fuel's predefined networks where the facts have them, and its test image where it can be stored yet."""
    image = None if environment.has_ceph else environment.settings.get("test_vm_image")
    plan = {
        "auth": connection(environment),
        "flavors": FLAVORS,
        "networks": predefined_networks(environment),
        "image": image,
    }
    _run_script(host, str(venv / "bin/python"), "resources.py", plan, 180)


def make_image(host: Any, environment: Environment, venv: Path) -> None:
    """Fuel's test image."""
    image = environment.settings.get("test_vm_image")
    plan: dict[str, Any] = {"auth": connection(environment), "flavors": [], "networks": {}, "image": image}
    _run_script(host, str(venv / "bin/python"), "resources.py", plan, 180)


def predefined_networks(environment: Environment) -> dict[str, Any]:
    """Fuel's, by name. The agents of today reach the network outside by the bridge of its physical network alone; those
    of Juno and Kilo had a setting for a bridge of a network of type local."""
    given: dict[str, Any] = environment.settings["quantum_settings"].get("predefined_networks", {})
    if not environment.agents:
        return given
    outside = {"network_type": "flat", "physnet": "physnet1"}
    return {
        name: {**network, "L2": {**network["L2"], **outside}} if network["L2"]["router_ext"] else network
        for name, network in given.items()
    }


def silent(host: Any, urls: Sequence[str]) -> list[str]:
    """Those of ``urls`` that give no answer, or a server's error, to the node."""
    answers = json.loads(_run_script(host, "/usr/bin/python3", "apis.py", list(urls), 60))
    return [url for url, status in answers.items() if status == 0 or status >= 500]


def wait_answering(host: Any, urls: Sequence[str], timeout: float = API_TIMEOUT) -> None:
    """Wait until all ``urls`` answer the node. Raises DeploymentError naming those that do not."""
    left = list(urls)

    def all_answer() -> bool:
        left[:] = silent(host, left)
        return not left

    try:
        until(all_answer, timeout, f"{len(urls)} addresses to answer {host.name}", interval=1)
    except Timeout as error:
        raise DeploymentError(f"{error}; silent: {', '.join(left)}") from error


def urls_of_vip(environment: Environment) -> list[str]:
    """Every API through the management and the public VIP."""
    vips = (environment.vips["management"], environment.vips["public"])
    return [f"http://{vip}:{port}/" for vip in vips for port in haproxy.APIS.values()]


def urls_of_objects(environment: Environment, nodes: Iterable[Node]) -> list[str]:
    """Ceph's object gateway on each controller, and through the management VIP; none where there is none."""
    if not environment.has_objects:
        return []
    gateways = [f"http://{node.management}:{ceph.GATEWAY_PORT}/" for node in nodes]
    return [*gateways, f"http://{environment.vips['management']}:8080/"]


def urls_of_backends(nodes: Iterable[Node]) -> list[str]:
    """Every API on every controller itself."""
    return [f"http://{node.management}:{port}/" for node in nodes for port in haproxy.APIS.values()]


def computes_reporting(host: Any, environment: Environment) -> set[str]:
    """Names of the compute services that reported to the database within the last 30 seconds."""
    query = (
        "SELECT host FROM nova.services WHERE `binary` = 'nova-compute' AND deleted = 0"
        " AND TIMESTAMPDIFF(SECOND, COALESCE(updated_at, created_at), UTC_TIMESTAMP()) < 30"
    )
    answer = host.run(["mysql", "-NBe", query], check=False)
    return set(answer.stdout.split()) if answer.returncode == 0 else set()


def wait_computes(host: Any, environment: Environment, nodes: Iterable[Node], timeout: float = API_TIMEOUT) -> None:
    """Wait until the compute services of ``nodes`` report. Raises lab.wait.Timeout."""
    wanted = {node.fqdn for node in nodes}
    what = f"nova-compute of {', '.join(sorted(wanted))} to report"
    until(lambda: wanted <= computes_reporting(host, environment), timeout, what, interval=1)


def keep_identities(primary: Any, hosts: Mapping[str, Any], nodes: Iterable[Node]) -> None:
    """Give compute nodes that were installed anew the uuid which they are known by in the database.

    nova-compute of today refuses to start on a host that it knows and that has lost its uuid ("No local node identity
    found", observed in nova 2024.1); those of Juno and Kilo had none.
    """
    for node in nodes:
        host = hosts[node.uid]
        if current(host, IDENTITY) is None:
            query = f"SELECT uuid FROM nova.compute_nodes WHERE host = {galera.literal(node.fqdn)} AND deleted = 0"
            found = primary.run(["mysql", "-NBe", query]).stdout.split()
            if len(found) == 1:
                host.write(IDENTITY, found[0])


def agents_reporting(host: Any) -> set[tuple[str, str]]:
    """(program, host) of Neutron's agents that reported to the database within the last 60 seconds."""
    query = (
        "SELECT `binary`, host FROM neutron.agents"
        " WHERE TIMESTAMPDIFF(SECOND, heartbeat_timestamp, UTC_TIMESTAMP()) < 60"
    )
    answer = host.run(["mysql", "-NBe", query], check=False)
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    return {(binary, name) for binary, name in map(str.split, lines)}


def wait_agents(host: Any, environment: Environment, nodes: Iterable[Node], timeout: float = API_TIMEOUT) -> None:
    """Wait until Neutron's agents of ``nodes`` report, where the environment has any. Raises lab.wait.Timeout."""
    wanted = {
        (service.command.split()[0], node.fqdn)
        for node in nodes
        for service in openstack.services(environment, node)
        if service in (*openstack.CONTROLLER_AGENTS, *openstack.COMPUTE_AGENTS)
    }
    what = f"{len(wanted)} agents of Neutron to report"
    until(lambda: not wanted or wanted <= agents_reporting(host), timeout, what, interval=1)


def discover_computes(host: Any) -> None:
    """Map new compute hosts to the cell."""
    host.run(["nova-manage", "cell_v2", "discover_hosts"], timeout=SYNC_TIMEOUT)


def wait_database(host: Any, environment: Environment) -> None:
    """Wait until the database answers a service's user through the VIP. Raises lab.wait.Timeout."""
    password = galera.passwords(environment)["keystone"]
    login = f"[client]\nhost={environment.vips['management']}\nport=3306\nuser=keystone\npassword={password}\n"
    query = ["mysql", "--defaults-file=/dev/stdin", "-NBe", "SELECT 1"]
    what = f"the database behind {environment.vips['management']}:3306"
    until(lambda: host.run(query, input=login, check=False).returncode == 0, 120, what, interval=0.5)
