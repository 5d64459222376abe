"""
Who belongs to the clusters of a controller: corosync's nodelist and votes, RabbitMQ's nodes, Galera's size.

Seen on each controller by itself, since each may see something else. One that has left for good is taken out of what is
configured, so that the others count their own votes only.
"""

import json
import re
import shutil

from salt.exceptions import CommandExecutionError

COROSYNC = "/etc/corosync/corosync.conf"
_OWNER = "members"
_MEMBER = re.compile(r"^[ \t]*(?:node|member)\s*\{[^{}]*\}[ \t]*\n?", re.MULTILINE)
_VALUE = re.compile(r"^\s*(ring0_addr|name|memberaddr)\s*:\s*(\S+)\s*$", re.MULTILINE)
_VOTES = re.compile(r"^(\s*expected_votes\s*:\s*)(\d+)\s*$", re.MULTILINE)


def seen():
    """
    What this controller sees of its clusters.

    :return: ``{"online": [name], "quorum": bool, "votes": {"expected", "total": int, "quorate": bool}, "database":
        octane_db.wsrep, "brokers": {"members": [name], "running": [name], "partitioned": bool}}``
    :raises CommandExecutionError: one of the clusters does not answer here

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.seen
    """
    nodes = __salt__["octane_cluster.nodes"]()
    return {
        "online": sorted(name for name, one in nodes.items() if one["online"]),
        "quorum": __salt__["octane_cluster.quorum"](),
        "votes": votes(),
        "database": __salt__["octane_db.wsrep"](),
        "brokers": brokers(),
    }


def votes():
    """
    Votes of this part of the cluster, as corosync counts them.

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.votes
    """
    # Its exit code says whether there is quorum, and is no failure.
    return parse_votes(_run(["corosync-quorumtool", "-s"], check=False)["stdout"])


def parse_votes(text):
    """
    What ``corosync-quorumtool -s`` says, 2.3 to 3.1.

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.parse_votes 'Expected votes: 3'
    """
    found = {name: int(number) for name, number in re.findall(r"^(Expected|Total) votes:\s+(\d+)", text, re.MULTILINE)}
    quorate = re.search(r"^Quorate:\s+(\w+)", text, re.MULTILINE)
    return {
        "expected": found.get("Expected", 0),
        "total": found.get("Total", 0),
        "quorate": bool(quorate) and quorate.group(1).lower() == "yes",
    }


def brokers():
    """
    RabbitMQ's cluster as the broker of this controller sees it.

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.brokers
    """
    done = _run(["rabbitmqctl", "-q", "cluster_status", "--formatter", "json"], check=False)
    if done["retcode"]:
        # 3.3 to 3.7 know no formatter.
        done = _run(["rabbitmqctl", "-q", "cluster_status"])
    return parse_brokers(done["stdout"])


def parse_brokers(text):
    """
    What ``rabbitmqctl cluster_status`` says: JSON from 3.8 on, Erlang's terms before.

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.parse_brokers '{"disk_nodes": [], "running_nodes": [], "partitions": {}}'
    """
    try:
        found = json.loads(text)
    except ValueError:
        return _parse_terms(text)
    members = {*found.get("disk_nodes", ()), *found.get("ram_nodes", ())}
    return _brokers(members, found.get("running_nodes", ()), found.get("partitions"))


def _parse_terms(text):
    flat = re.sub(r"\s+", "", text)
    members = re.search(r"\{nodes,\[(.*?)\]\}\]?\}?,\{running_nodes", flat)
    running = re.search(r"\{running_nodes,\[(.*?)\]\}", flat)
    partitions = re.search(r"\{partitions,\[(.*?)\]\}", flat)
    if not (members and running):
        raise CommandExecutionError(f"rabbitmqctl cluster_status said something else: {text[:200]}")
    return _brokers(_names(members.group(1)), _names(running.group(1)), partitions and partitions.group(1))


def _names(text):
    return re.findall(r"'?([A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+)'?", text)


def _brokers(members, running, partitions):
    return {"members": sorted(members), "running": sorted(running), "partitioned": bool(partitions)}


def forget_broker(name):
    """
    Let RabbitMQ forget a broker that has stopped and will not come back with what it knows.

    :param name: of its host, short
    :return: ``{"was": bool}``: whether it was still a member

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.forget_broker node-1
    """
    known = [one for one in brokers()["members"] if one.partition("@")[2].partition(".")[0] == name]
    for one in known:
        _run(["rabbitmqctl", "-q", "forget_cluster_node", one])
    return {"was": bool(known)}


def drop(names, test=False):
    """
    Take a node that has stopped for good out of corosync's and Pacemaker's members, without a restart.

    :param names: every name and address that the configuration may call it by
    :return: ``{"changed": bool}``: whether anything was, or with ``test`` would be

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.drop '[node-1, node-1.domain.tld, 192.168.0.3]'
    """
    with open(COROSYNC, encoding="utf-8") as stream:
        text = stream.read()
    wanted = without(text, names)
    gone = [one for one in names if one in __salt__["octane_cluster.nodes"]()]
    if test:
        return {"changed": wanted != text or bool(gone)}
    if wanted != text:
        __salt__["octane_files.write"](COROSYNC, wanted, _OWNER)
        _run(["corosync-cfgtool", "-R"])
    for one in gone:
        # Each controller is told, and the first has done it for all.
        _run(["crm_node", "--force", "-R", one], check=False)
    return {"changed": wanted != text or bool(gone)}


def readmit(test=False):
    """
    Put back what :func:`drop` took out, so that the node can join again.

    :return: ``{"changed": bool}``: whether anything was, or with ``test`` would be

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.readmit
    """
    changed = bool(__salt__["octane_files.restore"](_OWNER, test))
    if changed and not test:
        _run(["corosync-cfgtool", "-R"])
    return {"changed": changed}


def without(text, names):
    """
    The text of a ``corosync.conf`` without a member, its vote not expected any more.

    :raises CommandExecutionError: nobody else would be left

    CLI Example:

    .. code-block:: bash

        salt node-2 octane_members.without 'nodelist {}' '[node-1]'
    """
    blocks = [block.group(0) for block in _MEMBER.finditer(text)]
    gone = [block for block in blocks if {value for _, value in _VALUE.findall(block)} & set(names)]
    if not gone:
        return text
    if len(gone) == len(blocks):
        raise CommandExecutionError(f"{COROSYNC} names nobody but {', '.join(names)}")
    for block in gone:
        text = text.replace(block, "", 1)
    return _VOTES.sub(lambda found: f"{found.group(1)}{int(found.group(2)) - len(gone)}", text)


def _run(command, check=True):
    if shutil.which(command[0]) is None:
        raise CommandExecutionError(f"this node has no {command[0]}: it is no controller with a cluster")
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=120)
    if check and done["retcode"]:
        raise CommandExecutionError(f"{' '.join(command)}: {done['stderr'].strip() or done['stdout'].strip()}"[:500])
    return done
