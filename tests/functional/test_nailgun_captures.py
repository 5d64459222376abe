"""Requests and replies recorded from a real Nailgun 7.0, sent again to the lab's.

The recordings are not part of the repository: they are looked for in OCTANE_NAILGUN_CAPTURES, or beside the checkout
in ``shared/facts/nailgun-captures``. Compared are statuses, content types, shapes and values; not what no client may
rely on: ids of tasks, uuids, tokens, times, order of lists, generated passwords, progress. Deployment tasks are the
lab's own.

``original-61.jsonl`` is not sent: a Nailgun 6.1 answered it, and the lab's is 7.0's, which begins with the environment
that those exchanges made (the first of ``initial-70.jsonl`` ask about it).
"""

import json
import os
import re
from pathlib import Path

import pytest

from tests.unit.lab.nailgun_master import Master

PLACES = (os.environ.get("OCTANE_NAILGUN_CAPTURES"), Path(__file__).parents[3] / "shared/facts/nailgun-captures")
CAPTURES = next((Path(place) for place in PLACES if place and Path(place).is_dir()), None)
IGNORED = {"uuid", "date", "time", "progress", "issued_at", "expires", "mco_pskey"}
GENERATED = re.compile(r"[A-Za-z0-9]{8}|[0-9a-f]{32}|[0-9a-f]{64}|token\w+")
SECRET = re.compile(r"passw(or)?d|key|token|secret", re.IGNORECASE)
"""In the path of a value that may be a generated one."""
TASK = re.compile(r"/api/v1/tasks/(\d+)$")

pytestmark = pytest.mark.skipif(CAPTURES is None, reason="no recordings of a real Nailgun here")


def exchanges(name):
    """The recorded exchanges of a file, in order."""
    return [json.loads(line) for line in (CAPTURES / name).read_text().splitlines()] if CAPTURES else []


def is_task(value):
    return isinstance(value, dict) and {"uuid", "progress", "result"} <= set(value)


def in_order(values):
    """A list of objects in an order that does not depend on the server."""

    def key(value):
        names = ("uid", "role", "name") if is_task(value) or "uid" in value else ("id", "name")
        return [str(value.get(name)) for name in names]

    return sorted(values, key=key) if values and all(isinstance(value, dict) for value in values) else values


def differences(wanted, got, path=""):
    """Sentences about what is not the same."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        skipped = IGNORED | ({"id"} if is_task(wanted) else set())
        found = [f"{path}/{key} is missing" for key in wanted if key not in got]
        found += [f"{path}/{key} is too much" for key in got if key not in wanted]
        shared = [key for key in wanted if key in got and key not in skipped]
        return found + [line for key in shared for line in differences(wanted[key], got[key], f"{path}/{key}")]
    if isinstance(wanted, list) and isinstance(got, list):
        return list_differences(wanted, got, path)
    if wanted == got or (SECRET.search(path) and both_generated(wanted, got)) or both_image_tasks(wanted, got):
        return []
    return [f"{path}: {str(got)[:100]} instead of {str(wanted)[:100]}"]


def list_differences(wanted, got, path):
    if path.endswith("tasks") and "deployment_tasks" not in path and wanted and "uids" in wanted[0]:
        return [] if got and set(got[0]) <= set(wanted[0]) | {"uids"} else [f"{path}: {got[:1]}"]
    if len(wanted) != len(got):
        return [f"{path}: {len(got)} elements instead of {len(wanted)}"]
    pairs = zip(in_order(wanted), in_order(got), strict=True)
    return [line for index, pair in enumerate(pairs) for line in differences(*pair, f"{path}/{index}")]


def both_generated(wanted, got):
    texts = isinstance(wanted, str) and isinstance(got, str)
    return texts and bool(GENERATED.fullmatch(wanted)) and bool(GENERATED.fullmatch(got))


def both_image_tasks(wanted, got):
    """The command that builds an image quotes JSON, whose order is nobody's."""
    return str(wanted).startswith("fa_build_image ") and str(got).split("'")[0] == str(wanted).split("'")[0]


def task_shapes(tasks):
    """What kinds of deployment tasks there are, with their keys."""
    return {task["type"] for task in tasks} <= {
        "puppet",
        "shell",
        "sync",
        "upload_file",
        "group",
        "stage",
        "skipped",
    } | {
        "reboot",
        "copy_files",
    } and all({"id", "type"} <= set(task) for task in tasks)


class Replay:
    """Sends recorded requests; ids of tasks are translated, polling becomes waiting."""

    def __init__(self):
        self.master = Master()
        self.tasks = {}

    def send(self, exchange):
        """Status, content type and body now."""
        path = TASK.sub(lambda match: f"/api/v1/tasks/{self.tasks.get(int(match[1]), match[1])}", exchange["path"])
        body = b"" if exchange["req"] is None else json.dumps(exchange["req"]).encode()
        if TASK.match(path) and exchange["resp"]["status"] != "running":
            self.master.end_of({"id": int(path.rsplit("/", 1)[1])})
        answer = self.master.application.handle(exchange["method"], path, self.master.headers, body)
        try:
            content = json.loads(answer.content)
        except ValueError:
            content = answer.content.decode()
        if is_task(content) and is_task(exchange["resp"]):
            self.tasks[exchange["resp"]["id"]] = content["id"]
        return answer.status, answer.kind, content

    def check(self, exchange):
        """What is not as it was recorded."""
        status, kind, content = self.send(exchange)
        if (status, kind) != (exchange["status"], exchange["ctype"]):
            return [f"{status} {kind} {content} instead of {exchange['status']} {exchange['ctype']}"]
        if exchange["path"].endswith("deployment_tasks"):
            return [] if content and task_shapes(content) else ["no deployment tasks"]
        if TASK.match(exchange["path"]) and exchange["resp"]["status"] == "running":
            return []
        return differences(exchange["resp"], content)


@pytest.mark.parametrize("name", ["initial-70.jsonl", "seed-70.jsonl"])
def test_every_recorded_exchange(name):
    replay = Replay()
    problems = {}
    for number, exchange in enumerate(exchanges(name)):
        found = replay.check(exchange)
        if found:
            problems[f"{number} {exchange['method']} {exchange['path']}"] = found[:5]
    assert problems == {}


def test_the_comparison_notices_differences():
    """A replay that could not fail would prove nothing."""
    node = {"id": 1, "name": "node-1", "roles": ["controller"]}
    assert differences(node, dict(node)) == []
    assert differences(node, {**node, "id": 2}) == ["/id: 2 instead of 1"]
    assert differences(node, {**node, "roles": []}) == ["/roles: 0 elements instead of 1"]
    assert differences(node, {"id": 1, "roles": ["controller"]}) == ["/name is missing"]
    assert differences({"db_password": "Bb3dEf6h"}, {"db_password": "controller"}) != []
    assert differences({"db_password": "Bb3dEf6h"}, {"db_password": "Cc4dEf6h"}) == []
    assert differences({"secrets": {"a": "Bb3dEf6h"}}, {"secrets": {"a": "Cc4dEf6h"}}) == []
    assert differences({"status": "deployed"}, {"status": "removing"}) == ["/status: removing instead of deployed"]
