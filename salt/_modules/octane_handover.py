"""
Ports change hands between two sides of nodes within milliseconds, and never are both sides plugged in.

All nodes get the same publication. The first of those that take hosts a meeting on its address in a network that stays
connected: when all are there the ones leave, when all of these have left the others take. A publication to one side
after the other left the addresses away for 0.3 to 0.5 s (observed), nearly all of it Salt's way to the nodes.

The host says ``rest`` (who leaves lets nobody new in), ``move``, ``back`` (what was moved), ``end`` or ``stop WHY``,
each with a number before it; a member says ``MINION ready MEETING`` first, then ``NUMBER done`` or ``NUMBER failed
WHY``: an answer that comes late is not taken for that to a later word. Nobody goes back to where others may have moved
in; so where one of those that take falls silent, as one that lost its power, the others stay there: somebody must have
the addresses.
"""

import contextlib
import ipaddress
import os
import re
import socket
import threading
import time

from salt.exceptions import CommandExecutionError

PORT = 49790
LEAVING = 15
"""Seconds for one side to move once it is told."""
_LONGEST = 500


class _Broken(Exception):
    """The meeting did not work out; the text says why."""


def run(leave, take, members, meeting, patience=60):
    """
    This node's part in it.

    :param leave: ``{minion id: plan}``, a plan being what ``octane_net.pending`` takes: of those that leave
    :param take: the same of those that come after
    :param members: ``{minion id: IPv4 address}`` of all of them, in a network that stays connected
    :param meeting: a name that no other meeting has: a job that comes late joins none but its own
    :param patience: seconds until all must be there
    :return: ``{"done": [entries], "announced": [addresses]}``, of the host also ``"away"``: seconds from the word to
        move until all had taken
    :raises CommandExecutionError: somebody was not there, and nothing was moved; or it broke off half-way

    CLI Example:

    .. code-block:: bash

        salt -L node-1,node-4 octane_handover.run '{node-1: [{do: detach, bridge: br-ex, port: eth1}]}' \\
            '{node-4: [{do: attach, bridge: br-ex, port: eth1}]}' '{node-1: 10.20.0.131, node-4: 10.20.0.134}' a1
    """
    me, host = __opts__["id"], sorted(take)[0]
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", str(meeting)):
        raise CommandExecutionError(f"not the name of a meeting: {meeting!r}")
    members = {name: str(ipaddress.ip_address(members[name])) for name in {**leave, **take}}
    mine = {**leave, **take}[me]
    part = _Part(f"{me} ready {meeting}", me in take, mine)
    with _before_all_else():
        if me != host:
            return part.play(members[host], patience)
        hosted = _Meeting(str(meeting), list(leave), list(take), members, patience)
        with _let_in(members.values()), hosted.listening(members[host]):
            told = part.play(members[host], patience)
    return {**told, "away": hosted.away}


@contextlib.contextmanager
def _before_all_else():
    """Nothing that runs on this node keeps this process, and what it starts, waiting: addresses are with nobody as long
    as the slowest of all nodes takes. Where the system does not let it, it goes without."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, parameters)


class _Part:
    """What one member does, as the host says it."""

    def __init__(self, greeting, takes, plan):
        self.greeting, self.takes, self.plan, self.left = greeting, takes, plan, []
        self.known = __salt__["octane_net.to_announce"]()
        # What cannot be done is refused before anybody meets.
        __salt__["octane_net.pending"](plan)

    def play(self, host, patience):
        """Until the host says that this is the end."""
        announced, seconds, error = [], patience + LEAVING, ""
        try:
            with _Line(_connected(host, patience)) as line:
                line.say(self.greeting, patience)
                while True:
                    number, word, why = _word(line, seconds)
                    if word == "end":
                        return {"done": self.left, "announced": announced}
                    if word == "stop":
                        raise CommandExecutionError(error or why)
                    failed = self._do(word)
                    line.say(f"{number} failed {failed}" if failed else f"{number} done", LEAVING)
                    error, seconds = failed or error, 4 * LEAVING
                    if word == ("move" if self.takes else "back") and self.known:
                        announced = __salt__["octane_net.announce"](self.known)["sent"]
        finally:
            __salt__["octane_haproxy.let_in"]()

    def _do(self, word):
        """Why it could not be done, or nothing."""
        try:
            {"rest": self._rest, "move": self._move, "back": self._back}[word]()
        except CommandExecutionError as error:
            return str(error)
        return ""

    def _rest(self):
        if not self.takes:
            sections = [one["name"] for one in __salt__["octane_api.frontends"]() if one["mode"] == "http"]
            __salt__["octane_haproxy.hold_back"](sections)

    def _move(self):
        self.left = __salt__["octane_net.pending"](self.plan)
        __salt__["octane_net.switch"](self.left)

    def _back(self):
        __salt__["octane_net.switch"](_reversed(self.left))


@contextlib.contextmanager
def _let_in(addresses):
    """Fuel's firewall drops what comes to a port that it does not know."""
    rules = [["INPUT", "-p", "tcp", "-s", one, "--dport", str(PORT), "-j", "ACCEPT"] for one in sorted(set(addresses))]
    for rule in rules:
        _filter(["-I", *rule])
    try:
        yield
    finally:
        for rule in rules:
            _filter(["-D", *rule])


