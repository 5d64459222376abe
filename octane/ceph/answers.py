"""The text that Ceph's commands print, as data."""

from __future__ import annotations

import json
from typing import Any

from octane.errors import BadInput


def document(text: str) -> Any:
    """What a command printed with ``-f json``; releases up to Jewel print a blank line first.

    :param text: standard output alone: standard error has lines such as ``dumped all in format json``
    :raises BadInput: it is no JSON
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"Ceph's answer is no JSON ({error}): {text.strip()[:80]!r}; ask with `-f json`") from None


def each(text: str) -> dict[str, Any]:
    """{daemon: what it said} of ``ceph tell osd.* ...`` or ``mon.*``.

    Each says an object in one line or several, or plain words, after its name and a colon, with nothing between one and
    the next (recorded of Ceph 0.80.9 and 0.94.6).
    """
    said: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        before, colon, rest = line.partition(": ")
        if colon and not line[0].isspace() and "." in before and " " not in before:
            name, line = before, rest
        if name:
            said[name] = f"{said[name]}\n{line}" if name in said else line
    return {daemon: _value(words.strip()) for daemon, words in said.items()}


def _value(words: str) -> Any:
    return document(words) if words.startswith(("{", "[")) else words
