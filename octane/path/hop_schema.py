"""What a hop's file may say."""

from __future__ import annotations

from typing import Any

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
_NAMES = {"type": "array", "items": {"type": "string", "pattern": NAME}}
_COMMAND = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"^[A-Za-z0-9_./=:@#-]+$"}}
_COMMANDS = {"type": "array", "items": _COMMAND}
_AGAIN: dict[str, Any] = {
    "repeat_until": {"type": "string", "minLength": 1},
    "repeat_on": {"type": "integer", "minimum": 1, "maximum": 255},
}
_REPEATED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["command"],
    "minProperties": 2,
    "maxProperties": 2,
    "properties": {"command": _COMMAND, **_AGAIN},
}
_DATA_COMMANDS = {"type": "array", "items": {"oneOf": [_COMMAND, _REPEATED]}}
_ETC = {"type": "string", "pattern": r"^/etc/[A-Za-z0-9_./-]+$"}
_SENTENCE = {"type": "string", "minLength": 10, "pattern": r"^[^;]*[^.;]$"}
_QUERY = {"type": "string", "pattern": r"^SELECT [^;]+$"}
CHECK: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "database", "query", "finding", "remedy"],
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9_]+$"},
        "database": {"type": "string", "pattern": NAME},
        "query": _QUERY,
        "finding": _SENTENCE,
        "remedy": _SENTENCE,
        "mended_before": {"type": "boolean"},
    },
}
_CHECKS = {"type": "array", "items": {"oneOf": [CHECK, CHECK["properties"]["name"]]}}
_REWRITE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "database", "query", "statement", "reason"],
    "properties": {
        "name": CHECK["properties"]["name"],
        "database": CHECK["properties"]["database"],
        "query": _QUERY,
        "statement": {"type": "string", "pattern": r"^(UPDATE|INSERT INTO) [^;]+$"},
        "reason": _SENTENCE,
    },
}
_PASS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["method", "paths", "apis", "writes", "reason"],
    "properties": {
        "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"]},
        "paths": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"^/[A-Za-z0-9._/*-]+$"}},
        "apis": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": NAME}},
        "writes": {"type": "object", "additionalProperties": _NAMES},
        "reason": _SENTENCE,
    },
}
_SETTING = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "file", "section", "option", "database", "query", "reason"],
    "properties": {
        "name": CHECK["properties"]["name"],
        "file": _ETC,
        "section": {"type": "string", "pattern": r"^[A-Za-z0-9_]+$"},
        "option": {"type": "string", "pattern": r"^[a-z0-9_]+$"},
        "database": CHECK["properties"]["database"],
        "query": _QUERY,
        "reason": _SENTENCE,
    },
}
_FUEL = {"type": "string", "pattern": r"^\d+\.\d+$"}
_SCRIPTS = {
    "directory": {"type": "string", "pattern": r"^[A-Za-z0-9_/]+$"},
    "repository": {"type": "string"},
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "name",
        "title",
        "from",
        "to",
        "nova",
        "compute_pin",
        "apis",
        "passes",
        "writers",
        "expendable",
        "files",
        "before",
        "services",
        "stale",
        "breaking",
        "in_flight",
    ],
    "properties": {
        "name": {"type": "string", "pattern": NAME},
        "title": {"type": "string"},
        "from": {"type": "string", "pattern": NAME},
        "to": {"type": "string", "pattern": NAME},
        "fuel": {
            "type": "object",
            "additionalProperties": False,
            "required": ["from", "to"],
            "properties": {"from": {"type": "array", "minItems": 1, "items": _FUEL}, "to": _FUEL},
        },
        "nova": {
            "type": "object",
            "additionalProperties": False,
            "required": ["from", "to"],
            "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
        },
        "compute_pin": {"type": "string", "pattern": NAME},
        "apis": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["port"],
                "properties": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
            },
        },
        "passes": {"type": "array", "items": _PASS},
        "writers": _NAMES,
        "expendable": {"type": "object", "additionalProperties": _NAMES},
        "tolerated": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _NAMES}},
        "files": {"type": "array", "items": _ETC},
        "before": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["service", "command"],
                "properties": {
                    "service": {"type": "string", "pattern": NAME},
                    "command": _COMMAND,
                    **_AGAIN,
                },
            },
        },
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["databases", "migrate", "scripts"],
                "properties": {
                    "databases": _NAMES,
                    "migrate": _COMMANDS,
                    "online": _DATA_COMMANDS,
                    "configuration": {"type": "array", "minItems": 1, "items": _ETC},
                    "scripts": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["package", "directory"],
                            "properties": {
                                "package": {"type": "string", "pattern": NAME},
                                **_SCRIPTS,
                                "old": {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "required": ["directory"],
                                    "properties": _SCRIPTS,
                                },
                            },
                        },
                    },
                },
            },
        },
        "breaking": _CHECKS,
        "dropped": {"type": "object", "additionalProperties": {**_NAMES, "minItems": 1}},
        "in_flight": _CHECKS,
        "unmigrated": _CHECKS,
        "rewrite": {"type": "array", "items": _REWRITE},
        "settings": {"type": "array", "items": _SETTING},
        "stale": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["database", "table", "host", "where"],
                "properties": {
                    "database": {"type": "string", "pattern": NAME},
                    "table": {"type": "string", "pattern": NAME},
                    "host": {"type": "string", "pattern": NAME},
                    "where": {"type": "object", "additionalProperties": _NAMES},
                },
            },
        },
    },
}
