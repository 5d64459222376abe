"""Answers of nodes: what counts as a failure, what is named, what is never sent. The client of Salt is a stand-in."""

import time
from typing import Any

import pytest
from salt.exceptions import SaltClientError

from octane import salt_master
from octane.errors import BadInput, Failed, NodeFailed, NodeSilent
from octane.salt_master import KeyRing, NodeCaller


class FakeClient:
    """Salt's LocalClient as far as it is used: ``answers`` come over the bus, ``cached`` from the job cache."""

    def __init__(self, answers: dict[str, Any], cached: dict[str, Any] | None = None, accepted: Any = None) -> None:
        self.answers = answers
        self.cached = cached or {}
        self.accepted = accepted
        self.published: list[tuple[Any, ...]] = []

    def run_job(self, targets, fun, args, tgt_type, kwarg, listen):
        self.published.append((targets, fun, args, tgt_type, kwarg))
        minions = [target for target in targets if self.accepted is None or target in self.accepted]
        return {"jid": "1", "minions": minions} if minions else {}

    def get_iter_returns(self, jid, minions, **kwargs):
        yield None
        for minion, answer in self.answers.items():
            yield {minion: answer}

    def get_cache_returns(self, jid):
        return self.cached


@pytest.fixture
def caller(monkeypatch):
    def with_client(client):
        monkeypatch.setattr(salt_master, "_local_client", lambda conf_file: client)
        # All have been heard.
        monkeypatch.setattr(salt_master, "_heard", lambda conf_file: {f"node-{number}" for number in range(10)})
        return NodeCaller({"conf_file": "/etc/salt/master"})

    return with_client


def state(result, comment="", changes=None):
    return {"ret": {"x_|-a_|-a_|-y": {"result": result, "comment": comment, "changes": changes or {}}}, "retcode": 0}


def test_every_target_is_asked_by_name(caller):
    client = FakeClient({"node-1": {"ret": 1, "retcode": 0}, "node-2": {"ret": [], "retcode": 0}})
    assert caller(client).call(["node-1", "node-2"], "x.y", 5, size=2) == {"node-1": 1, "node-2": []}
    assert client.published == [(["node-1", "node-2"], "x.y", (5,), "list", {"size": 2})]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"ret": False, "retcode": 0}, "returned False"),
        ({"ret": "ERROR: no such file", "retcode": 1}, "ERROR: no such file"),
        ({"ret": "Traceback ...", "retcode": 0, "success": False}, "Traceback ..."),
        ({"ret": "'x.y' is not available.", "retcode": 254}, "'x.y' is not available."),
    ],
)
def test_a_failed_or_false_return_is_an_error_that_names_node_and_function(caller, answer, reason):
    with pytest.raises(NodeFailed) as caught:
        caller(FakeClient({"node-1": {"ret": 1}, "node-2": answer})).call(["node-1", "node-2"], "x.y")
    assert (caught.value.node, caught.value.command, caught.value.message) == ("node-2", "x.y", reason)


def test_a_silent_minion_is_an_error(caller):
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: no answer within \d+ s \(and node-3\)"):
        caller(FakeClient({"node-1": {"ret": 1}})).call(["node-1", "node-2", "node-3"], "x.y")


def test_a_minion_without_an_accepted_key_is_said_to_be_one(caller):
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: its key is not accepted"):
        caller(FakeClient({"node-1": {"ret": 1}}, accepted=["node-1"])).call(["node-1", "node-2"], "x.y")
    with pytest.raises(NodeFailed, match="its key is not accepted"):
        caller(FakeClient({}, accepted=[])).call(["node-1"], "x.y")


def test_a_return_that_the_bus_lost_is_looked_up(caller):
    client = FakeClient({}, cached={"node-1": {"ret": 1, "retcode": 0}})
    assert caller(client).call(["node-1"], "x.y") == {"node-1": 1}


def test_an_answer_of_somebody_else_counts_for_nothing(caller):
    with pytest.raises(NodeFailed, match="node-1"):
        caller(FakeClient({"node-9": {"ret": 1}})).call(["node-1"], "x.y")


