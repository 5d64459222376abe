"""`octane status`: where every upgrade stands, from the journal."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from octane import settings
from octane.cli.app import OctaneCommand
from octane.cli.lines import Lines
from octane.journal import Journal
from octane.journal.runs import Run
from octane.pair import environment_id
from octane.status import Data, overview, shown_numbers

REFRESH_SECONDS = 1.0
COLUMNS = ("upgrade", "stage", "state", "steps", "started", "seconds", "comment")
NARROW = 120
"""Below so many columns a table has only what is short, and comments stand under what they are about."""


class Status(OctaneCommand):
    """Show stages, steps, attempts, times and evidence of upgrades, while they run or after

    The journal is read, nothing else: it works while anything else is down. With SEED its steps are listed too. The
    documents of `-f json` and `-f yaml` are

      {"master": {"stages": [STAGE]}, "upgrades": [{"original", "seed", "stages": [STAGE]}]}
      STAGE     {"stage", "state", "runs", "started", "ended", "seconds", "comment",
                 "progress": [NOTE], "steps": [STEP]}
      STEP      {"step", "sentence", "state", "started", "ended", "seconds", "comment", "changes",
                 "attempts": [ATTEMPT], "evidence": [EVIDENCE]}
      ATTEMPT   {"run", "act", "result", "started", "ended", "seconds", "comment"}
      EVIDENCE  {"name", "phase", "held", "data", "at"}
      NOTE      {"source", "what", "text", "numbers", "at"}

    with times in seconds since the epoch. `--watch -f json` prints such a document, on one line, at the beginning and
    after each change, and ends when nothing is running; any other `--watch` that is not on a terminal prints one line
    a step, as it ends. `-f value` prints one line a stage: upgrade, stage, state, steps.
    """

    examples = (
        "octane status",
        "octane status 2",
        "octane status 2 --watch",
        "octane status -f json",
        "octane status 2 --watch -f json",
    )

    def get_description(self) -> str:
        return inspect.cleandoc(self.__doc__ or "")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("seed", metavar="SEED", nargs="?", help="number of a seed environment; without it, all")
        parser.add_argument("--watch", action="store_true", help="follow it; Ctrl-C detaches, the upgrade goes on")
        parser.add_argument("-f", "--format", choices=("table", "json", "yaml", "value"), default="table")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        seed = None if parsed.seed is None else environment_id(parsed.seed, "SEED")
        state_dir = settings.state_dir()
        console = Console()
        if not parsed.watch:
            _print(console, _read(state_dir, seed), parsed.format, seed is not None)
        elif parsed.format == "json":
            _watch_documents(state_dir, seed)
        elif console.is_terminal and parsed.format == "table":
            _watch_table(console, state_dir, seed)
        else:
            _watch_lines(console, state_dir, seed)


def _read(state_dir: Path, seed: int | None) -> Data:
    with Journal.open_to_read(state_dir) as journal:
        return overview(journal, seed)


def _print(console: Console, data: Data, form: str, with_steps: bool) -> None:
    if form == "json":
        print(json.dumps(data, indent=2, sort_keys=True))
    elif form == "yaml":
        print(yaml.safe_dump(data, sort_keys=True), end="")
    elif form == "value":
        for row in _rows(data):
            print(*row[:4])
    else:
        begun = [stage for _, stage in _stages(data) if stage["steps"]]
        console.print(table(data, begun if with_steps else [], console.width))


def table(data: Data, shown: list[Data], width: int) -> RenderableType:
    """DATA of :func:`octane.status.overview` for people, and the steps of the stages SHOWN, on WIDTH columns."""
    if width < NARROW:
        stages = Table("upgrade", "stage", "state", "steps", "seconds")
        for upgrade, stage, state, steps, _, seconds, comment in _rows(data):
            stages.add_row(upgrade, _with_comment(stage, comment), state, steps, seconds)
        return Group(stages, *map(_narrow_steps, shown), *_progress(data))
    stages = Table(*COLUMNS)
    for row in _rows(data):
        stages.add_row(*row)
    return Group(stages, *map(_steps_table, shown), *_progress(data))


def _narrow_steps(stage: Data) -> Table:
    steps = Table("step", "state", "seconds", title=stage["stage"])
    for step in stage["steps"]:
        steps.add_row(_with_comment(step["sentence"], step["comment"]), step["state"], _seconds(step))
    return steps


def _with_comment(text: str, comment: str) -> str:
    return f"{text}\n  {comment}" if comment not in ("", "done") else text


def _rows(data: Data) -> Iterator[tuple[str, ...]]:
    for upgrade, stage in _stages(data):
        done = sum(1 for step in stage["steps"] if step["state"] == "done")
        steps = f"{done}/{len(stage['steps'])}" if stage["steps"] else "-"
        yield (upgrade, stage["stage"], stage["state"], steps, _clock(stage), _seconds(stage), stage["comment"])


def _stages(data: Data) -> Iterator[tuple[str, Data]]:
    """Stages with the upgrade they belong to, in the order of the procedure."""
    first, *last = data["master"]["stages"]
    yield "master", first
    for upgrade in data["upgrades"]:
        seed = upgrade["seed"] if upgrade["seed"] is not None else "?"
        for stage in upgrade["stages"]:
            yield f"{upgrade['original']}->{seed}", stage
    for stage in last:
        yield "master", stage


def _steps_table(stage: Data) -> Table:
    steps = Table("step", "state", "attempts", "seconds", "verified", "comment", title=stage["stage"])
    for step in stage["steps"]:
        seen = ", ".join(sorted({entry["name"] for entry in step["evidence"] if entry["held"]}))
        steps.add_row(
            step["sentence"], step["state"], str(len(step["attempts"])), _seconds(step), seen, step["comment"]
        )
    return steps


def _progress(data: Data) -> Iterator[str]:
    for _, stage in _stages(data):
        for note in stage["progress"]:
            yield f"{note['source']}: {note['text'] or note['what']} {shown_numbers(note['numbers'])}"


def _clock(entry: Data) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.localtime(entry["started"])) if entry["started"] else ""


def _seconds(entry: Data) -> str:
    if entry["started"] is None:
        return ""
    ended = entry["ended"]
    return f"{(ended if ended is not None else time.time()) - entry['started']:.1f}"


def _watch_table(console: Console, state_dir: Path, seed: int | None) -> None:
    """Until Ctrl-C, which only detaches."""
    turn = threading.Event()
    try:
        with Live(_current(state_dir, seed, console.width), console=console, auto_refresh=False) as live:
            while not turn.wait(REFRESH_SECONDS):
                live.update(_current(state_dir, seed, console.width), refresh=True)
    except KeyboardInterrupt:
        console.print("Detached; the upgrade goes on.")


def _current(state_dir: Path, seed: int | None, width: int) -> RenderableType:
    """All stages, and the steps of the one that runs or ran last: more does not fit on a screen."""
    data = _read(state_dir, seed)
    begun = [stage for _, stage in _stages(data) if stage["started"]]
    return table(data, sorted(begun, key=lambda stage: float(stage["started"]))[-1:], width)


def _watch_lines(console: Console, state_dir: Path, seed: int | None) -> None:
    """Plain lines of every run that is going on, until none is."""
    lines = Lines(console)
    try:
        _repeat(lambda: _look(lines, state_dir, seed))
    except KeyboardInterrupt:
        console.print("Detached; the upgrade goes on.")
    lines.close()


def _look(lines: Lines, state_dir: Path, seed: int | None) -> bool:
    """Print what is new of the run that is going on, or of the last one; whether one is going on."""
    with Journal.open_to_read(state_dir) as journal:
        latest = _latest(journal, seed)
        if latest is not None:
            lines.look(journal, latest)
        return _goes_on(latest)


def _watch_documents(state_dir: Path, seed: int | None) -> None:
    """The document of `-f json` on one line, each time it is another one, until no run is going on."""
    printed = ""

    def look() -> bool:
        nonlocal printed
        with Journal.open_to_read(state_dir) as journal:
            # In this order: what a run wrote before its end is in the document that follows.
            going_on = _goes_on(_latest(journal, seed))
            document = json.dumps(overview(journal, seed), sort_keys=True)
        if document != printed:
            print(document, flush=True)
            printed = document
        return going_on

    # Detaching says nothing: whoever reads this reads documents.
    with contextlib.suppress(KeyboardInterrupt):
        _repeat(look)


def _repeat(look: Callable[[], bool]) -> None:
    """LOOK until it finds nothing going on."""
    turn = threading.Event()
    while look():
        turn.wait(REFRESH_SECONDS)


def _latest(journal: Journal, seed: int | None) -> Run | None:
    """The run that is going on or was the last, of SEED's upgrade or of all."""
    pair = journal.pairs.of_seed(seed) if seed is not None else None
    return journal.runs.latest(pair.id if pair else None)


def _goes_on(run: Run | None) -> bool:
    return run is not None and run.ended is None and not run.died
