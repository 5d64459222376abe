"""A pair: the environment that is upgraded and the one that takes its place. One pair is one upgrade."""

from __future__ import annotations

import re
from dataclasses import dataclass

from octane.errors import BadInput

MASTER_ID = 0
"""Row of the journal for what belongs to the Fuel master and to no upgrade: ``prepare`` and ``cleanup-fuel``."""

UNSAVED_ID = -1
"""A pair that a dry run looks at before there is one."""


@dataclass(frozen=True)
class Pair:
    """One upgrade: ``original`` and ``seed`` are Fuel's environment ids; the seed is None until it is cloned.

    ``created`` is seconds since the epoch.
    """

    id: int
    original: int
    seed: int | None = None
    created: float = 0.0

    @property
    def subject(self) -> str:
        """How events and listings name it: the seed's id, or ``env-<original>`` before there is a seed."""
        return str(self.seed) if self.seed is not None else f"env-{self.original}"


def environment_id(value: object, what: str = "environment") -> int:
    """VALUE as an environment id.

    :raises BadInput: not a positive whole number; WHAT is named in the sentence.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise BadInput(f"{what} must be the number of an environment (see `fuel2 env list`), not {text!r}")
    return int(text)
