"""One line per step, as it ends; and on a terminal one more, which moves, for the step that is running."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from octane.journal import Journal
from octane.journal.runs import Run
from octane.journal.steps import Attempt, Evidence
from octane.status import shown_numbers

NOTHING = "nothing to undo"
MARKS = {"done": "[green]✔[/green]", "failed": "[red]✘[/red]", "running": "…"}
FACTS_SHOWN = 3


class Lines:
    """Prints what is new of a run each time it is asked to look."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[int] = set()
        self._noted = False
        self._running: Status | None = None

    def say(self, sentence: str) -> None:
        self._console.print(escape(sentence), highlight=False, soft_wrap=True)

    def look(self, journal: Journal, run: Run) -> None:
        """Print the attempts of RUN that ended since the last look."""
        if run.note and not self._noted:
            self._noted = True
            self.say(run.note)
        sentences = dict(run.plan)
        attempts = journal.steps.attempts_of_run(run.id)
        for step, attempt in attempts:
            if attempt.ended is not None and attempt.id not in self._shown:
                self._shown.add(attempt.id)
                self._line(sentences.get(step, step), attempt, journal.steps.evidence(attempt))
        current = attempts[-1] if attempts and attempts[-1][1].ended is None else None
        self._move(journal, current, sentences)

    def close(self) -> None:
        """Take the moving line away."""
        if self._running:
            self._running.stop()
            self._running = None

    def _line(self, sentence: str, attempt: Attempt, evidence: list[Evidence]) -> None:
        seconds = (attempt.ended or attempt.started) - attempt.started
        parts = [f"{MARKS[attempt.result]} {escape(sentence)}", f"{seconds:.1f} s"]
        told = attempt.comment
        if attempt.act == "undo" and attempt.result == "done":
            told = "undone" if told in ("undone", NOTHING) else f"undone: {told}"
        if told and told != "done":
            parts.append(escape(told))
        if attempt.result == "done" and evidence:
            parts.append(escape(f"verified: {verified(evidence)}"))
        self._console.print("  ".join(parts), highlight=False, soft_wrap=True)

    def _move(self, journal: Journal, current: tuple[str, Attempt] | None, sentences: dict[str, str]) -> None:
        if not self._console.is_terminal:
            return
        if current is None:
            self.close()
            return
        step, attempt = current
        latest = journal.progress.since(attempt.started)[-1:]
        heard = "".join(f"  {note.source}: {note.text or note.what} {shown_numbers(note.numbers)}" for note in latest)
        text = escape(f"{sentences.get(step, step)}  {time.time() - attempt.started:.0f} s{heard}")
        if self._running is None:
            self._running = self._console.status(text)
            self._running.start()
        self._running.update(text)


def verified(evidence: list[Evidence]) -> str:
    """What was seen to hold: invariants by name, and the first plain facts that the step itself found."""
    words: list[str] = []
    for entry in evidence:
        if entry.phase == "after" and entry.held:
            words.append(_facts(entry.data) if entry.name == "step" else entry.name)
    return ", ".join(word for word in words if word) or "nothing to see"


def _facts(data: dict[str, Any]) -> str:
    plain = {name: value for name, value in data.items() if isinstance(value, (str, int, float)) and value != ""}
    shown = [f"{name} {value}" for name, value in list(plain.items())[:FACTS_SHOWN] if len(str(value)) <= 40]
    counted = [f"{name} ({len(value)})" for name, value in data.items() if isinstance(value, (dict, list)) and value]
    return ", ".join((shown + counted)[:FACTS_SHOWN])
