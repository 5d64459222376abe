"""
Read-only OpenStack APIs: every write is answered 503 with ``Retry-After`` by HAProxy, reads and tokens go on.

*Arming* adds a file of our own and a few marked lines to each HTTP frontend (``octane_api_rules``), and reloads once.
From then on a map, keyed by the port that the client called, decides: it is flipped at run time on our administration
socket and in its file, so that the mode holds over reloads and moves of the addresses. Frontends in ``mode tcp``
(MySQL) are never touched.

Some writes may *pass* where the caller says so when it arms: tokens are given out by a POST, and without one nobody
could read. What was said is kept beside the rules (``octane-passes.json``) and holds until something else is said.
"""

import http.client
import ipaddress
import json
import os
import ssl

from salt.exceptions import CommandExecutionError

ROOT = "/etc/haproxy"
OWNER = "haproxy"


def frontends():
    """
    The HTTP and TCP frontends of this node's HAProxy.

    :return: ``[{"name", "file", "mode": "http" | "tcp", "kind": "query" | "plain", "binds": [{"address",
        "port", "ssl"}]}]``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.frontends
    """
    found = __salt__["octane_haproxy_config.frontends"](__salt__["octane_haproxy.files"]())
    return [{**one, "kind": __salt__["octane_api_rules.kind"](one["name"])} for one in found]


def armed(passes=None):
    """
    Whether the files and the running HAProxy are ready to be flipped.

    :param passes: as :func:`arm` takes it

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.armed
    """
    return not pending_files(passes) and not _needs_reload()


def mode():
    """
    What each HTTP frontend does with writes, in the running process and in the file that the next one will read.

    :return: ``{"armed": bool, "running": bool, "frontends": {name: "ro" | "rw"}, "file": {name: "ro" | "rw"},
        "allowed_from": [network]}``; ``frontends`` is empty when no armed HAProxy runs here

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.mode
    """
    live = _live(_modes_map()) if __salt__["octane_haproxy.is_reachable"]() else None
    return {
        "armed": armed(),
        "running": bool(__salt__["octane_haproxy.processes"]()["current"]),
        "frontends": {} if live is None else _by_name(live),
        "file": _by_name(_entries(_modes_map())),
        "allowed_from": sorted(_entries(_allowed_map())),
    }


def pending_files(passes=None):
    """
    Files that arming would write.

    :param passes: as :func:`arm` takes it

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.pending_files
    """
    return sorted(path for path, text in _wanted(passes).items() if _text(path) != text)


def arm(passes=None):
    """
    Write the files, let HAProxy judge them, reload. The mode of the APIs does not change.

    :param passes: ``[{"method", "paths": [path], "ports": [port]}]``: writes that go on while read-only, on those
        ports; ``*`` in a path stands for one part of it. What was said before when not given, else none
    :return: ``{"files": [paths], "reload": {"current", "old", "ended"}}``, empty when nothing was to be done
    :raises CommandExecutionError: HAProxy refuses the result (then every byte is put back); a file somebody changed

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.arm
    """
    pending, fresh = pending_files(passes), not __salt__["octane_files.status"](OWNER)
    if not pending and not _needs_reload():
        return {}
    wanted = _wanted(passes)
    for path in pending:
        __salt__["octane_files.write"](path, wanted[path], OWNER)
    verdict = __salt__["octane_haproxy.check"]()
    if not verdict["valid"]:
        if fresh:
            __salt__["octane_files.restore"](OWNER)
        raise CommandExecutionError(f"haproxy refuses the files with the read-only rules: {verdict['message']}")
    return {"files": pending, "reload": __salt__["octane_haproxy.reload"]()}


def pending_modes(wanted, names=None, allowed_from=None):
    """
    Frontends whose mode, in the file or in the running process, is not the wanted one.

    :param wanted: ``ro`` or ``rw``
    :param names: frontends; all HTTP ones when not given
    :param allowed_from: networks whose writes still pass while read-only; unchanged when not given
    :return: ``{name: {"old": mode, "new": mode}}``, and ``services_allowed_from`` when that differs

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.pending_modes ro
    """
    now, changes = mode(), {}
    for name in _selected(wanted, names):
        states = [now["file"].get(name, "rw")] + ([now["frontends"].get(name, "rw")] if now["running"] else [])
        if set(states) != {wanted}:
            changes[name] = {"old": "rw" if wanted == "ro" else "ro", "new": wanted}
    if allowed_from is not None and now["allowed_from"] != _networks(allowed_from):
        changes["services_allowed_from"] = {"old": now["allowed_from"], "new": _networks(allowed_from)}
    return changes


