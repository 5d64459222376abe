"""A client of the lab's Nailgun without sockets, for the tests of its rules."""

import json
import time

from lab.nailgun import initial
from lab.nailgun.application import Application
from lab.nailgun.fake import FakeDeployer

CREDENTIALS = {"auth": {"tenantName": "admin", "passwordCredentials": {"username": "admin", "password": "admin"}}}
DEADLINE = 20


class Master:
    """A server that starts as the recorded master, and a user of it who has a token."""

    def __init__(self, state=None, deployer=None, **options):
        self.application = Application(state or initial.recorded(), deployer or FakeDeployer(0.05), **options)
        access = self.application.keystone.issue(CREDENTIALS)["access"]
        self.headers = {"x-auth-token": access["token"]["id"]}

    @property
    def state(self):
        return self.application.state

    def send(self, method, path, body=None, raw=None):
        """Status and body (JSON where it is JSON) of the answer."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        answer = self.application.handle(method, f"/api/v1{path}", self.headers, content)
        try:
            return answer.status, json.loads(answer.content)
        except ValueError:
            return answer.status, answer.content.decode()

    def get(self, path):
        status, body = self.send("GET", path)
        assert status == 200, body
        return body

    def message(self, method, path, body=None):
        """Status and first line of the message of a refusal."""
        status, answer = self.send(method, path, body)
        return status, answer["message"].split("\n")[0]

    def clone(self, name="seed70"):
        status, seed = self.send("POST", "/clusters/1/upgrade/clone", {"name": name, "release_id": 4})
        assert status == 200, seed
        return seed["id"]

    def wait_until(self, condition, what):
        """Wait until CONDITION returns something true, and return that."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(0.01)
        raise AssertionError(f"after {DEADLINE} s it is still not so: {what}")

    def end_of(self, task):
        """Wait for the end of a task; the task then."""

        def ended():
            current = self.get(f"/tasks/{task['id']}")
            return current if current["status"] != "running" else None

        return self.wait_until(ended, f"task {task['id']} has ended")

    def done(self, method, path, body=None):
        """Send what starts a task and wait for its end."""
        status, task = self.send(method, path, body)
        assert status in (200, 202), task
        return self.end_of(task)
