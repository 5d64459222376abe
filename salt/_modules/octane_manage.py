"""
Migration commands of OpenStack services (``nova-manage db sync`` and its like): bounded, and their output redacted.
"""

import collections
import concurrent.futures
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

from salt.exceptions import CommandExecutionError

TAIL = 40
"""Lines of a command's output that are returned, unless others are asked for."""

_Bounds = collections.namedtuple("_Bounds", "timeout tail namespace prove")
_COMMAND = re.compile(r"[a-z]+(-[a-z]+)*-(manage|status|upgrade)")
_REDACTIONS = (
    # Also the second and further hosts of a broker's URL.
    (re.compile(r"((?:://|,)[^\s:/@,]*:)[^\s@]+@"), r"\1***@"),
    (re.compile(r"((?:password|passwd|secret|token|connection|transport_url)\s*[=:]\s*)\S+", re.IGNORECASE), r"\1***"),
)
_SECTION = re.compile(r"\s*\[(\w+)\]")
_CONNECTION = re.compile(r"\s*((?:sql_)?connection)\s*=\s*(\S+)")
# As SQLAlchemy takes a URL apart.
_URL = re.compile(
    r"mysql(\+\w+)?://((?P<user>[^:/]*)(:(?P<password>[^@]*))?@)?(?P<host>\[[^\]]+\]|[^/:?]*)(:(?P<port>[0-9]+))?"
    r"(/[^?]*)?(\?(?P<query>.*))?"
)
_TLS = {"ssl_ca": "ssl-ca", "ssl_cert": "ssl-cert", "ssl_key": "ssl-key"}
_READ_TIMEOUT = re.compile(r"([?&])read_timeout=[^&]*&?")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(command, timeout=1800, tail=TAIL, namespace=None):
    """
    Run migration commands one after the other.

    :param command: words of one command, or a list of such lists; stops at the first that fails. Instead of words,
        ``{"command": words, "repeat_until": text, "repeat_on": code, "configuration": [files]}``, where it is run again
        and again until it says the text, or as long as it exits with the code, and is told to read those of the files
        that are there, without their ``read_timeout``
    :param timeout: seconds for each, its repetitions included; it is ended with all its children then
    :param tail: lines of output that are returned
    :param namespace: network namespace of this node to run them in
    :return: ``{"commands": [{"command": str, "exit": int, "seconds": float, "output": str, "times": int}]}``; output of
        the last time
    :raises CommandExecutionError: the command, its exit code and the end of what it said, secrets masked

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_manage.run '[[keystone-manage, db_sync], [glance-manage, db_sync]]'
    """
    with _configured(_orders(command)) as orders:
        return {"commands": _run(orders, _Bounds(timeout, tail, namespace, _proof(None)))}


def run_all(groups, at_once=4, timeout=1800, namespace=None, server=None):
    """
    Run groups of migration commands side by side, the commands of one group in their order.

    :param groups: ``{name: [words of a command, ...]}``
    :param namespace: network namespace of this node to run them in
    :param server: the database server (``octane_db.server``'s ``id``) that :func:`require_target` asks for before each
        run of a command
    :return: ``{name: what :func:`run` returns as "commands"}``
    :raises CommandExecutionError: names each group that failed; the others were run to their end

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_manage.run_all '{glance: [[glance-manage, db_sync]], heat: [[heat-manage, db_sync]]}'
    """
    found, failed = {}, {}
    with contextlib.ExitStack() as stack:
        ready = {name: stack.enter_context(_configured(_orders(command))) for name, command in groups.items()}
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(max_workers=int(at_once)))
        bounds = _Bounds(timeout, TAIL, namespace, _proof(server))
        running = {pool.submit(_run, orders, bounds): name for name, orders in ready.items()}
        for done in concurrent.futures.as_completed(running):
            try:
                found[running[done]] = done.result()
            except CommandExecutionError as error:
                failed[running[done]] = str(error)
    if failed:
        raise CommandExecutionError("; ".join(f"{name}: {why}" for name, why in sorted(failed.items())))
    return found


