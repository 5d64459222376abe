"""What a lab looks like at this moment."""

from __future__ import annotations

from typing import Any

from lab import cgroups
from lab.hosts import Host
from lab.state import Lab

MIB = 2**20


def of_lab(lab: Lab) -> dict[str, Any]:
    """Name, state directory and every host of a lab, as data."""
    hosts = [of_host(lab, host) for host in lab.hosts.values()]
    return {
        "name": lab.definition["name"],
        "state": str(lab.state),
        "prefix": lab.prefix,
        "snapshot": lab.options.get("lowers"),
        "memory_mib": sum(host["memory_mib"] for host in hosts),
        "hosts": hosts,
    }


def of_host(lab: Lab, host: Host) -> dict[str, Any]:
    """Installed host name, power, boot state, roles in the definition, addresses, processes, and memory as its fair
    share in MiB."""
    groups = host.groups()
    processes = {pid for group in groups for pid in cgroups.processes(group)}
    unified = [group for group in groups if group.parent.parent == cgroups.hierarchies()[-1]]
    definition = lab.definition["hosts"][host.name]
    is_on = host.is_running()
    return {
        "host": host.name,
        "node": host.installed_name,
        "power": "on" if is_on else "off",
        "system": host.run(["systemctl", "is-system-running"], check=False).stdout.strip() if is_on else "",
        "roles": [definition["kind"]] if "kind" in definition else definition.get("roles", []),
        "partitioned": (host.directory / "partitioned").exists(),
        "addresses": addresses(host) if is_on else {},
        "processes": len(processes),
        "memory_mib": sum(cgroups.memory(group) for group in unified) // MIB,
    }


def addresses(host: Host) -> dict[str, list[str]]:
    """Interface -> IPv4 addresses with prefix length, in the host's main network namespace and its named ones."""
    found: dict[str, list[str]] = {}
    spaces = host.run(["ip", "netns", "list"], check=False).stdout.splitlines()
    for space in ["", *(line.split()[0] for line in spaces if line)]:
        inside = ["-n", space] if space else []
        for line in host.run(["ip", *inside, "-brief", "-4", "address"], check=False).stdout.splitlines():
            interface, _, *listed = line.split()
            if interface != "lo":
                name = interface.partition("@")[0]
                found[f"{space}:{name}" if space else name] = listed
    return found


def table(status: dict[str, Any]) -> str:
    """The status as text: one line a host."""
    lines = [f"{'host':8} {'node':8} {'power':5} {'system':10} {'roles':16} {'MiB':>6} {'procs':>5}  addresses"]
    for host in status["hosts"]:
        roles = ",".join(host["roles"]) or "spare"
        cables = " (partitioned)" if host["partitioned"] else ""
        listed = " ".join(address for own in host["addresses"].values() for address in own)
        lines.append(
            f"{host['host']:8} {host['node']:8} {host['power']:5} {host['system']:10} {roles:16} "
            f"{host['memory_mib']:6} {host['processes']:5}  {listed}{cables}"
        )
    lines.append(f"profile {status['name']} in {status['state']}, {status['memory_mib']} MiB in all")
    return "\n".join(lines)
