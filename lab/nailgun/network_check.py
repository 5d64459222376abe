"""What must be true of an environment's network configuration. Sentences as Nailgun 7.0 gives them.

Networks are rows merged with what is to be changed, the admin network first; its name in messages is ``admin (PXE)``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

from netaddr import IPAddress, IPNetwork, IPRange

from lab.nailgun import networks
from lab.nailgun.state import Row, State

ADMIN_TITLE = "admin (PXE)"
LOOPBACK = IPNetwork("127.0.0.0/8")
BEYOND_CLASSES = IPNetwork("224.0.0.0/3")
Problem = tuple[str, dict[str, Any]]
"""A sentence, and what the task's ``result`` says: ids of networks, names of what is wrong in them."""


class CheckFailed(Exception):
    """The configuration contradicts itself: the message (a line or more), and ``result`` for the task."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.message = message
        self.result = result


def check(rows: list[Row], parameters: dict[str, Any]) -> None:
    """Raise CheckFailed for the first kind of problem that there is, with all problems of that kind."""
    neutron = "internal_cidr" in parameters
    for step in NEUTRON_STEPS if neutron else NOVA_STEPS:
        problems = step(rows, parameters)
        if problems:
            sentences = "\n".join(sentence for sentence, _ in problems)
            raise CheckFailed(sentences, [result for _, result in problems])


def title(row: Row) -> str:
    """The network's name as messages call it."""
    return ADMIN_TITLE if row["name"] == networks.ADMIN else str(row["name"])


def _wrong(row: Row, *what: str) -> dict[str, Any]:
    return {"ids": [row["id"]], "errors": list(what)}


def _ranges(pairs: list[list[str]]) -> list[IPRange]:
    return [IPRange(first, last) for first, last in pairs]


def _meet(first: Any, second: Any) -> bool:
    return bool(first.first <= second.last and second.first <= first.last)


def _public(rows: list[Row]) -> Row:
    return next(row for row in rows if row["name"] == "public")


