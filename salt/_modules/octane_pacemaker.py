"""
What Pacemaker's XML says (``cibadmin --query``, ``crm_mon --as-xml`` of 1.1.10 up to ``--output-as=xml`` of 2.1): pure
reading, no cluster asked.
"""

import xml.etree.ElementTree as ElementTree

_RULED = ("primitive", "clone", "master", "group")
# See octane_cluster.stop.
_MARK = "octane-stopped"


def has_quorum(text):
    """
    Whether ``crm_mon``'s XML speaks of a coordinator and of quorum.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.has_quorum '<crm_mon/>'
    """
    found = ElementTree.fromstring(text).find(".//summary/current_dc")
    return found is not None and found.get("present", "true") == "true" and found.get("with_quorum") == "true"


def addresses(text):
    """
    Virtual addresses of a CIB, as ``octane_cluster.addresses`` returns them.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.addresses '<resources/>'
    """
    found = []
    for primitive in ElementTree.fromstring(text).iter("primitive"):
        if primitive.get("type", "").endswith("IPaddr2"):
            given = {one.get("name"): one.get("value") for one in primitive.iterfind("instance_attributes/nvpair")}
            found.append(
                {
                    "resource": primitive.get("id"),
                    "address": given.get("ip"),
                    "bridge": given.get("bridge") or given.get("nic"),
                    "netns": given.get("ns"),
                    "interface": given.get("ns_veth"),
                }
            )
    return found


def gateway_checks(text):
    """
    Resources that keep virtual addresses where a gateway answers: ``[{"resource": outermost id, "attribute": str,
    "value": str}]``, the value being what the agent sets when one gateway answers.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.gateway_checks '<resources/>'
    """
    root = ElementTree.fromstring(text)
    section = root if root.tag == "resources" else root.find(".//resources")
    found = []
    for outer in () if section is None else section:
        for primitive in outer.iter("primitive"):
            if primitive.get("provider") == "pacemaker" and primitive.get("type") == "ping":
                given = {one.get("name"): one.get("value") for one in primitive.iterfind("instance_attributes/nvpair")}
                named = {"attribute": given.get("name") or "pingd", "value": given.get("multiplier") or "1"}
                found.append({"resource": outer.get("id"), **named})
    return found


def jobs(text):
    """
    Names of the services that primitives of a CIB stand for: those of systemd or upstart, and Fuel's ``p_<job>``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.jobs '<resources/>'
    """
    found = set()
    for primitive in ElementTree.fromstring(text).iter("primitive"):
        found.add(primitive.get("id", "").removeprefix("p_"))
        if primitive.get("class") in ("systemd", "service", "upstart", "lsb"):
            found.add(primitive.get("type", ""))
    return sorted(found)


def stopped_parts(text, identifier):
    """
    Ids, of an outermost resource itself and of what is inside, that carry ``target-role=Stopped``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.stopped_parts '<resources/>' p_heat-engine
    """
    root = ElementTree.fromstring(text)
    outer = next(one for one in root.iter() if one.get("id") == identifier and one.tag in _RULED)
    return [one.get("id") for one in outer.iter() if one.tag in _RULED and _is_stopped(one)]


def nodes(text):
    """
    Nodes of ``crm_mon``'s XML, as ``octane_cluster.nodes`` returns them.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.nodes '<crm_mon/>'
    """
    return {
        one.get("name"): {
            "online": _is(one, "online"),
            "standby": _is(one, "standby") or _is(one, "standby_onfail"),
            "maintenance": _is(one, "maintenance"),
            "unclean": _is(one, "unclean"),
            "dc": _is(one, "is_dc"),
        }
        for one in ElementTree.fromstring(text).iterfind(".//nodes/node")
    }


def resources(text):
    """
    Outermost resources of a CIB's ``resources`` section.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.resources '<resources/>'
    """
    root = ElementTree.fromstring(text)
    section = root if root.tag == "resources" else root.find(".//resources")
    return {
        one.get("id"): {
            "kind": _kind(one),
            "agents": [_agent(primitive) for primitive in one.iter("primitive")],
            "target_role": _meta(one, "target-role"),
            "stopped_here": _meta(one, _MARK) == "true",
            "managed": _meta(one, "is-managed") != "false",
            "failed": False,
            "running_on": [],
        }
        for one in (() if section is None else section)
        if one.tag in _RULED
    }


def instances(text):
    """
    What ``crm_mon`` says of each outermost resource: ``{id: {"managed", "failed", "running_on"}}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_pacemaker.instances '<crm_mon/>'
    """
    found = {}
    for outer in ElementTree.fromstring(text).iterfind(".//resources/*"):
        instances = [outer] if outer.tag == "resource" else list(outer.iter("resource"))
        live = [one for one in instances if _is(one, "active")]
        found[outer.get("id")] = {
            # One that was cut short has no such attribute at all.
            "managed": all(one.get("managed", "true") == "true" for one in instances),
            "failed": any(_is(one, "failed") for one in instances),
            "running_on": sorted({node.get("name") for one in live for node in one.iterfind("node")}),
        }
    return found


def _kind(element):
    promotable = element.tag == "clone" and _meta(element, "promotable") == "true"
    return "master" if promotable else element.tag


def _agent(primitive):
    return ":".join(filter(None, (primitive.get("class"), primitive.get("provider"), primitive.get("type"))))


def _meta(element, name):
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == name:
            return pair.get("value")
    return None


def _is(element, name):
    return element.get(name) == "true"


def _is_stopped(element):
    # Written in either case in the field.
    return (_meta(element, "target-role") or "").lower() == "stopped"
