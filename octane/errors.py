"""What can go wrong, as an operator is told it: a sentence, the node, what was run there, the command to go on."""

from __future__ import annotations


class OctaneError(Exception):
    """Base of every error that is meant for the operator.

    ``message`` is one sentence without a trailing full stop. ``node`` is the minion it happened on, ``command``
    what was run there, ``next_command`` what the operator types to go on or back. ``exit_code`` is that of the
    command line.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        node: str | None = None,
        command: str | None = None,
        next_command: str | None = None,
        exit_code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.command = command
        self.next_command = next_command
        if exit_code is not None:
            self.exit_code = exit_code

    @property
    def sentence(self) -> str:
        """Where, what was run there, and what came of it."""
        return ": ".join(part for part in (self.node, self.command, self.message) if part)

    def __str__(self) -> str:
        return f"{self.sentence}; next: `{self.next_command}`" if self.next_command else self.sentence


class BadInput(OctaneError):
    """What was typed cannot be right: not a number, not known, of the wrong kind."""

    exit_code = 2


class Refused(OctaneError):
    """What was asked is understood, but not now: preconditions, order of stages, somebody else's lock."""

    exit_code = 3


class LockLost(Refused):
    """The run's lock was taken over: nothing more may be done or written in its name."""


class Failed(OctaneError):
    """Something was tried and did not work."""


class NodeFailed(Failed):
    """A function on a node failed, returned False or did not answer; ``node`` and ``command`` are always given."""

    def __init__(self, node: str, command: str, message: str, *, next_command: str | None = None) -> None:
        super().__init__(message, node=node, command=command, next_command=next_command)


class NodeSilent(NodeFailed):
    """A node gave no answer, or was not asked since it gives none."""


class WaitTimeout(Failed):
    """A bounded wait ended without what it waited for; the message names it."""


class InvariantBroken(Failed):
    """A property that a step promises to hold does not hold."""


class Interrupted(OctaneError):
    """The operator asked to stop; everything up to here is in the journal."""

    exit_code = 130
