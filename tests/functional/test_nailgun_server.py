"""The lab's Nailgun as a process: sockets, tokens, its state file, and python-fuelclient."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
CREDENTIALS = {"auth": {"tenantName": "admin", "passwordCredentials": {"username": "admin", "password": "admin"}}}
PATIENCE = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A running server and a client with a token."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"
        self.port = port
        self.session = requests.Session()
        answer = self.session.post(f"{self.base}/keystone/v2.0/tokens", json=CREDENTIALS, timeout=PATIENCE)
        self.session.headers["X-Auth-Token"] = answer.json()["access"]["token"]["id"]

    def send(self, method, path, **options):
        return self.session.request(method, f"{self.base}/api/v1{path}", timeout=PATIENCE, **options)


@contextlib.contextmanager
def serving(state, *options):
    """A server on a port of its own, stopped at the end."""
    port = free_port()
    command = [sys.executable, "-m", "lab.nailgun", "--listen", f"127.0.0.1:{port}", "--state", str(state), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == f"Nailgun listens on 127.0.0.1:{port}\n"
        yield Served(port)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    state = tmp_path_factory.mktemp("nailgun") / "state.json"
    with serving(state, "--cloud", "captured", "--task-seconds", "0.2") as found:
        yield found


def test_without_a_token_there_is_no_answer(server):
    for headers in ({}, {"X-Auth-Token": "wrong"}):
        answer = requests.get(f"{server.base}/api/v1/version", headers=headers, timeout=PATIENCE)
        assert (answer.status_code, answer.content, answer.headers.get("Content-Type")) == (401, b"", None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"auth": {"tenantName": "admin", "passwordCredentials": {"username": "admin", "password": "bad"}}}, 401),
        ({"auth": {}}, 400),
        ("nonsense", 400),
    ],
)
def test_bad_credentials(server, body, status):
    answer = requests.post(f"{server.base}/keystone/v2.0/tokens", json=body, timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (status, {"message": "", "errors": []})


def test_errors_are_json_labelled_as_html(server):
    answer = server.send("GET", "/clusters/77")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html")
    assert answer.json() == {"message": "Cluster not found", "errors": []}
    answer = server.send("POST", "/clusters/1", json={})
    assert (answer.status_code, answer.text, answer.headers["Allow"]) == (405, "None", "GET, PUT, DELETE")


@pytest.mark.parametrize("path", ["/version", "/version/"])
def test_version_with_and_without_a_slash(server, path):
    answer = server.send("GET", path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json()["release"] == "7.0"
    assert requests.get(f"{server.base}/api{path}", headers=server.session.headers, timeout=PATIENCE).ok


def test_tokens_expire(tmp_path):
    with serving(tmp_path / "state.json", "--cloud", "captured", "--token-lifetime", "0.5") as served:
        assert served.send("GET", "/version").status_code == 200
        deadline = time.monotonic() + PATIENCE
        while served.send("GET", "/version").status_code == 200:
            assert time.monotonic() < deadline, "the token has not expired"
        assert served.send("GET", "/version").status_code == 401


def test_keystone_answers_on_an_address_of_its_own(tmp_path):
    port = free_port()
    with serving(tmp_path / "state.json", "--cloud", "captured", "--keystone-listen", f"127.0.0.1:{port}") as served:
        answer = requests.post(f"http://127.0.0.1:{port}/v2.0/tokens", json=CREDENTIALS, timeout=PATIENCE)
        served.session.headers["X-Auth-Token"] = answer.json()["access"]["token"]["id"]
        assert served.send("GET", "/version").status_code == 200


def test_the_state_outlives_the_server_and_its_tasks_do_not(tmp_path):
    state = tmp_path / "state.json"
    with serving(state, "--cloud", "captured", "--task-seconds", "60") as served:
        served.send("POST", "/clusters/1/upgrade/clone", json={"name": "seed70", "release_id": 4})
        task = served.send("PUT", "/clusters/1/provision?nodes=4", json={}).json()
        assert task["status"] == "running"
    assert state.stat().st_mode & 0o777 == 0o600
    with serving(state) as served:
        assert served.send("GET", "/clusters/2").json()["name"] == "seed70"
        assert served.send("GET", f"/tasks/{task['id']}").json()["status"] == "error"
        assert served.send("GET", "/nodes/4").json()["status"] == "error"


def fuel(server, home, *argv):
    """Run the fuel2 command against the server."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "PYTHONPATH": str(home),
        "SERVER_ADDRESS": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "admin",
        "OS_TENANT_NAME": "admin",
    }
    command = [str(Path(sys.executable).with_name("fuel2")), *argv]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture
def home(tmp_path):
    """A home in which fuelclient 11 imports on Python 3: it calls yaml.load without a loader."""
    (tmp_path / "sitecustomize.py").write_text(
        "import functools\nimport yaml\n"
        "yaml.load = functools.partial(lambda load, text, Loader=yaml.SafeLoader: load(text, Loader), yaml.load)\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["env", "list", "-f", "json"], "orig61"),
        (["env", "show", "1", "-f", "json"], "operational"),
        (["node", "list", "-f", "json"], "Untitled (00:06)"),
        (["node", "show", "1", "-f", "json"], "node-1"),
        (["release", "list", "-f", "json"], "Kilo on Ubuntu 14.04"),
        (["network-group", "list", "-f", "json"], "management"),
    ],
)
def test_fuelclient_reads(server, home, argv, expected):
    done = fuel(server, home, *argv)
    assert (done.returncode, expected in done.stdout) == (0, True), done.stderr
