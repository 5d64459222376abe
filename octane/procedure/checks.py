"""A step that only looks: it finds out that something holds, or says what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from octane.context import Context
from octane.errors import OctaneError
from octane.step import LibraryStep, Outcome


class Check(LibraryStep):
    """Subclasses say in `verify` what must hold; asked in a dry run too, and again after one that failed."""

    changes_nothing = True

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {}

    def apply(self, ctx: Context) -> Outcome:
        return Outcome(comment="checked")


class Precondition(Check):
    """A check whose failure stops a dry run too: nothing has to be done before it can hold."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        # A real run verifies anyway: a check may take long and is made once.
        if ctx.test:
            self.verify(ctx)
        return {}


def all_said(checks: Iterable[Callable[[], object]]) -> list[str]:
    """What each of CHECKS that does not hold says, so that all can be told at once."""
    return [sentence for check in checks for sentence in _said(check)]


def _said(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except OctaneError as error:
        return [error.sentence]
    return []
