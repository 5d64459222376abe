"""Bounded waiting that says what it waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


class Timeout(Exception):
    """A condition did not come true in time; the message names it."""


def until(condition: Callable[[], Value], timeout: float, what: str, interval: float = 0.1) -> Value:
    """Call ``condition`` until it returns something true, and return that.

    ``timeout`` and ``interval`` are seconds, ``what`` completes "waited N s for ...".
    Raises Timeout. Exceptions of ``condition`` are not caught: a condition that may fail says so itself.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Timeout(f"waited {timeout:g} s for {what}")
        time.sleep(interval)
