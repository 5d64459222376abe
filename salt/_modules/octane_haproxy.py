"""
The HAProxy of a Fuel controller: its files, its processes, its administration socket, reloads without lost connections.

Works for 1.5 (Fuel: one file that includes ``conf.d/*.cfg``, a daemon in the network namespace ``haproxy``) and for 2.x
(several ``-f``, daemon or master and workers). How the running one was started is read from ``/proc``, never assumed.
"""

import contextlib
import csv
import ctypes
import glob
import os
import signal
import socket
import subprocess
import time

from salt.exceptions import CommandExecutionError

ROOT = "/etc/haproxy"
SOCKET = "/var/run/octane-haproxy.sock"
BINARY = "/usr/sbin/haproxy"
NAMESPACE = "haproxy"
MIGRATE = "net.ipv4.tcp_migrate_req"
_CLONE_NEWNET = 0x40000000


def files():
    """
    The configuration files in the order in which HAProxy reads them.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.files
    """
    found = []
    for path in _file_arguments(_arguments()):
        if os.path.isdir(path):
            found.extend(sorted(glob.glob(os.path.join(path, "*.cfg"))))
        else:
            found.append(path)
            found.extend(__salt__["octane_haproxy_config.included"](path))
    return list(dict.fromkeys(found))


def check():
    """
    Let HAProxy judge its files as they are now.

    :return: ``{"valid": bool, "message": str}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.check
    """
    command = [_binary(), "-c"]
    for path in _file_arguments(_arguments()):
        command += ["-f", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    alerts = [line for line in done.stderr.splitlines() if "ALERT" in line]
    return {"valid": done.returncode == 0, "message": "\n".join(alerts[:5])}


def processes():
    """
    Process ids of the HAProxy of these files: those that accept connections, and those that only finish old ones.

    :return: ``{"current": [int], "old": [int], "master": int or None}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.processes
    """
    running = _running()
    recorded = [pid for pid in _recorded_pids() if pid in running]
    newest = sorted(running, key=_started)
    main = recorded or [pid for pid in newest if _parent(pid) not in running][-1:]
    if not main or not _has_master(main[0]):
        return {"current": main, "old": [pid for pid in newest if pid not in main], "master": None}
    workers = [pid for pid in newest if _parent(pid) == main[0]]
    others = [pid for pid in newest if pid != main[0] and pid not in workers[-1:]]
    return {"current": workers[-1:], "old": others, "master": main[0]}


def reload(wait=30):
    """
    Put the files in force without refusing a connection, and wait until the old process serves no HTTP connection.

    An old process answers by the old rules on every connection it still has, so one that still holds HTTP connections
    after ``wait`` seconds is ended. One that only carries ``mode tcp`` connections (MySQL) is left to finish.

    :return: ``{"current": [int], "old": [int], "ended": [int]}``; nothing runs here: ``current`` is empty
    :raises CommandExecutionError: files that HAProxy refuses, a process that cannot be replaced

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.reload
    """
    verdict = check()
    if not verdict["valid"]:
        raise CommandExecutionError(f"haproxy refuses its files, the running one was not touched: {verdict['message']}")
    before = processes()
    if not before["current"]:
        return {"current": [], "old": [], "ended": []}
    with _waiting_connections_kept():
        if before["master"]:
            os.kill(before["master"], signal.SIGUSR2)
        else:
            _start_successor(before["current"])
        _until(lambda: _replaced(before["current"]), 20, "the new haproxy process")
        ended = _drain(before["current"] + before["old"], wait)
    return {**processes(), "ended": ended}


def ask(command):
    """
    One command of the administration socket that the upgrade's own file opens.

    :return: the answer's text
    :raises CommandExecutionError: no such socket, nobody behind it

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.ask 'show info'
    """
    if "\n" in command:
        raise CommandExecutionError("one command at a time")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(SOCKET)
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode().strip()
    except OSError as error:
        raise CommandExecutionError(f"the administration socket {SOCKET} of haproxy: {error}") from error


def under_way(names):
    """
    How many requests servers are answering now, as the administration socket tells.

    :param names: sections of HAProxy's configuration

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.under_way '[nova-api-2, keystone-1]'
    """
    rows = csv.DictReader(ask("show stat").removeprefix("# ").splitlines())
    return sum(int(row["scur"] or 0) for row in rows if row["svname"] == "BACKEND" and row["pxname"] in names)


def hold_back(names, seconds=0.5):
    """
    Let nobody new in at the virtual addresses, and wait until requests under way are answered: after the addresses have
    moved nobody would get the answer. A client's first packet that is lost is sent again after a second.

    :param names: sections of HAProxy's configuration whose requests are waited for
    :param seconds: to wait at most
    :return: how many requests are under way still; ``None`` when that cannot be told, and nothing is waited for

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.hold_back '[nova-api-2, keystone-1]'
    """
    let_in()
    _filter("-I")
    deadline, left = time.monotonic() + seconds, None
    while is_reachable():
        left = under_way(names)
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def let_in():
    """
    Let everybody in again.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.let_in
    """
    while _filter("-D"):
        pass


def is_reachable():
    """
    Whether the administration socket answers.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.is_reachable
    """
    try:
        return bool(ask("show info"))
    except CommandExecutionError:
        return False


def forget_socket():
    """
    Remove the socket's file, which no process listens on once the files that asked for it are gone.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_haproxy.forget_socket
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET)


# How it was started


def _filter(act):
    """Whether the rule could be added to, or taken from, the namespace of the virtual addresses."""
    if NAMESPACE not in __salt__["octane_net.namespaces"]():
        return False
    command = ["ip", "netns", "exec", NAMESPACE, "iptables", "-w", act, "INPUT", "-p", "tcp", "--syn", "-j", "DROP"]
    return __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True)["retcode"] == 0


def _arguments():
    """
    Arguments of the running HAProxy; without one those of Fuel's start (the ``include`` in its file is a patch of MOS,
    a stock HAProxy is given the folder).
    """
    found = processes()
    pids = [found["master"]] if found["master"] else found["current"]
    if pids:
        return _cmdline(pids[0])[1:]
    main = os.path.join(ROOT, "haproxy.cfg")
    if __salt__["octane_haproxy_config.included"](main):
        return ["-f", main]
    return ["-f", main, "-f", os.path.join(ROOT, "conf.d")]


def _file_arguments(arguments):
    """Paths after ``-f``; single files of ``conf.d`` are replaced by those that are there now."""
    given = [arguments[i + 1] for i, word in enumerate(arguments[:-1]) if word == "-f"]
    folder = os.path.join(ROOT, "conf.d")
    if not any(os.path.dirname(path) == folder for path in given):
        return given
    rest = [path for path in given if os.path.dirname(path) != folder]
    return rest + sorted(glob.glob(os.path.join(folder, "*.cfg")))


def _binary():
    found = processes()
    for pid in found["current"]:
        # A package upgraded under the running process shows as "(deleted)".
        path = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        if os.path.exists(path):
            return path
    return BINARY


@contextlib.contextmanager
def _waiting_connections_kept():
    """
    A connection that the old process has not accepted when it closes its port goes over to the new one, which holds the
    port too. Linux can since 5.14; before, such a client's connection is reset.
    """
    off = _sysctl("-n", MIGRATE) == "0"
    if off:
        _sysctl("-q", "-w", f"{MIGRATE}=1")
    try:
        yield
    finally:
        if off:
            _sysctl("-q", "-w", f"{MIGRATE}=0")


def _sysctl(*words):
    """What ``sysctl`` prints in the network namespace of the running process; nothing where there is no such key."""
    for pid in processes()["current"]:
        command, prepare = ["sysctl", "-e", *words], _joiner(pid)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, preexec_fn=prepare)
        return done.stdout.strip()
    return ""


def _start_successor(pids):
    """A new process beside the old ones: same arguments, namespace and control group, told to take over from them."""
    arguments = _cmdline(pids[0])[1:]
    if "-D" not in arguments and not any(_is_daemon(path) for path in _file_arguments(arguments)):
        raise CommandExecutionError(
            f"haproxy (process {pids[0]}) runs in the foreground without a master: it cannot be replaced without "
            "losing connections; start it with -D or -W"
        )
    command = [_binary(), *_without_successor_options(arguments), "-sf", *map(str, pids)]
    prepare = _joiner(pids[0])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, preexec_fn=prepare
    )
    if done.returncode:
        raise CommandExecutionError(f"a new haproxy did not start, the old one goes on: {done.stderr.strip()[-500:]}")


def _without_successor_options(arguments):
    kept, skipping = [], False
    for word in _with_current_files(arguments):
        skipping = word in ("-sf", "-st") or (skipping and not word.startswith("-"))
        if not skipping:
            kept.append(word)
    return kept


def _with_current_files(arguments):
    rest, skip = [], False
    for word in arguments:
        if skip:
            skip = False
        elif word == "-f":
            skip = True
        else:
            rest.append(word)
    return [part for path in _file_arguments(arguments) for part in ("-f", path)] + rest


def _joiner(pid):
    """
    What a child does before it becomes HAProxy: enter the network namespace and the control groups of ``pid``, so that
    it keeps the addresses and is not ended together with whatever started it.
    """
    groups = _group_files(pid)

    def join():
        for path in groups:
            with open(path, "w") as stream:
                stream.write(str(os.getpid()))
        with open(f"/proc/{pid}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    return join


def _group_files(pid):
    """``cgroup.procs`` of systemd's own hierarchies only: resource controllers of containers are not ours to join."""
    found = []
    for line in _read(f"/proc/{pid}/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names not in ("", "name=systemd"):
            continue
        for mount in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            target = f"{mount}{path}/cgroup.procs"
            if os.path.exists(target) and (names or mount != "/sys/fs/cgroup/systemd"):
                found.append(target)
                break
    return found


def _is_daemon(path):
    if os.path.isdir(path):
        return False
    sections = __salt__["octane_haproxy_config.parse"](_read(path))
    return any(section["kind"] == "global" and ["daemon"] in section["lines"] for section in sections)


# Processes


def _running():
    """HAProxy processes of the files under ``ROOT``; the checks (``-c``) that are running are none."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            words = _cmdline(name)
            if words and os.path.basename(words[0]) == "haproxy" and "-c" not in words and any(
                word == ROOT or word.startswith(ROOT + "/") for word in words
            ):
                found.append(int(name))
    return found


def _recorded_pids():
    arguments = [_cmdline(pid) for pid in _running()[:1]]
    path = "/var/run/haproxy.pid"
    for words in arguments:
        if "-p" in words[:-1]:
            path = words[words.index("-p") + 1]
    try:
        return [int(word) for word in _read(path).split() if word.isdigit()]
    except FileNotFoundError:
        return []


def _cmdline(pid):
    try:
        return _read(f"/proc/{pid}/cmdline").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _stat(pid):
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["Z"] + ["0"] * 30


def _parent(pid):
    return int(_stat(pid)[1])


def _started(pid):
    return int(_stat(pid)[19])


def _has_master(pid):
    words = _cmdline(pid)
    return any(word in ("-W", "-Ws") for word in words) or any(_parent(other) == pid for other in _running())


def _replaced(before):
    now = processes()["current"]
    return bool(now) and not set(now) & set(before)


def _drain(pids, wait):
    """Wait until no old process holds an HTTP connection; end those that do after ``wait`` seconds."""
    known = __salt__["octane_haproxy_config.frontends"](files())
    ports = {bind["port"] for one in known if one["mode"] == "http" for bind in one["binds"]}
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline and any(_serves(pid, ports) for pid in pids):
        time.sleep(0.1)
    ended = [pid for pid in pids if _serves(pid, ports) and _end(pid)]
    _until(lambda: not any(_serves(pid, ports) for pid in ended), 10, "the end of old haproxy processes")
    return ended


def _end(pid):
    """End a process; ``False`` when it went by itself meanwhile."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True


def _serves(pid, ports):
    """Whether a process has an established connection on one of these local ports."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
        links = {os.readlink(f"/proc/{pid}/fd/{name}") for name in names}
        tables = [_read(f"/proc/{pid}/net/tcp"), _read(f"/proc/{pid}/net/tcp6")]
    except (FileNotFoundError, ProcessLookupError):
        return False
    for line in "\n".join(tables).splitlines():
        words = line.split()
        established = len(words) > 9 and words[3] == "01"
        if established and f"socket:[{words[9]}]" in links and int(words[1].rpartition(":")[2], 16) in ports:
            return True
    return False


def _read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def _until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"waited {seconds} s for {what} in vain")
        time.sleep(0.05)
