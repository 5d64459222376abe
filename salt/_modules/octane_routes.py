"""
A node's default route, for as long as another one than its own isolation's is wanted; what was before is kept, in
``/var/lib/octane-node/routes.json``.
"""

import ipaddress
import json
import os
import re

from salt.exceptions import CommandExecutionError

ROUTES = "/var/lib/octane-node/routes.json"
"""What was before: ``{"gateways": {bridge: what its file said, or None}, "route": [address, device] or None}``."""
_DEFAULT = re.compile(r"default via (\S+) dev (\S+)(.*)")


def default(gateways, test=False):
    """
    Let the default route lead through the one bridge that has a gateway, now and after the next boot.

    :param gateways: ``{bridge: address or None}``: of every bridge whose file may name one; others are left alone
    :return: ``{what changes: {"old", "new"}}``
    :raises CommandExecutionError: several gateways, or what is no address or no bridge

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_routes.default '{br-ex: 172.16.0.1, br-fw-admin: null}'
    """
    wanted = _wanted(gateways)
    if wanted is None:
        return {}
    changes = _changes(gateways, wanted)
    if changes and not test:
        if not os.path.exists(ROUTES):
            before = {"gateways": {name: _said(name) for name in gateways}, "route": _live()}
            __salt__["octane_files.note"](ROUTES, json.dumps(before))
        _put(gateways, wanted)
    return changes


def as_before(test=False):
    """
    Take back what :func:`default` did.

    :return: ``{what changes: {"old", "new"}}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_routes.as_before
    """
    if not os.path.exists(ROUTES):
        return {}
    with open(ROUTES, encoding="utf-8") as stream:
        before = json.load(stream)
    wanted = before["route"]
    changes = _changes(before["gateways"], wanted)
    if not test:
        _put(before["gateways"], wanted)
        if wanted is None and _live():
            _ip("route", "del", "default")
        os.remove(ROUTES)
    return changes


def _wanted(gateways):
    """``[address, bridge]`` of the only gateway, ``None`` without any."""
    given = [[address, bridge] for bridge, address in sorted(gateways.items()) if address]
    if len(given) > 1:
        raise CommandExecutionError(f"the default route can lead through one bridge alone, not through {given}")
    for address, bridge in given:
        __salt__["octane_interfaces.checked"](bridge)
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise CommandExecutionError(f"no address of a gateway: {address!r}") from error
    return given[0] if given else None


def _changes(gateways, wanted):
    changes = {
        name: {"old": said, "new": address}
        for name, address in sorted(gateways.items())
        for said in [_said(name)]
        if said != address and (address is None or __salt__["octane_interfaces.is_described"](name))
    }
    live = _live()
    return {**changes, "route": {"old": live, "new": wanted}} if wanted is not None and live != wanted else changes


def _put(gateways, wanted):
    for name, address in gateways.items():
        __salt__["octane_interfaces.set_gateway"](name, address)
    if wanted is not None and _live() != wanted:
        address, device = wanted
        _ip("route", "replace", "default", "via", address, "dev", device)
        # A route with another metric is another one, which that has not replaced.
        for other, through, rest in _all():
            if [other, through] != wanted and through in gateways:
                _ip("route", "del", "default", "via", other, "dev", through, *_metric(rest))


def _said(bridge):
    return __salt__["octane_interfaces.gateway"](bridge)


def _live():
    """``[address, device]`` of the route that is used, the first that is listed; ``None`` without one."""
    found = _all()
    return list(found[0][:2]) if found else None


def _all():
    return [_DEFAULT.match(line).groups() for line in _ip("route", "show", "default").splitlines() if "via" in line]


def _metric(rest):
    words = rest.split()
    return words[words.index("metric") :][:2] if "metric" in words else []


def _ip(*words):
    done = __salt__["cmd.run_all"](["ip", "-4", *words], python_shell=False, timeout=20)
    if done["retcode"]:
        raise CommandExecutionError(f"ip {' '.join(words)}: {done['stderr'].strip()}")
    return done["stdout"]
