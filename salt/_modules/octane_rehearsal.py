"""
A scratch database server on a seed's controller, on which a copy of the original's data is migrated for practice.

It lives in a network namespace of its own in which every IPv4 address is local. So the services' own commands, with
the node's own configuration, reach it under the address of the real database, and can reach nothing else: neither a
real database nor a broker, whatever a configuration or a cell of the copied data names. The server knows no accounts;
only root of this node gets near it. Its data and the namespace are thrown away in the end.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

from salt.exceptions import CommandExecutionError

NAMESPACE = "octane-rehearsal"
PORT = 3306
FOLDER = "octane-rehearsal"
"""Beside the real server's data directory: Galera throws away what it finds inside when a node gets its state anew."""

LIKE_THE_REAL_ONE = (
    "character_set_server", "collation_server", "innodb_file_format", "innodb_file_per_table", "innodb_large_prefix",
    "innodb_strict_mode", "lower_case_table_names", "max_allowed_packet", "sql_mode",
)  # fmt: skip
"""Variables of a server on which it depends whether a migration passes."""

FUNCTIONS = re.compile(r"octane_(db|views|rows|schema|mysql)\.[a-z_]+")
START_TIMEOUT = 60
STOP_TIMEOUT = 60


def start():
    """
    Start an empty scratch server; one that is left of an earlier rehearsal is thrown away first.

    :return: ``{"folder": str, "free": bytes}``
    :raises CommandExecutionError: what went wrong; nothing is left then

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rehearsal.start
    """
    stop()
    folder = _folder()
    try:
        _make_folder(folder)
        _make_namespace()
        _install(folder)
        _start(folder)
        # Installed along with the server, and none of the original's.
        ask("octane_mysql.execute", "DROP DATABASE IF EXISTS test")
    except CommandExecutionError:
        stop()
        raise
    found = os.statvfs(folder)
    return {"folder": folder, "free": found.f_bavail * found.f_frsize}


def stop():
    """
    End the scratch server, remove its data and its namespace.

    :return: ``{"was": bool}``: whether there was any of it

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rehearsal.stop
    """
    folder = _folder()
    there = os.path.isdir(folder) or _has_namespace()
    pid = _pid(folder)
    if pid:
        _end(pid, folder)
    if os.path.isdir(folder):
        shutil.rmtree(folder)
    if _has_namespace():
        _run(["ip", "netns", "delete", NAMESPACE])
    return {"was": there}


def status():
    """
    What there is of a scratch server: ``{"folder": bool, "namespace": bool, "running": bool}``.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rehearsal.status
    """
    folder = _folder()
    return {"folder": os.path.isdir(folder), "namespace": _has_namespace(), "running": _pid(folder) is not None}


def ask(function, *arguments, **named):
    """
    What a function of the databases returns when it is asked on the scratch server instead of the real one.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rehearsal.ask octane_db.sizes
    """
    if not FUNCTIONS.fullmatch(function):
        raise CommandExecutionError(f"{function!r} is no function of the databases")
    folder = _folder()
    if _pid(folder) is None:
        raise CommandExecutionError("no scratch server runs on this node")
    __context__["octane_mysql.server"] = {"defaults_file": _defaults(folder), "socket": _socket(folder)}
    try:
        return __salt__[function](*arguments, **_given(named))
    finally:
        del __context__["octane_mysql.server"]


def manage(groups, at_once=4, timeout=1800):
    """
    Run groups of migration commands, as ``octane_manage.run_all`` does, where they meet the scratch server alone.

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_rehearsal.manage '{glance: [[glance-manage, db_sync]]}'
    """
    if _pid(_folder()) is None:
        raise CommandExecutionError("no scratch server runs on this node")
    return __salt__["octane_manage.run_all"](groups, at_once, timeout, NAMESPACE)


def _given(named):
    """Without what Salt adds to the arguments of a call that come by name."""
    return {name: value for name, value in named.items() if not name.startswith("__pub_")}


