"""Files of a node as values: computed first, written only where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jinja2

TEMPLATES = Path(__file__).parent / "templates"

_jinja = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)


@dataclass(frozen=True)
class File:
    """One file: absolute path on the node, text, permission bits and owner ("user:group", None for root)."""

    path: str
    content: str
    mode: int = 0o644
    owner: str | None = None


class Target(Protocol):
    """The part of a lab host that writing files needs."""

    root: Path

    def write(self, path: str, text: str, mode: int = 0o644, owner: str | None = None) -> None: ...


def render(template: str, context: Mapping[str, Any]) -> str:
    """Text of ``templates/TEMPLATE`` for ``context``. Raises jinja2.UndefinedError for a name that is not there."""
    return _jinja.get_template(template).render(context)


def differing(host: Target, files: Iterable[File]) -> list[File]:
    """Those of ``files`` whose text on the node is another one, or which are not there."""
    return [file for file in files if current(host, file.path) != file.content]


def current(host: Target, path: str) -> str | None:
    """Text of a file on the node, None where there is none."""
    try:
        return (host.root / path.lstrip("/")).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write(host: Target, files: Iterable[File]) -> list[str]:
    """Write what differs and return the paths that changed."""
    changed = differing(host, files)
    for file in changed:
        host.write(file.path, file.content, mode=file.mode, owner=file.owner)
    return [file.path for file in changed]
