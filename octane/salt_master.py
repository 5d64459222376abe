"""The one place of the library that talks to Salt: nodes asked by name, keys, events on the master's bus."""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import salt.client
import salt.config
import salt.exceptions
import salt.runner
import salt.utils.event
import salt.wheel

from octane.definition import MINION_ID
from octane.errors import BadInput, Failed, NodeFailed, NodeSilent
from octane.fingerprint import fingerprint

log = logging.getLogger(__name__)

SILENCE_SECONDS = 15
"""After so long without a return the minions are asked whether they still run the job, and have as long to say so: a
busy node (a load of 16 on two processors) was seen to need more than Salt's own 5 and 10."""

SILENT_ROUNDS = 3
"""How often a node may fail to say that it runs a job before the job counts as lost there: one that started 25 services
at once, next to two others on two processors, was seen not to answer within 15 seconds."""

CONNECT_SECONDS = 60
"""How long a node that this process has not heard yet may take to come back to the master: after a restart of the
master its minions do so one by one, and what is published before that is lost (observed)."""

PING_SECONDS = 20
"""How long one ping may take: 19 seconds were seen at a load of 60 on two processors."""

FIRST_PING_SECONDS = 3.0
"""How long the first of several pings may take; each further one has twice as long, since one that is given up loads a
busy node all the same and its late answer is nobody's (observed)."""

POLL_SECONDS = 0.02

BUSY_SECONDS = 0.5
RUNNING = re.compile(r"^The function \S+ is running as PID ")
"""What a minion says instead of running a state beside another one."""

Answers = dict[str, dict[str, Any]]

NO_KEY = "its key is not accepted"

TAKEN_FOR_KEYWORD = re.compile(r"[^\W\d][\w.-]*=(?!=)")
"""What Salt's minion takes for ``name=value`` when it is given by position."""

KEY_STATES = {
    "minions": "accepted",
    "minions_pre": "pending",
    "minions_rejected": "rejected",
    "minions_denied": "denied",
}


@functools.lru_cache
def _local_client(conf_file: str) -> Any:
    """Salt's client, once a process: it reads the whole configuration."""
    return salt.client.get_local_client(conf_file)


@functools.lru_cache
def _heard(conf_file: str) -> set[str]:
    """Nodes that have answered this process."""
    return set()


