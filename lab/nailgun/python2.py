"""How Python 2.7 wrote values: some of Nailgun's messages quote what was sent to it.

Strings of a JSON document were ``unicode`` there, and dictionaries came out in the order of their hash table.
"""

from __future__ import annotations

from typing import Any

MASK = 2**64 - 1
FIRST_SLOTS = 8
PERTURB_SHIFT = 5


def text(value: Any) -> str:
    """``repr`` of a value of a JSON document."""
    if isinstance(value, str):
        return "u" + _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(text(part) for part in value)}]"
    if isinstance(value, dict):
        pairs = (f"{text(key)}: {text(value[key])}" for key in ordered(list(value)))
        return f"{{{', '.join(pairs)}}}"
    return repr(value)


def _quoted(value: str) -> str:
    escaped = value.encode("unicode_escape").decode("ascii")
    if "'" in value and '"' not in value:
        return f'"{escaped}"'
    return "'{}'".format(escaped.replace("'", "\\'"))


def string_hash(value: str) -> int:
    """Hash of a string (64 bits, not randomised)."""
    if not value:
        return 0
    number = ord(value[0]) << 7
    for character in value:
        number = ((1000003 * number) & MASK) ^ ord(character)
    return (number ^ len(value)) & MASK


def ordered(keys: list[str]) -> list[str]:
    """The keys of a dictionary made by inserting KEYS in this order, as iterating over it gave them."""
    slots: list[str | None] = [None] * FIRST_SLOTS
    for used, key in enumerate(keys, start=1):
        _place(slots, key)
        if used * 3 >= len(slots) * 2:
            slots = _grown(slots, used)
    return [key for key in slots if key is not None]


def _place(slots: list[str | None], key: str) -> None:
    mask = len(slots) - 1
    perturb = string_hash(key)
    index = perturb & mask
    while slots[index & mask] is not None:
        index = (index << 2) + index + perturb + 1
        perturb >>= PERTURB_SHIFT
    slots[index & mask] = key


def _grown(slots: list[str | None], used: int) -> list[str | None]:
    size = FIRST_SLOTS
    while size <= used * 4:
        size <<= 1
    larger: list[str | None] = [None] * size
    for key in slots:
        if key is not None:
            _place(larger, key)
    return larger
