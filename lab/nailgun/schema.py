"""Validation of what is sent against JSON schemas, with messages as Nailgun 7.0 gives them.

Only the first line of such a message is worth comparing: below it follow the schema and the instance.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from lab.nailgun import python2
from lab.nailgun.errors import InvalidData, Traceback

Schema = dict[str, Any]

ID: Schema = {"type": "integer"}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
IDS: Schema = {"type": "array", "items": ID}
FORMATS = jsonschema.FormatChecker()
"""Formats of strings that ``check`` knows, as Nailgun's own does; ``check_request`` lets every string pass."""


def nullable(schema: Schema) -> Schema:
    """What SCHEMA allows, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """An object with these properties, of which some are required; others are let through."""
    return {"type": "object", "properties": properties, "required": required or []}


def expect_object(data: Any) -> None:
    """Traceback for a body that is no object, where the real one's code takes it for one without a schema."""
    if not isinstance(data, dict):
        raise Traceback


def check(data: Any, schema: Schema) -> None:
    """InvalidData with the first violation."""
    for error in jsonschema.Draft4Validator(_ordered(schema), format_checker=FORMATS).iter_errors(data):
        raise InvalidData(f"{first_line(error)}\n\n{_context(error)}")


def _ordered(schema: Any) -> Any:
    """The schema with its keys as Python 2 went over them: this decides which of several violations is the first."""
    if isinstance(schema, dict):
        return {key: _ordered(schema[key]) for key in python2.ordered(list(schema))}
    return schema


def first_line(error: Any) -> str:
    """The sentence about the violation, with the value as Python 2 wrote it."""
    value = python2.text(error.instance)
    wanted = error.validator_value
    sentences = {
        "type": lambda: f"{value} is not of type {', '.join(repr(kind) for kind in _listed(wanted))}",
        "enum": lambda: f"{value} is not one of {wanted!r}",
        "anyOf": lambda: f"{value} is not valid under any of the given schemas",
        "oneOf": lambda: f"{value} is not valid under any of the given schemas",
        "minimum": lambda: f"{value} is less than the minimum of {wanted!r}",
        "maximum": lambda: f"{value} is greater than the maximum of {wanted!r}",
        "minItems": lambda: f"{value} is too short",
        "minLength": lambda: f"{value} is too short",
        "maxLength": lambda: f"{value} is too long",
        "pattern": lambda: f"{value} does not match {wanted!r}",
        "uniqueItems": lambda: f"{value} has non-unique elements",
    }
    if error.validator == "additionalProperties":
        return _unexpected(error)
    return sentences[error.validator]() if error.validator in sentences else str(error.message)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _unexpected(error: Any) -> str:
    extras = [key for key in error.instance if key not in error.schema.get("properties", {})]
    verb = "was" if len(extras) == 1 else "were"
    named = ", ".join(python2.text(key) for key in extras)
    return f"Additional properties are not allowed ({named} {verb} unexpected)"


def _context(error: Any) -> str:
    place = "".join(f"[{key!r}]" for key in error.relative_schema_path)
    instance = "".join(f"[{key!r}]" for key in error.path)
    shown = json.dumps(error.schema, indent=4)
    rule = f"Failed validating {error.validator!r} in schema{place}:\n    {shown}"
    return f"{rule}\n\nOn instance{instance}:\n    {error.instance!r}"


def check_request(data: Any, schema: Schema) -> None:
    """What some handlers check before anything else: the message is one line and begins with the name of the key."""
    for error in jsonschema.Draft4Validator(_ordered(schema)).iter_errors(data):
        path = [str(part) for part in error.path]
        raise InvalidData(": ".join([*path[-1:], first_line(error)]))


NULLABLE_STRING: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL = nullable({"type": "integer", "minimum": 0})
NULLABLE_ID = nullable(POSITIVE)
ADDRESS: Schema = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
OCTET = "(2(5[0-5]|[0-4][0-9])|[01]?[0-9][0-9]?)"
NET_ADDRESS: Schema = {"type": "string", "pattern": rf"^(({OCTET}\.){{3}}{OCTET})(/(3[012]|[12]?[0-9]))?$"}
MAC_ADDRESS: Schema = {"type": "string", "pattern": "^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$"}
LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?"
HOST_NAME: Schema = {"type": "string", "pattern": rf"^({LABEL}\.)*{LABEL}$"}
