"""The sockets of the server."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.nailgun.application import Application

LOG = logging.getLogger("nailgun.access")


class Connection(BaseHTTPRequestHandler):
    """One client's connection, kept open between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 300
    application: Application

    def answer(self) -> None:
        """Hand the request to the application and send what it answers."""
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.application.handle(self.command, self.path, headers, self.rfile.read(length))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.kind:
            self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, format: str, *args: object) -> None:
        """Requests go to the log, at debug level."""
        LOG.debug(format, *args)


class Server(ThreadingHTTPServer):
    """Listens on one address for an application."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, listen: tuple[str, int], application: Application) -> None:
        handler = type("BoundConnection", (Connection,), {"application": application})
        super().__init__(listen, handler)

    def start(self) -> threading.Thread:
        """Serve in a thread of its own."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        return thread


def parse_address(text: str) -> tuple[str, int]:
    """``10.20.0.2:8000`` -> address and port (ValueError)."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{text!r} is not ADDRESS:PORT")
    return host, int(port)