def require_target(files, server):
    """
    Refuse unless this node's own database server, and the one that each database URL of a service's files leads to from
    here, is the one that is meant: both clouds hold the address in the URL.

    :param files: files of one service, of which a later one overrides the one before it
    :param server: what ``octane_db.server`` calls ``id``: one for a whole Galera cluster, whose other nodes are as good
    :raises CommandExecutionError: names both servers, or the address where nobody says who they are

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_manage.require_target '[/etc/nova/nova.conf]' 4bd8b5c0-0000-11e5-a1ad-000000000001
    """
    own = __salt__["octane_db.server"]()
    if not server or own["id"] != server:
        raise CommandExecutionError(f"this node's database server is {own['id']}, the command is meant for {server}")
    urls = _database_urls(files)
    if not urls:
        raise CommandExecutionError(f"no database URL in {', '.join(files) or 'any file that is there'}")
    for url in urls:
        place, found = _place(url), _server_behind(url)
        if found["id"] != server:
            raise CommandExecutionError(
                f"{place} leads to the database server {found['id']} ({found['hostname']}), not to {server} "
                f"({own['hostname']}), which the command is meant for: it was not run"
            )


def misdirected(services, server):
    """
    Services whose commands would not be run here, since :func:`require_target` refuses them; nothing is run.

    :param services: ``{name: [files]}``; of files that are not there nothing is read, as for a command
    :param server: what ``octane_db.server`` calls ``id``
    :return: ``{name: why}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_manage.misdirected '{nova: [/etc/nova/nova.conf]}' 4bd8b5c0-0000-11e5-a1ad-000000000001
    """
    found = {}
    for name, files in services.items():
        try:
            require_target([path for path in files if os.path.exists(path)], server)
        except CommandExecutionError as error:
            found[name] = str(error)
    return found


def redact(text):
    """
    The same text with what looks like a secret masked: passwords in URLs, values of options that hold one.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_manage.redact 'mysql://nova:secret@192.168.0.1/nova'
    """
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def _orders(command):
    """Every command as ``{"command", "repeat_until", "repeat_on", "configuration"}``."""
    single = isinstance(command, dict) or (command and isinstance(command[0], str))
    given = [one if isinstance(one, dict) else {"command": one} for one in ([command] if single else command)]
    for one in given:
        words = one["command"]
        if not words or not all(isinstance(word, str) for word in words) or not _COMMAND.fullmatch(words[0]):
            raise CommandExecutionError(f"not a migration command: {words!r}")
    return given


@contextlib.contextmanager
def _configured(orders):
    """The same orders with the files that a command reads named in it; those made for it go again."""
    made = []
    try:
        ready = []
        for one in orders:
            files = [path for path in one.get("configuration") or () if os.path.exists(path)]
            patient = _patient(files)
            made += patient
            told = [word for path in [*files, *patient] for word in ("--config-file", path)]
            ready.append({**one, "command": [one["command"][0], *told, *one["command"][1:]], "configuration": files})
        yield ready
    finally:
        for path in made:
            os.unlink(path)


def _patient(files):
    """
    A file of its own, if it is needed, that overrides the database URLs of FILES by the same without ``read_timeout``:
    the client would hang up on an ALTER that takes longer, which goes on in the server while the version stays, and a
    repetition meets what is there already (seen with read_timeout=2; Fuel's URLs have 60). No URL leaves the node.
    """
    lines = []
    for section, option, url in _connections(files):
        if _READ_TIMEOUT.search(url):
            # Options of a section may be spread: it is opened anew for each.
            lines += [f"[{section}]", f"{option} = {_without_read_timeout(url)}"]
    return [_secret_file(lines)] if lines else []


def _connections(files):
    """``(section, option, URL)`` of every database in FILES, in their order."""
    for path in files:
        section = "DEFAULT"
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                begun, url = _SECTION.match(line), _CONNECTION.match(line)
                section = begun.group(1) if begun else section
                if url:
                    yield section, url.group(1), url.group(2)


