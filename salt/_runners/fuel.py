"""
What the Fuel master knows, read-only: environments, nodes, tasks.

Credentials are read on the master, from /etc/fuel/astute.yaml or from fuelclient's own configuration.
"""

__virtualname__ = "fuel"


def __virtual__():
    try:
        import octane.fuel  # noqa: F401
    except ImportError as error:
        return False, f"the octane library cannot be imported: {error}"
    return __virtualname__


def _fuel():
    from octane.fuel import connect

    return connect()


def environments():
    """
    Environments by ascending id: id, name, status, fuel_version, mode, net_provider.

    CLI Example:

    .. code-block:: bash

        salt-run fuel.environments
    """
    keys = ("id", "name", "status", "fuel_version", "mode", "net_provider")
    return [{key: data.get(key) for key in keys} for data in _fuel().environments()]


def nodes(environment=None):
    """
    Nodes by ascending id, all of them or those of one environment.

    environment
        Its id; without it all nodes of the master are listed, those in no environment included.

    CLI Example:

    .. code-block:: bash

        salt-run fuel.nodes
        salt-run fuel.nodes 1
    """
    fuel = _fuel()
    if environment is None:
        found = fuel.nodes()
    else:
        from octane.pair import environment_id

        wanted = fuel.environment(environment_id(environment))
        wanted.data()
        found = wanted.nodes()
    return [
        {
            "id": node.id,
            "hostname": node.hostname,
            "environment": node.environment,
            "status": node.status,
            "online": node.online,
            "roles": sorted(node.roles),
            "address": node.admin_address,
        }
        for node in found
    ]


def tasks(environment):
    """
    Tasks of one environment by ascending id: id, name, status, progress, message.

    CLI Example:

    .. code-block:: bash

        salt-run fuel.tasks 2
    """
    from octane.pair import environment_id

    keys = ("id", "name", "status", "progress", "message")
    found = _fuel().tasks.of(environment_id(environment))
    return [{key: getattr(task, key) for key in keys} for task in sorted(found, key=lambda task: task.id)]