def _data():
    return _variables(["datadir"])["datadir"].rstrip("/")


def _folder():
    return os.path.join(os.path.dirname(_data()), FOLDER)


def _owner():
    """Whom the real server runs as."""
    return pwd.getpwuid(os.stat(_data()).st_uid).pw_name


def _defaults(folder):
    return os.path.join(folder, "client.cnf")


def _socket(folder):
    return os.path.join(folder, "server.sock")


def _temporary(folder):
    """A server that starts deletes what looks like temporary tables where it keeps its own: never the real one's."""
    return os.path.join(folder, "temporary")


def _make_folder(folder):
    owner = pwd.getpwnam(_owner())
    for path in (folder, _temporary(folder)):
        os.mkdir(path, 0o700)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    with open(_defaults(folder), "w", encoding="utf-8") as stream:
        stream.write("[client]\nuser=root\n")


def _make_namespace():
    _run(["ip", "netns", "add", NAMESPACE])
    inside = ["ip", "netns", "exec", NAMESPACE]
    _run([*inside, "ip", "link", "set", "lo", "up"])
    _run([*inside, "ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"])


def _has_namespace():
    return os.path.exists(os.path.join("/var/run/netns", NAMESPACE))


def _install(folder):
    data = os.path.join(folder, "data")
    program = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    if program is None:
        raise CommandExecutionError("this node has no mysql_install_db: its database server cannot make a scratch one")
    _run([program, "--no-defaults", f"--datadir={data}", f"--tmpdir={_temporary(folder)}", f"--user={_owner()}"])


def _start(folder):
    program = shutil.which("mysqld") or shutil.which("mariadbd")
    if program is None:
        raise CommandExecutionError("this node has no mysqld")
    own = [
        "--no-defaults", f"--datadir={os.path.join(folder, 'data')}", f"--socket={_socket(folder)}",
        f"--pid-file={os.path.join(folder, 'pid')}", f"--log-error={os.path.join(folder, 'log')}", f"--user={_owner()}",
        f"--tmpdir={_temporary(folder)}",
        "--bind-address=0.0.0.0", f"--port={PORT}", "--skip-grant-tables", "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
    ]  # fmt: skip
    alike = [f"--{name.replace('_', '-')}={value}" for name, value in _variables(LIKE_THE_REAL_ONE).items()]
    with open(os.path.join(folder, "console"), "wb") as console:
        process = subprocess.Popen(
            ["ip", "netns", "exec", NAMESPACE, program, *own, *alike],
            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True, cwd="/",
        )  # fmt: skip
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(folder):
        if process.poll() is not None or time.monotonic() > deadline:
            raise CommandExecutionError(f"the scratch server does not start: {_last_words(folder)}")
        time.sleep(0.1)


def _answers(folder):
    words = ["mysqladmin", f"--defaults-file={_defaults(folder)}", f"--socket={_socket(folder)}", "-s", "ping"]
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


def _last_words(folder):
    for name in ("log", "console"):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(folder, name), errors="replace") as stream:
            said = stream.read().strip()
            if said:
                return said[-300:]
    return "it said nothing"


def _pid(folder):
    """Of the server that runs on this folder's data, and of no other process that got its number since."""
    try:
        with open(os.path.join(folder, "pid"), encoding="utf-8") as stream:
            pid = int(stream.read())
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
            words = stream.read().split("\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if f"--datadir={os.path.join(folder, 'data')}" in words else None


def _end(pid, folder):
    """Its data are thrown away, so that nothing is worth waiting for."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + STOP_TIMEOUT
    while _pid(folder) is not None:
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"the scratch server {pid} does not end")
        time.sleep(0.05)


def _variables(names):
    """Those that the real server has."""
    listed = ", ".join(__salt__["octane_mysql.text"](name) for name in names)
    rows = __salt__["octane_mysql.query"](f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})")
    return {row["Variable_name"]: row["Value"] for row in rows}


def _run(words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise CommandExecutionError(f"{' '.join(words[:4])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
