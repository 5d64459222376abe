"""
The Pacemaker cluster of the controllers, 1.1.10 to 2.1: what it is told to run, what it runs, and changing that.

What is configured comes from the CIB, what is running from ``crm_mon``: a stopped resource is missing from the default
listing of ``crm_mon`` 1.1, so that the two are always read together.
"""

import re
import shutil
import time

from salt.exceptions import CommandExecutionError

# Ids of what carries the cloud and must run before, during and after OpenStack is stopped (Fuel 6.1 to 9.x).
_INFRASTRUCTURE = ("p_mysql", "p_haproxy", "p_dns", "p_ntp", "vip", "p_conntrackd", "p_rabbitmq-server", "p_vrouter")
_OPENSTACK = re.compile(
    r"nova|neutron|heat|cinder|glance|keystone|placement|ceilometer|aodh|gnocchi|sahara|murano|trove|ironic|manila|barbican"
)
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# Marks what the upgrade stopped, so that what an operator had stopped before is not started in the end.
_MARK = "octane-stopped"


def running():
    """
    Whether this node is part of a running cluster.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.running
    """
    return _run(["crm_mon", "-1"], check=False)["retcode"] == 0


def nodes():
    """
    The cluster's nodes as this one sees them.

    :return: ``{name: {"online": bool, "standby": bool, "maintenance": bool, "unclean": bool, "dc": bool}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.nodes
    """
    return __salt__["octane_pacemaker.nodes"](_monitor())


def quorum():
    """
    Whether this node's part of the cluster has quorum and a coordinator.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.quorum
    """
    return __salt__["octane_pacemaker.has_quorum"](_monitor())


def resources():
    """
    Every resource of the configuration by its outermost id, and where it runs.

    :return: ``{id: {"kind": "primitive" | "clone" | "master" | "group", "agents": [str], "target_role": str or None,
        "stopped_here": bool, "managed": bool, "failed": bool, "running_on": [node]}}``; ``stopped_here``: by
        :func:`stop`

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.resources
    """
    configured = _configured()
    for identifier, found in __salt__["octane_pacemaker.instances"](_monitor()).items():
        if identifier in configured:
            configured[identifier].update(found)
    return configured


def infrastructure():
    """
    Resources that carry the cloud: addresses, HAProxy, database, messaging, DNS, time.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.infrastructure
    """
    return sorted(one for one in _configured() if _carries(one))


def openstack():
    """
    Resources that are services of OpenStack.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.openstack
    """
    configured = _configured()
    return sorted(
        identifier
        for identifier, one in configured.items()
        if not _carries(identifier) and _OPENSTACK.search(" ".join([identifier, *one["agents"]]))
    )


def addresses():
    """
    The virtual addresses that the cluster moves, from the parameters that Fuel's agent takes.

    :return: ``[{"resource", "address", "bridge", "netns", "interface"}]``; ``interface``: in the namespace

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.addresses
    """
    return __salt__["octane_pacemaker.addresses"](_configuration())


def jobs():
    """
    Names of the system services that the cluster runs, which nobody else may start or stop.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.jobs
    """
    return __salt__["octane_pacemaker.jobs"](_configuration())


def stop(resources):
    """
    Tell the cluster to stop resources; does not wait.

    :return: ids that were told
    :raises CommandExecutionError: an id that the configuration has not

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.stop '[clone_p_heat-engine]'
    """
    told = []
    for identifier in to_stop(resources):
        _set(identifier, _MARK, "true")
        _set(identifier, "target-role", "Stopped")
        told.append(identifier)
    return told


def start(resources):
    """
    Take back that resources are to be stopped; does not wait.

    :return: ids that were told

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.start '[clone_p_heat-engine]'
    """
    told = to_start(resources)
    for identifier in told:
        for part in _stopped_parts(identifier):
            _delete(part, "target-role")
    return told


def forget_stopped(resources):
    """
    Forget that resources were stopped by :func:`stop`; to be called when they run again, so that a start which was
    interrupted is repeated.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.forget_stopped '[clone_p_heat-engine]'
    """
    configured = _configured()
    for identifier in _known(resources):
        if configured[identifier]["stopped_here"]:
            _delete(identifier, _MARK)


def to_stop(resources=None):
    """
    Those of the resources (all of OpenStack when not given) that are not told to be stopped yet.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.to_stop
    """
    return [one for one in _known(openstack() if resources is None else resources) if not _stopped_parts(one)]


def to_start(resources=None):
    """
    Those of the resources that are told to be stopped; when none are given, those that this module stopped.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.to_start
    """
    if resources is None:
        configured = _configured()
        return sorted(identifier for identifier, one in configured.items() if one["stopped_here"])
    return [one for one in _known(resources) if _stopped_parts(one)]


def wait_stopped(resources, timeout=300):
    """
    Wait until none of the resources runs anywhere.

    :raises CommandExecutionError: names those that still run after ``timeout`` seconds, and where

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.wait_stopped '[clone_p_heat-engine]'
    """
    _wait(lambda: _still(resources, lambda one: one["running_on"]), timeout, "running")


def wait_started(resources, timeout=300):
    """
    Wait until each resource runs: a clone on all nodes that are online, anything else on one.

    :raises CommandExecutionError: names those that do not run after ``timeout`` seconds

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.wait_started '[clone_p_heat-engine]'
    """

    def missing():
        able = _able()
        return _still(resources, lambda one: not _serves(one, able))

    _wait(missing, timeout, "not running")