def _filter(words):
    __salt__["cmd.run_all"](["iptables", "-w", *words], python_shell=False, ignore_retcode=True)


def _word(line, seconds):
    """
    What the host says: its number, the word, and why.

    :raises CommandExecutionError: nothing, or nothing that can be understood
    """
    try:
        number, _, said = line.hear(seconds).partition(" ")
    except _Broken as error:
        raise CommandExecutionError(f"the meeting broke off: {error}") from error
    word, _, why = said.partition(" ")
    if word not in ("rest", "move", "back", "end", "stop"):
        raise CommandExecutionError(f"the host of the meeting said {said!r}")
    return number, word, why


def _reversed(plan):
    other = {"attach": "detach", "detach": "attach"}
    return [{**entry, "do": other[entry["do"]]} for entry in reversed(plan)]


def _connected(host, patience):
    deadline = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection((host, PORT), timeout=max(0.1, deadline - time.monotonic()))
        except OSError as error:
            if time.monotonic() > deadline:
                raise CommandExecutionError(f"nobody hosts the meeting on {host} within {patience} s") from error
            time.sleep(0.02)


class _Line:
    """A connection over which lines of text go."""

    def __init__(self, connection):
        self.connection, self.rest = connection, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def say(self, text, seconds):
        """Send a line; its length is bounded, and what goes wrong shows when the answer is waited for."""
        self.connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            self.connection.sendall(" ".join(text.split()).encode()[:_LONGEST] + b"\n")

    def hear(self, seconds):
        """
        The next line.

        :raises _Broken: none within ``seconds``, or the other end is gone
        """
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            try:
                self.connection.settimeout(max(0.01, deadline - time.monotonic()))
                got = self.connection.recv(_LONGEST)
            except OSError as error:
                raise _Broken(f"not a word within {seconds} s") from error
            if not got or len(self.rest) > 2 * _LONGEST:
                raise _Broken("the connection was closed")
            self.rest += got
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode(errors="replace")


class _Meeting:
    """The host: knows who must be there, and gives the words."""

    def __init__(self, name, leavers, takers, members, patience):
        self.name, self.leavers, self.takers, self.members, self.patience = name, leavers, takers, members, patience
        self.lines, self.away, self.number, self.silent = {}, None, 0, set()

    @contextlib.contextmanager
    def listening(self, address):
        """Host it in a thread while the node's own part is done."""
        with socket.create_server((address, PORT)) as server:
            thread = threading.Thread(target=self._host, args=(server,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                thread.join(self.patience + 4 * LEAVING)

    def _host(self, server):
        last = "end"
        try:
            self._gather(server)
            self._change_hands()
        except _Broken as error:
            last = f"stop {error}"
        for line in self.lines.values():
            line.say(f"{self.number} {last}", LEAVING)
            line.connection.close()

    def _gather(self, server):
        """:raises _Broken: naming who did not come; nobody was told anything yet"""
        deadline = time.monotonic() + self.patience
        while missing := sorted(self.members.keys() - self.lines.keys()):
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection, (address, _) = server.accept()
            except OSError as error:
                absent = ", ".join(missing)
                raise _Broken(f"nothing was moved: {absent} was not ready within {self.patience} s") from error
            line = _Line(connection)
            with contextlib.suppress(_Broken):
                name, _, rest = line.hear(LEAVING).partition(" ")
                # Others on that network are not listened to, nor members of a meeting that is over.
                if rest == f"ready {self.name}" and self.members.get(name) == address and name in missing:
                    self.lines[name] = line
                    continue
            connection.close()

    def _change_hands(self):
        failed = self._told("rest", [*self.takers, *self.leavers])
        if failed:
            raise _Broken(f"nothing was moved: {_sentence(failed)}")
        started = time.monotonic()
        failed = self._told("move", self.leavers)
        if failed:
            self._call_back(failed)
        failed = self._told("move", self.takers)
        if failed and self.silent.issuperset(failed) and len(failed) < len(self.takers):
            raise _Broken(f"the others have taken over: {_sentence(failed)}")
        if failed:
            if self._told("back", self.takers):
                raise _Broken(f"both sides may be unplugged: {_sentence(failed)}")
            self._call_back(failed)
        self.away = round(time.monotonic() - started, 3)

    def _call_back(self, failed):
        """:raises _Broken: those that had left are plugged in again, since others FAILED"""
        left = self._told("back", self.leavers)
        beside = f"; not back: {_sentence(left)}" if left else ""
        raise _Broken(f"{'the others' if left else 'all'} went back: {_sentence(failed)}{beside}")

    def _told(self, word, names):
        """Tell all of them before the first is listened to; ``{who did not do it: why}``."""
        self.number += 1
        for name in names:
            self.lines[name].say(f"{self.number} {word}", LEAVING)
        answers = {name: self._answer(name) for name in names}
        return {name: said for name, said in answers.items() if said != "done"}

    def _answer(self, name):
        """To the last word; those to earlier ones come late and count for nothing."""
        deadline = time.monotonic() + LEAVING
        while True:
            try:
                number, _, said = self.lines[name].hear(max(0.01, deadline - time.monotonic())).partition(" ")
            except _Broken as error:
                self.silent.add(name)
                return str(error)
            if number == str(self.number):
                return said.removeprefix("failed ")


def _sentence(failed):
    return "; ".join(f"{name}: {said}" for name, said in failed.items())
