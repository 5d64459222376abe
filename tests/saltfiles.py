"""
Modules and states of ``salt/`` without a minion: loaded from their files, given the dunders Salt would give them.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from octane.definition import Definition

SALT = Path(__file__).resolve().parents[1] / "salt"


def program(name: str) -> ModuleType:
    """A part of the program at each end of a transfer, which Salt does not load and which imports its other parts."""
    sys.path.insert(0, str(SALT / "_modules" / "octane_wire"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def orchestration(name: str) -> list[Definition]:
    """The steps of an orchestration that is shipped, e.g. ``db``, in their order."""
    found = []
    for sentence, states in yaml.safe_load((SALT / "upgrade" / f"{name}.sls").read_text()).items():
        for arguments in (given for state, given in states.items() if state == "octane.step"):
            merged = {key: value for entry in arguments for key, value in entry.items()}
            found.append(Definition.from_state(sentence, merged))
    return found


class Node:
    """All octane modules and states of one node, which call each other and the stand-ins given here."""

    def __init__(self, stand_ins: dict[str, Callable[..., Any]] | None = None, test: bool = False) -> None:
        self.salt: dict[str, Any] = {
            "config.get": lambda key, default=None: default,
            "event.send": lambda tag, data: True,
            **(stand_ins or {}),
        }
        self.state_functions: dict[str, Any] = {}
        self.opts = {"test": test}
        self.context: dict[str, Any] = {}
        self.modules = {path.stem: self._load(path, "_modules") for path in sorted(SALT.glob("_modules/octane_*.py"))}
        self.states = {path.stem: self._load(path, "_states") for path in sorted(SALT.glob("_states/octane_*.py"))}
        for kind, table in ((self.modules, self.salt), (self.states, self.state_functions)):
            for name, module in kind.items():
                for function in dir(module):
                    if not function.startswith("_") and callable(getattr(module, function)):
                        table.setdefault(f"{name}.{function}", getattr(module, function))

    def set(self, **constants: Any) -> None:
        """Set a constant (a path, mostly) in every module that has it."""
        for module in self.modules.values():
            for name, value in constants.items():
                if hasattr(module, name):
                    setattr(module, name, value)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """An execution module's function by its Salt name."""
        return self.salt[name](*args, **kwargs)

    def state(self, name: str, *args: Any, test: bool = False, **kwargs: Any) -> dict[str, Any]:
        """A state's function by its Salt name."""
        self.opts["test"] = test
        try:
            return self.state_functions[name](*args, **kwargs)
        finally:
            self.opts["test"] = False

    def _load(self, path: Path, kind: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"salt_files{kind}_{path.stem}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        given = {"__salt__": self.salt, "__states__": self.state_functions, "__opts__": self.opts}
        module.__dict__.update(given, __grains__={}, __context__=self.context)
        spec.loader.exec_module(module)
        return module
