"""Named properties with evidence, and where they are found.

A function of a module in :mod:`octane.verify` becomes an invariant by the decorator :func:`invariant`; another package
adds its own by an entry point of the group ``octane.invariants``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stevedore import driver, exception

from octane.errors import BadInput

if TYPE_CHECKING:
    from octane.context import Context

ENTRY_POINTS = "octane.invariants"

Check = Callable[["Context"], dict[str, Any]]
"""Returns evidence as JSON, raises :class:`octane.errors.InvariantBroken` when the property does not hold."""


@dataclass(frozen=True)
class Invariant:
    """A property by its name; ``before`` says that it is looked at before a step acts as well, for comparison."""

    name: str
    check: Check
    before: bool = True


_registered: dict[str, Invariant] = {}


def invariant(name: str, *, before: bool = True) -> Callable[[Check], Check]:
    """Register the decorated check under NAME.

    :raises ValueError: the name is taken by another function.
    """

    def register(check: Check) -> Check:
        known = _registered.get(name)
        if known and (known.check.__module__, known.check.__qualname__) != (check.__module__, check.__qualname__):
            raise ValueError(f"invariant {name} is already {known.check.__module__}.{known.check.__qualname__}")
        _registered[name] = Invariant(name, check, before)
        return check

    return register


def get(name: str) -> Invariant:
    """The invariant called NAME.

    :raises BadInput: there is none.
    """
    if name not in _registered:
        _load_own()
    return _registered.get(name) or _from_entry_point(name)


def names() -> list[str]:
    """Every invariant that this package brings."""
    _load_own()
    return sorted(_registered)


def _load_own() -> None:
    package = importlib.import_module("octane.verify")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"octane.verify.{module.name}")


def _from_entry_point(name: str) -> Invariant:
    try:
        found: Any = driver.DriverManager(ENTRY_POINTS, name).driver
    except exception.NoMatches as error:
        raise BadInput(f"there is no invariant {name!r}; known are {', '.join(sorted(_registered))}") from error
    return found if isinstance(found, Invariant) else Invariant(name, found)
