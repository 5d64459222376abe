"""The steps of the orchestrations as they are shipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from octane.definition import Definition
from octane.step import LibraryStep, load

FOLDER = Path(__file__).resolve().parents[2] / "salt" / "upgrade"


def definitions() -> Iterator[Definition]:
    """All of them, file by file, each in its order."""
    for path in sorted(FOLDER.glob("*.sls")):
        for sentence, states in yaml.safe_load(path.read_text()).items():
            for name, arguments in states.items():
                if name == "octane.step":
                    given = {key: value for entry in arguments for key, value in entry.items()}
                    yield Definition.from_state(sentence, given)


def step(name: str) -> LibraryStep:
    """The step of this name, such as "control.fenced"."""
    return load(next(definition for definition in definitions() if definition.step == name))
