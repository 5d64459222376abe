"""Runs a stage from the command line: starts its orchestration, prints its steps from the journal, tells the verdict.

The verdict is the journal's; the child's own end says only whether it died.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from octane import stage as stages
from octane.cli import child
from octane.cli.child import Orchestration
from octane.cli.lines import MARKS, Lines
from octane.errors import Failed, Interrupted, OctaneError
from octane.journal import Journal, runs
from octane.journal.holder import Holder
from octane.journal.runs import Run
from octane.pair import MASTER_ID, UNSAVED_ID, Pair
from octane.stage import Stage
from octane.stage_run import to_undo

LOOK_SECONDS = 0.2


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Each Ctrl-C from now on, as one more number in the list. As an exception, one that came while the last was still
    worked on would end this command and leave the orchestration running. Where they are ignored they stay so."""
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def refuse_early(state_dir: Path, stage: Stage, options: Mapping[str, Any], back: bool = False) -> None:
    """What can be known from the journal before anything is started.

    :param back: the stage is to be taken back, which it may be where it must not begin
    :raises BadInput: unknown or wrong ids.
    :raises Refused: an earlier stage is missing, or somebody else runs one.
    """
    with Journal.open_to_read(state_dir) as journal:
        pair = (stages.find_to_undo if back else stages.check)(journal, stage, options)
        journal.locks.refuse_if_held(pair.id if pair else MASTER_ID, Holder.current())


class StageRun:
    """One stage, started from a terminal or a script."""

    back = False
    """Whether the stage is taken back."""

    def __init__(self, stage: Stage, options: Mapping[str, Any], state_dir: Path, console: Console) -> None:
        self._stage = stage
        self._options = options
        self._state_dir = state_dir
        self._console = console
        self._lines = Lines(console)

    def run(self) -> None:
        """Until the stage ended; prints its summary and what to run next.

        :raises OctaneError: it did not end well; ``exit_code`` says how.
        """
        with _interrupts() as seen, child.started(self._stage, self._options, back=self.back) as orchestration:
            try:
                stopped = self._follow(orchestration, seen)
            finally:
                self._lines.close()
            if stopped:
                raise Interrupted("stopped at once; the journal knows how far it got", next_command=self._command())
            self._tell(self._verdict(orchestration))

    def dry_run(self) -> None:
        """Print what would be done, changing nothing.

        :raises OctaneError: the stage or one of its steps would be refused.
        """
        with child.started(self._stage, self._options, test=True) as orchestration:
            try:
                while not orchestration.wait(LOOK_SECONDS):
                    pass
            except KeyboardInterrupt:
                orchestration.end_now()
                raise
            states = orchestration.states()
            if not states:
                raise Failed(f"the dry run told nothing: {orchestration.last_words()}")
        # The first one opens the stage: refused there, nothing else has anything to tell.
        _raise_false(states[:1])
        for state in states:
            self._dry_line(state)
        _raise_false(states)

    def _follow(self, orchestration: Orchestration, interrupts: list[int]) -> bool:
        """Print steps until it ended; the first of INTERRUPTS asks it to stop, the second ends it: then True."""
        asked = False
        while True:
            ended = orchestration.wait(LOOK_SECONDS)
            self._look(orchestration.request)
            if ended:
                return False
            if len(interrupts) > 1 or (interrupts and not asked and not self._ask_to_stop(orchestration.request)):
                orchestration.end_now()
                return True
            if interrupts and not asked:
                asked = True
                self._lines.say("Stopping after the step that is running; Ctrl-C again stops at once.")

    def _look(self, request: str) -> None:
        with Journal.open_to_read(self._state_dir) as journal:
            run = journal.runs.of_request(request)
            if run:
                self._lines.look(journal, run)

    def _ask_to_stop(self, request: str) -> bool:
        """Whether there is a run that can be asked; before there is one, nothing was done."""
        with Journal.open(self._state_dir) as journal:
            run = journal.runs.of_request(request)
            if run:
                journal.runs.request_stop(run)
            return run is not None

    def _verdict(self, orchestration: Orchestration) -> Run:
        """The run that ended well.

        :raises OctaneError: it did not, was never opened, or its process died.
        """
        with Journal.open_to_read(self._state_dir) as journal:
            run = journal.runs.of_request(orchestration.request)
        if run is None:
            _raise_false(orchestration.states())
            raise Failed(f"the orchestration never began: {orchestration.last_words()}")
        if run.ended is None:
            how = run.comment or f"its process ended with {orchestration.process.returncode}"
            raise Failed(f"{self._stage.name} died: {how}", next_command=self._command())
        if run.result == runs.INTERRUPTED:
            raise Interrupted(run.comment)
        if run.exit_code:
            raise OctaneError(run.comment, exit_code=run.exit_code)
        return run

    def _tell(self, run: Run) -> None:
        seconds = (run.ended or run.started) - run.started
        self._lines.say(f"{self._stage.name}: {run.comment} ({seconds:.0f} s)")
        pair = self._pair()
        if self._stage.takes == "original" and pair and pair.seed is not None:
            self._lines.say(f"The seed of environment {pair.original} is environment {pair.seed}.")
        with Journal.open_to_read(self._state_dir) as journal:
            following = stages.next_stage(self._stage, stages.is_node_by_node(journal, pair))
        if following:
            self._lines.say(f"Next: {stages.command_line(following, pair)}")

    def _dry_line(self, state: dict[str, Any]) -> None:
        mark = {True: MARKS["done"], False: MARKS["failed"], None: "[yellow]→[/yellow]"}[state.get("result")]
        changes = ", ".join(sorted(state.get("changes") or {}))
        comment = f"{state.get('comment', '')}{f': {changes}' if changes else ''}"
        self._console.print(f"{mark} ", end="")
        self._lines.say(f"{state.get('__id__', '')}  {comment}")

    def _command(self) -> str:
        return stages.command_line(self._stage, self._pair(), self._options)

    def _pair(self) -> Pair | None:
        original = self._options.get("original")
        with Journal.open_to_read(self._state_dir) as journal:
            if self._stage.takes == "seed":
                return journal.pairs.of_seed(int(self._options["seed"]))
            if original is None:
                return None
            return journal.pairs.of_original(int(original)) or Pair(UNSAVED_ID, int(original))


class Rollback(StageRun):
    """Takes a stage back, in the same way."""

    back = True

    def run(self) -> None:
        if self._sentences():
            super().run()
        else:
            self._lines.say(f"{self._stage.name}: nothing to undo")

    def dry_run(self) -> None:
        """Print which steps would be taken back, by what their sentences say.

        :raises Refused: see :func:`octane.stage_run.to_undo`.
        """
        for sentence in self._sentences():
            self._dry_line({"__id__": sentence, "result": None, "comment": "would be taken back"})

    def _sentences(self) -> list[str]:
        """Of the steps to be taken back, the last one first."""
        with Journal.open_to_read(self._state_dir) as journal:
            return [record.definition["sentence"] for record in to_undo(journal, self._stage, self._pair())]

    def _tell(self, run: Run) -> None:
        self._lines.say(f"{self._stage.name}: {run.comment} ({(run.ended or run.started) - run.started:.0f} s)")

    def _command(self) -> str:
        return stages.undo_command(self._stage, self._pair(), self._options)


def _raise_false(states: list[dict[str, Any]]) -> None:
    """:raises OctaneError: the first of STATES that is false, in its own words."""
    for state in states:
        if state.get("result") is False:
            raise OctaneError(str(state.get("comment")), exit_code=int(state.get("exit_code") or 1))
