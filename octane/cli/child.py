"""The orchestration of a stage as a child process, which goes on when its terminal is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from octane.errors import Failed
from octane.stage import Stage
from octane.stage_run import REQUEST_VARIABLE

END_SECONDS = 5
STDERR_LINES = 5
STDERR_BYTES = 20_000


class Orchestration:
    """`salt-run state.orchestrate` of a stage; the journal's run of it is found by ``request``."""

    def __init__(self, process: subprocess.Popen[bytes], request: str, output: IO[bytes], errors: IO[bytes]) -> None:
        self.process = process
        self.request = request
        self._output = output
        self._errors = errors

    def wait(self, seconds: float) -> bool:
        """Whether it ends within SECONDS."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end_now(self) -> None:
        """End it and its children, gently first."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                self.wait(END_SECONDS)

    def states(self) -> list[dict[str, Any]]:
        """The states it printed, in order; none when it printed something else."""
        self._output.seek(0)
        try:
            printed = json.load(self._output)
        except ValueError:
            return []
        return _ordered(printed)

    def last_words(self) -> str:
        """What Salt said instead of states, in one line; for the case that nothing else tells what happened."""
        said = self._complaints() or self._last_lines()
        return "; ".join(" ".join(line.split()) for line in said) or "it said nothing"

    def _complaints(self) -> list[str]:
        """Salt's reasons not to begin: a list of sentences where the states would be."""
        self._output.seek(0)
        try:
            printed = json.load(self._output)
        except ValueError:
            return []
        data = printed.get("data", printed) if isinstance(printed, dict) else None
        returned = data.values() if isinstance(data, dict) else ()
        return [str(line) for lines in returned if isinstance(lines, list) for line in lines]

    def _last_lines(self) -> list[str]:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - STDERR_BYTES))
        lines = self._errors.read().decode(errors="replace").splitlines()
        self._output.seek(0)
        lines += self._output.read(STDERR_BYTES).decode(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-STDERR_LINES:]


@contextlib.contextmanager
def started(
    stage: Stage, options: Mapping[str, Any], test: bool = False, back: bool = False
) -> Iterator[Orchestration]:
    """The orchestration of STAGE with OPTIONS as its pillar, or what takes it BACK, started.

    :raises Failed: there is no salt-run.
    """
    command = _command(stage, options, test, back)
    request = uuid.uuid4().hex
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        # In a session of its own: Ctrl-C and a lost terminal reach this command only, which then decides.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, REQUEST_VARIABLE: request},
            start_new_session=True,
        )
        yield Orchestration(process, request, output, errors)


def _command(stage: Stage, options: Mapping[str, Any], test: bool, back: bool = False) -> list[str]:
    """:raises Failed: there is no salt-run."""
    beside = Path(sys.executable).with_name("salt-run")
    program = str(beside) if beside.exists() else shutil.which("salt-run")
    if program is None:
        raise Failed(
            "salt-run is not installed on this machine: octane works on the Fuel master, beside its Salt master"
        )
    words = [program, "state.orchestrate", stage.orchestration_of(options), f"pillar={json.dumps(dict(options))}"]
    if back:
        given = [f"{name}={json.dumps(value)}" for name, value in options.items()]
        words = [program, "octane.undo", stage.name, *given]
    return [*words, *(["test=True"] if test else []), "--out=json", "--log-level=error"]


def _ordered(printed: Any) -> list[dict[str, Any]]:
    data = printed.get("data", printed) if isinstance(printed, dict) else None
    if not isinstance(data, dict):
        return []
    states = [state for returned in data.values() if isinstance(returned, dict) for state in returned.values()]
    return sorted((state for state in states if isinstance(state, dict)), key=lambda state: state.get("__run_num__", 0))
