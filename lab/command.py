"""Running the machine's programs: an argument list in, a result or a sentence out."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class CommandFailed(Exception):
    """A program ended with an error. The message holds its name, its exit code and the end of what it said."""

    def __init__(self, argv: Sequence[str], returncode: int, output: str) -> None:
        self.argv = list(argv)
        self.returncode = returncode
        self.output = output
        tail = " / ".join(line.strip() for line in output.strip().splitlines()[-4:])
        super().__init__(f"{' '.join(self.argv[:6])} ended with {returncode}: {tail}")


def run(
    argv: Sequence[str], *, given: str | None = None, check: bool = True, timeout: float | None = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``argv`` and return the finished process with its output as text.

    ``given`` goes to its standard input (nothing when None). Raises CommandFailed when ``check`` and the exit code is
    not 0, subprocess.TimeoutExpired after ``timeout`` seconds.
    """
    source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    done = subprocess.run(list(argv), capture_output=True, text=True, errors="replace", timeout=timeout, **source)
    if check and done.returncode:
        raise CommandFailed(argv, done.returncode, done.stderr or done.stdout)
    return done
