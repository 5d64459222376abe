"""
An encrypted way from one node's loopback address to another node's database socket, for servers that know no TLS.

Both ends know the other's certificate, made for this tunnel alone (``octane_stream.identity``). The program,
``octane_channel``, stays until it is ended; a reboot ends it, and a new tunnel is made in its place.
"""

from salt.exceptions import CommandExecutionError

_PROGRAM = "octane_channel"
_LIFETIME = 14 * 86400


def serve(bind, client_certificate, port=0, rate=0, lifetime=_LIFETIME):
    """
    Let one client in to this node's database server, at the server's own socket.

    The server sees a local session (``'name'@'localhost'``), whatever address it listens on.

    :param bind: own address to listen on
    :param client_certificate: what ``octane_stream.identity`` returned at the other end; nobody else is let in
    :param rate: bytes per second at most; 0: no limit
    :param lifetime: seconds after which it ends by itself
    :return: ``{"ticket", "port", "certificate"}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_tunnel.serve 10.20.0.131 '-----BEGIN CERTIFICATE-----...'
    """
    socket = [word.partition("=")[2] for word in __salt__["octane_mysql.options"]() if word.startswith("--socket=")]
    if not socket:
        raise CommandExecutionError("the socket of this node's database server is not known")
    own = __salt__["octane_stream.identity"]()
    order = {"role": "serve", "host": bind, "port": int(port), "socket": socket[0], "peer": client_certificate}
    found = _start(own["identity"], {**order, "rate": int(rate), "lifetime": int(lifetime)})
    return {**found, "certificate": own["certificate"]}


def join(host, port, certificate, identity, local_port=0, lifetime=_LIFETIME):
    """
    Bring the other end of a tunnel to this node's loopback address.

    :param certificate: what :func:`serve` returned; nothing else is talked to
    :param identity: of this node, kept until the tunnel ends
    :return: ``{"ticket", "port"}``: the port of 127.0.0.1 that leads to the other node's database server

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_tunnel.join 10.20.0.131 40123 '-----BEGIN CERTIFICATE-----...' 0123abcd
    """
    order = {"role": "join", "host": host, "remote_port": int(port), "port": int(local_port), "peer": certificate}
    return _start(identity, {**order, "lifetime": int(lifetime)})


def status():
    """
    Tunnels of this node.

    :return: ``[{"ticket", "state", "port": int, "connections": int, "refused": int, "bytes": int}]``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_tunnel.status
    """
    found = []
    for ticket in __salt__["octane_jobs.of"](_PROGRAM):
        found.append({"ticket": ticket, **__salt__["octane_jobs.state"](ticket)})
    return found


def end(ticket=None):
    """
    End one tunnel, or all of this node; their keys are gone then.

    :return: tickets of those that were there

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_tunnel.end
    """
    there = __salt__["octane_jobs.of"](_PROGRAM)
    ended = [one for one in there if ticket in (None, one)]
    for one in ended:
        __salt__["octane_jobs.end"](one)
    return ended


def _start(ticket, order):
    try:
        __salt__["octane_jobs.start"](ticket, _PROGRAM, order)
        port = __salt__["octane_jobs.wait"](ticket, "port", 30)["port"]
    except CommandExecutionError:
        __salt__["octane_jobs.end"](ticket)
        raise
    return {"ticket": ticket, "port": port}