def set_mode(wanted, names=None, allowed_from=None):
    """
    Flip frontends, in the map's file and at run time. HAProxy must be armed.

    :return: what :func:`pending_modes` said before

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.set_mode ro
    """
    changes = pending_modes(wanted, names, allowed_from)
    if not changes:
        return {}
    if pending_files():
        raise CommandExecutionError("haproxy is not armed on this node: apply octane_api.armed first")
    selected = _selected(wanted, names)
    ports = {bind["port"] for one in _http() if one["name"] in selected for bind in one["binds"]}
    modes = {**_entries(_modes_map()), **{str(port): wanted for port in ports}}
    allowed = _entries(_allowed_map()) if allowed_from is None else dict.fromkeys(_networks(allowed_from), "yes")
    for path, entries in ((_allowed_map(), allowed), (_modes_map(), modes)):
        __salt__["octane_files.write"](path, _map_text(entries), OWNER)
        if __salt__["octane_haproxy.processes"]()["current"]:
            _push(path, entries)
    return changes


def disarm(test=False):
    """
    Put every byte of HAProxy's files back and reload.

    :return: paths that differ from the pristine files

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.disarm test=True
    """
    changed = __salt__["octane_files.restore"](OWNER, test=test)
    if not test and (changed or __salt__["octane_haproxy.is_reachable"]()):
        __salt__["octane_haproxy.reload"]()
        __salt__["octane_haproxy.forget_socket"]()
    return changed


def prove(expect, addresses=None, frontends=None, timeout=5, serving=None):
    """
    Ask every HTTP frontend for a write that changes nothing and for a read, as a client does.

    Behind a frontend that is no API of the upgrade (a console, a dashboard) there may be nobody, and was nobody before:
    of it only our own rule is judged, whether it refuses.

    :param expect: ``ro``: writes are answered 503 with ``Retry-After`` by our rule; ``rw``: by the service itself
    :param addresses: ask these instead of the addresses that each frontend has (the virtual ones)
    :param frontends: names; all HTTP ones when not given
    :param timeout: seconds for one request
    :param serving: ports behind which a service must answer; all when not given
    :return: ``{"ok": bool, "expect": str, "failed": [names], "frontends": {name: [{"address", "port", "ok", "why",
        "exempt", "write": {"status", "retry_after", "by_octane", "error"}, "read": {...}}]}}``; ``exempt``: this node
        is one of those whose writes pass; ``read`` is None where no service must answer

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_api.prove ro
    """
    allowed, found = sorted(_entries(_allowed_map())), {}
    for one in _http():
        if frontends is None or one["name"] in frontends:
            found[one["name"]] = [
                _proof(expect, address, bind, allowed, timeout, serving is None or bind["port"] in serving)
                for bind in one["binds"]
                for address in addresses or [bind["address"].replace("0.0.0.0", "127.0.0.1")]
            ]
    failed = sorted(name for name, answers in found.items() if not answers or not all(one["ok"] for one in answers))
    missing = sorted(set(frontends or ()) - set(found))
    return {"ok": bool(found) and not failed and not missing, "expect": expect, "failed": failed + missing,
            "frontends": found}


# What is written


def _wanted(passes=None):
    """Paths and whole texts of all files of an armed HAProxy; the maps keep what they say."""
    passing = json.loads(_text(_passes_file()) or "[]") if passes is None else passes
    texts = {
        os.path.join(ROOT, "conf.d", "000-octane.cfg"): __salt__["octane_api_rules.own_file"](),
        os.path.join(ROOT, "octane-503.http"): __salt__["octane_api_rules.refusal"](),
        _passes_file(): json.dumps(passing, sort_keys=True) + "\n",
    }
    http_frontends = _http()
    for path in sorted({one["file"] for one in http_frontends}):
        pristine = __salt__["octane_files.pristine"](path, OWNER)
        here = {one["name"]: _passing(one, passing) for one in http_frontends if one["file"] == path}
        texts[path] = __salt__["octane_api_rules.with_rules"](pristine, list(here), here)
    modes = _entries(_modes_map())
    ports = sorted({str(bind["port"]) for one in http_frontends for bind in one["binds"]}, key=int)
    texts[_modes_map()] = _map_text({port: modes.get(port, "rw") for port in ports})
    texts[_allowed_map()] = _map_text(_entries(_allowed_map()))
    return texts


def _passes_file():
    return os.path.join(ROOT, "octane-passes.json")


