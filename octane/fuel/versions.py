"""Versions of Fuel and of its releases, compared as numbers ("10.0" is newer than "9.0")."""

import re

from octane.errors import BadInput

Version = tuple[int, ...]

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def parse(text: str) -> Version:
    """(7, 0) for "7.0".

    :raises BadInput: when TEXT is not numbers with dots between
    """
    if not isinstance(text, str) or not _NUMBERS.fullmatch(text):
        raise BadInput(f"{text!r} is not a version")
    return tuple(int(number) for number in text.split("."))


def fuel_version(release_version: str) -> Version:
    """The Fuel version of a release: (6, 1) for "2014.2.2-6.1", the part after the last dash."""
    return parse(release_version.rpartition("-")[2])


def text(version: Version) -> str:
    """The text of a version: "7.0" for (7, 0)."""
    return ".".join(str(number) for number in version)
