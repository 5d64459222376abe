"""What an operator would look at to see for himself: asked of the hosts, never of the product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from demo.commands import MASTER, Commands
from lab.wait import until

OPENSTACK = ("nova", "neutron", "cinder", "glance", "heat", "keystone", "placement")
# Where stages may change files of the Fuel master, their own journal apart.
MASTER_FOLDERS = ("/etc", "/usr/lib/python2.6", "/root", "/srv")


def nailgun(lab: Commands, path: str, method: str = "GET", body: dict | None = None):
    """What Nailgun answers to a request, asked on the master as its administrator."""
    script = (
        "import json,sys,urllib.request as r,yaml;"
        "c=yaml.safe_load(open('/etc/fuel/astute.yaml'))['FUEL_ACCESS'];"
        "b='http://10.20.0.2:';"
        "q=r.Request(b+'5000/v2.0/tokens',json.dumps({'auth':{'tenantName':'admin','passwordCredentials':"
        "{'username':c['user'],'password':c['password']}}}).encode(),{'Content-Type':'application/json'});"
        "t=json.load(r.urlopen(q))['access']['token']['id'];"
        "d=sys.argv[3].encode() or None;"
        "h={'X-Auth-Token':t,'Content-Type':'application/json'};"
        "print(r.urlopen(r.Request(b+'8000'+sys.argv[1],d,h,method=sys.argv[2])).read().decode() or 'null')"
    )
    said = "" if body is None else json.dumps(body)
    return json.loads(lab.run(lab.on(MASTER, "python3", "-c", script, path, method, said)).stdout)


def environments(lab: Commands) -> dict[int, dict]:
    return {cluster["id"]: cluster for cluster in nailgun(lab, "/api/clusters")}


def nodes_of(lab: Commands, environment: int) -> set[int]:
    return {node["id"] for node in nailgun(lab, f"/api/nodes?cluster_id={environment}")}


def users_own(lab: Commands, before: Path | str) -> None:
    """Assert that users find in the cloud what was theirs when ``octane-lab compare --save BEFORE`` looked."""
    compared = lab.lab("compare", "--against", str(before), check=False)
    assert compared.returncode == 0, compared.stdout


FILES = (
    'for folder; do [ ! -d "$folder" ] || find "$folder" -xdev -type f -not -name "*.log" '
    '-not -path "*/salt/pki/*" -exec sha256sum {} + 2>/dev/null || exit; done'
)


def files(lab: Commands, host: str, *folders: str) -> dict[str, str]:
    """Every file below those of FOLDERS that are there, with its digest; what a daemon writes by itself is left out."""
    return digests(lab.run(lab.on(host, "sh", "-c", FILES, "files", *folders)).stdout)


def digests(listed: str) -> dict[str, str]:
    return {path: digest for digest, path in (line.split(None, 1) for line in listed.splitlines())}


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is new, gone or of another digest or checksum, by name: what a failed test tells, and not everything."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def what_stages_change(lab: Commands, host: str) -> dict[str, str]:
    """What a stage may change of a node: files, the ports of bridges, addresses, the cluster's resources, and which
    start of each of OpenStack's services and those beneath it is running."""
    units = " ".join(f"'{name}*'" for name in (*OPENSTACK, "haproxy", "mariadb", "mysql", "rabbitmq", "memcached"))
    commands = {
        "files": FILES,
        "bridges": "bridge -o link show | sed 's/^[0-9]*: //'",
        "addresses": "ip -o -4 address show | awk '{print $2, $4}'",
        "resources": "crm_resource --list 2>/dev/null || true",
        "services": f"systemctl show --property=Id,InvocationID,SubState -- {units}",
    }
    mark = "\x01"
    script = f"; echo '{mark}'; ".join(f"({command})" for command in commands.values())
    told = lab.run(lab.on(host, "sh", "-ec", script, "all", "/etc", "/var/lib/octane-node")).stdout.split(f"{mark}\n")
    seen = dict(zip(commands, told, strict=True))
    seen |= digests(seen.pop("files"))
    return {f"{host}:{name}": told for name, told in seen.items()}


def addresses(lab: Commands, host: str, bridge: str) -> set[str]:
    """The addresses that a bridge of a host has, without their masks."""
    shown = json.loads(lab.run(lab.on(host, "ip", "-j", "-4", "address", "show", "dev", bridge)).stdout)
    return {info["local"] for interface in shown for info in interface["addr_info"]}