def _passing(frontend, passes):
    """Those of PASSES that are meant for one of the frontend's ports."""
    ports = {bind["port"] for bind in frontend["binds"]}
    return [one for one in passes if ports.intersection(one["ports"])]


# The maps


def _modes_map():
    return os.path.join(ROOT, "octane-modes.map")


def _allowed_map():
    return os.path.join(ROOT, "octane-allowed.map")


def _map_text(entries):
    return "".join(f"{key} {value}\n" for key, value in entries.items())


def _entries(path):
    return dict(line.split() for line in (_text(path) or "").splitlines() if line.strip())


def _live(path):
    """Entries of the running process: lines such as ``0x55d0c2a0 8774 ro``."""
    found = {}
    for line in __salt__["octane_haproxy.ask"](f"show map {path}").splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith("0x"):
            found[words[1]] = words[2]
    return found


def _push(path, entries):
    live = _live(path)
    for key in sorted(set(live) - set(entries)):
        __salt__["octane_haproxy.ask"](f"del map {path} {key}")
    for key, value in entries.items():
        if live.get(key) != value:
            verb = "set" if key in live else "add"
            __salt__["octane_haproxy.ask"](f"{verb} map {path} {key} {value}")
    now = _live(path)
    if now != entries:
        raise CommandExecutionError(f"haproxy did not take {path}: it has {now}, it was given {entries}")


def _by_name(entries):
    return {
        one["name"]: "ro" if all(entries.get(str(bind["port"])) == "ro" for bind in one["binds"]) else "rw"
        for one in _http()
    }


# Helpers


def _http():
    return [one for one in frontends() if one["mode"] == "http" and one["binds"]]


def _selected(wanted, names):
    if wanted not in ("ro", "rw"):
        raise CommandExecutionError(f"the mode is ro or rw, not {wanted!r}")
    known = [one["name"] for one in _http()]
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise CommandExecutionError(f"haproxy has no HTTP frontend {', '.join(unknown)}; it has {', '.join(known)}")
    return known if names is None else list(names)


def _networks(given):
    try:
        return sorted(str(ipaddress.ip_network(text)) for text in given)
    except ValueError as error:
        raise CommandExecutionError(f"not a network: {error}") from error


def _needs_reload():
    running = bool(__salt__["octane_haproxy.processes"]()["current"])
    return running and not __salt__["octane_haproxy.is_reachable"]()


def _text(path):
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _proof(expect, address, bind, allowed, timeout, serves):
    write, source = _request("POST", "/octane-probe", address, bind, timeout)
    read = _request("GET", "/", address, bind, timeout)[0] if serves else None
    exempt = source is not None and any(ipaddress.ip_address(source) in ipaddress.ip_network(one) for one in allowed)
    why = _objection(expect, write, read, exempt)
    return {"address": address, "port": bind["port"], "exempt": exempt, "write": write, "read": read, "ok": not why,
            "why": why}


def _objection(expect, write, read, exempt):
    """Why two answers are not what was expected; empty when they are. Without a read there need be no service."""
    if read and _is_none(read):
        return f"a read was answered {read['status'] or read['error']}"
    if expect == "ro" and exempt:
        return "this node is one of those whose writes pass: ask from elsewhere"
    if expect == "ro" and not (write["status"] == 503 and write["by_octane"] and write["retry_after"]):
        return f"a write was answered {write['status'] or write['error']} and not refused"
    if expect == "rw" and (write["by_octane"] or (read and _is_none(write))):
        return f"a write was answered {write['status'] or write['error']}"
    return ""


def _is_none(answer):
    """Whether it is no answer of a service that works; one that knows no such method (501) does."""
    return answer["status"] is None or (answer["status"] >= 500 and answer["status"] != 501)


def _request(method, path, address, bind, timeout):
    """One request without credentials: ``({"status", "retry_after", "by_octane", "error"}, own address)``."""
    context = ssl._create_unverified_context() if bind["ssl"] else None
    connection: http.client.HTTPConnection
    if context:
        connection = http.client.HTTPSConnection(address, bind["port"], timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(address, bind["port"], timeout=timeout)
    source = None
    try:
        connection.connect()
        source = connection.sock.getsockname()[0]
        body = "{}" if method == "POST" else None
        connection.request(method, path, body=body, headers={"Content-Type": "application/json", "Connection": "close"})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return {"status": None, "retry_after": None, "by_octane": False, "error": str(error) or repr(error)}, source
    finally:
        connection.close()
    by_octane = answer.getheader("X-Octane-Mode") == "read-only"
    return {"status": answer.status, "retry_after": answer.getheader("Retry-After"), "by_octane": by_octane,
            "error": None}, source