def ignore_gateway(timeout=60):
    """
    Let this node hold virtual addresses although their gateway does not answer: while it is cut off, none would. The
    cluster's own checks rest until :func:`heed_gateway`.

    :return: ids of the checks

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.ignore_gateway
    """
    checks = __salt__["octane_pacemaker.gateway_checks"](_configuration())
    resting = [one["resource"] for one in checks]
    stop(resting)
    wait_stopped(resting, timeout)
    for check in checks:
        # The agent takes its attribute away when it stops.
        _run(["attrd_updater", "--name", check["attribute"], "--update", check["value"]])
    return resting


def heed_gateway():
    """
    Let the cluster check again whether the gateway answers, as it did before :func:`ignore_gateway`. It begins when it
    is done with what it is at; until then the addresses stay.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.heed_gateway
    """
    configured = _configured()
    checks = [one["resource"] for one in __salt__["octane_pacemaker.gateway_checks"](_configuration())]
    rested = [one for one in checks if configured[one]["stopped_here"]]
    start(rested)
    forget_stopped(rested)
    return rested


def serving():
    """
    Resources that run where they are to: of a clone, on every node that is able.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.serving
    """
    able = _able()
    return sorted(identifier for identifier, one in resources().items() if _serves(one, able))


def wait_serving(resources=None, timeout=300):
    """
    Wait until resources run again where they are to.

    :param resources: what :func:`serving` returned before; all that the cluster is told to run when not given

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.wait_serving
    """
    deadline = time.monotonic() + timeout
    # A cluster that has just come up has no coordinator to ask yet.
    _wait(lambda: [] if quorum() else ["a quorum"], timeout, "without")
    told = [identifier for identifier in _configured() if not _stopped_parts(identifier)]
    wait_started([one for one in told if resources is None or one in resources], max(1, deadline - time.monotonic()))


def leave(timeout=300):
    """
    Stop the cluster on this node cleanly, its resources first.

    :raises CommandExecutionError: a daemon that has not stopped after ``timeout`` seconds; Pacemaker waits for ever for
        a resource that failed to stop, which is named

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.leave
    """
    for service in ("pacemaker", "corosync"):
        # ``service`` is there under upstart and systemd; ``timeout`` bounds what Salt's own service.stop does not.
        _run(["timeout", str(int(timeout)), "service", service, "stop"], check=False, timeout=timeout + 10)
        if __salt__["service.status"](service):
            raise CommandExecutionError(f"{service} has not stopped on this node within {timeout} s{_failed()}")


def _failed():
    """What an operator should look at, and what lets Pacemaker try again."""
    try:
        found = sorted(name for name, one in resources().items() if one["failed"])
    except CommandExecutionError:
        return ""
    return "".join(f"; {name} failed, once mended: `crm_resource --cleanup --resource {name}`" for name in found)


def join(timeout=300):
    """
    Start the cluster on this node and wait until it is online.

    :raises CommandExecutionError: this node is not online after ``timeout`` seconds

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.join
    """
    for service in ("corosync", "pacemaker"):
        if not __salt__["service.status"](service):
            __salt__["service.start"](service)
    _wait(lambda: [] if online() else ["this node"], timeout, "not online in the cluster")


def online():
    """
    Whether this node is online in a running cluster.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_cluster.online
    """
    name = _run(["crm_node", "-n"], check=False)["stdout"].strip()
    try:
        return nodes().get(name, {}).get("online", False)
    except CommandExecutionError:
        return False


def _able():
    return [name for name, one in nodes().items() if one["online"] and not one["standby"]]


def _carries(identifier):
    return identifier.startswith("sysinfo_") or any(word in identifier for word in _INFRASTRUCTURE)


def _serves(one, able):
    wanted = able if one["kind"] in ("clone", "master") else able[:1]
    return len(one["running_on"]) >= len(wanted) and bool(able) and not one["failed"]


def _known(identifiers):
    configured = _configured()
    unknown = [one for one in identifiers if one not in configured or not _ID.fullmatch(one)]
    if unknown:
        raise CommandExecutionError(f"the cluster has no resource {', '.join(unknown)}")
    return list(identifiers)


def _stopped_parts(identifier):
    return __salt__["octane_pacemaker.stopped_parts"](_configuration(), identifier)


def _configured():
    return __salt__["octane_pacemaker.resources"](_configuration())


def _still(identifiers, fault):
    found = resources()
    return sorted(one for one in identifiers if fault(found[one]))


def _wait(left, timeout, what):
    deadline = time.monotonic() + timeout
    while remaining := left():
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"still {what} after {timeout} s: {', '.join(remaining)}")
        time.sleep(0.5)


def _set(identifier, name, value):
    _run(["crm_resource", "--resource", identifier, "--meta", "--set-parameter", name, "--parameter-value", value])


def _delete(identifier, name):
    # Without --force 2.x moves the change from a clone's inside to the clone. Another node may have been faster, and
    # what is gone already is an error to some versions.
    _run(["crm_resource", "--resource", identifier, "--meta", "--delete-parameter", name, "--force"], check=False)


def _configuration():
    return _run(["cibadmin", "--query", "--scope", "resources"])["stdout"]


def _monitor():
    done = _run(["crm_mon", "-1", "--inactive", "--output-as=xml"], check=False)
    if done["retcode"]:
        done = _run(["crm_mon", "--as-xml", "--inactive"])
    return done["stdout"]


def _run(command, check=True, timeout=60):
    if shutil.which(command[0]) is None:
        if check:
            raise CommandExecutionError(f"this node has no {command[0]}: it is no member of a cluster")
        return {"retcode": 127, "stdout": "", "stderr": ""}
    done = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True, timeout=timeout)
    if check and done["retcode"]:
        raise CommandExecutionError(f"{' '.join(command)}: {done['stderr'].strip() or done['stdout'].strip()}"[:500])
    return done
