"""
OpenStack jobs of a node that the init system runs itself; those that Pacemaker runs are never touched here.

upstart (Ubuntu 14.04) and systemd. Salt's ``service`` serves for all but the list of running jobs under upstart and
many jobs at once: systemd is asked in one command, so that they stop side by side. What ran is written down once, so
that a second attempt starts what the first one stopped.
"""

import glob
import json
import os
import re
import signal
import time

from salt.exceptions import CommandExecutionError

PREFIXES = ("nova", "keystone", "heat", "neutron", "cinder", "glance", "placement")
RECORD = "/var/lib/octane-node/services{}.json"
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_JOB = re.compile(r"([A-Za-z0-9_.@-]+)(?: \([^)]*\))? ((?:start|stop)/[a-z-]+)(?:, process ([0-9]+))?")
_RUNNING = ("start/running", "start/spawned", "start/post-start")


def names(prefixes=PREFIXES):
    """
    Jobs that run now, Pacemaker's left out; ``apache2`` is among them where keystone lives in it (Fuel 7.0).

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.names
    """
    found = {one for one in _running() if one.startswith(tuple(prefixes))}
    if _keystone_in_apache() and "keystone" in prefixes and __salt__["service.status"]("apache2"):
        found.add("apache2")
    return sorted(found - set(_clustered()))


def at_boot(prefixes=PREFIXES):
    """
    Jobs that come back at boot, whether they run now or not; Pacemaker's left out.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.at_boot
    """
    found = [name.removesuffix(".service") for name in __salt__["service.get_enabled"]()]
    return sorted({one for one in found if one.startswith(tuple(prefixes))} - set(_clustered()))


def record(label="", services=None):
    """
    Write down which jobs run, once; later calls return what was written.

    :param label: what for, where it is not all jobs
    :param services: of these only; those between two starts of a crash loop count

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.record
    """
    written = recorded(label)
    if written is not None:
        return written
    found = names() if services is None else awake(services)
    __salt__["octane_files.note"](_record(label), json.dumps(found))
    return found


def recorded(label=""):
    """
    The jobs that were written down; ``None`` when none were.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.recorded
    """
    try:
        with open(_record(label), encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return None


def forget(label=""):
    """
    Remove what was written down; ``True`` when there was something.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.forget
    """
    path = _record(label)
    existed = os.path.exists(path)
    if existed:
        os.unlink(path)
    return existed


def act(verb, services, timeout=180, kill_after=None):
    """
    Stop, start or restart jobs and look whether they did.

    :param verb: ``stop``, ``start`` or ``restart``
    :param timeout: seconds for all of them together (systemd) or for none (upstart has its own bounds)
    :param kill_after: seconds after which what is told to stop is killed, sooner than the init system would
    :raises CommandExecutionError: names the jobs that are not as they should be

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.act restart '[nova-api, nova-conductor]'
    """
    if verb not in ("stop", "start", "restart") or not all(_NAME.fullmatch(one) for one in services):
        raise CommandExecutionError(f"cannot {verb} {services}")
    if verb == "stop" and kill_after is not None:
        _hasten(services, float(kill_after))
    message = ""
    if _has_systemd() and services:
        command = ["timeout", str(int(timeout)), "systemctl", verb, *services]
        message = __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True)["stderr"]
    else:
        for one in services:
            __salt__[f"service.{verb}"](one)
    up = awake(services) if verb == "stop" else [one for one in services if __salt__["service.status"](one)]
    faulty = [one for one in services if (one in up) is (verb == "stop")]
    if faulty:
        raise CommandExecutionError(f"told to {verb}, but did not: {', '.join(faulty)}. {message}".strip()[:1000])
    return sorted(services)


def restart_running(services):
    """
    Restart those of SERVICES that run here; Pacemaker's are left alone.

    :return: names of those that were restarted
    :raises CommandExecutionError: names the jobs that do not run afterwards

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_service.restart_running '[nova-compute]'
    """
    return act("restart", [one for one in names() if one in services])


def awake(services):
    """
    Those of SERVICES that run or will by themselves: a job that dies and is started again does not run in between, and
    yet is not stopped.

    :raises CommandExecutionError: the init system did not answer for all of them

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.awake '[nova-api, nova-conductor]'
    """
    if not all(_NAME.fullmatch(one) for one in services):
        raise CommandExecutionError(f"no names of jobs: {services}")
    if not services:
        return []
    if not _has_systemd():
        known = parse_awake(_initctl_list())
        return [one for one in services if one in known]
    command = ["systemctl", "show", "--property=ActiveState", *(f"{one}.service" for one in services)]
    shown = __salt__["cmd.run_stdout"](command, python_shell=False)
    states = [line.split("=", 1)[1] for line in shown.splitlines() if line.startswith("ActiveState=")]
    if len(states) != len(services):
        raise CommandExecutionError(f"systemd told {len(states)} states of {len(services)} jobs")
    return [one for one, state in zip(services, states, strict=True) if state not in ("inactive", "failed")]


def parse_awake(text):
    """
    Names of the jobs in the output of ``initctl list`` that are anything but stopped and waiting.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.parse_awake 'nova-api start/pre-start'
    """
    return sorted({name for name, state, _ in _jobs(text) if state != "stop/waiting"})


def parse_jobs(text):
    """
    Names of the running jobs in the output of ``initctl list``; instances of one job count once.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_service.parse_jobs 'nova-api start/running, process 1'
    """
    return sorted({name for name, state, _ in _jobs(text) if state in _RUNNING})


def _record(label):
    if label and not _LABEL.fullmatch(label):
        raise CommandExecutionError(f"{label!r} cannot name a record")
    return RECORD.format(f"-{label}" if label else "")


def _hasten(services, seconds):
    """Tell all to stop side by side, and kill what has not after SECONDS; the init system then finds them dead."""
    systemd = _has_systemd()
    tell = ["systemctl", "stop", "--no-block"] if systemd else ["initctl", "stop", "--no-wait"]
    for names in [services] if systemd else [[one] for one in services]:
        __salt__["cmd.run_all"]([*tell, *names], python_shell=False, ignore_retcode=True)
    deadline = time.monotonic() + seconds
    while (left := awake(services)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if left and systemd:
        command = ["systemctl", "kill", "--signal=SIGKILL", *left]
        __salt__["cmd.run_all"](command, python_shell=False, ignore_retcode=True)
    elif left:
        _kill([int(process) for name, _, process in _jobs(_initctl_list()) if process and name in left])


def _kill(processes):
    for process in processes:
        try:
            # As upstart does it: with all that the job has started.
            os.killpg(os.getpgid(process), signal.SIGKILL)
        except ProcessLookupError:
            continue


def _running():
    if _has_systemd():
        return [name.removesuffix(".service") for name in __salt__["service.get_running"]()]
    return parse_jobs(_initctl_list())


def _initctl_list():
    return __salt__["cmd.run_stdout"](["initctl", "list"], python_shell=False)


def _jobs(text):
    """Name, state and process (text or None) of each instance of a job that ``initctl list`` tells."""
    return (match.groups() for match in map(_JOB.match, text.splitlines()) if match)


def _has_systemd():
    return "service.get_running" in __salt__


def _clustered():
    return __salt__["octane_cluster.jobs"]() if __salt__["octane_cluster.running"]() else []


def _keystone_in_apache():
    return bool(glob.glob("/etc/apache2/sites-enabled/*keystone*"))
