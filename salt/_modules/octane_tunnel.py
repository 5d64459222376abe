"""
An encrypted way from an address of one node to a socket of another one, for servers that know no TLS: its database's,
or an address at which a server of it listens.

Both ends know the other's certificate, made for this tunnel alone (``octane_stream.identity``). The program,
``octane_channel``, stays until it is ended; a reboot ends it, and a new tunnel is made in its place.
"""

from salt.exceptions import CommandExecutionError

_PROGRAM = "octane_channel"
_LIFETIME = 14 * 86400
_DATABASE = "database"


def serve(bind, client_certificate, port=0, rate=0, lifetime=_LIFETIME, to=None, purpose=_DATABASE):
    """
    Let one client in to a server of this node.

    :param bind: own address to listen on
    :param client_certificate: what ``octane_stream.identity`` returned at the other end; nobody else is let in
    :param to: ``[own address, port]`` of the server; not given: the database's, at its own socket, where it sees a
        local session (``'name'@'localhost'``), whatever address it listens on
    :param rate: bytes per second at most; 0: no limit
    :param lifetime: seconds after which it ends by itself
    :return: ``{"ticket", "port", "certificate"}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_tunnel.serve 10.20.0.131 '-----BEGIN CERTIFICATE-----...'
    """
    socket = _database() if to is None else [str(to[0]), int(to[1])]
    own = __salt__["octane_stream.identity"]()
    order = {"role": "serve", "host": bind, "port": int(port), "socket": socket, "peer": client_certificate}
    order |= {"rate": int(rate), "lifetime": int(lifetime), "purpose": purpose}
    found = _start(own["identity"], order)
    return {**found, "certificate": own["certificate"]}


def join(
    host, port, certificate, identity, local_port=0, lifetime=_LIFETIME, bind="127.0.0.1", purpose=_DATABASE
):
    """
    Bring the other end of a tunnel to an address of this node.

    :param certificate: what :func:`serve` returned; nothing else is talked to
    :param identity: of this node, kept until the tunnel ends
    :param bind: own address that leads to the other node's server
    :return: ``{"ticket", "port"}``: the port there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_tunnel.join 10.20.0.131 40123 '-----BEGIN CERTIFICATE-----...' 0123abcd
    """
    order = {"role": "join", "host": host, "remote_port": int(port), "port": int(local_port), "peer": certificate}
    order |= {"bind": bind, "lifetime": int(lifetime), "purpose": purpose}
    return _start(identity, order)


def status(purpose=_DATABASE):
    """
    Tunnels of this node for a purpose.

    :return: ``[{"ticket", "state", "port": int, "connections": int, "refused": int, "bytes": int}]``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_tunnel.status
    """
    return [{"ticket": ticket, **__salt__["octane_jobs.state"](ticket)} for ticket in _of(purpose)]


def end(ticket=None, purpose=_DATABASE):
    """
    End one tunnel, or all of this node for a purpose; their keys are gone then.

    :return: tickets of those that were there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_tunnel.end purpose=monitors
    """
    ended = [one for one in _of(purpose) if ticket in (None, one)]
    for one in ended:
        __salt__["octane_jobs.end"](one)
    return ended


def _of(purpose):
    found = __salt__["octane_jobs.of"](_PROGRAM)
    return [one for one in found if __salt__["octane_jobs.order"](one).get("purpose", _DATABASE) == purpose]


def _database():
    socket = [word.partition("=")[2] for word in __salt__["octane_mysql.options"]() if word.startswith("--socket=")]
    if not socket:
        raise CommandExecutionError("the socket of this node's database server is not known")
    return socket[0]


def _start(ticket, order):
    try:
        __salt__["octane_jobs.start"](ticket, _PROGRAM, order)
        port = __salt__["octane_jobs.wait"](ticket, "port", 30)["port"]
    except CommandExecutionError:
        __salt__["octane_jobs.end"](ticket)
        raise
    return {"ticket": ticket, "port": port}
