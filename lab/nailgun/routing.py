"""URLs and the functions that answer them.

A handler is a function ``(call, *ids) -> Reply or data``: ``call`` is the ``Call`` being answered, the ids are the
groups of the URL's pattern as numbers. Data alone means status 200. Handlers run one at a time, with the state locked;
what they changed is kept when they answer with a status below 400, and undone otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.nailgun.errors import InvalidData, MethodNotAllowed, NoSuchUrl
from lab.nailgun.state import State

if TYPE_CHECKING:
    from lab.nailgun.application import Application

PREFIX = re.compile(r"^/api(?:/v1)?(?=/)")


@dataclass
class Reply:
    """A status and the body: data for JSON, or None for no body at all with status 204."""

    data: Any = None
    status: int = 200


@dataclass
class Call:
    """One request and the server it came to."""

    server: Application
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def state(self) -> State:
        """The server's state."""
        return self.server.state

    def json(self) -> Any:
        """The body as JSON; InvalidData when there is none, or when it is not JSON."""
        if not self.body:
            raise InvalidData("Empty request received")
        try:
            return json.loads(self.body)
        except ValueError:
            raise InvalidData("Invalid json received") from None


Handler = Callable[..., Any]
Table = list[tuple[re.Pattern[str], dict[str, Handler]]]

TABLE: Table = []
"""All routes of the server itself, in the order in which they are tried."""


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Let the decorated function answer METHOD on URLs of this PATTERN (below /api/v1; a final slash is optional)."""

    def register(function: Handler) -> Handler:
        add(TABLE, method, pattern, function)
        return function

    return register


def add(table: Table, method: str, pattern: str, function: Handler) -> None:
    """Add a route to TABLE; routes of one pattern share an entry, so that 405 can name the methods there are."""
    compiled = re.compile(f"^{pattern}/?$")
    for known, methods in table:
        if known.pattern == compiled.pattern:
            methods[method] = function
            return
    table.append((compiled, {method: function}))


def find(table: Table, method: str, path: str) -> tuple[Handler, list[Any]]:
    """The handler and its ids for a path below /api or /api/v1; NoSuchUrl, MethodNotAllowed."""
    if not PREFIX.match(path):
        raise NoSuchUrl
    local = PREFIX.sub("", path, count=1)
    for pattern, methods in table:
        if match := pattern.match(local):
            wanted = "GET" if method == "HEAD" else method
            if wanted not in methods:
                raise MethodNotAllowed(list(methods))
            return methods[wanted], [_number(group) for group in match.groups() if group is not None]
    raise NoSuchUrl


def _number(group: str) -> int | str:
    return int(group) if group.isdigit() else group