def _secret_file(lines):
    """A file readable by root alone, and in memory where there is such a place."""
    handle, path = tempfile.mkstemp(prefix="octane-", suffix=".conf", dir="/run" if os.path.isdir("/run") else None)
    with open(handle, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return path


def _without_read_timeout(url):
    return _READ_TIMEOUT.sub(r"\1", url).rstrip("?&")


def _proof(server):
    """What is called with a command's files before it is run, from whichever thread: one at a time, since it tells the
    client for the time of a question which server is meant."""
    if server is None:
        return lambda files: None
    # Looked up here, where Salt knows whose thread it is.
    require, one_at_a_time = __salt__["octane_manage.require_target"], threading.Lock()

    def prove(files):
        with one_at_a_time:
            require(files, server)

    return prove


def _database_urls(files):
    """Matches of the MySQL URLs that are in force in FILES, those of one server and account once."""
    in_force = {(section, option): url for section, option, url in _connections(files)}
    found = [match for match in map(_URL.fullmatch, in_force.values()) if match]
    return list({(match["user"], match["password"], _place(match)): match for match in found}.values())


def _place(url):
    """Where a URL leads: a socket of this node, or host and port."""
    return _parameters(url).get("unix_socket") or f"{_host(url)}:{url['port'] or 3306}"


def _host(url):
    return url["host"].strip("[]") or "localhost"


def _parameters(url):
    return dict(urllib.parse.parse_qsl(url["query"] or ""))


def _server_behind(url):
    """What ``octane_db.server`` says of the server that a URL leads to."""
    given, path = _parameters(url), _secret_file(_client_options(url))
    reached = {"host": _host(url), "port": url["port"] or 3306}
    if given.get("unix_socket"):
        reached = {"socket": given["unix_socket"]}
    __context__["octane_mysql.server"] = {"defaults_file": path, **reached}
    try:
        return __salt__["octane_db.server"]()
    except CommandExecutionError as error:
        raise CommandExecutionError(f"{_place(url)} does not say which database server it is: {error}") from error
    finally:
        del __context__["octane_mysql.server"]
        os.unlink(path)


def _client_options(url):
    """Lines of an option file that say who asks, and what the connection is encrypted with."""
    named = {name: urllib.parse.unquote(url[name] or "") for name in ("user", "password")}
    named |= {_TLS[name]: value for name, value in _parameters(url).items() if name in _TLS}
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in named.items()}
    return ["[client]", "connect-timeout=10", *(f'{name}="{value}"' for name, value in quoted.items())]


def _run(orders, bounds):
    found = []
    for one in orders:
        found.append(_repeated(one, bounds))
        last = found[-1]
        if last["exit"]:
            raise CommandExecutionError(f"{last['command']} failed with exit code {last['exit']}: {last['output']}")
    return found


def _repeated(order, bounds):
    """Run it once, or as long as it is not at its end: within the same time, and told what it said last if it never
    comes there."""
    words, until, more = order["command"], order.get("repeat_until"), order.get("repeat_on")
    started, times = time.monotonic(), 0
    while True:
        bounds.prove(order["configuration"])
        done = _one(words, bounds._replace(timeout=bounds.timeout - (time.monotonic() - started)))
        times += 1
        done.update(times=times, seconds=round(time.monotonic() - started, 1))
        if not _wants_more(done, until, more):
            return done
        if done["exit"] == -signal.SIGKILL or time.monotonic() - started >= bounds.timeout:
            never = f"still exited with {more}" if until is None else f"did not say {until!r}"
            raise CommandExecutionError(
                f"{done['command']} {never} in {bounds.timeout} s, run {times} times: {done['output']}"
            )


def _wants_more(done, until, more):
    """Whether a command that is repeated is not at its end; one that failed or is not repeated is."""
    if until is not None:
        return done["exit"] == -signal.SIGKILL or (not done["exit"] and until not in done["output"])
    return more is not None and done["exit"] in (more, -signal.SIGKILL)


def _one(words, bounds):
    started = time.monotonic()
    argv = ["ip", "netns", "exec", bounds.namespace, *words] if bounds.namespace else words
    # A file, not a pipe: children that outlive the command must not be waited for.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}, cwd="/",
            )  # fmt: skip
        except FileNotFoundError as error:
            raise CommandExecutionError(f"{words[0]} is not installed on this node") from error
        try:
            code = process.wait(bounds.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = -signal.SIGKILL
        lines = _end(output).splitlines()[-int(bounds.tail):]
    seconds = round(time.monotonic() - started, 1)
    if code == -signal.SIGKILL:
        lines.append(f"ended after {seconds} s")
    return {"command": " ".join(words), "exit": code, "seconds": seconds, "output": redact("\n".join(lines))}


def _end(output):
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - 65536))
    return output.read().decode("utf-8", errors="replace")
