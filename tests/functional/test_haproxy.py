"""
Read-only APIs on a real HAProxy with files as Fuel lays them out, in front of services that take every write.
"""

import hashlib
import http.client
import http.server
import json
import multiprocessing
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from octane.path import load_hops
from octane.procedure import apis
from tests.saltfiles import Node

HOP = next(hop for hop in load_hops() if hop.name == "juno-kilo")

MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
pytestmark = [
    pytest.mark.skipif(HAPROXY is None, reason="needs Debian's haproxy"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces of processes are joined"),
]

MAIN = """global
  daemon
  maxconn 400
  stats socket {root}/stats
  nbthread 1

defaults
  mode http
  option redispatch
  retries 1
  timeout http-request 10s
  timeout http-keep-alive 10s
  timeout queue 1m
  timeout connect 2s
  timeout client 1m
  timeout server 1m
"""
LISTEN = """
listen {name}
  bind 127.0.0.1:{port}
  balance roundrobin
  option httplog
{extra}  server node-1 127.0.0.1:{backend}
"""


INTERNAL, PUBLIC = "127.0.0.1", "127.0.0.2"
"""As Fuel does it where the public side is encrypted: one port, in clear on the one address and by TLS on the other."""


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok" if self.command != "HEAD" else b"")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Controller:
    """A running HAProxy with its files, its node modules, and what clients can do to it."""

    names = ("keystone-1", "nova-api-2", "heat-api-cfn", "cinder-api", "glance-api")
    encrypted = "glance-api"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        self.database = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
        for server in (self.web, self.database):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.ports = dict(zip((*self.names, "mysqld", "stats"), free_ports(7), strict=True))
        self.write_files()
        self.node = Node()
        self.node.set(ROOT=str(root), SOCKET=str(root / "octane.sock"), STATE=str(root / "kept"))
        self.start()

    def write_files(self) -> None:
        (self.root / "conf.d").mkdir()
        (self.root / "haproxy.cfg").write_text(MAIN.format(root=self.root))
        certify(self.root)
        for number, name in enumerate(self.names):
            bind = f"  bind {PUBLIC}:{self.ports[name]} ssl crt {self.root}/public.pem\n"
            extra = bind if name == self.encrypted else ""
            text = LISTEN.format(name=name, port=self.ports[name], extra=extra, backend=self.web.server_port)
            self.section(f"0{number}0-{name}", text)
        port = self.database.server_address[1]
        extra = "  mode tcp\n"
        self.section("110-mysqld", LISTEN.format(name="mysqld", port=self.ports["mysqld"], extra=extra, backend=port))
        bind = f"bind 127.0.0.1:{self.ports['stats']}"
        self.section("010-stats", f"listen Stats\n  {bind}\n  stats enable\n  stats uri /\n")

    def section(self, name: str, text: str) -> None:
        (self.root / "conf.d" / f"{name}.cfg").write_text(text)

    def start(self) -> None:
        files = ["-f", f"{self.root}/haproxy.cfg", "-f", f"{self.root}/conf.d"]
        subprocess.run([HAPROXY or "", *files, "-D", "-p", f"{self.root}/haproxy.pid"], check=True, timeout=20)

    def stop(self) -> None:
        found = self.node.call("octane_haproxy.processes")
        for pid in found["current"] + found["old"]:
            os.kill(pid, signal.SIGKILL)
        self.web.shutdown()
        self.database.shutdown()

    def ask(self, name: str, method: str, path: str = "/") -> tuple[int, http.client.HTTPMessage]:
        return self.answer(http.client.HTTPConnection(INTERNAL, self.ports[name], timeout=5), method, path)[:2]

    def ask_encrypted(self, method: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """As a client asks that takes no other certificate than the one for this address."""
        trust = ssl.create_default_context(cafile=f"{self.root}/public.crt")
        port = self.ports[self.encrypted]
        return self.answer(http.client.HTTPSConnection(PUBLIC, port, timeout=5, context=trust), method, "/")

    @staticmethod
    def answer(connection: http.client.HTTPConnection, method: str, path: str):
        connection.request(method, path, body="{}" if method in ("POST", "PUT") else None)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def digests(self) -> dict[str, str]:
        files = [path for path in self.root.glob("**/*.cfg") if "kept" not in path.parts]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def certify(folder: Path) -> None:
    """A certificate of the public address that signed itself, and the file of it and its key that HAProxy takes."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={PUBLIC}"]
    command += ["-addext", f"subjectAltName=IP:{PUBLIC}", "-keyout", "public.key", "-out", "public.crt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "public.pem").write_text((folder / "public.crt").read_text() + (folder / "public.key").read_text())


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def controller(tmp_path):
    one = Controller(tmp_path)
    yield one
    one.stop()


def test_writes_are_refused_and_reads_served_until_read_write(controller):
    result = controller.node.state("octane_api.read_only", "apis")
    assert result["result"] is True and set(controller.names) <= set(result["changes"])
    for name in controller.names:
        assert controller.ask(name, "GET")[0] == 200
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            status, headers = controller.ask(name, method)
            assert (status, headers["Retry-After"]) == (503, "60"), (name, method)
    assert controller.node.call("octane_api.prove", "ro")["ok"]
    assert not controller.node.call("octane_api.prove", "rw")["ok"]
    controller.node.state("octane_api.read_write", "apis")
    assert {controller.ask(name, "POST")[0] for name in controller.names} == {200}
    assert controller.node.call("octane_api.prove", "rw")["ok"]


WRITES = ("POST", "PUT", "DELETE", "PATCH")


def refused_and_why(controller):
    """What each write by TLS gets: status, when to come again, and the words for whoever reads them."""
    for method in WRITES:
        status, headers, body = controller.ask_encrypted(method)
        yield status, headers["Retry-After"], json.loads(body)["error"]["message"]


def test_by_tls_writes_are_refused_as_well_and_told_why_over_a_reload(controller):
    assert {controller.ask_encrypted(method)[0] for method in (*WRITES, "GET")} == {200}
    controller.node.state("octane_api.read_only", "apis")
    why = "The cloud is being upgraded and read-only for a while. Nothing was changed; please try again later."
    for _ in range(2):
        assert set(refused_and_why(controller)) == {(503, "60", why)}
        assert controller.ask_encrypted("GET")[::2] == (200, b"ok")
        controller.node.call("octane_haproxy.reload")
    controller.node.state("octane_api.read_write", "apis")
    assert {controller.ask_encrypted(method)[0] for method in (*WRITES, "GET")} == {200}


@pytest.mark.parametrize(("state", "proof"), [("read_only", "ro"), ("read_write", "rw")])
def test_the_proof_asks_by_tls_where_clients_do(controller, state, proof):
    controller.node.state(f"octane_api.{state}", "apis")
    asked = controller.node.call("octane_api.prove", proof)["frontends"][controller.encrypted]
    port = controller.ports[controller.encrypted]
    assert [(one["address"], one["port"], one["ok"], one["why"]) for one in asked] == [
        (INTERNAL, port, True, ""),
        (PUBLIC, port, True, ""),
    ]
    other = {"ro": "rw", "rw": "ro"}[proof]
    why = {"ro": "a write was answered 503", "rw": "a write was answered 200 and not refused"}[proof]
    asked = controller.node.call("octane_api.prove", other)["frontends"][controller.encrypted]
    assert [one["why"] for one in asked] == [why, why]


def test_behind_what_is_no_api_of_the_upgrade_nobody_need_be(controller):
    """A dashboard that was dead before keeps no cloud from being upgraded; its writes are refused all the same."""
    port, dead = free_ports(2)
    controller.section("015-horizon", LISTEN.format(name="horizon", port=port, extra="  retries 0\n", backend=dead))
    serving = [controller.ports[name] for name in controller.names]
    for state, proof in (("read_only", "ro"), ("read_write", "rw")):
        controller.node.state(f"octane_api.{state}", "apis")
        assert controller.node.call("octane_api.prove", proof)["failed"] == ["horizon"]
        asked = controller.node.call("octane_api.prove", proof, serving=serving)
        assert asked["ok"] and not asked["failed"]
        (seen,) = asked["frontends"]["horizon"]
        assert (seen["write"]["status"], seen["write"]["by_octane"], seen["read"]) == (503, proof == "ro", None)
    failed = controller.node.call("octane_api.prove", "ro", serving=[])["failed"]
    assert failed == sorted([*controller.names, "horizon"])


def test_what_answers_by_no_tls_is_no_proof(controller):
    """Clients of that address would get nothing: a clear answer to a clear question says nothing of them."""
    controller.node.state("octane_api.read_only", "apis")
    bind = {"address": INTERNAL, "port": controller.ports["nova-api-2"], "ssl": True}
    controller.node.salt["octane_haproxy_config.frontends"] = lambda files: [
        {"name": "nova-api-2", "file": f"{controller.root}/haproxy.cfg", "mode": "http", "binds": [bind]}
    ]
    (asked,) = controller.node.call("octane_api.prove", "ro")["frontends"]["nova-api-2"]
    assert not asked["ok"] and asked["write"]["status"] is None and asked["why"].startswith("a read was answered ")


@pytest.fixture
def passes(controller):
    """What passes by the path, on the port that keystone has here, and something of another API."""
    (told, *more) = apis.passes(SimpleNamespace(path=HOP))["passes"]
    ports = {"ports": [controller.ports["keystone-1"]]}
    return [{**one, **ports} for one in (told, *more)] + [
        {"method": "PUT", "paths": ["/v2/*/tags"], "ports": [controller.ports["cinder-api"]]}
    ]


def test_tokens_are_given_out_while_read_only_but_nothing_else_is_created_in_keystone(controller, passes):
    assert controller.node.state("octane_api.read_only", "apis", passes=passes)["result"] is True
    for path in ("/v3/auth/tokens", "/v2.0/tokens", "/v2.0/ec2tokens", "/v3/s3tokens"):
        assert controller.ask("keystone-1", "POST", path)[0] == 200, path
        assert controller.ask("keystone-1", "PUT", path)[0] == 503, path
        assert controller.ask("nova-api-2", "POST", path)[0] == 503, path
    assert controller.ask("keystone-1", "DELETE", "/v3/auth/tokens")[0] == 503
    assert controller.ask("keystone-1", "POST", "/v3/users")[0] == 503
    assert controller.ask("keystone-1", "POST", "/v3/auth/tokens/more")[0] == 503
    assert controller.ask("keystone-1", "GET", "/v3/users")[0] == 200
    assert controller.node.call("octane_api.prove", "ro")["ok"]


def test_what_passes_may_have_any_part_in_its_path(controller, passes):
    controller.node.state("octane_api.read_only", "apis", passes=passes)
    assert controller.ask("cinder-api", "PUT", "/v2/one/tags")[0] == 200
    refused = [("PUT", "/v2/one/two/tags"), ("PUT", "/v2/one/tags/x"), ("POST", "/v2/one/tags"), ("DELETE", "/")]
    assert {controller.ask("cinder-api", *one)[0] for one in refused} == {503}


def test_nothing_passes_unless_it_is_said_and_what_was_said_holds(controller, passes):
    controller.node.state("octane_api.read_only", "apis")
    assert controller.ask("keystone-1", "POST", "/v3/auth/tokens")[0] == 503
    planned = controller.node.state("octane_api.read_only", "apis", passes=passes, test=True)
    assert planned["result"] is None and "POST /v3/auth/tokens" in planned["changes"]["passes"]["new"]
    assert controller.node.state("octane_api.read_only", "apis", passes=passes)["changes"] == planned["changes"]
    assert controller.ask("keystone-1", "POST", "/v3/auth/tokens")[0] == 200
    assert controller.ask("nova-api-2", "POST")[0] == 503
    for again in ({}, {"passes": passes}):
        assert controller.node.state("octane_api.read_only", "apis", **again)["changes"] == {}
    controller.node.state("octane_api.read_write", "apis")
    controller.node.state("octane_api.read_only", "apis")
    assert controller.ask("keystone-1", "POST", "/v3/auth/tokens")[0] == 200


def test_a_write_by_get_through_a_query_api_is_refused(controller):
    controller.node.state("octane_api.read_only", "apis")
    assert controller.ask("heat-api-cfn", "GET", "/?Action=CreateStack&StackName=a")[0] == 503
    assert controller.ask("heat-api-cfn", "GET", "/?Action=DescribeStacks")[0] == 200


def test_read_only_holds_over_a_reload_and_a_restart_of_haproxy(controller):
    controller.node.state("octane_api.read_only", "apis")
    controller.node.call("octane_haproxy.reload")
    assert controller.ask("nova-api-2", "POST")[0] == 503
    for pid in controller.node.call("octane_haproxy.processes")["current"]:
        os.kill(pid, signal.SIGKILL)
    controller.start()
    assert controller.ask("nova-api-2", "POST")[0] == 503
    assert controller.node.call("octane_api.mode")["frontends"]["nova-api-2"] == "ro"


def test_a_client_that_keeps_its_connection_cannot_write_afterwards(controller):
    early = http.client.HTTPConnection("127.0.0.1", controller.ports["nova-api-2"], timeout=5)
    early.request("POST", "/", body="{}")
    assert early.getresponse().read() == b"ok"
    controller.node.state("octane_api.read_only", "apis")
    try:
        early.request("POST", "/", body="{}")
        status = early.getresponse().status
    except (http.client.RemoteDisconnected, ConnectionError):
        status = None
    assert status in (503, None)


def test_an_established_database_connection_lives_through_arming_and_flipping(controller):
    with socket.create_connection(("127.0.0.1", controller.ports["mysqld"]), timeout=5) as database:
        database.sendall(b"before")
        assert database.recv(10) == b"before"
        controller.node.state("octane_api.read_only", "apis")
        database.sendall(b"after")
        assert database.recv(10) == b"after"


def ask_on_and_on(port, stop, failures) -> None:
    """One client of several that never pause: else a connection is seldom waiting when a process closes its port."""
    while not stop.is_set():
        try:
            with socket.create_connection((INTERNAL, port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                while connection.recv(1000):
                    pass
        except OSError as error:
            failures.put(repr(error))


@pytest.mark.skipif(not MIGRATE.exists(), reason="this kernel cannot hand waiting connections over (Linux 5.14)")
def test_no_connection_is_refused_or_lost_while_haproxy_is_reloaded(controller):
    context = multiprocessing.get_context("fork")
    stop, failures = context.Event(), context.SimpleQueue()
    asked = (controller.ports["stats"], stop, failures)
    clients = [context.Process(target=ask_on_and_on, args=asked) for _ in range(8)]
    for client in clients:
        client.start()
    for _ in range(15):
        controller.node.call("octane_haproxy.reload")
    stop.set()
    for client in clients:
        client.join()
    assert [failures.get() for _ in iter(failures.empty, True)] == []
    assert MIGRATE.read_text().strip() == "0"


def test_only_the_frontends_named_are_read_only(controller):
    controller.node.state("octane_api.read_only", "apis", frontends=["nova-api-2"])
    assert controller.ask("nova-api-2", "POST")[0] == 503
    assert controller.ask("cinder-api", "POST")[0] == 200
    assert controller.node.call("octane_api.prove", "ro")["failed"] == [
        "cinder-api",
        "glance-api",
        "heat-api-cfn",
        "keystone-1",
    ]


def test_services_that_are_let_through_can_write(controller):
    controller.node.state("octane_api.read_only", "apis", services_allowed_from=["127.0.0.0/8"])
    assert controller.ask("nova-api-2", "POST")[0] == 200
    proof = controller.node.call("octane_api.prove", "ro")
    assert not proof["ok"] and proof["frontends"]["nova-api-2"][0]["exempt"]
    controller.node.state("octane_api.read_only", "apis", services_allowed_from=[])
    assert controller.ask("nova-api-2", "POST")[0] == 503


def test_absent_restores_every_byte_and_the_apis(controller):
    before = controller.digests()
    controller.node.state("octane_api.read_only", "apis")
    assert controller.digests() != before
    tcp = str(controller.root / "conf.d" / "110-mysqld.cfg")
    assert controller.digests()[tcp] == before[tcp]
    result = controller.node.state("octane_api.absent", "apis")
    assert result["changes"] and controller.digests() == before
    assert sorted(path.name for path in controller.root.glob("octane*")) == []
    assert controller.ask("nova-api-2", "POST")[0] == 200
    assert controller.node.state("octane_api.absent", "apis")["changes"] == {}


def test_a_second_run_changes_nothing_and_test_mode_changes_nothing(controller):
    before = controller.digests()
    planned = controller.node.state("octane_api.read_only", "apis", test=True)
    assert planned["result"] is None and controller.digests() == before
    assert controller.ask("nova-api-2", "POST")[0] == 200
    assert controller.node.state("octane_api.read_only", "apis")["changes"] == planned["changes"]
    process = controller.node.call("octane_haproxy.processes")
    assert controller.node.state("octane_api.read_only", "apis")["changes"] == {}
    assert controller.node.call("octane_haproxy.processes") == process


def test_a_file_edited_by_somebody_else_is_refused_by_name(controller):
    controller.node.state("octane_api.armed", "apis")
    edited = controller.root / "conf.d" / "010-nova-api-2.cfg"
    edited.write_text(edited.read_text() + "  # by hand\n")
    for state in ("octane_api.absent", "octane_api.armed"):
        result = controller.node.state(state, "apis")
        assert result["result"] is False and str(edited) in result["comment"]
    assert "by hand" in edited.read_text()


def test_files_that_haproxy_refuses_are_put_back_and_the_running_one_stays(controller):
    controller.section("200-broken", "listen broken\n  bind 127.0.0.1:1\n  no such keyword\n")
    before = controller.digests()
    result = controller.node.state("octane_api.armed", "apis")
    assert result["result"] is False and "200-broken.cfg" in result["comment"]
    assert controller.digests() == before
    assert controller.ask("nova-api-2", "POST")[0] == 200