def virtual_address(lab: Commands, host: str, resource: str) -> str:
    """The address that a resource of a host's cluster stands for."""
    return lab.run(lab.on(host, "crm_resource", "--resource", resource, "--get-parameter", "ip")).stdout.strip()


def holders(lab: Commands, hosts: Iterable[str], address: str) -> list[str]:
    """Those of HOSTS whose HAProxy has ADDRESS in its namespace."""
    command = ("ip", "-n", "haproxy", "-o", "-4", "address")
    return [host for host in hosts if f" {address}/" in lab.run(lab.on(host, *command)).stdout]


def mac(lab: Commands, host: str, interface: str) -> str:
    return json.loads(lab.run(lab.on(host, "ip", "-j", "link", "show", "dev", interface)).stdout)[0]["address"]


def default_route(lab: Commands, host: str) -> str:
    return lab.run(lab.on(host, "ip", "-4", "route", "show", "default")).stdout.replace("onlink", "").strip()


def macs_within(lab: Commands, hosts: Iterable[str], namespaces: Iterable[str]) -> set[str]:
    """The MAC addresses by which those network namespaces of HOSTS answer that are there."""
    script = 'for each in "$@"; do ip -n "$each" -o link show 2>/dev/null || true; done'
    shown = [lab.run(lab.on(host, "sh", "-c", script, "all", *namespaces)).stdout for host in hosts]
    return set(re.findall(r"link/ether ([0-9a-f:]{17})", "".join(shown)))


def who_has(lab: Commands, host: str, bridge: str, address: str) -> set[str]:
    """The MAC addresses that answer for ADDRESS on the segment of a host's bridge; asked three times."""
    done = lab.run(lab.on(host, "arping", "-c", "3", "-w", "3", "-I", bridge, address), check=False)
    return {line.split("[")[1].split("]")[0].lower() for line in done.stdout.splitlines() if "reply from" in line}


def rows(lab: Commands, host: str, database: str, table: str) -> int:
    """How many rows a table has, asked of the host's own database server."""
    return int(query(lab, host, f"SELECT COUNT(*) FROM `{database}`.`{table}`")[0])


def checksums(lab: Commands, host: str, databases: Iterable[str]) -> dict[str, str]:
    """The server's checksum of every table of the databases that are there, by ``database.table``."""
    names = ", ".join(f"'{name}'" for name in databases)
    listed = query(
        lab,
        host,
        "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables "
        f"WHERE table_type = 'BASE TABLE' AND table_schema IN ({names})",
    )
    if not listed:
        return {}
    return dict(row.split("\t") for row in query(lab, host, f"CHECKSUM TABLE {', '.join(listed)}"))


def services(lab: Commands, host: str) -> set[str]:
    """OpenStack's units that run on a host."""
    listed = lab.run(lab.on(host, "systemctl", "list-units", "--type=service", "--state=active", "--plain", "-q"))
    names = (line.split()[0] for line in listed.stdout.splitlines())
    return {name for name in names if name.startswith(OPENSTACK)}


def query(lab: Commands, host: str, statement: str) -> list[str]:
    """Lines of what the database of a host answers."""
    return lab.run(lab.on(host, "mysql", "--batch", "--skip-column-names", "-e", statement)).stdout.splitlines()


def hosts(lab: Commands) -> list[dict]:
    """The lab's hosts as it tells them: {"host", "power", ...}."""
    return json.loads(lab.lab("status", "-f", "json").stdout)["hosts"]


def until_reads_are_answered(lab: Commands) -> None:
    """Wait until every API answers every read for three seconds."""
    path = lab.state / "answers.jsonl"

    def answered() -> bool:
        lab.lab("probe", "--seconds", "3", "--output", str(path))
        return all(kinds["read"]["failed_seconds"] == 0 for kinds in lab.probe_summary(path)["apis"].values())

    until(answered, 300, "every API to answer every read", 5)


def refused(lab: Commands, code: int, *stage: str) -> str:
    """Assert that a command is not carried out: exit code, one sentence, which is returned, and Nailgun as it was."""
    known = environments(lab)
    nodes = nailgun(lab, "/api/nodes")
    done = lab.octane(*stage, check=False)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert environments(lab) == known
    assert [node["cluster"] for node in nailgun(lab, "/api/nodes")] == [node["cluster"] for node in nodes]
    return done.stderr
