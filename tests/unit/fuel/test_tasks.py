"""Waiting for a task whose progress rises, falls and vanishes: only its status ends the wait."""

from types import SimpleNamespace

import pytest

from octane.errors import Failed, WaitTimeout
from octane.fuel import tasks
from octane.fuel.tasks import Task, Tasks, Wait, wait_for_task

OBSERVED = [0, 0, 100, 58, 67, None, 75, 88, 100, 100]
"""Of a task ``deploy`` of Nailgun 7.0 while it ran, but for the null, which another one showed."""


class Connection:
    """Answers with the given (status, progress), one after another; the last one for ever."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.asked = 0

    def get_request(self, path, params=None):
        self.asked += 1
        status, progress = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        shown = {"id": 8, "name": "deploy", "cluster": 2, "progress": progress, "result": {}}
        message = "Deployment has failed. " if status == "error" else None
        return {**shown, "status": status, "message": message}


@pytest.fixture
def wait(monkeypatch):
    monkeypatch.setattr(tasks, "INTERVAL", 0.001)

    def make(answers, timeout=10):
        told = []
        connection = Connection(answers)
        environment = SimpleNamespace(id=2, nodes=lambda: [])
        return Wait(environment, Tasks(connection), (), timeout, told.append), connection, told

    return make


@pytest.mark.parametrize("last", [50, 66, 100, None])
def test_it_is_over_when_its_status_says_so_whatever_its_progress(wait, last):
    running = [("running", progress) for progress in OBSERVED]
    made, connection, told = wait([*running, ("ready", last)])
    wait_for_task(made, 8, "deployment")
    assert connection.asked == len(running) + 1
    assert told == [f"deploy {at}%" if at is not None else "deploy" for at in (0, 100, 58, 67, None, 75, 88, 100)]


def test_a_running_task_at_100_is_waited_for_and_named(wait):
    made, _, _ = wait([("running", 100)], timeout=0.05)
    with pytest.raises(WaitTimeout, match=r"deployment \(task 8\)"):
        wait_for_task(made, 8, "deployment")


@pytest.mark.parametrize("progress", [None, 50, 100])
def test_an_error_is_one_whatever_its_progress(wait, progress):
    made, _, _ = wait([("running", progress), ("error", progress)])
    with pytest.raises(Failed, match="deployment failed: Deployment has failed"):
        wait_for_task(made, 8, "deployment")


def test_a_task_without_progress_is_a_task():
    shown = {"id": 8, "name": "deploy", "status": "running"}
    assert Task.from_api({**shown, "progress": None}) == Task.from_api(shown)
