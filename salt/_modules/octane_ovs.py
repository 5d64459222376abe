"""
Open vSwitch as far as an upgrade needs it: which port is in which bridge, and ports that leave and come back the same.

Its database is persistent by itself. What a port was made of is written down before it is deleted, so that it comes
back with its VLANs, options and, for a bond, interfaces.
"""

import json
import os
import re
import shutil

from salt.exceptions import CommandExecutionError

KEPT = "/var/lib/octane-node/ovs-ports.json"
DATABASE = "/etc/openvswitch/conf.db"
SOCKET = "/var/run/openvswitch/db.sock"
TIMEOUT = 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,62}")
_WORD = re.compile(r"[a-z0-9_-]{1,30}")
_COLUMNS = {
    "Bridge": ("name", "ports"),
    "Port": (
        *("_uuid", "name", "interfaces", "tag", "trunks", "vlan_mode", "bond_mode", "bond_updelay", "bond_downdelay"),
        *("lacp", "other_config", "external_ids"),
    ),
    "Interface": ("_uuid", "name", "type", "options", "mac", "ofport_request", "other_config", "external_ids"),
}
# Where agents put ports that they do not know (yet).
_DEAD_VLAN = 4095
_EMPTY = ("", 0, False, ["set", []], ["map", []])


def bridges():
    """
    Bridges of Open vSwitch and their ports, without each bridge's own; ``{}`` where it is not in use.

    :return: ``{bridge: [port]}``
    :raises CommandExecutionError: it is in use and does not answer

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.bridges
    """
    return {name: sorted(set(ports) - {name}) for name, ports in _bridges(_tables()).items()}


def unwired(bridge="br-int"):
    """
    Ports of Neutron's bridge that its agent has not given a VLAN yet, or has cut off: nothing comes through them.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ovs.unwired
    """
    tables = _tables()
    mine = set(_bridges(tables).get(bridge, ()))
    return sorted(row["name"] for row in tables["Port"] if row["name"] in mine and row["tag"] in (*_EMPTY, _DEAD_VLAN))


def definition(port):
    """
    What a port is made of; ``None`` when there is none of this name.

    :return: ``{"bridge": str, "port": {column: value}, "interfaces": [{"name": str, column: value}]}`` with values as
        the database writes them in JSON

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.definition br-mgmt--br-eth1
    """
    tables = _tables()
    return next(
        (
            _definition(tables, bridge, row)
            for bridge, names in _bridges(tables).items()
            for row in tables["Port"]
            if row["name"] == checked(port) and port in names
        ),
        None,
    )


def inner_ports():
    """
    Ports that do not leave the node by themselves: internal ones, and the ends of patches.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.inner_ports
    """
    return sorted(row["name"] for row in _tables()["Interface"] if row["type"] in ("internal", "patch"))


def peers():
    """
    Ends of patches between bridges of Open vSwitch: ``{port: port at the other end}``.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.peers
    """
    options = {row["name"]: dict(row["options"][1]) for row in _tables()["Interface"] if row["type"] == "patch"}
    return {name: one["peer"] for name, one in options.items() if "peer" in one}