class NodeCaller:
    """Functions and states on nodes. Every target is named, and every one has to answer.

    A node that has not been heard yet is pinged until it answers, before anything is asked of any target.

    A command line of Salt can end with 0 although a minion failed, and an orchestration can count a silent one as
    success; here a missing, failed or false return is an error that names the node and the function.
    """

    def __init__(self, master_options: Mapping[str, Any]) -> None:
        self._options = master_options

    @property
    def _client(self) -> Any:
        return _local_client(self._options["conf_file"])

    def call(self, targets: list[str], fun: str, *args: Any, timeout: float = 60, **kwargs: Any) -> dict[str, Any]:
        """What FUN returns on each of TARGETS, by minion id; ``timeout`` is in seconds for all of them together.

        :raises NodeFailed: the first node that is silent, failed or returned False; the others are named as well.
        :raises NodeSilent: silence is all that is wrong, and none of the silent ones says that it still runs FUN.
        """
        _check(targets, args)
        self._await_connection(targets, fun)
        answers = self._ask(targets, fun, args, kwargs, timeout)
        silent = self._silent(answers)
        _raise_failures(fun, targets, {node: _complaint(answers[node]) for node in targets}, silent)
        return {node: answers[node]["ret"] for node in targets}

    def state(
        self,
        targets: list[str],
        fun: str,
        *,
        test: bool = False,
        timeout: float = 60,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, dict[str, Any]]:
        """Run the state FUN on each of TARGETS: ``{"changes", "comment", "result"}`` by minion id.

        ARGUMENTS are the state's, for names that this method has too; a state that still runs there is waited for.

        :raises NodeFailed: as :meth:`call`, and when the state's result is false.
        """
        _check(targets, ())
        self._await_connection(targets, fun)
        given = {"name": fun, **kwargs, **(arguments or {}), "test": test}
        answers = self._ask_in_turn(targets, fun, given, timeout)
        silent = self._silent(answers)
        returns = {node: _state_return(answers[node]) for node in targets}
        complaints = {
            node: _state_complaint(returned, test) if returned else _no_state(answers[node])
            for node, returned in returns.items()
        }
        _raise_failures(fun, targets, complaints, silent)
        return {node: returned for node, returned in returns.items() if returned}

    def ping(self, targets: list[str], timeout: float = PING_SECONDS) -> set[str]:
        """Those of TARGETS that answer one question; silence is no error here."""
        _check(targets, ())
        answers = self._ask(targets, "test.ping", (), {}, timeout)
        return {node for node, answer in answers.items() if answer.get("ret") is True}

    def answering(self, targets: list[str], timeout: float) -> set[str]:
        """Those of TARGETS that answer within TIMEOUT seconds, asked again until they do: one that comes back to the
        master never hears what was published before."""
        _check(targets, ())
        return {node for node, answer in self._awaited(targets, timeout).items() if "missing" not in answer}

    def sync(self) -> None:
        """Make the master itself load what Salt's file server holds of states, modules, runners and engines.

        :raises Failed: it cannot.
        """
        runner = salt.runner.RunnerClient(salt.config.master_config(self._options["conf_file"]))
        try:
            runner.cmd("saltutil.sync_all", print_event=False)
        except salt.exceptions.SaltException as error:
            raise Failed(f"saltutil.sync_all on the master failed: {error}") from error

    def sync_nodes(self, targets: list[str], timeout: float = 120) -> None:
        """Make TARGETS load what the file server holds.

        :raises NodeFailed: as :meth:`call`.
        """
        self.call(targets, "saltutil.sync_all", timeout=timeout)

    def _ask_in_turn(self, targets: list[str], fun: str, given: dict[str, Any], timeout: float) -> Answers:
        """As :meth:`_ask`; nodes where another state runs are asked again until that has ended.

        Salt's own ``queue`` runs a queued ``state.single`` with arguments that no state takes (observed on 3008.3).
        """
        deadline = time.monotonic() + timeout
        answers = self._ask(targets, "state.single", (fun,), given, timeout)
        while busy := [node for node in targets if RUNNING.search(_text(answers[node].get("ret")))]:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            time.sleep(BUSY_SECONDS)
            answers.update(self._ask(busy, "state.single", (fun,), given, left))
        return answers

    def _await_connection(self, targets: list[str], fun: str) -> None:
        """:raises NodeSilent: some of TARGETS have not been heard after CONNECT_SECONDS."""
        unheard = [node for node in targets if node not in _heard(self._options["conf_file"])]
        silent = {node for node, answer in self._awaited(unheard, CONNECT_SECONDS).items() if _is_silent(answer)}
        complaint = f"not asked, since it has not answered a ping for {CONNECT_SECONDS} s"
        _raise_failures(fun, targets, {node: complaint if node in silent else None for node in targets}, silent)

    def _awaited(self, targets: list[str], timeout: float) -> Answers:
        """Answers to pings; one that is silent is asked until TIMEOUT seconds have passed, each time more patiently."""
        deadline = time.monotonic() + timeout
        answers: Answers = {}
        waiting, patience = targets, FIRST_PING_SECONDS
        while waiting and (left := deadline - time.monotonic()) > 0:
            answers.update(self._ask(waiting, "test.ping", (), {}, min(patience, left)))
            waiting = [node for node in waiting if _is_silent(answers[node])]
            patience *= 2
        return answers

    def _ask(
        self, targets: list[str], fun: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float
    ) -> Answers:
        """By minion id ``{"ret", "retcode", ...}``, or ``{"missing": why}`` where none came within TIMEOUT seconds.

        To that the job's ``jid`` is added where it was published; a silent node is pinged before the next question.
        """
        started = time.monotonic()
        try:
            job = self._client.run_job(targets, fun, args, tgt_type="list", kwarg=kwargs, listen=True)
        except salt.exceptions.SaltException as error:
            raise Failed(f"{fun} could not be published to {', '.join(targets)}: {error}") from error
        expected = set(job["minions"]) & set(targets) if job else set()
        answers = self._collect(job, expected, started + timeout) if expected else {}
        _heard(self._options["conf_file"]).update(answers)
        _heard(self._options["conf_file"]).difference_update(expected - answers.keys())
        silence = {"missing": f"no answer within {time.monotonic() - started:.0f} s", "jid": job["jid"] if job else ""}
        absent = {node: dict(silence) if node in expected else {"missing": NO_KEY} for node in targets}
        return {**absent, **answers}

    def _silent(self, answers: Answers) -> set[str]:
        """Nodes that neither returned a job nor say that they still run it: it was lost on the way, or they are gone.

        What is said of one that runs it still is added to ANSWERS.
        """
        silent = {node: answer["jid"] for node, answer in answers.items() if "jid" in answer and "missing" in answer}
        for jid in set(silent.values()):
            asked = sorted(node for node in silent if silent[node] == jid)
            running = self._ask(asked, "saltutil.find_job", (jid,), {}, PING_SECONDS)
            for node in (node for node in asked if running[node].get("ret")):
                answers[node]["missing"] += ", it still runs"
                del silent[node]
        return set(silent)

    def _collect(self, job: Mapping[str, Any], expected: set[str], deadline: float) -> dict[str, dict[str, Any]]:
        answers: dict[str, dict[str, Any]] = {}
        for _ in range(SILENT_ROUNDS):
            while not self._listen(job, expected, deadline, answers):
                time.sleep(POLL_SECONDS)
            if len(answers) < len(expected):
                answers = {**self._looked_up(job, expected), **answers}
            if len(answers) == len(expected) or time.monotonic() > deadline:
                break
        return answers

    def _listen(
        self, job: Mapping[str, Any], expected: set[str], deadline: float, answers: dict[str, dict[str, Any]]
    ) -> bool:
        """Add to ANSWERS what comes; whether there is nothing more to wait for."""
        try:
            silence = min(deadline - time.monotonic(), SILENCE_SECONDS)
            for part in self._returns(job, expected - answers.keys(), silence):
                answers.update((node, answer) for node, answer in (part or {}).items() if node in expected)
                if len(answers) == len(expected) or (part is None and time.monotonic() > deadline):
                    break
                if part is None:
                    # Salt's iterator does not wait by itself; with its own waiting it would not see the deadline.
                    time.sleep(POLL_SECONDS)
        except salt.exceptions.SaltException as error:
            # It asks whether the job still runs, which a busy master may have no time to publish (seen at a load of
            # 14 on two processors): no word about the job itself, whose answers come all the same.
            log.warning("job %s: %s", job["jid"], error)
            return time.monotonic() > deadline
        return True

    def _returns(self, job: Mapping[str, Any], minions: set[str], silence: float) -> Iterator[dict[str, Any] | None]:
        """Returns as they come and None whenever there is none; it ends when none of MINIONS says that it runs JOB."""
        parts: Iterator[dict[str, Any] | None] = self._client.get_iter_returns(
            job["jid"],
            minions,
            timeout=silence,
            gather_job_timeout=max(1, silence),
            tgt=sorted(minions),
            tgt_type="list",
            block=False,
        )
        return parts

    def _looked_up(self, job: Mapping[str, Any], expected: set[str]) -> dict[str, dict[str, Any]]:
        """Returns of JOB that the bus lost but the master's job cache has."""
        cached = self._client.get_cache_returns(job["jid"]) or {}
        return {node: answer for node, answer in cached.items() if node in expected}


