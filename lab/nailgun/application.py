"""The server without its sockets: requests in, replies out, state kept, workers run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lab.nailgun import constraints, handlers, routing, workers
from lab.nailgun.auth import PUBLIC, Keystone
from lab.nailgun.deployer import Deployer
from lab.nailgun.errors import ApiError, NoSuchUrl, Unauthorized, Unexpected
from lab.nailgun.extensions import Extensions
from lab.nailgun.routing import PREFIX, Call, Reply
from lab.nailgun.state import State

LOG = logging.getLogger("nailgun")
KEYSTONE = "/keystone/v2.0"


@dataclass
class Answer:
    """What goes back over the wire: ``content`` empty and ``kind`` None mean neither body nor content type."""

    status: int
    content: bytes = b""
    kind: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Application:
    """A Nailgun with its Keystone. ``file`` None keeps the state in memory only."""

    def __init__(
        self,
        state: State,
        deployer: Deployer,
        file: Path | None = None,
        keystone: Keystone | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        self.state = state
        self.deployer = deployer
        self.file = file
        self.keystone = keystone or Keystone()
        self.extensions = extensions or Extensions()
        self.lock = threading.RLock()
        self.waiting: list[Callable[[], Any]] = []
        handlers.load()
        workers.end_interrupted(state)
        self.save()

    def save(self) -> None:
        """Write the state to its file. The caller holds the lock, or is alone."""
        if self.file:
            self.state.save(self.file)

    def after(self, work: Callable[[], Any]) -> None:
        """Run WORK in a thread of its own once the request being answered has been committed."""
        self.waiting.append(work)

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request. Header names are in lower case."""
        parts = urlsplit(target)
        call = Call(self, method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), body)
        try:
            if call.path.startswith((KEYSTONE, "/v2.0")):
                return self._tokens(call)
            self._authenticate(call, headers.get("x-auth-token"))
            return self._transaction(call)
        except ApiError as error:
            return _refusal(error)

    def _tokens(self, call: Call) -> Answer:
        path = call.path.removeprefix(KEYSTONE).removeprefix("/v2.0").rstrip("/")
        if path == "" and call.method == "GET":
            return _success(Reply({"version": {"id": "v2.0", "status": "stable"}}))
        if path != "/tokens" or call.method != "POST":
            raise NoSuchUrl
        body = call.json()
        with self.lock:
            return _success(Reply(self.keystone.issue(body)))

    def _authenticate(self, call: Call, token: str | None) -> None:
        local = PREFIX.sub("", call.path, count=1).rstrip("/")
        if (call.method, local) not in PUBLIC and not self.keystone.accepts(token):
            raise Unauthorized

    def _transaction(self, call: Call) -> Answer:
        with self.lock:
            before = self.state.snapshot()
            try:
                reply = self._dispatch(call)
                if call.method != "GET":
                    constraints.check(self.state)
            except ApiError:
                self._undo(before)
                raise
            except Exception as error:
                self._undo(before)
                LOG.exception("%s %s failed", call.method, call.path)
                raise Unexpected from error
            if call.method != "GET" or self.state.snapshot() != before:
                self.save()
            work, self.waiting = self.waiting, []
        for function in work:
            threading.Thread(target=self._guarded, args=(function,), daemon=True).start()
        return _success(reply)

    def _undo(self, before: bytes) -> None:
        self.state.restore(before)
        self.waiting = []

    def _dispatch(self, call: Call) -> Reply:
        table = self.extensions.table(call.state)
        handler, ids = routing.find(table, call.method, call.path)
        result = handler(call, *ids)
        return result if isinstance(result, Reply) else Reply(result)

    def _guarded(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except Exception:
            LOG.exception("a worker failed")


def _success(reply: Reply) -> Answer:
    if reply.status == 204:
        return Answer(204, kind=None)
    return Answer(reply.status, json.dumps(reply.data).encode())


def _refusal(error: ApiError) -> Answer:
    headers = {"Allow": error.allow} if error.allow else {}
    if error.bare:
        return Answer(error.status, error.message.encode(), "text/html" if error.message else None, headers)
    body: dict[str, Any] = {"message": error.message, "errors": []}
    return Answer(error.status, json.dumps(body).encode(), "text/html", headers)
