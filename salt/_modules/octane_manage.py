"""
Migration commands of OpenStack services (``nova-manage db sync`` and its like): bounded, and their output redacted.
"""

import concurrent.futures
import os
import re
import signal
import subprocess
import tempfile
import time

from salt.exceptions import CommandExecutionError

_COMMAND = re.compile(r"[a-z]+(-[a-z]+)*-(manage|status|upgrade)")
_REDACTIONS = (
    # Also the second and further hosts of a broker's URL.
    (re.compile(r"((?:://|,)[^\s:/@,]*:)[^\s@]+@"), r"\1***@"),
    (re.compile(r"((?:password|passwd|secret|token|connection|transport_url)\s*[=:]\s*)\S+", re.IGNORECASE), r"\1***"),
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(command, timeout=1800, tail=40, namespace=None):
    """
    Run migration commands one after the other.

    :param command: words of one command, or a list of such lists; stops at the first that fails
    :param timeout: seconds for each; it is ended with all its children then
    :param tail: lines of output that are returned
    :param namespace: network namespace of this node to run them in
    :return: ``{"commands": [{"command": str, "exit": int, "seconds": float, "output": str}]}``
    :raises CommandExecutionError: the command, its exit code and the end of what it said, secrets masked

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_manage.run '[[keystone-manage, db_sync], [glance-manage, db_sync]]'
    """
    found = []
    for words in _commands(command):
        found.append(_one(words, timeout, tail, namespace))
        if found[-1]["exit"]:
            last = found[-1]
            raise CommandExecutionError(f"{last['command']} failed with exit code {last['exit']}: {last['output']}")
    return {"commands": found}


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
    for command in groups.values():
        _commands(command)
    found, failed = {}, {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=int(at_once)) as pool:
        running = {pool.submit(run, command, timeout, namespace=namespace): name for name, command in groups.items()}
        for done in concurrent.futures.as_completed(running):
            try:
                found[running[done]] = done.result()["commands"]
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


def _commands(command):
    given = [command] if command and isinstance(command[0], str) else command
    for words in given:
        if not words or not _COMMAND.fullmatch(words[0]) or not all(isinstance(word, str) for word in words):
            raise CommandExecutionError(f"not a migration command: {words!r}")
    return given


def _one(words, timeout, tail, namespace):
    started = time.monotonic()
    argv = ["ip", "netns", "exec", namespace, *words] if namespace else words
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
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = -signal.SIGKILL
        lines = _end(output).splitlines()[-int(tail):]
    seconds = round(time.monotonic() - started, 1)
    if code == -signal.SIGKILL:
        lines.append(f"ended after {seconds} s")
    return {"command": " ".join(words), "exit": code, "seconds": seconds, "output": redact("\n".join(lines))}


def _end(output):
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - 65536))
    return output.read().decode("utf-8", errors="replace")
