"""One bounded way to wait for the world: it polls a condition and, when time is up, says what it waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

from octane.errors import WaitTimeout

T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float, what: str, interval: float = 2.0) -> T:
    """Call CONDITION every INTERVAL seconds until it returns something true, and return that.

    :param timeout: seconds; the condition is tried at least once
    :param what: what is waited for, in words that complete "waited N s for ..."
    :raises WaitTimeout: when TIMEOUT passed first
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise WaitTimeout(f"Waited {timeout:g} s for {what}, in vain")
        time.sleep(min(interval, max(0.0, deadline - time.monotonic())))


def until_none(look: Callable[[], list[str]], timeout: float, what: str, interval: float = 2.0) -> list[list[str]]:
    """Call LOOK every INTERVAL seconds until it finds nothing more that is in the way.

    :return: what it found, each time; the last of them is empty
    :raises WaitTimeout: when TIMEOUT passed first, naming what it found last
    """
    found: list[list[str]] = []

    def nothing() -> bool:
        found.append(look())
        return not found[-1]

    try:
        until(nothing, timeout, what, interval)
    except WaitTimeout as error:
        raise WaitTimeout(f"{error.message}: {'; '.join(found[-1])}") from error
    return found
