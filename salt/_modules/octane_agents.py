"""
Neutron's agents as the API of this controller's own cloud knows them, the routers and networks they host, and what of
these is there on a node.

Writes go to Neutron on this controller itself and not through the virtual address, where they are refused for users.
"""

import ipaddress
import re

from salt.exceptions import CommandExecutionError

L3, DHCP = "L3 agent", "DHCP agent"
# Of an agent, by its type: where what it hosts is listed, under which key, and how an entry is named in a body.
_HOSTED = {
    L3: ("l3-routers", "routers", "router_id", "qrouter-"),
    DHCP: ("dhcp-networks", "networks", "network_id", "qdhcp-"),
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def agents():
    """
    Every agent that Neutron knows; nothing where there is no Neutron.

    :return: ``[{"id", "type", "binary", "host": str, "alive", "enabled": bool}]``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_agents.agents
    """
    found = _ask(["/v2.0/agents"])
    return [_agent(one) for answer in found for one in answer["agents"]]


def bindings(hosts):
    """
    Routers and networks that agents of the given hosts host.

    :param hosts: as agents name them: full, or short up to one release
    :return: ``{"L3 agent": {router: [agent]}, "DHCP agent": {network: [agent]}}``, ids

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_agents.bindings '[node-1.domain.tld]'
    """
    return _bindings([one for one in agents() if one["host"] in hosts])


def missing_agents(hosts):
    """
    Which agents a take-over waits for: those that one of the hosts has not alive and enabled, of each type that hosts
    something anywhere.

    :return: ``["L3 agent on node-4.domain.tld"]``; ``hosts`` may hold both names of each

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_agents.missing_agents '{node-4: [node-4, node-4.domain.tld]}'
    """
    known = agents()
    needed = sorted(kind for kind, found in _bindings(known).items() if found)
    able = {(one["type"], one["host"]) for one in known if one["alive"] and one["enabled"]}
    return [
        f"{kind} on {node}"
        for kind in needed
        for node, names in sorted(hosts.items())
        if not any((kind, name) in able for name in names)
    ]


def rebind(was, take):
    """
    Let agents of some hosts host what others did: of each router and network as many as before, as far as there are
    agents, the least loaded first. May be repeated.

    A DHCP server's port is kept for the agent that comes, with its addresses: hence first away, then there.

    :param was: what :func:`bindings` returned of the hosts that lose it
    :param take: hosts whose agents, alive and enabled, get it
    :return: how many requests were made
    :raises CommandExecutionError: nobody is there to take it, or Neutron refuses

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_agents.rebind '{L3 agent: {}, DHCP agent: {}}' '[node-4.domain.tld]'
    """
    taking = [one for one in agents() if one["host"] in take and one["type"] in _HOSTED]
    have, count = _bindings(taking), 0
    for kind, found in was.items():
        able = [one["id"] for one in taking if one["type"] == kind and one["alive"] and one["enabled"]]
        if found and not able:
            raise CommandExecutionError(f"no {kind} on {', '.join(take)} is alive: {len(found)} would be with nobody")
        requests = _moves(kind, found, have[kind], able)
        if requests:
            __salt__["octane_cloud.ask"]("network", requests)
        count += len(requests)
    return count


def namespaces():
    """
    Namespaces of tenants' routers and DHCP servers on this node. The agents make them anew when they start.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_agents.namespaces
    """
    prefixes = tuple(prefix for *_, prefix in _HOSTED.values())
    return [name for name in __salt__["octane_net.namespaces"]() if name.startswith(prefixes)]


def present():
    """
    What routers and DHCP servers of tenants on this node answer for: ``{"qrouter-<id>": [address], "qdhcp-<id>":
    [address]}``, of interfaces that are up and that the agent of Open vSwitch, where there is one, has wired;
    namespaces without an address are left out.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_agents.present
    """
    named = namespaces()
    unwired = set(__salt__["octane_ovs.unwired"]()) if named else set()
    found = {}
    for name in named:
        inside = __salt__["octane_net.inside"](name)
        given = [one for interface, addresses in inside.items() if interface not in unwired for one in addresses]
        found[name] = [one for one in given if not _is_local(one)]
    return {name: addresses for name, addresses in found.items() if addresses}


def _agent(one):
    return {
        "id": one["id"],
        "type": one["agent_type"],
        "binary": one["binary"],
        "host": one["host"],
        "alive": bool(one["alive"]),
        "enabled": bool(one["admin_state_up"]),
    }


def _bindings(those):
    """Of agents that can host anything; each is asked, since they are fewer than what they host."""
    able = [one for one in those if one["type"] in _HOSTED]
    answers = _ask([f"/v2.0/agents/{one['id']}/{_HOSTED[one['type']][0]}" for one in able])
    found = {kind: {} for kind in _HOSTED}
    for one, answer in zip(able, answers, strict=True):
        for entry in answer[_HOSTED[one["type"]][1]]:
            found[one["type"]].setdefault(entry["id"], []).append(one["id"])
    return found


def _moves(kind, found, have, able):
    """Requests that move FOUND to ABLE, of which some HAVE something; the least loaded gets the next."""
    load = dict.fromkeys(able, 0)
    for agents_of_it in have.values():
        for agent in agents_of_it:
            load[agent] = load.get(agent, 0) + 1
    requests = []
    for what, before in sorted(found.items()):
        already = [agent for agent in have.get(what, []) if agent in able]
        left = [agent for agent in before if agent not in already]
        count = max(0, min(len(before), len(able)) - len(already))
        chosen = sorted((one for one in able if one not in already), key=lambda one: (load[one], one))[:count]
        for agent in chosen:
            load[agent] += 1
        requests += [_remove(kind, agent, what) for agent in left] + [_add(kind, agent, what) for agent in chosen]
    return requests


def _remove(kind, agent, what):
    return {"method": "DELETE", "path": f"/v2.0/agents/{_checked(agent)}/{_HOSTED[kind][0]}/{_checked(what)}"}


def _add(kind, agent, what):
    path = f"/v2.0/agents/{_checked(agent)}/{_HOSTED[kind][0]}"
    return {"method": "POST", "path": path, "body": {_HOSTED[kind][2]: _checked(what)}}


def _is_local(address):
    """The metadata service's address is in namespaces by the choice of a release, and belongs to no tenant."""
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_link_local


def _checked(identifier):
    if not _UUID.fullmatch(str(identifier)):
        raise CommandExecutionError(f"not an id of Neutron's: {identifier!r}")
    return identifier


def _ask(paths):
    if not paths:
        return []
    return __salt__["octane_cloud.ask"]("network", [{"method": "GET", "path": path} for path in paths])