def checked(name):
    """
    The name of a port, if it is one: those of patches may be longer than an interface's.

    :raises CommandExecutionError: it is none

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.checked br-mgmt--br-eth1
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CommandExecutionError(f"not the name of a port: {name!r}")
    return name


def record(port):
    """
    Write down what a port is made of, before it is deleted.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.record eth1
    """
    found = definition(port)
    if found:
        known = _read()
        known[port] = found
        __salt__["octane_files.note"](KEPT, json.dumps(known, indent=1, sort_keys=True))


def recorded(bridge, port):
    """
    What :func:`record` knows of a port of a bridge; ``None`` when it was never there.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.recorded br-ex eth1
    """
    found = _read().get(port)
    return found if found and found["bridge"] == bridge else None


def described(port, tag=None, trunks=(), bond=None, peer=None, internal=False):
    """
    The definition of a port that was never there, from what a network_scheme says.

    :param bond: ``{"interfaces": [str], "mode", "lacp", "lacp_rate", "miimon", "updelay", "downdelay"}``
    :param peer: the port at the other end of a patch
    :raises CommandExecutionError: what cannot be such a port

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_ovs.described eth1 tag=101
    """
    columns = {}
    if tag:
        columns["tag"] = _number(tag, 4095)
    if trunks:
        columns["trunks"] = ["set", [_number(one, 4095) for one in trunks]]
    interface = {"name": checked(port)}
    if peer:
        interface.update(type="patch", options=["map", [["peer", checked(peer)]]])
    if internal:
        interface["type"] = "internal"
    if not bond:
        return {"port": columns, "interfaces": [interface]}
    columns.update(_bond(bond))
    return {"port": columns, "interfaces": [{"name": checked(one)} for one in bond["interfaces"]]}


def removal(port):
    """
    The command that deletes a port, for :func:`run`.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.removal eth1
    """
    return ["--if-exists", "del-port", checked(port)]


def addition(bridge, port, wanted):
    """
    The commands that make a port as a definition says, for :func:`run`.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.addition br-ex eth1 '{port: {tag: 101}, interfaces: [{name: eth1}]}'
    """
    names = [checked(one["name"]) for one in wanted["interfaces"]]
    checked(bridge), checked(port)
    command = ["add-port", bridge, port] if names == [port] else ["add-bond", bridge, port, *names]
    found = ["--may-exist", *command]
    found += _settings("Port", port, wanted["port"])
    for one in wanted["interfaces"]:
        found += _settings("Interface", one["name"], {name: value for name, value in one.items() if name != "name"})
    return found


def run(commands):
    """
    Commands of :func:`removal` and :func:`addition`, all in one transaction, which ends when the switch has done it.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_ovs.run '[[--if-exists, del-port, eth1]]'
    """
    words = [word for command in commands for word in ("--", *command)]
    return _vsctl(words)


def _bridges(tables):
    names = {row["_uuid"][1]: row["name"] for row in tables["Port"]}
    return {row["name"]: [names[uuid] for uuid in _uuids(row["ports"])] for row in tables["Bridge"]}


def _definition(tables, bridge, port):
    wanted = _uuids(port["interfaces"])
    rows = sorted((row for row in tables["Interface"] if row["_uuid"][1] in wanted), key=lambda row: row["name"])
    return {
        "bridge": bridge,
        "port": _filled(port, ("_uuid", "name", "interfaces")),
        "interfaces": [{"name": row["name"], **_filled(row, ("_uuid", "name"))} for row in rows],
    }


def _filled(row, without):
    return {name: value for name, value in row.items() if name not in without and value not in _EMPTY}


def _uuids(value):
    return [one[1] for one in value[1]] if value[0] == "set" else [value[1]]


def _tables():
    """Rows of the three tables as ``{column: value}``; no rows where Open vSwitch is not in use."""
    if not os.path.exists(SOCKET) and not (os.path.exists(DATABASE) and shutil.which("ovs-vsctl")):
        return {table: [] for table in _COLUMNS}
    listings = [["--columns=" + ",".join(columns), "list", table] for table, columns in _COLUMNS.items()]
    text = _vsctl(["--format=json", *(word for listing in listings for word in ("--", *listing))])
    found = [json.loads(line) for line in text.splitlines() if line.strip()]
    return {
        table: [dict(zip(one["headings"], row)) for row in one["data"]] for table, one in zip(_COLUMNS, found)  # noqa: B905
    }


def _settings(table, name, columns):
    if not columns:
        return []
    return ["--", "set", table, name, *(f"{column}={_text(value)}" for column, value in sorted(columns.items()))]


def _text(value):
    """A value of the database as ``ovs-vsctl`` reads it."""
    if isinstance(value, list) and value[0] == "set":
        return "[" + ",".join(_text(one) for one in value[1]) + "]"
    if isinstance(value, list) and value[0] == "map":
        return "{" + ",".join(f"{_text(key)}={_text(one)}" for key, one in value[1]) + "}"
    return json.dumps(value)


def _bond(given):
    """Columns of a bond, from what Fuel calls its properties as the kernel's bonds call them."""
    columns, other = {}, []
    if given.get("mode"):
        columns["bond_mode"] = _word(given["mode"])
    if given.get("lacp"):
        columns["lacp"] = _word(given["lacp"])
    if given.get("lacp_rate"):
        other.append(["lacp-time", _word(given["lacp_rate"])])
    if given.get("miimon"):
        other += [["bond-detect-mode", "miimon"], ["bond-miimon-interval", str(_number(given["miimon"], 10**6))]]
    for name in ("updelay", "downdelay"):
        if given.get(name):
            columns[f"bond_{name}"] = _number(given[name], 10**6)
    if other:
        columns["other_config"] = ["map", other]
    return columns


def _word(value):
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise CommandExecutionError(f"not a property of a bond: {value!r}")
    return value


def _number(value, most):
    if isinstance(value, bool) or not str(value).isdigit() or int(value) > most:
        raise CommandExecutionError(f"not a number up to {most}: {value!r}")
    return int(value)


def _vsctl(words):
    command = ["ovs-vsctl", f"--timeout={TIMEOUT}", *words]
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=2 * TIMEOUT)
    if done["retcode"]:
        raise CommandExecutionError(f"{' '.join(command)}: {done['stderr'].strip() or done['stdout'].strip()}"[:500])
    return done["stdout"]


def _read():
    try:
        with open(KEPT, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return {}