class KeyRing:
    """Keys of minions on this master."""

    def __init__(self, master_options: Mapping[str, Any]) -> None:
        self._options = master_options

    def list(self) -> dict[str, dict[str, str]]:
        """``{"state": accepted|pending|rejected|denied, "fingerprint"}`` by minion id; a denied copy of an accepted
        minion's id counts as accepted.

        The fingerprint is made from the key: ``key.finger`` of 3008 hashes the whole text of a minion's key, which is
        not what the minion says of the same key (observed on 3008.3).
        """
        texts = self._wheel("key.print", match="*")
        found: dict[str, dict[str, str]] = {}
        for section, state in KEY_STATES.items():
            for minion, text in texts.get(section, {}).items():
                key = text if isinstance(text, str) else text[0]
                found.setdefault(minion, {"state": state, "fingerprint": fingerprint(key.encode())})
        return found

    def accept(self, minion_id: str) -> None:
        """:raises Failed: no key of MINION_ID is pending."""
        _check([minion_id], ())
        if minion_id not in self._wheel("key.accept", match=minion_id).get("minions", []):
            raise Failed(f"there is no pending key of {minion_id} to accept")

    def delete(self, minion_id: str) -> None:
        """Forget the key of MINION_ID, whatever its state; no key is no error."""
        _check([minion_id], ())
        self._wheel("key.delete", match=minion_id)

    def master_fingerprint(self) -> str:
        """Of the master's public key, as a minion's ``master_finger`` wants it."""
        return str(self._wheel("key.finger_master")["local"]["master.pub"])

    def _wheel(self, fun: str, **kwargs: str) -> dict[str, Any]:
        client = salt.wheel.WheelClient(salt.config.master_config(self._options["conf_file"]))
        returned: dict[str, Any] = client.cmd(fun, kwarg=kwargs, print_event=False) or {}
        return returned


