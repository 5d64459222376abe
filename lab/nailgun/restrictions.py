"""Conditions in the metadata of roles and settings, such as ``settings:storage.volumes_ceph.value == false``."""

from __future__ import annotations

import re
from typing import Any

from lab.nailgun.state import Row, State

TOKEN = re.compile(r"\s*(?:(?P<text>'[^']*')|(?P<number>\d+)|(?P<sign>==|!=|\(|\)|,)|(?P<word>[A-Za-z_][\w:.\-]*))")
WORDS = {"and", "or", "not", "in", "true", "false", "null"}


def violated(state: State, cluster: Row, restrictions: list[dict[str, Any]]) -> str | None:
    """The message of the first restriction whose condition holds ("" when it has none), or None."""
    for restriction in restrictions:
        if Condition(restriction["condition"], models(state, cluster)).holds():
            return str(restriction.get("message", ""))
    return None


def models(state: State, cluster: Row) -> dict[str, Any]:
    """What conditions may ask about."""
    return {
        "settings": cluster["attributes"]["editable"],
        "cluster": cluster,
        "networking_parameters": cluster["parameters"],
        "version": {"feature_groups": state.settings["feature_groups"]},
    }


class Condition:
    """Parses and evaluates one condition: ``or`` binds weakest, then ``and``, ``not``, comparisons and ``in``."""

    def __init__(self, text: str, models: dict[str, Any]) -> None:
        self.tokens = [match.group().strip() for match in TOKEN.finditer(text)]
        self.models = models

    def holds(self) -> bool:
        """Whether the condition is true."""
        return bool(self._either())

    def _next(self) -> str | None:
        return self.tokens[0] if self.tokens else None

    def _accept(self, token: str) -> bool:
        if self._next() == token:
            self.tokens.pop(0)
            return True
        return False

    def _either(self) -> Any:
        value = self._both()
        while self._accept("or"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._negated()
        while self._accept("and"):
            other = self._negated()
            value = value and other
        return value

    def _negated(self) -> Any:
        return not self._negated() if self._accept("not") else self._compared()

    def _compared(self) -> Any:
        value = self._value()
        if self._accept("=="):
            return value == self._value()
        if self._accept("!="):
            return value != self._value()
        if self._accept("in"):
            return value in (self._value() or [])
        return value

    def _value(self) -> Any:
        token = self.tokens.pop(0)
        if token == "(":
            value = self._either()
            self._accept(")")
            return value
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if token.startswith("'"):
            return token[1:-1]
        return int(token) if token.isdigit() else self._model(token)

    def _model(self, token: str) -> Any:
        name, _, path = token.partition(":")
        value: Any = self.models.get(name)
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value
