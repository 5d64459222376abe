"""What the lab builds once and keeps: directories named by a hash of all that went into them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CACHE = Path(os.environ.get("OCTANE_LAB_CACHE", "/var/cache/octane-lab"))
COMPLETE = ".complete"


def say(message: str) -> None:
    """Print one line of progress; standard output stays free for results."""
    print(message, file=sys.stderr, flush=True)


def key(paths: Iterable[Path], *words: str) -> str:
    """Twelve hex digits over the names and bytes of the files at and below ``paths``, and over ``words``."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    for path in paths:
        for file in files_below(path):
            digest.update(str(file.relative_to(path.parent)).encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def files_below(path: Path) -> list[Path]:
    """``path`` itself when it is a file, else its files, sorted, without Python's compiled ones."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the machine-wide lock of one thing of the cache; others wait."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another process is building it, waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_complete(directory: Path) -> bool:
    """Whether ``directory`` was built to its end."""
    return (directory / COMPLETE).exists()


def built(target: Path, what: str, fill: Callable[[Path], None]) -> Path:
    """A directory of the cache, filled by ``fill`` beside its place first unless it is there; ``what`` is its kind."""
    with lock(what):
        if is_complete(target):
            return target
        started = time.monotonic()
        temporary = CACHE / f".{target.name}.new"
        for left in (temporary, target):
            remove(left)
        temporary.mkdir(parents=True)
        fill(temporary)
        mark_complete(temporary)
        temporary.rename(target)
        say(f"{what}: built {target} in {time.monotonic() - started:.0f} s")
    return target


def mark_complete(directory: Path) -> None:
    """Declare ``directory`` built to its end, so that it may be used."""
    (directory / COMPLETE).touch()


def remove(directory: Path) -> None:
    """Remove a directory of the cache, its declaration first, so that a half removed one is never used."""
    (directory / COMPLETE).unlink(missing_ok=True)
    if directory.exists():
        shutil.rmtree(directory)