def test_a_minion_that_runs_on_for_ever_is_given_up_at_the_deadline(caller):
    class Busy(FakeClient):
        def get_iter_returns(self, jid, minions, **kwargs):
            while True:
                yield None

    with pytest.raises(NodeFailed, match="no answer within 0 s"):
        caller(Busy({})).call(["node-1"], "x.y", timeout=0.1)


def test_a_master_too_busy_to_ask_about_a_job_is_not_the_end_of_the_job(caller):
    class Busy(FakeClient):
        asked = 0

        def get_iter_returns(self, jid, minions, **kwargs):
            self.asked += 1
            yield None
            if self.asked == 1:
                raise SaltClientError("Salt request timed out")
            yield {"node-1": {"ret": 1}}

    assert caller(Busy({})).call(["node-1"], "x.y") == {"node-1": 1}


class Overloaded(FakeClient):
    """node-2 says that it runs the job only when it is asked for the Nth time, as often as ``silent`` in vain."""

    def __init__(self, silent):
        super().__init__({})
        self.silent = silent
        self.asked: list[set[str]] = []

    def get_iter_returns(self, jid, minions, **kwargs):
        if self.published[-1][1] == "x.y":
            self.asked.append(set(minions))
        yield None
        if "node-1" in minions:
            yield {"node-1": {"ret": 1}}
        if len(self.asked) > self.silent:
            yield {"node-2": {"ret": 2}}


def test_a_node_too_busy_to_say_that_it_runs_a_job_is_asked_again(caller):
    client = Overloaded(silent=2)
    assert caller(client).call(["node-1", "node-2"], "x.y") == {"node-1": 1, "node-2": 2}
    assert client.asked == [{"node-1", "node-2"}, {"node-2"}, {"node-2"}], "who has answered is not asked again"


def test_a_node_that_never_says_that_it_runs_a_job_is_given_up(caller):
    client = Overloaded(silent=1000)
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: no answer"):
        caller(client).call(["node-1", "node-2"], "x.y", timeout=1000)
    assert len(client.asked) == 3


class Lossy(FakeClient):
    """node-2 never returns; asked whether it runs the job, it says what ``running`` is."""

    def __init__(self, running):
        super().__init__({})
        self.running = running

    def get_iter_returns(self, jid, minions, **kwargs):
        yield None
        if self.published[-1][1] == "saltutil.find_job":
            yield {"node-2": {"ret": self.running, "retcode": 0}}


def test_an_order_that_was_lost_on_the_way_is_told_from_one_that_still_runs(caller):
    with pytest.raises(NodeSilent, match=r"node-2: x\.y: no answer within 0 s$"):
        caller(Lossy({})).call(["node-2"], "x.y", timeout=0.1)
    client = Lossy({"jid": "1", "pid": 7})
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: no answer within 0 s, it still runs$") as caught:
        caller(client).call(["node-2"], "x.y", timeout=0.1)
    assert not isinstance(caught.value, NodeSilent)
    assert client.published[-1][1:3] == ("saltutil.find_job", ("1",))


def test_a_failure_beside_a_silence_is_no_mere_silence(caller):
    client = Lossy({})
    client.cached = {"node-1": {"ret": False}}
    with pytest.raises(NodeFailed, match=r"node-1: x\.y: returned False \(and node-2\)") as caught:
        caller(client).call(["node-1", "node-2"], "x.y", timeout=0.1)
    assert not isinstance(caught.value, NodeSilent)


class Returning(FakeClient):
    """A minion that is back on the master's bus after some publications that it never got."""

    def __init__(self, lost):
        super().__init__({"node-2": {"ret": 1, "retcode": 0}})
        self.lost = lost

    def get_iter_returns(self, jid, minions, **kwargs):
        yield None
        answers = self.answers if len(self.published) > self.lost else {}
        for minion in minions & (answers.keys() | {"node-1"}):
            yield {minion: {"ret": 1, "retcode": 0}}


