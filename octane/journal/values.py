"""What may be written to the journal: JSON, and nothing that looks like a secret."""

from __future__ import annotations

import json
import re
from typing import Any

SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|keyring|(private|fernet|ssh|api|auth|encryption)[_-]?keys?$",
    re.IGNORECASE,
)
SECRET_TEXT = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


class SecretRefused(ValueError):
    """A value that looks like a secret was about to be written; the message names where, never the value."""


def encode(value: Any) -> str:
    """VALUE as JSON text with sorted keys.

    :raises SecretRefused: something in it looks like a secret.
    :raises TypeError: it is not JSON.
    """
    refuse_secrets(value)
    return json.dumps(value, sort_keys=True)


def decode(text: str | None) -> Any:
    """The value that :func:`encode` wrote; None stays None."""
    return None if text is None else json.loads(text)


def refuse_secrets(value: Any, where: str = "value") -> None:
    """A safety net, not a filter: numbers, booleans and None are harmless under any key, text and containers are not.

    :raises SecretRefused: text under a key named like a secret, or text that holds a private key.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if SECRET_KEY.search(str(key)) and not _harmless(inner):
                raise SecretRefused(f"{where}.{key} looks like a secret and does not belong into the journal")
            refuse_secrets(inner, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            refuse_secrets(inner, f"{where}[{position}]")
    elif isinstance(value, str) and SECRET_TEXT.search(value):
        raise SecretRefused(f"{where} holds a private key and does not belong into the journal")


def _harmless(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float)) or value in ("", [], {}, ())
