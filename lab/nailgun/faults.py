"""Failures on demand: files that name what shall fail once."""

from __future__ import annotations

from pathlib import Path


class Faults:
    """Reads DIRECTORY/<host>.provision, .deploy and .erase; none when there is no directory."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory

    def take(self, uid: str, what: str) -> bool:
        """Whether the node shall fail at WHAT (provision, deploy or erase); the order is then used up."""
        if self.directory is None:
            return False
        for name in (f"node-{uid}", uid):
            path = self.directory / f"{name}.{what}"
            if path.exists():
                path.unlink()
                return True
        return False
