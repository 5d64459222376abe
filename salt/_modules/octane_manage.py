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
import time

from salt.exceptions import CommandExecutionError

TAIL = 40
"""Lines of a command's output that are returned, unless others are asked for."""

_Bounds = collections.namedtuple("_Bounds", "timeout tail namespace")
_COMMAND = re.compile(r"[a-z]+(-[a-z]+)*-(manage|status|upgrade)")
_REDACTIONS = (
    # Also the second and further hosts of a broker's URL.
    (re.compile(r"((?:://|,)[^\s:/@,]*:)[^\s@]+@"), r"\1***@"),
    (re.compile(r"((?:password|passwd|secret|token|connection|transport_url)\s*[=:]\s*)\S+", re.IGNORECASE), r"\1***"),
)
_SECTION = re.compile(r"\s*\[(\w+)\]")
_CONNECTION = re.compile(r"\s*((?:sql_)?connection)\s*=\s*(\S+)")
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
        return {"commands": _run(orders, _Bounds(timeout, tail, namespace))}


def run_all(groups, at_once=4, timeout=1800, namespace=None):
    """
    Run groups of migration commands side by side, the commands of one group in their order.

    :param groups: ``{name: [words of a command, ...]}``
    :param namespace: network namespace of this node to run them in
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
        bounds = _Bounds(timeout, TAIL, namespace)
        running = {pool.submit(_run, orders, bounds): name for name, orders in ready.items()}
        for done in concurrent.futures.as_completed(running):
            try:
                found[running[done]] = done.result()
            except CommandExecutionError as error:
                failed[running[done]] = str(error)
    if failed:
        raise CommandExecutionError("; ".join(f"{name}: {why}" for name, why in sorted(failed.items())))
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
            ready.append({**one, "command": [one["command"][0], *told, *one["command"][1:]]})
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
    for path in files:
        section = "DEFAULT"
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                begun, url = _SECTION.match(line), _CONNECTION.match(line)
                section = begun.group(1) if begun else section
                if url and _READ_TIMEOUT.search(url.group(2)):
                    # Options of a section may be spread: it is opened anew for each.
                    lines += [f"[{section}]", f"{url.group(1)} = {_without_read_timeout(url.group(2))}"]
    if not lines:
        return []
    # Readable by root alone, and in memory where there is such a place.
    handle, path = tempfile.mkstemp(prefix="octane-", suffix=".conf", dir="/run" if os.path.isdir("/run") else None)
    with open(handle, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return [path]


def _without_read_timeout(url):
    return _READ_TIMEOUT.sub(r"\1", url).rstrip("?&")


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
