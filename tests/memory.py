"""How much memory processes have at most, seen from outside while they run."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT = 300 * 1024
"""KiB that no process of ours may have, whatever the data."""
INTERVAL = 0.05
_PEAK = re.compile(r"VmHWM:\s+(\d+)")


def processes() -> Iterator[tuple[int, list[str]]]:
    """Every process of this machine, those in namespaces too: its id and the words of its command line."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0]:
                yield int(path.name), words


@contextlib.contextmanager
def watched(ours: Callable[[list[str]], bool]) -> Iterator[dict[tuple[int, str], int]]:
    """
    The peaks (``VmHWM``, KiB) of all processes that run during the block and whose words are OURS, by their ids and the
    names of their programs; as the kernel told them last.
    """
    peaks: dict[tuple[int, str], int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL):
            for pid, words in processes():
                if ours(words):
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        if found := _PEAK.search(Path(f"/proc/{pid}/status").read_text()):
                            peaks[pid, program(words)] = int(found[1])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()


def program(words: list[str]) -> str:
    """The name of what runs: that of the script where the program is its interpreter."""
    name = Path(words[0]).name
    script = next((word for word in words[1:] if word and not word.startswith("-")), name)
    return Path(script).name if name.startswith("python") else name


def largest(peaks: dict[tuple[int, str], int]) -> dict[str, int]:
    """The highest peak of each program, in KiB."""
    found: dict[str, int] = {}
    for (_, name), peak in peaks.items():
        found[name] = max(peak, found.get(name, 0))
    return found