def _address_spaces(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    found = []
    for first, second in combinations([row for row in rows if row["cidr"]], 2):
        if _meet(IPNetwork(first["cidr"]), IPNetwork(second["cidr"])):
            sentence = f"Address space intersection between networks:\n{title(first)}, {title(second)}"
            found.append((sentence, {"ids": [first["id"], second["id"]], "errors": ["cidr"]}))
    return found


def _floating_in_public(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    public = _public(rows)
    first, last = parameters["floating_ranges"][0]
    if IPRange(first, last) in IPNetwork(public["cidr"]):
        return []
    sentence = f"Floating address range {first}:{last} is not in public address space {public['cidr']}."
    return [(sentence, _wrong(public, "cidr", "ip_ranges"))]


def _public_ranges(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    public = _public(rows)
    floating = IPRange(*parameters["floating_ranges"][0])
    ranges = [*_ranges(public["ip_ranges"]), floating]
    found = []
    for first, second in combinations(ranges, 2):
        if _meet(first, second):
            both = "public and external network" if floating in (first, second) else "public network"
            found.append((f"Address space intersection between ranges of {both}.", _wrong(public, "ip_ranges")))
    for one in ranges:
        if IPAddress(public["gateway"]) in one:
            sentence = "Address intersection between public gateway and IP range of public network."
            found.append((sentence, _wrong(public, "gateway", "ip_ranges")))
        if one not in IPNetwork(public["cidr"]):
            sentence = "Public gateway and public ranges are not in one CIDR."
            found.append((sentence, _wrong(public, "gateway", "ip_ranges")))
    return found


def _internal_network(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    cidr, gateway = IPNetwork(parameters["internal_cidr"]), IPAddress(parameters["internal_gateway"])
    found: list[Problem] = []
    if gateway not in cidr:
        sentence = f"Internal gateway {gateway} is not in internal address space {cidr}."
        found.append((sentence, {"ids": [], "name": ["internal"], "errors": ["gateway"]}))
    if _meet(IPRange(*parameters["floating_ranges"][0]), cidr):
        sentence = "Intersection between internal CIDR and floating range."
        found.append((sentence, {"ids": [], "name": ["internal", "external"], "errors": ["cidr", "ip_ranges"]}))
    return found


def _vlans(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    """Networks' VLANs differ from each other and from those of tenants. This failure has no ``result``."""
    tagged = {row["name"]: row["vlan_start"] for row in rows if row["vlan_start"] is not None}
    if parameters["segmentation_type"] == "vlan":
        first, last = parameters["vlan_range"]
        inside = [name for name, vlan in tagged.items() if first <= vlan <= last]
        if inside:
            raise CheckFailed(
                f"VLAN tags of {', '.join(inside)} network(s) intersect with VLAN ID range defined for Neutron L2. "
                "Networks VLAN tags must not intersect with Neutron L2 VLAN ID range.",
                {},
            )
    shared = [name for name, vlan in tagged.items() if list(tagged.values()).count(vlan) > 1]
    if shared:
        raise CheckFailed(
            f"{', '.join(shared)} networks use the same VLAN tags. "
            "You should assign different VLAN tag to every network.",
            {},
        )
    return []


def _external_ends(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    found: list[Problem] = []
    public = IPNetwork(_public(rows)["cidr"])
    floating = IPRange(*parameters["floating_ranges"][0])
    if public.network in floating or public.broadcast in floating:
        sentence = (
            f"Neutron L3 external floating range [{floating}] intersect with either subnet address or broadcast "
            "address of public network."
        )
        found.append((sentence, {"ids": [], "name": ["external"], "errors": ["ip_ranges"]}))
    internal = IPNetwork(parameters["internal_cidr"])
    if IPAddress(parameters["internal_gateway"]) in (internal.network, internal.broadcast):
        sentence = (
            "Neutron L3 internal network gateway address is equal to either subnet address or broadcast address "
            "of the network."
        )
        found.append((sentence, {"ids": [], "name": ["internal"], "errors": ["gateway"]}))
    return found


def _classes(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    found = []
    for row in (row for row in rows if row["cidr"]):
        if IPNetwork(row["cidr"]) in BEYOND_CLASSES:
            sentence = (
                f"{title(row)} network address space does not belong to A, B, C network classes. "
                "It must belong to either A, B or C network class."
            )
            found.append((sentence, _wrong(row, "cidr", "ip_ranges")))
        elif IPNetwork(row["cidr"]) in LOOPBACK:
            sentence = (
                f"{title(row)} network address space is inside loopback range (127.0.0.0/8). "
                "It must have no intersection with loopback range."
            )
            found.append((sentence, _wrong(row, "cidr", "ip_ranges")))
    return found


def _range_ends(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    found = []
    for row in (row for row in rows if row["meta"].get("notation") == "ip_ranges"):
        cidr = IPNetwork(row["cidr"])
        ends = (cidr.network, cidr.broadcast)
        if row["gateway"] and IPAddress(row["gateway"]) in ends:
            sentence = (
                f"{title(row)} network gateway address is equal to either subnet address or broadcast address "
                "of the network."
            )
            found.append((sentence, _wrong(row, "gateway")))
        for one in _ranges(row["ip_ranges"]):
            if any(end in one for end in ends):
                sentence = (
                    f"{title(row)} network IP range [{one}] intersect with either subnet address or broadcast "
                    "address of the network."
                )
                found.append((sentence, _wrong(row, "ip_ranges")))
    return found


def _name_servers(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    servers = parameters["dns_nameservers"]
    if len(set(servers)) == len(servers):
        return []
    return [("DNS servers IPs have to be distinct.", {"ids": [], "errors": ["dns_nameservers"]})]


def _calculated_cidrs(rows: list[Row], parameters: dict[str, Any]) -> list[Problem]:
    found = []
    for row in (row for row in rows if row["cidr"]):
        calculated = str(IPNetwork(row["cidr"]).cidr)
        if calculated != row["cidr"]:
            sentence = (
                f"Calculated CIDR ({calculated}) is different from value ({row['cidr']}) set by user for "
                f"network:\n{title(row)}."
            )
            found.append((sentence, _wrong(row, "cidr")))
    return found


Step = Callable[[list[Row], dict[str, Any]], list[Problem]]
NEUTRON_STEPS: list[Step] = [
    _address_spaces,
    _floating_in_public,
    _public_ranges,
    _internal_network,
    _vlans,
    _external_ends,
    _classes,
    _range_ends,
    _name_servers,
    _calculated_cidrs,
]
NOVA_STEPS: list[Step] = [_address_spaces, _classes, _range_ends, _name_servers, _calculated_cidrs]
"""Of an environment with nova-network only what does not depend on the provider is checked."""


def check_interfaces(state: State, cluster: Row, rows: list[Row]) -> None:
    """Raise CheckFailed when an interface of a node carries more than one untagged network."""
    untagged = {
        row["id"]: title(row) for row in rows if row["vlan_start"] is None and not row["meta"].get("neutron_vlan_range")
    }
    crossed = []
    for node in state.rows("nodes", cluster=cluster["id"]):
        for nic in networks.carriers(node):
            names = [f'"{untagged[number]}"' for number in nic["networks"] if number in untagged]
            if len(names) > 1:
                crossed.append(f'{", ".join(names)} networks at node "{node["name"]}"')
    if crossed:
        sentence = (
            "Some untagged networks are assigned to the same physical interface. "
            "You should assign them to different physical interfaces. Affected:"
        )
        raise CheckFailed("\n".join([sentence, *crossed]), [{"ids": [], "errors": []}])