@pytest.fixture
def unheard(caller, monkeypatch):
    def with_client(client):
        nodes = caller(client)
        heard: set[str] = set()
        monkeypatch.setattr(salt_master, "_heard", lambda conf_file: heard)
        monkeypatch.setattr(salt_master, "CONNECT_SECONDS", 0.2)
        return nodes

    return with_client


def test_nothing_is_asked_of_anyone_before_all_have_come_back_to_the_master(unheard, monkeypatch):
    client = Returning(lost=2)
    nodes = unheard(client)
    monkeypatch.setattr(salt_master, "CONNECT_SECONDS", 30)
    monkeypatch.setattr(salt_master, "FIRST_PING_SECONDS", 0.1)
    assert nodes.call(["node-1", "node-2"], "x.y") == {"node-1": 1, "node-2": 1}
    pings = [(targets, fun) for targets, fun, *_ in client.published[:-1]]
    assert pings == [(["node-1", "node-2"], "test.ping"), (["node-2"], "test.ping"), (["node-2"], "test.ping")]
    assert [published[1] for published in client.published[3:]] == ["x.y"]
    nodes.call(["node-2", "node-1"], "x.z")
    assert len(client.published) == 5, "who has been heard is not pinged again"


class Slow(FakeClient):
    """A minion that answers, but never sooner than after 0.1 seconds."""

    def __init__(self):
        super().__init__({"node-2": {"ret": 1, "retcode": 0}})

    def get_iter_returns(self, jid, minions, **kwargs):
        before = time.monotonic()
        while time.monotonic() < before + kwargs["timeout"]:
            yield None
            if time.monotonic() > before + 0.1:
                yield {"node-2": {"ret": 1, "retcode": 0}}


def test_a_node_that_is_slower_than_the_first_pings_has_come_back_all_the_same(unheard, monkeypatch):
    nodes = unheard(Slow())
    monkeypatch.setattr(salt_master, "CONNECT_SECONDS", 5)
    monkeypatch.setattr(salt_master, "FIRST_PING_SECONDS", 0.03)
    assert nodes.call(["node-2"], "x.y") == {"node-2": 1}


@pytest.mark.parametrize("method", ["call", "state"])
def test_one_that_does_not_come_back_is_named_and_nobody_is_asked(unheard, method):
    client = Returning(lost=10**9)
    nodes = unheard(client)
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: not asked, since it has not answered a ping for 0\.2 s"):
        getattr(nodes, method)(["node-1", "node-2"], "x.y")
    assert {fun for _, fun, *_ in client.published} == {"test.ping"}


def test_a_key_that_is_not_accepted_is_not_waited_for(unheard):
    client = FakeClient({"node-1": {"ret": 1}}, accepted=["node-1"])
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: its key is not accepted"):
        unheard(client).call(["node-1", "node-2"], "x.y")
    assert len(client.published) == 2


@pytest.mark.parametrize("targets", [["*"], ["node-1,node-2"], ["node 1"], [""], ["-node"], []])
def test_patterns_and_nonsense_are_no_targets(caller, targets):
    client = FakeClient({})
    with pytest.raises(BadInput):
        caller(client).call(targets, "x.y")
    assert client.published == []


def test_text_that_salt_would_take_for_a_keyword_is_not_sent(caller):
    client = FakeClient({"node-1": {"ret": 1}})
    with pytest.raises(ValueError, match="by name"):
        caller(client).call(["node-1"], "x.y", "name=value")
    caller(client).call(["node-1"], "x.y", "a == b")
    assert len(client.published) == 1


def test_a_state_is_run_under_its_name(caller):
    client = FakeClient({"node-1": state(True, "done", {"a": 1})})
    returned = caller(client).state(["node-1"], "x.y", arguments={"name": "n", "timeout": 5}, size=1)
    assert returned == {"node-1": {"changes": {"a": 1}, "comment": "done", "result": True}}
    (published,) = client.published
    assert published[1:3] == ("state.single", ("x.y",))
    assert published[4] == {"name": "n", "timeout": 5, "size": 1, "test": False}


