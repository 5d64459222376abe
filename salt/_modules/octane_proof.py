"""
Equality of a source's tables and a replica's, at one point of the log, without stopping writers.

The order of a round: ``octane_replica.hold`` on the target, :func:`source`, :func:`target` at the position that it
returned, :func:`finished` on both. The reading is done by a program, ``octane_sums``, in snapshots of both servers.
Answers are names, numbers and checksums; keys of changed rows (at most five thousand) go from one side to the other.
"""

import re
import time

from salt.exceptions import CommandExecutionError

_PROGRAM = "octane_sums"
TIMEOUT = 4 * 3600
_LOG_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}\.[0-9]{1,10}")


def source(databases, skip=None, since=None, wait=False, limit=None):
    """
    Open a snapshot, tell its place in the log, and sum up in the background: all tables, or the rows changed ``since``.

    :param skip: ``{database: [table]}`` that nobody compares
    :param since: a position that both sides were proven equal at
    :param wait: return only when all is summed up, and what :func:`finished` would return then
    :param limit: bytes of tables a second that are read on the average, since each is read in one go; ``None``, 0: as
        many as go
    :return: ``{"ticket": str, "position": {"file": str, "position": int, "gtid": None}}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_proof.source '[nova]'
    """
    order = _order("source", databases, skip)
    ticket = _start({**order, "since": position(since) if since else None, "limit": int(limit or 0)})
    if wait:
        return finished(ticket)
    return {"ticket": ticket, "position": {**_ready(ticket, "position")["position"], "gtid": None}}


def target(databases, at, wanted=None, skip=None, hold=False, wait=False):
    """
    Let the replica run up to a place, open a snapshot there, let it run on, and sum up in the background.

    :param at: what :func:`source` returned as its position
    :param wanted: what :func:`finished` returned on the source; not given: all tables
    :param hold: leave the replica standing at the place, for the other nodes of its cluster to be read
    :param wait: return only when all is summed up, and what :func:`finished` would return then
    :return: ``{"ticket": str}``

    CLI Example:

    .. code-block:: bash

        salt node-4 octane_proof.target '[nova]' '{file: mysql-bin.000007, position: 1234}'
    """
    order = {**_order("target", databases, skip), "at": position(at), "wanted": wanted, "hold": bool(hold)}
    ticket = _start({**order, "select": __salt__["octane_replica.selected"]()})
    return finished(ticket) if wait else {"ticket": ticket}


def reader(databases, wanted, skip=None):
    """
    The sums of another node of the target's cluster, once it has all that any node had committed.

    :return: ``{"sums": {database: {table: sum}}}``

    CLI Example:

    .. code-block:: bash

        salt node-5 octane_proof.reader '[nova]' '{nova: {instances: null}}'
    """
    return finished(_start({**_order("reader", databases, skip), "wanted": wanted}))


def finished(ticket, timeout=TIMEOUT):
    """
    Wait for the sums of a round, with progress events ``octane/progress/proof``; the ticket is used up.

    :return: ``{"sums": {database: {table: number or [rows, number, number]}}, "position": {...}}``, and of the source
        ``"wanted"`` (what was compared, for the other side) and ``"statements"`` (int: other than row events)
    :raises CommandExecutionError: the program's own words, or that it took longer than ``timeout`` seconds

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_proof.finished 0123456789abcdef0123456789abcdef
    """
    try:
        __salt__["octane_jobs.wait"](ticket, "done", timeout, _reporter())
        return __salt__["octane_jobs.result"](ticket)
    finally:
        __salt__["octane_jobs.end"](ticket)


def changed(databases, since=None, skip=None, timeout=600, watch=0, tolerated=None):
    """
    Tables that the binary log says were written to since a place.

    :param since: not given: from now on
    :param watch: seconds to let pass before the log is read
    :param tolerated: ``{database: {table: [column]}}``: an update that changes nothing else is expendable
    :return: ``{"tables": ["database.table"], "expendable": those of ``skip``, and as ``database.table (column)`` what
        of the others is tolerated, "elsewhere": [other databases],
        "statements": int (other than row events), "position": up to here, "foreign": as octane_source.foreign_writes,
        "committed": [wsrep_last_committed before and after, None without Galera]}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_proof.changed '[nova]' '{file: mysql-bin.000007, position: 1234}'
    """
    committed = [__salt__["octane_sessions.last_committed"]()]
    place = position(since or __salt__["octane_source.position"]())
    time.sleep(float(watch))
    order = {**_order("log", databases, skip), "since": place, "tolerated": dict(tolerated or {})}
    found = finished(_start(order), timeout)
    committed.append(__salt__["octane_sessions.last_committed"]())
    return {**found, "foreign": __salt__["octane_source.foreign_writes"](0), "committed": committed}


def abandon():
    """
    End every round of this node; tickets of those that were there.

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_proof.abandon
    """
    found = __salt__["octane_jobs.of"](_PROGRAM)
    for ticket in found:
        __salt__["octane_jobs.end"](ticket)
    return found


def position(given):
    """
    A place of a log, checked before it meets a statement.

    :return: ``{"file": str, "position": int}``

    CLI Example:

    .. code-block:: bash

        salt node-1 octane_proof.position '{file: mysql-bin.000007, position: 1234}'
    """
    file, number = given.get("file"), given.get("position")
    if not isinstance(file, str) or not _LOG_NAME.fullmatch(file) or not isinstance(number, int) or number < 4:
        raise CommandExecutionError(f"not a place of a binary log: {file!r} {number!r}")
    return {"file": file, "position": number}


def _order(kind, databases, skip):
    for name in databases:
        __salt__["octane_mysql.identifier"](name)
    order = {"kind": kind, "databases": sorted(databases), "skip": dict(skip or {})}
    return {
        **order,
        "options": __salt__["octane_mysql.options"](),
        "family": __salt__["octane_db.server"]()["family"],
        "log_reader": __salt__["octane_source.log_reader"](),
    }


def _start(order):
    ticket = __salt__["octane_jobs.new"]()
    __salt__["octane_jobs.start"](ticket, _PROGRAM, order)
    return ticket


def _ready(ticket, what):
    try:
        return __salt__["octane_jobs.wait"](ticket, what, 60)
    except CommandExecutionError:
        __salt__["octane_jobs.end"](ticket)
        raise


def _reporter():
    last = [time.monotonic()]

    def report(state):
        if time.monotonic() - last[0] >= 1:
            last[0] = time.monotonic()
            numbers = {"tables": state.get("tables", 0), "of": state.get("of", 0)}
            __salt__["event.send"]("octane/progress/proof", {"text": "comparing", **numbers})

    return report
