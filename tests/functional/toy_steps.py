"""Steps of the toy orchestrations: what they find, do and fail at is told by files in the directory TOY_WORLD."""

import os
from pathlib import Path
from typing import Any

from octane.context import Context
from octane.errors import BadInput, Failed
from octane.step import LibraryStep, Outcome
from octane.wait import until

GATE_TIMEOUT = 240


def world() -> Path:
    """The directory that stands for the world."""
    return Path(os.environ["TOY_WORLD"])


def only_environment_1(ctx: Context) -> None:
    """There is no other one."""
    if ctx.original != 1:
        raise BadInput(f"there is no environment {ctx.original}; there are 1")


def written(ctx: Context) -> dict[str, Any]:
    """Computed arguments of the toy step on a node."""
    return {"contents": f"written by {ctx.stage.name}"}


class Write(LibraryStep):
    """Makes the file ``library``; waits while there is a file ``gate``, fails while there is a file ``broken``."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if (world() / "library").exists() else {"library": "to be written"}

    def apply(self, ctx: Context) -> Outcome:
        (world() / "acting").touch()
        ctx.progress("writing", bytes=7)
        until(lambda: not (world() / "gate").exists(), GATE_TIMEOUT, "the gate to open", interval=0.05)
        if (world() / "broken").exists():
            raise Failed("the file broken is there", command="toy")
        (world() / "library").write_text("written")
        return Outcome({"library": "written"}, "written")

    def verify(self, ctx: Context) -> dict[str, Any]:
        return {"content": (world() / "library").read_text()}

    def undo(self, ctx: Context) -> Outcome:
        (world() / "library").unlink(missing_ok=True)
        return Outcome({"library": "removed"}, "removed")


class BindSeed(LibraryStep):
    """Stands for the clone of environment 1, whose seed is 2."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if ctx.seed else {"seed": 2}

    def apply(self, ctx: Context) -> Outcome:
        ctx.bind_seed(2)
        return Outcome({"seed": 2}, "cloned")

    def undo(self, ctx: Context) -> Outcome:
        ctx.unbind_seed()
        return Outcome({"seed": None}, "given up")


class PutBack(LibraryStep):
    """Leaves the file ``put_back`` behind, whatever happened."""

    def pending(self, ctx: Context) -> dict[str, Any]:
        return {} if (world() / "put_back").exists() else {"put_back": "to be made"}

    def apply(self, ctx: Context) -> Outcome:
        (world() / "put_back").touch()
        return Outcome({"put_back": "made"}, "made")

    def undo(self, ctx: Context) -> Outcome:
        (world() / "put_back").unlink(missing_ok=True)
        return Outcome()