class EventBus:
    """Sends events; a lost one is no failure, since the journal is the record."""

    def __init__(self, master_options: Mapping[str, Any]) -> None:
        self._options = master_options

    def send(self, tag: str, data: dict[str, Any]) -> None:
        try:
            with salt.utils.event.get_event("master", opts=dict(self._options), listen=False) as bus:
                bus.fire_event(dict(data), tag)
        except (salt.exceptions.SaltException, OSError) as error:
            log.warning("event %s was lost: %s", tag, error)


def _check(targets: list[str], args: tuple[Any, ...]) -> None:
    """:raises BadInput: a target is no minion's id. :raises ValueError: Salt would take an argument for a keyword."""
    for target in targets:
        if not MINION_ID.fullmatch(target):
            raise BadInput(f"{target!r} is no minion's id")
    if not targets:
        raise BadInput("no node is named")
    for value in args:
        if isinstance(value, str) and TAKEN_FOR_KEYWORD.match(value):
            raise ValueError("Salt takes text like name=value for a keyword: give this argument by name")


def _complaint(answer: dict[str, Any]) -> str | None:
    """Why ANSWER is a failure, None when it is none."""
    if "missing" in answer:
        return str(answer["missing"])
    returned = answer.get("ret")
    if returned is False:
        return "returned False"
    if answer.get("retcode", 0) != 0 or answer.get("success") is False:
        return _text(returned)
    return None


def _no_state(answer: dict[str, Any]) -> str:
    return str(answer.get("missing") or _text(answer.get("ret")))


def _state_return(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The one state in ANSWER; None when Salt returned something else, such as a list of complaints."""
    returned = answer.get("ret")
    if not isinstance(returned, dict) or len(returned) != 1:
        return None
    (state,) = returned.values()
    if not isinstance(state, dict) or "result" not in state:
        return None
    return {
        "changes": state.get("changes") or {},
        "comment": _text(state.get("comment", "")),
        "result": state["result"],
    }


def _state_complaint(returned: dict[str, Any], test: bool) -> str | None:
    acceptable = returned["result"] is True or (test and returned["result"] is None)
    return None if acceptable else returned["comment"] or "failed without a comment"


def _text(returned: Any) -> str:
    if isinstance(returned, list):
        return "; ".join(str(line) for line in returned)
    return str(returned).strip()


def _is_silent(answer: Mapping[str, Any]) -> bool:
    """Whether a node that may answer has not."""
    return answer.get("missing") not in (None, NO_KEY)


def _raise_failures(fun: str, targets: list[str], complaints: Mapping[str, str | None], silent: set[str]) -> None:
    failed = [node for node in targets if complaints[node]]
    if failed:
        others = f" (and {', '.join(failed[1:])})" if failed[1:] else ""
        error = NodeSilent if set(failed) <= silent else NodeFailed
        raise error(failed[0], fun, f"{complaints[failed[0]]}{others}")