class Busy(FakeClient):
    """node-2 runs another state, as often as ``times`` it is asked."""

    def __init__(self, times):
        super().__init__({})
        self.times = times

    def get_iter_returns(self, jid, minions, **kwargs):
        yield None
        for minion in minions:
            running = minion == "node-2" and len(self.published) <= self.times
            words = 'The function "state.single" is running as PID 7 and was started at 2026, Nov 29 with jid 5'
            yield {minion: {"ret": [words], "retcode": 1} if running else state(True, "done")}


def test_a_state_is_begun_once_the_one_that_runs_has_ended(caller, monkeypatch):
    monkeypatch.setattr(salt_master, "BUSY_SECONDS", 0)
    client = Busy(times=2)
    assert set(caller(client).state(["node-1", "node-2"], "x.y")) == {"node-1", "node-2"}
    assert [targets for targets, *_ in client.published] == [["node-1", "node-2"], ["node-2"], ["node-2"]]


def test_a_state_that_runs_for_ever_is_named_at_the_deadline(caller, monkeypatch):
    monkeypatch.setattr(salt_master, "BUSY_SECONDS", 0)
    with pytest.raises(NodeFailed, match=r"node-2: x\.y: The function .* is running as PID 7"):
        caller(Busy(times=10**9)).state(["node-1", "node-2"], "x.y", timeout=0.1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (state(False, "no such disk"), "no such disk"),
        (state(False), "failed without a comment"),
        (state(None, "would change"), "would change"),
        ({"ret": ["The function state.apply is running", "as PID 7"]}, "is running; as PID 7"),
        ({"ret": "Traceback", "retcode": 1}, "Traceback"),
        ({"ret": {"odd": "thing"}}, "odd"),
    ],
)
def test_a_state_that_did_not_work_is_an_error(caller, answer, reason):
    with pytest.raises(NodeFailed) as caught:
        caller(FakeClient({"node-1": answer})).state(["node-1"], "x.y")
    assert reason in caught.value.message and caught.value.command == "x.y"


def test_a_dry_run_of_a_state_may_say_that_it_would_change(caller):
    returned = caller(FakeClient({"node-1": state(None, "would change")})).state(["node-1"], "x.y", test=True)
    assert returned["node-1"]["result"] is None


def test_ping_says_who_is_there(caller):
    client = FakeClient({"node-1": {"ret": True}, "node-2": {"ret": False}})
    assert caller(client).ping(["node-1", "node-2", "node-3"]) == {"node-1"}


def test_a_master_that_cannot_be_reached_is_said_to_be(caller):
    class Down(FakeClient):
        def run_job(self, *args, **kwargs):
            raise salt_master.salt.exceptions.SaltClientError("Is master running?")

    with pytest.raises(Failed, match="could not be published to node-1: Is master running"):
        caller(Down({})).call(["node-1"], "x.y")


def test_keys_are_listed_with_state_and_fingerprint_and_taken_by_exact_name(monkeypatch):
    asked = []

    def wheel(self, fun, **kwargs):
        asked.append((fun, kwargs))
        if fun == "key.print":
            return {"minions": {"a": "KEY A"}, "minions_pre": {"b": "KEY B"}, "minions_denied": {"a": ["KEY C"]}}
        return {"minions": ["b"]} if fun == "key.accept" else {}

    monkeypatch.setattr(KeyRing, "_wheel", wheel)
    keys = KeyRing({})
    assert keys.list() == {
        "a": {"state": "accepted", "fingerprint": salt_master.fingerprint(b"KEY A")},
        "b": {"state": "pending", "fingerprint": salt_master.fingerprint(b"KEY B")},
    }
    keys.accept("b")
    with pytest.raises(Failed, match="no pending key of c"):
        keys.accept("c")
    with pytest.raises(BadInput):
        keys.delete("*")
    assert ("key.delete", {"match": "*"}) not in asked
